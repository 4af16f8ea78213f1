#include <math.h>

#include "gpt/schedule.h"

static double
by_steps(const struct schedule *s, uint64_t step)
{
	const double total = (double)s->iterations;
	const double warmdown = s->warmdown_frac > 0 ? s->warmdown_frac * total : s->warmdown_iters;
	const double left = total - (double)step;

	if (warmdown <= 0 || left > warmdown)
		return (1);
	return (left > 0 ? left / warmdown : 0);
}

static double
by_clock(const struct schedule *s, uint64_t step, double elapsed_ms)
{
	const double left = s->cap_ms > elapsed_ms ? s->cap_ms - elapsed_ms : 0;
	double warmdown_ms;

	if (step == 0)
		return (1);
	if (s->warmdown_frac > 0)
		warmdown_ms = s->warmdown_frac * s->cap_ms;
	else
		warmdown_ms = s->warmdown_iters * (elapsed_ms / (double)step);
	if (warmdown_ms <= 0 || left > warmdown_ms)
		return (1);
	return (left / warmdown_ms);
}

double
schedule_scale(const struct schedule *s, uint64_t step, double elapsed_ms)
{
	switch (s->law) {
	case SCHEDULE_WALLCLOCK:
		return (fmax(by_clock(s, step, elapsed_ms), s->min_lr_frac));
	case SCHEDULE_REPLAY:
		return (step < s->iterations ? s->scales[step] : 0);
	default:
		return (fmax(by_steps(s, step), s->min_lr_frac));
	}
}

int
schedule_done(const struct schedule *s, uint64_t step, double elapsed_ms)
{
	if (step >= s->iterations)
		return (1);
	return (s->law == SCHEDULE_WALLCLOCK && elapsed_ms >= s->cap_ms);
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
