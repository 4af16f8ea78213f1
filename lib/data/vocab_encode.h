#ifndef HG_VOCAB_ENCODE_H
#define HG_VOCAB_ENCODE_H

#include <stddef.h>
#include <stdint.h>

#include "data/vocab.h"

/**
 * vocab_encode(v, text, n, wait_ms, ids, count, f):
 * Ids of one text, BOS first.  With a model that bpe_open does not take this
 * runs spm_encode as a child that dies with us and is killed after ${wait_ms}
 * (positive, asserted); line breaks become spaces, unless the vocabulary keeps
 * them, and NUL bytes too.
 * Owns:   the caller frees *ids.
 * Errors: -1, said, *f filled: tokenizer_missing, deadline, invalid, memory, io.
 */
int vocab_encode(const struct vocab *v, const char *text, size_t n, int64_t wait_ms, int32_t **ids, uint64_t *count,
    struct inputerror *f);

#endif
