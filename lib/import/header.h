#ifndef HG_HEADER_H
#define HG_HEADER_H

#include "import/claim.h"
#include "import/csv.h"
#include "import/number.h"

/**
 * What the columns of a keep/discard table mean by their names, and what a
 * line's cells under them say.
 */

/* A table's header, understood. */
struct header {
	const struct csv *cells;
	enum claim_what what[CSV_MOST];
	int commit;         /* columns, or -1 */
	int commit_is_hash; /* it is called commit, not merely run */
	int metric, status, title, date, kept, error;
	int twice[CSV_MOST];   /* another column has the same name */
	int percent[CSV_MOST]; /* all of its cells end in a percent sign */
	int zero_is_none;      /* in the column of the metric */
	int nameless;          /* columns are called by their places */
	const char *called;    /* the metric */
	int higher, usual;     /* usual: bits per byte, by their own name */
};

/* No column means anything yet. */
void header_none(struct header *h, const struct csv *cells);

/* What columns mean by their names, but for the metric. Owns: ${cells} must live as long. */
void header_read(struct header *h, const struct csv *cells);

/* A column of that name, or the one that a dotted name ends in, where it is the only one; -1: there is none. */
int header_column(const struct csv *header, const char *name);

/* Bits per byte by its own name, or by another where that is the only one; -1: neither. */
int header_usual(const struct csv *cells);

/* The status that a cell is, "" if it says that the run is sound and no more, NULL if it is none. */
const char *header_status(const char *cell);

/* A line's cell, or NULL; of column -1, too. */
const char *header_cell(const struct csv *row, int column);

/* A number, in percent where all of its column is. */
struct number header_figure(const char *cell, int percent, enum number_kind kind);

/* What was decided of a line: k, d, c for crash, f for failed checks, u for unfinished, 0. */
char header_decision(const struct header *h, const struct csv *row);

#endif
