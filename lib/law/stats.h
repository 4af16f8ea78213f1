#ifndef HG_STATS_H
#define HG_STATS_H

#include <stddef.h>

/**
 * The distributions that judgement needs, in double precision.  Relative
 * accuracy of tails is 1e-9 or better down to 1e-12, checked against values of
 * SciPy that stand in t/unit/stats.c.
 * Errors: none; arguments are asserted.
 */

/* Standard normal: P(Z <= z), P(Z > z), and the z with P(Z <= z) = p for 0 < p < 1. */
double stats_normal_cdf(double z);
double stats_normal_sf(double z);
double stats_normal_quantile(double p);

/* Chi-squared with any positive degrees of freedom: the x with P(X > x) = p for 0 < p < 1. */
double stats_chi2_isf(double p, double df);

/* Digamma, trigamma and trigamma's inverse, for positive arguments. */
double stats_digamma(double x);
double stats_trigamma(double x);
double stats_trigamma_inverse(double y);

/**
 * stats_rank_sum_p(a, na, b, nb):
 * Exact one-sided p of the Mann-Whitney test that ${b} tends to be lower than
 * ${a}; ties count half and are then rounded against the claim.  na, nb <= 40.
 */
double stats_rank_sum_p(const double *a, size_t na, const double *b, size_t nb);

/* A sample's running count, mean and sum of squared deviations (Welford). */
struct stats_sample {
	double n, mean, ss;
};

void stats_sample_add(struct stats_sample *s, double x);

#endif
