#ifndef HG_INDEX_H
#define HG_INDEX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "law/standings.h"
#include "base/sha256.h"

/**
 * LEDGER/index: the facts of all rows, so that a ledger need not be read to
 * be added to.  It is disposable and never believed beyond what it can show:
 * it vouches only for a ledger file with the inode, size and times that it
 * saw last, on the boot that wrote it, and its facts carry a checksum.  In any
 * other case the ledger is read and verified whole, and the index made again.
 * So it is where a fact that the next decision rests on differs from its row
 * (ledger.c reads those again): the checksum has no key.
 * It is never synced.
 *
 * LEDGER/standings: what follows from the first so many of those facts
 * (law/settled.h), so that only those after them need be applied.  It counts
 * only where the sum of the facts up to there is the one that it was made of,
 * and has a checksum of its own; that has no key, either, so ledger.c holds who is incumbent, and where that stands,
 * against the last row of its group.  It knows the sums of every block of them,
 * too: to a writer, who reads few facts, it vouches for all at once, and what
 * is read of them is held against its block's sum before it is.
 */

#define INDEX_FILE "index"
#define INDEX_STANDINGS "standings"

struct index {
	void *map;
	size_t map_size;
	const struct standings_fact *facts;
	size_t count;
	size_t policy; /* index + 1 of the last row that is one; 0: none */
	uint64_t sum[4];
	char head[SHA256_HEX_SIZE]; /* digest of the ledger's last row */
	void *settled;              /* the file, with what follows from the first ${settled_count} facts; or NULL */
	const char *image;          /* where that is in it */
	size_t image_bytes, settled_bytes, settled_count;
	struct index_block *blocks; /* where blocks of facts begin, and the last ends */
	size_t block_count, block_cap;
	uint64_t *unseen; /* of the blocks those that are still to be looked at; or NULL: none is */
};

/* Before a block: the sum of all facts so far, and where the next one's row stands. */
struct index_block {
	uint64_t sum[4];
	uint64_t at;
};

/* Whether what was settled is taken, and facts of it may be left unseen. */
enum index_trust { INDEX_ALONE, INDEX_SETTLED, INDEX_LAZY };

/* Open; 0, or -1 if there is none that vouches for that ledger file. Nothing is said. */
int index_open(struct index *x, int dirfd, const struct stat *ledger, enum index_trust trust);

/* Look at a block of facts that is unseen: 0 if they are those that were summed. */
int index_see(const struct index *x, size_t block);

/* Put the facts of a block's rows in their place, in memory: 0 if they are those that were summed. */
int index_mend(struct index *x, size_t block, const struct standings_fact facts[STANDINGS_BLOCK]);
void index_close(struct index *x);

/*
 * Keep what follows from all facts, if that spares the next reader enough; ${b} is as standings_adopt left it.  Failing
 * is no failure of the caller's. Only under the ledger's lock.
 */
void index_settle(const struct index *x, int dirfd, const struct stat *ledger, const struct standings *b);

/* Write a new one for all facts of a book; failing is no failure of the caller's. Only under the ledger's lock. */
void index_write(int dirfd, const struct stat *ledger, const struct standings *b, const char *head, struct index *x);

/* One more fact, the ${n}th; the ledger is now as ${ledger} says. Only under the lock, with x as open or written. */
void index_add(struct index *x, int dirfd, const struct stat *ledger, const struct standings_fact *f, const char *head);

#endif
