#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "judge/plan.h"
#include "judge/plateau.h"
#include "law/classify.h"
#include "law/policy.h"
#include "t/tools/simplay.h"

enum { GROUP = 1, LANE, TEXT, TOKENIZER, HOUR = 3600000, STREAM = 1000000000, CALIBRATION = 5 };

struct simplay_campaign {
	const struct simplay_way *way;
	struct simworld_machine m;
	struct simworld_candidate held;
	struct simplay_tally *t;
	double gain; /* what the last claim said, in deviations */
	int64_t seeds, clock_ms;
	/* What the habits of the field look at. */
	double mark, sd; /* score that is held, deviation of the calibration's runs */
	double value[1 + SIMPLAY_CHALLENGERS];
	int values, lowest;
	struct simworld_candidate best;
	/* What the law does. */
	struct standings book;
};

static void
apply(struct simplay_campaign *c, struct standings_fact *f)
{
	f->row = simworld_tag(&c->m);
	f->group = GROUP;
	f->lane = LANE;
	if (standings_apply(&c->book, f) == -1)
		abort();
}

/* --- the law ------------------------------------------------------------------------------- */

/* A run of which all is said that a row says. */
static struct verdict
judge_run(struct simplay_campaign *c, const struct simworld_candidate *k, int64_t seed, int64_t offset, double score)
{
	struct standings_fact f;
	struct verdict v;
	int m;

	memset(&f, 0, sizeof(f));
	c->clock_ms += HOUR;
	f.kind = STANDINGS_RUN;
	f.run = simworld_tag(&c->m);
	f.artifact = simworld_tag(&c->m);
	f.attempt = 1;
	f.group = GROUP;
	f.lane = LANE;
	f.config = f.model = f.recipe = k->tag;
	f.data = TEXT;
	f.tokenizer = TOKENIZER;
	f.keeps = STANDINGS_KEEPS_ALL;
	f.seed = seed;
	f.stream = STREAM;
	f.begins = offset % STREAM;
	f.cap_ms = -1;
	f.at_ms = f.started_ms = c->clock_ms;
	f.cost_ms = HOUR;
	for (m = 0; m < POLICY_METRICS; m++)
		f.metric[m] = 1000;
	f.metric[POLICY_VAL_BPB] = f.metric[POLICY_VAL_BPB_RAW] = f.metric[POLICY_VAL_LOSS] = score;
	v = classify_run(&c->book, &f, VERDICT_REASONS);
	f.klass = (uint8_t)v.klass;
	f.reason = (uint8_t)v.reason;
	apply(c, &f);
	return (v);
}

static void
calibrate(struct simplay_campaign *c)
{
	struct standings_fact f;

	memset(&f, 0, sizeof(f));
	f.kind = STANDINGS_CALIBRATION;
	f.config = c->held.tag;
	f.n = CALIBRATION;
	apply(c, &f);
}

/* A plan as hg-ledger makes it; its row. */
static uint64_t
plan(struct simplay_campaign *c, const struct simworld_candidate *k)
{
	const struct policy *p = &c->book.policy;
	struct standings_fact f;

	memset(&f, 0, sizeof(f));
	f.kind = STANDINGS_PLAN;
	f.config = k->tag;
	f.other = c->held.tag;
	f.n = p->confirm.seeds;
	f.campaign = standings_text_tag(p->campaign.name);
	f.nonce = rng_u64(&c->m.rng);
	f.at_ms = c->clock_ms;
	f.prior.level = policy_level(p);
	if (p->law >= 3) {
		f.n = p->confirm.pairs;
		f.place[0] = f.place[1] = STANDINGS_PAIRED;
		f.prior = plan_prior(&c->book, GROUP, LANE, k->tag, c->held.tag, p->metric.name);
	}
	apply(c, &f);
	return (f.row);
}

static void
run_slot(struct simplay_campaign *c, const struct simworld_candidate *k, const struct standings_slot *slot)
{
	int64_t seed = slot->seed, offset = slot->offset;
	struct verdict v;

	if (slot->challenger)
		v = judge_run(c, k, seed, offset, simworld_challengers_slot(&c->m, k, seed, offset));
	else
		v = judge_run(c, &c->held, seed, offset, simworld_run(&c->m, &c->held, seed, offset));
	if (v.reason != VERDICT_SLOT)
		abort();
}

/* Plan, run the next open slot until the plan is ready, and look. */
static struct verdict
confirm(struct simplay_campaign *c, const struct simworld_candidate *k)
{
	const uint64_t row = plan(c, k);
	const double truth = 0.01 * (c->held.mean - k->mean);
	const struct standings_plan *p;
	struct standings_fact f;
	struct verdict v;
	long before = c->m.runs;
	unsigned i;
	int confirmed;

	for (;;) {
		p = standings_plan(&c->book, row);
		if (classify_plan_ready(&c->book, p))
			break;
		for (i = 0; p->slot[i].fact != 0; i++)
			;
		run_slot(c, k, &p->slot[i]);
	}
	v = classify_plan(&c->book, p);
	if (c->way->instead != NULL)
		v = verdict_because(v, c->way->instead(&c->book, p, &v) ? VERDICT_CONFIRMED : VERDICT_NOT_CONFIRMED);
	confirmed = v.klass == VERDICT_IMPROVEMENT;
	memset(&f, 0, sizeof(f));
	f.kind = STANDINGS_VERDICT;
	f.plan = row;
	f.config = k->tag;
	f.other = c->held.tag;
	f.klass = (uint8_t)v.klass;
	f.reason = (uint8_t)v.reason;
	apply(c, &f);
	c->t->confirmations++;
	c->t->confirmation_runs += (double)(c->m.runs - before);
	c->t->looked[confirmed]++;
	c->t->covered[confirmed] += v.lower <= truth && truth <= v.upper;
	return (v);
}

static const struct simworld_candidate *
by_law(struct simplay_campaign *c, const struct simworld_candidate *k)
{
	struct verdict v;
	int64_t seed;

	do {
		seed = c->seeds++;
		v = judge_run(c, k, seed, 0, simworld_run(&c->m, k, seed, 0));
	} while (v.reason == VERDICT_SECOND);
	if (v.reason != VERDICT_PROMISING || standings_left(&c->book) == 0)
		return (NULL);
	v = confirm(c, k);
	c->gain = v.gain / 0.01;
	return (v.klass == VERDICT_IMPROVEMENT ? k : NULL);
}

/* Student's t quantile from the normal's: Abramowitz and Stegun 26.7.5, right to 0.001 of it from 4 degrees on. */
static double
student_quantile(double p, double df)
{
	double z = stats_normal_quantile(p), y = z * z;

	return (z *
	    (1 + (y + 1) / 4 / df + ((5 * y + 16) * y + 3) / 96 / pow(df, 2) +
		(((3 * y + 19) * y + 17) * y - 15) / 384 / pow(df, 3) +
		((((79 * y + 776) * y + 1482) * y - 1920) * y - 945) / 92160 / pow(df, 4)));
}

/* Welch's t test at 0.05, one-sided, and its bounds at 0.01 each. */
static int
welch(const struct standings *b, const struct standings_plan *p, struct verdict *v)
{
	struct stats_sample s[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
	double a, c, df, wide;
	unsigned i;

	for (i = 0; i < 2 * p->n; i++)
		stats_sample_add(&s[p->slot[i].challenger],
		    standings_fact(b, p->slot[i].fact - 1)->metric[POLICY_VAL_BPB]);
	a = s[0].ss / (s[0].n - 1) / s[0].n;
	c = s[1].ss / (s[1].n - 1) / s[1].n;
	df = (a + c) * (a + c) / (a * a / (s[0].n - 1) + c * c / (s[1].n - 1));
	v->gain = s[0].mean - s[1].mean;
	wide = student_quantile(0.99, df) * sqrt(a + c);
	v->lower = v->gain - wide;
	v->upper = v->gain + wide;
	return (v->gain >= student_quantile(0.95, df) * sqrt(a + c));
}

/* --- the habits of the field --------------------------------------------------------------- */

/* Hold what scored lower than the mark by so much. */
static const struct simworld_candidate *
lower(struct simplay_campaign *c, const struct simworld_candidate *k, double by)
{
	double score = simworld_run(&c->m, k, c->seeds++, 0);

	if (score >= c->mark - by)
		return (NULL);
	c->gain = (c->mark - score) / 0.01;
	c->mark = score;
	return (k);
}

static const struct simworld_candidate *
greedy(struct simplay_campaign *c, const struct simworld_candidate *k)
{
	return (lower(c, k, 0));
}

static const struct simworld_candidate *
two_deviations(struct simplay_campaign *c, const struct simworld_candidate *k)
{
	return (lower(c, k, 2 * c->sd));
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return ((x > y) - (x < y));
}

static double
median(double *x, int n)
{
	qsort(x, (size_t)n, sizeof(*x), by_value);
	return ((x[(n - 1) / 2] + x[n / 2]) / 2);
}

/*
 * The best of all runs is held once it is better than the first by two medians of all runs' distances from their
 * median: what pi-autoresearch calls likely real, from the third run on.
 */
static const struct simworld_candidate *
two_mad(struct simplay_campaign *c, const struct simworld_candidate *k)
{
	double x[1 + SIMPLAY_CHALLENGERS], middle, held = c->mark;
	int i, n;

	c->value[c->values++] = simworld_run(&c->m, k, c->seeds++, 0);
	n = c->values;
	if (c->value[n - 1] < c->value[c->lowest]) {
		c->lowest = n - 1;
		c->best = *k;
	}
	memcpy(x, c->value, (size_t)n * sizeof(*x));
	middle = median(x, n);
	for (i = 0; i < n; i++)
		x[i] = fabs(c->value[i] - middle);
	if (n < 3 || c->value[c->lowest] == held || c->value[0] - c->value[c->lowest] < 2 * median(x, n))
		return (NULL);
	c->mark = c->value[c->lowest];
	c->gain = (held - c->mark) / 0.01;
	return (&c->best);
}

/* --- campaigns ----------------------------------------------------------------------------- */

static void
begin(struct simplay_campaign *c, const struct simplay_way *way, const struct simworld *w, uint64_t seed,
    uint64_t number)
{
	struct stats_sample s = { 0, 0, 0 };
	struct policy p;
	json_t *v = policy_default();
	double score;

	memset(c, 0, sizeof(*c));
	c->way = way;
	simworld_begin(&c->m, w, seed, number);
	c->held = simworld_incumbent(&c->m);
	standings_init(&c->book);
	if (v == NULL || policy_take(&p, v) == -1)
		abort();
	json_decref(v);
	if (way->law != 0)
		p.law = way->law;
	if (way->confirmations != 0)
		p.campaign.confirmations = way->confirmations;
	if (way->seeds != 0)
		p.confirm.seeds = way->seeds;
	if (way->gain_sd != 0)
		p.screen.gain_sd = way->gain_sd;
	if (standings_policy(&c->book, &p) == -1)
		abort();
	while (c->seeds < CALIBRATION) {
		score = simworld_run(&c->m, &c->held, c->seeds, 0);
		if (c->seeds == 0)
			c->value[c->values++] = score;
		if (way->law != 0)
			(void)judge_run(c, &c->held, c->seeds, 0, score);
		stats_sample_add(&s, score);
		c->seeds++;
	}
	c->mark = s.mean;
	c->sd = sqrt(s.ss / (s.n - 1));
	if (way->law != 0)
		calibrate(c);
}

static void
play(const struct simplay_way *way, const struct simworld *w, uint64_t seed, uint64_t number, struct simplay_tally *t)
{
	const struct simworld_candidate *kept;
	struct simworld_candidate k;
	struct simplay_campaign c;
	int i, found = 0, bad = 0, stopped = 0;

	begin(&c, way, w, seed, number);
	c.t = t;
	for (i = 0; i < w->challengers; i++) {
		k = simworld_challenger(&c.m, &c.held);
		t->existing += k.mean < c.held.mean;
		if ((kept = way->keeps(&c, &k)) != NULL) {
			if (kept->mean < c.held.mean)
				found++;
			else
				bad++;
			t->claimed += c.gain;
			t->gained += c.held.mean - kept->mean;
			c.held = *kept;
		}
		if (w->stops && way->law != 0 && found == 0 && !stopped)
			stopped = plateau_word(&c.book) == PLATEAU_STOP;
	}
	stats_sample_add(&t->falsehoods, bad);
	stats_sample_add(&t->any, bad != 0);
	stats_sample_add(&t->found, found);
	t->runs += (double)c.m.runs;
	t->stopped += stopped;
	standings_free(&c.book);
}

struct simplay_tally
simplay_many(const struct simplay_way *way, const struct simworld *w, uint64_t seed, uint64_t campaigns)
{
	struct simplay_tally t;
	uint64_t i;

	memset(&t, 0, sizeof(t));
	for (i = 0; i < campaigns; i++)
		play(way, w, seed, i, &t);
	return (t);
}

const struct simplay_way simplay_ways[] = {
	{ "greedy", .keeps = greedy },
	{ "two deviations", .keeps = two_deviations },
	{ "MAD >= 2", .keeps = two_mad },
	{ "Welch 5v5 at .05", by_law, .law = 2, .confirmations = 1000000, .seeds = 5, .gain_sd = 1.25,
	    .instead = welch },
	{ "law 2", by_law, .law = 2, .confirmations = 6, .seeds = 5, .gain_sd = 1.25,
	    .promise = { 0.008, 0.02, 2.4, 70, 0.15 } },
	{ "law 3", by_law, .law = 3, .promise = { 0.004, 0.01, 7.5, 30, 0.05 } },
};

const size_t simplay_count = sizeof(simplay_ways) / sizeof(simplay_ways[0]);
