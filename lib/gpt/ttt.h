#ifndef HG_TTT_H
#define HG_TTT_H

#include <stddef.h>
#include <stdint.h>

#include "gpt/model.h"

/**
 * Test-time training, score first: a chunk of a document is scored, and only
 * then is one plain step of gradient descent made on it, with which the next is
 * scored.  What moves are the vectors attn_scale, mlp_scale, resid_mix and
 * attn.q_gain of each block, and nothing else.
 */
struct ttt;

/**
 * ttt_open(m, lr):
 * On a model opened with MODEL_TRAIN, between steps; its weights as they are now are those that each document begins
 * with.
 * Owns:   the caller closes, before the model.
 * Errors: NULL after saying why; errno ENOMEM.
 */
struct ttt *ttt_open(struct model *m, double lr);
void ttt_close(struct ttt *t);

/**
 * ttt_score(t, ids, n, chunk, learn, nats):
 * The losses of the last ${chunk} of the n targets ids[1..n], read from ids[0] on, with what this document taught so
 * far; then with ${learn} one step down the gradient of their mean.
 * Errors: -1 after naming a token id that is not below vocab_size.
 */
int ttt_score(struct ttt *t, const int32_t *ids, size_t n, size_t chunk, int learn, float *nats);

/* The next document: the weights have the bits that they had at ttt_open. */
void ttt_reset(struct ttt *t);

#endif
