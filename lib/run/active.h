#ifndef HG_ACTIVE_H
#define HG_ACTIVE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "run/state.h"

/**
 * Which run of many is the active one, decided here alone: the newest that is
 * running, one that waits for its lane after all that do not, else the newest
 * that is complete, else none.  A run is as old as the start of its last stage,
 * as the stage's lock tells, which a copy of the directory keeps; of two of the
 * same age the one whose name is last, byte by byte, and then whose path is.
 * Nothing is changed.
 * Checked: t/hg-active.bats.
 */

struct active_run {
	char *path;           /* of the run, as a person where the tool was called would type it */
	const char *name;     /* its end */
	enum state_run state; /* CORRUPT, too, of one that can't be read */
	int waits;            /* running, and waits for its lane */
	int spoilt;           /* it can't be read, for that errno */
	int64_t at_ms;        /* start of its last stage; 0 if none has begun */
	size_t from;          /* which place it was found in */
	struct stat seen;     /* its directory, before it was looked at */
	int met, due;         /* by the look that goes on; and to be looked at */
};

/* Places to look at, and what was found there by the last look. Start from zeros. Owns: active_free releases all. */
struct active {
	char **places;
	size_t place_count;
	struct active_run *runs; /* by place and name, unless active_sort was called */
	size_t count, cap, old;  /* the first ${old} are those of the look before, while one goes on */
	int running_only;        /* set to leave out, unread, what does not run */
	size_t turn;             /* whose directory is looked at though it looks unchanged */
};

/**
 * active_add(a, path):
 * Look at a run, or at the runs of a directory, from now on.
 * Errors: -1 with errno, said.
 */
int active_add(struct active *a, const char *path);

/**
 * active_look(a):
 * Look at all that has changed since the last look: directories that have,
 * runs that were alive, and one more in turn.  What keeps a run from being read
 * is said, and the run is corrupt.
 * Errors: -1 with errno, said: ENOENT, ENOTDIR and others of a place that is none; the system failed.
 */
int active_look(struct active *a);

/* The active run, or NULL. */
const struct active_run *active_first(const struct active *a);

/* The order in which they are chosen; those that never are come last, the newest first. Looks begin anew. */
void active_sort(struct active *a);

/**
 * active_resolve(path, out):
 * The run that ${path} stands for: itself, or the active one of a directory of runs.  A directory without any stands
 * for itself, so that whoever opens it as a run says what is missing.
 * Owns:   the caller frees *out.
 * Errors: 1, said, if no run in it is active; -1 with errno, said.
 */
int active_resolve(const char *path, char **out);

/* Say that none is. */
void active_say_none(const char *path);

void active_free(struct active *a);

#endif
