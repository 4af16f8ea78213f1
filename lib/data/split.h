#ifndef HG_SPLIT_H
#define HG_SPLIT_H

#include <stdint.h>

#include "data/corpus.h"

/**
 * Which documents are validation, in one pass over them in order: the first
 * ${wanted} that differ.  Copies of those are dropped wherever they stand.
 */
struct split {
	struct corpus_set *val;
	uint64_t wanted, found; /* documents that differ; 0 where they are given */
	uint64_t given;         /* so many more, copies included, are given for validation */
	uint64_t dropped;       /* copies of validation documents */
};

enum split_side { SPLIT_VAL, SPLIT_TRAIN, SPLIT_DROP };

/* 0, or -1 with errno ENOMEM. Owns: split_free releases what it holds. */
int split_begin(struct split *s, uint64_t wanted, uint64_t given);

/* The side of the next document, or -1 with errno ENOMEM. */
int split_next(struct split *s, const struct corpus_doc *doc);

void split_free(struct split *s);

#endif
