#ifndef HG_INGEST_H
#define HG_INGEST_H

#include <stdio.h>

#include "ledger/ledger.h"
#include "import/table.h"

/**
 * Claims into a ledger, each once.  A claim is known by its content, wherever
 * it was found: a submission by the names and bytes of its files, a table's
 * line by its cells and the table.  What a known author now says differently
 * is a new row that names the one it revises.
 *
 * A table is known again if it begins with the same header and line, or else
 * if more than half of its lines, or of the lines known, are the same.
 */
struct ingest {
	struct ledger *l;
	int json; /* print rows instead of findings */
	/* Results */
	size_t added[3], known, revised, findings;
	/* Private */
	struct ingest_seen *seen;
	struct ingest_chains *chains;
	size_t seen_count, seen_size;
};

/* ${l} is open for writing. 0, or -1 with errno, said. */
int ingest_begin(struct ingest *in, struct ledger *l, int json);

/* A claim, or all lines of a table; for harvest. */
int ingest_claims(void *intake, struct claim *const *claims, size_t n);

/* Write what is held. */
int ingest_end(struct ingest *in);
void ingest_free(struct ingest *in);

#endif
