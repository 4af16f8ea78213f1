#ifndef HG_TOKENS_H
#define HG_TOKENS_H

#include <stdint.h>

#include "data/dataset_part.h"
#include "data/inputerror.h"

/**
 * The shards of one part as one array of ids, in order.  Files are read with
 * pread, so that one cut short while in use is an error and no SIGBUS.
 */
struct tokens;

/* Open all shards and check sizes. Owns: the caller calls tokens_close; ${part} must stay valid. NULL, said. */
struct tokens *tokens_open(const struct dataset_part *part, uint32_t vocab_size, struct inputerror *f);
void tokens_close(struct tokens *t);
uint64_t tokens_count(const struct tokens *t);

/**
 * tokens_read(t, at, n, ids, f):
 * Copy n ids from position ${at}; at + n <= tokens_count (asserted).
 * Errors: -1, said: truncated, invalid (an id >= vocab_size), io.
 */
int tokens_read(const struct tokens *t, uint64_t at, uint64_t n, int32_t *ids, struct inputerror *f);

#endif
