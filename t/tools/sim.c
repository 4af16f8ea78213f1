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
#include <string.h>

#include "base/num.h"
#include "law/policy.h"
#include "t/tools/simplay.h"
#include "t/tools/simworld.h"
#include "t/unit/tap.h"

static const struct simworld worlds[] = {
	{ "null, equal deviations", .challengers = SIMPLAY_CHALLENGERS },
	{ "null, spread .42", SIMPLAY_CHALLENGERS, .spread = 0.42 },
	{ "null, t3", SIMPLAY_CHALLENGERS, .spread = 0.42, .noise = SIMWORLD_T3 },
	{ "null, lognormal bad tail", SIMPLAY_CHALLENGERS, .spread = 0.42, .noise = SIMWORLD_BAD_TAIL },
	{ "null, 2 % of runs +50", SIMPLAY_CHALLENGERS, .spread = 0.42, .noise = SIMWORLD_OUTLIERS },
	{ "null, challengers x2", SIMPLAY_CHALLENGERS, .spread = 0.42, .challengers_sd = 2 },
	{ "null, challengers x4", SIMPLAY_CHALLENGERS, .spread = 0.42, .challengers_sd = 4 },
	{ "null, spread .84", SIMPLAY_CHALLENGERS, .spread = 0.84 },
	{ "null, drift .1", SIMPLAY_CHALLENGERS, .spread = 0.42, .walk = 0.1 },
	{ "null, bad slots redone 25 %", SIMPLAY_CHALLENGERS, .spread = 0.42, .redone = 0.25 },
	{ "null, seeds correlated .5", SIMPLAY_CHALLENGERS, .spread = 0.42, .seeded = 0.5 },
	{ "null, seeds correlated .8", SIMPLAY_CHALLENGERS, .spread = 0.42, .seeded = 0.8 },
	{ "null, data order 2", SIMPLAY_CHALLENGERS, .spread = 0.42, .ordered = 2 },
	{ "single, gains 1", 1, 1, 1, .spread = 0.42 },
	{ "single, gains 2", 1, 1, 2, .spread = 0.42 },
	{ "single, gains 3.5", 1, 1, 3.5, .spread = 0.42 },
	{ "single, gains 5", 1, 1, 5, .spread = 0.42 },
	{ "live, 1 in 10 gains 3.5", SIMPLAY_CHALLENGERS, 0.1, 3.5, .spread = 0.42, .stops = 1 },
	{ "live, 1 in 10 gains 3.5, equal deviations", SIMPLAY_CHALLENGERS, 0.1, 3.5, .stops = 1 },
	{ "live, 1 in 10 gains 3.5, seeds correlated .5", SIMPLAY_CHALLENGERS, 0.1, 3.5, .spread = 0.42,
	    .seeded = 0.5 },
	{ "live, 1 in 50 gains 3.5", SIMPLAY_CHALLENGERS, 0.02, 3.5, .spread = 0.42 },
	{ "live, 1 in 10 gains 2", SIMPLAY_CHALLENGERS, 0.1, 2, .spread = 0.42 },
	{ "live, realistic", SIMPLAY_CHALLENGERS, .mixed = 1, .spread = 0.42 },
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
print_row(const struct simplay_way *way, const struct simworld *w, const struct simplay_tally *t)
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
	const struct simplay_way *way;
	struct simplay_tally t;
	int rows = 0;

	printf("%-16s %8s %7s %6s %6s %6s %6s %7s %6s %6s %6s %6s %6s %6s\n", "", "false", "+-", "any", "found", "of",
	    "runs", "a find", "looks", "runs", "covers", "else", "claims", "stops");
	for (w = worlds; w < worlds + ROWS(worlds); w++) {
		if (strstr(w->name, world) == NULL)
			continue;
		printf("%s\n", w->name);
		for (way = simplay_ways; way < simplay_ways + simplay_count; way++) {
			if (strstr(way->name, law) == NULL || way->law > POLICY_LAW)
				continue;
			/* A campaign of one challenger is short, and says little. */
			t = simplay_many(way, w, seed, w->challengers == 1 ? 5 * campaigns : campaigns);
			print_row(way, w, &t);
			rows++;
		}
	}
	if (rows == 0)
		fprintf(stderr, "no world is called '%s', or no way of judging '%s'\n", world, law);
	return (rows == 0 ? 100 : 0);
}

static struct simplay_tally
many_in(const char *world, const struct simplay_way *way, uint64_t seed, uint64_t campaigns)
{
	const struct simworld *w = worlds;

	while (strcmp(w->name, world) != 0)
		w++;
	return (simplay_many(way, w, seed, campaigns));
}

/* As many as that, and five standard errors of a count. */
static double
most(double promise, double n)
{
	return (n * promise + 5 * sqrt(n * promise));
}

static void
hold_to_promise(const struct simplay_way *way, uint64_t seed)
{
	struct simplay_tally t = many_in("null, challengers x2", way, seed, 60);
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
	const struct simplay_way *way;
	struct simplay_tally t;
	double bad, n;

	for (way = simplay_ways; way < simplay_ways + simplay_count; way++) {
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
