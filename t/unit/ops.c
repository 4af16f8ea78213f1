/*
 * Every operation of a backend against the reference: one table for all
 * backends, of rows {entry, how to call it, allowed errors, why}, run at one
 * list of shapes.  This source is linked once for each backend: as it stands
 * for the cpu, for every instruction set that runs here; by t/unit/cuda_ops.c
 * for a card.  What holds for one backend alone is in programs of its own.
 *
 * Errors are normalised squared errors: the sum of squared differences over
 * the sum of squares.  A NaN fails; the row behind every buffer's last is a
 * sentinel.  All of it runs again with other threads (emulated: with the
 * threads of a block, the blocks of a grid and the streams in three orders),
 * and must give the same bits.
 *
 * The reference is slow, and given the same by all of these: it computes once
 * for each arithmetic, and what it said is kept.
 */

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gpt/ops.h"
#include "base/hash.h"
#include "base/rng.h"
#include "base/say.h"
#include "t/unit/tap.h"
#ifdef HG_EMU
#include "cuda/emu_control.h"
#endif

#ifndef BACKEND
#define BACKEND "cpu"
#define SUMSQ_ERROR 1e-12 /* partial sums in float32: 1e-6, squared */
#endif

/* The first are too large for an emulated card, and too slow to be run again in another order. */
static const struct shape {
	const char *what;
	size_t V, C, H, K, F, B, T;
	double softcap;
} shapes[] = {
	{ "whole and broken blocks", 260, 80, 2, 1, 160, 2, 131, 5 },
	{ "heads of 88, rows longer than a block", 100, 264, 3, 3, 528, 1, 150, 5 },
	{ "several chunks", 300, 96, 3, 1, 192, 9, 131, 5 },
	{ "heads of two", 2, 2, 1, 1, 2, 1, 1, 5 },
	{ "groups of three, odd positions", 37, 36, 6, 2, 72, 3, 33, 100 },
	{ "heads of 32, a few rows past a tile", 65, 64, 2, 2, 192, 1, 70, 44 },
	{ "one of everything", 2, 8, 1, 1, 8, 1, 1, 5 },
	{ "odd sizes, one key/value head, heads of 10", 31, 20, 2, 1, 29, 3, 7, 1e6 },
	{ "groups of three, heads of 8, a row past a tile", 257, 48, 6, 2, 96, 2, 65, 44 },
	{ "heads of 64, a row short of a tile", 67, 128, 2, 2, 130, 2, 63, 43 },
	{ "one head of 128", 40, 128, 1, 1, 128, 1, 67, 5 },
	{ "heads of 24, three tiles and one row", 19, 72, 3, 1, 72, 1, 193, 30 },
};

#define LARGE 3
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))
#define BIGRAM_DIM 20
#define SENTINEL 1232.0f /* exact in bfloat16 */

/* One entry of the table, and what its results may differ by. */
struct row {
	const char *name;
	size_t entry; /* where it stands in struct ops */
	void (*call)(void);
	double fp32, bf16; /* allowed; 0: not run in that arithmetic */
	const char *reason;
};

/* Both backends, opened for one shape. */
static struct {
	const struct ops *ops[2];
	struct ops_ctx *ctx[2];
	enum ops_arith arith;
	unsigned numerics; /* from 2 on the head alone is run: what else could differ has a row here then */
	const struct shape *s;
	const struct row *row;
	size_t N, D, KD;
	struct rng rng;
	struct kept *kept;
	int known;         /* the reference has computed this row, and does not again */
	size_t read;       /* of what it said */
	uint64_t given;    /* a hash of all that it was given */
	uint64_t hash;     /* of all that the backend computed */
	const char *order; /* of threads */
	unsigned compared;
} now;

enum { REF, OURS };

/* What the reference said of one row at one shape in the arithmetic that is run now, in the order of asking. */
static struct kept {
	unsigned char *said;
	size_t bytes;
	uint64_t given;
} kept[SHAPES][64];

/* Numbers of the reference: from it the first time, and kept; then from what was kept. */
static void
recall(void *x, size_t bytes)
{
	struct kept *k = now.kept;

	if (now.known) {
		if (now.read + bytes > k->bytes)
			abort();
		memcpy(x, k->said + now.read, bytes);
		now.read += bytes;
		return;
	}
	if ((k->said = realloc(k->said, k->bytes + bytes)) == NULL)
		abort();
	memcpy(k->said + k->bytes, x, bytes);
	k->bytes += bytes;
}

/* Numbers of words, each with all its bits. */
static uint64_t
hash_words(uint64_t hash, const void *x, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t word;

		memcpy(&word, (const char *)x + i * sizeof(word), sizeof(word));
		hash = (hash ^ word) * 1099511628211u;
	}
	return (hash);
}

static void
download_ref(struct ops_buf *buf, float *x, size_t n)
{
	if (!now.known)
		now.ops[REF]->download(now.ctx[REF], buf, 0, x, n);
	recall(x, n * sizeof(*x));
}

/* Give the reference what ours was given, or see that it had it. */
static void
upload_ref(struct ops_buf *buf, size_t at, const void *x, size_t n)
{
	now.given = hash_words(now.given, x, n);
	if (!now.known)
		now.ops[REF]->upload(now.ctx[REF], buf, at, x, n);
}

/* One buffer on each backend, with the same contents. */
struct twin {
	struct ops_buf *buf[2];
	enum ops_role role;
	size_t rows, cols, guards; /* elements behind them */
};

static struct twin twins[256];
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

	if (now.arith == OPS_BF16 && (t->role == OPS_ACT || t->role == OPS_CACHE || t->role == OPS_WEIGHT))
		for (size_t i = 0; i < n; i++)
			x[i] = round_bf16(x[i]);
	now.ops[OURS]->upload(now.ctx[OURS], t->buf[OURS], 0, x, n);
	now.ops[OURS]->download(now.ctx[OURS], t->buf[OURS], 0, x, n);
	upload_ref(t->buf[REF], 0, x, n);
}

/* Of mean 0 and deviation 1: the sum of a draw's four parts, as drawing from the normal law took half of the time. */
static float
bell(void)
{
	const uint64_t x = rng_u64(&now.rng);
	const int sum = (int)(x & 0xffff) + (int)(x >> 16 & 0xffff) + (int)(x >> 32 & 0xffff) + (int)(x >> 48);

	return ((float)((sum - 131070) / 37837.2));
}

/*
 * A twin of random numbers around ${middle}, the sentinel row behind them.  Weights and what has their shape are
 * products' operands and arguments whole, so none of their rows may be a guard.
 */
static struct twin *
make(enum ops_role role, size_t rows, size_t cols, float middle, float spread)
{
	struct twin *t = &twins[twin_count++];
	const size_t guards = role == OPS_WEIGHT || role == OPS_VECTOR ? 0 : cols;
	float *x = calloc(rows * cols + cols, sizeof(*x));

	*t = (struct twin){ .role = role, .rows = rows, .cols = cols, .guards = guards };
	for (int side = now.known; side < 2; side++)
		if ((t->buf[side] = now.ops[side]->alloc(now.ctx[side], role, rows + guards / cols, cols)) == NULL)
			abort();
	for (size_t i = 0; i < rows * cols; i++)
		x[i] = middle + spread * bell();
	set(t, x);
	for (size_t i = 0; i < guards; i++)
		x[i] = SENTINEL;
	for (int side = now.known; side < 2 && guards > 0; side++)
		now.ops[side]->upload(now.ctx[side], t->buf[side], rows * cols, x, guards);
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
	for (int side = now.known; side < 2; side++)
		t->buf[side] = now.ops[side]->alloc(now.ctx[side], OPS_IDS, n, 1);
	now.ops[OURS]->upload(now.ctx[OURS], t->buf[OURS], 0, x, n);
	upload_ref(t->buf[REF], 0, x, n);
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

	download_ref(t->buf[REF], x, t->rows * t->cols);
	set(t, x);
	free(x);
}

/* Error of the backend's copy; INFINITY if it holds a NaN or its sentinel is gone. */
static double
error_of(const struct twin *t)
{
	const size_t n = t->rows * t->cols;
	float *x[2];
	double error = 0, size = 0;

	for (int side = 0; side < 2; side++)
		x[side] = calloc(n + t->guards, sizeof(float));
	now.ops[OURS]->download(now.ctx[OURS], t->buf[OURS], 0, x[OURS], n + t->guards);
	download_ref(t->buf[REF], x[REF], n);
	for (size_t i = 0; i < n; i++) {
		const double difference = (double)x[OURS][i] - x[REF][i];

		error += difference * difference;
		size += (double)x[REF][i] * x[REF][i];
		if (!isfinite(x[OURS][i]))
			error = INFINITY;
	}
	for (size_t i = n; i < n + t->guards; i++)
		if (x[OURS][i] != SENTINEL)
			error = INFINITY;
	now.hash = hash_words(now.hash, x[OURS], n);
	free(x[REF]);
	free(x[OURS]);
	return (size > 0 ? error / size : error);
}

static const char *
arith_name(void)
{
	static const char *const names[2][2] = { { "fp32", "fp32, numerics 2" }, { "bf16", "bf16, numerics 2" } };

	return (names[now.arith == OPS_BF16][now.numerics == 2]);
}

static double
allowed(const struct row *r)
{
	return (now.arith == OPS_BF16 ? r->bf16 : r->fp32);
}

static void
expect(const char *what, const struct twin *t)
{
	const double error = error_of(t);

	now.compared++;
	if (!(error <= allowed(now.row)))
		tap_ok(0, "%s: %s (%s, %s, %s): error %.3g, allowed %.3g: %s", now.row->name, what, now.s->what,
		    now.order, arith_name(), error, allowed(now.row), now.row->reason);
}

/* A number that is not in a buffer. */
static void
expect_number(const char *what, double ours, double right)
{
	double error;

	recall(&right, sizeof(right));
	error = (ours - right) * (ours - right) / (right != 0 ? right * right : 1);
	now.compared++;
	now.hash = (now.hash ^ (uint64_t)llround(ours)) * 1099511628211u;
	if (!(error <= allowed(now.row)))
		tap_ok(0, "%s: %s (%s, %s, %s): %.17g, not %.17g: %s", now.row->name, what, now.s->what, now.order,
		    arith_name(), ours, right, now.row->reason);
}

static void
release(void)
{
#ifdef HG_EMU
	now.ops[OURS]->sync(now.ctx[OURS]);
	if (emu_damaged_now() > 0)
		tap_ok(0, "memory around a buffer is whole (%s, %s order)", now.s->what, now.order);
#endif
	for (; twin_count > 0; twin_count--)
		for (int side = now.known; side < 2; side++)
			now.ops[side]->free(now.ctx[side], twins[twin_count - 1].buf[side]);
}

/* Do something on both sides, or on ours where the other is known; `side` is which. */
#define BOTH(...) \
	for (int side = now.known; side < 2; side++) { \
		const struct ops *ops = now.ops[side]; \
		struct ops_ctx *ctx = now.ctx[side]; \
		__VA_ARGS__; \
	}
#define IT(t) ((t)->buf[side])

static struct ops_rows
all_rows(void)
{
	return ((struct ops_rows){ now.s->B, now.s->T, 0, 0 });
}

static void
embed(void)
{
	struct twin *ids = make_ids(now.N, now.s->V), *emb = make(OPS_WEIGHT, now.s->V, now.s->C, 0, 0.1f);
	struct twin *x0 = stream();

	BOTH(ops->embed(ctx, all_rows(), IT(x0), IT(ids), IT(emb)));
	expect("x0", x0);
}

static void
embed_grad(void)
{
	struct twin *ids = make_ids(now.N, now.s->V), *emb = make(OPS_WEIGHT, now.s->V, now.s->C, 0, 0.1f);
	struct twin *demb = make(OPS_VECTOR, now.s->V, now.s->C, 0, 1), *dx0 = stream();

	BOTH(ops->embed_grad(ctx, all_rows(), IT(demb), IT(dx0), IT(ids), IT(emb)));
	expect("demb", demb);
}

/* What the first half of a block reads, and room for what it writes. */
struct first_half {
	struct twin *x, *skip, *skip_w, *x0, *mix, *wq, *wk, *wv, *xm, *q, *k, *v, *rq, *rk, *cut;
};

/* For ${n} rows, whose keys and values stand among ${positions}. */
static struct first_half
make_first_half(size_t n, size_t positions)
{
	const struct shape *s = now.s;

	return ((struct first_half){
	    .x = make(OPS_STREAM, n, s->C, 0, 1),
	    .skip = make(OPS_STREAM, n, s->C, 0, 1),
	    .skip_w = make(OPS_VECTOR, 3, s->C, 1, 0.3f),
	    .x0 = make(OPS_STREAM, n, s->C, 0, 1),
	    .mix = make(OPS_VECTOR, 2, s->C, 0.5f, 0.3f),
	    .wq = make(OPS_WEIGHT, s->C, s->C, 0, 0.2f),
	    .wk = make(OPS_WEIGHT, now.KD, s->C, 0, 0.2f),
	    .wv = make(OPS_WEIGHT, now.KD, s->C, 0, 0.2f),
	    .xm = make(OPS_STREAM, n, s->C, 0, 1),
	    .q = make(OPS_ACT, n, s->C, 0, 1),
	    .k = make(OPS_ACT, positions, now.KD, 0, 1),
	    .v = make(OPS_ACT, positions, now.KD, 0, 1),
	    .rq = make(OPS_STAT, n, s->H, 0, 1),
	    .rk = make(OPS_STAT, n, s->K, 0, 1),
	    .cut = make(OPS_STAT, n, s->C < 12 ? s->C : 12, 0, 1),
	});
}

static struct ops_qkv
qkv_args(const struct first_half *h, int side, int with_skip, int with_backward)
{
	return ((struct ops_qkv){
	    .x = IT(h->x),
	    .skip = with_skip ? IT(h->skip) : NULL,
	    .skip_w = with_skip ? IT(h->skip_w) : NULL,
	    .skip_row = 2,
	    .x0 = IT(h->x0),
	    .mix = IT(h->mix),
	    .wq = IT(h->wq),
	    .wk = IT(h->wk),
	    .wv = IT(h->wv),
	    .xm = IT(h->xm),
	    .q = IT(h->q),
	    .k = IT(h->k),
	    .v = IT(h->v),
	    .rq = with_backward ? IT(h->rq) : NULL,
	    .rk = with_backward ? IT(h->rk) : NULL,
	    .norm_scale = now.s->C % 3 == 0 ? 1 : 0.7f,
	    .cut = with_skip ? IT(h->cut) : NULL,
	});
}

static void
qkv(void)
{
	const struct first_half h = make_first_half(now.N, now.N);
	static const int ways[][2] = { { 0, 1 }, { 1, 1 }, { 1, 0 } }; /* skip, backward */

	for (int i = 0; i < 3; i++) {
		BOTH(const struct ops_qkv a = qkv_args(&h, side, ways[i][0], ways[i][1]);
		     ops->qkv(ctx, all_rows(), &a));
		expect("xm", h.xm);
		expect("q", h.q);
		expect("k", h.k);
		expect("v", h.v);
		expect("rq", h.rq);
		expect("rk", h.rk);
		expect("cut", h.cut);
	}
}

static void
qkv_grad(void)
{
	const struct shape *s = now.s;
	const struct first_half h = make_first_half(now.N, now.N);
	const struct twin *given[] = { h.q, h.k, h.v, h.rq, h.rk };
	struct twin *dxm = stream(), *dx0 = stream(), *dskip = stream();
	struct twin *dq = make(OPS_ACT, now.N, s->C, 0, 1), *dk = make(OPS_ACT, now.N, now.KD, 0, 1);
	struct twin *dv = make(OPS_ACT, now.N, now.KD, 0, 1), *dskip_w = make(OPS_VECTOR, 3, s->C, 0, 1);
	struct twin *dmix = make(OPS_VECTOR, 2, s->C, 0, 1), *dwq = make(OPS_VECTOR, s->C, s->C, 0, 1);
	struct twin *dwk = make(OPS_VECTOR, now.KD, s->C, 0, 1), *dwv = make(OPS_VECTOR, now.KD, s->C, 0, 1);
	struct twin *dcut = make(OPS_STAT, now.N, h.cut->cols, 0, 1);

	for (int with_skip = 0; with_skip < 2; with_skip++) {
		BOTH(const struct ops_qkv a = qkv_args(&h, side, with_skip, 1); ops->qkv(ctx, all_rows(), &a));
		for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
			share(given[i]);
		BOTH(const struct ops_qkv a = qkv_args(&h, side, with_skip, 1);
		     const struct ops_qkv_grad d = ((struct ops_qkv_grad){ .dxm = IT(dxm),
			 .dq = IT(dq),
			 .dk = IT(dk),
			 .dv = IT(dv),
			 .dx = IT(dxm),
			 .dskip = with_skip ? IT(dskip) : NULL,
			 .dx0 = IT(dx0),
			 .dskip_w = with_skip ? IT(dskip_w) : NULL,
			 .dmix = IT(dmix),
			 .dwq = IT(dwq),
			 .dwk = IT(dwk),
			 .dwv = IT(dwv),
			 .dcut = with_skip ? IT(dcut) : NULL });
		     ops->qkv_grad(ctx, all_rows(), &a, &d));
		expect("dx", dxm);
		expect("dx0", dx0);
		expect("dskip", dskip);
		expect("dskip_w", dskip_w);
		expect("dmix", dmix);
		expect("dwq", dwq);
		expect("dwk", dwk);
		expect("dwv", dwv);
		/* They were scratch. */
		share(dxm);
		share(dq);
		share(dk);
		share(dv);
	}
}

static void
attention_of(float gain_middle, float gain_spread, int with_backward)
{
	const struct shape *s = now.s;
	struct twin *q = make(OPS_ACT, now.N, s->C, 0, 1), *k = make(OPS_ACT, now.N, now.KD, 0, 1);
	struct twin *v = make(OPS_ACT, now.N, now.KD, 0, 1),
		    *gain = make(OPS_VECTOR, 1, s->H, gain_middle, gain_spread);
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
	if (!with_backward) {
		expect("y", y);
		expect("lse", lse);
		return;
	}
	share(y);
	share(lse);
	BOTH(const struct ops_attention_grad d = ((struct ops_attention_grad){ .dy = IT(dy),
		 .dq = IT(dq),
		 .dk = IT(dk),
		 .dv = IT(dv),
		 .dgain = IT(dgain) });
	     ops->attention_grad(ctx, all_rows(), &a[side], &d));
	expect("dq", dq);
	expect("dk", dk);
	expect("dv", dv);
	expect("dgain", dgain);
}

static void
attention(void)
{
	attention_of(1, 0.5f, 0);
}

/* Scores so large that most of a row's powers vanish beside its best: then kernels must look for the best first. */
static void
attention_strong(void)
{
	attention_of(40, 2.5f, 0);
}

static void
attention_grad(void)
{
	attention_of(1, 0.5f, 1);
}

/* Numbers of one twin become those of another. */
static void
copy(const struct twin *from, const struct twin *to)
{
	const size_t n = from->rows * from->cols;
	float *x = calloc(n, sizeof(*x));

	BOTH(ops->download(ctx, IT(from), 0, x, n); ops->upload(ctx, IT(to), 0, x, n));
	free(x);
}

static int
same_bits(const struct twin *a, const struct twin *b)
{
	const size_t n = a->rows * a->cols;
	float *x = calloc(2 * n, sizeof(*x));
	int same;

	now.ops[OURS]->download(now.ctx[OURS], a->buf[OURS], 0, x, n);
	now.ops[OURS]->download(now.ctx[OURS], b->buf[OURS], 0, x + n, n);
	same = memcmp(x, x + n, n * sizeof(*x)) == 0;
	free(x);
	return (same);
}

/*
 * Generation: what is written a few positions at a time, behind a cache of keys and values, and again from the first
 * position on.  What a backend keeps of a cache changes no bit.
 */
static void
cached(void)
{
	const size_t T = now.s->T, cuts[] = { 0, 1, 2, T / 2 > 2 ? T / 2 : 3, T - T / 3 - 1, T, 0, 2 };
	struct twin *k = make(OPS_ACT, T, now.KD, 0, 1), *v = make(OPS_ACT, T, now.KD, 0, 1);
	struct twin *keys = make(OPS_CACHE, T, now.KD, 0, 1), *values = make(OPS_CACHE, T, now.KD, 0, 1);
	struct twin *gain = make(OPS_VECTOR, 1, now.s->H, 1, 0.5f);

	for (size_t i = 0; i + 1 < sizeof(cuts) / sizeof(cuts[0]); i++) {
		const struct ops_rows rows = { 1, cuts[i + 1] - cuts[i], cuts[i], 0 };
		struct first_half h;
		struct twin *y, *kept;

		if (cuts[i] >= cuts[i + 1] || cuts[i + 1] > T)
			continue;
		h = make_first_half(rows.T, 1);
		h.k = k;
		h.v = v;
		y = make(OPS_ACT, rows.T, now.s->C, 0, 1);
		BOTH(const struct ops_qkv a = qkv_args(&h, side, 0, 0); ops->qkv(ctx, rows, &a));
		expect("k", k);
		expect("v", v);
		expect("q", h.q);
		share(h.q);
		share(k);
		share(v);
		BOTH(const struct ops_attention a = ((
			 struct ops_attention){ .q = IT(h.q), .k = IT(k), .v = IT(v), .gain = IT(gain), .y = IT(y) });
		     ops->attention(ctx, rows, &a));
		expect("y", y);
		kept = make(OPS_ACT, rows.T, now.s->C, 0, 1);
		copy(k, keys);
		copy(v, values);
		BOTH(const struct ops_attention a = ((struct ops_attention){ .q = IT(h.q),
			 .k = IT(keys),
			 .v = IT(values),
			 .gain = IT(gain),
			 .y = IT(kept) });
		     ops->attention(ctx, rows, &a));
		now.compared++;
		if (!same_bits(y, kept))
			tap_ok(0, "%s: a cache gives the bits of rows (%s, %s, %s)", now.row->name, now.s->what,
			    now.order, arith_name());
	}
}

static void
proj(void)
{
	const size_t C = now.s->C;
	struct twin *xm = stream(), *y = make(OPS_ACT, now.N, C, 0, 1), *wo = make(OPS_WEIGHT, C, C, 0, 0.2f);
	struct twin *scale = make(OPS_VECTOR, 1, C, 0.5f, 0.5f), *x1 = stream();

	for (int in_place = 0; in_place < 2; in_place++) {
		struct twin *out = in_place ? xm : x1;

		BOTH(const struct ops_proj a = ((struct ops_proj){ IT(xm), IT(y), IT(wo), IT(scale), IT(out) });
		     ops->proj(ctx, all_rows(), &a));
		expect(in_place ? "x1 in place of xm" : "x1", out);
	}
}

static void
proj_grad(void)
{
	const size_t C = now.s->C;
	struct twin *xm = stream(), *y = make(OPS_ACT, now.N, C, 0, 1), *wo = make(OPS_WEIGHT, C, C, 0, 0.2f);
	struct twin *scale = make(OPS_VECTOR, 1, C, 0.5f, 0.5f), *x1 = stream(), *dx1 = stream();
	struct twin *dy = make(OPS_ACT, now.N, C, 0, 1), *dwo = make(OPS_VECTOR, C, C, 0, 1);
	struct twin *dscale = make(OPS_VECTOR, 1, C, 0, 1);

	BOTH(const struct ops_proj a = ((struct ops_proj){ IT(xm), IT(y), IT(wo), IT(scale), IT(x1) });
	     const struct ops_proj_grad d = ((struct ops_proj_grad){ IT(dx1), IT(dy), IT(dwo), IT(dscale) });
	     ops->proj_grad(ctx, all_rows(), &a, &d));
	expect("dx1, which is left as it was", dx1);
	expect("dy", dy);
	expect("dwo", dwo);
	expect("dscale", dscale);
}

/* The second half, with weights of its own. */
static void
mlp_of(enum ops_activation activation, int with_backward, int in_place)
{
	const size_t C = now.s->C, F = now.s->F;
	struct twin *x1 = stream(), *wfc = make(OPS_WEIGHT, F, C, 0, 0.2f), *wproj = make(OPS_WEIGHT, C, F, 0, 0.2f);
	struct twin *scale = make(OPS_VECTOR, 1, C, 0.5f, 0.5f), *r = make(OPS_ACT, now.N, F, 0, 1), *x2 = stream();
	struct twin *dx2 = stream(), *dx1 = in_place ? dx2 : stream(), *dwfc = make(OPS_VECTOR, F, C, 0, 1);
	struct twin *dwproj = make(OPS_VECTOR, C, F, 0, 1), *dscale = make(OPS_VECTOR, 1, C, 0, 1);
	struct twin *wgate = make(OPS_WEIGHT, F, C, 0, 0.2f), *gate = make(OPS_ACT, now.N, F, 0, 1);
	struct twin *dwgate = make(OPS_VECTOR, F, C, 0, 1);
	struct ops_mlp a[2];

	BOTH(a[side] = ((struct ops_mlp){ .x1 = IT(x1),
		 .wfc = IT(wfc),
		 .wproj = IT(wproj),
		 .scale = IT(scale),
		 .r = IT(r),
		 .x2 = IT(x2),
		 .activation = activation,
		 .norm_scale = activation == OPS_RELU2 ? 1 : 0.6f,
		 .wgate = activation == OPS_SWIGLU ? IT(wgate) : NULL,
		 .gate = activation == OPS_SWIGLU ? IT(gate) : NULL });
	     ops->mlp(ctx, all_rows(), &a[side]));
	if (!with_backward) {
		expect("r", r);
		expect("gate", gate);
		expect("x2", x2);
		return;
	}
	share(r);
	share(gate);
	BOTH(const struct ops_mlp_grad d = ((struct ops_mlp_grad){ .dx2 = IT(dx2),
		 .dx1 = IT(dx1),
		 .dwfc = IT(dwfc),
		 .dwproj = IT(dwproj),
		 .dscale = IT(dscale),
		 .dwgate = IT(dwgate) });
	     ops->mlp_grad(ctx, all_rows(), &a[side], &d));
	expect(in_place ? "dx1 in place of dx2" : "dx1", dx1);
	expect("dwfc", dwfc);
	expect("dwproj", dwproj);
	expect("dscale", dscale);
	expect("dwgate", dwgate);
}

static void
mlp(void)
{
	mlp_of(OPS_RELU2, 0, 0);
}

static void
mlp_leaky(void)
{
	mlp_of(OPS_LEAKY_RELU2, 0, 0);
	mlp_of(OPS_LEAKY_RELU2, 1, 1);
}

static void
mlp_swiglu(void)
{
	mlp_of(OPS_SWIGLU, 0, 0);
	mlp_of(OPS_SWIGLU, 1, 1);
}

static void
mlp_grad(void)
{
	mlp_of(OPS_RELU2, 1, 0);
	mlp_of(OPS_RELU2, 1, 1);
}

/* What products read, with itself: of a stream, of what attention gives, and of what each activation makes. */
static void
gram(void)
{
	const size_t C = now.s->C, F = now.s->F;
	struct twin *x = stream(), *y = make(OPS_ACT, now.N, C, 0, 1), *r = make(OPS_ACT, now.N, F, 0, 1);
	struct twin *gate = make(OPS_ACT, now.N, F, 0, 1), *kept = make(OPS_ACT, now.N, F, 4, 0.5f);
	struct twin *g = make(OPS_VECTOR, C, C, 0, 1), *wide = make(OPS_VECTOR, F, F, 0, 1);

	BOTH(const struct ops_gram a = ((struct ops_gram){ .x = IT(x), .norm_scale = 0.6f, .g = IT(g) });
	     ops->gram(ctx, all_rows(), &a));
	expect("of a normed stream", g);
	BOTH(const struct ops_gram a = ((struct ops_gram){ .y = IT(y), .g = IT(g) }); ops->gram(ctx, all_rows(), &a));
	expect("and added to it, of rows as they are", g);
	for (enum ops_activation activation = OPS_RELU2; activation <= OPS_SWIGLU; activation++) {
		struct twin *of = activation == OPS_RELU2 ? kept : r;

		BOTH(const struct ops_gram a = ((
			 struct ops_gram){ .r = IT(of), .gate = IT(gate), .activation = activation, .g = IT(wide) });
		     ops->gram(ctx, all_rows(), &a));
		expect("of what an activation makes", wide);
		expect("what it reads, which stays", of);
	}
}

/* What is added to logits, and the gradient of its scale, which is far from 0: it is a sum of terms that cancel. */
struct prior_twins {
	struct twin *table, *alpha, *ids, *dalpha;
};

static struct prior_twins
make_prior(void)
{
	return ((struct prior_twins){
	    .table = make(OPS_VECTOR, now.s->V, now.s->V, 0, 1),
	    .alpha = make(OPS_VECTOR, 1, 1, 0.8f, 0),
	    .ids = make_ids(now.N, now.s->V),
	    .dalpha = make(OPS_VECTOR, 1, 1, 20, 1),
	});
}

static struct ops_prior
prior_args(const struct prior_twins *p, int side)
{
	return ((struct ops_prior){ .table = IT(p->table), .alpha = IT(p->alpha), .ids = IT(p->ids) });
}

/*
 * Losses with a gradient, the second half of nats, are those without, whichever way each were made.  1e-6 is the
 * most that was seen; where tanh loses its small numbers, single losses are off by 6e-6.
 */
static void
losses_agree(const struct twin *nats)
{
	const size_t n = nats->rows / 2;
	float *x = calloc(2 * n, sizeof(*x));
	double most = 0;

	now.ops[OURS]->download(now.ctx[OURS], nats->buf[OURS], 0, x, 2 * n);
	for (size_t i = 0; i < n; i++)
		most = fmax(most, fabs((double)x[n + i] - x[i]) / fmax(1, fabs((double)x[i])));
	now.compared++;
	if (!(most <= 1.5e-6))
		tap_ok(0, "%s: a loss with a gradient is the loss without (%s, %s, %s): off by %.3g", now.row->name,
		    now.s->what, now.order, arith_name(), most);
	free(x);
}

static void
head_of(int with_prior, float size)
{
	const size_t C = now.s->C, V = now.s->V;
	struct twin *x = stream(), *w = make(OPS_WEIGHT, V, C, 0, size), *targets = make_ids(now.N, V);
	struct twin *nats = make(OPS_STAT, 2 * now.N, 1, 0, 1), *dx = stream(), *dw = make(OPS_VECTOR, V, C, 0, 0.1f);
	struct prior_twins p = make_prior();

	for (int training = 1; training >= 0; training--) {
		BOTH(const struct ops_prior prior = prior_args(&p, side);
		     const struct ops_head a = ((struct ops_head){ .x = IT(x),
			 .w = IT(w),
			 .targets = IT(targets),
			 .nats = IT(nats),
			 .nats_at = training ? now.N : 0,
			 .dx = training ? IT(dx) : NULL,
			 .dw = training ? IT(dw) : NULL,
			 .grad_scale = 0.1f,
			 .prior = with_prior ? &prior : NULL,
			 .dalpha = with_prior && training ? IT(p.dalpha) : NULL });
		     ops->head(ctx, all_rows(), &a));
		expect("nats", nats);
		expect("dx", dx);
		expect("dw", dw);
		expect("dalpha", p.dalpha);
	}
	if (size < 1)
		losses_agree(nats);
}

static void
head(void)
{
	head_of(0, 0.3f);
}

/* Logits whose powers no float holds, where the cap lets them. */
static void
head_large(void)
{
	head_of(0, 30);
}

static void
head_prior(void)
{
	head_of(1, 0.3f);
}

static void
logits_of(int with_prior)
{
	const size_t C = now.s->C, V = now.s->V, first = now.N / 2, count = now.N - first;
	struct twin *x = stream(), *w = make(OPS_WEIGHT, V, C, 0, 0.3f), *z = make(OPS_STAT, count, V, 0, 1);
	struct prior_twins p = make_prior();

	BOTH(const struct ops_prior prior = prior_args(&p, side);
	     ops->logits(ctx, IT(z), IT(x), first, count, IT(w), with_prior ? &prior : NULL));
	expect("z", z);
}

static void
logits(void)
{
	logits_of(0);
}

static void
logits_prior(void)
{
	logits_of(1);
}

static void
add(void)
{
	struct twin *a = stream(), *b = stream();

	BOTH(ops->add(ctx, all_rows(), IT(a), IT(b)));
	expect("sum", a);
}

static void
sumsq(void)
{
	struct twin *a = make(OPS_VECTOR, now.N, now.s->C, 0, 1), *b = make(OPS_VECTOR, now.s->V, now.s->C, 0, 3);
	double sum[2];

	BOTH(const struct ops_buf *const list[] = { IT(a), IT(b) };
	     const size_t n[] = { a->rows * a->cols, b->rows * b->cols }; sum[side] = ops->sumsq(ctx, list, n, 2));
	expect_number("sum", sum[OURS], sum[REF]);
}

static void
zero(void)
{
	struct twin *a = make(OPS_VECTOR, now.N, now.s->C, 0, 1), *b = make(OPS_VECTOR, now.s->V, now.s->C, 0, 3);
	struct twin *kept = make(OPS_VECTOR, 1, now.s->C, 0, 1);

	BOTH(struct ops_buf *const list[] = { IT(a), IT(b) }; ops->zero(ctx, list, 2));
	expect("the first", a);
	expect("the second", b);
	expect("what was not named", kept);
}

static void
adam(void)
{
	const size_t C = now.s->C, V = now.s->V;
	struct twin *w[2] = { make(OPS_WEIGHT, V, C, 0, 1), make(OPS_VECTOR, 1, C, 0, 1) };
	struct twin *g[2] = { make(OPS_VECTOR, V, C, 0, 1), make(OPS_VECTOR, 1, C, 0, 1) };
	struct twin *m[2] = { make(OPS_VECTOR, V, C, 0, 0.3f), make(OPS_VECTOR, 1, C, 0, 0.3f) };
	struct twin *v[2] = { make(OPS_VECTOR, V, C, 2, 0.1f), make(OPS_VECTOR, 1, C, 2, 0.1f) };

	for (uint64_t t = 1; t < 1000; t += 500) {
		const struct ops_adam_law law = { 0.9f, 0.95f, 1e-8f, t, 0.7f };

		BOTH(const struct ops_adam p[] = { { IT(w[0]), IT(g[0]), IT(m[0]), IT(v[0]), V * C, 0.05f },
			 { IT(w[1]), IT(g[1]), IT(m[1]), IT(v[1]), C, 0.04f } };
		     ops->adam(ctx, p, 2, &law));
		for (int i = 0; i < 2; i++) {
			expect("w", w[i]);
			expect("m", m[i]);
			expect("v", v[i]);
		}
	}
}

static void
average(void)
{
	const size_t C = now.s->C, V = now.s->V;
	struct twin *w[2] = { make(OPS_WEIGHT, V, C, 0, 1), make(OPS_VECTOR, 1, C, 0, 1) };
	struct twin *a[2] = { make(OPS_VECTOR, V, C, 0, 1), make(OPS_VECTOR, 1, C, 0, 1) };
	static const float keeps[] = { 0.9f, 0.5f, 0 };

	for (size_t k = 0; k < sizeof(keeps) / sizeof(keeps[0]); k++) {
		BOTH(const struct ops_average p[] = { { IT(a[0]), IT(w[0]), V * C }, { IT(a[1]), IT(w[1]), C } };
		     ops->average(ctx, p, 2, keeps[k]));
		for (int i = 0; i < 2; i++) {
			expect("average", a[i]);
			expect("w, which stays", w[i]);
		}
	}
}

/* The products read the weights that an update wrote. */
static void
adam_logits(void)
{
	const struct ops_adam_law law = { 0.9f, 0.95f, 1e-8f, 3, 0.7f };
	const size_t C = now.s->C, V = now.s->V;
	struct twin *w = make(OPS_WEIGHT, V, C, 0, 1), *g = make(OPS_VECTOR, V, C, 0, 1);
	struct twin *m = make(OPS_VECTOR, V, C, 0, 0.3f), *v = make(OPS_VECTOR, V, C, 2, 0.1f);
	struct twin *x = stream(), *z = make(OPS_STAT, now.N, V, 0, 1);

	BOTH(const struct ops_adam p = ((struct ops_adam){ IT(w), IT(g), IT(m), IT(v), V * C, 0.05f });
	     ops->adam(ctx, &p, 1, &law); ops->logits(ctx, IT(z), IT(x), 0, now.N, IT(w), NULL));
	expect("z", z);
}

/* Matrices of several shapes, more of one shape than a batch holds; with a ${lever} on top of the published law. */
static void
muon_of(int want_weights, const struct ops_muon_law *lever)
{
	const struct ops_muon_law law = { .lr = 0.04f,
		.momentum = 0.85f,
		.nesterov = now.s->C % 3 == 0,
		.ns_steps = !want_weights ? 1 :
		    lever->ns_steps > 0   ? lever->ns_steps :
					    5,
		.grad_scale = 0.9f,
		.grad_power = lever->grad_power,
		.norm = lever->norm,
		.coefficients = lever->coefficients,
		.form = lever->form,
		.scale = lever->scale,
		.decay = lever->decay,
		.cautious = lever->cautious };
	const size_t C = now.s->C, F = now.s->F, KD = now.KD, many = now.s->C <= 20 ? 22 : 1, count = many + 3;
	struct twin *w[32], *g[32], *m[32], *s[32], *fc, *down;
	struct twin *x1 = stream(), *r = make(OPS_ACT, now.N, F, 0, 1), *x2 = stream();
	struct twin *scale = make(OPS_VECTOR, 1, C, 0.5f, 0.5f);

	for (size_t i = 0; i < count; i++) {
		const size_t rows = i < many ? KD : i == many ? F : C, cols = i == many + 1 ? F : C;

		w[i] = make(OPS_WEIGHT, rows, cols, 0, 0.2f);
		g[i] = make(OPS_VECTOR, rows, cols, 0, 1);
		m[i] = make(OPS_VECTOR, rows, cols, 0, 1);
		s[i] = law.norm == OPS_MUON_NEURON ? make(OPS_VECTOR, 1, rows, 0.02f, 0.003f) : NULL;
	}
	BOTH(struct ops_muon p[32]; for (size_t i = 0; i < count; i++) p[i] = (struct ops_muon){ IT(w[i]), IT(g[i]),
					IT(m[i]), w[i]->rows, w[i]->cols, s[i] != NULL ? IT(s[i]) : NULL };
	     ops->muon(ctx, p, count, &law));
	for (size_t i = 0; i < count; i++)
		expect(want_weights ? "w" : "momentum", want_weights ? w[i] : m[i]);
	for (size_t i = 0; want_weights && law.norm == OPS_MUON_NEURON && i < count; i++)
		expect("mean squares of the rows", s[i]);
	if (!want_weights)
		return;
	/* The products read the new weights, on each side those that it wrote. */
	fc = w[many];
	down = w[many + 1];
	BOTH(const struct ops_mlp a = ((struct ops_mlp){ .x1 = IT(x1),
		 .wfc = IT(fc),
		 .wproj = IT(down),
		 .scale = IT(scale),
		 .r = IT(r),
		 .x2 = IT(x2),
		 .norm_scale = 1 });
	     ops->mlp(ctx, all_rows(), &a));
	expect("r of the new weights", r);
}

static const struct ops_muon_law published,
    powered = { .grad_power = 0.8f }, rows_normed = { .norm = OPS_MUON_ROW, .decay = 0.07f },
    neurons = { .norm = OPS_MUON_NEURON, .decay = 0.07f, .cautious = 1 }, polar = { .coefficients = OPS_MUON_POLAR },
    by_twos = { .form = OPS_MUON_GRAM }, schatten = { .scale = OPS_MUON_SCHATTEN },
    minimax3 = { .ns_steps = 3, .coefficients = OPS_MUON_MINIMAX, .form = OPS_MUON_GRAM },
    minimax4 = { .ns_steps = 4,
	    .coefficients = OPS_MUON_MINIMAX,
	    .form = OPS_MUON_GRAM,
	    .scale = OPS_MUON_SCHATTEN,
	    .norm = OPS_MUON_ROW },
    minimax5 = { .coefficients = OPS_MUON_MINIMAX };

static void
muon(void)
{
	muon_of(1, &published);
}

static void
momentum(void)
{
	muon_of(0, &published);
}

/* Without drawing from what the rows of other shapes draw from. */
static void
muon_lever(int want_weights, const struct ops_muon_law *lever)
{
	const struct rng before = now.rng;

	muon_of(want_weights, lever);
	now.rng = before;
}

static void
muon_powered(void)
{
	muon_lever(1, &powered);
}

static void
momentum_powered(void)
{
	muon_lever(0, &powered);
}

static void
muon_rows(void)
{
	muon_lever(1, &rows_normed);
}

static void
muon_neurons(void)
{
	muon_lever(1, &neurons);
}

static void
muon_polar(void)
{
	muon_lever(1, &polar);
}

static void
muon_by_twos(void)
{
	muon_lever(1, &by_twos);
}

static void
muon_schatten(void)
{
	muon_lever(1, &schatten);
}

static void
muon_minimax3(void)
{
	muon_lever(1, &minimax3);
}

static void
muon_minimax4(void)
{
	muon_lever(1, &minimax4);
}

static void
muon_minimax5(void)
{
	muon_lever(1, &minimax5);
}

/* Tables that are looked up, gates, and what stands before a token; shapes of each lever. */
static void
context(void)
{
	const size_t C = now.s->C, V = now.s->V, W = C < 12 ? C : 12, d = BIGRAM_DIM, rows = 11;
	struct twin *ids = make_ids(now.N, V), *pairs = make_ids(now.N, rows), *smeared = make_ids(now.N, 2);
	struct twin *emb = make(OPS_WEIGHT, V, C, 0, 0.5f), *table = make(OPS_VECTOR, rows, d, 0, 0.5f);
	struct twin *proj = make(OPS_WEIGHT, C, d, 0, 0.3f), *scale = make(OPS_VECTOR, 1, 1, 0.7f, 0);
	struct twin *gate = make(OPS_VECTOR, 1, W, 0, 0.5f), *lambda = make(OPS_VECTOR, 1, 1, 0.6f, 0);
	struct twin *e = stream(), *x0 = stream(), *dx0 = stream(), *de = stream();
	struct twin *demb = make(OPS_VECTOR, V, C, 0, 1), *dtable = make(OPS_VECTOR, rows, d, 0, 1);
	struct twin *dproj = make(OPS_VECTOR, C, d, 0, 1), *dscale = make(OPS_VECTOR, 1, 1, 2000, 1);
	struct twin *dgate = make(OPS_VECTOR, 1, W, 300, 1), *dlambda = make(OPS_VECTOR, 1, 1, 2000, 1);
	int32_t zero = 0;

	for (size_t b = 0; b < now.s->B; b++)
		BOTH(ops->upload(ctx, IT(smeared), b * now.s->T, &zero, 1));
	for (int way = 1; way < 4; way++) {
		const int with_table = way & 1, with_smear = way & 2;

		BOTH(const struct ops_context a = ((struct ops_context){ .ids = IT(ids),
			 .emb = IT(emb),
			 .pairs = IT(pairs),
			 .table = with_table ? IT(table) : NULL,
			 .proj = IT(proj),
			 .scale = IT(scale),
			 .smeared = with_smear ? IT(smeared) : NULL,
			 .gate = IT(gate),
			 .lambda = IT(lambda),
			 .e = IT(e),
			 .x0 = IT(x0) });
		     const struct ops_context_grad g = ((struct ops_context_grad){ .dx0 = IT(dx0),
			 .de = IT(de),
			 .demb = IT(demb),
			 .dtable = IT(dtable),
			 .dproj = IT(dproj),
			 .dscale = IT(dscale),
			 .dgate = IT(dgate),
			 .dlambda = IT(dlambda) });
		     ops->context(ctx, all_rows(), &a); ops->context_grad(ctx, all_rows(), &a, &g));
		expect("e", e);
		expect("x0", x0);
		expect("de", de);
		expect("demb", demb);
		expect("dtable", dtable);
		expect("dproj", dproj);
		expect("dscale", dscale);
		expect("dgate", dgate);
		expect("dlambda", dlambda);
		share(dx0);
	}
}

static void
values(void)
{
	const size_t V = now.s->V, K = now.s->K, W = now.s->C < 32 ? now.s->C : 32, KD = now.KD;
	struct twin *ids = make_ids(now.N, V), *table = make(OPS_VECTOR, V, KD, 0, 1),
		    *raw = make(OPS_ACT, now.N, KD, 0, 1);
	struct twin *gate = make(OPS_VECTOR, K, W, 0, 0.3f), *cut = make(OPS_STAT, now.N, W, 0, 1);
	struct twin *mix = make(OPS_VECTOR, 1, 2, 0.6f, 0.2f), *first = make(OPS_ACT, now.N, KD, 0, 1);
	struct twin *v = make(OPS_ACT, now.N, KD, 0, 1), *dv = make(OPS_ACT, now.N, KD, 0, 1);
	struct twin *own = make(OPS_STREAM, now.N, KD, 0, 1), *later = make(OPS_STREAM, now.N, KD, 0, 1);
	struct twin *dfirst = make(OPS_STREAM, now.N, KD, 0, 1), *dtable = make(OPS_VECTOR, V, KD, 0, 1);
	struct twin *dgate = make(OPS_VECTOR, K, W, 5, 1), *dcut = make(OPS_STAT, now.N, W, 0, 1);
	struct twin *dmix = make(OPS_VECTOR, 1, 2, 20, 1);

	for (int way = 0; way < 4; way++) {
		const int with_table = way & 1, with_mix = way & 2;

		BOTH(const struct ops_values a = ((struct ops_values){ .raw = IT(raw),
			 .ids = IT(ids),
			 .table = with_table ? IT(table) : NULL,
			 .gate = IT(gate),
			 .cut = IT(cut),
			 .mix = with_mix ? IT(mix) : NULL,
			 .first = IT(first),
			 .v = IT(v) });
		     const struct ops_values_grad d = ((struct ops_values_grad){ .dv = IT(dv),
			 .own = way != 1 ? IT(own) : NULL,
			 .later = way != 2 ? IT(later) : NULL,
			 .dfirst = IT(dfirst),
			 .dtable = IT(dtable),
			 .dgate = IT(dgate),
			 .dcut = IT(dcut),
			 .dmix = IT(dmix) });
		     ops->values(ctx, all_rows(), &a); ops->values_grad(ctx, all_rows(), &a, &d));
		expect("v", v);
		expect("dv", dv);
		expect("dfirst", dfirst);
		expect("dtable", dtable);
		expect("dgate", dgate);
		expect("dcut", dcut);
		expect("dmix", dmix);
		share(dv);
	}
}

static void
output(void)
{
	const size_t C = now.s->C, H = now.s->H, W = C < 12 ? C : 12, KD = now.KD;
	struct twin *y = make(OPS_ACT, now.N, C, 0, 1), *v = make(OPS_ACT, now.N, KD, 0, 1);
	struct twin *gate = make(OPS_VECTOR, H, W, 0, 0.5f), *cut = make(OPS_STAT, now.N, W, 0, 1);
	struct twin *out = make(OPS_ACT, now.N, C, 0, 1), *dv = make(OPS_STREAM, now.N, KD, 0, 1);
	struct twin *dgate = make(OPS_VECTOR, H, W, 5, 1), *dcut = make(OPS_STAT, now.N, W, 0, 1);

	for (int way = 1; way < 4; way++) {
		const int with_v = way & 1, with_gate = way & 2;
		/* Each way's own: what comes back has nothing along v any more, and would hide half of the next. */
		struct twin *dy = make(OPS_ACT, now.N, C, 0, 1);

		BOTH(const struct ops_output a = ((struct ops_output){ .y = IT(y),
			 .v = with_v ? IT(v) : NULL,
			 .gate = with_gate ? IT(gate) : NULL,
			 .cut = IT(cut),
			 .out = IT(out) });
		     const struct ops_output_grad d = ((struct ops_output_grad){ .dy = IT(dy),
			 .dv = with_v ? IT(dv) : NULL,
			 .dgate = IT(dgate),
			 .dcut = IT(dcut) });
		     ops->output(ctx, all_rows(), &a); ops->output_grad(ctx, all_rows(), &a, &d));
		expect("out", out);
		expect("dy", dy);
		expect("dv", dv);
		expect("dgate", dgate);
		expect("dcut", dcut);
	}
}

static void
skip(void)
{
	for (int with_gates = 1; with_gates >= 0; with_gates--) {
		struct twin *x = stream(), *kept = stream(), *out = stream(), *dx = stream(), *dskip = stream();
		struct twin *w = make(OPS_VECTOR, 3, now.s->C, 1, 0.3f);
		struct twin *gates = make(OPS_VECTOR, 3, now.s->C, 0, 1), *dw = make(OPS_VECTOR, 3, now.s->C, 0, 1);
		struct twin *dgates = make(OPS_VECTOR, 3, now.s->C, 0, 1);

		BOTH(const struct ops_skip a = ((struct ops_skip){ .x = IT(x),
			 .skip = IT(kept),
			 .w = IT(w),
			 .gates = with_gates ? IT(gates) : NULL,
			 .skip_row = 1,
			 .out = IT(out) });
		     const struct ops_skip_grad d = ((struct ops_skip_grad){ .dx = IT(dx),
			 .dskip = IT(dskip),
			 .dw = IT(dw),
			 .dgates = with_gates ? IT(dgates) : NULL });
		     ops->skip(ctx, all_rows(), &a); ops->skip_grad(ctx, all_rows(), &a, &d));
		expect("out", out);
		expect("dx", dx);
		expect("dskip", dskip);
		expect("dw", dw);
		expect("dgates", dgates);
	}
}

/* Lanes that part, lanes on their way, in place, and the mean of the last ones. */
static void
lanes(void)
{
	for (int way = 0; way < 4; way++) {
		const int is_one = way == 0, in_place = way == 2, is_last = way == 3;
		struct twin *a = stream(), *b = is_one ? a : stream(), *att = stream(), *x2 = stream();
		struct twin *a1 = in_place ? a : stream(), *b1 = in_place ? b : stream();
		struct twin *keep = make(OPS_VECTOR, 1, 2, 1, 0.3f), *adds = make(OPS_VECTOR, 2, 2, 1, 0.5f);

		BOTH(const struct ops_lanes l = ((struct ops_lanes){ .a = IT(a),
			 .b = IT(b),
			 .att = IT(att),
			 .x2 = IT(x2),
			 .keep = IT(keep),
			 .add = IT(adds),
			 .a1 = IT(a1),
			 .b1 = is_last ? NULL : IT(b1) });
		     ops->lanes(ctx, all_rows(), &l));
		expect("a1", a1);
		expect("b1", b1);
	}
}

static void
lanes_grad(void)
{
	for (int way = 0; way < 3; way++) {
		struct twin *a = stream(), *b = way == 0 ? a : stream(), *att = stream(), *x2 = stream();
		struct twin *keep = make(OPS_VECTOR, 1, 2, 1, 0.3f), *adds = make(OPS_VECTOR, 2, 2, 1, 0.5f);
		struct twin *da = stream(), *db = stream(), *datt = stream(), *dmlp = stream();
		struct twin *dkeep = make(OPS_VECTOR, 1, 2, 0, 1), *dadd = make(OPS_VECTOR, 2, 2, 0, 1);

		BOTH(const struct ops_lanes l = ((struct ops_lanes){ .a = IT(a),
			 .b = IT(b),
			 .att = IT(att),
			 .x2 = IT(x2),
			 .keep = IT(keep),
			 .add = IT(adds),
			 .b1 = way == 2 ? NULL : IT(x2) });
		     const struct ops_lanes_grad d = ((struct ops_lanes_grad){ .da = IT(da),
			 .db = IT(db),
			 .datt = IT(datt),
			 .dmlp = IT(dmlp),
			 .dkeep = IT(dkeep),
			 .dadd = IT(dadd) });
		     ops->lanes_grad(ctx, all_rows(), &l, &d));
		expect("da", da);
		expect("db", db);
		expect("datt", datt);
		expect("dmlp", dmlp);
		expect("dkeep", dkeep);
		expect("dadd", dadd);
	}
}

/* A NaN in a weight reaches the losses.  No update follows such a loss: last, for the context is not what it was. */
static void
nan_travels(void)
{
	const size_t C = now.s->C, F = now.s->F, V = now.s->V;
	struct twin *x1 = stream(), *wfc = make(OPS_WEIGHT, F, C, 0, 0.2f), *wproj = make(OPS_WEIGHT, C, F, 0, 0.2f);
	struct twin *scale = make(OPS_VECTOR, 1, C, 0.5f, 0.5f), *r = make(OPS_ACT, now.N, F, 0, 1), *x2 = stream();
	struct twin *w = make(OPS_WEIGHT, V, C, 0, 0.3f), *targets = make_ids(now.N, V);
	struct twin *nats = make(OPS_STAT, now.N, 1, 0, 1), *dx = stream(), *dw = make(OPS_VECTOR, V, C, 0, 0.1f);
	const float bad = NAN;

	for (int training = 1; training >= 0; training--) {
		float loss[2] = { NAN, NAN };

		BOTH(const struct ops_mlp m = ((struct ops_mlp){ .x1 = IT(x1),
			 .wfc = IT(wfc),
			 .wproj = IT(wproj),
			 .scale = IT(scale),
			 .r = IT(r),
			 .x2 = IT(x2),
			 .norm_scale = 1 });
		     const struct ops_head h = ((struct ops_head){ .x = IT(x2),
			 .w = IT(w),
			 .targets = IT(targets),
			 .nats = IT(nats),
			 .dx = training ? IT(dx) : NULL,
			 .dw = training ? IT(dw) : NULL,
			 .grad_scale = 0.1f });
		     ops->upload(ctx, IT(wfc), 1, &bad, 1); ops->mlp(ctx, all_rows(), &m);
		     ops->head(ctx, all_rows(), &h); ops->download(ctx, IT(nats), now.N - 1, &loss[side], 1));
		expect_number("losses that are numbers", !isnan(loss[REF]) + !isnan(loss[OURS]), 0);
	}
}

#define ENTRY(name) offsetof(struct ops, name)

static const char SUMS[] = "float32: sums of a few hundred terms in another order are off by 1e-6, 1e-12 squared, and "
			   "some cancel; bf16: operands rounded to 8 bits, 0.4 percent, give 1e-5 squared";
static const char EACH[] = "element by element in float32, in either arithmetic";
static const char NEWTON[] = "fifteen rounded products one after the other, each step of which enlarges what rounding "
			     "left in small singular values";

/* In this order, which no row but the last depends on. */
static const struct row rows[] = {
	{ "embed", ENTRY(embed), embed, 1e-10, 2e-4, SUMS },
	{ "embed_grad", ENTRY(embed_grad), embed_grad, 1e-10, 2e-4, SUMS },
	{ "qkv", ENTRY(qkv), qkv, 1e-10, 2e-4, SUMS },
	{ "qkv_grad", ENTRY(qkv_grad), qkv_grad, 1e-10, 2e-4, SUMS },
	{ "attention", ENTRY(attention), attention, 1e-10, 2e-4, SUMS },
	{ "attention, strong gains", ENTRY(attention), attention_strong, 1e-7, 0,
	    "scores near a hundred have 1e-5 of error in their powers; bf16 would move them by whole nats" },
	{ "attention_grad", ENTRY(attention_grad), attention_grad, 1e-10, 2e-4, SUMS },
	{ "generation", ENTRY(attention), cached, 1e-10, 2e-4, SUMS },
	{ "proj", ENTRY(proj), proj, 1e-10, 2e-4, SUMS },
	{ "proj_grad", ENTRY(proj_grad), proj_grad, 1e-10, 2e-4, SUMS },
	{ "mlp", ENTRY(mlp), mlp, 1e-10, 2e-4, SUMS },
	{ "mlp_grad", ENTRY(mlp_grad), mlp_grad, 1e-10, 2e-4, SUMS },
	{ "leaky relu^2", ENTRY(mlp), mlp_leaky, 1e-10, 2e-4, SUMS },
	{ "swiglu", ENTRY(mlp), mlp_swiglu, 1e-10, 2e-4, SUMS },
	{ "gram", ENTRY(gram), gram, 1e-10, 2e-4, SUMS },
	{ "head", ENTRY(head), head, 1e-10, 2e-4, SUMS },
	{ "logits", ENTRY(logits), logits, 1e-10, 2e-4, SUMS },
	{ "head with a prior", ENTRY(head), head_prior, 1e-10, 2e-4, SUMS },
	{ "logits with a prior", ENTRY(logits), logits_prior, 1e-10, 2e-4, SUMS },
	{ "head of large logits", ENTRY(head), head_large, 1e-5, 0,
	    "logits of hundreds have 1e-5 of error in their powers, of which one row's small loss is left; bf16 would "
	    "move them by whole nats" },
	{ "add", ENTRY(add), add, 1e-10, 2e-4, SUMS },
	{ "sumsq", ENTRY(sumsq), sumsq, SUMSQ_ERROR, SUMSQ_ERROR, "as the backend says of its partial sums" },
	{ "zero", ENTRY(zero), zero, 1e-300, 1e-300, "nothing may be left" },
	{ "adam", ENTRY(adam), adam, 1e-10, 1e-10, EACH },
	{ "average", ENTRY(average), average, 1e-10, 1e-10, EACH },
	{ "logits after adam", ENTRY(adam), adam_logits, 1e-10, 2e-4, SUMS },
	{ "muon", ENTRY(muon), muon, 1e-8, 2e-3, NEWTON },
	{ "momentum of muon", ENTRY(muon), momentum, 1e-10, 1e-10, EACH },
	{ "muon of a power", ENTRY(muon), muon_powered, 1e-8, 2e-3, NEWTON },
	{ "momentum of a power", ENTRY(muon), momentum_powered, 1e-10, 1e-10, EACH },
	{ "muon of normed rows, which decays", ENTRY(muon), muon_rows, 1e-8, 2e-3, NEWTON },
	{ "muon of neurons, which decays cautiously", ENTRY(muon), muon_neurons, 1e-7, 1e-2, NEWTON },
	{ "muon with Polar Express", ENTRY(muon), muon_polar, 1e-7, 5e-3, NEWTON },
	{ "muon on Gram matrices", ENTRY(muon), muon_by_twos, 1e-8, 2e-3, NEWTON },
	{ "muon scaled once more", ENTRY(muon), muon_schatten, 1e-8, 2e-3, NEWTON },
	{ "muon of three minimax steps on Gram matrices", ENTRY(muon), muon_minimax3, 1e-7, 5e-3, NEWTON },
	{ "muon of four, scaled once more", ENTRY(muon), muon_minimax4, 1e-7, 5e-3, NEWTON },
	{ "muon of five minimax steps", ENTRY(muon), muon_minimax5, 1e-7, 5e-3, NEWTON },
	{ "context", ENTRY(context), context, 1e-9, 4e-4, SUMS },
	{ "context_grad", ENTRY(context_grad), context, 1e-9, 4e-4, SUMS },
	{ "values", ENTRY(values), values, 1e-9, 4e-4, SUMS },
	{ "values_grad", ENTRY(values_grad), values, 1e-9, 4e-4, SUMS },
	{ "output", ENTRY(output), output, 1e-9, 4e-4, SUMS },
	{ "output_grad", ENTRY(output_grad), output, 1e-9, 4e-4, SUMS },
	{ "skip", ENTRY(skip), skip, 1e-10, 1e-10, EACH },
	{ "skip_grad", ENTRY(skip_grad), skip, 1e-10, 1e-10, EACH },
	{ "lanes", ENTRY(lanes), lanes, 1e-10, 1e-10, EACH },
	{ "lanes_grad", ENTRY(lanes_grad), lanes_grad, 1e-10, 1e-10, EACH },
	{ "NaN", ENTRY(head), nan_travels, 1e-300, 1e-300, "a NaN stays one" },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

_Static_assert(ROWS <= sizeof(kept[0]) / sizeof(kept[0][0]), "what is kept has a place for each row");

/* Every operation, from embed to the last, has a row; the size of an entry tells where each stands. */
static void
all_have_rows(void)
{
	unsigned missing = 0;

	for (size_t entry = ENTRY(embed); entry < sizeof(struct ops); entry += sizeof(void (*)(void))) {
		int found = 0;

		for (size_t i = 0; i < ROWS; i++)
			found |= rows[i].entry == entry;
		if (!found)
			printf("# entry %zu of struct ops has no row\n", entry / sizeof(void (*)(void)));
		missing += !found;
	}
	tap_ok(missing == 0, "every operation has a row");
}

/* A backend may lack a lever, which optimizer_open then refuses by the name that it says it lacks. */
static int
is_lacked(const struct row *row)
{
	static const struct {
		void (*call)(void);
		const char *key;
	} levers[] = {
		{ muon_by_twos, "muon_form" },
		{ muon_schatten, "muon_scale" },
		{ muon_minimax3, "muon_form" },
		{ muon_minimax4, "muon_scale" },
	};

	for (const char *const *key = now.ops[OURS]->lacks; key != NULL && *key != NULL; key++)
		for (size_t i = 0; i < sizeof(levers) / sizeof(levers[0]); i++)
			if (row->call == levers[i].call && strcmp(*key, levers[i].key) == 0)
				return (1);
	return (0);
}

/* Both backends, or 0 with errno. */
static int
open_both(const struct shape *s, const char *isa, unsigned threads)
{
	struct ops_open_args args = {
		.geometry = {
			.vocab_size = s->V, .model_dim = s->C, .num_heads = s->H, .num_kv_heads = s->K, .mlp_dim = s->F,
			.mlp_gated = 1, .bigram_dim = BIGRAM_DIM,
			.max_rows = s->B * s->T, .max_positions = s->T, .rope_base = 10000, .logit_softcap = s->softcap,
			    .norm_eps = 1.2e-7,
		},
		.arith = now.arith, .isa = isa, .threads = threads, .training = 1, .numerics = now.numerics,
	};

	now.s = s;
	now.N = s->B * s->T;
	now.D = s->C / s->H;
	now.KD = s->K * now.D;
	now.ops[REF] = ops_find("ref");
	now.ops[OURS] = ops_find(BACKEND);
	errno = 0;
	if ((now.ctx[OURS] = now.ops[OURS]->open(&args)) == NULL)
		return (0);
	args.arith = OPS_FP32;
	args.isa = "auto";
	if ((now.ctx[REF] = now.ops[REF]->open(&args)) == NULL)
		now.ops[OURS]->close(now.ctx[OURS]);
	return (now.ctx[REF] != NULL);
}

static void
close_both(void)
{
	for (int side = 0; side < 2; side++)
		now.ops[side]->close(now.ctx[side]);
}

/* What must change no bit. */
static const struct order {
	const char *name;
	unsigned threads;
	int emulated;
} orders[] = {
#ifdef HG_EMU
	{ "the first thread first", 1, EMU_FORWARD },
	{ "the last thread first", 1, EMU_REVERSE },
	{ "threads in random order", 1, EMU_RANDOM },
#else
	{ "one thread", 1, 0 },
	{ "three threads", 3, 0 },
#endif
};

#define ORDERS (sizeof(orders) / sizeof(orders[0]))

/* The row that is set, at the shape that is open. */
static void
run_row(struct kept *k)
{
	now.kept = k;
	now.known = k->bytes > 0;
	now.read = 0;
	now.given = 0;
	now.row->call();
	release();
	if (!now.known)
		k->given = now.given;
	if (k->given != now.given || (now.known && now.read != k->bytes))
		tap_ok(0, "%s (%s, %s, %s): given what the reference was given", now.row->name, now.s->what, now.order,
		    arith_name());
	now.known = 0;
}

/* The other arithmetic gives it other numbers. */
static void
forget(void)
{
	for (size_t i = 0; i < SHAPES; i++)
		for (size_t r = 0; r < ROWS; r++) {
			free(kept[i][r].said);
			kept[i][r] = (struct kept){ 0 };
		}
}

/* Every row at the shapes from ${first} up to ${end}; the digest of all results. */
static uint64_t
run_shapes(const char *isa, const struct order *order, size_t first, size_t end)
{
	now.hash = 14695981039346656037u;
	now.order = order->name;
#ifdef HG_EMU
	emu_set_order((enum emu_order)order->emulated, first + 7);
#endif
	for (size_t i = first; i < end; i++) {
		if (!open_both(&shapes[i], isa, order->threads)) {
			tap_ok(0, "both backends open for %s", shapes[i].what);
			continue;
		}
		for (size_t r = 0; r < ROWS; r++) {
			now.row = &rows[r];
			/* Each draws numbers of its own, whatever rows stand before it. */
			rng_seed(&now.rng, 40 + now.arith, hash_text(rows[r].name) + i);
			if (allowed(now.row) > 0 && !is_lacked(now.row) &&
			    (now.numerics < 2 || now.row->entry == ENTRY(head)))
				run_row(&kept[i][r]);
		}
		close_both();
	}
	return (now.hash);
}

/* All of one instruction set in one arithmetic.  What this machine lacks is skipped; a refused self-test fails. */
static void
variant(const char *isa)
{
	const int failed = tap_failed, open = open_both(&shapes[SHAPES - 1], isa, 1);
	uint64_t first;
	int itself;

	if (!open && errno == ENODEV) {
		tap_ok(1, "%s %s # SKIP this machine cannot run it", isa, arith_name());
		return;
	}
	if (!tap_ok(open, "%s %s opens", isa, arith_name()))
		return;
	itself = strcmp(now.ops[OURS]->isa(now.ctx[OURS]), isa) == 0;
	close_both();
	/* A variant whose float32 is another's is compared there. */
	if (!itself)
		return;
	now.compared = 0;
#ifndef HG_EMU
	run_shapes(isa, &orders[ORDERS - 1], 0, LARGE);
#endif
	first = run_shapes(isa, &orders[0], LARGE, SHAPES);
	tap_ok(tap_failed == failed, "%s %s: every operation agrees with the reference, %u results", isa, arith_name(),
	    now.compared);
	for (size_t i = 1; i < ORDERS; i++)
		tap_ok(run_shapes(isa, &orders[i], LARGE, SHAPES) == first, "%s %s: %s, the same bits", isa,
		    arith_name(), orders[i].name);
#ifdef HG_EMU
	tap_ok(emu_count().damaged == 0 && emu_count().live_bytes == 0, "no memory is left behind or overwritten");
#endif
}

#ifdef HG_EMU
/* For mutate.sh: shape by shape in all orders, until something is wrong. */
static int
first_fault(void)
{
	now.arith = OPS_FP32;
	for (size_t i = SHAPES; i-- > LARGE && tap_failed == 0;) {
		const uint64_t first = run_shapes("auto", &orders[0], i, i + 1);

		for (size_t o = 1; o < ORDERS; o++)
			if (run_shapes("auto", &orders[o], i, i + 1) != first && tap_failed == 0)
				tap_ok(0, "the order of threads changes nothing (%s)", shapes[i].what);
	}
	return (tap_failed > 0 || emu_count().damaged > 0);
}
#endif

int
main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	say_init("ops");
#ifdef HG_EMU
	if (argc == 2 && strcmp(argv[1], "-1") == 0)
		return (first_fault());
#endif
	all_have_rows();
	for (int arith = 0; arith < 2; arith++) {
		now.arith = (enum ops_arith)arith;
		for (now.numerics = 1; now.numerics <= 2; now.numerics++)
			for (const char *const *isa = ops_find(BACKEND)->isa_names; *isa != NULL; isa++)
				variant(*isa);
		forget();
	}
	return (tap_done());
}
