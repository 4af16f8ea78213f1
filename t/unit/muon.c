/*
 * Muon's levers do what they say, on planted gradients, with ref and with cpu.  Prints TAP.
 * test_tags=b94
 */
#include <math.h>
#include <stdlib.h>

#include "base/exit.h"
#include "base/rng.h"
#include "gpt/ops.h"
#include "t/unit/tap.h"

enum { ROWS = 24, COLS = 16, N = ROWS * COLS };

static const char *backend;

/* One update of weights w from gradient g, no momentum before it; tall is ROWS x COLS, else turned. */
static void
update(const struct ops_muon_law *law, int tall, const float *g, float *w)
{
	const size_t rows = tall ? ROWS : COLS, cols = tall ? COLS : ROWS;
	const struct ops_open_args args = {
		.geometry = { .vocab_size = 8,
		    .model_dim = COLS,
		    .num_heads = 2,
		    .num_kv_heads = 2,
		    .mlp_dim = ROWS,
		    .max_rows = 8,
		    .max_positions = 8,
		    .rope_base = 10000,
		    .logit_softcap = 30,
		    .norm_eps = 1e-7 },
		.isa = "auto",
		.threads = 1,
		.training = 1,
	};
	const struct ops *ops = ops_find(backend);
	struct ops_ctx *c = ops->open(&args);
	struct ops_muon p = { .rows = rows, .cols = cols };
	struct ops_buf *gradient;

	if (c == NULL)
		exit(1);
	p.w = ops->alloc(c, OPS_WEIGHT, rows, cols);
	p.g = gradient = ops->alloc(c, OPS_VECTOR, rows, cols);
	p.momentum = ops->alloc(c, OPS_VECTOR, rows, cols);
	p.neuron = ops->alloc(c, OPS_VECTOR, 1, rows);
	ops->upload(c, p.w, 0, w, N);
	ops->upload(c, gradient, 0, g, N);
	ops->begin(c);
	ops->muon(c, &p, 1, law);
	ops->end(c);
	ops->download(c, p.w, 0, w, N);
	ops->free(c, p.w);
	ops->free(c, gradient);
	ops->free(c, p.momentum);
	ops->free(c, p.neuron);
	ops->close(c);
}

static void
draw(float *x, uint64_t seed)
{
	struct rng rng;

	rng_seed(&rng, seed, 0);
	for (size_t i = 0; i < N; i++)
		x[i] = (float)rng_normal(&rng);
}

static double
row_norm(const float *x, size_t row, size_t cols)
{
	double sum = 0;

	for (size_t j = 0; j < cols; j++)
		sum += (double)x[row * cols + j] * x[row * cols + j];
	return (sqrt(sum));
}

/* How far x x^T, or x^T x if that is smaller, is from the identity. */
static double
far_from_orthogonal(const float *x, size_t rows, size_t cols)
{
	const size_t m = rows < cols ? rows : cols, n = rows < cols ? cols : rows;
	double sum = 0;

	for (size_t a = 0; a < m; a++) {
		for (size_t b = 0; b < m; b++) {
			double dot = a == b ? -1 : 0;

			for (size_t j = 0; j < n; j++)
				dot += rows < cols ? (double)x[a * cols + j] * x[b * cols + j] :
						     (double)x[j * cols + a] * x[j * cols + b];
			sum += dot * dot;
		}
	}
	return (sqrt(sum));
}

static double
distance(const float *a, const float *b)
{
	double sum = 0, size = 0;

	for (size_t i = 0; i < N; i++) {
		sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
		size += (double)b[i] * b[i];
	}
	return (sqrt(sum / size));
}

static const struct ops_muon_law published = { .lr = 1, .nesterov = 1, .ns_steps = 5, .grad_scale = 1 };

static void
polar(void)
{
	struct ops_muon_law law = published;
	float g[N], fixed[N] = { 0 }, better[N] = { 0 };

	draw(g, 1);
	update(&published, 0, g, fixed);
	law.coefficients = OPS_MUON_POLAR;
	update(&law, 0, g, better);
	tap_ok(far_from_orthogonal(better, COLS, ROWS) < 0.7 * far_from_orthogonal(fixed, COLS, ROWS),
	    "%s: the coefficients of Polar Express come nearer to an orthogonal update", backend);
}

/* A row of a gradient that is thrice as large as its neighbours weighs no more. */
static void
rows(int tall)
{
	struct ops_muon_law law = published;
	const size_t cols = tall ? COLS : ROWS;
	float g[N], large[N], even[N] = { 0 }, odd[N] = { 0 }, plain[N] = { 0 }, uneven[N] = { 0 };

	draw(g, 2);
	for (size_t i = 0; i < N; i++)
		large[i] = g[i] * (i / cols == 3 ? 3 : 1);
	update(&published, tall, g, plain);
	update(&published, tall, large, uneven);
	law.norm = OPS_MUON_ROW;
	update(&law, tall, g, even);
	update(&law, tall, large, odd);
	tap_ok(distance(even, odd) < 1e-5 && distance(plain, uneven) > 1e-2,
	    "%s: with normed rows the size of a gradient's row has no effect (%s)", backend, tall ? "tall" : "wide");
}

/* On the first step the mean square is that of the step alone, so that all rows become alike. */
static void
neurons(int tall)
{
	struct ops_muon_law law = published;
	const size_t n = tall ? ROWS : COLS, cols = tall ? COLS : ROWS;
	float g[N], w[N] = { 0 }, plain[N] = { 0 };
	double least = INFINITY, most = 0, before = 0, after = 0;

	draw(g, 3);
	for (size_t i = 0; i < N; i++)
		g[i] *= i / cols < 4 ? 0.02f : 1;
	update(&published, tall, g, plain);
	law.norm = OPS_MUON_NEURON;
	update(&law, tall, g, w);
	for (size_t i = 0; i < n; i++) {
		least = fmin(least, row_norm(w, i, cols));
		most = fmax(most, row_norm(w, i, cols));
		before += pow(row_norm(plain, i, cols), 2);
		after += pow(row_norm(w, i, cols), 2);
	}
	tap_ok(most < 1.01 * least && fabs(before - after) < 1e-4 * before,
	    "%s: neurons get updates of one size, and the whole keeps its norm (%s)", backend, tall ? "tall" : "wide");
}

static void
power(void)
{
	struct ops_muon_law law = published;
	float g[N], roots[N], of_roots[N] = { 0 }, w[N] = { 0 };

	draw(g, 4);
	for (size_t i = 0; i < N; i++)
		roots[i] = copysignf(sqrtf(0.5f * fabsf(g[i])), g[i]);
	update(&published, 1, roots, of_roots);
	law.grad_power = 0.5f;
	law.grad_scale = 0.5f;
	update(&law, 1, g, w);
	tap_ok(distance(w, of_roots) < 1e-4, "%s: a power is taken of each clipped gradient, which keeps its sign",
	    backend);
}

static void
decay(void)
{
	struct ops_muon_law law = published;
	float g[N], begin[N], plain[N], decayed[N], cautious[N], still[N];
	int right = 1, kept = 0, fell = 0;

	draw(g, 5);
	draw(begin, 6);
	for (size_t i = 0; i < N; i++)
		plain[i] = decayed[i] = cautious[i] = still[i] = begin[i];
	law.lr = 0.25f;
	update(&law, 1, g, plain);
	law.decay = 0.125f;
	update(&law, 1, g, decayed);
	law.cautious = 1;
	update(&law, 1, g, cautious);
	for (size_t i = 0; i < N; i++) {
		const double step = begin[i] - plain[i], lost = plain[i] - cautious[i];

		right = right && fabs(plain[i] - decayed[i] - 0.125 * begin[i]) < 1e-5;
		right = right && fabs(lost - (step * begin[i] > 0 ? 0.125 * begin[i] : 0)) < 1e-5;
		kept += step * begin[i] < 0;
		fell += step * begin[i] > 0;
	}
	tap_ok(right && kept > N / 4 && fell > N / 4,
	    "%s: weights decay by their share; cautiously only those that the update makes smaller", backend);
	law = published;
	law.lr = 0;
	update(&law, 1, g, still);
	tap_ok(distance(still, begin) == 0, "%s: without a rate nothing moves", backend);
}

int
main(void)
{
	static const char *const backends[] = { "ref", "cpu" };

	exit_init("muon");
	for (size_t i = 0; i < 2; i++) {
		backend = backends[i];
		polar();
		rows(0);
		rows(1);
		neurons(0);
		neurons(1);
		power();
		decay();
	}
	return (tap_done());
}
