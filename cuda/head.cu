/*
 * Head and loss: logits of a chunk of rows at a time, capped, turned into
 * losses and then into their own gradient; full logits never exist.
 */

#include "columns.cuh"
#include "transfer.cuh"
#include "norm.cuh"
#include "product.cuh"

enum { HEAD_THREADS = 256 };

/* What is added to logits before the cap; table NULL: nothing. */
struct prior {
	const float *table;		/* (V, V) */
	const float *alpha;		/* (1) */
	const int32_t *ids;		/* by rows */
};

/* z = cap * tanh((z + prior) / cap), for n elements in rows of V */
__global__ void __launch_bounds__(ROW_THREADS)
softcap(float *z, float cap, size_t n, const struct prior prior, int V)
{
	const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;

	if (i >= n)
		return;
	if (prior.table != NULL)
		z[i] += *prior.alpha * prior.table[(size_t)prior.ids[i / V] * V + i % V];
	z[i] = cap * tanhf(z[i] / cap);
}

/*
 * One block for each row of z (rows, V): cap it, nats[*at + row] = -log softmax
 * at the target, and dz = the gradient of scale * nats reaching z before the
 * cap; dz NULL when no gradient is wanted.  With a prior dalpha (rows) is each
 * row's share of its gradient.  A loss that is not finite is noted.
 * Shared: a place for each warp.
 */
template <typename A>
__global__ void __launch_bounds__(HEAD_THREADS)
cross_entropy(float *nats, const uint32_t *at, int *held, A *dz, float *z, const int32_t *targets, int V,
    float cap, float scale, const struct prior prior, float *dalpha)
{
	const size_t row = (size_t)blockIdx.x * V;
	const int target = targets[blockIdx.x];
	const float *added = prior.table != NULL ? prior.table + (size_t)prior.ids[blockIdx.x] * V : NULL;
	const float alpha = added != NULL ? *prior.alpha : 0;
	float *scratch = device_shared<float>();
	float max = -INFINITY, sum = 0, along = 0, lse;

	for (int v = (int)threadIdx.x; v < V; v += HEAD_THREADS) {
		if (added != NULL)
			z[row + v] += alpha * added[v];
		z[row + v] = cap * tanhf(z[row + v] / cap);
		max = fmaxf(max, z[row + v]);
	}
	max = block_max(max, scratch);
	for (int v = (int)threadIdx.x; v < V; v += HEAD_THREADS)
		sum += expf(z[row + v] - max);
	lse = max + logf(block_sum(sum, scratch));
	if ((int)threadIdx.x == target % HEAD_THREADS) {
		nats[*at + blockIdx.x] = lse - z[row + target];
		if (!isfinite(lse - z[row + target]))
			*held = 1;
	}
	if (dz == NULL)
		return;
	for (int v = (int)threadIdx.x; v < V; v += HEAD_THREADS) {
		const float part = z[row + v] / cap;
		const float p = expf(z[row + v] - lse) - (v == target ? 1.0f : 0.0f);
		const float gradient = scale * p * (1.0f - part * part);

		if (added != NULL)
			along += gradient * added[v];
		store(&dz[row + v], gradient);
	}
	if (added == NULL)
		return;
	along = block_sum(along, scratch);
	if (threadIdx.x == 0)
		dalpha[blockIdx.x] = along;
}

/* From row ${first} on. */
static struct prior
prior_of(const struct ops_ctx *ctx, const struct ops_prior *p, size_t first, size_t rows)
{
	struct prior prior = {};

	if (p != NULL)
		prior = { rows_of<float>(p->table, 0, ctx->V, ctx->V), rows_of<float>(p->alpha, 0, 1, 1),
			rows_of<int32_t>(p->ids, first, rows, 1) };
	return (prior);
}

template <typename A>
static void
head(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_head *a)
{
	const size_t N = rows.B * rows.T, C = ctx->C, V = ctx->V;
	const float *x = rows_of<float>(a->x, 0, N, C);
	const A *w = low<A>(a->w), *h = (const A *)ctx->h;

	float *nats = rows_of<float>(a->nats, a->nats_at, N, 1) - a->nats_at;

	norm_rows(ctx, ctx->h, x, N, 1);
	for (size_t first = 0; first < N; first += ctx->head_rows) {
		const size_t some = at_most(N - first, ctx->head_rows);
		A *dz = a->dx != NULL ? (A *)ctx->dz : NULL;

		product_onto(ctx, ctx->z, NULL, h + first * C, w, some, V, C);
		/* Each pass of a step has another place: no argument, so that all passes are one graph. */
		const uint32_t *at = transfer_value(ctx, (uint32_t)(a->nats_at + first));

		launch(ctx, "cross_entropy", cross_entropy<A>, (unsigned)some, HEAD_THREADS,
		    HEAD_THREADS / 32 * sizeof(float), nats, at, ctx->held, dz, ctx->z,
		    rows_of<int32_t>(a->targets, first, some, 1), (int)V, (float)ctx->g.logit_softcap, a->grad_scale,
		    prior_of(ctx, a->prior, first, some), dz != NULL ? ctx->partial + first : NULL);
		if (a->dx == NULL)
			continue;
		product_dw(ctx, rows_of<float>(a->dw, 0, V, C), true, dz, h + first * C, some, V, C);
		product_dx_wide(ctx, ctx->dh + first * C, false, dz, w, some, V, C);
	}
	if (a->dx != NULL && a->prior != NULL)
		columns_total(ctx, rows_of<float>(a->dalpha, 0, 1, 1), ctx->partial, N);
	if (a->dx != NULL)
		norm_rows_grad(ctx, rows_of<float>(a->dx, 0, N, C), NULL, ctx->dh, x, N, 1);
	transfer_losses(ctx, a->nats, a->nats_at, N);
}

void
cuda_head(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_head *a)
{
	if (ctx->arith == OPS_BF16)
		head<bf16>(ctx, rows, a);
	else
		head<float>(ctx, rows, a);
}

void
cuda_logits(struct ops_ctx *ctx, struct ops_buf *out, const struct ops_buf *x, size_t first, size_t count,
    const struct ops_buf *w, const struct ops_prior *prior)
{
	const size_t C = ctx->C, V = ctx->V;
	float *z = rows_of<float>(out, 0, count, V);

	assert(count <= ctx->g.max_rows);
	transfer_forget(ctx, out);
	norm_rows(ctx, ctx->h, rows_of<float>(x, first, count, C), count, 1);
	product_onto(ctx, z, NULL, ctx->h, ctx->arith == OPS_BF16 ? (const void *)w->low : w->data, count, V, C);
	launch(ctx, "softcap", softcap, blocks_of(count * V, ROW_THREADS), ROW_THREADS, 0, z,
	    (float)ctx->g.logit_softcap, count * V, prior_of(ctx, prior, first, count), (int)V);
}
