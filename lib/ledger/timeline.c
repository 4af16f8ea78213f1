#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "law/standings.h"
#include "base/clock.h"
#include "base/jsonio.h"
#include "ledger/timeline.h"

void
timeline_free(struct tracks *t)
{
	size_t i;

	for (i = 0; i < t->count; i++) {
		free(t->list[i].lane);
		free(t->list[i].points);
	}
	free(t->list);
	free(t->of);
	free(t->incumbents);
	memset(t, 0, sizeof(*t));
}

/* What a row says of the axis that it belongs on. */
struct axis {
	const char *group, *tokenizer, *eval, *lane, *config;
	int64_t cap_ms;
};

static void
keep(char out[SHA256_HEX_SIZE], const char *hex)
{
	if (hex != NULL && strlen(hex) < SHA256_HEX_SIZE)
		strcpy(out, hex);
}

static int
agrees(const char *have, const char *want)
{
	return (want == NULL || *have == '\0' || strcmp(have, want) == 0);
}

static int
has_config(const struct timeline *k, uint64_t config)
{
	size_t i;

	for (i = k->count; i-- > 0;)
		if (k->points[i].config == config)
			return (1);
	return (0);
}

/* The axis of a row; one without a score joins the last that it would have stood on. NULL: none yet. */
static struct timeline *
find(struct tracks *t, const struct axis *a, uint64_t config)
{
	struct timeline *k, *some = NULL;
	size_t i;

	for (i = t->count; i-- > 0;) {
		k = &t->list[i];
		if (k->cap_ms != a->cap_ms || strcmp(k->lane, a->lane) != 0 || !agrees(k->group, a->group) ||
		    !agrees(k->tokenizer, a->tokenizer) || !agrees(k->eval, a->eval))
			continue;
		/* A confirmation does not name the tokenizer: its challenger's runs tell. */
		if (a->tokenizer != NULL || has_config(k, config))
			return (k);
		if (some == NULL)
			some = k;
	}
	return (some);
}

static struct timeline *
track_for(struct tracks *t, const struct axis *a, uint64_t config)
{
	struct timeline *k, *grown;

	if ((k = find(t, a, config)) == NULL) {
		if ((grown = array_room(t->list, t->count, &t->cap, sizeof(*grown))) == NULL)
			return (NULL);
		t->list = grown;
		k = &grown[t->count];
		memset(k, 0, sizeof(*k));
		k->sd = k->sd_low = k->sd_high = NAN;
		k->cap_ms = a->cap_ms;
		if ((k->lane = strdup(a->lane)) == NULL)
			return (NULL);
		t->count++;
	}
	keep(k->group, a->group);
	keep(k->tokenizer, a->tokenizer);
	keep(k->eval, a->eval);
	return (k);
}

int
timeline_counts(const struct timeline_point *p)
{
	return (p->klass <= VERDICT_REGRESSION && !verdict_reason_aside(p->reason));
}

/* Does the group's incumbent become another configuration with this row? -1 with errno ENOMEM. */
static int
enthrones(struct tracks *t, uint64_t group, uint64_t config)
{
	uint64_t *grown;
	size_t i;
	int changed;

	if (group == 0 || config == 0)
		return (0);
	for (i = 0; i < t->incumbent_count && t->incumbents[2 * i] != group; i++)
		;
	if (i == t->incumbent_count) {
		if ((grown = array_few(t->incumbents, i, 2 * sizeof(*grown))) == NULL)
			return (-1);
		t->incumbents = grown;
		grown[2 * i] = group;
		grown[2 * i + 1] = 0;
		t->incumbent_count++;
	}
	changed = t->incumbents[2 * i + 1] != config;
	t->incumbents[2 * i + 1] = config;
	return (changed);
}

/* May the incumbent of a row, which another row's run stands for, be drawn on this axis? */
static int
same_axis(const struct tracks *t, const struct timeline *k, int64_t row)
{
	const struct timeline *other = row < 1 ? NULL : timeline_of(t, (uint64_t)row);

	return (other == NULL || strcmp(other->tokenizer, k->tokenizer) == 0);
}

static int
add_point(struct tracks *t, struct timeline *k, const struct row *row, const struct axis *a)
{
	const struct verdict *v = &row->verdict.is;
	const struct row_incumbent *after = &row->after;
	struct timeline_point *p, *grown;
	int m, changed;

	if ((grown = array_room(k->points, k->count, &k->cap, sizeof(*grown))) == NULL)
		return (-1);
	k->points = grown;
	p = &grown[k->count];
	memset(p, 0, sizeof(*p));
	p->row = (uint64_t)row->number;
	(void)clock_parse(row->added_at == NULL ? "" : row->added_at, &p->at_ms);
	p->confirmation = row->kind == STANDINGS_VERDICT;
	p->config = standings_tag(a->config);
	p->klass = v->klass;
	p->reason = v->reason;
	/* A verdict that asked for no noise says nothing of it: it was known then if it was just before. */
	p->calibrated = timeline_counts(p) ? v->calibrated : k->count > 0 && p[-1].calibrated;
	p->metric = (int)t->metric;
	p->judged = v->metric;
	for (m = 0; m < STANDINGS_SCORES; m++)
		p->scores[m] = p->confirmation ? (m == p->judged ? v->score : NAN) : row->run.metric.of[m];
	p->low = t->sign > 0 ? v->incumbent_score - v->upper : v->incumbent_score + v->lower;
	p->high = t->sign > 0 ? v->incumbent_score - v->lower : v->incumbent_score + v->upper;
	p->lane_sd = v->lane_sd;
	/* A run without a score belongs to no group, and says nothing of its incumbent. */
	if (after->config == NULL)
		p->incumbent = k->count == 0 ? NAN : p[-1].incumbent;
	else
		p->incumbent = same_axis(t, k, after->row) ? after->score : NAN;
	changed = enthrones(t, standings_tag(a->group), standings_tag(after->config));
	if (changed == -1)
		return (-1);
	p->enthroned = changed;
	k->runs += !p->confirmation;
	k->count++;
	return (0);
}

static void
calibrate(struct timeline *k, const struct row_calibration *c)
{
	k->calibrated = 1;
	k->sd = c->sd;
	k->sd_low = c->sd_lower;
	k->sd_high = c->sd_upper;
	k->seeds = (unsigned)json_array_size(c->runs);
}

/* What a row that stands on an axis says of it; of another kind, 0. */
static int
axis_of(const struct row *r, struct axis *a)
{
	switch (r->kind) {
	case STANDINGS_RUN:
		*a = (struct axis){ r->run.group, r->run.tokenizer, r->run.eval, r->run.lane, r->run.config,
			r->run.cap_ms };
		break;
	case STANDINGS_VERDICT:
		*a = (struct axis){ r->confirmation.group, NULL, NULL, r->confirmation.lane, r->confirmation.challenger,
			r->confirmation.cap_ms };
		break;
	case STANDINGS_CALIBRATION:
		*a = (struct axis){ r->calibration.group, NULL, NULL, r->calibration.lane, r->calibration.config,
			r->calibration.cap_ms };
		break;
	default:
		return (0);
	}
	if (a->lane == NULL)
		a->lane = "";
	return (1);
}

int
timeline_add(struct tracks *t, const struct row *row)
{
	int32_t *of;
	struct timeline *k = NULL;
	struct axis a;
	int m;

	if ((of = array_room(t->of, t->rows, &t->of_cap, sizeof(*of))) == NULL)
		return (-1);
	t->of = of;
	of[t->rows] = -1;
	if (row->kind == STANDINGS_POLICY) {
		m = policy_metric_find(jsonio_text(row->policy, "metric.name", ""));
		t->metric = m < 0 || m >= STANDINGS_SCORES ? POLICY_VAL_BPB : (enum policy_metric)m;
		t->sign = strcmp(jsonio_text(row->policy, "metric.direction", "lower"), "higher") == 0 ? -1 : 1;
	} else if (axis_of(row, &a)) {
		k = track_for(t, &a, standings_tag(a.config));
		if (k == NULL || (row->kind != STANDINGS_CALIBRATION && add_point(t, k, row, &a) == -1))
			return (-1);
		of[t->rows] = (int32_t)(k - t->list);
		if (row->kind == STANDINGS_CALIBRATION)
			calibrate(k, &row->calibration);
	}
	t->rows++;
	return (0);
}

void
timeline_finish(struct tracks *t)
{
	struct timeline_point *p;
	struct timeline *k;

	for (k = t->list; k < t->list + t->count; k++) {
		for (p = k->points; p < k->points + k->count; p++) {
			p->score = p->scores[t->metric];
			if (p->judged != (int)t->metric)
				p->low = p->high = p->lane_sd = NAN;
			if (p->metric != (int)t->metric)
				p->incumbent = NAN;
		}
	}
}

struct timeline *
timeline_of(const struct tracks *t, uint64_t row)
{
	return (row < 1 || row > t->rows || t->of[row - 1] == -1 ? NULL : &t->list[t->of[row - 1]]);
}

const struct timeline_point *
timeline_best(const struct tracks *t, const struct timeline *k)
{
	const struct timeline_point *p, *best = NULL;

	for (p = k->points; p < k->points + k->count; p++)
		if (!p->confirmation && timeline_counts(p) && isfinite(p->score) &&
		    (best == NULL || t->sign * p->score < t->sign * best->score))
			best = p;
	return (best);
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return ((x > y) - (x < y));
}

int
timeline_range(const struct timeline *k, int sign, double *low, double *high)
{
	const struct timeline_point *p;
	double *x, q1, q3, reach, now = NAN;
	size_t n = 0, i;

	if ((x = calloc(k->count + 1, sizeof(*x))) == NULL)
		return (-1);
	for (p = k->points; p < k->points + k->count; p++) {
		if (isfinite(p->score) && timeline_counts(p))
			x[n++] = p->score;
		if (isfinite(p->incumbent))
			now = p->incumbent;
	}
	if (n == 0 && isfinite(now))
		x[n++] = now;
	if (n == 0) {
		/* Nothing is sound: what there is, then. */
		for (p = k->points; p < k->points + k->count; p++)
			if (isfinite(p->score))
				x[n++] = p->score;
	}
	if (n == 0) {
		free(x);
		return (-1);
	}
	qsort(x, n, sizeof(*x), by_value);
	q1 = x[n / 4];
	q3 = x[n - 1 - n / 4];
	/* Of a few nobody can say which is odd. */
	reach = n < 8 ? INFINITY : 3 * fmax(q3 - q1, 1e-4 * fabs(q1));
	*low = isfinite(now) ? now : q1;
	*high = isfinite(now) ? now : q3;
	for (i = 0; i < n; i++)
		if (x[i] >= q1 - (sign > 0 ? 4 : 1) * reach && x[i] <= q3 + (sign > 0 ? 1 : 4) * reach) {
			*low = fmin(*low, x[i]);
			*high = fmax(*high, x[i]);
		}
	/* How the incumbent came down is worth more room than a single score. */
	for (p = k->points; p < k->points + k->count; p++)
		if (p->incumbent >= q1 - 4 * reach && p->incumbent <= q3 + 4 * reach) {
			*low = fmin(*low, p->incumbent);
			*high = fmax(*high, p->incumbent);
		}
	free(x);
	return (0);
}
