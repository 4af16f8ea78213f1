#ifndef HG_ROWS_H
#define HG_ROWS_H

#include <jansson.h>

#include "base/sha256.h"
#include "run/rundir.h"

/**
 * Rows of a ledger that is looked at from outside: read along the chain, which
 * is checked on the way, without a lock and without the index.
 */

/* A row that was wanted, and the digest of its line. */
struct rows_row {
	json_t *json;
	int64_t number;
	char sha256[SHA256_HEX_SIZE];
};

struct rows {
	struct rows_row *list;
	size_t count, cap;
};

/**
 * rows_read(path, want, arg, rows):
 * The rows of the ledger at ${path} that ${want} asks for, in order; it is
 * handed each with the digest of its line, and says 1 or 0.
 * Owns:   the caller calls rows_free.
 * Errors: -1 with errno, said: ENOENT no ledger there; EBADMSG it does not verify; others.
 */
typedef int rows_want(void *arg, const struct rows_row *row);
int rows_read(const char *path, rows_want *want, void *arg, struct rows *rows);
void rows_free(struct rows *rows);

/* The ledger that a run remembers, if it is there still: 1 and its path in *path, which the caller frees; or 0. */
int rows_witnessed(const struct rundir *r, char **path);

#endif
