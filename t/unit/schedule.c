/* Learning-rate scales by steps, by the clock and by replay; Muon's momentum; the published laws. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gpt/optimizer.h"
#include "gpt/trainspec.h"
#include "base/say.h"
#include "gpt/schedule.h"
#include "gpt/schedule_read.h"
#include "t/unit/tap.h"

static int
near(double a, double b)
{
	return (fabs(a - b) <= 1e-12);
}

static void
by_steps(void)
{
	struct schedule s = { .law = SCHEDULE_ITERATIONS, .iterations = 200, .warmdown_iters = 80 };
	double sum = 0;

	tap_ok(near(schedule_scale(&s, 120, 0), 1) && near(schedule_scale(&s, 121, 0), 79.0 / 80) &&
		near(schedule_scale(&s, 199, 0), 1.0 / 80),
	    "by steps the scale falls over the last warmdown_iters");
	for (uint64_t step = 0; step < 200; step++)
		sum += schedule_scale(&s, step, 1e9);
	tap_ok(near(sum, 120 + 81.0 / 2), "by steps the clock has no say");
	tap_ok(!schedule_done(&s, 199, 1e12) && schedule_done(&s, 200, 0), "by steps the last step is iterations - 1");
	s.warmdown_iters = 1200;
	tap_ok(near(schedule_scale(&s, 0, 0), 1.0 / 6) && !schedule_reaches_full_rate(&s),
	    "a warmdown longer than the run never reaches full rate, and says so");
	s.warmdown_frac = 0.4;
	tap_ok(near(schedule_scale(&s, 120, 0), 1) && near(schedule_scale(&s, 160, 0), 0.5) &&
		schedule_reaches_full_rate(&s),
	    "warmdown_frac is a share of the iterations and takes precedence");
	s.warmdown_frac = 0;
	s.warmdown_iters = 0;
	tap_ok(near(schedule_scale(&s, 199, 0), 1), "without warmdown the scale stays 1");
}

static void
by_clock(void)
{
	struct schedule s = { .law = SCHEDULE_WALLCLOCK,
		.iterations = 20000,
		.warmdown_iters = 1200,
		.cap_ms = 600000 };

	tap_ok(near(schedule_scale(&s, 0, 599999), 1), "by the clock the first step runs at full rate");
	tap_ok(near(schedule_scale(&s, 12000, 560000), 40000.0 / 56000),
	    "by the clock the scale is remaining over warmdown time");
	tap_ok(near(schedule_scale(&s, 13780, 600040), 0), "by the clock nothing is left after the cap");
	tap_ok(!schedule_done(&s, 5, 599999) && schedule_done(&s, 5, 600000) && schedule_done(&s, 20000, 1),
	    "no step starts at or after the cap, nor after the iterations");
	s.warmdown_frac = 0.5;
	tap_ok(near(schedule_scale(&s, 7, 300000), 1) && near(schedule_scale(&s, 7, 450000), 0.5),
	    "warmdown_frac is a share of the cap");
}

static void
lowest(void)
{
	struct schedule s = { .law = SCHEDULE_ITERATIONS,
		.iterations = 200,
		.warmdown_iters = 80,
		.min_lr_frac = 0.25 };
	const double scales[] = { 1, 0.125 };
	const struct schedule again = { .law = SCHEDULE_REPLAY,
		.iterations = 2,
		.scales = scales,
		.min_lr_frac = 0.25 };

	tap_ok(schedule_scale(&s, 119, 0) == 1 && near(schedule_scale(&s, 121, 0), 79.0 / 80) &&
		near(schedule_scale(&s, 179, 0), 21.0 / 80) && schedule_scale(&s, 181, 0) == 0.25 &&
		schedule_scale(&s, 199, 0) == 0.25,
	    "by steps the fall stops at min_lr_frac");
	s = (struct schedule){ .law = SCHEDULE_WALLCLOCK,
		.iterations = 20000,
		.warmdown_frac = 0.5,
		.cap_ms = 600000,
		.min_lr_frac = 0.25 };
	tap_ok(schedule_scale(&s, 7, 300000) == 1 && near(schedule_scale(&s, 7, 450000), 0.5) &&
		schedule_scale(&s, 7, 540000) == 0.25 && schedule_scale(&s, 7, 600000) == 0.25,
	    "and by the clock");
	tap_ok(schedule_scale(&again, 1, 0) == 0.125, "a replay keeps the scales that it was given");
}

static void
shapes(void)
{
	struct schedule s = { .law = SCHEDULE_ITERATIONS, .iterations = 200, .warmdown_iters = 80 };
	struct schedule_rates r;

	s.shape = SCHEDULE_COSINE;
	tap_ok(schedule_scale(&s, 119, 0) == 1 && schedule_scale(&s, 120, 0) == 1 &&
		near(schedule_scale(&s, 140, 0), (1 + sqrt(0.5)) / 2) && near(schedule_scale(&s, 160, 0), 0.5) &&
		near(schedule_scale(&s, 180, 0), (1 - sqrt(0.5)) / 2),
	    "a cosine falls slowly, fast and slowly");
	s.shape = SCHEDULE_SQRT;
	tap_ok(schedule_scale(&s, 119, 0) == 1 && schedule_scale(&s, 120, 0) == 1 &&
		near(schedule_scale(&s, 140, 0), 0.5) && near(schedule_scale(&s, 165, 0), 1 - 0.75),
	    "a 1 - sqrt falls fast and then ever slower");
	s.min_lr_frac = 0.3;
	tap_ok(near(schedule_scale(&s, 140, 0), 0.5) && schedule_scale(&s, 165, 0) == 0.3,
	    "the floor holds whatever the shape");
	s = (struct schedule){ .law = SCHEDULE_WALLCLOCK,
		.iterations = 20000,
		.warmdown_frac = 0.5,
		.adam_warmdown_frac = 1,
		.shape = SCHEDULE_COSINE,
		.cap_ms = 600000 };
	r = schedule_rates(&s, 7, 300000);
	tap_ok(r.lr_scale == 1 && near(r.adam_lr_scale, 0.5) && isnan(r.momentum_rise),
	    "Adam's warmdown is a share of the cap by the clock");
	r = schedule_rates(&s, 7, 450000);
	tap_ok(near(r.lr_scale, 0.5) && near(r.adam_lr_scale, (1 - sqrt(0.5)) / 2), "and has the shape of Muon's");
	s = (struct schedule){ .law = SCHEDULE_ITERATIONS,
		.iterations = 200,
		.warmdown_iters = 80,
		.adam_warmdown_frac = 0.8,
		.min_lr_frac = 0.25 };
	r = schedule_rates(&s, 120, 0);
	tap_ok(r.lr_scale == 1 && near(r.adam_lr_scale, 0.5), "by steps it is a share of the iterations");
	r = schedule_rates(&s, 190, 0);
	tap_ok(r.lr_scale == 0.25 && r.adam_lr_scale == 0.25, "and has the floor of Muon's");
	s.adam_warmdown_frac = 0;
	r = schedule_rates(&s, 170, 0);
	tap_ok(r.lr_scale == 0.375 && r.adam_lr_scale == 0.375,
	    "without a warmdown of their own Adam's fall as Muon's");
}

/* One recipe on a machine, and on one four times slower: whole by the clock, whatever a step takes. */
static void
speeds(void)
{
	const struct schedule s = { .law = SCHEDULE_WALLCLOCK,
		.iterations = 100000,
		.warmdown_frac = 0.4,
		.momentum_rise_frac = 0.2,
		.cap_ms = 60000 };
	struct optimizer_law law;
	int good = 1;

	trainspec_law(&law);
	for (double ms = 100; ms <= 400; ms *= 4) {
		struct schedule_rates r = { 0, 0, 0 };
		double most = 0, first_full = INFINITY, risen = INFINITY, t = 0;
		uint64_t step = 0;

		for (; !schedule_done(&s, step, t); t += ms, step++) {
			r = schedule_rates(&s, step, t);
			most = fmax(most, r.lr_scale);
			if (optimizer_momentum(&law, step, r.momentum_rise) > law.muon_momentum - 1e-12)
				risen = fmin(risen, t);
			if (r.lr_scale < 1)
				first_full = fmin(first_full, t);
		}
		good = good && most == 1 && r.lr_scale <= ms / 24000 + 1e-12 && near(risen, 12000) &&
		    near(first_full, 36000 + ms);
	}
	tap_ok(good, "at a quarter of the speed a recipe by shares reaches full rate and momentum, and is warmed down");
}

static void
rises(void)
{
	struct schedule s = { .law = SCHEDULE_ITERATIONS, .iterations = 200, .momentum_rise_frac = 0.25 };
	struct optimizer_law law;

	trainspec_law(&law);
	tap_ok(schedule_rates(&s, 0, 0).momentum_rise == 0 && near(schedule_rates(&s, 25, 0).momentum_rise, 0.5) &&
		schedule_rates(&s, 50, 0).momentum_rise == 1 && schedule_rates(&s, 199, 0).momentum_rise == 1,
	    "by steps the momentum rises over a share of the iterations");
	tap_ok(near(optimizer_momentum(&law, 1, 0.5), 0.90) && near(optimizer_momentum(&law, 1, 1), 0.95),
	    "and the steps of the published warm-up do not count then");
	s.momentum_rise_frac = 0;
	tap_ok(isnan(schedule_rates(&s, 25, 0).momentum_rise), "without a share it rises by those steps");
}

static int
reads(const char *text, uint64_t count)
{
	struct schedule_recorded r;
	const int ok = schedule_read(text, strlen(text), &r) == 0 && r.count == count;

	free(r.scales);
	free(r.adam_scales);
	free(r.rises);
	return (ok);
}

static void
replay(void)
{
	const char *text = "{\"step\": 0, \"lr_scale\": 1}\n{\"step\": 1, \"lr_scale\": 0.14285714285714285}\n"
			   "{\"step\": 1, \"lr_scale\": 0.14285714285714285}\n{\"step\": 2, \"lr_scale\": 0.5}\n";
	const char *more = "{\"step\": 0, \"lr_scale\": 1, \"adam_lr_scale\": 0.75, \"momentum_rise\": 0.125}\n"
			   "{\"step\": 1, \"lr_scale\": 0.5, \"adam_lr_scale\": 0.25, \"momentum_rise\": 0.5}\n";
	struct schedule_recorded r;

	if (tap_ok(schedule_read(text, strlen(text), &r) == 0 && r.count == 3 && r.adam_scales == NULL &&
		    r.rises == NULL,
		"metrics give the scales of each step")) {
		const struct schedule s = { .law = SCHEDULE_REPLAY, .iterations = r.count, .scales = r.scales };

		tap_ok(schedule_scale(&s, 1, 5) == 1.0 / 7 && schedule_scale(&s, 2, 5) == 0.5 &&
			schedule_done(&s, 3, 0) && schedule_rates(&s, 2, 5).adam_lr_scale == 0.5 &&
			isnan(schedule_rates(&s, 2, 5).momentum_rise),
		    "a replay applies them to the same bits and ends with them");
		free(r.scales);
	}
	if (tap_ok(schedule_read(more, strlen(more), &r) == 0 && r.count == 2,
		"and Adam's own, and the momentum's rise")) {
		const struct schedule s = { .law = SCHEDULE_REPLAY,
			.iterations = r.count,
			.scales = r.scales,
			.adam_scales = r.adam_scales,
			.rises = r.rises,
			.adam_warmdown_frac = 0.5,
			.momentum_rise_frac = 0.5 };
		const struct schedule_rates at = schedule_rates(&s, 1, 1e9);

		tap_ok(at.lr_scale == 0.5 && at.adam_lr_scale == 0.25 && at.momentum_rise == 0.5,
		    "which a replay applies in place of its own");
		free(r.scales);
		free(r.adam_scales);
		free(r.rises);
	}
	tap_ok(!reads("{\"step\": 0, \"lr_scale\": 1, \"adam_lr_scale\": 1}\n{\"step\": 1, \"lr_scale\": 1}\n", 2),
	    "scales of Adam that only some steps have are refused");
	tap_ok(!reads("{\"step\": 0, \"lr_scale\": 1, \"momentum_rise\": 0.5}\n"
		      "{\"step\": 0, \"lr_scale\": 1, \"momentum_rise\": 0.25}\n",
		   1),
	    "two rises for one step are refused");
	tap_ok(!reads("{\"step\": 0, \"lr_scale\": 1}\n{\"step\": 2, \"lr_scale\": 1}\n", 2),
	    "a missing step is refused");
	tap_ok(!reads("{\"step\": 0, \"lr_scale\": 1}\n{\"step\": 0, \"lr_scale\": 0.5}\n", 1),
	    "two scales for one step are refused");
	tap_ok(!reads("", 0) && !reads("{\"step\": 0}\n", 1) && !reads("nonsense\n", 1),
	    "empty and malformed metrics are refused");
}

static void
laws(void)
{
	struct optimizer_law law;

	trainspec_law(&law);
	tap_ok(near(optimizer_momentum(&law, 0, NAN), 0.85) && near(optimizer_momentum(&law, 250, NAN), 0.90) &&
		near(optimizer_momentum(&law, 500, NAN), 0.95) && near(optimizer_momentum(&law, 9999, NAN), 0.95),
	    "momentum rises from 0.85 to 0.95 over 500 steps");
	tap_ok(law.matrix_lr == 0.04 && law.scalar_lr == 0.04 && law.tied_embed_lr == 0.05 && law.embed_lr == 0.6 &&
		law.head_lr == 0.008 && law.beta1 == 0.9 && law.beta2 == 0.95 && law.adam_eps == 1e-8 &&
		law.muon_backend_steps == 5 && law.grad_clip_norm == 0,
	    "defaults are the published values");
}

/* Steps of ${ms} each until ${n} are measured; at which of them a look was due, as bits. */
static unsigned
looks(const struct schedule *s, double ms, unsigned n)
{
	struct schedule_pace p = { 0 };
	unsigned due = 0;

	for (unsigned i = 1; i <= n; i++) {
		schedule_measure(&p, ms);
		if (schedule_look_due(s, &p, p.total_ms))
			due |= 1U << i;
	}
	return (due);
}

static void
fit(void)
{
	struct schedule s = { .law = SCHEDULE_ITERATIONS, .iterations = 1101, .cap_ms = 10000 };
	struct schedule_pace p = { 0 };

	schedule_measure(&p, 100);
	schedule_measure(&p, 10);
	schedule_measure(&p, 20);
	tap_ok(p.steps == 3 && p.best_ms == 10 && p.total_ms == 130, "a pace is steps, their time and the fastest");
	tap_ok(schedule_fit(&s, 0, 1, 10, 10) == SCHEDULE_FITS && schedule_fit(&s, 0, 1, 11, 10) == SCHEDULE_MISSES_END,
	    "by steps the last one must start before the cap and a tenth, at the best pace");
	tap_ok(schedule_fit(&s, 1101, 1, 11, 10) == SCHEDULE_MISSES_MIN_STEPS &&
		schedule_fit(&s, 1100, 1, 11, 10) == SCHEDULE_MISSES_END &&
		schedule_fit(&s, 1100, 1100, 20000, 10) == SCHEDULE_MISSES_END &&
		schedule_fit(&s, 1100, 1101, 20000, 10) == SCHEDULE_FITS,
	    "min_steps are named first, and what is done needs no time");
	tap_ok(schedule_fit(&s, 0, 5, 5000, 1000) == SCHEDULE_MISSES_END &&
		schedule_fit(&s, 0, 5, 5000, 1) == SCHEDULE_FITS,
	    "one slow step refuses nothing that the fastest allows");
	s.law = SCHEDULE_REPLAY;
	tap_ok(schedule_fit(&s, 0, 1, 11, 10) == SCHEDULE_MISSES_END, "a replay is a schedule by steps");
	s.law = SCHEDULE_WALLCLOCK;
	tap_ok(schedule_fit(&s, 0, 1, 11, 1000) == SCHEDULE_FITS &&
		schedule_fit(&s, 11, 1, 2000, 1000) == SCHEDULE_FITS &&
		schedule_fit(&s, 11, 1, 2001, 1000) == SCHEDULE_MISSES_MIN_STEPS,
	    "by the clock only min_steps must fit");
	s.law = SCHEDULE_ITERATIONS;
	tap_ok(schedule_reach(&s, 1, 10, 10) == 1000 && schedule_reach(&s, 1, 10, 9990) == 2 &&
		schedule_reach(&s, 1, 10, 9) == 1101 && schedule_reach(&s, 7, 10000, 10) == 7,
	    "the cap ends a run with the step that passes it");
	tap_ok(looks(&s, 10, 4) == 0 && looks(&s, 10, 19) == 1U << 10 && looks(&s, 10, 30) == (1U << 10 | 1U << 20),
	    "the pace is looked at after a hundredth of the cap, and of a fiftieth");
	tap_ok(looks(&s, 100, 30) == (1U << 5 | 1U << 10), "and at a tenth, but after five steps at least");
	tap_ok(looks(&s, 5000, 30) == 1U << 5, "steps as long as the cap are looked at once");
	s.cap_ms = 1e9;
	tap_ok(looks(&s, 1000, 30) == 1U << 10, "ten seconds of steps are enough, however long the cap");
	s.cap_ms = 0;
	tap_ok(looks(&s, 1000, 30) == 0 && schedule_fit(&s, 1101, 1, 1e12, 1e12) == SCHEDULE_FITS &&
		schedule_reach(&s, 1, 10, 10) == 1101,
	    "without a cap everything fits");
}

int
main(void)
{
	say_init("schedule");
	if (freopen("/dev/null", "w", stderr) == NULL)
		return (1);
	by_steps();
	by_clock();
	lowest();
	shapes();
	rises();
	speeds();
	replay();
	fit();
	laws();
	return (tap_done());
}
