#ifndef HG_IDS_H
#define HG_IDS_H

#include <stdint.h>

#include "fault.h"

/**
 * Token ids as text, one document a line, as `spm_encode --output_format=id
 * --extra_options=bos` prints them: decimal, separated by blanks, BOS first and
 * nowhere else.  Every other line is an error that names its number.
 */
struct ids;

/* Read from ${fd}, called ${what} in messages; both lent. NULL with errno ENOMEM. */
struct ids *ids_begin(int fd, const char *what, uint32_t vocab_size, uint32_t bos);
void ids_free(struct ids *r);

/**
 * ids_next(r, ids, n, f):
 * The next document: 1 and *n ids in *ids, valid until the next call; 0 at the end.
 * Errors: -1, said: invalid (empty line, no BOS, a second BOS, no number, an id
 *         outside the vocabulary, more ids than a shard may hold), memory, io.
 * Checked: t/hg-shard.bats.
 */
int ids_next(struct ids *r, const uint16_t **ids, uint64_t *n, struct fault *f);

#endif
