#ifndef HG_DOCUMENTS_H
#define HG_DOCUMENTS_H

#include <stddef.h>
#include <stdint.h>

#include "data/inputerror.h"
#include "base/sha256.h"

/**
 * Text files cut into documents, streaming.  Whatever the bytes, a document is
 * well-formed UTF-8 without NUL: a byte that is no part of a UTF-8 character is
 * read as windows-1252 (which is what such bytes in otherwise good text almost
 * always are), a NUL becomes a space, and both are counted.  A byte-order mark
 * in front of a file is dropped, CR LF is LF.
 */
enum documents_format {
	DOCUMENTS_PARA,  /* separated by lines that are empty or blank; lines joined by LF */
	DOCUMENTS_LINES, /* one a line */
	DOCUMENTS_JSONL, /* one JSON object a line: a string in it, "text" unless another is named */
	DOCUMENTS_FILES  /* the whole file, without LF at its end */
};

/* How files are cut. */
struct documents_how {
	enum documents_format format;
	const char *key; /* of JSONL: the member that is the text; NULL: "text" */
	int skip;        /* of JSONL: lines without one are counted and not refused */
};

/* The name of a format, and the format of a name: -1 if there is none. */
const char *documents_format_name(enum documents_format format);
int documents_format_of(const char *name);

/* Longer documents are refused: spm_encode holds one in memory some hundred times over. */
#define DOCUMENTS_MAX_BYTES ((size_t)16 << 20)

struct documents_counts {
	uint64_t documents;    /* not empty */
	uint64_t empty;        /* nothing but blanks: dropped */
	uint64_t invalid_utf8; /* bytes */
	uint64_t nul;          /* bytes */
	uint64_t skipped;      /* lines of JSONL that hold no document */
	uint64_t text_bytes;   /* of the documents, as UTF-8 */
};

/* Takes one document; -1 ends the reading. */
typedef int documents_sink(void *cookie, const char *text, size_t n, struct inputerror *f);

/**
 * documents_read(fd, path, how, counts, sink, cookie, hex, bytes, f):
 * Cut all that can be read from ${fd} into documents, hand each that is not
 * empty to ${sink}, and add to *counts.  With sink NULL the bytes are only
 * digested.  ${hex} and *bytes tell what was read.
 * Errors: -1, said: invalid (a file that is no text by its first bytes, JSONL
 *         that is none, a document or line too long), memory, io, or what
 *         ${sink} failed of.
 * Checked: t/hg-data.bats, t/unit/documents.c.
 */
int documents_read(int fd, const char *path, const struct documents_how *how, struct documents_counts *counts,
    documents_sink *sink, void *cookie, char hex[SHA256_HEX_SIZE], uint64_t *bytes, struct inputerror *f);

#endif
