/*
 * Muon's levers do what they say, on planted gradients, with ref and with cpu.  Prints TAP.
 * test_tags=b94
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit.h"
#include "base/rng.h"
#include "gpt/ops.h"
#include "t/unit/tap.h"

enum { ROWS = 24, COLS = 16, N = ROWS * COLS };

static const char *backend;
static enum ops_arith arith;
static unsigned threads = 1;

/* One update of weights w (rows, cols) from gradient g, no momentum before it. */
static void
update_of(const struct ops_muon_law *law, size_t rows, size_t cols, const float *g, float *w)
{
	const size_t less = rows < cols ? rows : cols, more = rows < cols ? cols : rows;
	const struct ops_open_args args = {
		.geometry = { .vocab_size = 8,
		    .model_dim = less,
		    .num_heads = 2,
		    .num_kv_heads = 2,
		    .mlp_dim = more,
		    .max_rows = 8,
		    .max_positions = 8,
		    .rope_base = 10000,
		    .logit_softcap = 30,
		    .norm_eps = 1e-7 },
		.arith = arith,
		.isa = "auto",
		.threads = threads,
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
	ops->upload(c, p.w, 0, w, rows * cols);
	ops->upload(c, gradient, 0, g, rows * cols);
	ops->begin(c);
	ops->muon(c, &p, 1, law);
	ops->end(c);
	ops->download(c, p.w, 0, w, rows * cols);
	ops->free(c, p.w);
	ops->free(c, gradient);
	ops->free(c, p.momentum);
	ops->free(c, p.neuron);
	ops->close(c);
}

/* Tall is ROWS x COLS, else turned. */
static void
update(const struct ops_muon_law *law, int tall, const float *g, float *w)
{
	update_of(law, tall ? ROWS : COLS, tall ? COLS : ROWS, g, w);
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

/* --- how steps are computed ------------------------------------------------- */

/* Gradients that products of steps may come to grief on; rows x cols, at most WIDE^2 elements. */
enum { WIDE = 160 };
enum kind { NORMAL, STEEP, FEW, ONE, NONE, KINDS };
static const char *const kind_names[KINDS] = { "normal numbers", "singular values that fall steeply",
	"a quarter of the rank", "one singular value", "nothing" };

static void
plant(enum kind kind, size_t rows, size_t cols, float *g)
{
	const size_t less = rows < cols ? rows : cols, rank = kind == FEW ? less / 4 : kind == ONE ? 1 : less;
	struct rng rng;

	rng_seed(&rng, 7 + kind, rows);
	for (size_t i = 0; i < rows * cols; i++)
		g[i] = kind == NORMAL ? (float)rng_normal(&rng) : 0;
	for (size_t k = 0; kind != NORMAL && kind != NONE && k < rank; k++) {
		float left[WIDE], right[WIDE];

		for (size_t i = 0; i < rows; i++)
			left[i] = (float)(rng_normal(&rng) / (kind == STEEP ? pow((double)k + 1, 2) : 1));
		for (size_t j = 0; j < cols; j++)
			right[j] = (float)rng_normal(&rng);
		for (size_t i = 0; i < rows * cols; i++)
			g[i] += left[i / cols] * right[i % cols];
	}
}

/* out = a a^T for a (m, n) */
static void
square_of(double *out, const double *a, size_t m, size_t n)
{
	for (size_t i = 0; i < m; i++)
		for (size_t j = 0; j < m; j++) {
			double sum = 0;

			for (size_t k = 0; k < n; k++)
				sum += a[i * n + k] * a[j * n + k];
			out[i * m + j] = sum;
		}
}

/* The update as ops.h has it, step by step, in float64: what -w becomes, of the shape of g. */
static void
by_the_book(const struct ops_muon_law *law, size_t rows, size_t cols, const float *g, float *w)
{
	static double x[WIDE * WIDE], y[WIDE * WIDE], A[WIDE * WIDE], AA[WIDE * WIDE];
	const int tall = rows > cols;
	const size_t m = tall ? cols : rows, n = tall ? rows : cols;
	double norm = 0;

	for (size_t i = 0; i < m * n; i++) {
		x[i] = tall ? g[i % n * cols + i / n] : g[i];
		norm += x[i] * x[i];
	}
	for (size_t i = 0; i < m * n; i++)
		x[i] /= sqrt(norm) + 1e-7;
	for (int step = 0; step < law->ns_steps; step++) {
		const double *abc = ops_muon_triple(law, step);
		double fourth = 0, by = 1;

		square_of(A, x, m, n);
		for (size_t i = 0; i < m * m; i++)
			fourth += A[i] * A[i];
		if (step == 0 && law->scale == OPS_MUON_SCHATTEN)
			by = fmax(pow(fourth, 0.25), OPS_SCHATTEN_LEAST);
		for (size_t i = 0; i < m * n; i++)
			x[i] /= by;
		square_of(A, x, m, n);
		square_of(AA, A, m, m);
		for (size_t i = 0; i < m; i++)
			for (size_t j = 0; j < n; j++) {
				double sum = abc[0] * x[i * n + j];

				for (size_t k = 0; k < m; k++)
					sum += (abc[1] * A[i * m + k] + abc[2] * AA[i * m + k]) * x[k * n + j];
				y[i * n + j] = sum;
			}
		for (size_t i = 0; i < m * n; i++)
			x[i] = y[i];
	}
	for (size_t i = 0; i < m * n; i++)
		w[tall ? i % n * cols + i / n : i] = (float)(-x[i] * (tall ? sqrt((double)rows / (double)cols) : 1));
}

static double
size_of(const float *x, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)x[i] * x[i];
	return (sqrt(sum));
}

/* How far an update is from what the book says, as a share of it; NAN counts. */
static double
off_by(const struct ops_muon_law *law, size_t rows, size_t cols, const float *g, const float *book, float *w)
{
	static float rest[WIDE * WIDE];
	const double size = size_of(book, rows * cols);

	for (size_t i = 0; i < rows * cols; i++)
		w[i] = 0;
	update_of(law, rows, cols, g, w);
	for (size_t i = 0; i < rows * cols; i++)
		rest[i] = w[i] - book[i];
	return (size_of(rest, rows * cols) / (size > 0 ? size : 1));
}

/*
 * On Gram matrices rounding may cost thrice what it costs step by step, and in float32 what t/unit/ops.c allows, 1e-8
 * squared, besides.  In bf16 all steps at once would end in NAN, and two of the first ones at a quarter of the rank off
 * by as much as the update is long.
 */
static void
forms(const struct ops_muon_law *law, const char *what)
{
	static const size_t sides[][2] = { { 72, 144 }, { 160, 40 }, { 36, 70 }, { 96, 96 } };
	static float g[WIDE * WIDE], book[WIDE * WIDE], direct[WIDE * WIDE], twos[WIDE * WIDE];
	const int exact = strcmp(backend, "ref") == 0;
	const double least = exact ? 1e-6 : arith == OPS_BF16 ? 0.03 : 1e-4;
	const double most = exact ? 1e-6 : arith == OPS_BF16 ? 0.2 : 5e-4;
	int good = 1, itself = 1, other = 0;

	for (size_t s = 0; s < sizeof(sides) / sizeof(sides[0]); s++) {
		for (enum kind kind = 0; kind < KINDS; kind++) {
			const size_t rows = sides[s][0], cols = sides[s][1];
			struct ops_muon_law gram = *law;
			double one, two;
			int same;

			plant(kind, rows, cols, g);
			by_the_book(law, rows, cols, g, book);
			one = off_by(law, rows, cols, g, book, direct);
			gram.form = OPS_MUON_GRAM;
			two = off_by(&gram, rows, cols, g, book, twos);
			same = memcmp(direct, twos, rows * cols * sizeof(*twos)) == 0;
			if (!(one <= most && two <= most && two <= 3 * one + least) || (kind == NONE && two != 0)) {
				printf("# %zu x %zu of %s: off by %.3g step by step, %.3g on Gram matrices\n", rows,
				    cols, kind_names[kind], one, two);
				good = 0;
			}
			itself &= rows != cols || same;
			other += rows != cols && kind != NONE && !same;
		}
	}
	tap_ok(good,
	    "%s %s, %s: step by step and on Gram matrices the update is what float64 makes of it, within rounding",
	    backend, arith == OPS_BF16 ? "bf16" : "fp32", what);
	tap_ok(itself && (exact || other > 0),
	    "%s %s, %s: a square matrix goes step by step, to the bit; others do not", backend,
	    arith == OPS_BF16 ? "bf16" : "fp32", what);
}

/* Many matrices on a few threads, of which each may get a part: the same bits as on one. */
static void
threads_agree(const struct ops_muon_law *law, const char *what)
{
	static float g[WIDE * WIDE], one[WIDE * WIDE], more[WIDE * WIDE];
	int same = 1;

	plant(NORMAL, 80, 160, g);
	for (threads = 1; threads <= 4; threads++) {
		memset(more, 0, sizeof(more));
		update_of(law, 80, 160, g, more);
		if (threads == 1)
			memcpy(one, more, sizeof(one));
		same &= memcmp(one, more, sizeof(one)) == 0;
	}
	threads = 1;
	tap_ok(same, "%s %s, %s: one matrix on 1 to 4 threads has the same bits", backend,
	    arith == OPS_BF16 ? "bf16" : "fp32", what);
}

/* What singular values become, from ${from} to 1: the farthest from 1. */
static double
worst(const struct ops_muon_law *law, double from)
{
	double far = 0;

	for (int i = 0; i <= 20000; i++) {
		double x = from * pow(1 / from, i / 20000.0);

		for (int step = 0; step < law->ns_steps; step++) {
			const double *abc = ops_muon_triple(law, step);

			x = x * (abc[0] + x * x * (abc[1] + x * x * abc[2]));
		}
		far = fmax(far, fabs(x - 1));
	}
	return (far);
}

/* With what t/tools/minimax.py printed; and nearly the best: no composition of quintics brings more near to 1. */
static void
minimax(void)
{
	static const struct {
		int steps;
		double from, error;
	} tables[] = { { 3, 0.01, 0.29 }, { 4, 0.003, 0.23 }, { 5, 0.001, 0.14 } };
	int good = 1;

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		struct ops_muon_law law = { .ns_steps = tables[i].steps, .coefficients = OPS_MUON_MINIMAX },
				    fixed = law;
		const double error = worst(&law, tables[i].from);

		fixed.coefficients = OPS_MUON_FIXED;
		printf("# %d steps from %g on: %.3f (fixed: %.3f)\n", law.ns_steps, tables[i].from, error,
		    worst(&fixed, tables[i].from));
		good &= error <= tables[i].error && error < worst(&fixed, tables[i].from);
	}
	tap_ok(good, "minimax brings singular values as near to 1 in 3, 4 and 5 steps as it says");
}

/* A direction with one large singular value gets no less of the small ones than its norm alone would leave them. */
static void
schatten(void)
{
	struct ops_muon_law law = { .lr = 1,
		.nesterov = 1,
		.ns_steps = 4,
		.grad_scale = 1,
		.coefficients = OPS_MUON_MINIMAX };
	static float g[WIDE * WIDE], plain[WIDE * WIDE], scaled[WIDE * WIDE], book[WIDE * WIDE];
	double off;

	plant(NORMAL, 48, 96, g);
	update_of(&law, 48, 96, g, plain);
	law.scale = OPS_MUON_SCHATTEN;
	by_the_book(&law, 48, 96, g, book);
	off = off_by(&law, 48, 96, g, book, scaled);
	tap_ok(off < 2e-5, "%s: the second scale is the fourth root of the singular values' fourth powers (%.2g)",
	    backend, off);
	tap_ok(memcmp(plain, scaled, sizeof(plain)) != 0, "%s: it is not the first", backend);
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
		schatten();
		for (arith = OPS_FP32; arith <= (i == 0 ? OPS_FP32 : OPS_BF16); arith++) {
			struct ops_muon_law law = published;

			forms(&law, "fixed");
			law.coefficients = OPS_MUON_POLAR;
			forms(&law, "polar");
			law.coefficients = OPS_MUON_MINIMAX;
			for (law.ns_steps = OPS_MINIMAX_LEAST; law.ns_steps <= OPS_MINIMAX_MOST; law.ns_steps++)
				forms(&law,
				    law.ns_steps == 3     ? "minimax, 3" :
					law.ns_steps == 4 ? "minimax, 4" :
							    "minimax, 5");
			law.ns_steps = 4;
			law.scale = OPS_MUON_SCHATTEN;
			forms(&law, "minimax, 4, scaled");
			law.form = OPS_MUON_GRAM;
			threads_agree(&law, "on Gram matrices");
		}
		arith = OPS_FP32;
	}
	minimax();
	return (tap_done());
}
