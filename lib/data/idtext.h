#ifndef HG_IDTEXT_H
#define HG_IDTEXT_H

#include <stdint.h>

#include "data/inputerror.h"

/**
 * Token ids as text, one document a line, as `spm_encode --output_format=id
 * --extra_options=bos` prints them: decimal, separated by blanks, BOS first and
 * nowhere else.  Every other line is an error that names its number.
 */
struct idtext;

/* Read from ${fd}, called ${what} in messages; both lent. NULL with errno ENOMEM. */
struct idtext *idtext_begin(int fd, const char *what, uint32_t vocab_size, uint32_t bos);
void idtext_free(struct idtext *r);

/**
 * idtext_next(r, ids, n, f):
 * The next document: 1 and *n ids in *ids, valid until the next call; 0 at the end.
 * Errors: -1, said: invalid (empty line, no BOS, a second BOS, no number, an id
 *         outside the vocabulary, more ids than a shard may hold), memory, io.
 * Checked: t/hg-shard.bats.
 */
int idtext_next(struct idtext *r, const uint16_t **ids, uint64_t *n, struct inputerror *f);

#endif
