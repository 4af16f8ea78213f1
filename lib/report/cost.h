#ifndef HG_COST_H
#define HG_COST_H

#include "report/words.h"

/**
 * What a campaign cost: runs, and the wall-clock time of their stages as the
 * rows have it.
 * Errors: m->failed.
 * Checked: t/hg-report.bats.
 */

/* All of it in a line: what it went into, and what a find cost. */
void cost_line(const struct page *p);

/* What one find cost on its axis, since the find before it or the start. */
void cost_find(const struct page *p, const struct pagedata_confirmation *find);

#endif
