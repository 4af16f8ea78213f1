#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/exit.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "ledger/ledger.h"
#include "ledger/settings.h"
#include "bin/ledger/listing.h"
#include "base/out.h"
#include "base/say.h"
#include "law/explain.h"
#include "base/term.h"
#include "ledger/timeline.h"

enum { PIPED = 0, USUAL = 80, SPARKS = 8, MOST = 1000 };

struct printing {
	const struct listing *how;
	struct tracks tracks;
	int metric;          /* that of the policy as of the row */
	unsigned name, what; /* widths of the two columns that bend */
	int bytes, added;    /* columns for which there is room */
	unsigned changed;    /* and the width of the last, UINT_MAX without bounds */
	int rows;
	struct incumbent {
		uint64_t group, config;
		json_t *settings;
	} * incumbents;
	size_t incumbent_count;
	struct line {
		uint64_t offset, digest; /* where a row starts, and the tag of its digest */
	} * lines;
	size_t line_count, line_cap;
	struct second {
		uint64_t row, group, config;
		char *name, *lane;
		int64_t cap_ms;
	} * seconds; /* who looked good once, and was not run again so far */
	size_t second_count;
};

void
listing_score(double v, int width, int precision)
{
	if (isfinite(v))
		out_put("%*.*f", width, precision, v);
	else
		out_put("%*s", width, "-");
}

/* Has it a verdict? */
static int
is_judged(const struct row *row)
{
	return (row->kind == STANDINGS_RUN || row->kind == STANDINGS_VERDICT);
}

/* And what was said of runs since. */
static int
is_said(const struct row *row)
{
	return (row->kind == STANDINGS_REVOCATION || row->kind == STANDINGS_NOTE);
}

/* What the incumbent of a group is set to. NULL with errno ENOMEM. */
static struct incumbent *
incumbent_of(struct printing *p, const char *group)
{
	uint64_t tag = standings_tag(group);
	struct incumbent *list;
	size_t i;

	for (i = 0; i < p->incumbent_count; i++)
		if (p->incumbents[i].group == tag)
			return (&p->incumbents[i]);
	if ((list = array_few(p->incumbents, i, sizeof(*list))) == NULL)
		return (NULL);
	p->incumbents = list;
	list[i] = (struct incumbent){ .group = tag };
	p->incumbent_count++;
	return (&list[i]);
}

/* The settings of a row before this one. Owns: the caller decrefs. NULL: not known, or it can't be read. */
static json_t *
settings_of(const struct printing *p, int64_t row)
{
	struct row there;
	json_t *json = NULL, *settings;
	char *line;
	size_t n;

	if (row < 1 || (size_t)row >= p->line_count)
		return (NULL);
	n = (size_t)(p->lines[row].offset - p->lines[row - 1].offset);
	if ((line = malloc(n)) != NULL && file_read_at(p->rows, line, n, p->lines[row - 1].offset) == 0)
		json = jsonio_parse(line, n, LEDGER_ROWS);
	free(line);
	if (json == NULL || row_read(&there, json) == -1)
		return (NULL);
	settings = json_deep_copy(there.run.settings);
	row_free(&there);
	return (settings);
}

/* The settings of the last run of a confirmation's side. The same. */
static json_t *
settings_of_side(const struct printing *p, const json_t *runs)
{
	const char *last = json_string_value(json_array_get(runs, json_array_size(runs) - 1));
	uint64_t tag = standings_tag(last);
	size_t i;

	for (i = p->line_count; last != NULL && i-- > 0;)
		if (p->lines[i].digest == tag)
			return (settings_of(p, (int64_t)i + 1));
	return (NULL);
}

static int
note_line(struct printing *p, uint64_t offset, const char *digest)
{
	struct line *lines;

	if ((lines = array_room(p->lines, p->line_count, &p->line_cap, sizeof(*lines))) == NULL)
		return (-1);
	p->lines = lines;
	lines[p->line_count++] = (struct line){ offset, standings_tag(digest) };
	return (0);
}

static void
forget_second(struct printing *p, size_t i)
{
	free(p->seconds[i].name);
	free(p->seconds[i].lane);
	p->seconds[i] = p->seconds[--p->second_count];
}

/* A run that screens a configuration: the first that looks good wants a second. 0, or -1 with errno ENOMEM. */
static int
follow_second(struct printing *p, const struct row *row)
{
	const struct run_record *run = &row->run;
	const char *lane = run->lane == NULL ? "" : run->lane;
	struct second *list,
	    now = { (uint64_t)row->number, standings_tag(run->group), standings_tag(run->config), NULL, NULL,
		    run->cap_ms };
	size_t i;

	if (row->kind != STANDINGS_RUN || row->verdict.unknown || row->verdict.is.klass > VERDICT_REGRESSION ||
	    verdict_reason_counts(row->verdict.is.reason) != VERDICT_SCREEN)
		return (0);
	for (i = p->second_count; i-- > 0;)
		if (p->seconds[i].group == now.group && p->seconds[i].config == now.config &&
		    p->seconds[i].cap_ms == now.cap_ms && strcmp(p->seconds[i].lane, lane) == 0)
			forget_second(p, i);
	if (row->verdict.is.reason != VERDICT_SECOND)
		return (0);
	if ((list = array_few(p->seconds, p->second_count, sizeof(*list))) == NULL)
		return (-1);
	p->seconds = list;
	now.name = strdup(run->run_id == NULL ? "?" : run->run_id);
	now.lane = strdup(lane);
	list[p->second_count++] = now;
	return (now.name == NULL || now.lane == NULL ? -1 : 0);
}

/* After a row: where another configuration is incumbent now, what that is set to. 0, or -1 with errno ENOMEM. */
static int
follow(struct printing *p, const struct row *row)
{
	const char *group = row->kind == STANDINGS_RUN ? row->run.group : row->confirmation.group;
	struct incumbent *i;
	uint64_t config = standings_tag(row->after.config);

	if (follow_second(p, row) == -1)
		return (-1);
	if (!is_judged(row) || group == NULL || config == 0)
		return (0);
	if ((i = incumbent_of(p, group)) == NULL)
		return (-1);
	if (i->config == config)
		return (0);
	json_decref(i->settings);
	i->config = config;
	i->settings = row->after.row == row->number ? json_deep_copy(row->run.settings) :
						      settings_of(p, row->after.row);
	return (0);
}

/* What is set otherwise than in the incumbent before this row, or, of a confirmation, than in its runs beside it. */
static void
put_keys(struct printing *p, const struct row *row, struct str *keys)
{
	const struct incumbent *i;
	json_t *mine, *theirs;

	if (row->kind == STANDINGS_RUN) {
		i = incumbent_of(p, row->run.group);
		if (i != NULL && i->settings != NULL && row->run.settings != NULL)
			(void)settings_differ(i->settings, row->run.settings, ", ", keys);
		return;
	}
	if (row->verdict.is.changed == 0)
		return;
	mine = settings_of_side(p, row->confirmation.challenger_runs);
	theirs = settings_of_side(p, row->confirmation.incumbent_runs);
	if (mine != NULL && theirs != NULL)
		(void)settings_differ(theirs, mine, ", ", keys);
	json_decref(mine);
	json_decref(theirs);
}

/* "3 pairs, 1,021 to 1", before what differs. */
static void
put_pairs(const struct verdict *v, struct str *s)
{
	if (!isfinite(v->odds))
		return;
	(void)str_printf(s, "%u pair%s, ", v->runs, v->runs == 1 ? "" : "s");
	(void)explain_odds(s, v->odds);
	(void)str_puts(s, v->changed == 0 ? "" : "; ");
}

/* What differs from the incumbent before this row: the keys where they are known, and else the words of the verdict. */
static void
put_changed(struct printing *p, const struct row *row, struct str *s)
{
	const char *name;
	struct str keys = STR_INIT;
	unsigned k;

	if (is_said(row)) {
		(void)str_puts(s, row->note.text == NULL ? "" : row->note.text);
		return;
	}
	put_keys(p, row, &keys);
	put_pairs(&row->verdict.is, s);
	for (k = 0; (name = verdict_changed_name(row->verdict.is.changed, k)) != NULL; k++)
		(void)str_printf(s, "%s%s", k == 0 ? "" : ",",
		    keys.n != 0 && strcmp(name, verdict_changed_name(VERDICT_MODEL, 0)) == 0 ? keys.p : name);
	str_free(&keys);
}

static const char *
name_of(const struct row *row)
{
	const char *name = NULL;

	switch (row->kind) {
	case STANDINGS_RUN:
		name = row->run.run_id;
		break;
	case STANDINGS_PLAN:
		name = row->plan.challenger.run_id;
		break;
	case STANDINGS_PROMOTION:
		name = row->promotion.run_id;
		break;
	case STANDINGS_IMPORT:
		name = row->import.title != NULL ? row->import.title : row->import.file;
		break;
	case STANDINGS_TAKE:
		name = row->take.run_id;
		break;
	case STANDINGS_BASE:
		name = row->base.run_id == NULL ? "(no base)" : row->base.run_id;
		break;
	case STANDINGS_REVOCATION:
	case STANDINGS_NOTE:
		name = row->note.run_id;
		break;
	case STANDINGS_VERDICT:
		return ("(confirmation)");
	case STANDINGS_POLICY:
	case STANDINGS_CALIBRATION:
	case STANDINGS_KINDS:
		return ("");
	}
	return (name == NULL ? "?" : name);
}

/* Was the incumbent of its group another one before this row? */
static int
enthroned(const struct tracks *t, uint64_t row)
{
	const struct timeline *k = timeline_of(t, row);
	const struct timeline_point *p = k == NULL || k->count == 0 ? NULL : &k->points[k->count - 1];

	return (p != NULL && p->row == row && p->enthroned);
}

static void
print_row(struct printing *p, const struct row *row)
{
	const struct row_verdict *v = &row->verdict;
	double bytes = row->kind == STANDINGS_RUN ? row->run.metric.of[POLICY_TOTAL_BYTES] : NAN, score = v->is.score;
	/* A second run is judged by what both come to; its score is its own. */
	int both = row->kind == STANDINGS_RUN && v->is.runs > 1 && v->is.metric >= 0 && isfinite(score);
	char what[128], text[4 * MOST];
	struct str changed = STR_INIT;

	if (row->kind == STANDINGS_NOTE)
		snprintf(what, sizeof(what), "note: %s", row->note.word == NULL ? "?" : row->note.word);
	else if (!is_judged(row))
		snprintf(what, sizeof(what), "%s", row->kind == STANDINGS_KINDS ? "?" : row_kind_name(row->kind));
	else if (v->unknown)
		snprintf(what, sizeof(what), "?: ?");
	else
		snprintf(what, sizeof(what), "%s: %s", verdict_class_name(v->is.klass),
		    verdict_reason_name(v->is.reason));
	if (!p->how->drawn)
		out_put("%5lld  %-24s  %-30s ", (long long)row->number, name_of(row), what);
	else {
		out_put("%c%5lld  %s", enthroned(&p->tracks, p->tracks.rows) ? '*' : ' ', (long long)row->number,
		    term_fit(text, sizeof(text), name_of(row), p->name));
		out_put("  %s ", term_fit(text, sizeof(text), what, p->what));
	}
	listing_score(both ? row->run.metric.of[v->is.metric] : score, 9, 5);
	listing_score(v->is.delta, 10, 5);
	if (p->bytes && isfinite(bytes))
		out_put(" %10.0f", bytes);
	else if (p->bytes)
		out_put(" %10s", "-");
	if (p->added)
		out_put("  %.16sZ", row->added_at == NULL ? "?" : row->added_at);
	if (p->changed != 0) {
		put_changed(p, row, &changed);
		if (both)
			(void)str_printf(&changed, "%s(delta: mean of %u runs)", changed.n == 0 ? "" : " ", v->is.runs);
		/* Two units in one column would read as one. */
		if (isfinite(v->is.score) && v->is.metric >= 0 && v->is.metric != p->metric)
			(void)str_printf(&changed, "%s(%s)", changed.n == 0 ? "" : " ",
			    policy_metric_name((enum policy_metric)v->is.metric));
		out_put("  %s",
		    changed.n == 0                      ? "" :
			changed.n <= (size_t)p->changed ? changed.p :
							  term_fit(text, sizeof(text), changed.p, p->changed));
		str_free(&changed);
	}
	putchar('\n');
}

static int
each_row(void *arg, const char *line, size_t n, uint64_t offset, const char *digest)
{
	struct printing *p = arg;
	struct row row;
	json_t *json;
	int wanted, rc = 0;

	if ((json = jsonio_parse(line, n, LEDGER_ROWS)) == NULL || row_read(&row, json) == -1)
		return (1);
	if (row.kind == STANDINGS_POLICY)
		p->metric = policy_metric_find(jsonio_text(row.policy, "metric.name", ""));
	wanted = p->how->all || is_judged(&row) || is_said(&row);
	if (note_line(p, offset, digest) == -1) {
		say_errno("cannot list");
		rc = 1;
	} else if (p->how->drawn && timeline_add(&p->tracks, &row) == -1) {
		say_errno("cannot list");
		rc = 1;
	} else if (wanted && p->how->json)
		out_json(line, n);
	else if (wanted)
		print_row(p, &row);
	if (rc == 0 && follow(p, &row) == -1) {
		say_errno("cannot list");
		rc = 1;
	}
	row_free(&row);
	return (rc);
}

/* The columns for which a terminal has room; what is piped has all of them, as wide as ever. */
static void
lay_out(struct printing *p)
{
	unsigned have = p->how->columns == 0 ? USUAL : p->how->columns, fixed = 6 + 2 + 2 + 1 + 9 + 10;

	p->name = 24;
	p->what = 30;
	p->bytes = p->added = 1;
	p->changed = UINT_MAX;
	if (!p->how->drawn)
		return;
	p->changed = have >= fixed + 12 + 26 + 11 + 19 + 14 ? 12 : 0;
	p->added = have >= fixed + 12 + 26 + 11 + 19;
	p->bytes = have >= fixed + 12 + 24 + 11;
	fixed += (p->bytes ? 11 : 0) + (p->added ? 19 : 0) + (p->changed ? 14 : 0);
	have = have > fixed + 20 ? have - fixed : 20;
	p->what = have >= 12 + 26 ? 26 : have * 2 / 3;
	p->name = have - p->what > 24 ? 24 : have - p->what;
	if (p->changed != 0 && have > p->name + p->what)
		p->changed += have - p->name - p->what < MOST ? have - p->name - p->what : MOST;
}

static void
print_heading(const struct printing *p)
{
	if (!p->how->drawn)
		out_put("%5s  %-24s  %-30s ", "row", "run", "class: reason");
	else
		out_put(" %5s  %-*.*s  %-*.*s ", "row", (int)p->name, (int)p->name, "run", (int)p->what, (int)p->what,
		    "class: reason");
	out_put("%9s%10s%s%s%s\n", "score", "delta", p->bytes ? "      bytes" : "",
	    p->added ? p->changed ? "  added            " : "  added" : "", p->changed ? "  changed" : "");
}

/* A track's last scores and the incumbent's beneath, on one scale; refused and invalid runs as marks. */
static int
print_track(const struct printing *p, const struct timeline *k)
{
	unsigned width = (p->how->columns == 0 ? USUAL : p->how->columns) - 12;
	size_t n = k->runs < width ? k->runs : width, i;
	double *score, *throne, low, high, now = NAN;
	char *line;
	struct str cap = STR_INIT;
	const struct timeline_point *q;

	if (timeline_range(k, p->tracks.sign, &low, &high) == -1)
		return (0);
	score = calloc(2 * n, sizeof(*score));
	line = malloc(3 * n + 1);
	if (score == NULL || line == NULL || (k->cap_ms >= 0 && explain_time(&cap, k->cap_ms) == -1)) {
		free(score);
		free(line);
		str_free(&cap);
		return (-1);
	}
	throne = score + n;
	for (i = n, q = k->points + k->count; i > 0 && q-- > k->points;) {
		if (q->confirmation)
			continue;
		i--;
		score[i] = q->klass <= VERDICT_REGRESSION ? q->score : NAN;
		throne[i] = q->incumbent;
	}
	for (q = k->points; q < k->points + k->count; q++)
		if (isfinite(q->incumbent))
			now = q->incumbent;
	out_put("\n%s, group %.8s, lane %s, cap %s, noise %s: %zu of %u run%s, %.5f to %.5f\n",
	    policy_metric_name(p->tracks.metric), k->group, k->lane, k->cap_ms < 0 ? "none" : cap.p,
	    k->calibrated ? "calibrated" : "uncalibrated", n, k->runs, k->runs == 1 ? "" : "s", low, high);
	out_put("score      %s\n", term_spark(line, 3 * n + 1, score, n, low, high, p->how->utf8));
	out_put("incumbent  %s", term_spark(line, 3 * n + 1, throne, n, low, high, p->how->utf8));
	if (isfinite(now))
		out_put("\nnow        %.5f", now);
	putchar('\n');
	free(score);
	free(line);
	str_free(&cap);
	return (0);
}

static int
by_row(const void *a, const void *b)
{
	const struct second *x = a, *y = b;

	return ((x->row > y->row) - (x->row < y->row));
}

/* The last tracks, the one that was judged last at the end. */
static int
print_tracks(struct printing *p)
{
	struct tracks *t = &p->tracks;
	size_t i;

	timeline_finish(t);
	for (i = t->count > SPARKS ? t->count - SPARKS : 0; i < t->count; i++)
		if (print_track(p, &t->list[i]) == -1)
			return (-1);
	if (t->count > SPARKS)
		out_put("\n%zu more groups and lanes are not drawn\n", t->count - SPARKS);
	return (0);
}

/* The last configurations that wait for a second run, by the run that looked good. */
static void
print_seconds(struct printing *p)
{
	const struct second *q;
	size_t from = p->second_count > SPARKS ? p->second_count - SPARKS : 0;
	char text[4 * MOST];

	if (p->second_count == 0)
		return;
	qsort(p->seconds, p->second_count, sizeof(*p->seconds), by_row);
	out_put("\nwait for a second run: %zu\n", p->second_count);
	for (q = p->seconds + from; q < p->seconds + p->second_count; q++)
		out_put(" %5llu  %s\n", (unsigned long long)q->row, term_fit(text, sizeof(text), q->name, p->name));
}

int
listing_print(int rows, const struct listing *how)
{
	struct printing p = { .how = how, .rows = rows };
	size_t i;
	char head[SHA256_HEX_SIZE];
	uint64_t size, count;
	int rc, code;

	lay_out(&p);
	if (!how->json)
		print_heading(&p);
	rc = ledger_walk(rows, each_row, &p, &size, &count, head);
	code = rc == -1 ? ledger_exit(errno) : rc == 2 ? HG_EXIT_CONTRACT : HG_EXIT_DONE;
	if (code == HG_EXIT_DONE && how->drawn && print_tracks(&p) == -1) {
		say_errno("cannot list");
		code = HG_EXIT_SYSTEM;
	}
	if (code == HG_EXIT_DONE && how->drawn)
		print_seconds(&p);
	timeline_free(&p.tracks);
	while (p.second_count > 0)
		forget_second(&p, p.second_count - 1);
	free(p.seconds);
	for (i = 0; i < p.incumbent_count; i++)
		json_decref(p.incumbents[i].settings);
	free(p.incumbents);
	free(p.lines);
	return (code);
}
