#ifndef HG_METRICS_H
#define HG_METRICS_H

#include <jansson.h>
#include <stdint.h>

/**
 * metrics.jsonl while training writes it: one line a step, appended without
 * fsync.  A resume point counts on its first bytes, so they are synced before
 * it, and what comes after it is cut off when training goes on from there.
 */
struct metrics {
	int dirfd; /* the run's directory, lent */
	int fd;
	uint64_t bytes, rows; /* of the lines that count */
};

/* Open (and with it create); nothing is cut yet. 0, or -1 with errno, said; so for all that follow. */
int metrics_open(struct metrics *j, int dirfd);

/* Append a row; steals it. */
int metrics_add(struct metrics *j, json_t *row);

/* Forget all but the first j->bytes; fails with errno ENODATA, silent, if there are fewer. */
int metrics_cut(struct metrics *j);

int metrics_sync(struct metrics *j);

/* The largest wallclock_ms of the lines after the first j->bytes, or ${least} if that is more. */
int64_t metrics_last_ms(const struct metrics *j, int64_t least);

#endif
