#ifndef HG_LANE_H
#define HG_LANE_H

#include <stddef.h>

/**
 * A lane is a named machine setting on which one trainer runs at a time.  Its
 * lock lies outside all runs, one file for each host and lane, in
 *   $HOMEGOLF_LANES, or
 *   $XDG_STATE_HOME/homegolf/lanes, or
 *   $HOME/.local/state/homegolf/lanes:
 * a place that outlives a login and that no cleaner empties, which a runtime or
 * a cache directory is not.  Several users of one machine set HOMEGOLF_LANES.
 */

#define LANE_HOLDER_SIZE 256

/* Open (and with it create) a lane's lock file; a descriptor that is not locked, or -1 with errno, said. */
int lane_open(const char *lane);

/**
 * lane_take(fd, run):
 * Take the lane for ${run} if it is free.  It is held until all descriptors of
 * that description close.  0, or -1 with errno: EAGAIN, silent, when taken.
 */
int lane_take(int fd, const char *run);

/* Who took the lane last: "process 12, run 'runs/7'". Returns out. */
char *lane_holder(int fd, char out[LANE_HOLDER_SIZE]);

#endif
