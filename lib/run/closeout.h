#ifndef HG_CLOSEOUT_H
#define HG_CLOSEOUT_H

#include "run/rundir.h"
#include "run/state.h"

/**
 * Closing out the dead: what hg-await, hg-run, hg-gate, hg-reap and the stages
 * themselves do about a stage whose owner can no longer do it.  The stage's lock
 * makes it happen once, whoever else tries.
 */

enum closeout {
	CLOSEOUT_NOTHING,       /* there was nothing to do, or somebody else did it */
	CLOSEOUT_OWNER_DIED,    /* an orphan was given its refusal */
	CLOSEOUT_OWNER_STOPPED, /* an overdue owner was killed, and its stage refused */
	CLOSEOUT_STALLED,       /* so, for a stopped owner that was silent past budget.stall_ms */
	CLOSEOUT_UNKILLABLE,    /* so, but a process of it outlives SIGKILL: its stage refused as that */
	CLOSEOUT_ELSEWHERE,     /* overdue, but its owner lives on another host: untouched, and said */
	CLOSEOUT_HELD           /* overdue, and the lock is still held by somebody unknown: untouched, and said */
};

/**
 * closeout_dead(r, s, state, done):
 * Close stage ${s} out if it is orphaned or overdue.  A process is killed only
 * if it is overdue and its pid, start time and boot id are those that the lock
 * names, or if it was started by the dead owner's worker with the stage's mark
 * (rundir_mark) in its environment: nothing that a stage started outlives it.
 * ${r} is loaded when there is something to do.  ${state} gets the state
 * afterwards, ${done} (or NULL) what was done.  An ending that is there, whoever
 * published it, is on the disk when this returns.
 * Errors: -1 with errno, said.
 */
int closeout_dead(struct rundir *r, enum stage s, enum state *state, enum closeout *done);

const char *closeout_name(enum closeout done);

#endif
