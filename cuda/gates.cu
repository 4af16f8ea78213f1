/* Gradients of gates: of their weights, by strips of rows, and of what they look at. */

#include "gates.cuh"

/* part (strips, count, columns) = a strip's sums of slopes (rows, count) times cut.  Block: gate (x), strip (y). */
__global__ void __launch_bounds__(COLUMN_THREADS)
gate_sums(float *part, const float *slopes, const struct gates s)
{
	const int g = (int)blockIdx.x, c = lane_id(), first = (int)blockIdx.y * STRIP_ROWS;
	const int end = first + STRIP_ROWS < s.rows ? first + STRIP_ROWS : s.rows;
	float sum = 0;

	for (int n = first + warp_id(); n < end && c < s.columns; n += COLUMN_WARPS)
		sum += slopes[(size_t)n * s.count + g] * s.cut[(size_t)n * s.stride + c];
	sum = column_sum(sum, device_shared<float>());
	if (warp_id() == 0 && c < s.columns)
		part[((size_t)blockIdx.y * s.count + g) * s.columns + c] = sum;
}

/* dcut (rows, stride), added to: by each gate, in order, its slope times its weight. */
__global__ void __launch_bounds__(ROW_THREADS)
gate_cut(float *dcut, const float *slopes, const struct gates s)
{
	const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
	const size_t n = i / (size_t)s.columns, c = i % (size_t)s.columns;
	float sum = 0;

	if (n >= (size_t)s.rows)
		return;
	for (int g = 0; g < s.count; g++)
		sum += slopes[n * s.count + g] * s.w[g * s.columns + (int)c];
	dcut[n * s.stride + c] += sum;
}

struct gates
gates_of(const struct ops_buf *w, const struct ops_buf *cut, size_t rows)
{
	struct gates s = {};

	if (w == NULL)
		return (s);
	assert(w->cols <= 32 && w->cols <= cut->cols);
	s = { rows_of<float>(w, 0, w->rows, w->cols), rows_of<float>(cut, 0, rows, cut->cols), (int)w->rows,
		(int)w->cols, (int)cut->cols, (int)rows };
	return (s);
}

void
gates_grad(struct ops_ctx *ctx, const struct gates &s, const float *slopes, float *dw, float *dcut)
{
	const unsigned strips = blocks_of((size_t)s.rows, STRIP_ROWS);
	const size_t width = (size_t)s.count * s.columns;

	launch(ctx, "gate_sums", gate_sums, dim3((unsigned)s.count, strips), COLUMN_THREADS,
	    COLUMN_THREADS * sizeof(float), ctx->partial, slopes, s);
	columns_add(ctx, dw, ctx->partial, strips, width, width);
	if (dcut != NULL)
		launch(ctx, "gate_cut", gate_cut, blocks_of((size_t)s.rows * s.columns, ROW_THREADS), ROW_THREADS, 0,
		    dcut, slopes, s);
}
