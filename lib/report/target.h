#ifndef HG_TARGET_H
#define HG_TARGET_H

#include <sys/stat.h>

#include "base/sha256.h"
#include "report/losses.h"
#include "run/rundir.h"

/**
 * Whom a run that is under way competes with: the incumbent, by a ledger, of
 * the runs that have the same law of scoring and the same data.
 * Checked: t/hg-watch.bats.
 */

/* Start from zeros. Owns: target_free releases it. */
struct target {
	struct stat seen; /* the ledger's rows, when they were read */
	char uid[33];     /* for which run */
	char *path;       /* of the incumbent's run, as a person where the tool was called would type it; NULL: none */
	char *why;        /* why there is none, or no curve of it; NULL */
	const char *metric;
	double score;
	int64_t runs; /* that the score is the mean of */
	int itself;   /* the run is the incumbent's */
	struct losses losses;
};

/**
 * target_look(t, ledger, r):
 * Read the ledger if it has changed, or another run, which is loaded, is asked about.
 * Errors: -1 with errno, said: the ledger can't be read; see ledger_exit.
 */
int target_look(struct target *t, const char *ledger, const struct rundir *r);

void target_free(struct target *t);

#endif
