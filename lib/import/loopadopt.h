#ifndef HG_LOOPADOPT_H
#define HG_LOOPADOPT_H

#include "base/str.h"
#include "import/rejudge.h"

/**
 * The commands that put a loop under Homegolf: its program as an external
 * trainer (hg-trainer(7)) that gives its word, and a ledger that judges by its
 * metric.  Sentences and commands as looptext.h has them; nothing where
 * nothing is to be settled, or where the metric has no name, and once for all
 * groups that they are the same for.
 * 0, or -1 with errno ENOMEM.
 * Checked: t/loops.bats, which pastes them.
 */
int loopadopt_text(struct str *out, const struct rejudge *r, const struct rejudge_group *g);

#endif
