/* Adam, for many parameters in one launch. */

#include <math.h>

#include "transfer.cuh"

enum { ADAM_BATCH = 64, ADAM_BLOCKS = 256 };

struct adam_batch {
	struct {
		float *w;
		bf16 *low;		/* the copy that products read, or NULL */
		const float *g;
		float *m, *v;
		size_t n;
	} p[ADAM_BATCH];
};

/* What may differ from step to step, read from the card's memory. */
struct adam_law {
	float beta1, beta2, eps, grad_scale;
	float fix1, fix2;		/* bias corrections */
	float lr[ADAM_BATCH];		/* by parameter */
};

/* Block (x, y) helps with parameter y. */
__global__ void __launch_bounds__(ROW_THREADS)
adam_update(const struct adam_batch batch, const struct adam_law *law, const int *held)
{
	float *w = batch.p[blockIdx.y].w, *m = batch.p[blockIdx.y].m, *v = batch.p[blockIdx.y].v;
	const float *g = batch.p[blockIdx.y].g;
	const float beta1 = law->beta1, beta2 = law->beta2, eps = law->eps, grad_scale = law->grad_scale;
	const float rate = law->lr[blockIdx.y] / law->fix1, fix2 = law->fix2;
	bf16 *low = batch.p[blockIdx.y].low;

	if (*held)
		return;
	for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < batch.p[blockIdx.y].n;
	    i += (size_t)gridDim.x * blockDim.x) {
		const float gradient = grad_scale * g[i];

		m[i] = beta1 * m[i] + (1 - beta1) * gradient;
		v[i] = beta2 * v[i] + (1 - beta2) * gradient * gradient;
		w[i] -= rate * m[i] / (sqrtf(v[i]) / fix2 + eps);
		if (low != NULL)
			low[i] = __float2bfloat16(w[i]);
	}
}

void
cuda_adam(struct ops_ctx *ctx, const struct ops_adam *p, size_t count, const struct ops_adam_law *law)
{
	struct adam_law terms = {
		law->beta1, law->beta2, law->eps, law->grad_scale,
		(float)(1 - pow(law->beta1, (double)law->t)), (float)sqrt(1 - pow(law->beta2, (double)law->t)), {}
	};

	transfer_part(ctx);
	for (size_t first = 0; first < count; first += ADAM_BATCH) {
		const size_t some = at_most(count - first, ADAM_BATCH);
		struct adam_batch batch = {};
		size_t most = 1;

		for (size_t i = 0; i < some; i++) {
			const struct ops_adam *a = &p[first + i];

			batch.p[i].w = rows_of<float>(a->w, 0, a->n, 1);
			batch.p[i].low = a->w->low;
			batch.p[i].g = rows_of<float>(a->g, 0, a->n, 1);
			batch.p[i].m = rows_of<float>(a->m, 0, a->n, 1);
			batch.p[i].v = rows_of<float>(a->v, 0, a->n, 1);
			batch.p[i].n = a->n;
			terms.lr[i] = a->lr;
			most = a->n > most ? a->n : most;
		}
		const dim3 grid((unsigned)at_most(blocks_of(most, ROW_THREADS), ADAM_BLOCKS), (unsigned)some);

		launch(ctx, "adam_update", adam_update, grid, ROW_THREADS, 0, batch, transfer_value(ctx, terms),
		    (const int *)ctx->held);
	}
}
