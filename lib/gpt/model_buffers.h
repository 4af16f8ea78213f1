#ifndef HG_MODEL_BUFFERS_H
#define HG_MODEL_BUFFERS_H

#include "gpt/model_state.h"

/**
 * The buffers of a model, for model.c: which there are, of what shapes, and when each is in use.  They are gone through
 * twice in the same order, once to be counted and once to be made, so that those of training which are never in use at
 * the same time share memory where the backend can place them.
 *
 * Invariant: within a pass, forward through visit i is time i, the head is the time after, and then each visit's
 * backward takes BACK_TIMES, the last visit first.  What has no times is in use always.
 */

struct ops_geometry model_buffers_geometry(const struct model_args *args);

/* Room for pointers to them. Errors: -1 with errno ENOMEM. */
int model_buffers_room(struct model *m);
void model_buffers_forget(struct model *m);

/* Make all, after open; m->starved tells whether one could not be. */
void model_buffers_make(struct model *m, const struct model_args *args);

/* Bytes of weights, gradients apart from others and Gram matrices; and of the rest. */
struct model_buffers_sum {
	uint64_t parameters, activations;
};

/* What model_buffers_make would make, counted only. Errors: -1 with errno ENOMEM. */
int model_buffers_count(const struct model_args *args, struct model_buffers_sum *sum);

#endif
