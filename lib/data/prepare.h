#ifndef HG_PREPARE_H
#define HG_PREPARE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "data/documents.h"
#include "data/inputerror.h"

/**
 * From text to a dataset: documents, their order, the tokenizer, shards.
 * The same files and settings give the same shards, whatever the machine's
 * number of processors.
 */
struct prepare {
	char *const *files; /* paths, "-" is standard input */
	size_t count;
	char *const *val_files; /* their documents are validation, and no others; val_docs is not used */
	size_t val_count;
	struct documents_how how;
	int keep_lines;      /* line breaks are tokens, and a model that is trained keeps blanks as they are */
	const char *model;   /* a SentencePiece model to use, or NULL */
	uint32_t vocab_size; /* with model NULL: train one of this size; 0: bytes */
	uint64_t val_docs;   /* 0: 5000, but at most a tenth of the documents */
	uint64_t seed;
	int keep_order;        /* the seed is not used */
	uint64_t shard_tokens; /* at most so many in a shard; 0: as many as it may hold */
};

/**
 * prepare_dataset(p, dirfd, f):
 * Fill the directory ${dirfd} with tokenizer, shards and val_docs.tsv, all
 * durable, and return the value for dataset.json.  What is there is taken up if
 * it was left by the same request (resume.h), and removed otherwise.  Temporary files need about as
 * much space there as the corpus; memory does not depend on it.
 * Owns:   the caller decrefs.
 * Errors: NULL, said, *f filled.
 * Checked: t/hg-data.bats.
 */
json_t *prepare_dataset(const struct prepare *p, int dirfd, struct inputerror *f);

/* Was ${dataset} (a dataset.json) made from these very files by these settings? 1, 0, or -1, said. Reads all files. */
int prepare_same(const struct prepare *p, const json_t *dataset, struct inputerror *f);

#endif
