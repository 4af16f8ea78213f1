#ifndef HG_MODEL_BYTES_H
#define HG_MODEL_BYTES_H

/**
 * What a model will take, apart from model.h, so that a tool which only reads
 * specs links no backend.
 */

#include <stdint.h>

#include "gpt/model.h"

/*
 * Bytes that model_open and the optimizer will ask for: of the cpu backend what its buffers and its working memory
 * come to, of others an upper estimate in float32.  Checked: t/unit/cpu.c, against what a process takes.
 */
uint64_t model_bytes(const struct model_args *args);

/* The same by what it is for: gradients that lie in the place of activations count as these. */
struct model_bytes_parts {
	uint64_t parameters; /* weights and gradients */
	uint64_t activations;
	uint64_t optimizer;
};

struct model_bytes_parts model_bytes_parts(const struct model_args *args);

#endif
