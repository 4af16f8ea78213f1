#ifndef HG_STAGE_H
#define HG_STAGE_H

#include <jansson.h>
#include <stdint.h>

#include "run/refusal.h"
#include "run/rundir.h"

/**
 * A supervised stage.  The tool's process becomes the owner: it takes the
 * stage's lock, forks the worker, enforces the deadline, and closes the stage
 * out by exactly one of receipt and refusal.  The worker does the work in a
 * process group of its own, holds the same lock, and dies with its owner.
 *
 *	static int
 *	work(struct stage_work *w, void *arg)
 *	{
 *		if (something is wrong)
 *			return (stage_refuse(w, REFUSAL_INPUT_INVALID, observed, expected, "'%s' has a hole", name));
 *		...
 *		return (stage_deliver(w, json_pack("{...}")));
 *	}
 *
 *	main: return (exit_flush(stage_run(argv[i], &(struct stage_job){ .stage = STAGE_EXPORT, .work = work })));
 *
 * Ways to end, and what they become:
 *   delivered and returned 0              the receipt
 *   stage_refuse                          that refusal
 *   returned -1 without one               out_of_memory, disk_full or io_error by errno; detail: what was said last
 *   returned or exited otherwise          worker_exited
 *   died by a signal                      worker_signalled; out_of_memory if the kernel killed it for that
 *   deadline; INT, TERM, HUP, hg-cancel   deadline_exceeded; cancelled
 *   no progress for budget.stall_ms       stalled; progress is what base/progress.h counts
 * A stage that has closed out says so: exit 0, or its refusal's code.
 */

/* From SIGTERM to SIGKILL of the worker's group: when cancelled, and when the deadline or the patience has passed. */
#define STAGE_CANCEL_MS 10000
#define STAGE_STOP_MS 2000

struct stage_work;

struct stage_job {
	enum stage stage;
	int (*work)(struct stage_work *w, void *arg); /* runs in the worker, before any thread exists */
	void *arg;
	int64_t deadline_ms; /* of the execution; 0: the spec's */
	int detach;          /* return once the stage runs; its output goes to the stage's log */
	int lane;            /* wait for the lane that the spec names */
	int stops;           /* the worker asks stage_stopping; without it SIGTERM ends it at once */
	/**
	 * A rehearsal, if not NULL: nothing in the run changes, outputs go to a
	 * temporary directory, and what was delivered goes to this function, in
	 * the owner, whose result is the exit code; ${outputs} is that directory.
	 */
	int (*rehearse)(void *arg, const struct rundir *r, int outputs, const json_t *delivered);
};

/* Run it; returns the tool's exit code. */
int stage_run(const char *path, const struct stage_job *job);

/* --- the worker's side ---------------------------------------------------- */

/* The run, its spec loaded; the directory in which outputs are created (the run's, but for a rehearsal). */
const struct rundir *stage_rundir(const struct stage_work *w);
int stage_outputs(const struct stage_work *w);

/* What inputs_bind (stage/inputs.h) has noted; NULL at first. */
struct inputs;
struct inputs **stage_inputs(struct stage_work *w);

/* Milliseconds left until the deadline; may be negative. */
int64_t stage_left_ms(const struct stage_work *w);

/* 1 once the stage was asked to stop: save what resumes, and return -1 within STAGE_STOP_MS. */
int stage_stopping(const struct stage_work *w);

/**
 * stage_deliver(w, body):
 * The keys of the receipt that are its own; for score {"report": .., "receipt":
 * ..}.  All outputs are created, with their fsync, before this.  Steals ${body}.
 * Returns 0, or -1 if ${body} is NULL, with the errno that its making left (ENOMEM if none), or refused because an
 * input is not what it was (inputs_still): `return (stage_deliver(..))`.
 */
int stage_deliver(struct stage_work *w, json_t *body);

/**
 * stage_refuse(w, kind, observed, expected, format, ...):
 * Say why not (also on stderr).  ${observed} and ${expected} are stolen; NULL
 * is null.  Returns -1, so that the worker can `return (stage_refuse(..))`.
 * The first refusal counts.
 */
int stage_refuse(struct stage_work *w, enum refusal_kind kind, json_t *observed, json_t *expected, const char *format,
    ...) __attribute__((format(printf, 5, 6)));

/**
 * stage_progress(w, progress, keys):
 * Post the stage's status file: ${progress} is a number that grows whenever the
 * work gets on, ${keys} the rest (stolen).  Call it at least every ten seconds,
 * and not more than a few times a second.  What can't be posted is said once
 * and else ignored: progress is worth no result.  Growth is progress for
 * budget.stall_ms, too.
 */
void stage_progress(struct stage_work *w, int64_t progress, json_t *keys);

/* --- exported for tests ---------------------------------------------------- */

enum stage_asked { STAGE_ASKED_NOTHING, STAGE_ASKED_CANCEL, STAGE_ASKED_DEADLINE, STAGE_ASKED_STALL };

/**
 * How long progress has stood still, as the supervisor saw it.  A time in which it did not look itself (the machine
 * slept, it was stopped) counts for one look and no more: the worker could not get on then, either.
 */
struct stage_stall {
	uint64_t count;
	int64_t looked_ms, still_ms;
};

/*
 * Look at a count at a time of the monotonic clock; returns still_ms.  Look at least every ${look_ms}.
 * Exported for tests.
 */
int64_t stage_still(struct stage_stall *s, uint64_t count, int64_t mono_ms, int64_t look_ms);

/*
 * The kind for a worker that ended with wait status ${status} and told nothing; ${oom} is nonzero if the kernel
 * killed for memory.  Exported for tests.
 */
enum refusal_kind stage_ending(enum stage_asked asked, int status, int oom);

#endif
