#include <math.h>

#include "law/noise.h"
#include "law/stats.h"

#define SQRT2PI 2.50662827463100050242

/* Bells sampled every 0.7 deviations are integrated to a dozen digits by a plain sum. */
enum { GRID = 24 };

/*
 * Beyond these no policy and no scores of ours lie, and arithmetic gives out: a ledger from elsewhere may say what it
 * likes, but not stop who reads it.
 */
static const double MIN_TAU2 = 1e-10, MAX_TAU2 = 1e6, MAX_VARIANCE = 1e300;

static double
within(double x, double lo, double hi)
{
	return (fmin(fmax(x, lo), hi));
}

static double
variance(double df, double ss, double floor)
{
	return (within(ss / df, floor * floor, MAX_VARIANCE));
}

struct noise_pool
noise_pool(double ln_sigma_sd, double floor)
{
	struct noise_pool pool = { 0 };

	pool.tau2 = within(4 * ln_sigma_sd * ln_sigma_sd, MIN_TAU2, MAX_TAU2);
	pool.floor = floor;
	return (pool);
}

/* ln s^2 is ln sigma^2 plus a chi-squared's logarithm, whose mean and variance are known. */
static double
log_variance(double df, double ss, double floor)
{
	return (log(variance(df, ss, floor)) - stats_digamma(df / 2) + log(df / 2));
}

void
noise_pool_add(struct noise_pool *pool, double df, double ss)
{
	double e, w;

	if (df < 1)
		return;
	e = log_variance(df, ss, pool->floor);
	w = 1 / (pool->tau2 + stats_trigamma(df / 2));
	pool->n++;
	pool->w += w;
	pool->we += w * e;
	pool->wee += w * e * e;
	pool->ww += w * w;
}

struct noise_prior
noise_prior(const struct noise_pool *pool)
{
	struct noise_prior prior = { 0, 0, INFINITY };
	double excess;

	prior.tau2 = pool->tau2;
	if (pool->n < 0.5)
		return (prior);
	prior.centre = pool->we / pool->w;
	prior.doubt = 1 / pool->w;
	/*
	 * A lane that spreads wider than declared is believed (DerSimonian and Laird's moment); one that spreads less
	 * is not.
	 */
	if (pool->n > 4.5) {
		excess = pool->wee - pool->w * prior.centre * prior.centre - (pool->n - 1);
		if (excess > 0)
			prior.tau2 = within(prior.tau2 + excess / (pool->w - pool->ww / pool->w), MIN_TAU2, MAX_TAU2);
	}
	return (prior);
}

double
noise_lane_sd(const struct noise_pool *pool)
{
	return (pool->n < 0.5 ? 0 : exp(pool->we / pool->w / 2));
}

double
noise_prior_df(const struct noise_prior *prior)
{
	return (isinf(prior->doubt) ? 0 : 2 * stats_trigamma_inverse(prior->tau2 + prior->doubt));
}

/* What v_a and v_b can be: a grid over their logarithms and the weight of each cell. */
struct variances {
	double a[GRID], b[GRID]; /* v / n of either side */
	double weight[GRID][GRID];
	double margin_a[GRID], margin_b[GRID];
};

static double
likelihood(double theta, double df, double s2)
{
	return (df <= 0 ? 0 : -df / 2 * (theta + s2 * exp(-theta)));
}

/*
 * Spread the grid where the weight is: the normal approximation's middle, 7 deviations down and 9 up, where tails are
 * longer.
 */
static void
spread(double *theta, double middle, double sd)
{
	int i;

	for (i = 0; i < GRID; i++)
		theta[i] = middle + sd * (-7 + 16.0 * i / (GRID - 1));
}

/* 0, or -1: of neither side's variance anything is known, or nothing that can be reckoned with. */
static int
variances(struct variances *v, const struct noise_arm *a, const struct noise_arm *b, const struct noise_pool *pool)
{
	struct noise_prior prior = noise_prior(pool);
	double diag, off, la = 0, lb = 0, ea = 0, eb = 0, s2a = 0, s2b = 0, det, ma, mb, top = -INFINITY, sum = 0, x, y;
	double ta[GRID], tb[GRID];
	int i, j;

	if (!(a->n >= 1 && b->n >= 1) || !(pool->n >= 0.5 || a->df >= 1 || b->df >= 1))
		return (-1);
	/*
	 * The precision of the two logarithms before their own runs are looked at; an unknown centre ties them to
	 * each other alone.
	 */
	if (isinf(prior.doubt)) {
		diag = 0.5 / prior.tau2;
		off = -diag;
	} else {
		det = prior.tau2 * (prior.tau2 + 2 * prior.doubt);
		diag = (prior.tau2 + prior.doubt) / det;
		off = -prior.doubt / det;
	}
	if (a->df >= 1) {
		s2a = variance(a->df, a->ss, pool->floor);
		ea = log_variance(a->df, a->ss, pool->floor) - prior.centre;
		la = 1 / stats_trigamma(a->df / 2);
	}
	if (b->df >= 1) {
		s2b = variance(b->df, b->ss, pool->floor);
		eb = log_variance(b->df, b->ss, pool->floor) - prior.centre;
		lb = 1 / stats_trigamma(b->df / 2);
	}
	det = (diag + la) * (diag + lb) - off * off;
	if (!(det > 0) || !isfinite(det))
		return (-1);
	ma = ((diag + lb) * la * ea - off * lb * eb) / det;
	mb = ((diag + la) * lb * eb - off * la * ea) / det;
	spread(ta, ma, sqrt((diag + lb) / det));
	spread(tb, mb, sqrt((diag + la) / det));
	for (i = 0; i < GRID; i++) {
		x = ta[i];
		v->a[i] = fmax(exp(x + prior.centre), pool->floor * pool->floor) / a->n;
		v->margin_a[i] = 0;
		for (j = 0; j < GRID; j++) {
			y = tb[j];
			v->weight[i][j] = likelihood(x + prior.centre, a->df >= 1 ? a->df : 0, s2a) +
			    likelihood(y + prior.centre, b->df >= 1 ? b->df : 0, s2b) -
			    0.5 * (diag * x * x + 2 * off * x * y + diag * y * y);
			top = fmax(top, v->weight[i][j]);
		}
	}
	for (j = 0; j < GRID; j++) {
		v->b[j] = fmax(exp(tb[j] + prior.centre), pool->floor * pool->floor) / b->n;
		v->margin_b[j] = 0;
	}
	for (i = 0; i < GRID; i++)
		for (j = 0; j < GRID; j++)
			sum += v->weight[i][j] = exp(v->weight[i][j] - top);
	for (i = 0; i < GRID; i++)
		for (j = 0; j < GRID; j++) {
			v->weight[i][j] /= sum;
			v->margin_a[i] += v->weight[i][j];
			v->margin_b[j] += v->weight[i][j];
		}
	return (0);
}

/* P(mean difference > x) if there is none; and in *slope how fast it falls with x. */
static double
tail_slope(const struct variances *v, double x, double *slope)
{
	double sum = 0, fall = 0, se;
	int i, j;

	for (i = 0; i < GRID; i++)
		for (j = 0; j < GRID; j++) {
			if (v->weight[i][j] < 1e-14)
				continue;
			se = sqrt(v->a[i] + v->b[j]);
			sum += v->weight[i][j] * stats_normal_sf(x / se);
			fall += v->weight[i][j] * exp(-0.5 * (x / se) * (x / se)) / (se * SQRT2PI);
		}
	*slope = fall;
	return (sum);
}

static double
tail(const struct variances *v, double x)
{
	double slope;

	return (tail_slope(v, x, &slope));
}

/*
 * The x with tail(x) = p, p < 1/2: Newton on the logarithm, which is nearly straight, inside a bracket that halves
 * when a step leaves it.
 */
static double
tail_inverse(const struct variances *v, double p, double se)
{
	double lo = 0, hi = INFINITY, x = 2 * se, q, slope, next;
	int i;

	for (i = 0; i < 200; i++) {
		q = tail_slope(v, x, &slope);
		if (q > p)
			lo = x;
		else
			hi = x;
		next = slope > 0 ? x + q / slope * log(q / p) : x;
		if (!(next > lo && next < hi))
			next = isinf(hi) ? 2 * x : (lo + hi) / 2;
		if (fabs(next - x) <= 1e-10 * x)
			break;
		x = next;
	}
	return (x);
}

static double
median(const double *x, const double *weight)
{
	double sum = 0, before;
	int i;

	for (i = 0; i < GRID - 1; i++) {
		before = sum;
		sum += weight[i];
		if (sum >= 0.5)
			return (i == 0 ? x[0] :
					 x[i - 1] *
				    pow(x[i] / x[i - 1],
					(0.5 - before) / weight[i] + 0.5 > 1 ? 1 : (0.5 - before) / weight[i]));
	}
	return (x[GRID - 1]);
}

struct noise_test
noise_compare(const struct noise_arm *a, const struct noise_arm *b, const struct noise_pool *pool, int sign,
    double margin, double confidence)
{
	struct variances v;
	struct noise_test t = { .gain = sign * (a->mean - b->mean) };
	double reach, mean = 0;
	int i;

	if (variances(&v, a, b, pool) == -1) {
		t.p = t.p_loss = 1;
		t.se = t.lower = t.upper = t.sd_a = t.sd_b = NAN;
		return (t);
	}
	for (i = 0; i < GRID; i++)
		mean += v.a[i] * v.margin_a[i] + v.b[i] * v.margin_b[i];
	t.se = sqrt(mean);
	t.p = tail(&v, t.gain - margin);
	t.p_loss = tail(&v, -t.gain);
	reach = tail_inverse(&v, 1 - confidence, t.se);
	t.lower = t.gain - reach;
	t.upper = t.gain + reach;
	t.sd_a = sqrt(a->n * median(v.a, v.margin_a));
	t.sd_b = sqrt(b->n * median(v.b, v.margin_b));
	return (t);
}

/* The ith point of van der Corput's sequence in a base: evenly spread over (0, 1). */
static double
spread_out(unsigned i, unsigned base)
{
	double x = 0, f = 1;

	for (i++; i != 0; i /= base) {
		f /= base;
		x += f * (i % base);
	}
	return (x);
}

/**
 * Confirmations that might happen: both variances drawn about the lane's
 * centre, then both sample variances, by Halton's points instead of chance, so
 * that the same question has the same answer.  For each, the critical gain
 * against the normal spread of the mean difference.
 */
double
noise_power(const struct noise_pool *pool, double history_df, double level, double gain_sd, unsigned n)
{
	enum { POINTS = 96 };
	struct noise_prior prior = noise_prior(pool);
	struct noise_pool unit = *pool;
	struct noise_arm a = { 0 }, b = { 0 };
	struct variances v;
	double sum = 0, va, vb, se, sd = sqrt(prior.tau2);
	unsigned i;

	if (n < 2)
		return (NAN);
	/* In units of the lane's deviation. */
	unit.tau2 = prior.tau2;
	unit.we = unit.wee = 0;
	unit.floor = 0;
	a.n = b.n = n;
	a.df = n - 1 + history_df;
	b.df = n - 1;
	for (i = 0; i < POINTS; i++) {
		va = exp(sd * stats_normal_quantile(spread_out(i, 2)));
		vb = exp(sd * stats_normal_quantile(spread_out(i, 3)));
		a.ss = va * stats_chi2_isf(spread_out(i, 5), a.df);
		b.ss = vb * stats_chi2_isf(spread_out(i, 7), b.df);
		if (variances(&v, &a, &b, &unit) == -1)
			return (NAN);
		se = sqrt((va + vb) / n);
		sum += stats_normal_sf((tail_inverse(&v, level, se) - gain_sd) / se);
	}
	return (sum / POINTS);
}
