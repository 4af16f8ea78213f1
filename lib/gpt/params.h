#ifndef HG_PARAMS_H
#define HG_PARAMS_H

#include <stddef.h>
#include <stdint.h>

#include "gpt/config.h"

/**
 * The tensor table of a model: public state names, shapes, and what becomes of
 * each tensor.  On the host all parameters stand in one float32 array in table
 * order; a tensor's place is its `offset`.  A table never changes once made.
 *
 * Order: tok_emb.weight, skip_weights (absent without skips), the ten of each
 * block as enum params_block lists them, lm_head.weight (untied only).
 */

enum params_group {
	PARAMS_MATRIX, /* Muon, matrix_lr */
	PARAMS_EMBED,  /* Adam, tied_embed_lr or embed_lr */
	PARAMS_HEAD,   /* Adam, head_lr */
	PARAMS_SCALAR  /* Adam, scalar_lr: control tensors */
};

enum params_block {
	PARAMS_ATTN_SCALE,
	PARAMS_MLP_SCALE,
	PARAMS_RESID_MIX,
	PARAMS_Q_GAIN,
	PARAMS_C_Q,
	PARAMS_C_K,
	PARAMS_C_V,
	PARAMS_PROJ,
	PARAMS_FC,
	PARAMS_MLP_PROJ,
	PARAMS_BLOCK_COUNT
};

#define PARAMS_NAME_SIZE 48

struct params_tensor {
	char name[PARAMS_NAME_SIZE];
	size_t rows, cols; /* a vector has rows 1 */
	int dims;          /* 1 or 2, as in the public state */
	enum params_group group;
	size_t offset, n; /* place and number of elements in the flat array */
};

struct params {
	struct config config;
	struct params_tensor *tensors;
	size_t count;
	size_t n; /* elements in all */
};

/* The table of a checked configuration. Owns: params_free. Errors: NULL with errno ENOMEM, said. */
struct params *params_new(const struct config *config);
void params_free(struct params *p);

/* Places in tensors[]. */
size_t params_tok_emb(const struct params *p);
size_t params_skip_weights(const struct params *p); /* only with config_skips() > 0 */
size_t params_at(const struct params *p, size_t layer, enum params_block which);
size_t params_head(const struct params *p); /* the head in use: tok_emb if tied */

/* By public name, NULL if there is none. */
const struct params_tensor *params_find(const struct params *p, const char *name);

/**
 * params_init(p, seed, w):
 * The public initial law: tied embedding N(0, tied_embed_init_std), untied
 * N(0, 1); output projections and untied head zero; other matrices
 * uniform(-1/sqrt(fan_in), +1/sqrt(fan_in)); scales 1, mix (1, 0), q_gain
 * qk_gain_init, skips 1.  Each tensor draws from a stream of its own, keyed by
 * ${seed} and its name, so neither order nor neighbours matter; only +, -, *,
 * / and sqrt are used, so the bits are the same on every machine.
 * Shapes: w (p->n).
 */
void params_init(const struct params *p, uint64_t seed, float *w);

#endif
