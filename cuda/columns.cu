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

void
columns_add(struct ops_ctx *ctx, float *out, const float *part, size_t strips, size_t width, size_t stride)
{
	launch(ctx, "add_strips", add_strips, blocks_of(width, 32), COLUMN_THREADS, COLUMN_THREADS * sizeof(float),
	    out, part, (int)strips, (int)width, (int)stride);
}
