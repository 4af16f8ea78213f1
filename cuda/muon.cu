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
		float *neuron;		/* running mean squares of the rows, or NULL */
	} p[MUON_BATCH];
	size_t n;			/* elements of each */
	size_t rows, cols;
	size_t nesterov;
};

/* What differs from step to step, read from the card's memory. */
struct muon_law {
	float mu, grad_scale, lr;
	float power;			/* of the gradient; 1: as it is */
	float decay;
	int cautious;
};

__device__ static float
muon_gradient(const struct muon_law *law, float g)
{
	const float scaled = law->grad_scale * g;

	return (law->power == 1 ? scaled : copysignf(powf(fabsf(scaled), law->power), scaled));
}

/* Momentum, and the sum of squares of the update before it is normalised.  Block (x, y) helps with matrix y. */
__global__ void __launch_bounds__(ROW_THREADS)
muon_momentum(double *sums, const struct muon_batch batch, const struct muon_law *law, const int *held)
{
	const float mu = law->mu;
	const float *g = batch.p[blockIdx.y].g;
	float *momentum = batch.p[blockIdx.y].momentum;
	double sum = 0;

	if (*held)
		return;
	for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < batch.n;
	    i += (size_t)gridDim.x * blockDim.x) {
		const float gradient = muon_gradient(law, g[i]), m = mu * momentum[i] + gradient;
		const float u = batch.nesterov ? gradient + mu * m : m;

		momentum[i] = m;
		sum += (double)u * u;
	}
	sum = block_sum(sum, device_shared<double>());
	if (threadIdx.x == 0)
		sums[blockIdx.y * MUON_BLOCKS + blockIdx.x] = sum;
}

/* factors (count, rows): 1 / norm of each row of the updates.  Block (x, y) has row x of matrix y. */
__global__ void __launch_bounds__(ROW_THREADS)
muon_row_factors(float *factors, const struct muon_batch batch, const struct muon_law *law)
{
	const size_t first = (size_t)blockIdx.x * batch.cols;
	const float *g = batch.p[blockIdx.y].g + first, *momentum = batch.p[blockIdx.y].momentum + first;
	double sum = 0;

	for (size_t i = threadIdx.x; i < batch.cols; i += blockDim.x) {
		const float u = batch.nesterov ? muon_gradient(law, g[i]) + law->mu * momentum[i] : momentum[i];

		sum += (double)u * u;
	}
	sum = block_sum(sum, device_shared<double>());
	if (threadIdx.x == 0)
		factors[blockIdx.y * batch.rows + blockIdx.x] = 1.0f / (float)fmax(sqrt(sum), 1e-7);
}

/* The sums of squares once more, of the rows as they are with their factors: those that are not zero have norm 1. */
__global__ void __launch_bounds__(ROW_THREADS)
muon_row_total(double *sums, const float *factors, const struct muon_batch batch, const struct muon_law *law)
{
	const float *g = batch.p[blockIdx.y].g, *momentum = batch.p[blockIdx.y].momentum;
	double sum = 0;

	factors += blockIdx.y * batch.rows;
	for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < batch.n;
	    i += (size_t)gridDim.x * blockDim.x) {
		const float u = batch.nesterov ? muon_gradient(law, g[i]) + law->mu * momentum[i] : momentum[i];
		const double v = (double)u * factors[i / batch.cols];

		sum += v * v;
	}
	sum = block_sum(sum, device_shared<double>());
	if (threadIdx.x == 0)
		sums[blockIdx.y * MUON_BLOCKS + blockIdx.x] = sum;
}

/* squares (count, rows): sum of squares of each row of x (count, n). */
template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
muon_row_squares(float *squares, const A *x, const struct muon_batch batch)
{
	double sum = 0;

	x += blockIdx.y * batch.n + (size_t)blockIdx.x * batch.cols;
	for (size_t i = threadIdx.x; i < batch.cols; i += blockDim.x) {
		const float v = to_float(x[i]);

		sum += (double)v * v;
	}
	sum = block_sum(sum, device_shared<double>());
	if (threadIdx.x == 0)
		squares[blockIdx.y * batch.rows + blockIdx.x] = (float)sum;
}

/* In place of each row's square, its factor: its mean square goes, the whole keeps its norm.  A block a matrix. */
__global__ void __launch_bounds__(ROW_THREADS)
muon_neurons(float *factors, const struct muon_batch batch, const int *held)
{
	float *s = batch.p[blockIdx.x].neuron;
	double before = 0, after = 0;

	if (*held)
		return;
	factors += blockIdx.x * batch.rows;
	for (size_t i = threadIdx.x; i < batch.rows; i += blockDim.x) {
		const double square = factors[i];

		s[i] = (float)(OPS_NEURON_BETA * s[i] + (1 - OPS_NEURON_BETA) * square / (double)batch.cols);
		factors[i] = (float)(1 / (sqrt((double)s[i]) + OPS_NEURON_EPS));
		before += square;
		after += square * factors[i] * factors[i];
	}
	before = block_sum(before, device_shared<double>());
	__syncthreads();
	after = block_sum(after, device_shared<double>());
	for (size_t i = threadIdx.x; i < batch.rows; i += blockDim.x)
		factors[i] = (float)(factors[i] * (sqrt(before) / fmax(sqrt(after), 1e-7)));
}

/* x (count, n): the updates divided by their Frobenius norms, their rows with factors (count, rows) if given. */
template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
muon_normalise(A *x, const double *sums, const float *factors, const struct muon_batch batch,
    const struct muon_law *law)
{
	const float mu = law->mu;
	const double sum = warp_sum(sums[blockIdx.y * MUON_BLOCKS + lane_id()]);
	const float scale = 1.0f / ((float)sqrt(sum) + 1e-7f);
	const float *g = batch.p[blockIdx.y].g, *momentum = batch.p[blockIdx.y].momentum;

	x += blockIdx.y * batch.n;
	for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < batch.n;
	    i += (size_t)gridDim.x * blockDim.x) {
		const float u = batch.nesterov ? muon_gradient(law, g[i]) + mu * momentum[i] : momentum[i];
		const float by = factors != NULL ? scale * factors[blockIdx.y * batch.rows + i / batch.cols] : scale;

		store(&x[i], u * by);
	}
}

template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
muon_update(const struct muon_batch batch, const A *x, const float *factors, const struct muon_law *law,
    const int *held)
{
	const float lr = law->lr, decay = law->decay;
	float *w = batch.p[blockIdx.y].w;
	bf16 *low = batch.p[blockIdx.y].low;

	if (*held)
		return;
	x += blockIdx.y * batch.n;
	for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < batch.n;
	    i += (size_t)gridDim.x * blockDim.x) {
		float u = to_float(x[i]), old = w[i];

		if (factors != NULL)
			u *= factors[blockIdx.y * batch.rows + i / batch.cols];
		if (decay != 0 && (!law->cautious || u * old > 0))
			old -= decay * old;
		w[i] = old - lr * u;
		if (low != NULL)
			low[i] = __float2bfloat16(w[i]);
	}
}

/* Drive the singular values of ctx->muon[0], some matrices (rows, cols), towards 1; returns where the result stands. */
static void *
orthogonalise(struct ops_ctx *ctx, size_t rows, size_t cols, size_t some, const struct ops_muon_law *law)
{
	const bool tall = rows > cols;
	const size_t side = tall ? cols : rows, depth = tall ? rows : cols;
	const uint32_t count = (uint32_t)some;
	void *x = ctx->muon[0], *next = ctx->muon[1], *A = ctx->gram[0], *B = ctx->gram[1];

	for (int s = 0; s < law->ns_steps; s++) {
		const double *abc = ops_muon_triple(law, s);
		const float a = (float)abc[0], b = (float)abc[1], c = (float)abc[2];
		/* A = X X^T, or X^T X;  B = b A + c A A;  X = a X + B X, or a X + X B */
		const struct product gram = { side, side, depth, x, x, tall, !tall, NULL, A, 1, 0, 0, count };
		const struct product square = { side, side, side, A, A, 0, 0, A, B, c, b, 0, count };
		const struct product left = { rows, cols, side, B, x, 0, 0, x, next, 1, a, 0, count };
		const struct product right = { rows, cols, side, x, B, 0, 0, x, next, 1, a, 0, count };
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
		law->lr * sqrtf(rows > cols ? (float)rows / (float)cols : 1.0f),
		law->grad_power != 0 ? law->grad_power : 1, law->decay, law->cautious
	};
	const struct muon_law *now = transfer_value(ctx, terms);
	const dim3 grid(MUON_BLOCKS, (unsigned)some), by_rows((unsigned)rows, (unsigned)some);
	const size_t shared = ROW_THREADS / 32 * sizeof(double);
	const float *before = law->norm == OPS_MUON_ROW ? ctx->factors : NULL;
	const float *after = law->norm == OPS_MUON_NEURON ? ctx->factors : NULL;

	assert(rows * cols <= context_matrix(ctx));
	assert(rows <= (size_t)(ctx->F > ctx->C ? ctx->F : ctx->C));
	assert(5 * (sizeof(struct call) + sizeof(struct muon_batch) + 64) +
	    3 * (size_t)law->ns_steps * (sizeof(struct call) + sizeof(struct product)) <= MAIL_ROOM);
	launch(ctx, "muon_momentum", muon_momentum, grid, ROW_THREADS, shared, ctx->sums, *batch, now,
	    (const int *)ctx->held);
	if (before != NULL) {
		launch(ctx, "muon_row_factors", muon_row_factors, by_rows, ROW_THREADS, shared, ctx->factors, *batch,
		    now);
		launch(ctx, "muon_row_total", muon_row_total, grid, ROW_THREADS, shared, ctx->sums, before, *batch,
		    now);
	}
	launch(ctx, "muon_normalise", muon_normalise<A>, grid, ROW_THREADS, 0, (A *)ctx->muon[0],
	    (const double *)ctx->sums, before, *batch, now);
	A *x = (A *)orthogonalise(ctx, rows, cols, some, law);

	if (after != NULL) {
		launch(ctx, "muon_row_squares", muon_row_squares<A>, by_rows, ROW_THREADS, shared, ctx->factors,
		    (const A *)x, *batch);
		launch(ctx, "muon_neurons", muon_neurons, (unsigned)some, ROW_THREADS, shared, ctx->factors, *batch,
		    (const int *)ctx->held);
	}
	launch(ctx, "muon_update", muon_update<A>, grid, ROW_THREADS, 0, *batch, (const A *)x, after, now,
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
		batch.rows = p[i].rows;
		batch.cols = p[i].cols;
		batch.nesterov = law->nesterov;
		for (size_t j = i; j < count; j++) {
			if (alike(&p[j], &p[i])) {
				batch.p[some].w = rows_of<float>(p[j].w, 0, p[j].rows, p[j].cols);
				batch.p[some].low = p[j].w->low;
				batch.p[some].g = rows_of<float>(p[j].g, 0, p[j].rows, p[j].cols);
				batch.p[some].neuron = law->norm == OPS_MUON_NEURON ?
				    rows_of<float>(p[j].neuron, 0, 1, p[j].rows) : NULL;
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
