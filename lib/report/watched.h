#ifndef HG_WATCHED_H
#define HG_WATCHED_H

#include <jansson.h>
#include <sys/stat.h>

#include "report/losses.h"
#include "report/target.h"
#include "run/rundir.h"

/**
 * A run as it is watched: what can be told of it now, look by look.  What it
 * is at is status_word's to say; in addition a run whose files can't be read is
 * "corrupt", one that is not there any more "removed", and where there is no
 * run to look at the word is "none".
 * Checked: t/hg-watch.bats.
 */

/* Start from zeros. Owns: watched_free releases it. */
struct watched {
	const char *word;
	enum stage stage; /* that the word is about, or STAGE_COUNT */
	int code;         /* the exit code that the word stands for */
	int replaced;     /* another run than at the last look lies there */
	char *path;       /* NULL: none */
	json_t *state;    /* hg-run_state(5); NULL if it can't be read */
	char why[1024];   /* what keeps it from being read, or "" */
	char host[65];    /* where its stage is or was at work, or "" */
	int64_t now_ms;
	int64_t resume_ms; /* when its last resume point was written; 0: there is none */
	struct losses losses;
	/* While it waits for its lane, if that is known: who has it, since and until when. */
	char lane_holder[256];
	int64_t lane_since_ms, lane_until_ms;
	const struct target *target; /* NULL: no ledger was named */
	/* The directory, open, and what it was known by. */
	struct rundir r;
	int is_open;
	struct stat dir, spec;
};

/* Look at the run at ${path}, or at none if that is NULL. Errors stand in the word. */
void watched_look(struct watched *w, const char *path);

/* For programs, as hg-watch(5) has it; ${operand} is what was asked for. NULL with errno ENOMEM. */
json_t *watched_json(const struct watched *w, const char *operand);

/* The run's whole spec, or NULL while none is read. */
const json_t *watched_spec(const struct watched *w);

/* The view of a stage in the state, or NULL. */
const json_t *watched_stage(const struct watched *w, enum stage s);

void watched_free(struct watched *w);

#endif
