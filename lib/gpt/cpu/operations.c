/*
 * The operations of the cpu backend, cut into tasks.  What is summed in one go
 * depends on the operation's shapes alone; a task writes only rows, tiles or
 * partial sums that are its own; partial sums are added in task order.
 */

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "gpt/cpu/buffers.h"
#include "gpt/cpu/job.h"
#include "gpt/cpu/operations.h"
#include "gpt/cpu/tables.h"

/* Tiles of a round of weight gradients below which they are cut smaller. */
#define FEW_TILES 64
/* Elements of a task that only streams. */
#define STREAM_ELEMENTS ((size_t)64 << 10)

/* What an operation multiplies with: NULL behind the last. */
struct weights {
	const struct ops_buf *w[3];
};

/* Their panels: forward, or for what comes back. */
static void
need(struct ops_ctx *c, const struct weights *w, int back)
{
	buffers_need(c,
	    (const struct buffers_need[]){ { w->w[0], !back, back }, { w->w[1], !back, back },
		{ w->w[2], !back, back } },
	    3);
}

/* An operation whose tasks are blocks of rows, and nothing else. */
static void
by_rows(struct ops_ctx *c, struct ops_rows rows, const void *a, pool_task *task, enum ops_cpu_phase phase,
    const struct weights *w)
{
	const double since = begin_phase();
	struct job j = job_of(c, rows, a, NULL);

	need(c, w, 0);
	run_rows(&j, task);
	end_phase(c, phase, since);
}

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

void
operations_embed(struct ops_ctx *c, struct ops_rows rows, struct ops_buf *x0, const struct ops_buf *ids,
    const struct ops_buf *emb)
{
	const double since = begin_phase();
	const struct embed e = { .x0 = x0, .ids = ids, .emb = emb };
	struct job j = job_of(c, rows, &e, NULL);

	check_ids(c, ids, j.N);
	tables_look(c, emb, ids, j.N);
	run_rows(&j, embed_task);
	tables_leave(emb);
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

void
operations_embed_grad(struct ops_ctx *c, struct ops_rows rows, struct ops_buf *demb, const struct ops_buf *dx0,
    const struct ops_buf *ids, const struct ops_buf *emb)
{
	const double since = begin_phase();
	const struct embed e = { .demb = demb, .dx0 = dx0, .ids = ids, .emb = emb };
	struct job j = job_of(c, rows, &e, NULL);

	tables_look(c, emb, ids, j.N);
	tables_mark(demb, ids, j.N);
	run_rows(&j, embed_rates_task);
	pool_run(c->pool, emb->ld / CPU_PAD, embed_grad_task, &j);
	tables_leave(emb);
	tables_leave(demb);
	end_phase(c, OPS_CPU_EMBED_GRAD, since);
}

/* --- weight gradients, a chunk of rows at a time ----------------------------- */

static void
product_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct cpu_product *p = j->products;
	const size_t R = p->tile_rows;
	size_t across;

	for (; task >= tiles(p, R); p++)
		task -= tiles(p, R);
	across = blocks(p->in, CPU_COLS);
	j->k->product(p, task / across * R, task % across * CPU_COLS, scratch_of(j->c, thread));
}

void
operations_run_products(struct job *j)
{
	const struct cpu_chunk *chunk = &j->c->chunk;
	size_t count = 0;

	/* Where whole blocks are few, smaller ones keep more threads busy; a row's sums do not depend on its tile. */
	for (size_t R = j->k->row_block; count < FEW_TILES && R >= 16; R /= 2) {
		count = 0;
		for (size_t i = 0; i < j->product_count; i++) {
			j->products[i].tile_rows = R;
			count += tiles(&j->products[i], R);
		}
	}
	pool_run(j->c->pool, count, product_task, j);
	for (size_t i = 0; i < j->product_count; i++) {
		const struct cpu_product *p = &j->products[i];

		for (size_t t = 0; p->dots != NULL && t < blocks(chunk->rows, chunk->size) * blocks(p->in, CPU_COLS);
		     t++)
			for (size_t o = 0; o < p->out; o++)
				p->dscale[o] += p->dots[t * p->out + o];
	}
}

/* The gradient of a weight whose product is scaled: dw and dscale. */
static void
want_scaled(struct job *j, size_t left, size_t right, struct ops_buf *dw, const struct ops_buf *scale,
    const struct ops_buf *w, struct ops_buf *dscale)
{
	struct cpu_product *p = want(j, left, 0, right, dw);

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

void
operations_qkv(struct ops_ctx *c, struct ops_rows rows, const struct ops_qkv *a)
{
	const struct weights w = { { a->wq, a->wk, a->wv } };

	by_rows(c, rows, a, qkv_task, OPS_CPU_QKV, &w);
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

void
operations_qkv_grad(struct ops_ctx *c, struct ops_rows rows, const struct ops_qkv *a, const struct ops_qkv_grad *d)
{
	const double since = begin_phase();
	const size_t C = cpu_pad(c->g.model_dim), KD = cpu_pad(c->g.num_kv_heads * c->head_dim), ld = a->x->ld;
	struct job j = job_of(c, rows, a, d);
	const size_t size = chunk_size(&j, c->chunk_rows);
	float *dmix = d->dmix->data, *dskip_w = a->skip != NULL ? (float *)d->dskip_w->data + a->skip_row * ld : NULL;

	need(c, &(const struct weights){ { a->wq, a->wk, a->wv } }, 1);
	for (size_t r0 = 0; r0 < j.N; r0 += c->chunks * size) {
		begin_chunks(&j, r0, size);
		run_rows(&j, qkv_grad_task);
		want(&j, 0, 0, 0, d->dwq);
		want(&j, 0, C, 0, d->dwk);
		want(&j, 0, C + KD, 0, d->dwv);
		operations_run_products(&j);
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

	if (t0 >= j->rows.from)
		j->k->attention(j->c, j->rows, j->a, j->b0 + head / H, head % H, t0, least(R, j->rows.T - t0),
		    scratch_of(j->c, thread));
}

void
operations_attention(struct ops_ctx *c, struct ops_rows rows, const struct ops_attention *a)
{
	const double since = begin_phase();
	struct job j = job_of(c, rows, a, NULL);

	for (j.b0 = 0; j.b0 < rows.B; j.b0 += c->group) {
		j.sequences = least(c->group, rows.B - j.b0);
		run_tasks(&j, j.sequences * c->g.num_kv_heads, attention_pack_task);
		run_tasks(&j, j.sequences * c->g.num_heads * blocks(rows.T, c->kernels->row_block), attention_task);
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

void
operations_attention_grad(struct ops_ctx *c, struct ops_rows rows, const struct ops_attention *a,
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

	if (is_wanted(j, s))
		j->k->proj(j->c, j->a, s.r0, s.n, scratch_of(j->c, thread));
}

void
operations_proj(struct ops_ctx *c, struct ops_rows rows, const struct ops_proj *a)
{
	const struct weights w = { { a->wo, NULL, NULL } };

	by_rows(c, rows, a, proj_task, OPS_CPU_PROJ, &w);
}

static void
proj_grad_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct span s = span_of(j, task);

	j->k->proj_grad(j->c, j->a, j->d, s.r0, s.n, scratch_of(j->c, thread));
}

void
operations_proj_grad(struct ops_ctx *c, struct ops_rows rows, const struct ops_proj *a, const struct ops_proj_grad *d)
{
	const double since = begin_phase();
	struct job j = job_of(c, rows, a, d);
	const size_t size = chunk_size(&j, c->chunk_rows);

	need(c, &(const struct weights){ { a->wo } }, 1);
	for (size_t r0 = 0; r0 < j.N; r0 += c->chunks * size) {
		begin_chunks(&j, r0, size);
		run_rows(&j, proj_grad_task);
		want_scaled(&j, 0, 0, d->dwo, a->scale, a->wo, d->dscale);
		operations_run_products(&j);
	}
	end_phase(c, OPS_CPU_PROJ_GRAD, since);
}

static void
mlp_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct span s = span_of(j, task);

	if (is_wanted(j, s))
		j->k->mlp(j->c, j->a, s.r0, s.n, scratch_of(j->c, thread));
}

void
operations_mlp(struct ops_ctx *c, struct ops_rows rows, const struct ops_mlp *a)
{
	const struct weights w = { { a->wfc, a->wproj, a->activation == OPS_SWIGLU ? a->wgate : NULL } };

	by_rows(c, rows, a, mlp_task, OPS_CPU_MLP, &w);
}

static void
mlp_grad_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct span s = span_of(j, task);

	j->k->mlp_grad(j->c, j->a, j->d, s.r0, s.n, scratch_of(j->c, thread));
}

void
operations_mlp_grad(struct ops_ctx *c, struct ops_rows rows, const struct ops_mlp *a, const struct ops_mlp_grad *d)
{
	const double since = begin_phase();
	struct job j = job_of(c, rows, a, d);
	const size_t size = chunk_size(&j, c->chunk_rows);

	need(c, &(const struct weights){ { a->wfc, a->wproj, a->activation == OPS_SWIGLU ? a->wgate : NULL } }, 1);
	for (size_t r0 = 0; r0 < j.N; r0 += c->chunks * size) {
		begin_chunks(&j, r0, size);
		run_rows(&j, mlp_grad_task);
		want(&j, 0, 0, 0, d->dwfc);
		if (a->activation == OPS_SWIGLU)
			want(&j, 2, 0, 0, d->dwgate);
		want_scaled(&j, 1, 1, d->dwproj, a->scale, a->wproj, d->dscale);
		operations_run_products(&j);
	}
	end_phase(c, OPS_CPU_MLP_GRAD, since);
}

static void
gram_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct span s = span_of(j, task);

	j->k->gram(j->c, j->a, s.r0, s.n, scratch_of(j->c, thread));
}

void
operations_gram(struct ops_ctx *c, struct ops_rows rows, const struct ops_gram *a)
{
	const double since = begin_phase();
	struct job j = job_of(c, rows, a, NULL);
	const size_t size = chunk_size(&j, c->chunk_rows);

	assert(c->training);
	for (size_t r0 = 0; r0 < j.N; r0 += c->chunks * size) {
		begin_chunks(&j, r0, size);
		run_rows(&j, gram_task);
		want(&j, 0, 0, a->x == NULL && a->y == NULL, a->g);
		operations_run_products(&j);
	}
	end_phase(c, OPS_CPU_OTHER, since);
}

/* --- head ------------------------------------------------------------------ */

static void
head_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct span s = span_of(j, task);

	if (is_wanted(j, s))
		j->k->head(j->c, j->a, s.r0, s.n, scratch_of(j->c, thread));
}

void
operations_head(struct ops_ctx *c, struct ops_rows rows, const struct ops_head *a)
{
	const double since = begin_phase();
	struct job j = job_of(c, rows, a, NULL);
	const size_t size = a->dx != NULL ? chunk_size(&j, c->head_rows) : j.N;

	check_ids(c, a->targets, j.N);
	buffers_need(c, &(const struct buffers_need){ a->w, 1, a->dx != NULL }, 1);
	for (size_t r0 = 0; r0 < j.N; r0 += a->dx != NULL ? c->chunks * size : size) {
		if (a->dx != NULL)
			begin_chunks(&j, r0, size);
		run_rows(&j, head_task);
		if (a->dx != NULL) {
			for (size_t i = 0; a->prior != NULL && i < c->chunk.rows; i++)
				*(float *)a->dalpha->data += c->partial[i];
			want(&j, 0, 0, 0, a->dw);
			operations_run_products(&j);
		}
	}
	for (size_t n = 0; n < j.N; n++)
		c->held |= n % rows.T >= rows.from && !isfinite(((const float *)a->nats->data)[a->nats_at + n]);
	end_phase(c, OPS_CPU_HEAD, since);
}

struct logits {
	struct ops_buf *out;
	const struct ops_buf *x, *w;
	const struct ops_prior *prior;
	size_t first;
};

static void
logits_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct logits *l = j->a;
	const struct span s = span_of(j, task);

	j->k->logits(j->c, l->out, s.r0, l->x, l->first + s.r0, s.n, l->w, l->prior, scratch_of(j->c, thread));
}

void
operations_logits(struct ops_ctx *c, struct ops_buf *out, const struct ops_buf *x, size_t first, size_t count,
    const struct ops_buf *w, const struct ops_prior *prior)
{
	const double since = begin_phase();
	const struct logits l = { out, x, w, prior, first };
	struct job j = { .c = c, .k = c->kernels, .row0 = 0, .end = count, .a = &l };

	assert(first + count <= x->rows && count <= out->rows);
	buffers_need(c, &(const struct buffers_need){ w, 1, 0 }, 1);
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

void
operations_add(struct ops_ctx *c, struct ops_rows rows, struct ops_buf *dst, const struct ops_buf *src)
{
	const double since = begin_phase();
	const struct add a = { dst, src };
	struct job j = job_of(c, rows, &a, NULL);

	run_rows(&j, add_task);
	end_phase(c, OPS_CPU_OTHER, since);
}

/* --- optimizer ------------------------------------------------------------- */

double
operations_sumsq(struct ops_ctx *c, const struct ops_buf *const *bufs, const size_t *n, size_t count)
{
	const double since = begin_phase();
	double total = 0;

	for (size_t i = 0; i < count; i++) {
		assert(n[i] == bufs[i]->rows * bufs[i]->cols);
		if (tables_is_tracked(bufs[i]))
			total += c->kernels->sumsq_rows(bufs[i]->home, bufs[i]->ld, bufs[i]->table->rows,
			    bufs[i]->rows);
		else
			total += c->kernels->sumsq(bufs[i]->data, bufs[i]->rows * bufs[i]->ld);
	}
	end_phase(c, OPS_CPU_OTHER, since);
	return (total);
}

struct adam {
	struct ops_ctx *c;
	const struct ops_adam *p;
	struct cpu_adam by;
};

static struct cpu_adam
factors_of(const struct ops_adam *p, const struct ops_adam_law *law)
{
	return ((struct cpu_adam){
	    .rate = (float)(p->lr / (1 - pow(law->beta1, (double)law->t))),
	    .fix2 = (float)(1 / sqrt(1 - pow(law->beta2, (double)law->t))),
	    .eps = law->eps,
	    .beta1 = law->beta1,
	    .beta2 = law->beta2,
	    .rest1 = 1 - law->beta1,
	    .rest2 = 1 - law->beta2,
	    .scale = law->grad_scale,
	});
}

static void
adam_task(void *arg, size_t task, unsigned thread)
{
	const struct adam *a = arg;
	const size_t n = a->p->w->rows * a->p->w->ld, first = task * STREAM_ELEMENTS;

	(void)thread;
	a->c->kernels->adam(a->p, &a->by, first, least(STREAM_ELEMENTS, n - first));
}

void
operations_adam(struct ops_ctx *c, const struct ops_adam *p, size_t count, const struct ops_adam_law *law)
{
	const double since = begin_phase();

	for (size_t i = 0; i < count && !c->held; i++, p++) {
		struct adam a = { c, p, factors_of(p, law) };

		assert(p->n == p->w->rows * p->w->cols);
		if (tables_adam(c, p, &a.by))
			continue;
		tables_whole(c, p->w);
		tables_whole(c, p->m);
		tables_whole(c, p->v);
		pool_run(c->pool, blocks(p->w->rows * p->w->ld, STREAM_ELEMENTS), adam_task, &a);
		buffers_pack(c, p->w);
	}
	end_phase(c, OPS_CPU_ADAM, since);
}

struct average {
	struct ops_ctx *c;
	const struct ops_average *p;
	float keep;
};

static void
average_task(void *arg, size_t task, unsigned thread)
{
	const struct average *a = arg;
	const size_t n = a->p->w->rows * a->p->w->ld, first = task * STREAM_ELEMENTS;

	(void)thread;
	a->c->kernels->average(a->p, a->keep, first, least(STREAM_ELEMENTS, n - first));
}

void
operations_average(struct ops_ctx *c, const struct ops_average *p, size_t count, float keep)
{
	const double since = begin_phase();

	for (size_t i = 0; i < count; i++, p++) {
		struct average a = { c, p, keep };

		assert(p->n == p->w->rows * p->w->cols && p->average->ld == p->w->ld);
		tables_whole(c, p->w);
		pool_run(c->pool, blocks(p->w->rows * p->w->ld, STREAM_ELEMENTS), average_task, &a);
	}
	end_phase(c, OPS_CPU_ADAM, since);
}
