#ifndef HG_TURNS_H
#define HG_TURNS_H

#include "campaign/triage.h"

/**
 * Who has a lane, whose turn it is there, and what else a request that is ready
 * waits for that is not its own: halt, room, the stop rule, a calibration, time.
 * Checked: t/hg-triage.bats.
 */

/*
 * Did a run that has not come to its end get on just now, so that its driver may be between two stages?  A driver needs
 * moments for that, and to begin.
 */
int turns_fresh(const struct triage *t, const struct campaign_run *run);

/* Is it at work, dead as it may be, or just about to be? */
int turns_at_work(const struct triage *t, const struct campaign_run *run);

/* Does the owner want what is promising confirmed? */
int turns_confirms(const struct triage *t);

/* Does the ledger's stop rule hold back what is new? */
int turns_stopped(const struct triage *t);

/* Would a run that the ledger asks for, which is like those that it has, end in the time that is left? */
int turns_would_end(const struct triage *t);

/*
 * The group that was judged last, if it has an incumbent that is wanted on that lane; else NULL.  It is where requests
 * use the lane, whose noise is not known or was that of another incumbent, if the owner has lanes calibrated; and where
 * what is to be confirmed ran.  *run is a run of the incumbent's there, as index + 1 of its row; 0: none is.
 */
const struct standings_group *turns_uncalibrated(const struct triage *t, const char *lane, size_t *run);

/* A run on the lane that the ledger asked for, for no request, which hg-campaign goes on with no more; or NULL. */
const struct campaign_run *turns_given_up(const struct triage *t, const char *lane);

/* Has no run that lane, and could one be begun, and one of a usual length end in the time that is left? */
int turns_lane_is_free(const struct triage *t, const char *name);

/* From now on it waits for that, with ${what} after a colon unless it is "". */
void turns_wait_for(struct triage_line *line, const char *reason, const char *what);

/* Hold back what is ready and whose turn it is not: what has begun comes first, then what is tried again, then new. */
void turns_take(struct triage *t);

#endif
