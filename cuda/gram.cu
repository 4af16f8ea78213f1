/* The Gram matrix of what a product reads, for calibration. */

#include "mlp.cuh"
#include "norm.cuh"
#include "product.cuh"

template <typename A>
static void
gram(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_gram *a)
{
	const size_t N = rows.B * rows.T, C = ctx->C, F = ctx->F, width = a->x != NULL || a->y != NULL ? C : F;
	const void *h;

	if (a->x != NULL) {
		norm_rows(ctx, ctx->h, rows_of<float>(a->x, 0, N, C), N, a->norm_scale);
		h = ctx->h;
	} else if (a->y != NULL)
		h = rows_of<A>(a->y, 0, N, C);
	else {
		/* r is what the MLP left, on which relu^2 changes nothing more. */
		mlp_activate<A>(ctx, N, a->activation, rows_of<A>(a->r, 0, N, F),
		    a->activation == OPS_SWIGLU ? (const A *)rows_of<A>(a->gate, 0, N, F) : NULL);
		h = ctx->square;
	}
	product_dw(ctx, rows_of<float>(a->g, 0, width, width), true, h, h, N, width, width);
}

void
cuda_gram(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_gram *a)
{
	if (ctx->arith == OPS_BF16)
		gram<bf16>(ctx, rows, a);
	else
		gram<float>(ctx, rows, a);
}
