#include <math.h>

#include "law/classify.h"
#include "judge/plateau.h"
#include "law/explain.h"
#include "law/stats.h"

static unsigned
patience(double miss, double success_rate, double power)
{
	double m = ceil(log(miss) / log1p(-success_rate * power));

	return (m > 1e6 || isnan(m) ? 1000000 : m < 1 ? 1 : (unsigned)m);
}

/* Points that stand for a normal, each for as much of it as another. */
enum { POINTS = 9 };

static double
point(int i)
{
	return (stats_normal_quantile((i + 0.5) / POINTS));
}

/*
 * Chance to pass both screens of law 3, in the lane deviations that are known, for a gain of so many true ones: of
 * ${sd} known ones each, where the incumbent stands ${bias} too low.  Challengers' deviations differ, too.
 */
static double
passes(const struct policy *p, double gain_sd, double sd, double bias)
{
	double sum = 0, own, first;
	int i, k;

	for (k = 0; k < POINTS; k++) {
		own = sd * exp(p->noise.ln_sigma_sd * point(k));
		for (i = 0; i < POINTS; i++) {
			first = gain_sd * sd - bias + own * point(i);
			if (first >= p->screen.gain_sd)
				sum += stats_normal_sf((2 * p->screen.second_sd - first - gain_sd * sd + bias) / own);
		}
	}
	return (sum / (POINTS * POINTS));
}

/* What is every challenger's alike is looked at far out, too: a chance to miss many in a row is made there. */
enum { FAR = 13 };

static double
far(int i, double *weight)
{
	const double z = (i - FAR / 2) / 2.0;

	*weight = stats_normal_cdf(z + 0.25) - stats_normal_cdf(z - 0.25);
	return (z);
}

/*
 * Chances to confirm the gain that confirmations are made for where one of its deviations is a quarter, a half and the
 * whole of a known one.
 */
struct confirming {
	double quarter, half, whole;
};

static double
confirms(const struct confirming *c, double sd)
{
	if (sd <= 0.25)
		return (c->quarter * sd / 0.25);
	if (sd <= 0.5)
		return (c->quarter + (c->half - c->quarter) * (sd - 0.25) / 0.25);
	return (sd >= 1 ? c->whole : c->half + (c->whole - c->half) * (sd - 0.5) / 0.5);
}

/*
 * How many challengers in a row may be missed by one of a campaign's chances alike, where the lane's deviation and the
 * incumbent's place are known from few runs: one error in them is every challenger's.  In *power what one is found
 * with.
 */
static unsigned
patience_in_doubt(const struct policy *p, double doubt, double runs, const struct confirming *confirming, double *power)
{
	double w[FAR * FAR], weight[FAR * FAR], at, other, sd, miss, sum = 0;
	unsigned m, lo = 0, hi = 1 << 20, n = 0, k;
	int i, j;

	*power = 0;
	for (i = 0; i < FAR; i++)
		for (j = 0; j < FAR; j++, n++) {
			sd = exp(sqrt(doubt) / 2 * far(i, &at));
			w[n] = confirms(confirming, sd) *
			    passes(p, p->confirm.gain_sd, sd, sd * far(j, &other) / sqrt(runs));
			sum += weight[n] = at * other;
			*power += w[n] * weight[n];
		}
	*power /= sum;
	while (hi - lo > 1) {
		m = lo + (hi - lo) / 2;
		for (k = 0, miss = 0; k < n; k++)
			miss += pow(1 - p->plateau.success_rate * w[k], m) * weight[k] / sum;
		*(miss > p->plateau.miss ? &lo : &hi) = m;
	}
	return (hi);
}

/* Chance to confirm, from law 3 on, where a deviation is that share of a known one. */
static double
confirms_at(const struct standings *b, const struct standings_group *g, double sd)
{
	return (classify_power(b, g->group, g->lane, g->incumbent, b->policy.confirm.pairs,
	    sd * b->policy.confirm.gain_sd));
}

/* Without a confirmation to spend nothing can be found, however many are tried. */
static int
is_spent(const struct standings *b)
{
	return (standings_left(b) == 0 && standings_open_plan(b, 0) == NULL);
}

struct plateau_view
plateau_look(const struct standings *b)
{
	struct plateau_view v = { .what = PLATEAU_UNKNOWN,
		.failures = b->failures,
		.screen = NAN,
		.confirm = NAN,
		.power = NAN };
	const struct policy *p = &b->policy;
	struct confirming confirming;
	const struct standings_group *g = b->last_group == 0 ? NULL : standings_group(b, b->last_group);
	size_t best;

	if (g != NULL) {
		v.resolved = g->resolved;
		v.waiting = classify_waiting(b, g, VERDICT_PROMISING, &best);
		v.screen = classify_screen_power(b, g->group, g->lane, g->incumbent, p->confirm.gain_sd);
		v.confirm = classify_power(b, g->group, g->lane, g->incumbent,
		    p->law >= 3 ? p->confirm.pairs : p->confirm.seeds, p->confirm.gain_sd);
		v.power = v.screen * v.confirm;
	}
	if (isfinite(v.power)) {
		v.m = patience(p->plateau.miss, p->plateau.success_rate, v.power);
		if (p->law >= 3) {
			confirming = (struct confirming){ confirms_at(b, g, 0.25), confirms_at(b, g, 0.5), v.confirm };
			v.m = patience_in_doubt(p, standings_lane_doubt(b, g->group, g->lane, p->metric.name),
			    standings_standing(b, standings_config(b, g->group, g->lane, g->incumbent), p->metric.name)
				.n,
			    &confirming, &v.power);
			v.screen = v.power / v.confirm;
		}
		v.what = v.resolved >= v.m ? PLATEAU_STOP : PLATEAU_GO_ON;
	}
	v.spent = is_spent(b);
	if (v.spent)
		v.what = PLATEAU_STOP;
	if (v.failures >= p->plateau.pause_after_failures)
		v.what = PLATEAU_PAUSE;
	return (v);
}

enum plateau
plateau_word(const struct standings *b)
{
	const struct policy *p = &b->policy;
	const struct standings_group *g = b->last_group == 0 ? NULL : standings_group(b, b->last_group);

	if (b->failures >= p->plateau.pause_after_failures)
		return (PLATEAU_PAUSE);
	if (is_spent(b))
		return (PLATEAU_STOP);
	/* However well all of them are found. */
	if (g == NULL || g->resolved < patience(p->plateau.miss, p->plateau.success_rate, 1))
		return (PLATEAU_GO_ON);
	return (plateau_look(b).what);
}

const char *
plateau_name(enum plateau what)
{
	static const char *const names[] = { "stop", "go on", "pause", "unknown" };

	return (names[what]);
}

int
plateau_tell(const struct plateau_view *v, const struct standings *b, struct str *why)
{
	const struct policy *p = &b->policy;
	int rc;

	if (v->what == PLATEAU_PAUSE)
		return (str_printf(why,
		    v->failures == 1 ? "the last %u run was blocked or invalid, and the policy pauses at %u" :
				       "the last %u runs were blocked or invalid, and the policy pauses at %u",
		    v->failures, p->plateau.pause_after_failures));
	if (v->spent)
		return (explain_spent(why, b) | str_puts(why, ", so nothing is found before another is declared"));
	if (v->what == PLATEAU_UNKNOWN)
		return (str_puts(why, "the lane's noise is not calibrated, so no power is known to reason with"));
	rc = str_printf(why,
	    "%u challenger%s in a row %s sound, comparable and no better; stopping takes %u\n"
	    "If one challenger in %.3g were better by %.1f lane deviations, each would pass the screen with a chance"
	    " of %.0f %% and be confirmed with one of %.0f %%, so be found with one of %.0f %%. To miss all of them %u"
	    " times in a row would then happen with a chance of at most %.0f %%.",
	    v->resolved, v->resolved == 1 ? "" : "s", v->resolved == 1 ? "was" : "were", v->m,
	    1 / p->plateau.success_rate, p->confirm.gain_sd, 100 * v->screen, 100 * v->confirm, 100 * v->power, v->m,
	    100 * p->plateau.miss);
	if (v->waiting > 0)
		rc |= str_printf(why,
		    "\n%u challenger%s that passed the screen wait%s for a confirmation and %s not"
		    " counted.",
		    v->waiting, v->waiting == 1 ? "" : "s", v->waiting == 1 ? "s" : "", v->waiting == 1 ? "is" : "are");
	return (rc);
}
