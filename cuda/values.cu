/* Values with a table's row added and mixed with the first layer's, and back, where gradients from elsewhere meet. */

#include "gates.cuh"
#include "lookup.cuh"

/* v = mix[0] raw + mix[1] first, or raw where mix is NULL; v may be raw */
template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
mix_values(A *v, const A *raw, const A *first, const float *mix, size_t n)
{
	const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		store(&v[i], mix != NULL ? mix[0] * to_float(raw[i]) + mix[1] * to_float(first[i]) : to_float(raw[i]));
}

template <typename A>
struct values_grad {
	A *dv;
	const float *own, *later;	/* added first; or NULL */
	const A *raw, *first;
	const float *mix;		/* or NULL */
	float *dfirst;			/* added to */
	float *part;			/* (blocks, 2): sums for mix */
	size_t n, each;			/* elements, and those of a block */
};

/* A block for ${each} elements. */
template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
mix_values_grad(const struct values_grad<A> d)
{
	const size_t first = (size_t)blockIdx.x * d.each, end = first + d.each < d.n ? first + d.each : d.n;
	float sum[2] = { 0, 0 };

	for (size_t i = first + threadIdx.x; i < end; i += ROW_THREADS) {
		float dv = to_float(d.dv[i]);

		if (d.own != NULL)
			dv += d.own[i];
		if (d.later != NULL)
			dv += d.later[i];
		if (d.mix != NULL) {
			sum[0] += dv * to_float(d.raw[i]);
			sum[1] += dv * to_float(d.first[i]);
			d.dfirst[i] += dv * d.mix[1];
			dv *= d.mix[0];
		}
		store(&d.dv[i], dv);
	}
	if (d.mix == NULL)
		return;
	for (int i = 0; i < 2; i++) {
		const float all = block_sum(sum[i], device_shared<float>());

		if (threadIdx.x == 0)
			d.part[(size_t)blockIdx.x * 2 + i] = all;
		__syncthreads();
	}
}

/* What is looked up for the values of K heads of D elements each. */
struct table {
	const float *rows;		/* (V, K * D) */
	const int32_t *ids;		/* (N) */
	int N, K, D, V;
};

/* u = raw + 2 gate table[id]; v = u, or mix[0] u + mix[1] first where mix is given; v may be raw.  A warp a head. */
template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
table_values(A *v, const A *raw, const A *first, const float *mix, const struct table t, const struct gates gates)
{
	const int i = (int)blockIdx.x * (ROW_THREADS / 32) + warp_id(), n = i / t.K, k = i % t.K;
	const float *row;
	float rate;

	if (n >= t.N)
		return;
	rate = 2 * gate_at(gates, k, n);
	row = t.rows + ((size_t)t.ids[n] * t.K + k) * t.D;
	v += (size_t)i * t.D;
	raw += (size_t)i * t.D;
	if (mix != NULL)
		first += (size_t)i * t.D;
	for (int d = lane_id(); d < t.D; d += 32) {
		const float u = to_float(raw[d]) + rate * row[d];

		store(&v[d], mix != NULL ? mix[0] * u + mix[1] * to_float(first[d]) : u);
	}
}

/*
 * As mix_values_grad, of values with a table; also rates (N, K), with which rows of the table were added, and slopes
 * (N, K), gradients of the gates' arguments.  A block for a strip of rows, whose warps take the heads in turn.
 */
template <typename A>
__global__ void __launch_bounds__(COLUMN_THREADS)
table_values_grad(float *rates, float *slopes, const struct values_grad<A> d, const struct table t,
    const struct gates gates)
{
	const int first = (int)blockIdx.x * STRIP_ROWS, end = first + STRIP_ROWS < t.N ? first + STRIP_ROWS : t.N;
	float sum[2] = { 0, 0 };

	for (int i = first * t.K + warp_id(); i < end * t.K; i += COLUMN_WARPS) {
		const int n = i / t.K, k = i % t.K;
		const float g = gate_at(gates, k, n), *row = t.rows + ((size_t)t.ids[n] * t.K + k) * t.D;
		float slope = 0;

		for (int j = lane_id(); j < t.D; j += 32) {
			const size_t at = (size_t)i * t.D + j;
			float dv = to_float(d.dv[at]);

			if (d.own != NULL)
				dv += d.own[at];
			if (d.later != NULL)
				dv += d.later[at];
			if (d.mix != NULL) {
				sum[0] += dv * (to_float(d.raw[at]) + 2 * g * row[j]);
				sum[1] += dv * to_float(d.first[at]);
				d.dfirst[at] += dv * d.mix[1];
				dv *= d.mix[0];
			}
			slope += dv * row[j];
			store(&d.dv[at], dv);
		}
		slope = warp_sum(slope) * 2 * g * (1 - g);
		if (lane_id() == 0) {
			rates[i] = 2 * g;
			slopes[i] = slope;
		}
	}
	if (d.mix == NULL)
		return;
	for (int i = 0; i < 2; i++) {
		const float all = block_sum(sum[i], device_shared<float>());

		if (threadIdx.x == 0)
			d.part[(size_t)blockIdx.x * 2 + i] = all;
	}
}

static struct table
table_of(const struct ops_ctx *ctx, const struct ops_values *a, size_t N)
{
	const struct table t = { rows_of<float>(a->table, 0, ctx->V, ctx->KD), rows_of<int32_t>(a->ids, 0, N, 1),
		(int)N, ctx->K, ctx->D, ctx->V };

	return (t);
}

template <typename A>
static void
values(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_values *a)
{
	const size_t N = rows.B * rows.T, KD = ctx->KD;
	const bool mixed = a->mix != NULL;
	const A *raw = rows_of<A>(a->raw, rows.pos0, N, KD);
	const A *first = mixed ? rows_of<A>(a->first, rows.pos0, N, KD) : NULL;
	const float *mix = mixed ? rows_of<float>(a->mix, 0, 2, 1) : NULL;
	A *v = rows_of<A>(a->v, rows.pos0, N, KD);

	if (a->table == NULL)
		launch(ctx, "mix_values", mix_values<A>, blocks_of(N * KD, ROW_THREADS), ROW_THREADS, 0, v, raw, first,
		    mix, N * KD);
	else
		launch(ctx, "table_values", table_values<A>, blocks_of(N * ctx->K, ROW_THREADS / 32), ROW_THREADS, 0,
		    v, raw, first, mix, table_of(ctx, a, N), gates_of(a->gate, a->cut, N));
}

template <typename A>
static void
values_grad_run(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_values *a, const struct ops_values_grad *d)
{
	const size_t N = rows.B * rows.T, KD = ctx->KD;
	const unsigned strips = blocks_of(N, STRIP_ROWS);
	const bool mixed = a->mix != NULL;
	const struct values_grad<A> grad = {
		rows_of<A>(d->dv, 0, N, KD),
		d->own != NULL ? rows_of<float>(d->own, 0, N, KD) : NULL,
		d->later != NULL ? rows_of<float>(d->later, 0, N, KD) : NULL,
		mixed ? rows_of<A>(a->raw, 0, N, KD) : NULL,
		mixed ? rows_of<A>(a->first, 0, N, KD) : NULL,
		mixed ? rows_of<float>(a->mix, 0, 2, 1) : NULL,
		mixed ? rows_of<float>(d->dfirst, 0, N, KD) : NULL,
		ctx->partial, N * KD, STRIP_ROWS * KD
	};

	/* (N, K) each, no more than a row has columns: free until qkv's backward. */
	float *rates = ctx->dh, *slopes = rates + N * ctx->K;

	assert(rows.pos0 == 0);
	if (a->table == NULL)
		launch(ctx, "mix_values_grad", mix_values_grad<A>, strips, ROW_THREADS,
		    ROW_THREADS / 32 * sizeof(float), grad);
	else
		launch(ctx, "table_values_grad", table_values_grad<A>, strips, COLUMN_THREADS,
		    COLUMN_THREADS / 32 * sizeof(float), rates, slopes, grad, table_of(ctx, a, N),
		    gates_of(a->gate, a->cut, N));
	if (mixed)
		columns_add(ctx, rows_of<float>(d->dmix, 0, 2, 1), ctx->partial, strips, 2, 2);
	if (a->table == NULL)
		return;
	gates_grad(ctx, gates_of(a->gate, a->cut, N), slopes, rows_of<float>(d->dgate, 0, ctx->K, a->gate->cols),
	    rows_of<float>(d->dcut, 0, N, a->cut->cols));
	lookup_grad<A>(ctx, rows_of<float>(d->dtable, 0, ctx->V, KD),
	    { grad.dv, rows_of<int32_t>(a->ids, 0, N, 1), rates, NULL, (int)N, (int)KD, ctx->D, ctx->V });
}

void
cuda_values(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_values *a)
{
	if (ctx->arith == OPS_BF16)
		values<bf16>(ctx, rows, a);
	else
		values<float>(ctx, rows, a);
}

void
cuda_values_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_values *a,
    const struct ops_values_grad *d)
{
	if (ctx->arith == OPS_BF16)
		values_grad_run<bf16>(ctx, rows, a, d);
	else
		values_grad_run<float>(ctx, rows, a, d);
}
