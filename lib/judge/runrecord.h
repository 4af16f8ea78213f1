#ifndef HG_RUNRECORD_H
#define HG_RUNRECORD_H

#include "ledger/row.h"
#include "run/rundir.h"

/**
 * From a run to what its ledger row says of it: identity, digests, scores
 * and whatever stands against them, taken from verified receipts alone.
 */

enum runrecord {
	RUNRECORD_CLOSED,     /* scored, or refused: a row can be made of it */
	RUNRECORD_PENDING,    /* a stage that the score needs has not begun, or died and was not closed out */
	RUNRECORD_RUNNING,    /* a stage is alive */
	RUNRECORD_INTERRUPTED /* closed, and nothing was found out: add_run makes a row of it on request only */
};

/**
 * runrecord_run(path, ledger, how, row):
 * Look at the run at ${path}, and fill row->run.  ${ledger} is the ledger's directory as an
 * absolute path; the run's place is kept relative to it.
 * Owns:   the caller frees *row.
 * Errors: -1 with errno, said; see rundir_exit for the code.
 */
int runrecord_run(const char *path, const char *ledger, enum runrecord *how, struct row *row);

/**
 * runrecord_row(b, r, row):
 * The last row of a loaded run, if it tells of the attempt that the run has come to: one that was tried again since
 * has none yet, *row NULL.
 * Errors: -1 with errno, said.
 */
int runrecord_row(const struct standings *b, const struct rundir *r, const struct standings_fact **row);

#endif
