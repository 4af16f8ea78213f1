#ifndef HG_PANEL_H
#define HG_PANEL_H

#include "base/str.h"
#include "report/watched.h"

/**
 * What is watched, as text for a person: a panel as wide as the terminal, or a
 * line.  What comes from files is made safe to show in the panel; of a line out_put sees to it, as of all that is
 * printed.
 * Checked: t/hg-watch.bats.
 */

/* The terminal: its size (rows 0: as many as it takes), and whether it shows UTF-8. */
struct panel_size {
	unsigned columns, rows;
	int utf8;
};

enum { PANEL_COLUMNS_LEAST = 20, PANEL_COLUMNS_MOST = 160 };

/**
 * panel_draw(out, w, operand, size):
 * Append the panel, lines of at most size->columns characters each; the curve gives way where there are few rows.
 * Errors: -1 with errno ENOMEM.
 */
int panel_draw(struct str *out, const struct watched *w, const char *operand, const struct panel_size *size);

/* One line, without its newline: where the run stands. The same. */
int panel_line(struct str *out, const struct watched *w, const char *operand);

/*
 * What must differ for panel_line to be worth another line: run, word, stages, last words, validations and tenths of
 * the way.  The same.
 */
int panel_key(struct str *out, const struct watched *w);

#endif
