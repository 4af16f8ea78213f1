#ifndef HG_RUNLOCK_H
#define HG_RUNLOCK_H

#include <stdint.h>

#include "base/proc.h"
#include "run/rundir.h"

/**
 * A stage's lock file.  The lock, on the open file description, says whether
 * the stage is alive: its owner holds it, the worker inherits it, and the kernel
 * frees it when both are gone.  The text says whom a signal may go to, and by
 * when the stage must have closed out; it is evidence, and stays when the lock
 * is freed.  The file is never unlinked: two holders of one name, each with
 * its own file, would be two owners.
 *
 * Text: one line of RUNLOCK_SIZE bytes, space-padded, written by one pwrite:
 *   homegolf.lock.v1 pid=.. start=.. worker=.. worker_start=.. boot=.. host=..
 *   attempt=.. deadline_boot_ms=.. deadline_at=.. started_at=..
 * with a stall limit alive_mono_ms=..,
 * and while it waits for a lane, lane_ahead=.. lane_pid=..
 */

#define RUNLOCK_SIZE 512

/* How long after its deadline a stage that still holds its lock counts as overdue. */
#define RUNLOCK_GRACE_MS 5000

enum runlock_text { RUNLOCK_EMPTY, RUNLOCK_GOOD, RUNLOCK_GARBAGE };

struct runlock {
	struct proc_id owner;
	struct proc_id worker; /* pid 0 until it is forked */
	int attempt;
	int64_t deadline_boot_ms; /* on the boot clock of owner.boot_id */
	int64_t deadline_ms;      /* the same on the wall clock, for other machines; runlock_write fills it */
	int64_t started_ms;       /* wall clock */
	int64_t alive_mono_ms;    /* by then, on that boot's monotonic clock, its owner has written again; 0: never */
	int waits;                /* for a lane, which lane_pid has (0: unknown), with lane_ahead before us */
	int lane_ahead;
	pid_t lane_pid;
};

/**
 * Whose a lock may be that is free as seen from here.  Locks do not reach from
 * one mount or machine to every other: that a process lives no longer must be
 * known, and is not concluded from a lock that is free.
 */
enum runlock_whose {
	RUNLOCK_NOBODYS,   /* its owner and worker have ended, or time has passed for those of another machine */
	RUNLOCK_UNSEEN,    /* one of them runs on this machine: its lock can't be seen from here */
	RUNLOCK_ELSEWHERE, /* they are another machine's, and the deadline is still to come */
	RUNLOCK_COPY       /* they hold the lock of another directory, which this one was copied from */
};

/* What can be known of a lock without taking it. */
struct runlock_look {
	int held;
	enum runlock_text text;
	struct runlock lock;      /* if text is RUNLOCK_GOOD */
	enum runlock_whose whose; /* state_look fills it, where it decides */
};

/* Look; a missing file is free and empty. 0, or -1 with errno, said. */
int runlock_look(const struct rundir *r, enum stage s, struct runlock_look *look);

/*
 * Open (and with it create) the lock file, and take the lock, waiting for it at most that long; the descriptor, or -1
 * with errno: EAGAIN, silent, when it is held.
 */
int runlock_wait(const struct rundir *r, enum stage s, int64_t wait_ms);

/*
 * For whoever holds the lock: read the text; write it (no fsync: locks do not outlive a crash); empty it, with
 * fsync.
 */
enum runlock_text runlock_read(int fd, struct runlock *lock);
int runlock_write(int fd, struct runlock *lock);
int runlock_clear(int fd);

/* Milliseconds since the deadline passed, negative before it; by the wall clock if the text is of another boot. */
int64_t runlock_late_ms(const struct runlock *lock);

/**
 * Is a lock that is held one whose holder can be waited for no longer?  Past its deadline and grace; or its owner is
 * stopped on this boot and has not written for the stall limit, which none that runs fails to do: a machine that slept
 * makes nobody silent, nor does a disk that takes no writes.
 */
int runlock_overdue(const struct runlock *lock);

/* How long after its deadline another machine's stage, whose clock may differ, counts as alive unless it is seen. */
#define RUNLOCK_SKEW_MS ((int64_t)5 * 60 * 1000)

/* Is that a time still to come, so that a clock is wrong?  Those of machines that share files differ by less. */
int runlock_is_future(int64_t wall_ms, int64_t now_ms);

/* Whose is the free lock of a stage with that text? */
enum runlock_whose runlock_whose(const struct rundir *r, enum stage s, const struct runlock *lock);

/* From now on this process takes it that nothing runs any more on the machine of that name. */
void runlock_host_gone(const char *host);

/* Parse n bytes. Exported for tests. */
enum runlock_text runlock_parse(const char *text, size_t n, struct runlock *lock);

#endif
