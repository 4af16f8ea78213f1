#define _GNU_SOURCE /* scandirat */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exit.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "base/str.h"
#include "base/utf8.h"
#include "data/locate.h"
#include "ledger/ledger.h"
#include "run/program.h"
#include "run/pruned.h"
#include "run/rundir.h"
#include "schema/contract.h"
#include "trace/lineage.h"

const char *
lineage_word(enum lineage_state state)
{
	static const char *const words[] = { "ok", "pruned", "unknown", "missing", "altered" };

	return (words[state]);
}

int
lineage_exit(enum lineage_state worst)
{
	return (worst == LINEAGE_ALTERED                             ? HG_EXIT_NO :
		worst == LINEAGE_MISSING || worst == LINEAGE_UNKNOWN ? HG_EXIT_PENDING :
								       HG_EXIT_DONE);
}

/* One more link; ${file} and ${sha256} may be NULL. 0, or -1 with errno ENOMEM, said. */
static int __attribute__((format(printf, 6, 7))) put(struct lineage *l, const char *link, enum lineage_state state,
    const char *file, const char *sha256, const char *format, ...)
{
	char detail[600];
	va_list ap;

	va_start(ap, format);
	vsnprintf(detail, sizeof(detail), format, ap);
	va_end(ap);
	/* A cut in the middle of a character is no text. */
	detail[utf8_cut(detail, sizeof(detail) - UTF8_MAX_BYTES)] = '\0';
	if (l->links == NULL)
		l->links = json_array();
	if (json_array_append_new(l->links,
		json_pack("{s:s, s:s, s:s?, s:s?, s:s}", "link", link, "state", lineage_word(state), "file", file,
		    "sha256", sha256, "detail", detail)) == -1) {
		errno = ENOMEM;
		say_errno("cannot note a link");
		return (-1);
	}
	if (state > l->worst)
		l->worst = state;
	return (0);
}

/* --- files ------------------------------------------------------------------- */

/* The run that is looked at. */
struct trace {
	struct lineage *l;
	struct rundir run;
	json_t *pruned;               /* files that were removed on purpose, or NULL */
	json_t *receipt[STAGE_COUNT]; /* those that are there */
	char receipt_sha256[STAGE_COUNT][SHA256_HEX_SIZE];
	char report_sha256[SHA256_HEX_SIZE];
	int broken[STAGE_COUNT];        /* something else is there in a receipt's place */
	const char *named[STAGE_COUNT]; /* the digest that something else names a receipt by, or NULL */
	json_t *row;                    /* its last row in a ledger */
};

/*
 * The digest of a file that should be of that size, unless that is -1; of another size it is not read, and has none.
 * Errors: -1 with errno, EFBIG: a run's own file of no stated size is larger than any.
 */
static int
digest_of(int dirfd, const char *name, int64_t bytes, char hex[SHA256_HEX_SIZE], uint64_t *size)
{
	int fd, rc = 0, error;

	*hex = '\0';
	if ((fd = file_open_most(dirfd, name,
		 bytes == -1 && dirfd != AT_FDCWD ? RUNDIR_DIGEST_ONLY_MAX_BYTES : UINT64_MAX, size)) == -1)
		return (-1);
	if (bytes == -1 || *size == (uint64_t)bytes)
		rc = sha256_fd(fd, hex, size);
	error = errno;
	close(fd);
	errno = error;
	return (rc);
}

/* A file that should have that digest, and size unless that is -1, below ${dirfd}; ${path} is what it is called. */
static int
put_file(struct trace *t, int dirfd, const char *link, const char *name, const char *path, int64_t bytes,
    const char *sha256)
{
	char hex[SHA256_HEX_SIZE], at[CLOCK_TEXT_SIZE];
	const json_t *entry;
	uint64_t size;

	if (digest_of(dirfd, name, bytes, hex, &size) == -1) {
		if (errno == ENOENT || errno == ENOTDIR) {
			if ((entry = pruned_find(t->pruned, name, sha256)) != NULL)
				return (put(t->l, link, LINEAGE_PRUNED, path, sha256, "removed on purpose, %s",
				    jsonio_text(entry, "pruned_at", "")));
			/* One of another run's, such as weights to begin with. */
			if (dirfd == AT_FDCWD && pruned_given(dirfd, name, sha256, at))
				return (put(t->l, link, LINEAGE_PRUNED, path, sha256, "removed on purpose, %s", at));
			return (put(t->l, link, LINEAGE_MISSING, path, sha256, "it is not there"));
		}
		if (file_at_fault(errno))
			return (put(t->l, link, LINEAGE_ALTERED, path, sha256, "it can't be read: %s", say_why(errno)));
		say_errno("cannot read '%s'", path);
		return (-1);
	}
	if (*hex == '\0')
		return (put(t->l, link, LINEAGE_ALTERED, path, sha256, "it has %llu bytes and should have %lld",
		    (unsigned long long)size, (long long)bytes));
	if (strcmp(hex, sha256) != 0)
		return (put(t->l, link, LINEAGE_ALTERED, path, sha256, "it is %s, of %llu bytes", hex,
		    (unsigned long long)size));
	return (put(t->l, link, LINEAGE_OK, path, sha256, "%llu bytes", (unsigned long long)size));
}

/* The same of a file of the run. */
static int
put_own(struct trace *t, const char *link, const char *name, int64_t bytes, const char *sha256)
{
	struct str path = STR_INIT;
	int rc = -1;

	if (str_printf(&path, "%s/%s", t->run.path, name) == 0)
		rc = put_file(t, t->run.fd, link, name, path.p, bytes, sha256);
	else
		say_errno("cannot look at '%s'", name);
	str_free(&path);
	return (rc);
}

/* Files of a list {file, bytes, sha256} in a directory of the run. */
static int
put_list(struct trace *t, const char *link, const json_t *files, const char *dir)
{
	char name[300];
	json_t *v;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)files, i, v) {
		snprintf(name, sizeof(name), "%s/%s", dir, jsonio_text(v, "file", ""));
		if (put_own(t, link, name, jsonio_i64(v, "bytes", -1), jsonio_text(v, "sha256", "")) == -1)
			return (-1);
	}
	return (0);
}

/* --- data, tokenizer, spec, attempts ----------------------------------------- */

/* The shards: a link for each that is not what it was, or one for all. */
static int
put_shards(struct trace *t, const char *link, const struct dataset_part *part)
{
	struct trace one = *t;
	struct lineage bad = { .links = NULL };
	uint64_t bytes = 0;
	json_t *v;
	size_t i;
	int rc = 0;

	one.l = &bad;
	for (i = 0; i < part->count && rc == 0; i++) {
		say_progress("%s: reading %s", t->run.path, part->shards[i].path);
		rc = put_file(&one, AT_FDCWD, link, part->shards[i].path, part->shards[i].path,
		    (int64_t)part->shards[i].bytes, part->shards[i].sha256);
		bytes += part->shards[i].bytes;
	}
	say_progress_end();
	if (rc == 0 && bad.worst == LINEAGE_OK)
		rc = put(t->l, link, LINEAGE_OK, NULL, part->sha256, "%zu files, %llu bytes", part->count,
		    (unsigned long long)bytes);
	json_array_foreach(bad.links, i, v)
		if (rc == 0 && bad.worst != LINEAGE_OK &&
		    strcmp(jsonio_text(v, "state", ""), lineage_word(LINEAGE_OK)) != 0)
			rc = put(t->l, link,
			    strcmp(jsonio_text(v, "state", ""), lineage_word(LINEAGE_MISSING)) == 0 ? LINEAGE_MISSING :
												      LINEAGE_ALTERED,
			    jsonio_text(v, "file", NULL), jsonio_text(v, "sha256", NULL), "%s",
			    jsonio_text(v, "detail", ""));
	json_decref(bad.links);
	return (rc);
}

static int
put_data(struct trace *t)
{
	const json_t *spec = t->run.spec.json;
	const char *sha256 = jsonio_text(spec, "data.dataset_sha256", ""),
		   *tokenizer = jsonio_text(spec, "data.tokenizer_sha256", ""),
		   *dir = jsonio_text(spec, "data.dir", "");
	struct inputerror f = { .kind = REFUSAL_NONE };
	struct dataset *d;
	struct str path = STR_INIT;
	int rc;

	if ((d = locate_dataset(dir, sha256, t->run.path, &f)) == NULL) {
		if (f.kind == REFUSAL_IO_ERROR || f.kind == REFUSAL_OUT_OF_MEMORY)
			return (-1);
		rc = put(t->l, "data", f.kind == REFUSAL_INPUT_MISSING ? LINEAGE_MISSING : LINEAGE_ALTERED, dir, sha256,
		    "%s", say_last());
		return (
		    rc == 0 ? put(t->l, "tokenizer", LINEAGE_UNKNOWN, NULL, tokenizer, "it lies with the data") : rc);
	}
	rc = str_printf(&path, "%s/" DATASET_FILE, d->dir);
	rc = rc == 0 ? put(t->l, "data", LINEAGE_OK, path.p, sha256, "%u tokens in the vocabulary", d->vocab_size) : rc;
	rc = rc == 0 ? put_shards(t, "train_shards", &d->train) : rc;
	rc = rc == 0 ? put_shards(t, "val_shards", &d->val) : rc;
	rc = rc == 0 && d->val_counts.count > 0 ? put_shards(t, "val_bytes", &d->val_counts) : rc;
	if (rc == 0)
		rc = put_file(t, AT_FDCWD, "val_docs", d->docs_path, d->docs_path, -1, d->docs_sha256);
	if (rc == 0 && strcmp(d->tokenizer_sha256, tokenizer) != 0)
		rc = put(t->l, "tokenizer", LINEAGE_ALTERED, d->tokenizer_path, tokenizer, "the data's is %s",
		    d->tokenizer_sha256);
	else if (rc == 0 && d->tokenizer_path == NULL)
		rc = put(t->l, "tokenizer", LINEAGE_OK, NULL, tokenizer, "bytes: it has no file");
	else if (rc == 0)
		rc = put_file(t, AT_FDCWD, "tokenizer", d->tokenizer_path, d->tokenizer_path, -1, tokenizer);
	str_free(&path);
	dataset_free(d);
	return (rc);
}

/* A file that the spec names: weights to begin with, a schedule to repeat. */
static int
put_given(struct trace *t, const char *link, const char *key, const char *digest)
{
	const char *path = jsonio_text(t->run.spec.json, key, NULL),
		   *sha256 = jsonio_text(t->run.spec.json, digest, "");

	return (path == NULL ? 0 : put_file(t, AT_FDCWD, link, path, path, -1, sha256));
}

static int
put_spec(struct trace *t)
{
	const json_t *spec = t->run.spec.json;
	const char *parent = jsonio_text(spec, "about.parent", NULL);
	struct str path = STR_INIT;
	int rc = str_printf(&path, "%s/" RUNDIR_SPEC, t->run.path);

	/* It was read whole: what it says and its digests agree. */
	if (rc == 0)
		rc = put(t->l, "spec", LINEAGE_OK, path.p, t->run.spec.text_sha256, "%s%s",
		    parent == NULL ? "" : "made from ", parent == NULL ? "" : parent);
	str_free(&path);
	if (rc == 0)
		rc = put_given(t, "initial_weights", "train.init_from", "digests.init_sha256");
	if (rc == 0)
		rc = put_given(t, "replay", "train.replay", "digests.replay_sha256");
	if (rc == 0)
		rc = put_list(t, "program", jsonio_get(spec, "trainer.program"), PROGRAM_DIR);
	return (rc == 0 ? put_list(t, "program", jsonio_get(spec, "scorer.program"), PROGRAM_DIR) : rc);
}

/* What was tried before, by its refusals; and the one that stands. */
static int
put_refusal(struct trace *t, const char *link, const char *name)
{
	struct str path = STR_INIT;
	char hex[SHA256_HEX_SIZE];
	json_t *v;
	int rc = str_printf(&path, "%s/%s", t->run.path, name);

	if (rc == 0 && contract_read(t->run.fd, name, "refusal", hex, &v) == 0) {
		rc = strcmp(jsonio_text(v, "run_uid", ""), t->run.spec.run_uid) == 0 ?
		    put(t->l, link, LINEAGE_OK, path.p, hex, "%s: %s", jsonio_text(v, "stage", ""),
			jsonio_text(v, "kind", "")) :
		    put(t->l, link, LINEAGE_ALTERED, path.p, hex, "it is of another run");
		json_decref(v);
	} else if (rc == 0 && errno != ENOENT)
		rc = errno == EBADMSG || file_at_fault(errno) ?
		    put(t->l, link, LINEAGE_ALTERED, path.p, NULL, "%s", say_last()) :
		    -1;
	str_free(&path);
	return (rc);
}

static int
put_attempts(struct trace *t)
{
	char name[128];
	int s, i, last;

	for (s = 0; s < STAGE_COUNT; s++) {
		if ((last = rundir_attempt(&t->run, (enum stage)s)) == -1) {
			say_errno("cannot look into '%s/%s'", t->run.path, RUNDIR_ATTEMPTS);
			return (-1);
		}
		for (i = 1; i < last; i++) {
			snprintf(name, sizeof(name), RUNDIR_ATTEMPTS "/%s.%d/%s", rundir_stages[s].name, i,
			    rundir_stages[s].refusal);
			if (put_refusal(t, "attempt", name) == -1)
				return (-1);
		}
	}
	return (0);
}

/* --- stages ------------------------------------------------------------------ */

/* Read the receipts that are there, so that each is known by what others name it by. 0, or -1 with errno, said. */
static int
read_receipts(struct trace *t)
{
	static const char *const
	    key[STAGE_COUNT] = { [STAGE_TRAIN] = "training_report_sha256", [STAGE_EXPORT] = "export_report_sha256" };
	static const char *const in_row[STAGE_COUNT] = { [STAGE_TRAIN] = "run.training_report_sha256",
		[STAGE_EXPORT] = "run.export_report_sha256" };
	int s, by;

	for (s = 0; s < STAGE_COUNT; s++)
		if (contract_read(t->run.fd, rundir_stages[s].receipt, rundir_contract(&t->run, (enum stage)s),
			t->receipt_sha256[s], &t->receipt[s]) == -1) {
			t->receipt[s] = NULL;
			if (errno != ENOENT && errno != EBADMSG && !file_at_fault(errno))
				return (-1);
			t->broken[s] = errno != ENOENT;
			*t->receipt_sha256[s] = '\0';
		}
	for (s = 0; s < STAGE_COUNT; s++) {
		if (key[s] == NULL)
			continue;
		t->named[s] = jsonio_text(t->row, in_row[s], NULL);
		for (by = STAGE_COUNT - 1; by > s; by--)
			if (t->named[s] == NULL)
				t->named[s] = jsonio_text(t->receipt[by], key[s], NULL);
	}
	return (0);
}

/* The first key by which a receipt, or the report that it binds, is bound to something else than is here; or NULL. */
static const char *
unbound(const struct trace *t, enum stage s, const json_t *v)
{
	const struct rundir_bind *b;
	const char *here, *there;

	if (strcmp(jsonio_text(v, "run_uid", ""), t->run.spec.run_uid) != 0)
		return ("run_uid");
	if (strcmp(jsonio_text(v, "spec_sha256", t->run.spec.text_sha256), t->run.spec.text_sha256) != 0)
		return ("spec_sha256");
	for (b = rundir_binds(&t->run, s); b->how != RUNDIR_BIND_END; b++) {
		here = jsonio_text(v, b->key, NULL);
		there = here;
		if (b->how == RUNDIR_BIND_SPEC)
			there = jsonio_text(t->run.spec.json, b->to, "");
		else if (b->how == RUNDIR_BIND_RECEIPT && *t->receipt_sha256[b->stage] != '\0')
			there = t->receipt_sha256[b->stage];
		else if (b->how == RUNDIR_BIND_MEMBER && t->receipt[b->stage] != NULL)
			there = jsonio_text(t->receipt[b->stage], b->to, here);
		if (here != NULL && strcmp(here, there) != 0)
			return (b->key);
	}
	return (NULL);
}

static int
put_receipt(struct trace *t, enum stage s)
{
	const struct rundir_stage *st = &rundir_stages[s];
	const char *hex = t->receipt_sha256[s], *named = t->named[s], *key,
		   *host = jsonio_text(t->receipt[s], "owner.host", NULL);
	struct str path = STR_INIT;
	int rc = -1;

	if (str_printf(&path, "%s/%s", t->run.path, st->receipt) == -1)
		say_errno("cannot look at '%s'", st->receipt);
	else if (t->broken[s])
		rc = put(t->l, st->name, LINEAGE_ALTERED, path.p, named, "it breaks its contract");
	else if (*hex == '\0')
		rc = named == NULL ? 0 : put(t->l, st->name, LINEAGE_MISSING, path.p, named, "it is not there");
	else if (named != NULL && strcmp(named, hex) != 0)
		rc = put(t->l, st->name, LINEAGE_ALTERED, path.p, named, "it is %s", hex);
	else if ((key = unbound(t, s, t->receipt[s])) != NULL)
		rc = put(t->l, st->name, LINEAGE_ALTERED, path.p, hex, "its %s is another", key);
	else
		rc = put(t->l, st->name, LINEAGE_OK, path.p, hex, "attempt %lld%s%s",
		    (long long)jsonio_i64(t->receipt[s], "attempt", 1), host == NULL ? "" : " on ",
		    host == NULL ? "" : host);
	str_free(&path);
	return (rc);
}

/* The files that a receipt or a report binds by digest. */
static int
put_bound(struct trace *t, enum stage s, const json_t *v)
{
	const struct rundir_bind *b;
	char key[64];
	int64_t bytes;
	int rc = 0;

	for (b = rundir_binds(&t->run, s); b->how != RUNDIR_BIND_END && rc == 0; b++)
		if (b->how == RUNDIR_BIND_FILE && json_is_object(json_object_get(v, b->key))) {
			snprintf(key, sizeof(key), "%s.bytes", b->key);
			bytes = jsonio_i64(v, key, -1);
			snprintf(key, sizeof(key), "%s.sha256", b->key);
			rc = put_own(t, b->key, b->to, bytes, jsonio_text(v, key, ""));
		} else if (b->how == RUNDIR_BIND_DIGEST)
			rc = put_own(t, "score_docs", b->to, -1, jsonio_text(v, b->key, ""));
	return (rc);
}

/* A report between a stage and its receipt. */
static int
put_report(struct trace *t, enum stage s)
{
	const struct rundir_stage *st = &rundir_stages[s];
	const char *want = jsonio_text(t->receipt[s], st->report_key, ""), *key;
	struct str path = STR_INIT;
	json_t *v;
	int rc = str_printf(&path, "%s/%s", t->run.path, st->report);

	if (rc == -1)
		say_errno("cannot look at '%s'", st->report);
	else if (contract_read(t->run.fd, st->report, st->report_contract, t->report_sha256, &v) == -1)
		rc = errno == ENOENT ? put(t->l, "score_report", LINEAGE_MISSING, path.p, want, "it is not there") :
		    errno == EBADMSG || file_at_fault(errno) ?
				       put(t->l, "score_report", LINEAGE_ALTERED, path.p, want, "%s", say_last()) :
				       -1;
	else {
		if (strcmp(t->report_sha256, want) != 0)
			rc = put(t->l, "score_report", LINEAGE_ALTERED, path.p, want, "it is %s", t->report_sha256);
		else if ((key = unbound(t, s, v)) != NULL)
			rc = put(t->l, "score_report", LINEAGE_ALTERED, path.p, want, "its %s is another", key);
		else
			rc = put(t->l, "score_report", LINEAGE_OK, path.p, want, "val_bpb %.5f",
			    jsonio_f64(v, "val_bpb", 0));
		if (rc == 0)
			rc = put_bound(t, s, v);
		json_decref(v);
	}
	str_free(&path);
	return (rc);
}

static int
put_stages(struct trace *t)
{
	int s, rc = 0;

	for (s = 0; s < STAGE_COUNT && rc == 0; s++) {
		if (!rundir_owes(&t->run, (enum stage)s))
			continue;
		rc = put_receipt(t, (enum stage)s);
		if (rc == 0)
			rc = put_refusal(t, "refusal", rundir_stages[s].refusal);
		if (rc != 0 || t->receipt[s] == NULL)
			continue;
		if (rundir_stages[s].report != NULL)
			rc = put_report(t, (enum stage)s);
		else
			rc = put_bound(t, (enum stage)s, t->receipt[s]);
		if (rc == 0 && s == STAGE_TRAIN)
			rc = put_list(t, "file", json_object_get(t->receipt[s], "files"), RUNDIR_FILES);
	}
	return (rc);
}

/* A further evaluation, for comparison only: of this run's artifact and receipts, or of another. */
static int
put_evaluation(struct trace *t, int dirfd, const char *name)
{
	const char *const bound[][2] = {
		{ "run_uid", t->run.spec.run_uid },
		{ "spec_sha256", t->run.spec.text_sha256 },
		{ "artifact_sha256", jsonio_text(t->receipt[STAGE_EXPORT], "artifact.sha256", "") },
		{ "export_report_sha256", t->receipt_sha256[STAGE_EXPORT] },
		{ "training_report_sha256", t->receipt_sha256[STAGE_TRAIN] },
	};
	char hex[SHA256_HEX_SIZE];
	struct str path = STR_INIT;
	json_t *v;
	size_t i;
	int rc;

	if ((rc = str_printf(&path, "%s/" RUNDIR_EVALS "/%s", t->run.path, name)) == -1)
		say_errno("cannot look at '%s'", name);
	else if (contract_read(dirfd, name, "evaluation", hex, &v) == -1)
		rc = errno == EBADMSG || file_at_fault(errno) ?
		    put(t->l, "evaluation", LINEAGE_ALTERED, path.p, NULL, "%s", say_last()) :
		    -1;
	else {
		for (i = 0; i < sizeof(bound) / sizeof(bound[0]); i++)
			if (strcmp(jsonio_text(v, bound[i][0], ""), bound[i][1]) != 0)
				break;
		if (i < sizeof(bound) / sizeof(bound[0]))
			rc = put(t->l, "evaluation", LINEAGE_ALTERED, path.p, hex, "its %s is another", bound[i][0]);
		else
			rc = put(t->l, "evaluation", LINEAGE_OK, path.p, hex, "for comparison only: val_bpb %.5f",
			    jsonio_f64(v, "val_bpb", 0));
		json_decref(v);
	}
	str_free(&path);
	return (rc);
}

static int
is_json(const struct dirent *e)
{
	const size_t n = strlen(e->d_name);

	return (e->d_name[0] != '.' && n > 5 && strcmp(e->d_name + n - 5, ".json") == 0);
}

static int
put_evaluations(struct trace *t)
{
	struct dirent **names;
	int fd, n, i, rc = 0;

	if ((fd = openat(t->run.fd, RUNDIR_EVALS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1)
		return (0);
	if ((n = scandirat(fd, ".", &names, is_json, alphasort)) == -1) {
		say_errno("cannot look into '%s/" RUNDIR_EVALS "'", t->run.path);
		rc = -1;
	}
	for (i = 0; i < n; i++) {
		rc = rc == 0 ? put_evaluation(t, fd, names[i]->d_name) : rc;
		free(names[i]);
	}
	if (n != -1)
		free(names);
	close(fd);
	return (rc);
}

/* --- the ledger -------------------------------------------------------------- */

/* The rows that speak of a run: its own, and those that name them. */
struct speaking {
	const char *uid;
	char (*own)[SHA256_HEX_SIZE];
	size_t count;
};

static int
is_own(const struct speaking *k, const char *sha256)
{
	size_t i;

	for (i = 0; i < k->count; i++)
		if (strcmp(k->own[i], sha256) == 0)
			return (1);
	return (0);
}

static int
lists_own(const struct speaking *k, const json_t *list)
{
	const json_t *v;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, v)
		if (json_is_string(v) && is_own(k, json_string_value(v)))
			return (1);
	return (0);
}

/* The member of a row that is called as its kind. */
static const json_t *
content(const json_t *row)
{
	return (json_object_get(row, jsonio_text(row, "kind", "")));
}

static int
speaks(void *arg, const struct rows_row *row)
{
	struct speaking *k = arg;
	const json_t *c = content(row->json);
	char(*own)[SHA256_HEX_SIZE];

	if (strcmp(jsonio_text(row->json, "run.run_uid", ""), k->uid) != 0)
		return (strcmp(jsonio_text(c, "run_uid", ""), k->uid) == 0 ||
		    is_own(k, jsonio_text(c, "run_sha256", "")) ||
		    lists_own(k, json_object_get(c, "challenger_runs")) ||
		    lists_own(k, json_object_get(c, "incumbent_runs")) || lists_own(k, json_object_get(c, "runs")));
	if ((own = realloc(k->own, (k->count + 1) * sizeof(*own))) != NULL) {
		k->own = own;
		strcpy(own[k->count++], row->sha256);
	}
	return (1);
}

static int
put_row(struct lineage *l, const char *ledger, const struct rows_row *row, enum lineage_state state, const char *detail)
{
	const char *kind = jsonio_text(row->json, "kind", "?");

	return (put(l, strcmp(kind, "run") == 0 ? "row" : kind, state, ledger, row->sha256, "row %lld: %s%s",
	    (long long)row->number, *detail == '\0' ? jsonio_text(content(row->json), "text", kind) : "", detail));
}

/* The run's last row against its files as they are now. */
static int
put_last_row(struct trace *t, const char *ledger, const struct rows_row *row)
{
	const struct {
		const char *key, *now;
	} same[] = {
		{ "spec_sha256", t->run.spec.text_sha256 },
		{ "training_report_sha256", t->receipt_sha256[STAGE_TRAIN] },
		{ "export_report_sha256", t->receipt_sha256[STAGE_EXPORT] },
		{ "score_report_sha256", t->report_sha256 },
	};
	const json_t *run = json_object_get(row->json, "run");
	char said[300];
	const char *was;
	size_t i;

	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		was = jsonio_text(run, same[i].key, NULL);
		/* What is gone has a link of its own. */
		if (was != NULL && *same[i].now != '\0' && strcmp(was, same[i].now) != 0) {
			snprintf(said, sizeof(said), "its %s is another: %s", same[i].key, was);
			return (put_row(t->l, ledger, row, LINEAGE_ALTERED, said));
		}
	}
	snprintf(said, sizeof(said), "%s: %s", jsonio_text(row->json, "verdict.class", "?"),
	    jsonio_text(row->json, "verdict.reason", "?"));
	return (put_row(t->l, ledger, row, LINEAGE_OK, said));
}

/* All rows that speak of the run. ${last} is its own last one. */
static int
put_rows(struct trace *t, const char *ledger, const struct rows *rows)
{
	const struct rows_row *row;
	char said[300];
	size_t i;
	int rc = 0;

	for (i = 0; i < rows->count && rc == 0; i++) {
		row = &rows->list[i];
		if (row->json == t->row) {
			rc = put_last_row(t, ledger, row);
			continue;
		}
		snprintf(said, sizeof(said), "%s: %s", jsonio_text(row->json, "verdict.class", ""),
		    jsonio_text(row->json, "verdict.reason", ""));
		if (strcmp(jsonio_text(row->json, "kind", ""), "note") == 0)
			snprintf(said, sizeof(said), "%s", jsonio_text(row->json, "note.word", ""));
		rc = put_row(t->l, ledger, row, LINEAGE_OK, strcmp(said, ": ") == 0 ? "" : said);
	}
	return (rc);
}

/* The run's own last row. */
static json_t *
last_own(const struct rows *rows, const char *uid)
{
	size_t i;

	for (i = rows->count; i-- > 0;)
		if (strcmp(jsonio_text(rows->list[i].json, "run.run_uid", ""), uid) == 0)
			return (rows->list[i].json);
	return (NULL);
}

/* --- a run ------------------------------------------------------------------- */

/* A list that can't be read was said, and tells of nothing. 0, or -1 with errno. */
static int
read_pruned(struct trace *t)
{
	return (pruned_read(&t->run, &t->pruned) == 0 || errno == EBADMSG || file_at_fault(errno) ? 0 : -1);
}

/* Where the run was judged, if a ledger is known. 0 with *known, or -1 with errno, said. */
static int
read_ledger(struct trace *t, const char **ledger, char **found, struct rows *rows, int *known)
{
	struct speaking k = { t->run.spec.run_uid, NULL, 0 };
	int rc;

	*known = 0;
	if (*ledger == NULL && rows_witnessed(&t->run, found))
		*ledger = *found;
	if (*ledger == NULL)
		return (0);
	if ((rc = rows_read(*ledger, speaks, &k, rows)) == 0) {
		*known = 1;
		t->row = last_own(rows, k.uid);
	} else if (errno == EBADMSG)
		rc = put(t->l, "ledger", LINEAGE_ALTERED, *ledger, NULL, "%s", say_last());
	free(k.own);
	return (rc);
}

/* Does the run remember ledgers? 1, 0, or -1, said, if what it remembers can't be read. */
static int
remembers(const struct trace *t)
{
	json_t *v;

	if (contract_read(t->run.fd, LEDGER_WITNESS, "ledger_witness", NULL, &v) == -1)
		return (errno == ENOENT ? 0 : -1);
	json_decref(v);
	return (1);
}

/* What is said of the ledger where it has no row. */
static int
put_no_row(struct trace *t, const char *ledger, int known)
{
	if (known)
		return (put(t->l, "row", LINEAGE_UNKNOWN, ledger, NULL, "no row of the run is in it"));
	switch (ledger == NULL ? remembers(t) : 0) {
	case -1:
		return (put(t->l, "row", LINEAGE_ALTERED, t->run.path, NULL, "%s", say_last()));
	case 1:
		return (put(t->l, "row", LINEAGE_UNKNOWN, NULL, NULL,
		    "the run remembers a ledger that is not where it was: name it by -l"));
	default:
		return (0);
	}
}

int
lineage_run(const char *path, const char *ledger, struct lineage *l)
{
	struct trace t = { .l = l };
	struct rows rows = { NULL, 0, 0 };
	char *found = NULL;
	int s, rc = -1, error, known;

	if (rundir_open(&t.run, path) == -1)
		return (-1);
	if (rundir_load(&t.run) == -1) {
		if (errno == EBADMSG)
			rc = put(l, "spec", LINEAGE_ALTERED, path, NULL, "%s", say_last());
		goto done;
	}
	if (read_pruned(&t) == 0 && read_ledger(&t, &ledger, &found, &rows, &known) == 0 && read_receipts(&t) == 0 &&
	    put_data(&t) == 0 && put_spec(&t) == 0 && put_attempts(&t) == 0 && put_stages(&t) == 0 &&
	    put_evaluations(&t) == 0)
		rc = t.row == NULL ? put_no_row(&t, ledger, known) : put_rows(&t, ledger, &rows);
done:
	error = errno;
	free(found);
	for (s = 0; s < STAGE_COUNT; s++)
		json_decref(t.receipt[s]);
	json_decref(t.pruned);
	rows_free(&rows);
	rundir_close(&t.run);
	errno = error;
	return (rc);
}

int
lineage_row(const char *ledger, const struct rows_row *row, struct lineage *l)
{
	static const char *const members[][2] = {
		{ "data", "run.data_sha256" },
		{ "tokenizer", "run.tokenizer_sha256" },
		{ "spec", "run.spec_sha256" },
		{ "train", "run.training_report_sha256" },
		{ "export", "run.export_report_sha256" },
		{ "artifact", "run.artifact_sha256" },
		{ "score_report", "run.score_report_sha256" },
		{ "score_docs", "run.docs_sha256" },
	};
	char *dir = lineage_place(ledger, jsonio_text(row->json, "run.dir", ""));
	const char *sha256;
	size_t i;
	int rc = dir == NULL ? -1 : 0;

	for (i = 0; i < sizeof(members) / sizeof(members[0]) && rc == 0; i++)
		if ((sha256 = jsonio_text(row->json, members[i][1], NULL)) != NULL)
			rc = i < 2 ? put(l, members[i][0], LINEAGE_UNKNOWN, NULL, sha256, "known from the row alone") :
				     put(l, members[i][0], LINEAGE_MISSING, dir, sha256, "the run is not there");
	free(dir);
	return (rc == 0 ? put_row(l, ledger, row, LINEAGE_OK, "") : rc);
}

/* --- what is promoted -------------------------------------------------------- */

char *
lineage_place(const char *ledger, const char *dir)
{
	struct str path = STR_INIT;
	char *real;

	if (*dir == '/' ? str_puts(&path, dir) == -1 : str_printf(&path, "%s/%s", ledger, dir) == -1) {
		say_errno("cannot tell where '%s' is", dir);
		return (NULL);
	}
	/* As few words as will do, where it is there. */
	if ((real = realpath(path.p, NULL)) == NULL)
		return (path.p);
	str_free(&path);
	return (real);
}

/* What a row says of a run or its artifact: 1 that it is altered, 0 that this is cleared, -1 nothing of the kind. */
static int
bars(const json_t *row, const char *run, const char *artifact)
{
	const json_t *c = content(row);
	const char *kind = jsonio_text(row, "kind", ""), *word = jsonio_text(c, "word", "");

	if (strcmp(jsonio_text(c, "run_sha256", ""), run) != 0 &&
	    strcmp(jsonio_text(c, "artifact_sha256", "none"), artifact) != 0)
		return (-1);
	if (strcmp(kind, "revocation") == 0)
		return (1);
	if (strcmp(kind, "note") != 0)
		return (-1);
	return (strcmp(word, "altered") == 0 ? 1 : strcmp(word, "cleared") == 0 ? 0 : -1);
}

/* The row that bars a run or its artifact and that none after it clears, or NULL. */
static const struct rows_row *
barring(const struct rows *all, const char *run, const char *artifact)
{
	size_t i;
	int is;

	for (i = all->count; i-- > 0;)
		if ((is = bars(all->list[i].json, run, artifact)) != -1)
			return (is == 1 ? &all->list[i] : NULL);
	return (NULL);
}

static const struct rows_row *
by_digest(const struct rows *all, const char *sha256)
{
	size_t i;

	for (i = 0; i < all->count; i++)
		if (strcmp(all->list[i].sha256, sha256) == 0)
			return (&all->list[i]);
	return (NULL);
}

/* Runs that a gain rests on, and how many of them something is noted against. */
struct counted {
	size_t count, barred;
};

/* Those of a list of digests. 0, or -1 with errno, said. */
static int
put_runs(struct lineage *l, const struct rows *all, const json_t *list, struct counted *c)
{
	const struct rows_row *run, *bar;
	json_t *v;
	size_t i;
	int rc = 0;

	json_array_foreach((json_t *)(uintptr_t)list, i, v) {
		c->count++;
		if (rc == -1 || (run = by_digest(all, json_string_value(v))) == NULL ||
		    (bar = barring(all, run->sha256, jsonio_text(run->json, "run.artifact_sha256", "?"))) == NULL)
			continue;
		c->barred++;
		rc = put(l, "runs", LINEAGE_ALTERED, jsonio_text(run->json, "run.run_id", "?"), run->sha256,
		    "the gain rests on it, and row %lld says: %s%s%s", (long long)bar->number,
		    strcmp(jsonio_text(bar->json, "kind", ""), "note") == 0 ? "altered" : "revoked",
		    *jsonio_text(content(bar->json), "text", "") == '\0' ? "" : ": ",
		    jsonio_text(content(bar->json), "text", ""));
	}
	return (rc);
}

/* Those of a confirmation, and those that calibrated its lane before. 0, or -1 with errno, said. */
static int
put_confirmation(struct lineage *l, const struct rows *all, const struct rows_row *row, struct counted *c)
{
	const struct rows_row *r;
	int rc = put_runs(l, all, jsonio_get(row->json, "confirmation.challenger_runs"), c);

	if (rc == 0)
		rc = put_runs(l, all, jsonio_get(row->json, "confirmation.incumbent_runs"), c);
	for (r = all->list; r < row && rc == 0; r++)
		if (strcmp(jsonio_text(r->json, "calibration.group_sha256", ""),
			jsonio_text(row->json, "confirmation.group_sha256", "?")) == 0 &&
		    strcmp(jsonio_text(r->json, "calibration.lane", ""),
			jsonio_text(row->json, "confirmation.lane", "?")) == 0)
			rc = put_runs(l, all, jsonio_get(r->json, "calibration.runs"), c);
	return (rc);
}

/*
 * The runs that the promotion's gain rests on, along the incumbents back to the one that was promoted before it, as
 * gain_back goes.
 */
static int
put_counted(struct lineage *l, const char *ledger, const struct rows *all, const struct rows_row *promotion)
{
	const char *group = jsonio_text(promotion->json, "promotion.group_sha256", ""),
		   *config = jsonio_text(promotion->json, "promotion.config_sha256", "");
	struct counted c = { 0, 0 };
	const struct rows_row *r;
	int rc = 0, steps = 0;

	for (r = promotion; rc == 0 && r-- > all->list;) {
		if (steps > 0 && strcmp(jsonio_text(r->json, "promotion.group_sha256", ""), group) == 0 &&
		    strcmp(jsonio_text(r->json, "promotion.config_sha256", ""), config) == 0)
			break;
		if (strcmp(jsonio_text(r->json, "confirmation.group_sha256", ""), group) != 0 ||
		    strcmp(jsonio_text(r->json, "confirmation.challenger_sha256", ""), config) != 0 ||
		    strcmp(jsonio_text(r->json, "verdict.class", ""), "improvement") != 0)
			continue;
		rc = put_confirmation(l, all, r, &c);
		config = jsonio_text(r->json, "confirmation.incumbent_sha256", "");
		steps++;
	}
	return (rc == -1 || c.barred != 0 || steps == 0 ?
		rc :
		put(l, "runs", LINEAGE_OK, ledger, NULL,
		    "nothing is noted against the %zu that its gain rests on; hg-ledger recheck reads their files",
		    c.count));
}

int
lineage_stands(const struct rows *all, const struct rows_row *promotion)
{
	const char *group = jsonio_text(promotion->json, "promotion.group_sha256", "");
	const json_t *row;
	size_t i;

	for (i = all->count; i-- > 0;) {
		row = all->list[i].json;
		if (all->list[i].number > promotion->number && strcmp(jsonio_text(row, "kind", ""), "promotion") == 0 &&
		    strcmp(jsonio_text(row, "promotion.group_sha256", ""), group) == 0)
			return (0);
	}
	return (barring(all, jsonio_text(promotion->json, "promotion.run_sha256", ""),
		    jsonio_text(promotion->json, "promotion.artifact_sha256", "")) == NULL);
}

int
lineage_promoted(const char *ledger, const struct rows *all, const struct rows_row *promotion, struct lineage *l)
{
	const char *sha256 = jsonio_text(promotion->json, "promotion.artifact_sha256", NULL),
		   *run = jsonio_text(promotion->json, "promotion.run_sha256", "");
	const struct rows_row *row = by_digest(all, run);
	struct trace t = { .l = l };
	struct str path = STR_INIT;
	const char *evidence = "";
	char *dir = NULL;
	int rc = put_row(l, ledger, promotion, LINEAGE_OK, jsonio_text(promotion->json, "promotion.run_id", ""));

	if (row != NULL) {
		if ((dir = lineage_place(ledger, jsonio_text(row->json, "run.dir", ""))) == NULL)
			return (-1);
		evidence = jsonio_text(row->json, "run.evidence", "checkpoint");
	}
	if (rc == 0 && dir == NULL)
		rc = put(l, "row", LINEAGE_UNKNOWN, ledger, run, "it names no run of the ledger");
	else if (rc == 0 && (sha256 == NULL || strcmp(evidence, "checkpoint") != 0))
		rc = put(l, "artifact", LINEAGE_UNKNOWN, dir, sha256, "it is no file of its own: look at the run");
	else if (rc == 0 && (rc = str_printf(&path, "%s/" RUNDIR_ARTIFACT, dir)) == 0)
		rc = put_file(&t, AT_FDCWD, "artifact", path.p, path.p, -1, sha256);
	if (rc == 0)
		rc = put_counted(l, ledger, all, promotion);
	str_free(&path);
	free(dir);
	return (rc);
}
