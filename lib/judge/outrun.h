#ifndef HG_OUTRUN_H
#define HG_OUTRUN_H

#include "ledger/ledger.h"

/**
 * Early end of clear losers: what a run's training loss may be, past half of
 * its steps, beside the incumbent's runs at the same steps.
 */

enum outrun {
	OUTRUN_MADE, /* RUN/pace.json is there */
	OUTRUN_NO,   /* none is for this run, said; one that was there is gone, unless training has closed out by it */
	OUTRUN_LATER /* it could have one, but not now, said */
};

/**
 * outrun_pace(l, path, how):
 * Make pace.json of the run at ${path}, which is to be trained, anew from the
 * incumbent's runs that are in the ledger and whose files are what their rows
 * say.  Never for the incumbent's configuration, nor for one that a plan is
 * open for or that was screened before.
 * Errors: -1 with errno, said.
 * Checked: t/outrun.bats.
 */
int outrun_pace(const struct ledger *l, const char *path, enum outrun *how);

/**
 * outrun_limit(loss, score_per_loss, lane_sd, error, spread):
 * The loss above which a score that is better than predicted by ${error} is still two lane deviations worse than the
 * incumbent's, and which lies above the incumbent's by ${spread} at least.  ${score_per_loss}: what is predicted.
 * Units:  nats a token for losses and spread; the metric's for lane_sd and error.
 * Exported for tests.
 */
double outrun_limit(double loss, double score_per_loss, double lane_sd, double error, double spread);

#endif
