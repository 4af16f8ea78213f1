#ifndef HG_SPECDIFF_H
#define HG_SPECDIFF_H

#include <jansson.h>

#include "base/str.h"
#include "run/rundir.h"

/* In which keys two specs differ. */

/**
 * specdiff_first(a, b, where):
 * Do two specs ask for different things?  Identity (run_id, run_uid,
 * created_at) aside; an absent key is its default.  0, or 1 with the first difference in ${where}:
 * `train.seed is 1, not 2`.  -1 with errno ENOMEM.
 */
int specdiff_first(const json_t *a, const json_t *b, struct str *where);

/**
 * specdiff_keys(a, b):
 * The keys that two specs, which may be partial, set otherwise, defaults filled in: an array of {key, tag, from, to}
 * in the contract's order, the tag as the contract has it; a value that is missing on a side and has no default has no
 * member there.  Identity and digests, which follow from the keys, are no keys.
 * Owns:   the caller decrefs.
 * Errors: NULL with errno ENOMEM.
 */
json_t *specdiff_keys(const json_t *a, const json_t *b);

/**
 * specdiff_parent(r, out):
 * What a run that is loaded asks for otherwise than the run that it was made from, if that lies beside it still:
 * `train.matrix_lr 0.04 -> 0.02`, keys that are for people aside; "" if it has no such parent or nothing was changed.
 * Errors: -1 with errno ENOMEM.
 */
int specdiff_parent(const struct rundir *r, struct str *out);

/* Print such keys to standard output, a line each: tag, key and both values. 0, or -1 with errno ENOMEM. */
int specdiff_print(const json_t *keys);

#endif
