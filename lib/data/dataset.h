#ifndef HG_DATASET_H
#define HG_DATASET_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "data/dataset_part.h"
#include "data/inputerror.h"
#include "base/sha256.h"
#include "base/str.h"

/**
 * A data directory as hg-data leaves it, hg-dataset(5): dataset.json, the
 * tokenizer, the shards (inside it, or adopted where they lay) and val_docs.tsv.
 * Opening reads and checks dataset.json alone; files are checked by
 * dataset_verify, by content.
 */
#define DATASET_FILE "dataset.json"
#define DATASET_DOCS_FILE "val_docs.tsv"
#define DATASET_DOCS_HEADER "# doc\ttokens\tbytes\traw_bytes\n"

struct dataset {
	char *dir;
	char sha256[SHA256_HEX_SIZE];         /* of dataset.json's bytes */
	char content_sha256[SHA256_HEX_SIZE]; /* tokenizer, train and val, wherever they lie */
	struct dataset_part train, val;
	struct dataset_part val_counts;        /* byte counts of each validation token (sidecar.h); no shards: none */
	uint64_t val_piece_bytes;              /* with them: what the vocabulary's rule counts */
	uint64_t val_declared_bytes;           /* and the sum that the owner gave, or DATASET_UNKNOWN */
	uint64_t train_overlap;                /* training documents in validation too, as far as counted */
	char val_raw_sha256[SHA256_HEX_SIZE];  /* of the raw validation text, or "" if unknown */
	char val_kept_sha256[SHA256_HEX_SIZE]; /* of what the tokenizer gives back of it, or "" if unknown */
	char *docs_path;                       /* val_docs.tsv */
	char docs_sha256[SHA256_HEX_SIZE];
	char *tokenizer_path; /* NULL for bytes */
	char tokenizer_sha256[SHA256_HEX_SIZE];
	char normalizer[65]; /* the model's name for it, or "" if it gives none */
	uint32_t vocab_size, bos_id;
	int keep_lines; /* line breaks inside documents are tokens */
};

/**
 * dataset_open(dir, f):
 * Read DIR/dataset.json and hold it against its contract.
 * Owns:   the caller calls dataset_free.
 * Errors: NULL, said, *f filled: missing, invalid, memory, io.
 */
struct dataset *dataset_open(const char *dir, struct inputerror *f);
void dataset_free(struct dataset *d);

/* Release what *d holds, but not d itself: for one that a builder fills. */
void dataset_clear(struct dataset *d);

struct vocab;

/* What dataset.json says of the vocabulary, but for its file; its normaliser's name printable and cut to 64 bytes. */
void dataset_take_vocab(struct dataset *d, const struct vocab *v);

/**
 * dataset_json(d, source):
 * The value of dataset.json, digests computed; steals ${source}.  Owns: the
 * caller decrefs.  NULL with errno ENOMEM.
 */
json_t *dataset_json(struct dataset *d, json_t *source);

enum { DATASET_TRAIN = 1, DATASET_VAL = 2, DATASET_TOKENIZER = 4, DATASET_ALL = 7 };

/**
 * dataset_verify(d, what, f):
 * Check the files of the named parts (DATASET_VAL includes val_docs.tsv) by
 * size and digest.  Digests of large files are remembered in DIR/.digests by
 * device, inode, size, mtime and ctime; a directory that can't be written just
 * is not remembered in.
 * Errors: -1, said, *f filled: missing, truncated, wrong_size, wrong_digest,
 *         invalid, tokenizer_missing, io.
 * Checked: t/hg-data.bats.
 */
int dataset_verify(const struct dataset *d, unsigned what, struct inputerror *f);

/* One validation document, in shard order. */
struct dataset_doc {
	uint64_t tokens;    /* BOS included */
	uint64_t bytes;     /* counted */
	uint64_t raw_bytes; /* or DATASET_UNKNOWN */
};

/* val_docs.tsv: d->val.documents rows, whose sums are those of d->val. Owns: the caller frees. NULL, said. */
struct dataset_doc *dataset_docs(const struct dataset *d, struct inputerror *f);

/* Append a row of that table; raw_bytes may be DATASET_UNKNOWN. 0, or -1 with errno ENOMEM. */
int dataset_docs_row(struct str *out, uint64_t doc, uint64_t tokens, uint64_t bytes, uint64_t raw_bytes);

/* The vocabulary, its digest compared. Owns: the caller calls vocab_free. NULL, said. */
struct vocab *dataset_vocab(const struct dataset *d, struct inputerror *f);

#endif
