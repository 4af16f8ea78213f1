#include <errno.h>
#include <stdio.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "run/rundir.h"
#include "run/specdiff.h"
#include "schema/contract.h"
#include "trace/compare.h"
#include "trace/losses.h"
#include "trace/rows.h"

enum { FROM, TO, SIDES };

static const char *const side_name[SIDES] = { "from", "to" };

struct side {
	struct rundir run;
	json_t *train, *export, *score, *report; /* of this run, or NULL */
	struct losses losses;
};

/* A file of the run, if it is there and of this run. 0, or -1 with errno, said. */
static int
take(const struct rundir *r, const char *file, const char *contract, json_t **out, int *broken)
{
	*out = NULL;
	if (contract_read(r->fd, file, contract, NULL, out) == -1) {
		if (errno == ENOENT)
			return (0);
		if (errno != EBADMSG && !file_at_fault(errno))
			return (-1);
		*broken = 1;
		return (0);
	}
	if (strcmp(jsonio_text(*out, "run_uid", ""), r->spec.run_uid) == 0)
		return (0);
	say_error("'%s/%s' is of another run", r->path, file);
	json_decref(*out);
	*out = NULL;
	*broken = 1;
	return (0);
}

static int
open_side(struct side *s, const char *path, int *broken)
{
	const struct rundir_stage *score = &rundir_stages[STAGE_SCORE];

	if (rundir_open(&s->run, path) == -1 || rundir_load(&s->run) == -1)
		return (-1);
	if (take(&s->run, rundir_stages[STAGE_TRAIN].receipt, rundir_contract(&s->run, STAGE_TRAIN), &s->train,
		broken) == -1 ||
	    take(&s->run, rundir_stages[STAGE_EXPORT].receipt, rundir_contract(&s->run, STAGE_EXPORT), &s->export,
		broken) == -1 ||
	    take(&s->run, score->receipt, rundir_contract(&s->run, STAGE_SCORE), &s->score, broken) == -1 ||
	    take(&s->run, score->report, score->report_contract, &s->report, broken) == -1)
		return (-1);
	return (losses_read(&s->run, s->train, &s->losses));
}

static void
close_side(struct side *s)
{
	losses_free(&s->losses);
	json_decref(s->report);
	json_decref(s->score);
	json_decref(s->export);
	json_decref(s->train);
	rundir_close(&s->run);
}

static json_t *
or_null(json_t *v)
{
	return (v == NULL ? json_null() : json_incref(v));
}

static int
put_pair(json_t *list, const char *key, json_t *from, json_t *to)
{
	return (json_array_append_new(list,
	    json_pack("{s:s, s:o, s:o}", "key", key, "from", or_null(from), "to", or_null(to))));
}

static int
put_differing(json_t *list, const char *key, json_t *from, json_t *to)
{
	return ((from == NULL && to == NULL) || (from != NULL && to != NULL && json_equal(from, to)) ?
		0 :
		put_pair(list, key, from, to));
}

/* What ran otherwise: machine, arithmetic and code; of runs that have both trained. */
static json_t *
executed(const struct side s[SIDES])
{
	static const char *const keys[] = { "backend", "isa", "arith", "threads", "micro_batch_tokens", "lane",
		"cpu_model", "numerics_sha256", "code_sha256", "starved", "stop_reason", "owner.host" };
	json_t *list = json_array(), *libraries[SIDES], *v;
	const char *name;
	char key[160];
	size_t i;
	int side, rc = 0;

	if (s[FROM].train == NULL || s[TO].train == NULL)
		return (list);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		rc |= put_differing(list, strcmp(keys[i], "owner.host") == 0 ? "host" : keys[i],
		    jsonio_get(s[FROM].train, keys[i]), jsonio_get(s[TO].train, keys[i]));
	for (side = 0; side < SIDES; side++)
		libraries[side] = json_object_get(s[side].train, "libraries");
	json_object_foreach(libraries[FROM], name, v) {
		snprintf(key, sizeof(key), "libraries.%.120s", name);
		rc |= put_differing(list, key, v, json_object_get(libraries[TO], name));
	}
	json_object_foreach(libraries[TO], name, v) {
		snprintf(key, sizeof(key), "libraries.%.120s", name);
		if (json_object_get(libraries[FROM], name) == NULL)
			rc |= put_differing(list, key, NULL, v);
	}
	if (rc == 0)
		return (list);
	json_decref(list);
	return (NULL);
}

/* Were both scored by one law on one text, so that a difference of their scores means something? */
static int
comparable(const struct side s[SIDES])
{
	const json_t *a = s[FROM].run.spec.json, *b = s[TO].run.spec.json;
	const char *raw = jsonio_text(s[FROM].report, "val_raw_sha256", NULL),
		   *other = jsonio_text(s[TO].report, "val_raw_sha256", NULL);

	if (strcmp(jsonio_text(a, "digests.eval_sha256", ""), jsonio_text(b, "digests.eval_sha256", "")) != 0)
		return (0);
	/* Of one that is not scored yet the spec says what it will be scored on. */
	if (raw != NULL && other != NULL)
		return (strcmp(raw, other) == 0);
	return (strcmp(jsonio_text(a, "data.val_sha256", ""), jsonio_text(b, "data.val_sha256", "")) == 0 &&
	    strcmp(jsonio_text(a, "data.tokenizer_sha256", ""), jsonio_text(b, "data.tokenizer_sha256", "")) == 0);
}

/* Losses are per token: those of two tokenizers can't be compared. */
static int
same_tokens(const struct side s[SIDES])
{
	return (strcmp(jsonio_text(s[FROM].run.spec.json, "data.tokenizer_sha256", ""),
		    jsonio_text(s[TO].run.spec.json, "data.tokenizer_sha256", "")) == 0);
}

/* Numbers as the receipts say them, whether they differ or not; what neither has is left out. */
static json_t *
scores(const struct side s[SIDES])
{
	static const struct {
		const char *key;
		size_t from; /* which receipt */
		const char *path;
	} numbers[] = {
		{ "val_loss", offsetof(struct side, score), "val_loss" },
		{ "val_bpb", offsetof(struct side, score), "val_bpb" },
		{ "val_bpb_raw", offsetof(struct side, score), "val_bpb_raw" },
		{ "claimed_val_loss", offsetof(struct side, train), "claimed.val_loss" },
		{ "claimed_val_bpb", offsetof(struct side, train), "claimed.val_bpb" },
		{ "claimed_value", offsetof(struct side, train), "claimed.value" },
		{ "total_bytes", offsetof(struct side, export), "total_bytes" },
		{ "steps", offsetof(struct side, train), "steps" },
		{ "train_ms", offsetof(struct side, train), "train_ms" },
		{ "tokens_per_s", offsetof(struct side, train), "tokens_per_s" },
		{ "peak_memory_bytes", offsetof(struct side, train), "peak_memory_bytes" },
	};
	json_t *list = json_array(), *v[SIDES];
	size_t i;
	int side;

	for (i = 0; list != NULL && i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		for (side = 0; side < SIDES; side++) {
			v[side] = jsonio_get(*(json_t *const *)((const char *)&s[side] + numbers[i].from),
			    numbers[i].path);
			if (!json_is_number(v[side]))
				v[side] = NULL;
		}
		if ((v[FROM] != NULL || v[TO] != NULL) && put_pair(list, numbers[i].key, v[FROM], v[TO]) == -1) {
			json_decref(list);
			list = NULL;
		}
	}
	return (list);
}

static int
is_of(void *arg, const struct rows_row *row)
{
	const struct side *s = arg;
	const char *uid = jsonio_text(row->json, "run.run_uid", "");

	return (strcmp(uid, s[FROM].run.spec.run_uid) == 0 || strcmp(uid, s[TO].run.spec.run_uid) == 0);
}

/* What a ledger says of both: the last row of each. *out is NULL if none is known. 0, or -1 with errno, said. */
static int
judged(struct side s[SIDES], const char *ledger, json_t **out)
{
	char *found = NULL;
	struct rows rows;
	json_t *v;
	size_t i;
	int side, rc;

	*out = NULL;
	if (ledger == NULL && (rows_witnessed(&s[TO].run, &found) || rows_witnessed(&s[FROM].run, &found)))
		ledger = found;
	if (ledger == NULL)
		return (0);
	if ((rc = rows_read(ledger, is_of, s, &rows)) == -1)
		goto done;
	v = json_pack("{s:s, s:n, s:n}", "path", ledger, "from", "to");
	for (i = 0; i < rows.count; i++)
		for (side = 0; side < SIDES; side++)
			if (strcmp(jsonio_text(rows.list[i].json, "run.run_uid", ""), s[side].run.spec.run_uid) == 0)
				(void)jsonio_put(v, side_name[side],
				    json_pack("{s:I, s:s, s:s, s:s}", "row", (json_int_t)rows.list[i].number, "class",
					jsonio_text(rows.list[i].json, "verdict.class", "?"), "reason",
					jsonio_text(rows.list[i].json, "verdict.reason", "?"), "text",
					jsonio_text(rows.list[i].json, "verdict.text", "")));
	rows_free(&rows);
	*out = v;
done:
	free(found);
	return (rc);
}

/* Which of the two is the other's parent: "from", "to", or null. */
static json_t *
parent(const struct side s[SIDES])
{
	const char *name, *uid;
	int side;

	for (side = 0; side < SIDES; side++) {
		name = jsonio_text(s[!side].run.spec.json, "about.parent", NULL);
		uid = jsonio_text(s[!side].run.spec.json, "about.parent_uid", NULL);
		if (uid != NULL ? strcmp(uid, s[side].run.spec.run_uid) == 0 :
				  name != NULL && strcmp(name, s[side].run.spec.run_id) == 0)
			return (json_string(side_name[side]));
	}
	return (json_null());
}

static json_t *
side_json(const struct side *s)
{
	static const char *const words[] = { "read", "none", "gone", "altered" };

	return (json_pack("{s:s, s:s, s:s, s:s}", "run", s->run.path, "run_id", s->run.spec.run_id, "run_uid",
	    s->run.spec.run_uid, "losses", words[s->losses.state]));
}

static json_t *
build(const struct side s[SIDES], json_t *ledger, size_t points)
{
	const struct losses *a = &s[FROM].losses, *b = &s[TO].losses;
	json_t *v;

	v = json_pack("{s:s, s:o*, s:o*, s:o*, s:o*, s:o*, s:o*, s:b, s:b, s:o, s:o*, s:o*, s:o*}", "schema",
	    "homegolf.diff.v1", "from", side_json(&s[FROM]), "to", side_json(&s[TO]), "parent", parent(s), "keys",
	    specdiff_keys(s[FROM].run.spec.json, s[TO].run.spec.json), "executed", executed(s), "scores", scores(s),
	    "comparable", comparable(s), "same_tokenizer", same_tokens(s), "ledger",
	    ledger == NULL ? json_null() : json_incref(ledger), "loss_at_step",
	    losses_compare(a, b, LOSSES_BY_STEP, points), "loss_at_time", losses_compare(a, b, LOSSES_BY_TIME, points),
	    "validation_at_step", losses_validation(a, b));
	if (v == NULL || json_object_size(v) != 13) {
		json_decref(v);
		errno = ENOMEM;
		say_errno("cannot compare '%s' and '%s'", s[FROM].run.path, s[TO].run.path);
		return (NULL);
	}
	return (v);
}

json_t *
compare_runs(const char *from, const char *to, const char *ledger, size_t points, int *broken)
{
	const char *const path[SIDES] = { from, to };
	struct side s[SIDES];
	json_t *v = NULL, *rows = NULL;
	int i, error, rc = 0;

	memset(s, 0, sizeof(s));
	for (i = 0; i < SIDES && rc == 0; i++)
		rc = open_side(&s[i], path[i], broken);
	if (rc == 0 && judged(s, ledger, &rows) == 0)
		v = build(s, rows, points);
	error = errno;
	json_decref(rows);
	for (i = 0; i < SIDES; i++)
		close_side(&s[i]);
	errno = error;
	return (v);
}
