#ifndef HG_MODEL_BYTES_H
#define HG_MODEL_BYTES_H

/**
 * What a model will take, apart from model.h, so that a tool which only reads
 * specs links no backend.
 */

#include <stdint.h>

#include "gpt/model.h"

/* Bytes that model_open and the optimizer will ask for in float32: an upper estimate, for choosing a micro-batch. */
uint64_t model_bytes(const struct model_args *args);

#endif
