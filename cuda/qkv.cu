/*
 * A block's first half: mix of streams, norm, three products, head norm and
 * rotation; and back.  Letters as in ops.h: u = x + skip_w * skip,
 * xm = mix0 * u + mix1 * x0, h = scale * xm * r.  Neither xm nor h is kept for
 * backward: both are made again from the streams.
 */

#include "columns.cuh"
#include "product.cuh"

/* What u and xm are made of. */
struct mix {
	const float *x, *skip, *skip_w, *x0, *mix;	/* (N, C) twice, (C), (N, C), (2, C); skip NULL without one */
	int N, C;
};

static __device__ __forceinline__ float
mix_u(const struct mix &m, size_t at, int c)
{
	return (m.skip != NULL ? m.x[at] + m.skip_w[c] * m.skip[at] : m.x[at]);
}

static __device__ __forceinline__ float
mix_xm(const struct mix &m, size_t at, int c)
{
	return (m.mix[c] * mix_u(m, at, c) + m.mix[m.C + c] * m.x0[at]);
}

/*
 * xm and h (N, C), r (N), cut (N, columns): the first columns of h, not rounded.  xm, r and cut may be NULL.
 * One warp for each row.
 */
template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
mix_norm(float *xm, A *h, float *r, const struct mix m, float eps, float scale, float *cut, int columns)
{
	const int n = (int)blockIdx.x * (ROW_THREADS / 32) + warp_id();
	const size_t row = (size_t)n * m.C;
	float sum = 0, reciprocal, scaled;

	if (n >= m.N)
		return;
	for (int c = lane_id(); c < m.C; c += 32) {
		const float value = mix_xm(m, row + c, c);

		if (xm != NULL)
			xm[row + c] = value;
		sum += value * value;
	}
	reciprocal = 1.0f / sqrtf(warp_sum(sum) / m.C + eps);
	scaled = reciprocal * scale;
	for (int c = lane_id(); c < m.C; c += 32) {
		const float value = mix_xm(m, row + c, c) * scaled;

		store(&h[row + c], value);
		if (cut != NULL && c < columns)
			cut[(size_t)n * columns + c] = value;
	}
	if (r != NULL && lane_id() == 0)
		r[n] = reciprocal;
}

/* dh (N, C), added to: dcut (N, columns), n elements in all. */
__global__ void __launch_bounds__(ROW_THREADS)
add_cut(float *dh, const float *dcut, int columns, int C, size_t n)
{
	const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		dh[i / columns * C + i % columns] += dcut[i];
}

/* mean (N) = mean over a row of dh * xm * r.  One warp for each row. */
__global__ void __launch_bounds__(ROW_THREADS)
mix_norm_mean(float *mean, const float *dh, const float *r, const struct mix m)
{
	const int n = (int)blockIdx.x * (ROW_THREADS / 32) + warp_id();
	const size_t row = (size_t)n * m.C;
	float dot = 0;

	if (n >= m.N)
		return;
	for (int c = lane_id(); c < m.C; c += 32)
		dot += dh[row + c] * mix_xm(m, row + c, c);
	dot = warp_sum(dot) * r[n] / m.C;
	if (lane_id() == 0)
		mean[n] = dot;
}

struct mix_grad {
	const float *dxm, *dh;		/* (N, C) */
	const float *r, *mean;		/* (N) */
	float *dx, *dx0, *dskip;	/* (N, C): written, added to, written; dx may be dxm */
	float *part;			/* (strips, 3, C): sums for mix0, mix1, skip_w */
};

/* Gradients of the streams, and column sums of a strip.  Block: 32 columns (x) of STRIP_ROWS rows (y). */
__global__ void __launch_bounds__(COLUMN_THREADS)
mix_backward(const struct mix_grad d, const struct mix m, float scale)
{
	const int c = (int)blockIdx.x * 32 + lane_id(), first = (int)blockIdx.y * STRIP_ROWS;
	const int end = first + STRIP_ROWS < m.N ? first + STRIP_ROWS : m.N;
	float *scratch = device_shared<float>();
	float sum[3] = { 0, 0, 0 };

	for (int n = first + warp_id(); n < end && c < m.C; n += COLUMN_WARPS) {
		const size_t at = (size_t)n * m.C + c;
		const float u = mix_u(m, at, c), x0 = m.x0[at];
		const float h = (m.mix[c] * u + m.mix[m.C + c] * x0) * d.r[n];
		const float scaled = d.r[n] * scale;
		const float g = d.dxm[at] + scaled * (d.dh[at] - h * d.mean[n]);
		const float du = g * m.mix[c];

		sum[0] += g * u;
		sum[1] += g * x0;
		d.dx0[at] += g * m.mix[m.C + c];
		d.dx[at] = du;
		if (m.skip != NULL) {
			sum[2] += du * m.skip[at];
			d.dskip[at] = du * m.skip_w[c];
		}
	}
	for (int i = 0; i < 3; i++) {
		const float all = column_sum(sum[i], scratch);

		if (warp_id() == 0 && c < m.C)
			d.part[((size_t)blockIdx.y * 3 + i) * m.C + c] = all;
	}
}

/* Where rows stand, and the angles of their positions. */
struct rope {
	const float *cosine, *sine;	/* (positions, half) */
	int D, half, heads, rows;	/* width of a head, and half of what turns; number of heads; rows in all */
	int T, pos0;
};

/*
 * Norm and rotate each head of y (rows, heads * D) in place; reciprocals of
 * the norms go to r (rows, heads) if it is given.  One warp for each head.
 */
template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
rope_forward(A *y, float *r, const struct rope p, float eps)
{
	const int i = (int)blockIdx.x * (ROW_THREADS / 32) + warp_id(), half = p.half;
	const size_t angle = (size_t)(p.pos0 + i / p.heads % p.T) * half;
	float sum = 0, reciprocal;

	if (i >= p.rows * p.heads)
		return;
	y += (size_t)i * p.D;
	for (int d = lane_id(); d < p.D; d += 32)
		sum += to_float(y[d]) * to_float(y[d]);
	reciprocal = 1.0f / sqrtf(warp_sum(sum) / p.D + eps);
	for (int d = lane_id(); d < half; d += 32) {
		const float a = to_float(y[d]) * reciprocal, b = to_float(y[d + half]) * reciprocal;
		const float cosine = p.cosine[angle + d], sine = p.sine[angle + d];

		store(&y[d], a * cosine + b * sine);
		store(&y[d + half], b * cosine - a * sine);
	}
	for (int d = 2 * half + lane_id(); d < p.D; d += 32)
		store(&y[d], to_float(y[d]) * reciprocal);
	if (r != NULL && lane_id() == 0)
		r[i] = reciprocal;
}

/* dy, the gradient of what rope_forward put into y, becomes that of what it found there. */
template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
rope_backward(A *dy, const A *y, const float *r, const struct rope p)
{
	const int i = (int)blockIdx.x * (ROW_THREADS / 32) + warp_id(), half = p.half;
	const size_t angle = (size_t)(i / p.heads % p.T) * half;
	float mean = 0;

	if (i >= p.rows * p.heads)
		return;
	dy += (size_t)i * p.D;
	y += (size_t)i * p.D;
	for (int d = lane_id(); d < p.D; d += 32)
		mean += to_float(dy[d]) * to_float(y[d]);	/* turning both changes no dot product */
	mean = warp_sum(mean) / p.D;
	for (int d = lane_id(); d < half; d += 32) {
		const float a = to_float(dy[d]) - to_float(y[d]) * mean;
		const float b = to_float(dy[d + half]) - to_float(y[d + half]) * mean;
		const float cosine = p.cosine[angle + d], sine = p.sine[angle + d];

		store(&dy[d], r[i] * (a * cosine - b * sine));
		store(&dy[d + half], r[i] * (b * cosine + a * sine));
	}
	for (int d = 2 * half + lane_id(); d < p.D; d += 32)
		store(&dy[d], r[i] * (to_float(dy[d]) - to_float(y[d]) * mean));
}

static struct mix
mix_of(const struct ops_ctx *ctx, struct ops_rows rows, const struct ops_qkv *a)
{
	const size_t N = rows.B * rows.T, C = ctx->C;
	const struct mix m = {
		rows_of<float>(a->x, 0, N, C),
		a->skip != NULL ? rows_of<float>(a->skip, 0, N, C) : NULL,
		a->skip != NULL ? row_of<float>(a->skip_w, a->skip_row, C) : NULL,
		rows_of<float>(a->x0, 0, N, C),
		rows_of<float>(a->mix, 0, 2, C),
		(int)N, (int)C
	};

	return (m);
}

static struct rope
rope_of(const struct ops_ctx *ctx, struct ops_rows rows, int heads)
{
	const struct rope p = {
		ctx->cosine, ctx->sine, ctx->D, context_half(ctx), heads, (int)(rows.B * rows.T), (int)rows.T,
		(int)rows.pos0
	};

	assert(rows.pos0 + rows.T <= ctx->g.max_positions);
	return (p);
}

template <typename A>
static void
rope_run(struct ops_ctx *ctx, struct ops_rows rows, int heads, A *y, const struct ops_buf *r)
{
	const struct rope p = rope_of(ctx, rows, heads);

	launch(ctx, "rope_forward", rope_forward<A>, blocks_of((size_t)p.rows * heads, ROW_THREADS / 32), ROW_THREADS,
	    0, y, r != NULL ? rows_of<float>(r, 0, p.rows, heads) : NULL, p, ctx->eps);
}

template <typename A>
static void
qkv(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_qkv *a)
{
	const size_t N = rows.B * rows.T, C = ctx->C, KD = ctx->KD;
	A *h = (A *)ctx->h;
	A *q = rows_of<A>(a->q, 0, N, C);
	A *k = rows_of<A>(a->k, rows.pos0, N, KD), *v = rows_of<A>(a->v, rows.pos0, N, KD);

	launch(ctx, "mix_norm", mix_norm<A>, blocks_of(N, ROW_THREADS / 32), ROW_THREADS, 0,
	    rows_of<float>(a->xm, 0, N, C), h, (float *)NULL, mix_of(ctx, rows, a), ctx->eps, a->norm_scale,
	    a->cut != NULL ? rows_of<float>(a->cut, 0, N, a->cut->cols) : NULL,
	    a->cut != NULL ? (int)a->cut->cols : 0);
	product_forward(ctx, q, h, low<A>(a->wq), N, C, C);
	product_forward(ctx, k, h, low<A>(a->wk), N, KD, C);
	product_forward(ctx, v, h, low<A>(a->wv), N, KD, C);
	rope_run(ctx, rows, ctx->H, q, a->rq);
	rope_run(ctx, rows, ctx->K, k, a->rk);
}

template <typename A>
static void
rope_grad_run(struct ops_ctx *ctx, struct ops_rows rows, int heads, A *dy, const A *y, const struct ops_buf *r)
{
	const struct rope p = rope_of(ctx, rows, heads);

	launch(ctx, "rope_backward", rope_backward<A>, blocks_of((size_t)p.rows * heads, ROW_THREADS / 32),
	    ROW_THREADS, 0, dy, y, rows_of<float>(r, 0, p.rows, heads), p);
}

template <typename A>
static void
qkv_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_qkv *a, const struct ops_qkv_grad *d)
{
	const size_t N = rows.B * rows.T, C = ctx->C, KD = ctx->KD;
	const unsigned row_blocks = blocks_of(N, ROW_THREADS / 32), strips = blocks_of(N, STRIP_ROWS);
	const struct mix m = mix_of(ctx, rows, a);
	A *dq = rows_of<A>(d->dq, 0, N, C), *dk = rows_of<A>(d->dk, 0, N, KD), *dv = rows_of<A>(d->dv, 0, N, KD);
	A *h = (A *)ctx->h;

	assert(rows.pos0 == 0);
	rope_grad_run(ctx, rows, ctx->H, dq, rows_of<A>(a->q, 0, N, C), a->rq);
	rope_grad_run(ctx, rows, ctx->K, dk, rows_of<A>(a->k, 0, N, KD), a->rk);
	launch(ctx, "mix_norm", mix_norm<A>, row_blocks, ROW_THREADS, 0, (float *)NULL, h, ctx->r, m, ctx->eps,
	    a->norm_scale, (float *)NULL, 0);
	product_dw(ctx, rows_of<float>(d->dwq, 0, C, C), true, dq, h, N, C, C);
	product_dw(ctx, rows_of<float>(d->dwk, 0, KD, C), true, dk, h, N, KD, C);
	product_dw(ctx, rows_of<float>(d->dwv, 0, KD, C), true, dv, h, N, KD, C);
	product_dx_wide(ctx, ctx->dh, false, dq, low<A>(a->wq), N, C, C);
	product_dx_wide(ctx, ctx->dh, true, dk, low<A>(a->wk), N, KD, C);
	product_dx_wide(ctx, ctx->dh, true, dv, low<A>(a->wv), N, KD, C);
	if (d->dcut != NULL)
		launch(ctx, "add_cut", add_cut, blocks_of(N * d->dcut->cols, ROW_THREADS), ROW_THREADS, 0, ctx->dh,
		    rows_of<float>(d->dcut, 0, N, d->dcut->cols), (int)d->dcut->cols, (int)C, N * d->dcut->cols);
	launch(ctx, "mix_norm_mean", mix_norm_mean, row_blocks, ROW_THREADS, 0, ctx->mean, (const float *)ctx->dh,
	    (const float *)ctx->r, m);

	const struct mix_grad grad = {
		rows_of<float>(d->dxm, 0, N, C), ctx->dh, ctx->r, ctx->mean, rows_of<float>(d->dx, 0, N, C),
		rows_of<float>(d->dx0, 0, N, C), a->skip != NULL ? rows_of<float>(d->dskip, 0, N, C) : NULL,
		ctx->partial
	};

	launch(ctx, "mix_backward", mix_backward, dim3(blocks_of(C, 32), strips), COLUMN_THREADS,
	    COLUMN_THREADS * sizeof(float), grad, m, a->norm_scale);
	columns_add(ctx, rows_of<float>(d->dmix, 0, 2, C), ctx->partial, strips, 2 * C, 3 * C);
	if (a->skip != NULL)
		columns_add(ctx, row_of<float>(d->dskip_w, a->skip_row, C), ctx->partial + 2 * C, strips, C, 3 * C);
}

void
cuda_qkv(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_qkv *a)
{
	if (ctx->arith == OPS_BF16)
		qkv<bf16>(ctx, rows, a);
	else
		qkv<float>(ctx, rows, a);
}

void
cuda_qkv_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_qkv *a, const struct ops_qkv_grad *d)
{
	if (ctx->arith == OPS_BF16)
		qkv_grad<bf16>(ctx, rows, a, d);
	else
		qkv_grad<float>(ctx, rows, a, d);
}
