#ifndef HG_TABLE_H
#define HG_TABLE_H

#include "base/str.h"
#include "import/claim.h"
#include "import/textfile.h"

/**
 * A keep/discard table as claims, one for each line.  A line with another
 * number of cells than its header is believed only if what stands under the
 * status column is a status: then nothing before it has moved.
 *
 * Each claim's `content` is the digest of its cells, `key` of what names it
 * (its commit, or else what it describes), `series` of the header with the
 * first line; whoever knows earlier imports makes the final ones of them.
 */

struct table_want {
	const char *metric; /* a column's name, or NULL: what the table says, or what it was before, or val_bpb */
	int higher;
	/* The metric of a table that is known by the digest of its beginning, or NULL. NULL: nothing is known. */
	const char *(*known)(void *arg, const char *series, int *higher);
	void *arg;
};

struct table {
	struct claim **claims;
	size_t count, cap;
	int empty;         /* a header without lines stood there */
	int workspace;     /* DVC's line for what is not committed was left out */
	struct str said;   /* the last table's metric, and what its author's decisions say of it */
	struct str asked;  /* why a table was not taken: its columns, and what would do; p is NULL if none was left */
	struct str column; /* the one that its author's decisions fit, if that is only one */
	int higher;        /* and in which direction; or -1 */
	char **held;       /* names that claims point to */
	size_t held_count;
	struct str guess; /* what columns without names look like */
};

/**
 * table_read(s, name, file, want, loose):
 * All lines of all tables in a file, be they cells or JSON objects.  A table
 * whose metric is not known yields no claim; ${s}->asked says what is missing.
 * Without ${loose} a table that has neither the metric nor decisions is passed
 * by in silence.
 * Owns: table_free releases the claims; ${name} and what ${want} names must live as long.
 * 0, or -1 with errno ENOMEM.
 */
int
table_read(struct table *s, const char *name, const struct textfile *file, const struct table_want *want, int loose);

/* The same of a table that is there already, as ${name}; its metric is its own. */
struct grid;
int table_grid(struct table *s, const char *name, struct grid *g, const struct table_want *want);
void table_free(struct table *s);

#endif
