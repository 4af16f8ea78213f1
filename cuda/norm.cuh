#ifndef HG_NORM_CUH
#define HG_NORM_CUH

#include "context.cuh"

/**
 * norm_rows(ctx, h, x, n, scale):
 * h = scale * x / rms(x) by rows, rounded to the activations' type.
 * Shapes: h, x (n, C).
 */
void norm_rows(struct ops_ctx *ctx, void *h, const float *x, size_t n, float scale);

/**
 * norm_rows_grad(ctx, dx, from, dh, x, n, scale):
 * The gradient of norm_rows: dx = from + scale * r * (dh - u * mean(dh * u)),
 * where u = x * r and its reciprocal rms r are made again from x; from NULL
 * counts as zeros.
 * Shapes: dx, from, dh, x (n, C).  dx may be from.
 */
void norm_rows_grad(struct ops_ctx *ctx, float *dx, const float *from, const float *dh, const float *x, size_t n,
    float scale);

#endif
