#ifndef HG_DISCOVER_H
#define HG_DISCOVER_H

#include <stddef.h>

#include "import/claim.h"
#include "import/table.h"

/**
 * From the files and folders that somebody names to claims.  In a folder are
 * read: submission*.json, with all logs at it and below it that lie nearer to
 * no other; other logs that hold scores; tables (tsv, csv, results*.md, jsonl,
 * and arrays in experiments*.json and the like) with a column for the metric
 * and one that tells lines apart, in the hidden folders that loops keep theirs
 * in, too.  A file that is named itself is read whatever it is called.  What
 * tells of runs and has no metric that is known is passed by, and named.
 *
 * Symbolic links below a folder are not followed; what is no regular file is
 * never opened for long.  Order is by name, so that it is always the same.
 */

enum { DISCOVER_DEPTH = 64 };
#define DISCOVER_LOG_BYTES ((size_t)32 << 20)
#define DISCOVER_JSON_BYTES ((size_t)4 << 20)
#define DISCOVER_TABLE_BYTES ((size_t)16 << 20)
#define DISCOVER_LOGS_BYTES ((size_t)256 << 20) /* of one submission together */

struct discover {
	struct table_want want;
	/*
	 * Takes a claim, or all lines of a table; they are released afterwards. Stop by returning -1 with errno,
	 * said.
	 */
	int (*each)(void *arg, struct claim *const *claims, size_t n);
	void *arg;
	const char *ledger; /* its path, for what to type next; NULL: nothing is said */
	/* Results */
	size_t files, unreadable;
};

/* All claims of a source; 0; 1 if there is none in it, or none whose metric is known, said; -1 with errno, said. */
int discover_source(struct discover *h, const char *path);

#endif
