/* Memory of the cpu backend: weights stand beside panels packed for products, by row and by column. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gpt/cpu/buffers.h"
#include "gpt/cpu/job.h"
#include "gpt/cpu/tables.h"

void *
buffers_zeroed(size_t bytes)
{
	void *p;

	if (posix_memalign(&p, 64, most(bytes, 64)) != 0) {
		errno = ENOMEM;
		return (NULL);
	}
	memset(p, 0, most(bytes, 64));
	return (p);
}

static int
is_dense(enum ops_role role)
{
	return (role == OPS_STAT || role == OPS_IDS);
}

void
buffers_free(struct ops_ctx *c, struct ops_buf *buf)
{
	if (buf == NULL)
		return;
	tables_forget(c, buf);
	if (!buf->placed)
		free(buf->home);
	if (buf->panels != NULL && buf->panels->kept) {
		free(buf->panels->by_row);
		free(buf->panels->by_col);
	}
	free(buf->panels);
	free(buf->table);
	free(buf);
}

static struct ops_buf *
new_buffer(const struct ops_ctx *c, enum ops_role role, size_t rows, size_t cols)
{
	struct ops_buf *buf;

	if (cols > SIZE_MAX / 16 || rows > SIZE_MAX / 16 / (cols + CPU_PAD)) {
		errno = ENOMEM;
		return (NULL);
	}
	if ((buf = calloc(1, sizeof(*buf))) == NULL)
		return (NULL);
	buf->role = role;
	buf->rows = rows;
	buf->cols = cols;
	buf->ld = is_dense(role) ? cols : cpu_pad(cols);
	buf->bf16 = (role == OPS_ACT || role == OPS_CACHE) && c->kernels->per_unit == 2;
	return (buf);
}

static size_t
bytes_of(const struct ops_buf *buf)
{
	return ((buf->rows * buf->ld + CPU_SLACK) * (buf->bf16 ? sizeof(uint16_t) : sizeof(float)));
}

static int
take_panels(const struct ops_ctx *c, struct ops_buf *buf)
{
	const struct cpu_kernels *k = c->kernels;
	const size_t rows = buf->rows, cols = buf->cols;
	struct cpu_panels *panels;

	if ((panels = buf->panels = calloc(1, sizeof(*panels))) == NULL)
		return (-1);
	if (!(panels->kept = sizes_keeps_panels(&c->g, c->training)))
		return (0);
	if ((panels->by_row = buffers_zeroed(cpu_pad(rows) * cpu_units(k, cols) * sizeof(float))) == NULL)
		return (-1);
	if (c->training &&
	    (panels->by_col = buffers_zeroed(cpu_pad(cols) * cpu_units(k, rows) * sizeof(float))) == NULL)
		return (-1);
	return (0);
}

/* Of all heads, either way, and the longest keys. */
static int
take_cache(const struct ops_ctx *c, struct ops_buf *buf)
{
	if ((buf->panels = calloc(1, sizeof(*buf->panels))) == NULL)
		return (-1);
	buf->panels->kept = 1;
	buf->panels->by_row = buffers_zeroed(sizes_cache(&c->g, buf->rows));
	return (buf->panels->by_row != NULL ? 0 : -1);
}

struct ops_buf *
buffers_alloc(struct ops_ctx *c, enum ops_role role, size_t rows, size_t cols)
{
	struct ops_buf *buf;

	if ((buf = new_buffer(c, role, rows, cols)) == NULL)
		goto err0;
	if ((buf->data = buf->home = buffers_zeroed(bytes_of(buf))) == NULL)
		goto err1;
	if ((role == OPS_WEIGHT && take_panels(c, buf) != 0) || (role == OPS_CACHE && take_cache(c, buf) != 0) ||
	    tables_take(c, buf) != 0)
		goto err1;
	return (buf);

err1:
	buffers_free(c, buf);
	errno = ENOMEM;
err0:
	return (NULL);
}

struct ops_buf *
buffers_place(struct ops_ctx *c, enum ops_role role, size_t rows, size_t cols, struct ops_buf *in, size_t at)
{
	struct ops_buf *buf;

	assert(role != OPS_WEIGHT && role != OPS_CACHE && role != OPS_TABLE && role != OPS_ROWS && at % 64 == 0);
	if ((buf = new_buffer(c, role, rows, cols)) == NULL)
		return (NULL);
	assert(at + bytes_of(buf) <= bytes_of(in));
	buf->data = buf->home = (char *)in->data + at;
	buf->placed = 1;
	return (buf);
}

/* Part ${task} of a weight's panels, CPU_PAD columns of them: first those by row, then those by column. */
void
buffers_pack_part(const struct cpu_kernels *k, const struct ops_buf *w, size_t task)
{
	const struct cpu_panels *p = w->panels;
	const size_t by_row = p->by_row != NULL ? blocks(w->rows, CPU_PAD) : 0;
	const size_t first = (task < by_row ? task : task - by_row) * CPU_PAD;
	const size_t depth = cpu_units(k, task < by_row ? w->cols : w->rows);
	const float *data = w->data;

	if (task < by_row)
		k->pack_by_row(p->by_row + first * depth, depth, data + first * w->ld, w->ld,
		    least(CPU_PAD, w->rows - first), w->cols);
	else
		k->pack_by_col(p->by_col + first * depth, depth, data + first, w->ld, w->rows,
		    least(CPU_PAD, w->cols - first));
}

size_t
buffers_parts(const struct ops_buf *w)
{
	return ((w->panels->by_row != NULL ? blocks(w->rows, CPU_PAD) : 0) +
	    (w->panels->by_col != NULL ? blocks(w->cols, CPU_PAD) : 0));
}

static void
pack_task(void *arg, size_t task, unsigned thread)
{
	const struct job *j = arg;

	(void)thread;
	buffers_pack_part(j->k, j->buf, task);
}

void
buffers_pack(struct ops_ctx *c, struct ops_buf *w)
{
	struct job j = { .c = c, .k = c->kernels, .buf = w };

	if (w->role == OPS_WEIGHT && w->panels->kept)
		pool_run(c->pool, buffers_parts(w), pack_task, &j);
}

struct packing {
	const struct cpu_kernels *k;
	const struct buffers_need *needs;
};

static void
need_task(void *arg, size_t task, unsigned thread)
{
	const struct packing *p = arg;
	const struct buffers_need *need = p->needs;

	(void)thread;
	for (; need->w == NULL || task >= buffers_parts(need->w); need++)
		task -= need->w != NULL ? buffers_parts(need->w) : 0;
	buffers_pack_part(p->k, need->w, task);
}

void
buffers_need(struct ops_ctx *c, const struct buffers_need *needs, size_t count)
{
	struct packing p = { c->kernels, needs };
	float *at = c->panels;
	size_t parts = 0;

	for (size_t i = 0; i < count; i++) {
		const struct ops_buf *w = needs[i].w;

		if (w == NULL || w->panels->kept)
			continue;
		w->panels->by_row = needs[i].by_row ? at : NULL;
		at += needs[i].by_row ? cpu_pad(w->rows) * cpu_units(c->kernels, w->cols) : 0;
		w->panels->by_col = needs[i].by_col ? at : NULL;
		at += needs[i].by_col ? cpu_pad(w->cols) * cpu_units(c->kernels, w->rows) : 0;
		parts += buffers_parts(w);
	}
	/* All are kept, or none. */
	if (parts > 0)
		pool_run(c->pool, parts, need_task, &p);
}

static float
widen(uint16_t x)
{
	const uint32_t bits = (uint32_t)x << 16;
	float f;

	memcpy(&f, &bits, sizeof(f));
	return (f);
}

void
buffers_upload(struct ops_ctx *c, struct ops_buf *buf, size_t at, const void *host, size_t n)
{
	assert(at <= buf->rows * buf->cols && n <= buf->rows * buf->cols - at);
	tables_whole(c, buf);
	tables_dense(buf);
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
	buffers_pack(c, buf);
}

void
buffers_download(struct ops_ctx *c, const struct ops_buf *buf, size_t at, void *host, size_t n)
{
	assert(at <= buf->rows * buf->cols && n <= buf->rows * buf->cols - at);
	tables_whole(c, buf);
	for (size_t done = 0, part; done < n; done += part) {
		const size_t row = (at + done) / buf->cols, col = (at + done) % buf->cols;
		float *to = (float *)host + done;

		part = least(n - done, buf->cols - col);
		if (buf->bf16)
			for (size_t i = 0; i < part; i++)
				to[i] = widen(((uint16_t *)buf->home)[row * buf->ld + col + i]);
		else
			memcpy(to, (float *)buf->home + row * buf->ld + col, part * sizeof(float));
	}
}

/* Bytes of a task that makes them zero. */
#define ZERO_BYTES ((size_t)64 << 10)

struct zero_job {
	struct ops_buf *const *bufs;
};

/* Those of which all is zeroed. */
static size_t
zero_bytes(const struct ops_buf *buf)
{
	if (tables_is_tracked(buf))
		return (0);
	return (buf->rows * buf->ld * (buf->bf16 ? sizeof(uint16_t) : sizeof(float)));
}

static void
zero_task(void *arg, size_t task, unsigned thread)
{
	const struct zero_job *z = arg;
	struct ops_buf *const *buf = z->bufs;
	size_t first;

	(void)thread;
	for (; task >= blocks(zero_bytes(*buf), ZERO_BYTES); buf++)
		task -= blocks(zero_bytes(*buf), ZERO_BYTES);
	first = task * ZERO_BYTES;
	memset((char *)(*buf)->data + first, 0, least(ZERO_BYTES, zero_bytes(*buf) - first));
}

void
buffers_zero(struct ops_ctx *c, struct ops_buf *const *bufs, size_t count)
{
	struct zero_job z = { bufs };
	size_t tasks = 0;

	for (size_t i = 0; i < count; i++) {
		tables_whole(c, bufs[i]);
		if (tables_is_tracked(bufs[i]))
			tables_zero(c, bufs[i]);
		tasks += blocks(zero_bytes(bufs[i]), ZERO_BYTES);
	}
	pool_run(c->pool, tasks, zero_task, &z);
	for (size_t i = 0; i < count; i++)
		tables_track(bufs[i]);
}
