/*
 * All of the context's block is Muon's: pieces for threads, each with a whole matrix in it, or pieces with room for the
 * rows of a product, and behind them as many matrices as fit.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gpt/cpu/buffers.h"
#include "gpt/cpu/job.h"
#include "gpt/cpu/muon_tasks.h"

/* Threads may idle for so much of their time before they share matrices, which is a quarter more work (NOTES.md). */
#define IDLE_SHARE 0.25

struct muon_task {
	const struct ops_muon *p;
	struct cpu_muon m;
};

/* What a round of tasks needs: matrices, and the stage of their parts. */
struct round {
	struct ops_ctx *c;
	const struct ops_muon_law *law;
	struct muon_task *tasks;
	size_t count;
	size_t thread_bytes; /* of a thread's piece */
	enum cpu_muon_stage stage;
	int step;
};

/* Sides of the matrix, turned if it is tall. */
static size_t
short_side(const struct ops_muon *p)
{
	return (least(p->rows, p->cols));
}

static size_t
long_side(const struct ops_muon *p)
{
	return (most(p->rows, p->cols));
}

/* Multiplications of a step of Newton-Schulz, by how they compare. */
static double
work_of(const struct ops_muon *p)
{
	const double m = (double)short_side(p), n = (double)long_side(p);

	return (m * m * (2 * n + m));
}

static int
by_work(const void *a, const void *b)
{
	const struct muon_task *x = a, *y = b;
	const double p = work_of(x->p), q = work_of(y->p);

	return (p != q ? (p < q) - (p > q) : (x->p > y->p) - (x->p < y->p));
}

/* Those with more parts first. */
static int
by_parts(const void *a, const void *b)
{
	const size_t p = short_side(((const struct muon_task *)a)->p), q = short_side(((const struct muon_task *)b)->p);

	return (p != q ? (p < q) - (p > q) : by_work(a, b));
}

static size_t
act_bytes(const struct ops_ctx *c)
{
	return (sizeof(float) / c->kernels->per_unit);
}

/* Steps at once, at most. */
static size_t
at_once(const struct ops_ctx *c, const struct ops_muon *p, const struct ops_muon_law *law)
{
	if (law->form == OPS_MUON_DIRECT || p->rows == p->cols)
		return (1);
	return (c->kernels->per_unit == 2 ? 2 : 3);
}

static size_t
matrix_bytes(const struct ops_ctx *c, const struct ops_muon *p, const struct ops_muon_law *law)
{
	const size_t ldx = cpu_pad(long_side(p)), lda = cpu_pad(short_side(p)), high = lda + CPU_PAD;
	const size_t x = act_bytes(c) < sizeof(float) ? act_bytes(c) : 0;

	return (high * ldx * (sizeof(float) + x) +
	    ((at_once(c, p, law) > 1 ? 3 : 2) * high * lda + lda * ldx) * act_bytes(c) + 2 * ldx * sizeof(float) +
	    9 * 64);
}

/* Lay the matrix out, with zeros where padding is read. Returns what is left of the memory. */
static struct cpu_scratch
lay(const struct ops_ctx *c, struct cpu_muon *m, const struct ops_muon *p, const struct ops_muon_law *law,
    struct cpu_scratch s)
{
	const size_t ldx = cpu_pad(long_side(p)), lda = cpu_pad(short_side(p));
	const size_t high = lda + CPU_PAD; /* rows that whole blocks reach to */

	*m = (struct cpu_muon){ .p = p, .law = law, .m = short_side(p), .n = long_side(p), .ldx = ldx, .lda = lda };
	m->exact = cpu_take(&s, high * ldx * sizeof(float));
	m->x = act_bytes(c) < sizeof(float) ? cpu_take(&s, high * ldx * act_bytes(c)) : m->exact;
	m->square = cpu_take(&s, high * lda * act_bytes(c));
	m->cubic = cpu_take(&s, high * lda * act_bytes(c));
	m->at_once = at_once(c, p, law);
	if (m->at_once > 1)
		m->later = cpu_take(&s, high * lda * act_bytes(c));
	m->panels = cpu_take(&s, lda * ldx * act_bytes(c));
	m->sums = cpu_take(&s, ldx * sizeof(float));
	m->factors = cpu_take(&s, ldx * sizeof(float));
	return (s);
}

static void
clear(const struct ops_ctx *c, const struct cpu_muon *m)
{
	const size_t high = m->lda + CPU_PAD;

	memset(m->exact, 0, high * m->ldx * sizeof(float));
	if (m->x != m->exact)
		memset(m->x, 0, high * m->ldx * act_bytes(c));
	memset(m->square, 0, high * m->lda * act_bytes(c));
	memset(m->cubic, 0, high * m->lda * act_bytes(c));
	if (m->later != NULL)
		memset(m->later, 0, high * m->lda * act_bytes(c));
}

static struct cpu_scratch
piece_of(const struct round *r, unsigned thread)
{
	char *at = r->c->block + thread * r->thread_bytes;

	return ((struct cpu_scratch){ at, at + r->thread_bytes });
}

/* Of steps at once each has stages of its own. */
static int
is_idle(const struct cpu_muon *m, enum cpu_muon_stage stage, int step)
{
	const struct cpu_muon_run run = cpu_muon_run(m, step);

	switch (stage) {
	case CPU_MUON_PACK:
	case CPU_MUON_SQUARE:
		return (step > run.first);
	case CPU_MUON_TIMES:
	case CPU_MUON_PACK_TIMES:
	case CPU_MUON_RETURN:
		return (step + 1 == run.end);
	case CPU_MUON_PACK_ALL:
	case CPU_MUON_ALL:
		return (step == run.first);
	case CPU_MUON_PACK_COLS:
	case CPU_MUON_UPDATE:
		return (step + 1 < run.end);
	default:
		return (0);
	}
}

static int
multiplies(enum cpu_muon_stage stage)
{
	switch (stage) {
	case CPU_MUON_SQUARE:
	case CPU_MUON_CUBIC:
	case CPU_MUON_TIMES:
	case CPU_MUON_RETURN:
	case CPU_MUON_ALL:
	case CPU_MUON_UPDATE:
		return (1);
	default:
		return (0);
	}
}

static size_t
parts(const struct cpu_muon *m, enum cpu_muon_stage stage, int step)
{
	if (is_idle(m, stage, step))
		return (0);
	if (multiplies(stage))
		return (blocks(m->m, m->rows));
	switch (stage) {
	case CPU_MUON_MOMENTUM:
	case CPU_MUON_BEGIN:
		return (blocks(m->p->rows, m->piece));
	case CPU_MUON_PACK_COLS:
		return (blocks(m->n, m->piece));
	case CPU_MUON_NEURONS:
		return (m->law->norm == OPS_MUON_NEURON);
	default:
		return (blocks(m->m, m->piece));
	}
}

/* Stages one after the other: *stage and *step become the next; 0 behind the last. */
static int
advance(const struct ops_muon_law *law, enum cpu_muon_stage *stage, int *step)
{
	if (*stage == CPU_MUON_END)
		return (0);
	if (*stage == CPU_MUON_UPDATE && ++*step < law->ns_steps)
		*stage = CPU_MUON_PACK;
	else if (*stage == CPU_MUON_BEGIN && law->ns_steps == 0)
		*stage = CPU_MUON_NEURONS;
	else
		(*stage)++;
	return (1);
}

/* --- a matrix a task ------------------------------------------------------- */

/* One matrix, and its panels while they are warm. */
static void
whole_task(void *arg, size_t task, unsigned thread)
{
	const struct round *r = arg;
	const struct cpu_kernels *k = r->c->kernels;
	const struct ops_muon *p = r->tasks[task].p;
	enum cpu_muon_stage stage = CPU_MUON_MOMENTUM;
	struct cpu_muon m;
	struct cpu_scratch s = lay(r->c, &m, p, r->law, piece_of(r, thread));
	int step = 0;

	m.rows = k->row_block;
	m.piece = m.ldx;
	clear(r->c, &m);
	do
		for (size_t part = 0; part < parts(&m, stage, step); part++)
			k->muon(&m, stage, step, part, s);
	while (advance(r->law, &stage, &step));
	for (size_t i = 0; p->w->panels->kept && i < buffers_parts(p->w); i++)
		buffers_pack_part(k, p->w, i);
}

/* Whether threads that take matrices by size, the largest first, are busy enough. */
static int
are_busy(const struct ops_ctx *c, const struct muon_task *tasks, size_t count)
{
	const unsigned threads = pool_threads(c->pool);
	double *busy = (double *)(void *)c->block, all = 0, end = 0;

	memset(busy, 0, threads * sizeof(*busy));
	for (size_t i = 0; i < count; i++) {
		unsigned next = 0;

		for (unsigned t = 1; t < threads; t++)
			next = busy[t] < busy[next] ? t : next;
		busy[next] += work_of(tasks[i].p);
		all += work_of(tasks[i].p);
		end = busy[next] > end ? busy[next] : end;
	}
	return (end * threads * (1 - IDLE_SHARE) <= all);
}

/* --- parts of matrices ----------------------------------------------------- */

static void
clear_task(void *arg, size_t task, unsigned thread)
{
	const struct round *r = arg;

	(void)thread;
	clear(r->c, &r->tasks[task].m);
}

/* Parts of streams, matrix by matrix. */
static void
stream_task(void *arg, size_t task, unsigned thread)
{
	const struct round *r = arg;
	const struct muon_task *t = r->tasks;

	for (; task >= parts(&t->m, r->stage, r->step); t++)
		task -= parts(&t->m, r->stage, r->step);
	r->c->kernels->muon(&t->m, r->stage, r->step, task, piece_of(r, thread));
}

/* Parts of products: low rows of a triangle are long, so they go first of all matrices, which stand by their parts. */
static void
product_task(void *arg, size_t task, unsigned thread)
{
	const struct round *r = arg;
	size_t with = 0, part = parts(&r->tasks[0].m, r->stage, r->step);

	for (;; task -= with) {
		part--;
		while (with < r->count && parts(&r->tasks[with].m, r->stage, r->step) > part)
			with++;
		if (task < with)
			break;
	}
	r->c->kernels->muon(&r->tasks[task].m, r->stage, r->step, part, piece_of(r, thread));
}

static void
panels_task(void *arg, size_t task, unsigned thread)
{
	const struct round *r = arg;
	const struct muon_task *t = r->tasks;

	(void)thread;
	for (; task >= buffers_parts(t->p->w); t++)
		task -= buffers_parts(t->p->w);
	buffers_pack_part(r->c->kernels, t->p->w, task);
}

/* All stages of the round's matrices, which stand in memory. */
static void
run_stages(struct round *r)
{
	size_t kept = 0;

	pool_run(r->c->pool, r->count, clear_task, r);
	r->stage = CPU_MUON_MOMENTUM;
	r->step = 0;
	do {
		/* With matrices that are idle in between they stand by their parts no more. */
		const int by_part = multiplies(r->stage) && r->law->form == OPS_MUON_DIRECT;
		size_t tasks = 0;

		for (size_t i = 0; i < r->count; i++)
			tasks += parts(&r->tasks[i].m, r->stage, r->step);
		if (tasks > 0)
			pool_run(r->c->pool, tasks, by_part ? product_task : stream_task, r);
	} while (advance(r->law, &r->stage, &r->step));
	for (size_t i = 0; i < r->count; i++)
		kept += r->tasks[i].p->w->panels->kept ? buffers_parts(r->tasks[i].p->w) : 0;
	if (kept > 0) /* all are, or none */
		pool_run(r->c->pool, kept, panels_task, r);
}

/* Matrices that stand together, as few as keep all threads busy: they stay in caches. */
static void
run_shared(struct ops_ctx *c, const struct ops_muon_law *law, struct muon_task *tasks, size_t count)
{
	const unsigned threads = pool_threads(c->pool);
	size_t rows = c->kernels->row_block % CPU_PAD == 0 ? c->kernels->row_block : CPU_PAD;
	size_t all = 0, wide = 0, done = 0, groups;

	for (size_t i = 0; i < count; i++) {
		all += blocks(short_side(tasks[i].p), rows);
		wide = most(wide, cpu_pad(long_side(tasks[i].p)));
	}
	if (all < ROUND_TASKS * threads && rows > CPU_PAD) {
		rows = CPU_PAD;
		all = 0;
		for (size_t i = 0; i < count; i++)
			all += blocks(short_side(tasks[i].p), rows);
	}
	groups = most(1, all / (ROUND_TASKS * threads));
	for (struct round r; done < count; done += r.count) {
		struct cpu_scratch s = { .end = c->block + threads * c->muon_bytes };
		size_t in_round = 0;

		r = (struct round){ .c = c, .law = law, .tasks = tasks + done };
		r.thread_bytes = blocks(rows * wide * sizeof(float), 64) * 64;
		for (s.at = c->block + threads * r.thread_bytes; done + r.count < count && in_round * groups < all;
		     r.count++) {
			struct muon_task *t = &tasks[done + r.count];

			if (matrix_bytes(c, t->p, law) > (size_t)(s.end - s.at))
				break;
			s = lay(c, &t->m, t->p, law, s);
			t->m.rows = t->m.piece = rows;
			in_round += blocks(t->m.m, rows);
		}
		/* One fits: what each thread has for a whole matrix (sizes.c) is more than its rows of a product. */
		assert(r.count > 0);
		run_stages(&r);
	}
}

/* --- all of them ----------------------------------------------------------- */

/* Room for the tasks, or NULL. */
static struct muon_task *
tasks_of(struct ops_ctx *c, const struct ops_muon *p, size_t count)
{
	if (c->muon_room < count) {
		free(c->muon);
		c->muon = calloc(count, sizeof(*c->muon));
		c->muon_room = c->muon != NULL ? count : 0;
	}
	for (size_t i = 0; c->muon != NULL && i < count; i++)
		c->muon[i].p = &p[i];
	return (c->muon);
}

static void
run_all(struct ops_ctx *c, const struct ops_muon *p, size_t count, const struct ops_muon_law *law)
{
	struct muon_task one = { 0 }, *tasks = tasks_of(c, p, count);
	struct round whole = { .c = c, .law = law, .tasks = tasks, .count = count, .thread_bytes = c->muon_bytes };

	/* Without memory for a list one after the other, as they stand. */
	for (size_t i = 0; tasks == NULL && i < count; i++) {
		one.p = &p[i];
		whole.tasks = &one;
		whole_task(&whole, 0, 0);
	}
	if (tasks == NULL)
		return;
	qsort(tasks, count, sizeof(*tasks), by_work);
	if (are_busy(c, tasks, count)) {
		pool_run(c->pool, count, whole_task, &whole);
		return;
	}
	qsort(tasks, count, sizeof(*tasks), by_parts);
	run_shared(c, law, tasks, count);
}

void
muon_tasks_run(struct ops_ctx *c, const struct ops_muon *p, size_t count, const struct ops_muon_law *law)
{
	const double since = begin_phase();

	if (!c->held && count > 0)
		run_all(c, p, count, law);
	end_phase(c, OPS_CPU_MUON, since);
}
