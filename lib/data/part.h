#ifndef HG_PART_H
#define HG_PART_H

#include <stdint.h>

#include "dataset.h"

/**
 * One part of a dataset being written: documents follow each other through as
 * many shards as they need.  A document is never cut by the end of a shard.
 */
struct part_writer;

/* Shards NAME_%06d.bin in ${dirfd}; ${part}, zeroed, is filled on the way. NULL with errno ENOMEM. */
struct part_writer *part_begin(int dirfd, const char *name, struct dataset_part *part);

/* Add a document of ${bytes} counted and ${raw_bytes} raw bytes. 0, or -1, said. */
int part_add(struct part_writer *w, const uint16_t *ids, uint64_t n, uint64_t bytes, uint64_t raw_bytes,
    struct fault *f);

/* Finish the last shard, durably. Releases w even when it fails. */
int part_end(struct part_writer *w, struct fault *f);
void part_abort(struct part_writer *w);

#endif
