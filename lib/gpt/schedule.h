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

/* How the rates fall, by the share r of the warmdown that is left: r, (1 - cos(pi r)) / 2, 1 - sqrt(1 - r). */
enum schedule_shape { SCHEDULE_LINEAR, SCHEDULE_COSINE, SCHEDULE_SQRT };

/* What a schedule sets at one step. */
struct schedule_rates {
	double lr_scale;      /* factor on Muon's learning rates */
	double adam_lr_scale; /* on Adam's */
	double momentum_rise; /* share of the momentum's warm-up that is over; NAN: it goes by steps of its own */
};

/* Of a step outside a schedule: full rates. */
extern const struct schedule_rates schedule_full_rates;

struct schedule {
	enum schedule_law law;
	uint64_t iterations;   /* steps at most, under every law; a replay must have as many scales */
	double warmdown_iters; /* steps of the final fall; 0: none */
	double warmdown_frac;  /* instead, unless 0: the share of the iterations, or of the cap, that the fall takes */
	double min_lr_frac;    /* the fall stops at this scale; a replay has it in its scales */
	enum schedule_shape shape;
	double adam_warmdown_frac; /* share that the fall of Adam's rates takes; 0: they fall as Muon's */
	double momentum_rise_frac; /* share over which the momentum rises; 0: by steps of its own */
	double cap_ms;             /* no step starts after it; 0: none */
	/* SCHEDULE_REPLAY only, iterations of each; NULL: Adam's are the same, the rise goes by these iterations. */
	const double *scales, *adam_scales, *rises;
};

/**
 * schedule_scale(s, step, elapsed_ms):
 * The factor on every learning rate at ${step} (counted from 0), in [0, 1] but
 * for a replay.  ${elapsed_ms} is the training clock before the step.
 *   ITERATIONS: r = (iterations - step) / warmdown once step >= iterations - warmdown
 *   WALLCLOCK:  r = remaining_ms / (warmdown_iters * mean step ms) once that is below 1; 1 at step 0
 * The scale is shape(r), and no less than min_lr_frac.
 * Checked: t/unit/schedule.c, t/tools/golden.c.
 */
double schedule_scale(const struct schedule *s, uint64_t step, double elapsed_ms);

/**
 * schedule_rates(s, step, elapsed_ms):
 * All that the schedule sets at ${step}: the scale above; Adam's, which is the same unless adam_warmdown_frac gives it
 * a warmdown of its own; and the momentum's rise, min(1, step / (momentum_rise_frac * iterations)), or by the clock
 * min(1, elapsed_ms / (momentum_rise_frac * cap_ms)), or NAN without momentum_rise_frac.
 * Checked: t/unit/schedule.c.
 */
struct schedule_rates schedule_rates(const struct schedule *s, uint64_t step, double elapsed_ms);

/* Nonzero when no further step starts. The step during which the cap passes is the last. */
int schedule_done(const struct schedule *s, uint64_t step, double elapsed_ms);

/**
 * What the steps that one attempt measured say of the rest.  All zeros before
 * the first of them.
 */
struct schedule_pace {
	uint64_t steps;           /* measured */
	double total_ms, best_ms; /* of them all, and of the fastest */
	unsigned looks;           /* taken by schedule_look_due */
};

void schedule_measure(struct schedule_pace *p, double step_ms);

/* Steps made when the iterations or the cap end the run, if each from ${step} on takes ${step_ms}. */
uint64_t schedule_reach(const struct schedule *s, uint64_t step, double elapsed_ms, double step_ms);

/**
 * schedule_look_due(s, p, elapsed_ms):
 * Nonzero when it is time to ask schedule_fit, three times an attempt: after
 * five measured steps that took a hundredth of the cap or ten seconds, and
 * when the training clock is at 2 % and at 10 % of the cap.  Never before two
 * steps, since the first is often slow, nor without a cap.
 * Checked: t/unit/schedule.c.
 */
int schedule_look_due(const struct schedule *s, struct schedule_pace *p, double elapsed_ms);

/**
 * schedule_fit(s, min_steps, step, elapsed_ms, best_ms):
 * Whether the run can do what it must before its cap: all iterations (by the
 * clock min_steps alone).  Judged with a margin of 10 % of the cap at the pace
 * of the fastest step, so that a busy machine refuses no run that fits.
 * Checked: t/unit/schedule.c.
 */
enum schedule_fit { SCHEDULE_FITS, SCHEDULE_MISSES_MIN_STEPS, SCHEDULE_MISSES_END };

enum schedule_fit
schedule_fit(const struct schedule *s, uint64_t min_steps, uint64_t step, double elapsed_ms, double best_ms);

/* Nonzero if some step runs at full rate; a schedule that never does is worth a warning. By the clock: always. */
int schedule_reaches_full_rate(const struct schedule *s);

#endif
