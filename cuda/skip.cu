/* A skip, through a gate or without: a sum of two streams by columns, and back. */

#include "columns.cuh"

struct skip {
	const float *x, *kept;		/* (N, C) */
	const float *w, *gates;		/* (C); gates NULL without one */
	int N, C;
};

static __device__ __forceinline__ float
gate_at(const struct skip &s, int c)
{
	return (s.gates != NULL ? 1.0f / (1.0f + expf(-s.gates[c])) : 0);
}

/* out (N, C) = g x + (1 - g) w kept, or x + w kept */
__global__ void __launch_bounds__(ROW_THREADS)
skip_forward(float *out, const struct skip s)
{
	const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
	const int c = (int)(i % (size_t)s.C);
	float g;

	if (i >= (size_t)s.N * s.C)
		return;
	g = gate_at(s, c);
	out[i] = (s.gates != NULL ? g * s.x[i] : s.x[i]) + (1 - g) * s.w[c] * s.kept[i];
}

/*
 * dx becomes that of x, dkept is written, and sums of a strip's columns for w and the gates go to part (strips, 2, C).
 * Block: 32 columns (x) of STRIP_ROWS rows (y).
 */
__global__ void __launch_bounds__(COLUMN_THREADS)
skip_backward(float *dx, float *dkept, float *part, const struct skip s)
{
	const int c = (int)blockIdx.x * 32 + lane_id(), first = (int)blockIdx.y * STRIP_ROWS;
	const int end = first + STRIP_ROWS < s.N ? first + STRIP_ROWS : s.N;
	const float g = c < s.C ? gate_at(s, c) : 0;
	float *scratch = device_shared<float>();
	float sum[2] = { 0, 0 };

	for (int n = first + warp_id(); n < end && c < s.C; n += COLUMN_WARPS) {
		const size_t at = (size_t)n * s.C + c;
		const float d = dx[at], kept = s.kept[at];

		sum[0] += d * (1 - g) * kept;
		sum[1] += d * (s.x[at] - s.w[c] * kept) * g * (1 - g);
		dkept[at] = d * (1 - g) * s.w[c];
		if (s.gates != NULL)
			dx[at] = d * g;
	}
	for (int i = 0; i < 2; i++) {
		const float all = column_sum(sum[i], scratch);

		if (warp_id() == 0 && c < s.C)
			part[((size_t)blockIdx.y * 2 + i) * s.C + c] = all;
	}
}

static struct skip
skip_of(const struct ops_ctx *ctx, struct ops_rows rows, const struct ops_skip *a)
{
	const size_t N = rows.B * rows.T, C = ctx->C;
	const struct skip s = {
		rows_of<float>(a->x, 0, N, C), rows_of<float>(a->skip, 0, N, C), row_of<float>(a->w, a->skip_row, C),
		a->gates != NULL ? row_of<float>(a->gates, a->skip_row, C) : NULL, (int)N, (int)C
	};

	return (s);
}

void
cuda_skip(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_skip *a)
{
	const size_t N = rows.B * rows.T, C = ctx->C;

	launch(ctx, "skip_forward", skip_forward, blocks_of(N * C, ROW_THREADS), ROW_THREADS, 0,
	    rows_of<float>(a->out, 0, N, C), skip_of(ctx, rows, a));
}

void
cuda_skip_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_skip *a, const struct ops_skip_grad *d)
{
	const size_t N = rows.B * rows.T, C = ctx->C;
	const unsigned strips = blocks_of(N, STRIP_ROWS);

	launch(ctx, "skip_backward", skip_backward, dim3(blocks_of(C, 32), strips), COLUMN_THREADS,
	    COLUMN_THREADS * sizeof(float), rows_of<float>(d->dx, 0, N, C), rows_of<float>(d->dskip, 0, N, C),
	    ctx->partial, skip_of(ctx, rows, a));
	columns_add(ctx, row_of<float>(d->dw, a->skip_row, C), ctx->partial, strips, C, 2 * C);
	if (a->gates != NULL)
		columns_add(ctx, row_of<float>(d->dgates, a->skip_row, C), ctx->partial + C, strips, C, 2 * C);
}
