#ifndef HG_DEVICE_CUH
#define HG_DEVICE_CUH

/**
 * What every kernel may use: a card or its emulation, the two element types,
 * and sums over warps and blocks.  A kernel is written for whole warps; lane
 * and warp are those of threadIdx.x.
 */

#ifdef HG_EMU
#include "emu.h"
#else
#include "card.cuh"
#endif

typedef __nv_bfloat16 bf16;

static __device__ __forceinline__ float
to_float(float x)
{
	return (x);
}

static __device__ __forceinline__ float
to_float(bf16 x)
{
	return (__bfloat162float(x));
}

static __device__ __forceinline__ void
store(float *out, float x)
{
	*out = x;
}

static __device__ __forceinline__ void
store(bf16 *out, float x)
{
	*out = __float2bfloat16(x);
}

static __device__ __forceinline__ int
lane_id(void)
{
	return ((int)(threadIdx.x % 32));
}

static __device__ __forceinline__ int
warp_id(void)
{
	return ((int)(threadIdx.x / 32));
}

/* Sum over the warp, the same bits in every lane. */
static __device__ __forceinline__ float
warp_sum(float x)
{
	for (int bits = 16; bits > 0; bits /= 2)
		x += __shfl_xor_sync(~0u, x, bits);
	return (x);
}

static __device__ __forceinline__ double
warp_sum(double x)
{
	for (int bits = 16; bits > 0; bits /= 2)
		x += __shfl_xor_sync(~0u, x, bits);
	return (x);
}

static __device__ __forceinline__ float
warp_max(float x)
{
	for (int bits = 16; bits > 0; bits /= 2)
		x = fmaxf(x, __shfl_xor_sync(~0u, x, bits));
	return (x);
}

/* Sum over the block, for every thread; scratch has a place for each warp and is free again on return. */
template <typename X>
static __device__ __forceinline__ X
block_sum(X x, X *scratch)
{
	X sum = 0;

	x = warp_sum(x);
	if (lane_id() == 0)
		scratch[warp_id()] = x;
	__syncthreads();
	for (unsigned w = 0; w < blockDim.x / 32; w++)
		sum += scratch[w];
	__syncthreads();
	return (sum);
}

static __device__ __forceinline__ float
block_max(float x, float *scratch)
{
	float max = -INFINITY;

	x = warp_max(x);
	if (lane_id() == 0)
		scratch[warp_id()] = x;
	__syncthreads();
	for (unsigned w = 0; w < blockDim.x / 32; w++)
		max = fmaxf(max, scratch[w]);
	__syncthreads();
	return (max);
}

#endif
