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
 * if more than half of its lines, or of the lines known, are the same.  It
 * keeps the metric that it has in the ledger; where another one is asked for,
 * its lines are added again, and each revises the one before.
 */
struct ingest {
	struct ledger *l;
	int json;  /* print rows instead of findings */
	int asked; /* the metric was named, and counts against a table's earlier one */
	/* Results */
	size_t added[3], known, revised, findings;
	/* Private */
	struct ingest_seen *seen;
	struct ingest_chains *chains;
	size_t seen_count, seen_size;
};

/* ${l} is open for writing. 0, or -1 with errno, said. */
int ingest_begin(struct ingest *in, struct ledger *l, int json);

/* The metric of the table that begins so, as its last row has it, or NULL; for struct table_want. */
const char *ingest_metric(void *intake, const char *series, int *higher);

/* A claim, or all lines of a table; for discover.h. */
int ingest_claims(void *intake, struct claim *const *claims, size_t n);

/* Write what is held. */
int ingest_end(struct ingest *in);
void ingest_free(struct ingest *in);

#endif
