#ifndef HG_TRAINER_STATE_H
#define HG_TRAINER_STATE_H

#include "gpt/trainer.h"

/* The inside of a trainer, for trainer.c and resume.c alone. */
struct trainer {
	struct trainer_args args;
	struct optimizer_law law;
	struct optimizer *optimizer;
	uint64_t step;     /* steps done */
	uint64_t spans;    /* micro-batches that they took */
	int32_t *ids;      /* one span: micro_batch_tokens + 1 */
	float *nats;       /* one micro-batch */
	float *staging;    /* one tensor */
	float *marked;     /* weights of trainer_mark, or NULL */
	uint64_t averaged; /* updates in the average of the weights */
	float *other;      /* one tensor more, where there is an average */
};

/* Download a buffer of one tensor's size, ${n} elements, to ${t}->staging. */
void trainer_stage(const struct trainer *t, const struct ops_buf *buf, size_t n);

#endif
