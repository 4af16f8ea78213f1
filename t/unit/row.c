/*
 * Rows: what is read from JSON is written as the same bytes, whatever its kind; every member of the contract is kept.
 */
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/jsonio.h"
#include "ledger/row.h"
#include "t/unit/tap.h"

static unsigned seen; /* kinds, as a set */
static unsigned scanned;
static unsigned said; /* with a member otherwise */

static const char *
top(void)
{
	const char *path = getenv("HG_TOP");

	return (path == NULL ? "." : path);
}

static json_t *
sample(int dir, const char *name)
{
	json_t *v = NULL;

	return (jsonio_read(dir, name, JSONIO_MAX_BYTES, NULL, &v) == -1 ? NULL : v);
}

/* A fact from tokens is the fact; only a run's, and nothing may stand against that. */
static void
is_scanned(const char *name, const char *line, const struct row *r, const struct standings_fact *f)
{
	struct jsonscan scan = JSONSCAN_INIT;
	struct standings_fact g;
	struct row other;
	int can = jsonscan_text(&scan, line, strlen(line)) == 0 && row_scan(&other, &scan) == 0;

	memset(&g, 0, sizeof(g));
	scanned += (unsigned)can;
	if (can)
		tap_ok(row_fact(&other, &g) == 0 && memcmp(f, &g, sizeof(g)) == 0, "%s says the same by its tokens",
		    name);
	else
		tap_ok(r->kind != STANDINGS_RUN || json_array_size(r->run.refusals) != 0 ||
			json_array_size(r->verdict.findings) != 0,
		    "%s is read whole", name);
	jsonscan_free(&scan);
}

/* The same bytes, and the same fact from both. */
static void
is_kept(const char *name, json_t *row)
{
	struct row r, again;
	struct standings_fact f, g;
	char *a = jsonio_line(row), *b;
	json_t *written;

	memset(&f, 0, sizeof(f));
	memset(&g, 0, sizeof(g));
	tap_ok(row_read(&r, json_incref(row)) == 0 && r.whole && row_fact(&r, &f) == 0, "%s is read", name);
	is_scanned(name, a, &r, &f);
	written = row_write(&r);
	b = jsonio_line(written);
	seen |= 1u << r.kind;
	if (!tap_ok(strcmp(a, b) == 0, "%s is written with the same bytes", name))
		printf("# %s\n# %s\n", a, b);
	tap_ok(row_read(&again, written) == 0 && row_fact(&again, &g) == 0 && memcmp(&f, &g, sizeof(f)) == 0,
	    "%s says the same when it is read again", name);
	row_free(&again);
	row_free(&r);
	free(a);
	free(b);
}

/* Each member that a run may lack: null is kept, too, and another type reads as null. */
static void
nulls(const char *name, const json_t *row)
{
	static const char *const members[] = { "artifact_sha256", "steps", "step_ms_mean", "within_cap", "started_at" };
	struct row r;
	json_t *changed;
	size_t i;

	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		changed = json_deep_copy(row);
		json_object_set_new(json_object_get(changed, "run"), members[i], json_null());
		is_kept(members[i], changed);
		json_decref(changed);
	}
	changed = json_deep_copy(row);
	json_object_set_new(json_object_get(changed, "run"), "cap_ms", json_string("none"));
	is_kept("no cap", changed);
	/* A row of an earlier version may lack a member; one out of order is found. */
	json_object_del(json_object_get(changed, "run"), "run_id");
	json_object_set_new(json_object_get(changed, "run"), "run_id", json_string("last"));
	json_object_del(json_object_get(changed, "run"), "hypothesis");
	tap_ok(row_read(&r, changed) == 0 && strcmp(r.run.run_id, "last") == 0 && r.run.hypothesis == NULL &&
		r.run.cap_ms == RECORD_NONE && r.run.lane != NULL,
	    "%s: a member that is absent says nothing, one out of order is found", name);
	row_free(&r);
}

/* A class or a reason that we do not know makes no fact. */
static void
unknown(const json_t *row)
{
	static const char *const members[][2] = { { "class", "splendid" }, { "reason", "because" } };
	struct jsonscan scan = JSONSCAN_INIT;
	struct standings_fact f;
	json_t *changed;
	struct row r;
	char *line;
	size_t i;

	for (i = 0; i < 2; i++) {
		changed = json_deep_copy(row);
		json_object_set_new(json_object_get(changed, "verdict"), members[i][0], json_string(members[i][1]));
		tap_ok(row_read(&r, json_incref(changed)) == 0 && r.verdict.unknown &&
			r.verdict.is.klass < VERDICT_CLASSES && r.verdict.is.reason < VERDICT_REASONS &&
			row_fact(&r, &f) == -1,
		    "an unknown %s makes no fact", members[i][0]);
		row_free(&r);
		line = jsonio_line(changed);
		tap_ok(jsonscan_text(&scan, line, strlen(line)) == 0 && row_scan(&r, &scan) == -1, "nor by its tokens");
		free(line);
		json_decref(changed);
	}
	jsonscan_free(&scan);
}

/* What a text says by its tokens is what it says read whole: 1 if it is said, 0: it is left to that, -1: otherwise. */
static int
agrees(const json_t *row)
{
	struct jsonscan scan = JSONSCAN_INIT;
	struct standings_fact f, g;
	struct row ours, theirs;
	char *line = jsonio_line(row);
	int rc = 0;

	memset(&f, 0, sizeof(f));
	memset(&g, 0, sizeof(g));
	if (jsonscan_text(&scan, line, strlen(line)) == 0 && row_scan(&ours, &scan) == 0) {
		rc = -1;
		if (row_read(&theirs, json_loads(line, 0, NULL)) == 0) {
			if (ours.kind == theirs.kind && row_fact(&ours, &f) == row_fact(&theirs, &g) &&
			    memcmp(&f, &g, sizeof(f)) == 0)
				rc = 1;
			row_free(&theirs);
		}
	}
	jsonscan_free(&scan);
	free(line);
	return (rc);
}

/* Each member of an object within a row: away, last, and of every other kind. Counts what agrees returns. */
static void
each_otherwise(json_t *row, json_t *object, unsigned count[3])
{
	static const char others[] = "[null, true, false, 3, 2.5, \"\", \"a\", \"../a\", \"none\", \"run\", \"note\","
				     "\"claim\", [], {}, [1], [{\"kind\": \"loss_diverged\"}],"
				     "[{\"kind\": \"interrupted\"}], {\"val_bpb\": 1.5, \"val_loss\": true}]";
	json_t *values = json_loads(others, 0, NULL), *was, *copy = json_copy(object), *v;
	const char *key;
	size_t i;

	json_object_foreach(copy, key, was) {
		json_object_del(object, key);
		count[agrees(row) + 1]++;
		json_object_set(object, key, was);
		count[agrees(row) + 1]++;
		json_array_foreach(values, i, v) {
			json_object_set(object, key, v);
			count[agrees(row) + 1]++;
		}
		json_object_set(object, key, was);
	}
	json_decref(copy);
	json_decref(values);
}

static void
otherwise(const char *name, const json_t *row)
{
	static const char *const objects[] = { "run", "run.metrics", "verdict", "incumbent_after" };
	json_t *changed = json_deep_copy(row), *object;
	unsigned count[3] = { 0 };
	size_t i;

	each_otherwise(changed, changed, count);
	for (i = 0; i < sizeof(objects) / sizeof(objects[0]); i++)
		if (json_is_object(object = jsonio_get(changed, objects[i])))
			each_otherwise(changed, object, count);
	tap_ok(count[0] == 0, "%s with any member away, last or of another kind says by its tokens what it says", name);
	said += count[2];
	json_decref(changed);
}

/* What differs is named, and what is the same is not. */
static void
differences(json_t *row)
{
	struct row a, b;
	struct str where = STR_INIT;

	if (row_read(&a, json_incref(row)) == -1 || row_read(&b, json_incref(row)) == -1)
		abort();
	tap_ok(row_differs(&a, &b, &where) == 0, "a row agrees with itself");
	b.verdict.text = "in other words";
	b.verdict.is.score *= 1 + 1e-9;
	tap_ok(row_differs(&a, &b, &where) == 0, "other words and other last digits are no difference");
	b.verdict.is.score *= 1.001;
	tap_ok(row_differs(&a, &b, &where) == 1 && strncmp(where.p, "score is ", 9) == 0, "another score is: %s",
	    where.p == NULL ? "?" : where.p);
	b.verdict.is.score = a.verdict.is.score;
	b.after.config = NULL;
	where.n = 0;
	tap_ok(row_differs(&a, &b, &where) == 1 && strstr(where.p, "incumbent_after") != NULL,
	    "no incumbent instead of one is, too");
	str_free(&where);
	row_free(&a);
	row_free(&b);
}

int
main(void)
{
	struct dirent *e;
	char path[4096];
	json_t *row;
	DIR *d;

	snprintf(path, sizeof(path), "%s/contracts/ledger_row.valid", top());
	if ((d = opendir(path)) == NULL) {
		tap_ok(0, "%s is there", path);
		return (tap_done());
	}
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' || (row = sample(dirfd(d), e->d_name)) == NULL)
			continue;
		/* Of imports only what judgement asks for is kept: import/claim.c has the rest. */
		if (strcmp(jsonio_text(row, "kind", ""), "import") != 0)
			is_kept(e->d_name, row);
		if (strcmp(jsonio_text(row, "kind", ""), "run") == 0) {
			nulls(e->d_name, row);
			unknown(row);
			otherwise(e->d_name, row);
			differences(row);
		}
		json_decref(row);
	}
	closedir(d);
	tap_ok(seen == (((1u << STANDINGS_KINDS) - 1u) & ~(1u << STANDINGS_IMPORT)), "there is a sample of each kind");
	tap_ok(scanned >= 5, "%u rows were read by their tokens", scanned);
	tap_ok(said >= 3000, "and %u with a member otherwise", said);
	return (tap_done());
}
