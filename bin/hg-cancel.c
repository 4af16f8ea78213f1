#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "run/closeout.h"
#include "stage/stagecmd.h"
#include "base/exit.h"
#include "base/jsonio.h"
#include "base/out.h"
#include "base/proc.h"
#include "run/refusal.h"
#include "run/rundir.h"
#include "run/summary.h"
#include "base/say.h"
#include "stage/stage.h"

/* The owner gives its worker STAGE_CANCEL_MS; it then has to publish. */
#define WAIT_MS (STAGE_CANCEL_MS + 5000)

/* Wait until the stage is no longer running, or the time has passed. */
static int
settle(struct rundir *r, enum stage s, int pidfd, enum state *state)
{
	int64_t end = clock_mono_ms() + WAIT_MS;
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	do {
		/* Once the owner is gone, its worker follows at once. */
		if (poll(&p, 1, p.fd == -1 ? 10 : 100) == 1)
			p.fd = -1;
		if (closeout_dead(r, s, state, NULL) == -1)
			return (-1);
	} while ((*state == STATE_RUNNING || *state == STATE_OVERDUE) && clock_mono_ms() < end);
	return (0);
}

/* The stage has ended, or not: a line about it, and the exit code. */
static int
report(struct rundir *r, enum stage s, enum state state)
{
	const char *name = rundir_stages[s].name;
	json_t *refusal;

	(void)summary_publish(r);
	switch (state) {
	case STATE_REFUSED:
		if ((refusal = refusal_read(r, s)) == NULL)
			return (rundir_exit(errno));
		out_put("%s %s %s %s\n", r->path, name, state_name(state), jsonio_text(refusal, "kind", "?"));
		json_decref(refusal);
		return (HG_EXIT_DONE);
	case STATE_CLOSED_OUT:
		say_note("%s of '%s' ended before it could be stopped", name, r->path);
		out_put("%s %s %s\n", r->path, name, state_name(state));
		return (HG_EXIT_NO);
	case STATE_CORRUPT:
		say_error("%s of '%s' has both a receipt and a refusal", name, r->path);
		return (HG_EXIT_CONTRACT);
	default:
		say_error("%s of '%s' was asked to stop and is still %s", name, r->path, state_name(state));
		return (HG_EXIT_NOT_YET);
	}
}

static int
cancel(struct rundir *r, enum stage s)
{
	const char *name = rundir_stages[s].name;
	struct runlock_look look;
	enum state state;
	int pidfd, tries, rc;

	if (rundir_load(r) == -1 || closeout_dead(r, s, &state, NULL) == -1)
		return (rundir_exit(errno));
	if (state != STATE_RUNNING && state != STATE_OVERDUE) {
		say_note("%s of '%s' is not running, but %s", name, r->path, state_name(state));
		return (HG_EXIT_NO);
	}
	/* An owner that has just taken the lock is about to say who it is. */
	for (tries = 0; tries < 100; tries++) {
		if (state_look(r, s, &state, &look) == -1)
			return (HG_EXIT_SYSTEM);
		if (look.text == RUNLOCK_GOOD || state != STATE_RUNNING)
			break;
		poll(NULL, 0, 10);
	}
	if (look.text != RUNLOCK_GOOD) {
		say_error("%s of '%s' is %s, and its lock names nobody", name, r->path, state_name(state));
		return (HG_EXIT_NOT_YET);
	}
	if (proc_alive(&look.lock.owner) == -1) {
		say_error("%s of '%s' runs as process %ld of host '%s': cancel it there", name, r->path,
		    (long)look.lock.owner.pid, look.lock.owner.host);
		return (HG_EXIT_NOT_YET);
	}
	pidfd = proc_open(&look.lock.owner);
	if (proc_signal(&look.lock.owner, SIGTERM) == -1 && errno != ESRCH) {
		say_errno("cannot signal process %ld", (long)look.lock.owner.pid);
		rc = HG_EXIT_SYSTEM;
	} else {
		/* One that was stopped hears it only once it goes on. */
		(void)proc_signal(&look.lock.owner, SIGCONT);
		rc = settle(r, s, pidfd, &state) == -1 ? rundir_exit(errno) : report(r, s, state);
	}
	if (pidfd != -1)
		close(pidfd);
	return (rc);
}

int
main(int argc, char **argv)
{
	static const struct opt_tool tool = { "hg-cancel", "Stop a running stage, which closes out as cancelled.",
		"hg-cancel STAGE RUN" };

	return (stagecmd_main(&tool, NULL, argc, argv, cancel));
}
