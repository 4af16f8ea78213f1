/* The operations of single levers on the cpu backend, cut into tasks as in operations.c. */

#include "gpt/cpu/buffers.h"
#include "gpt/cpu/job.h"
#include "gpt/cpu/levers.h"
#include "gpt/cpu/operations.h"
#include "gpt/cpu/tables.h"

/* Sums of a block of rows, ${width} of them, behind the rates of all rows. */
static float *
sums_of(const struct job *j, size_t rates, size_t width, size_t r0)
{
	return (j->c->partial + rates + r0 / j->k->row_block * width);
}

/* Elements from..from+n-1 of the sums of all blocks, in order, onto a vector. */
static void
add_sums(const struct job *j, size_t rates, size_t width, size_t from, size_t n, float *to)
{
	for (size_t r0 = 0; r0 < j->N; r0 += j->k->row_block)
		for (size_t i = 0; i < n; i++)
			to[i] += sums_of(j, rates, width, r0)[from + i];
}

/* --- context --------------------------------------------------------------- */

static void
embed_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct span s = span_of(j, task);

	j->k->context_embed(j->c, j->rows, j->a, s.r0, s.n, scratch_of(j->c, thread));
}

static void
norm_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct span s = span_of(j, task);

	(void)thread;
	j->k->context_norm(j->c, j->rows, j->a, s.r0, s.n);
}

/* The rows of both tables that a pass reads. */
static void
look(const struct job *j)
{
	const struct ops_context *a = j->a;

	tables_look(j->c, a->emb, a->ids, j->N);
	if (a->table != NULL)
		tables_look(j->c, a->table, a->pairs, j->N);
}

static void
leave(const struct ops_context *a)
{
	tables_leave(a->emb);
	if (a->table != NULL)
		tables_leave(a->table);
}

void
levers_context(struct ops_ctx *c, struct ops_rows rows, const struct ops_context *a)
{
	const double since = begin_phase();
	struct job j = job_of(c, rows, a, NULL);

	if (a->table != NULL)
		buffers_need(c, &(const struct buffers_need){ a->proj, 1, 0 }, 1);
	look(&j);
	run_rows(&j, embed_task);
	run_rows(&j, norm_task);
	leave(a);
	end_phase(c, OPS_CPU_EMBED, since);
}

static size_t
context_width(const struct ops_context *a)
{
	return (1 + (a->smeared != NULL ? a->gate->cols : 0));
}

static void
back_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct span s = span_of(j, task);

	j->k->context_back(j->c, j->a, j->d, j->c->partial, sums_of(j, 2 * j->N, context_width(j->a), s.r0), s.r0, s.n,
	    scratch_of(j->c, thread));
}

static void
de_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct span s = span_of(j, task);

	(void)thread;
	j->k->context_de(j->a, j->d, j->c->partial, j->N, s.r0, s.n);
}

/* Two rows may carry the same id: a task takes some columns of all rows, in order. */
static void
tokens_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct ops_context *a = j->a;
	const struct ops_context_grad *d = j->d;

	(void)thread;
	j->k->scatter(d->demb, a->ids, d->de->data, 1, 0, j->N, task * CPU_PAD);
}

static void
pairs_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct ops_context *a = j->a;
	const struct ops_context_grad *d = j->d;
	const struct cpu_chunk *chunk = &j->c->chunk;

	(void)thread;
	j->k->scatter(d->dtable, a->pairs, j->c->found, *(const float *)a->scale->data, chunk->row0, chunk->rows,
	    task * CPU_PAD);
}

static void
pairs_back_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct ops_context *a = j->a;
	const struct span s = span_of(j, task);
	const size_t in_chunk = s.r0 - j->c->chunk.row0;

	j->k->pairs_back(j->c, a, j->d, j->c->found + in_chunk * a->table->ld, j->c->partial + in_chunk, s.r0, s.n,
	    scratch_of(j->c, thread));
}

static void
pairs_grad(struct job *j)
{
	const struct ops_context *a = j->a;
	const struct ops_context_grad *d = j->d;
	struct ops_ctx *c = j->c;
	const size_t size = chunk_size(j, c->chunk_rows), all = j->N;

	buffers_need(c, &(const struct buffers_need){ a->proj, 0, 1 }, 1);
	tables_mark(d->dtable, a->pairs, all);
	for (size_t r0 = 0; r0 < all; r0 += c->chunks * size) {
		begin_chunks(j, r0, size);
		run_rows(j, pairs_back_task);
		for (size_t i = 0; i < c->chunk.rows; i++)
			*(float *)d->dscale->data += c->partial[i];
		pool_run(c->pool, a->table->ld / CPU_PAD, pairs_task, j);
		want(j, 0, 0, 0, d->dproj);
		operations_run_products(j);
	}
	tables_leave(d->dtable);
}

void
levers_context_grad(struct ops_ctx *c, struct ops_rows rows, const struct ops_context *a,
    const struct ops_context_grad *d)
{
	const double since = begin_phase();
	struct job j = job_of(c, rows, a, d);
	const size_t width = context_width(a);

	assert(rows.pos0 == 0);
	look(&j);
	run_rows(&j, back_task);
	run_rows(&j, de_task);
	if (a->smeared != NULL) {
		add_sums(&j, 2 * j.N, width, 0, 1, d->dlambda->data);
		add_sums(&j, 2 * j.N, width, 1, width - 1, d->dgate->data);
	}
	tables_mark(d->demb, a->ids, j.N);
	pool_run(c->pool, a->emb->ld / CPU_PAD, tokens_task, &j);
	tables_leave(d->demb);
	if (a->table != NULL)
		pairs_grad(&j);
	leave(a);
	end_phase(c, OPS_CPU_EMBED_GRAD, since);
}

/* --- values ---------------------------------------------------------------- */

static void
values_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct span s = span_of(j, task);

	(void)thread;
	j->k->values(j->c, j->rows, j->a, s.r0, s.n);
}

void
levers_values(struct ops_ctx *c, struct ops_rows rows, const struct ops_values *a)
{
	const double since = begin_phase();
	struct job j = job_of(c, rows, a, NULL);

	if (a->table != NULL)
		tables_look(c, a->table, a->ids, j.N);
	run_rows(&j, values_task);
	if (a->table != NULL)
		tables_leave(a->table);
	end_phase(c, OPS_CPU_QKV, since);
}

static size_t
values_width(const struct job *j)
{
	const struct ops_values *a = j->a;

	return (2 + (a->table != NULL ? j->c->g.num_kv_heads * a->gate->cols : 0));
}

static void
values_grad_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct span s = span_of(j, task);

	(void)thread;
	j->k->values_grad(j->c, j->a, j->d, j->c->partial,
	    sums_of(j, j->N * j->c->g.num_kv_heads, values_width(j), s.r0), s.r0, s.n);
}

static void
values_scatter_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;

	(void)thread;
	j->k->values_scatter(j->c, j->a, j->d, j->c->partial, j->N, task * CPU_PAD);
}

void
levers_values_grad(struct ops_ctx *c, struct ops_rows rows, const struct ops_values *a, const struct ops_values_grad *d)
{
	const double since = begin_phase();
	struct job j = job_of(c, rows, a, d);
	const size_t rates = j.N * c->g.num_kv_heads, width = values_width(&j);

	assert(rows.pos0 == 0);
	if (a->table != NULL) {
		tables_look(c, a->table, a->ids, j.N);
		tables_mark(d->dtable, a->ids, j.N);
	}
	run_rows(&j, values_grad_task);
	if (a->mix != NULL)
		add_sums(&j, rates, width, 0, 2, d->dmix->data);
	for (size_t k = 0; a->table != NULL && k < c->g.num_kv_heads; k++)
		add_sums(&j, rates, width, 2 + k * a->gate->cols, a->gate->cols,
		    (float *)d->dgate->data + k * d->dgate->ld);
	if (a->table != NULL) {
		pool_run(c->pool, a->table->ld / CPU_PAD, values_scatter_task, &j);
		tables_leave(a->table);
		tables_leave(d->dtable);
	}
	end_phase(c, OPS_CPU_QKV_GRAD, since);
}

/* --- output ---------------------------------------------------------------- */

static void
output_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct span s = span_of(j, task);

	(void)thread;
	if (is_wanted(j, s))
		j->k->output(j->c, j->rows, j->a, s.r0, s.n);
}

void
levers_output(struct ops_ctx *c, struct ops_rows rows, const struct ops_output *a)
{
	const double since = begin_phase();
	struct job j = job_of(c, rows, a, NULL);

	run_rows(&j, output_task);
	end_phase(c, OPS_CPU_PROJ, since);
}

static size_t
output_width(const struct job *j)
{
	const struct ops_output *a = j->a;

	return (a->gate != NULL ? j->c->g.num_heads * a->gate->cols : 0);
}

static void
output_grad_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct span s = span_of(j, task);

	(void)thread;
	j->k->output_grad(j->c, j->a, j->d, sums_of(j, 0, output_width(j), s.r0), s.r0, s.n);
}

void
levers_output_grad(struct ops_ctx *c, struct ops_rows rows, const struct ops_output *a, const struct ops_output_grad *d)
{
	const double since = begin_phase();
	struct job j = job_of(c, rows, a, d);

	assert(rows.pos0 == 0);
	run_rows(&j, output_grad_task);
	for (size_t h = 0; a->gate != NULL && h < c->g.num_heads; h++)
		add_sums(&j, 0, output_width(&j), h * a->gate->cols, a->gate->cols,
		    (float *)d->dgate->data + h * d->dgate->ld);
	end_phase(c, OPS_CPU_PROJ_GRAD, since);
}

/* --- skip ------------------------------------------------------------------ */

static void
skip_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct span s = span_of(j, task);

	(void)thread;
	j->k->skip(j->a, s.r0, s.n);
}

void
levers_skip(struct ops_ctx *c, struct ops_rows rows, const struct ops_skip *a)
{
	const double since = begin_phase();
	struct job j = job_of(c, rows, a, NULL);

	run_rows(&j, skip_task);
	end_phase(c, OPS_CPU_QKV, since);
}

static void
skip_grad_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct ops_skip *a = j->a;
	const struct span s = span_of(j, task);

	(void)thread;
	j->k->skip_grad(a, j->d, sums_of(j, 0, 2 * a->x->ld, s.r0), s.r0, s.n);
}

void
levers_skip_grad(struct ops_ctx *c, struct ops_rows rows, const struct ops_skip *a, const struct ops_skip_grad *d)
{
	const double since = begin_phase();
	struct job j = job_of(c, rows, a, d);
	const size_t ld = a->x->ld;

	run_rows(&j, skip_grad_task);
	add_sums(&j, 0, 2 * ld, 0, ld, (float *)d->dw->data + a->skip_row * ld);
	if (a->gates != NULL)
		add_sums(&j, 0, 2 * ld, ld, ld, (float *)d->dgates->data + a->skip_row * ld);
	end_phase(c, OPS_CPU_QKV_GRAD, since);
}

/* --- lanes ----------------------------------------------------------------- */

static void
lanes_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct span s = span_of(j, task);

	(void)thread;
	if (is_wanted(j, s))
		j->k->lanes(j->a, s.r0, s.n);
}

void
levers_lanes(struct ops_ctx *c, struct ops_rows rows, const struct ops_lanes *a)
{
	const double since = begin_phase();
	struct job j = job_of(c, rows, a, NULL);

	run_rows(&j, lanes_task);
	end_phase(c, OPS_CPU_MLP, since);
}

enum { LANE_SUMS = 6 };

static void
lanes_grad_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;
	const struct span s = span_of(j, task);

	(void)thread;
	j->k->lanes_grad(j->a, j->d, sums_of(j, 0, LANE_SUMS, s.r0), s.r0, s.n);
}

void
levers_lanes_grad(struct ops_ctx *c, struct ops_rows rows, const struct ops_lanes *a, const struct ops_lanes_grad *d)
{
	const double since = begin_phase();
	struct job j = job_of(c, rows, a, d);

	assert(rows.pos0 == 0);
	run_rows(&j, lanes_grad_task);
	add_sums(&j, 0, LANE_SUMS, 0, 2, d->dkeep->data);
	add_sums(&j, 0, LANE_SUMS, 2, 2, d->dadd->data);
	add_sums(&j, 0, LANE_SUMS, 4, 2, (float *)d->dadd->data + d->dadd->ld);
	end_phase(c, OPS_CPU_MLP_GRAD, since);
}
