#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/gate.h"
#include "base/file.h"
#include "judge/runrecord.h"
#include "schema/later.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "base/str.h"

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
put_text(json_t *run, const char *key, const json_t *from, const char *path)
{
	const char *text = jsonio_text(from, path, NULL);

	json_object_set_new(run, key, text == NULL ? json_null() : json_string(text));
}

/* Copy a member of any type; null where there is none. */
static void
put_any(json_t *run, const char *key, const json_t *from, const char *path)
{
	json_t *v = jsonio_get(from, path);

	json_object_set_new(run, key, v == NULL ? json_null() : json_deep_copy(v));
}

static void
put_digest(json_t *run, const char *key, const json_t *of, const char *hex)
{
	json_object_set_new(run, key, of == NULL ? json_null() : json_string(hex));
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
		equal(c, pairs[i][0], jsonio_get(c->spec, pairs[i][0]), jsonio_get(c->train, pairs[i][1]));
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

static void
put_group(json_t *run, const struct case_file *e)
{
	const char *eval = jsonio_text(e->score, "eval_sha256", NULL),
		   *raw = jsonio_text(e->score, "val_raw_sha256", NULL);
	char hex[SHA256_HEX_SIZE];
	json_t *law = NULL;

	if (e->score != NULL && eval != NULL)
		/* Without the raw text's digest only the very same shards are known to be the same text. */
		law = raw != NULL ? json_pack("{s:s, s:s}", "eval_sha256", eval, "val_raw_sha256", raw) :
				    json_pack("{s:s, s:s, s:s}", "eval_sha256", eval, "val_sha256",
					jsonio_text(e->spec, "data.val_sha256", ""), "tokenizer_sha256",
					jsonio_text(e->score, "tokenizer_sha256", ""));
	json_object_set_new(run, "group_sha256",
	    law != NULL && jsonio_digest(law, hex) == 0 ? json_string(hex) : json_null());
	json_decref(law);
}

static json_t *
numbers(const struct case_file *e)
{
	json_t *m = json_object();

	put_any(m, "val_loss", e->score, "val_loss");
	put_any(m, "val_bpb", e->score, "val_bpb");
	put_any(m, "val_bpb_raw", e->score, "val_bpb_raw");
	put_any(m, "total_bytes", e->export, "total_bytes");
	put_any(m, "train_ms", e->train, "train_ms");
	put_any(m, "wallclock_ms", e->train, "wallclock_ms");
	put_any(m, "peak_memory_bytes", e->train, "peak_memory_bytes");
	return (m);
}

/* One more than the stages' retries together: any retry makes another attempt of the run. -1 with errno, said. */
static int64_t
attempt_of(const struct rundir *r)
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
		n += a - 1;
	}
	return (n);
}

static json_t *
build(const struct rundir *r, const struct case_file *e, const char *place)
{
	json_t *run = json_object();
	const json_t *spec = e->spec;

	json_object_set_new(run, "run_id", json_string(r->id));
	put_text(run, "run_uid", spec, "run_uid");
	json_object_set_new(run, "attempt", json_integer(e->attempt));
	json_object_set_new(run, "supersedes", json_null());
	json_object_set_new(run, "dir", json_string(place));
	put_text(run, "hypothesis", spec, "about.hypothesis");
	json_object_set_new(run, "spec_sha256", json_string(r->spec.text_sha256));
	put_text(run, "config_sha256", spec, "digests.config_sha256");
	put_text(run, "model_sha256", spec, "digests.model_sha256");
	put_text(run, "data_sha256", spec, "digests.data_sha256");
	put_text(run, "tokenizer_sha256", spec, "digests.tokenizer_sha256");
	put_text(run, "eval_sha256", spec, "digests.eval_sha256");
	put_text(run, "init_sha256", spec, "digests.init_sha256");
	put_text(run, "system_sha256", e->train, "system_sha256");
	put_text(run, "code_sha256", e->train, "code_sha256");
	put_digest(run, "training_report_sha256", e->train, e->e.receipt_sha256[STAGE_TRAIN]);
	put_digest(run, "export_report_sha256", e->export, e->e.receipt_sha256[STAGE_EXPORT]);
	put_digest(run, "score_report_sha256", e->score, e->e.report_sha256);
	put_text(run, "artifact_sha256", e->export, "artifact.sha256");
	put_text(run, "docs_sha256", e->score, "docs_sha256");
	put_text(run, "val_raw_sha256", e->score, "val_raw_sha256");
	put_group(run, e);
	put_text(run, "lane", spec, "system.lane");
	put_any(run, "cap_ms", spec, "budget.max_wallclock_ms");
	put_any(run, "seed", spec, "train.seed");
	put_any(run, "started_at", e->train, "started_at");
	json_object_set_new(run, "cost_ms",
	    json_integer(jsonio_i64(e->train, "elapsed_ms", 0) + jsonio_i64(e->export, "elapsed_ms", 0) +
		jsonio_i64(e->score, "elapsed_ms", 0)));
	put_any(run, "steps", e->train, "steps");
	put_any(run, "step_ms_mean", e->train, "step_ms_mean");
	put_any(run, "overshoot_ms", e->train, "overshoot_ms");
	json_object_set_new(run, "late_steps", json_integer(e->late));
	json_object_set_new(run, "starved", json_boolean(jsonio_true(e->train, "starved")));
	put_any(run, "artifact_bytes", e->export, "artifact.bytes");
	put_any(run, "code_bytes", e->export, "code_bytes");
	put_any(run, "cap_bytes", e->export, "cap_bytes");
	put_any(run, "within_cap", e->export, "within_cap");
	put_any(run, "prequant_val_bpb", e->score, "prequant_val_bpb");
	put_any(run, "tokens", e->score, "tokens");
	put_any(run, "bytes", e->score, "bytes");
	put_any(run, "raw_bytes", e->score, "raw_bytes");
	put_any(run, "documents", e->score, "documents");
	put_any(run, "documents_expected", e->score, "documents_expected");
	put_any(run, "partial", e->score, "partial");
	json_object_set_new(run, "metrics", numbers(e));
	json_object_set(run, "refusals", e->refusals);
	json_object_set(run, "missing", e->missing);
	json_object_set(run, "problems", e->problems);
	json_object_set(run, "mismatches", e->mismatches);
	put_text(run, "claim_boundary", e->score, "claim_boundary");
	return (run);
}

int
runrecord_run(const char *path, const char *ledger, enum runrecord *how, json_t **run)
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
	if (gate_gather(&c.e, &r, STAGE_SCORE) == -1)
		goto err1;
	c.spec = r.spec.json;
	c.train = c.e.receipt[STAGE_TRAIN];
	c.export = c.e.receipt[STAGE_EXPORT];
	c.score = c.e.report;
	if ((c.attempt = attempt_of(&r)) == -1 || (c.late = c.train == NULL ? 0 : late_steps(&r, c.train)) == -1)
		goto err2;
	c.refusals = json_array();
	c.missing = json_array();
	c.problems = json_array();
	c.mismatches = json_array();
	sort_findings(&c);
	compare_asked(&c);
	for (s = 0; s < STAGE_COUNT; s++)
		running |= !rundir_stages[s].optional &&
		    (c.e.states[s] == STATE_RUNNING || c.e.states[s] == STATE_OVERDUE);
	*how = running ? RUNRECORD_RUNNING : json_array_size(c.missing) != 0 ? RUNRECORD_PENDING : RUNRECORD_CLOSED;
	*run = build(&r, &c, place);
	rc = 0;
	json_decref(c.refusals);
	json_decref(c.missing);
	json_decref(c.problems);
	json_decref(c.mismatches);
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
