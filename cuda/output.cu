/* Attention's output without what it has along the row's own value, head by head, and back.  No gates: see lacks. */

#include "context.cuh"

/* The least square of the length of a value that is divided by. */
#define OWN_FLOOR 1e-12f

struct own {
	int D, K, group, rows;		/* width of a head, key/value heads, query heads of each, rows in all */
};

/* out = y - (<y, v> / max(<v, v>, floor)) v; out may be y.  One warp for each head. */
template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
own_removed(A *out, const A *y, const A *v, const struct own o)
{
	const int i = (int)blockIdx.x * (ROW_THREADS / 32) + warp_id();
	float along = 0, square = 0, share;

	if (i >= o.rows * o.K * o.group)
		return;
	out += (size_t)i * o.D;
	y += (size_t)i * o.D;
	v += (size_t)(i / o.group) * o.D;
	for (int d = lane_id(); d < o.D; d += 32) {
		along += to_float(y[d]) * to_float(v[d]);
		square += to_float(v[d]) * to_float(v[d]);
	}
	along = warp_sum(along);
	share = along / fmaxf(warp_sum(square), OWN_FLOOR);
	for (int d = lane_id(); d < o.D; d += 32)
		store(&out[d], to_float(y[d]) - share * to_float(v[d]));
}

/* dy becomes the gradient of y; dv is written: the sum over a value's heads, in order.  One warp for each value. */
template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
own_removed_grad(A *dy, float *dv, const A *y, const A *v, const struct own o)
{
	const int i = (int)blockIdx.x * (ROW_THREADS / 32) + warp_id();
	float square = 0;

	if (i >= o.rows * o.K)
		return;
	dv += (size_t)i * o.D;
	v += (size_t)i * o.D;
	y += (size_t)i * o.group * o.D;
	dy += (size_t)i * o.group * o.D;
	for (int d = lane_id(); d < o.D; d += 32) {
		square += to_float(v[d]) * to_float(v[d]);
		dv[d] = 0;
	}
	square = fmaxf(warp_sum(square), OWN_FLOOR);
	for (int h = 0; h < o.group; h++, y += o.D, dy += o.D) {
		float share = 0, dshare = 0, along;

		for (int d = lane_id(); d < o.D; d += 32) {
			share += to_float(y[d]) * to_float(v[d]);
			dshare -= to_float(dy[d]) * to_float(v[d]);
		}
		share = warp_sum(share) / square;
		dshare = warp_sum(dshare) / square;
		along = square > OWN_FLOOR ? -2 * dshare * share : 0;
		for (int d = lane_id(); d < o.D; d += 32) {
			const float g = to_float(dy[d]), value = to_float(v[d]);

			dv[d] += dshare * to_float(y[d]) - share * g + along * value;
			store(&dy[d], g + dshare * value);
		}
	}
}

static struct own
own_of(const struct ops_ctx *ctx, struct ops_rows rows)
{
	const struct own o = { ctx->D, ctx->K, ctx->H / ctx->K, (int)(rows.B * rows.T) };

	return (o);
}

template <typename A>
static void
output(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_output *a)
{
	const size_t N = rows.B * rows.T, C = ctx->C;

	assert(a->v != NULL && a->gate == NULL);
	launch(ctx, "own_removed", own_removed<A>, blocks_of(N * ctx->H, ROW_THREADS / 32), ROW_THREADS, 0,
	    rows_of<A>(a->out, 0, N, C), (const A *)rows_of<A>(a->y, 0, N, C),
	    (const A *)rows_of<A>(a->v, rows.pos0, N, ctx->KD), own_of(ctx, rows));
}

template <typename A>
static void
output_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_output *a, const struct ops_output_grad *d)
{
	const size_t N = rows.B * rows.T, C = ctx->C;

	assert(rows.pos0 == 0 && a->v != NULL && a->gate == NULL);
	launch(ctx, "own_removed_grad", own_removed_grad<A>, blocks_of(N * ctx->K, ROW_THREADS / 32), ROW_THREADS, 0,
	    rows_of<A>(d->dy, 0, N, C), rows_of<float>(d->dv, 0, N, ctx->KD), (const A *)rows_of<A>(a->y, 0, N, C),
	    (const A *)rows_of<A>(a->v, 0, N, ctx->KD), own_of(ctx, rows));
}

void
cuda_output(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_output *a)
{
	if (ctx->arith == OPS_BF16)
		output<bf16>(ctx, rows, a);
	else
		output<float>(ctx, rows, a);
}

void
cuda_output_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_output *a,
    const struct ops_output_grad *d)
{
	if (ctx->arith == OPS_BF16)
		output_grad<bf16>(ctx, rows, a, d);
	else
		output_grad<float>(ctx, rows, a, d);
}
