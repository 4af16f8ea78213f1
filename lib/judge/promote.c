#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "add.h"
#include "exit.h"
#include "jsonio.h"
#include "ledger.h"
#include "promote.h"
#include "row.h"
#include "rundir.h"
#include "say.h"
#include "str.h"

extern char **environ;

enum holds { YES, NO, MISSING };

struct case_for {
	struct ledger l;
	const char *path;
	struct add add;			/* the run as it is now; add.row is its row in the ledger */
	const struct book_fact *fact;
	const struct book_fact *confirmation;
	size_t confirmed_row;
	json_t *conditions;		/* for the row */
	enum holds worst;
	json_t *commands;		/* what would bring the evidence that is missing */
};

static void __attribute__((format(printf, 4, 5)))
condition(struct case_for *c, const char *name, enum holds holds, const char *format, ...)
{
	static const char *const words[] = { "yes", "no", "pending" };
	char evidence[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(evidence, sizeof(evidence), format, ap);
	va_end(ap);
	printf("%-8s %-18s %s\n", words[holds], name, evidence);
	json_array_append_new(c->conditions, json_pack("{s:s, s:b, s:s}", "condition", name, "holds", holds == YES,
	    "evidence", evidence));
	/* What is false stays false whatever else is brought. */
	if (holds == NO || (holds == MISSING && c->worst == YES))
		c->worst = holds;
}

static void __attribute__((format(printf, 2, 3)))
command(struct case_for *c, const char *format, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	json_array_append_new(c->commands, json_string(text));
}

static void
is_incumbent(struct case_for *c)
{
	const struct book_group *g = c->fact->group == 0 ? NULL : book_group(&c->l.book, c->fact->group);

	if (g != NULL && g->incumbent == c->fact->config)
		condition(c, "incumbent", YES, "configuration %.12s", jsonio_text(c->add.row, "run.config_sha256", ""));
	else
		condition(c, "incumbent", NO, "another configuration is");
}

static void
is_sound(struct case_for *c)
{
	const json_t *row = c->add.row;
	const char *klass = jsonio_text(row, "verdict.class", "?");

	if (c->fact->klass == VERDICT_BLOCKED || c->fact->klass == VERDICT_INVALID)
		condition(c, "sound", NO, "row %lld is %s: %s", (long long)jsonio_i64(row, "row", 0), klass,
		    jsonio_text(row, "verdict.reason", "?"));
	else
		condition(c, "sound", YES, "row %lld breaks no rule", (long long)jsonio_i64(row, "row", 0));
	if (jsonio_true(row, "run.within_cap"))
		condition(c, "cap", YES, "%lld of %lld bytes", (long long)jsonio_i64(row, "run.metrics.total_bytes", 0),
		    (long long)jsonio_i64(row, "run.cap_bytes", 0));
	else
		condition(c, "cap", NO, "the artifact does not fit");
	if (jsonio_i64(row, "run.late_steps", 1) == 0 && !jsonio_true(row, "run.starved"))
		condition(c, "wallclock", YES, "no step began after the cap, %lld ms",
		    (long long)jsonio_i64(row, "run.cap_ms", 0));
	else
		condition(c, "wallclock", NO, "steps began after the cap, or the machine was busy");
}

/* Its bytes now against its row's. */
static void
is_unchanged(struct case_for *c)
{
	static const char *const keys[] = { "spec_sha256", "training_report_sha256", "export_report_sha256",
		"score_report_sha256", "artifact_sha256" };
	enum gather how;
	json_t *run;
	size_t i;
	int same = 1;

	if (gather_run(c->path, c->l.real, &how, &run) == -1) {
		condition(c, "evidence", MISSING, "the run can't be read");
		return;
	}
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		same &= json_equal(json_object_get(run, keys[i]), json_object_get(json_object_get(c->add.row,
		    "run"), keys[i]));
	if (how != GATHER_CLOSED) {
		condition(c, "evidence", MISSING, "files that receipts name are not there");
		command(c, "hg-gate score %s", c->path);
	} else if (!same || json_array_size(json_object_get(run, "mismatches")) != 0 ||
	    json_array_size(json_object_get(run, "problems")) != 0)
		condition(c, "evidence", NO, "the run is not what its row says");
	else
		condition(c, "evidence", YES, "receipts and artifact are those of the row");
	json_decref(run);
}

static void
is_full(struct case_for *c)
{
	struct rundir r;

	if (rundir_open(&r, c->path) == -1) {
		condition(c, "full_evaluation", MISSING, "the run can't be opened");
		return;
	}
	if (rundir_load(&r) == -1)
		condition(c, "full_evaluation", MISSING, "its spec can't be read");
	else if (jsonio_i64(r.spec.json, "eval.docs", -1) != 0)
		condition(c, "full_evaluation", NO, "its eval law scores %lld documents only",
		    (long long)jsonio_i64(r.spec.json, "eval.docs", -1));
	else
		condition(c, "full_evaluation", YES, "all %lld documents",
		    (long long)jsonio_i64(c->add.row, "run.documents", 0));
	rundir_close(&r);
}

/* The last confirmation that made this configuration incumbent. */
static void
find_confirmation(struct case_for *c)
{
	const struct book_fact *f;
	size_t i;

	for (i = book_count(&c->l.book); i-- > 0; ) {
		f = book_fact(&c->l.book, i);
		if (f->kind == BOOK_VERDICT && f->klass == VERDICT_IMPROVEMENT && f->config == c->fact->config &&
		    f->group == c->fact->group) {
			c->confirmation = f;
			c->confirmed_row = i + 1;
			return;
		}
	}
}

/* The bound of the gain in the margin's unit, from the confirmation's own fresh runs. */
static void
gained(struct case_for *c)
{
	const struct policy *p = &c->l.book.policy;
	const struct book_plan *plan;
	const struct book_fact *mine = NULL, *theirs = NULL, *f;
	enum policy_metric m = p->promotion.unit == POLICY_NATS_PER_TOKEN ? POLICY_VAL_LOSS :
	    p->metric.across_tokenizers;
	struct noise_arm a, b;
	struct noise_pool pool;
	struct noise_test t;
	double scale = p->promotion.unit == POLICY_NATS_PER_BYTE ? log(2) : 1;
	unsigned k;

	if (c->confirmation == NULL) {
		condition(c, "confirmed_gain", MISSING, "no confirmation has found it better than what was there"
		    " before");
		command(c, "hg-confirm %s RUN, with a challenger that passed the screen", c->l.path);
		condition(c, "margin", MISSING, "no gain is known");
		return;
	}
	condition(c, "confirmed_gain", YES, "confirmed in row %zu", c->confirmed_row);
	plan = book_plan(&c->l.book, c->confirmation->plan);
	for (k = 0; plan != NULL && k < 2 * plan->n; k++) {
		f = book_fact(&c->l.book, plan->slot[k].fact - 1);
		*(plan->slot[k].challenger ? &mine : &theirs) = f;
	}
	if (plan == NULL || mine == NULL || theirs == NULL ||
	    (m == POLICY_VAL_LOSS && mine->tokenizer != theirs->tokenizer)) {
		condition(c, "margin", NO, "the gain can't be told in %s: tokenizers differ",
		    policy_unit_name(p->promotion.unit));
		return;
	}
	a = book_arm(&c->l.book, plan, 0, m);
	b = book_arm(&c->l.book, plan, 1, m);
	if (a.n < plan->n || b.n < plan->n) {
		condition(c, "margin", MISSING, "%s is not known of all runs", policy_metric_name(m));
		return;
	}
	pool = book_pool(&c->l.book, plan->group, plan->lane, plan->config, plan->other, m);
	t = noise_compare(&a, &b, &pool, p->metric.sign, 0, p->promotion.confidence);
	condition(c, "margin", t.lower * scale >= p->promotion.margin ? YES : NO,
	    "lower %g %% bound of the gain %.5f, margin %.5f %s (gain %.5f, %u and %u fresh runs)",
	    100 * p->promotion.confidence, t.lower * scale, p->promotion.margin, policy_unit_name(p->promotion.unit),
	    t.gain * scale, plan->n, plan->n);
}

static void
verifies(struct case_for *c)
{
	char head[SHA256_HEX_SIZE];
	uint64_t size, count;

	if (ledger_walk(c->l.rows, NULL, NULL, &size, &count, head) == 0 && strcmp(head, c->l.head) == 0)
		condition(c, "chain", YES, "%llu rows to head %.12s", (unsigned long long)count, head);
	else
		condition(c, "chain", NO, "the ledger does not verify");
}

/* Score again, in a temporary, and compare: the tool's own answer counts. */
static void
scores_again(struct case_for *c)
{
	char word[] = "hg-score", flag[] = "-c", end[] = "--", *path = strdup(c->path);
	char *argv[] = { word, flag, end, path, NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int status = 0, rc;

	if (path == NULL || posix_spawn_file_actions_init(&actions) != 0) {
		free(path);
		condition(c, "scored_again", MISSING, "no memory");
		return;
	}
	/* This tool's product is the list of conditions. */
	posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
	fflush(stdout);
	rc = posix_spawnp(&pid, word, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	free(path);
	while (rc == 0 && waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			rc = errno;
	if (rc == 0 && WIFEXITED(status) && WEXITSTATUS(status) == HG_EXIT_DONE)
		condition(c, "scored_again", YES, "hg-score -c got the same");
	else if (rc == 0 && WIFEXITED(status) && WEXITSTATUS(status) == HG_EXIT_NO)
		condition(c, "scored_again", NO, "hg-score -c got another score");
	else {
		condition(c, "scored_again", MISSING, "hg-score -c did not finish");
		command(c, "hg-score -c %s", c->path);
	}
}

/* A promotion of this very artifact that stands: its row's number, or 0. */
static uint64_t
promoted(const struct case_for *c)
{
	const struct book_fact *f;
	size_t i;

	for (i = book_count(&c->l.book); i-- > 0; ) {
		f = book_fact(&c->l.book, i);
		if (f->kind == BOOK_PROMOTION && f->group == c->fact->group)
			return (f->config == c->fact->config && f->artifact == c->fact->artifact ? (uint64_t)i + 1 : 0);
	}
	return (0);
}

static int
record(struct case_for *c)
{
	struct ledger w;
	char confirmation[SHA256_HEX_SIZE];
	json_t *row;
	int rc, code = HG_EXIT_DONE;

	if (ledger_digest(&c->l, c->confirmation, confirmation) == -1)
		return (HG_EXIT_SYSTEM);
	if (ledger_open(&w, c->l.path, LEDGER_WRITE) == -1)
		return (ledger_exit(errno));
	if (strcmp(w.head, c->l.head) != 0) {
		condition(c, "head", NO, "the ledger's head has moved from %.12s to %.12s", c->l.head, w.head);
		ledger_close(&w);
		return (HG_EXIT_NO);
	}
	row = ledger_begin(&w, BOOK_PROMOTION);
	json_object_set_new(row, row_kind_name(BOOK_PROMOTION), json_pack("{s:O, s:O, s:O, s:s, s:O, s:s, s:s, s:O}",
	    "group_sha256", jsonio_get(c->add.row, "run.group_sha256"),
	    "config_sha256", jsonio_get(c->add.row, "run.config_sha256"), "run_id",
	    jsonio_get(c->add.row, "run.run_id"),
	    "run_sha256", c->add.digest, "artifact_sha256", jsonio_get(c->add.row, "run.artifact_sha256"),
	    "confirmation_sha256", confirmation, "head_sha256", c->l.head, "conditions", c->conditions));
	if ((rc = ledger_append(&w, row, NULL)) == -1)
		code = ledger_exit(errno);
	else
		printf("promoted: row %zu\n", book_count(&w.book));
	json_decref(row);
	ledger_close(&w);
	return (code);
}

int
promote_run(const char *ledger, const char *path, const char *head)
{
	struct case_for c = { .path = path, .worst = YES };
	const json_t *text;
	uint64_t before;
	size_t i;
	int code = HG_EXIT_SYSTEM;

	if (ledger_open(&c.l, ledger, LEDGER_READ) == -1)
		return (ledger_exit(errno));
	c.conditions = json_array();
	c.commands = json_array();
	if (add_preview(&c.l, path, &c.add) == -1) {
		code = rundir_exit(errno);
		goto err0;
	}
	if (c.add.already == 0) {
		printf("pending: '%s' is not in the ledger\nnext: hg-ledger add %s %s\n", path, ledger, path);
		code = HG_EXIT_PENDING;
		goto err1;
	}
	c.fact = book_fact(&c.l.book, (size_t)c.add.already - 1);
	if ((before = promoted(&c)) != 0) {
		printf("promoted already: row %llu\n", (unsigned long long)before);
		code = HG_EXIT_DONE;
		goto err1;
	}
	if (head != NULL && (strlen(head) < 8 || strncmp(head, c.l.head, strlen(head)) != 0))
		condition(&c, "head", NO, "it is %.12s, and was asked to be %.12s", c.l.head, head);
	else
		condition(&c, "head", YES, "%.12s", c.l.head);
	find_confirmation(&c);
	is_incumbent(&c);
	is_sound(&c);
	gained(&c);
	is_full(&c);
	is_unchanged(&c);
	verifies(&c);
	if (c.worst == YES)
		scores_again(&c);
	else
		condition(&c, "scored_again", MISSING, "it is scored again once all else holds");
	if (c.worst == YES)
		code = record(&c);
	else
		code = c.worst == NO ? HG_EXIT_NO : HG_EXIT_PENDING;
	if (code == HG_EXIT_NO)
		printf("refused\n");
	else if (code == HG_EXIT_PENDING) {
		printf("pending\n");
		json_array_foreach(c.commands, i, text)
			printf("next: %s\n", json_string_value(text));
	}
err1:
	add_free(&c.add);
err0:
	json_decref(c.conditions);
	json_decref(c.commands);
	ledger_close(&c.l);
	return (code);
}
