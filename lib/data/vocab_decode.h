#ifndef HG_VOCAB_DECODE_H
#define HG_VOCAB_DECODE_H

#include "base/str.h"
#include "data/vocab.h"

/**
 * vocab_decode(v, ids, n, out):
 * Append the text of ids to out: U+2581 is a space, control and unused ids are
 * nothing, unknown is U+2047 between spaces, byte pieces are their byte (so
 * that the text may be cut inside a character).  0, or -1 with errno ENOMEM.
 */
int vocab_decode(const struct vocab *v, const int32_t *ids, uint64_t n, struct str *out);

/* The same of ids as shards hold them. */
int vocab_decode_ids16(const struct vocab *v, const uint16_t *ids, uint64_t n, struct str *out);

#endif
