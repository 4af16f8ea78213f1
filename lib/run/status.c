#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/foreign.h"
#include "base/jsonscan.h"
#include "schema/contract.h"
#include "base/jsonio.h"
#include "run/refusal.h"
#include "run/runlock.h"
#include "base/say.h"
#include "run/state.h"
#include "run/status.h"

/* A member of ${from}, or null. */
static json_t *
member(const json_t *from, const char *path)
{
	json_t *v = jsonio_get(from, path);

	return (v == NULL ? json_null() : json_incref(v));
}

static json_t *
time_or_null(int64_t wall_ms)
{
	char text[CLOCK_TEXT_SIZE];

	return (wall_ms > 0 ? json_string(clock_text(text, wall_ms)) : json_null());
}

/*
 * A JSON file of this run, or NULL: what is no such file is no news, the gate says why.  Where the system failed in
 * reading it, *error tells: to show nothing then would be a lie.
 */
static json_t *
take(const struct rundir *r, const char *file, const char *contract, int *error)
{
	json_t *v;

	if (file == NULL || rundir_has(r, file) != 1)
		return (NULL);
	if (contract_read(r->fd, file, contract, NULL, &v) == -1) {
		if (errno != ENOENT && errno != EBADMSG)
			*error = errno;
		return (NULL);
	}
	if (strcmp(jsonio_text(v, "run_uid", ""), r->spec.run_uid) == 0)
		return (v);
	json_decref(v);
	return (NULL);
}

/* When the worker began, by the wall clock; before that a stage waits for its lane, which is no want of progress. */
static int64_t
worker_began(const struct runlock *lock)
{
	const int64_t hz = sysconf(_SC_CLK_TCK);

	if (lock->worker.pid <= 0 || hz <= 0 || proc_alive(&lock->worker) != 1)
		return (lock->started_ms);
	return (clock_wall_ms() - clock_boot_ms() + (int64_t)lock->worker.start_time * 1000 / hz);
}

/* What the status file tells, if it is that of the attempt that holds the lock. */
static json_t *
progress_of(const struct rundir *r, enum stage s, const struct runlock *lock, int64_t *frozen_ms)
{
	const struct rundir_stage *st = &rundir_stages[s];
	int64_t grew = worker_began(lock), now = clock_wall_ms();
	int error = 0;
	json_t *v, *out;

	*frozen_ms = st->status == NULL ? 0 : now - grew;
	if (st->status == NULL || (v = take(r, st->status, st->status_contract, &error)) == NULL)
		return (NULL);
	if (jsonio_i64(v, "attempt", 0) != lock->attempt) {
		json_decref(v);
		return (NULL);
	}
	if (clock_parse(jsonio_text(v, "progressed_at", jsonio_text(v, "updated_at", "")), &grew) == 0)
		*frozen_ms = now - grew;
	out = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I}", "phase", member(v, "phase"), "done",
	    member(v, st->progress.done), "expected", member(v, st->progress.expected), "loss",
	    member(v, st->progress.loss), "tokens_per_s", member(v, "tokens_per_s"), "eta_ms", member(v, "eta_ms"),
	    "updated_at", member(v, "updated_at"), "frozen_ms", (json_int_t)(*frozen_ms > 0 ? *frozen_ms : 0));
	json_decref(v);
	return (out);
}

/*
 * A lock that is held tells who is alive; whether it gets on, the status file, by the limit that its owner goes by,
 * too; without a limit nothing is too long.
 */
static const char *
health_of(const struct rundir *r, enum state state, const struct runlock_look *look, int64_t frozen_ms)
{
	const int64_t stall_ms = r->spec.limits.stall_ms;

	if (state != STATE_RUNNING && state != STATE_OVERDUE)
		return (NULL);
	if (look->text != RUNLOCK_GOOD || look->lock.worker.pid == 0)
		return ("starting");
	return (stall_ms > 0 && frozen_ms >= stall_ms ? "wedged" : "ok");
}

/* The log of a stage and its last line, or NULL where there is none. */
static json_t *
log_of(const struct rundir *r, enum stage s)
{
	const char *name = rundir_stages[s].log;
	char line[200], clean[400];
	int fd;

	if (name == NULL || (fd = file_open(r->fd, name, NULL)) == -1)
		return (NULL);
	foreign_last_line(fd, line, sizeof(line));
	close(fd);
	return (json_pack("{s:s, s:s}", "file", name, "last_line", say_clean(clean, sizeof(clean), line)));
}

static json_t *
stage_of(struct rundir *r, enum stage s, enum state *state)
{
	json_t *refusal = NULL, *progress = NULL, *out, *log;
	struct runlock_look look;
	int64_t frozen_ms = 0, left_ms = 0;
	char unseen[STATE_UNSEEN_SIZE];
	const char *health;
	int alive;

	if (state_look(r, s, state, &look) == -1)
		return (NULL);
	alive = (*state == STATE_RUNNING || *state == STATE_OVERDUE) && look.text == RUNLOCK_GOOD;
	if (alive) {
		progress = progress_of(r, s, &look.lock, &frozen_ms);
		left_ms = -runlock_late_ms(&look.lock);
	}
	if (*state == STATE_REFUSED && (refusal = refusal_read(r, s)) == NULL && errno != ENOENT && errno != EBADMSG) {
		json_decref(progress);
		return (NULL);
	}
	health = health_of(r, *state, &look, frozen_ms);
	out = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "state", state_name(*state),
	    "attempt", look.text == RUNLOCK_GOOD ? json_integer(look.lock.attempt) : json_null(), "health",
	    health == NULL ? json_null() : json_string(health), "pid",
	    alive ? json_integer(look.lock.owner.pid) : json_null(), "started_at",
	    look.text == RUNLOCK_GOOD ? time_or_null(look.lock.started_ms) : json_null(), "left_ms",
	    alive ? json_integer(left_ms) : json_null(), "progress", progress == NULL ? json_null() : progress, "kind",
	    member(refusal, "kind"), "detail", member(refusal, "detail"), "retryable", member(refusal, "retryable"),
	    "next", member(refusal, "next"));
	json_decref(refusal);
	if (out != NULL && alive && look.lock.waits &&
	    jsonio_put(out, "lane",
		json_pack("{s:i, s:I}", "ahead", look.lock.lane_ahead, "pid", (json_int_t)look.lock.lane_pid)) == -1) {
		json_decref(out);
		out = NULL;
	}
	if (out != NULL && alive && state_unseen(unseen, &look) != NULL &&
	    jsonio_put(out, "unseen", json_string(unseen)) == -1) {
		json_decref(out);
		out = NULL;
	}
	if (out != NULL && (alive || *state == STATE_REFUSED) && (log = log_of(r, s)) != NULL &&
	    jsonio_put(out, "log", log) == -1) {
		json_decref(out);
		out = NULL;
	}
	if (out == NULL) {
		errno = ENOMEM;
		say_errno("cannot tell of '%s'", r->path);
	}
	return (out);
}

/* What is told of a run besides its stages: a member of the receipt of a stage, and only if that has closed out. */
static const struct {
	const char *key;
	enum stage stage;
	const char *path;
} told[] = {
	{ "steps", STAGE_TRAIN, "steps" },
	{ "tokens_per_s", STAGE_TRAIN, "tokens_per_s" },
	{ "val_loss", STAGE_SCORE, "val_loss" },
	{ "val_bpb", STAGE_SCORE, "val_bpb" },
	{ "val_bpb_raw", STAGE_SCORE, "val_bpb_raw" },
	{ "partial", STAGE_SCORE, "partial" },
	{ "artifact_bytes", STAGE_EXPORT, "artifact.bytes" },
	{ "total_bytes", STAGE_EXPORT, "total_bytes" },
	{ "within_cap", STAGE_EXPORT, "within_cap" },
};

/* And of its classification. */
static const char *const judgement[] = { "class", "reason" };

enum { TOLD = sizeof(told) / sizeof(told[0]), JUDGEMENT = sizeof(judgement) / sizeof(judgement[0]) };

/* A file of this run, as one of both; neither, where it is no such file. */
struct said {
	const struct jsonscan *scan;
	json_t *tree;
};

/* Such a file, which is there; as take, but its tokens, which last until the next file is read, will mostly do. */
static struct said
hear(const struct rundir *r, const char *file, const char *contract, int *error)
{
	struct said x = { .scan = contract_scan(r->fd, file, contract) };
	const struct jsonscan_token *uid = x.scan == NULL ? NULL : jsonscan_get(x.scan, "run_uid");

	if (x.scan == NULL)
		x.tree = take(r, file, contract, error);
	else if (uid == NULL || uid->type != JSONSCAN_STRING || strcmp(uid->text, r->spec.run_uid) != 0)
		x.scan = NULL;
	return (x);
}

/* What it says, or null. */
static json_t *
says(const struct said *x, const char *path)
{
	const struct jsonscan_token *t;

	if (x->scan == NULL)
		return (member(x->tree, path));
	t = jsonscan_get(x->scan, path);
	return (t == NULL ? json_null() : jsonscan_value(x->scan, t));
}

/* What hg-prune removed: the names of the files on its list that are not there; NULL if there are none. */
static json_t *
pruned(const struct rundir *r, int *error)
{
	json_t *v = take(r, RUNDIR_PRUNED, "pruned", error), *names = json_array(), *file;
	const char *name;
	size_t i;

	json_array_foreach(json_object_get(v, "files"), i, file) {
		name = jsonio_text(file, "file", "");
		if (rundir_has(r, name) == 0)
			(void)json_array_append_new(names, json_string(name));
	}
	json_decref(v);
	if (json_array_size(names) != 0)
		return (names);
	json_decref(names);
	return (NULL);
}

/* Put a value that may be missing. 0 or -1. */
static int
put_or_null(json_t *v, const char *key, json_t **value)
{
	json_t *put = *value == NULL ? json_null() : *value;

	*value = NULL;
	return (json_object_set_new(v, key, put));
}

json_t *
status_read(struct rundir *r)
{
	json_t *values[TOLD] = { NULL }, *judged[JUDGEMENT] = { NULL };
	json_t *stages = json_object(), *gone = NULL, *out = NULL;
	char now[CLOCK_TEXT_SIZE], word[STATE_WORD_SIZE];
	enum state states[STAGE_COUNT];
	const struct rundir_stage *st;
	struct state_next next;
	unsigned owed = 0;
	int s, error = 0;
	struct said x;
	json_t *stage;
	size_t i;

	if (rundir_load(r) == -1)
		goto err0;
	for (s = 0; s < STAGE_COUNT; s++) {
		st = &rundir_stages[s];
		owed |= (unsigned)rundir_owes(r, (enum stage)s) << s;
		if ((stage = stage_of(r, (enum stage)s, &states[s])) == NULL)
			goto err0;
		if (jsonio_put(stages, st->name, stage) == -1)
			goto err1;
		if (states[s] != STATE_CLOSED_OUT)
			continue;
		x = hear(r, st->receipt, rundir_contract(r, (enum stage)s), &error);
		for (i = 0; i < TOLD; i++)
			if ((int)told[i].stage == s)
				values[i] = says(&x, told[i].path);
		json_decref(x.tree);
	}
	next = state_next(states, owed);
	if (contract_text("classification") != NULL && rundir_has(r, RUNDIR_CLASSIFICATION) == 1) {
		x = hear(r, RUNDIR_CLASSIFICATION, "classification", &error);
		for (i = 0; i < JUDGEMENT; i++)
			judged[i] = says(&x, judgement[i]);
		json_decref(x.tree);
	}
	gone = pruned(r, &error);
	if (error != 0) {
		errno = error;
		goto err0;
	}
	if ((out = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:O}", "schema", "homegolf.run_state.v1", "run", r->path,
		 "run_id", r->spec.run_id, "run_uid", r->spec.run_uid, "at", clock_text(now, clock_wall_ms()), "state",
		 state_run_name(next.run), "stages", stages)) == NULL)
		goto err1;
	for (i = 0; i < TOLD; i++)
		if (put_or_null(out, told[i].key, &values[i]) == -1)
			goto err1;
	for (i = 0; i < JUDGEMENT; i++)
		if (put_or_null(out, judgement[i], &judged[i]) == -1)
			goto err1;
	if ((gone == NULL || jsonio_put(out, "pruned", json_incref(gone)) == 0) &&
	    jsonio_put(out, "next", json_string(state_word(word, &next))) == 0)
		goto err0;
err1:
	json_decref(out);
	out = NULL;
	errno = ENOMEM;
	say_errno("cannot tell of '%s'", r->path);
err0:
	error = errno;
	for (i = 0; i < TOLD; i++)
		json_decref(values[i]);
	for (i = 0; i < JUDGEMENT; i++)
		json_decref(judged[i]);
	json_decref(gone);
	json_decref(stages);
	errno = error;
	return (out);
}

/* The kind of refusal that the run stands at: of the first stage that has one. */
static const char *
refusal_kind(const json_t *state)
{
	const char *kind;
	char path[64];
	int s;

	for (s = 0; s < STAGE_COUNT; s++) {
		snprintf(path, sizeof(path), "stages.%s.kind", rundir_stages[s].name);
		if ((kind = jsonio_text(state, path, NULL)) != NULL)
			return (kind);
	}
	return (NULL);
}

json_t *
status_summary(const json_t *state)
{
	static const char *const head[] = { "run_id", "run_uid", "at", "state" };
	json_t *out = json_pack("{s:s}", "schema", "homegolf.summary.v1");
	char path[64];
	size_t i;
	int s, rc = out == NULL ? -1 : 0;

	for (i = 0; i < sizeof(head) / sizeof(head[0]) && rc == 0; i++)
		rc = jsonio_put(out, head[i], member(state, head[i]));
	for (s = 0; s < STAGE_COUNT && rc == 0; s++) {
		snprintf(path, sizeof(path), "stages.%s.state", rundir_stages[s].name);
		rc = jsonio_put(out, rundir_stages[s].name, member(state, path));
	}
	for (i = 0; i < sizeof(told) / sizeof(told[0]) && rc == 0; i++)
		rc = jsonio_put(out, told[i].key, member(state, told[i].key));
	for (i = 0; i < sizeof(judgement) / sizeof(judgement[0]) && rc == 0; i++)
		rc = jsonio_put(out, judgement[i], member(state, judgement[i]));
	if (rc == 0 && refusal_kind(state) != NULL)
		rc = jsonio_put(out, "refusal", json_string(refusal_kind(state)));
	if (rc == 0)
		rc = jsonio_put(out, "next", member(state, "next"));
	if (rc == -1) {
		json_decref(out);
		errno = ENOMEM;
		return (NULL);
	}
	return (out);
}

char *
status_line(char text[STATUS_LINE_SIZE], const json_t *stage)
{
	const json_t *p = jsonio_get(stage, "progress");
	const char *health = jsonio_text(stage, "health", NULL), *kind = jsonio_text(stage, "kind", NULL);
	int64_t ms;
	int n = 0;

	text[0] = '\0';
	if (kind != NULL) {
		snprintf(text, STATUS_LINE_SIZE, "refused (%s): %.600s; next: %.600s", kind,
		    jsonio_text(stage, "detail", ""), jsonio_text(stage, "next", ""));
		return (text);
	}
	if (health == NULL)
		return (text);
	n = snprintf(text, STATUS_LINE_SIZE, "%s as process %lld", jsonio_text(stage, "state", ""),
	    (long long)jsonio_i64(stage, "pid", 0));
	if (jsonio_get(stage, "unseen") != NULL)
		n += snprintf(text + n, STATUS_LINE_SIZE - (size_t)n, ", as far as can be known: %s",
		    jsonio_text(stage, "unseen", ""));
	if (json_is_object(jsonio_get(stage, "lane")))
		n += snprintf(text + n, STATUS_LINE_SIZE - (size_t)n,
		    ", waiting for its lane, which process %lld has, with %lld before it",
		    (long long)jsonio_i64(stage, "lane.pid", 0), (long long)jsonio_i64(stage, "lane.ahead", 0));
	else if (strcmp(health, "starting") == 0)
		n += snprintf(text + n, STATUS_LINE_SIZE - (size_t)n, ", not at work yet");
	if (json_is_object(p)) {
		n += snprintf(text + n, STATUS_LINE_SIZE - (size_t)n, ", %s", jsonio_text(p, "phase", "at work"));
		if (json_is_integer(json_object_get(p, "done")))
			n += snprintf(text + n, STATUS_LINE_SIZE - (size_t)n, " %lld",
			    (long long)jsonio_i64(p, "done", 0));
		if (json_is_integer(json_object_get(p, "expected")))
			n += snprintf(text + n, STATUS_LINE_SIZE - (size_t)n, " of %lld",
			    (long long)jsonio_i64(p, "expected", 0));
		if (json_is_number(json_object_get(p, "loss")))
			n += snprintf(text + n, STATUS_LINE_SIZE - (size_t)n, ", loss %.4f", jsonio_f64(p, "loss", 0));
		if (json_is_number(json_object_get(p, "tokens_per_s")))
			n += snprintf(text + n, STATUS_LINE_SIZE - (size_t)n, ", %.0f tokens/s",
			    jsonio_f64(p, "tokens_per_s", 0));
		if ((ms = jsonio_i64(p, "eta_ms", -1)) >= 0)
			n += snprintf(text + n, STATUS_LINE_SIZE - (size_t)n, ", %lld s to go",
			    (long long)(ms + 500) / 1000);
	}
	if (strcmp(health, "wedged") == 0)
		n += json_is_object(p) ?
		    snprintf(text + n, STATUS_LINE_SIZE - (size_t)n, ", WEDGED: no progress for %lld s",
			(long long)jsonio_i64(p, "frozen_ms", 0) / 1000) :
		    snprintf(text + n, STATUS_LINE_SIZE - (size_t)n, ", WEDGED: no progress since it began");
	if ((ms = jsonio_i64(stage, "left_ms", 0)) < 0)
		snprintf(text + n, STATUS_LINE_SIZE - (size_t)n, ", %lld s past its deadline", (long long)-ms / 1000);
	return (text);
}

/* A stage that is alive. */
static const char *
word_of_stage(const json_t *v, enum stage s, int64_t now_ms)
{
	static const char *const doing[STAGE_COUNT] = { "training", "exporting", "prompting", "scoring" };
	int64_t told_ms;

	if (json_is_object(jsonio_get(v, "lane")))
		return ("waiting");
	if (strcmp(jsonio_text(v, "health", ""), "starting") == 0)
		return ("starting");
	if (strcmp(jsonio_text(v, "health", ""), "wedged") == 0)
		return ("wedged");
	if (clock_parse(jsonio_text(v, "progress.updated_at", ""), &told_ms) == 0 && now_ms - told_ms > STATUS_STALE_MS)
		return ("stale");
	return (strcmp(jsonio_text(v, "progress.phase", ""), "validate") == 0 ? "validating" : doing[s]);
}

/* Which states of a stage a word for the whole run is about. */
static int
is_about(const char *run, const char *stage)
{
	if (strcmp(run, "dead") == 0)
		return (strcmp(stage, "orphaned") == 0 || strcmp(stage, "overdue") == 0);
	if (strcmp(run, "waiting") == 0)
		return (strcmp(stage, "absent") == 0);
	return (strcmp(run, stage) == 0);
}

const char *
status_word(const json_t *state, enum stage *stage)
{
	const char *run = jsonio_text(state, "state", "");
	int64_t now_ms;
	char path[64];
	int s, i;

	if (clock_parse(jsonio_text(state, "at", ""), &now_ms) == -1)
		now_ms = clock_wall_ms();
	/* Of several stages alive the last one: the one before is about to end. */
	for (s = STAGE_COUNT; s-- > 0;) {
		i = strcmp(run, "running") == 0 ? s : STAGE_COUNT - 1 - s;
		snprintf(path, sizeof(path), "stages.%s", rundir_stages[i].name);
		if (!is_about(run, jsonio_text(jsonio_get(state, path), "state", "")))
			continue;
		*stage = (enum stage)i;
		return (strcmp(run, "running") == 0 ? word_of_stage(jsonio_get(state, path), *stage, now_ms) : run);
	}
	*stage = STAGE_COUNT;
	return (run);
}
