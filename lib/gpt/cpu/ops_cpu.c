/*
 * The `cpu` backend: the operation table over tasks of cpu.h.
 *
 * Invariants: a task's shape depends on the operation's shapes alone; a task
 * writes only rows, tiles or partial sums that are its own; partial sums are
 * added in task order.  All memory is taken by open and alloc.
 */

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gpt/cpu/cpu.h"
#include "gpt/cpu/isa.h"
#include "gpt/cpu/ops_cpu.h"
#include "gpt/cpu/pool.h"
#include "base/say.h"
#include "gpt/cpu/selftest.h"

/* Rows whose weight gradients are summed in one product: long enough to write dw seldom, short enough for L3. */
#define CHUNK_ROWS 1024
/* Most elements of the head's gradient that stand at a time. */
#define HEAD_ELEMENTS ((size_t)4 << 20)
/* Elements of a task that only streams. */
#define STREAM_ELEMENTS ((size_t)64 << 10)

/* The product that measures the ceiling: all of it in L1 and L2. */
#define CEILING_ROWS 64
#define CEILING_COLS 128
#define CEILING_UNITS 256

struct variant {
	const char *name;
	unsigned needs; /* of isa_features() */
	const struct cpu_kernels *fp32, *bf16;
	const char *fp32_name; /* what executes in fp32, when that is another */
	int only_asked;        /* never chosen by "auto" */
};

static const struct variant variants[] = {
#if defined(__x86_64__)
	{ "amx", ISA_AVX512 | ISA_AVX512_BF16 | ISA_AMX_BF16, &avx512_fp32, &amx_bf16, "avx512", 0 },
	{ "avx512-bf16", ISA_AVX512 | ISA_AVX512_BF16, &avx512_fp32, &avx512dot_bf16, "avx512", 0 },
	{ "avx512", ISA_AVX512, &avx512_fp32, &avx512_bf16, NULL, 0 },
	{ "avx2", ISA_AVX2, &avx2_fp32, &avx2_bf16, NULL, 0 },
#endif
	{ "portable", 0, &portable_fp32, &portable_bf16, NULL, 0 },
#if defined(__x86_64__)
	/* amx with its tile instructions in plain C, so that its other parts can be tested anywhere; slow. */
	{ "amx-emulated", ISA_AVX512 | ISA_AVX512_BF16, &avx512_fp32, &amx_emulated_bf16, "avx512", 1 },
#endif
};

#define VARIANTS (sizeof(variants) / sizeof(variants[0]))

static const char *const isa_names[] = {
#if defined(__x86_64__)
	"amx", "avx512-bf16", "avx512", "avx2",
#endif
	"portable",
#if defined(__x86_64__)
	"amx-emulated",
#endif
	NULL
};

static size_t
most(size_t a, size_t b)
{
	return (a > b ? a : b);
}

static size_t
least(size_t a, size_t b)
{
	return (a < b ? a : b);
}

static size_t
blocks(size_t n, size_t size)
{
	return ((n + size - 1) / size);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return ((double)t.tv_sec + 1e-9 * (double)t.tv_nsec);
}

/* --- opening --------------------------------------------------------------- */

static void *
zeroed(size_t bytes)
{
	void *p;

	if (posix_memalign(&p, 64, most(bytes, 64)) != 0) {
		errno = ENOMEM;
		return (NULL);
	}
	memset(p, 0, most(bytes, 64));
	return (p);
}

/* What one thread needs at most, over all tasks of cpu.h; activations are counted as floats. */
static size_t
scratch_bytes(const struct ops_ctx *c)
{
	const struct ops_geometry *g = &c->g;
	const size_t R = c->kernels->row_block, V = cpu_pad(g->vocab_size);
	const size_t C = cpu_pad(g->model_dim), F = cpu_pad(g->mlp_dim);
	const size_t D = cpu_pad(c->head_dim), T = cpu_pad(g->max_positions) + CPU_PAD;
	const size_t wide = most(C, CPU_COLS), long_side = most(C, F);
	size_t floats, training;

	floats = R * (C + F + wide);                                       /* qkv, proj, mlp */
	floats = most(floats, R * (2 * C + 2 * V + 1));                    /* head, logits */
	floats = most(floats, R * (CPU_PAD + CPU_KEYS + D + 1 + CPU_PAD)); /* attention */
	if (c->training) {
		training = R * (2 * C + 2 * F + wide + 1) + C; /* mlp_grad, qkv_grad */
		training = most(training, R * CPU_COLS);       /* product */
		training = most(training,
		    8 * T * D + 2 * T + 16 * D + /* attention_grad */
			CPU_BACK_KEYS * (3 * CPU_BACK_QUERIES + 2 * CPU_PAD + D));
		training = most(training, (C + CPU_PAD) * (2 * long_side + 2 * C) + R * long_side); /* muon */
		training = most(training, CEILING_ROWS * CEILING_UNITS + CEILING_COLS * (CEILING_UNITS + CEILING_ROWS));
		floats = most(floats, training);
	}
	return (floats * sizeof(float) + 32 * 64);
}

static void
cpu_close(struct ops_ctx *c)
{
	if (c == NULL)
		return;
	pool_close(c->pool);
	free(c->cosine);
	free(c->sine);
	free(c->scratch);
	free(c->chunk.left[0]);
	free(c->chunk.left[1]);
	free(c->chunk.right[0]);
	free(c->chunk.right[1]);
	free(c->keys);
	free(c->values);
	free(c->longest);
	free(c->partial);
	free(c);
}

static void
rope_tables(struct ops_ctx *c)
{
	const size_t half = c->head_dim / 2;

	for (size_t p = 0; p < c->g.max_positions; p++) {
		for (size_t i = 0; i < half; i++) {
			const double angle = (double)p * pow(c->g.rope_base, -(double)i / (double)half);

			c->cosine[p * half + i] = (float)cos(angle);
			c->sine[p * half + i] = (float)sin(angle);
		}
	}
}

static int
take_memory(struct ops_ctx *c, unsigned threads)
{
	const struct ops_geometry *g = &c->g;
	const struct cpu_kernels *v = c->kernels;
	const size_t C = cpu_pad(g->model_dim), KD = cpu_pad(g->num_kv_heads * c->head_dim), F = cpu_pad(g->mlp_dim);
	const size_t V = cpu_pad(g->vocab_size), D = cpu_pad(c->head_dim), P = cpu_pad(g->max_positions);
	const size_t tables = g->max_positions * c->head_dim / 2 * sizeof(float) + 64;
	const size_t N = g->max_rows;
	size_t partial;

	c->chunk_rows = least(CHUNK_ROWS / v->row_block * v->row_block, blocks(N, v->row_block) * v->row_block);
	c->head_rows = least(c->chunk_rows, most(1, HEAD_ELEMENTS / V / v->row_block) * v->row_block);
	c->group = most(1, blocks(N, g->max_positions));
	c->scratch_bytes = (scratch_bytes(c) + 4095) / 4096 * 4096;
	if ((c->cosine = zeroed(tables)) == NULL || (c->sine = zeroed(tables)) == NULL ||
	    (c->scratch = zeroed(c->scratch_bytes * threads)) == NULL ||
	    (c->keys = zeroed(c->group * g->num_kv_heads * P * D * sizeof(float))) == NULL ||
	    (c->values = zeroed(c->group * g->num_kv_heads * P * D * sizeof(float))) == NULL ||
	    (c->longest = zeroed(c->group * g->num_kv_heads * sizeof(float))) == NULL)
		return (-1);
	if (c->training) {
		const size_t depth = cpu_pad(c->chunk_rows) / v->per_unit, ld = depth + 16;
		const size_t head = V * (cpu_pad(c->head_rows) / v->per_unit + 16);

		/* qkv_grad's sums; dots of the wider weight; embed_grad's rates; dgain. */
		partial = 3 * C * blocks(N, v->row_block);
		partial = most(partial, most(blocks(F, CPU_COLS), blocks(C, CPU_COLS)) * most(C, F));
		partial = most(partial, most(2 * N, N * g->num_heads));
		if ((c->chunk.left[0] = zeroed(most(most(C + 2 * KD, F) * ld, head) * sizeof(float))) == NULL ||
		    (c->chunk.left[1] = zeroed(C * ld * sizeof(float))) == NULL ||
		    (c->chunk.right[0] = zeroed(C * depth * sizeof(float))) == NULL ||
		    (c->chunk.right[1] = zeroed(F * depth * sizeof(float))) == NULL ||
		    (c->partial = zeroed(partial * sizeof(float))) == NULL)
			return (-1);
	}
	rope_tables(c);
	return (0);
}

/* Choose a variant, before any thread starts: tiles are asked for here. NULL after saying why, errno ENODEV. */
static const struct variant *
choose(const char *isa)
{
	const unsigned have = isa_features();

	for (size_t i = 0; i < VARIANTS; i++) {
		const struct variant *v = &variants[i];
		const int runs = (have & v->needs) == v->needs &&
		    ((v->needs & ISA_AMX_BF16) == 0 || isa_request_tiles() == 0);

		if (strcmp(isa, v->name) == 0 && runs)
			return (v);
		if (strcmp(isa, v->name) == 0) {
			say_error("this machine cannot run isa '%s'", isa);
			errno = ENODEV;
			return (NULL);
		}
		if (strcmp(isa, "auto") == 0 && runs && !v->only_asked)
			return (v);
	}
	say_error("backend 'cpu' has no isa '%s'", isa);
	errno = ENODEV;
	return (NULL);
}

/* Open without a self-test: the self-test's own context. NULL with errno ENOMEM. */
static struct ops_ctx *
open_variant(const struct ops_open_args *args, const struct variant *v)
{
	struct ops_ctx *c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		goto err0;
	c->g = args->geometry;
	c->arith = args->arith;
	c->training = args->training;
	c->head_dim = c->g.model_dim / c->g.num_heads;
	c->kernels = args->arith == OPS_BF16 ? v->bf16 : v->fp32;
	c->isa = args->arith == OPS_FP32 && v->fp32_name != NULL ? v->fp32_name : v->name;
	if ((c->pool = pool_open(args->threads)) == NULL || take_memory(c, args->threads) != 0)
		goto err1;
	return (c);

err1:
	cpu_close(c);
err0:
	say_error("backend 'cpu': cannot open: out of memory");
	errno = ENOMEM;
	return (NULL);
}

/* 0, or -1 after saying what disagrees. */
static int
test_variant(const struct variant *v, enum ops_arith arith)
{
	const struct ops_open_args args = selftest_args(arith);
	struct ops_ctx *c = open_variant(&args, v);
	int result, error;

	if (c == NULL)
		return (-1);
	result = selftest_run(&ops_cpu, c, arith);
	error = errno;
	cpu_close(c);
	errno = error;
	return (result);
}

static struct ops_ctx *
cpu_open(const struct ops_open_args *args)
{
	const struct ops_geometry *g = &args->geometry;
	const struct variant *v;

	if (g->num_heads == 0 || g->num_kv_heads == 0 || g->num_heads % g->num_kv_heads != 0 ||
	    g->model_dim % g->num_heads != 0 || g->model_dim / g->num_heads % 2 != 0 || args->threads == 0) {
		say_error("backend 'cpu' needs heads of an even width, shared evenly");
		errno = EINVAL;
		return (NULL);
	}
	if ((v = choose(args->isa)) == NULL || test_variant(v, args->arith) != 0)
		return (NULL);
	return (open_variant(args, v));
}

static const char *
cpu_isa(const struct ops_ctx *c)
{
	return (c->isa);
}

static const char *
cpu_library(const struct ops_ctx *c)
{
	(void)c;
	return ("");
}

/* --- tasks ----------------------------------------------------------------- */

/* What a task of the current operation needs; the operation fills in its own part. */
struct job {
	struct ops_ctx *c;
	const struct cpu_kernels *k;
	struct ops_rows rows;
	size_t N;          /* rows of the pass */
	size_t row0, end;  /* rows of this round of tasks */
	const void *a, *d; /* the operation's arguments */
	struct ops_buf *buf;
	struct cpu_product products[3];
	size_t product_count;
	size_t b0, sequences; /* of attention's group */
};

static struct job
job_of(struct ops_ctx *c, struct ops_rows rows, const void *a, const void *d)
{
	const size_t N = rows.B * rows.T;

	assert(N > 0 && N <= c->g.max_rows && rows.pos0 + rows.T <= c->g.max_positions);
	assert(rows.pos0 == 0 || rows.B == 1);
	return ((struct job){ .c = c, .k = c->kernels, .rows = rows, .N = N, .row0 = 0, .end = N, .a = a, .d = d });
}

static struct cpu_scratch
scratch_of(const struct ops_ctx *c, unsigned thread)
{
	char *at = c->scratch + thread * c->scratch_bytes;

	return ((struct cpu_scratch){ at, at + c->scratch_bytes });
}

/* The rows of task i of a round. */
struct span {
	size_t r0, n;
};

static struct span
span_of(const struct job *j, size_t task)
{
	const size_t r0 = j->row0 + task * j->k->row_block;

	return ((struct span){ r0, least(j->k->row_block, j->end - r0) });
}

static void
run_rows(struct job *j, pool_task *task)
{
	pool_run(j->c->pool, blocks(j->end - j->row0, j->k->row_block), task, j);
}

/* Time of an operation goes to its phase. */
static double
begin_phase(void)
{
	return (now());
}

static void
end_phase(struct ops_ctx *c, enum ops_cpu_phase phase, double since)
{
	c->seconds[phase] += now() - since;
}

/* --- buffers --------------------------------------------------------------- */

static int
is_dense(enum ops_role role)
{
	return (role == OPS_STAT || role == OPS_IDS);
}

static void
cpu_free(struct ops_ctx *c, struct ops_buf *buf)
{
	(void)c;
	if (buf == NULL)
		return;
	free(buf->data);
	free(buf->by_row);
	free(buf->by_col);
	free(buf);
}

static struct ops_buf *
cpu_alloc(struct ops_ctx *c, enum ops_role role, size_t rows, size_t cols)
{
	const struct cpu_kernels *k = c->kernels;
	struct ops_buf *buf;
	size_t size;

	if (cols > SIZE_MAX / 16 || rows > SIZE_MAX / 16 / (cols + CPU_PAD)) {
		errno = ENOMEM;
		goto err0;
	}
	if ((buf = calloc(1, sizeof(*buf))) == NULL)
		goto err0;
	buf->role = role;
	buf->rows = rows;
	buf->cols = cols;
	buf->ld = is_dense(role) ? cols : cpu_pad(cols);
	buf->bf16 = role == OPS_ACT && k->per_unit == 2;
	size = buf->bf16 ? sizeof(uint16_t) : sizeof(float);
	if ((buf->data = zeroed((rows * buf->ld + CPU_SLACK) * size)) == NULL)
		goto err1;
	if (role == OPS_WEIGHT) {
		buf->by_row = zeroed(cpu_pad(rows) * cpu_units(k, cols) * sizeof(float));
		if (buf->by_row == NULL)
			goto err1;
		if (c->training && (buf->by_col = zeroed(cpu_pad(cols) * cpu_units(k, rows) * sizeof(float))) == NULL)
			goto err1;
	}
	return (buf);

err1:
	cpu_free(c, buf);
	errno = ENOMEM;
err0:
	return (NULL);
}

/* Part ${task} of a weight's panels, CPU_PAD columns of them: first those by row, then those by column. */
static void
pack_part(const struct cpu_kernels *k, struct ops_buf *w, size_t task)
{
	const size_t by_row = blocks(w->rows, CPU_PAD), first = (task < by_row ? task : task - by_row) * CPU_PAD;
	const size_t depth = cpu_units(k, task < by_row ? w->cols : w->rows);
	const float *data = w->data;

	if (task < by_row)
		k->pack_by_row(w->by_row + first * depth, depth, data + first * w->ld, w->ld,
		    least(CPU_PAD, w->rows - first), w->cols);
	else
		k->pack_by_col(w->by_col + first * depth, depth, data + first, w->ld, w->rows,
		    least(CPU_PAD, w->cols - first));
}

static size_t
parts(const struct ops_buf *w)
{
	return (blocks(w->rows, CPU_PAD) + (w->by_col != NULL ? blocks(w->cols, CPU_PAD) : 0));
}

static void
pack_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;

	(void)thread;
	pack_part(j->k, j->buf, task);
}

static void
pack(struct ops_ctx *c, struct ops_buf *w)
{
	struct job j = { .c = c, .k = c->kernels, .buf = w };

	if (w->role == OPS_WEIGHT)
		pool_run(c->pool, parts(w), pack_task, &j);
}

static float
widen(uint16_t x)
{
	const uint32_t bits = (uint32_t)x << 16;
	float f;

	memcpy(&f, &bits, sizeof(f));
	return (f);
}

static void
cpu_upload(struct ops_ctx *c, struct ops_buf *buf, size_t at, const void *host, size_t n)
{
	assert(at <= buf->rows * buf->cols && n <= buf->rows * buf->cols - at);
	for (size_t done = 0, part; done < n; done += part) {
		const size_t row = (at + done) / buf->cols, col = (at + done) % buf->cols;

		part = least(n - done, buf->cols - col);
		if (buf->bf16)
			c->kernels->narrow((uint16_t *)buf->data + row * buf->ld + col, (const float *)host + done,
			    part);
		else
			memcpy((float *)buf->data + row * buf->ld + col, (const float *)host + done,
			    part * sizeof(float));
	}
	pack(c, buf);
}

static void
cpu_download(struct ops_ctx *c, const struct ops_buf *buf, size_t at, void *host, size_t n)
{
	(void)c;
	assert(at <= buf->rows * buf->cols && n <= buf->rows * buf->cols - at);
	for (size_t done = 0, part; done < n; done += part) {
		const size_t row = (at + done) / buf->cols, col = (at + done) % buf->cols;
		float *to = (float *)host + done;

		part = least(n - done, buf->cols - col);
		if (buf->bf16)
			for (size_t i = 0; i < part; i++)
				to[i] = widen(((uint16_t *)buf->data)[row * buf->ld + col + i]);
		else
			memcpy(to, (float *)buf->data + row * buf->ld + col, part * sizeof(float));
	}
}

struct zero_job {
	struct ops_buf *const *bufs;
};

static void
zero_task(void *arg, size_t task, unsigned thread)
{
	const struct zero_job *z = arg;
	struct ops_buf *buf = z->bufs[task];

	(void)thread;
	memset(buf->data, 0, buf->rows * buf->ld * (buf->bf16 ? sizeof(uint16_t) : sizeof(float)));
}

static void
cpu_zero(struct ops_ctx *c, struct ops_buf *const *bufs, size_t count)
{
	struct zero_job z = { bufs };

	pool_run(c->pool, count, zero_task, &z);
}

static void
cpu_nothing(struct ops_ctx *c)
{
	(void)c;
}

static void
cpu_begin(struct ops_ctx *c)
{
	c->held = 0;
}

/* --- embedding ------------------------------------------------------------- */

struct embed {
	struct ops_buf *x0, *demb;
	const struct ops_buf *dx0, *ids, *emb;
};

static void
check_ids(const struct ops_ctx *c, const struct ops_buf *ids, size_t n)
{
	const int32_t *id = ids->data;

	for (size_t i = 0; i < n; i++)
		assert(id[i] >= 0 && (size_t)id[i] < c->g.vocab_size);
}

static void
embed_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct embed *e = j->a;
	const struct span s = span_of(j, task);

	(void)thread;
	j->k->embed(j->c, e->x0, e->ids, e->emb, s.r0, s.n);
}

static void
cpu_embed(struct ops_ctx *c, struct ops_rows rows, struct ops_buf *x0, const struct ops_buf *ids,
    const struct ops_buf *emb)
{
	const double since = begin_phase();
	const struct embed e = { .x0 = x0, .ids = ids, .emb = emb };
	struct job j = job_of(c, rows, &e, NULL);

	check_ids(c, ids, j.N);
	run_rows(&j, embed_task);
	end_phase(c, OPS_CPU_EMBED, since);
}

static void
embed_rates_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct embed *e = j->a;
	const struct span s = span_of(j, task);

	(void)thread;
	j->k->embed_rates(j->c, j->c->partial, e->dx0, e->ids, e->emb, s.r0, s.n);
}

/* Two rows may carry the same id: a task takes some columns of all rows, in order. */
static void
embed_grad_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct embed *e = j->a;

	(void)thread;
	j->k->embed_grad(j->c, e->demb, j->c->partial, e->dx0, e->ids, e->emb, j->N, task * CPU_PAD, CPU_PAD);
}

static void
cpu_embed_grad(struct ops_ctx *c, struct ops_rows rows, struct ops_buf *demb, const struct ops_buf *dx0,
    const struct ops_buf *ids, const struct ops_buf *emb)
{
	const double since = begin_phase();
	const struct embed e = { .demb = demb, .dx0 = dx0, .ids = ids, .emb = emb };
	struct job j = job_of(c, rows, &e, NULL);

	run_rows(&j, embed_rates_task);
	pool_run(c->pool, emb->ld / CPU_PAD, embed_grad_task, &j);
	end_phase(c, OPS_CPU_EMBED_GRAD, since);
}

/* --- weight gradients, a chunk of rows at a time ----------------------------- */

/* Cut N rows into chunks of equal size: rows of one chunk. */
static size_t
chunk_size(const struct job *j, size_t rows_at_most)
{
	const size_t R = j->k->row_block, chunks = blocks(j->N, rows_at_most);

	return (blocks(blocks(j->N, chunks), R) * R);
}

static void
begin_chunk(struct job *j, size_t row0, size_t size)
{
	struct cpu_chunk *chunk = &j->c->chunk;

	j->row0 = row0;
	j->end = least(j->N, row0 + size);
	chunk->row0 = row0;
	chunk->rows = j->end - row0;
	chunk->depth = cpu_pad(size) / j->k->per_unit;
	chunk->ld = chunk->depth + 16;
	j->product_count = 0;
}

static struct cpu_product *
want(struct job *j, const float *left, const float *right, struct ops_buf *dw)
{
	const struct cpu_chunk *chunk = &j->c->chunk;
	struct cpu_product *p = &j->products[j->product_count++];

	*p = (struct cpu_product){
		.left = left,
		.right = right,
		.ld = chunk->ld,
		.depth = chunk->depth,
		.units = cpu_units(j->k, chunk->rows),
		.out = dw->rows,
		.in = dw->cols,
		.dw = dw,
	};
	return (p);
}

static size_t
tiles(const struct cpu_product *p, size_t row_block)
{
	return (blocks(p->out, row_block) * blocks(p->in, CPU_COLS));
}

static void
product_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct cpu_product *p = j->products;
	const size_t R = j->k->row_block;
	size_t across;

	for (; task >= tiles(p, R); p++)
		task -= tiles(p, R);
	across = blocks(p->in, CPU_COLS);
	j->k->product(p, task / across * R, task % across * CPU_COLS, scratch_of(j->c, thread));
}

static void
run_products(struct job *j)
{
	size_t count = 0;

	for (size_t i = 0; i < j->product_count; i++)
		count += tiles(&j->products[i], j->k->row_block);
	pool_run(j->c->pool, count, product_task, j);
	for (size_t i = 0; i < j->product_count; i++) {
		const struct cpu_product *p = &j->products[i];

		for (size_t t = 0; p->dots != NULL && t < blocks(p->in, CPU_COLS); t++)
			for (size_t o = 0; o < p->out; o++)
				p->dscale[o] += p->dots[t * p->out + o];
	}
}

/* The gradient of a weight whose product is scaled: dw and dscale. */
static void
want_scaled(struct job *j, const float *left, const float *right, struct ops_buf *dw, const struct ops_buf *scale,
    const struct ops_buf *w, struct ops_buf *dscale)
{
	struct cpu_product *p = want(j, left, right, dw);

	p->scale = scale->data;
	p->w = w;
	p->dots = j->c->partial;
	p->dscale = dscale->data;
}

/* --- a block --------------------------------------------------------------- */

static void
qkv_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct span s = span_of(j, task);

	j->k->qkv(j->c, j->rows, j->a, s.r0, s.n, scratch_of(j->c, thread));
}

static void
cpu_qkv(struct ops_ctx *c, struct ops_rows rows, const struct ops_qkv *a)
{
	const double since = begin_phase();
	struct job j = job_of(c, rows, a, NULL);

	run_rows(&j, qkv_task);
	end_phase(c, OPS_CPU_QKV, since);
}

static float *
qkv_sums(const struct job *j, size_t r0)
{
	const struct ops_qkv *a = j->a;

	return (j->c->partial + r0 / j->k->row_block * 3 * a->x->ld);
}

static void
qkv_grad_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct span s = span_of(j, task);

	j->k->qkv_grad(j->c, j->rows, j->a, j->d, qkv_sums(j, s.r0), s.r0, s.n, scratch_of(j->c, thread));
}

static void
cpu_qkv_grad(struct ops_ctx *c, struct ops_rows rows, const struct ops_qkv *a, const struct ops_qkv_grad *d)
{
	const double since = begin_phase();
	const size_t C = cpu_pad(c->g.model_dim), KD = cpu_pad(c->g.num_kv_heads * c->head_dim), ld = a->x->ld;
	struct job j = job_of(c, rows, a, d);
	const size_t size = chunk_size(&j, c->chunk_rows);
	float *dmix = d->dmix->data, *dskip_w = a->skip != NULL ? (float *)d->dskip_w->data + a->skip_row * ld : NULL;

	for (size_t r0 = 0; r0 < j.N; r0 += size) {
		begin_chunk(&j, r0, size);
		run_rows(&j, qkv_grad_task);
		want(&j, c->chunk.left[0], c->chunk.right[0], d->dwq);
		want(&j, c->chunk.left[0] + C * c->chunk.ld, c->chunk.right[0], d->dwk);
		want(&j, c->chunk.left[0] + (C + KD) * c->chunk.ld, c->chunk.right[0], d->dwv);
		run_products(&j);
	}
	for (size_t r0 = 0; r0 < j.N; r0 += j.k->row_block) {
		const float *sums = qkv_sums(&j, r0);

		for (size_t i = 0; i < 2 * ld; i++)
			dmix[i] += sums[i];
		for (size_t i = 0; dskip_w != NULL && i < ld; i++)
			dskip_w[i] += sums[2 * ld + i];
	}
	end_phase(c, OPS_CPU_QKV_GRAD, since);
}

static void
attention_pack_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const size_t K = j->c->g.num_kv_heads;

	(void)thread;
	j->k->attention_pack(j->c, j->rows, j->a, j->b0 + task / K, task % K);
}

/* Late queries see more keys: they go first, so that the tasks left at the end are small. */
static void
attention_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const size_t H = j->c->g.num_heads, R = j->k->row_block, across = blocks(j->rows.T, R);
	const size_t heads = j->sequences * H;
	const size_t t0 = (across - 1 - task / heads) * R, head = task % heads;

	j->k->attention(j->c, j->rows, j->a, j->b0 + head / H, head % H, t0, least(R, j->rows.T - t0),
	    scratch_of(j->c, thread));
}

static void
cpu_attention(struct ops_ctx *c, struct ops_rows rows, const struct ops_attention *a)
{
	const double since = begin_phase();
	struct job j = job_of(c, rows, a, NULL);

	for (j.b0 = 0; j.b0 < rows.B; j.b0 += c->group) {
		j.sequences = least(c->group, rows.B - j.b0);
		pool_run(c->pool, j.sequences * c->g.num_kv_heads, attention_pack_task, &j);
		pool_run(c->pool, j.sequences * c->g.num_heads * blocks(rows.T, c->kernels->row_block), attention_task,
		    &j);
	}
	end_phase(c, OPS_CPU_ATTENTION, since);
}

static void
attention_grad_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const size_t K = j->c->g.num_kv_heads, b = task / K;
	float *dgain = j->c->partial + b * j->c->g.num_heads;

	j->k->attention_grad(j->c, j->rows, j->a, j->d, b, task % K, dgain, scratch_of(j->c, thread));
}

static void
cpu_attention_grad(struct ops_ctx *c, struct ops_rows rows, const struct ops_attention *a,
    const struct ops_attention_grad *d)
{
	const double since = begin_phase();
	const size_t H = c->g.num_heads;
	struct job j = job_of(c, rows, a, d);
	float *dgain = d->dgain->data;

	pool_run(c->pool, rows.B * c->g.num_kv_heads, attention_grad_task, &j);
	for (size_t b = 0; b < rows.B; b++)
		for (size_t h = 0; h < H; h++)
			dgain[h] += c->partial[b * H + h];
	end_phase(c, OPS_CPU_ATTENTION_GRAD, since);
}

static void
proj_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct span s = span_of(j, task);

	j->k->proj(j->c, j->a, s.r0, s.n, scratch_of(j->c, thread));
}

static void
cpu_proj(struct ops_ctx *c, struct ops_rows rows, const struct ops_proj *a)
{
	const double since = begin_phase();
	struct job j = job_of(c, rows, a, NULL);

	run_rows(&j, proj_task);
	end_phase(c, OPS_CPU_PROJ, since);
}

static void
proj_grad_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct span s = span_of(j, task);

	j->k->proj_grad(j->c, j->a, j->d, s.r0, s.n, scratch_of(j->c, thread));
}

static void
cpu_proj_grad(struct ops_ctx *c, struct ops_rows rows, const struct ops_proj *a, const struct ops_proj_grad *d)
{
	const double since = begin_phase();
	struct job j = job_of(c, rows, a, d);
	const size_t size = chunk_size(&j, c->chunk_rows);

	for (size_t r0 = 0; r0 < j.N; r0 += size) {
		begin_chunk(&j, r0, size);
		run_rows(&j, proj_grad_task);
		want_scaled(&j, c->chunk.left[0], c->chunk.right[0], d->dwo, a->scale, a->wo, d->dscale);
		run_products(&j);
	}
	end_phase(c, OPS_CPU_PROJ_GRAD, since);
}

static void
mlp_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct span s = span_of(j, task);

	j->k->mlp(j->c, j->a, s.r0, s.n, scratch_of(j->c, thread));
}

static void
cpu_mlp(struct ops_ctx *c, struct ops_rows rows, const struct ops_mlp *a)
{
	const double since = begin_phase();
	struct job j = job_of(c, rows, a, NULL);

	run_rows(&j, mlp_task);
	end_phase(c, OPS_CPU_MLP, since);
}

static void
mlp_grad_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct span s = span_of(j, task);

	j->k->mlp_grad(j->c, j->a, j->d, s.r0, s.n, scratch_of(j->c, thread));
}

static void
cpu_mlp_grad(struct ops_ctx *c, struct ops_rows rows, const struct ops_mlp *a, const struct ops_mlp_grad *d)
{
	const double since = begin_phase();
	struct job j = job_of(c, rows, a, d);
	const size_t size = chunk_size(&j, c->chunk_rows);

	for (size_t r0 = 0; r0 < j.N; r0 += size) {
		begin_chunk(&j, r0, size);
		run_rows(&j, mlp_grad_task);
		want(&j, c->chunk.left[0], c->chunk.right[0], d->dwfc);
		want_scaled(&j, c->chunk.left[1], c->chunk.right[1], d->dwproj, a->scale, a->wproj, d->dscale);
		run_products(&j);
	}
	end_phase(c, OPS_CPU_MLP_GRAD, since);
}

/* --- head ------------------------------------------------------------------ */

static void
head_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct span s = span_of(j, task);

	j->k->head(j->c, j->a, s.r0, s.n, scratch_of(j->c, thread));
}

static void
cpu_head(struct ops_ctx *c, struct ops_rows rows, const struct ops_head *a)
{
	const double since = begin_phase();
	struct job j = job_of(c, rows, a, NULL);
	const size_t size = a->dx != NULL ? chunk_size(&j, c->head_rows) : j.N;

	check_ids(c, a->targets, j.N);
	for (size_t r0 = 0; r0 < j.N; r0 += size) {
		if (a->dx != NULL)
			begin_chunk(&j, r0, size);
		run_rows(&j, head_task);
		if (a->dx != NULL) {
			want(&j, c->chunk.left[0], c->chunk.right[0], a->dw);
			run_products(&j);
		}
	}
	for (size_t n = 0; n < j.N; n++)
		c->held |= !isfinite(((const float *)a->nats->data)[a->nats_at + n]);
	end_phase(c, OPS_CPU_HEAD, since);
}

struct logits {
	struct ops_buf *out;
	const struct ops_buf *x, *w;
	size_t first;
};

static void
logits_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct logits *l = j->a;
	const struct span s = span_of(j, task);

	j->k->logits(j->c, l->out, s.r0, l->x, l->first + s.r0, s.n, l->w, scratch_of(j->c, thread));
}

static void
cpu_logits(struct ops_ctx *c, struct ops_buf *out, const struct ops_buf *x, size_t first, size_t count,
    const struct ops_buf *w)
{
	const double since = begin_phase();
	const struct logits l = { out, x, w, first };
	struct job j = { .c = c, .k = c->kernels, .row0 = 0, .end = count, .a = &l };

	assert(first + count <= x->rows && count <= out->rows);
	run_rows(&j, logits_task);
	end_phase(c, OPS_CPU_HEAD, since);
}

struct add {
	struct ops_buf *dst;
	const struct ops_buf *src;
};

static void
add_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct add *a = j->a;
	const struct span s = span_of(j, task);

	(void)thread;
	j->k->add(a->dst, a->src, s.r0, s.n);
}

static void
cpu_add(struct ops_ctx *c, struct ops_rows rows, struct ops_buf *dst, const struct ops_buf *src)
{
	const double since = begin_phase();
	const struct add a = { dst, src };
	struct job j = job_of(c, rows, &a, NULL);

	run_rows(&j, add_task);
	end_phase(c, OPS_CPU_OTHER, since);
}

/* --- optimizer ------------------------------------------------------------- */

static double
cpu_sumsq(struct ops_ctx *c, const struct ops_buf *const *bufs, const size_t *n, size_t count)
{
	const double since = begin_phase();
	double total = 0;

	for (size_t i = 0; i < count; i++) {
		assert(n[i] == bufs[i]->rows * bufs[i]->cols);
		total += c->kernels->sumsq(bufs[i]->data, bufs[i]->rows * bufs[i]->ld);
	}
	end_phase(c, OPS_CPU_OTHER, since);
	return (total);
}

struct muon {
	struct ops_ctx *c;
	const struct ops_muon *p;
	const struct ops_muon_law *law;
};

/* One matrix, and its panels while they are warm. */
static void
muon_task(void *arg, size_t task, unsigned thread)
{
	const struct muon *m = arg;
	const struct cpu_kernels *k = m->c->kernels;
	const struct ops_muon *p = &m->p[task];

	k->muon(p, m->law, scratch_of(m->c, thread));
	for (size_t i = 0; i < parts(p->w); i++)
		pack_part(k, p->w, i);
}

static void
cpu_muon(struct ops_ctx *c, const struct ops_muon *p, size_t count, const struct ops_muon_law *law)
{
	const double since = begin_phase();
	struct muon m = { c, p, law };

	if (!c->held)
		pool_run(c->pool, count, muon_task, &m);
	end_phase(c, OPS_CPU_MUON, since);
}

struct adam {
	struct ops_ctx *c;
	const struct ops_adam *p;
	const struct ops_adam_law *law;
};

static void
adam_task(void *arg, size_t task, unsigned thread)
{
	const struct adam *a = arg;
	const size_t n = a->p->w->rows * a->p->w->ld, first = task * STREAM_ELEMENTS;

	(void)thread;
	a->c->kernels->adam(a->p, a->law, first, least(STREAM_ELEMENTS, n - first));
}

static void
cpu_adam(struct ops_ctx *c, const struct ops_adam *p, size_t count, const struct ops_adam_law *law)
{
	const double since = begin_phase();

	for (size_t i = 0; i < count && !c->held; i++, p++) {
		struct adam a = { c, p, law };

		assert(p->n == p->w->rows * p->w->cols);
		pool_run(c->pool, blocks(p->w->rows * p->w->ld, STREAM_ELEMENTS), adam_task, &a);
		pack(c, p->w);
	}
	end_phase(c, OPS_CPU_ADAM, since);
}

/* --- where the time goes ------------------------------------------------------ */

const char *
ops_cpu_phase_name(enum ops_cpu_phase phase)
{
	static const char *const names[OPS_CPU_PHASES] = {
		"embed",
		"qkv",
		"attention",
		"proj",
		"mlp",
		"head",
		"embed_grad",
		"qkv_grad",
		"attention_grad",
		"proj_grad",
		"mlp_grad",
		"other",
		"muon",
		"adam",
	};

	return (names[phase]);
}

double
ops_cpu_seconds(const struct ops_ctx *c, enum ops_cpu_phase phase)
{
	return (c->seconds[phase]);
}

struct ceiling {
	struct ops_ctx *c;
	double seconds;
	double rate; /* of the slowest thread */
	double *rates;
};

static void
ceiling_task(void *arg, size_t task, unsigned thread)
{
	struct ceiling *m = arg;
	const struct cpu_kernels *k = m->c->kernels;
	struct cpu_scratch s = scratch_of(m->c, thread);
	float *a = cpu_take(&s, CEILING_ROWS * CEILING_UNITS * sizeof(*a));
	float *b = cpu_take(&s, CEILING_COLS * CEILING_UNITS * sizeof(*b));
	float *out = cpu_take(&s, CEILING_ROWS * CEILING_COLS * sizeof(*out));
	const double flops = 2.0 * CEILING_ROWS * CEILING_COLS * CEILING_UNITS * (double)k->per_unit;
	double start, best = 0;

	memset(a, 0, (size_t)((char *)(out + CEILING_ROWS * CEILING_COLS) - (char *)a));
	for (start = now(); now() - start < m->seconds;) {
		const double t0 = now();
		double rate;

		for (int i = 0; i < 16; i++)
			k->gemm(CEILING_ROWS, CEILING_COLS, CEILING_UNITS, a, CEILING_UNITS, b, CEILING_UNITS, out,
			    CEILING_COLS, 0);
		rate = 16 * flops / (now() - t0);
		best = rate > best ? rate : best;
	}
	m->rates[task] = best;
}

double
ops_cpu_ceiling(struct ops_ctx *c, double seconds)
{
	const unsigned threads = pool_threads(c->pool);
	double rates[64] = { 0 }, total = 0;
	struct ceiling m = { .c = c, .seconds = seconds, .rates = rates };

	assert(c->training);
	pool_run(c->pool, least(threads, 64), ceiling_task, &m);
	for (size_t i = 0; i < least(threads, 64); i++)
		total += rates[i];
	return (total);
}

const struct ops ops_cpu = {
	.name = "cpu",
	.isa_names = isa_names,
	.open = cpu_open,
	.close = cpu_close,
	.isa = cpu_isa,
	.library = cpu_library,
	.alloc = cpu_alloc,
	.free = cpu_free,
	.upload = cpu_upload,
	.download = cpu_download,
	.zero = cpu_zero,
	.sync = cpu_nothing,
	.begin = cpu_begin,
	.end = cpu_nothing,
	.embed = cpu_embed,
	.embed_grad = cpu_embed_grad,
	.qkv = cpu_qkv,
	.qkv_grad = cpu_qkv_grad,
	.attention = cpu_attention,
	.attention_grad = cpu_attention_grad,
	.proj = cpu_proj,
	.proj_grad = cpu_proj_grad,
	.mlp = cpu_mlp,
	.mlp_grad = cpu_mlp_grad,
	.head = cpu_head,
	.logits = cpu_logits,
	.add = cpu_add,
	.sumsq = cpu_sumsq,
	.muon = cpu_muon,
	.adam = cpu_adam,
};
