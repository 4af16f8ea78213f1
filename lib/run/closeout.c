#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "base/clock.h"
#include "run/closeout.h"
#include "base/proc.h"
#include "run/refusal.h"
#include "run/summary.h"
#include "run/runlock.h"
#include "base/say.h"

/* How long a lock may take to become free once its holders are dead, or while another one closes out. */
#define SETTLE_MS 2000

/* How long after SIGKILL what a dead owner's worker started may live. */
#define KILL_MS 5000

/* How long a worker may take to die after its owner. */
#define FOLLOW_NAP_MS 5
#define FOLLOW_TRIES 100

const char *
closeout_name(enum closeout done)
{
	static const char *const names[] = {
		[CLOSEOUT_NOTHING] = "nothing",
		[CLOSEOUT_OWNER_DIED] = "owner_died",
		[CLOSEOUT_OWNER_STOPPED] = "owner_stopped",
		[CLOSEOUT_STALLED] = "stalled",
		[CLOSEOUT_UNKILLABLE] = "unkillable",
		[CLOSEOUT_ELSEWHERE] = "elsewhere",
		[CLOSEOUT_HELD] = "held",
	};

	return (names[done]);
}

static int
refuse(const struct rundir *r, enum stage s, const struct runlock *lock, enum refusal_kind kind, pid_t alive)
{
	const struct rundir_stage *st = &rundir_stages[s];
	char detail[256], seen[128];
	struct proc_id here;
	json_t *observed, *expected;
	int64_t late_ms = runlock_late_ms(lock);
	int rc;

	if (lock->owner.pid > 0 && kind == REFUSAL_OWNER_DIED && runlock_whose(r, s, lock) == RUNLOCK_COPY) {
		snprintf(detail, sizeof(detail),
		    "this is a copy of a run that was running: process %ld goes on with the other one",
		    (long)lock->owner.pid);
		snprintf(seen, sizeof(seen), "lock free, process %ld has another '%s' open", (long)lock->owner.pid,
		    st->lock);
	} else if (kind == REFUSAL_UNKILLABLE) {
		snprintf(detail, sizeof(detail), "process %ld, which the stage started, outlives SIGKILL", (long)alive);
		snprintf(seen, sizeof(seen), "process %ld in state %c", (long)alive, proc_state(alive));
	} else if (kind == REFUSAL_STALLED) {
		snprintf(detail, sizeof(detail),
		    "process %ld, the stage's owner, was stopped for longer than budget.stall_ms and was killed",
		    (long)lock->owner.pid);
		snprintf(seen, sizeof(seen), "owner stopped");
	} else if (kind == REFUSAL_OWNER_STOPPED) {
		snprintf(detail, sizeof(detail),
		    "process %ld still held the lock %lld.%03lld s after its deadline and was killed",
		    (long)lock->owner.pid, (long long)late_ms / 1000, (long long)late_ms % 1000);
		snprintf(seen, sizeof(seen), "held %lld ms past the deadline", (long long)late_ms);
	} else if (lock->owner.pid <= 0) {
		snprintf(detail, sizeof(detail),
		    "the stage began and ended without a receipt; '%s' does not say who ran it", st->lock);
		snprintf(seen, sizeof(seen), "lock free, its text unreadable");
	} else if (proc_machine(&here) == 0 && strcmp(here.boot_id, lock->owner.boot_id) != 0) {
		snprintf(detail, sizeof(detail),
		    "process %ld of host %s ended without a receipt: that machine has restarted, "
		    "or this run was copied",
		    (long)lock->owner.pid, lock->owner.host);
		snprintf(seen, sizeof(seen), "lock free, written before this boot");
	} else {
		snprintf(detail, sizeof(detail),
		    "process %ld ended without a receipt: it was killed, or could not write why",
		    (long)lock->owner.pid);
		snprintf(seen, sizeof(seen), "lock free, process %ld gone", (long)lock->owner.pid);
	}
	observed = json_string(seen);
	expected = json_string(st->receipt);
	rc = refusal_publish(r, s, lock, &(struct refusal){ kind, detail, observed, expected });
	json_decref(observed);
	json_decref(expected);
	return (rc);
}

/* With the lock in hand, free of its owner: refuse what is not closed out. */
static int
close_locked(struct rundir *r, enum stage s, int fd, enum refusal_kind kind, enum closeout *done)
{
	struct runlock lock;
	char mark[RUNDIR_MARK_SIZE];
	pid_t alive = 0;
	int rc;

	switch (runlock_read(fd, &lock)) {
	case RUNLOCK_EMPTY:
		/* Retried since we looked. */
		return (0);
	case RUNLOCK_GARBAGE:
		memset(&lock, 0, sizeof(lock));
		if ((lock.attempt = rundir_attempt(r, s)) == -1) {
			say_errno("cannot look into '%s/%s'", r->path, RUNDIR_ATTEMPTS);
			return (-1);
		}
		break;
	case RUNLOCK_GOOD:
		break;
	}
	/* Owner and worker are gone, but for a copy's; what they started may have a session of its own. */
	switch (lock.owner.pid > 0 && runlock_whose(r, s, &lock) == RUNLOCK_COPY ?
		0 :
		proc_end_marked(rundir_mark(r, s, lock.attempt, mark), KILL_MS, &alive)) {
	case -1:
		/* Still an orphan: somebody who can look will close it out. */
		say_errno("cannot find what stage %s of '%s' has started", rundir_stages[s].name, r->path);
		return (-1);
	case 0:
		break;
	default:
		kind = REFUSAL_UNKILLABLE;
	}
	if ((rc = refuse(r, s, &lock, kind, alive)) == 0)
		*done = kind == REFUSAL_UNKILLABLE ? CLOSEOUT_UNKILLABLE :
		    kind == REFUSAL_STALLED        ? CLOSEOUT_STALLED :
		    kind == REFUSAL_OWNER_STOPPED  ? CLOSEOUT_OWNER_STOPPED :
						     CLOSEOUT_OWNER_DIED;
	return (rc == -1 ? -1 : 0);
}

/* Kill an overdue stage; 0 if its processes are being killed, 1 after saying why they are not. */
static int
kill_overdue(const struct rundir *r, enum stage s, const struct runlock *lock, enum closeout *done)
{
	const char *name = rundir_stages[s].name;

	switch (proc_alive(&lock->owner)) {
	case -1:
		say_error("stage %s of '%s' is overdue, but process %ld is one of host '%s': end it there", name,
		    r->path, (long)lock->owner.pid, lock->owner.host);
		*done = CLOSEOUT_ELSEWHERE;
		return (1);
	case 0:
		/* Its worker may have outlived it for a moment, or somebody closes it out. */
		break;
	default:
		if (lock->owner.pid == getpid())
			return (1);
		/* The worker dies with its owner by its own wish; asking first spares it an orphan's second. */
		if (proc_signal(&lock->owner, SIGKILL) == -1 && errno != ESRCH) {
			say_errno("cannot kill process %ld, overdue owner of stage %s of '%s'", (long)lock->owner.pid,
			    name, r->path);
			*done = CLOSEOUT_HELD;
			return (1);
		}
	}
	/* The worker leads a process group, and only its leader's identity says that the group is still its own. */
	if (lock->worker.pid > 0 && proc_alive(&lock->worker) == 1)
		kill(-lock->worker.pid, SIGKILL);
	return (0);
}

/* An ending that somebody else published may not have reached the disk: it has, before anybody is told of it. */
static int
settle(const struct rundir *r, enum state state)
{
	if (state != STATE_CLOSED_OUT && state != STATE_REFUSED)
		return (0);
	/* Where nothing can be written nothing waits to be. */
	if (atomfile_sync_dir(r->fd) == 0 || errno == EROFS)
		return (0);
	say_errno("cannot sync '%s'", r->path);
	return (-1);
}

/*
 * Is the lock held though neither of those whom it names lives?  Then what they started holds it, and is ended; the
 * state is looked at again.  0, or -1 with errno, said.
 */
static int
end_holders(struct rundir *r, enum stage s, enum state *state, struct runlock_look *look)
{
	char mark[RUNDIR_MARK_SIZE];
	pid_t alive;

	if (*state != STATE_RUNNING || !look->held || look->text != RUNLOCK_GOOD || look->lock.owner.pid <= 0 ||
	    proc_alive(&look->lock.owner) != 0 || (look->lock.worker.pid > 0 && proc_alive(&look->lock.worker) != 0))
		return (0);
	if (rundir_load(r) == -1)
		return (-1);
	if (proc_end_marked(rundir_mark(r, s, look->lock.attempt, mark), KILL_MS, &alive) == -1) {
		say_errno("cannot find what stage %s of '%s' has started", rundir_stages[s].name, r->path);
		return (-1);
	}
	return (state_look(r, s, state, look));
}

static int
close_out(struct rundir *r, enum stage s, enum state *state, enum closeout *done)
{
	enum refusal_kind kind = REFUSAL_OWNER_DIED;
	struct runlock_look look;
	int fd, rc, error, tries;

	if (state_look(r, s, state, &look) == -1)
		return (-1);
	/* A worker whose owner was killed is about to follow, and holds the lock until it has. */
	for (tries = 0; tries < FOLLOW_TRIES && *state == STATE_RUNNING && look.text == RUNLOCK_GOOD &&
	     proc_alive(&look.lock.owner) == 0;
	     tries++) {
		poll(NULL, 0, FOLLOW_NAP_MS);
		if (state_look(r, s, state, &look) == -1)
			return (-1);
	}
	if (end_holders(r, s, state, &look) == -1)
		return (-1);
	if (*state != STATE_ORPHANED && *state != STATE_OVERDUE)
		return (0);
	if (rundir_load(r) == -1)
		return (-1);
	if (*state == STATE_OVERDUE) {
		kind = runlock_late_ms(&look.lock) > RUNLOCK_GRACE_MS ? REFUSAL_OWNER_STOPPED : REFUSAL_STALLED;
		if (kill_overdue(r, s, &look.lock, done) != 0)
			return (0);
	}
	/* Waiting on the descriptor that locks: whoever comes second finds the refusal. */
	if ((fd = runlock_wait(r, s, SETTLE_MS)) == -1) {
		if (errno != EAGAIN)
			return (-1);
		if (state_look(r, s, state, NULL) == -1)
			return (-1);
		if (*state == STATE_OVERDUE && proc_alive(&look.lock.owner) == 0 &&
		    proc_alive(&look.lock.worker) == 1) {
			/*
			 * It holds the lock and will never let go.  Only owners and those who hold the lock publish,
			 * and there is neither; of several who come to this the first one's refusal stands.
			 */
			if (refuse(r, s, &look.lock, REFUSAL_UNKILLABLE, look.lock.worker.pid) == -1)
				return (-1);
			*done = CLOSEOUT_UNKILLABLE;
			return (state_look(r, s, state, NULL));
		}
		if (*state == STATE_OVERDUE) {
			say_error("stage %s of '%s' is overdue, and its lock is held by a process it does not name",
			    rundir_stages[s].name, r->path);
			*done = CLOSEOUT_HELD;
		}
		return (0);
	}
	rc = close_locked(r, s, fd, kind, done);
	error = errno;
	close(fd);
	if (rc == -1) {
		errno = error;
		return (-1);
	}
	return (state_look(r, s, state, NULL));
}

int
closeout_dead(struct rundir *r, enum stage s, enum state *state, enum closeout *done)
{
	enum closeout mine;

	if (done == NULL)
		done = &mine;
	*done = CLOSEOUT_NOTHING;
	if (close_out(r, s, state, done) == -1 || settle(r, *state) == -1)
		return (-1);
	if (*done != CLOSEOUT_NOTHING)
		summary_renew(r);
	return (0);
}
