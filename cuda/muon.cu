/*
 * Muon: momentum, then Newton-Schulz on all matrices of one shape at once, as
 * batched products, then the update.  A tall matrix is not turned: for X tall,
 * X (X^T X) is (X^T turned) all the same, so only the order of factors differs.
 */

#include <math.h>

#include "transfer.cuh"
#include "product.cuh"

enum { MUON_BLOCKS = 32 };		/* for each matrix: as many partial sums as a warp has lanes */

struct muon_batch {
	struct {
		float *w;
		bf16 *low;		/* the copy that products read, or NULL */
		const float *g;
		float *momentum;
	} p[MUON_BATCH];
	size_t n;			/* elements of each */
	size_t nesterov;
};

/* What differs from step to step, read from the card's memory. */
struct muon_law {
	float mu, grad_scale, lr;
};

/* Momentum, and the sum of squares of the update before it is normalised.  Block (x, y) helps with matrix y. */
__global__ void __launch_bounds__(ROW_THREADS)
muon_momentum(double *sums, const struct muon_batch batch, const struct muon_law *law, const int *held)
{
	const float mu = law->mu, grad_scale = law->grad_scale;
	const float *g = batch.p[blockIdx.y].g;
	float *momentum = batch.p[blockIdx.y].momentum;
	double sum = 0;

	if (*held)
		return;
	for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < batch.n;
	    i += (size_t)gridDim.x * blockDim.x) {
		const float gradient = grad_scale * g[i], m = mu * momentum[i] + gradient;
		const float u = batch.nesterov ? gradient + mu * m : m;

		momentum[i] = m;
		sum += (double)u * u;
	}
	sum = block_sum(sum, device_shared<double>());
	if (threadIdx.x == 0)
		sums[blockIdx.y * MUON_BLOCKS + blockIdx.x] = sum;
}

/* x (count, n): the updates divided by their Frobenius norms. */
template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
muon_normalise(A *x, const double *sums, const struct muon_batch batch, const struct muon_law *law)
{
	const float mu = law->mu, grad_scale = law->grad_scale;
	const double sum = warp_sum(sums[blockIdx.y * MUON_BLOCKS + lane_id()]);
	const float scale = 1.0f / ((float)sqrt(sum) + 1e-7f);
	const float *g = batch.p[blockIdx.y].g, *momentum = batch.p[blockIdx.y].momentum;

	x += blockIdx.y * batch.n;
	for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < batch.n;
	    i += (size_t)gridDim.x * blockDim.x) {
		const float u = batch.nesterov ? grad_scale * g[i] + mu * momentum[i] : momentum[i];

		store(&x[i], u * scale);
	}
}

template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
muon_update(const struct muon_batch batch, const A *x, const struct muon_law *law, const int *held)
{
	const float lr = law->lr;
	float *w = batch.p[blockIdx.y].w;
	bf16 *low = batch.p[blockIdx.y].low;

	if (*held)
		return;
	x += blockIdx.y * batch.n;
	for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < batch.n;
	    i += (size_t)gridDim.x * blockDim.x) {
		w[i] -= lr * to_float(x[i]);
		if (low != NULL)
			low[i] = __float2bfloat16(w[i]);
	}
}

/* Drive the singular values of ctx->muon[0], some matrices (rows, cols), towards 1; returns where the result stands. */
static void *
orthogonalise(struct ops_ctx *ctx, size_t rows, size_t cols, size_t some, int steps)
{
	const bool tall = rows > cols;
	const size_t side = tall ? cols : rows, depth = tall ? rows : cols;
	const uint32_t count = (uint32_t)some;
	void *x = ctx->muon[0], *next = ctx->muon[1], *A = ctx->gram[0], *B = ctx->gram[1];

	for (int s = 0; s < steps; s++) {
		/* A = X X^T, or X^T X;  B = b A + c A A;  X = a X + B X, or a X + X B */
		const struct product gram = { side, side, depth, x, x, tall, !tall, NULL, A, 1, 0, 0, count };
		const struct product square = { side, side, side, A, A, 0, 0, A, B, 2.0315f, -4.7750f, 0, count };
		const struct product left = { rows, cols, side, B, x, 0, 0, x, next, 1, 3.4445f, 0, count };
		const struct product right = { rows, cols, side, x, B, 0, 0, x, next, 1, 3.4445f, 0, count };
		void *swap = x;

		product_run(ctx, &gram);
		product_run(ctx, &square);
		product_run(ctx, tall ? &right : &left);
		x = next;
		next = swap;
	}
	return (x);
}

/* Some matrices of one shape. */
template <typename A>
static void
muon_some(struct ops_ctx *ctx, const struct muon_batch *batch, size_t rows, size_t cols, size_t some,
    const struct ops_muon_law *law)
{
	const struct muon_law terms = {
		law->momentum, law->grad_scale,
		law->lr * sqrtf(rows > cols ? (float)rows / (float)cols : 1.0f)
	};
	const struct muon_law *now = transfer_value(ctx, terms);
	const dim3 grid(MUON_BLOCKS, (unsigned)some);

	assert(rows * cols <= (size_t)ctx->C * (ctx->F > ctx->C ? ctx->F : ctx->C));
	assert(3 * (sizeof(struct call) + sizeof(struct muon_batch) + 64) +
	    3 * (size_t)law->ns_steps * (sizeof(struct call) + sizeof(struct product)) <= MAIL_ROOM);
	launch(ctx, "muon_momentum", muon_momentum, grid, ROW_THREADS, ROW_THREADS / 32 * sizeof(double), ctx->sums,
	    *batch, now, (const int *)ctx->held);
	launch(ctx, "muon_normalise", muon_normalise<A>, grid, ROW_THREADS, 0, (A *)ctx->muon[0],
	    (const double *)ctx->sums, *batch, now);
	A *x = (A *)orthogonalise(ctx, rows, cols, some, law->ns_steps);

	launch(ctx, "muon_update", muon_update<A>, grid, ROW_THREADS, 0, *batch, (const A *)x, now,
	    (const int *)ctx->held);
}

static bool
alike(const struct ops_muon *a, const struct ops_muon *b)
{
	return (a->rows == b->rows && a->cols == b->cols);
}

void
cuda_muon(struct ops_ctx *ctx, const struct ops_muon *p, size_t count, const struct ops_muon_law *law)
{
	transfer_part(ctx);
	for (size_t i = 0; i < count; i++) {
		struct muon_batch batch = {};
		size_t some = 0, first = 0;

		while (!alike(&p[first], &p[i]))
			first++;
		if (first < i)
			continue;		/* done together with the first of its shape */
		batch.n = p[i].rows * p[i].cols;
		batch.nesterov = law->nesterov;
		for (size_t j = i; j < count; j++) {
			if (alike(&p[j], &p[i])) {
				batch.p[some].w = rows_of<float>(p[j].w, 0, p[j].rows, p[j].cols);
				batch.p[some].low = p[j].w->low;
				batch.p[some].g = rows_of<float>(p[j].g, 0, p[j].rows, p[j].cols);
				batch.p[some++].momentum = rows_of<float>(p[j].momentum, 0, p[j].rows, p[j].cols);
			}
			if (some == MUON_BATCH || (some > 0 && j + 1 == count)) {
				if (ctx->arith == OPS_BF16)
					muon_some<bf16>(ctx, &batch, p[i].rows, p[i].cols, some, law);
				else
					muon_some<float>(ctx, &batch, p[i].rows, p[i].cols, some, law);
				some = 0;
			}
		}
	}
}
