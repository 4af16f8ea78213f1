#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bpb.h"
#include "run/closeout.h"
#include "schema/contract.h"
#include "schema/later.h"
#include "run/gate.h"
#include "base/exit.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "base/num.h"
#include "run/program.h"
#include "run/pruned.h"
#include "run/refusal.h"
#include "base/say.h"

#define DOCS_MAX_BYTES ((size_t)1 << 30)

static const struct {
	const char *name;
	int verdict;
} problems[GATE_PROBLEMS] = {
	[GATE_UNFINISHED] = { "unfinished", HG_EXIT_PENDING },
	[GATE_MISSING] = { "missing", HG_EXIT_PENDING },
	[GATE_REFUSED] = { "refused", HG_EXIT_NO },
	[GATE_OTHER_RUN] = { "other_run", HG_EXIT_NO },
	[GATE_ALTERED] = { "altered", HG_EXIT_NO },
	[GATE_UNBOUND] = { "unbound", HG_EXIT_NO },
	[GATE_DIFFERS] = { "differs", HG_EXIT_NO },
	[GATE_PARTIAL] = { "partial", HG_EXIT_NO },
	[GATE_MALFORMED] = { "malformed", HG_EXIT_CONTRACT },
	[GATE_CORRUPT] = { "corrupt", HG_EXIT_CONTRACT },
	[GATE_PRUNED] = { "pruned", HG_EXIT_DONE },
};

static json_t *
text_or_null(const char *text)
{
	return (text == NULL ? json_null() : json_string(text));
}

/* Note a problem; 0, or -1 with errno ENOMEM, said. */
static int __attribute__((format(printf, 7, 8))) find(struct gate *e, enum stage s, const char *file,
    enum gate_problem p, const char *observed, const char *expected, const char *format, ...)
{
	char raw[512], detail[768];
	va_list ap;
	json_t *v;

	va_start(ap, format);
	vsnprintf(raw, sizeof(raw), format, ap);
	va_end(ap);
	say_clean(detail, sizeof(detail), raw);
	e->count[p]++;
	v = json_pack("{s:s, s:s, s:s, s:o, s:o, s:s}", "stage", rundir_stages[s].name, "file", file, "problem",
	    problems[p].name, "expected", text_or_null(expected), "observed", text_or_null(observed), "detail", detail);
	if (v == NULL || json_array_append_new(p == GATE_PRUNED ? e->pruned : e->findings, v) == -1) {
		errno = ENOMEM;
		say_errno("cannot note a finding");
		return (-1);
	}
	return (0);
}

/* Two digests, or other texts, that must be the same. */
static int
same(struct gate *e, enum stage s, const char *file, enum gate_problem p, const char *what, const char *observed,
    const char *expected)
{
	if (strcmp(observed, expected) == 0)
		return (0);
	return (find(e, s, file, p, observed, expected, "%s differs", what));
}

int
gate_at_fault(int error)
{
	return (error == EBADMSG || error == EINVAL || file_at_fault(error));
}

/* Is it of the attempt that follows the retired ones? 1, 0 if found, or -1, said. */
static int
of_attempt(struct gate *e, enum stage s, const char *file, int64_t has, int is_refusal)
{
	char observed[32], expected[32];
	int attempt, fits;

	if ((attempt = rundir_attempt(e->run, s)) == -1 ||
	    (fits = is_refusal ? rundir_refusal_fits(e->run, s, has) : has == attempt) == -1) {
		say_errno("cannot look into '%s/%s'", e->run->path, RUNDIR_ATTEMPTS);
		return (-1);
	}
	if (fits)
		return (1);
	snprintf(observed, sizeof(observed), "%lld", (long long)has);
	snprintf(expected, sizeof(expected), "%d", attempt);
	return (find(e, s, file, GATE_OTHER_RUN, observed, expected, "it is of another attempt"));
}

/**
 * One JSON file of stage ${s}: by its contract, of this run, spec, stage and
 * attempt.  *out is NULL if it is of no use.  0, or -1 with errno, said.
 */
static int
take(struct gate *e, enum stage s, const char *file, const char *contract, json_t **out, char sha256[SHA256_HEX_SIZE])
{
	const struct rundir *r = e->run;
	json_t *v;
	int rc;

	*out = NULL;
	if (contract_read(r->fd, file, contract, sha256, &v) == -1) {
		if (errno == ENOENT)
			return (find(e, s, file, GATE_MISSING, NULL, file, "it is not there"));
		if (!gate_at_fault(errno))
			return (-1);
		return (find(e, s, file, GATE_MALFORMED, NULL, contract, "%s", say_last()));
	}
	if (strcmp(jsonio_text(v, "run_uid", ""), r->spec.run_uid) != 0)
		rc = find(e, s, file, GATE_OTHER_RUN, jsonio_text(v, "run_uid", ""), r->spec.run_uid,
		    "it is of another run");
	else if (strcmp(jsonio_text(v, "spec_sha256", r->spec.text_sha256), r->spec.text_sha256) != 0)
		rc = find(e, s, file, GATE_OTHER_RUN, jsonio_text(v, "spec_sha256", ""), r->spec.text_sha256,
		    "it is of another spec");
	else if (strcmp(jsonio_text(v, "run_id", r->id), r->id) != 0)
		rc = find(e, s, file, GATE_OTHER_RUN, jsonio_text(v, "run_id", ""), r->id, "it has another run's name");
	else if (strcmp(jsonio_text(v, "stage", ""), rundir_stages[s].name) != 0)
		rc = find(e, s, file, GATE_OTHER_RUN, jsonio_text(v, "stage", ""), rundir_stages[s].name,
		    "it is of another stage");
	else if ((rc = of_attempt(e, s, file, jsonio_i64(v, "attempt", 0), 0)) == 1) {
		*out = v;
		return (0);
	}
	json_decref(v);
	return (rc);
}

/* A file that a receipt names is not there: lost, or removed by hg-prune. */
static int
gone(struct gate *e, enum stage s, const char *file, const char *sha256)
{
	const json_t *entry;
	json_t *files;
	int rc;

	if (pruned_read(e->run, &files) == -1)
		return (!gate_at_fault(errno) ?
			-1 :
			find(e, s, RUNDIR_PRUNED, GATE_MALFORMED, NULL, "pruned", "%s", say_last()));
	if ((entry = pruned_find(files, file, sha256)) == NULL)
		rc = find(e, s, file, GATE_MISSING, NULL, sha256, "it is not there");
	else
		rc = find(e, s, file, GATE_PRUNED, NULL, sha256,
		    "it was removed at %s; another run of '%s' makes it again", jsonio_text(entry, "pruned_at", ""),
		    RUNDIR_SPEC);
	json_decref(files);
	return (rc);
}

/* A file that a receipt binds by size and digest; ${bytes} -1 means by digest alone. */
static int
file_is(struct gate *e, enum stage s, const char *file, int64_t bytes, const char *sha256)
{
	char hex[SHA256_HEX_SIZE], observed[32], expected[32];
	uint64_t size;
	int fd, rc;

	if ((fd = file_open_most(e->run->fd, file, bytes == -1 ? RUNDIR_DIGEST_ONLY_MAX_BYTES : UINT64_MAX, &size)) ==
	    -1) {
		if (errno == ENOENT)
			return (gone(e, s, file, sha256));
		if (!gate_at_fault(errno)) {
			say_errno("cannot read '%s/%s'", e->run->path, file);
			return (-1);
		}
		return (find(e, s, file, GATE_ALTERED, NULL, sha256, "it cannot be read: %s", say_why(errno)));
	}
	if (bytes != -1 && size != (uint64_t)bytes) {
		snprintf(observed, sizeof(observed), "%llu", (unsigned long long)size);
		snprintf(expected, sizeof(expected), "%lld", (long long)bytes);
		rc = find(e, s, file, GATE_ALTERED, observed, expected, "its size in bytes differs");
	} else if ((rc = sha256_fd(fd, hex, NULL)) == -1)
		say_errno("cannot read '%s/%s'", e->run->path, file);
	else
		rc = same(e, s, file, GATE_ALTERED, "its digest", hex, sha256);
	close(fd);
	return (rc);
}

/* A file whose size and digest a receipt has as a member. */
static int
file_member(struct gate *e, enum stage s, const json_t *v, const char *member, const char *file)
{
	char key[64];
	const char *sha256;

	snprintf(key, sizeof(key), "%s.file", member);
	if (strcmp(jsonio_text(v, key, ""), file) != 0 &&
	    find(e, s, file, GATE_DIFFERS, jsonio_text(v, key, ""), file, "its receipt calls it otherwise") == -1)
		return (-1);
	snprintf(key, sizeof(key), "%s.sha256", member);
	sha256 = jsonio_text(v, key, "");
	snprintf(key, sizeof(key), "%s.bytes", member);
	return (file_is(e, s, file, jsonio_i64(v, key, -1), sha256));
}

/* What ${v}, published as ${file}, binds: to files, to the spec, and through receipts to the stages before. */
static int
check_binds(struct gate *e, enum stage s, const json_t *v, const char *file)
{
	const struct rundir_bind *b;
	const char *here;
	int rc = 0;

	for (b = rundir_binds(e->run, s); b->how != RUNDIR_BIND_END && rc == 0; b++) {
		here = jsonio_text(v, b->key, "");
		switch (b->how) {
		case RUNDIR_BIND_FILE:
			/* Where the contract lets it be null, or be absent, there may be no such file. */
			if (json_object_get(v, b->key) == NULL || json_is_null(json_object_get(v, b->key)))
				break;
			rc = file_member(e, s, v, b->key, b->to);
			break;
		case RUNDIR_BIND_DIGEST:
			rc = file_is(e, s, b->to, -1, here);
			break;
		case RUNDIR_BIND_SPEC:
			rc = same(e, s, file, GATE_DIFFERS, b->key, here, jsonio_text(e->run->spec.json, b->to, ""));
			break;
		case RUNDIR_BIND_RECEIPT:
			if (e->receipt[b->stage] != NULL)
				rc = same(e, s, file, GATE_UNBOUND, b->key, here, e->receipt_sha256[b->stage]);
			break;
		case RUNDIR_BIND_MEMBER:
			if (e->receipt[b->stage] != NULL)
				rc = same(e, s, file, GATE_UNBOUND, b->key, here,
				    jsonio_text(e->receipt[b->stage], b->to, ""));
			break;
		case RUNDIR_BIND_END:
			break;
		}
	}
	return (rc);
}

/* A receipt that binds a report, and repeats some of it. */
static int
check_report(struct gate *e, enum stage s)
{
	const struct rundir_stage *st = &rundir_stages[s];
	const json_t *v = e->receipt[s];
	const char *const *key;

	if (same(e, s, st->receipt, GATE_UNBOUND, st->report_key, jsonio_text(v, st->report_key, ""),
		e->report_sha256) == -1)
		return (-1);
	for (key = st->repeats; *key != NULL; key++)
		if (!json_equal(json_object_get(e->report, *key), json_object_get(v, *key)) &&
		    find(e, s, st->receipt, GATE_DIFFERS, NULL, NULL, "%s is not the report's", *key) == -1)
			return (-1);
	return (0);
}

/* The files of a list {file, bytes, sha256} that lie in a directory of the run. */
static int
check_files(struct gate *e, enum stage s, const json_t *files, const char *dir)
{
	char name[300];
	json_t *v;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)files, i, v) {
		snprintf(name, sizeof(name), "%s/%s", dir, jsonio_text(v, "file", ""));
		if (file_is(e, s, name, jsonio_i64(v, "bytes", -1), jsonio_text(v, "sha256", "")) == -1)
			return (-1);
	}
	return (0);
}

/* How long and what a program's code is follows from the spec. */
static int
check_code(struct gate *e, enum stage s, int ours)
{
	const json_t *v = e->receipt[s];
	char hex[SHA256_HEX_SIZE];
	uint64_t bytes;

	if (program_code(e->run->spec.json, ours, &bytes, hex) == -1)
		return (-1);
	if (jsonio_i64(v, "code_bytes", -1) == (int64_t)bytes && strcmp(jsonio_text(v, "code_sha256", ""), hex) == 0)
		return (0);
	return (find(e, s, rundir_stages[s].receipt, GATE_DIFFERS, jsonio_text(v, "code_sha256", ""), hex,
	    "its code is not the files of the spec"));
}

/* A number that is a program's word stands in its log, and is that. */
static int
check_claims(struct gate *e)
{
	const json_t *v = e->receipt[STAGE_TRAIN], *claimed = json_object_get(v, "claimed"), *reads, *text, *has;
	char said[PROGRAM_NUMBER_SIZE], *log;
	const char *metric;
	int found, agrees = 1;
	double value;

	/* A log that can't be read was found already. */
	if ((log = program_log(e->run->fd, RUNDIR_TRAIN_LOG, (size_t)jsonio_i64(v, "log.bytes", 0))) == NULL)
		return (0);
	reads = jsonio_get(e->run->spec.json, "trainer.reads");
	json_object_foreach((json_t *)(uintptr_t)reads, metric, text) {
		has = json_object_get(claimed, metric);
		agrees = agrees && program_number(json_string_value(text), log, said, &value, &found) == 0 &&
		    found > 0 && json_is_number(has) && json_number_value(has) == value;
	}
	free(log);
	if (agrees && json_object_size(claimed) == json_object_size(reads))
		return (0);
	return (find(e, STAGE_TRAIN, rundir_stages[STAGE_TRAIN].receipt, GATE_DIFFERS, NULL, NULL,
	    "what it says was claimed is not what the log says"));
}

/* A program that trained: it is what it was, and what it handed over is there and of the kind that it says. */
static int
check_program(struct gate *e)
{
	const json_t *v = e->receipt[STAGE_TRAIN], *files = json_object_get(v, "files");
	const char *file = rundir_stages[STAGE_TRAIN].receipt;
	enum rundir_evidence evidence = rundir_evidence(e->run);

	if (check_files(e, STAGE_TRAIN, jsonio_get(e->run->spec.json, "trainer.program"), PROGRAM_DIR) == -1 ||
	    check_files(e, STAGE_TRAIN, jsonio_get(e->run->spec.json, "scorer.program"), PROGRAM_DIR) == -1 ||
	    check_files(e, STAGE_TRAIN, files, RUNDIR_FILES) == -1)
		return (-1);
	if (json_is_null(json_object_get(v, "checkpoint")) != (evidence != RUNDIR_CHECKPOINTS) ||
	    (json_array_size(files) != 0) != (evidence == RUNDIR_ARTIFACTS))
		return (find(e, STAGE_TRAIN, file, GATE_DIFFERS, NULL, NULL,
		    "what it names is not the evidence that trainer.gives asks for"));
	if (!json_equal(json_object_get(v, "seed"), jsonio_get(e->run->spec.json, "train.seed")))
		return (find(e, STAGE_TRAIN, file, GATE_DIFFERS, NULL, NULL, "its seed is not the spec's"));
	if (check_code(e, STAGE_TRAIN, 0) == -1)
		return (-1);
	return (evidence == RUNDIR_CLAIMS ? check_claims(e) : 0);
}

/* Tokens of steps whose batches change: whole micro-batches, and no fewer or more than the least or largest of them. */
static int
add_up_by_schedule(const json_t *v)
{
	const double steps = jsonio_f64(v, "steps", 0), tokens = jsonio_f64(v, "tokens", -1);
	const double micro = jsonio_f64(v, "micro_batch_tokens", 0);
	double least = jsonio_f64(v, "batch_tokens", 0), most = least;
	const json_t *pair;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)jsonio_get(v, "levers.batch_schedule"), i, pair) {
		least = fmin(least, json_number_value(json_array_get(pair, 1)));
		most = fmax(most, json_number_value(json_array_get(pair, 1)));
	}
	return (tokens >= steps * least && tokens <= steps * most && fmod(tokens, micro) == 0);
}

/* What a training must add up to. */
static int
check_train(struct gate *e)
{
	const json_t *v = e->receipt[STAGE_TRAIN];

	if (rundir_external(e->run))
		return (check_program(e));
	if (json_object_get(v, "calibration") != NULL &&
	    strcmp(jsonio_text(e->run->spec.json, "export.quantizer", ""), "gptq") != 0)
		return (find(e, STAGE_TRAIN, rundir_stages[STAGE_TRAIN].receipt, GATE_DIFFERS, NULL, NULL,
		    "it names a calibration, and the spec's export asks for none"));
	if (jsonio_f64(v, "tokens", -1) == jsonio_f64(v, "steps", 0) * jsonio_f64(v, "batch_tokens", 0))
		return (0);
	if (jsonio_get(v, "levers.batch_schedule") != NULL && add_up_by_schedule(v))
		return (0);
	return (find(e, STAGE_TRAIN, rundir_stages[STAGE_TRAIN].receipt, GATE_DIFFERS, NULL, NULL,
	    jsonio_get(v, "levers.batch_schedule") != NULL ? "tokens is not what steps of its batch_schedule make" :
							     "tokens is not steps * batch_tokens"));
}

/* Is a member of the spec's section export that came later other than the export had it? */
static int
other_lever(const json_t *rule, const json_t *asked, const json_t *had)
{
	if (!later_is(rule))
		return (had != NULL);
	if (had == NULL)
		return (later_deviates(rule, asked) != 0);
	if (json_is_number(had) && json_is_number(asked))
		return (json_number_value(had) != json_number_value(asked));
	return (!json_equal(had, asked));
}

/* The artifact's law is the spec's: no lever was left out, and none put in. */
static int
check_levers(struct gate *e, const char *file)
{
	const json_t *had = json_object_get(e->receipt[STAGE_EXPORT], "levers");
	json_t *rules = json_object_get(contract_at("spec", "export"), "properties"), *rule;
	const json_t *asked = json_object_get(e->run->spec.json, "export");
	const char *key;
	size_t known = 0;

	json_object_foreach(rules, key, rule) {
		known += json_object_get(had, key) != NULL;
		if (other_lever(rule, json_object_get(asked, key), json_object_get(had, key)))
			return (
			    find(e, STAGE_EXPORT, file, GATE_DIFFERS, NULL, NULL, "levers.%s is not the spec's", key));
	}
	if (known != json_object_size(had))
		return (find(e, STAGE_EXPORT, file, GATE_DIFFERS, NULL, NULL, "levers names keys that no spec has"));
	return (0);
}

/* What an export must add up to. */
static int
check_export(struct gate *e)
{
	const json_t *v = e->receipt[STAGE_EXPORT];
	const char *file = rundir_stages[STAGE_EXPORT].receipt;
	int64_t total = jsonio_i64(v, "code_bytes", 0) + jsonio_i64(v, "artifact.bytes", 0);

	if ((total != jsonio_i64(v, "total_bytes", -1) ||
		(total <= jsonio_i64(v, "cap_bytes", -1)) != jsonio_true(v, "within_cap")) &&
	    find(e, STAGE_EXPORT, file, GATE_DIFFERS, NULL, NULL, "its sizes do not add up") == -1)
		return (-1);
	if (rundir_evidence(e->run) == RUNDIR_ARTIFACTS && check_code(e, STAGE_EXPORT, 0) == -1)
		return (-1);
	if (rundir_evidence(e->run) == RUNDIR_ARTIFACTS && e->receipt[STAGE_TRAIN] != NULL &&
	    !json_equal(json_object_get(v, "files"), json_object_get(e->receipt[STAGE_TRAIN], "files")) &&
	    find(e, STAGE_EXPORT, file, GATE_UNBOUND, NULL, NULL, "its files are not those of the training report") ==
		-1)
		return (-1);
	if (rundir_evidence(e->run) != RUNDIR_ARTIFACTS && check_levers(e, file) == -1)
		return (-1);
	if (jsonio_i64(v, "cap_bytes", -1) != e->run->spec.limits.artifact_cap_bytes)
		return (find(e, STAGE_EXPORT, file, GATE_DIFFERS, NULL, NULL, "its cap is not the spec's"));
	return (0);
}

/* Does the tokenizer give all of the text back, so that bits per raw byte stand? */
static int
is_lossless(const json_t *v)
{
	const char *raw = jsonio_text(v, "val_raw_sha256", "");

	return (*raw != '\0' && strcmp(raw, jsonio_text(v, "val_kept_sha256", "")) == 0);
}

/*
 * Bits per byte follow from the mean loss and two counts; of what is not known nothing follows, and bits per raw byte
 * need not stand where text was lost.
 */
static int
check_arithmetic(struct gate *e)
{
	static const char *const keys[] = { "val_bpb", "val_bpb_raw" }, *const bytes[] = { "bytes", "raw_bytes" };
	const json_t *v = e->report;
	double want, have, n;
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		have = jsonio_f64(v, keys[i], NAN);
		n = jsonio_f64(v, bytes[i], NAN);
		want = n > 0 ? bpb_of_loss(jsonio_f64(v, "val_loss", NAN), jsonio_f64(v, "tokens", NAN), n) : NAN;
		if ((isnan(have) && (isnan(n) || (i == 1 && !is_lossless(v)))) ||
		    fabs(have - want) <= 1e-9 * fabs(want))
			continue;
		if (find(e, STAGE_SCORE, RUNDIR_SCORE_REPORT, GATE_DIFFERS, NULL, NULL,
			"%s is not val_loss / ln 2 * tokens / %s", keys[i], bytes[i]) == -1)
			return (-1);
	}
	return (0);
}

/* What the rows of score_docs.tsv add up to; of the last document an end may not have been scored. */
struct docs {
	double tokens, bytes, nats;
	double raw, raw_last; /* NAN where raw bytes are not known */
	int64_t rows;
};

/* 0, or -1 if it is no such table. Changes ${text}, so that no line's reading looks at what is behind its end. */
static int
sum_docs(char *text, struct docs *sum)
{
	unsigned long long doc, tokens, bytes, before = 0;
	uint64_t raw_bytes;
	char *line, *next, raw[24], more;
	double nats;

	memset(sum, 0, sizeof(*sum));
	if (*text != '#' || (line = strchr(text, '\n')) == NULL)
		return (-1);
	for (line++; *line != '\0'; line = next + 1) {
		if ((next = strchr(line, '\n')) == NULL)
			return (-1);
		*next = '\0';
		if (sscanf(line, "%llu\t%llu\t%llu\t%23[^\t]\t%lf%c", &doc, &tokens, &bytes, raw, &nats, &more) != 5 ||
		    (sum->rows > 0 && doc <= before) || !(nats >= 0))
			return (-1);
		before = doc;
		if (strcmp(raw, "-") == 0)
			sum->raw_last = NAN;
		else if (num_u64(raw, 0, UINT64_MAX, &raw_bytes) == 0)
			sum->raw_last = (double)raw_bytes;
		else
			return (-1);
		sum->tokens += (double)tokens;
		sum->bytes += (double)bytes;
		sum->nats += nats;
		sum->raw += sum->raw_last;
		sum->rows++;
	}
	return (0);
}

/* The mean loss and its counts are sums over the documents, of which another file tells. */
static int
check_docs(struct gate *e)
{
	const json_t *v = e->report;
	double raw = jsonio_f64(v, "raw_bytes", NAN), want = jsonio_f64(v, "val_loss", 0) * jsonio_f64(v, "tokens", 0);
	char *text, hex[SHA256_HEX_SIZE];
	struct docs sum;
	size_t n;
	int rc = 0;

	if ((text = file_read(e->run->fd, RUNDIR_SCORE_DOCS, DOCS_MAX_BYTES, &n)) == NULL) {
		if (errno == ENOENT || gate_at_fault(errno))
			return (0); /* found by its digest */
		say_errno("cannot read '%s/%s'", e->run->path, RUNDIR_SCORE_DOCS);
		return (-1);
	}
	/* One of other bytes is found by its digest, too. */
	if ((rc = sha256_hex(text, n, hex)) == -1) {
		say_errno("cannot take the digest of '%s/%s'", e->run->path, RUNDIR_SCORE_DOCS);
		goto out;
	}
	if (strcmp(hex, jsonio_text(v, "docs_sha256", "")) != 0)
		goto out;
	if (sum_docs(text, &sum) == -1)
		rc = find(e, STAGE_SCORE, RUNDIR_SCORE_DOCS, GATE_DIFFERS, NULL, NULL, "it is no table of documents");
	else if (!(fabs(sum.nats - want) <= 1e-9 * fabs(want) + 1e-6) || sum.tokens != jsonio_f64(v, "tokens", 0) ||
	    sum.bytes != jsonio_f64(v, "bytes", 0) || sum.rows != jsonio_i64(v, "documents", -1) ||
	    isnan(raw) != isnan(sum.raw) || raw > sum.raw || raw < sum.raw - sum.raw_last)
		rc = find(e, STAGE_SCORE, RUNDIR_SCORE_DOCS, GATE_DIFFERS, NULL, NULL,
		    "its sums are not the report's loss and counts");
out:
	free(text);
	return (rc);
}

/* What the report repeats of the spec's law of scoring, and of the trainer's score before quantisation. */
static int
check_repeated(struct gate *e)
{
	static const char *const before[][2] = { { "prequant_val_loss", "val_loss" },
		{ "prequant_val_bpb", "val_bpb" } };
	const json_t *v = e->report, *train = e->receipt[STAGE_TRAIN],
		     *law = json_object_get(e->run->spec.json, "eval"), *told;
	json_t *member;
	const char *key;
	size_t i;

	json_object_foreach(json_object_get(v, "eval"), key, member)
		if (!json_equal(member, json_object_get(law, key)) &&
		    find(e, STAGE_SCORE, RUNDIR_SCORE_REPORT, GATE_DIFFERS, NULL, NULL, "eval.%s is not the spec's",
			key) == -1)
			return (-1);
	for (i = 0; train != NULL && i < sizeof(before) / sizeof(before[0]); i++) {
		told = json_object_get(v, before[i][0]);
		if (!json_is_null(told) && !json_equal(told, json_object_get(train, before[i][1])) &&
		    find(e, STAGE_SCORE, RUNDIR_SCORE_REPORT, GATE_DIFFERS, NULL, NULL,
			"%s is not the training report's", before[i][0]) == -1)
			return (-1);
	}
	return (0);
}

/* What the summary repeats of the export, so that it can be read alone. */
static int
check_summary(struct gate *e)
{
	static const char *const pairs[][2] = { { "artifact_bytes", "artifact.bytes" },
		{ "total_bytes", "total_bytes" }, { "within_cap", "within_cap" } };
	const json_t *v = e->receipt[STAGE_SCORE], *export = e->receipt[STAGE_EXPORT];
	size_t i;

	for (i = 0; export != NULL && i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (!json_equal(json_object_get(v, pairs[i][0]), jsonio_get(export, pairs[i][1])) &&
		    find(e, STAGE_SCORE, rundir_stages[STAGE_SCORE].receipt, GATE_DIFFERS, NULL, NULL,
			"%s is not the export's", pairs[i][0]) == -1)
			return (-1);
	return (0);
}

static int
check_score(struct gate *e)
{
	const json_t *v = e->report;

	if (check_arithmetic(e) == -1 || (!jsonio_true(v, "partial") && check_docs(e) == -1) ||
	    check_repeated(e) == -1 || check_summary(e) == -1)
		return (-1);
	if (jsonio_true(v, "partial") || jsonio_i64(v, "documents", 0) != jsonio_i64(v, "documents_expected", -1))
		return (find(e, STAGE_SCORE, RUNDIR_SCORE_REPORT, GATE_PARTIAL, NULL, NULL,
		    "%lld of %lld documents were scored", (long long)jsonio_i64(v, "documents", 0),
		    (long long)jsonio_i64(v, "documents_expected", -1)));
	return (0);
}

static int
gather_stage(struct gate *e, enum stage s)
{
	/* What no binding says. */
	static int (*const sums[STAGE_COUNT])(struct gate *) = {
		[STAGE_TRAIN] = check_train,
		[STAGE_EXPORT] = check_export,
		[STAGE_SCORE] = check_score,
	};
	const json_t *v;
	const struct rundir_stage *st = &rundir_stages[s];

	if (!rundir_owes(e->run, s))
		return (find(e, s, st->receipt, GATE_MISSING, NULL, NULL, "trainer.gives=%s: this run has no stage %s",
		    jsonio_text(e->run->spec.json, "trainer.gives", ""), st->name));
	if (st->needs != -1 && gather_stage(e, (enum stage)st->needs) == -1)
		return (-1);
	if (closeout_dead(e->run, s, &e->states[s], NULL) == -1)
		return (-1);
	switch (e->states[s]) {
	case STATE_CLOSED_OUT:
		break;
	case STATE_REFUSED:
		if ((e->refusal[s] = refusal_read(e->run, s)) == NULL)
			return (!gate_at_fault(errno) ?
				-1 :
				find(e, s, st->refusal, GATE_MALFORMED, NULL, "refusal", "%s", say_last()));
		if (of_attempt(e, s, st->refusal, jsonio_i64(e->refusal[s], "attempt", 0), 1) == -1)
			return (-1);
		return (find(e, s, st->receipt, GATE_REFUSED, jsonio_text(e->refusal[s], "kind", ""), NULL, "%s",
		    jsonio_text(e->refusal[s], "detail", "")));
	case STATE_CORRUPT:
		return (find(e, s, st->receipt, GATE_CORRUPT, NULL, NULL, "'%s' is there as well", st->refusal));
	default:
		return (find(e, s, st->receipt, GATE_UNFINISHED, state_name(e->states[s]), "closed_out",
		    "stage %s is %s", st->name, state_name(e->states[s])));
	}
	if (take(e, s, st->receipt, rundir_contract(e->run, s), &e->receipt[s], e->receipt_sha256[s]) == -1)
		return (-1);
	if (st->report != NULL && take(e, s, st->report, st->report_contract, &e->report, e->report_sha256) == -1)
		return (-1);
	v = st->report != NULL ? e->report : e->receipt[s];
	if (e->receipt[s] == NULL || v == NULL)
		return (0);
	if (st->report != NULL && check_report(e, s) == -1)
		return (-1);
	if (check_binds(e, s, v, st->report != NULL ? st->report : st->receipt) == -1)
		return (-1);
	return (sums[s] == NULL ? 0 : sums[s](e));
}

int
gate_gather(struct gate *e, struct rundir *r, enum stage s)
{
	int i, error;

	memset(e, 0, sizeof(*e));
	e->run = r;
	e->stage = s;
	if (rundir_load(r) == -1)
		return (-1);
	if ((e->findings = json_array()) == NULL || (e->pruned = json_array()) == NULL) {
		json_decref(e->findings);
		errno = ENOMEM;
		say_errno("cannot look into '%s'", r->path);
		return (-1);
	}
	if (gather_stage(e, s) == -1)
		goto err0;
	/* The others' states are told, too; they owe nothing here. */
	for (i = 0; i < STAGE_COUNT; i++)
		if (state_look(r, (enum stage)i, &e->states[i], NULL) == -1)
			goto err0;
	return (0);
err0:
	error = errno;
	gate_free(e);
	errno = error;
	return (-1);
}

int
gate_verdict(const struct gate *e)
{
	static const int order[] = { HG_EXIT_CONTRACT, HG_EXIT_NO, HG_EXIT_PENDING };
	size_t o;
	int p;

	for (o = 0; o < sizeof(order) / sizeof(order[0]); o++)
		for (p = 0; p < GATE_PROBLEMS; p++)
			if (e->count[p] != 0 && problems[p].verdict == order[o])
				return (order[o]);
	return (HG_EXIT_DONE);
}

void
gate_free(struct gate *e)
{
	int s;

	for (s = 0; s < STAGE_COUNT; s++) {
		json_decref(e->receipt[s]);
		json_decref(e->refusal[s]);
	}
	json_decref(e->report);
	json_decref(e->findings);
	json_decref(e->pruned);
	memset(e, 0, sizeof(*e));
}
