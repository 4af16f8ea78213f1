#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "campaign/runs.h"
#include "judge/runrecord.h"
#include "ledger/witness.h"
#include "run/mint.h"
#include "run/refusal.h"
#include "schema/contract.h"

static void
later(int64_t *stamp_ms, int64_t ms)
{
	if (ms > *stamp_ms)
		*stamp_ms = ms;
}

/* A file that is made once stamps its run with when that was. */
static void
stamp_file(const struct rundir *r, const char *name, int64_t *stamp_ms)
{
	struct stat st;

	if (name != NULL && fstatat(r->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		later(stamp_ms, (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000);
}

/* Progress counts, and not that a process still says that it lives. */
static void
stamp_progress(const struct rundir *r, enum stage s, int64_t *stamp_ms)
{
	const struct rundir_stage *st = &rundir_stages[s];
	json_t *v;
	int64_t ms;

	if (st->status == NULL || contract_read(r->fd, st->status, st->status_contract, NULL, &v) == -1)
		return;
	if (clock_parse(jsonio_text(v, "progressed_at", jsonio_text(v, "updated_at", "")), &ms) == 0)
		later(stamp_ms, ms);
	json_decref(v);
}

/* What hg-reap looks at, too: when the run was made, and below when its stages were begun. */
static void
look_for_future(const struct rundir *r, int64_t now_ms, struct campaign_run *run)
{
	struct stat st;

	if (fstatat(r->fd, RUNDIR_SPEC, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	    runlock_is_future((int64_t)st.st_mtime * 1000, now_ms))
		run->future = RUNDIR_SPEC;
}

/* Why a stage was refused, and whether it was for the same kind the time before. */
static void
look_at_refusal(const struct rundir *r, enum stage s, struct campaign_run *run)
{
	json_t *v = refusal_read(r, s), *before;
	char file[128];

	if (v == NULL)
		return;
	snprintf(run->kind, sizeof(run->kind), "%s", jsonio_text(v, "kind", ""));
	run->retryable = jsonio_true(v, "retryable");
	run->attempt = jsonio_i64(v, "attempt", 1);
	json_decref(v);
	snprintf(file, sizeof(file), RUNDIR_ATTEMPTS "/%s.%lld/%s", rundir_stages[s].name, (long long)run->attempt - 1,
	    rundir_stages[s].refusal);
	if (run->attempt < 2 || contract_read(r->fd, file, "refusal", NULL, &before) == -1)
		return;
	run->same = strcmp(jsonio_text(before, "kind", ""), run->kind) == 0;
	json_decref(before);
}

/* What can be told of it; one that can't be read is corrupt. */
static void
look_at(struct rundir *r, const struct ledger *l, const char *real, struct campaign_run *run)
{
	const int64_t now_ms = clock_wall_ms();
	enum state states[STAGE_COUNT];
	struct runlock_look lock;
	struct state_next next;
	unsigned owed = 0;
	int s;

	run->state = STATE_RUN_CORRUPT;
	run->stage = STAGE_COUNT;
	look_for_future(r, now_ms, run);
	if (rundir_load(r) == -1)
		return;
	snprintf(run->lane, sizeof(run->lane), "%s", r->spec.limits.lane);
	snprintf(run->request, sizeof(run->request), "%s", jsonio_text(r->spec.json, "about.request_sha256", ""));
	run->config = standings_tag(jsonio_text(r->spec.json, "digests.config_sha256", NULL));
	run->seed = jsonio_i64(r->spec.json, "train.seed", 0);
	if (l != NULL && runrecord_row(&l->book, r, &run->row) == -1)
		return;
	run->elsewhere = witness_of_another(r->fd, real, l);
	stamp_file(r, RUNDIR_SPEC, &run->stamp_ms);
	for (s = 0; s < STAGE_COUNT; s++) {
		owed |= (unsigned)rundir_owes(r, (enum stage)s) << s;
		if (state_look(r, (enum stage)s, &states[s], &lock) == -1)
			return;
		if (lock.text == RUNLOCK_GOOD && runlock_is_future(lock.lock.started_ms, now_ms))
			run->future = rundir_stages[s].lock;
		stamp_file(r, rundir_stages[s].receipt, &run->stamp_ms);
		stamp_file(r, rundir_stages[s].refusal, &run->stamp_ms);
		if (states[s] == STATE_RUNNING || states[s] == STATE_OVERDUE) {
			/* When it began, at least. */
			stamp_file(r, rundir_stages[s].lock, &run->stamp_ms);
			stamp_progress(r, (enum stage)s, &run->stamp_ms);
		}
	}
	next = state_next(states, owed);
	run->state = next.run;
	if (next.what != STATE_DO_GO_ON)
		run->stage = next.stage;
	if (run->state == STATE_RUN_REFUSED)
		look_at_refusal(r, next.stage, run);
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return (strcmp((*a)->d_name, (*b)->d_name));
}

/* Room for one more, all zeros; NULL with errno ENOMEM. */
static struct campaign_run *
one_more(struct campaign_runs *runs)
{
	struct campaign_run *grown = array_room(runs->list, runs->count, &runs->cap, sizeof(*grown));

	if (grown == NULL)
		return (NULL);
	runs->list = grown;
	grown += runs->count++;
	memset(grown, 0, sizeof(*grown));
	return (grown);
}

/* One entry of the directory; what is no run is passed over. 0, or -1 with errno. */
static int
add(struct campaign_runs *runs, int dir, const char *prefix, const char *name, const struct ledger *l, const char *real)
{
	struct campaign_run *grown;
	struct rundir r;
	struct stat st;

	if (!str_is_name(name) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return (0);
	/* No run can be made where something else is. */
	if (!S_ISDIR(st.st_mode)) {
		if ((grown = one_more(runs)) == NULL)
			return (-1);
		grown->state = STATE_RUN_CORRUPT;
		grown->stage = STAGE_COUNT;
		snprintf(grown->name, sizeof(grown->name), "%.64s", name);
		return (0);
	}
	if (rundir_open_at(&r, dir, prefix, name) == -1)
		return (0);
	/* Whoever was about to make it came to no end: there is no run yet. */
	if (mint_is_fresh(r.fd) == 1) {
		rundir_close(&r);
		return (0);
	}
	if ((grown = one_more(runs)) == NULL) {
		rundir_close(&r);
		return (-1);
	}
	snprintf(grown->name, sizeof(grown->name), "%.64s", name);
	look_at(&r, l, real, grown);
	rundir_close(&r);
	return (0);
}

int
runs_read(const struct campaign *c, const struct ledger *l, struct campaign_runs *runs)
{
	struct dirent **names = NULL;
	struct str path = STR_INIT, real = STR_INIT;
	char *here;
	int dir, n, i, rc = 0;

	*runs = (struct campaign_runs){ NULL, 0, 0 };
	if (campaign_place(c, CAMPAIGN_RUNS, &path) == -1)
		return (-1);
	/* Where the ledger is, or was. */
	here = l == NULL ? realpath(c->path, NULL) : NULL;
	if ((l == NULL && here == NULL) ||
	    (l == NULL ? str_printf(&real, "%s/" CAMPAIGN_LEDGER, here) : str_puts(&real, l->real)) == -1) {
		say_errno("cannot tell where '%s' is", c->path);
		str_free(&path);
		return (-1);
	}
	free(here);
	if ((dir = openat(c->fd, CAMPAIGN_RUNS, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1) {
		if ((rc = errno == ENOENT ? 0 : -1) == -1)
			say_errno("cannot open '%s'", path.p);
		goto done;
	}
	if ((n = scandir(path.p, &names, NULL, by_name)) == -1) {
		say_errno("cannot read '%s'", path.p);
		rc = -1;
	}
	for (i = 0; i < n; i++) {
		if (rc == 0 && (rc = add(runs, dir, path.p, names[i]->d_name, l, real.p)) == -1)
			say_errno("cannot look at '%s'", path.p);
		free(names[i]);
	}
	free(names);
	close(dir);
done:
	str_free(&path);
	str_free(&real);
	if (rc == -1)
		runs_free(runs);
	return (rc);
}

void
runs_free(struct campaign_runs *runs)
{
	free(runs->list);
	*runs = (struct campaign_runs){ NULL, 0, 0 };
}

static int
compare(const void *name, const void *run)
{
	return (strcmp(name, ((const struct campaign_run *)run)->name));
}

const struct campaign_run *
runs_find(const struct campaign_runs *runs, const char *name)
{
	return (runs->count == 0 ? NULL : bsearch(name, runs->list, runs->count, sizeof(*runs->list), compare));
}
