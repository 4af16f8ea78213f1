#ifndef HG_SCHEDULE_READ_H
#define HG_SCHEDULE_READ_H

#include <stddef.h>
#include <stdint.h>

/* What metrics hold for a replay: the scales of each step, and the momentum's rise; NULL where no line has them. */
struct schedule_recorded {
	double *scales, *adam_scales, *rises;
	uint64_t count;
};

/**
 * schedule_read(text, n, recorded):
 * The `lr_scale` of each line of a metrics.jsonl, which must hold every step
 * from 0 on (log_every 1), and its `adam_lr_scale` and `momentum_rise`, which
 * all lines have or none; a resumed step stands twice and must agree.
 * Owns:   the caller frees the arrays.
 * Errors: -1 after saying why.
 */
int schedule_read(const char *text, size_t n, struct schedule_recorded *recorded);

#endif
