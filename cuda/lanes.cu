/* The end of a layer of two residual lanes: each takes its share of what attention and the MLP add; and back. */

#include "columns.cuh"

struct lanes {
	const float *a, *b, *att, *x2;	/* (N, C) */
	const float *keep, *add;	/* (2), (2, 2) */
	int N, C;
};

/* Sums over all elements: of keep, then of add. */
enum { LANE_SUMS = 6 };

/* a1 and b1 (N, C), which may be a and b; b1 NULL: a1 is the mean of both. */
__global__ void __launch_bounds__(ROW_THREADS)
lanes_forward(float *a1, float *b1, const struct lanes l)
{
	const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
	float b, mlp, x, y;

	if (i >= (size_t)l.N * l.C)
		return;
	b = l.b[i];
	mlp = l.x2[i] - b;
	x = l.keep[0] * l.a[i] + l.add[0] * l.att[i] + l.add[2] * mlp;
	y = l.keep[1] * b + l.add[1] * l.att[i] + l.add[3] * mlp;
	if (b1 != NULL)
		b1[i] = y;
	a1[i] = b1 != NULL ? x : 0.5f * (x + y);
}

struct lanes_grad {
	float *da, *db, *datt, *dmlp;	/* (N, C) */
	float *part;			/* (strips, columns of blocks, LANE_SUMS) */
};

/* Block: 32 columns (x) of STRIP_ROWS rows (y). */
__global__ void __launch_bounds__(COLUMN_THREADS)
lanes_backward(const struct lanes_grad d, const struct lanes l, int is_mean)
{
	const int c = (int)blockIdx.x * 32 + lane_id(), first = (int)blockIdx.y * STRIP_ROWS;
	const int end = first + STRIP_ROWS < l.N ? first + STRIP_ROWS : l.N;
	float *scratch = device_shared<float>();
	float sum[LANE_SUMS] = { 0, 0, 0, 0, 0, 0 };

	for (int n = first + warp_id(); n < end && c < l.C; n += COLUMN_WARPS) {
		const size_t at = (size_t)n * l.C + c;
		const float b = l.b[at], att = l.att[at], mlp = l.x2[at] - b;
		const float x = is_mean ? 0.5f * d.da[at] : d.da[at], y = is_mean ? x : d.db[at];
		const float dmlp = l.add[2] * x + l.add[3] * y;

		sum[0] += x * l.a[at];
		sum[1] += y * b;
		sum[2] += x * att;
		sum[3] += y * att;
		sum[4] += x * mlp;
		sum[5] += y * mlp;
		d.datt[at] = l.add[0] * x + l.add[1] * y;
		d.dmlp[at] = dmlp;
		d.da[at] = l.keep[0] * x;
		d.db[at] = l.keep[1] * y - dmlp;
	}
	for (int i = 0; i < LANE_SUMS; i++) {
		const float all = block_sum(sum[i], scratch);

		if (threadIdx.x == 0)
			d.part[((size_t)blockIdx.y * gridDim.x + blockIdx.x) * LANE_SUMS + i] = all;
	}
}

static struct lanes
lanes_of(const struct ops_ctx *ctx, struct ops_rows rows, const struct ops_lanes *a)
{
	const size_t N = rows.B * rows.T, C = ctx->C;
	const struct lanes l = {
		rows_of<float>(a->a, 0, N, C), rows_of<float>(a->b, 0, N, C), rows_of<float>(a->att, 0, N, C),
		rows_of<float>(a->x2, 0, N, C), row_of<float>(a->keep, 0, 2), rows_of<float>(a->add, 0, 2, 2), (int)N,
		(int)C
	};

	return (l);
}

void
cuda_lanes(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_lanes *a)
{
	const size_t N = rows.B * rows.T, C = ctx->C;

	launch(ctx, "lanes_forward", lanes_forward, blocks_of(N * C, ROW_THREADS), ROW_THREADS, 0,
	    rows_of<float>(a->a1, 0, N, C), a->b1 != NULL ? rows_of<float>(a->b1, 0, N, C) : NULL,
	    lanes_of(ctx, rows, a));
}

void
cuda_lanes_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_lanes *a, const struct ops_lanes_grad *d)
{
	const size_t N = rows.B * rows.T, C = ctx->C;
	const dim3 grid(blocks_of(C, 32), blocks_of(N, STRIP_ROWS));
	const size_t blocks = (size_t)grid.x * grid.y;
	const struct lanes_grad grad = {
		rows_of<float>(d->da, 0, N, C), rows_of<float>(d->db, 0, N, C), rows_of<float>(d->datt, 0, N, C),
		rows_of<float>(d->dmlp, 0, N, C), ctx->partial
	};

	assert(rows.pos0 == 0);
	launch(ctx, "lanes_backward", lanes_backward, grid, COLUMN_THREADS, COLUMN_WARPS * sizeof(float), grad,
	    lanes_of(ctx, rows, a), a->b1 == NULL);
	columns_add(ctx, row_of<float>(d->dkeep, 0, 2), ctx->partial, blocks, 2, LANE_SUMS);
	columns_add(ctx, rows_of<float>(d->dadd, 0, 2, 2), ctx->partial + 2, blocks, 4, LANE_SUMS);
}
