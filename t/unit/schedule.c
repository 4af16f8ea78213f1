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

static enum schedule_fit
fits(const struct schedule *s, uint64_t min_steps, uint64_t step, double elapsed_ms, double best_ms)
{
	return (
	    schedule_fit(s, min_steps, step, elapsed_ms, &(struct schedule_pace){ .steps = 1, .best_ms = best_ms }));
}

static uint64_t
reaches(const struct schedule *s, uint64_t step, double elapsed_ms, double step_ms)
{
	return (schedule_reach(s, step, elapsed_ms, &(struct schedule_pace){ 0 }, step_ms, NULL));
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
		struct schedule_rates r = { 0, 0, 0, 0, 0, 0 };
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
		schedule_measure(&p, &schedule_full_rates, ms);
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

	schedule_measure(&p, &schedule_full_rates, 100);
	schedule_measure(&p, &schedule_full_rates, 10);
	schedule_measure(&p, &schedule_full_rates, 20);
	tap_ok(p.steps == 3 && p.best_ms == 10 && p.total_ms == 130, "a pace is steps, their time and the fastest");
	tap_ok(fits(&s, 0, 1, 10, 10) == SCHEDULE_FITS && fits(&s, 0, 1, 11, 10) == SCHEDULE_MISSES_END,
	    "by steps the last one must start before the cap and a tenth, at the best pace");
	tap_ok(fits(&s, 1101, 1, 11, 10) == SCHEDULE_MISSES_MIN_STEPS &&
		fits(&s, 1100, 1, 11, 10) == SCHEDULE_MISSES_END &&
		fits(&s, 1100, 1100, 20000, 10) == SCHEDULE_MISSES_END &&
		fits(&s, 1100, 1101, 20000, 10) == SCHEDULE_FITS,
	    "min_steps are named first, and what is done needs no time");
	tap_ok(fits(&s, 0, 5, 5000, 1000) == SCHEDULE_MISSES_END && fits(&s, 0, 5, 5000, 1) == SCHEDULE_FITS,
	    "one slow step refuses nothing that the fastest allows");
	s.law = SCHEDULE_REPLAY;
	tap_ok(fits(&s, 0, 1, 11, 10) == SCHEDULE_MISSES_END, "a replay is a schedule by steps");
	s.law = SCHEDULE_WALLCLOCK;
	tap_ok(fits(&s, 0, 1, 11, 1000) == SCHEDULE_FITS && fits(&s, 11, 1, 2000, 1000) == SCHEDULE_FITS &&
		fits(&s, 11, 1, 2001, 1000) == SCHEDULE_MISSES_MIN_STEPS,
	    "by the clock only min_steps must fit");
	s.law = SCHEDULE_ITERATIONS;
	tap_ok(reaches(&s, 1, 10, 10) == 1000 && reaches(&s, 1, 10, 9990) == 2 && reaches(&s, 1, 10, 9) == 1101 &&
		reaches(&s, 7, 10000, 10) == 7,
	    "the cap ends a run with the step that passes it");
	tap_ok(looks(&s, 10, 4) == 0 && looks(&s, 10, 19) == 1U << 10 && looks(&s, 10, 30) == (1U << 10 | 1U << 20),
	    "the pace is looked at after a hundredth of the cap, and of a fiftieth");
	tap_ok(looks(&s, 100, 30) == (1U << 5 | 1U << 10), "and at a tenth, but after five steps at least");
	tap_ok(looks(&s, 5000, 30) == 1U << 5, "steps as long as the cap are looked at once");
	s.cap_ms = 1e9;
	tap_ok(looks(&s, 1000, 30) == 1U << 10, "ten seconds of steps are enough, however long the cap");
	s.cap_ms = 0;
	tap_ok(looks(&s, 1000, 30) == 0 && fits(&s, 1101, 1, 1e12, 1e12) == SCHEDULE_FITS &&
		reaches(&s, 1, 10, 10) == 1101,
	    "without a cap everything fits");
}

/* Batches and sequences that change on the way. */
static void
changes(void)
{
	struct schedule s = { .law = SCHEDULE_ITERATIONS,
		.iterations = 10,
		.batch_tokens = 64,
		.seq_len = 32,
		.batches = { 2, { 0.3, 0.75 }, { 128, 256 } },
		.seqs = { 2, { 0, 0.3 }, { 8, 16 } },
		.warmdown_frac = 0.2 };
	struct schedule_phase phases[SCHEDULE_PHASES];
	struct schedule_pace p = { 0 };
	struct schedule_rates r;
	const double recorded[] = { 64, 32 };
	double left;
	size_t n;

	r = schedule_rates(&s, 2, 0);
	tap_ok(r.batch_tokens == 64 && r.seq_len == 8 && near(r.lr_scale, 0.5) && near(r.adam_lr_scale, 0.5),
	    "before the first change the batch is batch_tokens, at half the rate for a quarter of the last one");
	r = schedule_rates(&s, 3, 0);
	tap_ok(r.batch_tokens == 128 && r.seq_len == 16 && near(r.lr_scale, sqrt(0.5)),
	    "the first step at or after a share of the iterations is of the next batch and length");
	tap_ok(schedule_rates(&s, 7, 0).batch_tokens == 128 && schedule_rates(&s, 8, 0).batch_tokens == 256,
	    "a share between two steps holds from the later one on");
	tap_ok(near(schedule_rates(&s, 9, 0).lr_scale, 0.5) && near(schedule_rates(&s, 7, 0).lr_scale, sqrt(0.5)),
	    "the last batch has the schedule's own rate");
	s.batch_lr = SCHEDULE_BATCH_NONE;
	tap_ok(schedule_rates(&s, 2, 0).lr_scale == 1, "unless the rates are to be the same for every batch");
	s.batch_lr = SCHEDULE_BATCH_SQRT;
	n = schedule_phases(&s, phases);
	tap_ok(n == 3 && phases[0].from == 0 && phases[0].batch_tokens == 64 && phases[0].seq_len == 8 &&
		phases[1].from == 0.3 && phases[1].batch_tokens == 128 && phases[1].seq_len == 16 &&
		phases[2].from == 0.75 && phases[2].batch_tokens == 256 && phases[2].seq_len == 16,
	    "its phases are where either changes");
	/* Two steps of 64 at 10 ms; then one more, five of 128 and two of 256. */
	r = schedule_rates(&s, 0, 0);
	schedule_measure(&p, &r, 10);
	tap_ok(schedule_reach(&s, 2, 20, &p, 10, &left) == 10 && near(left, 10 + 5 * 20 + 2 * 40),
	    "what is left is told by the batches that are to come");
	s.cap_ms = 110;
	tap_ok(schedule_reach(&s, 2, 20, &p, 10, &left) == 7 && near(left, 90), "as far as the cap allows");
	/* From 20 ms on eight steps less the last one, each at 10 ms or more. */
	s.cap_ms = 80;
	tap_ok(schedule_fit(&s, 0, 2, 20, &p) == SCHEDULE_MISSES_END,
	    "more than fits at the pace of small batches is refused");
	s.cap_ms = 82;
	tap_ok(schedule_fit(&s, 0, 2, 20, &p) == SCHEDULE_FITS, "what may fit is not, however large batches become");
	p = (struct schedule_pace){ 0 };
	r.batch_tokens = 256;
	r.seq_len = 16;
	schedule_measure(&p, &r, 40);
	s.cap_ms = 110;
	s.batches = (struct bind_pairs){ 1, { 0.3 }, { 64 } };
	s.batch_tokens = 256;
	/* Step 2 has sequences half as long, and then come six of a quarter of the batch, before the last. */
	tap_ok(schedule_fit(&s, 0, 2, 40, &p) == SCHEDULE_FITS,
	    "smaller batches to come count as the less that they are");
	s.cap_ms = 109;
	tap_ok(schedule_fit(&s, 0, 2, 40, &p) == SCHEDULE_MISSES_END, "but not as nothing");
	p.looks = 3;
	r.batch_tokens = 64;
	schedule_measure(&p, &r, 9);
	tap_ok(p.steps == 1 && p.best_ms == 9 && p.looks == 2,
	    "another kind of step is measured anew, and looked at once more");

	s = (struct schedule){ .law = SCHEDULE_WALLCLOCK,
		.iterations = 1000,
		.cap_ms = 1000,
		.batch_tokens = 64,
		.seq_len = 32,
		.batches = { 1, { 0.5 }, { 128 } },
		.seqs = { 1, { 0.25 }, { 16 } } };
	tap_ok(schedule_rates(&s, 3, 499).batch_tokens == 64 && schedule_rates(&s, 900, 500).batch_tokens == 128 &&
		schedule_rates(&s, 3, 249).seq_len == 32 && schedule_rates(&s, 3, 250).seq_len == 16,
	    "by the clock both change at a share of the cap");
	p = (struct schedule_pace){ .steps = 1, .batch_tokens = 64, .seq_len = 32 };
	tap_ok(schedule_reach(&s, 0, 0, &p, 10, &left) == 75 && near(left, 1000),
	    "and steps that the cap has time for are counted by their batches");
	s = (struct schedule){ .law = SCHEDULE_REPLAY,
		.iterations = 2,
		.batch_tokens = 64,
		.seq_len = 32,
		.scales = recorded,
		.batches = { 1, { 0.5 }, { 32 } },
		.batch_sizes = recorded };
	tap_ok(schedule_rates(&s, 0, 0).batch_tokens == 64 && schedule_rates(&s, 1, 0).batch_tokens == 32 &&
		schedule_rates(&s, 1, 0).lr_scale == 32,
	    "a replay takes the batches that were recorded, and its scales as they stand");
	s.batches.count = 0;
	s.batch_sizes = NULL;
	tap_ok(schedule_rates(&s, 1, 0).batch_tokens == 0 && schedule_rates(&s, 1, 0).seq_len == 0,
	    "where nothing changes the trainer's own batch is meant");
}

/* What an average keeps of itself. */
static void
averages(void)
{
	struct schedule s = { .law = SCHEDULE_ITERATIONS,
		.iterations = 10,
		.cap_ms = 1000,
		.average_horizon = 0.2,
		.average_from = 0.45 };
	const double kept[] = { 1, 0, 0.25 };
	double all = 1;

	tap_ok(schedule_average(&s, 3, 0, 0) == 1 && schedule_average(&s, 4, 0, 0) == 0 &&
		near(schedule_average(&s, 5, 0, 0), exp(-0.5)) && near(schedule_average(&s, 9, 0, 0), exp(-0.5)),
	    "an average begins with the first update at or past its share of the run, and forgets by its horizon");
	s.average_from = 0;
	tap_ok(schedule_average(&s, 0, 0, 0) == 0, "from the beginning on it begins with the first update");
	s.law = SCHEDULE_WALLCLOCK;
	s.average_from = 0.5;
	tap_ok(schedule_average(&s, 7, 300, 499) == 1 && schedule_average(&s, 8, 499, 510) == 0 &&
		near(schedule_average(&s, 9, 510, 560), exp(-0.25)),
	    "by the clock it begins when the cap's share is over, and forgets by the time since the update before");
	tap_ok(schedule_average(&s, 0, 0, 600) == 0, "also where the first step is past it");
	for (int i = 0; i < 10; i++)
		all *= schedule_average(&s, 20, 500 + 10 * i, 510 + 10 * i);
	tap_ok(near(all, schedule_average(&s, 20, 500, 600)), "and slow steps forget as much in a time as fast ones");
	s = (struct schedule){ .law = SCHEDULE_REPLAY, .iterations = 3, .keeps = kept, .average_horizon = 0.1 };
	tap_ok(schedule_average(&s, 0, 0, 0) == 1 && schedule_average(&s, 1, 0, 0) == 0 &&
		schedule_average(&s, 2, 9, 9) == 0.25,
	    "a replay keeps what was recorded");
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
	changes();
	averages();
	return (tap_done());
}
