#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
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

	if (x->dated != y->dated)
		return (y->dated - x->dated);
	if (x->dated && x->at_ms != y->at_ms)
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

/*
 * The noise of a table, from lines that repeat another: one whose description speaks of the seed alone repeats what
 * was kept before it, one with the same commit repeats that commit.
 */
static void
table_noise(struct rejudge *r, int group)
{
	struct rejudge_group *g = &r->group[group];
	const struct rejudge_row *w, *v, *kept = NULL;
	double ss = 0, df = 0;
	size_t i, k;

	for (i = g->first; i != 0; i = w->next) {
		w = &r->row[i - 1];
		if (!counts(w) || isnan(w->score))
			continue;
		if (w->entry->seed_only && kept != NULL) {
			ss += pow(w->score - kept->score, 2) / 2;
			df++;
		} else if (claim_is_commit(w->entry->commit)) {
			for (k = g->first; k != i; k = v->next) {
				v = &r->row[k - 1];
				if (!counts(v) || isnan(v->score) || strcmp(v->entry->commit, w->entry->commit) != 0)
					continue;
				ss += pow(w->score - v->score, 2) / 2;
				df++;
				break;
			}
		}
		if (w->entry->status == 'k')
			kept = w;
	}
	g->repeat_df = df;
	g->repeat_sd = df > 0 ? sqrt(ss / df) : NAN;
	/* The author's own staircase: what was kept against what was kept before. */
	for (kept = NULL, i = g->first; i != 0; i = w->next) {
		w = &r->row[i - 1];
		if (!counts(w) || isnan(w->score) || w->entry->status != 'k')
			continue;
		if (kept != NULL) {
			g->kept++;
			g->kept_seed += w->entry->seed_only;
			if (df > 0 && (w->entry->higher ? -1 : 1) * (kept->score - w->score) < sqrt(2) * g->repeat_sd)
				g->kept_below++;
		}
		kept = w;
	}
}

/* --------------------------------------------------------------------------- */

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

int
rejudge_ledger(struct rejudge *r, const struct ledger *l)
{
	struct rejudge_group *g;
	struct rejudge_row *w;
	size_t i;

	memset(r, 0, sizeof(*r));
	r->policy = l->book.policy;
	if (claimrow_read(&r->entries, l) == -1)
		return (-1);
	if (denominator_entries(&r->audit, &r->entries) == -1 || prepare(r) == -1)
		goto err0;
	for (i = 0; i < r->count; i++) {
		w = &r->row[i];
		if (counts(w)) {
			g = &r->group[w->group];
			if (w->runs == 0) {
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
				/* A table's author builds on what was kept; a gain is over that, and no claim. */
				if (g->series != NULL && w->entry->status == 'k')
					g->incumbent = (int)i;
			}
		}
		r->counts[w->verdict]++;
		r->records += w->record == 1;
		if (w->group >= 0)
			r->group[w->group].counts[w->verdict]++;
	}
	for (i = 0; i < r->group_count; i++)
		if (r->group[i].series != NULL)
			table_noise(r, (int)i);
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
	denominator_free(&r->audit);
	claimrow_free(&r->entries);
	free(r->row);
	free(r->group);
	memset(r, 0, sizeof(*r));
}
