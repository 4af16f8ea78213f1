#ifndef HG_LOOKUP_CUH
#define HG_LOOKUP_CUH

/**
 * The gradient of a table whose rows are looked up by id.  A block for each
 * row of the table finds the rows of a pass that carry its id, and adds them
 * up in their order.
 */

#include "columns.cuh"

enum { LOOKUP_THREADS = 256 };

/* Shared memory: sums (C), rows found (LOOKUP_THREADS), how many by warp, a place for each warp. */
static inline size_t
lookup_shared(size_t C)
{
	return ((C + LOOKUP_THREADS + 2 * LOOKUP_THREADS / 32) * sizeof(float));
}

/*
 * sum (C), at the start of shared memory, = the sum over rows n with ids[n] == id, in order, of value(n, c); whether
 * there are any.  A column belongs to one thread: it needs no barrier to read what it summed.
 */
template <typename F>
static __device__ __forceinline__ bool
lookup_sum(float *sum, const int32_t *ids, int id, int N, int C, F value)
{
	const int thread = (int)threadIdx.x;
	int *found = (int *)(sum + C);
	int *count = found + LOOKUP_THREADS;
	bool any = false;

	for (int c = thread; c < C; c += LOOKUP_THREADS)
		sum[c] = 0;
	for (int first = 0; first < N; first += LOOKUP_THREADS) {
		const bool mine = first + thread < N && ids[first + thread] == id;
		const unsigned votes = __ballot_sync(~0u, mine);
		int before = 0, all = 0;

		if (lane_id() == 0)
			count[warp_id()] = __popc(votes);
		__syncthreads();
		for (int w = 0; w < LOOKUP_THREADS / 32; w++) {
			before += w < warp_id() ? count[w] : 0;
			all += count[w];
		}
		if (mine)
			found[before + __popc(votes & ((1u << lane_id()) - 1))] = first + thread;
		__syncthreads();
		for (int c = thread; c < C; c += LOOKUP_THREADS) {
			float column = sum[c];		/* in a register, so that loads need not wait for each other */

			for (int i = 0; i < all; i++)
				column += value(found[i], c);
			sum[c] = column;
		}
		any = any || all > 0;
	}
	return (any);
}

/* What is looked up, and what comes back: rows of ${from} (N, C), float or A, ... */
template <typename A>
struct lookup {
	const A *from;
	const int32_t *ids;
	const float *rates;		/* ... each times its (N, C / group) if given, */
	const float *by;		/* and the sum times *by if given */
	int N, C, group, rows;		/* rows of the table */
};

/* dtable (rows, C), accumulated. */
template <typename A>
void lookup_grad(struct ops_ctx *ctx, float *dtable, const struct lookup<A> &l);

#endif
