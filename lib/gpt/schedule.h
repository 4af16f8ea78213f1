#ifndef HG_SCHEDULE_H
#define HG_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

/**
 * The learning-rate scale, and when training ends.  By steps everything
 * follows from the step number; by the clock (the public rule) from the time
 * that the steps before have taken; a replay applies recorded scales again.
 */
enum schedule_law { SCHEDULE_ITERATIONS, SCHEDULE_WALLCLOCK, SCHEDULE_REPLAY };

struct schedule {
	enum schedule_law law;
	uint64_t iterations;   /* steps at most, under every law; a replay must have as many scales */
	double warmdown_iters; /* steps of the final fall; 0: none */
	double warmdown_frac;  /* instead, unless 0: the share of the iterations, or of the cap, that the fall takes */
	double min_lr_frac;    /* the fall stops at this scale; a replay has it in its scales */
	double cap_ms;         /* SCHEDULE_WALLCLOCK only */
	const double *scales;  /* SCHEDULE_REPLAY only */
};

/**
 * schedule_scale(s, step, elapsed_ms):
 * The factor on every learning rate at ${step} (counted from 0), in [0, 1] but
 * for a replay.  ${elapsed_ms} is the training clock before the step.
 *   ITERATIONS: (iterations - step) / warmdown once step >= iterations - warmdown
 *   WALLCLOCK:  remaining_ms / (warmdown_iters * mean step ms) once that is below 1; 1 at step 0
 * and by both no less than min_lr_frac.
 * Checked: t/unit/schedule.c, t/tools/golden.c.
 */
double schedule_scale(const struct schedule *s, uint64_t step, double elapsed_ms);

/* Nonzero when no further step starts. The step during which the cap passes is the last. */
int schedule_done(const struct schedule *s, uint64_t step, double elapsed_ms);

/* Nonzero if some step runs at full rate; a schedule that never does is worth a warning. By the clock: always. */
int schedule_reaches_full_rate(const struct schedule *s);

#endif
