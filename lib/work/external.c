#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/progress.h"
#include "base/say.h"
#include "base/tree.h"
#include "gpt/checkpoint.h"
#include "gpt/safetensors.h"
#include "gpt/trainspec.h"
#include "run/fingerprint.h"
#include "run/program.h"
#include "schema/contract.h"
#include "stage/inputs.h"
#include "work/dependencies.h"
#include "work/external.h"
#include "work/launch.h"
#include "work/provenance.h"
#include "work/scoring.h"
#include "work/training.h"

/* What a checkpoint, and what one file of an artifact, may have. */
#define CHECKPOINT_BYTES ((uint64_t)64 << 30)

/* So many members that disagree are listed; a refusal that names more could not be read again. */
#define MISMATCHES 1000

/* The worker's state; its process ends with it, and frees. */
struct work {
	struct stage_work *w;
	const struct rundir *r;
	enum rundir_evidence evidence;
	struct dataset *data;
	struct launch launch;
	struct metrics metrics;
	int64_t slept_ms;
	json_t *result; /* what it printed; NULL for a claim */
	json_t *claimed;
	json_t *mismatches;  /* [{field, expected, observed}] */
	json_t *files;       /* of the artifact */
	uint64_t left_bytes; /* that more files of it may have */
	uint64_t params;
	float *weights;
};

/* --- what it handed over ------------------------------------------------------- */

static int
disagrees(struct work *x, const char *field, json_t *expected, json_t *observed)
{
	if (json_array_size(x->mismatches) == MISMATCHES) {
		json_decref(expected);
		json_decref(observed);
		return (0);
	}
	return (json_array_append_new(x->mismatches,
	    json_pack("{s:s, s:o, s:o}", "field", field, "expected", expected, "observed", observed)));
}

/* Read its result: one JSON object by its contract, and nothing after it. */
static int
read_result(struct work *x)
{
	const struct str *said = &x->launch.said;
	struct str where = STR_INIT;
	json_error_t error;

	if (said->n == 0)
		return (stage_refuse(x->w, REFUSAL_RESULT_INVALID, NULL, NULL,
		    "the program printed no result: one JSON object on its standard output was expected"));
	x->result = json_loadb(said->p, said->n, JSON_REJECT_DUPLICATES, &error);
	if (x->result == NULL)
		return (stage_refuse(x->w, REFUSAL_RESULT_INVALID, NULL, NULL,
		    "what the program printed is not one JSON object (line %d: %s); messages belong on standard error",
		    error.line, error.text));
	if (contract_accept("trainer_result", x->result, &where) == -1)
		return (stage_refuse(x->w, REFUSAL_RESULT_INVALID, NULL, NULL, "the result's %s",
		    where.p == NULL ? "form is wrong" : where.p));
	return (0);
}

/* Every member that tells of what was asked for is what was asked for; all that are not are listed. */
static int
compare_result(struct work *x)
{
	static const char *const names[] = { "checkpoint", "artifact" };
	const json_t *spec = x->r->spec.json, *seed = jsonio_get(spec, "train.seed"), *model, *asked;
	const char *result = x->launch.dry ? "dry_run" : "trained", *key, *gives;
	json_t *member;
	char field[128];
	size_t i;

	if (strcmp(jsonio_text(x->result, "run_uid", ""), x->r->spec.run_uid) != 0)
		disagrees(x, "run_uid", json_string(x->r->spec.run_uid),
		    json_incref(json_object_get(x->result, "run_uid")));
	if (strcmp(jsonio_text(x->result, "result", ""), result) != 0)
		disagrees(x, "result", json_string(result), json_incref(json_object_get(x->result, "result")));
	member = json_object_get(x->result, "seed");
	if (!x->launch.dry && member == NULL)
		disagrees(x, "seed", json_incref((json_t *)(uintptr_t)seed), json_null());
	else if (member != NULL && !json_equal(member, seed))
		disagrees(x, "seed", json_incref((json_t *)(uintptr_t)seed), json_incref(member));
	model = json_object_get(spec, "model");
	json_object_foreach(json_object_get(x->result, "model"), key, member) {
		asked = json_object_get(model, key);
		if (asked != NULL &&
		    (json_equal(asked, member) ||
			(json_is_number(asked) && json_is_number(member) &&
			    json_number_value(asked) == json_number_value(member))))
			continue;
		snprintf(field, sizeof(field), "model.%.100s", key);
		disagrees(x, field, asked == NULL ? json_null() : json_incref((json_t *)(uintptr_t)asked),
		    json_incref(member));
	}
	gives = jsonio_text(spec, "trainer.gives", "");
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		member = json_object_get(x->result, names[i]);
		if ((member != NULL) == (!x->launch.dry && strcmp(gives, names[i]) == 0))
			continue;
		disagrees(x, names[i], member == NULL ? json_string("a file's name") : json_null(),
		    member == NULL ? json_null() : json_incref(member));
	}
	return (0);
}

/* All that disagrees, at once. */
static int
refuse_mismatches(struct work *x)
{
	struct str list = STR_INIT;
	json_t *observed, *expected, *v;
	size_t i, n = json_array_size(x->mismatches);
	char *a, *b;

	if (n == 0)
		return (0);
	observed = json_object();
	expected = json_object();
	json_array_foreach(x->mismatches, i, v) {
		json_object_set(observed, jsonio_text(v, "field", "?"), json_object_get(v, "observed"));
		json_object_set(expected, jsonio_text(v, "field", "?"), json_object_get(v, "expected"));
		if (i >= 8)
			continue;
		a = jsonio_line(json_object_get(v, "observed"));
		b = jsonio_line(json_object_get(v, "expected"));
		if (json_is_null(json_object_get(v, "observed")))
			(void)str_printf(&list, "%s%s is not there", i == 0 ? "" : "; ", jsonio_text(v, "field", "?"));
		else if (json_is_null(json_object_get(v, "expected")))
			(void)str_printf(&list, "%s%s is there, and nothing asks for it", i == 0 ? "" : "; ",
			    jsonio_text(v, "field", "?"));
		else
			(void)str_printf(&list, "%s%s is %.80s, not %.80s", i == 0 ? "" : "; ",
			    jsonio_text(v, "field", "?"), a == NULL ? "?" : a, b == NULL ? "?" : b);
		free(a);
		free(b);
	}
	if (n > 8)
		(void)str_printf(&list, "; and %zu more", n - 8);
	return (stage_refuse(x->w, REFUSAL_RESULT_MISMATCH, observed, expected, "%s", list.p == NULL ? "" : list.p));
}

/* --- evidence: a checkpoint ----------------------------------------------------- */

static json_t *
shape_of(const size_t *shape, size_t dims)
{
	json_t *v = json_array();
	size_t i;

	for (i = 0; i < dims; i++)
		json_array_append_new(v, json_integer((json_int_t)shape[i]));
	return (v);
}

/* Each tensor of the family is there, in its shape, and no other. */
static void
compare_tensors(struct work *x, const struct safetensors *s, const struct params *p)
{
	const struct params_tensor *want;
	const struct safetensors_tensor *have;
	size_t i, k, shape[2];
	char field[200];

	for (i = 0; i < p->count; i++) {
		want = &p->tensors[i];
		shape[0] = want->dims == 2 ? want->rows : want->cols;
		shape[1] = want->cols;
		snprintf(field, sizeof(field), "tensor %s", want->name);
		if ((have = safetensors_find(s, want->name)) == NULL)
			disagrees(x, field, shape_of(shape, (size_t)want->dims), json_null());
		else if (have->dims != (size_t)want->dims ||
		    memcmp(have->shape, shape, have->dims * sizeof(shape[0])) != 0)
			disagrees(x, field, shape_of(shape, (size_t)want->dims), shape_of(have->shape, have->dims));
	}
	for (i = 0; i < safetensors_count(s); i++) {
		have = safetensors_at(s, i);
		for (k = 0; k < p->count && strcmp(p->tensors[k].name, have->name) != 0; k++)
			continue;
		snprintf(field, sizeof(field), "tensor %.150s", have->name);
		if (k == p->count)
			disagrees(x, field, json_null(), shape_of(have->shape, have->dims));
	}
}

static int
write_checkpoint(struct work *x, const struct params *p, const float *weights)
{
	struct atomfile *out;

	if ((out = atomfile_begin(stage_outputs(x->w), RUNDIR_CHECKPOINT)) == NULL)
		goto err0;
	if (checkpoint_write(atomfile_fd(out), p, weights, NULL) == -1) {
		atomfile_abort(out);
		return (-1);
	}
	if (atomfile_commit(out, ATOMFILE_CREATE) == 0)
		return (0);
err0:
	say_errno("cannot write '%s'", RUNDIR_CHECKPOINT);
	return (-1);
}

/* What it left under a name, opened: a regular file of its own directory, no way out of it. */
static int
open_left(struct work *x, const char *name, uint64_t most)
{
	const char *p;
	int fd;

	for (p = name; p != NULL; p = strchr(p, '/') == NULL ? NULL : strchr(p, '/') + 1)
		if (*p == '/' || *p == '\0' || strncmp(p, "../", 3) == 0 || strcmp(p, "..") == 0)
			return (stage_refuse(x->w, REFUSAL_RESULT_INVALID, json_string(name), NULL,
			    "'%s' leads out of the program's directory", name));
	/* One component at a time, so that none of them is a link. */
	if ((fd = dup(x->launch.at)) == -1)
		return (-1);
	for (p = name; strchr(p, '/') != NULL; p = strchr(p, '/') + 1) {
		char part[256];
		int next;

		snprintf(part, sizeof(part), "%.*s", (int)(strchr(p, '/') - p), p);
		next = openat(fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close(fd);
		if ((fd = next) == -1)
			goto missing;
	}
	{
		int file = file_open_most(fd, p, most, NULL);
		int error = errno;

		close(fd);
		errno = error;
		if (file != -1)
			return (file);
	}
missing:
	return (
	    stage_refuse(x->w, REFUSAL_RESULT_INVALID, json_string(name), NULL, "its '%s': %s", name, say_why(errno)));
}

static int
take_checkpoint(struct work *x)
{
	const char *name = jsonio_text(x->result, "checkpoint", "");
	struct trainspec recipe;
	struct safetensors *s;
	struct params *p;
	float *weights;
	size_t i;
	int fd;

	if (trainspec_read(&recipe, x->r->spec.json) == -1)
		return (stage_refuse(x->w, REFUSAL_SPEC_INVALID, NULL, NULL, "%s", say_last()));
	if ((fd = open_left(x, name, CHECKPOINT_BYTES)) == -1 || (p = params_new(&recipe.config)) == NULL)
		return (-1);
	if ((s = safetensors_read(fd, name)) == NULL)
		return (
		    errno == ENOMEM ? -1 : stage_refuse(x->w, REFUSAL_RESULT_INVALID, NULL, NULL, "%s", say_last()));
	compare_tensors(x, s, p);
	safetensors_free(s);
	if (refuse_mismatches(x) == -1)
		return (-1);
	if ((weights = malloc(p->n * sizeof(*weights))) == NULL)
		return (-1);
	if (lseek(fd, 0, SEEK_SET) == -1 || checkpoint_read(fd, name, p, weights) == -1)
		return (
		    errno == ENOMEM ? -1 : stage_refuse(x->w, REFUSAL_RESULT_INVALID, NULL, NULL, "%s", say_last()));
	for (i = 0; i < p->n; i++)
		if (!isfinite(weights[i]))
			return (stage_refuse(x->w, REFUSAL_LOSS_DIVERGED, NULL, json_string("finite weights"),
			    "'%s' has weights that are not finite", name));
	x->params = p->n;
	x->weights = weights;
	close(fd);
	return (write_checkpoint(x, p, weights));
}

/* --- evidence: files -------------------------------------------------------------- */

/* Copy one file of the artifact into the run; its entry {file, bytes, sha256}, or NULL, refused or with errno, said. */
static json_t *
take_file(struct work *x, const char *name, int into)
{
	const char *base = strrchr(name, '/') == NULL ? name : strrchr(name, '/') + 1;
	char text[65536], hex[SHA256_HEX_SIZE];
	struct sha256 *digest = NULL;
	struct atomfile *out;
	uint64_t bytes = 0;
	int in, error;
	ssize_t n;

	if (!str_is_name(base)) {
		stage_refuse(x->w, REFUSAL_RESULT_INVALID, json_string(name), NULL,
		    "'%s' can't name a file of an artifact: 1 to 64 of A-Z a-z 0-9 . _ - and no dot first", name);
		return (NULL);
	}
	if (program_owns(base)) {
		stage_refuse(x->w, REFUSAL_RESULT_INVALID, json_string(name), NULL,
		    "'%s' can't name a file of an artifact: a scorer gets a file of that name, or is to write one",
		    name);
		return (NULL);
	}
	/* What has holes, or several names, takes more room once it is copied. */
	if ((in = open_left(x, name, x->left_bytes)) == -1)
		return (NULL);
	if ((digest = sha256_begin()) == NULL || (out = atomfile_begin(into, base)) == NULL)
		goto err1;
	while ((n = read(in, text, sizeof(text))) > 0) {
		progress_tick();
		if (file_write_all(atomfile_fd(out), text, (size_t)n) == -1)
			break;
		sha256_add(digest, text, (size_t)n);
		bytes += (uint64_t)n;
	}
	if (n != 0) {
		error = errno;
		atomfile_abort(out);
		errno = error;
		goto err1;
	}
	if (atomfile_commit(out, ATOMFILE_CREATE) == -1) {
		if (errno != EEXIST)
			goto err1;
		stage_refuse(x->w, REFUSAL_RESULT_INVALID, json_string(name), NULL,
		    "two files of the artifact would be called '%s'", base);
		goto err0;
	}
	sha256_end(digest, hex);
	close(in);
	x->left_bytes -= bytes < x->left_bytes ? bytes : x->left_bytes;
	return (json_pack("{s:s, s:I, s:s}", "file", base, "bytes", (json_int_t)bytes, "sha256", hex));
err1:
	say_errno("cannot copy '%s' to '%s/%s'", name, RUNDIR_FILES, base);
err0:
	sha256_free(digest);
	close(in);
	return (NULL);
}

static int
take_files(struct work *x)
{
	const json_t *names = json_object_get(x->result, "artifact"), *v;
	json_t *entry;
	size_t i;
	int fd;

	if (mkdirat(stage_outputs(x->w), RUNDIR_FILES, 0777) == -1 ||
	    (fd = openat(stage_outputs(x->w), RUNDIR_FILES, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1) {
		say_errno("cannot make '%s'", RUNDIR_FILES);
		return (-1);
	}
	x->left_bytes = (uint64_t)x->launch.program.max_bytes;
	json_array_foreach((json_t *)(uintptr_t)names, i, v) {
		if ((entry = take_file(x, json_string_value(v), fd)) == NULL)
			return (-1);
		json_array_append_new(x->files, entry);
	}
	if (atomfile_sync_dir(fd) == -1 || atomfile_sync_dir(stage_outputs(x->w)) == -1) {
		say_errno("cannot sync '%s'", RUNDIR_FILES);
		return (-1);
	}
	close(fd);
	return (0);
}

/* --- evidence: its word ------------------------------------------------------------ */

/* The number of a metric in the log; one line must tell it, or with `last:` the last that does. */
static int
find_number(struct work *x, const char *metric, const char *text, char *log, double *value)
{
	char number[PROGRAM_NUMBER_SIZE];
	const char *pattern;
	int last, found;

	pattern = program_pattern(text, &last);
	if (program_number(text, log, number, value, &found) == -1)
		return (errno == EINVAL ? stage_refuse(x->w, REFUSAL_SPEC_INVALID, NULL, NULL,
					      "trainer.reads.%s is no regular expression", metric) :
					  stage_refuse(x->w, REFUSAL_RESULT_INVALID, json_string(number), NULL,
					      "the log's %s, '%s', is no finite number", metric, number));
	if (found == 1 || (found > 1 && last))
		return (0);
	return (stage_refuse(x->w, REFUSAL_RESULT_INVALID, json_pack("{s:i}", "lines", found),
	    json_pack("{s:s, s:s}", "lines", last ? "one or more" : "one", "pattern", pattern),
	    found == 0 ? "no line of the log matches trainer.reads.%s: mend that, or what the program prints" :
			 "several lines of the log match trainer.reads.%s: where the last one counts, put last: before "
			 "the expression",
	    metric));
}

static int
take_claims(struct work *x)
{
	const json_t *reads = x->launch.program.reads;
	const char *metric;
	double value;
	json_t *text;
	char *log;

	if (x->launch.dropped_bytes != 0)
		return (stage_refuse(x->w, REFUSAL_RESULT_INVALID, NULL, NULL,
		    "its log was cut at %llu bytes, and what was to be read may have stood behind",
		    (unsigned long long)LAUNCH_LOG_BYTES));
	if ((log = program_log(stage_outputs(x->w), RUNDIR_TRAIN_LOG, (size_t)LAUNCH_LOG_BYTES)) == NULL) {
		say_errno("cannot read '%s'", RUNDIR_TRAIN_LOG);
		return (-1);
	}
	json_object_foreach((json_t *)(uintptr_t)reads, metric, text) {
		if (find_number(x, metric, json_string_value(text), log, &value) == -1)
			return (-1);
		json_object_set_new(x->claimed, metric, jsonio_real(value));
	}
	free(log);
	return (0);
}

/* --- the receipt ------------------------------------------------------------------- */

/* What stands apart: the numbers that were taken from the program as they came. */
static int
note_claims(struct work *x)
{
	static const char *const words[] = { "steps", "tokens", "train_ms", "final_train_loss" };
	json_t *v;
	size_t i;

	if (x->result == NULL)
		return (0);
	if ((v = json_object_get(x->result, "claims")) != NULL && json_object_update(x->claimed, v) == -1)
		return (-1);
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if ((v = json_object_get(x->result, words[i])) != NULL &&
		    json_object_set(x->claimed, words[i], v) == -1)
			return (-1);
	return (0);
}

/* Whether the budget's clock is what the program told of its own time. */
static int
tells_time(const struct work *x)
{
	return (x->r->spec.limits.overhead_ms > 0 && jsonio_i64(x->result, "train_ms", -1) != -1);
}

static void
claim_boundary(const struct work *x, char text[512])
{
	static const char *const of[] = {
		[RUNDIR_CHECKPOINTS] =
		    "Weights, their geometry, time and memory were measured, and export and score are homegolf's; "
		    "steps, tokens and what it did with its seed are its word.",
		[RUNDIR_ARTIFACTS] =
		    "Files, sizes, time and memory were measured, and the score's documents, tokens and bytes are the "
		    "data's; its losses are those of the program's own scorer, run on the artifact alone. What it did "
		    "with its seed is its word.",
		[RUNDIR_CLAIMS] =
		    "The number is the program's word, as its log has it: its score, its data and what it did with its "
		    "seed were not looked at. It compares with the same program's word alone and can't be promoted "
		    "without an independent score.",
	};

	snprintf(text, 512, "%s%s", of[x->evidence],
	    tells_time(x) ? " Its train_ms is its word, too; its whole life, wallclock_ms, was measured." : "");
}

static int
system_digest(json_t *v, int own, char hex[SHA256_HEX_SIZE])
{
	/* A file of the program's own belongs to the configuration, not to the system. */
	json_t *system = json_pack("{s:O, s:O, s:O, s:O, s:O}", "backend", json_object_get(v, "backend"), "executable",
	    own ? json_object_get(v, "backend") : jsonio_get(v, "executable.sha256"), "threads",
	    json_object_get(v, "threads"), "lane", json_object_get(v, "lane"), "cpu_model",
	    json_object_get(v, "cpu_model"));
	int rc = system == NULL ? -1 : jsonio_digest(system, hex);

	json_decref(system);
	return (rc);
}

static json_t *
receipt(struct work *x)
{
	const struct launch *l = &x->launch;
	int64_t cap = x->r->spec.limits.cap_ms, slept = clock_slept_ms() - x->slept_ms,
		ms = tells_time(x) ? jsonio_i64(x->result, "train_ms", l->lived_ms) : l->lived_ms;
	char cpu[200], hex[SHA256_HEX_SIZE], code[SHA256_HEX_SIZE], boundary[512];
	const json_t *spec = x->r->spec.json;
	json_t *v, *log, *metrics = json_null();
	uint64_t code_bytes;

	if (program_code(spec, 0, &code_bytes, code) == -1 || fsync(l->log) == -1 ||
	    (log = provenance_file(stage_outputs(x->w), RUNDIR_TRAIN_LOG)) == NULL)
		return (NULL);
	json_object_set_new(log, "dropped_bytes", json_integer((json_int_t)l->dropped_bytes));
	if (x->metrics.rows != 0) {
		if (metrics_sync(&x->metrics) == -1 ||
		    (metrics = provenance_file(stage_outputs(x->w), RUNDIR_METRICS)) == NULL)
			return (NULL);
		json_object_set_new(metrics, "rows", json_integer((json_int_t)x->metrics.rows));
	}
	proc_cpu_model(cpu, sizeof(cpu));
	claim_boundary(x, boundary);
	v = json_pack("{s:s, s:s, s:s, s:O, s:O, s:s, s:O, s:O, s:O, s:I, s:I, s:I, s:o, s:I, s:n, s:I}",
	    "dataset_sha256", x->data->sha256, "tokenizer_sha256", x->data->tokenizer_sha256, "config_sha256",
	    jsonio_text(spec, "digests.config_sha256", ""), "trainer_sha256",
	    jsonio_get(spec, "digests.trainer_sha256"), "evidence", jsonio_get(spec, "trainer.gives"), "claim_boundary",
	    boundary, "command", l->command, "executable", l->executable, "seed", jsonio_get(spec, "train.seed"),
	    "train_ms", (json_int_t)ms, "wallclock_ms", (json_int_t)l->lived_ms, "overshoot_ms",
	    (json_int_t)(cap > 0 && ms > cap ? ms - cap : 0), "cap_ms",
	    cap > 0 ? json_integer(cap) : json_string("none"), "cpu_ms", (json_int_t)l->cpu_ms, "starved",
	    "peak_memory_bytes", (json_int_t)l->peak_bytes);
	if (v == NULL)
		return (NULL);
	if (json_object_set_new(v, "data_offset", json_integer((json_int_t)jsonio_i64(spec, "train.data_offset", 0))) ==
		-1 ||
	    json_object_update_new(v,
		json_pack("{s:s, s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "backend",
		    "external", "threads", (json_int_t)l->threads, "lane", x->r->spec.limits.lane, "cpu_model", cpu,
		    "code_sha256", code, "code_bytes", (json_int_t)code_bytes, "resumes", (json_int_t)l->kept,
		    "suspended_ms", (json_int_t)(slept < 1000 ? 0 : slept), "checkpoint",
		    x->evidence == RUNDIR_CHECKPOINTS ? provenance_file(stage_outputs(x->w), RUNDIR_CHECKPOINT) :
							json_null(),
		    "params", x->evidence == RUNDIR_CHECKPOINTS ? json_integer((json_int_t)x->params) : json_null(),
		    "files", x->files, "metrics", metrics, "log", log, "claimed", x->claimed, "stop_reason", "exit")) ==
		-1 ||
	    system_digest(v, l->program.executable == NULL, hex) == -1 ||
	    json_object_set_new(v, "system_sha256", json_string(hex)) == -1) {
		json_decref(v);
		errno = ENOMEM;
		return (NULL);
	}
	return (v);
}

/* --- training again --------------------------------------------------------------- */

/* Weights as the run has them. */
static float *
recorded_weights(struct work *x, const json_t *recorded)
{
	struct trainspec recipe;
	struct params *p;
	float *weights;
	int fd;

	if (trainspec_read(&recipe, x->r->spec.json) == -1 ||
	    (fd = inputs_open(x->w, RUNDIR_CHECKPOINT, jsonio_i64(recorded, "checkpoint.bytes", -1),
		 jsonio_text(recorded, "checkpoint.sha256", ""))) == -1)
		return (NULL);
	if ((p = params_new(&recipe.config)) == NULL || (weights = malloc(p->n * sizeof(*weights))) == NULL)
		return (NULL);
	if (checkpoint_read(fd, RUNDIR_CHECKPOINT, p, weights) == -1) {
		inputs_broken(x->w);
		return (NULL);
	}
	close(fd);
	return (weights);
}

/* Where a program does not come out the same to the bit, how far apart the two score tells what that is worth. */
static int
deliver_again(struct work *x)
{
	json_t *recorded, *v;
	char sha256[SHA256_HEX_SIZE];
	unsigned threads = x->launch.threads;
	double was = NAN, is = NAN;
	float *weights;

	if (inputs_receipt(x->w, STAGE_TRAIN, &recorded, sha256) == -1 || (v = receipt(x)) == NULL)
		return (-1);
	if (x->evidence == RUNDIR_CHECKPOINTS &&
	    !json_equal(jsonio_get(v, "checkpoint.sha256"), jsonio_get(recorded, "checkpoint.sha256")) &&
	    ((weights = recorded_weights(x, recorded)) == NULL ||
		scoring_weights(x->w, threads, x->data, weights, &was) == -1 ||
		scoring_weights(x->w, threads, x->data, x->weights, &is) == -1))
		return (-1);
	if (x->evidence == RUNDIR_ARTIFACTS &&
	    !json_equal(json_object_get(v, "files"), json_object_get(recorded, "files")) &&
	    (scoring_files(x->w, threads, x->data, x->r->fd, json_object_get(recorded, "files"), &was) == -1 ||
		scoring_files(x->w, threads, x->data, stage_outputs(x->w), json_object_get(v, "files"), &is) == -1))
		return (-1);
	json_decref(recorded);
	if (!isnan(is))
		(void)json_object_update_new(v,
		    json_pack("{s:o, s:o}", "val_bpb", jsonio_real(is), "recorded_val_bpb", jsonio_real(was)));
	return (stage_deliver(x->w, v));
}

/* --- the workers --------------------------------------------------------------------- */

/* A program that has files of its own can't tell us what it lacks: we look before it starts. */
static int
bind_program(struct stage_work *w, const json_t *program)
{
	const struct rundir *r = stage_rundir(w);
	char path[300];
	json_t *entry;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)program, i, entry) {
		snprintf(path, sizeof(path), "%s/%s", PROGRAM_DIR, jsonio_text(entry, "file", ""));
		if (inputs_bind(w, r->fd, path, jsonio_text(entry, "sha256", "")) == -1)
			return (-1);
	}
	return (0);
}

int
external_train(struct stage_work *w, void *arg)
{
	const struct training_options *o = arg;
	struct work x = { .w = w, .r = stage_rundir(w), .slept_ms = clock_slept_ms() };
	const struct spec_limits *limits = &x.r->spec.limits;
	struct launch *l = &x.launch;

	x.evidence = rundir_evidence(x.r);
	x.claimed = json_object();
	x.mismatches = json_array();
	x.files = json_array();
	if (x.claimed == NULL || x.mismatches == NULL || x.files == NULL)
		return (-1);
	if (dependencies_data(w, DATASET_TRAIN | DATASET_VAL | DATASET_TOKENIZER, &x.data) == -1)
		return (-1);
	l->w = w;
	l->section = "trainer";
	l->scratch = RUNDIR_TRAIN_OUT;
	l->keep = o->dry || o->again ? NULL : RUNDIR_TRAIN_KEEP;
	l->dry = o->dry;
	l->data = x.data->dir;
	l->threads = o->threads != 0 ? o->threads : (unsigned)jsonio_i64(x.r->spec.json, "system.threads", proc_cpus());
	l->life_ms = limits->cap_ms > 0 ? limits->cap_ms + limits->overhead_ms : 0;
	l->says_to_log = x.evidence == RUNDIR_CLAIMS;
	if (program_read(&l->program, x.r->spec.json, "trainer") == 0)
		return (stage_refuse(w, REFUSAL_SPEC_INVALID, NULL, NULL, "the spec has no trainer.command"));
	/* The metrics of an attempt that failed say nothing of this one. */
	if (tree_remove(stage_outputs(w), RUNDIR_METRICS) == -1 || metrics_open(&x.metrics, stage_outputs(w)) == -1)
		return (-1);
	l->metrics = &x.metrics;
	if (tree_remove(stage_outputs(w), RUNDIR_TRAIN_LOG) == -1 ||
	    (l->log = file_open_change(stage_outputs(w), RUNDIR_TRAIN_LOG, O_RDWR | O_CREAT | O_EXCL | O_APPEND,
		 0644)) == -1) {
		say_errno("cannot write '%s'", RUNDIR_TRAIN_LOG);
		return (-1);
	}
	if (bind_program(w, l->program.program) == -1 || launch_prepare(l) == -1)
		return (-1);
	/* Whoever only says a number knows of no dry runs. */
	if (o->dry && x.evidence == RUNDIR_CLAIMS)
		return (stage_deliver(w, json_pack("{s:s, s:b}", "result", "dry_run", "executed", 0)));
	if (launch_run(l) == -1)
		return (-1);
	if (o->dry)
		return (read_result(&x) == -1 || compare_result(&x) == -1 || refuse_mismatches(&x) == -1 ?
			-1 :
			stage_deliver(w,
			    json_pack("{s:s, s:b, s:I}", "result", "dry_run", "executed", 1, "wallclock_ms",
				(json_int_t)l->lived_ms)));
	if (x.evidence == RUNDIR_CLAIMS) {
		if (take_claims(&x) == -1)
			return (-1);
	} else if (read_result(&x) == -1 || compare_result(&x) == -1 || refuse_mismatches(&x) == -1 ||
	    (x.evidence == RUNDIR_CHECKPOINTS ? take_checkpoint(&x) : take_files(&x)) == -1)
		return (-1);
	if (note_claims(&x) == -1)
		return (-1);
	if (o->again)
		return (deliver_again(&x));
	return (stage_deliver(w, receipt(&x)));
}

/* The files of an artifact, and their entries' digest as one: what sha256sum prints for them. */
static int
sum_files(const json_t *files, uint64_t *bytes, char hex[SHA256_HEX_SIZE])
{
	struct str lines = STR_INIT;
	json_t *entry;
	size_t i;
	int rc = 0;

	*bytes = 0;
	json_array_foreach((json_t *)(uintptr_t)files, i, entry) {
		*bytes += (uint64_t)jsonio_i64(entry, "bytes", 0);
		rc |= str_printf(&lines, "%s  %s\n", jsonio_text(entry, "sha256", ""), jsonio_text(entry, "file", ""));
	}
	rc |= sha256_hex(lines.p == NULL ? "" : lines.p, lines.n, hex);
	str_free(&lines);
	return (rc == 0 ? 0 : -1);
}

/* One file of the artifact as a receipt has it, opened; -1, refused. */
static int
open_file(struct stage_work *w, int dirfd, const json_t *entry)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", RUNDIR_FILES, jsonio_text(entry, "file", ""));
	return (inputs_open_at(w, dirfd, path, jsonio_i64(entry, "bytes", -1), jsonio_text(entry, "sha256", "")));
}

int
external_export(struct stage_work *w, void *arg)
{
	const struct rundir *r = stage_rundir(w);
	int64_t cap = r->spec.limits.artifact_cap_bytes;
	char training_sha256[SHA256_HEX_SIZE], hex[SHA256_HEX_SIZE], code[SHA256_HEX_SIZE];
	uint64_t bytes, code_bytes;
	json_t *training, *files, *entry;
	size_t i;
	int fd;

	(void)arg;
	if (inputs_receipt(w, STAGE_TRAIN, &training, training_sha256) == -1)
		return (-1);
	files = json_object_get(training, "files");
	json_array_foreach(files, i, entry) {
		if ((fd = open_file(w, r->fd, entry)) == -1)
			return (-1);
		close(fd);
	}
	if (sum_files(files, &bytes, hex) == -1 || program_code(r->spec.json, 0, &code_bytes, code) == -1)
		return (-1);
	return (stage_deliver(w,
	    json_pack("{s:s, s:{s:s, s:I, s:s}, s:O, s:I, s:s, s:I, s:I, s:b}", "training_report_sha256",
		training_sha256, "artifact", "file", RUNDIR_FILES, "bytes", (json_int_t)bytes, "sha256", hex, "files",
		files, "code_bytes", (json_int_t)code_bytes, "code_sha256", code, "total_bytes",
		(json_int_t)(bytes + code_bytes), "cap_bytes", (json_int_t)cap, "within_cap",
		bytes + code_bytes <= (uint64_t)cap)));
}

/* --- scoring -------------------------------------------------------------------------- */

/* Copy one file of the artifact into the scorer's directory. */
static int
hand_over(struct launch *l, int dirfd, const json_t *entry)
{
	const char *name = jsonio_text(entry, "file", "");
	char text[65536];
	int in, out;
	ssize_t n;

	if ((in = open_file(l->w, dirfd, entry)) == -1)
		return (-1);
	if ((out = openat(l->at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)) == -1) {
		if (errno == EEXIST)
			return (stage_refuse(l->w, REFUSAL_SPEC_INVALID, NULL, NULL,
			    "'%s' is the name of a file of the artifact and of one of scorer.files", name));
		say_errno("cannot write '%s/%s'", l->scratch, name);
		return (-1);
	}
	while ((n = read(in, text, sizeof(text))) > 0)
		if (file_write_all(out, text, (size_t)n) == -1)
			break;
	close(in);
	if (close(out) == -1 || n != 0) {
		say_errno("cannot copy '%s'", name);
		return (-1);
	}
	return (0);
}

/* The next line of a table, and one past it; NULL at the end. */
static const char *
next_line(const char **at, size_t *n)
{
	const char *line = *at;

	if (*line == '\0')
		return (NULL);
	*n = strcspn(line, "\n");
	*at = line + *n + (line[*n] == '\n');
	return (line);
}

/* Where the last column of a line begins. */
static size_t
last_column(const char *line, size_t n)
{
	while (n > 0 && line[n - 1] != '\t')
		n--;
	return (n);
}

/* Its table against the one that it was given: all columns but the last are the same, and that has losses. */
static int
take_table(struct stage_work *w, const char *table, const struct str *expected, struct external_score *y)
{
	const char *want_at = expected->p, *have_at = table, *want, *have;
	char number[64], said[160];
	size_t want_n, have_n, k, row;
	double nats;

	for (row = 0; (want = next_line(&want_at, &want_n)) != NULL; row++) {
		if ((have = next_line(&have_at, &have_n)) == NULL)
			return (stage_refuse(w, REFUSAL_RESULT_MISMATCH, json_pack("{s:I}", "lines", (json_int_t)row),
			    NULL, "the scorer's '%s' ends after %zu lines; '%s' has more", RUNDIR_SCORE_DOCS, row,
			    PROGRAM_DOCS));
		k = row == 0 ? want_n : last_column(want, want_n);
		if (have_n < k || memcmp(have, want, k) != 0) {
			snprintf(said, sizeof(said), "%.*s", have_n < 150 ? (int)have_n : 150, have);
			return (stage_refuse(w, REFUSAL_RESULT_MISMATCH, json_string(said),
			    json_stringn(want, k < 150 ? k : 150),
			    "line %zu of the scorer's '%s' is not that of docs.tsv, whose documents, tokens and bytes "
			    "are the data's",
			    row + 1, RUNDIR_SCORE_DOCS));
		}
		if (row == 0)
			continue;
		snprintf(number, sizeof(number), "%.*s", have_n - k < 63 ? (int)(have_n - k) : 63, have + k);
		if (num_f64(number, 0, 1e300, &nats) == -1 || !isfinite(nats))
			return (stage_refuse(w, REFUSAL_RESULT_INVALID, json_string(number), NULL,
			    "line %zu of the scorer's '%s' has '%s' for nats, which is no loss", row + 1,
			    RUNDIR_SCORE_DOCS, number));
		y->nats += nats;
	}
	if (next_line(&have_at, &have_n) != NULL)
		return (stage_refuse(w, REFUSAL_RESULT_MISMATCH, NULL, NULL,
		    "the scorer's '%s' has more lines than docs.tsv", RUNDIR_SCORE_DOCS));
	return (0);
}

int
external_score(struct stage_work *w, unsigned threads, int dirfd, const json_t *files, const struct dataset *d,
    const struct str *expected, struct external_score *y)
{
	struct work x = { .w = w, .r = stage_rundir(w) };
	struct launch *l = &x.launch;
	json_t *entry;
	char *table;
	size_t i, n;
	int fd;

	*y = (struct external_score){ .table = STR_INIT };
	l->w = w;
	l->section = "scorer";
	l->scratch = RUNDIR_SCORE_OUT;
	l->data = d->dir;
	l->threads = threads;
	l->says_to_log = 1;
	if (program_read(&l->program, x.r->spec.json, "scorer") == 0)
		return (stage_refuse(w, REFUSAL_SPEC_INVALID, NULL, NULL, "the spec has no scorer.command"));
	if ((l->log = file_open_change(stage_outputs(w), RUNDIR_SCORE_LOG, O_RDWR | O_CREAT | O_APPEND, 0644)) == -1) {
		say_errno("cannot write '%s'", RUNDIR_SCORE_LOG);
		return (-1);
	}
	if (bind_program(w, l->program.program) == -1 || launch_prepare(l) == -1)
		return (-1);
	json_array_foreach((json_t *)(uintptr_t)files, i, entry)
		if (hand_over(l, dirfd, entry) == -1)
			return (-1);
	if (atomfile_create(l->at, PROGRAM_DOCS, expected->p, expected->n) == -1) {
		say_errno("cannot write '%s'", PROGRAM_DOCS);
		return (-1);
	}
	if (launch_run(l) == -1)
		return (-1);
	if ((fd = open_left(&x, RUNDIR_SCORE_DOCS, (uint64_t)expected->n * 8 + 65536)) == -1)
		return (-1);
	if ((table = file_read_fd(fd, expected->n * 8 + 65536, &n)) == NULL)
		return (-1);
	close(fd);
	if (strlen(table) != n)
		return (stage_refuse(w, REFUSAL_RESULT_INVALID, NULL, NULL, "the scorer's '%s' is no text",
		    RUNDIR_SCORE_DOCS));
	if (take_table(w, table, expected, y) == -1)
		return (-1);
	if (str_add(&y->table, table, n) == -1)
		return (-1);
	free(table);
	return (0);
}
