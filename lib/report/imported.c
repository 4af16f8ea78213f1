#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report/chart.h"
#include "import/defect.h"
#include "report/imported.h"
#include "import/loopadopt.h"
#include "import/looptext.h"
#include "import/verdicts.h"

/* What is shown at most: pictures, rows of a group, flags of a row, and when a group is too small for a picture. */
enum { PANELS = 8, GROUPS = 40, ROWS = 400, SHOWN = 6, FEW = 4 };

/* The marks of a claim's verdict; what lacks seeds is pending, since more of them would decide it. */
static const unsigned marks[REJUDGE_VERDICTS] = { [REJUDGE_FIRST] = VERDICT_NOISE,
	[REJUDGE_SIGNIFICANT] = VERDICT_IMPROVEMENT,
	[REJUDGE_NOISE] = VERDICT_NOISE,
	[REJUDGE_WORSE] = VERDICT_REGRESSION,
	[REJUDGE_FEW] = CHART_PENDING,
	[REJUDGE_NOT_COMPARABLE] = VERDICT_BLOCKED,
	[REJUDGE_INVALID] = VERDICT_INVALID,
	[REJUDGE_REVISED] = VERDICT_BLOCKED };

static const char *const names[CHART_MARKS] = { "significant", "noise or first", "worse", "not comparable", "invalid",
	"not enough seeds" };

static unsigned
mark(const void *rejudge, const struct timeline_point *q)
{
	return (marks[((const struct rejudge *)rejudge)->row[q->config].verdict]);
}

static const char *
title_of(const struct claimrow *e)
{
	return (*e->title != '\0' ? e->title : e->form == CLAIM_TABLE && *e->id != '\0' ? e->id : e->file);
}

static void
hint(struct markup *m, const void *rejudge, const struct timeline_point *q)
{
	const struct rejudge_row *w = &((const struct rejudge *)rejudge)->row[q->config];

	markup_put(m, "#%llu %.80s: ", (unsigned long long)q->row, title_of(w->entry));
	if (isfinite(w->score))
		markup_put(m, "%.6f, ", w->score);
	markup_put(m, "%s%s%s", rejudge_verdict_name(w->verdict), *w->reason == '\0' ? "" : ": ", w->reason);
}

/* A group's claims as points; ${at}: the index in time of each entry. NULL if memory ran out. */
static struct timeline_point *
points_of(const struct rejudge *r, const size_t *at, int group, size_t *count)
{
	const struct rejudge_row *w;
	struct timeline_point *point = calloc(r->group[group].rows + 1, sizeof(*point)), *p;
	size_t i, j, sound = 0;
	double stands = NAN;

	*count = 0;
	for (i = 0; point != NULL && i < r->count; i++) {
		w = &r->row[i];
		if (w->group != group || *count == r->group[group].rows)
			continue;
		/* Where the incumbent stood before this one is where it stands since the last one that counted. */
		if (w->incumbent != NULL)
			for (j = sound; j < *count; j++)
				point[j].incumbent = r->row[at[w->incumbent - r->entries.entry]].score;
		if (marks[w->verdict] != VERDICT_INVALID && marks[w->verdict] != VERDICT_BLOCKED)
			sound = *count;
		p = &point[(*count)++];
		p->row = w->entry->row;
		p->config = i;
		p->at_ms = w->entry->dated ? w->entry->at_ms : 0;
		p->klass = marks[w->verdict] == CHART_PENDING ? VERDICT_NOISE : (enum verdict_class)marks[w->verdict];
		p->score = w->score;
		p->low = p->high = p->lane_sd = NAN;
		p->incumbent = NAN;
	}
	for (j = sound; j < *count && r->group[group].incumbent != -1; j++)
		point[j].incumbent = r->row[r->group[group].incumbent].score;
	for (i = 0; i < *count; i++) {
		point[i].enthroned = isfinite(stands) && isfinite(point[i].incumbent) && point[i].incumbent != stands;
		stands = point[i].incumbent;
	}
	return (point);
}

static void
put_picture(struct markup *m, const struct rejudge *r, const size_t *at, int group, unsigned number)
{
	struct chart_source from = { r, "Claimed scores over time", names, 1,
		r->group[group].series != NULL ? "its author kept" : "our rule would have kept", mark, hint };
	struct timeline k;

	memset(&k, 0, sizeof(k));
	k.sd = k.sd_low = k.sd_high = NAN;
	if ((k.points = points_of(r, at, group, &k.count)) == NULL) {
		m->failed = ENOMEM;
		return;
	}
	k.runs = (unsigned)k.count;
	if (k.count > 0) {
		from.sign = r->row[k.points[0].config].entry->higher ? -1 : 1;
		chart_scores(m, &from, &k, number);
	}
	free(k.points);
}

static void
put_date(struct markup *m, const struct claimrow *e)
{
	time_t t = (time_t)(e->at_ms / 1000);
	struct tm tm;
	char text[32];

	if (e->dated && gmtime_r(&t, &tm) != NULL && strftime(text, sizeof(text), "%Y-%m-%d", &tm) != 0)
		markup_put(m, "<time datetime=\"%s\">%s</time>", text, text);
	else
		markup_put(m, "<span class=\"nil\">\xe2\x80\x93</span>");
}

static void
put_flags(struct markup *m, defect_set flags, const char *but)
{
	unsigned f, shown = 0, left = 0;

	for (f = 0; f < FLAGS; f++) {
		if (!(flags & DEFECT_BIT(f)) || strcmp(defect_name((enum defect)f), but) == 0)
			continue;
		if (shown < SHOWN)
			markup_put(m, "%s%s", shown++ == 0 ? "" : ", ", defect_name((enum defect)f));
		else
			left++;
	}
	if (left > 0)
		markup_put(m, " and %u more", left);
}

static void
put_claim(struct markup *m, const struct rejudge_row *w)
{
	const struct claimrow *e = w->entry;

	markup_put(m, "<tr><td class=\"n\">%llu</td><td class=\"wide row\">", (unsigned long long)e->row);
	put_date(m, e);
	markup_put(m, "</td><th scope=\"row\" class=\"why\">%.160s", title_of(e));
	if (*e->author != '\0')
		markup_put(m, "<div class=\"sub\">%.80s</div>", e->author);
	markup_put(m, "</th><td class=\"n\">");
	markup_data(m, w->score, 6);
	markup_put(m, "</td><td class=\"n\">%zu</td><td class=\"n wide\">", w->runs);
	markup_data(m, w->sd, 6);
	markup_put(m, "</td><td class=\"n wide\">");
	markup_signed(m, w->gain, 6);
	markup_put(m, "</td><td class=\"n wide\">");
	markup_signed(m, w->lower, 6);
	markup_put(m, "</td><td class=\"why\">");
	chart_mark(m, marks[w->verdict]);
	markup_put(m, " %s<div class=\"sub\">%s%s", rejudge_verdict_name(w->verdict), w->reason,
	    *w->reason != '\0' && e->flags != 0 ? "; " : "");
	put_flags(m, e->flags, w->reason);
	if (w->record == 1)
		markup_put(m, "%smakes the record", *w->reason != '\0' || e->flags != 0 ? "; " : "");
	markup_put(m, "</div></td></tr>\n");
}

/* Rows of a group (-1: of none), the last ones in order of time, newest first. */
static void
put_claims(struct markup *m, const struct rejudge *r, int group, const char *label, const char *ledger)
{
	size_t i, n = 0;

	markup_put(m,
	    "<div class=\"scroll\" role=\"region\" aria-labelledby=\"%s\""
	    " tabindex=\"0\"><table><thead><tr><th scope=\"col\" class=\"n\">Row</th><th scope=\"col\""
	    " class=\"wide\">Date</th><th scope=\"col\">Claim</th><th scope=\"col\" class=\"n\">Score</th><th"
	    " scope=\"col\" class=\"n\">Runs</th><th scope=\"col\" class=\"n wide\">Deviation</th><th scope=\"col\""
	    " class=\"n wide\">Gain</th><th scope=\"col\" class=\"n wide\">At least</th><th scope=\"col\">Our rule"
	    " says</th></tr></thead><tbody>\n",
	    label);
	for (i = r->count; i-- > 0;)
		if (r->row[i].group == group && n++ < ROWS)
			put_claim(m, &r->row[i]);
	markup_put(m, "</tbody></table></div>\n");
	if (n > ROWS) {
		markup_put(m, "<p class=\"note\">%zu older claims are left out; <code>", n - ROWS);
		markup_command(m, "hg-ledger replay %s", ledger);
		markup_put(m, "</code> has all.</p>\n");
	}
}

/* Which keeps are real, what else is known, and what to test again. */
static void
put_loop(struct markup *m, const struct rejudge *r, const struct rejudge_group *g)
{
	struct str text[3] = { STR_INIT, STR_INIT, STR_INIT };
	char *p, *end;
	size_t i;

	if ((looptext_headline(&text[0], g) | looptext_findings(&text[1], r, g) | looptext_test(&text[2], g) |
		loopadopt_text(&text[2], r, g)) != 0)
		m->failed = ENOMEM;
	for (i = 0; i < 3; i++) {
		for (p = text[i].p; p != NULL && *p != '\0'; p = end + 1) {
			end = strchr(p, '\n');
			*end = '\0';
			if (*p == ' ')
				markup_put(m, "<p><code>%s</code></p>\n", p + 2);
			else
				markup_put(m, i == 0 ? "<p><strong>%s</strong></p>\n" : "<p>%s</p>\n", p);
		}
		str_free(&text[i]);
	}
}

static void
put_group(struct markup *m, const struct rejudge *r, const size_t *at, int i, const char *ledger, unsigned *number)
{
	const struct rejudge_group *g = &r->group[i];
	char text[8], label[32];

	snprintf(label, sizeof(label), "f%d", i + 1);
	markup_put(m, "<h3 id=\"%s\">", label);
	if (g->series != NULL) {
		markup_put(m, "%s of the table %s", g->metric, g->file);
		if (g->from > 0)
			markup_put(m, " from line %u", g->from);
	} else
		markup_put(m, "%s, scored %s, validation text %s", g->metric, g->scoring, verdicts_text(text, g->text));
	markup_put(m, "</h3>\n<p>%zu claim%s, %zu of them significant", g->rows, g->rows == 1 ? "" : "s",
	    g->significant);
	if (g->incumbent != -1) {
		markup_put(m, "; %s is row %llu with ",
		    g->series != NULL ? "the last that its author kept" : "what our rule keeps",
		    (unsigned long long)r->row[g->incumbent].entry->row);
		markup_data(m, r->row[g->incumbent].score, 6);
	}
	markup_put(m, ".");
	markup_put(m, "</p>\n");
	if (g->series != NULL && g->counts[REJUDGE_REVISED] < g->rows)
		put_loop(m, r, g);
	if (g->rows >= FEW && *number > 0) {
		put_picture(m, r, at, i, *number);
		++*number;
	}
	put_claims(m, r, i, label, ledger);
}

void
imported_sum(struct markup *m, const struct rejudge *r)
{
	unsigned v, n = 0;

	markup_put(m, "%zu imported claim%s: ", r->count, r->count == 1 ? "" : "s");
	for (v = 0; v < REJUDGE_VERDICTS; v++)
		if (r->counts[v] > 0)
			markup_put(m, "%s%zu %s", n++ == 0 ? "" : ", ", r->counts[v],
			    rejudge_verdict_name((enum rejudge_verdict)v));
	markup_put(m, ".");
}

void
imported_write(struct markup *m, const struct rejudge *r, const char *ledger, unsigned number)
{
	size_t *at, i, left = 0, alone = 0;
	unsigned none = 0, last = number + PANELS, *which;

	if (r->count == 0)
		return;
	if ((at = calloc(r->entries.count + 1, sizeof(*at))) == NULL) {
		m->failed = ENOMEM;
		return;
	}
	for (i = 0; i < r->count; i++) {
		at[r->row[i].entry - r->entries.entry] = i;
		alone += r->row[i].group == -1;
	}
	markup_put(m, "<section id=\"others\" aria-labelledby=\"ho\"><h2 id=\"ho\">Other people's results</h2>\n<p>");
	imported_sum(m, r);
	markup_put(m,
	    " They are claims and no runs of ours: compared only among those that were scored alike on the"
	    " same text, in order of time, and never with our own. A gain counts if its lower bound with %g %%"
	    " confidence is above zero, which takes several seeds.</p>\n",
	    100 * r->policy.promotion.confidence);
	for (i = 0; i < r->group_count; i++) {
		if (i >= GROUPS) {
			left++;
			continue;
		}
		which = number < last ? &number : &none;
		put_group(m, r, at, (int)i, ledger, which);
	}
	if (left > 0) {
		markup_put(m, "<p class=\"note\">%zu more groups: <code>", left);
		markup_command(m, "hg-ledger replay %s", ledger);
		markup_put(m, "</code></p>\n");
	}
	if (alone > 0) {
		markup_put(m,
		    "<h3 id=\"f0\">In no group</h3>\n<p>Their numbers can't be believed, or nothing tells"
		    " how they were scored.</p>\n");
		put_claims(m, r, -1, "f0", ledger);
	}
	markup_put(m, "</section>\n");
	free(at);
}
