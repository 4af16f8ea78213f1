/* The MLP: norm, product, relu^2, product onto the stream; and back. */

#include "branch.cuh"
#include "convert.cuh"
#include "mlp.cuh"
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

/* made = (r > 0 ? r : r / 2)^2 */
template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
leaky_square(const A *r, A *made, size_t n)
{
	const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
	float x;

	if (i >= n)
		return;
	x = to_float(r[i]);
	x = x < 0 ? x / 2 : x;
	store(&made[i], x * x);
}

/* dr becomes the gradient of r, in place, from that of what leaky_square made; that again */
template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
leaky_square_grad(A *dr, A *made, const A *r, size_t n)
{
	const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
	float x, slope;

	if (i >= n)
		return;
	x = to_float(r[i]);
	slope = x < 0 ? x / 2 : 2 * x;
	x = x < 0 ? x / 2 : x;
	store(&dr[i], slope * to_float(dr[i]));
	store(&made[i], x * x);
}

/* made = silu(gate) * r */
template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
swiglu(const A *r, const A *gate, A *made, size_t n)
{
	const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
	float g;

	if (i >= n)
		return;
	g = to_float(gate[i]);
	store(&made[i], g / (1.0f + expf(-g)) * to_float(r[i]));
}

/* dr and dgate, from the gradient of what swiglu made, which stands in dr; that again */
template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
swiglu_grad(A *dr, A *dgate, A *made, const A *r, const A *gate, size_t n)
{
	const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
	float g, s, x, d;

	if (i >= n)
		return;
	g = to_float(gate[i]);
	s = 1.0f / (1.0f + expf(-g));
	x = to_float(r[i]);
	d = to_float(dr[i]);
	store(&dr[i], d * g * s);
	store(&dgate[i], d * x * s * (1.0f + g * (1.0f - s)));
	store(&made[i], g * s * x);
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
void
mlp_activate(struct ops_ctx *ctx, size_t N, enum ops_activation activation, A *r, const A *gate)
{
	const size_t n = N * (size_t)ctx->F;
	A *made = (A *)ctx->square;

	if (activation == OPS_SWIGLU)
		launch(ctx, "swiglu", swiglu<A>, blocks_of(n, ROW_THREADS), ROW_THREADS, 0, (const A *)r, gate, made,
		    n);
	else if (activation == OPS_LEAKY_RELU2)
		launch(ctx, "leaky_square", leaky_square<A>, blocks_of(n, ROW_THREADS), ROW_THREADS, 0, (const A *)r,
		    made, n);
	else
		launch(ctx, "relu_square", relu_square<A>, blocks_of(n, ROW_THREADS), ROW_THREADS, 0, r, made, n);
}

template void mlp_activate<bf16>(struct ops_ctx *, size_t, enum ops_activation, bf16 *, const bf16 *);
template void mlp_activate<float>(struct ops_ctx *, size_t, enum ops_activation, float *, const float *);

template <typename A>
static void
mlp(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_mlp *a)
{
	const size_t N = rows.B * rows.T, C = ctx->C, F = ctx->F;
	const float *x1 = rows_of<float>(a->x1, 0, N, C);
	A *r = rows_of<A>(a->r, 0, N, F), *square = (A *)ctx->square;

	norm_rows(ctx, ctx->h, x1, N, a->norm_scale);
	product_forward(ctx, r, ctx->h, low<A>(a->wfc), N, F, C);
	if (a->activation == OPS_SWIGLU)
		product_forward(ctx, rows_of<A>(a->gate, 0, N, F), ctx->h, low<A>(a->wgate), N, F, C);
	mlp_activate<A>(ctx, N, a->activation, r, a->activation == OPS_SWIGLU ? rows_of<A>(a->gate, 0, N, F) : NULL);
	branch_forward<A>(ctx, N, rows_of<float>(a->x2, 0, N, C), x1, square, a->wproj, a->scale, F);
}

template <typename A>
static void
mlp_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_mlp *a, const struct ops_mlp_grad *d)
{
	const size_t N = rows.B * rows.T, C = ctx->C, F = ctx->F;
	const float *x1 = rows_of<float>(a->x1, 0, N, C), *dx2 = rows_of<float>(d->dx2, 0, N, C);
	const A *rounded = (const A *)convert_round(ctx, ctx->d, dx2, N * C);
	A *dr = (A *)ctx->dr, *square = (A *)ctx->square, *dgate = (A *)ctx->dgate;

	branch_dy<A>(ctx, N, dr, rounded, a->wproj, a->scale, F);
	if (a->activation == OPS_SWIGLU)
		launch(ctx, "swiglu_grad", swiglu_grad<A>, blocks_of(N * F, ROW_THREADS), ROW_THREADS, 0, dr, dgate,
		    square, (const A *)rows_of<A>(a->r, 0, N, F), (const A *)rows_of<A>(a->gate, 0, N, F), N * F);
	else if (a->activation == OPS_LEAKY_RELU2)
		launch(ctx, "leaky_square_grad", leaky_square_grad<A>, blocks_of(N * F, ROW_THREADS), ROW_THREADS, 0,
		    dr, square, (const A *)rows_of<A>(a->r, 0, N, F), N * F);
	else
		launch(ctx, "relu_square_grad", relu_square_grad<A>, blocks_of(N * F, ROW_THREADS), ROW_THREADS, 0, dr,
		    square, rows_of<A>(a->r, 0, N, F), N * F);
	branch_dw<A>(ctx, N, d->dwproj, d->dscale, rounded, square, a->wproj, a->scale, F);
	norm_rows(ctx, ctx->h, x1, N, a->norm_scale);
	product_dw(ctx, rows_of<float>(d->dwfc, 0, F, C), true, dr, ctx->h, N, F, C);
	product_dx_wide(ctx, ctx->dh, false, dr, low<A>(a->wfc), N, F, C);
	if (a->activation == OPS_SWIGLU) {
		product_dw(ctx, rows_of<float>(d->dwgate, 0, F, C), true, dgate, ctx->h, N, F, C);
		product_dx_wide(ctx, ctx->dh, true, dgate, low<A>(a->wgate), N, F, C);
	}
	norm_rows_grad(ctx, rows_of<float>(d->dx1, 0, N, C), dx2, ctx->dh, x1, N,
	    a->norm_scale);
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
