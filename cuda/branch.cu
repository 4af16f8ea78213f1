/* The end of attention's and the MLP's branch; attention's own projection. */

#include "branch.cuh"
#include "convert.cuh"
#include "product.cuh"

/* out (C, width) = scale[j] * w[j], rounded */
template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
scale_rows(A *out, const float *w, const float *scale, int width, size_t n)
{
	const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		store(&out[i], scale[i / width] * w[i]);
}

/* One block for each row j of G (C, width): dw[j] += scale[j] * G[j], dscale[j] += <w[j], G[j]> */
__global__ void __launch_bounds__(ROW_THREADS)
scale_rows_grad(float *dw, float *dscale, const float *G, const float *w, const float *scale, int width)
{
	const size_t row = (size_t)blockIdx.x * width;
	float dot = 0;

	for (int i = (int)threadIdx.x; i < width; i += ROW_THREADS) {
		dw[row + i] += scale[blockIdx.x] * G[row + i];
		dot += w[row + i] * G[row + i];
	}
	dot = block_sum(dot, device_shared<float>());
	if (threadIdx.x == 0)
		dscale[blockIdx.x] += dot;
}

template <typename A>
static A *
scaled(struct ops_ctx *ctx, const struct ops_buf *w, const struct ops_buf *scale, size_t width)
{
	const size_t n = ctx->C * width;
	A *out = (A *)ctx->scaled;

	launch(ctx, "scale_rows", scale_rows<A>, blocks_of(n, ROW_THREADS), ROW_THREADS, 0, out,
	    rows_of<float>(w, 0, ctx->C, width), rows_of<float>(scale, 0, ctx->C, 1), (int)width, n);
	return (out);
}

template <typename A>
void
branch_forward(struct ops_ctx *ctx, size_t N, float *out, const float *in, const A *y, const struct ops_buf *w,
    const struct ops_buf *scale, size_t width)
{
	product_onto(ctx, out, in, y, scaled<A>(ctx, w, scale, width), N, ctx->C, width);
}

template <typename A>
void
branch_dy(struct ops_ctx *ctx, size_t N, A *dy, const A *rounded, const struct ops_buf *w, const struct ops_buf *scale,
    size_t width)
{
	product_dx(ctx, dy, rounded, scaled<A>(ctx, w, scale, width), N, ctx->C, width);
}

template <typename A>
void
branch_dw(struct ops_ctx *ctx, size_t N, struct ops_buf *dw, struct ops_buf *dscale, const A *rounded, const A *y,
    const struct ops_buf *w, const struct ops_buf *scale, size_t width)
{
	product_dw(ctx, ctx->dw, false, rounded, y, N, ctx->C, width);
	launch(ctx, "scale_rows_grad", scale_rows_grad, (unsigned)ctx->C, ROW_THREADS, ROW_THREADS / 32 * sizeof(float),
	    rows_of<float>(dw, 0, ctx->C, width), rows_of<float>(dscale, 0, ctx->C, 1), (const float *)ctx->dw,
	    rows_of<float>(w, 0, ctx->C, width), rows_of<float>(scale, 0, ctx->C, 1), (int)width);
}

/* Both element types, for mlp.cu too. */
template void branch_forward<float>(struct ops_ctx *, size_t, float *, const float *, const float *,
    const struct ops_buf *, const struct ops_buf *, size_t);
template void branch_forward<bf16>(struct ops_ctx *, size_t, float *, const float *, const bf16 *,
    const struct ops_buf *, const struct ops_buf *, size_t);
template void branch_dy<float>(struct ops_ctx *, size_t, float *, const float *, const struct ops_buf *,
    const struct ops_buf *, size_t);
template void branch_dy<bf16>(struct ops_ctx *, size_t, bf16 *, const bf16 *, const struct ops_buf *,
    const struct ops_buf *, size_t);
template void branch_dw<float>(struct ops_ctx *, size_t, struct ops_buf *, struct ops_buf *, const float *,
    const float *, const struct ops_buf *, const struct ops_buf *, size_t);
template void branch_dw<bf16>(struct ops_ctx *, size_t, struct ops_buf *, struct ops_buf *, const bf16 *, const bf16 *,
    const struct ops_buf *, const struct ops_buf *, size_t);

template <typename A>
static void
proj(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_proj *a)
{
	const size_t N = rows.B * rows.T, C = ctx->C;

	branch_forward<A>(ctx, N, rows_of<float>(a->x1, 0, N, C), rows_of<float>(a->xm, 0, N, C),
	    rows_of<A>(a->y, 0, N, C), a->wo, a->scale, C);
}

template <typename A>
static void
proj_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_proj *a, const struct ops_proj_grad *d)
{
	const size_t N = rows.B * rows.T, C = ctx->C;
	const A *rounded = (const A *)convert_round(ctx, ctx->d, rows_of<float>(d->dx1, 0, N, C), N * C);

	branch_dy<A>(ctx, N, rows_of<A>(d->dy, 0, N, C), rounded, a->wo, a->scale, C);
	branch_dw<A>(ctx, N, d->dwo, d->dscale, rounded, rows_of<A>(a->y, 0, N, C), a->wo, a->scale, C);
}

void
cuda_proj(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_proj *a)
{
	if (ctx->arith == OPS_BF16)
		proj<bf16>(ctx, rows, a);
	else
		proj<float>(ctx, rows, a);
}

void
cuda_proj_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_proj *a, const struct ops_proj_grad *d)
{
	if (ctx->arith == OPS_BF16)
		proj_grad<bf16>(ctx, rows, a, d);
	else
		proj_grad<float>(ctx, rows, a, d);
}
