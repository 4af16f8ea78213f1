#include "report/cost.h"

/* What runs are made for: the incumbent's own seeds calibrate. */
enum purpose { CALIBRATION, SCREENING, CONFIRMATION, NOTHING, PURPOSES };

struct cost {
	size_t runs, unknown; /* of so many of them nobody knows the time */
	int64_t ms;
};

static void
count(struct cost *c, const struct pagedata_run *r)
{
	c->runs++;
	if (r->cost_ms < 0)
		c->unknown++;
	else
		c->ms += r->cost_ms;
}

/* A run of a plan costs its confirmation, whatever came of it. */
static enum purpose
purpose_of(const struct pagedata_run *r)
{
	if (*r->side != '\0')
		return (CONFIRMATION);
	if (verdict_reason_aside(r->reason) || (r->klass > VERDICT_REGRESSION && r->reason != VERDICT_OUTRUN))
		return (NOTHING);
	return (r->reason == VERDICT_FIRST || r->reason == VERDICT_REPLICATE ? CALIBRATION : SCREENING);
}

static void
put_cost(const struct page *p, const struct cost *c)
{
	markup_put(p->m, "<span class=\"spent\" data-runs=\"%zu\" data-ms=\"%lld\">", c->runs, (long long)c->ms);
	markup_count(p->m, (long long)c->runs);
	markup_put(p->m, " run%s", c->runs == 1 ? "" : "s");
	if (c->runs > c->unknown) {
		markup_put(p->m, ", ");
		words_time(p->m, c->ms);
	}
	if (c->unknown > 0)
		markup_put(p->m, ", the time of %zu not known", c->unknown);
	markup_put(p->m, "</span>");
}

static int
is_find(const struct pagedata_confirmation *c)
{
	return (c->klass == VERDICT_IMPROVEMENT);
}

/* The row of the last find, 0 if there is none; and how many there are. */
static uint64_t
last_find(const struct pagedata *s, size_t *finds)
{
	const struct pagedata_confirmation *c;
	uint64_t row = 0;

	*finds = 0;
	for (c = s->confirmations; c < s->confirmations + s->confirmation_count; c++)
		if (is_find(c)) {
			++*finds;
			row = c->row;
		}
	return (row);
}

void
cost_line(const struct page *p)
{
	static const char *const names[PURPOSES] = { "calibration", "screening", "confirmation",
		"nothing that counts" };
	const struct pagedata *s = p->s;
	const struct pagedata_run *r;
	struct cost all = { 0, 0, 0 }, since = all, of[PURPOSES] = { { 0, 0, 0 } };
	size_t finds;
	uint64_t last = last_find(s, &finds);
	unsigned i, n = 0;

	if (s->run_count == 0)
		return;
	for (r = s->runs; r < s->runs + s->run_count; r++) {
		count(&all, r);
		count(&of[purpose_of(r)], r);
		if (r->row > last)
			count(&since, r);
	}
	markup_put(p->m, "<p class=\"cost\" id=\"cost\"><b>Cost so far:</b> ");
	put_cost(p, &all);
	markup_put(p->m, "%s. ", s->group_count > 1 ? " in all groups" : "");
	for (i = 0; i < PURPOSES; i++)
		if (of[i].runs > 0) {
			markup_put(p->m, "%s%s: ", n++ == 0 ? "It went into " : "; ", names[i]);
			put_cost(p, &of[i]);
		}
	if (finds == 0)
		markup_put(p->m, ". None found yet.</p>\n");
	else {
		markup_put(p->m, ". <b>%zu confirmed improvement%s</b>, one for every %.1f runs", finds,
		    finds == 1 ? "" : "s", (double)all.runs / (double)finds);
		if (all.runs > all.unknown) {
			markup_put(p->m, " and ");
			words_time(p->m, all.ms / (int64_t)finds);
		}
		markup_put(p->m, ", all that failed counted; since the last ");
		put_cost(p, &since);
		markup_put(p->m, ".</p>\n");
	}
}

void
cost_find(const struct page *p, const struct pagedata_confirmation *find)
{
	const struct pagedata *s = p->s;
	const struct timeline *k = timeline_of(&s->tracks, find->row);
	const struct pagedata_confirmation *c;
	const struct pagedata_run *r;
	struct cost all = { 0, 0, 0 };
	uint64_t before = 0;

	if (!is_find(find) || k == NULL)
		return;
	for (c = s->confirmations; c < find; c++)
		if (is_find(c) && timeline_of(&s->tracks, c->row) == k)
			before = c->row;
	for (r = s->runs; r < s->runs + s->run_count && r->row < find->row; r++)
		if (r->row > before && timeline_of(&s->tracks, r->row) == k)
			count(&all, r);
	markup_put(p->m, "<div class=\"sub cost\">cost ");
	put_cost(p, &all);
	if (before != 0) {
		markup_put(p->m, " since ");
		words_row(p, before);
	}
	markup_put(p->m, "</div>");
}
