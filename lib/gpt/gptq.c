#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/progress.h"
#include "gpt/f16.h"
#include "gpt/gptq.h"

#define DAMPING 0.01

/* Rows that are rounded together, so that the factor is read once for all of them. */
#define GROUP 8

struct gptq {
	size_t n;
	size_t *order; /* NULL: the inputs were all zero */
	double *upper; /* U */
};

struct ranked {
	double diagonal;
	size_t column;
};

static int
by_diagonal(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->diagonal != y->diagonal)
		return (x->diagonal < y->diagonal ? 1 : -1);
	return ((x->column > y->column) - (x->column < y->column));
}

static size_t
packed_at(size_t n, size_t row, size_t col)
{
	return (row * n - row * (row + 1) / 2 + col);
}

size_t
gptq_packed(size_t n)
{
	return (n * (n + 1) / 2);
}

/* In four sums, which need not wait for one another. */
static double
dot(const double *a, const double *b, size_t n)
{
	double sum[4] = { 0, 0, 0, 0 };
	size_t i = 0;

	for (; i + 4 <= n; i += 4)
		for (size_t k = 0; k < 4; k++)
			sum[k] += a[i + k] * b[i + k];
	for (; i < n; i++)
		sum[0] += a[i] * b[i];
	return (sum[0] + sum[1] + sum[2] + sum[3]);
}

/* h, of which the upper triangle is read, becomes the upper R with R R^T = H: from the last column to the first. */
static int
factor(double *h, size_t n)
{
	for (size_t k = n; k-- > 0;) {
		double *mine = h + k * n;
		const double square = mine[k] - dot(mine + k + 1, mine + k + 1, n - k - 1);

		if (!(square > 0) || !isfinite(square))
			return (-1);
		mine[k] = sqrt(square);
		for (size_t i = 0; i < k; i++) {
			double *row = h + i * n;

			row[k] = (row[k] - dot(row + k + 1, mine + k + 1, n - k - 1)) / mine[k];
		}
		progress_tick();
	}
	return (0);
}

/* R becomes its inverse, which is U: H^-1 = R^-T R^-1. A row's inverse needs its own R, and the inverses below it. */
static void
invert(double *r, size_t n, double *row)
{
	for (size_t i = n; i-- > 0;) {
		double *mine = r + i * n;
		const double diagonal = mine[i];

		for (size_t j = i; j < n; j++) {
			row[j] = mine[j];
			mine[j] = 0;
		}
		for (size_t m = i + 1; m < n; m++) {
			const double *below = r + m * n;

			for (size_t j = m; j < n; j++)
				mine[j] += row[m] * below[j];
		}
		for (size_t j = i + 1; j < n; j++)
			mine[j] /= -diagonal;
		mine[i] = 1 / diagonal;
		progress_tick();
	}
}

static int
rank(struct gptq *g, const float *gram, double *damping)
{
	struct ranked *ranked = malloc(g->n * sizeof(*ranked));
	double sum = 0;

	if (ranked == NULL)
		return (-1);
	for (size_t i = 0; i < g->n; i++) {
		ranked[i] = (struct ranked){ gram[packed_at(g->n, i, i)], i };
		sum += ranked[i].diagonal;
	}
	qsort(ranked, g->n, sizeof(*ranked), by_diagonal);
	for (size_t i = 0; i < g->n; i++)
		g->order[i] = ranked[i].column;
	free(ranked);
	*damping = DAMPING * sum / (double)g->n;
	return (0);
}

struct gptq *
gptq_new(const float *gram, size_t n)
{
	struct gptq *g = calloc(1, sizeof(*g));
	double damping, *row = NULL;
	int error = ENOMEM;

	for (size_t i = 0; i < gptq_packed(n); i++)
		if (!isfinite(gram[i])) {
			error = EBADMSG;
			goto err0;
		}
	if (g == NULL)
		goto err0;
	g->n = n;
	g->order = malloc(n * sizeof(*g->order));
	g->upper = calloc(n * n, sizeof(*g->upper));
	row = malloc(n * sizeof(*row));
	if (g->order == NULL || g->upper == NULL || row == NULL || rank(g, gram, &damping) == -1)
		goto err0;
	if (damping == 0) {
		free(g->order);
		g->order = NULL;
		free(row);
		return (g);
	}
	for (size_t i = 0; i < n; i++)
		for (size_t j = i; j < n; j++) {
			const size_t a = g->order[i], b = g->order[j];

			g->upper[i * n + j] = gram[a < b ? packed_at(n, a, b) : packed_at(n, b, a)];
			if (i == j)
				g->upper[i * n + j] += damping;
		}
	if (factor(g->upper, n) == -1) {
		error = EBADMSG;
		goto err0;
	}
	invert(g->upper, n, row);
	free(row);
	return (g);
err0:
	free(row);
	gptq_free(g);
	errno = error;
	return (NULL);
}

void
gptq_free(struct gptq *g)
{
	if (g == NULL)
		return;
	free(g->order);
	free(g->upper);
	free(g);
}

/* A row on its way: what is left of it, in the order of columns. */
struct row {
	double *left;
	float clip, scale;
	double restored; /* of a level of one */
	int8_t *q;
};

/* Rows that are rounded together. */
static void
round_group(const struct gptq *g, int top, struct row *rows, size_t count)
{
	for (size_t i = 0; i < g->n; i++) {
		const double *u = g->upper + i * g->n;

		for (size_t r = 0; r < count; r++) {
			struct row *x = &rows[r];
			const int8_t q = quantize_level((float)x->left[i], x->clip, x->scale, top);
			const double missed = (x->left[i] - q * x->restored) / u[i];

			x->q[g->order[i]] = q;
			for (size_t j = i + 1; j < g->n; j++)
				x->left[j] -= missed * u[j];
		}
	}
}

int
gptq_rows(const struct gptq *g, const struct quantize_law *law, const float *w, size_t rows, int8_t *q, uint16_t *scale,
    float *scratch)
{
	double *left;

	if (g->order == NULL) {
		quantize_rows(law, w, rows, g->n, q, scale, scratch);
		return (0);
	}
	if ((left = malloc(GROUP * g->n * sizeof(*left))) == NULL)
		return (-1);
	for (size_t first = 0; first < rows; first += GROUP) {
		const size_t count = rows - first < GROUP ? rows - first : GROUP;
		struct row group[GROUP];

		for (size_t r = 0; r < count; r++) {
			const float *from = w + (first + r) * g->n;
			struct row *x = &group[r];

			*x = (struct row){ .left = left + r * g->n, .q = q + (first + r) * g->n };
			x->scale = quantize_scale(law, from, g->n, scratch, &x->clip);
			scale[first + r] = f16_from(x->scale);
			x->restored = f16_to(scale[first + r]);
			for (size_t i = 0; i < g->n; i++)
				x->left[i] = from[g->order[i]];
		}
		round_group(g, quantize_top(law->bits), group, count);
		progress_tick();
	}
	free(left);
	return (0);
}
