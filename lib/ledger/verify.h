#ifndef HG_VERIFY_H
#define HG_VERIFY_H

#include <stddef.h>
#include <stdint.h>

#include "base/sha256.h"

/* What was found to be whole. */
struct verify {
	uint64_t rows, runs;
	size_t witnesses; /* runs that remember the same; without any the chain speaks for itself alone */
	char head[SHA256_HEX_SIZE];
};

/**
 * verify_ledger(path, runs, n, out):
 * Check a ledger without any index: its chain row by row, the posted head, and
 * the witnesses of the given runs, or, if there are none, of all runs that lie
 * beside those it names.  Says every row that was altered, moved, lost or left
 * unfinished.  Returns the exit code: DONE with *out filled, or CONTRACT.
 */
int verify_ledger(const char *path, char *const *runs, int n, struct verify *out);

#endif
