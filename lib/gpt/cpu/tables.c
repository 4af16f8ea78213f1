#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gpt/cpu/job.h"
#include "gpt/cpu/tables.h"
#include "gpt/sizes.h"

/* Rows of a task. */
#define TASK_ROWS 64

int
tables_take(const struct ops_ctx *c, struct ops_buf *buf)
{
	struct cpu_table *t;

	if (!c->training || (buf->role != OPS_TABLE && buf->role != OPS_ROWS))
		return (0);
	if (buf->rows > UINT32_MAX || (t = calloc(1, sizes_table(buf->rows))) == NULL) {
		errno = ENOMEM;
		return (-1);
	}
	t->list = (uint32_t *)(void *)(t + 1);
	t->rows = (unsigned char *)(t->list + buf->rows);
	t->self = buf;
	buf->table = t;
	return (0);
}

/* The table that a buffer is, or is a moment of; NULL for any other, and before Adam's first step. */
static struct cpu_table *
table_of(const struct ops_buf *buf)
{
	const struct ops_buf *w = buf->of != NULL ? buf->of : buf;

	return (w->role == OPS_TABLE && w->table != NULL && w->table->p.w != NULL ? w->table : NULL);
}

static void
show(const struct cpu_table *t)
{
	t->p.w->data = t->p.w->home;
	t->p.m->data = t->p.m->home;
	t->p.v->data = t->p.v->home;
}

static void
hide(const struct cpu_table *t)
{
	if (t->late > 0)
		t->p.w->data = t->p.m->data = t->p.v->data = NULL;
}

/* Whether a step without gradient leaves every bit of what has no moments. */
static int
leaves_zeros(const struct cpu_adam *by)
{
	return (by->eps > 0 && isfinite(by->rate) && isfinite(by->fix2) && by->scale >= 0 && isfinite(by->scale));
}

static int
has_no_moments(const struct ops_adam *p, size_t row)
{
	const uint32_t *m = (const uint32_t *)p->m->data + row * p->w->ld;
	const uint32_t *v = (const uint32_t *)p->v->data + row * p->w->ld;

	for (size_t i = 0; i < p->w->ld; i++)
		if ((m[i] | v[i]) != 0)
			return (0);
	return (1);
}

/* Rows that never had a gradient may stay where they are. */
static int
rests(const struct cpu_table *t, size_t row, size_t end)
{
	if (!has_no_moments(&t->p, row))
		return (0);
	for (size_t s = t->rows[row]; s < end; s++)
		if (!leaves_zeros(&t->steps[s]))
			return (0);
	return (1);
}

/* A row through the steps before step ${end}. */
static void
catch_up(const struct cpu_kernels *k, struct cpu_table *t, size_t row, size_t end)
{
	const size_t from = t->rows[row], ld = t->p.w->ld;

	if (from < end && !rests(t, row, end))
		k->adam_late(&t->p, &t->steps[from], end - from, row * ld, ld);
	t->rows[row] = (unsigned char)end;
}

struct rows_job {
	const struct cpu_kernels *k;
	struct cpu_table *t;
	const struct ops_buf *g; /* Adam: the gradient */
	int all;                 /* Adam: also of rows without gradient */
};

static void
whole_task(void *arg, size_t task, unsigned thread)
{
	const struct rows_job *j = arg;
	const size_t rows = j->t->p.w->rows;

	(void)thread;
	for (size_t row = task * TASK_ROWS; row < least(rows, (task + 1) * TASK_ROWS); row++)
		catch_up(j->k, j->t, row, j->t->late);
}

static void
all_had(struct cpu_table *t)
{
	t->late = 0;
	memset(t->rows, 0, t->p.w->rows);
}

void
tables_whole(struct ops_ctx *c, const struct ops_buf *buf)
{
	struct cpu_table *t = table_of(buf);
	struct rows_job j = { .k = c->kernels, .t = t };

	if (t == NULL || t->late == 0)
		return;
	show(t);
	pool_run(c->pool, blocks(t->p.w->rows, TASK_ROWS), whole_task, &j);
	all_had(t);
}

/* Rows at hand lie anywhere: those after the next are asked for before their turn. */
#define AHEAD 2

static void
fetch(const struct ops_adam *p, size_t row)
{
	const size_t ld = p->w->ld, line = 64 / sizeof(float);

	for (size_t i = row * ld; i < (row + 1) * ld; i += line) {
		__builtin_prefetch((const float *)p->w->data + i, 1);
		__builtin_prefetch((const float *)p->m->data + i, 1);
		__builtin_prefetch((const float *)p->v->data + i, 1);
	}
}

static void
look_task(void *arg, size_t task, unsigned thread)
{
	const struct rows_job *j = arg;

	(void)thread;
	for (size_t i = task * TASK_ROWS; i < least(j->t->listed, (task + 1) * TASK_ROWS); i++) {
		if (i + AHEAD < j->t->listed)
			fetch(&j->t->p, j->t->list[i + AHEAD]);
		j->t->rows[j->t->list[i]] &= 0x7f;
		catch_up(j->k, j->t, j->t->list[i], j->t->late);
	}
}

void
tables_look(struct ops_ctx *c, const struct ops_buf *buf, const struct ops_buf *ids, size_t n)
{
	struct cpu_table *t = table_of(buf);
	struct rows_job j = { .k = c->kernels, .t = t };
	const int32_t *id = ids->data;

	_Static_assert(CPU_LATE < 0x80, "a bit says that a row is listed");
	if (t == NULL || t->late == 0)
		return;
	t->listed = 0;
	for (size_t i = 0; i < n; i++) {
		assert(id[i] >= 0 && (size_t)id[i] < buf->rows);
		if (t->rows[id[i]] < t->late) {
			t->rows[id[i]] |= 0x80;
			t->list[t->listed++] = (uint32_t)id[i];
		}
	}
	show(t);
	pool_run(c->pool, blocks(t->listed, TASK_ROWS), look_task, &j);
	hide(t);
	t->p.w->data = t->p.w->home;
}

int
tables_is_tracked(const struct ops_buf *rows)
{
	return (rows->role == OPS_ROWS && rows->table != NULL && rows->table->tracked);
}

void
tables_mark(struct ops_buf *rows, const struct ops_buf *ids, size_t n)
{
	struct cpu_table *t = rows->table;
	const int32_t *id = ids->data;

	if (!tables_is_tracked(rows))
		return;
	for (size_t i = 0; i < n; i++) {
		assert(id[i] >= 0 && (size_t)id[i] < rows->rows);
		if (!t->rows[id[i]]) {
			t->rows[id[i]] = 1;
			t->list[t->listed++] = (uint32_t)id[i];
		}
	}
	rows->data = rows->home;
}

void
tables_leave(const struct ops_buf *buf)
{
	const struct cpu_table *t = table_of(buf);

	if (tables_is_tracked(buf))
		buf->table->self->data = NULL;
	else if (t != NULL)
		hide(t);
}

void
tables_dense(struct ops_buf *rows)
{
	if (!tables_is_tracked(rows))
		return;
	rows->table->tracked = 0;
	rows->data = rows->home;
}

static void
zero_task(void *arg, size_t task, unsigned thread)
{
	const struct cpu_table *t = arg;
	const size_t ld = t->self->ld;

	(void)thread;
	for (size_t i = task * TASK_ROWS; i < least(t->listed, (task + 1) * TASK_ROWS); i++) {
		memset((float *)t->self->home + t->list[i] * ld, 0, ld * sizeof(float));
		t->rows[t->list[i]] = 0;
	}
}

void
tables_zero(struct ops_ctx *c, struct ops_buf *rows)
{
	struct cpu_table *t = rows->table;

	assert(tables_is_tracked(rows));
	pool_run(c->pool, blocks(t->listed, TASK_ROWS), zero_task, t);
	t->listed = 0;
}

void
tables_track(struct ops_buf *rows)
{
	struct cpu_table *t = rows->table;

	if (rows->role != OPS_ROWS || t == NULL || t->tracked)
		return;
	memset(t->rows, 0, rows->rows);
	t->listed = 0;
	t->tracked = 1;
	rows->data = NULL;
}

static void
adam_task(void *arg, size_t task, unsigned thread)
{
	const struct rows_job *j = arg;
	struct cpu_table *t = j->t;
	const unsigned char *written = j->g->table->rows;
	const size_t ld = t->p.w->ld, end = least(t->p.w->rows, (task + 1) * TASK_ROWS);

	(void)thread;
	for (size_t row = task * TASK_ROWS, next; row < end; row = next) {
		next = row + 1;
		if (!written[row]) {
			if (j->all)
				catch_up(j->k, t, row, t->late + 1);
			continue;
		}
		while (next < end && written[next])
			next++;
		for (size_t i = row; i < next; i++) {
			catch_up(j->k, t, i, t->late);
			t->rows[i] = (unsigned char)(t->late + 1);
		}
		j->k->adam(&t->p, &t->steps[t->late], row * ld, (next - row) * ld);
	}
}

static int
is_same_shape(const struct ops_buf *a, const struct ops_buf *b)
{
	return (a->rows == b->rows && a->ld == b->ld);
}

/* Whether these are the table's own, of which nothing but Adam's step is known here. */
static int
takes(const struct ops_adam *p)
{
	struct cpu_table *t = p->w->table;

	if (p->w->role != OPS_TABLE || t == NULL || !tables_is_tracked(p->g))
		return (0);
	if (t->p.w != NULL)
		return (t->p.m == p->m && t->p.v == p->v && is_same_shape(p->w, p->g));
	if (p->m == p->v || p->m->role != OPS_VECTOR || p->v->role != OPS_VECTOR || p->m->of != NULL ||
	    p->v->of != NULL || !is_same_shape(p->w, p->g) || !is_same_shape(p->w, p->m) || !is_same_shape(p->w, p->v))
		return (0);
	t->p = *p;
	p->m->of = p->v->of = p->w;
	return (1);
}

int
tables_adam(struct ops_ctx *c, const struct ops_adam *p, const struct cpu_adam *by)
{
	struct cpu_table *t = p->w->table;
	struct rows_job j = { .k = c->kernels, .t = t, .g = p->g };

	if (!takes(p))
		return (0);
	t->p.g = p->g;
	t->steps[t->late] = *by;
	j.all = t->late + 1 == CPU_LATE;
	show(t);
	p->g->table->self->data = p->g->home;
	pool_run(c->pool, blocks(p->w->rows, TASK_ROWS), adam_task, &j);
	tables_leave(p->g);
	t->late++;
	if (j.all)
		all_had(t);
	hide(t);
	return (1);
}

void
tables_forget(struct ops_ctx *c, struct ops_buf *buf)
{
	struct cpu_table *t = table_of(buf);

	if (t == NULL)
		return;
	tables_whole(c, buf);
	t->p.m->of = t->p.v->of = NULL;
	t->p.w = NULL;
}
