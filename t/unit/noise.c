/*
 * lib/law/noise.c: p values against quadrature over (centre, ln va, ln vb)
 * done elsewhere (NumPy and SciPy 1.17.1, three nested grids), level and power by
 * simulation, and what must hold whatever the numbers.  Prints TAP.
 */
#include <math.h>
#include <stddef.h>

#include "law/noise.h"
#include "base/rng.h"
#include "law/stats.h"
#include "t/unit/tap.h"

static const struct {
	double gain, na, dfa, ssa, nb, dfb, ssb;
	double pool[3][2];
	int pools;
	double p;
} cases[] = {
	{ 3, 5, 8, 8, 5, 4, 4, { { 0, 0 } }, 0, 0.0006371713712 },
	{ 3, 5, 8, 8, 5, 4, 4, { { 4, 4.4 }, { 4, 2 }, { 8, 11 } }, 3, 0.0003481230568 },
	{ 0.02, 5, 4, 0.0004, 5, 4, 0.0012, { { 4, 0.0003 } }, 1, 0.02410366608 },
	{ 2.5, 5, 8, 6, 1, 0, 0, { { 4, 4.4 }, { 4, 2 }, { 8, 11 } }, 3, 0.03589455001 },
	{ -1, 5, 8, 6, 5, 4, 9, { { 4, 5 } }, 1, 0.8896016292 },
};

static void
by_quadrature(void)
{
	struct noise_arm a, b;
	struct noise_pool pool;
	struct noise_test t;
	size_t i;
	int k;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pool = noise_pool(0.42, 1e-9);
		for (k = 0; k < cases[i].pools; k++)
			noise_pool_add(&pool, cases[i].pool[k][0], cases[i].pool[k][1]);
		a = (struct noise_arm){ cases[i].na, cases[i].gain, cases[i].dfa, cases[i].ssa };
		b = (struct noise_arm){ cases[i].nb, 0, cases[i].dfb, cases[i].ssb };
		t = noise_compare(&a, &b, &pool, 1, 0, 0.99);
		tap_ok(fabs(t.p - cases[i].p) <= 1e-4 * cases[i].p, "case %zu: p is %.7g, elsewhere %.7g", i + 1, t.p,
		    cases[i].p);
		tap_ok(fabs(t.p + t.p_loss - 1) < 1e-9, "case %zu: gain and loss exclude each other", i + 1);
		b.mean = -t.lower + cases[i].gain;
		t = noise_compare(&a, &b, &pool, 1, b.mean == 0 ? 0 : cases[i].gain - b.mean, 0.99);
		tap_ok(fabs(t.p - 0.5) < 1e-9, "case %zu: a gain of exactly the margin is even odds", i + 1);
	}
}

static void
laws(void)
{
	struct noise_pool pool = noise_pool(0.42, 0.001), none = pool;
	struct noise_arm a = { 5, 1, 4, 0 }, b = { 5, 0.9999, 4, 0 };
	struct noise_test t, u;
	struct noise_prior prior;
	int i;

	t = noise_compare(&a, &b, &none, 1, 0, 0.99);
	tap_ok(t.sd_a >= 0.0005 && t.p > 0.05, "runs that are all alike are not believed to have no noise");
	a.ss = b.ss = 4e-6;
	t = noise_compare(&a, &b, &none, 1, 0, 0.99);
	u = noise_compare(&a, &b, &none, -1, 0, 0.99);
	tap_ok(fabs(t.p - u.p_loss) < 1e-12 && t.gain == -u.gain, "the direction is what is declared");
	u = noise_compare(&a, &b, &none, 1, 0.0005, 0.99);
	tap_ok(u.p > t.p, "a margin asks for more");
	u = noise_compare(&a, &b, &none, 1, 0, 0.95);
	tap_ok(t.lower < u.lower && t.upper > u.upper && fabs(t.upper + t.lower - 2 * t.gain) < 1e-12,
	    "more confidence, wider bounds, about the gain");
	b.mean = a.mean - t.gain;
	prior = noise_prior(&pool);
	tap_ok(noise_prior_df(&prior) == 0 && noise_lane_sd(&pool) == 0, "an empty pool foretells nothing");
	for (i = 0; i < 100; i++)
		noise_pool_add(&pool, 4, 4 * (1 + 0.01 * (i % 7)));
	prior = noise_prior(&pool);
	tap_ok(noise_prior_df(&prior) > 3 && noise_prior_df(&prior) < 4,
	    "a large pool is worth under four degrees of freedom at a spread of 0.42: %.2f", noise_prior_df(&prior));
	tap_ok(noise_lane_sd(&pool) > 0.9 && noise_lane_sd(&pool) < 1.3,
	    "the lane's deviation is near the pool's:"
	    " %.3f",
	    noise_lane_sd(&pool));
	noise_pool_add(&pool, 0, 99);
	tap_ok(pool.n == 100, "a single run says nothing of noise");
}

/* Draw configurations as the model says; count claims and finds. Bounds are five standard errors wide. */
static void
level_and_power(void)
{
	enum { DRAWS = 4000, N = 5 };
	struct noise_pool pool;
	struct noise_test t;
	struct stats_sample s[3];
	struct noise_arm a, b;
	struct rng r;
	double sd, told;
	int i, k, j, false_claims = 0, found = 0;

	rng_seed(&r, 5, 0);
	for (i = 0; i < DRAWS; i++) {
		pool = noise_pool(0.42, 1e-9);
		for (k = 0; k < 3; k++) {
			sd = exp(0.42 * rng_normal(&r));
			s[k] = (struct stats_sample){ 0, 0, 0 };
			for (j = 0; j < N; j++)
				stats_sample_add(&s[k], sd * rng_normal(&r));
		}
		noise_pool_add(&pool, N - 1, s[2].ss);
		a = (struct noise_arm){ N, s[0].mean, N - 1, s[0].ss };
		b = (struct noise_arm){ N, s[1].mean, N - 1, s[1].ss };
		t = noise_compare(&a, &b, &pool, 1, 0, 0.99);
		false_claims += t.p <= 0.05;
		b.mean -= 3.5;
		t = noise_compare(&a, &b, &pool, 1, 0, 0.99);
		found += t.p <= 0.001;
	}
	tap_ok(false_claims > 0.05 * DRAWS - 70 && false_claims < 0.05 * DRAWS + 70,
	    "at a level of 5 %% there are %.2f %% false claims, though deviations differ",
	    100.0 * false_claims / DRAWS);
	pool = noise_pool(0.42, 1e-9);
	noise_pool_add(&pool, N - 1, N - 1);
	told = noise_power(&pool, 0, 0.001, 3.5, N);
	tap_ok(fabs(told - (double)found / DRAWS) < 0.04, "the power told, %.3f, is near the power seen, %.3f", told,
	    (double)found / DRAWS);
}

/* However large a gain is, it is found as soon as a smaller one, once a screen has seen it. */
static void
large_gains(void)
{
	static const double seen[] = { 6, 8, 20, 100, 10000 };
	struct noise_before before = { .lane_sd = 0.01,
		.floor = 1e-4,
		.lane = { 0.7056, 0, INFINITY },
		.df = 4,
		.ss = 4e-4 };
	struct noise_spread s;
	struct noise_pairs p;
	double lower, upper;
	unsigned i, n;

	for (i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
		before.screened = seen[i] * before.lane_sd;
		if (noise_spread(&before, &s) == -1)
			break;
		for (n = 2; n < 32; n++) {
			p = (struct noise_pairs){ n, before.screened, (n - 1) * 2e-4 };
			if (noise_odds(&s, &p, 0) >= 1000)
				break;
		}
		noise_bounds(&s, &p, 0.99, &lower, &upper);
		tap_ok(n <= 4 && lower > 0 && upper < INFINITY && noise_odds(&s, &p, 2 * before.screened) < 1,
		    "a gain of %g deviations is shown by %u pairs, above %g", seen[i], n, lower / before.lane_sd);
	}
}

/* What is known of a lane by five runs of the incumbent. */
static struct noise_before
before(const struct stats_sample *incumbent, double screened)
{
	struct noise_pool pool = noise_pool(0.42, 1e-9), none = pool;
	struct noise_before known = { .floor = 1e-9,
		.df = incumbent->n - 1,
		.ss = incumbent->ss,
		.screened = screened };

	noise_pool_add(&pool, incumbent->n - 1, incumbent->ss);
	known.lane_sd = noise_lane_sd(&pool);
	known.lane = noise_prior(&none);
	return (known);
}

/* The same numbers in another unit have the same odds, and what must hold whatever they are. */
static void
pairs_laws(void)
{
	const struct stats_sample five = { 5, 0, 4 }, tenfold = { 5, 0, 400 };
	struct noise_before known = before(&five, 3), scaled = before(&tenfold, 30);
	struct noise_pairs p = { 4, 2.5, 3 }, q = { 4, 25, 300 }, more = { 8, 2.5, 7 }, wide = { 4, 2.5, 30 };
	static struct noise_spread s, t;
	double odds, lower, upper, low50, high50;

	tap_ok(noise_spread(&known, &s) == 0 && noise_spread(&scaled, &t) == 0, "five runs are enough to begin with");
	odds = noise_odds(&s, &p, 0);
	scaled.floor = 1e-8;
	tap_ok(fabs(noise_odds(&t, &q, 0) / odds - 1) < 1e-6, "odds do not depend on the unit: %.6f", odds);
	tap_ok(noise_odds(&s, &p, 1) < odds && noise_odds(&s, &p, 3) < noise_odds(&s, &p, 1),
	    "a larger gain is less likely to be surpassed");
	tap_ok(noise_odds(&s, &more, 0) > odds && noise_odds(&s, &wide, 0) < odds,
	    "more pairs say more, and wider ones less");
	tap_ok(noise_odds(&s, &(struct noise_pairs){ 4, -2.5, 3 }, 0) < 0.1, "a loss speaks against a gain");
	noise_bounds(&s, &p, 0.99, &lower, &upper);
	noise_bounds(&s, &p, 0.9, &low50, &high50);
	tap_ok(lower < low50 && low50 < 2.5 && 2.5 < high50 && high50 < upper,
	    "bounds lie about the mean, wider with more confidence: %.2f %.2f %.2f %.2f", lower, low50, high50, upper);
	tap_ok(fabs(noise_odds(&s, &p, lower) / 100 - 1) < 0.01,
	    "below the lower bound the pairs speak a hundred to one");
	known.lane_sd = 0;
	tap_ok(noise_spread(&known, &s) == -1, "of a lane that nothing is known of nothing is said");
}

/*
 * An e-process: without a gain its odds ever exceed 1 / a with a chance of a at most, however often one looks.  With
 * one they do soon.  Bounds are five standard errors wide.
 */
static void
pairs_level_and_power(void)
{
	enum { DRAWS = 1500, PAIRS = 12 };
	static struct noise_spread s;
	struct noise_before known;
	struct stats_sample five, d, gain;
	struct noise_pairs p;
	double sd[2], x, shared, lower, upper;
	struct rng r;
	int i, k, ever = 0, found = 0, covered = 0;

	rng_seed(&r, 6, 0);
	for (i = 0; i < DRAWS; i++) {
		double most = 0, best = 0;

		for (k = 0; k < 2; k++)
			sd[k] = exp(0.42 * rng_normal(&r));
		five = d = gain = (struct stats_sample){ 0, 0, 0 };
		for (k = 0; k < 5; k++)
			stats_sample_add(&five, sd[0] * rng_normal(&r));
		known = before(&five, 2);
		if (noise_spread(&known, &s) == -1)
			continue;
		for (k = 0; k < PAIRS; k++) {
			/* A third of the draws shares half of the noise. */
			shared = i % 3 == 0 ? sqrt(0.5) : 0;
			x = rng_normal(&r) * shared * (sd[0] - sd[1]) +
			    sqrt(1 - shared * shared) * (sd[0] * rng_normal(&r) - sd[1] * rng_normal(&r));
			stats_sample_add(&d, x);
			stats_sample_add(&gain, x + 3.5);
			p = (struct noise_pairs){ d.n, d.mean, d.ss };
			most = fmax(most, noise_odds(&s, &p, 0));
			p.mean = gain.mean;
			best = fmax(best, noise_odds(&s, &p, 0));
		}
		ever += most >= 20;
		found += best >= 1000;
		noise_bounds(&s, &p, 0.99, &lower, &upper);
		covered += lower < 3.5 && 3.5 < upper;
	}
	tap_ok(ever <= 0.05 * DRAWS + 5 * sqrt(0.05 * 0.95 * DRAWS),
	    "without a gain odds of 20 are ever seen in 5 %% of the cases at most: %.1f %%", 100.0 * ever / DRAWS);
	tap_ok(found > 0.6 * DRAWS, "a gain of 3.5 has odds of 1,000 within 12 pairs: %.2f", (double)found / DRAWS);
	tap_ok(covered > 0.98 * DRAWS - 5 * sqrt(0.98 * 0.02 * DRAWS), "98 %% bounds hold the true gain: %.3f",
	    (double)covered / DRAWS);
	known = before(&(struct stats_sample){ 5, 0, 4 }, NAN);
	x = noise_pairs_power(&known, 0.001, 3.5, 24);
	tap_ok(x > 0.6 && x < 1 && noise_pairs_power(&known, 0.001, 3.5, 4) < x &&
		noise_pairs_power(&known, 0.001, 1, 24) < x,
	    "power grows with pairs and with the gain: %.2f", x);
}

int
main(void)
{
	by_quadrature();
	laws();
	level_and_power();
	large_gains();
	pairs_laws();
	pairs_level_and_power();
	return (tap_done());
}
