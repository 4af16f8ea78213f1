#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "import/candidates.h"
#include "import/metric.h"

enum { LEAST_DECISIONS = 3 };

/* The numbers of a column, a line each. */
void
candidates_numbers(const struct grid *g, const struct header *h, int column, double *out, int *fractions)
{
	const char *cell;
	size_t i;

	for (*fractions = 0, i = 0; i < g->count; i++) {
		out[i] = NAN;
		if ((cell = header_cell(&g->line[i], column)) == NULL)
			continue;
		out[i] = header_figure(cell, h->percent[column], NUMBER_ANY).number;
		*fractions |= !isnan(out[i]) && strpbrk(cell, ".eE") != NULL;
	}
}

/* Numbers that name or place a line, and say nothing of how good it is. */
static int
is_place(const char *name)
{
	static const char *const places[] = { "run", "id", "run_id", "exp_id", "exp", "iter", "iteration", "step",
		"steps", "seed", "rank", "segment", "timestamp", "date", "index", "epoch", "created", "experiment",
		"number", "no", "round", "trial", "iterations", "global_step", "_step", "n_steps", "num_steps",
		"step_count", "epochs", "line", "row", "#", NULL };
	static const char *const settings[] = { "config.", "params.", "params_", "hparams.", "hyperparams.", "args.",
		"system_attrs", "user_attrs", NULL };
	size_t i, n = strlen(name);

	for (i = 0; settings[i] != NULL; i++)
		if (strncmp(name, settings[i], strlen(settings[i])) == 0)
			return (1);
	for (i = 0; places[i] != NULL; i++)
		if (strcasecmp(name, places[i]) == 0)
			return (1);
	return (n > 5 && (strcmp(name + n - 5, ".seed") == 0));
}

/* What stood there before, or the best so far, of another column: "baseline_ns" beside "ns" or "score_ns". */
static int
is_shadow(const struct header *h, size_t column)
{
	static const char *const befores[] = { "baseline_", "base_", "prev_", "previous_", "old_", "last_", "best_",
		"best_so_far_", "running_best_", NULL };
	const char *name = h->cells->cell[column], *other;
	size_t i, k, n, m, rest;

	for (i = 0; befores[i] != NULL; i++) {
		n = strlen(befores[i]);
		if (strncmp(name, befores[i], n) != 0)
			continue;
		rest = strlen(name + n);
		for (k = 0; k < h->cells->count; k++) {
			other = h->cells->cell[k];
			m = strlen(other);
			if (k != column && rest > 0 && m >= rest && strcmp(other + m - rest, name + n) == 0 &&
			    (m == rest || other[m - rest - 1] == '_'))
				return (1);
		}
	}
	return (0);
}

/* Is it what a loop may be about? */
static int
is_candidate(const struct header *h, size_t column)
{
	return (!is_place(h->cells->cell[column]) && !is_shadow(h, column));
}

/* A column of numbers, or of nothing, with at least one number. */
static int
has_numbers(const struct grid *g, const struct header *h, int column, double *score)
{
	int fractions;
	size_t i, some = 0, texts = 0;
	const char *cell;

	if (h->twice[column] || column == h->commit || column == h->status || column == h->date || column == h->kept)
		return (0);
	candidates_numbers(g, h, column, score, &fractions);
	for (i = 0; i < g->count; i++) {
		cell = header_cell(&g->line[i], column);
		some += !isnan(score[i]);
		texts += cell != NULL && isnan(score[i]) &&
		    (number_read(cell, strlen(cell), NUMBER_ANY).flags & DEFECT_BIT(DEFECT_NOT_A_NUMBER)) != 0;
	}
	return (some > 0 && 4 * texts <= some);
}

/* How a column stands to the author's decisions, in its better direction. */
struct held {
	struct metric_fit fit;
	int column, higher;
};

/* Held against decisions in both directions; 0: it says nothing of them, or memory is short (errno ENOMEM). */
static int
hold_against(struct held *best, const struct grid *g, const struct header *h, int column, const char *status,
    double *score)
{
	struct metric_fit f;
	int way, fractions;
	size_t i;

	best->column = -1;
	for (way = 1; way >= 0; way--) {
		candidates_numbers(g, h, column, score, &fractions);
		if (metric_zero_is_none(score, g->count, fractions, way))
			for (i = 0; i < g->count; i++)
				if (score[i] == 0)
					score[i] = NAN;
		f = metric_fit(score, status, g->count, way);
		if (f.kept == 0 || f.decisions < LEAST_DECISIONS)
			continue;
		if (best->column != -1 && metric_fit_share(&f) <= metric_fit_share(&best->fit))
			continue;
		best->fit = f;
		best->column = column;
		best->higher = way;
	}
	return (best->column != -1);
}

/* The columns that all decisions fit, most decisions first among equals; -1, -2: several, -3: no memory. */
static int
say_all(struct str *say, const struct header *h, const struct held *held, size_t n, const struct held **found)
{
	const struct held *w;
	size_t most = 0, several = 0;
	int bad = 0;

	*found = NULL;
	/* Costs that nobody changed fit when nothing was kept for them. */
	for (w = held; w < held + n; w++)
		if (w->fit.fits == w->fit.decisions && w->fit.decisions > most)
			most = w->fit.decisions;
	for (w = held; most > 0 && w < held + n; w++) {
		if (w->fit.fits != most || w->fit.decisions != most)
			continue;
		if (several++ == 0)
			bad |= str_printf(say, "; its author's %zu decisions fit %s, %s", most,
			    h->cells->cell[w->column], w->higher ? "higher" : "lower");
		else
			bad |= str_printf(say, "; they fit %s, %s, as well", h->cells->cell[w->column],
			    w->higher ? "higher" : "lower");
		*found = w;
	}
	return (bad ? -3 : several == 0 ? -1 : several > 1 ? -2 : (*found)->column);
}

static int
by_share(const void *a, const void *b)
{
	const struct held *x = a, *y = b;
	double u = metric_fit_share(&x->fit), v = metric_fit_share(&y->fit);

	return (u != v ? (u < v) - (u > v) : (x->column > y->column) - (x->column < y->column));
}

/*
 * The columns that most decisions fit: an author decides by more than one number, and a run is kept for its simplicity.
 * A number that has nothing to do with what was decided is kept at its best now and then, and discarded when it is not.
 */
static int
say_most(struct str *say, const struct header *h, struct held *held, size_t n, const struct held **found)
{
	enum { SHOWN = 3, LEAST = 6, DISCARDED = 2 };
	static const double enough = 0.6, apart = 0.1;
	size_t i, shown = 0, most = 0;
	int bad = 0;

	*found = NULL;
	for (i = 0; i < n; i++)
		most = held[i].fit.decisions > most ? held[i].fit.decisions : most;
	qsort(held, n, sizeof(*held), by_share);
	for (i = 0; i < n && shown < SHOWN; i++) {
		const struct held *w = &held[i];

		/* What stands in few lines was not what was decided by. */
		if (w->fit.decisions < LEAST || w->fit.discarded < DISCARDED || 4 * w->fit.decisions < 3 * most ||
		    metric_fit_share(&w->fit) < enough)
			continue;
		if (*found != NULL && metric_fit_share(&w->fit) < metric_fit_share(&(*found)->fit) - apart)
			break;
		bad |= str_printf(say, "%s %zu of its author's %zu decisions fit %s, %s", shown == 0 ? ";" : ",",
		    w->fit.fits, w->fit.decisions, h->cells->cell[w->column], w->higher ? "higher" : "lower");
		if (shown++ == 0)
			*found = w;
	}
	return (bad ? -3 : shown == 0 ? -1 : shown > 1 ? -2 : (*found)->column);
}

/* Is there another column that nearly all decisions fit, of as many? Then those that all fit may be luck. */
static int
say_rival(struct str *say, const struct header *h, const struct held *held, size_t n, const struct held *found)
{
	enum { ONE_IN = 6 };
	const struct held *w, *rival = NULL;

	for (w = held; w < held + n; w++)
		if (w != found && w->fit.decisions >= found->fit.decisions && w->fit.fits < w->fit.decisions &&
		    ONE_IN * (w->fit.decisions - w->fit.fits) <= w->fit.decisions &&
		    (rival == NULL || by_share(w, rival) < 0))
			rival = w;
	if (rival == NULL)
		return (found->column);
	return (str_printf(say, "; %zu of %zu fit %s, %s", rival->fit.fits, rival->fit.decisions,
		    h->cells->cell[rival->column], rival->higher ? "higher" : "lower") == -1 ?
		-3 :
		-2);
}

int
candidates_ask(struct str *say, const struct grid *g, const struct header *h, int *higher, int *sure)
{
	struct held *held = calloc(h->cells->count + 1, sizeof(*held));
	double *score = calloc(g->count + 1, sizeof(*score));
	char *status = calloc(g->count + 1, 1);
	const struct held *which = NULL;
	size_t i, n = 0;
	int found = -3;

	*sure = 0;
	if (held == NULL || score == NULL || status == NULL)
		goto out;
	for (i = 0; i < g->count; i++)
		status[i] = header_decision(h, &g->line[i]);
	for (i = 0; i < h->cells->count; i++)
		if (is_candidate(h, i) && has_numbers(g, h, (int)i, score))
			n += hold_against(&held[n], g, h, (int)i, status, score) != 0;
	if ((found = say_all(say, h, held, n, &which)) >= 0) {
		*sure = metric_fit_is_sure(&which->fit);
		if (!*sure)
			found = say_rival(say, h, held, n, which);
	} else if (found == -1)
		found = say_most(say, h, held, n, &which);
	if (found >= 0)
		*higher = which->higher;
out:
	free(held);
	free(score);
	free(status);
	return (found);
}

int
candidates_varying(const struct grid *g, const struct header *h)
{
	double *score = calloc(g->count + 1, sizeof(*score));
	int found = score == NULL ? -3 : -1, first = -1;
	size_t i, k;

	for (i = 0; score != NULL && found == -1 && i < h->cells->count; i++) {
		if (!has_numbers(g, h, (int)i, score))
			continue;
		if (first == -1)
			first = (int)i;
		for (k = 1; k < g->count && !(score[k] < score[0] || score[k] > score[0]); k++)
			;
		if (k < g->count)
			found = (int)i;
	}
	free(score);
	return (found == -1 ? first : found);
}

int
candidates_list(struct str *say, const struct grid *g, const struct header *h)
{
	double *score = calloc(g->count + 1, sizeof(*score));
	size_t i, n = 0;
	int bad = score == NULL, all;

	/* Those that it may be about; all of them where none is. */
	for (all = 0; all < 2 && n == 0; all++)
		for (i = 0; score != NULL && i < h->cells->count && n < 24; i++)
			if (h->cells->cell[i][0] != '\0' && (all || is_candidate(h, i)) &&
			    has_numbers(g, h, (int)i, score))
				bad |= str_printf(say, "%s%s", n++ == 0 ? "number columns: " : ", ", h->cells->cell[i]);
	if (n == 0 && !bad)
		bad |= str_printf(say, "no column of numbers");
	free(score);
	return (bad ? -1 : 0);
}
