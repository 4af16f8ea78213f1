#ifndef HG_NUMERICS_H
#define HG_NUMERICS_H

#include "gpt/ops.h"
#include "base/sha256.h"

/**
 * numerics_digest(backend, isa, arith, numerics, threads, hex):
 * What a backend computes, to the last bit: the digest of losses and weights
 * of three fixed training steps of a small fixed model.  Two builds or machines
 * with the same digest add and round alike; a comment changes nothing.
 * Errors: -1 after saying why; errno as model_open.
 */
int numerics_digest(const char *backend, const char *isa, enum ops_arith arith, unsigned numerics, unsigned threads,
    char hex[SHA256_HEX_SIZE]);

#endif
