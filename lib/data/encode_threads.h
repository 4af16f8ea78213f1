#ifndef HG_ENCODE_THREADS_H
#define HG_ENCODE_THREADS_H

#include "data/bpe.h"
#include "data/encoded.h"

/**
 * encode_threads(from, b, sink, cookie, f):
 * Encode a corpus by ${b} (NULL: as bytes) in as many threads as there are
 * processors.  ${sink} is called by the caller's thread alone, whatever their
 * number.  Memory: two buckets of the corpus or so, and some MiB a thread.
 * Errors: -1, said: memory, io, or what ${sink} failed of.
 * Checked: t/hg-data.bats.
 */
int encode_threads(const struct encoded_from *from, const struct bpe *b, encoded_sink *sink, void *cookie,
    struct inputerror *f);

#endif
