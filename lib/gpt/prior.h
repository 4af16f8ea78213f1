#ifndef HG_PRIOR_H
#define HG_PRIOR_H

#include <stddef.h>
#include <stdint.h>

#include "gpt/model.h"

/**
 * Counts of neighbouring tokens, and the table of model.bigram_prior from them:
 *   M[a][b] = clip(log p(b|a) - log p(b), -4, 4)
 * where p(b|a) = (c(a,b) + 1/4) / (c(a,.) + V/4) and p(b) = (c(.,b) + 1/4) / (n + V/4) of n pairs: how much likelier b
 * is after a than anywhere.  In double, rounded once, so the bits are those of the ids alone.
 */
struct prior;

/* Owns: the caller frees. NULL when out of memory, said. */
struct prior *prior_new(size_t vocab_size);
void prior_free(struct prior *p);

/* The next ids of the stream, each below vocab_size; the first of all has none before it. */
void prior_add(struct prior *p, const int32_t *ids, size_t n);

/* Shapes: table (V, V). */
void prior_table(const struct prior *p, float *table);

/* n ids of the training stream from position ${at}. 0, or -1, said. */
typedef int prior_source(void *cookie, uint64_t at, int32_t *ids, size_t n);

/**
 * prior_fill(m, stream_tokens, source, cookie):
 * Count the first bigram_prior_tokens ids of the stream, or all ${stream_tokens}, and put the table into a model whose
 * configuration has one; into another, nothing.
 * Errors: -1 as the source, or after saying why.
 */
int prior_fill(struct model *m, uint64_t stream_tokens, prior_source *source, void *cookie);

#endif
