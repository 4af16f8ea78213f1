#ifndef HG_RUNRECORD_H
#define HG_RUNRECORD_H

#include <jansson.h>

#include "run/rundir.h"

/**
 * From a run to the member `run` of its ledger row: identity, digests, scores
 * and whatever stands against them, taken from verified receipts alone.
 */

enum runrecord {
	RUNRECORD_CLOSED,  /* scored, or refused: a row can be made of it */
	RUNRECORD_PENDING, /* a stage that the score needs has not begun, or died and was not closed out */
	RUNRECORD_RUNNING  /* a stage is alive */
};

/**
 * runrecord_run(path, ledger, how, run):
 * Look at the run at ${path}.  ${ledger} is the ledger's directory as an
 * absolute path; the run's place is kept relative to it.
 * Owns:   the caller decrefs *run.
 * Errors: -1 with errno, said; see rundir_exit for the code.
 */
int runrecord_run(const char *path, const char *ledger, enum runrecord *how, json_t **run);

#endif
