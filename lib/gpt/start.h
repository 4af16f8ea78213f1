#ifndef HG_START_H
#define HG_START_H

/**
 * From a recipe to a trainer that stands before its first step.  Apart from
 * recipe.h, so that a tool which only reads specs links no model.
 */

#include <stddef.h>
#include <stdint.h>

#include "recipe.h"
#include "trainer.h"

/**
 * start_micro_batch(r, host_bytes):
 * The micro-batch to train with: the one asked for, or for "auto" the largest
 * that divides batch_tokens, holds whole sequences and fits in 60 % of the
 * memory that is free: the backend's, or ${host_bytes} if it has none of its
 * own.  Tokens; 0 after saying why if not even one sequence fits.
 */
size_t start_micro_batch(const struct recipe *r, uint64_t host_bytes);

/**
 * start_open(r, micro_batch, source, cookie, m, t):
 * The model to train, with its initial weights (of the seed, or init_from's),
 * and its trainer.  r->threads must be set.
 * Owns:   the caller closes *t, then *m.
 * Errors: -1 after saying why; errno as model_open, or ENOENT and EBADMSG of init_from.
 */
int start_open(const struct recipe *r, size_t micro_batch, trainer_source *source, void *cookie, struct model **m,
    struct trainer **t);

#endif
