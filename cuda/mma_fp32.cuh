#ifndef HG_SHUFFLED_CUH
#define HG_SHUFFLED_CUH

/**
 * shuffled_mma(c, a, b):
 * c (16, 8) += a (16, 16) b (16, 8) in float32, held as mma.cuh says: each lane
 * needs two rows of a and two columns of b, of which others hold most, and asks
 * for one number after the other.  Slow beside tensor cores, exact beside ref.
 * Included where float2 and __shfl_sync are known.
 */
static __device__ __forceinline__ void
shuffled_mma(float c[4], const float2 a[4], const float2 b[2])
{
	const int lane = (int)(threadIdx.x % 32);
	const int row = lane / 4 * 4, col = lane % 4 * 8;	/* first lanes with my row of a, my column of b */

#pragma unroll
	for (int eight = 0; eight < 2; eight++) {
#pragma unroll 1
		for (int k = 0; k < 4; k++) {		/* rolled: calls are many, and the code would grow large */
#pragma unroll
			for (int second = 0; second < 2; second++) {
				const float2 upper = a[eight * 2], lower = a[eight * 2 + 1], side = b[eight];
				const float a0 = __shfl_sync(~0u, second ? upper.y : upper.x, row + k);
				const float a1 = __shfl_sync(~0u, second ? lower.y : lower.x, row + k);
				const float b0 = __shfl_sync(~0u, second ? side.y : side.x, col + k);
				const float b1 = __shfl_sync(~0u, second ? side.y : side.x, col + 4 + k);

				c[0] += a0 * b0;
				c[1] += a0 * b1;
				c[2] += a1 * b0;
				c[3] += a1 * b1;
			}
		}
	}
}

#endif
