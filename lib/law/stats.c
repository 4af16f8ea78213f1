#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "law/stats.h"

#define SQRT1_2 0.70710678118654752440
#define SQRT2PI 2.50662827463100050242

double
stats_normal_cdf(double z)
{
	return (0.5 * erfc(-z * SQRT1_2));
}

double
stats_normal_sf(double z)
{
	return (0.5 * erfc(z * SQRT1_2));
}

/**
 * The x in (lo, hi) where the falling function f crosses p.  Bisection costs a
 * few dozen evaluations and has no way to fail, which suits a verdict better
 * than a fast iteration that may.
 */
static double
cross(double (*f)(double x, double a), double a, double p, double lo, double hi)
{
	double mid;
	int i;

	for (i = 0; i < 200; i++) {
		mid = lo + (hi - lo) / 2;
		if (mid <= lo || mid >= hi)
			break;
		if (f(mid, a) > p)
			lo = mid;
		else
			hi = mid;
	}
	return (lo + (hi - lo) / 2);
}

static double
normal_sf2(double z, double unused)
{
	(void)unused;
	return (stats_normal_sf(z));
}

double
stats_normal_quantile(double p)
{
	assert(p > 0 && p < 1);
	/* By symmetry solve where the tail is small, so that it keeps its digits. */
	if (p < 0.5)
		return (-cross(normal_sf2, 0, p, 0, 40));
	return (cross(normal_sf2, 0, 1 - p, 0, 40));
}

/* Upper part Q(a, x), by series or continued fraction (DLMF 8.11.4, 8.9.2), whichever is small. */
static double
gamma_q(double x, double a)
{
	double front, sum, term, b, c, d, h;
	int i;

	assert(a > 0);
	if (x <= 0)
		return (1);
	front = exp(a * log(x) - x - lgamma(a));
	if (x < a + 1) {
		sum = term = 1 / a;
		for (i = 1; i < 100000 && fabs(term) > fabs(sum) * 1e-17; i++) {
			term *= x / (a + i);
			sum += term;
		}
		return (1 - front * sum);
	}
	b = x + 1 - a;
	c = 1 / DBL_MIN;
	d = 1 / b;
	h = d;
	for (i = 1; i < 100000; i++) {
		double an = -i * (i - a);

		b += 2;
		d = an * d + b;
		d = 1 / (fabs(d) < DBL_MIN ? DBL_MIN : d);
		c = b + an / c;
		c = fabs(c) < DBL_MIN ? DBL_MIN : c;
		h *= d * c;
		if (fabs(d * c - 1) < 1e-16)
			break;
	}
	return (front * h);
}

static double
chi2_sf(double x, double df)
{
	return (gamma_q(x / 2, df / 2));
}

double
stats_chi2_isf(double p, double df)
{
	double hi = df + 10;

	assert(p > 0 && p < 1 && df > 0);
	while (chi2_sf(hi, df) > p)
		hi *= 2;
	return (cross(chi2_sf, df, p, 0, hi));
}

/* Recurrence up to where the asymptotic series has all its digits (DLMF 5.11.2, 5.15.8). */
double
stats_digamma(double x)
{
	double sum = 0, f;

	assert(x > 0);
	for (; x < 12; x++)
		sum -= 1 / x;
	f = 1 / (x * x);
	return (sum + log(x) - 0.5 / x -
	    f * (1.0 / 12 - f * (1.0 / 120 - f * (1.0 / 252 - f * (1.0 / 240 - f * (1.0 / 132))))));
}

double
stats_trigamma(double x)
{
	double sum = 0, f;

	assert(x > 0);
	for (; x < 12; x++)
		sum += 1 / (x * x);
	f = 1 / (x * x);
	return (sum + 1 / x + f / 2 +
	    f / x * (1.0 / 6 - f * (1.0 / 30 - f * (1.0 / 42 - f * (1.0 / 30 - f * (5.0 / 66))))));
}

static double
trigamma2(double x, double unused)
{
	(void)unused;
	return (stats_trigamma(x));
}

double
stats_trigamma_inverse(double y)
{
	assert(y > 0);
	/* 1/x < trigamma(x) < 1/x + 1/x^2 brackets the root. */
	return (cross(trigamma2, 0, y, 1 / y, 0.5 / y + sqrt(0.25 / (y * y) + 1 / y)));
}

double
stats_rank_sum_p(const double *a, size_t na, const double *b, size_t nb)
{
	double twice = 0, total = 0, below = 0, *ways;
	size_t i, j, k, limit, max = na * nb;

	assert(na > 0 && nb > 0 && na <= 40 && nb <= 40);
	/* U counts pairs in which b is not lower; the claim needs it small. */
	for (i = 0; i < na; i++)
		for (j = 0; j < nb; j++)
			twice += b[j] < a[i] ? 0 : b[j] > a[i] ? 2 : 1;
	limit = (size_t)((twice + 1) / 2);
	/* Orderings by U: the coefficients of the Gaussian binomial, prod (1 - q^(na+i)) / (1 - q^i). */
	if ((ways = calloc(max + 1, sizeof(*ways))) == NULL)
		return (1);
	ways[0] = 1;
	for (i = 1; i <= nb; i++) {
		for (k = max + 1; k-- > na + i;)
			ways[k] -= ways[k - na - i];
		for (k = i; k <= max; k++)
			ways[k] += ways[k - i];
	}
	for (k = 0; k <= max; k++) {
		total += ways[k];
		if (k <= limit)
			below += ways[k];
	}
	free(ways);
	return (below / total);
}

void
stats_sample_add(struct stats_sample *s, double x)
{
	double d = x - s->mean;

	s->n++;
	s->mean += d / s->n;
	s->ss += d * (x - s->mean);
}
