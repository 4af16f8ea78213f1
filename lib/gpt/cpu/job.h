#ifndef HG_JOB_H
#define HG_JOB_H

#include <assert.h>
#include <time.h>

#include "gpt/cpu/cpu.h"
#include "gpt/cpu/measure.h"
#include "gpt/cpu/pool.h"

/**
 * How an operation is cut into tasks: small inline parts that operations.c, buffers.c and measure.c share.
 */

/* Tasks of a round that each thread is to find at least, where work can be cut or joined so that there are as many. */
#define ROUND_TASKS 4

static inline size_t
most(size_t a, size_t b)
{
	return (a > b ? a : b);
}

static inline size_t
least(size_t a, size_t b)
{
	return (a < b ? a : b);
}

static inline size_t
blocks(size_t n, size_t size)
{
	return ((n + size - 1) / size);
}

static inline double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return ((double)t.tv_sec + 1e-9 * (double)t.tv_nsec);
}

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

static inline struct job
job_of(struct ops_ctx *c, struct ops_rows rows, const void *a, const void *d)
{
	const size_t N = rows.B * rows.T;

	/* By whole tasks of attention, whose rows are rounded together. */
	rows.from -= rows.from % c->kernels->row_block;
	assert(rows.from < rows.T);
	assert(N > 0 && N <= c->g.max_rows && rows.pos0 + rows.T <= c->g.max_positions);
	assert(rows.pos0 == 0 || rows.B == 1);
	return ((struct job){ .c = c, .k = c->kernels, .rows = rows, .N = N, .row0 = 0, .end = N, .a = a, .d = d });
}

static inline struct cpu_scratch
scratch_of(const struct ops_ctx *c, unsigned thread)
{
	char *at = c->block + thread * c->scratch_bytes;

	return ((struct cpu_scratch){ at, at + c->scratch_bytes });
}

/* The rows of task i of a round. */
struct span {
	size_t r0, n;
};

static inline struct span
span_of(const struct job *j, size_t task)
{
	const size_t r0 = j->row0 + task * j->k->row_block;

	return ((struct span){ r0, least(j->k->row_block, j->end - r0) });
}

/* Whether anybody wants some of these rows. */
static inline int
is_wanted(const struct job *j, struct span s)
{
	return (cpu_wants(j->rows, s.r0, s.n));
}

/*
 * Tasks of a pass of few rows stay on the thread that asks: each is shorter than it takes to wake another, whose turn
 * to sleep comes between any two, as the tasks that go by rows are no more than one.
 */
static inline void
run_tasks(struct job *j, size_t count, pool_task *task)
{
	if (j->N > j->k->row_block)
		pool_run(j->c->pool, count, task, j);
	else
		for (size_t i = 0; i < count; i++)
			task(j, i, 0);
}

static inline void
run_rows(struct job *j, pool_task *task)
{
	pool_run(j->c->pool, blocks(j->end - j->row0, j->k->row_block), task, j);
}

/* Weight gradients, a chunk of rows at a time. */

/* Cut N rows into chunks of equal size: rows of one chunk. */
static inline size_t
chunk_size(const struct job *j, size_t rows_at_most)
{
	const size_t R = j->k->row_block, chunks = blocks(j->N, rows_at_most);

	return (blocks(blocks(j->N, chunks), R) * R);
}

/* Chunks of ${size} rows from row0 on, as many as stand at a time. */
static inline void
begin_chunks(struct job *j, size_t row0, size_t size)
{
	struct cpu_chunk *chunk = &j->c->chunk;

	j->row0 = row0;
	j->end = least(j->N, row0 + j->c->chunks * size);
	chunk->row0 = row0;
	chunk->rows = j->end - row0;
	chunk->size = size;
	chunk->depth = cpu_pad(size) / j->k->per_unit;
	chunk->ld = chunk->depth + 16;
	j->product_count = 0;
}

static inline struct cpu_product *
want(struct job *j, size_t left, size_t left_row, size_t right, struct ops_buf *dw)
{
	struct cpu_product *p = &j->products[j->product_count++];

	*p = (struct cpu_product){
		.chunk = &j->c->chunk,
		.left = left,
		.left_row = left_row,
		.right = right,
		.out = dw->rows,
		.in = dw->cols,
		.dw = dw,
	};
	return (p);
}

static inline size_t
tiles(const struct cpu_product *p, size_t row_block)
{
	return (blocks(p->out, row_block) * blocks(p->in, CPU_COLS));
}

/* Time of an operation goes to its phase. */
static inline double
begin_phase(void)
{
	return (now());
}

static inline void
end_phase(struct ops_ctx *c, enum ops_cpu_phase phase, double since)
{
	const double ended = now();

	c->seconds[phase] += ended - since;
	if (c->ended != NULL)
		c->ended(c->cookie, phase, since, ended);
}

#endif
