#ifndef HG_STATS_H
#define HG_STATS_H

#include <stddef.h>

/**
 * The distributions that judgement needs, in double precision.  Relative
 * accuracy of tails is 1e-9 or better down to 1e-12, checked against values
 * computed with SciPy 1.14 that stand in t/unit/stats.c.
 * Degrees of freedom are positive and need not be whole; INFINITY is allowed
 * where a function says so.  Errors: none; arguments are asserted.
 */

/* Standard normal: P(Z <= z), P(Z > z), and the z with P(Z <= z) = p for 0 < p < 1. */
double stats_normal_cdf(double z);
double stats_normal_sf(double z);
double stats_normal_quantile(double p);

/* Regularised incomplete beta I_x(a, b) and incomplete gamma P(a, x). */
double stats_beta_cdf(double x, double a, double b);
double stats_gamma_cdf(double x, double a);

/* Student's t: P(T > t), and the t with P(T > t) = p for 0 < p < 1. df may be INFINITY. */
double stats_t_sf(double t, double df);
double stats_t_isf(double p, double df);

/* Noncentral t: P(T > t) where T = (Z + delta) / sqrt(chi2_df / df). df may be INFINITY. */
double stats_nct_sf(double t, double df, double delta);

/* Chi-squared and F: upper tails, and the chi-squared x with P(X > x) = p. */
double stats_chi2_sf(double x, double df);
double stats_chi2_isf(double p, double df);
double stats_f_sf(double x, double df1, double df2);

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

/**
 * stats_power(level, gain_sd, n, df):
 * Chance that a one-sided t test at ${level} with ${n} runs a side and ${df}
 * degrees of freedom finds a gain of ${gain_sd} run-to-run deviations.
 */
double stats_power(double level, double gain_sd, double n, double df);

/* A sample's running count, mean and sum of squared deviations (Welford). */
struct stats_sample {
	double n, mean, ss;
};

void stats_sample_add(struct stats_sample *s, double x);

#endif
