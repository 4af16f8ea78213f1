#ifndef HG_MMA_CUH
#define HG_MMA_CUH

/**
 * The one matrix unit: c (16, 8) += a (16, 16) b (16, 8), held by a warp.
 *
 *   c   lane i holds rows i/4 and i/4 + 8, columns 2 (i%4) and the next:
 *       x[0], x[1] of the first row, x[2], x[3] of the second
 *   a   pairs of neighbours in the sum's index k = 2 (i%4), and the next:
 *       p[0] row i/4, p[1] row i/4 + 8, p[2] and p[3] the same at k + 8
 *   b   pairs likewise, of column i/4: p[0] at k, p[1] at k + 8
 *
 * With bf16 it is one tensor core instruction; with float the lanes shuffle
 * their pairs and multiply (shuffled.cuh), so that one kernel text serves both,
 * and a test in float32 checks the bf16 kernel's every index.  Two results side
 * by side lie as an operand a does: pack() turns the one into the other without
 * leaving the lane.
 */

#include "device.cuh"

template <typename A> struct pair_of;
template <> struct pair_of<bf16> { typedef uint32_t type; };
template <> struct pair_of<float> { typedef float2 type; };

template <typename A> struct frag_a { typename pair_of<A>::type p[4]; };
template <typename A> struct frag_b { typename pair_of<A>::type p[2]; };
struct frag_c { float x[4]; };

static __device__ __forceinline__ void
clear(frag_c &c)
{
	c.x[0] = c.x[1] = c.x[2] = c.x[3] = 0;
}

/* a from shared memory: element (m, k) at tile[m * stride + k]. */
static __device__ __forceinline__ void
load_a(frag_a<bf16> &a, const bf16 *tile, int stride)
{
	device_ldmatrix<4, false>(a.p, tile + lane_id() % 16 * stride + lane_id() / 16 * 8);
}

static __device__ __forceinline__ void
load_a(frag_a<float> &a, const float *tile, int stride)
{
	const float *at = tile + lane_id() / 4 * stride + lane_id() % 4 * 2;

#pragma unroll
	for (int i = 0; i < 4; i++) {
		a.p[i].x = at[i % 2 * 8 * stride + i / 2 * 8];
		a.p[i].y = at[i % 2 * 8 * stride + i / 2 * 8 + 1];
	}
}

/* b from shared memory: element (k, n) at tile[k * stride + n]. */
static __device__ __forceinline__ void
load_b(frag_b<bf16> &b, const bf16 *tile, int stride)
{
	device_ldmatrix<2, true>(b.p, tile + lane_id() % 16 * stride);
}

static __device__ __forceinline__ void
load_b(frag_b<float> &b, const float *tile, int stride)
{
	const float *at = tile + lane_id() % 4 * 2 * stride + lane_id() / 4;

#pragma unroll
	for (int i = 0; i < 2; i++) {
		b.p[i].x = at[i * 8 * stride];
		b.p[i].y = at[(i * 8 + 1) * stride];
	}
}

/* b from shared memory, stored turned: element (k, n) at tile[n * stride + k]. */
static __device__ __forceinline__ void
load_b_turned(frag_b<bf16> &b, const bf16 *tile, int stride)
{
	device_ldmatrix<2, false>(b.p, tile + lane_id() % 8 * stride + lane_id() / 8 % 2 * 8);
}

static __device__ __forceinline__ void
load_b_turned(frag_b<float> &b, const float *tile, int stride)
{
	const float *at = tile + lane_id() / 4 * stride + lane_id() % 4 * 2;

#pragma unroll
	for (int i = 0; i < 2; i++) {
		b.p[i].x = at[i * 8];
		b.p[i].y = at[i * 8 + 1];
	}
}

static __device__ __forceinline__ void
pair(uint32_t &p, float first, float second)
{
	p = device_pack(first, second);
}

static __device__ __forceinline__ void
pair(float2 &p, float first, float second)
{
	p.x = first;
	p.y = second;
}

/* Two results, columns 0-7 and 8-15, as the operand a of a further product. */
template <typename A>
static __device__ __forceinline__ void
pack(frag_a<A> &a, const frag_c &left, const frag_c &right)
{
	pair(a.p[0], left.x[0], left.x[1]);
	pair(a.p[1], left.x[2], left.x[3]);
	pair(a.p[2], right.x[0], right.x[1]);
	pair(a.p[3], right.x[2], right.x[3]);
}

template <typename A>
static __device__ __forceinline__ void
mma(frag_c &c, const frag_a<A> &a, const frag_b<A> &b)
{
	device_mma(c.x, a.p, b.p);
}

#endif
