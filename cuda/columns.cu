/* The last pass of sums over columns: partial sums of strips, added up. */

#include "columns.cuh"

__global__ void __launch_bounds__(COLUMN_THREADS)
add_strips(float *out, const float *part, int strips, int width, int stride)
{
	const int i = (int)blockIdx.x * 32 + lane_id();
	float sum = 0;

	if (i < width)
		for (int s = warp_id(); s < strips; s += COLUMN_WARPS)
			sum += part[(size_t)s * stride + i];
	sum = column_sum(sum, device_shared<float>());
	if (warp_id() == 0 && i < width)
		out[i] += sum;
}

enum { TOTAL_THREADS = 1024 };		/* one block, which is to be over soon */

__global__ void __launch_bounds__(TOTAL_THREADS)
add_all(float *out, const float *x, size_t n)
{
	float sum = 0;

	for (size_t i = threadIdx.x; i < n; i += TOTAL_THREADS)
		sum += x[i];
	sum = block_sum(sum, device_shared<float>());
	if (threadIdx.x == 0)
		*out += sum;
}

void
columns_add(struct ops_ctx *ctx, float *out, const float *part, size_t strips, size_t width, size_t stride)
{
	launch(ctx, "add_strips", add_strips, blocks_of(width, 32), COLUMN_THREADS, COLUMN_THREADS * sizeof(float),
	    out, part, (int)strips, (int)width, (int)stride);
}

void
columns_total(struct ops_ctx *ctx, float *out, const float *x, size_t n)
{
	launch(ctx, "add_all", add_all, 1, TOTAL_THREADS, TOTAL_THREADS / 32 * sizeof(float), out, x, n);
}
