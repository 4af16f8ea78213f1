#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonio.h"
#include "base/say.h"
#include "base/shell.h"
#include "base/str.h"
#include "judge/add.h"
#include "judge/confirmation.h"
#include "law/classify.h"
#include "law/explain.h"
#include "law/validity.h"
#include "ledger/inert.h"
#include "ledger/witness.h"

void
add_free(struct add *a)
{
	row_free(&a->row);
	row_free(&a->confirmation);
	advice_free(&a->next);
	str_free(&a->altered);
	memset(a, 0, sizeof(*a));
}

static void
findings_text(const json_t *findings, struct str *s)
{
	const json_t *f;
	size_t i;

	json_array_foreach(findings, i, f)
		(void)str_printf(s, "%s%s", i == 0 ? "" : "; ", jsonio_text(f, "detail", ""));
	if (s->n == 0)
		(void)str_puts(s, "evidence is missing");
}

/* From law 3 on: what it sets otherwise than the incumbent, if none of that has an effect. 0, or -1 with errno. */
static int
put_inert(const struct ledger *l, const struct row *row, const struct standings_fact *f, struct str *out)
{
	const struct standings_group *g = f->group == 0 ? NULL : standings_group(&l->book, f->group);
	struct row reference;
	int rc;

	if (l->book.policy.law < 3 || g == NULL || g->incumbent == 0 || g->incumbent == f->config)
		return (0);
	if (ledger_read(l, standings_fact(&l->book, standings_reference(&l->book, g, f)), &reference) == -1)
		return (-1);
	rc = inert_differences(&reference.run, &row->run, out);
	row_free(&reference);
	return (rc == -1 ? -1 : 0);
}

/* The verdict with its findings and its words; ${f} gets class and reason. */
static int
put_verdict(const struct ledger *l, struct row *row, struct standings_fact *f)
{
	const struct standings *b = &l->book;
	struct str text = STR_INIT, why = STR_INIT, settings = STR_INIT, inert = STR_INIT;
	json_t *findings = json_array();
	enum verdict_reason rule = validity_apply(&row->run, findings);
	struct standings_history history;
	const struct standings_group *g;
	struct row other = { .held = NULL };
	struct verdict v;
	struct explain tell = { .verdict = &v,
		.policy = &b->policy,
		.run = row->run.run_id == NULL ? "?" : row->run.run_id,
		.lane = row->run.lane == NULL ? "?" : row->run.lane,
		.cap_ms = row->run.cap_ms,
		.claimed = row->run.evidence != NULL && strcmp(row->run.evidence, "claim") == 0,
		.spent = standings_spent(b) };

	tell.mine = confirmation_tokenizer(&row->run);
	if (rule == VERDICT_REASONS && put_inert(l, row, f, &inert) == -1)
		goto err0;
	if (inert.n > 0)
		rule = VERDICT_INEFFECTIVE;
	tell.ineffective = inert.p;
	v = classify_run(b, f, rule);
	if (v.reason == VERDICT_SAME_REPLICATE) {
		history = standings_history(b, f, 0);
		tell.copy = history.twin != NULL ? 0 : f->artifact != standings_tag(row->run.artifact) ? 2 : 1;
		if (ledger_read(l, history.twin == NULL ? history.copy : history.twin, &other) == -1)
			goto err0;
		tell.twin = other.run.run_id;
		tell.twin_row = other.number;
	}
	if ((v.changed & (VERDICT_MODEL | VERDICT_TOKENIZER)) != 0 && v.reason != VERDICT_SAME_REPLICATE) {
		g = standings_group(b, f->group);
		if (ledger_read(l, standings_fact(b, standings_reference(b, g, f)), &other) == -1)
			goto err0;
		tell.theirs = confirmation_tokenizer(&other.run);
		tell.settings = confirmation_settings(&row->run, &other.run, &settings);
	}
	f->klass = (uint8_t)v.klass;
	f->reason = (uint8_t)v.reason;
	row_put_verdict(row, &v, &b->policy);
	row->verdict.findings = row_hold(row, findings);
	findings_text(findings, &why);
	tell.findings = why.p == NULL ? "" : why.p;
	row->verdict.text = explain_run(&text, &tell) == 0 ? row_text(row, text.p) : NULL;
	str_free(&text);
	str_free(&why);
	str_free(&settings);
	str_free(&inert);
	row_free(&other);
	return (row->verdict.findings == NULL || row->verdict.text == NULL ? -1 : 0);
err0:
	str_free(&inert);
	json_decref(findings);
	return (-1);
}

/* Who is incumbent of the group once this run is in, and where it stands then. */
static int
put_incumbent(const struct ledger *l, struct row *row, const struct standings_fact *f)
{
	const struct standings *b = &l->book;
	const struct standings_group *g = f->group == 0 ? NULL : standings_group(b, f->group);
	enum policy_metric m = b->policy.metric.name;
	struct noise_arm arm;
	int takes_part = f->klass <= VERDICT_REGRESSION;

	if (takes_part && f->reason == VERDICT_FIRST)
		return (confirmation_incumbent(row, row, f->metric[m], 1));
	if (g == NULL || g->incumbent == 0)
		return (0);
	if (takes_part && f->reason == VERDICT_REPLICATE && f->config == g->incumbent) {
		arm = standings_standing_with(b, standings_config(b, g->group, f->lane, g->incumbent), m, f->metric[m]);
		return (confirmation_incumbent(row, row, arm.mean, (unsigned)arm.n));
	}
	arm = standings_standing(b, standings_config(b, g->group, g->lane, g->incumbent), m);
	return (confirmation_incumbent_stays(l, row, g, &arm));
}

/* The digest of the plan whose slot the run fills. */
static int
put_plan(const struct ledger *l, struct row *row, const struct standings_fact *f)
{
	const struct standings_plan *plan;
	const struct standings_fact *pf;
	char hex[SHA256_HEX_SIZE];
	unsigned slot;

	if (f->reason != VERDICT_SLOT || (plan = standings_slot(&l->book, f, &slot)) == NULL)
		return (0);
	if ((pf = standings_row(&l->book, plan->row)) == NULL || ledger_digest(l, pf, hex) == -1)
		return (-1);
	row->verdict.plan = row_text(row, hex);
	return (row->verdict.plan == NULL ? -1 : 0);
}

/* ${f}: the run's fact, from which class and reason are missing. */
static int
judge(const struct ledger *l, struct row *row, struct standings_fact *f)
{
	if (ledger_start(l, row) == 0 && put_verdict(l, row, f) == 0 && put_plan(l, row, f) == 0 &&
	    put_incumbent(l, row, f) == 0)
		return (0);
	say_error("cannot judge '%s'", row->run.run_id == NULL ? "?" : row->run.run_id);
	return (-1);
}

int
add_judge(const struct ledger *l, struct row *row)
{
	struct standings_fact f;

	row_run_fact(&row->run, &f);
	return (judge(l, row, &f));
}

static void
compare_file(struct str *altered, const char *name, const char *now, const char *then)
{
	if ((now == NULL) != (then == NULL) || (now != NULL && strcmp(now, then) != 0))
		(void)str_printf(altered, "%s%s", altered->n == 0 ? "" : ", ", name);
}

/*
 * A run that has a row, judged again: by its files as they are, against the present incumbent.  What fills a slot, or
 * is the run that the incumbent began with, stays what it is.
 */
static int
judge_again(const struct ledger *l, const struct row *there, struct add *out, struct standings_fact *f)
{
	const struct standings_group *g = f->group == 0 ? NULL : standings_group(&l->book, f->group);
	const struct run_record *now = &out->row.run, *then = &there->run;
	int stays = there->verdict.is.reason == VERDICT_SLOT ||
	    (there->verdict.is.reason == VERDICT_FIRST && g != NULL && g->incumbent == f->config);

	out->was_class = there->verdict.is.klass;
	out->was_reason = there->verdict.is.reason;
	compare_file(&out->altered, "spec", now->spec, then->spec);
	compare_file(&out->altered, "training report", now->training_report, then->training_report);
	compare_file(&out->altered, "export report", now->export_report, then->export_report);
	compare_file(&out->altered, "score report", now->score_report, then->score_report);
	compare_file(&out->altered, "artifact", now->artifact, then->artifact);
	if (stays && validity_apply(now, NULL) == VERDICT_REASONS && out->altered.n == 0) {
		out->row.verdict = there->verdict;
		f->klass = (uint8_t)out->was_class;
		f->reason = (uint8_t)out->was_reason;
		/* Its texts are borrowed. */
		return (row_hold(&out->row, json_incref(there->held)) == NULL ? -1 : ledger_start(l, &out->row));
	}
	return (judge(l, &out->row, f));
}

/* Is it a run that an open plan asks for, but not from there? Said. */
static int
is_astray(const struct ledger *l, const char *path, const struct standings_fact *f)
{
	unsigned slot;

	switch (standings_astray(&l->book, f)) {
	case STANDINGS_FITS:
		break;
	case STANDINGS_UNTAKEN:
		(void)standings_asked(&l->book, f, &slot);
		say_error(
		    "'%s' is what slot %u of the open plan asks for and did not take it before it trained: it could be"
		    " one of several, and counts for nothing",
		    path, slot + 1);
		shell_next("hg-ledger next %s  # another run of that seed takes it by hg-run -l, or hg-ledger take",
		    l->path);
		return (1);
	case STANDINGS_OTHER_MACHINE:
		say_note("'%s' ran on another machine, backend, instruction set or number of threads than the plan's "
			 "challenger or the other run of its pair: it fills no slot, and another run of that seed may",
		    path);
		break;
	case STANDINGS_OTHER_LANE:
		say_error(
		    "'%s' belongs to a pair whose other run was on another lane, so it fills no slot: make that run"
		    " anew there",
		    path);
		return (1);
	}
	return (0);
}

/* For a row, also of a run that was only interrupted, or to be shown, also of one that has not closed out. */
enum prepare { PREPARE_ROW, PREPARE_ALL, PREPARE_PREVIEW };

/* Everything about a run but the appending. */
static int
prepare(const struct ledger *l, const char *path, enum prepare what, struct add *out, struct standings_fact *f)
{
	const struct standings_fact *same, *before;
	struct row there;
	char hex[SHA256_HEX_SIZE];
	int rc;

	memset(out, 0, sizeof(*out));
	if (witness_agrees(l, path) == -1 || runrecord_run(path, l->real, &out->how, &out->row) == -1)
		return (-1);
	row_run_fact(&out->row.run, f);
	/* Few runs are there already: one pass tells. */
	before = standings_run(&l->book, f->run, 0);
	same = before == NULL ? NULL : standings_run(&l->book, f->run, f->attempt);
	if (same != NULL) {
		if (ledger_read(l, same, &there) == -1)
			goto err0;
		if (there.run.run_uid != NULL && strcmp(there.run.run_uid, out->row.run.run_uid) == 0) {
			out->already = (uint64_t)there.number;
			out->judged = 1;
			if (what == PREPARE_PREVIEW) {
				rc = judge_again(l, &there, out, f);
				row_free(&there);
			} else {
				row_free(&out->row);
				out->row = there;
				f->klass = same->klass;
				f->reason = same->reason;
				rc = ledger_digest(l, same, out->digest);
			}
			if (rc == -1 || advice_run(l, path, f, &out->next) == -1)
				goto err0;
			return (0);
		}
		row_free(&there);
	}
	if (out->how == RUNRECORD_CLOSED && f->interrupted && what == PREPARE_ROW)
		out->how = RUNRECORD_INTERRUPTED;
	if (out->how != RUNRECORD_CLOSED && what != PREPARE_PREVIEW)
		return (0);
	if (before != NULL) {
		if (ledger_digest(l, before, hex) == -1 || (out->row.run.supersedes = row_text(&out->row, hex)) == NULL)
			goto err0;
	}
	if (judge(l, &out->row, f) == -1)
		goto err0;
	/* Those that were ended are missing among those that were not. */
	if (what != PREPARE_PREVIEW && f->reason == VERDICT_SLOT && out->row.run.pace != NULL) {
		say_error(
		    "'%s' was trained under a '%s' that might have ended it, so it fills no slot of a confirmation: "
		    "make that run anew, without",
		    path, RUNDIR_PACE);
		errno = EINVAL;
		goto err0;
	}
	if (what != PREPARE_PREVIEW && f->klass <= VERDICT_REGRESSION && is_astray(l, path, f)) {
		errno = EINVAL;
		goto err0;
	}
	if (advice_run(l, path, f, &out->next) == -1)
		goto err0;
	out->judged = 1;
	return (0);
err0:
	add_free(out);
	return (-1);
}

int
add_preview(const struct ledger *l, const char *path, struct add *out)
{
	struct standings_fact f;

	return (prepare(l, path, PREPARE_PREVIEW, out, &f));
}

int
add_run(struct ledger *l, const char *path, int interrupted, struct add *out)
{
	const struct standings_plan *plan;
	struct standings_fact f;
	size_t i;

	if (prepare(l, path, interrupted ? PREPARE_ALL : PREPARE_ROW, out, &f) == -1)
		return (-1);
	if (out->already != 0) {
		/* A kill between row and witness, or between row and verdict, is made up for. */
		(void)witness_keep(l, path, &out->row, out->digest);
	} else if (out->how != RUNRECORD_CLOSED)
		return (0);
	else {
		if (ledger_append_row(l, &out->row, NULL) == -1)
			goto err0;
		memcpy(out->digest, l->head, sizeof(out->digest));
	}
	for (i = 0; i < l->book.plan_count; i++) {
		plan = &l->book.plans[i];
		if (!plan->closed && classify_plan_ready(&l->book, plan)) {
			row_free(&out->confirmation);
			if (confirmation_add(l, plan, 0, &out->confirmation) == -1)
				goto err0;
			out->confirmed = 1;
		}
	}
	if (out->already == 0 || out->confirmed)
		(void)witness_keep(l, path, &out->row, out->digest);
	return (0);
err0:
	add_free(out);
	return (-1);
}
