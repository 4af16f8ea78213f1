#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/settings.h"
#include "report/chart.h"
#include "report/tried.h"
#include "schema/contract.h"

/* What is shown at most, and beyond how many marks a picture has columns instead. */
enum { AXES = 8, KEYS = 16, VALUES = 16, MARKS = 160, COLUMNS = 100 };

/* Down, in pixels: room for the unit, the scores, the values. */
enum { TOP = 22, SCORES = 120, AXIS = 150, HEIGHT = 186 };

/* Between these per cents lie the values; labels are so far apart. */
static const double left = 4, width = 92, apart = 18;

/* Values that span more than this stand on a logarithmic axis. */
static const double wide = 30;

/* A run, and whether its score is evidence. */
struct
try {
	const struct pagedata_run *r;
	int counts;
};

struct fate {
	uint64_t tag;
	enum pagedata_fate fate;
};

/* A key's value in a run. */
struct cell {
	double x;        /* NAN: it is no number, */
	struct str text; /* but this */
	const struct try *of;
	double at; /* where it lies, in per cent */
};

/* All runs with one value. */
struct value {
	const struct cell *first;
	size_t runs, alone, out;
	const struct try *best;
	size_t fates[PAGEDATA_FATES]; /* of its configurations */
	int began, shown;             /* the first configuration has it; it is on the page */
};

struct key {
	const char *name;
	size_t moved; /* runs in which it is not as in the first that is known */
};

/* One axis: what is known of its runs, and where scores lie. */
struct axis {
	const struct page *p;
	const struct timeline *k;
	const struct pagedata_run *incumbent; /* or NULL */
	struct try *tries;
	struct fate *fates; /* by tag, one a configuration */
	size_t count, fate_count, unknown;
	uint64_t began; /* tag of the first configuration; 0: not known */
	double low, high;
	int scored;
};

static int
by_fate(const void *a, const void *b)
{
	const struct fate *x = a, *y = b;

	if (x->tag != y->tag)
		return (x->tag < y->tag ? -1 : 1);
	return ((x->fate > y->fate) - (x->fate < y->fate));
}

/* Numbers by size, then all else by text; the same value by configuration, then in order. */
static int
by_value(const struct cell *x, const struct cell *y)
{
	if (isnan(x->x) || isnan(y->x))
		return (isnan(x->x) && isnan(y->x) ? strcmp(x->text.p, y->text.p) : isnan(x->x) - isnan(y->x));
	return ((x->x > y->x) - (x->x < y->x));
}

static int
by_cell(const void *a, const void *b)
{
	const struct cell *x = a, *y = b;
	int rc = by_value(x, y);

	if (rc != 0)
		return (rc);
	if (x->of->r->tag != y->of->r->tag)
		return (x->of->r->tag < y->of->r->tag ? -1 : 1);
	return ((x->of > y->of) - (x->of < y->of));
}

static int
by_moved(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	if (x->moved != y->moved)
		return (x->moved > y->moved ? -1 : 1);
	return (strcmp(x->name, y->name));
}

/* --- gathered -------------------------------------------------------------- */

/* What is known of the runs of an axis. 0, or -1 with errno ENOMEM. */
static int
gather(struct axis *a)
{
	const struct pagedata *s = a->p->s;
	const struct timeline *k = a->k;
	const struct pagedata_group *g = pagedata_group(s, standings_tag(k->group));
	const struct timeline_point *q;
	const struct pagedata_run *r;
	struct fate *list;
	size_t n = 0, i;
	double pad;

	a->tries = calloc(k->count + 1, sizeof(*a->tries));
	a->fates = list = calloc(k->count + 1, sizeof(*list));
	if (a->tries == NULL || list == NULL)
		return (-1);
	for (q = k->points; q < k->points + k->count; q++) {
		if (q->confirmation) {
			if (!verdict_reason_aside(q->reason))
				list[n++] = (struct fate){ q->config, pagedata_fate_confirmed(q->klass) };
			continue;
		}
		if ((r = pagedata_run(s, q->row)) == NULL)
			continue;
		if (r->reason == VERDICT_FIRST)
			a->began = r->tag;
		list[n++] = (struct fate){ r->tag, pagedata_fate(r) };
		if (r->settings == NULL)
			a->unknown++;
		else
			a->tries[a->count++] = (struct try){ r, timeline_counts(q) && isfinite(q->score) };
	}
	/* The greatest of what is said of a configuration. */
	qsort(list, n, sizeof(*list), by_fate);
	for (i = 0; i < n; i++)
		if (i + 1 == n || list[i + 1].tag != list[i].tag)
			list[a->fate_count++] = list[i];
	r = g == NULL ? NULL : pagedata_run(s, g->row);
	a->incumbent = r != NULL && timeline_of(&s->tracks, r->row) == k ? r : NULL;
	a->scored = timeline_range(k, s->tracks.sign, &a->low, &a->high) == 0;
	pad = 0.08 * (a->high - a->low);
	if (!(pad > 0))
		pad = a->scored ? fmax(fabs(a->high) * 0.002, 1e-6) : 1;
	a->low -= pad;
	a->high += pad;
	return (0);
}

static const struct fate *
fate_of(const struct axis *a, uint64_t tag)
{
	struct fate want = { tag, 0 };
	size_t low = 0, high = a->fate_count, at;

	while (low < high) {
		at = low + (high - low) / 2;
		if (a->fates[at].tag == want.tag)
			return (&a->fates[at]);
		if (a->fates[at].tag < want.tag)
			low = at + 1;
		else
			high = at;
	}
	return (NULL);
}

/* The keys that runs set otherwise than the first that is known, the most tried first. Their names lie in the runs. */
static struct key *
find_keys(const struct axis *a, size_t *count)
{
	json_t *seen = json_object(), *v;
	const json_t *given, *was, *is;
	const char *name;
	struct key *list = NULL;
	size_t i, n = 0;

	*count = 0;
	for (i = 0; seen != NULL && i < a->count; i++)
		/* jansson iterates over values that are not const. */
		json_object_foreach(a->tries[i].r->settings, name, v)
			if (json_object_get(seen, name) == NULL)
				(void)json_object_set_new(seen, name, json_true());
	if (seen == NULL || (list = calloc(json_object_size(seen) + 1, sizeof(*list))) == NULL)
		goto out;
	for (i = 0; i < a->count; i++)
		json_object_foreach(a->tries[i].r->settings, name, v)
			if (json_object_get(seen, name) != NULL) {
				list[n++].name = name;
				json_object_del(seen, name);
			}
	*count = n;
	for (n = 0; n < *count; n++) {
		given = json_object_get(contract_at("spec", list[n].name), "default");
		for (i = 0, was = NULL; i < a->count; i++) {
			is = json_object_get(a->tries[i].r->settings, list[n].name);
			is = is == NULL ? given : is;
			list[n].moved += (size_t)(was != NULL && is != NULL && is != was && !json_equal(was, is));
			was = was == NULL ? is : was;
		}
	}
	qsort(list, *count, sizeof(*list), by_moved);
	while (*count > 0 && list[*count - 1].moved == 0)
		--*count;
out:
	json_decref(seen);
	return (list);
}

/* Did a run change this key and nothing else from the incumbent of then? */
static int
alone(const struct pagedata_run *r, const char *name)
{
	size_t n = strlen(name);

	return (r->against != 0 && (r->changed & ~(unsigned)VERDICT_MODEL) == 0 && strchr(r->differs, '\n') == NULL &&
	    strncmp(r->differs, name, n) == 0 && r->differs[n] == ' ');
}

/* Cells in order as values, of whose runs the best are known. */
static size_t
group_cells(const struct axis *a, const char *name, const struct cell *cells, size_t n, struct value *values)
{
	const struct fate *f;
	const struct try *t;
	struct value *v = NULL;
	const int sign = a->p->s->tracks.sign;
	size_t i, count = 0;

	for (i = 0; i < n; i++) {
		t = cells[i].of;
		if (v == NULL || by_value(v->first, &cells[i]) != 0) {
			v = &values[count++];
			v->first = &cells[i];
		}
		v->runs++;
		v->alone += (size_t)alone(t->r, name);
		v->out += (size_t)!t->counts;
		if (t->counts && (v->best == NULL || sign * t->r->score < sign * v->best->r->score))
			v->best = t;
		if (t->r->tag == a->began)
			v->began = 1;
		else if ((v->first == &cells[i] || cells[i - 1].of->r->tag != t->r->tag) &&
		    (f = fate_of(a, t->r->tag)) != NULL)
			v->fates[f->fate]++;
	}
	return (count);
}

/* Where there are too many values, those with the best scores are shown, and the first configuration's. */
static void
choose(const struct axis *a, struct value *values, size_t count)
{
	const int sign = a->p->s->tracks.sign;
	struct value *v, *best;
	size_t i;

	for (i = 0; i < VALUES && i < count; i++) {
		best = NULL;
		for (v = values; v < values + count; v++)
			if (!v->shown &&
			    (best == NULL || v->began > best->began ||
				(v->began == best->began && v->best != NULL &&
				    (best->best == NULL || sign * v->best->r->score < sign * best->best->r->score))))
				best = v;
		best->shown = 1;
	}
}

/* --- drawn ----------------------------------------------------------------- */

/* Place the cells: numbers by size, else one value beside the next. Returns whether the axis is logarithmic. */
static int
place(struct cell *cells, size_t n, size_t count)
{
	double low = cells[0].x, high = cells[n - 1].x;
	int numbers = !isnan(high), logs = numbers && low > 0 && high / wide > low;
	size_t i, at = 0;

	/* Halves and logarithms, so that the ends of all numbers have a finite distance. */
	for (i = 0; i < n; i++) {
		at += i > 0 && by_value(&cells[i - 1], &cells[i]) != 0;
		cells[i].at = logs ? (log(cells[i].x) - log(low)) / (log(high) - log(low)) :
		    numbers        ? (cells[i].x / 2 - low / 2) / (high / 2 - low / 2) :
				     (double)at / (double)(count - 1);
		if (!isfinite(cells[i].at))
			cells[i].at = 0.5;
		cells[i].at = left + width * cells[i].at;
	}
	return (logs);
}

static double
down(const struct axis *a, double score)
{
	double at = (a->high - score) / (a->high - a->low);

	return (TOP + SCORES * (at < 0 ? 0 : at > 1 ? 1 : at));
}

static void
put_value(struct markup *m, const char *name, const struct cell *c, int most)
{
	struct str text = STR_INIT;

	if (settings_text(c->of->r->settings, name, &text) == -1)
		m->failed = ENOMEM;
	else if (most)
		markup_put(m, "%.14s", text.p);
	else
		words_text(m, text.p, WORDS_TEXT);
	str_free(&text);
}

static void
draw_marks(const struct axis *a, const char *name, const struct cell *cells, size_t n)
{
	struct markup *m = a->p->m;
	const struct pagedata_run *r;
	unsigned mark;
	size_t i;
	int far;

	for (i = 0; i < n; i++) {
		if (!cells[i].of->counts)
			continue;
		r = cells[i].of->r;
		mark = chart_mark_of(r);
		far = r->score > a->high ? 1 : r->score < a->low ? -1 : 0;
		if (far != 0)
			markup_put(m, "<use href=\"#%s\" class=\"k%u far\" x=\"%.2f%%\" y=\"%d\">",
			    far > 0 ? "up" : "down", mark, cells[i].at, far > 0 ? TOP + 4 : TOP + SCORES - 4);
		else
			markup_put(m, "<use href=\"#m%u\" class=\"k%u\" x=\"%.2f%%\" y=\"%.1f\">", mark, mark,
			    cells[i].at, down(a, r->score));
		markup_put(m, "<title>#%llu %s: %.5f at ", (unsigned long long)r->row, r->name, r->score);
		put_value(m, name, &cells[i], 1);
		markup_put(m, "</title></use>");
	}
}

static int
by_number(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return ((x > y) - (x < y));
}

/* Many runs to a column: lowest to highest score, as far as the scale shows it, and the median. */
static void
draw_columns(const struct axis *a, const struct cell *cells, size_t n)
{
	struct markup *m = a->p->m;
	double *x;
	size_t i, j, count;

	if ((x = calloc(n + 1, sizeof(*x))) == NULL) {
		m->failed = ENOMEM;
		return;
	}
	for (i = 0; i < n; i = j) {
		for (j = i, count = 0;
		     j < n && floor(cells[j].at * COLUMNS / 100) == floor(cells[i].at * COLUMNS / 100); j++)
			if (cells[j].of->counts)
				x[count++] = cells[j].of->r->score;
		if (count == 0)
			continue;
		qsort(x, count, sizeof(*x), by_number);
		markup_put(m,
		    "<line class=\"range\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"%.1f\" y2=\"%.1f\"/>"
		    "<circle class=\"median\""
		    " r=\"2.5\" cx=\"%.2f%%\" cy=\"%.1f\"/>",
		    cells[i].at, cells[i].at, down(a, x[count - 1]), down(a, x[0]), cells[i].at, down(a, x[count / 2]));
	}
	free(x);
}

/* The values under the picture, as far as there is room for them: the first, the last, and what fits between. */
static void
draw_values(const struct axis *a, const char *name, const struct value *values, size_t count)
{
	struct markup *m = a->p->m;
	double past = -100, last = values[count - 1].first->at, at;
	size_t i;

	markup_put(m, "<line class=\"axis\" x2=\"100%%\" y1=\"%d\" y2=\"%d\"/>", AXIS, AXIS);
	for (i = 0; i < count; i++) {
		at = values[i].first->at;
		markup_put(m, "<line class=\"axis\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"%d\" y2=\"%d\"/>", at, at, AXIS,
		    AXIS + 4);
		if (at - past < apart || (i + 1 < count && last - at < apart))
			continue;
		past = at;
		markup_put(m, "<text x=\"%.2f%%\" y=\"%d\" text-anchor=\"%s\">",
		    at < 15     ? 0 :
			at > 85 ? 100 :
				  at,
		    AXIS + 17,
		    at < 15     ? "start" :
			at > 85 ? "end" :
				  "middle");
		put_value(m, name, values[i].first, 1);
		markup_put(m, "</text>");
	}
}

static void
draw(const struct axis *a, const char *name, const struct cell *cells, size_t n, const struct value *values,
    size_t count, int logs)
{
	struct markup *m = a->p->m;
	const char *unit = json_string_value(json_object_get(contract_at("spec", name), "x-unit"));
	double first, step, at;
	int decimals = chart_ticks(a->low, a->high, 4, &first, &step);

	markup_put(m, "<div class=\"plot\"><svg class=\"scores\" width=\"58\" height=\"%d\" aria-hidden=\"true\">",
	    HEIGHT);
	for (at = first; at <= a->high + step * 1e-6; at += step)
		markup_put(m, "<text x=\"50\" y=\"%.1f\" dy=\".35em\">%.*f</text>", down(a, at), decimals, at);
	markup_put(m,
	    "</svg><svg class=\"chart\" width=\"100%%\" height=\"%d\" role=\"img\" aria-label=\"%s of runs against"
	    " %s; the table below has the best of each value\">",
	    HEIGHT, policy_metric_name(a->p->s->tracks.metric), name);
	for (at = first; at <= a->high + step * 1e-6; at += step)
		markup_put(m, "<line class=\"grid\" x2=\"100%%\" y1=\"%.1f\" y2=\"%.1f\"/>", down(a, at), down(a, at));
	if (n > MARKS)
		draw_columns(a, cells, n);
	else
		draw_marks(a, name, cells, n);
	draw_values(a, name, values, count);
	markup_put(m, "<text class=\"over\" y=\"12\">%s</text>", words_unit(a->p->s));
	markup_put(m, "<text x=\"50%%\" y=\"%d\" text-anchor=\"middle\">%s%s%s</text></svg></div>", HEIGHT - 3,
	    unit == NULL ? "" : unit, unit != NULL && logs ? ", " : "", logs ? "logarithmic" : "");
}

/* --- and told -------------------------------------------------------------- */

static void
put_values(const struct axis *a, const char *name, const struct value *values, size_t count)
{
	struct markup *m = a->p->m;
	const struct value *v;
	size_t more = 0, i, n;

	markup_put(m,
	    "<table><thead><tr><th scope=\"col\">Value</th><th scope=\"col\" class=\"n\">Runs</th><th scope=\"col\""
	    " class=\"n\">Best</th><th scope=\"col\">Configurations</th></tr></thead><tbody>\n");
	for (v = values; v < values + count; v++) {
		if (!v->shown) {
			more++;
			continue;
		}
		markup_put(m, "<tr><th scope=\"row\"><code>");
		put_value(m, name, v->first, 0);
		markup_put(m, "</code>");
		if (a->incumbent != NULL && a->incumbent->settings != NULL &&
		    !settings_differs(a->incumbent->settings, v->first->of->r->settings, name))
			markup_put(m, " <span class=\"badge\">incumbent</span>");
		markup_put(m, "</th><td class=\"n\">%zu", v->runs);
		if (v->alone > 0)
			markup_put(m, "<div class=\"sub\">%zu by this key alone</div>", v->alone);
		if (v->out > 0)
			markup_put(m, "<div class=\"sub\">%zu out</div>", v->out);
		markup_put(m, "</td><td class=\"n\">");
		markup_data(m, v->best == NULL ? NAN : v->best->r->score, 5);
		if (v->best != NULL) {
			markup_put(m, "<div class=\"sub\">");
			words_row(a->p, v->best->r->row);
			markup_put(m, "</div>");
		}
		markup_put(m, "</td><td>%s", v->began ? "the first" : "");
		for (i = PAGEDATA_FATES, n = (size_t)v->began; i-- > 0;)
			if (v->fates[i] > 0)
				markup_put(m, "%s%zu %s", n++ == 0 ? "" : ", ", v->fates[i],
				    words_fate((enum pagedata_fate)i));
		markup_put(m, "</td></tr>\n");
	}
	markup_put(m, "</tbody></table>");
	if (more > 0)
		markup_put(m, "<p class=\"note\">%zu more values, none with a better score.</p>", more);
}

static void
put_key(const struct axis *a, const char *name)
{
	struct cell *cells = calloc(a->count + 1, sizeof(*cells));
	struct value *values = calloc(a->count + 1, sizeof(*values));
	const json_t *given = json_object_get(contract_at("spec", name), "default"), *v;
	size_t i, n = 0, count;
	int logs;

	if (cells == NULL || values == NULL)
		goto err0;
	for (i = 0; i < a->count; i++) {
		v = json_object_get(a->tries[i].r->settings, name);
		v = v == NULL ? given : v;
		if (v == NULL)
			continue;
		cells[n].of = &a->tries[i];
		cells[n].x = json_is_number(v) ? json_number_value(v) : NAN;
		if (isnan(cells[n++].x) && settings_text(a->tries[i].r->settings, name, &cells[n - 1].text) == -1)
			goto err0;
	}
	qsort(cells, n, sizeof(*cells), by_cell);
	count = group_cells(a, name, cells, n, values);
	if (count > 1) {
		choose(a, values, count);
		logs = place(cells, n, count);
		markup_put(a->p->m, "<figure class=\"key\"><figcaption><b>%s</b></figcaption>\n", name);
		draw(a, name, cells, n, values, count, logs);
		put_values(a, name, values, count);
		markup_put(a->p->m, "</figure>\n");
	}
	goto out;
err0:
	a->p->m->failed = ENOMEM;
out:
	for (i = 0; cells != NULL && i < a->count; i++)
		str_free(&cells[i].text);
	free(cells);
	free(values);
}

/* The section's head, before the first axis that has something to show. */
static void
put_head(const struct page *p)
{
	markup_put(p->m,
	    "<section aria-labelledby=\"hk\"><h2 id=\"hk\">What was tried, key by key</h2>\n"
	    "<p class=\"note\">Each setting"
	    " that runs do not all share, the most tried first. Shapes mean what they do above; what does not count or"
	    " has no score is \xe2\x80\x9cout\xe2\x80\x9d and not drawn. The best is a single run's score and no"
	    " evidence; what became of the configurations is what their verdicts say. Where runs changed other keys,"
	    " too, the picture cannot tell which of them did it.</p>\n");
}

static void
put_axis(const struct page *p, const struct timeline *k, size_t *shown)
{
	struct axis a = { .p = p, .k = k };
	const struct pagedata_group *g = pagedata_group(p->s, standings_tag(k->group));
	struct key *keys = NULL;
	size_t count = 0, i;

	if (gather(&a) == -1 || (keys = find_keys(&a, &count)) == NULL)
		p->m->failed = ENOMEM;
	else if (count > 0 && a.scored) {
		if ((*shown)++ == 0)
			put_head(p);
		if (p->s->tracks.count > 1) {
			markup_put(p->m, "<h3>");
			if (g != NULL)
				words_group(p->m, g);
			markup_put(p->m,
			    " <span class=\"sub\">group <code>%-.8s</code>, tokenizer <code>%-.8s</code>, ", k->group,
			    k->tokenizer);
			words_lane(p->m, g == NULL ? NULL : g->backend, k->lane, k->cap_ms);
			markup_put(p->m, "</span></h3>\n");
		}
		markup_put(p->m, "<div class=\"keys\">\n");
		for (i = 0; i < count && i < KEYS; i++)
			put_key(&a, keys[i].name);
		markup_put(p->m, "</div>\n");
		if (count > KEYS)
			markup_put(p->m, "<p class=\"note\">%zu more keys, each tried less.</p>\n", count - KEYS);
		if (a.count > MARKS)
			markup_put(p->m,
			    "<p class=\"note\">Too many runs to draw each: a line goes from the lowest to the"
			    " highest score of a value, with a dot at the median.</p>\n");
		if (a.unknown > 0)
			markup_put(p->m,
			    "<p class=\"note\">%zu runs are left out, whose rows do not know their settings.</p>\n",
			    a.unknown);
	}
	free(keys);
	free(a.tries);
	free(a.fates);
}

void
tried_write(const struct page *p)
{
	const struct tracks *t = &p->s->tracks;
	size_t shown = 0, i;

	if (p->s->track != NULL)
		put_axis(p, p->s->track, &shown);
	for (i = t->count; i-- > 0 && shown < AXES;)
		if (&t->list[i] != p->s->track && t->list[i].count > 0)
			put_axis(p, &t->list[i], &shown);
	if (shown > 0)
		markup_put(p->m, "</section>\n");
}
