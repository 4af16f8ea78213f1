#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exit.h"
#include "base/out.h"
#include "base/proc.h"
#include "base/say.h"
#include "run/closeout.h"
#include "run/refusal.h"
#include "run/wait.h"

/* Events are hints; we look at least this often. */
#define LOOK_MS 1000

/* After an owner's end its lock may be held for a moment: look often, this long. */
#define DYING_MS 3000
#define DYING_LOOK_MS 10

/* One stage of one run. */
struct item {
	struct rundir *run;
	enum stage stage;
	enum state state;
	int pidfd;        /* of its owner, or -1 */
	int64_t dying_ms; /* since when its owner is known to be gone; 0 if it is not */
	int said;         /* that it is left alone */
	int settled;
	int code; /* when settled */
};

static void
settle(struct item *it, const char *word, int code)
{
	out_put("%s %s %s\n", it->run->path, rundir_stages[it->stage].name, word);
	fflush(stdout);
	it->settled = 1;
	it->code = code;
}

static int
show_refusal(struct rundir *r, enum stage s)
{
	json_t *refusal;
	int code;

	if ((refusal = refusal_read(r, s)) == NULL)
		return (errno == EBADMSG ? HG_EXIT_CONTRACT : HG_EXIT_SYSTEM);
	code = refusal_show(r, s, refusal);
	json_decref(refusal);
	return (code);
}

/* A stage that has not begun never will if one before it is refused: say so, having closed out the dead. 0 or -1. */
static int
look_before(struct item *it)
{
	char word[64];
	enum state state;
	int s;

	for (s = rundir_stages[it->stage].needs; s != -1; s = rundir_stages[s].needs) {
		if (closeout_dead(it->run, (enum stage)s, &state, NULL) == -1)
			return (-1);
		if (state != STATE_REFUSED && state != STATE_CORRUPT)
			continue;
		say_error("%s of '%s' cannot start", rundir_stages[it->stage].name, it->run->path);
		snprintf(word, sizeof(word), "blocked %s", rundir_stages[s].name);
		settle(it, word, state == STATE_CORRUPT ? HG_EXIT_CONTRACT : show_refusal(it->run, (enum stage)s));
		return (0);
	}
	return (0);
}

/* Look at one stage, having closed it out if it is dead. 0, or -1 with errno, said. */
static int
look(struct item *it)
{
	struct runlock_look lock;
	struct stat st;

	/* A directory that was renamed keeps its links. */
	if (fstat(it->run->fd, &st) == 0 && st.st_nlink == 0) {
		say_error("'%s' was removed: %s of it never comes", it->run->path, rundir_stages[it->stage].name);
		settle(it, "removed", HG_EXIT_NO);
		return (0);
	}
	if (closeout_dead(it->run, it->stage, &it->state, NULL) == -1)
		return (-1);
	switch (it->state) {
	case STATE_CLOSED_OUT:
		settle(it, state_name(it->state), HG_EXIT_DONE);
		return (0);
	case STATE_REFUSED:
		settle(it, state_name(it->state), show_refusal(it->run, it->stage));
		return (0);
	case STATE_CORRUPT:
		settle(it, state_name(it->state), refusal_show_corrupt(it->run, it->stage));
		return (0);
	case STATE_ABSENT:
		return (look_before(it));
	default:
		break;
	}
	if (it->pidfd != -1 || state_look(it->run, it->stage, &it->state, &lock) == -1 || lock.text != RUNLOCK_GOOD)
		return (0);
	if (!it->said)
		it->said = state_say_unseen(it->run, it->stage, &lock);
	/* A process that ended since the state was looked at is noticed here, and the state looked at again at once. */
	it->pidfd = proc_open(&lock.lock.owner);
	if (it->pidfd == -1 && proc_alive(&lock.lock.owner) == 0) {
		if (it->dying_ms == 0)
			it->dying_ms = clock_mono_ms();
	} else
		it->dying_ms = 0;
	return (0);
}

/* Sleep until something may have happened. */
static void
rest(struct item *items, int n, struct pollfd *p, int watch, int64_t left_ms)
{
	int64_t now = clock_mono_ms(), nap = left_ms < LOOK_MS ? left_ms : LOOK_MS;
	int i;

	p[0] = (struct pollfd){ .fd = watch, .events = POLLIN };
	for (i = 0; i < n; i++) {
		p[i + 1] = (struct pollfd){ .fd = items[i].settled ? -1 : items[i].pidfd, .events = POLLIN };
		if (!items[i].settled && items[i].dying_ms != 0 && now - items[i].dying_ms < DYING_MS &&
		    nap > DYING_LOOK_MS)
			nap = DYING_LOOK_MS;
	}
	if (poll(p, (nfds_t)n + 1, (int)nap) <= 0)
		return;
	if (watch != -1 && p[0].revents != 0)
		proc_watch_drain(watch);
	for (i = 0; i < n; i++) {
		if (p[i + 1].fd == -1 || p[i + 1].revents == 0)
			continue;
		close(items[i].pidfd);
		items[i].pidfd = -1;
		items[i].dying_ms = clock_mono_ms();
	}
}

/* The one code for all: what is worst. */
static int
verdict(const struct item *items, int n)
{
	static const int order[] = { HG_EXIT_CONTRACT, HG_EXIT_SYSTEM, HG_EXIT_NO, HG_EXIT_RETRY };
	size_t o;
	int i;

	for (o = 0; o < sizeof(order) / sizeof(order[0]); o++)
		for (i = 0; i < n; i++)
			if (items[i].code == order[o])
				return (order[o]);
	return (HG_EXIT_DONE);
}

/* Watch the runs from now on; -1: there are no events here. */
static int
watch_all(const struct item *items, int n)
{
	int i, watch = proc_watch();

	for (i = 0; watch != -1 && i < n; i++)
		if (!items[i].settled)
			(void)proc_watch_add(watch, items[i].run->fd);
	return (watch);
}

/*
 * Where every stage that is waited for has an owner, its end is event enough, and comes right after the file.  To take
 * down a watch may keep the caller for 15 to 20 ms, so that is done before there is anything to tell.  1: look again,
 * for what happened before the watch began.
 */
static int
watch_what_needs_it(const struct item *items, int n, int *watch)
{
	int i, owned = 1;

	for (i = 0; i < n && owned; i++)
		owned = items[i].settled || items[i].pidfd != -1;
	if (owned && *watch != -1) {
		close(*watch);
		*watch = -1;
	} else if (!owned && *watch == -1)
		return ((*watch = watch_all(items, n)) != -1);
	return (0);
}

static int
wait_items(struct item *items, int n, int any, int64_t wait_ms, struct pollfd *p)
{
	int64_t began = clock_boot_ms(), left;
	int i, open, watch, code = -1;

	/* Watch first, look then: what happens in between is an event. */
	if ((watch = watch_all(items, n)) == -1)
		say_note("no file events here: looking once a second");

	for (;;) {
		for (i = open = 0; i < n; i++) {
			if (!items[i].settled && look(&items[i]) == -1) {
				code = rundir_exit(errno);
				goto out;
			}
			if (items[i].settled && any) {
				code = items[i].code;
				goto out;
			}
			open += !items[i].settled;
		}
		left = began + wait_ms - clock_boot_ms();
		if (open == 0) {
			code = verdict(items, n);
			goto out;
		}
		if (left <= 0)
			break;
		if (!watch_what_needs_it(items, n, &watch))
			rest(items, n, p, watch, left);
	}
	code = HG_EXIT_NOT_YET;
	for (i = 0; i < n; i++) {
		if (items[i].settled)
			continue;
		if (items[i].state == STATE_ABSENT)
			say_error("%s of '%s' never started", rundir_stages[items[i].stage].name, items[i].run->path);
		else
			say_error("%s of '%s' is still %s", rundir_stages[items[i].stage].name, items[i].run->path,
			    state_name(items[i].state));
	}
out:
	if (watch != -1)
		close(watch);
	return (code);
}

int
wait_stages(struct rundir *runs, int n_runs, unsigned stages, int any, int64_t wait_ms)
{
	struct item *items = calloc((size_t)n_runs * STAGE_COUNT, sizeof(*items));
	struct pollfd *p = calloc((size_t)n_runs * STAGE_COUNT + 1, sizeof(*p));
	int i, s, n = 0, code = HG_EXIT_SYSTEM;

	if (items == NULL || p == NULL) {
		say_errno("cannot wait");
		goto out;
	}
	for (i = 0; i < n_runs; i++)
		for (s = 0; s < STAGE_COUNT; s++)
			if (stages & 1u << s)
				items[n++] = (struct item){ .run = &runs[i], .stage = (enum stage)s, .pidfd = -1 };
	code = wait_items(items, n, any, wait_ms, p);
	for (i = 0; i < n; i++)
		if (items[i].pidfd != -1)
			close(items[i].pidfd);
out:
	free(items);
	free(p);
	return (code);
}
