#ifndef HG_INERT_H
#define HG_INERT_H

#include "base/str.h"
#include "law/record.h"

/**
 * inert_differences(from, to, out):
 * Two runs of two configurations: is everything that is set otherwise without
 * effect on what is trained and scored?  A key may be one that the model or the
 * schedule does not read as it is set, one that only bounds what may be handed
 * in, or a real number that differs by less than a millionth.
 * Returns 1, with each key, its values and why in ${out}, which is empty; 0 if
 * something has an effect, nothing differs, or that can't be told, as of a row
 * of 0.1, of a trainer that is not ours, or of a replay; -1 with errno ENOMEM.
 * Checked: t/unit/inert.c, t/hg-ledger.bats.
 */
int inert_differences(const struct run_record *from, const struct run_record *to, struct str *out);

#endif
