#ifndef HG_CELLS_H
#define HG_CELLS_H

#include <stddef.h>

/**
 * Tables as text: lines of cells parted by tabs, by a backslash and a t, by
 * commas (with quotes), by semicolons, or by bars as in Markdown.
 */

enum { CELLS_MOST = 256 };

enum cells_form { CELLS_NONE, CELLS_TAB, CELLS_LITERAL_TAB, CELLS_COMMA, CELLS_SEMICOLON, CELLS_BAR };

struct cells {
	char *cell[CELLS_MOST];		/* without blanks and quotes around them */
	size_t count;
	int more;			/* there were more than are kept */
	unsigned line;			/* where it begins, from 1 */
	enum cells_form form;
};

/* How a line is parted, as far as it shows. */
enum cells_form cells_form_of(const char *line, size_t n);

/**
 * cells_next(row, form, text, n, at, line):
 * The line that begins at *at, which is number *line; both move past it.  A
 * quoted cell of a comma table may hold line feeds.  A line without tabs in a
 * table of tabs is parted by literal ones, if it has any; row->form says so.
 * Owns: cells_free releases the row.  1; 0 at the end; -1 with errno ENOMEM.
 */
int cells_next(struct cells *row, enum cells_form form, const char *text, size_t n, size_t *at, unsigned *line);
void cells_free(struct cells *row);

/* "|---|:--:|": the line under a Markdown table's header. */
int cells_is_rule(const struct cells *row);

#endif
