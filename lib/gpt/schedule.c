#include <math.h>

#include "gpt/schedule.h"

/* When the pace is looked at, and how far it may be over the cap. */
#define LOOK_STEPS 5
#define LOOK_MS 10000
#define LOOKS 3
#define OVER 1.1

#define PI 3.14159265358979323846

const struct schedule_rates schedule_full_rates = { 1, 1, NAN, 0, 0, 0 };

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

/* What holds at a step, of ${recorded} in a replay that has it; 0 where nothing ever changes. */
static size_t
in_force(const struct schedule *s, const struct bind_pairs *changes, size_t first, const double *recorded,
    uint64_t step, double elapsed_ms)
{
	const int by_clock = s->law == SCHEDULE_WALLCLOCK;
	const double done = by_clock ? elapsed_ms : (double)step;
	const double all = by_clock ? s->cap_ms : (double)s->iterations;
	size_t now = first;

	if (s->law == SCHEDULE_REPLAY && recorded != NULL)
		return (step < s->iterations ? (size_t)recorded[step] : 0);
	if (changes->count == 0)
		return (0);
	for (size_t i = 0; i < changes->count && done >= changes->share[i] * all; i++)
		now = (size_t)changes->number[i];
	return (now);
}

/* The kind of a step alone. */
static struct schedule_rates
kind_of(const struct schedule *s, uint64_t step, double elapsed_ms)
{
	struct schedule_rates r = schedule_full_rates;

	r.batch_tokens = in_force(s, &s->batches, s->batch_tokens, s->batch_sizes, step, elapsed_ms);
	r.seq_len = in_force(s, &s->seqs, s->seq_len, s->seq_lens, step, elapsed_ms);
	r.visits = in_force(s, &s->visits, s->visits_first, s->visit_counts, step, elapsed_ms);
	return (r);
}

/* What the rates are multiplied by for a batch that is not the last one. */
static double
batch_factor(const struct schedule *s, size_t batch_tokens)
{
	if (s->batches.count == 0 || s->batch_lr == SCHEDULE_BATCH_NONE || s->law == SCHEDULE_REPLAY)
		return (1);
	return (sqrt((double)batch_tokens / (double)s->batches.number[s->batches.count - 1]));
}

struct schedule_rates
schedule_rates(const struct schedule *s, uint64_t step, double elapsed_ms)
{
	struct schedule_rates r = kind_of(s, step, elapsed_ms);
	const double factor = batch_factor(s, r.batch_tokens);

	r.momentum_rise = rise(s, step, elapsed_ms);
	r.lr_scale = schedule_scale(s, step, elapsed_ms);
	r.adam_lr_scale = r.lr_scale;
	if (s->law == SCHEDULE_REPLAY && s->adam_scales != NULL)
		r.adam_lr_scale = step < s->iterations ? s->adam_scales[step] : 0;
	else if (s->law != SCHEDULE_REPLAY && s->adam_warmdown_frac > 0)
		r.adam_lr_scale = scale(s, s->adam_warmdown_frac, step, elapsed_ms);
	r.lr_scale *= factor;
	r.adam_lr_scale *= factor;
	return (r);
}

double
schedule_average(const struct schedule *s, uint64_t step, double before_ms, double after_ms)
{
	const double n = (double)s->iterations, from_ms = s->average_from * s->cap_ms;
	const double update = (double)step + 1, first = fmax(1, ceil(s->average_from * n));

	if (s->law == SCHEDULE_REPLAY && s->keeps != NULL)
		return (step < s->iterations ? s->keeps[step] : 1);
	if (s->law != SCHEDULE_WALLCLOCK)
		return (update < first ? 1 : update == first ? 0 : exp(-1 / (s->average_horizon * n)));
	if (after_ms < from_ms)
		return (1);
	if (step == 0 || before_ms < from_ms)
		return (0);
	return (exp(-((after_ms - before_ms) / s->cap_ms) / s->average_horizon));
}

static double
next_share(const struct bind_pairs *changes, size_t i)
{
	return (i < changes->count ? changes->share[i] : 1);
}

size_t
schedule_phases(const struct schedule *s, struct schedule_phase phases[SCHEDULE_PHASES])
{
	struct schedule_phase now = { 0, s->batch_tokens, s->seq_len, s->visits.count > 0 ? s->visits_first : 0 };
	size_t n = 0, b = 0, q = 0, v = 0;

	for (;;) {
		if (b < s->batches.count && s->batches.share[b] <= now.from)
			now.batch_tokens = (size_t)s->batches.number[b++];
		if (q < s->seqs.count && s->seqs.share[q] <= now.from)
			now.seq_len = (size_t)s->seqs.number[q++];
		if (v < s->visits.count && s->visits.share[v] <= now.from)
			now.visits = (size_t)s->visits.number[v++];
		phases[n++] = now;
		if (b == s->batches.count && q == s->seqs.count && v == s->visits.count)
			return (n);
		now.from = fmin(next_share(&s->batches, b), fmin(next_share(&s->seqs, q), next_share(&s->visits, v)));
	}
}

int
schedule_done(const struct schedule *s, uint64_t step, double elapsed_ms)
{
	if (step >= s->iterations)
		return (1);
	return (s->law == SCHEDULE_WALLCLOCK && elapsed_ms >= s->cap_ms);
}

void
schedule_measure(struct schedule_pace *p, const struct schedule_rates *rates, double step_ms)
{
	if (p->batch_tokens != rates->batch_tokens || p->seq_len != rates->seq_len || p->visits != rates->visits)
		*p = (struct schedule_pace){ .looks = p->looks < LOOKS ? p->looks : LOOKS - 1,
			.batch_tokens = rates->batch_tokens,
			.seq_len = rates->seq_len,
			.visits = rates->visits };
	p->best_ms = p->steps == 0 ? step_ms : fmin(p->best_ms, step_ms);
	p->total_ms += step_ms;
	p->steps++;
}

static double
ratio(size_t a, size_t b)
{
	return (a == 0 || b == 0 ? 1 : (double)a / (double)b);
}

/* What a step will cost in steps of the measured kind; with ${least} at the least. */
static double
cost(const struct schedule_rates *r, const struct schedule_pace *p, int least)
{
	const double batch = ratio(r->batch_tokens, p->batch_tokens), seq = ratio(r->seq_len, p->seq_len);
	const double visits = ratio(r->visits, p->visits);

	return (least ? fmin(1, batch) * fmin(1, seq) * fmin(1, visits) : batch * visits);
}

/* How many steps from ${step} on are of one kind, given the time that one takes. */
static uint64_t
alike(const struct schedule *s, uint64_t step, double elapsed_ms, double step_ms)
{
	const int by_clock = s->law == SCHEDULE_WALLCLOCK;
	struct schedule_phase phases[SCHEDULE_PHASES];
	const uint64_t left = step < s->iterations ? s->iterations - step : 1;
	double n;

	if (s->law == SCHEDULE_REPLAY && (s->batch_sizes != NULL || s->seq_lens != NULL || s->visit_counts != NULL))
		return (1);
	for (size_t i = 0, count = schedule_phases(s, phases); i < count; i++) {
		n = by_clock ? ceil((phases[i].from * s->cap_ms - elapsed_ms) / step_ms) :
			       ceil(phases[i].from * (double)s->iterations) - (double)step;
		if (n > 0)
			return (n < (double)left ? (uint64_t)n : left);
	}
	return (left);
}

uint64_t
schedule_reach(const struct schedule *s, uint64_t step, double elapsed_ms, const struct schedule_pace *pace,
    double step_ms, double *left_ms)
{
	const double began_ms = elapsed_ms;

	while (step < s->iterations && (s->cap_ms <= 0 || elapsed_ms < s->cap_ms)) {
		const struct schedule_rates r = kind_of(s, step, elapsed_ms);
		const double ms = step_ms * cost(&r, pace, 0);
		uint64_t n = alike(s, step, elapsed_ms, ms);
		const double more = ceil((s->cap_ms - elapsed_ms) / ms);

		if (s->cap_ms > 0 && more < (double)n)
			n = (uint64_t)more;
		step += n;
		elapsed_ms += (double)n * ms;
	}
	if (left_ms != NULL)
		*left_ms = (s->cap_ms > 0 ? fmin(elapsed_ms, fmax(s->cap_ms, began_ms)) : elapsed_ms) - began_ms;
	return (step);
}

int
schedule_look_due(const struct schedule *s, struct schedule_pace *p, double elapsed_ms)
{
	static const double share[LOOKS] = { 0.01, 0.02, 0.1 };

	if (s->cap_ms <= 0 || p->looks == LOOKS || p->steps < 2)
		return (0);
	if (p->looks == 0 ? p->steps < LOOK_STEPS || p->total_ms < fmin(share[0] * s->cap_ms, LOOK_MS) :
			    elapsed_ms < share[p->looks] * s->cap_ms)
		return (0);
	while (++p->looks < LOOKS && elapsed_ms >= share[p->looks] * s->cap_ms)
		;
	return (1);
}

/* The time that steps from ${step} to before ${end} take at the least; by the clock as many of the cheapest kind. */
static double
least_ms(const struct schedule *s, uint64_t step, uint64_t end, double elapsed_ms, const struct schedule_pace *pace)
{
	struct schedule_phase phases[SCHEDULE_PHASES];
	double steps = 0, least = 1;

	if (s->law == SCHEDULE_WALLCLOCK) {
		for (size_t i = 0, count = schedule_phases(s, phases); i < count; i++) {
			const struct schedule_rates r = kind_of(s, step, fmax(elapsed_ms, phases[i].from * s->cap_ms));

			least = fmin(least, cost(&r, pace, 1));
		}
		return ((double)(end - step) * least * pace->best_ms);
	}
	while (step < end) {
		const struct schedule_rates r = kind_of(s, step, elapsed_ms);
		const uint64_t n = alike(s, step, elapsed_ms, 0);

		steps += (double)(n < end - step ? n : end - step) * cost(&r, pace, 1);
		step += n;
	}
	return (steps * pace->best_ms);
}

enum schedule_fit
schedule_fit(const struct schedule *s, uint64_t min_steps, uint64_t step, double elapsed_ms,
    const struct schedule_pace *pace)
{
	const double limit = s->cap_ms * OVER;

	/* The last step must start before the cap, and may end after it. */
	if (s->cap_ms <= 0)
		return (SCHEDULE_FITS);
	if (step < min_steps && elapsed_ms + least_ms(s, step, min_steps - 1, elapsed_ms, pace) > limit)
		return (SCHEDULE_MISSES_MIN_STEPS);
	if (s->law != SCHEDULE_WALLCLOCK && step < s->iterations &&
	    elapsed_ms + least_ms(s, step, s->iterations - 1, elapsed_ms, pace) > limit)
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
