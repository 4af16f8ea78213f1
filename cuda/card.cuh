#ifndef HG_CARD_CUH
#define HG_CARD_CUH

/**
 * The few things that kernels ask of a real card and C++ cannot say: dynamic
 * shared memory, tensor cores, a launch.  emu.h defines the same names.
 */

#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <stdint.h>

#include "mma_fp32.cuh"

/* The block's dynamic shared memory, aligned to 16 bytes. */
template <typename X>
static __device__ __forceinline__ X *
device_shared(void)
{
	extern __shared__ __align__(16) unsigned char device_shared_bytes[];

	return (reinterpret_cast<X *>(device_shared_bytes));
}

/**
 * device_ldmatrix<COUNT, TRANSPOSED>(out, row):
 * Load COUNT matrices of 8 x 8 from shared memory, by a whole warp: lane i of
 * the first 8 * COUNT lends the address of row i % 8 of matrix i / 8.  Lane i
 * gets elements 2 * (i % 4) and the next of row i / 4 of each; of column i / 4
 * when TRANSPOSED.  Rows are aligned to 16 bytes.
 */
template <int COUNT, bool TRANSPOSED>
static __device__ __forceinline__ void
device_ldmatrix(uint32_t *out, const __nv_bfloat16 *row)
{
	const uint32_t at = (uint32_t)__cvta_generic_to_shared(row);

	if (COUNT == 4)
		asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
		    : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3]) : "r"(at) : "memory");
	else if (TRANSPOSED)
		asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
		    : "=r"(out[0]), "=r"(out[1]) : "r"(at) : "memory");
	else
		asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
		    : "=r"(out[0]), "=r"(out[1]) : "r"(at) : "memory");
	static_assert((COUNT == 4 && !TRANSPOSED) || COUNT == 2, "only what is used here");
}

/* c (16, 8) += a (16, 16) b (16, 8), bf16 with float32 sums; the fragments are those of mma.cuh. */
static __device__ __forceinline__ void
device_mma(float c[4], const uint32_t a[4], const uint32_t b[2])
{
	asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
	    "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
	    : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
	    : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/* The same in float32. */
static __device__ __forceinline__ void
device_mma(float c[4], const float2 a[4], const float2 b[2])
{
	shuffled_mma(c, a, b);
}

/* Two numbers rounded to bf16 in one register, the first in the low half. */
static __device__ __forceinline__ uint32_t
device_pack(float low, float high)
{
	const __nv_bfloat162 both = __floats2bfloat162_rn(low, high);

	return (*reinterpret_cast<const uint32_t *>(&both));
}

/* Submit a kernel; args point to its arguments, which are copied.  NULL, or what the driver has against it. */
template <typename... P>
static const char *
device_launch(const char *name, void (*kernel)(P...), dim3 grid, unsigned threads, size_t shared, cudaStream_t stream,
    void **args)
{
	const cudaError_t error = cudaLaunchKernel((const void *)kernel, grid, dim3(threads), args, shared, stream);

	(void)name;
	return (error == cudaSuccess ? NULL : cudaGetErrorString(error));
}

#endif
