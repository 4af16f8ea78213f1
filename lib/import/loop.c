#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "import/loop.h"
#include "import/repeats.h"
#include "law/stats.h"

static int
better(const struct loop *l, double a, double b)
{
	return (l->higher ? a > b : a < b);
}

static int
gather(struct loop *l)
{
	struct loop_config *c;
	struct loop_line *w;
	struct stats_sample *all, *fresh;
	double ss = 0;
	size_t i, k;

	l->config = calloc(l->config_count + 1, sizeof(*l->config));
	all = calloc(l->config_count + 1, sizeof(*all));
	fresh = calloc(l->config_count + 1, sizeof(*fresh));
	if (l->config == NULL || all == NULL || fresh == NULL) {
		free(all);
		free(fresh);
		return (-1);
	}
	for (i = 0; i < l->count; i++) {
		w = &l->line[i];
		l->decided += w->entry->status == 'k' || w->entry->status == 'd';
		if (w->config == -1)
			continue;
		c = &l->config[w->config];
		if (c->lines++ == 0) {
			c->first = i;
			c->kept = -1;
			c->low = c->high = NAN;
		}
		if (w->entry->status == 'k') {
			if (c->kept == -1)
				c->kept = (int)i;
			l->last_keep = (int)i;
		}
		if (w->twin != -1)
			continue;
		if (w->repeats != -1) {
			/* Digits that agree are no second draw. */
			for (k = 0; k < i; k++)
				if (l->line[k].config == w->config && l->line[k].score == w->score)
					break;
			if (k < i) {
				l->equal++;
				continue;
			}
			stats_sample_add(&fresh[w->config], w->score);
			c->low = fmin(c->low, w->score);
			c->high = fmax(c->high, w->score);
		}
		stats_sample_add(&all[w->config], w->score);
	}
	for (i = 0; i < l->config_count; i++) {
		c = &l->config[i];
		c->runs = (size_t)all[i].n;
		c->mean = all[i].mean;
		c->ss = all[i].ss;
		c->fresh = (size_t)fresh[i].n;
		c->fresh_mean = fresh[i].n > 0 ? fresh[i].mean : NAN;
		if (c->runs > 1) {
			l->df += (double)c->runs - 1;
			ss += c->ss;
		}
	}
	l->sd = l->df > 0 ? sqrt(ss / l->df) : NAN;
	free(all);
	free(fresh);
	return (0);
}

/* What was decided, held against the scores. */
static int
hold_decisions(struct loop *l)
{
	double *score = calloc(l->count + 1, sizeof(*score));
	char *status = calloc(l->count + 1, 1);
	size_t i;
	int rc = score == NULL || status == NULL ? -1 : 0;

	for (i = 0; rc == 0 && i < l->count; i++) {
		score[i] = l->line[i].score;
		status[i] = l->line[i].entry->status;
	}
	if (rc == 0)
		l->fit = metric_fit(score, status, l->count, l->higher);
	free(score);
	free(status);
	return (rc);
}

/* One side: a line that was run again stands with what came afterwards, but for where the loop began. */
static struct noise_arm
arm_of(const struct loop *l, int config)
{
	const struct loop_config *c = &l->config[config];
	struct noise_arm a = { (double)c->runs, c->mean, (double)c->runs - 1, c->ss };

	if (c->fresh > 0 && l->start != -1 && l->line[l->start].config != config && l->decided > 0) {
		a.n = (double)c->fresh;
		a.mean = c->fresh_mean;
	}
	return (a);
}

/*
 * A single run may have gone wrong in its favour.  What was tried afterwards started from it: where the gain is real
 * most of that has a quarter of it, too.
 */
static int
is_built_on(const struct loop *l, const struct loop_line *w, double quarter)
{
	enum { LEAST = 3 };
	const struct loop_line *v;
	size_t n = 0, more = 0;

	for (v = w + 1; v < l->line + l->count; v++) {
		if (!v->counts || v->config == w->config || v->repeats != -1 || v->twin != -1)
			continue;
		n++;
		more += better(l, v->score, quarter);
	}
	return (n >= LEAST && 3 * more >= 2 * n);
}

struct noise_test
loop_compare(const struct loop *l, int before, int after, double ln_sigma_sd, double floor, double level)
{
	struct noise_arm a = arm_of(l, before), b = arm_of(l, after);
	struct noise_pool pool = noise_pool(ln_sigma_sd, floor);
	const struct loop_config *c;
	size_t i;

	for (i = 0; i < l->config_count; i++) {
		c = &l->config[i];
		if ((int)i != after && (int)i != before && c->runs > 1)
			noise_pool_add(&pool, (double)c->runs - 1, c->ss);
	}
	return (noise_compare(&a, &b, &pool, l->higher ? -1 : 1, 0, 1 - level));
}

/* The configuration with the best mean of those that were kept before a line. */
static int
best_kept(const struct loop *l, const struct loop_line *w)
{
	const struct loop_line *v;
	int best = -1;
	double mean = NAN, x;

	for (v = l->line; v < w; v++) {
		if (!v->counts || v->entry->status != 'k' || v->config == w->config)
			continue;
		x = arm_of(l, v->config).mean;
		if (best == -1 || better(l, x, mean)) {
			best = v->config;
			mean = x;
		}
	}
	return (best);
}

static void
judge_keep(struct loop *l, struct loop_line *w, const struct loop_line *before, double ln_sigma_sd, double floor,
    double level)
{
	struct noise_arm a = arm_of(l, before->config), b = arm_of(l, w->config);
	double tries = (double)(l->tries < 1 ? 1 : l->tries), least, se;
	struct noise_test t;
	int best;

	w->gain = (l->higher ? 1 : -1) * (b.mean - a.mean);
	w->p = w->lower = NAN;
	if (l->df < 1) {
		w->keep = w->gain <= 0 ? LOOP_NO_GAIN : LOOP_UNKNOWN;
		w->why = w->gain <= 0 ? "" :
		    l->equal > 0      ? "its repeats agree to the last digit" :
					"no line repeats another";
		return;
	}
	t = loop_compare(l, before->config, w->config, ln_sigma_sd, floor, level / tries);
	w->p = fmin(1, t.p * tries);
	w->lower = t.lower;
	least = l->sd * sqrt(l->df / stats_chi2_isf(0.05, l->df));
	se = least * sqrt(1 / a.n + 1 / b.n);
	/* What was before may have gone wrong in its one run; what was kept earlier stands for it then. */
	best = best_kept(l, w);
	if (t.p * tries <= level && l->config[w->config].fresh == 0 &&
	    !is_built_on(l, w, a.mean + (b.mean - a.mean) / 4)) {
		w->keep = LOOP_UNKNOWN;
		w->why = "a single run";
	} else if (t.p * tries <= level && l->config[before->config].runs < 2 && best != before->config &&
	    loop_compare(l, best, w->config, ln_sigma_sd, floor, level / tries).p * tries > level) {
		w->keep = LOOP_UNKNOWN;
		w->why = "no more than before";
	} else if (t.p * tries <= level)
		w->keep = LOOP_REAL;
	else if (t.p_loss * tries <= level)
		w->keep = LOOP_NO_GAIN;
	else if (w->gain <= 1.6449 * se)
		w->keep = LOOP_NOISE;
	else {
		w->keep = LOOP_UNKNOWN;
		w->why = l->df < 3 ? "too few repeats" : "worth a test";
	}
}

/* The best line, of those kept where any was; and whether its own later runs bear it out. */
static void
find_best(struct loop *l)
{
	const struct loop_config *c;
	const struct loop_line *w;
	double before;
	size_t i;

	for (i = 0; i < l->count; i++) {
		w = &l->line[i];
		if (!w->counts || w->entry->status == 'd' || (l->last_keep != -1 && w->entry->status != 'k'))
			continue;
		if (l->best == -1 || better(l, w->score, l->line[l->best].score))
			l->best = (int)i;
	}
	if (l->best == -1)
		return;
	w = &l->line[l->best];
	c = &l->config[w->config];
	if (c->fresh == 0 || w->repeats != -1 || c->lines < 2)
		return;
	if (!better(l, w->score, l->higher ? c->high : c->low))
		return;
	before = w->before != -1 ? l->line[w->before].score : NAN;
	if (!isnan(before) && !better(l, c->fresh_mean, before))
		l->best_not_reproduced = 1;
}

static int
by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x < *y ? -1 : *x > *y);
}

/* Median time between lines that follow one another. */
static int
find_pace(struct loop *l)
{
	double *gap = calloc(l->count + 1, sizeof(*gap));
	size_t i, n = 0;

	l->pace_ms = NAN;
	if (gap == NULL)
		return (-1);
	for (i = 1; i < l->count; i++)
		if (l->line[i].entry->dated && l->line[i - 1].entry->dated &&
		    l->line[i].entry->at_ms > l->line[i - 1].entry->at_ms)
			gap[n++] = (double)(l->line[i].entry->at_ms - l->line[i - 1].entry->at_ms);
	if (n >= 2) {
		qsort(gap, n, sizeof(*gap), by_value);
		l->pace_ms = gap[n / 2];
	}
	free(gap);
	return (0);
}

/*
 * The kept line that its owner would want told, and how many runs a side it takes: the last that was the best when it
 * was kept, since that is what the loop stands on; a leap over a bad start is larger, and asks nothing.
 */
static void
find_promising(struct loop *l, double ln_sigma_sd, double floor, double level)
{
	struct noise_pool pool = noise_pool(ln_sigma_sd, floor);
	const struct loop_line *w;
	double power, best = NAN;
	int leads, led = 0;
	unsigned n;
	size_t i;

	for (i = 0; i < l->count; i++) {
		w = &l->line[i];
		if (!w->counts || w->entry->status != 'k')
			continue;
		if ((leads = isnan(best) || better(l, w->score, best)))
			best = w->score;
		if (w->keep != LOOP_UNKNOWN || !(w->gain > 0))
			continue;
		if (leads || (!led && (l->promising == -1 || w->gain > l->line[l->promising].gain)))
			l->promising = (int)i;
		led |= leads;
	}
	if (l->promising == -1 || l->df < 1)
		return;
	for (i = 0; i < l->config_count; i++)
		if (l->config[i].runs > 1)
			noise_pool_add(&pool, (double)l->config[i].runs - 1, l->config[i].ss);
	for (n = 2; n <= 32 && l->test_runs == 0; n++) {
		power = noise_power(&pool, 0, level, l->line[l->promising].gain / noise_lane_sd(&pool), n);
		if (power >= 0.8)
			l->test_runs = n;
	}
}

int
loop_judge(struct loop *l, double ln_sigma_sd, double floor, double level)
{
	const struct loop_line *before = NULL;
	struct loop_line *w;
	size_t i;

	l->start = l->best = l->last_keep = l->promising = -1;
	if (repeats_find(l) == -1 || gather(l) == -1 || find_pace(l) == -1 || hold_decisions(l) == -1) {
		loop_free(l);
		errno = ENOMEM;
		return (-1);
	}
	l->tries = l->config_count > 0 ? l->config_count - 1 : 0;
	for (i = 0; i < l->count; i++) {
		w = &l->line[i];
		if (!w->counts || w->entry->status != 'k')
			continue;
		if (before == NULL)
			w->keep = LOOP_START;
		else if (w->config == before->config || l->config[w->config].kept != (int)i) {
			w->keep = LOOP_REPEAT;
			/* An earlier state that is kept again is what the next is built on. */
		} else {
			w->before = (int)(before - l->line);
			judge_keep(l, w, before, ln_sigma_sd, floor, level);
		}
		l->keeps[w->keep]++;
		before = w;
	}
	find_best(l);
	find_promising(l, ln_sigma_sd, floor, level);
	return (0);
}

void
loop_free(struct loop *l)
{
	free(l->line);
	free(l->config);
	memset(l, 0, sizeof(*l));
}
