#ifndef HG_NORMALIZER_H
#define HG_NORMALIZER_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "data/vocab.h"

/**
 * What a SentencePiece model does to text before pieces are looked for: its
 * compiled rules (a double-array trie of what is replaced, and the texts that
 * replace it), U+FFFD for each byte that is no UTF-8, blanks joined, marked as
 * U+2581 and stripped, the dummy prefix.  Pieces that a user defined are found
 * first and left as they are.  Immutable: threads share one.
 */
struct normalizer;

/**
 * normalizer_open(v):
 * Owns:   the caller calls normalizer_free; v must stay valid.
 * Errors: NULL with errno ENOMEM, or ENOTSUP: a model whose rules aren't done
 *         here (blanks that are suffixes or not marked, rules that are broken).
 * Checked: t/hg-data.bats and t/unit/bpe.c, against spm_encode.
 */
struct normalizer *normalizer_open(const struct vocab *v);
void normalizer_free(struct normalizer *z);

/* Append what a text of n bytes is to the model's pieces. 0, or -1 with errno ENOMEM. */
int normalizer_add(const struct normalizer *z, const char *text, size_t n, struct str *out);

/* Bytes of the longest piece defined by a user that the text begins with, and its id; 0 if there is none. */
size_t normalizer_user(const struct normalizer *z, const char *text, size_t n, uint32_t *id);

#endif
