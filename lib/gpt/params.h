#ifndef HG_PARAMS_H
#define HG_PARAMS_H

#include <stddef.h>
#include <stdint.h>

#include "gpt/config.h"

/**
 * The tensors of a model, as params.def lists them: public state names, shapes,
 * and what becomes of each.  On the host all parameters stand in one float32
 * array in that order; a tensor's place is its `offset`.  What params_new made
 * never changes.
 */

/* PARAMS_TOK_EMB and so on: a row of the table. */
enum params_id {
#define TENSOR(id, ...) PARAMS_##id,
#include "gpt/params.def"
#undef TENSOR
	PARAMS_ROWS
};

enum params_group {
	PARAMS_MATRIX, /* Muon, matrix_lr */
	PARAMS_EMBED,  /* Adam, tied_embed_lr or embed_lr */
	PARAMS_HEAD,   /* Adam, head_lr */
	PARAMS_SCALAR, /* Adam, scalar_lr: control tensors */
	PARAMS_VALUE,  /* Adam, value_embed_lr, or as EMBED */
	PARAMS_FROZEN, /* not trained, nor in the gradient's norm */
	PARAMS_GROUPS
};

/* In the artifact, unless so large a matrix that it is int8 in any case (QUANTIZE_MIN_ELEMENTS). */
enum params_storage {
	PARAMS_QUANTIZED, /* binary16 */
	PARAMS_CONTROL,   /* float32 */
	PARAMS_EXACT      /* float32, however large */
};

/*
 * What the optimizer keeps of a tensor between steps: float32 arrays of its shape, or of a number for each row, in the
 * order of resume files.
 */
enum params_state { PARAMS_MOMENTUM, PARAMS_ADAM_M, PARAMS_ADAM_V, PARAMS_NEURON, PARAMS_AVERAGE, PARAMS_STATES };

#define PARAMS_STATE_SIZE 16

/* What follows the tensor's name in a resume file; NULL if the group never keeps such an array. */
const char *params_state(enum params_group group, enum params_state state);

#define PARAMS_NAME_SIZE 48

struct params_tensor {
	char name[PARAMS_NAME_SIZE];
	enum params_id id;
	size_t rows, cols; /* a vector has rows 1 */
	int dims;          /* 1 or 2, as in the public state */
	enum params_group group;
	enum params_storage storage;
	size_t offset, n; /* place and number of elements in the flat array */
};

/* Elements of such an array. */
size_t params_state_n(const struct params_tensor *t, enum params_state state);

struct params {
	struct config config;
	struct params_tensor *tensors;
	size_t count;
	size_t n;       /* elements in all */
	size_t *places; /* for params_at */
};

/* The tensors of a checked configuration. Owns: params_free. Errors: NULL with errno ENOMEM, said. */
struct params *params_new(const struct config *config);
void params_free(struct params *p);

/* What params_new would make, counted only: tensors, elements, and these by group. */
struct params_sizes {
	size_t count;
	uint64_t n, of_group[PARAMS_GROUPS];
};

/* Of a checked configuration: asserts that the sums can be counted. */
struct params_sizes params_sizes(const struct config *config);

/* The place in tensors[] of a row's tensor, layer 0 for one that stands once; PARAMS_NONE where there is none. */
#define PARAMS_NONE SIZE_MAX
size_t params_at(const struct params *p, size_t layer, enum params_id id);
size_t params_head(const struct params *p); /* the head in use: tok_emb if tied */

/*
 * The place of the first tensor that reads the same rows as tensor i, itself or another; PARAMS_NONE for one that
 * multiplies none: a vector, or a table that is looked up.
 */
size_t params_input(const struct params *p, size_t i);

/* By public name, NULL if there is none. */
const struct params_tensor *params_find(const struct params *p, const char *name);

/**
 * params_init(p, seed, w):
 * The public initial law, as params.def names it.  Each tensor draws from a
 * stream of its own, keyed by ${seed} and its name, so neither order nor
 * neighbours matter; only +, -, *, / and sqrt are used, so the bits are the
 * same on every machine.
 * Shapes: w (p->n).
 */
void params_init(const struct params *p, uint64_t seed, float *w);

#endif
