#ifndef HG_TRAINER_H
#define HG_TRAINER_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "gpt/model.h"
#include "gpt/optimizer.h"

/**
 * The training loop's pure core: parameters, optimizer state and two counters.
 * It knows neither clocks nor run directories; whoever drives it decides the
 * rates of each step.  State, rates and data decide the next
 * state to the last bit.
 */

/**
 * Fill ids with the span'th span of n consecutive ids of the training stream
 * (ids span*n .. span*n + n - 1, wrapping at the end of the last shard).
 * Returns 0, or -1 after saying why.
 */
typedef int trainer_source(void *cookie, uint64_t span, int32_t *ids, size_t n);

struct trainer_args {
	struct model *model;             /* MODEL_TRAIN; max_passes at least micro-batches per step */
	const struct optimizer_law *law; /* copied */
	size_t seq_len;                  /* of a step whose rates name none; others must divide it */
	size_t batch_tokens;             /* likewise: a multiple of micro_batch_tokens, as others must be */
	size_t micro_batch_tokens;       /* a multiple of seq_len; decides the order of data */
	trainer_source *source;
	void *cookie;
};

struct trainer;

/* Owns: the caller closes, before the model, which it must fill (model_set) itself. Errors: NULL after saying why. */
struct trainer *trainer_open(const struct trainer_args *args);
void trainer_close(struct trainer *t);

enum { TRAINER_DIVERGED = 1 };

struct trainer_result {
	double loss;      /* mean nats of the batch, before the update */
	double grad_norm; /* before clipping; NAN when not clipping */
};

/**
 * trainer_step(t, rates, result):
 * One step over as many tokens as ${rates} have, else batch_tokens: forward,
 * backward, update.  Sequences of other lengths are cut from the same spans.
 * Returns TRAINER_DIVERGED if the loss (or the norm, when clipping) is not
 * finite, said; the parameters were then not touched (ops.h: begin), although
 * nobody waits for the losses before the update is asked for.
 * Errors: -1 after saying why: the source failed, or gave an id out of range.
 */
int trainer_step(struct trainer *t, const struct schedule_rates *rates, struct trainer_result *result);

uint64_t trainer_steps(const struct trainer *t);  /* steps done */
uint64_t trainer_spans(const struct trainer *t);  /* micro-batches taken from the source */
uint64_t trainer_tokens(const struct trainer *t); /* trained on */

/**
 * trainer_average(t, keep):
 * Between steps, where the law has an average: take the weights into it, of which a share of ${keep} stays; 1 does
 * nothing, and what is taken first is the average.  trainer_averaged: how many updates are in it.
 * trainer_exchange(t): have weights and average change places, for a score or a checkpoint; once more, and all is as it
 * was to the bit.  Returns whether there was an average to exchange.  No step, average or state meanwhile.
 */
void trainer_average(struct trainer *t, double keep);
uint64_t trainer_averaged(const struct trainer *t);
int trainer_exchange(struct trainer *t);

/**
 * trainer_watch(t, nth, tokens):
 * After the last step: one pass that only watches what matrices read (model_watch), over the first ${tokens} of the
 * ${nth} micro-batch (from 0) of those that no step has taken; whole sequences of seq_len.  Done when it returns.
 * Errors: -1 after saying why, as of a step.
 */
int trainer_watch(struct trainer *t, uint64_t nth, size_t tokens);

/* Nonzero if every weight is finite: look before publishing the last step's. */
int trainer_finite(const struct trainer *t);

/**
 * trainer_mark(t) / trainer_rollback(t):
 * For warm-up: mark keeps the weights of a trainer that has done no step;
 * rollback returns to them, to an empty optimizer and to the first span.
 * Errors: -1 after saying why (out of memory).
 */
int trainer_mark(struct trainer *t);
void trainer_rollback(struct trainer *t);

#endif
