#ifndef HG_TEXTFILE_H
#define HG_TEXTFILE_H

#include <stddef.h>
#include <stdint.h>

#include "import/defect.h"
#include "base/sha256.h"

/**
 * A file that somebody else wrote, as UTF-8 whatever it was: a byte order mark
 * is dropped, UTF-16 with one is converted, bytes that are no UTF-8 (and NUL)
 * become the four characters \xNN.  Lines are counted as grep -n does, by line
 * feeds; a carriage return ends a piece of a line, or a line where there are
 * no line feeds at all.
 */
struct textfile {
	char *text; /* NUL-terminated; NULL if the file is not to be read */
	size_t n;
	uint64_t bytes;               /* of the file */
	char sha256[SHA256_HEX_SIZE]; /* "" if it was not read */
	defect_set flags;             /* DEFECT_HUGE, DEFECT_BINARY, DEFECT_NOT_UTF8, DEFECT_UTF16, DEFECT_EMPTY,
	    DEFECT_UNREADABLE */
	int error;                    /* errno, if unreadable */
};

/* Is it the file that cannot be read, rather than the system that could not read it? */
int textfile_at_fault(int error);

/*
 * Read ${name} in ${dirfd}: whatever it is, never hangs. 0; -1 with errno if not the file but the system is at
 * fault.
 */
int textfile_read(struct textfile *t, int dirfd, const char *name, size_t max_bytes);

/* The same for bytes at hand. Exported for tests. */
int textfile_take(struct textfile *t, const char *bytes, size_t n);

void textfile_free(struct textfile *t);

/* A piece of a text: up to a line feed or carriage return. Start from { text, n, 0, ... } with textfile_pieces. */
struct textfile_piece {
	const char *p; /* the piece, which ends at n, not in a NUL */
	size_t n;
	unsigned line; /* from 1 */
	const char *next, *end;
	unsigned next_line;
};

void textfile_pieces(struct textfile_piece *piece, const char *text, size_t n);
int textfile_next(struct textfile_piece *piece);

#endif
