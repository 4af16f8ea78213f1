/*
 * lib/law/stats.c against values computed elsewhere: SciPy 1.17.1 on CPython
 * 3.11 (scipy.stats chi2, norm, mannwhitneyu; scipy.special).  Prints TAP.
 */
#include <math.h>
#include <stddef.h>

#include "law/stats.h"
#include "t/unit/tap.h"

static const double chi2_tails[][3] = {
	{ 1, 1, 0.31731050786291115 },
	{ 3.84, 1, 0.050043521248705189 },
	{ 10, 4, 0.040427681994512792 },
	{ 0.1, 6, 0.99997993250637562 },
	{ 50, 20, 0.00022147663824878349 },
	{ 100, 9, 1.5735176303753876e-17 },
	{ 7.5, 7.7, 0.4523387542644145 },
};

static const double normal_quantiles[][2] = {
	{ 0.5, 0 },
	{ 0.975, 1.959963984540054 },
	{ 0.001, -3.0902323061678132 },
	{ 1e-09, -5.9978070150076865 },
	{ 0.9999, 3.7190164854557088 },
};

static const double normal_tails[][2] = {
	{ 0, 0.5 },
	{ 1.96, 0.024997895148220435 },
	{ -3, 0.9986501019683699 },
	{ 6, 9.8658764503769458e-10 },
	{ 10, 7.6198530241604696e-24 },
};

static const double digammas[][3] = {
	{ 0.1, -10.423754940411076, 101.43329915079275 },
	{ 0.5, -1.9635100260214235, 4.9348022005446799 },
	{ 1, -0.57721566490153287, 1.6449340668482266 },
	{ 1.87, 0.33533604669448547, 0.70199394614051824 },
	{ 2, 0.42278433509846713, 0.64493406684822663 },
	{ 4, 1.2561176684318003, 0.28382295573711525 },
	{ 7.25, 1.9104535268837362, 0.1478792331589322 },
	{ 40, 3.6763273740348428, 0.025315103841291032 },
};

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

static int
close_to(double x, double want, double relative)
{
	return (fabs(x - want) <= relative * fabs(want) || fabs(x - want) < 1e-300);
}

static void
distributions(void)
{
	size_t i;

	for (i = 0; i < ROWS(chi2_tails); i++)
		tap_ok(close_to(stats_chi2_isf(chi2_tails[i][2], chi2_tails[i][1]), chi2_tails[i][0], 1e-9),
		    "chi2 that is passed with chance %g, %g df", chi2_tails[i][2], chi2_tails[i][1]);
	for (i = 0; i < ROWS(normal_quantiles); i++)
		tap_ok(fabs(stats_normal_quantile(normal_quantiles[i][0]) - normal_quantiles[i][1]) < 1e-12,
		    "normal quantile of %g", normal_quantiles[i][0]);
	for (i = 0; i < ROWS(normal_tails); i++)
		tap_ok(close_to(stats_normal_sf(normal_tails[i][0]), normal_tails[i][1], 1e-12) &&
			close_to(stats_normal_cdf(-normal_tails[i][0]), normal_tails[i][1], 1e-12),
		    "P(Z > %g)", normal_tails[i][0]);
	for (i = 0; i < ROWS(digammas); i++)
		tap_ok(close_to(stats_digamma(digammas[i][0]), digammas[i][1], 1e-12) &&
			close_to(stats_trigamma(digammas[i][0]), digammas[i][2], 1e-12) &&
			close_to(stats_trigamma_inverse(digammas[i][2]), digammas[i][0], 1e-9),
		    "digamma, trigamma and"
		    " back at %g",
		    digammas[i][0]);
}

static void
ranks(void)
{
	static const double a5[] = { 5, 6, 7, 8, 9 }, b5[] = { 0, 1, 2, 3, 4 }, a[] = { 1, 2, 3, 4, 5 },
			    b[] = { 0.5, 1.5, 2.5, 3.5, 4.5 }, a3[] = { 1, 2, 3 }, b3[] = { 4, 5, 6 },
			    a4[] = { 10, 11, 12, 3 }, b4[] = { 1, 2, 4, 5, 6 };

	tap_ok(close_to(stats_rank_sum_p(a5, 5, b5, 5), 1.0 / 252, 1e-12), "five below five is 1 in 252");
	tap_ok(close_to(stats_rank_sum_p(a, 5, b, 5), 0.34523809523809523, 1e-12), "ranks that alternate");
	tap_ok(close_to(stats_rank_sum_p(a3, 3, b3, 3), 1, 1e-12), "the wrong way round is no evidence");
	tap_ok(close_to(stats_rank_sum_p(a4, 4, b4, 5), 0.05555555555555555, 1e-12), "unequal sides");
	tap_ok(stats_rank_sum_p(a, 5, a, 5) > 0.5, "a sample is not below itself");
}

static void
samples(void)
{
	struct stats_sample s = { 0, 0, 0 };
	static const double x[] = { 2.31, 2.29, 2.305, 2.30, 2.315 };
	size_t i;

	for (i = 0; i < ROWS(x); i++)
		stats_sample_add(&s, x[i]);
	tap_ok(s.n == 5 && fabs(s.mean - 2.304) < 1e-15 && close_to(s.ss, 3.7e-4, 1e-9), "a sample's mean and squares");
}

int
main(void)
{
	distributions();
	ranks();
	samples();
	return (tap_done());
}
