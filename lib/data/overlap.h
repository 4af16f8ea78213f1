#ifndef HG_OVERLAP_H
#define HG_OVERLAP_H

#include <stdint.h>

#include "data/corpus.h"

/**
 * Finds training documents that are validation documents too, by their ids: text that a tokenizer cannot tell apart is
 * the same.  Validation comes first.  Documents without an id but BOS are never the same.
 * Memory: a digest for each validation document.
 */
struct overlap;

/* NULL with errno ENOMEM. Owns: the caller calls overlap_free. */
struct overlap *overlap_new(void);
void overlap_free(struct overlap *o);

/* The next ids of the document under way, which may come in parts. */
void overlap_ids(struct overlap *o, const uint16_t *ids, uint64_t n);

/* The document ends: one of validation (0), or is it one of those? 1, 0; -1 with errno ENOMEM. */
int overlap_end(struct overlap *o, int is_val);

/* The same for a document with an id but BOS, of whose ids this is the digest. */
int overlap_digest(struct overlap *o, const unsigned char digest[CORPUS_DIGEST_BYTES], int is_val);

#endif
