#ifndef HG_TRIED_H
#define HG_TRIED_H

#include "report/words.h"

/**
 * tried_write(p):
 * What was tried, key by key: of each setting that runs of one axis do not
 * all share the values, how often, how good, and what became of them, with a
 * picture of score against value.  From rows alone; those of 0.1 know no
 * settings and are left out, which is said.
 * Errors: m->failed.
 * Checked: t/hg-report.bats.
 */
void tried_write(const struct page *p);

#endif
