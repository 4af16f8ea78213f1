#ifndef HG_MLP_CUH
#define HG_MLP_CUH

#include "context.cuh"

/**
 * mlp_activate(ctx, N, activation, r, gate):
 * ctx->square = what the activation makes of r, which of OPS_RELU2 becomes max(0, r).
 * Shapes: r, gate, ctx->square (N, F); gate is NULL but for OPS_SWIGLU.
 */
template <typename A>
void mlp_activate(struct ops_ctx *ctx, size_t N, enum ops_activation activation, A *r, const A *gate);

#endif
