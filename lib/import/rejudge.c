#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "import/metric.h"
#include "import/rejudge.h"
#include "base/say.h"

static const char *const names[REJUDGE_VERDICTS] = { "first", "significant", "noise", "worse", "not enough seeds",
	"not comparable", "invalid", "revised" };

const char *
rejudge_verdict_name(enum rejudge_verdict v)
{
	return (names[v]);
}

/* --- one row --------------------------------------------------------------- */

static struct stats_sample
sample(const struct claimrow *e)
{
	struct stats_sample s = { 0, 0, 0 };
	size_t i;

	for (i = 0; i < e->runs; i++)
		stats_sample_add(&s, e->score[i]);
	return (s);
}

/* What makes a claim void, whatever it scored; NULL if nothing does. */
static const char *
invalid(const struct claimrow *e)
{
	static const enum defect voids[] = { DEFECT_OVER_CAP, DEFECT_PREQUANT_SCORE, DEFECT_SCORE_DISAGREES,
		DEFECT_SCORES_DISAGREE, DEFECT_SEED_TWICE, DEFECT_RATIO_APART };
	size_t i;

	if (e->status == 'c')
		return ("crash");
	if (e->status == 'u')
		return ("unfinished");
	for (i = 0; i < sizeof(voids) / sizeof(voids[0]); i++)
		/* Two logs of a seed are no fault where one of them has the score that is claimed. */
		if ((e->flags & DEFECT_BIT(voids[i])) != 0 && (voids[i] != DEFECT_SEED_TWICE || e->runs == 0))
			return (defect_name(voids[i]));
	if (e->runs == 0 && isnan(e->claimed))
		return (defect_name(DEFECT_NO_SCORE));
	return (NULL);
}

/* Why a sound claim can be compared with nothing; NULL if it can. */
static const char *
incomparable(const struct claimrow *e)
{
	static const enum defect apart[] = { DEFECT_OVER_TIME, DEFECT_KNOWN_DENOMINATOR, DEFECT_IMPLAUSIBLE };
	size_t i;

	if (e->form == CLAIM_TABLE)
		return (NULL);
	if (strcmp(e->scoring, "unknown") == 0)
		return ("scoring unknown");
	if (strcmp(e->scoring, "other") == 0)
		return ("own scoring");
	for (i = 0; i < sizeof(apart) / sizeof(apart[0]); i++)
		if ((e->flags & DEFECT_BIT(apart[i])) != 0)
			return (defect_name(apart[i]));
	if (e->unclear)
		return ("text unclear");
	return (e->cluster == -1 ? "bytes unknown" : NULL);
}

/* --- groups ---------------------------------------------------------------- */

static int
group_of(struct rejudge *r, const struct claimrow *e)
{
	struct rejudge_group *grown, *g;
	int text = e->form == CLAIM_TABLE ? -1 : r->audit.cluster[e->cluster].text;
	size_t i;

	/* Rows of one table stand together. */
	for (i = r->group_count; i-- > 0;) {
		g = &r->group[i];
		if (strcmp(g->metric, e->metric) == 0 &&
		    (e->form == CLAIM_TABLE ?
			    g->series != NULL && strcmp(g->series, e->series) == 0 :
			    g->series == NULL && g->text == text && strcmp(g->scoring, e->scoring) == 0))
			return ((int)i);
	}
	if ((grown = array_few(r->group, r->group_count, sizeof(*grown))) == NULL)
		return (-1);
	r->group = grown;
	g = &r->group[r->group_count];
	memset(g, 0, sizeof(*g));
	g->scoring = e->scoring;
	g->metric = e->metric;
	g->text = text;
	g->series = e->form == CLAIM_TABLE ? e->series : NULL;
	g->file = e->file;
	g->incumbent = -1;
	return ((int)r->group_count++);
}

static int
by_time(const void *a, const void *b)
{
	const struct claimrow *x = ((const struct rejudge_row *)a)->entry, *y = ((const struct rejudge_row *)b)->entry;

	int first = x->dated && !x->unordered, second = y->dated && !y->unordered;

	if (first != second)
		return (second - first);
	if (first && x->at_ms != y->at_ms)
		return (x->at_ms < y->at_ms ? -1 : 1);
	return (x->row < y->row ? -1 : x->row > y->row);
}

static int
counts(const struct rejudge_row *w)
{
	return (w->group >= 0 && w->verdict != REJUDGE_INVALID && w->verdict != REJUDGE_REVISED);
}

/* The group's other rows that have a variance to show. */
static struct noise_pool
pool_of(const struct rejudge *r, int group, const struct claimrow *but, const struct claimrow *and_but)
{
	struct noise_pool pool = noise_pool(r->policy.noise.ln_sigma_sd, r->policy.noise.floor);
	const struct rejudge_row *w;
	size_t i;

	for (i = r->group[group].first; i != 0; i = w->next) {
		w = &r->row[i - 1];
		if (!counts(w) || w->entry == but || w->entry == and_but || w->runs < 2)
			continue;
		noise_pool_add(&pool, (double)(w->runs - 1), w->sd * w->sd * (double)(w->runs - 1));
	}
	return (pool);
}

/* The policy's margin in the row's metric. */
static double
margin_of(const struct rejudge *r, const struct claimrow *incumbent, double score)
{
	if (strcmp(incumbent->metric, "val_bpb") != 0)
		return (NAN);
	return (policy_convert(r->policy.promotion.margin, r->policy.promotion.unit, POLICY_VAL_BPB, incumbent->loss,
	    score));
}

static void
compare(struct rejudge *r, struct rejudge_row *w, const struct rejudge_row *inc)
{
	struct stats_sample a = sample(inc->entry), b = sample(w->entry);
	struct noise_arm arm_a = { a.n, a.mean, a.n - 1, a.ss }, arm_b = { b.n, b.mean, b.n - 1, b.ss };
	double level = 1 - r->policy.promotion.confidence;
	struct noise_pool pool;
	struct noise_test t;

	w->incumbent = inc->entry;
	w->gain = (w->entry->higher ? -1 : 1) * (inc->score - w->score);
	if (w->entry->seed_only) {
		w->verdict = REJUDGE_NOISE;
		w->reason = "seed alone";
		return;
	}
	w->verdict = REJUDGE_FEW;
	if (w->runs < 2) {
		w->reason = "single run";
		return;
	}
	pool = pool_of(r, w->group, w->entry, inc->entry);
	t = noise_compare(&arm_a, &arm_b, &pool, w->entry->higher ? -1 : 1, 0, r->policy.promotion.confidence);
	w->p = t.p;
	w->p_loss = t.p_loss;
	w->lower = t.lower;
	w->upper = t.upper;
	w->margin = margin_of(r, inc->entry, inc->score);
	w->record = isnan(w->margin) ? -1 : t.lower >= w->margin;
	w->reason = "";
	w->verdict = t.p <= level ? REJUDGE_SIGNIFICANT : t.p_loss <= level ? REJUDGE_WORSE : REJUDGE_NOISE;
}

/* --- tables ---------------------------------------------------------------- */

static int
by_line(const void *a, const void *b)
{
	const struct rejudge_row *x = *(struct rejudge_row *const *)a, *y = *(struct rejudge_row *const *)b;

	if (x->entry->unordered && x->entry->line != y->entry->line)
		return (x->entry->line < y->entry->line ? -1 : 1);
	return (x < y ? -1 : x > y);
}

static int
lines_of(struct rejudge *r, int group)
{
	struct rejudge_group *g = &r->group[group];
	struct loop *l = &g->loop;
	struct rejudge_row *w;
	struct rejudge_row **row;
	double *score;
	size_t i, n = 0;
	int fractions = 0, none;

	l->line = calloc(g->rows + 1, sizeof(*l->line));
	score = calloc(g->rows + 1, sizeof(*score));
	row = calloc(g->rows + 1, sizeof(*row));
	if (l->line == NULL || score == NULL || row == NULL) {
		free(score);
		free(row);
		return (-1);
	}
	for (i = g->first; i != 0; i = w->next, n++) {
		w = row[n] = &r->row[i - 1];
		score[n] = w->verdict == REJUDGE_REVISED ? NAN : w->score;
		fractions |= !isnan(w->score) && w->score != floor(w->score);
		l->higher = w->entry->higher;
	}
	none = metric_zero_is_none(score, n, fractions, l->higher);
	free(score);
	/* A line that was changed since is a later row, and stands where it stood. */
	qsort(row, n, sizeof(const struct rejudge_row *), by_line);
	for (i = 0; i < n; i++) {
		w = row[i];
		if (none && w->score == 0 && w->verdict != REJUDGE_REVISED) {
			w->score = NAN;
			w->verdict = REJUDGE_INVALID;
			w->reason = defect_name(DEFECT_ZERO_FOR_CRASH);
		}
		l->line[i].entry = w->entry;
		l->line[i].counts = counts(w) && !isnan(w->score) && w->runs > 0 && w->entry->status != 'f';
		l->line[i].score = l->line[i].counts ? w->score : NAN;
		w->line = &l->line[i];
	}
	l->count = n;
	free(row);
	return (loop_judge(l, r->policy.noise.ln_sigma_sd, r->policy.noise.floor, 1 - r->policy.promotion.confidence));
}

/* A table that nothing was decided of: its configurations against the best that is shown to be. */
static void
judge_undecided(struct rejudge *r, struct rejudge_row *w, const struct rejudge_row *inc)
{
	const struct loop *l = &r->group[w->group].loop;
	const struct loop_config *c = &l->config[w->line->config], *d = &l->config[inc->line->config];
	double level = (1 - r->policy.promotion.confidence) / (double)(l->tries < 1 ? 1 : l->tries);
	struct noise_test t;

	w->gain = (l->higher ? 1 : -1) * (c->mean - d->mean);
	w->verdict = REJUDGE_FEW;
	w->reason = c->runs < 2 ? "single run" : "";
	if (l->df < 1)
		return;
	t = loop_compare(l, inc->line->config, w->line->config, r->policy.noise.ln_sigma_sd, r->policy.noise.floor,
	    level);
	w->p = t.p;
	w->p_loss = t.p_loss;
	w->lower = t.lower;
	w->upper = t.upper;
	if (c->runs < 2)
		return;
	w->verdict = t.p <= level ? REJUDGE_SIGNIFICANT : t.p_loss <= level ? REJUDGE_WORSE : REJUDGE_NOISE;
}

static void
judge_line(struct rejudge *r, size_t i)
{
	static const enum rejudge_verdict of[LOOP_KEEPS] = { [LOOP_NONE] = REJUDGE_FEW,
		[LOOP_START] = REJUDGE_FIRST,
		[LOOP_REPEAT] = REJUDGE_NOISE,
		[LOOP_REAL] = REJUDGE_SIGNIFICANT,
		[LOOP_NOISE] = REJUDGE_NOISE,
		[LOOP_UNKNOWN] = REJUDGE_FEW,
		[LOOP_NO_GAIN] = REJUDGE_WORSE };
	struct rejudge_row *w = &r->row[i], *inc;
	struct rejudge_group *g = &r->group[w->group];
	const struct loop *l = &g->loop;
	const struct loop_line *line = w->line;

	if (w->entry->status == 'f') {
		w->verdict = REJUDGE_INVALID;
		w->reason = "checks failed";
		return;
	}
	if (w->runs == 0) {
		w->verdict = REJUDGE_FEW;
		w->reason = "no seeds";
		return;
	}
	if (g->incumbent == -1) {
		g->incumbent = (int)i;
		w->verdict = REJUDGE_FIRST;
		return;
	}
	inc = &r->row[g->incumbent];
	w->incumbent = inc->entry;
	w->gain = (l->higher ? -1 : 1) * (inc->score - w->score);
	if (line->repeats != -1 || line->twin != -1) {
		w->verdict = REJUDGE_NOISE;
		w->reason = line->twin != -1 ? "logged twice?" : w->entry->seed_only ? "seed alone" : "run again";
	} else if (l->decided == 0)
		judge_undecided(r, w, inc);
	else {
		w->verdict = of[line->keep];
		if (line->keep == LOOP_REAL || line->keep == LOOP_NOISE || line->keep == LOOP_UNKNOWN ||
		    line->keep == LOOP_NO_GAIN) {
			w->gain = line->gain;
			w->lower = line->lower;
			w->p = line->p;
		}
		/* Without known noise a loss, too, is only a single run's. */
		if (line->keep == LOOP_NO_GAIN && l->df < 1)
			w->verdict = REJUDGE_FEW;
		if (w->verdict == REJUDGE_FEW)
			w->reason = l->config[line->config].runs < 2 ? "single run" : line->why;
	}
	if (w->verdict == REJUDGE_SIGNIFICANT)
		g->significant++;
	/* A table's author builds on what was kept; a gain is over that, and no claim. */
	if (l->decided > 0 ? w->entry->status == 'k' : w->verdict == REJUDGE_SIGNIFICANT)
		g->incumbent = (int)i;
}

/* --------------------------------------------------------------------------- */

/* A table stands as it is written, unless all of its lines are dated. */
static int
settle_order(struct rejudge *r)
{
	const char **series = NULL, **grown;
	struct claimrow *e;
	size_t i, k, n = 0;

	for (i = 0; i < r->entries.count; i++) {
		e = &r->entries.entry[i];
		if (e->form != CLAIM_TABLE || e->dated)
			continue;
		for (k = n; k > 0 && strcmp(series[k - 1], e->series) != 0; k--)
			;
		if (k > 0)
			continue;
		if ((grown = array_few(series, n, sizeof(*grown))) == NULL) {
			free(series);
			return (-1);
		}
		series = grown;
		series[n++] = e->series;
	}
	for (i = 0; n > 0 && i < r->entries.count; i++) {
		e = &r->entries.entry[i];
		for (k = n; k > 0 && strcmp(series[k - 1], e->series) != 0; k--)
			;
		e->unordered = e->form == CLAIM_TABLE && k > 0;
	}
	free(series);
	return (0);
}

static int
prepare(struct rejudge *r)
{
	struct rejudge_group *g;
	struct rejudge_row *w;
	struct stats_sample s;
	size_t i;

	if ((r->row = calloc(r->entries.count + 1, sizeof(*r->row))) == NULL)
		return (-1);
	r->count = r->entries.count;
	for (i = 0; i < r->count; i++) {
		w = &r->row[i];
		w->entry = &r->entries.entry[i];
		w->group = -1;
		w->record = -1;
		w->gain = w->lower = w->upper = w->p = w->p_loss = w->margin = w->sd = NAN;
		s = sample(w->entry);
		w->runs = w->entry->runs;
		w->score = s.n > 0 ? s.mean : w->entry->claimed;
		if (s.n > 1)
			w->sd = sqrt(s.ss / (s.n - 1));
		w->reason = "";
		if (w->entry->revised)
			w->verdict = REJUDGE_REVISED;
		else if ((w->reason = invalid(w->entry)) != NULL)
			w->verdict = REJUDGE_INVALID;
		else if ((w->reason = incomparable(w->entry)) != NULL)
			w->verdict = REJUDGE_NOT_COMPARABLE;
		else {
			w->reason = "";
			w->verdict = REJUDGE_FIRST;
		}
	}
	if (settle_order(r) == -1)
		return (-1);
	qsort(r->row, r->count, sizeof(*r->row), by_time);
	for (i = 0; i < r->count; i++) {
		w = &r->row[i];
		if (w->entry->form != CLAIM_TABLE && incomparable(w->entry) != NULL)
			continue;
		if ((w->group = group_of(r, w->entry)) == -1)
			return (-1);
		g = &r->group[w->group];
		g->rows++;
		if (g->last == 0)
			g->first = i + 1;
		else
			r->row[g->last - 1].next = i + 1;
		g->last = i + 1;
	}
	return (0);
}

/* Tables that would print alike, such as segments of a log, are told apart by their first lines. */
static void
tell_apart(struct rejudge *r)
{
	struct rejudge_group *g, *other;

	for (g = r->group; g < r->group + r->group_count; g++)
		for (other = r->group; other < g; other++)
			if (g->series != NULL && other->series != NULL && strcmp(g->metric, other->metric) == 0 &&
			    strcmp(g->file, other->file) == 0) {
				g->from = r->row[g->first - 1].entry->line;
				other->from = r->row[other->first - 1].entry->line;
			}
}

int
rejudge_misses(const struct rejudge *r, const struct claimrow_look *look)
{
	const char *columns = "";
	size_t i;

	if (look->metric == NULL || r->looked > 0)
		return (0);
	for (i = 0; i < r->count && *columns == '\0'; i++)
		if (r->row[i].entry->form == CLAIM_TABLE)
			columns = r->row[i].entry->columns;
	if (*columns == '\0')
		say_error("no imported table has a column '%s'", look->metric);
	else
		say_error("no imported table has a column '%s'; columns with numbers: %s", look->metric, columns);
	return (1);
}

int
rejudge_ledger(struct rejudge *r, const struct ledger *l, const struct claimrow_look *look)
{
	static const struct claimrow_look as_imported = { NULL, 0 };
	struct rejudge_group *g;
	struct rejudge_row *w;
	size_t i;

	memset(r, 0, sizeof(*r));
	r->policy = l->book.policy;
	if (claimrow_read(&r->entries, l, look == NULL ? &as_imported : look) == -1)
		return (-1);
	if ((r->ledger = strdup(l->path)) == NULL)
		goto err0;
	if (denominator_entries(&r->audit, &r->entries) == -1 || prepare(r) == -1)
		goto err0;
	tell_apart(r);
	for (i = 0; i < r->group_count; i++)
		if (r->group[i].series != NULL && lines_of(r, (int)i) == -1)
			goto err0;
	for (i = 0; i < r->count; i++) {
		w = &r->row[i];
		r->looked += w->entry->looked;
		if (counts(w)) {
			g = &r->group[w->group];
			if (g->series != NULL)
				judge_line(r, i);
			else if (w->runs == 0) {
				w->verdict = REJUDGE_FEW;
				w->reason = "no seeds";
			} else if (g->incumbent == -1)
				g->incumbent = (int)i;
			else {
				compare(r, w, &r->row[g->incumbent]);
				if (w->verdict == REJUDGE_SIGNIFICANT) {
					g->incumbent = (int)i;
					g->significant++;
				}
			}
		}
		r->counts[w->verdict]++;
		r->records += w->record == 1;
		if (w->group >= 0)
			r->group[w->group].counts[w->verdict]++;
	}
	return (0);
err0:
	rejudge_free(r);
	errno = ENOMEM;
	say_errno("cannot judge what was imported");
	return (-1);
}

void
rejudge_free(struct rejudge *r)
{
	size_t i;

	for (i = 0; i < r->group_count; i++)
		loop_free(&r->group[i].loop);
	denominator_free(&r->audit);
	claimrow_free(&r->entries);
	free(r->row);
	free(r->group);
	free(r->ledger);
	memset(r, 0, sizeof(*r));
}
