/* hg-triage: what each request of a campaign is waiting for. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exit.h"
#include "base/jsonio.h"
#include "base/jsonnull.h"
#include "base/num.h"
#include "base/opt.h"
#include "base/out.h"
#include "base/say.h"
#include "base/shell.h"
#include "campaign/turns.h"
#include "judge/promote.h"
#include "run/rundir.h"
#include "run/specrequest.h"
#include "schema/contract.h"

static const struct opt_tool tool = { "hg-triage", "What each request of a campaign is waiting for.",
	"hg-triage [-j] [-s STATE] [-t SECONDS] CAMPAIGN\n"
	"hg-triage -m NAME CAMPAIGN\n"
	"hg-triage -b | -c | -F | -w | -g KEY CAMPAIGN\n"
	"hg-triage -L [-t SECONDS] CAMPAIGN\n"
	"hg-triage -T" };
static struct opt table[] = { { .letter = 'j', .help = "one JSON object" },
	{ .letter = 's', .arg = "STATE", .help = "only requests in this state" },
	{ .letter = 't', .arg = "SECONDS", .help = "what would not end within so many seconds waits" },
	{ .letter = 'm', .arg = "NAME", .help = "make the run of this request, which is ready, and print its path" },
	{ .letter = 'b',
	    .help = "what keeps anything from being begun, closed out or judged, in a word, if anything does" },
	{ .letter = 'c', .help = "the lanes that wait for a run of the incumbent or for their noise" },
	{ .letter = 'F', .help = "the conditions for a promotion without a hand, each yes, no or pending" },
	{ .letter = 'w', .help = "the campaign in a word" },
	{ .letter = 'g', .arg = "KEY", .help = "what campaign.json, or else its contract, says of this key" },
	{ .letter = 'L', .help = "the lanes that no run has" },
	{ .letter = 'T', .help = "the table by which a request's state is told" }, { .letter = '\0' } };

enum { MOST_MS = 30 * 24 * 3600 * 1000LL };

/* The table, as the page has it. */
static void
print_table(void)
{
	static const char *const columns[TRIAGE_REQUESTS] = { "sound", "reasons", "other bytes" };
	struct triage_cell cell;
	char text[64];
	int r, q;

	out_put("%-10s", "run");
	for (q = 0; q < TRIAGE_REQUESTS; q++)
		out_put(" %-20s", columns[q]);
	out_put("\n");
	for (r = 0; r < TRIAGE_RUNS; r++) {
		out_put("%-10s", triage_run_name((enum triage_run)r));
		for (q = 0; q < TRIAGE_REQUESTS; q++) {
			cell = triage_cell((enum triage_run)r, (enum triage_request)q);
			snprintf(text, sizeof(text), "%s%s%s", triage_state_name(cell.state),
			    cell.reason != NULL && *cell.reason == '\0' ? "" : ":",
			    cell.reason == NULL ? "REASONS" : cell.reason);
			out_put(" %-20s", text);
		}
		out_put("\n");
	}
}

/* One line a request: name, state, lane, reason, what to type. */
static void
print(const struct triage *t, int only)
{
	const struct triage_line *line;

	for (line = t->list; line < t->list + t->count; line++)
		if (only == -1 || (int)line->state == only)
			out_put("%s\t%s\t%s\t%s\t%s\n", line->request.name, triage_state_name(line->state),
			    *line->request.lane == '\0' ? "-" : line->request.lane,
			    *line->reason == '\0' ? "-" : line->reason,
			    line->next.p != NULL ? line->next.p :
				*line->request.why != '\0' &&
				    (line->state == TRIAGE_ESCALATED || line->state == TRIAGE_WAITING) ?
						   line->request.why :
						   "-");
}

/* Beside the lines: the owner's answers that are none, and why nothing runs. */
static void
print_notes(const struct triage *t)
{
	const json_t *v;
	size_t i;

	json_array_foreach(t->answers, i, v)
		say_note("%s", json_string_value(v));
	if (t->why.n != 0)
		say_note("%s: %s", t->word, t->why.p);
}

static int
print_json(const struct triage *t, int only)
{
	const struct triage_line *line;
	json_t *list = json_array(), *counts = json_object(), *v;
	char now[CLOCK_TEXT_SIZE], *text;
	int s;

	for (s = 0; s < TRIAGE_STATES; s++)
		json_object_set_new(counts, triage_state_name((enum triage_state)s),
		    json_integer((json_int_t)t->counts[s]));
	for (line = t->list; line < t->list + t->count; line++)
		if (only == -1 || (int)line->state == only)
			json_array_append_new(list,
			    json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:b, s:I, s:o, s:o, s:o}", "name",
				line->request.name, "state", triage_state_name(line->state), "lane",
				jsonnull_text(line->request.lane), "reason", jsonnull_text(line->reason),
				"request_sha256", jsonnull_text(line->request.sha256), "kind",
				jsonnull_text(line->run == NULL ? "" : line->run->kind), "has_run", line->run != NULL,
				"age_ms", (json_int_t)line->age_ms, "why", jsonnull_text(line->request.why), "next",
				jsonnull_text(line->next.p), "standing", jsonnull_text(outcome_name(line->outcome))));
	v = json_pack("{s:s, s:s, s:s, s:s, s:o, s:I, s:o, s:o, s:I, s:o, s:O}", "schema", "homegolf.triage.v1",
	    "campaign", t->c->path, "at", clock_text(now, t->now_ms), "word", t->word, "why", jsonnull_text(t->why.p),
	    "oldest_ready_ms", (json_int_t)t->oldest_ready_ms, "progressed_at", jsonnull_time(t->stamp_ms), "counts",
	    counts, "others", (json_int_t)t->others, "requests", list, "answers", t->answers);
	if (v == NULL || (text = jsonio_line(v)) == NULL) {
		json_decref(v);
		errno = ENOMEM;
		say_errno("cannot print");
		return (HG_EXIT_SYSTEM);
	}
	out_json(text, strlen(text));
	free(text);
	json_decref(v);
	return (HG_EXIT_DONE);
}

/* What is at work or may be begun is not yet; what its owner must mend, or nobody gets on with, is a no. */
static int
code_of(const struct triage *t)
{
	if (strcmp(t->word, "drained") == 0 || strcmp(t->word, "empty") == 0)
		return (HG_EXIT_DONE);
	if (strcmp(t->word, "escalated") == 0)
		return (HG_EXIT_PENDING);
	return (strcmp(t->word, "wedged") == 0 || strcmp(t->word, "halted") == 0 || strcmp(t->word, "waiting") == 0 ?
		HG_EXIT_NO :
		HG_EXIT_NOT_YET);
}

/* --- promotion without a hand ------------------------------------------------ */

static int
condition(const char *name, enum promote_holds holds, const char *evidence)
{
	out_put("%-8s %-18s %s\n", promote_word(holds), name, evidence);
	return (holds == PROMOTE_YES ? HG_EXIT_DONE : holds == PROMOTE_NO ? HG_EXIT_NO : HG_EXIT_PENDING);
}

/* What was made to try the campaign out counts for none. */
static int
is_no_trial(const struct ledger *l, const struct run_record *run)
{
	struct str place = STR_INIT;
	struct rundir r;
	int code;

	if (run->dir == NULL || ledger_place(l, run->dir, &place) == -1 || rundir_open(&r, place.p) == -1)
		code = condition("not_synthetic", PROMOTE_PENDING, "its run is not there");
	else {
		if (rundir_load(&r) == -1)
			code = condition("not_synthetic", PROMOTE_PENDING, "its spec can't be read");
		else
			code = jsonio_true(r.spec.json, "about.synthetic") ?
			    condition("not_synthetic", PROMOTE_NO, "about.synthetic: it was made to try the campaign") :
			    condition("not_synthetic", PROMOTE_YES, "about.synthetic is false");
		rundir_close(&r);
	}
	str_free(&place);
	return (code);
}

/* What to promote as of which head, for hg-ledger promote. */
static int
print_promotion(const struct triage *t, const struct row *row)
{
	struct str place = STR_INIT;

	if (row->run.dir == NULL || ledger_place(&t->l, row->run.dir, &place) == -1)
		return (HG_EXIT_SYSTEM);
	out_put("promote\t%s\t%s\n", place.p, t->l.head);
	str_free(&place);
	return (HG_EXIT_DONE);
}

static int
print_key(const struct campaign *c, const char *key)
{
	const json_t *v = campaign_get(c, key);
	char *line;

	if (v == NULL) {
		say_error("'%s' is no key of " CAMPAIGN_FILE ", or has no value there", key);
		return (HG_EXIT_USAGE);
	}
	if (json_is_string(v))
		out_put("%s\n", json_string_value(v));
	else if ((line = json_dumps(v, JSON_ENCODE_ANY)) != NULL) {
		out_put("%s\n", line);
		free(line);
	}
	return (HG_EXIT_DONE);
}

static int
print_lanes(const struct triage *t)
{
	const char *name;
	json_t *v;
	size_t i;

	json_array_foreach(campaign_get(t->c, "lanes"), i, v) {
		name = jsonio_text(v, "name", "");
		if (turns_lane_is_free(t, name))
			out_put("%s\n", name);
	}
	return (HG_EXIT_DONE);
}

static void
put_set(const char *key, const json_t *value)
{
	char *text;

	if (json_is_string(value))
		out_put(" %s=%s", key, json_string_value(value));
	else if ((text = json_dumps(value, JSON_ENCODE_ANY)) != NULL) {
		out_put(" %s=%s", key, text);
		free(text);
	}
}

/*
 * What a run on a lane sets that is made of one on another: what that one's lane set is as it is without a lane. 0, or
 * -1 with errno, said.
 */
static int
put_move(const struct campaign *c, const json_t *lane, const char *from)
{
	const char *base = campaign_word(c, "base"), *key;
	struct str path = STR_INIT;
	json_t *spec = NULL, *set = json_object_get(lane, "set"), *value;
	const json_t *without;

	if (base != NULL && (campaign_place(c, base, &path) == -1 || (spec = specrequest_read(path.p)) == NULL)) {
		str_free(&path);
		return (-1);
	}
	out_put("system.lane=%s", jsonio_text(lane, "name", ""));
	json_object_foreach(json_object_get(campaign_lane(c, from), "set"), key, value) {
		if (json_object_get(set, key) != NULL)
			continue;
		without = jsonio_get(spec, key);
		put_set(key, without != NULL ? without : json_object_get(contract_at("spec", key), "default"));
	}
	json_object_foreach(set, key, value)
		put_set(key, value);
	json_decref(spec);
	str_free(&path);
	return (0);
}

/* A lane, the run of the incumbent's to make seeds of, and "-" or, if it never ran there, what a run there sets. */
static int
print_uncalibrated(const struct triage *t)
{
	const struct standings_group *g;
	const char *name;
	struct str place = STR_INIT;
	const json_t *v;
	struct row row;
	size_t i, run;
	int rc;

	json_array_foreach((json_t *)(uintptr_t)campaign_get(t->c, "lanes"), i, v) {
		name = jsonio_text(v, "name", "");
		if ((g = turns_uncalibrated(t, name, &run)) == NULL)
			continue;
		place.n = 0;
		if (ledger_read(&t->l, standings_fact(&t->l.book, run == 0 ? g->reference : run - 1), &row) == -1)
			goto err0;
		if (row.run.dir == NULL || ledger_place(&t->l, row.run.dir, &place) == -1) {
			row_free(&row);
			goto err0;
		}
		out_put("%s\t%s\t%s", name, place.p, run != 0 ? "-" : "");
		rc = run != 0 ? 0 : put_move(t->c, v, row.run.lane);
		row_free(&row);
		if (rc == -1)
			goto err0;
		out_put("\n");
	}
	str_free(&place);
	return (HG_EXIT_DONE);
err0:
	str_free(&place);
	return (HG_EXIT_SYSTEM);
}

static int
print_conditions(struct campaign *c)
{
	const struct standings_group *g;
	const struct standings_fact *f;
	struct promote_view view;
	struct triage t;
	struct row row;
	size_t i;
	char evidence[64];
	int code;

	if (triage_read(c, &t) == -1)
		return (ledger_exit(errno));
	code = condition("asked_for",
	    strcmp(campaign_word(c, "promote"), "when_all_hold") == 0 ? PROMOTE_YES : PROMOTE_NO,
	    "promote in " CAMPAIGN_FILE);
	code = exit_worse(code,
	    condition("not_halted", campaign_halted(c) ? PROMOTE_NO : PROMOTE_YES, "'" CAMPAIGN_HALT "'"));
	g = !t.has_ledger || t.l.book.last_group == 0 ? NULL : standings_group(&t.l.book, t.l.book.last_group);
	if (g == NULL || g->incumbent == 0) {
		code = exit_worse(code, condition("incumbent", PROMOTE_PENDING, "the ledger has none yet"));
		goto done;
	}
	f = standings_fact(&t.l.book, g->reference);
	if (promote_look(&t.l, f, &view) == -1 || ledger_read(&t.l, f, &row) == -1) {
		code = HG_EXIT_SYSTEM;
		goto done;
	}
	code = exit_worse(code, is_no_trial(&t.l, &row.run));
	for (i = 0; i < view.count; i++)
		code = exit_worse(code, condition(view.list[i].name, view.list[i].holds, view.list[i].evidence));
	if (view.standing != 0) {
		snprintf(evidence, sizeof(evidence), "row %llu promoted its configuration",
		    (unsigned long long)view.standing);
		code = exit_worse(code, condition("not_yet", PROMOTE_NO, evidence));
	}
	if (code == HG_EXIT_DONE)
		code = print_promotion(&t, &row);
	row_free(&row);
done:
	triage_free(&t);
	return (code);
}

int
main(int argc, char **argv)
{
	const char *state, *minted, *key, *within;
	int64_t within_ms = 0;
	struct campaign c;
	struct triage t;
	int i, only = -1, json, others, code = HG_EXIT_SYSTEM;

	exit_init(tool.name);
	if ((i = opt_parse(&tool, table, argc, argv)) < 0)
		return (i == OPT_EXIT ? exit_flush(HG_EXIT_DONE) : HG_EXIT_USAGE);
	state = opt_row(table, 's')->value;
	minted = opt_row(table, 'm')->value;
	key = opt_row(table, 'g')->value;
	within = opt_row(table, 't')->value;
	others = (minted != NULL) + (key != NULL) + (opt_row(table, 'c')->value != NULL) +
	    (opt_row(table, 'F')->value != NULL) + (opt_row(table, 'w')->value != NULL) +
	    (opt_row(table, 'L')->value != NULL) + (opt_row(table, 'b')->value != NULL);
	json = opt_row(table, 'j')->value != NULL;
	if (opt_row(table, 'T')->value != NULL) {
		if (argc != i)
			return (opt_usage(&tool));
		print_table();
		return (exit_flush(HG_EXIT_DONE));
	}
	if (argc - i != 1 || others + (json || state != NULL) > 1)
		return (opt_usage(&tool));
	if (within != NULL && num_duration_ms(within, MOST_MS, &within_ms) == -1) {
		say_error("-t '%s' is no time in seconds", within);
		return (HG_EXIT_USAGE);
	}
	if (state != NULL && (only = triage_state_of(state)) == -1) {
		say_error("'%s' is no state of a request; hg-triage -T shows them", state);
		return (HG_EXIT_USAGE);
	}
	if (campaign_open(&c, argv[i]) == -1)
		return (rundir_exit(errno));
	c.within_ms = within_ms;
	if (minted != NULL)
		code = triage_mint(&c, minted);
	else if (key != NULL)
		code = print_key(&c, key);
	else if (opt_row(table, 'F')->value != NULL)
		code = print_conditions(&c);
	else if (triage_read(&c, &t) == -1)
		code = ledger_exit(errno);
	else if (opt_row(table, 'w')->value != NULL || opt_row(table, 'L')->value != NULL ||
	    opt_row(table, 'b')->value != NULL || opt_row(table, 'c')->value != NULL) {
		code = HG_EXIT_DONE;
		if (opt_row(table, 'c')->value != NULL)
			code = print_uncalibrated(&t);
		else if (opt_row(table, 'L')->value != NULL)
			code = print_lanes(&t);
		else if (opt_row(table, 'b')->value != NULL)
			out_put("%s%s", t.room.reason == NULL ? "" : t.room.reason, t.room.reason == NULL ? "" : "\n");
		else
			out_put("%s\n", t.word);
		triage_free(&t);
	} else {
		if (!json)
			print(&t, only);
		else if (print_json(&t, only) != HG_EXIT_DONE)
			goto done;
		code = code_of(&t);
		if (!json)
			print_notes(&t);
done:
		triage_free(&t);
	}
	campaign_close(&c);
	return (exit_flush(code));
}
