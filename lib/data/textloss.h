#ifndef HG_TEXTLOSS_H
#define HG_TEXTLOSS_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "data/vocab.h"

/**
 * What a tokenizer loses of text: documents are decoded again and compared with
 * what they were.  Whether a document comes back is exact.  Lost bytes are those
 * that a walk over both texts does not find again: it pairs equal bytes, steps
 * over blanks that one side lacks and elsewhere over at most 16 bytes to where
 * four are equal, or else 256 on either side to where eight are; a line break
 * that became a space is one lost byte.
 */
struct textloss {
	uint64_t bytes, documents;
	struct str text; /* the last document as it comes back */
};

/**
 * textloss_add(t, v, ids, n, raw, raw_bytes):
 * Count one document, whose ids open with BOS; t->text is what it decodes to.
 * Owns:   textloss_free releases the text.
 * Errors: -1 with errno ENOMEM.
 * Checked: t/hg-data.bats.
 */
int textloss_add(struct textloss *t, const struct vocab *v, const uint16_t *ids, uint64_t n, const char *raw,
    size_t raw_bytes);
void textloss_free(struct textloss *t);

#endif
