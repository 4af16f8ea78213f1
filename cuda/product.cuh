#ifndef HG_PRODUCT_CUH
#define HG_PRODUCT_CUH

#include "context.cuh"

/**
 * d = alpha * a b + beta * c, row-major, for ${batch} matrices that lie one
 * behind the other.  The operands a and b have the activations' type; c and d
 * are float32 when ${wide}, else of that type too.  d may be c.  Sums are
 * float32, in an order that the shape alone decides.
 */
struct product {
	size_t rows, cols, depth;	/* of the result, and of the sum */
	const void *a;			/* (rows, depth), or (depth, rows) if turned */
	const void *b;			/* (depth, cols), or (cols, depth) if turned */
	uint32_t a_turned, b_turned;
	const void *c;			/* (rows, cols); not read when beta is 0 */
	void *d;			/* (rows, cols) */
	float alpha, beta;
	uint32_t wide, batch;
};

static_assert(sizeof(struct product) == 3 * sizeof(size_t) + 4 * sizeof(void *) + 4 * sizeof(uint32_t) +
    2 * sizeof(float), "compared byte by byte: no gaps");

void product_run(struct ops_ctx *ctx, const struct product *p);

/* The three products of a linear layer y = x w^T: x (n, in), w (out, in), y (n, out). */

/* y = x w^T, of the activations' type */
static inline void
product_forward(struct ops_ctx *ctx, void *y, const void *x, const void *w, size_t n, size_t out, size_t in)
{
	const struct product p = { n, out, in, x, w, 0, 1, NULL, y, 1, 0, 0, 1 };

	product_run(ctx, &p);
}

/* y = c + x w^T, float32 */
static inline void
product_onto(struct ops_ctx *ctx, float *y, const float *c, const void *x, const void *w, size_t n, size_t out,
    size_t in)
{
	const struct product p = { n, out, in, x, w, 0, 1, c, y, 1, c == NULL ? 0.0f : 1.0f, 1, 1 };

	product_run(ctx, &p);
}

/* dx = dy w, of the activations' type */
static inline void
product_dx(struct ops_ctx *ctx, void *dx, const void *dy, const void *w, size_t n, size_t out, size_t in)
{
	const struct product p = { n, in, out, dy, w, 0, 0, NULL, dx, 1, 0, 0, 1 };

	product_run(ctx, &p);
}

/* dx = dy w, or dx += dy w, float32 */
static inline void
product_dx_wide(struct ops_ctx *ctx, float *dx, bool add, const void *dy, const void *w, size_t n, size_t out,
    size_t in)
{
	const struct product p = { n, in, out, dy, w, 0, 0, dx, dx, 1, add ? 1.0f : 0.0f, 1, 1 };

	product_run(ctx, &p);
}

/* dw = dy^T x, or dw += dy^T x, float32 */
static inline void
product_dw(struct ops_ctx *ctx, float *dw, bool add, const void *dy, const void *x, size_t n, size_t out, size_t in)
{
	const struct product p = { out, in, n, dy, x, 1, 0, dw, dw, 1, add ? 1.0f : 0.0f, 1, 1 };

	product_run(ctx, &p);
}

#endif
