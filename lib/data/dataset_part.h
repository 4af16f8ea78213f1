#ifndef HG_DATASET_PART_H
#define HG_DATASET_PART_H

#include <stddef.h>
#include <stdint.h>

#include "base/sha256.h"

/* One part of a dataset: its shards in order. Apart from dataset.h: what reads tokens needs no dataset.json. */

#define DATASET_UNKNOWN UINT64_MAX /* raw bytes of adopted shards, and what was lost before that was measured */

struct dataset_shard {
	char *path; /* can be opened from here: the directory's name is in front of relative ones */
	uint64_t bytes, tokens;
	char sha256[SHA256_HEX_SIZE];
};

struct dataset_part {
	const char *name; /* "train" or "val" */
	struct dataset_shard *shards;
	size_t count;
	uint64_t documents, tokens;
	uint64_t empty_documents;     /* of the documents those of BOS alone */
	uint64_t bytes;               /* counted by the tokenizer's rule */
	uint64_t raw_bytes;           /* UTF-8 bytes of the documents, or DATASET_UNKNOWN */
	uint64_t lost_bytes;          /* of them not given back by the tokenizer, or DATASET_UNKNOWN */
	uint64_t lost_documents;      /* documents that are not given back as they were, likewise */
	char sha256[SHA256_HEX_SIZE]; /* over the shards' digests, in order */
};

#endif
