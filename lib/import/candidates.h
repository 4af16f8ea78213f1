#ifndef HG_CANDIDATES_H
#define HG_CANDIDATES_H

#include "base/str.h"
#include "import/grid.h"
#include "import/header.h"

/**
 * Which columns of a table a loop may be about, and which of them its author's
 * own decisions speak for (metric.h): what is asked of whoever imports it, and
 * chosen for him only where nothing else would do.
 * Checked: t/loops.bats.
 */

/* The numbers of a column, a line each, in ${out}; NAN: none. ${fractions}: do any have a fraction? */
void candidates_numbers(const struct grid *g, const struct header *h, int column, double *out, int *fractions);

/* Add to ${say} the columns with numbers that a loop may be about; all where none is. 0, or -1 for ENOMEM. */
int candidates_list(struct str *say, const struct grid *g, const struct header *h);

/*
 * Add to ${say} which columns all decisions fit, or else most of them.  The column that they speak for alone, and its
 * direction in ${higher}; ${sure}: they are enough that nobody need be asked.  -1: none, -2: several, -3: no memory.
 */
int candidates_ask(struct str *say, const struct grid *g, const struct header *h, int *higher, int *sure);

/* The first column whose numbers are not all the same, or else the first with numbers; -1: there is none, -3. */
int candidates_varying(const struct grid *g, const struct header *h);

#endif
