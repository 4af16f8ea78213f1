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

/* Continued fraction of the incomplete beta function by the modified Lentz method (DLMF 8.17.22). */
static double
beta_fraction(double x, double a, double b)
{
	double c = 1, d, h, m, num;
	int i;

	d = 1 - (a + b) * x / (a + 1);
	d = 1 / (fabs(d) < DBL_MIN ? DBL_MIN : d);
	h = d;
	for (i = 1; i < 10000; i++) {
		m = i;
		num = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
		d = 1 + num * d;
		c = 1 + num / c;
		d = 1 / (fabs(d) < DBL_MIN ? DBL_MIN : d);
		c = fabs(c) < DBL_MIN ? DBL_MIN : c;
		h *= d * c;
		num = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
		d = 1 + num * d;
		c = 1 + num / c;
		d = 1 / (fabs(d) < DBL_MIN ? DBL_MIN : d);
		c = fabs(c) < DBL_MIN ? DBL_MIN : c;
		h *= d * c;
		if (fabs(d * c - 1) < 1e-15)
			break;
	}
	return (h);
}

/* I_x(a, b) with y = 1 - x given exactly, since 1 - x may have lost its digits. */
static double
beta_xy(double x, double y, double a, double b)
{
	double front;

	if (x <= 0)
		return (0);
	if (y <= 0)
		return (1);
	front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(y));
	if (x < (a + 1) / (a + b + 2))
		return (front * beta_fraction(x, a, b) / a);
	return (1 - front * beta_fraction(y, b, a) / b);
}

double
stats_beta_cdf(double x, double a, double b)
{
	assert(a > 0 && b > 0);
	return (beta_xy(x, 1 - x, a, b));
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

double
stats_gamma_cdf(double x, double a)
{
	return (1 - gamma_q(x, a));
}

double
stats_t_sf(double t, double df)
{
	double half, tt = t * t;

	assert(df > 0);
	if (isinf(df))
		return (stats_normal_sf(t));
	half = 0.5 * beta_xy(df / (df + tt), tt / (df + tt), df / 2, 0.5);
	return (t >= 0 ? half : 1 - half);
}

double
stats_t_isf(double p, double df)
{
	double hi = 2;

	assert(p > 0 && p < 1 && df > 0);
	if (p > 0.5)
		return (-stats_t_isf(1 - p, df));
	while (stats_t_sf(hi, df) > p && hi < 1e300)
		hi *= 4;
	return (cross(stats_t_sf, df, p, 0, hi));
}

/* Nodes and weights of 16-point Gauss-Legendre quadrature on [-1, 1] (Abramowitz and Stegun, table 25.4). */
static const double gauss[8][2] = {
	{ 0.0950125098376374402, 0.1894506104550684963 },
	{ 0.2816035507792589132, 0.1826034150449235889 },
	{ 0.4580167776572273863, 0.1691565193950025382 },
	{ 0.6178762444026437484, 0.1495959888165767321 },
	{ 0.7554044083550030339, 0.1246289712555338720 },
	{ 0.8656312023878317439, 0.0951585116824927848 },
	{ 0.9445750230732325761, 0.0622535239386478929 },
	{ 0.9894009349916499326, 0.0271524594117540949 },
};

/* P(Z > t u - delta) times the density of u = sqrt(chi2_df / df), integrated over u. */
double
stats_nct_sf(double t, double df, double delta)
{
	double logc, lo, hi, width, mid, half, u, sum = 0;
	int piece, i, side;
	enum { PIECES = 24 };

	assert(df > 0);
	if (isinf(df))
		return (stats_normal_sf(t - delta));
	logc = log(2) + df / 2 * log(df / 2) - lgamma(df / 2);
	/* Beyond these the chi density adds less than 1e-15. */
	lo = sqrt(stats_chi2_isf(1 - 1e-15, df) / df);
	hi = sqrt(stats_chi2_isf(1e-16, df) / df);
	width = (hi - lo) / PIECES;
	for (piece = 0; piece < PIECES; piece++) {
		mid = lo + (piece + 0.5) * width;
		half = width / 2;
		for (i = 0; i < 8; i++)
			for (side = -1; side <= 1; side += 2) {
				u = mid + side * half * gauss[i][0];
				sum += half * gauss[i][1] * exp(logc + (df - 1) * log(u) - df * u * u / 2) *
				    stats_normal_sf(t * u - delta);
			}
	}
	return (sum > 1 ? 1 : sum);
}

double
stats_chi2_sf(double x, double df)
{
	return (gamma_q(x / 2, df / 2));
}

double
stats_chi2_isf(double p, double df)
{
	double hi = df + 10;

	assert(p > 0 && p < 1 && df > 0);
	while (stats_chi2_sf(hi, df) > p)
		hi *= 2;
	return (cross(stats_chi2_sf, df, p, 0, hi));
}

double
stats_f_sf(double x, double df1, double df2)
{
	double q;

	assert(df1 > 0 && df2 > 0);
	if (x <= 0)
		return (1);
	q = df2 + df1 * x;
	return (beta_xy(df2 / q, df1 * x / q, df2 / 2, df1 / 2));
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

double
stats_power(double level, double gain_sd, double n, double df)
{
	return (stats_nct_sf(stats_t_isf(level, df), df, gain_sd * sqrt(n / 2)));
}

void
stats_sample_add(struct stats_sample *s, double x)
{
	double d = x - s->mean;

	s->n++;
	s->mean += d / s->n;
	s->ss += d * (x - s->mean);
}
