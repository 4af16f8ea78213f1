#ifndef HG_BRANCH_CUH
#define HG_BRANCH_CUH

#include "context.cuh"

/**
 * The end of a branch: out = in + scale * (y w^T), for y (N, width), w (C, width).
 * The scale of an output channel is the scale of a row of w, so a small scaled
 * copy of w turns all of this into one product that adds to the stream.
 */
template <typename A>
void branch_forward(struct ops_ctx *ctx, size_t N, float *out, const float *in, const A *y, const struct ops_buf *w,
    const struct ops_buf *scale, size_t width);

/**
 * dy = (dout scaled) w, of the activations' type; ${rounded} is dout in that type.
 * Leaves the scaled weight in ctx->scaled.
 */
template <typename A>
void branch_dy(struct ops_ctx *ctx, size_t N, A *dy, const A *rounded, const struct ops_buf *w,
    const struct ops_buf *scale, size_t width);

/* With G = dout^T y: dw += scale * G by rows, dscale[j] += <w[j], G[j]>. */
template <typename A>
void branch_dw(struct ops_ctx *ctx, size_t N, struct ops_buf *dw, struct ops_buf *dscale, const A *rounded, const A *y,
    const struct ops_buf *w, const struct ops_buf *scale, size_t width);

#endif
