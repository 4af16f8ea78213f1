#ifndef HG_GAMECHECK_H
#define HG_GAMECHECK_H

#include "import/claim.h"

/**
 * A claim held against the public game: 600 seconds of training, one
 * validation text, and what is known of faults that others found before.
 * What was found is noted with its numbers; values stay as they are, and
 * rejudge.h says which of it keeps a claim from being compared.
 *
 * Nothing here fails; a claim that runs out of memory says so itself.
 */

#define GAMECHECK_TIME_MS 600000
#define GAMECHECK_TEXT_BYTES 151080363 /* of the whole validation split, as V1024 counts them */

/* All of it; a log alone to known bytes per token, and to the time where it says that its limit is the game's. */
void gamecheck_claim(struct claim *c);

/**
 * gamecheck_denominator(ratio, error, fault):
 * The name under which so many bytes per token are known, within +- error, or
 * NULL; also where digits are too few to tell.  *fault is whether something is
 * wrong with them.
 */
const char *gamecheck_denominator(double ratio, double error, int *fault);

#endif
