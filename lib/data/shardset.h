#ifndef HG_SHARDSET_H
#define HG_SHARDSET_H

#include <stdint.h>

#include "data/dataset.h"

/**
 * One part of a dataset being written: documents follow each other through as
 * many shards as they need.  A document is never cut by the end of a shard.
 */
struct shardset_writer;

/*
 * Shards NAME_%06d.bin in ${dirfd}, of at most ${most_tokens} (0: as many as a shard may hold) but for one that a
 * single document fills; ${part}, zeroed or with shards that are complete, is filled on the way. NULL with errno
 * ENOMEM.
 */
struct shardset_writer *shardset_begin(int dirfd, const char *name, uint64_t most_tokens, struct dataset_part *part);

/* Add a document of ${bytes} counted and ${raw_bytes} raw bytes. 0, or -1, said. */
int shardset_add(struct shardset_writer *w, const uint16_t *ids, uint64_t n, uint64_t bytes, uint64_t raw_bytes,
    struct inputerror *f);

/* Finish the last shard, durably. Releases w even when it fails. */
int shardset_end(struct shardset_writer *w, struct inputerror *f);
void shardset_abort(struct shardset_writer *w);

#endif
