/*
 * The case is smaller than any real model and larger than every vector, panel
 * and tile, with remainders everywhere, so that a processor, compiler or
 * emulator that gets one instruction wrong shows it before a run is wasted.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/say.h"
#include "gpt/cpu/selftest.h"

#define V 40
#define C 72
#define H 3
#define K 1
#define KD 24
#define F 144
#define B 2
#define T 37
#define N (B * T)

/* What is compared, one after the other in one array. */
static const struct {
	const char *name;
	size_t n;
	double fp32, bf16; /* normalised squared error allowed: some forty times what is seen */
} quantities[] = {
	{ "losses", N, 1e-12, 1e-5 },
	{ "embedding gradient", V *C, 1e-11, 3e-4 },
	{ "query gradient", C *C, 1e-10, 3e-3 },
	{ "key gradient", KD *C, 1e-10, 3e-3 },
	{ "value gradient", KD *C, 1e-10, 1e-3 },
	{ "MLP gradient", C *F, 1e-10, 1e-3 },
	{ "Muon update", KD *C, 1e-9, 1e-2 },
};

#define QUANTITIES (sizeof(quantities) / sizeof(quantities[0]))
#define TOTAL (N + V * C + C * C + 2 * KD * C + C * F + KD * C)

struct ops_open_args
selftest_args(enum ops_arith arith)
{
	return ((struct ops_open_args){
		.geometry = {
			.vocab_size = V, .model_dim = C, .num_heads = H, .num_kv_heads = K, .mlp_dim = F,
			.max_rows = N, .max_positions = T, .rope_base = 10000, .logit_softcap = 30, .norm_eps = 1e-7,
		},
		.arith = arith, .isa = "auto", .threads = 1, .training = 1,
	});
}

/* The buffers of one backend, for freeing. */
struct side {
	const struct ops *ops;
	struct ops_ctx *ctx;
	struct ops_buf *made[64];
	size_t count;
	int starved;
	uint32_t state; /* of the inputs' generator */
};

static struct ops_buf *
make(struct side *s, enum ops_role role, size_t rows, size_t cols)
{
	struct ops_buf *buf = s->ops->alloc(s->ctx, role, rows, cols);

	if (buf == NULL)
		s->starved = 1;
	else
		s->made[s->count++] = buf;
	return (buf);
}

/* The same numbers for every backend: centre +- spread, in 4096 steps. */
static struct ops_buf *
known(struct side *s, enum ops_role role, size_t rows, size_t cols, float spread, float centre)
{
	struct ops_buf *buf = make(s, role, rows, cols);
	float row[F];

	for (size_t i = 0; i < rows && buf != NULL; i++) {
		for (size_t j = 0; j < cols; j++) {
			s->state = s->state * 1664525u + 1013904223u;
			row[j] = centre + spread * ((float)(s->state >> 20) / 2048 - 1);
		}
		s->ops->upload(s->ctx, buf, i * cols, row, cols);
	}
	return (buf);
}

static struct ops_buf *
known_ids(struct side *s)
{
	struct ops_buf *buf = make(s, OPS_IDS, N, 1);
	int32_t ids[N];

	for (size_t i = 0; i < N; i++) {
		s->state = s->state * 1664525u + 1013904223u;
		ids[i] = (int32_t)(s->state >> 16) % V;
	}
	if (buf != NULL)
		s->ops->upload(s->ctx, buf, 0, ids, N);
	return (buf);
}

static int
compute(struct side *s, float *out)
{
	const struct ops *o = s->ops;
	struct ops_ctx *c = s->ctx;
	const struct ops_rows rows = { B, T, 0, 0 };
	struct ops_buf *emb = known(s, OPS_WEIGHT, V, C, 1, 0), *ids = known_ids(s), *targets = known_ids(s);
	struct ops_buf *x0 = make(s, OPS_STREAM, N, C), *skip = known(s, OPS_STREAM, N, C, 1, 0);
	struct ops_buf *demb = make(s, OPS_VECTOR, V, C), *dx = make(s, OPS_STREAM, N, C);
	struct ops_buf *dx0 = make(s, OPS_STREAM, N, C), *dy = make(s, OPS_ACT, N, C);
	struct ops_buf *wk = known(s, OPS_WEIGHT, KD, C, 0.125f, 0);
	const struct ops_qkv qkv = {
		.norm_scale = 1,
		.x = x0,
		.skip = skip,
		.skip_w = known(s, OPS_VECTOR, 2, C, 0.5f, 1),
		.skip_row = 1,
		.x0 = x0,
		.mix = known(s, OPS_VECTOR, 2, C, 0.5f, 0.5f),
		.wq = known(s, OPS_WEIGHT, C, C, 0.125f, 0),
		.wk = wk,
		.wv = known(s, OPS_WEIGHT, KD, C, 0.125f, 0),
		.xm = make(s, OPS_STREAM, N, C),
		.q = make(s, OPS_ACT, N, C),
		.k = make(s, OPS_ACT, N, KD),
		.v = make(s, OPS_ACT, N, KD),
		.rq = make(s, OPS_STAT, N, H),
		.rk = make(s, OPS_STAT, N, K),
	};
	const struct ops_qkv_grad dqkv = {
		.dxm = dx,
		.dq = make(s, OPS_ACT, N, C),
		.dk = make(s, OPS_ACT, N, KD),
		.dv = make(s, OPS_ACT, N, KD),
		.dx = dx,
		.dskip = make(s, OPS_STREAM, N, C),
		.dx0 = dx0,
		.dskip_w = make(s, OPS_VECTOR, 2, C),
		.dmix = make(s, OPS_VECTOR, 2, C),
		.dwq = make(s, OPS_VECTOR, C, C),
		.dwk = make(s, OPS_VECTOR, KD, C),
		.dwv = make(s, OPS_VECTOR, KD, C),
	};
	const struct ops_attention attention = {
		.q = qkv.q,
		.k = qkv.k,
		.v = qkv.v,
		.gain = known(s, OPS_VECTOR, 1, H, 0.5f, 1.5f),
		.y = make(s, OPS_ACT, N, C),
		.lse = make(s, OPS_STAT, N, H),
	};
	const struct ops_attention_grad dattention = {
		.dy = dy,
		.dq = dqkv.dq,
		.dk = dqkv.dk,
		.dv = dqkv.dv,
		.dgain = make(s, OPS_VECTOR, 1, H),
	};
	const struct ops_proj proj = {
		.xm = qkv.xm,
		.y = attention.y,
		.wo = known(s, OPS_WEIGHT, C, C, 0.125f, 0),
		.scale = known(s, OPS_VECTOR, 1, C, 0.5f, 1),
		.x1 = make(s, OPS_STREAM, N, C),
	};
	const struct ops_proj_grad dproj = {
		.dx1 = dx,
		.dy = dy,
		.dwo = make(s, OPS_VECTOR, C, C),
		.dscale = make(s, OPS_VECTOR, 1, C),
	};
	const struct ops_mlp mlp = {
		.norm_scale = 1,
		.x1 = proj.x1,
		.wfc = known(s, OPS_WEIGHT, F, C, 0.125f, 0),
		.wproj = known(s, OPS_WEIGHT, C, F, 0.125f, 0),
		.scale = proj.scale,
		.r = make(s, OPS_ACT, N, F),
		.x2 = make(s, OPS_STREAM, N, C),
	};
	const struct ops_mlp_grad dmlp = {
		.dx2 = dx,
		.dx1 = dx,
		.dwfc = make(s, OPS_VECTOR, F, C),
		.dwproj = make(s, OPS_VECTOR, C, F),
		.dscale = dproj.dscale,
	};
	const struct ops_head head = {
		.x = mlp.x2,
		.w = emb,
		.targets = targets,
		.nats = make(s, OPS_STAT, N, 1),
		.dx = dx,
		.dw = demb,
		.grad_scale = 1.0f / N,
	};
	const struct ops_muon muon = {
		.w = wk,
		.g = dqkv.dwk,
		.momentum = make(s, OPS_VECTOR, KD, C),
		.rows = KD,
		.cols = C,
	};
	const struct ops_muon_law law = { .lr = 1, .momentum = 0.9f, .nesterov = 1, .ns_steps = 5, .grad_scale = 1 };

	if (s->starved)
		return (-1);
	o->begin(c);
	o->embed(c, rows, x0, ids, emb);
	o->qkv(c, rows, &qkv);
	o->attention(c, rows, &attention);
	o->proj(c, rows, &proj);
	o->mlp(c, rows, &mlp);
	o->head(c, rows, &head);
	o->mlp_grad(c, rows, &mlp, &dmlp);
	o->proj_grad(c, rows, &proj, &dproj);
	o->attention_grad(c, rows, &attention, &dattention);
	o->qkv_grad(c, rows, &qkv, &dqkv);
	o->add(c, rows, dx0, dx);
	o->embed_grad(c, rows, demb, dx0, ids, emb);
	o->muon(c, &muon, 1, &law);
	o->end(c);
	o->download(c, head.nats, 0, out, N);
	o->download(c, demb, 0, out += N, V * C);
	o->download(c, dqkv.dwq, 0, out += V * C, C * C);
	o->download(c, dqkv.dwk, 0, out += C * C, KD * C);
	o->download(c, dqkv.dwv, 0, out += KD * C, KD * C);
	o->download(c, dmlp.dwproj, 0, out += KD * C, C * F);
	o->download(c, wk, 0, out += C * F, KD * C);
	return (0);
}

static int
run_side(const struct ops *ops, struct ops_ctx *ctx, float *out)
{
	struct side s = { .ops = ops, .ctx = ctx, .state = 1 };
	const int result = compute(&s, out);

	for (size_t i = 0; i < s.count; i++)
		ops->free(ctx, s.made[i]);
	return (result);
}

static int
compare(const float *a, const float *b, int bf16)
{
	for (size_t i = 0; i < QUANTITIES; a += quantities[i].n, b += quantities[i].n, i++) {
		double error = 0, size = 0;

		for (size_t j = 0; j < quantities[i].n; j++) {
			error += ((double)a[j] - b[j]) * ((double)a[j] - b[j]);
			size += (double)b[j] * b[j];
		}
		if (!(error <= size * (bf16 ? quantities[i].bf16 : quantities[i].fp32))) {
			say_error("self-test: %s off by %.2g of its size squared", quantities[i].name, error / size);
			return (-1);
		}
	}
	return (0);
}

int
selftest_run(const struct ops *ops, struct ops_ctx *ctx, enum ops_arith arith)
{
	const struct ops_open_args args = selftest_args(OPS_FP32);
	struct ops_ctx *reference = ops_ref.open(&args);
	float *got = calloc(2 * TOTAL, sizeof(*got));
	int result = -1, error = ENOMEM;

	if (reference == NULL || got == NULL || run_side(&ops_ref, reference, got + TOTAL) != 0 ||
	    run_side(ops, ctx, got) != 0)
		goto out;
	error = EPROTO;
	result = compare(got, got + TOTAL, arith == OPS_BF16);
out:
	free(got);
	ops_ref.close(reference);
	errno = error;
	return (result);
}
