#ifndef HG_RESTS_H
#define HG_RESTS_H

#include "base/str.h"
#include "ledger/ledger.h"

/**
 * rests_on(l, run_uid, checkpoint, why):
 * Does what stands in the ledger rest on that run?  On those of a group's incumbent and of a configuration that was
 * promoted; of an open plan and of the two configurations that it is about; of the plan of a confirmation that found
 * an improvement; of a calibration; and, with the digest of its ${checkpoint} (or NULL), on one whose weights another
 * run started from.  *known tells whether the run has a row at all.
 * Returns 1 with the reason in ${why}, which is empty, or 0.  Errors: -1 with errno, said.
 * Checked: t/hg-prune.bats.
 */
int rests_on(const struct ledger *l, const char *run_uid, const char *checkpoint, int *known, struct str *why);

#endif
