#include <math.h>

#include "gpt/schedule.h"

/* When the pace is looked at, and how far it may be over the cap. */
#define LOOK_STEPS 5
#define LOOK_MS 10000
#define OVER 1.1

#define PI 3.14159265358979323846

const struct schedule_rates schedule_full_rates = { 1, 1, NAN };

/* Share of the warmdown that is left; the warmdown is the given share, or if that is 0 warmdown_iters. */
static double
by_steps(const struct schedule *s, double frac, uint64_t step)
{
	const double total = (double)s->iterations;
	const double warmdown = frac > 0 ? frac * total : s->warmdown_iters;
	const double left = total - (double)step;

	if (warmdown <= 0 || left > warmdown)
		return (1);
	return (left > 0 ? left / warmdown : 0);
}

static double
by_clock(const struct schedule *s, double frac, uint64_t step, double elapsed_ms)
{
	const double left = s->cap_ms > elapsed_ms ? s->cap_ms - elapsed_ms : 0;
	double warmdown_ms;

	if (step == 0)
		return (1);
	if (frac > 0)
		warmdown_ms = frac * s->cap_ms;
	else
		warmdown_ms = s->warmdown_iters * (elapsed_ms / (double)step);
	if (warmdown_ms <= 0 || left > warmdown_ms)
		return (1);
	return (left / warmdown_ms);
}

static double
shaped(enum schedule_shape shape, double left)
{
	switch (shape) {
	case SCHEDULE_COSINE:
		return ((1 - cos(PI * left)) / 2);
	case SCHEDULE_SQRT:
		return (1 - sqrt(1 - left));
	default:
		return (left);
	}
}

/* The scale of a warmdown over a share of the run; not of a replay. */
static double
scale(const struct schedule *s, double frac, uint64_t step, double elapsed_ms)
{
	const double left = s->law == SCHEDULE_WALLCLOCK ? by_clock(s, frac, step, elapsed_ms) :
							   by_steps(s, frac, step);

	return (fmax(shaped(s->shape, left), s->min_lr_frac));
}

double
schedule_scale(const struct schedule *s, uint64_t step, double elapsed_ms)
{
	if (s->law != SCHEDULE_REPLAY)
		return (scale(s, s->warmdown_frac, step, elapsed_ms));
	return (step < s->iterations ? s->scales[step] : 0);
}

static double
rise(const struct schedule *s, uint64_t step, double elapsed_ms)
{
	if (s->law == SCHEDULE_REPLAY && s->rises != NULL)
		return (step < s->iterations ? s->rises[step] : 1);
	if (s->momentum_rise_frac <= 0)
		return (NAN);
	if (s->law == SCHEDULE_WALLCLOCK)
		return (fmin(1, elapsed_ms / (s->momentum_rise_frac * s->cap_ms)));
	return (fmin(1, (double)step / (s->momentum_rise_frac * (double)s->iterations)));
}

struct schedule_rates
schedule_rates(const struct schedule *s, uint64_t step, double elapsed_ms)
{
	struct schedule_rates r = { .lr_scale = schedule_scale(s, step, elapsed_ms),
		.momentum_rise = rise(s, step, elapsed_ms) };

	r.adam_lr_scale = r.lr_scale;
	if (s->law == SCHEDULE_REPLAY && s->adam_scales != NULL)
		r.adam_lr_scale = step < s->iterations ? s->adam_scales[step] : 0;
	else if (s->law != SCHEDULE_REPLAY && s->adam_warmdown_frac > 0)
		r.adam_lr_scale = scale(s, s->adam_warmdown_frac, step, elapsed_ms);
	return (r);
}

int
schedule_done(const struct schedule *s, uint64_t step, double elapsed_ms)
{
	if (step >= s->iterations)
		return (1);
	return (s->law == SCHEDULE_WALLCLOCK && elapsed_ms >= s->cap_ms);
}

void
schedule_measure(struct schedule_pace *p, double step_ms)
{
	p->best_ms = p->steps == 0 ? step_ms : fmin(p->best_ms, step_ms);
	p->total_ms += step_ms;
	p->steps++;
}

uint64_t
schedule_reach(const struct schedule *s, uint64_t step, double elapsed_ms, double step_ms)
{
	double more;

	if (step >= s->iterations || s->cap_ms <= 0)
		return (s->iterations);
	if (elapsed_ms >= s->cap_ms)
		return (step);
	more = ceil((s->cap_ms - elapsed_ms) / step_ms);
	return (more < (double)(s->iterations - step) ? step + (uint64_t)more : s->iterations);
}

int
schedule_look_due(const struct schedule *s, struct schedule_pace *p, double elapsed_ms)
{
	static const double share[] = { 0.01, 0.02, 0.1 };
	const unsigned n = sizeof(share) / sizeof(share[0]);

	if (s->cap_ms <= 0 || p->looks == n || p->steps < 2)
		return (0);
	if (p->looks == 0 ? p->steps < LOOK_STEPS || p->total_ms < fmin(share[0] * s->cap_ms, LOOK_MS) :
			    elapsed_ms < share[p->looks] * s->cap_ms)
		return (0);
	while (++p->looks < n && elapsed_ms >= share[p->looks] * s->cap_ms)
		;
	return (1);
}

enum schedule_fit
schedule_fit(const struct schedule *s, uint64_t min_steps, uint64_t step, double elapsed_ms, double best_ms)
{
	const double limit = s->cap_ms * OVER;

	/* The last step must start before the cap, and may end after it. */
	if (s->cap_ms <= 0)
		return (SCHEDULE_FITS);
	if (step < min_steps && elapsed_ms + (double)(min_steps - step - 1) * best_ms > limit)
		return (SCHEDULE_MISSES_MIN_STEPS);
	if (s->law != SCHEDULE_WALLCLOCK && step < s->iterations &&
	    elapsed_ms + (double)(s->iterations - step - 1) * best_ms > limit)
		return (SCHEDULE_MISSES_END);
	return (SCHEDULE_FITS);
}

int
schedule_reaches_full_rate(const struct schedule *s)
{
	uint64_t step;

	switch (s->law) {
	case SCHEDULE_WALLCLOCK:
		return (1);
	case SCHEDULE_REPLAY:
		for (step = 0; step < s->iterations; step++)
			if (s->scales[step] >= 1)
				return (1);
		return (0);
	default:
		return (schedule_scale(s, 0, 0) >= 1);
	}
}
