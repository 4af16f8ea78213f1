/* Running averages of the weights, for many parameters in one launch. */

#include "transfer.cuh"

enum { AVERAGE_BATCH = 64, AVERAGE_BLOCKS = 256 };

struct average_batch {
	struct {
		float *average;
		const float *w;
		size_t n;
	} p[AVERAGE_BATCH];
};

/* Block (x, y) helps with parameter y. */
__global__ void __launch_bounds__(ROW_THREADS)
average_update(const struct average_batch batch, const float *keep)
{
	float *average = batch.p[blockIdx.y].average;
	const float *w = batch.p[blockIdx.y].w;

	for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < batch.p[blockIdx.y].n;
	    i += (size_t)gridDim.x * blockDim.x)
		average[i] = fmaf(*keep, average[i] - w[i], w[i]);
}

void
cuda_average(struct ops_ctx *ctx, const struct ops_average *p, size_t count, float keep)
{
	transfer_part(ctx);
	for (size_t first = 0; first < count; first += AVERAGE_BATCH) {
		const size_t some = at_most(count - first, AVERAGE_BATCH);
		struct average_batch batch = {};
		size_t most = 1;

		for (size_t i = 0; i < some; i++) {
			const struct ops_average *a = &p[first + i];

			batch.p[i].average = rows_of<float>(a->average, 0, a->n, 1);
			batch.p[i].w = rows_of<float>(a->w, 0, a->n, 1);
			batch.p[i].n = a->n;
			most = a->n > most ? a->n : most;
		}
		const dim3 grid((unsigned)at_most(blocks_of(most, ROW_THREADS), AVERAGE_BLOCKS), (unsigned)some);

		launch(ctx, "average_update", average_update, grid, ROW_THREADS, 0, batch, transfer_value(ctx, keep));
	}
	tape_flush(ctx);
}
