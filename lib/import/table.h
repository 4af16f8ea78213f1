#ifndef HG_TABLE_H
#define HG_TABLE_H

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

enum { TABLE_ROWS = 20000 };

struct table_want {
	const char *metric; /* a column's name, or NULL: val_bpb */
	int higher;
};

struct table {
	struct claim **claims;
	size_t count, cap;
	int broken;
};

/**
 * table_read(s, name, file, want, loose):
 * All lines of all tables in a file.  Without ${loose} tables that have no
 * column for the metric are passed by; with it their lines become claims too,
 * flagged.  Owns: table_free releases the claims; ${name} must live as long.
 * 0, or -1 with errno ENOMEM.
 */
int
table_read(struct table *s, const char *name, const struct textfile *file, const struct table_want *want, int loose);
void table_free(struct table *s);

#endif
