#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report/chart.h"

/* Down, in pixels: room for labels, the scores, what has no score, and the order of entry. */
enum { TOP = 22, SCORES = 264, STRIP = 306, STRIP_HEIGHT = 20, AXIS = 346, HEIGHT = 366 };
enum { SINGLE = 1200, COLUMNS = 400, INTERVALS = 160, LABELS = 10 };

static const char *const names[CHART_MARKS] = { "improvement", "noise", "regression", "blocked", "invalid", "pending",
	"set aside", "abandoned" };

unsigned
chart_mark_of(const struct pagedata_run *r)
{
	return (r->pending                      ? (unsigned)CHART_PENDING :
		verdict_reason_aside(r->reason) ? (unsigned)CHART_ASIDE :
						  (unsigned)r->klass);
}

unsigned
chart_mark_of_confirmation(enum verdict_class klass, enum verdict_reason reason)
{
	return (reason == VERDICT_ABANDONED ? (unsigned)CHART_ABANDONED : (unsigned)klass);
}

void
chart_shapes(struct markup *m)
{
	/* Each shape is told from the others without its colour: filled or open, round, square, pointed or crossed. */
	markup_put(m,
	    "<svg class=\"shapes\" width=\"0\" height=\"0\" aria-hidden=\"true\"><defs><path id=\"m0\" d=\"M0-7 7 0 0 "
	    "7-7 0Z\"/><circle id=\"m1\" r=\"3.6\"/><path id=\"m2\" d=\"M0-5.5 5.5 4.5H-5.5Z\"/><path id=\"m3\" "
	    "d=\"M-4-4H4V4H-4Z\"/><path id=\"m4\" d=\"M-4-4 4 4M-4 4 4-4\"/><g id=\"m5\"><circle r=\"4.2\"/><path "
	    "class=\"half\" d=\"M0-4.2A4.2 4.2 0 0 1 0 4.2Z\"/></g><path id=\"m6\" d=\"M-4.2 0A4.2 4.2 0 1 0 4.2 0A4.2 "
	    "4.2 0 1 0-4.2 0ZM-6 6 6-6\"/><path id=\"m7\" d=\"M-5-2.5H5M-5 2.5H5\"/><path id=\"up\" d=\"M0-4.5 4 "
	    "3H-4Z\"/><path id=\"down\" d=\"M0 4.5 4-3H-4Z\"/><pattern id=\"hatch\" width=\"7\" height=\"7\" "
	    "patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><line y2=\"7\" "
	    "class=\"hatching\"/></pattern></defs></svg>\n");
}

void
chart_mark(struct markup *m, unsigned mark)
{
	markup_put(m,
	    "<svg class=\"mark\" width=\"16\" height=\"16\" aria-hidden=\"true\"><use href=\"#m%u\""
	    " class=\"k%u\" x=\"8\" y=\"8\"/></svg>",
	    mark, mark);
}

int
chart_ticks(double low, double high, unsigned wanted, double *first, double *step)
{
	double raw = (high - low) / wanted, size = pow(10, floor(log10(raw))), times = raw / size;
	int decimals;

	*step = size * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10);
	*first = ceil(low / *step - 1e-9) * *step;
	decimals = (int)-floor(log10(*step) + 1e-9);
	return (decimals < 0 ? 0 : decimals > 12 ? 12 : decimals);
}

/* A picture of scores on its way to the page. */
struct plot {
	struct markup *m;
	const struct chart_source *from;
	const struct timeline *k;
	double low, high;
	size_t clipped;
};

static double
across(const struct plot *p, size_t i)
{
	return (p->k->count < 2 ? 8 : 1.5 + 97 * (double)i / (double)(p->k->count - 1));
}

/* Where a score lies; one beyond the scale lies on its edge. */
static double
down(const struct plot *p, double score)
{
	double at = (p->high - score) / (p->high - p->low);

	return (TOP + SCORES * (at < 0 ? 0 : at > 1 ? 1 : at));
}

static int
beyond(const struct plot *p, double score)
{
	return (score > p->high ? 1 : score < p->low ? -1 : 0);
}

static int
counts(const struct timeline_point *q)
{
	return (timeline_counts(q) && isfinite(q->score));
}

static unsigned
own_mark(const void *survey, const struct timeline_point *q)
{
	const struct pagedata_run *r = q->confirmation ? NULL : pagedata_run(survey, q->row);

	return (r == NULL ? chart_mark_of_confirmation(q->klass, q->reason) : chart_mark_of(r));
}

/* "2025-11-15 23:21" */
static const char *
when(char text[32], int64_t ms)
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;

	if (ms == 0)
		return (strcpy(text, "     ")); /* nobody knows */
	if (gmtime_r(&t, &tm) == NULL || strftime(text, 32, "%Y-%m-%d %H:%M", &tm) == 0)
		strcpy(text, "     ?");
	return (text);
}

static void
own_hint(struct markup *m, const void *survey, const struct timeline_point *q)
{
	const struct pagedata_run *r = q->confirmation ? NULL : pagedata_run(survey, q->row);

	markup_put(m, "#%llu %s", (unsigned long long)q->row, r == NULL ? "confirmation" : r->name);
	if (r != NULL && *r->side != '\0')
		markup_put(m, " (%s)", r->side);
	if (isfinite(q->score))
		markup_put(m, ": %.5f", q->score);
	markup_put(m, ", %s: %s", verdict_class_name(q->klass), verdict_reason_name(q->reason));
	if (isfinite(q->low) && isfinite(q->high))
		markup_put(m, "; the truth lies between %.5f and %.5f", q->low, q->high);
}

static void
draw_grid(struct plot *p)
{
	double first, step, at;

	(void)chart_ticks(p->low, p->high, 5, &first, &step);
	for (at = first; at <= p->high + step * 1e-6; at += step)
		markup_put(p->m, "<line class=\"grid\" x2=\"100%%\" y1=\"%.1f\" y2=\"%.1f\"/>", down(p, at),
		    down(p, at));
}

static void
draw_scores_axis(struct plot *p)
{
	double first, step, at;
	int decimals = chart_ticks(p->low, p->high, 5, &first, &step);

	markup_put(p->m, "<svg class=\"scores\" width=\"58\" height=\"%d\" aria-hidden=\"true\">", HEIGHT);
	for (at = first; at <= p->high + step * 1e-6; at += step)
		if (down(p, at) > TOP + 2)
			markup_put(p->m, "<text x=\"50\" y=\"%.1f\" dy=\".35em\">%.*f</text>", down(p, at), decimals,
			    at);
	markup_put(p->m, "<text x=\"50\" y=\"%d\" dy=\".35em\">out</text></svg>", STRIP + STRIP_HEIGHT / 2);
}

/* What the noise is not known of, and two deviations about the incumbent where it is. */
static void
draw_noise(struct plot *p)
{
	const struct timeline *k = p->k;
	const struct timeline_point *q;
	double sd = k->sd, here, half = k->count < 2 ? 4 : 48.5 / (double)(k->count - 1), from, to;
	size_t i, j;

	for (i = 0; i < k->count; i = j) {
		for (j = i; j < k->count && !k->points[j].calibrated; j++)
			;
		if (j > i) {
			from = i == 0 ? 0 : across(p, i) - half;
			to = j == k->count ? 100 : across(p, j) - half;
			markup_put(p->m,
			    "<rect class=\"unknown\" x=\"%.2f%%\" y=\"%d\" width=\"%.2f%%\""
			    " height=\"%d\"/>",
			    from, TOP, to - from, SCORES);
			continue;
		}
		/* A stretch with one incumbent and one deviation. */
		q = &k->points[i];
		if (isfinite(q->lane_sd))
			sd = q->lane_sd;
		here = sd;
		for (j = i + 1; j < k->count && k->points[j].calibrated && k->points[j].incumbent == q->incumbent &&
		     (!isfinite(k->points[j].lane_sd) || fabs(k->points[j].lane_sd / here - 1) < 0.02);
		     j++)
			;
		if (!isfinite(q->incumbent) || !isfinite(here) || beyond(p, q->incumbent) != 0)
			continue;
		from = i == 0 ? 0 : across(p, i) - (k->points[i - 1].calibrated ? 0 : half);
		to = j == k->count ? 100 : across(p, j);
		markup_put(p->m, "<rect class=\"band\" x=\"%.2f%%\" y=\"%.1f\" width=\"%.2f%%\" height=\"%.1f\"/>",
		    from, down(p, q->incumbent + 2 * here), to - from,
		    fmax(down(p, q->incumbent - 2 * here) - down(p, q->incumbent + 2 * here), 1));
	}
}

static void
draw_staircase(struct plot *p)
{
	const struct timeline *k = p->k;
	const struct timeline_point *q;
	double y, before = NAN;
	size_t i, j;

	for (i = 0; i < k->count; i = j) {
		q = &k->points[i];
		for (j = i + 1; j < k->count &&
		     (k->points[j].incumbent == q->incumbent || (isnan(k->points[j].incumbent) && isnan(q->incumbent)));
		     j++)
			;
		if (!isfinite(q->incumbent)) {
			before = NAN;
			continue;
		}
		y = down(p, q->incumbent);
		if (isfinite(before))
			markup_put(p->m, "<line class=\"stair\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"%.1f\" y2=\"%.1f\"/>",
			    across(p, i), across(p, i), before, y);
		markup_put(p->m, "<line class=\"stair\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"%.1f\" y2=\"%.1f\"/>",
		    across(p, i), j == k->count ? 100 : across(p, j), y, y);
		before = y;
	}
}

static void
draw_interval(struct plot *p, const struct timeline_point *q, double x)
{
	if (isfinite(q->low) && isfinite(q->high))
		markup_put(p->m, "<line class=\"truth%s\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"%.1f\" y2=\"%.1f\"/>",
		    !q->confirmation                    ? "" :
			q->klass == VERDICT_IMPROVEMENT ? " claim" :
							  " look",
		    x, x, down(p, q->high), down(p, q->low));
}

static void
draw_mark(struct plot *p, const struct timeline_point *q, double x)
{
	unsigned mark = p->from->mark(p->from->arg, q);
	int out = counts(q) ? beyond(p, q->score) : 0;

	p->clipped += out != 0;
	if (!counts(q))
		markup_put(p->m, "<use href=\"#m%u\" class=\"k%u\" x=\"%.2f%%\" y=\"%d\">", mark, mark, x,
		    STRIP + STRIP_HEIGHT / 2);
	else if (out != 0)
		markup_put(p->m, "<use href=\"#%s\" class=\"k%u far\" x=\"%.2f%%\" y=\"%d\">", out > 0 ? "up" : "down",
		    mark, x, out > 0 ? TOP + 4 : TOP + SCORES - 4);
	else
		markup_put(p->m, "<use href=\"#m%u\" class=\"k%u\" x=\"%.2f%%\" y=\"%.1f\">", mark, mark, x,
		    down(p, q->score));
	markup_put(p->m, "<title>");
	p->from->hint(p->m, p->from->arg, q);
	markup_put(p->m, "</title></use>");
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return ((x > y) - (x < y));
}

/* Many runs to a column: lowest to highest score on the scale, the median, what is beyond, and how many have none. */
static void
draw_columns(struct plot *p, size_t per)
{
	const struct timeline *k = p->k;
	double *x, at;
	size_t i, j, n, out;
	int far, up, under;

	if ((x = calloc(per, sizeof(*x))) == NULL) {
		p->m->failed = ENOMEM;
		return;
	}
	for (i = 0; i < k->count; i += per) {
		for (j = i, n = out = 0, up = under = 0; j < i + per && j < k->count; j++) {
			if (k->points[j].confirmation)
				continue;
			far = counts(&k->points[j]) ? beyond(p, k->points[j].score) : 0;
			p->clipped += far != 0;
			up |= far > 0;
			under |= far < 0;
			if (!counts(&k->points[j]))
				out++;
			else if (far == 0)
				x[n++] = k->points[j].score;
		}
		at = across(p, (i + j - 1) / 2);
		qsort(x, n, sizeof(*x), by_value);
		if (n > 0)
			markup_put(p->m,
			    "<line class=\"range\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"%.1f\" y2=\"%.1f\"/>"
			    "<circle class=\"median\" r=\"2\" cx=\"%.2f%%\" cy=\"%.1f\"/>",
			    at, at, down(p, x[n - 1]), down(p, x[0]), at, down(p, x[n / 2]));
		if (up)
			markup_put(p->m, "<use href=\"#up\" class=\"median\" x=\"%.2f%%\" y=\"%d\"/>", at, TOP + 4);
		if (under)
			markup_put(p->m, "<use href=\"#down\" class=\"median\" x=\"%.2f%%\" y=\"%d\"/>", at,
			    TOP + SCORES - 4);
		if (out > 0)
			markup_put(p->m, "<line class=\"share\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"%d\" y2=\"%.1f\"/>",
			    at, at, STRIP + STRIP_HEIGHT,
			    STRIP + STRIP_HEIGHT - STRIP_HEIGHT * (double)out / (double)per);
	}
	free(x);
}

static void
draw_order(struct plot *p)
{
	const char *anchor;
	size_t last = p->k->count - 1, i, n = p->k->count < 5 ? p->k->count : 5;
	const struct timeline_point *q;
	char text[32];
	double at;

	markup_put(p->m, "<line class=\"axis\" x2=\"100%%\" y1=\"%d\" y2=\"%d\"/>", STRIP + STRIP_HEIGHT,
	    STRIP + STRIP_HEIGHT);
	for (i = 0; i < n; i++) {
		q = &p->k->points[n == 1 ? 0 : i * last / (n - 1)];
		anchor = n > 1 && i == 0 ? "start" : n > 1 && i == n - 1 ? "end" : "middle";
		at = across(p, (size_t)(q - p->k->points));
		markup_put(p->m,
		    "<g class=\"when%s\"><text x=\"%.2f%%\" y=\"%d\" text-anchor=\"%s\">#%llu</text><text"
		    " x=\"%.2f%%\" y=\"%d\" text-anchor=\"%s\">%s</text></g>",
		    i % 2 == 1 && n == 5 ? " spare" : "", at, AXIS - 4, anchor, (unsigned long long)q->row, at,
		    AXIS + 12, anchor, when(text, q->at_ms) + 5);
	}
}

/* Who sits on the throne, at the steps and at the end. */
static void
draw_labels(struct plot *p, double sd)
{
	const struct timeline *k = p->k;
	const struct timeline_point *q, *last = NULL;
	double at, past = -100;
	size_t i;

	for (i = 0; i < k->count; i++) {
		q = &k->points[i];
		if (isfinite(q->incumbent))
			last = q;
		if (!q->enthroned || i == 0 || beyond(p, q->incumbent) != 0)
			continue;
		at = across(p, i);
		if (at - past < 9)
			continue;
		past = at;
		markup_put(p->m, "<text class=\"step\" x=\"%.2f%%\" y=\"%.1f\" text-anchor=\"%s\">#%llu</text>", at,
		    fmin(down(p, q->incumbent) + 22, TOP + SCORES - 3), at > 90 ? "end" : "middle",
		    (unsigned long long)q->row);
	}
	if (last != NULL)
		markup_put(p->m, "<text class=\"now\" x=\"100%%\" y=\"%.1f\" text-anchor=\"end\">incumbent %.5f</text>",
		    fmax(down(p, last->incumbent + (last->calibrated && isfinite(sd) ? 2 * sd : 0)) - 7, 12),
		    last->incumbent);
}

static void
legend(struct plot *p, const size_t classes[CHART_MARKS], double sd, size_t per)
{
	unsigned i;

	markup_put(p->m, "<ul class=\"legend\">");
	for (i = 0; i < CHART_MARKS; i++) {
		if (classes[i] == 0)
			continue;
		markup_put(p->m, "<li>");
		chart_mark(p->m, i);
		markup_put(p->m, "%s <b>%zu</b></li>", p->from->names[i], classes[i]);
	}
	markup_put(p->m,
	    "<li><svg class=\"mark\" width=\"24\" height=\"16\" aria-hidden=\"true\"><line"
	    " class=\"stair\" x1=\"1\" x2=\"23\" y1=\"8\" y2=\"8\"/></svg>incumbent</li>");
	if (p->k->calibrated && isfinite(sd))
		markup_put(p->m,
		    "<li><svg class=\"mark\" width=\"24\" height=\"16\" aria-hidden=\"true\"><rect"
		    " class=\"band\" y=\"2\" width=\"24\" height=\"12\"/></svg>\xc2\xb1 2 run-to-run deviations of"
		    " %.5f</li>",
		    sd);
	if (!p->from->foreign && (!p->k->calibrated || !p->k->points[0].calibrated))
		markup_put(p->m,
		    "<li><svg class=\"mark\" width=\"24\" height=\"16\" aria-hidden=\"true\"><rect"
		    " class=\"unknown\" y=\"2\" width=\"24\" height=\"12\"/></svg>noise uncalibrated</li>");
	if (p->k->calibrated && per == 1 && p->k->count <= INTERVALS)
		markup_put(p->m,
		    "<li><svg class=\"mark\" width=\"24\" height=\"16\" aria-hidden=\"true\"><line"
		    " class=\"truth\" x1=\"12\" x2=\"12\" y1=\"1\" y2=\"15\"/></svg>where the truth lies</li>");
	if (per > 1)
		markup_put(p->m,
		    "<li><svg class=\"mark\" width=\"24\" height=\"16\" aria-hidden=\"true\"><line"
		    " class=\"range\" x1=\"12\" x2=\"12\" y1=\"1\" y2=\"15\"/><circle class=\"median\" r=\"2\""
		    " cx=\"12\" cy=\"8\"/></svg>lowest to highest of %zu runs, and their median</li>",
		    per);
	markup_put(p->m, "</ul>\n");
}

/* What is under the picture: everything that it does not show, or not as it is. */
static void
notes(struct plot *p, size_t per)
{
	const struct timeline *k = p->k;

	markup_put(p->m, "<p class=\"note\">%s; lower is %s. ",
	    p->from->foreign ? "Claims stand in order of time, those without a date after the others" :
			       "Runs stand in the order in which they were added",
	    p->from->sign > 0 ? "better" : "worse");
	if (p->from->foreign)
		markup_put(p->m, "The line is what %s. ", p->from->foreign);
	else if (k->calibrated)
		markup_put(p->m,
		    "%u seeds of one configuration calibrated the noise: their scores lie %.5f apart"
		    " (true deviation between %.5f and %.5f with 95 %% confidence). ",
		    k->seeds, k->sd, k->sd_low, k->sd_high);
	else
		markup_put(p->m,
		    "The noise of this lane is not calibrated, so no interval can be drawn and no"
		    " difference told from luck. ");
	if (p->clipped > 0 && per > 1)
		markup_put(p->m,
		    "%zu scores lie beyond the scale; an arrow at its edge marks the columns that have"
		    " some. ",
		    p->clipped);
	else if (p->clipped > 0)
		markup_put(p->m, "%zu %s beyond the scale and %s drawn as an arrow at its edge. ", p->clipped,
		    p->clipped == 1 ? "score lies" : "scores lie", p->clipped == 1 ? "is" : "are");
	if (per > 1)
		markup_put(p->m,
		    "Too many runs to draw each: a column stands for %zu, in the order of entry;"
		    " confirmations are drawn one by one. ",
		    per);
	else if (k->calibrated && k->count > INTERVALS)
		markup_put(p->m, "With so many runs only the intervals of confirmations are drawn. ");
	markup_put(p->m,
	    "What does not count, or has no score, stands in the strip"
	    " \xe2\x80\x9cout\xe2\x80\x9d.</p>\n");
}

void
chart_scores(struct markup *m, const struct chart_source *from, const struct timeline *k, unsigned number)
{
	struct plot p = { m, from, k, 0, 0, 0 };
	size_t per = k->count <= SINGLE ? 1 : (k->count + COLUMNS - 1) / COLUMNS, i, classes[CHART_MARKS] = { 0 },
	       thrones = 0;
	double pad, sd = k->sd, now = NAN;
	int scored = timeline_range(k, from->sign, &p.low, &p.high) == 0;

	for (i = 0; i < k->count; i++) {
		classes[from->mark(from->arg, &k->points[i])]++;
		if (isfinite(k->points[i].lane_sd))
			sd = k->points[i].lane_sd;
		if (isfinite(k->points[i].incumbent))
			now = k->points[i].incumbent;
		thrones += k->points[i].enthroned != 0;
	}
	/* Room for the band about where the incumbent is now, and an edge. */
	if (isfinite(now) && isfinite(sd) && k->calibrated) {
		p.low = fmin(p.low, now - 2 * sd);
		p.high = fmax(p.high, now + 2 * sd);
	}
	pad = 0.06 * (p.high - p.low);
	if (!(pad > 0))
		pad = scored ? fmax(fabs(p.high) * 0.002, 1e-6) : 1;
	p.low -= pad;
	p.high += pad;
	markup_put(m, "<figure class=\"history\">\n");
	legend(&p, classes, sd, per);
	markup_put(m, "<div class=\"plot\">");
	draw_scores_axis(&p);
	markup_put(m,
	    "<svg class=\"chart\" width=\"100%%\" height=\"%d\" role=\"img\" aria-labelledby=\"t%u d%u\">"
	    "<title id=\"t%u\">%s</title><desc id=\"d%u\">%u scores in order",
	    HEIGHT, number, number, number, from->title, number, k->runs);
	if (scored)
		markup_put(m, ", drawn between %.5f and %.5f; the incumbent changed %zu times", p.low, p.high, thrones);
	if (isfinite(now))
		markup_put(m, " and stands at %.5f", now);
	markup_put(m, ". The table below has every number.</desc>\n");
	if (!from->foreign)
		draw_noise(&p);
	draw_grid(&p);
	markup_put(m, "<rect class=\"strip\" y=\"%d\" width=\"100%%\" height=\"%d\"/>\n", STRIP, STRIP_HEIGHT);
	if (per > 1)
		draw_columns(&p, per);
	for (i = 0; i < k->count; i++)
		if (k->points[i].confirmation || (per == 1 && k->count <= INTERVALS))
			draw_interval(&p, &k->points[i], across(&p, i));
	draw_staircase(&p);
	for (i = 0; i < k->count; i++)
		if (per == 1 || k->points[i].confirmation)
			draw_mark(&p, &k->points[i], across(&p, i));
	draw_labels(&p, sd);
	draw_order(&p);
	if (!scored)
		markup_put(m,
		    "<text class=\"empty\" x=\"50%%\" y=\"%d\" text-anchor=\"middle\">nothing has a"
		    " score</text>",
		    TOP + SCORES / 2);
	markup_put(m, "</svg></div>\n");
	notes(&p, per);
	markup_put(m, "</figure>\n");
}

void
chart_history(struct markup *m, const struct pagedata *s, const struct timeline *k, unsigned number)
{
	struct chart_source from = { s, "Score of runs over time", names, s->tracks.sign, NULL, own_mark, own_hint };

	chart_scores(m, &from, k, number);
}

/* --- gains ----------------------------------------------------------------- */

struct chart_scale
chart_gains(const struct pagedata *s)
{
	struct chart_scale x = { 0, 0 };
	const struct pagedata_confirmation *c;
	double pad;

	for (c = s->confirmations; c < s->confirmations + s->confirmation_count; c++) {
		if (isfinite(c->gain)) {
			x.low = fmin(x.low, c->gain);
			x.high = fmax(x.high, c->gain);
		}
		if (isfinite(c->lower) && isfinite(c->upper)) {
			x.low = fmin(x.low, c->lower);
			x.high = fmax(x.high, c->upper);
		}
	}
	pad = 0.08 * (x.high - x.low);
	if (!(pad > 0))
		pad = 0.01;
	x.low -= pad;
	x.high += pad;
	return (x);
}

static double
along(const struct chart_scale *x, double gain)
{
	return (100 * (gain - x->low) / (x->high - x->low));
}

void
chart_gain_axis(struct markup *m, const struct chart_scale *x)
{
	double first, step, at;
	int decimals = chart_ticks(x->low, x->high, 4, &first, &step);

	markup_put(m, "<svg class=\"gain\" width=\"100%%\" height=\"16\" aria-hidden=\"true\">");
	for (at = first; at <= x->high; at += step)
		if (along(x, at) > 6 && along(x, at) < 94)
			markup_put(m, "<text x=\"%.2f%%\" y=\"12\" text-anchor=\"middle\">%s%.*f</text>", along(x, at),
			    fabs(at) < step / 2 ? "" :
				at < 0          ? "\xe2\x88\x92" :
						  "+",
			    decimals, fabs(at));
	markup_put(m, "</svg>");
}

void
chart_gain(struct markup *m, const struct chart_scale *x, const struct pagedata_confirmation *c)
{
	double first, step, at;

	(void)chart_ticks(x->low, x->high, 4, &first, &step);
	markup_put(m, "<svg class=\"gain\" width=\"100%%\" height=\"30\" role=\"img\" aria-label=\"gain %.5f",
	    isfinite(c->gain) ? c->gain : 0.0);
	if (isfinite(c->lower) && isfinite(c->upper))
		markup_put(m, ", between %.5f and %.5f", c->lower, c->upper);
	markup_put(m, "\">");
	for (at = first; at <= x->high; at += step)
		markup_put(m, "<line class=\"%s\" x1=\"%.2f%%\" x2=\"%.2f%%\" y2=\"30\"/>",
		    fabs(at) < step / 2 ? "zero" : "grid", along(x, at), along(x, at));
	if (isfinite(c->lower) && isfinite(c->upper))
		markup_put(m, "<line class=\"truth %s\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"15\" y2=\"15\"/>",
		    c->klass == VERDICT_IMPROVEMENT ? "claim" : "look", along(x, c->lower), along(x, c->upper));
	if (isfinite(c->gain))
		markup_put(m, "<use href=\"#m%u\" class=\"k%u\" x=\"%.2f%%\" y=\"15\"/>", (unsigned)c->klass,
		    (unsigned)c->klass, along(x, c->gain));
	else
		markup_put(m,
		    "<text class=\"empty\" x=\"50%%\" y=\"19\" text-anchor=\"middle\">nothing was compared"
		    "</text>");
	markup_put(m, "</svg>");
}

/* --- loss curves ----------------------------------------------------------- */

enum { TALL = 120, ROOM = 8, STEPS = 18 };

/* A loss curve's frame: between which losses, and up to which step. */
struct frame {
	double low, high, most;
};

static double
depth(const struct frame *f, double loss)
{
	return (ROOM + (TALL - 2 * ROOM) * (f->high - loss) / (f->high - f->low));
}

/* What runs out of the frame runs along its edge. */
static double
inside(const struct frame *f, double loss)
{
	double y = depth(f, loss);

	return (y < 1 ? 1 : y > TALL - 1 ? TALL - 1 : y);
}

static void
draw_loss(struct markup *m, const struct frame *f, const struct curve *c, const char *class)
{
	size_t i;
	int pen = 0;

	markup_put(m, "<path class=\"%s\" d=\"", class);
	for (i = 0; i < c->count; i++) {
		if (!isfinite(c->point[i].loss)) {
			pen = 0;
			continue;
		}
		markup_put(m, "%s%.0f %.1f", pen ? "L" : "M", 1000 * c->point[i].step / f->most,
		    inside(f, c->point[i].loss));
		pen = 1;
	}
	markup_put(m, "\"/>");
}

void
chart_curve(struct markup *m, const struct curve *c, const struct curve *under, double low, double high,
    const char *what)
{
	struct frame f = { low, high, fmax(c->last_step, under == NULL ? 0 : under->last_step) };
	double first, step, at;
	int decimals = chart_ticks(low, high, 3, &first, &step);
	size_t i;

	if (!(f.most > 0))
		f.most = 1;
	markup_put(m, "<div class=\"plot\"><svg class=\"scores\" width=\"34\" height=\"%d\" aria-hidden=\"true\">",
	    TALL + STEPS);
	for (at = first; at <= high; at += step)
		markup_put(m, "<text x=\"29\" y=\"%.1f\" dy=\".35em\">%.*f</text>", depth(&f, at), decimals, at);
	markup_put(m,
	    "</svg><svg class=\"chart\" width=\"100%%\" height=\"%d\" role=\"img\" aria-label=\"training"
	    " loss of %s: %.4f nats per token at step %.0f",
	    TALL + STEPS, what, c->last_loss, c->last_step);
	if (under != NULL)
		markup_put(m, "; the incumbent's: %.4f at step %.0f", under->last_loss, under->last_step);
	markup_put(m, "\">");
	for (at = first; at <= high; at += step)
		markup_put(m, "<line class=\"grid\" x2=\"100%%\" y1=\"%.1f\" y2=\"%.1f\"/>", depth(&f, at),
		    depth(&f, at));
	markup_put(m,
	    "<line class=\"axis\" x2=\"100%%\" y1=\"%d\" y2=\"%d\"/><text y=\"%d\">0</text><text x=\"50%%\" y=\"%d\""
	    " text-anchor=\"middle\">steps</text><text x=\"100%%\" y=\"%d\" text-anchor=\"end\">%.0f</text>",
	    TALL, TALL, TALL + 14, TALL + 14, TALL + 14, f.most);
	/* Stretched to the width by the reader; the pen is not. */
	markup_put(m, "<svg width=\"100%%\" height=\"%d\" viewBox=\"0 0 1000 %d\" preserveAspectRatio=\"none\">", TALL,
	    TALL);
	if (under != NULL)
		draw_loss(m, &f, under, "under");
	draw_loss(m, &f, c, "loss");
	markup_put(m, "</svg>");
	markup_put(m, "<text class=\"over\" x=\"100%%\" y=\"14\" text-anchor=\"end\">nats per token</text>");
	for (i = 0; i < c->vals; i++)
		markup_put(m, "<circle class=\"val\" r=\"3\" cx=\"%.2f%%\" cy=\"%.1f\"/>",
		    100 * c->val[i].step / f.most, inside(&f, c->val[i].loss));
	markup_put(m, "</svg></div>");
}

void
chart_pen(struct markup *m, int under)
{
	markup_put(m,
	    "<svg class=\"mark\" width=\"24\" height=\"16\" aria-hidden=\"true\"><path"
	    " class=\"pen %s\" d=\"M1 8H23\"/></svg>",
	    under ? "under" : "loss");
}
