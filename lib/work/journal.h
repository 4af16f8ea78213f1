#ifndef HG_JOURNAL_H
#define HG_JOURNAL_H

#include <jansson.h>
#include <stdint.h>

/**
 * metrics.jsonl while training writes it: one line a step, appended without
 * fsync.  A resume point counts on its first bytes, so they are synced before
 * it, and what comes after it is cut off when training goes on from there.
 */
struct journal {
	int dirfd;		/* the run's directory, lent */
	int fd;
	uint64_t bytes, rows;	/* of the lines that count */
};

/* Open (and with it create); nothing is cut yet. 0, or -1 with errno, said; so for all that follow. */
int journal_open(struct journal *j, int dirfd);

/* Append a row; steals it. */
int journal_add(struct journal *j, json_t *row);

/* Forget all but the first j->bytes; fails with errno ENODATA, silent, if there are fewer. */
int journal_cut(struct journal *j);

int journal_sync(struct journal *j);

/* The largest wallclock_ms of the lines after the first j->bytes, or ${least} if that is more. */
int64_t journal_last_ms(const struct journal *j, int64_t least);

#endif
