#ifndef HG_REQUESTS_H
#define HG_REQUESTS_H

#include "report/words.h"

/**
 * The requests of a campaign, p->t, as hg-triage tells of them: what was
 * tried, what is real, what waits for its owner.
 * Errors: m->failed.
 * Checked: t/hg-report.bats.
 */

/* The three answers, and the table of all, by state. */
void requests_answers(const struct page *p);
void requests_write(const struct page *p);

#endif
