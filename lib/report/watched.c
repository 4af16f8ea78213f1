#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/exit.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "base/jsonnull.h"
#include "base/say.h"
#include "report/watched.h"
#include "run/runlock.h"
#include "run/status.h"
#include "schema/contract.h"

const json_t *
watched_spec(const struct watched *w)
{
	return (w->is_open ? w->r.spec.json : NULL);
}

const json_t *
watched_stage(const struct watched *w, enum stage s)
{
	return (s == STAGE_COUNT ? NULL : jsonio_get(jsonio_get(w->state, "stages"), rundir_stages[s].name));
}

static int
is_same_file(const struct stat *a, const struct stat *b)
{
	return (a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec);
}

static void
close_run(struct watched *w)
{
	if (w->is_open)
		rundir_close(&w->r);
	w->is_open = 0;
	memset(&w->losses, 0, sizeof(w->losses));
}

/* Have the run open that lies at ${path} now. 0, or -1 with errno, said. */
static int
open_run(struct watched *w, const char *path)
{
	char uid[sizeof(w->target->uid)] = "";
	struct stat dir, spec;

	if (w->is_open && stat(path, &dir) == 0 && dir.st_dev == w->dir.st_dev && dir.st_ino == w->dir.st_ino &&
	    fstatat(w->r.fd, RUNDIR_SPEC, &spec, AT_SYMLINK_NOFOLLOW) == 0 && is_same_file(&spec, &w->spec))
		return (0);
	if (watched_spec(w) != NULL)
		strncpy(uid, w->r.spec.run_uid, sizeof(uid) - 1);
	close_run(w);
	if (rundir_open(&w->r, path) == -1)
		return (-1);
	w->is_open = 1;
	if (fstat(w->r.fd, &w->dir) == -1 || fstatat(w->r.fd, RUNDIR_SPEC, &w->spec, AT_SYMLINK_NOFOLLOW) == -1)
		memset(&w->spec, 0, sizeof(w->spec));
	if (rundir_load(&w->r) == -1)
		return (-1);
	w->replaced = *uid != '\0' && strcmp(uid, w->r.spec.run_uid) != 0;
	return (0);
}

/* Is there a file that breaks its contract? What is no such file, or of another attempt, is no news. */
static int
is_broken(const struct watched *w, const char *file, const char *contract)
{
	json_t *v;

	if (file == NULL || rundir_has(&w->r, file) != 1)
		return (0);
	if (contract_read(w->r.fd, file, contract, NULL, &v) == -1)
		return (errno == EBADMSG);
	json_decref(v);
	return (0);
}

/* The state function passes over what it can't read; here it is looked at why something is not told. */
static int
is_any_broken(const struct watched *w)
{
	static const char *const told[STAGE_COUNT] = { "steps", "artifact_bytes", NULL, "val_bpb" };
	const struct rundir_stage *st;
	const json_t *v;
	const char *state;
	int s;

	for (s = 0; s < STAGE_COUNT; s++) {
		st = &rundir_stages[s];
		v = watched_stage(w, (enum stage)s);
		state = jsonio_text(v, "state", "");
		if (strcmp(state, "closed_out") == 0 && told[s] != NULL &&
		    json_is_null(jsonio_get(w->state, told[s])) &&
		    is_broken(w, st->receipt, rundir_contract(&w->r, (enum stage)s)))
			return (1);
		if (strcmp(state, "refused") == 0 && json_is_null(jsonio_get(v, "kind")) &&
		    is_broken(w, st->refusal, "refusal"))
			return (1);
		if ((strcmp(state, "running") == 0 || strcmp(state, "overdue") == 0) &&
		    json_is_null(jsonio_get(v, "progress")) && is_broken(w, st->status, st->status_contract))
			return (1);
	}
	return (0);
}

static int
code_of(const struct watched *w)
{
	if (strcmp(w->word, "complete") == 0)
		return (HG_EXIT_DONE);
	if (strcmp(w->word, "corrupt") == 0)
		return (HG_EXIT_CONTRACT);
	/* Whoever closes it out will say that its owner died, which a retry may help. */
	if (strcmp(w->word, "dead") == 0)
		return (HG_EXIT_RETRY);
	if (strcmp(w->word, "refused") == 0)
		return (jsonio_true(watched_stage(w, w->stage), "retryable") ? HG_EXIT_RETRY : HG_EXIT_NO);
	return (HG_EXIT_NOT_YET);
}

static void
spoil(struct watched *w, const char *word, int code)
{
	json_decref(w->state);
	w->state = NULL;
	w->word = word;
	w->stage = STAGE_COUNT;
	w->code = code;
}

/* What can be told besides the state. */
static void
look_beside(struct watched *w)
{
	struct runlock_look lock;
	struct stat st;
	int s = (int)w->stage;

	*w->host = '\0';
	for (s = s == STAGE_COUNT ? STAGE_COUNT - 1 : s; s >= 0 && *w->host == '\0'; s--)
		if (runlock_look(&w->r, (enum stage)s, &lock) == 0 && lock.text == RUNLOCK_GOOD)
			snprintf(w->host, sizeof(w->host), "%s", lock.lock.owner.host);
	w->resume_ms = fstatat(w->r.fd, RUNDIR_RESUME, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) ?
	    (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000 :
	    0;
	if (losses_look(&w->losses, w->r.fd) == -1 && file_at_fault(errno)) {
		snprintf(w->why, sizeof(w->why), "cannot read '" RUNDIR_METRICS "': %s", say_why(errno));
		w->word = "corrupt";
		w->stage = STAGE_COUNT;
	}
}

void
watched_look(struct watched *w, const char *path)
{
	struct stat st;
	char *copy;

	w->now_ms = clock_wall_ms();
	w->replaced = 0;
	*w->why = *w->lane_holder = '\0';
	w->lane_since_ms = w->lane_until_ms = 0;
	if (path == NULL) {
		close_run(w);
		free(w->path);
		w->path = NULL;
		spoil(w, "none", HG_EXIT_PENDING);
		return;
	}
	if (w->path == NULL || strcmp(w->path, path) != 0) {
		close_run(w);
		if ((copy = strdup(path)) == NULL) {
			spoil(w, "corrupt", HG_EXIT_SYSTEM);
			return;
		}
		free(w->path);
		w->path = copy;
	}
	json_decref(w->state);
	w->state = NULL;
	if (open_run(w, path) == 0 && (w->state = status_read(&w->r)) != NULL) {
		w->word = status_word(w->state, &w->stage);
		if (is_any_broken(w)) {
			strncpy(w->why, say_last(), sizeof(w->why) - 1);
			w->word = "corrupt";
			w->stage = STAGE_COUNT;
		}
		look_beside(w);
		w->code = code_of(w);
		return;
	}
	if (stat(path, &st) == -1 && (errno == ENOENT || errno == ENOTDIR)) {
		close_run(w);
		spoil(w, "removed", HG_EXIT_NO);
		return;
	}
	strncpy(w->why, say_last(), sizeof(w->why) - 1);
	close_run(w);
	spoil(w, "corrupt", HG_EXIT_CONTRACT);
}

/* --- for programs ------------------------------------------------------------ */

static json_t *
member(const json_t *from, const char *path)
{
	json_t *v = jsonio_get(from, path);

	return (v == NULL ? json_null() : json_incref(v));
}

static json_t *
target_json(const struct watched *w)
{
	const struct losses_point last = losses_last(&w->losses);
	const struct target *t = w->target;

	if (t == NULL || t->path == NULL)
		return (json_null());
	return (json_pack("{s:s, s:s, s:o, s:I, s:b, s:o, s:o, s:o, s:o}", "run", t->path, "metric", t->metric, "score",
	    jsonio_real(t->score), "runs", (json_int_t)t->runs, "itself", t->itself, "loss_at_step",
	    jsonio_real(losses_at_step(&t->losses, last.step)), "loss_at_ms",
	    jsonio_real(losses_at_ms(&t->losses, last.ms)), "mean_loss",
	    jsonio_real(losses_at_step(&w->losses, last.step)), "why", jsonnull_text(t->why)));
}

json_t *
watched_json(const struct watched *w, const char *operand)
{
	const struct losses *l = &w->losses;
	const json_t *stage = watched_stage(w, w->stage);
	char now[CLOCK_TEXT_SIZE];
	json_t *v;

	v = json_pack(
	    "{s:s, s:s, s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
	    "s:o, s:o}",
	    "schema", "homegolf.watch.v1", "at", clock_text(now, w->now_ms), "watched", operand, "run",
	    jsonnull_text(w->path), "run_uid", member(w->state, "run_uid"), "word", w->word, "done",
	    member(stage, "progress.done"), "expected", member(stage, "progress.expected"), "tokens_per_s",
	    member(stage, "progress.tokens_per_s"), "eta_ms", member(stage, "progress.eta_ms"), "left_ms",
	    member(stage, "left_ms"), "loss", member(stage, "progress.loss"), "best_loss",
	    jsonio_real(l->count == 0 ? NAN : l->best_loss), "val_loss",
	    jsonio_real(l->vals == 0 ? NAN : l->val[l->vals - 1].loss), "best_val_loss",
	    jsonio_real(l->vals == 0 ? NAN : l->best_val_loss), "val_bpb", member(w->state, "val_bpb"), "resume_at",
	    jsonnull_time(w->resume_ms), "lane",
	    *w->lane_holder == '\0' ? json_null() :
				      json_pack("{s:s, s:o, s:o}", "holder", w->lane_holder, "since",
					  jsonnull_time(w->lane_since_ms), "until", jsonnull_time(w->lane_until_ms)),
	    "target", target_json(w), "kind", member(stage, "kind"), "detail",
	    *w->why != '\0' ? json_string(w->why) : member(stage, "detail"), "next", member(stage, "next"));
	if (v != NULL && w->stage != STAGE_COUNT &&
	    jsonio_put(v, "stage", json_string(rundir_stages[w->stage].name)) == -1) {
		json_decref(v);
		v = NULL;
	}
	return (v);
}

void
watched_free(struct watched *w)
{
	close_run(w);
	json_decref(w->state);
	free(w->path);
	w->state = NULL;
	w->path = NULL;
}
