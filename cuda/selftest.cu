/*
 * What open runs before it trusts a card: one block, forward and backward, at
 * a small shape, against the reference backend, three times: call by call, as
 * a graph just captured, and as one replayed.  It catches a driver, library or
 * card that computes something else; the tests proper are t/unit/cuda_*.c.
 */

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "context.cuh"

enum { SEQUENCES = 2, POSITIONS = 70, ROWS = SEQUENCES * POSITIONS, DIM = 32, HEADS = 2, KV_DIM = 16, WIDTH = 48,
	VOCAB = 40, PARTS = 4 };

/* The case on one backend: every buffer it made, and what is compared. */
struct trial {
	const struct ops *ops;
	struct ops_ctx *ctx;
	struct ops_buf *made[64];
	size_t count;
	int starved;
	float *result[PARTS];		/* losses; gradients of the input, of wq and of the embedding */
	size_t n[PARTS];
};

/* Numbers in (-1, 1) that repeat. */
static void
fill(float *x, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525u + 1013904223u;
		x[i] = (float)(seed >> 8) / (float)(1 << 23) - 1.0f;
	}
}

/* A buffer of random numbers times ${scale}; zeros when it is 0. */
static struct ops_buf *
make(struct trial *t, enum ops_role role, size_t rows, size_t cols, float scale)
{
	struct ops_buf *buf = t->ops->alloc(t->ctx, role, rows, cols);
	float *x = (float *)malloc(rows * cols * sizeof(float));

	if (buf == NULL || x == NULL) {
		t->starved = 1;
		free(x);
		return (buf);
	}
	fill(x, rows * cols, (uint32_t)t->count);
	for (size_t i = 0; i < rows * cols; i++)
		x[i] *= scale;
	t->ops->upload(t->ctx, buf, 0, x, rows * cols);
	free(x);
	assert(t->count < sizeof(t->made) / sizeof(t->made[0]));
	t->made[t->count++] = buf;
	return (buf);
}

static struct ops_buf *
make_ids(struct trial *t)
{
	struct ops_buf *buf = t->ops->alloc(t->ctx, OPS_IDS, ROWS, 1);
	int32_t ids[ROWS];

	if (buf == NULL) {
		t->starved = 1;
		return (NULL);
	}
	for (int i = 0; i < ROWS; i++)
		ids[i] = (i * i + (int)t->count) % VOCAB;
	t->ops->upload(t->ctx, buf, 0, ids, ROWS);
	assert(t->count < sizeof(t->made) / sizeof(t->made[0]));
	t->made[t->count++] = buf;
	return (buf);
}

static void
keep(struct trial *t, int part, struct ops_buf *buf, size_t n)
{
	if ((t->result[part] = (float *)malloc(n * sizeof(float))) == NULL) {
		t->starved = 1;
		return;
	}
	t->n[part] = n;
	t->ops->download(t->ctx, buf, 0, t->result[part], n);
}

static int
trial_run(struct trial *t, const struct ops *ops, struct ops_ctx *(*open)(const struct ops_open_args *),
    enum ops_arith arith)
{
	const struct ops_rows rows = { SEQUENCES, POSITIONS, 0, 0 };
	struct ops_open_args args = {};

	args.geometry.vocab_size = VOCAB;
	args.geometry.model_dim = DIM;
	args.geometry.num_heads = HEADS;
	args.geometry.num_kv_heads = 1;
	args.geometry.mlp_dim = WIDTH;
	args.geometry.max_rows = ROWS;
	args.geometry.max_positions = POSITIONS;
	args.geometry.rope_base = 10000;
	args.geometry.logit_softcap = 30;
	args.geometry.norm_eps = 1e-7;
	args.arith = arith;
	args.isa = "auto";
	args.threads = 1;
	args.training = 1;
	t->ops = ops;
	if ((t->ctx = open(&args)) == NULL)
		return (-1);

	struct ops_buf *ids = make_ids(t), *targets = make_ids(t);
	struct ops_buf *emb = make(t, OPS_WEIGHT, VOCAB, DIM, 1), *demb = make(t, OPS_VECTOR, VOCAB, DIM, 0);
	struct ops_buf *x0 = make(t, OPS_STREAM, ROWS, DIM, 0), *nats = make(t, OPS_STAT, ROWS, 1, 0);
	struct ops_buf *dx = make(t, OPS_STREAM, ROWS, DIM, 0), *dx0 = make(t, OPS_STREAM, ROWS, DIM, 0);
	struct ops_buf *scale = make(t, OPS_VECTOR, 1, DIM, 1), *dscale = make(t, OPS_VECTOR, 1, DIM, 0);
	struct ops_qkv qkv = {};
	struct ops_attention attention = {};
	struct ops_proj proj = {};
	struct ops_mlp mlp = {};
	struct ops_head head = {};
	struct ops_qkv_grad qkv_grad = {};
	struct ops_attention_grad attention_grad = {};
	struct ops_proj_grad proj_grad = {};
	struct ops_mlp_grad mlp_grad = {};

	qkv.norm_scale = mlp.norm_scale = 1;

	struct ops_buf *y = make(t, OPS_ACT, ROWS, DIM, 0), *dy = make(t, OPS_ACT, ROWS, DIM, 0);
	struct ops_buf *dq = make(t, OPS_ACT, ROWS, DIM, 0);
	struct ops_buf *dk = make(t, OPS_ACT, ROWS, KV_DIM, 0), *dv = make(t, OPS_ACT, ROWS, KV_DIM, 0);

	qkv.x = qkv.x0 = x0;
	qkv.mix = make(t, OPS_VECTOR, 2, DIM, 1);
	qkv.wq = make(t, OPS_WEIGHT, DIM, DIM, 0.3f);
	qkv.wk = make(t, OPS_WEIGHT, KV_DIM, DIM, 0.3f);
	qkv.wv = make(t, OPS_WEIGHT, KV_DIM, DIM, 0.3f);
	qkv.xm = make(t, OPS_STREAM, ROWS, DIM, 0);
	qkv.q = make(t, OPS_ACT, ROWS, DIM, 0);
	qkv.k = make(t, OPS_ACT, ROWS, KV_DIM, 0);
	qkv.v = make(t, OPS_ACT, ROWS, KV_DIM, 0);
	qkv.rq = make(t, OPS_STAT, ROWS, HEADS, 0);
	qkv.rk = make(t, OPS_STAT, ROWS, 1, 0);
	attention.q = qkv.q;
	attention.k = qkv.k;
	attention.v = qkv.v;
	attention.gain = make(t, OPS_VECTOR, 1, HEADS, 1.5f);
	attention.y = y;
	attention.lse = make(t, OPS_STAT, ROWS, HEADS, 0);
	proj.xm = qkv.xm;
	proj.y = y;
	proj.wo = make(t, OPS_WEIGHT, DIM, DIM, 0.3f);
	proj.scale = mlp.scale = scale;
	proj.x1 = make(t, OPS_STREAM, ROWS, DIM, 0);
	mlp.x1 = proj.x1;
	mlp.wfc = make(t, OPS_WEIGHT, WIDTH, DIM, 0.3f);
	mlp.wproj = make(t, OPS_WEIGHT, DIM, WIDTH, 0.3f);
	mlp.r = make(t, OPS_ACT, ROWS, WIDTH, 0);
	mlp.x2 = make(t, OPS_STREAM, ROWS, DIM, 0);
	head.x = mlp.x2;
	head.w = emb;
	head.targets = targets;
	head.nats = nats;
	head.dx = dx;
	head.dw = demb;
	head.grad_scale = 1.0f / (int)ROWS;
	mlp_grad.dx2 = proj_grad.dx1 = mlp_grad.dx1 = qkv_grad.dxm = qkv_grad.dx = dx;
	mlp_grad.dwfc = make(t, OPS_VECTOR, WIDTH, DIM, 0);
	mlp_grad.dwproj = make(t, OPS_VECTOR, DIM, WIDTH, 0);
	mlp_grad.dscale = proj_grad.dscale = dscale;
	proj_grad.dy = dy;
	proj_grad.dwo = make(t, OPS_VECTOR, DIM, DIM, 0);
	attention_grad.dy = dy;
	attention_grad.dq = qkv_grad.dq = dq;
	attention_grad.dk = qkv_grad.dk = dk;
	attention_grad.dv = qkv_grad.dv = dv;
	attention_grad.dgain = make(t, OPS_VECTOR, 1, HEADS, 0);
	qkv_grad.dx0 = dx0;
	qkv_grad.dmix = make(t, OPS_VECTOR, 2, DIM, 0);
	qkv_grad.dwq = make(t, OPS_VECTOR, DIM, DIM, 0);
	qkv_grad.dwk = make(t, OPS_VECTOR, KV_DIM, DIM, 0);
	qkv_grad.dwv = make(t, OPS_VECTOR, KV_DIM, DIM, 0);
	if (t->starved) {
		errno = ENOMEM;
		return (-1);
	}

	struct ops_buf *const sums[] = { dx0, demb, qkv_grad.dwq };

	/* Gradients that are not compared may grow. */
	for (int time = 0; time < 3; time++) {
		ops->begin(t->ctx);
		ops->zero(t->ctx, sums, sizeof(sums) / sizeof(sums[0]));
		ops->embed(t->ctx, rows, x0, ids, emb);
		ops->qkv(t->ctx, rows, &qkv);
		ops->attention(t->ctx, rows, &attention);
		ops->proj(t->ctx, rows, &proj);
		ops->mlp(t->ctx, rows, &mlp);
		ops->head(t->ctx, rows, &head);
		ops->mlp_grad(t->ctx, rows, &mlp, &mlp_grad);
		ops->proj_grad(t->ctx, rows, &proj, &proj_grad);
		ops->attention_grad(t->ctx, rows, &attention, &attention_grad);
		ops->qkv_grad(t->ctx, rows, &qkv, &qkv_grad);
		ops->add(t->ctx, rows, dx0, dx);
		ops->embed_grad(t->ctx, rows, demb, dx0, ids, emb);
		ops->end(t->ctx);
	}
	keep(t, 0, nats, ROWS);
	keep(t, 1, dx0, (size_t)ROWS * DIM);
	keep(t, 2, qkv_grad.dwq, (size_t)DIM * DIM);
	keep(t, 3, demb, (size_t)VOCAB * DIM);
	errno = ENOMEM;
	return (t->starved ? -1 : 0);
}

static void
trial_end(struct trial *t)
{
	for (size_t i = 0; i < t->count; i++)
		t->ops->free(t->ctx, t->made[i]);
	if (t->ctx != NULL)
		t->ops->close(t->ctx);
	for (int i = 0; i < PARTS; i++)
		free(t->result[i]);
}

int
selftest_run(const struct ops *ops, struct ops_ctx *(*open)(const struct ops_open_args *), enum ops_arith arith)
{
	/* Normalised squared error: bf16 keeps 8 bits, and this case has errors of 1e-5;
	    float32 errors are near 1e-12. */
	const double allowed = arith == OPS_BF16 ? 1e-3 : 1e-8;
	static const char *const names[PARTS] = { "losses", "gradient of the stream", "gradient of a weight",
		"gradient of the embedding" };
	const struct ops *ref = ops_find("ref");
	struct trial card = {}, reference = {};
	int result = -1;

	if (trial_run(&card, ops, open, arith) != 0 || trial_run(&reference, ref, ref->open, OPS_FP32) != 0)
		goto out;
	for (int part = 0; part < PARTS; part++) {
		double error = 0, size = 0;

		for (size_t i = 0; i < card.n[part]; i++) {
			const double x = reference.result[part][i], difference = card.result[part][i] - x;

			error += difference * difference;
			size += x * x;
		}
		if (!(error <= allowed * size)) {
			say_error("self-test of backend 'cuda' failed: %s differ by %.3g of their size, %.3g allowed; "
			    "check the driver and the card", names[part], fabs(sqrt(error / size)), sqrt(allowed));
			errno = EPROTO;
			goto out;
		}
	}
	result = 0;
out:
	{
		const int error = errno;

		trial_end(&card);
		trial_end(&reference);
		errno = error;
	}
	return (result);
}
