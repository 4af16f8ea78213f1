#ifndef HG_GATES_CUH
#define HG_GATES_CUH

/**
 * Gates that look at the first columns of a row: sigmoid(<w, cut>), and back.
 * A lane takes a column, so that there are at most as many as a warp has.
 */

#include "columns.cuh"

struct gates {
	const float *w;			/* (count, columns); NULL: none */
	const float *cut;		/* (rows, stride), of which columns are looked at */
	int count, columns, stride, rows;
};

/* Gate g at row n, by a whole warp: the same bits in every lane. */
static __device__ __forceinline__ float
gate_at(const struct gates &s, int g, int n)
{
	const int c = lane_id();
	const float x = c < s.columns ? s.w[g * s.columns + c] * s.cut[(size_t)n * s.stride + c] : 0;

	return (1.0f / (1.0f + expf(-warp_sum(x))));
}

/* ${w} NULL: none. */
struct gates gates_of(const struct ops_buf *w, const struct ops_buf *cut, size_t rows);

/* From slopes (rows, count), the gradients of gates' arguments: onto dw (count, columns), and onto dcut if given. */
void gates_grad(struct ops_ctx *ctx, const struct gates &s, const float *slopes, float *dw, float *dcut);

#endif
