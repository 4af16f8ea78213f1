/* Token embedding: a normed row of the table, and its gradient by token. */

#include "columns.cuh"

enum { TOKEN_THREADS = 256 };

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
 * Shared: sum (C), rows found (TOKEN_THREADS), how many by warp, sums by warp.
 */
__global__ void __launch_bounds__(TOKEN_THREADS)
embed_backward(float *demb, const float *dx0, const int32_t *ids, const float *emb, int N, int C, float eps)
{
	const int id = (int)blockIdx.x, thread = (int)threadIdx.x;
	float *sum = device_shared<float>();
	int *found = (int *)(sum + C);
	int *count = found + TOKEN_THREADS;
	float *scratch = (float *)(count + TOKEN_THREADS / 32);
	float square = 0, dot = 0, r, mean;
	bool any = false;

	for (int c = thread; c < C; c += TOKEN_THREADS)
		sum[c] = 0;		/* a column belongs to one thread: no barrier */
	for (int first = 0; first < N; first += TOKEN_THREADS) {
		const bool mine = first + thread < N && ids[first + thread] == id;
		const unsigned votes = __ballot_sync(~0u, mine);
		int before = 0, all = 0;

		if (lane_id() == 0)
			count[warp_id()] = __popc(votes);
		__syncthreads();
		for (int w = 0; w < TOKEN_THREADS / 32; w++) {
			before += w < warp_id() ? count[w] : 0;
			all += count[w];
		}
		if (mine)
			found[before + __popc(votes & ((1u << lane_id()) - 1))] = first + thread;
		__syncthreads();
		for (int c = thread; c < C; c += TOKEN_THREADS) {
			float column = sum[c];		/* in a register, so that loads need not wait for each other */

			for (int i = 0; i < all; i++)
				column += dx0[(size_t)found[i] * C + c];
			sum[c] = column;
		}
		any = any || all > 0;
	}
	if (!any)
		return;
	emb += (size_t)id * C;
	demb += (size_t)id * C;
	for (int c = thread; c < C; c += TOKEN_THREADS) {
		square += emb[c] * emb[c];
		dot += emb[c] * sum[c];
	}
	r = 1.0f / sqrtf(block_sum(square, scratch) / C + eps);
	mean = block_sum(dot, scratch) * r / C;
	for (int c = thread; c < C; c += TOKEN_THREADS)
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
	const size_t shared = (ctx->C + TOKEN_THREADS + 2 * TOKEN_THREADS / 32) * sizeof(float);

	launch(ctx, "embed_backward", embed_backward, (unsigned)ctx->V, TOKEN_THREADS, shared,
	    rows_of<float>(demb, 0, ctx->V, ctx->C), rows_of<float>(dx0, 0, N, ctx->C), rows_of<int32_t>(ids, 0, N, 1),
	    (const float *)emb->data, (int)N, ctx->C, ctx->eps);
}
