/* Token embedding: a normed row of the table, and its gradient by token. */

#include "lookup.cuh"

/* x0 (N, C) = rms(emb[ids[n]]) */
__global__ void __launch_bounds__(ROW_THREADS)
embed_forward(float *x0, const int32_t *ids, const float *emb, int N, int C, float eps)
{
	const int n = (int)blockIdx.x * (ROW_THREADS / 32) + warp_id();
	float sum = 0, r;

	if (n >= N)
		return;
	x0 += (size_t)n * C;
	emb += (size_t)ids[n] * C;
	for (int c = lane_id(); c < C; c += 32)
		sum += emb[c] * emb[c];
	r = 1.0f / sqrtf(warp_sum(sum) / C + eps);
	for (int c = lane_id(); c < C; c += 32)
		x0[c] = emb[c] * r;
}

/*
 * demb (V, C), accumulated from dx0 (N, C): a block for each token id.  All
 * rows of one id have the same norm, so their gradients are added up first,
 * in the order of rows, and pass through the norm once.
 */
__global__ void __launch_bounds__(LOOKUP_THREADS)
embed_backward(float *demb, const float *dx0, const int32_t *ids, const float *emb, int N, int C, float eps)
{
	const int id = (int)blockIdx.x, thread = (int)threadIdx.x;
	float *sum = device_shared<float>();
	float *scratch = sum + C + LOOKUP_THREADS + LOOKUP_THREADS / 32;
	float square = 0, dot = 0, r, mean;
	const auto value = [&](int n, int c) { return (dx0[(size_t)n * C + c]); };

	if (!lookup_sum(sum, ids, id, N, C, value))
		return;
	emb += (size_t)id * C;
	demb += (size_t)id * C;
	for (int c = thread; c < C; c += LOOKUP_THREADS) {
		square += emb[c] * emb[c];
		dot += emb[c] * sum[c];
	}
	r = 1.0f / sqrtf(block_sum(square, scratch) / C + eps);
	mean = block_sum(dot, scratch) * r / C;
	for (int c = thread; c < C; c += LOOKUP_THREADS)
		demb[c] += r * (sum[c] - emb[c] * r * mean);
}

void
cuda_embed(struct ops_ctx *ctx, struct ops_rows rows, struct ops_buf *x0, const struct ops_buf *ids,
    const struct ops_buf *emb)
{
	const size_t N = rows.B * rows.T;

	launch(ctx, "embed_forward", embed_forward, blocks_of(N, ROW_THREADS / 32), ROW_THREADS, 0,
	    rows_of<float>(x0, 0, N, ctx->C), rows_of<int32_t>(ids, 0, N, 1), (const float *)emb->data, (int)N, ctx->C,
	    ctx->eps);
}

void
cuda_embed_grad(struct ops_ctx *ctx, struct ops_rows rows, struct ops_buf *demb, const struct ops_buf *dx0,
    const struct ops_buf *ids, const struct ops_buf *emb)
{
	const size_t N = rows.B * rows.T;

	launch(ctx, "embed_backward", embed_backward, (unsigned)ctx->V, LOOKUP_THREADS, lookup_shared(ctx->C),
	    rows_of<float>(demb, 0, ctx->V, ctx->C), rows_of<float>(dx0, 0, N, ctx->C), rows_of<int32_t>(ids, 0, N, 1),
	    (const float *)emb->data, (int)N, ctx->C, ctx->eps);
}
