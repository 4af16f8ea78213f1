#ifndef HG_BPE_H
#define HG_BPE_H

#include <stddef.h>
#include <stdint.h>

#include "data/vocab.h"

/**
 * Byte pair encoding by a SentencePiece model, to the very ids of spm_encode:
 * the text is normalised and falls into characters, and of all neighbours that
 * together are a piece those merge whose piece has the highest score, the
 * leftmost first, until none are.  What is no piece then is the pieces of its
 * bytes, or the unknown, one for a run.
 *
 * Words are encoded apart where no piece goes on after a blank, and remembered.
 */
struct bpe;

/**
 * bpe_open(v):
 * Immutable: threads share one.
 * Owns:   the caller calls bpe_free; v must stay valid.
 * Errors: NULL with errno ENOMEM, or ENOTSUP: a model that is not encoded here,
 *         but by spm_encode (of another kind than BPE, with pieces that are
 *         unused or of more than 256 bytes, or one that spm_encode might refuse).
 * Checked: t/hg-data.bats and t/unit/bpe.c, against spm_encode.
 */
struct bpe *bpe_open(const struct vocab *v);
void bpe_free(struct bpe *b);

/* What one thread needs: ids, and room that grows with the longest text. Owns: bpe_encoder_free; b must stay valid. */
struct bpe_encoder;
struct bpe_encoder *bpe_encoder_new(const struct bpe *b); /* NULL with errno ENOMEM */
void bpe_encoder_free(struct bpe_encoder *e);

/* Ids under way, which grow. Owns: the caller frees p. */
struct bpe_ids {
	uint16_t *p;
	size_t n, room;
};

/* Append ids. 0, or -1 with errno ENOMEM. */
int bpe_ids_add(struct bpe_ids *ids, const uint16_t *more, size_t n);

/* Append the ids of a text of at most 2^28 bytes (asserted), without BOS. 0, or -1 with errno ENOMEM. */
int bpe_encode(struct bpe_encoder *e, const char *text, size_t n, struct bpe_ids *ids);

#endif
