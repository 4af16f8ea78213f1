#ifndef HG_ATTENTION_CUH
#define HG_ATTENTION_CUH

/**
 * Causal attention by tiles, forward and backward.  A block owns OWN rows of
 * one side (queries, or keys) and walks over the other side, OTHER rows at a
 * time; each of its four warps owns 16 rows and shares nothing with the
 * others but the tiles in shared memory.  T x T scores never exist.  Whoever
 * owns a row is the only one to write it, so there are no atomics.
 *
 * Heads of D <= DP columns are padded with zeros in shared memory.
 */

#include "context.cuh"
#include "mma.cuh"

enum { OWN = 64, ATTENTION_THREADS = OWN / 16 * 32 };

#define LOG2E 1.4426950408889634f
#define LN2 0.6931471805599453f

/* The shape of tiles for element type A and padded head width DP. */
template <typename A, int DP>
struct tile {
	static constexpr int ROW = DP * (int)sizeof(A);
	static constexpr int OTHER = ROW <= 64 ? 32 : ROW <= 128 ? 64 : ROW <= 256 ? 32 : 16;	/* as registers allow */
	static constexpr int STRIDE = DP + 16 / (int)sizeof(A);		/* keeps rows aligned and out of one bank */
	static constexpr size_t OWN_BYTES = OWN * STRIDE * sizeof(A);
	static constexpr size_t OTHER_BYTES = OTHER * STRIDE * sizeof(A);
};

template <typename A>
struct attention {
	const A *q, *k, *v;		/* (B, T, H, D); (B, T, K, D) or the cache (positions, K, D) */
	const float *gain;		/* (H) */
	A *y;				/* (B, T, H, D) */
	float *lse;			/* (B, T, H) */
	int T, pos0, H, K, D, group;	/* group: query heads for each key/value head */
};

/*
 * Which tile of which head of which sequence a block owns.  All lie along the
 * grid's first dimension, since the others end at 65,535: tiles are nearest,
 * then heads.
 */
struct place {
	int tile, head, sequence;
};

static __device__ __forceinline__ struct place
place_of_block(int T, int heads)
{
	const unsigned tiles = ((unsigned)T + OWN - 1) / OWN, rest = blockIdx.x / tiles;
	const struct place p = { (int)(blockIdx.x % tiles), (int)(rest % heads), (int)(rest / heads) };

	return (p);
}

static inline unsigned
places(int T, int heads, size_t sequences)
{
	return ((unsigned)(((size_t)T + OWN - 1) / OWN * heads * sequences));
}

/* Rows first..first+ROWS-1 of one head to shared memory; rows from ${end} on, and columns from D on, become zeros. */
template <typename A, int DP, int ROWS>
static __device__ __forceinline__ void
load_tile(A *to, const A *from, int row_stride, int first, int end, int D)
{
	constexpr int WIDE = 16 / sizeof(A), STRIDE = tile<A, DP>::STRIDE;
	const int thread = (int)threadIdx.x;

	if (D % WIDE == 0) {
		for (int i = thread; i < ROWS * (DP / WIDE); i += ATTENTION_THREADS) {
			const int row = i / (DP / WIDE), d = i % (DP / WIDE) * WIDE;
			uint4 x = { 0, 0, 0, 0 };

			if (first + row < end && d < D)
				x = *(const uint4 *)(from + (size_t)(first + row) * row_stride + d);
			*(uint4 *)(to + row * STRIDE + d) = x;
		}
	} else {
		for (int i = thread; i < ROWS * DP; i += ATTENTION_THREADS) {
			const int row = i / DP, d = i % DP;

			if (first + row < end && d < D)
				to[row * STRIDE + d] = from[(size_t)(first + row) * row_stride + d];
			else
				store(&to[row * STRIDE + d], 0.0f);
		}
	}
}

/* scores (16, OTHER) = the warp's 16 rows of ${own} times the rows of ${other} */
template <typename A, int DP>
static __device__ __forceinline__ void
scores_of(frag_c *scores, const A *own, const A *other)
{
	constexpr int STRIDE = tile<A, DP>::STRIDE, COLS = tile<A, DP>::OTHER / 8;

#pragma unroll
	for (int j = 0; j < COLS; j++)
		clear(scores[j]);
#pragma unroll
	for (int i = 0; i < DP / 16; i++) {
		frag_a<A> a;

		load_a(a, own + warp_id() * 16 * STRIDE + i * 16, STRIDE);
#pragma unroll
		for (int j = 0; j < COLS; j++) {
			frag_b<A> b;

			load_b_turned(b, other + j * 8 * STRIDE + i * 16, STRIDE);
			mma(scores[j], a, b);
		}
	}
}

/* sum (16, DP) += weights (16, OTHER) times the rows of ${other} */
template <typename A, int DP>
static __device__ __forceinline__ void
add_weighted(frag_c *sum, const frag_c *weights, const A *other)
{
	constexpr int STRIDE = tile<A, DP>::STRIDE;

#pragma unroll
	for (int i = 0; i < tile<A, DP>::OTHER / 16; i++) {
		frag_a<A> a;

		pack(a, weights[2 * i], weights[2 * i + 1]);
#pragma unroll
		for (int j = 0; j < DP / 8; j++) {
			frag_b<A> b;

			load_b(b, other + i * 16 * STRIDE + j * 8, STRIDE);
			mma(sum[j], a, b);
		}
	}
}

/* Rows of a result (16, DP), scaled by one number each, to global memory: rows from ${end} on are not stored. */
template <typename A, int DP>
static __device__ __forceinline__ void
store_rows(A *to, int row_stride, int first, int end, int D, const frag_c *x, float upper, float lower)
{
	const int row = first + warp_id() * 16 + lane_id() / 4;

#pragma unroll
	for (int j = 0; j < DP / 8; j++) {
#pragma unroll
		for (int e = 0; e < 4; e++) {
			const int n = row + e / 2 * 8, d = j * 8 + lane_id() % 4 * 2 + e % 2;

			if (n < end && d < D)
				store(&to[(size_t)n * row_stride + d], x[j].x[e] * (e < 2 ? upper : lower));
		}
	}
}

/* Run f<A, DP>, with DP the smallest padded width that holds D. */
#define FOR_WIDTH(D, f, A, ...) \
	((D) <= 16 ? f<A, 16>(__VA_ARGS__) : (D) <= 32 ? f<A, 32>(__VA_ARGS__) : \
	(D) <= 64 ? f<A, 64>(__VA_ARGS__) : f<A, 128>(__VA_ARGS__))

#endif
