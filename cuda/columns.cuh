#ifndef HG_COLUMNS_CUH
#define HG_COLUMNS_CUH

/**
 * Sums over columns, in a fixed order.  A block of COLUMN_THREADS looks at 32
 * columns, a lane for each; its warps take the rows of a strip in turn.
 */

#include "context.cuh"

enum { COLUMN_THREADS = 256, COLUMN_WARPS = COLUMN_THREADS / 32 };

/* The warps' parts of a column added up, for the lanes of warp 0; scratch (COLUMN_WARPS, 32), free again on return. */
static __device__ __forceinline__ float
column_sum(float x, float *scratch)
{
	float sum = 0;

	scratch[warp_id() * 32 + lane_id()] = x;
	__syncthreads();
	if (warp_id() == 0)
		for (int w = 0; w < COLUMN_WARPS; w++)
			sum += scratch[w * 32 + lane_id()];
	__syncthreads();
	return (sum);
}

/* out[i] += the sum of part[s * stride + i] over s < strips, for i < width. */
void columns_add(struct ops_ctx *ctx, float *out, const float *part, size_t strips, size_t width, size_t stride);

/* *out += the sum of x (n). */
void columns_total(struct ops_ctx *ctx, float *out, const float *x, size_t n);

#endif
