/* Sum of squares over many buffers, in double and in a fixed order. */

#include "transfer.cuh"

enum { SUM_BATCH = 128, SUM_THREADS = 256 };

struct sum_batch {
	const float *p[SUM_BATCH];
	size_t n[SUM_BATCH];
	size_t count;
};

/* sums[block] = (or += when ${add}) this block's share of every buffer */
__global__ void __launch_bounds__(SUM_THREADS)
sum_squares(double *sums, const struct sum_batch batch, int add)
{
	double sum = 0;

	for (size_t b = 0; b < batch.count; b++)
		for (size_t i = (size_t)blockIdx.x * SUM_THREADS + threadIdx.x; i < batch.n[b];
		    i += (size_t)SUM_BLOCKS * SUM_THREADS)
			sum += (double)batch.p[b][i] * batch.p[b][i];
	sum = block_sum(sum, device_shared<double>());
	if (threadIdx.x == 0)
		sums[blockIdx.x] = add ? sums[blockIdx.x] + sum : sum;
}

/* sums[SUM_BLOCKS] = the sum of all shares; one block */
__global__ void __launch_bounds__(SUM_BLOCKS)
sum_shares(double *sums)
{
	const double sum = block_sum(sums[threadIdx.x], device_shared<double>());

	if (threadIdx.x == 0)
		sums[SUM_BLOCKS] = sum;
}

double
cuda_sumsq(struct ops_ctx *ctx, const struct ops_buf *const *bufs, const size_t *n, size_t count)
{
	double sum = 0;

	if (count == 0)
		return (0);
	transfer_part(ctx);
	for (size_t first = 0; first < count; first += SUM_BATCH) {
		struct sum_batch batch = {};

		batch.count = at_most(count - first, SUM_BATCH);
		for (size_t b = 0; b < batch.count; b++) {
			batch.p[b] = rows_of<float>(bufs[first + b], 0, n[first + b], 1);
			batch.n[b] = n[first + b];
		}
		launch(ctx, "sum_squares", sum_squares, SUM_BLOCKS, SUM_THREADS, SUM_THREADS / 32 * sizeof(double),
		    ctx->sums, batch, (int)(first > 0));
	}
	launch(ctx, "sum_shares", sum_shares, 1, SUM_BLOCKS, SUM_BLOCKS / 32 * sizeof(double), ctx->sums);
	tape_flush(ctx);
	CHECK(cudaMemcpyAsync(&sum, ctx->sums + SUM_BLOCKS, sizeof(sum), cudaMemcpyDeviceToHost, ctx->stream));
	cuda_sync(ctx);
	return (sum);
}
