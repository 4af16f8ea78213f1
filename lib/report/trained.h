#ifndef HG_TRAINED_H
#define HG_TRAINED_H

#include "report/words.h"

/**
 * The last runs that trained: the loss of each over the incumbent's, what it
 * set otherwise, and what came of it.
 * Errors: m->failed.
 * Checked: t/hg-report.bats.
 */
void trained_write(const struct page *p);

/* Is a run one of those? Its place on the page is #l and its row's number. */
int trained_has(const struct pagedata *s, const struct pagedata_run *r);

#endif
