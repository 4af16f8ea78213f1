/*
 * Every entry of the CUDA backend against the reference, at awkward sizes, in
 * both arithmetics.  Errors are normalised squared errors: the sum of squared
 * differences over the sum of squares.  A NaN fails; the row behind every
 * buffer's last is a sentinel.
 *
 * Emulated (HG_EMU), all of it runs with the threads of a block, the blocks of
 * a grid and the streams in three orders, and must give the same bits in each.
 */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gpt/ops.h"
#include "base/rng.h"
#include "t/unit/tap.h"
#ifdef HG_EMU
#include "cuda/emu_control.h"
#endif

static const struct shape {
	const char *what;
	size_t V, C, H, K, F, B, T;
} shapes[] = {
	{ "one of everything", 2, 8, 1, 1, 8, 1, 1 },
	{ "odd sizes, one key/value head, heads of 10", 31, 20, 2, 1, 29, 3, 7 },
	{ "groups of three, heads of 8, a row past a tile", 257, 48, 6, 2, 96, 2, 65 },
	{ "heads of 64, a row short of a tile", 67, 128, 2, 2, 130, 2, 63 },
	{ "one head of 128", 40, 128, 1, 1, 128, 1, 67 },
	{ "heads of 24, three tiles and one row", 19, 72, 3, 1, 72, 1, 193 },
};

#define SENTINEL 12345.0f

/* Both backends, opened for one shape. */
static struct {
	const struct ops *ops[2];
	struct ops_ctx *ctx[2];
	enum ops_arith arith;
	const struct shape *s;
	size_t N, D, KD;
	struct rng rng;
	uint64_t hash; /* of all that the card computed */
	const char *order;
} now;

enum { REF, CARD };

/* One buffer on each backend, with the same contents. */
struct twin {
	struct ops_buf *buf[2];
	enum ops_role role;
	size_t rows, cols;
};

static struct twin twins[128];
static size_t twin_count;

static float
round_bf16(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof(bits));
	bits += 0x7fff + (bits >> 16 & 1);
	bits &= 0xffff0000;
	memcpy(&x, &bits, sizeof(x));
	return (x);
}

/* Give both sides the same numbers, such as either can hold. */
static void
set(const struct twin *t, float *x)
{
	const size_t n = t->rows * t->cols;

	if (now.arith == OPS_BF16 && (t->role == OPS_ACT || t->role == OPS_WEIGHT))
		for (size_t i = 0; i < n; i++)
			x[i] = round_bf16(x[i]);
	for (int side = 0; side < 2; side++)
		now.ops[side]->upload(now.ctx[side], t->buf[side], 0, x, n);
}

/* A twin of random numbers around ${middle}; the sentinel row behind them. */
static struct twin *
make(enum ops_role role, size_t rows, size_t cols, float middle, float spread)
{
	struct twin *t = &twins[twin_count++];
	float *x = calloc(rows * cols + cols, sizeof(*x));

	*t = (struct twin){ .role = role, .rows = rows, .cols = cols };
	for (int side = 0; side < 2; side++)
		t->buf[side] = now.ops[side]->alloc(now.ctx[side], role, rows + 1, cols);
	for (size_t i = 0; i < rows * cols; i++)
		x[i] = middle + spread * (float)rng_normal(&now.rng);
	set(t, x);
	for (size_t i = 0; i < cols; i++)
		x[i] = SENTINEL;
	for (int side = 0; side < 2; side++)
		now.ops[side]->upload(now.ctx[side], t->buf[side], rows * cols, x, cols);
	free(x);
	return (t);
}

static struct twin *
make_ids(size_t n, size_t below)
{
	struct twin *t = &twins[twin_count++];
	int32_t *x = calloc(n + 1, sizeof(*x));

	*t = (struct twin){ .role = OPS_IDS, .rows = n, .cols = 1 };
	for (size_t i = 0; i < n; i++)
		x[i] = (int32_t)rng_below(&now.rng, rng_below(&now.rng, 3) ? below : (below + 3) / 4);
	for (int side = 0; side < 2; side++) {
		t->buf[side] = now.ops[side]->alloc(now.ctx[side], OPS_IDS, n, 1);
		now.ops[side]->upload(now.ctx[side], t->buf[side], 0, x, n);
	}
	free(x);
	return (t);
}

static struct twin *
stream(void)
{
	return (make(OPS_STREAM, now.N, now.s->C, 0, 1));
}

/* What the reference computed becomes an input of both. */
static void
share(const struct twin *t)
{
	float *x = calloc(t->rows * t->cols, sizeof(*x));

	now.ops[REF]->download(now.ctx[REF], t->buf[REF], 0, x, t->rows * t->cols);
	set(t, x);
	free(x);
}

/* Error of the card's copy; INFINITY if it holds a NaN or its sentinel is gone. */
static double
error_of(const struct twin *t)
{
	const size_t n = t->rows * t->cols;
	float *x[2];
	double error = 0, size = 0;

	for (int side = 0; side < 2; side++) {
		x[side] = calloc(n + t->cols, sizeof(float));
		now.ops[side]->download(now.ctx[side], t->buf[side], 0, x[side], n + t->cols);
	}
	for (size_t i = 0; i < n; i++) {
		const double difference = (double)x[CARD][i] - x[REF][i];

		error += difference * difference;
		size += (double)x[REF][i] * x[REF][i];
		if (!isfinite(x[CARD][i]))
			error = INFINITY;
	}
	for (size_t i = n; i < n + t->cols; i++)
		if (x[CARD][i] != (t->role == OPS_ACT && now.arith == OPS_BF16 ? round_bf16(SENTINEL) : SENTINEL))
			error = INFINITY;
	for (size_t i = 0; i < n * sizeof(float); i++)
		now.hash = (now.hash ^ ((const unsigned char *)x[CARD])[i]) * 1099511628211u;
	free(x[REF]);
	free(x[CARD]);
	return (size > 0 ? error / size : error);
}

/*
 * Allowed errors.  float32: sums of up to a few hundred terms in another order,
 * relative error near 1e-6, so 1e-12 squared, and room for cancellation.
 * bf16: operands of a product are rounded to 8 bits, so each term is off by up
 * to 0.4 percent; independent errors give about 1e-5 squared.  Newton-Schulz
 * rounds fifteen products one after the other and doubles the error in each step.
 */
enum kind { PLAIN, NEWTON };

static void
expect(const char *what, const struct twin *t, enum kind kind)
{
	static const double allowed[2][2] = { { 1e-10, 1e-8 }, { 2e-4, 2e-2 } };
	const double error = error_of(t), limit = allowed[now.arith == OPS_BF16][kind];

	if (!(error <= limit))
		tap_ok(0, "%s (%s, %s order, %s): error %.3g, allowed %.3g", what, now.s->what, now.order,
		    now.arith == OPS_BF16 ? "bf16" : "fp32", error, limit);
}

static void
release(void)
{
#ifdef HG_EMU
	now.ops[CARD]->sync(now.ctx[CARD]);
	if (emu_damaged_now() > 0)
		tap_ok(0, "memory around a buffer is whole (%s, %s order)", now.s->what, now.order);
#endif
	for (; twin_count > 0; twin_count--)
		for (int side = 0; side < 2; side++)
			now.ops[side]->free(now.ctx[side], twins[twin_count - 1].buf[side]);
}

/* Do something on both sides; `side` is which. */
#define BOTH(...) \
	for (int side = 0; side < 2; side++) { \
		const struct ops *ops = now.ops[side]; \
		struct ops_ctx *ctx = now.ctx[side]; \
		__VA_ARGS__; \
	}
#define IT(t) ((t)->buf[side])
#define MAYBE(t) ((t) != NULL ? (t)->buf[side] : NULL)

static struct ops_rows
all_rows(void)
{
	return ((struct ops_rows){ now.s->B, now.s->T, 0 });
}

static void
test_embed(void)
{
	struct twin *ids = make_ids(now.N, now.s->V), *emb = make(OPS_WEIGHT, now.s->V, now.s->C, 0, 0.1f);
	struct twin *x0 = stream(), *demb = make(OPS_VECTOR, now.s->V, now.s->C, 0, 1), *dx0 = stream();

	BOTH(ops->embed(ctx, all_rows(), IT(x0), IT(ids), IT(emb)));
	expect("embed", x0, PLAIN);
	BOTH(ops->embed_grad(ctx, all_rows(), IT(demb), IT(dx0), IT(ids), IT(emb)));
	expect("embed_grad", demb, PLAIN);
	release();
}

static void
test_qkv(int with_skip, int with_backward)
{
	const struct shape *s = now.s;
	struct twin *x = stream(), *skip = with_skip ? stream() : NULL, *skip_w = make(OPS_VECTOR, 3, s->C, 1, 0.3f);
	struct twin *x0 = stream(), *mix = make(OPS_VECTOR, 2, s->C, 0.5f, 0.3f), *xm = stream();
	struct twin *wq = make(OPS_WEIGHT, s->C, s->C, 0, 0.2f), *wk = make(OPS_WEIGHT, now.KD, s->C, 0, 0.2f);
	struct twin *wv = make(OPS_WEIGHT, now.KD, s->C, 0, 0.2f), *q = make(OPS_ACT, now.N, s->C, 0, 1);
	struct twin *k = make(OPS_ACT, now.N, now.KD, 0, 1), *v = make(OPS_ACT, now.N, now.KD, 0, 1);
	struct twin *rq = make(OPS_STAT, now.N, s->H, 0, 1), *rk = make(OPS_STAT, now.N, s->K, 0, 1);
	struct twin *dxm = stream(), *dx0 = stream(), *dskip = stream();
	struct twin *dq = make(OPS_ACT, now.N, s->C, 0, 1), *dk = make(OPS_ACT, now.N, now.KD, 0, 1);
	struct twin *dv = make(OPS_ACT, now.N, now.KD, 0, 1), *dskip_w = make(OPS_VECTOR, 3, s->C, 0, 1);
	struct twin *dmix = make(OPS_VECTOR, 2, s->C, 0, 1), *dwq = make(OPS_VECTOR, s->C, s->C, 0, 1);
	struct twin *dwk = make(OPS_VECTOR, now.KD, s->C, 0, 1), *dwv = make(OPS_VECTOR, now.KD, s->C, 0, 1);
	struct ops_qkv a[2];

	BOTH(a[side] = ((struct ops_qkv){ .x = IT(x),
		 .skip = MAYBE(skip),
		 .skip_w = with_skip ? IT(skip_w) : NULL,
		 .skip_row = 2,
		 .x0 = IT(x0),
		 .mix = IT(mix),
		 .wq = IT(wq),
		 .wk = IT(wk),
		 .wv = IT(wv),
		 .xm = IT(xm),
		 .q = IT(q),
		 .k = IT(k),
		 .v = IT(v),
		 .rq = with_backward ? IT(rq) : NULL,
		 .rk = with_backward ? IT(rk) : NULL });
	     ops->qkv(ctx, all_rows(), &a[side]));
	expect("qkv: xm", xm, PLAIN);
	expect("qkv: q", q, PLAIN);
	expect("qkv: k", k, PLAIN);
	expect("qkv: v", v, PLAIN);
	if (with_backward) {
		expect("qkv: rq", rq, PLAIN);
		expect("qkv: rk", rk, PLAIN);
		share(q);
		share(k);
		share(v);
		share(rq);
		share(rk);
		BOTH(const struct ops_qkv_grad d = ((struct ops_qkv_grad){ .dxm = IT(dxm),
			 .dq = IT(dq),
			 .dk = IT(dk),
			 .dv = IT(dv),
			 .dx = IT(dxm),
			 .dskip = IT(dskip),
			 .dx0 = IT(dx0),
			 .dskip_w = IT(dskip_w),
			 .dmix = IT(dmix),
			 .dwq = IT(dwq),
			 .dwk = IT(dwk),
			 .dwv = IT(dwv) });
		     ops->qkv_grad(ctx, all_rows(), &a[side], &d));
		expect("qkv_grad: dx", dxm, PLAIN);
		expect("qkv_grad: dx0", dx0, PLAIN);
		expect("qkv_grad: dskip", dskip, PLAIN);
		expect("qkv_grad: dskip_w", dskip_w, PLAIN);
		expect("qkv_grad: dmix", dmix, PLAIN);
		expect("qkv_grad: dwq", dwq, PLAIN);
		expect("qkv_grad: dwk", dwk, PLAIN);
		expect("qkv_grad: dwv", dwv, PLAIN);
	}
	release();
}

static void
test_attention(void)
{
	const struct shape *s = now.s;
	struct twin *q = make(OPS_ACT, now.N, s->C, 0, 1), *k = make(OPS_ACT, now.N, now.KD, 0, 1);
	struct twin *v = make(OPS_ACT, now.N, now.KD, 0, 1), *gain = make(OPS_VECTOR, 1, s->H, 1, 0.5f);
	struct twin *y = make(OPS_ACT, now.N, s->C, 0, 1), *lse = make(OPS_STAT, now.N, s->H, 0, 1);
	struct twin *dy = make(OPS_ACT, now.N, s->C, 0, 1), *dq = make(OPS_ACT, now.N, s->C, 0, 1);
	struct twin *dk = make(OPS_ACT, now.N, now.KD, 0, 1), *dv = make(OPS_ACT, now.N, now.KD, 0, 1);
	struct twin *dgain = make(OPS_VECTOR, 1, s->H, 0, 1);
	struct ops_attention a[2];

	BOTH(a[side] = ((struct ops_attention){ .q = IT(q),
		 .k = IT(k),
		 .v = IT(v),
		 .gain = IT(gain),
		 .y = IT(y),
		 .lse = IT(lse) });
	     ops->attention(ctx, all_rows(), &a[side]));
	expect("attention: y", y, PLAIN);
	expect("attention: lse", lse, PLAIN);
	share(y);
	share(lse);
	BOTH(const struct ops_attention_grad d = ((struct ops_attention_grad){ .dy = IT(dy),
		 .dq = IT(dq),
		 .dk = IT(dk),
		 .dv = IT(dv),
		 .dgain = IT(dgain) });
	     ops->attention_grad(ctx, all_rows(), &a[side], &d));
	expect("attention_grad: dq", dq, PLAIN);
	expect("attention_grad: dk", dk, PLAIN);
	expect("attention_grad: dv", dv, PLAIN);
	expect("attention_grad: dgain", dgain, PLAIN);
	release();
}

/* Generation: a few new rows behind a cache of keys and values. */
static void
test_cache(void)
{
	const struct shape *s = now.s;
	const size_t pos0 = s->T - s->T / 3 - 1, T = s->T - pos0;
	const struct ops_rows rows = { 1, T, pos0 };
	struct twin *x = make(OPS_STREAM, T, s->C, 0, 1), *x0 = make(OPS_STREAM, T, s->C, 0, 1);
	struct twin *mix = make(OPS_VECTOR, 2, s->C, 0.5f, 0.3f), *xm = make(OPS_STREAM, T, s->C, 0, 1);
	struct twin *wq = make(OPS_WEIGHT, s->C, s->C, 0, 0.2f), *wk = make(OPS_WEIGHT, now.KD, s->C, 0, 0.2f);
	struct twin *wv = make(OPS_WEIGHT, now.KD, s->C, 0, 0.2f), *q = make(OPS_ACT, T, s->C, 0, 1);
	struct twin *k = make(OPS_ACT, s->T, now.KD, 0, 1), *v = make(OPS_ACT, s->T, now.KD, 0, 1);
	struct twin *gain = make(OPS_VECTOR, 1, s->H, 1, 0.5f), *y = make(OPS_ACT, T, s->C, 0, 1);

	BOTH(const struct ops_qkv a = ((struct ops_qkv){ .x = IT(x),
		 .x0 = IT(x0),
		 .mix = IT(mix),
		 .wq = IT(wq),
		 .wk = IT(wk),
		 .wv = IT(wv),
		 .xm = IT(xm),
		 .q = IT(q),
		 .k = IT(k),
		 .v = IT(v) });
	     ops->qkv(ctx, rows, &a));
	expect("qkv behind a cache: k", k, PLAIN);
	expect("qkv behind a cache: v", v, PLAIN);
	expect("qkv behind a cache: q", q, PLAIN);
	share(q);
	share(k);
	share(v);
	BOTH(const struct ops_attention a = ((
		 struct ops_attention){ .q = IT(q), .k = IT(k), .v = IT(v), .gain = IT(gain), .y = IT(y) });
	     ops->attention(ctx, rows, &a));
	expect("attention behind a cache", y, PLAIN);
	release();
}

static void
test_proj(void)
{
	const size_t C = now.s->C;
	struct twin *xm = stream(), *y = make(OPS_ACT, now.N, C, 0, 1), *wo = make(OPS_WEIGHT, C, C, 0, 0.2f);
	struct twin *scale = make(OPS_VECTOR, 1, C, 0.5f, 0.5f), *x1 = stream(), *dx1 = stream();
	struct twin *dy = make(OPS_ACT, now.N, C, 0, 1), *dwo = make(OPS_VECTOR, C, C, 0, 1);
	struct twin *dscale = make(OPS_VECTOR, 1, C, 0, 1);
	struct ops_proj a[2];

	BOTH(a[side] = ((struct ops_proj){ .xm = IT(xm), .y = IT(y), .wo = IT(wo), .scale = IT(scale), .x1 = IT(x1) });
	     ops->proj(ctx, all_rows(), &a[side]));
	expect("proj", x1, PLAIN);
	BOTH(const struct ops_proj_grad d = ((
		 struct ops_proj_grad){ .dx1 = IT(dx1), .dy = IT(dy), .dwo = IT(dwo), .dscale = IT(dscale) });
	     ops->proj_grad(ctx, all_rows(), &a[side], &d));
	expect("proj_grad: dx1 is left as it was", dx1, PLAIN);
	expect("proj_grad: dy", dy, PLAIN);
	expect("proj_grad: dwo", dwo, PLAIN);
	expect("proj_grad: dscale", dscale, PLAIN);
	BOTH(a[side].x1 = IT(xm); ops->proj(ctx, all_rows(), &a[side]));
	expect("proj onto its own input", xm, PLAIN);
	release();
}

static void
test_mlp(int in_place)
{
	const size_t C = now.s->C, F = now.s->F;
	struct twin *x1 = stream(), *wfc = make(OPS_WEIGHT, F, C, 0, 0.2f), *wproj = make(OPS_WEIGHT, C, F, 0, 0.2f);
	struct twin *scale = make(OPS_VECTOR, 1, C, 0.5f, 0.5f), *r = make(OPS_ACT, now.N, F, 0, 1), *x2 = stream();
	struct twin *dx2 = stream(), *dx1 = stream(), *dwfc = make(OPS_VECTOR, F, C, 0, 1);
	struct twin *dwproj = make(OPS_VECTOR, C, F, 0, 1), *dscale = make(OPS_VECTOR, 1, C, 0, 1);
	struct ops_mlp a[2];

	BOTH(a[side] = ((struct ops_mlp){ .x1 = IT(x1),
		 .wfc = IT(wfc),
		 .wproj = IT(wproj),
		 .scale = IT(scale),
		 .r = IT(r),
		 .x2 = IT(x2) });
	     ops->mlp(ctx, all_rows(), &a[side]));
	expect("mlp: r", r, PLAIN);
	expect("mlp: x2", x2, PLAIN);
	share(r);
	BOTH(const struct ops_mlp_grad d = ((struct ops_mlp_grad){ .dx2 = IT(dx2),
		 .dx1 = in_place ? IT(dx2) : IT(dx1),
		 .dwfc = IT(dwfc),
		 .dwproj = IT(dwproj),
		 .dscale = IT(dscale) });
	     ops->mlp_grad(ctx, all_rows(), &a[side], &d));
	expect("mlp_grad: dx1", in_place ? dx2 : dx1, PLAIN);
	expect("mlp_grad: dwfc", dwfc, PLAIN);
	expect("mlp_grad: dwproj", dwproj, PLAIN);
	expect("mlp_grad: dscale", dscale, PLAIN);
	release();
}

static void
test_head(void)
{
	const size_t C = now.s->C, V = now.s->V;
	const size_t first = now.N / 2, count = now.N - first;
	struct twin *x = stream(), *w = make(OPS_WEIGHT, V, C, 0, 0.3f), *targets = make_ids(now.N, V);
	struct twin *nats = make(OPS_STAT, 2 * now.N, 1, 0, 1), *dx = stream(), *dw = make(OPS_VECTOR, V, C, 0, 0.1f);
	struct twin *z = make(OPS_STAT, count, V, 0, 1);

	BOTH(const struct ops_head a = ((struct ops_head){ .x = IT(x),
		 .w = IT(w),
		 .targets = IT(targets),
		 .nats = IT(nats),
		 .nats_at = now.N,
		 .dx = IT(dx),
		 .dw = IT(dw),
		 .grad_scale = 0.1f });
	     ops->head(ctx, all_rows(), &a));
	expect("head: nats", nats, PLAIN);
	expect("head: dx", dx, PLAIN);
	expect("head: dw", dw, PLAIN);
	BOTH(const struct ops_head a = ((
		 struct ops_head){ .x = IT(x), .w = IT(w), .targets = IT(targets), .nats = IT(nats), .nats_at = 0 });
	     ops->head(ctx, all_rows(), &a));
	expect("head without a gradient: nats", nats, PLAIN);
	BOTH(ops->logits(ctx, IT(z), IT(x), first, count, IT(w)));
	expect("logits", z, PLAIN);
	release();
}

static void
test_streams(void)
{
	struct twin *a = stream(), *b = stream(), *g = make(OPS_VECTOR, now.s->V, now.s->C, 0, 3), *c = stream();
	double sum[2], zeros;

	BOTH(ops->add(ctx, all_rows(), IT(a), IT(b)));
	expect("add", a, PLAIN);
	BOTH(const struct ops_buf *const list[] = { IT(a), IT(g) };
	     const size_t n[] = { a->rows * a->cols, g->rows * g->cols }; sum[side] = ops->sumsq(ctx, list, n, 2));
	/* The card adds what it holds, which the reference has not rounded to float32. */
	if (!(fabs(sum[CARD] - sum[REF]) <= 2e-7 * sum[REF]))
		tap_ok(0, "sumsq (%s): %.17g for %.17g", now.s->what, sum[CARD], sum[REF]);
	BOTH(struct ops_buf *const list[] = { IT(g), IT(c) }; const struct ops_buf *const cleared[] = { IT(g), IT(c) };
	     const size_t n[] = { (g->rows + 1) * g->cols, (c->rows + 1) * c->cols }; ops->zero(ctx, list, 2);
	     zeros = ops->sumsq(ctx, cleared, n, 2));
	if (zeros != 0)
		tap_ok(0, "zero (%s): %g is left", now.s->what, zeros);
	release();
}

static void
test_adam(void)
{
	const struct ops_adam_law law = { 0.9f, 0.95f, 1e-8f, 3, 0.7f };
	const size_t C = now.s->C, V = now.s->V;
	struct twin *w[2] = { make(OPS_WEIGHT, V, C, 0, 1), make(OPS_VECTOR, 1, C, 0, 1) };
	struct twin *g[2] = { make(OPS_VECTOR, V, C, 0, 1), make(OPS_VECTOR, 1, C, 0, 1) };
	struct twin *m[2] = { make(OPS_VECTOR, V, C, 0, 0.3f), make(OPS_VECTOR, 1, C, 0, 0.3f) };
	struct twin *v[2] = { make(OPS_VECTOR, V, C, 2, 0.1f), make(OPS_VECTOR, 1, C, 2, 0.1f) };
	struct twin *x = stream(), *z = make(OPS_STAT, now.N, V, 0, 1);

	BOTH(const struct ops_adam
		 p[] = { { .w = IT(w[0]), .g = IT(g[0]), .m = IT(m[0]), .v = IT(v[0]), .n = V * C, .lr = 0.05f },
		     { .w = IT(w[1]), .g = IT(g[1]), .m = IT(m[1]), .v = IT(v[1]), .n = C, .lr = 0.04f } };
	     ops->adam(ctx, p, 2, &law));
	for (int i = 0; i < 2; i++) {
		expect("adam: w", w[i], PLAIN);
		expect("adam: m", m[i], PLAIN);
		expect("adam: v", v[i], PLAIN);
	}
	/* The products read the new weights. */
	BOTH(ops->logits(ctx, IT(z), IT(x), 0, now.N, IT(w[0])));
	expect("logits after adam", z, PLAIN);
	release();
}

/* Matrices of several shapes, more of one shape than a batch holds. */
static void
test_muon(int nesterov)
{
	const struct ops_muon_law law = { 0.04f, 0.85f, nesterov, 5, 0.9f };
	const size_t C = now.s->C, F = now.s->F, KD = now.KD, many = now.s->C <= 20 ? 22 : 1, count = many + 3;
	struct twin *w[32], *g[32], *m[32];
	struct twin *x1 = stream(), *r = make(OPS_ACT, now.N, F, 0, 1), *x2 = stream();
	struct twin *fc, *scale = make(OPS_VECTOR, 1, C, 0.5f, 0.5f);

	for (size_t i = 0; i < count; i++) {
		const size_t rows = i < many ? KD : i == many ? F : C, cols = i == many + 1 ? F : C;

		w[i] = make(OPS_WEIGHT, rows, cols, 0, 0.2f);
		g[i] = make(OPS_VECTOR, rows, cols, 0, 1);
		m[i] = make(OPS_VECTOR, rows, cols, 0, 1);
	}
	BOTH(struct ops_muon p[32]; for (size_t i = 0; i < count; i++) p[i] = (struct ops_muon){ .w = IT(w[i]),
					.g = IT(g[i]),
					.momentum = IT(m[i]),
					.rows = w[i]->rows,
					.cols = w[i]->cols };
	     ops->muon(ctx, p, count, &law));
	for (size_t i = 0; i < count; i++) {
		expect("muon: w", w[i], NEWTON);
		expect("muon: momentum", m[i], PLAIN);
	}
	/* The products read the new weights. */
	fc = w[many];
	share(fc);
	BOTH(const struct ops_mlp a = ((struct ops_mlp){ .x1 = IT(x1),
		 .wfc = IT(fc),
		 .wproj = IT(w[many + 1]),
		 .scale = IT(scale),
		 .r = IT(r),
		 .x2 = IT(x2) });
	     ops->mlp(ctx, all_rows(), &a));
	expect("mlp after muon: r", r, PLAIN);
	release();
}

static int
open_both(const struct shape *s, enum ops_arith arith)
{
	const struct ops_open_args args = {
		.geometry = {
			.vocab_size = s->V, .model_dim = s->C, .num_heads = s->H, .num_kv_heads = s->K, .mlp_dim = s->F,
			.max_rows = s->B * s->T, .max_positions = s->T, .rope_base = 10000, .logit_softcap = 5,
			    .norm_eps = 1.2e-7,
		},
		.arith = arith, .isa = "auto", .threads = 1, .training = 1,
	};
	struct ops_open_args ref = args;

	ref.arith = OPS_FP32;
	now.s = s;
	now.arith = arith;
	now.N = s->B * s->T;
	now.D = s->C / s->H;
	now.KD = s->K * now.D;
	now.ops[REF] = ops_find("ref");
	now.ops[CARD] = ops_find("cuda");
	now.ctx[REF] = now.ops[REF]->open(&ref);
	now.ctx[CARD] = now.ops[CARD]->open(&args);
	return (now.ctx[REF] != NULL && now.ctx[CARD] != NULL);
}

/* Every operation at the shapes from ${first} up to ${end}; the digest of all results. */
static uint64_t
run_shapes(enum ops_arith arith, const char *order, size_t first, size_t end)
{
	now.hash = 14695981039346656037u;
	now.order = order;
	rng_seed(&now.rng, 11, arith);
	for (size_t i = first; i < end; i++) {
		if (!open_both(&shapes[i], arith)) {
			tap_ok(0, "both backends open for %s", shapes[i].what);
			continue;
		}
		test_embed();
		test_qkv(0, 1);
		test_qkv(1, 1);
		test_qkv(1, 0);
		test_attention();
		test_cache();
		test_proj();
		test_mlp(0);
		test_mlp(1);
		test_head();
		test_streams();
		test_adam();
		test_muon(i % 2 == 0);
		for (int side = 0; side < 2; side++)
			now.ops[side]->close(now.ctx[side]);
	}
	return (now.hash);
}

static uint64_t
everything(enum ops_arith arith, const char *order)
{
	return (run_shapes(arith, order, 0, sizeof(shapes) / sizeof(shapes[0])));
}

#ifdef HG_EMU
/* For plant.sh: shape by shape in all orders, until something is wrong. */
static int
first_fault(void)
{
	for (size_t i = sizeof(shapes) / sizeof(shapes[0]); i-- > 0;) {
		uint64_t forward, reverse, random;

		emu_set_order(EMU_FORWARD, 0);
		forward = run_shapes(OPS_FP32, "forward", i, i + 1);
		emu_set_order(EMU_REVERSE, 0);
		reverse = run_shapes(OPS_FP32, "reverse", i, i + 1);
		emu_set_order(EMU_RANDOM, i);
		random = run_shapes(OPS_FP32, "random", i, i + 1);
		if (tap_failed == 0)
			tap_ok(reverse == forward && random == forward, "the order of threads changes nothing (%s)",
			    shapes[i].what);
		if (tap_failed > 0)
			return (1);
	}
	return (emu_count().damaged > 0);
}
#endif

int
main(int argc, char **argv)
{
	static const char *const names[] = { "fp32", "bf16" };

	(void)argc;
	(void)argv;
#ifdef HG_EMU
	if (argc == 2 && strcmp(argv[1], "-1") == 0)
		return (first_fault());
#endif
	for (int arith = 0; arith < 2; arith++) {
		const int failed = tap_failed;
#ifdef HG_EMU
		uint64_t first;

		emu_set_order(EMU_FORWARD, 0);
		first = everything((enum ops_arith)arith, "forward");
		tap_ok(tap_failed == failed, "every operation agrees with the reference in %s", names[arith]);
		emu_set_order(EMU_REVERSE, 0);
		tap_ok(everything((enum ops_arith)arith, "reverse") == first,
		    "the last thread first gives the same bits in %s", names[arith]);
		emu_set_order(EMU_RANDOM, 7);
		tap_ok(everything((enum ops_arith)arith, "random") == first,
		    "threads in random order give the same bits in %s", names[arith]);
		tap_ok(emu_count().damaged == 0 && emu_count().live_bytes == 0,
		    "no memory is left behind or overwritten");
#else
		const uint64_t first = everything((enum ops_arith)arith, "the card's");

		tap_ok(tap_failed == failed, "every operation agrees with the reference in %s", names[arith]);
		tap_ok(everything((enum ops_arith)arith, "the card's") == first,
		    "a second time gives the same bits in %s", names[arith]);
#endif
	}
	return (tap_done());
}
