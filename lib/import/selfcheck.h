#ifndef HG_SELFCHECK_H
#define HG_SELFCHECK_H

#include "import/claim.h"
#include "import/fields.h"

/**
 * A claim held against itself: loss and bits per byte, the score and the mean
 * of its runs, their deviation, bytes and their sum, the cap.  What disagrees
 * is noted with both numbers; a number under another's name is doubted.
 *
 * Nothing here fails; a claim that runs out of memory says so itself.
 */

/* All of it, once the runs have their scores. A run's bytes are the whole's if it is alone and has none. */
void selfcheck_claim(const struct fields *t);

/* Values that were read in vain, with what is wrong with them, as findings; what is missing altogether is none. */
void selfcheck_values(struct claim *c);

/* Is a number of bytes over the cap? Then that is noted. */
void selfcheck_cap(struct claim *c, const struct claim_value *v);

#endif
