#ifndef HG_CSV_H
#define HG_CSV_H

#include <stddef.h>

/**
 * Tables as text: lines of cells parted by tabs, by a backslash and a t, by
 * commas (with quotes), by semicolons, or by bars as in Markdown.
 */

enum { CSV_MOST = 256 };

enum csv_form { CSV_NONE, CSV_TAB, CSV_LITERAL_TAB, CSV_COMMA, CSV_SEMICOLON, CSV_BAR };

struct csv {
	char *cell[CSV_MOST]; /* without blanks and quotes around them */
	size_t count;
	int more;      /* there were more than are kept */
	unsigned line; /* where it begins, from 1 */
	enum csv_form form;
};

/* How a line is parted, as far as it shows. */
enum csv_form csv_form_of(const char *line, size_t n);

/**
 * csv_next(row, form, text, n, at, line):
 * The line that begins at *at, which is number *line; both move past it.  A
 * quoted cell of a comma table may hold line feeds.  A line without tabs in a
 * table of tabs is parted by literal ones, if it has any; row->form says so.
 * Owns: csv_free releases the row.  1; 0 at the end; -1 with errno ENOMEM.
 */
int csv_next(struct csv *row, enum csv_form form, const char *text, size_t n, size_t *at, unsigned *line);
void csv_free(struct csv *row);

/* "|---|:--:|": the line under a Markdown table's header. */
int csv_is_rule(const struct csv *row);

#endif
