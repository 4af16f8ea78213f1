#ifndef HG_SHARD_WRITER_H
#define HG_SHARD_WRITER_H

#include <stdint.h>

#include "base/atomfile.h"
#include "data/shard.h"

/**
 * A shard being written through a temporary.  begin and add return NULL or -1
 * with the failure said; finish publishes under the name given, and releases w
 * even when it fails; abort removes what was written.
 */
struct shard_writer;
struct shard_writer *shard_writer_begin(int dirfd, const char *name, struct inputerror *f);
int shard_writer_add(struct shard_writer *w, const uint16_t *ids, uint64_t n, struct inputerror *f);
uint64_t shard_writer_tokens(const struct shard_writer *w);
int shard_writer_finish(struct shard_writer *w, enum atomfile_verb verb, struct inputerror *f);
void shard_writer_abort(struct shard_writer *w);

#endif
