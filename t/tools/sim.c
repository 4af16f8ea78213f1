/*
 * Campaigns that never happened, judged by the real law and by the habits of
 * the field: how often is nothing called an improvement, how many gains are
 * found, and what does it cost?
 *
 *	t/tools/sim [-q] [-n CAMPAIGNS] [-s SEED] [-w WORLD] [-l WAY]
 *
 * Without -q the table of hg-ledger(1), some minutes, or those of its worlds
 * and ways of judging whose names hold what -w and -l say; with it a short
 * version that prints TAP, with bounds five standard errors wide.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/rng.h"
#include "judge/plan.h"
#include "judge/plateau.h"
#include "law/classify.h"
#include "law/policy.h"
#include "law/standings.h"
#include "t/tools/simworld.h"
#include "t/unit/tap.h"

enum { GROUP = 1, LANE, TEXT, TOKENIZER, HOUR = 3600000, STREAM = 1000000000, CALIBRATION = 5, CHALLENGERS = 100 };

struct tally {
	struct stats_sample falsehoods, found, any; /* a campaign */
	double existing, runs, confirmations, confirmation_runs;
	double looked[2], covered[2]; /* bounds that were told, of gains not confirmed and confirmed */
	double claimed, gained;       /* deviations, in all that was kept */
	double stopped;               /* without a find */
};

struct campaign {
	const struct way *way;
	struct simworld_machine m;
	struct simworld_candidate held;
	struct tally *t;
	double gain; /* what the last claim said, in deviations */
	int64_t seeds, clock_ms;
	/* What the habits of the field look at. */
	double mark, sd; /* score that is held, deviation of the calibration's runs */
	double value[1 + CHALLENGERS];
	int values, lowest;
	struct simworld_candidate best;
	/* What the law does. */
	struct standings book;
};

/* A way of judging. */
struct way {
	const char *name;
	/* Try a challenger: what is held from now on, with c->gain set; or NULL: nothing changes. */
	const struct simworld_candidate *(*keeps)(struct campaign *c, const struct simworld_candidate *k);
	unsigned law; /* 0: none, and no book */
	unsigned confirmations, seeds;
	double gain_sd; /* of the policy; 0: as it is by default */
	int (*instead)(const struct standings *b, const struct standings_plan *p,
	    struct verdict *v); /* of the law's look */
	struct {
		double falsehoods, noisier;  /* a null campaign; with challengers that scatter twice as far */
		double found, runs, stopped; /* where 1 in 10 gains 3.5: gains and runs a find, campaigns without one */
	} promise;                           /* zeros: none; by law 2's are what it was measured to be */
};

static void
apply(struct campaign *c, struct standings_fact *f)
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
judge_run(struct campaign *c, const struct simworld_candidate *k, int64_t seed, int64_t offset, double score)
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
calibrate(struct campaign *c)
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
plan(struct campaign *c, const struct simworld_candidate *k)
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
run_slot(struct campaign *c, const struct simworld_candidate *k, const struct standings_slot *slot)
{
	int64_t seed = slot->seed, offset = slot->offset;

	if (slot->challenger)
		(void)judge_run(c, k, seed, offset, simworld_challengers_slot(&c->m, k, seed, offset));
	else
		(void)judge_run(c, &c->held, seed, offset, simworld_run(&c->m, &c->held, seed, offset));
}

/* Plan, run the next open slot until the plan is ready, and look. */
static struct verdict
confirm(struct campaign *c, const struct simworld_candidate *k)
{
	const uint64_t row = plan(c, k);
	const double truth = 0.01 * (c->held.mean - k->mean);
	const struct standings_plan *p;
	struct standings_fact f;
	struct verdict v;
	long before = c->m.runs;
	unsigned i;
	int confirmed;

	while (p = standings_plan(&c->book, row), !classify_plan_ready(&c->book, p)) {
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
by_law(struct campaign *c, const struct simworld_candidate *k)
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
lower(struct campaign *c, const struct simworld_candidate *k, double by)
{
	double score = simworld_run(&c->m, k, c->seeds++, 0);

	if (score >= c->mark - by)
		return (NULL);
	c->gain = (c->mark - score) / 0.01;
	c->mark = score;
	return (k);
}

static const struct simworld_candidate *
greedy(struct campaign *c, const struct simworld_candidate *k)
{
	return (lower(c, k, 0));
}

static const struct simworld_candidate *
two_deviations(struct campaign *c, const struct simworld_candidate *k)
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
 * The best of all runs is held once it is better than the first by two medians of all runs' distances from their median
 * (pi-autoresearch, from whose third run on it says "likely real").
 */
static const struct simworld_candidate *
two_mad(struct campaign *c, const struct simworld_candidate *k)
{
	double x[1 + CHALLENGERS], middle, held = c->mark;
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
begin(struct campaign *c, const struct way *way, const struct simworld *w, uint64_t seed, uint64_t number)
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
	c->mark = way->keeps == two_mad ? c->value[0] : s.mean;
	c->sd = sqrt(s.ss / (s.n - 1));
	if (way->law != 0)
		calibrate(c);
}

/* Does the plateau say stop? It cannot before the least patience that there is, and takes long to ask. */
static int
says_stop(const struct standings *b)
{
	const struct policy *p = &b->policy;

	return (standings_group(b, GROUP)->resolved >= log(p->plateau.miss) / log1p(-p->plateau.success_rate) &&
	    plateau_look(b).what == PLATEAU_STOP);
}

static void
play(const struct way *way, const struct simworld *w, uint64_t seed, uint64_t number, struct tally *t)
{
	const struct simworld_candidate *kept;
	struct simworld_candidate k;
	struct campaign c;
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
			stopped = says_stop(&c.book);
	}
	stats_sample_add(&t->falsehoods, bad);
	stats_sample_add(&t->any, bad != 0);
	stats_sample_add(&t->found, found);
	t->runs += (double)c.m.runs;
	t->stopped += stopped;
	standings_free(&c.book);
}

static struct tally
many(const struct way *way, const struct simworld *w, uint64_t seed, uint64_t campaigns)
{
	struct tally t;
	uint64_t i;

	memset(&t, 0, sizeof(t));
	for (i = 0; i < campaigns; i++)
		play(way, w, seed, i, &t);
	return (t);
}

/* --- the tables ---------------------------------------------------------------------------- */

static const struct simworld worlds[] = {
	{ "null, equal deviations", .challengers = CHALLENGERS },
	{ "null, spread .42", CHALLENGERS, .spread = 0.42 },
	{ "null, t3", CHALLENGERS, .spread = 0.42, .noise = SIMWORLD_T3 },
	{ "null, lognormal bad tail", CHALLENGERS, .spread = 0.42, .noise = SIMWORLD_BAD_TAIL },
	{ "null, 2 % of runs +50", CHALLENGERS, .spread = 0.42, .noise = SIMWORLD_OUTLIERS },
	{ "null, challengers x2", CHALLENGERS, .spread = 0.42, .challengers_sd = 2 },
	{ "null, challengers x4", CHALLENGERS, .spread = 0.42, .challengers_sd = 4 },
	{ "null, spread .84", CHALLENGERS, .spread = 0.84 },
	{ "null, drift .1", CHALLENGERS, .spread = 0.42, .walk = 0.1 },
	{ "null, bad slots redone 25 %", CHALLENGERS, .spread = 0.42, .redone = 0.25 },
	{ "null, seeds correlated .5", CHALLENGERS, .spread = 0.42, .seeded = 0.5 },
	{ "null, seeds correlated .8", CHALLENGERS, .spread = 0.42, .seeded = 0.8 },
	{ "null, data order 2", CHALLENGERS, .spread = 0.42, .ordered = 2 },
	{ "one, gains 1", 1, 1, 1, .spread = 0.42 },
	{ "one, gains 2", 1, 1, 2, .spread = 0.42 },
	{ "one, gains 3.5", 1, 1, 3.5, .spread = 0.42 },
	{ "one, gains 5", 1, 1, 5, .spread = 0.42 },
	{ "live, 1 in 10 gains 3.5", CHALLENGERS, 0.1, 3.5, .spread = 0.42, .stops = 1 },
	{ "live, 1 in 10 gains 3.5, equal deviations", CHALLENGERS, 0.1, 3.5, .stops = 1 },
	{ "live, 1 in 10 gains 3.5, seeds correlated .5", CHALLENGERS, 0.1, 3.5, .spread = 0.42, .seeded = 0.5 },
	{ "live, 1 in 50 gains 3.5", CHALLENGERS, 0.02, 3.5, .spread = 0.42 },
	{ "live, 1 in 10 gains 2", CHALLENGERS, 0.1, 2, .spread = 0.42 },
	{ "live, realistic", CHALLENGERS, .mixed = 1, .spread = 0.42 },
};

static const struct way ways[] = {
	{ "greedy", .keeps = greedy },
	{ "two deviations", .keeps = two_deviations },
	{ "MAD >= 2", .keeps = two_mad },
	{ "Welch 5v5 at .05", by_law, .law = 2, .confirmations = 1000000, .seeds = 5, .gain_sd = 1.25,
	    .instead = welch },
	{ "law 2", by_law, .law = 2, .confirmations = 6, .seeds = 5, .gain_sd = 1.25,
	    .promise = { 0.008, 0.02, 2.4, 70, 0.15 } },
	{ "law 3", by_law, .law = 3, .promise = { 0.004, 0.01, 7.5, 30, 0.05 } },
};

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

static double
error(const struct stats_sample *s)
{
	return (s->n > 1 ? sqrt(s->ss / (s->n - 1) / s->n) : 0);
}

/* A column: a / b, or a dash where there is none. */
static void
column(int width, int digits, double a, double b)
{
	if (b > 0)
		printf(" %*.*f", width, digits, a / b);
	else
		printf(" %*s", width, "-");
}

static void
print_row(const struct way *way, const struct simworld *w, const struct tally *t)
{
	double n = t->any.n, existing = t->existing / n;

	printf("%-16s %8.4f %7.4f %6.3f", way->name, t->falsehoods.mean, error(&t->falsehoods), t->any.mean);
	column(6, 2, t->found.mean, existing > 0);
	column(6, 2, existing, existing > 0);
	column(6, 1, t->runs, n);
	column(7, 1, t->runs, t->found.mean * n);
	column(6, 2, t->confirmations, way->law != 0 ? n : 0);
	column(6, 2, t->confirmation_runs, t->confirmations);
	column(6, 3, t->covered[1], t->looked[1]);
	column(6, 3, t->covered[0], t->looked[0]);
	column(6, 2, t->claimed, t->gained);
	column(6, 3, t->stopped, w->stops && way->law != 0 ? n : 0);
	putchar('\n');
	fflush(stdout);
}

static int
print_table(uint64_t seed, uint64_t campaigns, const char *world, const char *law)
{
	const struct simworld *w;
	const struct way *way;
	struct tally t;
	int rows = 0;

	printf("%-16s %8s %7s %6s %6s %6s %6s %7s %6s %6s %6s %6s %6s %6s\n", "", "false", "+-", "any", "found", "of",
	    "runs", "a find", "looks", "runs", "covers", "else", "claims", "stops");
	for (w = worlds; w < worlds + ROWS(worlds); w++) {
		if (strstr(w->name, world) == NULL)
			continue;
		printf("%s\n", w->name);
		for (way = ways; way < ways + ROWS(ways); way++) {
			if (strstr(way->name, law) == NULL || way->law > POLICY_LAW)
				continue;
			/* A campaign of one challenger is short, and says little. */
			t = many(way, w, seed, w->challengers == 1 ? 5 * campaigns : campaigns);
			print_row(way, w, &t);
			rows++;
		}
	}
	return (rows == 0 ? 100 : 0);
}

static struct tally
many_in(const char *world, const struct way *way, uint64_t seed, uint64_t campaigns)
{
	const struct simworld *w = worlds;

	while (strcmp(w->name, world) != 0)
		w++;
	return (many(way, w, seed, campaigns));
}

/* As many as that, and five standard errors of a count. */
static double
most(double promise, double n)
{
	return (n * promise + 5 * sqrt(n * promise));
}

static void
hold_to_promise(const struct way *way, uint64_t seed)
{
	struct tally t = many_in("null, challengers x2", way, seed, 60);
	double n = t.any.n, at_best;
	int i;

	tap_ok(n * t.falsehoods.mean <= most(way->promise.noisier, n),
	    "%s: nor in %g where challengers scatter twice as far: %g", way->name, n, n * t.falsehoods.mean);
	t = many_in("live, 1 in 10 gains 3.5", way, seed, 40);
	n = t.any.n;
	at_best = t.found.mean + 5 * error(&t.found);
	tap_ok(at_best >= way->promise.found, "%s: gains of 3.5 deviations are found: %.2f of %.2f", way->name,
	    t.found.mean, t.existing / n);
	tap_ok(t.runs / n <= at_best * way->promise.runs, "%s: at %.1f runs each", way->name,
	    t.runs / n / t.found.mean);
	tap_ok(t.stopped <= most(way->promise.stopped, n), "%s: %g of %g campaigns stop without one", way->name,
	    t.stopped, n);
	for (i = 0; i < 2; i++)
		tap_ok(t.looked[i] > 0 && t.looked[i] - t.covered[i] <= most(0.02, t.looked[i]),
		    "%s: of gains %sconfirmed %g of %g lie in the bounds that were told", way->name, i ? "" : "not ",
		    t.covered[i], t.looked[i]);
}

/* The bound that the law keeps is one that the habits of the field break. */
static int
quick(uint64_t seed)
{
	const struct way *way;
	struct tally t;
	double bad, n;

	for (way = ways; way < ways + ROWS(ways); way++) {
		if (way->law > POLICY_LAW)
			continue;
		t = many_in("null, spread .42", way, seed, 100);
		n = t.any.n;
		bad = n * t.falsehoods.mean;
		if (way->promise.found > 0) {
			tap_ok(bad <= most(way->promise.falsehoods, n),
			    "%s: %g campaigns of nothing, %g false improvements", way->name, n, bad);
			hold_to_promise(way, seed);
		} else
			tap_ok(bad > most(0.008, n), "%s is fooled: %g campaigns of nothing, %g false improvements",
			    way->name, n, bad);
	}
	return (tap_done());
}

int
main(int argc, char **argv)
{
	uint64_t seed = 1, campaigns = 500;
	const char *world = "", *law = "";
	int i, short_one = 0;

	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-q") == 0)
			short_one = 1;
		else if (i + 1 < argc && strcmp(argv[i], "-w") == 0)
			world = argv[++i];
		else if (i + 1 < argc && strcmp(argv[i], "-l") == 0)
			law = argv[++i];
		else if (i + 1 < argc && strcmp(argv[i], "-n") == 0 &&
		    num_u64(argv[i + 1], 4, 1000000, &campaigns) == 0)
			i++;
		else if (i + 1 < argc && strcmp(argv[i], "-s") == 0 && num_u64(argv[i + 1], 0, UINT64_MAX, &seed) == 0)
			i++;
		else {
			fprintf(stderr, "usage: %s [-q] [-n CAMPAIGNS] [-s SEED] [-w WORLD] [-l WAY]\n", argv[0]);
			return (100);
		}
	}
	return (short_one ? quick(seed) : print_table(seed, campaigns, world, law));
}
