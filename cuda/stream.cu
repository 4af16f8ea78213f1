/* Whole buffers: zeros, and sums of streams. */

#include "transfer.cuh"

enum { ZERO_BATCH = 128 };

struct zero_batch {
	uint32_t *p[ZERO_BATCH];
	size_t n[ZERO_BATCH];
};

__global__ void __launch_bounds__(ROW_THREADS)
add_stream(float *dst, const float *src, size_t n)
{
	const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		dst[i] += src[i];
}

/* Block (x, y) helps to clear buffer y. */
__global__ void __launch_bounds__(ROW_THREADS)
zero_buffers(const struct zero_batch batch)
{
	const size_t n = batch.n[blockIdx.y];
	uint32_t *p = batch.p[blockIdx.y];

	for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (size_t)gridDim.x * blockDim.x)
		p[i] = 0;
}

void
cuda_zero(struct ops_ctx *ctx, struct ops_buf *const *bufs, size_t count)
{
	for (size_t first = 0; first < count; first += ZERO_BATCH) {
		const size_t some = at_most(count - first, ZERO_BATCH);
		struct zero_batch batch = {};
		size_t most = 1;

		for (size_t i = 0; i < some; i++) {
			const struct ops_buf *b = bufs[first + i];

			assert(b->role != OPS_WEIGHT);
			transfer_forget(ctx, b);
			batch.p[i] = (uint32_t *)b->data;
			batch.n[i] = b->words;
			most = batch.n[i] > most ? batch.n[i] : most;
		}
		const dim3 grid((unsigned)at_most(blocks_of(most, ROW_THREADS * 8), 512), (unsigned)some);

		launch(ctx, "zero_buffers", zero_buffers, grid, ROW_THREADS, 0, batch);
	}
}

void
cuda_begin(struct ops_ctx *ctx)
{
	struct zero_batch batch = {};

	batch.p[0] = (uint32_t *)ctx->held;
	batch.n[0] = 1;
	launch(ctx, "zero_buffers", zero_buffers, 1, ROW_THREADS, 0, batch);
}

void
cuda_add(struct ops_ctx *ctx, struct ops_rows rows, struct ops_buf *dst, const struct ops_buf *src)
{
	const size_t N = rows.B * rows.T;

	launch(ctx, "add_stream", add_stream, blocks_of(N * ctx->C, ROW_THREADS), ROW_THREADS, 0,
	    rows_of<float>(dst, 0, N, ctx->C), rows_of<float>(src, 0, N, ctx->C), N * ctx->C);
}
