#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge/add.h"
#include "base/exit.h"
#include "base/jsonio.h"
#include "base/out.h"
#include "law/classify.h"
#include "ledger/ledger.h"
#include "judge/evidence.h"
#include "judge/gain.h"
#include "judge/note.h"
#include "judge/promote.h"
#include "judge/replay.h"
#include "judge/rescore.h"
#include "ledger/row.h"
#include "ledger/verify.h"
#include "run/rundir.h"
#include "base/say.h"
#include "base/sha256.h"
#include "base/shell.h"
#include "base/str.h"

struct case_for {
	struct ledger *l;
	const char *path;      /* the run; NULL if only the ledger is asked, and nothing printed */
	const struct row *row; /* its row in the ledger */
	uint64_t number;       /* of that row */
	const struct standings_fact *fact;
	const struct standings_fact *confirmation;
	size_t confirmed_row;
	struct promote_view *view;
	enum promote_holds worst;
	char scorer[SHA256_HEX_SIZE]; /* digest of the program that scored again */
	json_t *commands;             /* what would bring the evidence that is missing */
};

/* What was cleared away can be brought back; what is otherwise stays so. */
static const enum promote_holds
    holds_of[] = { [EVIDENCE_SAME] = PROMOTE_YES, [EVIDENCE_GONE] = PROMOTE_PENDING, [EVIDENCE_DIFFERS] = PROMOTE_NO };

const char *
promote_word(enum promote_holds holds)
{
	static const char *const words[] = { "yes", "no", "pending" };

	return (words[holds]);
}

static void __attribute__((format(printf, 4, 5)))
condition(struct case_for *c, const char *name, enum promote_holds holds, const char *format, ...)
{
	struct promote_condition *p = &c->view->list[c->view->count++];
	va_list ap;

	assert(c->view->count <= sizeof(c->view->list) / sizeof(c->view->list[0]));
	p->name = name;
	p->holds = holds;
	va_start(ap, format);
	vsnprintf(p->evidence, sizeof(p->evidence), format, ap);
	va_end(ap);
	if (c->path != NULL)
		out_put("%-8s %-18s %s\n", promote_word(holds), name, p->evidence);
	/* What is false stays false whatever else is brought. */
	if (holds == PROMOTE_NO || (holds == PROMOTE_PENDING && c->worst == PROMOTE_YES))
		c->worst = holds;
}

static void __attribute__((format(printf, 2, 3))) command(struct case_for *c, const char *format, ...)
{
	struct str text = STR_INIT;
	va_list ap;

	va_start(ap, format);
	if (c->path != NULL && shell_vcommand(&text, format, ap) == 0)
		json_array_append_new(c->commands, json_string(text.p));
	va_end(ap);
	str_free(&text);
}

static void
put_commands(const struct case_for *c)
{
	const json_t *text;
	size_t i;

	json_array_foreach(c->commands, i, text)
		out_put("next: %s\n", json_string_value(text));
}

static void
is_incumbent(struct case_for *c)
{
	const struct standings_group *g = c->fact->group == 0 ? NULL : standings_group(&c->l->book, c->fact->group);

	if (g != NULL && g->incumbent == c->fact->config)
		condition(c, "incumbent", PROMOTE_YES, "configuration %.12s",
		    c->row->run.config == NULL ? "" : c->row->run.config);
	else
		condition(c, "incumbent", PROMOTE_NO, "another configuration is");
}

static void
is_sound(struct case_for *c)
{
	const struct run_record *run = &c->row->run;

	if (c->fact->klass == VERDICT_BLOCKED || c->fact->klass == VERDICT_INVALID)
		condition(c, "sound", PROMOTE_NO, "row %llu is %s: %s", (unsigned long long)c->number,
		    verdict_class_name((enum verdict_class)c->fact->klass),
		    verdict_reason_name((enum verdict_reason)c->fact->reason));
	else
		condition(c, "sound", PROMOTE_YES, "row %llu breaks no rule", (unsigned long long)c->number);
	if (run->within_cap == 1)
		condition(c, "cap", PROMOTE_YES, "%lld of %lld bytes",
		    isnan(run->metric.of[POLICY_TOTAL_BYTES]) ? 0 : (long long)run->metric.of[POLICY_TOTAL_BYTES],
		    run->cap_bytes == RECORD_NONE ? 0 : (long long)run->cap_bytes);
	else if (run->within_cap == RECORD_NONE)
		condition(c, "cap", PROMOTE_PENDING, "no artifact was measured");
	else
		condition(c, "cap", PROMOTE_NO, "the artifact does not fit");
	if (run->late_steps == 0 && !standings_starved(&c->l->book, c->fact))
		condition(c, "wallclock", PROMOTE_YES, "no step began after the cap, %lld ms",
		    run->cap_ms == RECORD_NONE ? 0 : (long long)run->cap_ms);
	else
		condition(c, "wallclock", PROMOTE_NO, "steps began after the cap, or the machine was busy");
}

/* What was said against it, or against one of those that its gain rests on, stands until somebody clears it. */
static void
is_cleared(struct case_for *c)
{
	const struct standings_fact *cleared, *bar = note_bar(&c->l->book, c->fact, &cleared);
	struct str said = STR_INIT;

	if (bar == NULL && cleared == NULL)
		return;
	(void)note_tell(c->l, bar == NULL ? cleared : bar, &said);
	condition(c, "cleared", bar == NULL ? PROMOTE_YES : PROMOTE_NO, "%s", said.p == NULL ? "?" : said.p);
	str_free(&said);
}

static void
is_unchanged(struct case_for *c)
{
	struct str found = STR_INIT;
	enum promote_holds holds = holds_of[evidence_look(c->l, c->path, &c->row->run, &found)];

	condition(c, "evidence", holds, "%s", found.p == NULL ? "?" : found.p);
	if (holds == PROMOTE_PENDING)
		command(c, "hg-gate score %s", c->path);
	str_free(&found);
}

/* A promotion that stands is no more than its row: is the artifact still the one? The exit code. */
static int
stands(struct case_for *c)
{
	struct str found = STR_INIT;
	enum promote_holds holds = holds_of[evidence_look(c->l, c->path, &c->row->run, &found)];

	if (holds == PROMOTE_NO) {
		condition(c, "evidence", holds, "%s", found.p == NULL ? "?" : found.p);
		out_put("refused: altered since row %llu promoted it\n", (unsigned long long)c->view->promoted);
		str_free(&found);
		return (HG_EXIT_NO);
	}
	out_put("promoted already: row %llu\n", (unsigned long long)c->view->promoted);
	/* What was cleared away since takes nothing from it. */
	if (holds == PROMOTE_PENDING)
		condition(c, "evidence", holds, "%s", found.p == NULL ? "?" : found.p);
	str_free(&found);
	return (HG_EXIT_DONE);
}

static void
is_full(struct case_for *c)
{
	struct rundir r;

	if (rundir_open(&r, c->path) == -1) {
		condition(c, "full_evaluation", PROMOTE_PENDING, "the run can't be opened");
		return;
	}
	if (rundir_load(&r) == -1)
		condition(c, "full_evaluation", PROMOTE_PENDING, "its spec can't be read");
	else if (jsonio_i64(r.spec.json, "eval.docs", -1) != 0)
		condition(c, "full_evaluation", PROMOTE_NO, "its eval law scores %lld document%s only",
		    (long long)jsonio_i64(r.spec.json, "eval.docs", -1),
		    jsonio_i64(r.spec.json, "eval.docs", -1) == 1 ? "" : "s");
	else
		condition(c, "full_evaluation", PROMOTE_YES, "all %lld documents",
		    c->row->run.documents == RECORD_NONE ? 0 : (long long)c->row->run.documents);
	rundir_close(&r);
}

static struct gain_way
way_from(const struct case_for *c)
{
	return (gain_way_from(c->fact, standings_count(&c->l->book)));
}

/* The last confirmation that made this configuration incumbent. */
static void
find_confirmation(struct case_for *c)
{
	struct gain_way way = way_from(c);

	if ((c->confirmation = gain_back(&c->l->book, &way)) != NULL)
		c->confirmed_row = way.at + 1;
}

/* Did so many runs of a confirmation come to nothing that which ones did may be what was found? */
static int
many_tries(const struct case_for *c, const struct standings_fact *confirmation)
{
	struct row row;
	int many;

	if (ledger_read(c->l, confirmation, &row) == -1)
		return (1);
	many = isfinite(row.verdict.is.odds) && verdict_many_tries(&row.verdict.is);
	row_free(&row);
	return (many);
}

/*
 * The bound of the gain over what was promoted last.  Gains of confirmations add up, and, as these have no run in
 * common, so do the squares of how far their bounds lie below them: a distance that is the quantile of each one's own
 * error, heavier in its tail than that of a sum, times its standard error.  One alone has its own bound.
 */
static void
gained(struct case_for *c)
{
	const struct policy *p = &c->l->book.policy;
	const struct standings_fact *confirmation;
	struct gain_way way = way_from(c);
	struct gain one = { 0, 0, 0 };
	double gain = 0, width = 0;
	const char *why;
	char runs[64], since[64];

	if (c->confirmation == NULL) {
		condition(c, "confirmed_gain", PROMOTE_PENDING,
		    "no confirmation has found it better than what was there before");
		command(c, "hg-confirm %s RUN  # a challenger that passed the screen", c->l->path);
		condition(c, "margin", PROMOTE_PENDING, "no gain is known");
		return;
	}
	condition(c, "confirmed_gain", PROMOTE_YES, "confirmed in row %zu", c->confirmed_row);
	while ((confirmation = gain_back(&c->l->book, &way)) != NULL) {
		if ((why = gain_of(&c->l->book, confirmation, &one)) != NULL) {
			condition(c, "margin", PROMOTE_NO, "the gain confirmed in row %zu can't be told in %s: %s",
			    way.at + 1, policy_unit_name(p->promotion.unit), why);
			return;
		}
		if (many_tries(c, confirmation)) {
			condition(c, "margin", PROMOTE_NO,
			    "more runs came to nothing than there are pairs that count in the confirmation of row %zu: "
			    "which ones did may be the gain",
			    way.at + 1);
			return;
		}
		gain += one.gain;
		width = hypot(width, one.gain - one.lower);
	}
	if (way.steps == 1)
		snprintf(runs, sizeof(runs), "%u and %u fresh runs", one.n, one.n);
	else
		snprintf(runs, sizeof(runs), "%u confirmations add up", way.steps);
	if (way.at == 0)
		snprintf(since, sizeof(since), "over the first incumbent");
	else
		snprintf(since, sizeof(since), "over what row %zu promoted", way.at);
	condition(c, "margin", gain - width >= p->promotion.margin ? PROMOTE_YES : PROMOTE_NO,
	    "lower %g %% bound of the gain %.5f, margin %.5f %s (gain %.5f, %s, %s)", 100 * p->promotion.confidence,
	    gain - width, p->promotion.margin, policy_unit_name(p->promotion.unit), gain, runs, since);
}

/* Every run that the gain rests on is looked at again, as the run itself is. */
static void
rests_on_runs(struct case_for *c)
{
	struct gain_runs runs;

	if (c->confirmation == NULL)
		condition(c, "runs", PROMOTE_PENDING, "no gain is known, so none rests on them");
	else if (gain_look(c->l, way_from(c), &runs) == -1)
		condition(c, "runs", PROMOTE_PENDING, "the rows of the runs that the gain rests on can't be read");
	else {
		condition(c, "runs", holds_of[runs.worst], "%s", runs.found.p);
		str_free(&runs.found);
	}
}

/* What is said of rows that were forged is no evidence, however well they are chained. */
static void
replays(struct case_for *c)
{
	struct replay_view view;
	int code = replay_ledger(c->l->path, &view);

	if (code == HG_EXIT_DONE)
		condition(c, "replay", PROMOTE_YES, "%u verdict%s from %s", view.judged,
		    view.judged == 1 ? " follows" : "s follow", view.judged == 1 ? "its row" : "their rows");
	else if (code == HG_EXIT_NO)
		condition(c, "replay", PROMOTE_NO,
		    "row %llu is not what follows from the rows before it%s: hg-ledger replay",
		    (unsigned long long)view.first, view.differ > 1 ? ", nor are others" : "");
	else
		condition(c, "replay", PROMOTE_NO, "the ledger can't be replayed from row %llu on",
		    (unsigned long long)view.first);
}

static void
verifies(struct case_for *c)
{
	struct verify found;

	if (verify_ledger(c->l->path, NULL, 0, &found) == HG_EXIT_DONE && strcmp(found.head, c->l->head) == 0)
		condition(c, "chain", PROMOTE_YES, "%llu rows to head %.12s, with %zu witness%s",
		    (unsigned long long)found.rows, found.head, found.witnesses, found.witnesses == 1 ? "" : "es");
	else
		condition(c, "chain", PROMOTE_NO, "the ledger does not verify");
}

/* Score again, in a temporary, by the tool that came with this one, and compare: its own answer counts. */
static void
scores_again(struct case_for *c)
{
	struct str found = STR_INIT;
	enum rescore is = rescore_run(c->path, c->scorer, &found);

	condition(c, "scored_again",
	    is == RESCORE_SAME        ? PROMOTE_YES :
		is == RESCORE_DIFFERS ? PROMOTE_NO :
					PROMOTE_PENDING,
	    "%s", found.p == NULL ? "?" : found.p);
	if (is == RESCORE_UNKNOWN)
		command(c, "hg-score -c %s", c->path);
	str_free(&found);
}

/* The promotion of its configuration that stands, and whether it is of this very artifact. */
static void
look_for_promotion(const struct case_for *c)
{
	const struct standings_fact *f;
	size_t i;

	for (i = standings_count(&c->l->book); i-- > 0;) {
		f = standings_fact(&c->l->book, i);
		if (f->kind != STANDINGS_PROMOTION || f->group != c->fact->group)
			continue;
		if (f->config == c->fact->config && gain_bar(c->l, c->fact, i) == NULL) {
			c->view->standing = (uint64_t)i + 1;
			c->view->promoted = f->artifact == c->fact->artifact ? c->view->standing : 0;
		}
		return;
	}
}

static int
record(struct case_for *c)
{
	struct ledger w;
	char confirmation[SHA256_HEX_SIZE], digest[SHA256_HEX_SIZE];
	const struct promote_condition *p;
	json_t *conditions;
	struct row row;
	int code = HG_EXIT_DONE;

	if (ledger_digest(c->l, c->confirmation, confirmation) == -1 || ledger_digest(c->l, c->fact, digest) == -1)
		return (HG_EXIT_SYSTEM);
	if (ledger_open_whole(&w, c->l->path, LEDGER_WRITE) == -1)
		return (ledger_exit(errno));
	if (strcmp(w.head, c->l->head) != 0) {
		condition(c, "head", PROMOTE_NO, "the ledger's head has moved from %.12s to %.12s", c->l->head, w.head);
		ledger_close(&w);
		return (HG_EXIT_NO);
	}
	conditions = json_array();
	for (p = c->view->list; p < c->view->list + c->view->count; p++)
		json_array_append_new(conditions,
		    json_pack("{s:s, s:b, s:s}", "condition", p->name, "holds", p->holds == PROMOTE_YES, "evidence",
			p->evidence));
	row_init(&row, STANDINGS_PROMOTION);
	row.promotion = (struct row_promotion){ c->row->run.group, c->row->run.config, c->row->run.run_id, digest,
		c->row->run.artifact, confirmation, c->l->head, row_hold(&row, conditions), c->scorer };
	if (ledger_start(&w, &row) == -1 || ledger_append_row(&w, &row, NULL) == -1)
		code = ledger_exit(errno);
	else
		out_put("promoted: row %zu\n", standings_count(&w.book));
	row_free(&row);
	ledger_close(&w);
	return (code);
}

int
promote_look(struct ledger *l, const struct standings_fact *fact, struct promote_view *view)
{
	struct case_for c = { .l = l, .fact = fact, .view = view, .worst = PROMOTE_YES };
	struct row row;

	memset(view, 0, sizeof(*view));
	if (ledger_read(l, fact, &row) == -1)
		return (-1);
	if ((c.commands = json_array()) == NULL) {
		row_free(&row);
		return (-1);
	}
	c.row = &row;
	c.number = (uint64_t)row.number;
	look_for_promotion(&c);
	find_confirmation(&c);
	is_incumbent(&c);
	is_sound(&c);
	is_cleared(&c);
	gained(&c);
	json_decref(c.commands);
	row_free(&row);
	return (0);
}

int
promote_run(const char *ledger, const char *path, const char *head)
{
	struct ledger l;
	struct promote_view view = { .count = 0 };
	struct case_for c = { .l = &l, .path = path, .view = &view, .worst = PROMOTE_YES };
	struct add add; /* the run as it is now */
	struct row there;
	int code = HG_EXIT_SYSTEM;

	if (ledger_open_whole(&l, ledger, LEDGER_READ) == -1)
		return (ledger_exit(errno));
	c.commands = json_array();
	if (add_preview(&l, path, &add) == -1) {
		code = rundir_exit(errno);
		goto err0;
	}
	if (add.already == 0) {
		out_put("pending: '%s' is not in the ledger\n", path);
		command(&c, "hg-ledger add %s %s", ledger, path);
		put_commands(&c);
		code = HG_EXIT_PENDING;
		goto err1;
	}
	c.number = add.already;
	c.fact = standings_fact(&l.book, (size_t)add.already - 1);
	if (ledger_read(&l, c.fact, &there) == -1) {
		code = ledger_exit(errno);
		goto err1;
	}
	c.row = &there;
	look_for_promotion(&c);
	if (view.promoted != 0) {
		code = stands(&c);
		goto err2;
	}
	if (head != NULL && (strlen(head) < 8 || strncmp(head, l.head, strlen(head)) != 0))
		condition(&c, "head", PROMOTE_NO, "it is %.12s, and was asked to be %.12s", l.head, head);
	else
		condition(&c, "head", PROMOTE_YES, "%.12s", l.head);
	find_confirmation(&c);
	is_incumbent(&c);
	is_sound(&c);
	is_cleared(&c);
	gained(&c);
	if (c.row->run.evidence != NULL && strcmp(c.row->run.evidence, "claim") == 0)
		condition(&c, "independent_score", PROMOTE_PENDING, "its number is its program's word alone");
	else
		is_full(&c);
	is_unchanged(&c);
	rests_on_runs(&c);
	verifies(&c);
	replays(&c);
	if (c.worst == PROMOTE_YES)
		scores_again(&c);
	else
		condition(&c, "scored_again", PROMOTE_PENDING, "it is scored again once all else holds");
	if (c.worst == PROMOTE_YES)
		code = record(&c);
	else
		code = c.worst == PROMOTE_NO ? HG_EXIT_NO : HG_EXIT_PENDING;
	if (code == HG_EXIT_NO)
		out_put("refused\n");
	else if (code == HG_EXIT_PENDING) {
		out_put("pending\n");
		put_commands(&c);
	}
err2:
	row_free(&there);
err1:
	add_free(&add);
err0:
	json_decref(c.commands);
	ledger_close(&l);
	return (code);
}
