#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "report/chart.h"
#include "report/curves.h"
#include "report/trained.h"

enum { CURVES = 6 };

/* The run whose curve lies beneath another's: the incumbent's, if both may stand on one axis. */
static const struct pagedata_run *
beneath(const struct pagedata *s, const struct pagedata_run *r)
{
	const struct timeline *k = timeline_of(&s->tracks, r->row);
	const struct pagedata_group *g = k == NULL ? NULL : pagedata_group(s, standings_tag(k->group));
	const struct pagedata_run *other = g == NULL ? NULL : pagedata_run(s, g->row);

	return (other != NULL && timeline_of(&s->tracks, other->row) == k ? other : NULL);
}

/* Widen the bounds to a curve, but for its first steps: they fall from far above, and would squash the rest. */
static void
bound_curve(const struct curve *c, double *low, double *high)
{
	double early = c->last_step / 10;
	size_t j;

	for (j = 0; j < c->count; j++)
		if (isfinite(c->point[j].loss) && (c->point[j].step >= early || c->count < 8)) {
			*low = fmin(*low, c->point[j].loss);
			*high = fmax(*high, c->point[j].loss);
		}
	for (j = 0; j < c->vals; j++) {
		*low = fmin(*low, c->val[j].loss);
		*high = fmax(*high, c->val[j].loss);
	}
}

struct pair {
	const struct pagedata_run *run, *other; /* other: the incumbent's, or NULL */
	struct curve own, under;
};

/* A curve's loss at a step, between its points; NAN beyond them. */
static double
loss_at(const struct curve *c, double step)
{
	double from, to;
	size_t i;

	for (i = 0; i < c->count; i++) {
		if (c->point[i].step == step)
			return (c->point[i].loss);
		if (c->point[i].step > step)
			break;
	}
	if (i == 0 || i == c->count)
		return (NAN);
	from = c->point[i - 1].step;
	to = c->point[i].step;
	return (c->point[i - 1].loss + (c->point[i].loss - c->point[i - 1].loss) * (step - from) / (to - from));
}

/* Both at the last step that both have come to. */
static void
put_both(const struct page *p, const struct pair *q)
{
	double step = fmin(q->own.point[q->own.count - 1].step, q->under.point[q->under.count - 1].step),
	       own = loss_at(&q->own, step), under = loss_at(&q->under, step);

	if (isfinite(own) && isfinite(under))
		markup_put(p->m, "<br>At step %.0f %.4f against %.4f.", step, own, under);
}

static void
put_pair(const struct page *p, const struct pair *q, double low, double high)
{
	const struct pagedata_run *r = q->run;
	int drawn = q->own.state == CURVES_READ,
	    laid = q->other != NULL && q->other != r && q->under.state == CURVES_READ;

	markup_put(p->m, "<figure id=\"l%llu\">", (unsigned long long)r->row);
	if (drawn)
		chart_curve(p->m, &q->own, laid ? &q->under : NULL, low, high, r->name);
	markup_put(p->m, "<figcaption>");
	if (drawn)
		chart_pen(p->m, 0);
	markup_put(p->m, "<b>%s</b> ", r->name);
	words_row(p, r->row);
	if (*r->side != '\0')
		markup_put(p->m, ", %s", r->side);
	if (drawn) {
		markup_put(p->m, "<br>loss %.4f at step %.0f, score ", q->own.last_loss, q->own.last_step);
		markup_data(p->m, r->score, 5);
	} else
		markup_put(p->m, "<br>No curve: %s.", curves_why(q->own.state));
	if (q->other == r)
		markup_put(p->m, "<br>It is the incumbent's own.");
	else if (drawn && q->other == NULL)
		markup_put(p->m, "<br>No incumbent whose loss could be compared.");
	else if (drawn) {
		markup_put(p->m, "<br>");
		if (laid)
			chart_pen(p->m, 1);
		markup_put(p->m, "incumbent %s ", q->other->name);
		words_row(p, q->other->row);
		if (!laid)
			markup_put(p->m, ": no curve, %s", curves_why(q->under.state));
		else
			put_both(p, q);
	}
	markup_put(p->m, "<br>");
	chart_mark(p->m, chart_mark_of(r));
	markup_put(p->m, "%s: %s", verdict_class_name(r->klass), verdict_reason_phrase(r->reason));
	words_differs(p, r);
	markup_put(p->m, "</figcaption></figure>\n");
}

int
trained_has(const struct pagedata *s, const struct pagedata_run *r)
{
	const struct pagedata_run *q;
	size_t n = 0;

	for (q = s->runs + s->run_count; q > r && n < CURVES; q--)
		n += *q[-1].report != '\0';
	return (q == r && *r->report != '\0');
}

void
trained_write(const struct page *p)
{
	const struct pagedata *s = p->s;
	const struct pagedata_run *r;
	struct pair *list;
	double low = INFINITY, high = -INFINITY;
	size_t n = 0, i, read = 0, per = 1;

	if ((list = calloc(CURVES, sizeof(*list))) == NULL) {
		p->m->failed = ENOMEM;
		return;
	}
	for (r = s->run_count == 0 ? NULL : s->runs + s->run_count; r != NULL && r-- > s->runs && n < CURVES;)
		if (*r->report != '\0')
			list[n++].run = r;
	for (i = 0; i < n; i++) {
		list[i].other = beneath(s, list[i].run);
		if (curves_read(s, list[i].run, &list[i].own) == -1 ||
		    (list[i].other != NULL && curves_read(s, list[i].other, &list[i].under) == -1)) {
			p->m->failed = errno;
			break;
		}
		read += list[i].own.state == CURVES_READ;
		per = list[i].own.per > per ? list[i].own.per : per;
		bound_curve(&list[i].own, &low, &high);
		if (list[i].own.state == CURVES_READ)
			bound_curve(&list[i].under, &low, &high);
	}
	if (n == 0)
		goto out;
	markup_put(p->m, "<section aria-labelledby=\"hl\"><h2 id=\"hl\">Loss curves of the last runs</h2>\n");
	if (read > 0) {
		markup_put(p->m,
		    "<p class=\"note\">Training loss in nats per token against steps, all between the same bounds;"
		    " the first tenth may run out of them at the top. Circles are validation. Read from each run's own"
		    " metrics, whose digest the ledger binds. The incumbent's lies beneath, dashed.");
		if (per > 1)
			markup_put(p->m, " A point is the mean of up to %zu logged steps.", per);
		markup_put(p->m, "</p>\n");
		if (!(high > low)) {
			low -= 0.5;
			high += 0.5;
		}
	}
	markup_put(p->m, "<div class=\"curves\">\n");
	for (i = 0; i < n; i++)
		put_pair(p, &list[i], low, high);
	markup_put(p->m, "</div></section>\n");
out:
	free(list);
}
