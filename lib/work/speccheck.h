#ifndef HG_SPECCHECK_H
#define HG_SPECCHECK_H

#include <jansson.h>
#include <stdint.h>

#include "gpt/trainspec.h"

/**
 * speccheck(spec, recipe):
 * Could a run of this spec, as specrequest_build made it, be trained and scored here?  Rules between keys, the
 * instruction set, and the documents of validation.  Fills *recipe, and *train_tokens (unless NULL) with what the data
 * hold for training.
 * Returns an exit code, everything said: no run is made of what is not DONE.
 * Checked: t/hg-spec.bats, t/hg-triage.bats.
 */
int speccheck(const json_t *spec, struct trainspec *recipe, uint64_t *train_tokens);

#endif
