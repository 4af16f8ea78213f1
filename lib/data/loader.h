#ifndef HG_LOADER_H
#define HG_LOADER_H

#include <stdint.h>

#include "data/dataset_part.h"
#include "data/inputerror.h"

/**
 * Training batches, in the public order: consecutive spans of
 * (tokens_per_micro_batch + 1) ids over all shards, from an offset on and
 * wrapping at the end.  The cursor is the number of spans taken; nothing else
 * is state, so a run resumes from it alone.
 */
struct loader;

/**
 * loader_open(part, vocab_size, tokens_per_micro_batch, offset, f):
 * Units:  ${tokens_per_micro_batch} inputs (and targets) a span; the first one
 *         begins ${offset} ids into the shards, whole rounds not counted.
 * Owns:   the caller calls loader_close; ${part} must stay valid.
 * Errors: NULL, said: as tokens_open; fewer ids than one span are invalid.
 * Checked: t/unit/data.c reproduces golden/more.json.
 */
struct loader *loader_open(const struct dataset_part *part, uint32_t vocab_size, uint64_t tokens_per_micro_batch,
    uint64_t offset, struct inputerror *f);
void loader_close(struct loader *l);

/* The next span: tokens_per_micro_batch + 1 ids; inputs are ids[0..n-1], targets ids[1..n]. 0, or -1, said. */
int loader_take(struct loader *l, int32_t *ids, struct inputerror *f);

uint64_t loader_cursor(const struct loader *l);
void loader_seek(struct loader *l, uint64_t spans);

#endif
