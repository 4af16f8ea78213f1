#ifndef HG_SCHEDULE_H
#define HG_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bind.h"

/**
 * The learning-rate scale, and when training ends.  By steps everything
 * follows from the step number; by the clock (the public rule) from the time
 * that the steps before have taken; a replay applies recorded scales again.
 */
enum schedule_law { SCHEDULE_ITERATIONS, SCHEDULE_WALLCLOCK, SCHEDULE_REPLAY };

/* How the rates fall, by the share r of the warmdown that is left: r, (1 - cos(pi r)) / 2, 1 - sqrt(1 - r). */
enum schedule_shape { SCHEDULE_LINEAR, SCHEDULE_COSINE, SCHEDULE_SQRT };

/* What a step's rates are multiplied by where batches grow: (batch / last batch)^(1/2), or nothing. */
enum schedule_batch_lr { SCHEDULE_BATCH_SQRT, SCHEDULE_BATCH_NONE };

/* What a schedule sets at one step. */
struct schedule_rates {
	double lr_scale;      /* factor on Muon's learning rates */
	double adam_lr_scale; /* on Adam's */
	double momentum_rise; /* share of the momentum's warm-up that is over; NAN: it goes by steps of its own */
	size_t batch_tokens;  /* 0: as the trainer was opened */
	size_t seq_len;       /* likewise */
	size_t visits;        /* of layers in a pass; 0: all that the model has */
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
	double average_horizon;    /* share of the run over which an average of the weights forgets */
	double average_from;       /* where it begins */
	/* What holds before the first change, and what from a share of the iterations, or of the cap, on. */
	size_t batch_tokens, seq_len, visits_first;
	struct bind_pairs batches, seqs, visits;
	enum schedule_batch_lr batch_lr;
	/* SCHEDULE_REPLAY only, iterations of each; NULL: Adam's are the same, the others go by these iterations. */
	const double *scales, *adam_scales, *rises, *batch_sizes, *seq_lens, *visit_counts, *keeps;
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
 * min(1, elapsed_ms / (momentum_rise_frac * cap_ms)), or NAN without momentum_rise_frac; batch, sequence and visits,
 * which change at the first step with step >= share * iterations, or by the clock elapsed_ms >= share * cap_ms.  Both
 * scales carry the factor that batch_lr asks for; a replay has it in its scales.
 * Checked: t/unit/schedule.c.
 */
struct schedule_rates schedule_rates(const struct schedule *s, uint64_t step, double elapsed_ms);

/**
 * schedule_average(s, step, before_ms, after_ms):
 * The share that an average of the weights keeps of itself when it takes them
 * after ${step} (from 0): 1, so nothing, before it begins; 0, so that it is the weights, where it
 * begins; then exp(-(share of the run since the update before) / average_horizon).
 * ${before_ms} and ${after_ms} are the training clock after that update and after this one.
 *   by steps:  begins with update max(1, ceil(average_from * iterations)); a step is 1 / iterations of the run
 *   WALLCLOCK: begins when the clock reaches average_from * cap_ms, and goes by shares of the cap
 * Checked: t/unit/schedule.c, t/tools/golden.c.
 */
double schedule_average(const struct schedule *s, uint64_t step, double before_ms, double after_ms);

/* Nonzero when no further step starts. The step during which the cap passes is the last. */
int schedule_done(const struct schedule *s, uint64_t step, double elapsed_ms);

/* From ${from} of the run on, steps are of one kind. */
struct schedule_phase {
	double from;
	size_t batch_tokens, seq_len, visits; /* visits 0: as in schedule_rates */
};

/* The phases of a run that is no replay, in order, the first from 0 on: how many. */
enum { SCHEDULE_PHASES = 3 * BIND_PAIRS_MOST + 1 };
size_t schedule_phases(const struct schedule *s, struct schedule_phase phases[SCHEDULE_PHASES]);

/**
 * What the steps that one attempt measured say of the rest.  All zeros before
 * the first of them.
 */
struct schedule_pace {
	uint64_t steps;                       /* measured */
	double total_ms, best_ms;             /* of them all, and of the fastest */
	unsigned looks;                       /* taken by schedule_look_due */
	size_t batch_tokens, seq_len, visits; /* of each of them, as in schedule_rates */
};

/* A step at these rates took so long; where its batch, sequences or visits are others, earlier ones are forgotten. */
void schedule_measure(struct schedule_pace *p, const struct schedule_rates *rates, double step_ms);

/**
 * schedule_reach(s, step, elapsed_ms, pace, step_ms, left_ms):
 * Steps made when iterations or the cap end the run, and the time until then unless NULL, if a step of the kind that
 * ${pace} measured takes ${step_ms} from ${step} on, and one of another batch in proportion to it.
 */
uint64_t schedule_reach(const struct schedule *s, uint64_t step, double elapsed_ms, const struct schedule_pace *pace,
    double step_ms, double *left_ms);

/**
 * schedule_look_due(s, p, elapsed_ms):
 * Nonzero when it is time to ask schedule_fit, three times an attempt: after
 * five measured steps that took a hundredth of the cap or ten seconds, and
 * when the training clock is at 2 % and at 10 % of the cap; and once more where
 * steps become others later than that.  Never before two
 * steps, since the first is often slow, nor without a cap.
 * Checked: t/unit/schedule.c.
 */
int schedule_look_due(const struct schedule *s, struct schedule_pace *p, double elapsed_ms);

/**
 * schedule_fit(s, min_steps, step, elapsed_ms, pace):
 * Whether the run can do what it must before its cap: all iterations (by the
 * clock min_steps alone).  Judged with a margin of 10 % of the cap at the pace
 * of the fastest step, so that a busy machine refuses no run that fits; a
 * larger batch or longer sequences are taken to cost no more than that step,
 * smaller or shorter ones in proportion, which is less than they do.
 * Checked: t/unit/schedule.c.
 */
enum schedule_fit { SCHEDULE_FITS, SCHEDULE_MISSES_MIN_STEPS, SCHEDULE_MISSES_END };

enum schedule_fit schedule_fit(const struct schedule *s, uint64_t min_steps, uint64_t step, double elapsed_ms,
    const struct schedule_pace *pace);

/* Nonzero if some step runs at full rate; a schedule that never does is worth a warning. By the clock: always. */
int schedule_reaches_full_rate(const struct schedule *s);

#endif
