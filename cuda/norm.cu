/* RMS norm of rows, without weights: one warp for each row. */

#include "norm.cuh"

/* h (N, C) = scale * x / rms(x) */
template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
norm_forward(A *h, const float *x, int N, int C, float eps, float scale)
{
	const int n = (int)blockIdx.x * (ROW_THREADS / 32) + warp_id();
	float sum = 0, r;

	if (n >= N)
		return;
	h += (size_t)n * C;
	x += (size_t)n * C;
	for (int c = lane_id(); c < C; c += 32)
		sum += x[c] * x[c];
	r = 1.0f / sqrtf(warp_sum(sum) / C + eps) * scale;
	for (int c = lane_id(); c < C; c += 32)
		store(&h[c], x[c] * r);
}

/* dx (N, C) = from + the gradient of norm_forward reaching x */
__global__ void __launch_bounds__(ROW_THREADS)
norm_backward(float *dx, const float *from, const float *dh, const float *x, int N, int C, float eps,
    float scale)
{
	const int n = (int)blockIdx.x * (ROW_THREADS / 32) + warp_id();
	float square = 0, dot = 0, r, mean, scaled;

	if (n >= N)
		return;
	dx += (size_t)n * C;
	dh += (size_t)n * C;
	x += (size_t)n * C;
	for (int c = lane_id(); c < C; c += 32) {
		square += x[c] * x[c];
		dot += x[c] * dh[c];
	}
	r = 1.0f / sqrtf(warp_sum(square) / C + eps);
	mean = warp_sum(dot) * r / C;
	scaled = r * scale;
	for (int c = lane_id(); c < C; c += 32)
		dx[c] = (from != NULL ? from[(size_t)n * C + c] : 0.0f) + scaled * (dh[c] - x[c] * r * mean);
}

void
norm_rows(struct ops_ctx *ctx, void *h, const float *x, size_t n, float scale)
{
	const unsigned blocks = blocks_of(n, ROW_THREADS / 32);

	if (ctx->arith == OPS_BF16)
		launch(ctx, "norm_forward", norm_forward<bf16>, blocks, ROW_THREADS, 0, (bf16 *)h, x, (int)n, ctx->C,
		    ctx->eps, scale);
	else
		launch(ctx, "norm_forward", norm_forward<float>, blocks, ROW_THREADS, 0, (float *)h, x, (int)n, ctx->C,
		    ctx->eps, scale);
}

void
norm_rows_grad(struct ops_ctx *ctx, float *dx, const float *from, const float *dh, const float *x, size_t n,
    float scale)
{
	launch(ctx, "norm_backward", norm_backward, blocks_of(n, ROW_THREADS / 32), ROW_THREADS, 0, dx, from, dh, x,
	    (int)n, ctx->C, ctx->eps, scale);
}
