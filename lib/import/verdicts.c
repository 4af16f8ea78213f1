#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/jsonio.h"
#include "base/out.h"
#include "base/say.h"
#include "import/gamecheck.h"
#include "import/loopadopt.h"
#include "import/looptext.h"
#include "import/verdicts.h"

static void
number(double x, int width, int digits)
{
	if (isnan(x))
		out_put(" %*s", width, "-");
	else
		out_put(" %*.*f", width, digits, x);
}

char *
verdicts_text(char out[8], int text)
{
	char back[8];
	int n = 0, i;

	do {
		back[n++] = (char)('A' + text % 26);
		text = text / 26 - 1;
	} while (text >= 0 && n < 7);
	for (i = 0; i < n; i++)
		out[i] = back[n - 1 - i];
	out[n] = '\0';
	return (out);
}

static const char *
what(const struct claimrow *e)
{
	return (e->title[0] != '\0' ? e->title : e->form == CLAIM_TABLE && e->id[0] != '\0' ? e->id : e->file);
}

static void
print_row(const struct rejudge_row *w)
{
	char when[CLOCK_TEXT_SIZE], verdict[64];

	if (w->entry->dated)
		clock_text(when, w->entry->at_ms);
	snprintf(verdict, sizeof(verdict), "%s%s%s", rejudge_verdict_name(w->verdict), w->reason[0] == '\0' ? "" : ": ",
	    w->reason);
	out_put("%4llu  %.10s", (unsigned long long)w->entry->row, w->entry->dated ? when : "-         ");
	number(w->score, 8, 6);
	out_put(" %4zu", w->runs);
	number(w->sd, 8, 6);
	number(w->gain, 9, 6);
	number(w->lower, 9, 6);
	out_put(" %4s", w->record == -1 ? "-" : w->record ? "yes" : "no");
	if (w->group == -1)
		out_put(" %3s  ", "-");
	else
		out_put(" %3d  ", w->group + 1);
	out_put("%-31s  ", verdict);
	out_put("%.28s\n", what(w->entry));
}

static int
by_first(const void *a, const void *b)
{
	const struct denominator_cluster *x = *(struct denominator_cluster *const *)a,
					 *y = *(struct denominator_cluster *const *)b;

	if (x->text != y->text)
		return (x->text - y->text);
	return (x->first < y->first ? -1 : x->first > y->first);
}

static int
print_audit(const struct denominator *a)
{
	struct denominator_cluster **sorted;
	const char *known;
	char name[8];
	size_t i;
	int fault;

	if (a->count == 0)
		return (0);
	if ((sorted = calloc(a->count, sizeof(*sorted))) == NULL)
		return (-1);
	for (i = 0; i < a->count; i++)
		sorted[i] = &a->cluster[i];
	qsort(sorted, a->count, sizeof(*sorted), by_first);
	out_put("\ntext  bytes/token      +-         tokens        bytes     +-   rows  first row  known as\n");
	for (i = 0; i < a->count; i++) {
		out_put("%-4s", verdicts_text(name, sorted[i]->text));
		number(sorted[i]->ratio, 12, 7);
		out_put(" %9.1e", sorted[i]->error);
		number(sorted[i]->tokens > 0 ? sorted[i]->tokens : NAN, 12, 0);
		number(sorted[i]->bytes, 12, 0);
		number(isnan(sorted[i]->bytes) ? NAN : sorted[i]->bytes_error, 6, 0);
		known = gamecheck_denominator(sorted[i]->ratio, sorted[i]->error, &fault);
		out_put(" %6zu %10llu  %s\n", sorted[i]->rows, (unsigned long long)sorted[i]->first,
		    known == NULL ? "-" : known);
	}
	free(sorted);
	return (0);
}

/* Sentences, each on a line of its own, set in. */
static void
print_lines(const struct str *text)
{
	char *p, *end;

	for (p = text->p; p != NULL && *p != '\0'; p = end + 1) {
		end = strchr(p, '\n');
		*end = '\0';
		out_put("  %s\n", p);
	}
}

static int
print_group(const struct rejudge *r, int i)
{
	const struct rejudge_group *g = &r->group[i];
	const struct rejudge_row *inc = g->incumbent == -1 ? NULL : &r->row[g->incumbent];
	struct str text = STR_INIT;
	char name[8];
	int rc = 0;

	out_put("group %d: ", i + 1);
	if (g->series != NULL) {
		out_put("%s of table %.60s", g->metric, g->file);
		if (g->from > 0)
			out_put(" from line %u", g->from);
	} else
		out_put("%s, %s, text %s", g->metric, g->scoring, verdicts_text(name, g->text));
	out_put(": %zu rows, %zu significant", g->rows, g->significant);
	if (inc != NULL && g->series == NULL) {
		out_put("; incumbent row %llu with ", (unsigned long long)inc->entry->row);
		out_put("%.6f", inc->score);
	}
	putchar('\n');
	if (g->series != NULL && g->counts[REJUDGE_REVISED] < g->rows) {
		rc = looptext_headline(&text, g) | looptext_findings(&text, r, g) | looptext_test(&text, g) |
		    loopadopt_text(&text, r, g);
		print_lines(&text);
	}
	str_free(&text);
	return (rc);
}

void
verdicts_rows(const struct rejudge *r)
{
	size_t i;

	out_put("%4s  %-10s %8s %4s %8s %9s %9s %4s %3s  %-31s  %s\n", "row", "date", "score", "runs", "sd", "gain",
	    "above", "rec", "grp", "verdict", "what");
	for (i = 0; i < r->count; i++)
		print_row(&r->row[i]);
}

void
verdicts_print(const struct rejudge *r)
{
	size_t i;

	if (r->count == 0)
		return;
	verdicts_rows(r);
	if (print_audit(&r->audit) == -1)
		say_error("cannot print what they were scored on: out of memory");
	putchar('\n');
	for (i = 0; i < r->group_count; i++)
		if (print_group(r, (int)i) != 0)
			say_error("cannot print what a table tells: out of memory");
	out_put("gain: better than the incumbent of its group; above: the true gain is, with %g %%; rec: above"
		" reaches %g %s\n",
	    100 * r->policy.promotion.confidence, r->policy.promotion.margin,
	    policy_unit_name(r->policy.promotion.unit));
	out_put("%zu imported row%s: %zu significant (%zu by the record's margin), %zu noise, %zu worse, %zu not"
		" enough seeds,"
		" %zu first, %zu not comparable, %zu invalid, %zu revised; %d text%s\n",
	    r->count, r->count == 1 ? "" : "s", r->counts[REJUDGE_SIGNIFICANT], r->records, r->counts[REJUDGE_NOISE],
	    r->counts[REJUDGE_WORSE], r->counts[REJUDGE_FEW], r->counts[REJUDGE_FIRST],
	    r->counts[REJUDGE_NOT_COMPARABLE], r->counts[REJUDGE_INVALID], r->counts[REJUDGE_REVISED], r->audit.texts,
	    r->audit.texts == 1 ? "" : "s");
}

/* --- JSON ------------------------------------------------------------------ */

static int
line(json_t *v)
{
	char *p = v == NULL ? NULL : jsonio_line(v);

	json_decref(v);
	if (p == NULL) {
		errno = ENOMEM;
		return (-1);
	}
	out_json(p, strlen(p));
	free(p);
	return (0);
}

static json_t *
flags_of(const struct claimrow *e)
{
	json_t *a = json_array();
	int k;

	for (k = 0; k < FLAGS; k++)
		if ((e->flags & DEFECT_BIT(k)) != 0)
			json_array_append_new(a, json_string(defect_name((enum defect)k)));
	return (a);
}

static json_t *
row_json(const struct rejudge *r, const struct rejudge_row *w)
{
	const struct denominator_cluster *c = w->entry->cluster == -1 ? NULL : &r->audit.cluster[w->entry->cluster];
	static const char *const keeps[LOOP_KEEPS] = { [LOOP_START] = "start",
		[LOOP_REPEAT] = "repeats",
		[LOOP_REAL] = "real",
		[LOOP_NOISE] = "within noise",
		[LOOP_UNKNOWN] = "cannot tell",
		[LOOP_NO_GAIN] = "gained nothing" };
	char when[CLOCK_TEXT_SIZE], name[8];
	json_t *row;

	row = json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o,"
			" s:o, s:o,"
			" s:s, s:o, s:o, s:o, s:o}",
	    "schema", "homegolf.import_verdict.v1", "row", (json_int_t)w->entry->row, "row_sha256", w->entry->digest,
	    "file", w->entry->file, "title", w->entry->title, "verdict", rejudge_verdict_name(w->verdict), "reason",
	    w->reason[0] == '\0' ? json_null() : json_string(w->reason), "dated_at",
	    w->entry->dated ? json_string(clock_text(when, w->entry->at_ms)) : json_null(), "score",
	    jsonio_real(w->score), "runs", (json_int_t)w->runs, "sd", jsonio_real(w->sd), "group",
	    w->group == -1 ? json_null() : json_integer(w->group + 1), "incumbent_row",
	    w->incumbent == NULL ? json_null() : json_integer((json_int_t)w->incumbent->row), "gain",
	    jsonio_real(w->gain), "gain_lower", jsonio_real(w->lower), "gain_upper", jsonio_real(w->upper), "p",
	    jsonio_real(w->p), "p_loss", jsonio_real(w->p_loss), "margin", jsonio_real(w->margin), "scoring",
	    w->entry->scoring, "record", w->record == -1 ? json_null() : json_boolean(w->record), "text",
	    c == NULL ? json_null() : json_string(verdicts_text(name, c->text)), "bytes_per_token",
	    jsonio_real(w->entry->ratio), "flags", flags_of(w->entry));
	/* Only a table's lines have them. */
	if (row != NULL && w->line != NULL && keeps[w->line->keep] != NULL)
		json_object_set_new(row, "keep", json_string(keeps[w->line->keep]));
	if (row != NULL && w->line != NULL && w->line->repeats != -1)
		json_object_set_new(row, "repeats_row",
		    json_integer((json_int_t)r->group[w->group].loop.line[w->line->repeats].entry->row));
	return (row);
}

int
verdicts_json(const struct rejudge *r)
{
	size_t i;

	for (i = 0; i < r->count; i++)
		if (line(row_json(r, &r->row[i])) == -1)
			return (-1);
	return (0);
}
