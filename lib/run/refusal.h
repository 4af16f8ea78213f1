#ifndef HG_REFUSAL_H
#define HG_REFUSAL_H

#include <jansson.h>

#include "run/runlock.h"
#include "run/rundir.h"
#include "schema/refusalkind.h"

/**
 * Typed refusals: why a stage closed out without its receipt.  One list,
 * schema/refusalkind.def, holds all kinds, whether a retry may help, and what
 * to type next.
 */

const char *refusal_name(enum refusal_kind kind);

/* A kind by its name, or REFUSAL_NONE. */
enum refusal_kind refusal_by_name(const char *name);

/* One line: what it means. */
const char *refusal_meaning(enum refusal_kind kind);

/* 1 if the same command may do better another time. */
int refusal_retryable(enum refusal_kind kind);

/* The template of what to type, with RUN and STAGE in it. */
const char *refusal_template(enum refusal_kind kind);

/* HG_EXIT_RETRY or HG_EXIT_NO. */
int refusal_exit(enum refusal_kind kind);

/* The kind for an errno of a failed call: memory, disk, or input and output. */
enum refusal_kind refusal_of_errno(int error);

/* What a refusal says besides who and when. The JSON values are borrowed, NULL means null. */
struct refusal {
	enum refusal_kind kind;
	const char *detail;
	const json_t *observed, *expected;
};

/**
 * refusal_publish(r, s, lock, why):
 * Close out stage ${s} by a refusal in the name of ${lock}'s owner.  The caller
 * holds the lock; ${r} is loaded.  What has no receipt is discarded first.
 * Returns 0; 1 if the stage had closed out already (nothing is changed); -1
 * with errno, said.
 */
int refusal_publish(const struct rundir *r, enum stage s, const struct runlock *lock, const struct refusal *why);

/*
 * Read a stage's refusal, checked by its contract and against the run. Owns: the caller decrefs. NULL with errno,
 * said but for ENOENT.
 */
json_t *refusal_read(const struct rundir *r, enum stage s);

/* Say on stderr what a refusal says: kind, detail, expected, observed, and what to type. Returns its exit code. */
int refusal_show(const struct rundir *r, enum stage s, const json_t *refusal);

/* Say that a stage has both receipt and refusal, which no tool of ours leaves, and what to type; its exit code. */
int refusal_show_corrupt(const struct rundir *r, enum stage s);

#endif
