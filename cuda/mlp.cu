/* The MLP: norm, product, relu^2, product onto the stream; and back. */

#include "branch.cuh"
#include "convert.cuh"
#include "norm.cuh"
#include "product.cuh"

/* r = max(0, r) in place, where a NaN stays one; square = r * r */
template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
relu_square(A *r, A *square, size_t n)
{
	const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
	float x;

	if (i >= n)
		return;
	x = to_float(r[i]);
	x = x < 0 ? 0 : x;
	store(&r[i], x);
	store(&square[i], x * x);
}

/* dr *= 2 r, in place, from the gradient of the square; square = r * r again */
template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
relu_square_grad(A *dr, A *square, const A *r, size_t n)
{
	const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
	float x;

	if (i >= n)
		return;
	x = to_float(r[i]);
	store(&dr[i], 2 * x * to_float(dr[i]));
	store(&square[i], x * x);
}

template <typename A>
static void
mlp(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_mlp *a)
{
	const size_t N = rows.B * rows.T, C = ctx->C, F = ctx->F;
	const float *x1 = rows_of<float>(a->x1, 0, N, C);
	A *r = rows_of<A>(a->r, 0, N, F), *square = (A *)ctx->square;

	norm_rows(ctx, ctx->h, x1, N);
	product_forward(ctx, r, ctx->h, low<A>(a->wfc), N, F, C);
	launch(ctx, "relu_square", relu_square<A>, blocks_of(N * F, ROW_THREADS), ROW_THREADS, 0, r, square, N * F);
	branch_forward<A>(ctx, N, rows_of<float>(a->x2, 0, N, C), x1, square, a->wproj, a->scale, F);
}

template <typename A>
static void
mlp_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_mlp *a, const struct ops_mlp_grad *d)
{
	const size_t N = rows.B * rows.T, C = ctx->C, F = ctx->F;
	const float *x1 = rows_of<float>(a->x1, 0, N, C), *dx2 = rows_of<float>(d->dx2, 0, N, C);
	const A *rounded = (const A *)convert_round(ctx, ctx->d, dx2, N * C);
	A *dr = (A *)ctx->dr, *square = (A *)ctx->square;

	branch_dy<A>(ctx, N, dr, rounded, a->wproj, a->scale, F);
	launch(ctx, "relu_square_grad", relu_square_grad<A>, blocks_of(N * F, ROW_THREADS), ROW_THREADS, 0, dr, square,
	    rows_of<A>(a->r, 0, N, F), N * F);
	branch_dw<A>(ctx, N, d->dwproj, d->dscale, rounded, square, a->wproj, a->scale, F);
	norm_rows(ctx, ctx->h, x1, N);
	product_dw(ctx, rows_of<float>(d->dwfc, 0, F, C), true, dr, ctx->h, N, F, C);
	product_dx_wide(ctx, ctx->dh, false, dr, low<A>(a->wfc), N, F, C);
	norm_rows_grad(ctx, rows_of<float>(d->dx1, 0, N, C), dx2, ctx->dh, x1, N);
}

void
cuda_mlp(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_mlp *a)
{
	if (ctx->arith == OPS_BF16)
		mlp<bf16>(ctx, rows, a);
	else
		mlp<float>(ctx, rows, a);
}

void
cuda_mlp_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_mlp *a, const struct ops_mlp_grad *d)
{
	if (ctx->arith == OPS_BF16)
		mlp_grad<bf16>(ctx, rows, a, d);
	else
		mlp_grad<float>(ctx, rows, a, d);
}
