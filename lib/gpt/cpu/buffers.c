/* Memory of the cpu backend: weights stand beside panels packed for products, by row and by column. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gpt/cpu/buffers.h"
#include "gpt/cpu/job.h"

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
	(void)c;
	if (buf == NULL)
		return;
	free(buf->data);
	free(buf->by_row);
	free(buf->by_col);
	free(buf);
}

struct ops_buf *
buffers_alloc(struct ops_ctx *c, enum ops_role role, size_t rows, size_t cols)
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
	buf->bf16 = (role == OPS_ACT || role == OPS_CACHE) && k->per_unit == 2;
	size = buf->bf16 ? sizeof(uint16_t) : sizeof(float);
	if ((buf->data = buffers_zeroed((rows * buf->ld + CPU_SLACK) * size)) == NULL)
		goto err1;
	if (role == OPS_CACHE) {
		/* Panels of all heads, either way, and the longest keys. */
		const size_t heads = c->g.num_kv_heads, panels = cpu_pad(rows) * cpu_pad(c->head_dim);

		if ((buf->by_row = buffers_zeroed(heads * (panels + 1) * sizeof(float))) == NULL)
			goto err1;
	}
	if (role == OPS_WEIGHT) {
		buf->by_row = buffers_zeroed(cpu_pad(rows) * cpu_units(k, cols) * sizeof(float));
		if (buf->by_row == NULL)
			goto err1;
		if (c->training &&
		    (buf->by_col = buffers_zeroed(cpu_pad(cols) * cpu_units(k, rows) * sizeof(float))) == NULL)
			goto err1;
	}
	return (buf);

err1:
	buffers_free(c, buf);
	errno = ENOMEM;
err0:
	return (NULL);
}

/* Part ${task} of a weight's panels, CPU_PAD columns of them: first those by row, then those by column. */
void
buffers_pack_part(const struct cpu_kernels *k, struct ops_buf *w, size_t task)
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

size_t
buffers_parts(const struct ops_buf *w)
{
	return (blocks(w->rows, CPU_PAD) + (w->by_col != NULL ? blocks(w->cols, CPU_PAD) : 0));
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

	if (w->role == OPS_WEIGHT)
		pool_run(c->pool, buffers_parts(w), pack_task, &j);
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

void
buffers_zero(struct ops_ctx *c, struct ops_buf *const *bufs, size_t count)
{
	struct zero_job z = { bufs };

	pool_run(c->pool, count, zero_task, &z);
}
