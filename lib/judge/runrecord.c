#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/fingerprint.h"
#include "run/gate.h"
#include "run/pace.h"
#include "run/refusal.h"
#include "run/specdigest.h"
#include "base/file.h"
#include "judge/runrecord.h"
#include "schema/later.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "base/str.h"

/* How often a run may be retried while it is read. */
#define RETRIES_MEANWHILE 100

/* The verified evidence, and what stands against it, sorted. */
struct case_file {
	struct gate e;
	const json_t *spec, *train, *export, *score; /* borrowed; NULL where there is nothing */
	json_t *refusals, *missing, *problems, *mismatches;
	int64_t attempt, late;
};

static void __attribute__((format(printf, 2, 3))) note(json_t *list, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	json_array_append_new(list, json_string(text));
}

/* The way from one absolute directory to another, without a trailing slash. Owns: the caller frees. */
static char *
relative(const char *from, const char *to)
{
	struct str s = STR_INIT;
	size_t i = 0, common = 0;
	const char *p;
	int rc = 0;

	for (; from[i] != '\0' && from[i] == to[i]; i++)
		if (from[i] == '/')
			common = i + 1;
	if (from[i] == '\0' && to[i] == '/')
		return (strdup(to + i + 1));
	for (p = from + common; *p != '\0'; p++)
		if (p == from + common || p[-1] == '/')
			rc |= str_puts(&s, "../");
	rc |= str_puts(&s, to + common);
	if (rc != 0) {
		str_free(&s);
		return (NULL);
	}
	return (s.p);
}

static void
equal(struct case_file *c, const char *what, const json_t *a, const json_t *b)
{
	char *x, *y;

	if (a == NULL || b == NULL || json_equal(a, b) ||
	    (json_is_number(a) && json_is_number(b) && json_number_value(a) == json_number_value(b)))
		return;
	x = jsonio_line(a);
	y = jsonio_line(b);
	note(c->mismatches, "%s: asked for %s, executed %s", what, x == NULL ? "?" : x, y == NULL ? "?" : y);
	free(x);
	free(y);
}

/* The gate checks digests; what was asked against what was executed is checked here, key by key. */
static void
compare_asked(struct case_file *c)
{
	static const char *const pairs[][2] = {
		{ "train.seed", "seed" },
		{ "train.data_offset", "data_offset" },
		{ "train.batch_tokens", "batch_tokens" },
		{ "train.seq_len", "seq_len" },
		{ "train.warmup_steps", "warmup_steps" },
		{ "train.arith", "arith" },
		{ "system.backend", "backend" },
		{ "system.lane", "lane" },
		{ "budget.max_wallclock_ms", "cap_ms" },
	};
	const json_t *asked;
	json_t *member, *model;
	const char *key, *schedule = jsonio_text(c->train, "schedule", "");
	char path[128];
	size_t i;

	if (c->train == NULL)
		return;
	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		equal(c, pairs[i][0], later_value("spec", c->spec, pairs[i][0]),
		    later_value("training_report", c->train, pairs[i][1]));
	asked = jsonio_get(c->spec, "train.micro_batch_tokens");
	if (json_is_integer(asked))
		equal(c, "train.micro_batch_tokens", asked, jsonio_get(c->train, "micro_batch_tokens"));
	model = json_object_get(c->spec, "model");
	json_object_foreach(model, key, member) {
		snprintf(path, sizeof(path), "model.%s", key);
		equal(c, key, member, later_value("spec", c->train, path));
	}
	json_object_foreach(json_object_get(c->train, "model"), key, member)
		if (strcmp(key, "params") != 0 && json_object_get(model, key) == NULL)
			note(c->mismatches, "%s: no key of a model, but executed", key);
	if (strcmp(schedule, "replay") != 0)
		equal(c, "train.schedule", jsonio_get(c->spec, "train.schedule"), jsonio_get(c->train, "schedule"));
	if (jsonio_text(c->spec, "train.replay", NULL) != NULL &&
	    (strcmp(schedule, "replay") != 0 || strcmp(jsonio_text(c->train, "stop_reason", ""), "iterations") != 0))
		note(c->mismatches,
		    "train.replay: asked for all of its steps, executed %lld of schedule %s until the cap",
		    (long long)jsonio_i64(c->train, "steps", 0), schedule);
	if (strcmp(schedule, "iterations") == 0)
		equal(c, "train.iterations", jsonio_get(c->spec, "train.iterations"), jsonio_get(c->train, "steps"));
}

/* The gate's findings by what they mean for judgement. */
static void
sort_findings(struct case_file *c)
{
	json_t *finding, *to;
	const char *problem;
	enum stage s;
	size_t i;

	json_array_foreach(c->e.findings, i, finding) {
		problem = jsonio_text(finding, "problem", "");
		if (strcmp(problem, "refused") == 0 || strcmp(problem, "partial") == 0)
			continue; /* told by the refusal, by the report */
		if (strcmp(problem, "unfinished") == 0 || strcmp(problem, "missing") == 0)
			to = c->missing;
		else if (strcmp(problem, "malformed") == 0 || strcmp(problem, "corrupt") == 0)
			to = c->problems;
		else
			to = c->mismatches;
		note(to, "%s: %s: %s", jsonio_text(finding, "file", "?"), problem, jsonio_text(finding, "detail", "?"));
	}
	for (s = 0; s < STAGE_COUNT; s++)
		if (c->e.refusal[s] != NULL && !rundir_stages[s].optional)
			json_array_append_new(c->refusals,
			    json_pack("{s:s, s:O, s:O, s:O}", "stage", rundir_stages[s].name, "attempt",
				json_object_get(c->e.refusal[s], "attempt"), "kind",
				json_object_get(c->e.refusal[s], "kind"), "detail",
				json_object_get(c->e.refusal[s], "detail")));
	/* What is absent below a refusal is no matter of waiting. */
	if (json_array_size(c->refusals) != 0)
		json_array_clear(c->missing);
}

/*
 * Steps that began after the cap: those that follow the row of metrics in which the clock had passed it.
 * Errors: -1 with errno, said: the metrics are there, but could not be read.
 */
static int64_t
late_steps(const struct rundir *r, const json_t *train)
{
	int64_t cap = jsonio_i64(train, "cap_ms", -1), over = jsonio_i64(train, "overshoot_ms", 0), last = -1,
		first = -1, step;
	char *text, *line, *end;
	json_t *row;
	size_t n;

	if (cap < 0 || (over <= 0 && jsonio_i64(train, "train_ms", 0) <= cap))
		return (0);
	if ((text = file_read(r->fd, RUNDIR_METRICS, (size_t)1 << 30, &n)) != NULL) {
		/* From the end: only the rows past the cap are of interest. */
		for (end = text + n; end > text; end = line) {
			for (line = end - 1; line > text && line[-1] != '\n'; line--)
				;
			if ((row = json_loadb(line, (size_t)(end - line), 0, NULL)) == NULL)
				continue;
			step = jsonio_i64(row, "step", -1);
			if (last == -1)
				last = step;
			if (jsonio_i64(row, "wallclock_ms", 0) >= cap)
				first = step;
			else
				line = text;
			json_decref(row);
		}
		free(text);
		if (first != -1 && last > first)
			return (last - first);
		if (first != -1)
			return (0);
	} else if (errno != ENOENT && !gate_at_fault(errno)) {
		say_errno("cannot read '%s/%s'", r->path, RUNDIR_METRICS);
		return (-1);
	}
	/* No rows to tell by: a last step may run long, but hardly as long as three. */
	return (over > 3 * jsonio_f64(train, "step_ms_mean", 0) + 1000 ? 1 : 0);
}

/* Eval law and validation text: what makes scores comparable. NULL without a score, or out of memory. */
static const char *
group_of(struct row *row, const struct case_file *c)
{
	const char *eval = jsonio_text(c->score, "eval_sha256", NULL),
		   *raw = jsonio_text(c->score, "val_raw_sha256", NULL),
		   *kept = jsonio_text(c->score, "val_kept_sha256", NULL), *group = NULL;
	const char *evidence = jsonio_text(c->train, "evidence", "checkpoint");
	char hex[SHA256_HEX_SIZE];
	json_t *law;

	/* A word stands by itself: for what text and law it is said to be, as the spec has them. */
	if (strcmp(evidence, "claim") == 0)
		eval = jsonio_text(c->spec, "digests.eval_sha256", NULL);
	if (eval == NULL)
		return (NULL);
	/* Without the raw text's digest only the very same shards are known to be the same text. */
	law = raw != NULL ?
	    json_pack("{s:s, s:s}", "eval_sha256", eval, "val_raw_sha256", raw) :
	    json_pack("{s:s, s:s, s:s}", "eval_sha256", eval, "val_sha256", jsonio_text(c->spec, "data.val_sha256", ""),
		"tokenizer_sha256", jsonio_text(c->spec, "data.tokenizer_sha256", ""));
	/* Bits of less text are no better model: a tokenizer that loses of it is alone with what it keeps. */
	if (raw != NULL && kept != NULL && strcmp(kept, raw) != 0)
		(void)json_object_update_new(law,
		    json_pack("{s:s, s:s}", "val_kept_sha256", kept, "tokenizer_sha256",
			jsonio_text(c->score, "tokenizer_sha256", "")));
	/* What only a program's own scorer, or its word, tells is never held against what was measured here. */
	if (strcmp(evidence, "checkpoint") != 0)
		(void)json_object_set_new(law, "evidence", json_string(evidence));
	if (law != NULL && jsonio_digest(law, hex) == 0)
		group = row_text(row, hex);
	json_decref(law);
	return (group);
}

/*
 * One more than the stages' retries together: any retry makes another attempt of the run.  -1 with errno, said.
 * ${refusal} (or NULL) has the refusals read: theirs is their stage's attempt, whatever a retry under way has made.
 */
static int64_t
attempt_of(const struct rundir *r, json_t *const refusal[STAGE_COUNT])
{
	int64_t n = 1;
	int a, s;

	for (s = 0; s < STAGE_COUNT; s++) {
		if (rundir_stages[s].optional)
			continue;
		if ((a = rundir_attempt(r, (enum stage)s)) == -1) {
			say_errno("cannot look into '%s/%s'", r->path, RUNDIR_ATTEMPTS);
			return (-1);
		}
		if (refusal != NULL && refusal[s] != NULL)
			n += jsonio_i64(refusal[s], "attempt", a) - 1;
		else
			n += a - 1;
	}
	return (n);
}

int
runrecord_row(const struct standings *b, const struct rundir *r, const struct standings_fact **row)
{
	const struct standings_fact *f = standings_run(b, standings_tag(r->spec.run_uid), 0);
	int64_t attempt = f == NULL ? 0 : attempt_of(r, NULL);

	*row = f == NULL || (int64_t)f->attempt < attempt ? NULL : f;
	return (attempt == -1 ? -1 : 0);
}

/* The group whose incumbent's pace ended training, if all that stands against the run is that; else NULL. */
static const char *
outrun_by(struct row *row, const struct rundir *r, const struct case_file *c)
{
	const json_t *refusal = c->e.refusal[STAGE_TRAIN];
	struct pace pace;

	if (refusal == NULL || json_array_size(c->refusals) != 1 ||
	    strcmp(jsonio_text(refusal, "kind", ""), refusal_name(REFUSAL_OUTRUN)) != 0 || pace_read(r, &pace) != 1 ||
	    strcmp(jsonio_text(refusal, "expected.pace_sha256", ""), pace.sha256) != 0)
		return (NULL);
	return (row_text(row, pace.group));
}

/* The last part of a directory's path, which is what people call it. */
static const char *
last_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return (slash == NULL ? path : slash + 1);
}

/* Evidence and attempt as of one moment: what a retry moved meanwhile is read again. 0, or -1 with errno, said. */
static int
gather(struct case_file *c, struct rundir *r)
{
	int64_t before, after;
	int tries;

	for (tries = 0; tries < RETRIES_MEANWHILE; tries++) {
		if ((before = attempt_of(r, NULL)) == -1)
			return (-1);
		if (gate_gather(&c->e, r, rundir_last(r)) == -1) {
			/* A refusal may have been moved between the look and the reading. */
			if (errno == ENOENT && (after = attempt_of(r, NULL)) != -1 && after != before)
				continue;
			return (-1);
		}
		if ((after = attempt_of(r, NULL)) == before) {
			if ((c->attempt = attempt_of(r, c->e.refusal)) != -1)
				return (0);
			after = -1;
		}
		gate_free(&c->e);
		if (after == -1)
			return (-1);
	}
	say_error("'%s' is retried again and again: add it once that has ended", r->path);
	errno = EAGAIN;
	return (-1);
}

/* The numbers of a program that only says them. */
static void
take_word(struct run_record *run, const json_t *train)
{
	static const enum policy_metric said[] = { POLICY_VAL_LOSS, POLICY_VAL_BPB, POLICY_VAL_BPB_RAW, POLICY_VALUE };
	char path[64];
	size_t i;

	for (i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		snprintf(path, sizeof(path), "claimed.%s", policy_metric_name(said[i]));
		run->metric.of[said[i]] = jsonio_f64(train, path, NAN);
	}
	run->claim_boundary = jsonio_text(train, "claim_boundary", NULL);
}

/* A receipt's member is where record.def says; what follows from all of them, or from the run's place, is here. */
static void
build(struct row *row, const struct rundir *r, const struct case_file *c, const char *place)
{
	const json_t *const from[RECORD_SOURCES] = { [RECORD_SPEC] = c->spec,
		[RECORD_TRAIN] = c->train,
		[RECORD_EXPORT] = c->export,
		[RECORD_SCORE] = c->score };
	struct run_record *run = &row->run;
	char hex[SHA256_HEX_SIZE];
	size_t i;

	/* Their texts are borrowed. */
	for (i = 0; i < RECORD_SOURCES; i++)
		if (from[i] != NULL)
			(void)row_hold(row, json_incref((json_t *)(uintptr_t)from[i]));
	row_take_run(run, from);
	run->run_id = row_text(row, r->id);
	run->attempt = c->attempt;
	run->dir = row_text(row, place);
	run->spec = row_text(row, r->spec.text_sha256);
	if (c->train != NULL)
		run->training_report = row_text(row, c->e.receipt_sha256[STAGE_TRAIN]);
	if (c->export != NULL)
		run->export_report = row_text(row, c->e.receipt_sha256[STAGE_EXPORT]);
	if (c->score != NULL)
		run->score_report = row_text(row, c->e.report_sha256);
	run->group = group_of(row, c);
	run->outrun = run->group == NULL ? outrun_by(row, r, c) : NULL;
	if (c->train != NULL && fingerprint_machine(c->spec, c->train, hex) == 0)
		run->machine = row_text(row, hex);
	run->recipe = specdigest_recipe(c->spec, hex) == 0 ? row_text(row, hex) : NULL;
	/* Not measured what the tokenizer loses: no unit across tokenizers. Before 0.2 nobody asked. */
	if (json_is_string(json_object_get(c->score, "val_raw_sha256")) &&
	    json_is_null(json_object_get(c->score, "val_kept_sha256")))
		run->metric.of[POLICY_VAL_BPB_RAW] = NAN;
	if (rundir_evidence(r) == RUNDIR_CLAIMS)
		take_word(run, c->train);
	run->data_name = row_text(row, last_name(jsonio_text(c->spec, "data.dir", "")));
	run->settings = row_hold(row, specdigest_settings(c->spec));
	run->cost_ms = jsonio_i64(c->train, "elapsed_ms", 0) + jsonio_i64(c->export, "elapsed_ms", 0) +
	    jsonio_i64(c->score, "elapsed_ms", 0);
	run->late_steps = c->late;
	run->refusals = c->refusals;
	run->missing = c->missing;
	run->problems = c->problems;
	run->mismatches = c->mismatches;
}

int
runrecord_run(const char *path, const char *ledger, enum runrecord *how, struct row *row)
{
	struct case_file c = { .spec = NULL };
	struct rundir r;
	char real[PATH_MAX], *place = NULL;
	int error, s, rc = -1, running = 0;

	if (rundir_open(&r, path) == -1)
		return (-1);
	if (rundir_load(&r) == -1)
		goto err0;
	if (realpath(path, real) == NULL || (place = relative(ledger, real)) == NULL) {
		say_errno("cannot tell where '%s' is", path);
		goto err0;
	}
	if (gather(&c, &r) == -1)
		goto err1;
	c.spec = r.spec.json;
	c.train = c.e.receipt[STAGE_TRAIN];
	c.export = c.e.receipt[STAGE_EXPORT];
	c.score = c.e.report;
	if ((c.late = c.train == NULL ? 0 : late_steps(&r, c.train)) == -1)
		goto err2;
	row_init(row, STANDINGS_RUN);
	if (row_hold(row, c.refusals = json_array()) == NULL || row_hold(row, c.missing = json_array()) == NULL ||
	    row_hold(row, c.problems = json_array()) == NULL || row_hold(row, c.mismatches = json_array()) == NULL) {
		row_free(row);
		goto err2;
	}
	sort_findings(&c);
	compare_asked(&c);
	for (s = 0; s < STAGE_COUNT; s++)
		running |= !rundir_stages[s].optional &&
		    (c.e.states[s] == STATE_RUNNING || c.e.states[s] == STATE_OVERDUE);
	*how = running ? RUNRECORD_RUNNING : json_array_size(c.missing) != 0 ? RUNRECORD_PENDING : RUNRECORD_CLOSED;
	build(row, &r, &c, place);
	rc = 0;
err2:
	error = errno;
	gate_free(&c.e);
	errno = error;
err1:
	error = errno;
	free(place);
	rundir_close(&r);
	errno = error;
	return (rc);
err0:
	error = errno;
	rundir_close(&r);
	errno = error;
	return (-1);
}
