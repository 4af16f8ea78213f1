/*
 * The reference backend: plain loops in float64, one row at a time.
 *
 * This file is the specification of ops.h.  It owns nothing but its scratch
 * rows, keeps every buffer as a plain float64 array, uses one thread, and is
 * never compiled with -ffast-math.  Sums run in index order.  What lasts from
 * step to step (weights, momentum, Adam's moments) is rounded to float32 when
 * it is written, since that is what a file keeps: a run that is gone on with
 * has the bits of one that never stopped.
 */

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gpt/ops.h"
#include "base/progress.h"
#include "base/say.h"

struct ops_buf {
	enum ops_role role;
	size_t rows, cols;
	double *f;  /* every role but OPS_IDS */
	int32_t *i; /* OPS_IDS */
};

struct ops_ctx {
	struct ops_geometry g;
	size_t head_dim, turning; /* of which so many elements turn */
	double *cosine, *sine;    /* (max_positions, turning / 2) */
	double *row[8];      /* scratch rows, each as long as the longest row of the model or of attention scores */
	double *ns_x, *ns_y; /* Newton-Schulz: the matrix and its successor */
	double *ns_a, *ns_b; /* Newton-Schulz: square, of the shorter side */
	int held;            /* a loss since begin was not finite: no updates */
};

static const double *
at(const struct ops_buf *buf, size_t row, size_t cols)
{
	assert((row + 1) * cols <= buf->rows * buf->cols);
	return (buf->f + row * cols);
}

static double *
at_out(struct ops_buf *buf, size_t row, size_t cols)
{
	assert((row + 1) * cols <= buf->rows * buf->cols);
	return (buf->f + row * cols);
}

static double
dot(const double *a, const double *b, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += a[i] * b[i];
	return (sum);
}

/* y += s * x */
static void
axpy(double *restrict y, double s, const double *restrict x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] += s * x[i];
}

/* out = w x, for w (rows, cols).  Four rows at a time, whose sums need not wait for one another. */
static void
matvec(double *out, const double *w, const double *x, size_t rows, size_t cols)
{
	size_t r = 0;

	for (; r + 4 <= rows; r += 4) {
		const double *w0 = w + r * cols, *w1 = w0 + cols, *w2 = w1 + cols, *w3 = w2 + cols;
		double sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;

		for (size_t i = 0; i < cols; i++) {
			sum0 += w0[i] * x[i];
			sum1 += w1[i] * x[i];
			sum2 += w2[i] * x[i];
			sum3 += w3[i] * x[i];
		}
		out[r] = sum0;
		out[r + 1] = sum1;
		out[r + 2] = sum2;
		out[r + 3] = sum3;
	}
	for (; r < rows; r++)
		out[r] = dot(w + r * cols, x, cols);
	progress_tick();
}

/* dx += w^T dout, the gradient of matvec with respect to x.  Each sum takes its rows in order, four in one go. */
static void
matvec_dx(double *restrict dx, const double *restrict w, const double *dout, size_t rows, size_t cols)
{
	size_t r = 0;

	for (; r + 4 <= rows; r += 4) {
		const double *w0 = w + r * cols, *w1 = w0 + cols, *w2 = w1 + cols, *w3 = w2 + cols;
		const double s0 = dout[r], s1 = dout[r + 1], s2 = dout[r + 2], s3 = dout[r + 3];

		for (size_t i = 0; i < cols; i++)
			dx[i] = dx[i] + s0 * w0[i] + s1 * w1[i] + s2 * w2[i] + s3 * w3[i];
	}
	for (; r < rows; r++)
		axpy(dx, dout[r], w + r * cols, cols);
}

/* dw += dout x^T, the gradient of matvec with respect to w */
static void
matvec_dw(double *dw, const double *dout, const double *x, size_t rows, size_t cols)
{
	for (size_t r = 0; r < rows; r++)
		axpy(dw + r * cols, dout[r], x, cols);
	progress_tick();
}

static double
sigmoid(double z)
{
	return (1 / (1 + exp(-z)));
}

static void
scale_row(double *x, double s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] *= s;
}

/* out = x / rms(x); returns the reciprocal rms.  out may be x. */
static double
rms(double *out, const double *x, size_t n, double eps)
{
	const double r = 1.0 / sqrt(dot(x, x, n) / (double)n + eps);

	for (size_t i = 0; i < n; i++)
		out[i] = x[i] * r;
	return (r);
}

/* dx += the gradient of y = x r reaching x, where r is the reciprocal rms of x. */
static void
rms_dx(double *dx, const double *dy, const double *y, double r, size_t n)
{
	const double mean = dot(dy, y, n) / (double)n;

	for (size_t i = 0; i < n; i++)
		dx[i] += r * (dy[i] - y[i] * mean);
}

/* Rotate each pair (x[i], x[i + half]) by the angle of ${position}; back turns the other way. */
static void
rotate(const struct ops_ctx *ctx, double *x, size_t position, int back)
{
	const size_t half = ctx->turning / 2;
	const double *c = ctx->cosine + position * half;
	const double *s = ctx->sine + position * half;

	assert(position < ctx->g.max_positions);
	for (size_t i = 0; i < half; i++) {
		const double a = x[i], b = x[i + half];
		const double sine = back ? -s[i] : s[i];

		x[i] = a * c[i] + b * sine;
		x[i + half] = b * c[i] - a * sine;
	}
}

static void
ref_free(struct ops_ctx *ctx, struct ops_buf *buf)
{
	(void)ctx;
	if (buf == NULL)
		return;
	free(buf->f);
	free(buf->i);
	free(buf);
}

static struct ops_buf *
ref_alloc(struct ops_ctx *ctx, enum ops_role role, size_t rows, size_t cols)
{
	struct ops_buf *buf;

	if (cols != 0 && rows > SIZE_MAX / sizeof(double) / cols) {
		errno = ENOMEM;
		return (NULL);
	}
	if ((buf = calloc(1, sizeof(*buf))) == NULL)
		return (NULL);
	buf->role = role;
	buf->rows = rows;
	buf->cols = cols;
	if (role == OPS_IDS)
		buf->i = calloc(rows * cols + 1, sizeof(*buf->i));
	else
		buf->f = calloc(rows * cols + 1, sizeof(*buf->f));
	if (buf->i == NULL && buf->f == NULL) {
		ref_free(ctx, buf);
		errno = ENOMEM;
		return (NULL);
	}
	return (buf);
}

static void
ref_close(struct ops_ctx *ctx)
{
	if (ctx == NULL)
		return;
	free(ctx->cosine);
	free(ctx->sine);
	for (size_t i = 0; i < sizeof(ctx->row) / sizeof(ctx->row[0]); i++)
		free(ctx->row[i]);
	free(ctx->ns_x);
	free(ctx->ns_y);
	free(ctx->ns_a);
	free(ctx->ns_b);
	free(ctx);
}

static double *
doubles(size_t n, int *failed)
{
	double *f = calloc(n, sizeof(*f));

	if (f == NULL)
		*failed = 1;
	return (f);
}

static size_t
largest(size_t a, size_t b)
{
	return (a > b ? a : b);
}

static struct ops_ctx *
ref_open(const struct ops_open_args *args)
{
	const struct ops_geometry *g = &args->geometry;
	const size_t head_dim = g->model_dim / g->num_heads, half = (g->rope_dims != 0 ? g->rope_dims : head_dim) / 2;
	const size_t side = largest(largest(g->model_dim, g->mlp_dim), g->bigram_dim);
	const size_t longest = largest(side, largest(g->vocab_size, g->max_positions));
	struct ops_ctx *ctx;
	int failed = 0;

	if (args->arith != OPS_FP32) {
		say_error("backend 'ref' computes in fp32 only");
		errno = EINVAL;
		return (NULL);
	}
	if (strcmp(args->isa, "auto") != 0 && strcmp(args->isa, "scalar") != 0) {
		say_error("backend 'ref' has no isa '%s': it has 'scalar'", args->isa);
		errno = EINVAL;
		return (NULL);
	}
	if ((ctx = calloc(1, sizeof(*ctx))) == NULL)
		goto err0;
	ctx->g = *g;
	ctx->head_dim = head_dim;
	ctx->turning = 2 * half;
	ctx->cosine = doubles(g->max_positions * half, &failed);
	ctx->sine = doubles(g->max_positions * half, &failed);
	for (size_t i = 0; i < sizeof(ctx->row) / sizeof(ctx->row[0]); i++)
		ctx->row[i] = doubles(longest, &failed);
	if (args->training) {
		ctx->ns_x = doubles(g->model_dim * side, &failed);
		ctx->ns_y = doubles(g->model_dim * side, &failed);
		ctx->ns_a = doubles(g->model_dim * g->model_dim, &failed);
		ctx->ns_b = doubles(g->model_dim * g->model_dim, &failed);
	}
	if (failed)
		goto err1;
	for (size_t p = 0; p < g->max_positions; p++) {
		for (size_t i = 0; i < half; i++) {
			const double angle = (double)p * pow(g->rope_base, -(double)i / (double)half);

			ctx->cosine[p * half + i] = cos(angle);
			ctx->sine[p * half + i] = sin(angle);
		}
	}
	return (ctx);

err1:
	ref_close(ctx);
err0:
	say_error("backend 'ref': out of memory");
	errno = ENOMEM;
	return (NULL);
}

static const char *
ref_isa(const struct ops_ctx *ctx)
{
	(void)ctx;
	return ("scalar");
}

static const char *
ref_library(const struct ops_ctx *ctx)
{
	(void)ctx;
	return ("");
}

static void
ref_upload(struct ops_ctx *ctx, struct ops_buf *buf, size_t first, const void *host, size_t n)
{
	(void)ctx;
	assert(first + n <= buf->rows * buf->cols);
	if (buf->role == OPS_IDS)
		memcpy(buf->i + first, host, n * sizeof(*buf->i));
	else
		for (size_t i = 0; i < n; i++)
			buf->f[first + i] = ((const float *)host)[i];
}

static void
ref_download(struct ops_ctx *ctx, const struct ops_buf *buf, size_t first, void *host, size_t n)
{
	(void)ctx;
	assert(first + n <= buf->rows * buf->cols);
	if (buf->role == OPS_IDS)
		memcpy(host, buf->i + first, n * sizeof(*buf->i));
	else
		for (size_t i = 0; i < n; i++)
			((float *)host)[i] = (float)buf->f[first + i];
}

static void
ref_zero(struct ops_ctx *ctx, struct ops_buf *const *bufs, size_t count)
{
	(void)ctx;
	for (size_t i = 0; i < count; i++)
		memset(bufs[i]->f, 0, bufs[i]->rows * bufs[i]->cols * sizeof(double));
}

static void
ref_nothing(struct ops_ctx *ctx)
{
	(void)ctx;
}

static void
ref_begin(struct ops_ctx *ctx)
{
	ctx->held = 0;
}

/* The first row from n on that somebody wants; B * T: none. */
static size_t
wanted(struct ops_rows rows, size_t n)
{
	return (n % rows.T < rows.from ? n - n % rows.T + rows.from : n);
}

static void
ref_embed(struct ops_ctx *ctx, struct ops_rows rows, struct ops_buf *x0, const struct ops_buf *ids,
    const struct ops_buf *emb)
{
	const size_t C = ctx->g.model_dim;

	for (size_t n = 0; n < rows.B * rows.T; n++)
		rms(at_out(x0, n, C), at(emb, (size_t)ids->i[n], C), C, ctx->g.norm_eps);
}

static void
ref_embed_grad(struct ops_ctx *ctx, struct ops_rows rows, struct ops_buf *demb, const struct ops_buf *dx0,
    const struct ops_buf *ids, const struct ops_buf *emb)
{
	const size_t C = ctx->g.model_dim;
	double *y = ctx->row[0];

	for (size_t n = 0; n < rows.B * rows.T; n++) {
		const size_t id = (size_t)ids->i[n];
		const double r = rms(y, at(emb, id, C), C, ctx->g.norm_eps);

		rms_dx(at_out(demb, id, C), at(dx0, n, C), y, r, C);
	}
}

/* u and xm of row n, as ops.h writes them. */
static void
mix_row(const struct ops_ctx *ctx, const struct ops_qkv *a, size_t n, double *u, double *xm)
{
	const size_t C = ctx->g.model_dim;
	const double *x = at(a->x, n, C), *x0 = at(a->x0, n, C);
	const double *mix0 = at(a->mix, 0, C), *mix1 = at(a->mix, 1, C);

	memcpy(u, x, C * sizeof(*u));
	if (a->skip != NULL) {
		const double *skip = at(a->skip, n, C), *weight = at(a->skip_w, a->skip_row, C);

		for (size_t c = 0; c < C; c++)
			u[c] += weight[c] * skip[c];
	}
	for (size_t c = 0; c < C; c++)
		xm[c] = mix0[c] * u[c] + mix1[c] * x0[c];
}

/* Norm and rotate the heads of one row in place; reciprocals of the norms go to r. */
static void
heads(const struct ops_ctx *ctx, double *row, size_t count, size_t position, double *r)
{
	const size_t D = ctx->head_dim;

	for (size_t h = 0; h < count; h++) {
		r[h] = rms(row + h * D, row + h * D, D, ctx->g.norm_eps);
		rotate(ctx, row + h * D, position, 0);
	}
}

static void
ref_qkv(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_qkv *a)
{
	const size_t C = ctx->g.model_dim, H = ctx->g.num_heads, K = ctx->g.num_kv_heads, KD = K * ctx->head_dim;
	double *u = ctx->row[0], *h = ctx->row[1], *unused = ctx->row[2];

	for (size_t n = 0; n < rows.B * rows.T; n++) {
		const size_t position = rows.pos0 + n % rows.T;
		double *xm = at_out(a->xm, n, C);
		double *q = at_out(a->q, n, C);
		double *k = at_out(a->k, rows.pos0 + n, KD);
		double *v = at_out(a->v, rows.pos0 + n, KD);

		mix_row(ctx, a, n, u, xm);
		rms(h, xm, C, ctx->g.norm_eps);
		scale_row(h, a->norm_scale, C);
		for (size_t c = 0; a->cut != NULL && c < a->cut->cols; c++)
			at_out(a->cut, n, a->cut->cols)[c] = h[c];
		matvec(k, at(a->wk, 0, C), h, KD, C);
		matvec(v, at(a->wv, 0, C), h, KD, C);
		heads(ctx, k, K, position, a->rk != NULL ? at_out(a->rk, n, K) : unused);
		if (n % rows.T < rows.from)
			continue;
		matvec(q, at(a->wq, 0, C), h, C, C);
		heads(ctx, q, H, position, a->rq != NULL ? at_out(a->rq, n, H) : unused);
	}
}

/* The gradient of heads(): ${y} is the rotated row, ${dy} its gradient; dx overwritten. */
static void
heads_dx(const struct ops_ctx *ctx, double *dx, const double *dy, const double *y, size_t count, size_t position,
    const double *r)
{
	const size_t D = ctx->head_dim;
	double *dnormed = ctx->row[4], *normed = ctx->row[5];

	memset(dx, 0, count * D * sizeof(*dx));
	for (size_t h = 0; h < count; h++) {
		memcpy(dnormed, dy + h * D, D * sizeof(*dnormed));
		memcpy(normed, y + h * D, D * sizeof(*normed));
		rotate(ctx, dnormed, position, 1);
		rotate(ctx, normed, position, 1);
		rms_dx(dx + h * D, dnormed, normed, r[h], D);
	}
}

static void
ref_qkv_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_qkv *a, const struct ops_qkv_grad *d)
{
	const size_t C = ctx->g.model_dim, H = ctx->g.num_heads, K = ctx->g.num_kv_heads, KD = K * ctx->head_dim;
	const double *mix0 = at(a->mix, 0, C), *mix1 = at(a->mix, 1, C);
	double *dmix0 = at_out(d->dmix, 0, C), *dmix1 = at_out(d->dmix, 1, C);
	double *u = ctx->row[0], *h = ctx->row[1], *dproduct = ctx->row[2], *dh = ctx->row[3];

	assert(rows.pos0 == 0);
	for (size_t n = 0; n < rows.B * rows.T; n++) {
		const size_t position = n % rows.T;
		const double *x0 = at(a->x0, n, C);
		double *dxm = at_out(d->dxm, n, C), *dx = at_out(d->dx, n, C), *dx0 = at_out(d->dx0, n, C);
		double r;

		mix_row(ctx, a, n, u, h);
		r = rms(h, h, C, ctx->g.norm_eps);
		scale_row(h, a->norm_scale, C);
		memset(dh, 0, C * sizeof(*dh));

		heads_dx(ctx, dproduct, at(d->dq, n, C), at(a->q, n, C), H, position, at(a->rq, n, H));
		matvec_dw(at_out(d->dwq, 0, C), dproduct, h, C, C);
		matvec_dx(dh, at(a->wq, 0, C), dproduct, C, C);

		heads_dx(ctx, dproduct, at(d->dk, n, KD), at(a->k, n, KD), K, position, at(a->rk, n, K));
		matvec_dw(at_out(d->dwk, 0, C), dproduct, h, KD, C);
		matvec_dx(dh, at(a->wk, 0, C), dproduct, KD, C);

		matvec_dw(at_out(d->dwv, 0, C), at(d->dv, n, KD), h, KD, C);
		matvec_dx(dh, at(a->wv, 0, C), at(d->dv, n, KD), KD, C);

		for (size_t c = 0; d->dcut != NULL && c < d->dcut->cols; c++)
			dh[c] += at(d->dcut, n, d->dcut->cols)[c];
		scale_row(dh, a->norm_scale, C);
		scale_row(h, 1 / (double)a->norm_scale, C);
		rms_dx(dxm, dh, h, r, C);
		for (size_t c = 0; c < C; c++) {
			const double g = dxm[c];

			dmix0[c] += g * u[c];
			dmix1[c] += g * x0[c];
			dx0[c] += g * mix1[c];
			dx[c] = g * mix0[c];
		}
		if (a->skip != NULL) {
			const double *skip = at(a->skip, n, C), *weight = at(a->skip_w, a->skip_row, C);
			double *dskip = at_out(d->dskip, n, C), *dweight = at_out(d->dskip_w, a->skip_row, C);

			for (size_t c = 0; c < C; c++) {
				dweight[c] += dx[c] * skip[c];
				dskip[c] = dx[c] * weight[c];
			}
		}
	}
}

/* Row of q, y or lse for sequence b, step t; rows of k and v for sequence b, position j. */
static size_t
query_row(struct ops_rows rows, size_t b, size_t t)
{
	return (b * rows.T + t);
}

static size_t
key_row(struct ops_rows rows, size_t b, size_t j)
{
	return (b * rows.T + j); /* with pos0 > 0, b is 0 and j the position */
}

static void
ref_attention(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_attention *a)
{
	const size_t C = ctx->g.model_dim, H = ctx->g.num_heads, K = ctx->g.num_kv_heads;
	const size_t D = ctx->head_dim, KD = K * D;
	double *p = ctx->row[0];

	assert(rows.pos0 == 0 || rows.B == 1);
	for (size_t b = 0; b < rows.B; b++) {
		for (size_t t = rows.from; t < rows.T; t++) {
			const size_t n = query_row(rows, b, t), seen = rows.pos0 + t + 1;

			for (size_t h = 0; h < H; h++) {
				const size_t kv = h / (H / K) * D;
				const double scale = a->gain->f[h] / sqrt((double)D);
				const double *q = at(a->q, n, C) + h * D;
				double *y = at_out(a->y, n, C) + h * D;
				double max = -INFINITY, sum = 0;

				for (size_t j = 0; j < seen; j++) {
					p[j] = scale * dot(q, at(a->k, key_row(rows, b, j), KD) + kv, D);
					max = fmax(max, p[j]);
				}
				for (size_t j = 0; j < seen; j++) {
					p[j] = exp(p[j] - max);
					sum += p[j];
				}
				memset(y, 0, D * sizeof(*y));
				for (size_t j = 0; j < seen; j++)
					axpy(y, p[j] / sum, at(a->v, key_row(rows, b, j), KD) + kv, D);
				if (a->lse != NULL)
					at_out(a->lse, n, H)[h] = max + log(sum);
			}
		}
	}
}

static void
ref_attention_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_attention *a,
    const struct ops_attention_grad *d)
{
	const size_t C = ctx->g.model_dim, H = ctx->g.num_heads, K = ctx->g.num_kv_heads;
	const size_t D = ctx->head_dim, KD = K * D, N = rows.B * rows.T;

	assert(rows.pos0 == 0);
	memset(at_out(d->dq, 0, C), 0, N * C * sizeof(double));
	memset(at_out(d->dk, 0, KD), 0, N * KD * sizeof(double));
	memset(at_out(d->dv, 0, KD), 0, N * KD * sizeof(double));
	for (size_t b = 0; b < rows.B; b++) {
		for (size_t t = 0; t < rows.T; t++) {
			const size_t n = query_row(rows, b, t);

			for (size_t h = 0; h < H; h++) {
				const size_t kv = h / (H / K) * D;
				const double root = 1.0 / sqrt((double)D), scale = a->gain->f[h] * root;
				const double *q = at(a->q, n, C) + h * D;
				const double *dy = at(d->dy, n, C) + h * D;
				const double lse = at(a->lse, n, H)[h];
				const double mean = dot(dy, at(a->y, n, C) + h * D, D);
				double *dq = at_out(d->dq, n, C) + h * D;

				for (size_t j = 0; j <= t; j++) {
					const size_t row = key_row(rows, b, j);
					const double *k = at(a->k, row, KD) + kv, *v = at(a->v, row, KD) + kv;
					const double qk = dot(q, k, D);
					const double p = exp(scale * qk - lse);
					const double dscore = p * (dot(dy, v, D) - mean);

					axpy(at_out(d->dv, row, KD) + kv, p, dy, D);
					axpy(at_out(d->dk, row, KD) + kv, dscore * scale, q, D);
					axpy(dq, dscore * scale, k, D);
					d->dgain->f[h] += dscore * root * qk;
				}
			}
		}
	}
}

static void
ref_proj(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_proj *a)
{
	const size_t C = ctx->g.model_dim;
	const double *scale = at(a->scale, 0, C);
	double *out = ctx->row[0];

	for (size_t n = rows.from; n < rows.B * rows.T; n = wanted(rows, n + 1)) {
		const double *xm = at(a->xm, n, C);
		double *x1 = at_out(a->x1, n, C);

		matvec(out, at(a->wo, 0, C), at(a->y, n, C), C, C);
		for (size_t c = 0; c < C; c++)
			x1[c] = xm[c] + scale[c] * out[c];
	}
}

static void
ref_proj_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_proj *a, const struct ops_proj_grad *d)
{
	const size_t C = ctx->g.model_dim;
	const double *scale = at(a->scale, 0, C);
	double *out = ctx->row[0], *dout = ctx->row[1];

	for (size_t n = 0; n < rows.B * rows.T; n++) {
		const double *dx1 = at(d->dx1, n, C), *y = at(a->y, n, C);
		double *dy = at_out(d->dy, n, C);

		matvec(out, at(a->wo, 0, C), y, C, C);
		for (size_t c = 0; c < C; c++) {
			dout[c] = dx1[c] * scale[c];
			d->dscale->f[c] += dx1[c] * out[c];
		}
		matvec_dw(at_out(d->dwo, 0, C), dout, y, C, C);
		memset(dy, 0, C * sizeof(*dy));
		matvec_dx(dy, at(a->wo, 0, C), dout, C, C);
	}
}

/* What the activation makes of a product and its gate. */
static double
activate(enum ops_activation activation, double r, double gate)
{
	switch (activation) {
	case OPS_RELU2:
		return (r < 0 ? 0 : r * r); /* a NaN stays one */
	case OPS_LEAKY_RELU2:
		return (r < 0 ? r * r / 4 : r * r);
	default:
		return (gate * sigmoid(gate) * r);
	}
}

/* And its slopes along both. */
static void
slopes(enum ops_activation activation, double r, double gate, double *along_r, double *along_gate)
{
	const double s = sigmoid(gate);

	*along_gate = 0;
	switch (activation) {
	case OPS_RELU2:
		*along_r = r < 0 ? 0 : 2 * r;
		break;
	case OPS_LEAKY_RELU2:
		*along_r = r < 0 ? r / 2 : 2 * r;
		break;
	default:
		*along_r = gate * s;
		*along_gate = r * s * (1 + gate * (1 - s));
	}
}

static void
ref_mlp(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_mlp *a)
{
	const size_t C = ctx->g.model_dim, F = ctx->g.mlp_dim;
	const double *scale = at(a->scale, 0, C);
	double *h = ctx->row[0], *squared = ctx->row[1], *out = ctx->row[2];

	for (size_t n = rows.from; n < rows.B * rows.T; n = wanted(rows, n + 1)) {
		const double *x1 = at(a->x1, n, C);
		double *r = at_out(a->r, n, F), *x2 = at_out(a->x2, n, C);

		rms(h, x1, C, ctx->g.norm_eps);
		scale_row(h, a->norm_scale, C);
		matvec(r, at(a->wfc, 0, C), h, F, C);
		if (a->activation == OPS_SWIGLU)
			matvec(at_out(a->gate, n, F), at(a->wgate, 0, C), h, F, C);
		for (size_t f = 0; f < F; f++) {
			squared[f] = activate(a->activation, r[f],
			    a->activation == OPS_SWIGLU ? at(a->gate, n, F)[f] : 0);
			if (a->activation == OPS_RELU2)
				r[f] = r[f] < 0 ? 0 : r[f];
		}
		matvec(out, at(a->wproj, 0, F), squared, C, F);
		for (size_t c = 0; c < C; c++)
			x2[c] = x1[c] + scale[c] * out[c];
	}
}

/* The matrix is the gradient of a weight whose outputs have the gradients h. */
static void
ref_gram(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_gram *a)
{
	const size_t C = ctx->g.model_dim, F = ctx->g.mlp_dim;
	double *h = ctx->row[0];

	for (size_t n = 0; n < rows.B * rows.T; n++) {
		if (a->x != NULL) {
			rms(h, at(a->x, n, C), C, ctx->g.norm_eps);
			scale_row(h, a->norm_scale, C);
		} else if (a->y != NULL)
			memcpy(h, at(a->y, n, C), C * sizeof(*h));
		else
			for (size_t f = 0; f < F; f++)
				h[f] = activate(a->activation, at(a->r, n, F)[f],
				    a->activation == OPS_SWIGLU ? at(a->gate, n, F)[f] : 0);
		matvec_dw(at_out(a->g, 0, a->g->cols), h, h, a->g->rows, a->g->cols);
	}
}

static void
ref_mlp_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_mlp *a, const struct ops_mlp_grad *d)
{
	const size_t C = ctx->g.model_dim, F = ctx->g.mlp_dim;
	const double *scale = at(a->scale, 0, C);
	double *h = ctx->row[0], *squared = ctx->row[1], *out = ctx->row[2];
	double *dout = ctx->row[3], *dr = ctx->row[4], *dh = ctx->row[5], *dgate = ctx->row[6];

	for (size_t n = 0; n < rows.B * rows.T; n++) {
		const double *dx2 = at(d->dx2, n, C), *r = at(a->r, n, F);
		const double *gate = a->activation == OPS_SWIGLU ? at(a->gate, n, F) : NULL;
		double *dx1 = at_out(d->dx1, n, C);
		const double reciprocal = rms(h, at(a->x1, n, C), C, ctx->g.norm_eps);

		scale_row(h, a->norm_scale, C);
		for (size_t f = 0; f < F; f++)
			squared[f] = activate(a->activation, r[f], gate != NULL ? gate[f] : 0);
		matvec(out, at(a->wproj, 0, F), squared, C, F);
		for (size_t c = 0; c < C; c++) {
			dout[c] = dx2[c] * scale[c];
			d->dscale->f[c] += dx2[c] * out[c];
		}
		matvec_dw(at_out(d->dwproj, 0, F), dout, squared, C, F);
		memset(dr, 0, F * sizeof(*dr));
		matvec_dx(dr, at(a->wproj, 0, F), dout, C, F);
		for (size_t f = 0; f < F; f++) {
			const double da = dr[f];
			double along_r, along_gate;

			slopes(a->activation, r[f], gate != NULL ? gate[f] : 0, &along_r, &along_gate);
			dr[f] = da * along_r;
			dgate[f] = da * along_gate;
		}
		matvec_dw(at_out(d->dwfc, 0, C), dr, h, F, C);
		memset(dh, 0, C * sizeof(*dh));
		matvec_dx(dh, at(a->wfc, 0, C), dr, F, C);
		if (gate != NULL) {
			matvec_dw(at_out(d->dwgate, 0, C), dgate, h, F, C);
			matvec_dx(dh, at(a->wgate, 0, C), dgate, F, C);
		}
		memmove(dx1, dx2, C * sizeof(*dx1));
		scale_row(dh, a->norm_scale, C);
		scale_row(h, 1 / (double)a->norm_scale, C);
		rms_dx(dx1, dh, h, reciprocal, C);
	}
}

/* Capped logits of row n: h is its norm, z (V); returns the reciprocal rms. */
static double
logits_row(const struct ops_ctx *ctx, const double *x, const double *w, const struct ops_prior *prior, size_t n,
    double *h, double *z)
{
	const size_t C = ctx->g.model_dim, V = ctx->g.vocab_size;
	const double cap = ctx->g.logit_softcap;
	const double r = rms(h, x, C, ctx->g.norm_eps);

	matvec(z, w, h, V, C);
	if (prior != NULL)
		axpy(z, prior->alpha->f[0], at(prior->table, (size_t)prior->ids->i[n], V), V);
	for (size_t v = 0; v < V; v++)
		z[v] = cap * tanh(z[v] / cap);
	return (r);
}

static void
ref_logits(struct ops_ctx *ctx, struct ops_buf *out, const struct ops_buf *x, size_t first, size_t count,
    const struct ops_buf *w, const struct ops_prior *prior)
{
	const size_t C = ctx->g.model_dim, V = ctx->g.vocab_size;

	for (size_t i = 0; i < count; i++)
		logits_row(ctx, at(x, first + i, C), at(w, 0, C), prior, first + i, ctx->row[0], at_out(out, i, V));
}

static void
ref_head(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_head *a)
{
	const size_t C = ctx->g.model_dim, V = ctx->g.vocab_size;
	const double cap = ctx->g.logit_softcap;
	const double *w = at(a->w, 0, C);
	double *h = ctx->row[0], *z = ctx->row[1], *dz = ctx->row[2], *dh = ctx->row[3];

	for (size_t n = rows.from; n < rows.B * rows.T; n = wanted(rows, n + 1)) {
		const size_t target = (size_t)a->targets->i[n];
		const double r = logits_row(ctx, at(a->x, n, C), w, a->prior, n, h, z);
		double max = -INFINITY, sum = 0, lse;

		assert(target < V);
		for (size_t v = 0; v < V; v++)
			max = fmax(max, z[v]);
		for (size_t v = 0; v < V; v++)
			sum += exp(z[v] - max);
		lse = max + log(sum);
		at_out(a->nats, a->nats_at + n, 1)[0] = lse - z[target];
		ctx->held |= !isfinite(lse - z[target]);
		if (a->dx == NULL)
			continue;
		for (size_t v = 0; v < V; v++) {
			const double p = exp(z[v] - lse) - (v == target ? 1.0 : 0.0);

			dz[v] = a->grad_scale * p * (1.0 - z[v] / cap * (z[v] / cap));
		}
		if (a->prior != NULL)
			a->dalpha->f[0] += dot(dz, at(a->prior->table, (size_t)a->prior->ids->i[n], V), V);
		matvec_dw(at_out(a->dw, 0, C), dz, h, V, C);
		memset(dh, 0, C * sizeof(*dh));
		matvec_dx(dh, w, dz, V, C);
		memset(at_out(a->dx, n, C), 0, C * sizeof(double));
		rms_dx(at_out(a->dx, n, C), dh, h, r, C);
	}
}

static void
ref_add(struct ops_ctx *ctx, struct ops_rows rows, struct ops_buf *dst, const struct ops_buf *src)
{
	const size_t C = ctx->g.model_dim, N = rows.B * rows.T;

	axpy(at_out(dst, 0, C), 1.0, at(src, 0, C), N * C);
}

/* s (C) of row n, from e by position. */
static void
context_row(const struct ops_ctx *ctx, size_t pos0, const struct ops_context *a, size_t n, double *s)
{
	const size_t C = ctx->g.model_dim;
	const double *e = at(a->e, pos0 + n, C);

	memcpy(s, e, C * sizeof(*s));
	if (a->smeared != NULL && a->smeared->i[n])
		axpy(s, a->lambda->f[0] * sigmoid(dot(a->gate->f, e, a->gate->cols)), at(a->e, pos0 + n - 1, C), C);
}

static void
ref_context(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_context *a)
{
	const size_t C = ctx->g.model_dim, N = rows.B * rows.T, d = ctx->g.bigram_dim;
	double *made = ctx->row[0];

	for (size_t n = 0; n < N; n++) {
		double *e = at_out(a->e, rows.pos0 + n, C);

		memcpy(e, at(a->emb, (size_t)a->ids->i[n], C), C * sizeof(*e));
		if (a->table == NULL)
			continue;
		matvec(made, at(a->proj, 0, d), at(a->table, (size_t)a->pairs->i[n], d), C, d);
		axpy(e, a->scale->f[0], made, C);
	}
	for (size_t n = 0; n < N; n++) {
		context_row(ctx, rows.pos0, a, n, made);
		rms(at_out(a->x0, n, C), made, C, ctx->g.norm_eps);
	}
}

static void
ref_context_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_context *a,
    const struct ops_context_grad *d)
{
	const size_t C = ctx->g.model_dim, N = rows.B * rows.T, wide = ctx->g.bigram_dim;
	double *s = ctx->row[0], *ds = ctx->row[1], *made = ctx->row[2], *scaled = ctx->row[3];

	assert(rows.pos0 == 0);
	memset(at_out(d->de, 0, C), 0, N * C * sizeof(double));
	for (size_t n = 0; n < N; n++) {
		const double *e = at(a->e, n, C);
		double *de = at_out(d->de, n, C), r, g, along, dlogit;

		context_row(ctx, 0, a, n, s);
		r = rms(s, s, C, ctx->g.norm_eps);
		memset(ds, 0, C * sizeof(*ds));
		rms_dx(ds, at(d->dx0, n, C), s, r, C);
		axpy(de, 1, ds, C);
		if (a->smeared == NULL || !a->smeared->i[n])
			continue;
		g = sigmoid(dot(a->gate->f, e, a->gate->cols));
		along = dot(ds, at(a->e, n - 1, C), C);
		dlogit = a->lambda->f[0] * along * g * (1 - g);
		d->dlambda->f[0] += along * g;
		axpy(d->dgate->f, dlogit, e, a->gate->cols);
		axpy(de, dlogit, a->gate->f, a->gate->cols);
		axpy(at_out(d->de, n - 1, C), a->lambda->f[0] * g, ds, C);
	}
	for (size_t n = 0; n < N; n++) {
		const double *de = at(d->de, n, C), *row;

		axpy(at_out(d->demb, (size_t)a->ids->i[n], C), 1, de, C);
		if (a->table == NULL)
			continue;
		row = at(a->table, (size_t)a->pairs->i[n], wide);
		matvec(made, at(a->proj, 0, wide), row, C, wide);
		d->dscale->f[0] += dot(de, made, C);
		memcpy(scaled, de, C * sizeof(*scaled));
		scale_row(scaled, a->scale->f[0], C);
		matvec_dw(at_out(d->dproj, 0, wide), scaled, row, C, wide);
		matvec_dx(at_out(d->dtable, (size_t)a->pairs->i[n], wide), at(a->proj, 0, wide), scaled, C, wide);
	}
}

/* The logistic function of a gate's weights (cols) and the first columns of what it looks at. */
static double
gate_of(const struct ops_buf *gate, size_t row, const struct ops_buf *cut, size_t n)
{
	return (sigmoid(dot(at(gate, row, gate->cols), at(cut, n, cut->cols), gate->cols)));
}

static void
ref_values(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_values *a)
{
	const size_t K = ctx->g.num_kv_heads, D = ctx->head_dim, KD = K * D;

	for (size_t n = 0; n < rows.B * rows.T; n++) {
		const size_t p = rows.pos0 + n;
		double *v = at_out(a->v, p, KD);

		memmove(v, at(a->raw, p, KD), KD * sizeof(*v));
		for (size_t k = 0; a->table != NULL && k < K; k++)
			axpy(v + k * D, 2 * gate_of(a->gate, k, a->cut, n),
			    at(a->table, (size_t)a->ids->i[n], KD) + k * D, D);
		for (size_t i = 0; a->mix != NULL && i < KD; i++)
			v[i] = a->mix->f[0] * v[i] + a->mix->f[1] * at(a->first, p, KD)[i];
	}
}

static void
ref_values_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_values *a, const struct ops_values_grad *d)
{
	const size_t K = ctx->g.num_kv_heads, D = ctx->head_dim, KD = K * D;

	assert(rows.pos0 == 0);
	for (size_t n = 0; n < rows.B * rows.T; n++) {
		double *dv = at_out(d->dv, n, KD);

		if (d->own != NULL)
			axpy(dv, 1, at(d->own, n, KD), KD);
		if (d->later != NULL)
			axpy(dv, 1, at(d->later, n, KD), KD);
		for (size_t k = 0; k < K; k++) {
			const double g = a->table != NULL ? gate_of(a->gate, k, a->cut, n) : 0;
			const double *row = a->table != NULL ? at(a->table, (size_t)a->ids->i[n], KD) + k * D : NULL;
			double along = 0;

			for (size_t i = k * D; a->mix != NULL && i < (k + 1) * D; i++) {
				const double first = at(a->first, n, KD)[i];
				const double u = at(a->raw, n, KD)[i] + (row != NULL ? 2 * g * row[i - k * D] : 0);

				d->dmix->f[0] += dv[i] * u;
				d->dmix->f[1] += dv[i] * first;
				at_out(d->dfirst, n, KD)[i] += dv[i] * a->mix->f[1];
				dv[i] *= a->mix->f[0];
			}
			if (row == NULL)
				continue;
			along = dot(dv + k * D, row, D) * 2 * g * (1 - g);
			axpy(at_out(d->dtable, (size_t)a->ids->i[n], KD) + k * D, 2 * g, dv + k * D, D);
			axpy(at_out(d->dgate, k, a->gate->cols), along, at(a->cut, n, a->cut->cols), a->gate->cols);
			axpy(at_out(d->dcut, n, a->cut->cols), along, at(a->gate, k, a->gate->cols), a->gate->cols);
		}
	}
}

/* The least square of the length of a value vector that is divided by. */
#define OWN_FLOOR 1e-12

static void
ref_output(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_output *a)
{
	const size_t C = ctx->g.model_dim, H = ctx->g.num_heads, K = ctx->g.num_kv_heads, D = ctx->head_dim;

	for (size_t n = rows.from; n < rows.B * rows.T; n = wanted(rows, n + 1)) {
		for (size_t h = 0; h < H; h++) {
			const double *y = at(a->y, n, C) + h * D;
			double *out = at_out(a->out, n, C) + h * D;

			memmove(out, y, D * sizeof(*out));
			if (a->v != NULL) {
				const double *v = at(a->v, rows.pos0 + n, K * D) + h / (H / K) * D;

				axpy(out, -dot(out, v, D) / fmax(dot(v, v, D), OWN_FLOOR), v, D);
			}
			if (a->gate != NULL)
				scale_row(out, 2 * gate_of(a->gate, h, a->cut, n), D);
		}
	}
}

static void
ref_output_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_output *a, const struct ops_output_grad *d)
{
	const size_t C = ctx->g.model_dim, H = ctx->g.num_heads, K = ctx->g.num_kv_heads, D = ctx->head_dim;
	double *z = ctx->row[0];

	assert(rows.pos0 == 0);
	if (a->v != NULL)
		memset(at_out(d->dv, 0, K * D), 0, rows.B * rows.T * K * D * sizeof(double));
	for (size_t n = 0; n < rows.B * rows.T; n++) {
		for (size_t h = 0; h < H; h++) {
			const size_t kv = h / (H / K) * D;
			const double *y = at(a->y, n, C) + h * D, *v = a->v != NULL ? at(a->v, n, K * D) + kv : NULL;
			const double square = v != NULL ? fmax(dot(v, v, D), OWN_FLOOR) : 1;
			const double share = v != NULL ? dot(y, v, D) / square : 0;
			double *dy = at_out(d->dy, n, C) + h * D;

			if (a->gate != NULL) {
				const double g = gate_of(a->gate, h, a->cut, n);
				double along;

				memcpy(z, y, D * sizeof(*z));
				if (v != NULL)
					axpy(z, -share, v, D);
				along = dot(dy, z, D) * 2 * g * (1 - g);
				axpy(at_out(d->dgate, h, a->gate->cols), along, at(a->cut, n, a->cut->cols),
				    a->gate->cols);
				axpy(at_out(d->dcut, n, a->cut->cols), along, at(a->gate, h, a->gate->cols),
				    a->gate->cols);
				scale_row(dy, 2 * g, D);
			}
			if (v != NULL) {
				const double dshare = -dot(dy, v, D) / square;
				double *dv = at_out(d->dv, n, K * D) + kv;

				axpy(dv, -share, dy, D);
				axpy(dv, dshare, y, D);
				if (square > OWN_FLOOR)
					axpy(dv, -2 * dshare * share, v, D);
				axpy(dy, dshare, v, D);
			}
		}
	}
}

static void
ref_skip(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_skip *a)
{
	const size_t C = ctx->g.model_dim;
	const double *w = at(a->w, a->skip_row, C), *gates = a->gates != NULL ? at(a->gates, a->skip_row, C) : NULL;

	for (size_t n = 0; n < rows.B * rows.T; n++)
		for (size_t c = 0; c < C; c++) {
			const double g = gates != NULL ? sigmoid(gates[c]) : 0, x = at(a->x, n, C)[c];

			at_out(a->out, n, C)[c] = (gates != NULL ? g * x : x) + (1 - g) * w[c] * at(a->skip, n, C)[c];
		}
}

static void
ref_skip_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_skip *a, const struct ops_skip_grad *d)
{
	const size_t C = ctx->g.model_dim;
	const double *w = at(a->w, a->skip_row, C), *gates = a->gates != NULL ? at(a->gates, a->skip_row, C) : NULL;
	double *dw = at_out(d->dw, a->skip_row, C), *dgates = gates != NULL ? at_out(d->dgates, a->skip_row, C) : NULL;

	for (size_t n = 0; n < rows.B * rows.T; n++)
		for (size_t c = 0; c < C; c++) {
			const double g = gates != NULL ? sigmoid(gates[c]) : 0, kept = at(a->skip, n, C)[c];
			double *dx = at_out(d->dx, n, C) + c;

			dw[c] += *dx * (1 - g) * kept;
			at_out(d->dskip, n, C)[c] = *dx * (1 - g) * w[c];
			if (gates == NULL)
				continue;
			dgates[c] += *dx * (at(a->x, n, C)[c] - w[c] * kept) * g * (1 - g);
			*dx *= g;
		}
}

static void
ref_lanes(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_lanes *a)
{
	const size_t C = ctx->g.model_dim;
	const double *keep = at(a->keep, 0, 2), *from_att = at(a->add, 0, 2), *from_mlp = at(a->add, 1, 2);

	for (size_t n = rows.from; n < rows.B * rows.T; n = wanted(rows, n + 1))
		for (size_t c = 0; c < C; c++) {
			const double b = at(a->b, n, C)[c], att = at(a->att, n, C)[c], mlp = at(a->x2, n, C)[c] - b;
			const double a1 = keep[0] * at(a->a, n, C)[c] + from_att[0] * att + from_mlp[0] * mlp;
			const double b1 = keep[1] * b + from_att[1] * att + from_mlp[1] * mlp;

			at_out(a->a1, n, C)[c] = a->b1 != NULL ? a1 : (a1 + b1) / 2;
			if (a->b1 != NULL)
				at_out(a->b1, n, C)[c] = b1;
		}
}

static void
ref_lanes_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_lanes *a, const struct ops_lanes_grad *d)
{
	const size_t C = ctx->g.model_dim;
	const double *keep = at(a->keep, 0, 2), *add = at(a->add, 0, 4);
	double *dkeep = at_out(d->dkeep, 0, 2), *dadd = at_out(d->dadd, 0, 4);

	for (size_t n = 0; n < rows.B * rows.T; n++)
		for (size_t c = 0; c < C; c++) {
			const double b = at(a->b, n, C)[c], att = at(a->att, n, C)[c], mlp = at(a->x2, n, C)[c] - b;
			double *da = at_out(d->da, n, C) + c, *db = at_out(d->db, n, C) + c;
			const double da1 = a->b1 != NULL ? *da : *da / 2, db1 = a->b1 != NULL ? *db : *da / 2;
			const double dmlp = add[2] * da1 + add[3] * db1;

			dkeep[0] += da1 * at(a->a, n, C)[c];
			dkeep[1] += db1 * b;
			dadd[0] += da1 * att;
			dadd[1] += db1 * att;
			dadd[2] += da1 * mlp;
			dadd[3] += db1 * mlp;
			at_out(d->datt, n, C)[c] = add[0] * da1 + add[1] * db1;
			at_out(d->dmlp, n, C)[c] = dmlp;
			*da = keep[0] * da1;
			*db = keep[1] * db1 - dmlp;
		}
}

static double
ref_sumsq(struct ops_ctx *ctx, const struct ops_buf *const *bufs, const size_t *n, size_t count)
{
	double sum = 0;

	(void)ctx;
	for (size_t b = 0; b < count; b++)
		for (size_t i = 0; i < n[b]; i++)
			sum += bufs[b]->f[i] * bufs[b]->f[i];
	return (sum);
}

/* out = x x^T for x (m, n); the result is symmetric, to the bit. */
static void
gram(double *out, const double *x, size_t m, size_t n)
{
	for (size_t i = 0; i < m; i++) {
		matvec(out + i * m, x, x + i * n, i + 1, n);
		for (size_t j = 0; j < i; j++)
			out[j * m + i] = out[i * m + j];
	}
}

/* out = left right for symmetric left and right (m, m) */
static void
multiply(double *out, const double *left, const double *right, size_t m)
{
	for (size_t i = 0; i < m; i++)
		matvec(out + i * m, right, left + i * m, m, m);
}

/* p = a I + b A + c A A for a symmetric A (m, m) */
static void
polynomial(double *p, const double *A, size_t m, struct ops_muon_abc k)
{
	gram(p, A, m, m); /* A is symmetric: A A^T is A A */
	for (size_t i = 0; i < m * m; i++)
		p[i] = k.b * A[i] + k.c * p[i];
	for (size_t i = 0; i < m; i++)
		p[i * m + i] += k.a;
}

/* Two steps at once, from A = x x^T: A becomes what x is multiplied with. ${spare} (m, m). */
static void
two_steps(double *A, double *P, double *spare, size_t m, const struct ops_muon_law *law, int step)
{
	polynomial(P, A, m, ops_muon_scaled(law, step, dot(A, A, m * m)));
	multiply(spare, P, A, m);
	multiply(A, spare, P, m);
	polynomial(spare, A, m, ops_muon_scaled(law, step + 1, 0));
	multiply(A, spare, P, m);
}

/* Newton-Schulz: drive the singular values of x (m, n), m <= n, towards 1. Returns where the result stands. */
static double *
orthogonalise(struct ops_ctx *ctx, size_t m, size_t n, const struct ops_muon_law *law)
{
	double *x = ctx->ns_x, *y = ctx->ns_y, *A = ctx->ns_a, *B = ctx->ns_b;
	double sum = 0;
	double scale;

	for (size_t i = 0; i < m * n; i++)
		sum += x[i] * x[i];
	scale = 1.0 / (sqrt(sum) + 1e-7f);
	for (size_t i = 0; i < m * n; i++)
		x[i] *= scale;
	for (int s = 0; s < law->ns_steps; s++) {
		struct ops_muon_abc k;
		double *swap = x;

		gram(A, x, m, n);
		k = ops_muon_scaled(law, s, dot(A, A, m * m));
		if (law->form == OPS_MUON_GRAM && m < n && s + 1 < law->ns_steps) {
			two_steps(A, B, y, m, law, s++);
			memcpy(B, A, m * m * sizeof(*B));
			k.a = 0;
		} else {
			gram(B, A, m, m); /* A is symmetric: A A^T is A A */
			for (size_t i = 0; i < m * m; i++)
				B[i] = k.b * A[i] + k.c * B[i];
		}
		for (size_t i = 0; i < m; i++) {
			for (size_t j = 0; j < n; j++)
				y[i * n + j] = k.a * x[i * n + j];
			matvec_dx(y + i * n, x, B + i * m, m, n);
		}
		x = y;
		y = swap;
	}
	return (x);
}

/* Where element (row, col) of a matrix (rows, cols) stands that may be turned. */
static size_t
turned(const struct ops_muon *p, size_t row, size_t col)
{
	return (p->rows > p->cols ? col * p->rows + row : row * p->cols + col);
}

static double
row_norm(const struct ops_muon *p, const double *u, size_t row)
{
	double sum = 0;

	for (size_t c = 0; c < p->cols; c++)
		sum += u[turned(p, row, c)] * u[turned(p, row, c)];
	return (sqrt(sum));
}

static void
scale_turned(const struct ops_muon *p, double *u, size_t row, double by)
{
	for (size_t c = 0; c < p->cols; c++)
		u[turned(p, row, c)] *= by;
}

/* Divide each row by its running root mean square, and keep the norm of the whole. */
static void
normalise_neurons(const struct ops_muon *p, double *u)
{
	double before = 0, after = 0, factor;

	for (size_t r = 0; r < p->rows; r++) {
		const double norm = row_norm(p, u, r), square = norm * norm / (double)p->cols;
		double *s = &p->neuron->f[r];

		*s = (float)(OPS_NEURON_BETA * *s + (1 - OPS_NEURON_BETA) * square);
		factor = 1 / (sqrt(*s) + OPS_NEURON_EPS);
		scale_turned(p, u, r, factor);
		before += norm * norm;
		after += norm * norm * factor * factor;
	}
	factor = sqrt(before) / fmax(sqrt(after), 1e-7);
	for (size_t r = 0; r < p->rows; r++)
		scale_turned(p, u, r, factor);
}

static void
ref_muon(struct ops_ctx *ctx, const struct ops_muon *p, size_t count, const struct ops_muon_law *law)
{
	for (size_t i = 0; i < count && !ctx->held; i++, p++) {
		const size_t rows = p->rows, cols = p->cols;
		const int tall = rows > cols;
		const int powered = law->grad_power != 0 && law->grad_power != 1;
		const double lr = law->lr * sqrt(tall ? (double)rows / (double)cols : 1.0);
		double *update;

		assert(ctx->ns_x != NULL);
		assert(rows * cols <=
		    ctx->g.model_dim * largest(largest(ctx->g.model_dim, ctx->g.mlp_dim), ctx->g.bigram_dim));
		for (size_t r = 0; r < rows; r++) {
			for (size_t c = 0; c < cols; c++) {
				double g = law->grad_scale * p->g->f[r * cols + c];
				double *momentum = &p->momentum->f[r * cols + c];

				if (powered)
					g = copysign(pow(fabs(g), law->grad_power), g);

				*momentum = (float)(law->momentum * *momentum + g);
				ctx->ns_x[turned(p, r, c)] = law->nesterov ? g + law->momentum * *momentum : *momentum;
			}
		}
		for (size_t r = 0; law->norm == OPS_MUON_ROW && r < rows; r++)
			scale_turned(p, ctx->ns_x, r, 1 / fmax(row_norm(p, ctx->ns_x, r), 1e-7));
		update = tall ? orthogonalise(ctx, cols, rows, law) : orthogonalise(ctx, rows, cols, law);
		if (law->norm == OPS_MUON_NEURON)
			normalise_neurons(p, update);
		for (size_t r = 0; r < rows; r++) {
			for (size_t c = 0; c < cols; c++) {
				double *w = &p->w->f[r * cols + c];
				const double u = update[turned(p, r, c)];
				const double decay = !law->cautious || u * *w > 0 ? law->decay * *w : 0;

				*w = (float)(*w - decay - lr * u);
			}
		}
	}
}

static void
ref_adam(struct ops_ctx *ctx, const struct ops_adam *p, size_t count, const struct ops_adam_law *law)
{
	const double fix1 = 1 - pow(law->beta1, (double)law->t);
	const double fix2 = sqrt(1 - pow(law->beta2, (double)law->t));

	for (size_t i = 0; i < count && !ctx->held; i++, p++) {
		for (size_t j = 0; j < p->n; j++) {
			const double g = law->grad_scale * p->g->f[j];
			double *m = &p->m->f[j], *v = &p->v->f[j];

			*m = (float)(law->beta1 * *m + (1 - law->beta1) * g);
			*v = (float)(law->beta2 * *v + (1 - law->beta2) * g * g);
			p->w->f[j] = (float)(p->w->f[j] - p->lr / fix1 * *m / (sqrt(*v) / fix2 + law->eps));
		}
	}
}

static void
ref_average(struct ops_ctx *ctx, const struct ops_average *p, size_t count, float keep)
{
	(void)ctx;
	for (size_t i = 0; i < count; i++, p++)
		for (size_t j = 0; j < p->n; j++)
			p->average->f[j] = (float)(p->w->f[j] + keep * (p->average->f[j] - p->w->f[j]));
}

static const char *const ref_isa_names[] = { "scalar", NULL };
const struct ops ops_ref = {
	.name = "ref",
	.isa_names = ref_isa_names,
	.open = ref_open,
	.close = ref_close,
	.isa = ref_isa,
	.library = ref_library,
	.alloc = ref_alloc,
	.free = ref_free,
	.upload = ref_upload,
	.download = ref_download,
	.zero = ref_zero,
	.sync = ref_nothing,
	.begin = ref_begin,
	.end = ref_nothing,
	.embed = ref_embed,
	.embed_grad = ref_embed_grad,
	.qkv = ref_qkv,
	.qkv_grad = ref_qkv_grad,
	.attention = ref_attention,
	.attention_grad = ref_attention_grad,
	.proj = ref_proj,
	.proj_grad = ref_proj_grad,
	.mlp = ref_mlp,
	.mlp_grad = ref_mlp_grad,
	.head = ref_head,
	.logits = ref_logits,
	.add = ref_add,
	.gram = ref_gram,
	.context = ref_context,
	.context_grad = ref_context_grad,
	.values = ref_values,
	.values_grad = ref_values_grad,
	.output = ref_output,
	.output_grad = ref_output_grad,
	.skip = ref_skip,
	.skip_grad = ref_skip_grad,
	.lanes = ref_lanes,
	.lanes_grad = ref_lanes_grad,
	.sumsq = ref_sumsq,
	.muon = ref_muon,
	.adam = ref_adam,
	.average = ref_average,
};
