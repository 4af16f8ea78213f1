/*
 * The embedding with what the tokens before add (ops.h: context), and back: a
 * projected row of a table of pairs, and a share of the row before.  Letters
 * as in ops.h: e is what stands before the smearing, s after it.  The norm of
 * s is made again for backward.
 */

#include "convert.cuh"
#include "gates.cuh"
#include "lookup.cuh"
#include "product.cuh"

/* out (N, width) = table[ids[n]], times *by if given.  One warp for each row. */
template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
take_rows(A *out, const float *table, const int32_t *ids, const float *by, int N, int width)
{
	const int n = (int)blockIdx.x * (ROW_THREADS / 32) + warp_id();
	const float scale = by != NULL ? *by : 1;

	if (n >= N)
		return;
	out += (size_t)n * width;
	table += (size_t)ids[n] * width;
	for (int c = lane_id(); c < width; c += 32)
		store(&out[c], scale * table[c]);
}

/* What s is made of. */
struct smear {
	const float *e;			/* (N, C); where a row is smeared, one stands before it */
	const int32_t *smeared;		/* (N), or NULL: s is e */
	const float *lambda;
	int N, C;
};

/* The share of the row before in row n, by a whole warp; *gate without lambda. */
static __device__ __forceinline__ float
smear_share(const struct smear &m, const struct gates &gates, int n, float *gate)
{
	*gate = 0;
	if (m.smeared == NULL || m.smeared[n] == 0)
		return (0);
	*gate = gate_at(gates, 0, n);
	return (*m.lambda * *gate);
}

/* Column c of s at the row that ${e} points to; nothing is read of the row before where it has no share. */
static __device__ __forceinline__ float
smear_at(const float *e, float share, int c, int C)
{
	return (share != 0 ? e[c] + share * e[c - C] : e[c]);
}

/* x0 (N, C) = rms(s).  One warp for each row. */
__global__ void __launch_bounds__(ROW_THREADS)
smear_norm(float *x0, const struct smear m, const struct gates gates, float eps)
{
	const int n = (int)blockIdx.x * (ROW_THREADS / 32) + warp_id();
	const float *e = m.e + (size_t)n * m.C;
	float sum = 0, share, gate, r;

	if (n >= m.N)
		return;
	share = smear_share(m, gates, n, &gate);
	x0 += (size_t)n * m.C;
	for (int c = lane_id(); c < m.C; c += 32) {
		const float s = smear_at(e, share, c, m.C);

		sum += s * s;
	}
	r = 1.0f / sqrtf(warp_sum(sum) / m.C + eps);
	for (int c = lane_id(); c < m.C; c += 32)
		x0[c] = smear_at(e, share, c, m.C) * r;
}

/*
 * ds (N, C) = the gradient of s; ds may be dx0.  Where rows can be smeared, by row: shares of the row before, slopes
 * (gradients of the gate's argument) and along (lambda's share).  One warp for each row.
 */
__global__ void __launch_bounds__(ROW_THREADS)
smear_norm_grad(float *ds, float *shares, float *slopes, float *along, const float *dx0, const struct smear m,
    const struct gates gates, float eps)
{
	const int n = (int)blockIdx.x * (ROW_THREADS / 32) + warp_id();
	const float *e = m.e + (size_t)n * m.C;
	float square = 0, dot = 0, product = 0, share, gate, r, mean;

	if (n >= m.N)
		return;
	share = smear_share(m, gates, n, &gate);
	ds += (size_t)n * m.C;
	dx0 += (size_t)n * m.C;
	for (int c = lane_id(); c < m.C; c += 32) {
		const float s = smear_at(e, share, c, m.C);

		square += s * s;
		dot += s * dx0[c];
	}
	r = 1.0f / sqrtf(warp_sum(square) / m.C + eps);
	mean = warp_sum(dot) * r / m.C;
	for (int c = lane_id(); c < m.C; c += 32) {
		const float d = r * (dx0[c] - smear_at(e, share, c, m.C) * r * mean);

		if (gate != 0)
			product += d * e[c - m.C];
		ds[c] = d;
	}
	product = warp_sum(product);
	if (m.smeared != NULL && lane_id() == 0) {
		shares[n] = share;
		slopes[n] = share * product * (1 - gate);
		along[n] = product * gate;
	}
}

/* de (N, C) = ds, with what the next row took of it, and what the gate looks at. */
__global__ void __launch_bounds__(ROW_THREADS)
smear_backward(float *de, const float *ds, const float *shares, const float *slopes, const struct gates gates, int N,
    int C)
{
	const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
	const int n = (int)(i / C), c = (int)(i % C);
	float d;

	if (i >= (size_t)N * C)
		return;
	d = ds[i];
	if (n + 1 < N)
		d += shares[n + 1] * ds[i + C];
	if (c < gates.columns)
		d += slopes[n] * gates.w[c];
	de[i] = d;
}

/* One block for each row of G (C, width): dproj += *scale * G, along[row] = <proj, G> there. */
__global__ void __launch_bounds__(ROW_THREADS)
pairs_backward(float *dproj, float *along, const float *G, const float *proj, const float *scale, int width)
{
	const size_t row = (size_t)blockIdx.x * width;
	float dot = 0;

	for (int i = (int)threadIdx.x; i < width; i += ROW_THREADS) {
		dproj[row + i] += *scale * G[row + i];
		dot += proj[row + i] * G[row + i];
	}
	dot = block_sum(dot, device_shared<float>());
	if (threadIdx.x == 0)
		along[blockIdx.x] = dot;
}

/* e and the gates that look at it, by position. */
static struct smear
smear_of(const struct ops_ctx *ctx, struct ops_rows rows, const struct ops_context *a)
{
	const size_t N = rows.B * rows.T, C = ctx->C;
	const bool smeared = a->smeared != NULL;
	const struct smear m = {
		rows_of<float>(a->e, rows.pos0, N, C), smeared ? rows_of<int32_t>(a->smeared, 0, N, 1) : NULL,
		smeared ? rows_of<float>(a->lambda, 0, 1, 1) : NULL, (int)N, (int)C
	};

	return (m);
}

static struct gates
gate_of(const struct ops_context *a, const struct smear &m)
{
	struct gates gates = gates_of(a->smeared != NULL ? a->gate : NULL, a->e, (size_t)m.N);

	if (a->smeared != NULL)
		gates.cut = m.e;
	return (gates);
}

template <typename A>
static void
take(struct ops_ctx *ctx, A *out, const struct ops_buf *table, const struct ops_buf *ids, const float *by, size_t N,
    size_t width)
{
	launch(ctx, "take_rows", take_rows<A>, blocks_of(N, ROW_THREADS / 32), ROW_THREADS, 0, out,
	    (const float *)table->data, rows_of<int32_t>(ids, 0, N, 1), by, (int)N, (int)width);
}

template <typename A>
static void
context(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_context *a)
{
	const size_t N = rows.B * rows.T, C = ctx->C, wide = ctx->g.bigram_dim;
	const struct smear m = smear_of(ctx, rows, a);
	float *e = rows_of<float>(a->e, rows.pos0, N, C);

	take<float>(ctx, e, a->emb, a->ids, NULL, N, C);
	if (a->table != NULL) {
		take<A>(ctx, (A *)ctx->pairs, a->table, a->pairs, rows_of<float>(a->scale, 0, 1, 1), N, wide);
		product_onto(ctx, e, e, ctx->pairs, low<A>(a->proj), N, C, wide);
	}
	launch(ctx, "smear_norm", smear_norm, blocks_of(N, ROW_THREADS / 32), ROW_THREADS, 0,
	    rows_of<float>(a->x0, 0, N, C), m, gate_of(a, m), ctx->eps);
}

/* With G = de^T table[pairs]: dproj += scale G, dscale += <proj, G>; table's rows get scale de proj. */
template <typename A>
static void
pairs_grad(struct ops_ctx *ctx, size_t N, const struct ops_context *a, const struct ops_context_grad *d,
    const float *de)
{
	const size_t C = ctx->C, wide = ctx->g.bigram_dim;
	const A *rounded = (const A *)convert_round(ctx, ctx->d, de, N * C);
	const float *scale = rows_of<float>(a->scale, 0, 1, 1);

	take<A>(ctx, (A *)ctx->pairs, a->table, a->pairs, NULL, N, wide);
	product_dw(ctx, ctx->dw, false, rounded, ctx->pairs, N, C, wide);
	launch(ctx, "pairs_backward", pairs_backward, (unsigned)C, ROW_THREADS, ROW_THREADS / 32 * sizeof(float),
	    rows_of<float>(d->dproj, 0, C, wide), ctx->partial, (const float *)ctx->dw,
	    rows_of<float>(a->proj, 0, C, wide), scale, (int)wide);
	columns_total(ctx, rows_of<float>(d->dscale, 0, 1, 1), ctx->partial, C);
	product_dx_wide(ctx, ctx->dpairs, false, rounded, low<A>(a->proj), N, C, wide);
	lookup_grad<float>(ctx, rows_of<float>(d->dtable, 0, a->table->rows, wide),
	    { ctx->dpairs, rows_of<int32_t>(a->pairs, 0, N, 1), NULL, scale, (int)N, (int)wide, (int)wide,
		(int)a->table->rows });
}

template <typename A>
static void
context_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_context *a, const struct ops_context_grad *d)
{
	const size_t N = rows.B * rows.T, C = ctx->C;
	const struct smear m = smear_of(ctx, rows, a);
	const struct gates gates = gate_of(a, m);
	const bool smeared = a->smeared != NULL;
	float *dx0 = rows_of<float>(d->dx0, 0, N, C), *de = rows_of<float>(d->de, 0, N, C);
	float *ds = smeared ? dx0 : de, *shares = ctx->r, *slopes = ctx->mean, *along = ctx->delta;

	assert(rows.pos0 == 0);
	launch(ctx, "smear_norm_grad", smear_norm_grad, blocks_of(N, ROW_THREADS / 32), ROW_THREADS, 0, ds, shares,
	    slopes, along, dx0, m, gates, ctx->eps);
	if (smeared) {
		launch(ctx, "smear_backward", smear_backward, blocks_of(N * C, ROW_THREADS), ROW_THREADS, 0, de, ds,
		    shares, slopes, gates, (int)N, (int)C);
		gates_grad(ctx, gates, slopes, rows_of<float>(d->dgate, 0, 1, a->gate->cols), NULL);
		columns_total(ctx, rows_of<float>(d->dlambda, 0, 1, 1), along, N);
	}
	lookup_grad<float>(ctx, rows_of<float>(d->demb, 0, ctx->V, C),
	    { de, rows_of<int32_t>(a->ids, 0, N, 1), NULL, NULL, (int)N, (int)C, (int)C, ctx->V });
	if (a->table != NULL)
		pairs_grad<A>(ctx, N, a, d, de);
}

void
cuda_context(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_context *a)
{
	if (ctx->arith == OPS_BF16)
		context<bf16>(ctx, rows, a);
	else
		context<float>(ctx, rows, a);
}

void
cuda_context_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_context *a,
    const struct ops_context_grad *d)
{
	if (ctx->arith == OPS_BF16)
		context_grad<bf16>(ctx, rows, a, d);
	else
		context_grad<float>(ctx, rows, a, d);
}
