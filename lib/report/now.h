#ifndef HG_NOW_H
#define HG_NOW_H

#include "report/words.h"

/**
 * now_line(p):
 * The run at work among those that lie where the ledger's last runs do, as the
 * one resolver says, in a line; nothing if none runs.
 * Errors: m->failed.
 * Checked: t/hg-report.bats.
 */
void now_line(const struct page *p);

#endif
