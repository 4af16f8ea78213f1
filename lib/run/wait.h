#ifndef HG_WAIT_H
#define HG_WAIT_H

#include <stdint.h>

#include "run/rundir.h"

/**
 * wait_stages(runs, n, stages, any, wait_ms):
 * Wait until the stages in the bit set ${stages} (1 << STAGE_TRAIN ...) of ${n} open, loaded runs have closed out, or
 * with ${any} until one has; close out those that died.  File events and the ends of owners wake it at once, and it
 * looks once a second anyway.  A line on stdout for each stage that settles: `RUN STAGE STATE`.
 * Returns an exit code, everything said: the worst of the stages', or HG_EXIT_NOT_YET when the time is over.
 * Checked: t/hg-await.bats.
 */
int wait_stages(struct rundir *runs, int n, unsigned stages, int any, int64_t wait_ms);

#endif
