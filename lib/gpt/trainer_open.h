#ifndef HG_TRAINER_OPEN_H
#define HG_TRAINER_OPEN_H

/**
 * From a recipe to a trainer that stands before its first step.  Apart from
 * recipe.h, so that a tool which only reads specs links no model.
 */

#include <stddef.h>
#include <stdint.h>

#include "gpt/trainspec.h"
#include "gpt/trainer.h"

/**
 * trainer_open_micro_batch(r, free_bytes, all_bytes):
 * The micro-batch to train with: the one asked for, or for "auto" the largest
 * that divides every batch, holds whole sequences and fits in 60 % of the
 * memory that is free: the backend's, or ${free_bytes} of ${all_bytes} if it has
 * none of its own; 0 is not known.
 * Errors: 0 after saying what to lower; errno ENOMEM: more than is free, EFBIG: more than there is.
 * Checked: t/unit/trainer.c.
 */
size_t trainer_open_micro_batch(const struct trainspec *r, uint64_t free_bytes, uint64_t all_bytes);

/**
 * trainer_open_spec(r, micro_batch, source, cookie, m, t):
 * The model to train, with its initial weights (of the seed, or init_from's),
 * and its trainer.  r->threads must be set.
 * Owns:   the caller closes *t, then *m.
 * Errors: -1 after saying why; errno as model_open, or ENOENT and EBADMSG of init_from.
 */
int trainer_open_spec(const struct trainspec *r, size_t micro_batch, trainer_source *source, void *cookie,
    struct model **m, struct trainer **t);

#endif
