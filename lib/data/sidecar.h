#ifndef HG_SIDECAR_H
#define HG_SIDECAR_H

#include <stdint.h>

#include "data/dataset_part.h"
#include "data/inputerror.h"
#include "data/vocab.h"

/**
 * Byte counts beside the shards of validation.  Where text was transformed
 * before it became tokens (case operators, say), pieces no longer tell how many
 * bytes of the original a token stands for; so whoever transformed it writes
 * that number for each token, in files laid out as shards, hg-shard(5).  They
 * are somebody's word, hence checked as far as can be told: a count for each
 * token, none of BOS, some of each document that has text, none absurd, and a
 * sum that the tokens' own text bears out, or that the owner declares.
 */
struct sidecar;

/* What the tokens' own text says about the sum. */
struct sidecar_text {
	uint64_t bytes;     /* by the vocabulary's rule */
	uint64_t operators; /* of them in private-use characters, of which no original has many */
	/* Inside a character that may be one. */
	unsigned char lead, left, size;
};

/* Add a token that counts ${bytes} by the vocabulary's rule. */
void sidecar_text_add(struct sidecar_text *t, const struct vocab *v, uint32_t id, uint32_t bytes);

/**
 * sidecar_open(part, tokens, declared, f):
 * Read the counts of ${part}, one for each of ${tokens}, which must stay valid.
 * ${declared} is what they must sum to, or DATASET_UNKNOWN.
 * Owns:   the caller calls sidecar_close.
 * Errors: NULL, said, *f filled: as tokens_open; invalid for another number of counts.
 * Checked: t/sidecar.bats.
 */
struct sidecar *sidecar_open(const struct dataset_part *part, uint64_t tokens, uint64_t declared, struct inputerror *f);
void sidecar_close(struct sidecar *s);

/**
 * sidecar_next(s, v, id, text, bytes, f):
 * The count of the next token, whose id is ${id}, in *bytes; ${text} is that of all tokens up to it.
 * Errors: -1, said: it can't be that of this token, or can't be read.
 */
int sidecar_next(struct sidecar *s, const struct vocab *v, uint32_t id, const struct sidecar_text *text,
    uint32_t *bytes, struct inputerror *f);

/* After the last token: hold the sum against the text of all tokens, or what was declared. 0, or -1, said. */
int sidecar_end(const struct sidecar *s, const struct sidecar_text *text, struct inputerror *f);

#endif
