#ifndef HG_LANE_H
#define HG_LANE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

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

/* What the lane's lock tells of who took it last. */
struct lane_holder {
	char text[LANE_HOLDER_SIZE]; /* "process 12, run 'runs/7'" */
	pid_t pid;                   /* 0, as the next, if the text does not say or is of another boot */
	int64_t over_boot_ms;        /* when it is over at the latest */
};

/**
 * lane_take(fd, run, over_boot_ms):
 * Take the lane for ${run} if it is free.  It is held until all descriptors of
 * that description close.  0, or -1 with errno: EAGAIN, silent, when taken.
 */
int lane_take(int fd, const char *run, int64_t over_boot_ms);
void lane_holder(int fd, struct lane_holder *out);

/*
 * The same of a lane that somebody else may have, for whoever only looks: nothing is made or opened for writing. 1 if
 * it is held, and since when by the wall clock in *since_ms; 0 if not; -1 if nobody can tell.
 */
int lane_look(const char *lane, struct lane_holder *out, int64_t *since_ms);

/**
 * A place in the line before a lane: a record of a file beside its lock, and
 * an open-file-description lock on that record for as long as its owner waits.
 * Who dies in the line is out of it.  The line is a courtesy: where it can't be
 * kept (a full disk), or its first stands still, the lane's lock alone decides.
 */
struct lane_place {
	int fd; /* -1: none */
	int64_t record, turn;
};

/* Join the line at its end; ${need_ms}: how long the lane will be wanted at most. What fails is noted, not told. */
void lane_queue(struct lane_place *p, const char *lane, int64_t need_ms);

/* How many stand before us, and how long they want the lane all together. */
int lane_ahead(const struct lane_place *p, int64_t *need_ms);

void lane_leave(struct lane_place *p);

#endif
