#ifndef HG_GRID_H
#define HG_GRID_H

#include "import/csv.h"
#include "import/textfile.h"

/**
 * A table of runs before anybody knows what its columns mean: names, and lines
 * of cells.  It comes from a text whose cells are parted (csv.h), from JSON
 * with one object a line, or from a JSON array of objects; keys are columns
 * then, those of an object in an object parted by a dot, and a cell that an
 * object lacks is NULL.
 *
 * A line of JSON that says what is measured ("type": "config", with metricName
 * and bestDirection) begins a segment, which is a table of its own.
 */

enum { GRID_LINES = 20000 };

struct grid {
	enum csv_form form; /* CSV_NONE: JSON */
	struct csv names;   /* simplified: lower case, blanks and dashes as underscores */
	struct csv *line;
	size_t count, cap;
	int more; /* lines were left out */
	/* What a segment says of itself; NULL: nothing. */
	char *metric;
	int higher;    /* or -1: not said */
	char *salt;    /* what tells its segment from the next one */
	char *command; /* what measures, or NULL */
	unsigned said_at;
	struct grid *next;
};

/* An empty table. Owns: grid_free releases it and all that follow it. NULL with errno ENOMEM. */
struct grid *grid_new(enum csv_form form);
void grid_free(struct grid *g);

/* Room for one more line, which is empty; NULL with errno ENOMEM. */
struct csv *grid_add(struct grid *g, unsigned line);

/* Which column has that name, made if there is none; -1: there are too many, or no memory (errno ENOMEM). */
int grid_column(struct grid *g, const char *name);

/* Put a copy of a text into a line's cell. 0, or -1 with errno ENOMEM. */
int grid_put(struct csv *line, int column, const char *text, size_t n);

/* "Val BPB" is val_bpb. */
void grid_simplify(char *name);

/* Is a column meant by a name, both simplified?  2: it is called so; 1: it ends in a dot and the name; 0. */
int grid_called(const char *column, const char *name);

/* Does a text begin as JSON with one object a line, in ${least} lines or more, or as an array of objects? */
int grid_is_json(const struct textfile *file, unsigned least);

/* Its tables, in order; NULL if there are none, or with errno ENOMEM. ${bad} counts lines that are no JSON. */
struct grid *grid_json(const struct textfile *file, size_t *bad);

/* A chart that W&B exports (a step, then "RUN - METRIC" with its __MIN and __MAX) as one line a run: 0, 1 if so, -1. */
int grid_chart(struct grid *g);

#endif
