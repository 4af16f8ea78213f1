/*
 * The cpu backend against the reference, operation by operation, for every
 * variant that runs here, at sizes that are no multiple of anything.  Prints
 * TAP.
 *
 * Errors are normalised squared errors, |a - b|^2 / |b|^2; a NaN fails.
 * Tolerances: float32 sums in another order differ by some 1e-7 of their
 * terms, squared 1e-13; products of bfloat16 by 2^-9, squared 4e-6, and
 * gradients pass through several of them.  Rows behind those that an operation
 * may write hold a sentinel that must survive.
 */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpt/model.h"
#include "gpt/trainspec.h"
#include "gpt/ops.h"
#include "gpt/optimizer.h"
#include "base/rng.h"
#include "gpt/cpu/selftest.h"
#include "base/say.h"
#include "t/unit/tap.h"

#define GUARD_ROWS 2
#define SENTINEL 1232.0f /* exact in bfloat16 */

static const struct ops *const ref = &ops_ref;
static const struct ops *const cpu = &ops_cpu;

static struct ops_ctx *rc, *cc; /* reference and candidate */
static struct ops_geometry g;
static size_t B, T, N, D, KD;
static enum ops_arith arith;
static char what[160]; /* isa, arithmetic and shape, for messages */
static struct rng rng;

/* A buffer in both backends, with guard rows. */
struct pair {
	struct ops_buf *r, *c;
	size_t rows, cols, guards;
};

static struct pair pairs[64];
static size_t pair_count;

static float *
host(size_t n)
{
	float *f = calloc(n + 1, sizeof(*f));

	if (f == NULL)
		abort();
	return (f);
}

static float
random_float(void)
{
	return ((float)rng_uniform(&rng) * 2 - 1);
}

/* Same content on both sides, as the candidate's element type rounds it. */
static void
put(struct pair *p, size_t row, size_t rows, float *values)
{
	const size_t at = row * p->cols, n = rows * p->cols;

	cpu->upload(cc, p->c, at, values, n);
	cpu->download(cc, p->c, at, values, n);
	ref->upload(rc, p->r, at, values, n);
}

static void
fill(struct pair *p, float scale, float centre)
{
	float *f = host(p->rows * p->cols);

	for (size_t i = 0; i < p->rows * p->cols; i++)
		f[i] = centre + scale * random_float();
	put(p, 0, p->rows, f);
	free(f);
}

static struct pair *
make(enum ops_role role, size_t rows, size_t cols)
{
	struct pair *p = &pairs[pair_count++];
	const size_t guards = role == OPS_WEIGHT || role == OPS_VECTOR || role == OPS_IDS ? 0 : GUARD_ROWS;
	float *f = host(guards * cols);

	*p = (struct pair){
		ref->alloc(rc, role, rows + guards, cols),
		cpu->alloc(cc, role, rows + guards, cols),
		rows,
		cols,
		guards,
	};
	if (pair_count == sizeof(pairs) / sizeof(pairs[0]) || p->r == NULL || p->c == NULL)
		abort();
	for (size_t i = 0; i < guards * cols; i++)
		f[i] = SENTINEL;
	put(p, rows, guards, f);
	free(f);
	return (p);
}

static struct pair *
random_of(enum ops_role role, size_t rows, size_t cols, float scale, float centre)
{
	struct pair *p = make(role, rows, cols);

	fill(p, scale, centre);
	return (p);
}

static struct pair *
random_ids(size_t n)
{
	struct pair *p = make(OPS_IDS, n, 1);
	int32_t *ids = calloc(n, sizeof(*ids));

	for (size_t i = 0; i < n; i++)
		ids[i] = (int32_t)rng_below(&rng, g.vocab_size);
	cpu->upload(cc, p->c, 0, ids, n);
	ref->upload(rc, p->r, 0, ids, n);
	free(ids);
	return (p);
}

/*
 * Compare, then give the candidate the reference's content, so that errors do
 * not travel.  Only failures are printed: there are thousands of comparisons.
 */
static unsigned compared, failed;

static void
same_within(const char *name, struct pair *p, double tolerance)
{
	const size_t n = p->rows * p->cols, guards = p->guards * p->cols;
	float *a = host(n + guards), *b = host(n);
	double error = 0, size = 0;
	int guarded = 1;

	cpu->download(cc, p->c, 0, a, n + guards);
	ref->download(rc, p->r, 0, b, n);
	for (size_t i = 0; i < n; i++) {
		error += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
		size += (double)b[i] * b[i];
	}
	for (size_t i = n; i < n + guards; i++)
		guarded &= a[i] == SENTINEL;
	error = size > 0 ? error / size : error;
	compared++;
	if (!(error <= tolerance) || !guarded) {
		failed++;
		printf("# %s: %s: error %.3g (allowed %.3g)%s\n", what, name, error, tolerance,
		    guarded ? "" : ", and it wrote behind its rows");
	}
	put(p, 0, p->rows, b);
	free(a);
	free(b);
}

static void
same(const char *name, struct pair *p)
{
	same_within(name, p, arith == OPS_BF16 ? 2e-4 : 1e-10);
}

static struct pair *ids, *targets, *emb, *x0, *x, *skip, *skip_w, *mix, *wq, *wk, *wv, *xm, *q, *k, *v, *rq, *rk, *gain;
static struct pair *y, *lse, *wo, *scale, *x1, *wfc, *wproj, *r, *x2, *nats, *logits;

static void
make_inputs(void)
{
	const size_t C = g.model_dim, F = g.mlp_dim, V = g.vocab_size, H = g.num_heads, K = g.num_kv_heads;
	const float w = 1.0f / sqrtf((float)C);

	pair_count = 0;
	ids = random_ids(N);
	targets = random_ids(N);
	emb = random_of(OPS_WEIGHT, V, C, 1, 0);
	x0 = make(OPS_STREAM, N, C);
	x = random_of(OPS_STREAM, N, C, 1, 0);
	skip = random_of(OPS_STREAM, N, C, 1, 0);
	skip_w = random_of(OPS_VECTOR, 3, C, 0.5f, 1);
	mix = random_of(OPS_VECTOR, 2, C, 0.5f, 0.5f);
	wq = random_of(OPS_WEIGHT, C, C, w, 0);
	wk = random_of(OPS_WEIGHT, KD, C, w, 0);
	wv = random_of(OPS_WEIGHT, KD, C, w, 0);
	xm = make(OPS_STREAM, N, C);
	q = make(OPS_ACT, N, C);
	k = make(OPS_ACT, N, KD);
	v = make(OPS_ACT, N, KD);
	rq = make(OPS_STAT, N, H);
	rk = make(OPS_STAT, N, K);
	gain = random_of(OPS_VECTOR, 1, H, 0.5f, 1.5f);
	y = make(OPS_ACT, N, C);
	lse = make(OPS_STAT, N, H);
	wo = random_of(OPS_WEIGHT, C, C, w, 0);
	scale = random_of(OPS_VECTOR, 1, C, 0.5f, 1);
	x1 = make(OPS_STREAM, N, C);
	wfc = random_of(OPS_WEIGHT, F, C, w, 0);
	wproj = random_of(OPS_WEIGHT, C, F, w, 0);
	r = make(OPS_ACT, N, F);
	x2 = make(OPS_STREAM, N, C);
	nats = make(OPS_STAT, N + 5, 1);
	logits = make(OPS_STAT, 3, V);
}

static struct ops_qkv
qkv_args(int candidate, int with_skip)
{
#define SIDE(p) (candidate ? (p)->c : (p)->r)
	return ((struct ops_qkv){
	    .x = SIDE(x),
	    .skip = with_skip ? SIDE(skip) : NULL,
	    .skip_w = with_skip ? SIDE(skip_w) : NULL,
	    .skip_row = with_skip ? 2 : 0,
	    .x0 = SIDE(x0),
	    .mix = SIDE(mix),
	    .wq = SIDE(wq),
	    .wk = SIDE(wk),
	    .wv = SIDE(wv),
	    .xm = SIDE(xm),
	    .q = SIDE(q),
	    .k = SIDE(k),
	    .v = SIDE(v),
	    .rq = SIDE(rq),
	    .rk = SIDE(rk),
	});
}

static struct ops_attention
attention_args(int candidate)
{
	return ((struct ops_attention){ SIDE(q), SIDE(k), SIDE(v), SIDE(gain), SIDE(y), SIDE(lse) });
}

static struct ops_proj
proj_args(int candidate)
{
	return ((struct ops_proj){ SIDE(xm), SIDE(y), SIDE(wo), SIDE(scale), SIDE(x1) });
}

static struct ops_mlp
mlp_args(int candidate)
{
	return ((struct ops_mlp){ SIDE(x1), SIDE(wfc), SIDE(wproj), SIDE(scale), SIDE(r), SIDE(x2) });
}

static void
forward(struct ops_rows rows)
{
	for (int with_skip = 0; with_skip < 2; with_skip++) {
		const struct ops_qkv qr = qkv_args(0, with_skip), qc = qkv_args(1, with_skip);

		ref->embed(rc, rows, x0->r, ids->r, emb->r);
		cpu->embed(cc, rows, x0->c, ids->c, emb->c);
		same("x0", x0);
		ref->qkv(rc, rows, &qr);
		cpu->qkv(cc, rows, &qc);
		same("xm", xm);
		same("q", q);
		same("k", k);
		same("v", v);
		same("rq", rq);
		same("rk", rk);
	}
	{
		const struct ops_attention ar = attention_args(0), ac = attention_args(1);
		const struct ops_proj pr = proj_args(0), pc = proj_args(1);
		const struct ops_mlp mr = mlp_args(0), mc = mlp_args(1);

		ref->attention(rc, rows, &ar);
		cpu->attention(cc, rows, &ac);
		same("y", y);
		same("lse", lse);
		ref->proj(rc, rows, &pr);
		cpu->proj(cc, rows, &pc);
		same("x1", x1);
		ref->mlp(rc, rows, &mr);
		cpu->mlp(cc, rows, &mc);
		same("r", r);
		same("x2", x2);
	}
}

/*
 * Scores so large that most of a row's powers vanish beside its best: then the kernels must look for the best first.
 * bfloat16 queries and keys would move such scores by whole nats, hence float32 only.
 */
static void
strong_gains(struct ops_rows rows)
{
	struct pair *usual = gain;

	if (arith == OPS_BF16)
		return;
	gain = random_of(OPS_VECTOR, 1, g.num_heads, 5, 40);
	{
		const struct ops_attention ar = attention_args(0), ac = attention_args(1);

		ref->attention(rc, rows, &ar);
		cpu->attention(cc, rows, &ac);
		same_within("y, strong gains", y, 1e-7);
		same("lse, strong gains", lse);
	}
	gain = usual;
}

static void
head(struct ops_rows rows)
{
	const size_t C = g.model_dim, V = g.vocab_size;
	struct pair *dx = random_of(OPS_STREAM, N, C, 1, 0), *dw = random_of(OPS_VECTOR, V, C, 0.01f, 0);

	for (int training = 0; training < 2; training++) {
		const float scale_by = 0.125f;
		const struct ops_head hr = { x->r, emb->r, targets->r, nats->r, 5, training ? dx->r : NULL,
			training ? dw->r : NULL, scale_by };
		const struct ops_head hc = { x->c, emb->c, targets->c, nats->c, 5, training ? dx->c : NULL,
			training ? dw->c : NULL, scale_by };

		ref->head(rc, rows, &hr);
		cpu->head(cc, rows, &hc);
		same("nats", nats);
		same("head: dx", dx);
		same("head: dw", dw);
	}
	ref->logits(rc, logits->r, x->r, N > 3 ? N - 3 : 0, N < 3 ? N : 3, emb->r);
	cpu->logits(cc, logits->c, x->c, N > 3 ? N - 3 : 0, N < 3 ? N : 3, emb->c);
	same("logits", logits);
}

static void
backward(struct ops_rows rows)
{
	const size_t C = g.model_dim, F = g.mlp_dim, V = g.vocab_size, H = g.num_heads;
	struct pair *dx = random_of(OPS_STREAM, N, C, 1, 0), *dx0 = random_of(OPS_STREAM, N, C, 1, 0);
	struct pair *dskip = make(OPS_STREAM, N, C), *dy = make(OPS_ACT, N, C);
	struct pair *dq = make(OPS_ACT, N, C), *dk = make(OPS_ACT, N, KD), *dv = make(OPS_ACT, N, KD);
	struct pair *dwfc = random_of(OPS_VECTOR, F, C, 1, 0), *dwproj = random_of(OPS_VECTOR, C, F, 1, 0);
	struct pair *dwo = random_of(OPS_VECTOR, C, C, 1, 0), *dwq = random_of(OPS_VECTOR, C, C, 1, 0);
	struct pair *dwk = random_of(OPS_VECTOR, KD, C, 1, 0), *dwv = random_of(OPS_VECTOR, KD, C, 1, 0);
	struct pair *dscale = random_of(OPS_VECTOR, 1, C, 1, 0), *dgain = random_of(OPS_VECTOR, 1, H, 1, 0);
	struct pair *dmix = random_of(OPS_VECTOR, 2, C, 1, 0), *dskip_w = random_of(OPS_VECTOR, 3, C, 1, 0);
	struct pair *demb = random_of(OPS_VECTOR, V, C, 1, 0);
	const struct ops_mlp mr = mlp_args(0), mc = mlp_args(1);
	const struct ops_mlp_grad mgr = { dx->r, dx->r, dwfc->r, dwproj->r, dscale->r };
	const struct ops_mlp_grad mgc = { dx->c, dx->c, dwfc->c, dwproj->c, dscale->c };
	const struct ops_proj pr = proj_args(0), pc = proj_args(1);
	const struct ops_proj_grad pgr = { dx->r, dy->r, dwo->r, dscale->r }, pgc = { dx->c, dy->c, dwo->c, dscale->c };
	const struct ops_attention ar = attention_args(0), ac = attention_args(1);
	const struct ops_attention_grad agr = { dy->r, dq->r, dk->r, dv->r, dgain->r };
	const struct ops_attention_grad agc = { dy->c, dq->c, dk->c, dv->c, dgain->c };

	ref->mlp_grad(rc, rows, &mr, &mgr);
	cpu->mlp_grad(cc, rows, &mc, &mgc);
	same("mlp: dx1", dx);
	same("dwfc", dwfc);
	same("dwproj", dwproj);
	same("mlp: dscale", dscale);
	ref->proj_grad(rc, rows, &pr, &pgr);
	cpu->proj_grad(cc, rows, &pc, &pgc);
	same("dy", dy);
	same("dwo", dwo);
	same("attn: dscale", dscale);
	ref->attention_grad(rc, rows, &ar, &agr);
	cpu->attention_grad(cc, rows, &ac, &agc);
	/* The first query's gradient is exactly 0: it sees one key. Elsewhere dS is a difference of close numbers. */
	same_within("dq", dq, arith == OPS_BF16 ? 2e-3 : 1e-9);
	same_within("dk", dk, arith == OPS_BF16 ? 2e-3 : 1e-9);
	same("dv", dv);
	same_within("dgain", dgain, arith == OPS_BF16 ? 2e-3 : 1e-9);
	for (int with_skip = 0; with_skip < 2; with_skip++) {
		const struct ops_qkv qr = qkv_args(0, with_skip), qc = qkv_args(1, with_skip);
		const struct ops_qkv_grad gr = { dx->r, dq->r, dk->r, dv->r, dx->r, with_skip ? dskip->r : NULL, dx0->r,
			with_skip ? dskip_w->r : NULL, dmix->r, dwq->r, dwk->r, dwv->r };
		const struct ops_qkv_grad gc = { dx->c, dq->c, dk->c, dv->c, dx->c, with_skip ? dskip->c : NULL, dx0->c,
			with_skip ? dskip_w->c : NULL, dmix->c, dwq->c, dwk->c, dwv->c };

		fill(dq, 1, 0);
		fill(dk, 1, 0);
		fill(dv, 1, 0);
		ref->qkv_grad(rc, rows, &qr, &gr);
		cpu->qkv_grad(cc, rows, &qc, &gc);
		same("dx", dx);
		same("dskip", dskip);
		same("dx0", dx0);
		same("dskip_w", dskip_w);
		same("dmix", dmix);
		same("dwq", dwq);
		same("dwk", dwk);
		same("dwv", dwv);
	}
	ref->add(rc, rows, dx0->r, dx->r);
	cpu->add(cc, rows, dx0->c, dx->c);
	same("sum", dx0);
	ref->embed_grad(rc, rows, demb->r, dx0->r, ids->r, emb->r);
	cpu->embed_grad(cc, rows, demb->c, dx0->c, ids->c, emb->c);
	same("demb", demb);
	{
		struct ops_buf *const zero_r[] = { dwq->r, dmix->r }, *const zero_c[] = { dwq->c, dmix->c };

		ref->zero(rc, zero_r, 2);
		cpu->zero(cc, zero_c, 2);
		same("zero", dwq);
		same("zero", dmix);
	}
}

static void
optimizers(void)
{
	const size_t C = g.model_dim, F = g.mlp_dim, V = g.vocab_size;
	struct pair *grads[] = { random_of(OPS_VECTOR, F, C, 1, 0), random_of(OPS_VECTOR, C, F, 1, 0),
		random_of(OPS_VECTOR, KD, C, 1, 0), random_of(OPS_VECTOR, V, C, 1, 0) };
	struct pair *states[] = { random_of(OPS_VECTOR, F, C, 1, 0), random_of(OPS_VECTOR, C, F, 1, 0),
		random_of(OPS_VECTOR, KD, C, 1, 0), random_of(OPS_VECTOR, V, C, 1, 0) };
	struct pair *second = random_of(OPS_VECTOR, V, C, 0.1f, 1), *weights[] = { wfc, wproj, wk, emb };
	struct ops_muon mr[3], mc[3];
	const struct ops_buf *bufs[2][4];
	size_t n[4];
	double squares[2];

	for (int i = 0; i < 4; i++) {
		bufs[0][i] = grads[i]->r;
		bufs[1][i] = grads[i]->c;
		n[i] = grads[i]->rows * grads[i]->cols;
	}
	squares[0] = ref->sumsq(rc, bufs[0], n, 4);
	squares[1] = cpu->sumsq(cc, bufs[1], n, 4);
	compared++;
	if (!(fabs(squares[0] - squares[1]) <= 1e-6 * squares[0])) {
		failed++;
		printf("# %s: sumsq %.9g, not %.9g\n", what, squares[1], squares[0]);
	}
	for (int nesterov = 0; nesterov < 2; nesterov++) {
		const struct ops_muon_law law = { 0.5f, 0.9f, nesterov, 5, 0.75f };

		for (int i = 0; i < 3; i++) {
			struct ops_muon *const m[] = { &mr[i], &mc[i] };

			for (int candidate = 0; candidate < 2; candidate++)
				*m[candidate] = (struct ops_muon){ SIDE(weights[i]), SIDE(grads[i]), SIDE(states[i]),
					weights[i]->rows, weights[i]->cols };
		}
		ref->muon(rc, mr, 3, &law);
		cpu->muon(cc, mc, 3, &law);
		for (int i = 0; i < 3; i++) {
			same_within("momentum", states[i], 1e-10);
			/* Five steps that each enlarge what rounding left in small singular values. */
			same_within("Muon", weights[i], arith == OPS_BF16 ? 2e-3 : 1e-7);
		}
	}
	for (uint64_t t = 1; t < 1000; t += 500) {
		const struct ops_adam_law law = { 0.9f, 0.95f, 1e-8f, t, 0.5f };
		const struct ops_adam ar = { emb->r, grads[3]->r, states[3]->r, second->r, n[3], 0.05f };
		const struct ops_adam ac = { emb->c, grads[3]->c, states[3]->c, second->c, n[3], 0.05f };

		ref->adam(rc, &ar, 1, &law);
		cpu->adam(cc, &ac, 1, &law);
		same_within("Adam", emb, 1e-10);
		same_within("Adam: m", states[3], 1e-10);
		same_within("Adam: v", second, 1e-10);
	}
}

/* What was written a few positions at a time is what one pass writes. */
static void
cache(void)
{
	struct pair *all_k = make(OPS_ACT, T, KD), *all_v = make(OPS_ACT, T, KD);
	const size_t cuts[] = { 0, 1, 2, T / 2 > 2 ? T / 2 : 3, T };

	for (size_t i = 0; i + 1 < sizeof(cuts) / sizeof(cuts[0]) && cuts[i + 1] <= T; i++) {
		const struct ops_rows rows = { 1, cuts[i + 1] - cuts[i], cuts[i] };

		for (int candidate = 0; candidate < 2; candidate++) {
			struct ops_qkv qa = qkv_args(candidate, 0);
			struct ops_attention aa = attention_args(candidate);

			qa.k = SIDE(all_k);
			qa.v = SIDE(all_v);
			qa.rq = NULL;
			qa.rk = NULL;
			aa.k = SIDE(all_k);
			aa.v = SIDE(all_v);
			aa.lse = NULL;
			if (candidate) {
				cpu->qkv(cc, rows, &qa);
				cpu->attention(cc, rows, &aa);
			} else {
				ref->qkv(rc, rows, &qa);
				ref->attention(rc, rows, &aa);
			}
		}
		same("cached k", all_k);
		same("cached v", all_v);
		same("cached q", q);
		same("y with a cache", y);
	}
}

/* A NaN in a weight reaches the losses. */
static void
nan_travels(struct ops_rows rows)
{
	const struct ops_mlp mc = mlp_args(1);
	const struct ops_head hc = { x2->c, emb->c, targets->c, nats->c, 5, NULL, NULL, 0 };
	float bad = NAN, loss;

	cpu->upload(cc, wfc->c, 1, &bad, 1);
	cpu->mlp(cc, rows, &mc);
	cpu->head(cc, rows, &hc);
	cpu->download(cc, nats->c, 5 + N - 1, &loss, 1);
	compared++;
	if (!isnan(loss)) {
		failed++;
		printf("# %s: a NaN weight gave loss %g\n", what, (double)loss);
	}
}

static void
operations(const char *isa, struct ops_geometry geometry, size_t sequences, size_t positions, unsigned threads)
{
	struct ops_open_args args = { .geometry = geometry,
		.arith = OPS_FP32,
		.isa = "auto",
		.threads = 1,
		.training = 1 };
	const struct ops_rows rows = { sequences, positions, 0 };

	g = geometry;
	B = sequences;
	T = positions;
	N = B * T;
	D = g.model_dim / g.num_heads;
	KD = D * g.num_kv_heads;
	args.geometry.max_rows = N;
	args.geometry.max_positions = T;
	rng_seed(&rng, 7, N);
	rc = ref->open(&args);
	args.arith = arith;
	args.isa = isa;
	args.threads = threads;
	cc = cpu->open(&args);
	if (rc == NULL || cc == NULL)
		abort();
	snprintf(what, sizeof(what), "%s %s, V %zu C %zu H %zu K %zu F %zu, %zu x %zu", isa,
	    arith == OPS_BF16 ? "bf16" : "fp32", g.vocab_size, g.model_dim, g.num_heads, g.num_kv_heads, g.mlp_dim, B,
	    T);
	make_inputs();
	forward(rows);
	head(rows);
	backward(rows);
	optimizers();
	strong_gains(rows);
	if (B == 1)
		cache();
	nan_travels(rows);
	for (size_t i = 0; i < pair_count; i++) {
		ref->free(rc, pairs[i].r);
		cpu->free(cc, pairs[i].c);
	}
	ref->close(rc);
	cpu->close(cc);
}

/* Odd widths, MQA, groups of three, one of everything, whole and broken blocks, several chunks. */
static const struct {
	size_t V, C, H, K, F, B, T;

} shapes[] = {
	{ 2, 2, 1, 1, 2, 1, 1 },
	{ 11, 24, 3, 1, 24, 2, 5 },
	{ 37, 36, 6, 2, 72, 3, 33 },
	{ 65, 64, 2, 2, 192, 1, 70 },
	{ 260, 80, 2, 1, 160, 2, 131 },
	{ 100, 264, 3, 3, 528, 1, 150 },
	{ 300, 96, 3, 1, 192, 9, 131 },
};

static struct ops_geometry
geometry_of(size_t i)
{
	return ((struct ops_geometry){
	    .vocab_size = shapes[i].V,
	    .model_dim = shapes[i].C,
	    .num_heads = shapes[i].H,
	    .num_kv_heads = shapes[i].K,
	    .mlp_dim = shapes[i].F,
	    .rope_base = 10000,
	    .logit_softcap = 30,
	    .norm_eps = 1.1920928955078125e-07,
	});
}

/* Two steps of training, into w. */
static void
train(const char *isa, unsigned threads, float *w, const struct config *config, const struct params *p)
{
	const struct model_args args = { .config = config,
		.use = MODEL_TRAIN,
		.backend = "cpu",
		.isa = isa,
		.arith = arith,
		.threads = threads,
		.max_batch = 3,
		.max_seq = 97,
		.max_passes = 2 };
	struct model *m = model_open(&args);
	struct optimizer *o = m != NULL ? optimizer_open(m) : NULL;
	struct optimizer_law law;
	int32_t tokens[3 * 97 + 1];

	if (o == NULL)
		abort();
	trainspec_law(&law);
	params_init(p, 5, w);
	model_set(m, w);
	rng_seed(&rng, 3, 0);
	for (size_t step = 0; step < 2; step++) {
		model_begin(m);
		for (size_t pass = 0; pass < 2; pass++) {
			const struct model_batch b = { tokens, tokens + 1, 3, 97 };

			for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
				tokens[i] = (int32_t)rng_below(&rng, config->vocab_size);
			model_grad(m, &b, pass, 1.0f / (2 * 3 * 97));
		}
		optimizer_step(o, &law, step, 1, 0);
		model_end(m);
	}
	model_get(m, w);
	optimizer_close(o);
	model_close(m);
}

static void
threads_agree(const char *isa)
{
	struct config config;
	struct params *p;
	float *one, *more;

	config_default(&config);
	config.vocab_size = 130;
	config.num_layers = 3;
	config.model_dim = 144;
	config.num_heads = 6;
	config.num_kv_heads = 2;
	p = params_new(&config);
	one = host(p->n);
	more = host(p->n);
	train(isa, 1, one, &config, p);
	for (unsigned threads = 1; threads <= 4; threads++) {
		train(isa, threads, more, &config, p);
		tap_ok(memcmp(one, more, p->n * sizeof(*one)) == 0,
		    "%s %s: two steps give the same bits with %u threads%s", isa, arith == OPS_BF16 ? "bf16" : "fp32",
		    threads, threads == 1 ? ", again" : "");
	}
	free(one);
	free(more);
	params_free(p);
}

/* Open as small as can be; NULL with open's errno. */
static struct ops_ctx *
try_open(const char *isa, enum ops_arith with)
{
	struct ops_open_args args = { .geometry = geometry_of(0), .arith = with, .isa = isa, .threads = 1 };

	args.geometry.max_rows = args.geometry.max_positions = 1;
	errno = 0;
	return (cpu->open(&args));
}

/* All of one variant in one arithmetic. Lacking instructions are skipped; a refused self-test is a failure. */
static void
variant(const char *isa, enum ops_arith with)
{
	const char *name = with == OPS_BF16 ? "bf16" : "fp32";
	struct ops_ctx *c = try_open(isa, with);
	const int itself = c != NULL && strcmp(cpu->isa(c), isa) == 0;

	if (c == NULL && errno == ENODEV) {
		tap_ok(1, "%s %s # SKIP this machine cannot run it", isa, name);
		return;
	}
	if (!tap_ok(c != NULL, "%s %s opens", isa, name))
		return;
	cpu->close(c);
	/* A variant whose float32 is another's is compared there. */
	if (!itself)
		return;
	arith = with;
	compared = failed = 0;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		operations(isa, geometry_of(i), shapes[i].B, shapes[i].T, 1 + (unsigned)i % 3);
	tap_ok(failed == 0, "%s %s: %u comparisons with the reference", isa, name, compared);
	threads_agree(isa);
}

static void
no_attention(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_attention *a)
{
	(void)ctx;
	(void)rows;
	(void)a;
}

/* A backend with one wrong operation does not get through the self-test; the same backend without it does. */
static void
selftest_refuses(void)
{
	const struct ops_open_args args = selftest_args(OPS_FP32);
	struct ops wrong = *ref;
	struct ops_ctx *c = ref->open(&args);

	tap_ok(c != NULL && selftest_run(ref, c, OPS_FP32) == 0, "the reference passes its own self-test");
	wrong.attention = no_attention;
	errno = 0;
	tap_ok(c != NULL && selftest_run(&wrong, c, OPS_FP32) == -1 && errno == EPROTO,
	    "a backend whose attention does nothing is refused with EPROTO");
	ref->close(c);
}

static void
bad_arguments(void)
{
	struct ops_open_args args = selftest_args(OPS_FP32);

	args.isa = "mmx";
	errno = 0;
	tap_ok(cpu->open(&args) == NULL && errno == ENODEV, "an isa that there is not gives ENODEV");
	args.isa = "auto";
	args.geometry.num_heads = 8;
	errno = 0;
	tap_ok(cpu->open(&args) == NULL && errno == EINVAL, "heads of an odd width give EINVAL");
}

int
main(void)
{
	say_init("ops_cpu");
	selftest_refuses();
	bad_arguments();
	for (const char *const *isa = cpu->isa_names; *isa != NULL; isa++) {
		variant(*isa, OPS_FP32);
		variant(*isa, OPS_BF16);
	}
	return (tap_done());
}
