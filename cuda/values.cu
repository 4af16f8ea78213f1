/* Values mixed with the first layer's, and back, where gradients from elsewhere meet.  No table: see lacks. */

#include "columns.cuh"

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

template <typename A>
static void
values(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_values *a)
{
	const size_t N = rows.B * rows.T, KD = ctx->KD;
	const bool mixed = a->mix != NULL;

	assert(a->table == NULL);
	launch(ctx, "mix_values", mix_values<A>, blocks_of(N * KD, ROW_THREADS), ROW_THREADS, 0,
	    rows_of<A>(a->v, rows.pos0, N, KD), (const A *)rows_of<A>(a->raw, rows.pos0, N, KD),
	    mixed ? (const A *)rows_of<A>(a->first, rows.pos0, N, KD) : NULL,
	    mixed ? (const float *)rows_of<float>(a->mix, 0, 2, 1) : NULL, N * KD);
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

	assert(rows.pos0 == 0 && a->table == NULL);
	launch(ctx, "mix_values_grad", mix_values_grad<A>, strips, ROW_THREADS, ROW_THREADS / 32 * sizeof(float), grad);
	if (mixed)
		columns_add(ctx, rows_of<float>(d->dmix, 0, 2, 1), ctx->partial, strips, 2, 2);
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
