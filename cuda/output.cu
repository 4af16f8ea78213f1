/* Attention's output without what it has along the row's own value, through a gate, head by head, and back. */

#include "gates.cuh"

/* The least square of the length of a value that is divided by. */
#define OWN_FLOOR 1e-12f

struct own {
	int D, K, group, rows;		/* width of a head, key/value heads, query heads of each, rows in all */
};

/* out = gate (y - (<y, v> / max(<v, v>, floor)) v); v NULL: gate y; out may be y.  One warp for each head. */
template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
output_forward(A *out, const A *y, const A *v, const struct own o, const struct gates gates)
{
	const int i = (int)blockIdx.x * (ROW_THREADS / 32) + warp_id(), heads = o.K * o.group;
	float along = 0, square = 0, share = 0, gate = 1;

	if (i >= o.rows * heads)
		return;
	out += (size_t)i * o.D;
	y += (size_t)i * o.D;
	if (v != NULL) {
		v += (size_t)(i / o.group) * o.D;
		for (int d = lane_id(); d < o.D; d += 32) {
			along += to_float(y[d]) * to_float(v[d]);
			square += to_float(v[d]) * to_float(v[d]);
		}
		along = warp_sum(along);
		share = along / fmaxf(warp_sum(square), OWN_FLOOR);
	}
	if (gates.w != NULL)
		gate = 2 * gate_at(gates, i % heads, i / heads);
	for (int d = lane_id(); d < o.D; d += 32) {
		const float z = v != NULL ? to_float(y[d]) - share * to_float(v[d]) : to_float(y[d]);

		store(&out[d], gate * z);
	}
}

/*
 * dy becomes the gradient of y; dv is written: the sum over a value's heads, in order; slopes (rows, heads) are the
 * gradients of the gates' arguments.  v NULL: no dv; no gates: no slopes.  One warp for each value.
 */
template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
output_backward(A *dy, float *dv, float *slopes, const A *y, const A *v, const struct own o, const struct gates gates)
{
	const int i = (int)blockIdx.x * (ROW_THREADS / 32) + warp_id();
	float square = 0;

	if (i >= o.rows * o.K)
		return;
	y += (size_t)i * o.group * o.D;
	dy += (size_t)i * o.group * o.D;
	if (v != NULL) {
		dv += (size_t)i * o.D;
		v += (size_t)i * o.D;
		for (int d = lane_id(); d < o.D; d += 32) {
			square += to_float(v[d]) * to_float(v[d]);
			dv[d] = 0;
		}
		square = fmaxf(warp_sum(square), OWN_FLOOR);
	}
	for (int h = 0; h < o.group; h++, y += o.D, dy += o.D) {
		float share = 0, dshare = 0, along = 0, gate = 1, slope = 0;

		if (v != NULL) {
			for (int d = lane_id(); d < o.D; d += 32) {
				share += to_float(y[d]) * to_float(v[d]);
				dshare -= to_float(dy[d]) * to_float(v[d]);
			}
			share = warp_sum(share) / square;
			dshare = warp_sum(dshare) / square;
		}
		if (gates.w != NULL) {
			const float g = gate_at(gates, i % o.K * o.group + h, i / o.K);

			for (int d = lane_id(); d < o.D; d += 32)
				slope += to_float(dy[d]) *
				    (v != NULL ? to_float(y[d]) - share * to_float(v[d]) : to_float(y[d]));
			slope = warp_sum(slope) * 2 * g * (1 - g);
			if (lane_id() == 0)
				slopes[(size_t)i * o.group + h] = slope;
			gate = 2 * g;
			dshare *= gate;
		}
		along = square > OWN_FLOOR ? -2 * dshare * share : 0;
		for (int d = lane_id(); d < o.D; d += 32) {
			const float g = gate * to_float(dy[d]), value = v != NULL ? to_float(v[d]) : 0;

			if (v != NULL)
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

	launch(ctx, "output_forward", output_forward<A>, blocks_of(N * ctx->H, ROW_THREADS / 32), ROW_THREADS, 0,
	    rows_of<A>(a->out, 0, N, C), (const A *)rows_of<A>(a->y, 0, N, C),
	    a->v != NULL ? (const A *)rows_of<A>(a->v, rows.pos0, N, ctx->KD) : NULL, own_of(ctx, rows),
	    gates_of(a->gate, a->cut, N));
}

template <typename A>
static void
output_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_output *a, const struct ops_output_grad *d)
{
	const size_t N = rows.B * rows.T, C = ctx->C;
	const struct gates gates = gates_of(a->gate, a->cut, N);
	float *slopes = ctx->dh;		/* (N, H): free until qkv's backward */

	assert(rows.pos0 == 0);
	launch(ctx, "output_backward", output_backward<A>, blocks_of(N * ctx->K, ROW_THREADS / 32), ROW_THREADS, 0,
	    rows_of<A>(d->dy, 0, N, C), a->v != NULL ? rows_of<float>(d->dv, 0, N, ctx->KD) : NULL, slopes,
	    (const A *)rows_of<A>(a->y, 0, N, C), a->v != NULL ? (const A *)rows_of<A>(a->v, 0, N, ctx->KD) : NULL,
	    own_of(ctx, rows), gates);
	if (a->gate != NULL)
		gates_grad(ctx, gates, slopes, rows_of<float>(d->dgate, 0, ctx->H, a->gate->cols),
		    rows_of<float>(d->dcut, 0, N, a->cut->cols));
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
