#ifndef HG_SPECDIGEST_H
#define HG_SPECDIGEST_H

#include <jansson.h>

#include "base/sha256.h"

/**
 * The digests of spec.json: what groups runs (hg-spec(5), DIGESTS).  They are
 * of what the file says: a later key enters only where it deviates from its
 * default, so that no digest changes because a key came.
 */

/**
 * specdigest_data(path, data, data_sha256):
 * Fill the spec's section data from PATH/dataset.json: digests of that file
 * and of its lists of shards, tokenizer and vocabulary.  The shards themselves
 * are not read: dataset_verify (lib/data) holds them against the same file.
 * Owns:   the caller decrefs *data.
 * Errors: -1 with errno, said: EBADMSG it breaks its contract.
 */
int specdigest_data(const char *path, json_t **data, char data_sha256[SHA256_HEX_SIZE]);

/* Compute config, model and eval into ${digests}, which holds the others. 0, or -1 with errno ENOMEM. */
int specdigest_put(const json_t *spec, json_t *digests);

/* That of model, training, export and budget, given weights apart; 0, or -1 with errno ENOMEM. */
int specdigest_recipe(const json_t *spec, char hex[SHA256_HEX_SIZE]);

/* The digest of the whole but itself; 0, or -1 with errno ENOMEM. */
int specdigest_content(const json_t *spec, char hex[SHA256_HEX_SIZE]);

/* As specdigest_put, and the content's of a spec whose digests are in it, too. 0, or -1 with errno ENOMEM. */
int specdigest_again(const json_t *spec, json_t *digests);

/**
 * What the configuration's digest is of, for people: the result keys that
 * differ from their defaults, `train.matrix_lr`: 0.02, in the contract's order.
 * Owns: the caller decrefs. NULL with errno ENOMEM.
 */
json_t *specdigest_settings(const json_t *spec);

#endif
