#ifndef HG_SUMMARY_H
#define HG_SUMMARY_H

#include "run/rundir.h"

/**
 * RUN/summary.json, hg-summary(5): a run's state for people and make.  Whoever
 * changes a run's state publishes it anew, so that it is never stale: what can't
 * be written is removed, for no view is better than an old one.
 */

/**
 * summary_publish(r):
 * Publish the state of a run as it is now.  Of several who publish at once the
 * last sees to it that what stands is true.
 * Errors: -1 with errno, said; the old view is gone, unless that failed, too.
 * Checked: t/hg-status.bats.
 */
int summary_publish(struct rundir *r);

/* The same, where there is one; a failure is said, and is no more than that. */
void summary_renew(struct rundir *r);

#endif
