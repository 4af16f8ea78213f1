#ifndef HG_ADOPT_H
#define HG_ADOPT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "data/inputerror.h"

/* Shards that exist already become a dataset where they lie. */
struct adopt {
	char *const *train, *const *val, *const *counts; /* paths, in order; counts: byte counts beside val */
	size_t train_count, val_count, counts_count;     /* counts_count 0: the vocabulary tells bytes */
	uint64_t declared_bytes;                         /* what the counts must sum to, or DATASET_UNKNOWN */
	const char *model;                               /* SentencePiece model, NULL: bytes */
	int keep_overlap; /* training documents that are in validation too are counted, not refused */
};

/**
 * adopt_dataset(a, dirfd, f):
 * Read every shard (digest, ids, documents by their BOS, counted bytes), copy the
 * model and write val_docs.tsv into ${dirfd}; return the value for dataset.json,
 * which names the shards by absolute path.  Raw bytes are known for bytes alone,
 * where no counts say that text was transformed.
 * Owns:   the caller decrefs.
 * Errors: NULL, said, *f filled; invalid, too, for a shard that is in both parts
 *         and for documents that are, unless they are kept; and for byte counts
 *         that are not those of the text (sidecar.h).
 * Checked: t/hg-data.bats.
 */
json_t *adopt_dataset(const struct adopt *a, int dirfd, struct inputerror *f);

#endif
