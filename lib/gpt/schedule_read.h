#ifndef HG_SCHEDULE_READ_H
#define HG_SCHEDULE_READ_H

#include <stddef.h>
#include <stdint.h>

#include "gpt/schedule.h"

/* What metrics hold for a replay: of each step the scales, the momentum's rise, the batch, the sequences, the visits
 * of layers and what an average kept; NULL where no line has them. */
struct schedule_recorded {
	double *scales, *adam_scales, *rises, *batch_sizes, *seq_lens, *visit_counts, *keeps;
	uint64_t count;
};

/**
 * schedule_read(text, n, recorded):
 * The `lr_scale` of each line of a metrics.jsonl, which must hold every step
 * from 0 on (log_every 1), and its `adam_lr_scale`, `momentum_rise`,
 * `batch_tokens`, `seq_len`, `visits` and `average_keep`, which all lines have or none; a resumed step stands twice and
 * agrees.
 * Owns:   the caller frees the arrays.
 * Errors: -1 after saying why.
 */
int schedule_read(const char *text, size_t n, struct schedule_recorded *recorded);

/**
 * schedule_read_follow(s, recorded):
 * Have a schedule, which is a replay, do what was recorded.
 * Owns:   the arrays stay the caller's, and must live as long.
 * Errors: -1 after naming the step whose batch, sequences or visits are none of the schedule's; nothing is then set.
 */
int schedule_read_follow(struct schedule *s, const struct schedule_recorded *recorded);

#endif
