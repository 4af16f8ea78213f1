/*
 * Campaigns that never happened, judged by the real law: how often is nothing
 * called an improvement, how often is a gain found, and what does it cost?
 * Beside it the two habits of the field: keep whatever scored lower, and keep
 * what scored two deviations lower.
 *
 *	t/sim [-q] [-n CAMPAIGNS] [-s SEED]
 *
 * Without -q the table of hg-ledger(1), about two minutes; with it a short
 * version that prints TAP, with bounds five standard errors wide.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "law/standings.h"
#include "law/classify.h"
#include "base/num.h"
#include "law/policy.h"
#include "base/rng.h"
#include "t/unit/tap.h"

enum { GROUP = 1, LANE = 2, HOUR = 3600000 };

struct world {
	const char *name;
	int challengers;
	double success; /* share of challengers that are better, */
	double gain;    /* by so many lane deviations; the rest changes nothing */
	double spread;  /* of ln sigma over configurations */
	int tails;      /* degrees of freedom of the noise; 0: normal. Scaled to unit variance for 3 and up */
	double walk;    /* each run the machine drifts by this many deviations, at random */
	double slope;   /* or steadily */
	int screened;   /* 0: every challenger goes straight to a confirmation */
};

struct docsums {
	long campaigns, challengers, better;
	long false_claims, bad_campaigns, true_claims, passed, confirmations, runs;
	long greedy_false, greedy_bad, greedy_true;
	long sigma_false, sigma_bad, sigma_true;
	double greedy_noise; /* what keeping whatever is lower seems to gain, in deviations */
	/* The stop rule: runs and true gains with it, and without. */
	long stopped, stop_runs, stop_found;
};

struct campaign {
	const struct world *w;
	struct rng rng;
	struct standings book;
	double offset; /* the machine's drift so far */
	int64_t clock_ms;
	uint64_t next; /* tag */
	long runs;
};

/* One configuration: where it lies (lower is better) and how its runs scatter. */
struct candidate {
	uint64_t tag;
	double mean, sd;
};

static double
noise(struct campaign *c)
{
	double z = rng_normal(&c->rng), chi = 0, x;
	int i;

	if (c->w->tails == 0)
		return (z);
	for (i = 0; i < c->w->tails; i++) {
		x = rng_normal(&c->rng);
		chi += x * x;
	}
	z /= sqrt(chi / c->w->tails);
	return (c->w->tails > 2 ? z * sqrt((c->w->tails - 2.0) / c->w->tails) : z);
}

static struct candidate
candidate(struct campaign *c, double mean)
{
	struct candidate k = { ++c->next, mean, exp(c->w->spread * rng_normal(&c->rng)) };

	k.tag = rng_mix(k.tag);
	return (k);
}

/* Run it once, and have it judged. */
static struct verdict
run(struct campaign *c, const struct candidate *k, int64_t seed, double *score)
{
	struct standings_fact f;
	struct verdict v;
	int m;

	memset(&f, 0, sizeof(f));
	c->offset += c->w->walk * rng_normal(&c->rng) + c->w->slope;
	c->clock_ms += HOUR;
	c->runs++;
	f.kind = STANDINGS_RUN;
	f.run = f.row = f.artifact = rng_mix(++c->next);
	f.attempt = 1;
	f.group = GROUP;
	f.lane = LANE;
	f.config = f.model = k->tag;
	f.seed = seed;
	f.at_ms = f.started_ms = c->clock_ms;
	for (m = 0; m < POLICY_METRICS; m++)
		f.metric[m] = 1000;
	/* A hundredth of a bit per byte is the lane's deviation. */
	*score = 2 + 0.01 * (k->mean + k->sd * noise(c) + c->offset);
	f.metric[POLICY_VAL_BPB] = f.metric[POLICY_VAL_BPB_RAW] = f.metric[POLICY_VAL_LOSS] = *score;
	v = classify_run(&c->book, &f, VERDICT_REASONS);
	f.klass = (uint8_t)v.klass;
	f.reason = (uint8_t)v.reason;
	if (standings_apply(&c->book, &f) == -1)
		abort();
	return (v);
}

static void
begin(struct campaign *c, const struct world *w, uint64_t seed, long number, struct candidate *incumbent, double *first,
    double *sd)
{
	struct stats_sample s = { 0, 0, 0 };
	struct policy p;
	struct standings_fact f;
	json_t *v = policy_default();
	double score;
	unsigned i;

	memset(c, 0, sizeof(*c));
	c->w = w;
	rng_seed(&c->rng, seed, (uint64_t)number);
	standings_init(&c->book);
	if (v == NULL || policy_take(&p, v) == -1)
		abort();
	json_decref(v);
	standings_policy(&c->book, &p);
	*incumbent = candidate(c, 0);
	for (i = 0; i < p.noise.calibration_seeds; i++) {
		(void)run(c, incumbent, i, &score);
		if (i == 0)
			*first = score;
		stats_sample_add(&s, score);
	}
	*sd = sqrt(s.ss / (s.n - 1));
	memset(&f, 0, sizeof(f));
	f.kind = STANDINGS_CALIBRATION;
	f.row = rng_mix(++c->next);
	f.group = GROUP;
	f.lane = LANE;
	f.config = incumbent->tag;
	f.n = p.noise.calibration_seeds;
	if (standings_apply(&c->book, &f) == -1)
		abort();
}

/* Plan, run in turns, look once. */
static struct verdict
confirm(struct campaign *c, const struct candidate *incumbent, const struct candidate *k)
{
	const struct standings_plan *p;
	struct standings_fact f;
	struct verdict v;
	double score;
	unsigned i;

	memset(&f, 0, sizeof(f));
	f.kind = STANDINGS_PLAN;
	f.row = rng_mix(++c->next);
	f.group = GROUP;
	f.lane = LANE;
	f.config = k->tag;
	f.other = incumbent->tag;
	f.n = c->book.policy.confirm.seeds;
	f.campaign = standings_text_tag(c->book.policy.campaign.name);
	f.nonce = rng_u64(&c->rng);
	f.at_ms = c->clock_ms;
	if (standings_apply(&c->book, &f) == -1)
		abort();
	for (i = 0; i < 2 * f.n; i++) {
		p = standings_plan(&c->book, f.row);
		(void)run(c, p->slot[i].challenger ? k : incumbent, p->slot[i].seed, &score);
	}
	p = standings_plan(&c->book, f.row);
	if (!classify_plan_ready(&c->book, p))
		abort();
	v = classify_plan(&c->book, p);
	memset(&f, 0, sizeof(f));
	f.kind = STANDINGS_VERDICT;
	f.row = rng_mix(++c->next);
	f.plan = p->row;
	f.klass = (uint8_t)v.klass;
	f.reason = (uint8_t)v.reason;
	if (standings_apply(&c->book, &f) == -1)
		abort();
	return (v);
}

static void
play(const struct world *w, uint64_t seed, long number, struct docsums *t)
{
	struct campaign c;
	struct candidate incumbent, k;
	struct verdict v;
	double first = 0, sd, score, greedy, greedy_mean = 0, sigma, sigma_mean = 0, start;
	long bad = 0, greedy_bad = 0, sigma_bad = 0, stopped = 0;
	unsigned patience = (unsigned)ceil(log(0.05) / log(1 - 0.1 * 0.75));
	int i, better, wanted;

	begin(&c, w, seed, number, &incumbent, &first, &sd);
	start = greedy = first;
	sigma = standings_standing(&c.book, standings_config(&c.book, GROUP, LANE, incumbent.tag), POLICY_VAL_BPB).mean;
	for (i = 0; i < w->challengers; i++) {
		better = rng_uniform(&c.rng) < w->success;
		k = candidate(&c, incumbent.mean - (better ? w->gain : 0));
		t->challengers++;
		t->better += better;
		v = run(&c, &k, 1000 + i, &score);
		/* The habits keep a single run. What they hold is judged by its true mean, too. */
		if (score < greedy) {
			if (k.mean < greedy_mean)
				t->greedy_true++;
			else
				greedy_bad++;
			greedy = score;
			greedy_mean = k.mean;
		}
		if (score < sigma - 2 * sd) {
			if (k.mean < sigma_mean)
				t->sigma_true++;
			else
				sigma_bad++;
			sigma = score;
			sigma_mean = k.mean;
		}
		wanted = v.reason == VERDICT_PROMISING || !w->screened;
		t->passed += better && v.reason == VERDICT_PROMISING;
		if (wanted && standings_spent(&c.book) < c.book.policy.campaign.confirmations) {
			t->confirmations++;
			v = confirm(&c, &incumbent, &k);
			if (v.klass == VERDICT_IMPROVEMENT) {
				if (k.mean < incumbent.mean)
					t->true_claims++;
				else
					bad++;
				if (!stopped && k.mean < incumbent.mean)
					t->stop_found++;
				incumbent = k;
			}
		}
		if (!stopped && standings_group(&c.book, GROUP)->resolved >= patience) {
			stopped = 1;
			t->stop_runs += c.runs;
		}
	}
	t->campaigns++;
	t->runs += c.runs;
	t->stopped += stopped;
	if (!stopped)
		t->stop_runs += c.runs;
	t->false_claims += bad;
	t->bad_campaigns += bad != 0;
	t->greedy_false += greedy_bad;
	t->greedy_bad += greedy_bad != 0;
	t->sigma_false += sigma_bad;
	t->sigma_bad += sigma_bad != 0;
	t->greedy_noise += (start - greedy) / 0.01;
	standings_free(&c.book);
}

static struct docsums
many(const struct world *w, uint64_t seed, long campaigns)
{
	struct docsums t = { 0 };
	long i;

	for (i = 0; i < campaigns; i++)
		play(w, seed, i, &t);
	return (t);
}

/* name challengers success gain spread tails walk slope screened */
static const struct world nulls[] = {
	{ "equal deviations", 100, 0, 0, 0, 0, 0, 0, 1 },
	{ "deviations differ", 100, 0, 0, 0.42, 0, 0, 0, 1 },
	{ "heavy tails (t3)", 100, 0, 0, 0, 3, 0, 0, 1 },
	{ "both", 100, 0, 0, 0.42, 3, 0, 0, 1 },
	{ "both, drifting at random", 100, 0, 0, 0.42, 3, 0.1, 0, 1 },
	{ "both, drifting steadily", 100, 0, 0, 0.42, 3, 0, -0.02, 1 },
	{ "differ twice as much", 100, 0, 0, 0.84, 0, 0, 0, 1 },
	{ "no screen, all confirmed", 100, 0, 0, 0.42, 0, 0, 0, 0 },
};

static const struct world gains[] = {
	{ "1 deviation", 1, 1, 1, 0, 0, 0, 0, 1 },
	{ "2 deviations", 1, 1, 2, 0, 0, 0, 0, 1 },
	{ "3 deviations", 1, 1, 3, 0, 0, 0, 0, 1 },
	{ "3.5 deviations", 1, 1, 3.5, 0, 0, 0, 0, 1 },
	{ "3.5, no screen", 1, 1, 3.5, 0, 0, 0, 0, 0 },
	{ "3.5, they differ", 1, 1, 3.5, 0.42, 0, 0, 0, 1 },
	{ "3.5, heavy tails", 1, 1, 3.5, 0, 3, 0, 0, 1 },
	{ "5 deviations", 1, 1, 5, 0, 0, 0, 0, 1 },
};

static const struct world lives[] = {
	{ "1 in 10 gains 3.5", 100, 0.1, 3.5, 0.42, 0, 0, 0, 1 },
	{ "1 in 50 gains 3.5", 100, 0.02, 3.5, 0.42, 0, 0, 0, 1 },
	{ "1 in 10 gains 1", 100, 0.1, 1, 0.42, 0, 0, 0, 1 },
};

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

static double
per(double a, double b)
{
	return (b > 0 ? a / b : 0);
}

static void
print_table(uint64_t seed, long campaigns)
{
	struct docsums t;
	size_t i;

	printf("100 challengers that change nothing, %ld campaigns each: false improvements per campaign\n", campaigns);
	printf("%-26s %10s %12s %10s %10s %10s\n", "noise", "hg-ledger", "(+- 1 s.e.)", "2 sigma", "greedy", "runs");
	for (i = 0; i < ROWS(nulls); i++) {
		t = many(&nulls[i], seed, campaigns);
		printf("%-26s %10.4f %12.4f %10.2f %10.2f %10.0f\n", nulls[i].name, per(t.false_claims, t.campaigns),
		    sqrt(per(t.bad_campaigns, t.campaigns) / t.campaigns), per(t.sigma_false, t.campaigns),
		    per(t.greedy_false, t.campaigns), per(t.runs, t.campaigns));
		fflush(stdout);
	}
	printf("\nOne challenger that is better, 5 calibration seeds, 5 seeds a side: chance to find it\n");
	printf("%-26s %10s %12s %10s\n", "gain in lane deviations", "screened", "confirmed", "runs");
	for (i = 0; i < ROWS(gains); i++) {
		t = many(&gains[i], seed, 5 * campaigns);
		printf("%-26s %10.3f %12.3f %10.1f\n", gains[i].name, per(t.passed, t.better),
		    per(t.true_claims, t.better), per(t.runs, t.campaigns));
		fflush(stdout);
	}
	printf("\n100 challengers, some better: gains found per campaign, and what stopping at the plateau forgoes\n");
	printf("%-26s %10s %10s %10s %10s %10s %10s\n", "challengers", "there are", "found", "false", "runs", "to stop",
	    "found");
	for (i = 0; i < ROWS(lives); i++) {
		t = many(&lives[i], seed, campaigns / 4);
		printf("%-26s %10.2f %10.2f %10.4f %10.0f %10.0f %10.2f\n", lives[i].name, per(t.better, t.campaigns),
		    per(t.true_claims, t.campaigns), per(t.false_claims, t.campaigns), per(t.runs, t.campaigns),
		    per(t.stop_runs, t.campaigns), per(t.stop_found, t.campaigns));
		fflush(stdout);
	}
}

static int
quick(uint64_t seed)
{
	struct docsums t;
	size_t i;

	for (i = 0; i < ROWS(nulls) - 2; i++) {
		t = many(&nulls[i], seed, 60);
		/* At 0.01 a campaign, five or more in sixty are seen once in two thousand times. */
		tap_ok(t.bad_campaigns <= 4, "nothing is called an improvement: %s, %ld of %ld campaigns",
		    nulls[i].name, t.bad_campaigns, t.campaigns);
		tap_ok(t.greedy_false > 2 * t.campaigns, "keeping whatever is lower is fooled: %.1f a campaign",
		    per(t.greedy_false, t.campaigns));
	}
	t = many(&gains[3], seed, 300);
	tap_ok(per(t.true_claims, t.better) > 0.66, "a gain of 3.5 deviations is found: %.2f",
	    per(t.true_claims, t.better));
	t = many(&gains[0], seed, 300);
	tap_ok(per(t.true_claims, t.better) < 0.2, "a gain of 1 deviation is rarely claimed: %.2f",
	    per(t.true_claims, t.better));
	return (tap_done());
}

int
main(int argc, char **argv)
{
	uint64_t seed = 1, campaigns = 2000;
	int i, short_one = 0;

	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-q") == 0)
			short_one = 1;
		else if (i + 1 < argc && strcmp(argv[i], "-n") == 0 &&
		    num_u64(argv[i + 1], 4, 1000000, &campaigns) == 0)
			i++;
		else if (i + 1 < argc && strcmp(argv[i], "-s") == 0 && num_u64(argv[i + 1], 0, UINT64_MAX, &seed) == 0)
			i++;
		else {
			fprintf(stderr, "usage: %s [-q] [-n CAMPAIGNS] [-s SEED]\n", argv[0]);
			return (100);
		}
	}
	if (short_one)
		return (quick(seed));
	print_table(seed, (long)campaigns);
	return (0);
}
