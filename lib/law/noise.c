#include <math.h>
#include <string.h>

#include "base/rng.h"
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

/*
 * What either side's variance can be, by what is known of the lane and by the side's own runs.  0, or -1: of neither
 * anything is known, or nothing that can be reckoned with.
 */
static int
variances_after(struct variances *v, const struct noise_arm *a, const struct noise_arm *b,
    const struct noise_prior *known, double floor)
{
	struct noise_prior prior = *known;
	double diag, off, la = 0, lb = 0, ea = 0, eb = 0, s2a = 0, s2b = 0, det, ma, mb, top = -INFINITY, sum = 0, x, y;
	double ta[GRID], tb[GRID];
	int i, j;

	if (!(a->n >= 1 && b->n >= 1) || (isinf(prior.doubt) && a->df < 1 && b->df < 1))
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
		s2a = variance(a->df, a->ss, floor);
		ea = log_variance(a->df, a->ss, floor) - prior.centre;
		la = 1 / stats_trigamma(a->df / 2);
	}
	if (b->df >= 1) {
		s2b = variance(b->df, b->ss, floor);
		eb = log_variance(b->df, b->ss, floor) - prior.centre;
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
		v->a[i] = fmax(exp(x + prior.centre), floor * floor) / a->n;
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
		v->b[j] = fmax(exp(tb[j] + prior.centre), floor * floor) / b->n;
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

static int
variances(struct variances *v, const struct noise_arm *a, const struct noise_arm *b, const struct noise_pool *pool)
{
	struct noise_prior prior = noise_prior(pool);

	return (variances_after(v, a, b, &prior, pool->floor));
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

/* --- pairs --------------------------------------------------------------------------------- */

/*
 * How a pair's difference may spread against what its two runs would if they had nothing in common, as the logarithm of
 * the variances' ratio, and what is thought of each beforehand: the same seed and place make it smaller (correlations
 * of 0.3 to 0.8 were measured), a change that works better on one text than on another larger.
 */
static const struct {
	double shift, weight;
} shared[] = { { 0.5, 0.1 }, { 0, 0.35 }, { -0.36, 0.25 }, { -0.8, 0.2 }, { -1.39, 0.1 } };

enum { SHARED = sizeof(shared) / sizeof(shared[0]) };

/*
 * The gains that a claim is held against, in lane deviations; the last is what the screen saw, if that is more.  Pairs
 * that lie far beyond all of them would speak for none.
 */
static const double gains[NOISE_GAINS] = { 1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 8, 12, 18, 27, 40, 60, 90 };
static const double MAX_GAIN = 1e6;

/*
 * SCREENED: error of the gain that a screen saw, in lane deviations: one incumbent's mean and two runs.  EVEN: weight
 * that is spread over all gains, whatever the screen saw.  PASSED: a challenger came through a screen, and so the more
 * likely the more its lane's deviation is underestimated; that its two runs were better by this much at least, in lane
 * deviations, is held against it.  More would be right under the model alone, and costs more than it saves
 * (t/tools/sim.c).
 */
static const double SCREENED = 0.9, EVEN = 0.1, PASSED = 0.35;

/* A remainder of doubt in all that is known of the lane: it weighs so much, and its ln variance spreads so far. */
static const double DOUBT = 0.02, DOUBT_SD = 3;

static double
square(double x)
{
	return (x * x);
}

/* Put a variance among the spread's, split between its neighbours. */
static void
put_variance(struct noise_spread *s, double variance, double null, const double gain[NOISE_GAINS])
{
	double at = (log(variance) - s->first) / s->step, part;
	int i = at <= 0 ? 0 : at >= NOISE_VARIANCES - 1 ? NOISE_VARIANCES - 2 : (int)at, g;

	part = within(at - i, 0, 1);
	s->null[i] += (1 - part) * null;
	s->null[i + 1] += part * null;
	for (g = 0; g < NOISE_GAINS; g++) {
		s->gain[g][i] += (1 - part) * gain[g];
		s->gain[g][i + 1] += part * gain[g];
	}
}

/* One thing that the variances of a pair's runs can be, with its weight. */
static void
put_runs(struct noise_spread *s, const struct noise_before *known, double a, double b, double ratio, double weight)
{
	const double sd = sqrt(b / 2 + a / 5) / s->lane_sd;
	double gain[NOISE_GAINS];
	int g;

	for (g = 0; g < NOISE_GAINS; g++)
		gain[g] = weight * stats_normal_sf((PASSED - s->at[g]) / sd);
	put_variance(s, fmax((a + b) * ratio, square(known->floor)), weight * stats_normal_sf(PASSED / sd), gain);
}

/* What is known of the lane's centre by the runs outside of plans: the incumbent's own among them. */
static struct noise_prior
centre_of(const struct noise_before *known)
{
	struct noise_prior at = known->lane;
	double e, w, sum;

	if (known->df < 1)
		return (at);
	e = log_variance(known->df, known->ss, known->floor);
	w = 1 / (at.tau2 + stats_trigamma(known->df / 2));
	sum = w + (isinf(at.doubt) ? 0 : 1 / at.doubt);
	at.centre = (w * e + (isinf(at.doubt) ? 0 : at.centre / at.doubt)) / sum;
	at.doubt = 1 / sum;
	return (at);
}

/* Earlier pairs of the lane say what the centre and a shift are together. */
static struct noise_prior
centre_after_pairs(const struct noise_before *known, double shift)
{
	struct noise_prior at = known->lane;
	double sum;

	if (!(known->pairs_w > 0))
		return (at);
	sum = known->pairs_w + (isinf(at.doubt) ? 0 : 1 / at.doubt);
	at.centre = (known->pairs_w * (known->pairs_e - shift) + (isinf(at.doubt) ? 0 : at.centre / at.doubt)) / sum;
	at.doubt = 1 / sum;
	return (at);
}

/* And how likely a shift is after them. */
static void
weigh_shifts(const struct noise_before *known, const struct noise_prior *centre, double weight[SHARED])
{
	double top = -INFINITY, sum = 0, var = centre->doubt + 1 / known->pairs_w;
	int i;

	for (i = 0; i < SHARED; i++) {
		weight[i] = log(shared[i].weight);
		if (known->pairs_w > 0 && isfinite(var))
			weight[i] -= square(known->pairs_e - shared[i].shift - centre->centre) / var / 2;
		top = fmax(top, weight[i]);
	}
	for (i = 0; i < SHARED; i++)
		sum += weight[i] = exp(weight[i] - top);
	for (i = 0; i < SHARED; i++)
		weight[i] *= (1 - DOUBT) / sum;
}

int
noise_spread(const struct noise_before *known, struct noise_spread *s)
{
	const struct noise_arm a = { 1, 0, known->df, known->ss }, b = { 1, 0, 0, 0 };
	const struct noise_prior centre = centre_of(known);
	double weight[SHARED], sum, z, seen, total = 0;
	struct noise_prior prior;
	struct variances v;
	int i, j, k, g;

	memset(s, 0, sizeof(*s));
	s->lane_sd = known->lane_sd;
	memcpy(s->at, gains, sizeof(s->at));
	if (isfinite(known->screened) && known->lane_sd > 0)
		s->at[NOISE_GAINS - 1] = within(known->screened / known->lane_sd, s->at[NOISE_GAINS - 1], MAX_GAIN);
	if (!isfinite(centre.doubt) || !(known->lane_sd > 0))
		return (-1);
	s->step = 0.125;
	s->first = 2 * log(known->lane_sd) - s->step * NOISE_VARIANCES / 2;
	weigh_shifts(known, &centre, weight);
	for (k = 0; k < SHARED; k++) {
		prior = centre_after_pairs(known, shared[k].shift);
		if (weight[k] < 1e-4 || variances_after(&v, &a, &b, &prior, known->floor) == -1)
			continue;
		for (i = 0; i < GRID; i++)
			for (j = 0; j < GRID; j++)
				if (v.weight[i][j] > 1e-9)
					put_runs(s, known, v.a[i], v.b[j], exp(shared[k].shift),
					    weight[k] * v.weight[i][j]);
	}
	for (i = 0; i < NOISE_VARIANCES; i++) {
		z = (s->first + i * s->step - centre.centre - log(2)) / DOUBT_SD;
		sum = DOUBT * s->step / DOUBT_SD / SQRT2PI * exp(-z * z / 2);
		put_runs(s, known, exp(s->first + i * s->step) / 2, exp(s->first + i * s->step) / 2, 1, sum);
	}
	/* Each hypothesis has a weight of its own, and each must weigh as much as another in all. */
	for (i = 0, sum = 0; i < NOISE_VARIANCES; i++)
		sum += s->null[i];
	for (i = 0; i < NOISE_VARIANCES; i++)
		s->null[i] = log(s->null[i] / sum);
	for (g = 0; g < NOISE_GAINS; g++) {
		seen = isfinite(known->screened) ? (known->screened / known->lane_sd - s->at[g]) / SCREENED : 0;
		s->weight[g] = exp(-square(within(seen, -30, 30)) / 2);
		total += s->weight[g];
		for (i = 0, sum = 0; i < NOISE_VARIANCES; i++)
			sum += s->gain[g][i];
		for (i = 0; i < NOISE_VARIANCES; i++)
			s->gain[g][i] = log(s->gain[g][i] / sum);
	}
	for (g = 0; g < NOISE_GAINS; g++)
		s->weight[g] = EVEN / NOISE_GAINS + (1 - EVEN) * (total > 0 ? s->weight[g] / total : 1.0 / NOISE_GAINS);
	return (0);
}

/* What of the pairs' likelihood does not depend on where the gain is, at each variance. */
struct looked {
	double at[NOISE_VARIANCES], precision[NOISE_VARIANCES];
};

static void
look(const struct noise_spread *s, const struct noise_pairs *p, struct looked *l)
{
	double ln;
	int i;

	for (i = 0; i < NOISE_VARIANCES; i++) {
		ln = s->first + i * s->step;
		l->precision[i] = exp(-ln) / 2;
		l->at[i] = -p->n / 2 * ln - p->ss * l->precision[i];
	}
}

/* The logarithm of how likely they are if the true gain is this one; ${weight} is one, too. */
static double
log_evidence(const double weight[NOISE_VARIANCES], const struct looked *l, const struct noise_pairs *p, double gain)
{
	double far = p->n * square(p->mean - gain), at[NOISE_VARIANCES], top = -INFINITY, sum = 0;
	int i;

	for (i = 0; i < NOISE_VARIANCES; i++) {
		at[i] = weight[i] + l->at[i] - far * l->precision[i];
		top = fmax(top, at[i]);
	}
	for (i = 0; i < NOISE_VARIANCES; i++)
		if (at[i] > top - 40)
			sum += exp(at[i] - top);
	return (top + log(sum));
}

double
noise_odds(const struct noise_spread *s, const struct noise_pairs *p, double margin)
{
	double null, odds = 0;
	struct looked l;
	int g;

	if (p->n < 1)
		return (1);
	look(s, p, &l);
	null = log_evidence(s->null, &l, p, margin);
	for (g = 0; g < NOISE_GAINS; g++)
		odds += s->weight[g] *
		    exp(within(log_evidence(s->gain[g], &l, p, margin + s->at[g] * s->lane_sd) - null, -700, 690));
	return (odds);
}

/* The largest gain that the pairs speak against by ${odds}; below it they do so the more. */
static double
bound(const struct noise_spread *s, const struct noise_pairs *p, double odds)
{
	double lo = p->mean, hi = p->mean, step = s->lane_sd;
	int i;

	for (i = 0; i < 60 && noise_odds(s, p, lo) < odds; i++, step *= 2) {
		hi = lo;
		lo -= step;
	}
	if (i == 60)
		return (-INFINITY);
	for (i = 0; i < 40; i++) {
		step = (lo + hi) / 2;
		*(noise_odds(s, p, step) < odds ? &hi : &lo) = step;
	}
	return (lo);
}

void
noise_bounds(const struct noise_spread *s, const struct noise_pairs *p, double confidence, double *lower, double *upper)
{
	const struct noise_pairs loss = { p->n, -p->mean, p->ss };

	*lower = bound(s, p, 1 / (1 - confidence));
	*upper = -bound(s, &loss, 1 / (1 - confidence));
}

int
noise_hopeless(double pairs, double odds)
{
	return (pairs >= 2 && odds < (pairs > 2 ? 1 : 0.5));
}

/* The ln variance below which a part of the weights lies. */
static double
quantile(const double weight[NOISE_VARIANCES], const struct noise_spread *s, double part)
{
	double sum = 0;
	int i;

	for (i = 0; i < NOISE_VARIANCES - 1 && (sum += exp(weight[i])) < part; i++)
		;
	return (s->first + i * s->step);
}

double
noise_pairs_power(const struct noise_before *known, double level, double gain_sd, unsigned n)
{
	enum { PATHS = 200 };
	struct noise_before before = *known;
	struct noise_spread s;
	struct noise_pairs p;
	struct stats_sample d;
	struct rng rng;
	double sd, odds;
	unsigned i, k, found = 0;
	int g;

	before.screened = gain_sd * known->lane_sd;
	if (noise_spread(&before, &s) == -1)
		return (NAN);
	for (g = 0; g < NOISE_GAINS - 1 && s.at[g] < gain_sd; g++)
		;
	rng_seed(&rng, 1, 0);
	for (i = 0; i < PATHS; i++) {
		sd = exp(quantile(s.gain[g], &s, (i + 0.5) / PATHS) / 2);
		d = (struct stats_sample){ 0, 0, 0 };
		for (k = 0, odds = 1; k < n && !noise_hopeless(k, odds) && odds < 1 / level; k++) {
			stats_sample_add(&d, gain_sd * known->lane_sd + sd * rng_normal(&rng));
			p = (struct noise_pairs){ d.n, d.mean, d.ss };
			odds = k == 0 ? 1 : noise_odds(&s, &p, 0);
		}
		found += odds >= 1 / level;
	}
	return ((double)found / PATHS);
}

double
noise_pairs_weight(const struct noise_pool *pool, const struct noise_pairs *p, double *e)
{
	if (p->n < 2)
		return (0);
	*e = log_variance(p->n - 1, p->ss / 2, pool->floor);
	/* The mean of two configurations' variances spreads half as far. */
	return (1 / (pool->tau2 / 2 + stats_trigamma((p->n - 1) / 2)));
}
