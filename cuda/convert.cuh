#ifndef HG_CONVERT_CUH
#define HG_CONVERT_CUH

#include "context.cuh"

/* n numbers in the activations' type: ${x} itself under fp32, else rounded into ${out}. */
const void *convert_round(struct ops_ctx *ctx, void *out, const float *x, size_t n);

/* n float32 numbers to bf16 and back. */
void convert_to_bf16(struct ops_ctx *ctx, bf16 *out, const float *x, size_t n);
void convert_from_bf16(struct ops_ctx *ctx, float *out, const bf16 *x, size_t n);

#endif
