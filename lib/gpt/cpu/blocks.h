/*
 * The tasks of cpu.h, written once over vec.h and gemm().  A variant file
 * defines KERNELS (its table's symbol), KERNELS_NAME, BF16, MR, NR, ROW_BLOCK
 * and UNIT_PAD, includes vec.h and a gemm, then this file.
 *
 * With BF16 activations are bfloat16 in memory and float32 in registers, and
 * products multiply bfloat16 and add float32; the residual stream and its
 * gradient are float32 always (NOTES.md says what bfloat16 there cost).
 */

#include <math.h>
#include <stdlib.h>

#if BF16
typedef uint16_t act;
#define PER_UNIT 2
#else
typedef float act;
#define PER_UNIT 1
#endif

/* Rows that a block of VL units spans. */
#define DEEP (VL * PER_UNIT)

VEC_FN size_t
least(size_t a, size_t b)
{
	return (a < b ? a : b);
}
VEC_FN size_t
units_of(size_t k)
{
	return (((k + PER_UNIT - 1) / PER_UNIT + UNIT_PAD - 1) / UNIT_PAD * UNIT_PAD);
}

#if BF16
VEC_FN vf
act_load(const act *p)
{
	return (vf_from_bf16(p));
}
VEC_FN vf
act_loadn(const act *p, size_t n)
{
	return (vf_from_bf16n(p, n));
}
VEC_FN void
act_store(act *p, vf v)
{
	vf_to_bf16(p, v);
}
VEC_FN void
act_storen(act *p, vf v, size_t n)
{
	vf_to_bf16n(p, v, n);
}
#else
VEC_FN vf
act_load(const act *p)
{
	return (vf_load(p));
}
VEC_FN vf
act_loadn(const act *p, size_t n)
{
	return (vf_loadn(p, n));
}
VEC_FN void
act_store(act *p, vf v)
{
	vf_store(p, v);
}
VEC_FN void
act_storen(act *p, vf v, size_t n)
{
	vf_storen(p, v, n);
}
#endif

/* PER_UNIT vectors, one behind the other. */
VEC_FN void
act_store_deep(act *p, const vf v[PER_UNIT])
{
#if BF16
	vf_store((unit *)(void *)p, vec_narrow(v[0], v[1]));
#else
	vf_store(p, v[0]);
#endif
}

/* The unit of PER_UNIT vectors. */
VEC_FN vf
one_unit(const vf v[PER_UNIT])
{
#if BF16
	return (vec_pair(v[0], v[1]));
#else
	return (v[0]);
#endif
}

/* Rows of buffers. */
VEC_FN act *
act_row(const struct ops_buf *b, size_t row)
{
	return ((act *)b->data + row * b->ld);
}
VEC_FN float *
float_row(const struct ops_buf *b, size_t row)
{
	return ((float *)b->data + row * b->ld);
}
VEC_FN const int32_t *
ids_of(const struct ops_buf *b)
{
	return (b->data);
}
VEC_FN const float *
as_units(const act *p)
{
	return ((const float *)(const void *)p);
}

/*
 * Packing.  A source row is float32 or activations, told by ${floats}, which is
 * a constant wherever these are called.
 */
VEC_FN const void *
source_row(const void *src, int floats, size_t ld, size_t row)
{
	return (floats ? (const void *)((const float *)src + row * ld) : (const void *)((const act *)src + row * ld));
}

/* VL units from the k elements of a row, from unit u on; zeros behind its end. */
VEC_FN vf
row_units(const void *row, int floats, size_t u, size_t k)
{
	const size_t first = u * PER_UNIT;
	const size_t left = first < k ? k - first : 0;

#if BF16
	if (floats) {
		const float *p = (const float *)row + first;

		if (left >= DEEP)
			return (vec_narrow(vf_load(p), vf_load(p + VL)));
		return vec_narrow(left > 0 ? vf_loadn(p, left) : vf_zero(),
		    left > VL ? vf_loadn(p + VL, left - VL) : vf_zero());
	} else {
		const act *p = (const act *)row + first;

		if (left >= DEEP)
			return (vf_load(as_units(p)));
		return (left > 0 ? vf_loadn(as_units(p), (left + 1) / 2) : vf_zero());
	}
#else
	const float *p = (const float *)row + first;

	(void)floats;
	return (left >= VL ? vf_load(p) : left > 0 ? vf_loadn(p, left) : vf_zero());
#endif
}

/* VL units down: of rows PER_UNIT * u..., at column col; rows from ${rows} on are zero. */
VEC_FN vf
column_units(const void *src, int floats, size_t ld, size_t u, size_t rows, size_t col)
{
	const size_t first = u * PER_UNIT;

	if (first >= rows)
		return (vf_zero());
#if BF16
	if (floats) {
		const float *p = (const float *)src + first * ld + col;

		return (vec_pair(vf_load(p), first + 1 < rows ? vf_load(p + ld) : vf_zero()));
	} else {
		const act *p = (const act *)src + first * ld + col;

		return (vec_pair_bf16(p, first + 1 < rows ? p + ld : NULL));
	}
#else
	(void)floats;
	return (vf_load((const float *)src + first * ld + col));
#endif
}

/* One panel whose columns are rows 0..rows-1 of src (k elements each). */
VEC_FN void
pack_rows(unit *panel, size_t units, const void *src, int floats, size_t ld, size_t rows, size_t k)
{
	for (size_t g = 0; g < NR; g += VL) {
		for (size_t u = 0; u < units; u += VL) {
			vf r[VL];

			for (size_t i = 0; i < VL; i++) {
				r[i] = vf_zero();
				if (g + i < rows)
					r[i] = row_units(source_row(src, floats, ld, g + i), floats, u, k);
			}
			vec_transpose(r);
			for (size_t i = 0; i < least(VL, units - u); i++)
				vf_store(panel + (u + i) * NR + g, r[i]);
		}
	}
}

/* All panels whose columns are rows 0..rows-1 of src, and zeros up to a multiple of CPU_PAD. */
VEC_FN void
pack_all_rows(unit *panels, size_t depth, const void *src, int floats, size_t ld, size_t rows, size_t k)
{
	for (size_t j = 0; j < cpu_pad(rows); j += NR)
		pack_rows(panels + j / NR * depth * NR, depth, source_row(src, floats, ld, j), floats, ld,
		    j < rows ? least(NR, rows - j) : 0, k);
}

/*
 * All panels whose columns are columns 0..cols-1 of src; rows go down the
 * panels, padded with zeros to ${units}.  Columns up to a multiple of CPU_PAD
 * are read: they are padding, a neighbour, or slack.
 */
VEC_FN void
pack_cols(unit *panels, size_t depth, size_t units, const void *src, int floats, size_t ld, size_t rows, size_t cols)
{
	for (size_t j = 0; j < cpu_pad(cols); j += NR) {
		unit *panel = panels + j / NR * depth * NR;

		for (size_t u = 0; u < units; u++)
			for (size_t g = 0; g < NR; g += VL)
				vf_store(panel + u * NR + g, column_units(src, floats, ld, u, rows, j + g));
	}
}

/*
 * dst (cols, units; ld units): src turned round, so that its rows become the
 * inner dimension of a left side.  Whole blocks of VL rows and VL units are
 * written, padded with zeros.
 */
VEC_FN void
turn(unit *dst, size_t dst_ld, const void *src, int floats, size_t ld, size_t rows, size_t cols)
{
	for (size_t u = 0; u * PER_UNIT < rows; u += VL) {
		for (size_t j = 0; j < cols; j += VL) {
			vf r[VL];

			for (size_t i = 0; i < VL; i++)
				r[i] = column_units(src, floats, ld, u + i, rows, j);
			vec_transpose(r);
			for (size_t i = 0; i < VL; i++)
				vf_store(dst + (j + i) * dst_ld + u, r[i]);
		}
	}
}

/* Units to which pack_cols and turn pad ${rows} rows. */
VEC_FN size_t
deep_units(size_t rows)
{
	return ((rows + DEEP - 1) / DEEP * VL);
}

static void
block_pack_by_row(float *panels, size_t depth, const float *src, size_t ld, size_t rows, size_t k)
{
	pack_all_rows(panels, depth, src, 1, ld, rows, k);
}

static void
block_pack_by_col(float *panels, size_t depth, const float *src, size_t ld, size_t rows, size_t cols)
{
	pack_cols(panels, depth, depth, src, 1, ld, rows, cols);
}

static void
block_narrow(void *dst, const float *src, size_t n)
{
	for (size_t i = 0; i < n; i += VL)
		act_storen((act *)dst + i, vf_loadn(src + i, n - i), n - i);
}

/* c = or += a w^T, or a w: a has n rows of ${k} elements, ${ld} apart; columns j0..j0+cols-1 of the result. */
VEC_FN void
by_row(size_t n, const act *a, size_t ld, const struct ops_buf *w, size_t j0, size_t cols, float *c, size_t ldc)
{
	const size_t units = units_of(w->cols);

	gemm(n, cols, units, as_units(a), ld / PER_UNIT, w->panels->by_row + j0 * units, units, c, ldc, 0);
}

VEC_FN void
by_col(size_t n, const act *a, size_t ld, const struct ops_buf *w, size_t j0, size_t cols, float *c, size_t ldc,
    int add)
{
	const size_t units = units_of(w->rows);

	gemm(n, cols, units, as_units(a), ld / PER_UNIT, w->panels->by_col + j0 * units, units, c, ldc, add);
}

/*
 * Norms.  A row's reciprocal rms from the sum of its squares.
 */
VEC_FN float
reciprocal_rms(float sumsq, size_t n, double eps)
{
	return (1.0f / sqrtf(sumsq / (float)n + (float)eps));
}

/* h = scale * x / rms(x); returns the reciprocal of the rms. */
VEC_FN float
norm_row(const struct ops_ctx *c, const struct ops_buf *x, size_t row, float scale, act *h)
{
	const float *p = float_row(x, row);
	vf sum = vf_zero();
	float r;

	for (size_t i = 0; i < x->ld; i += VL) {
		const vf v = vf_load(p + i);

		sum = vf_fma(v, v, sum);
	}
	r = reciprocal_rms(vf_sum(sum), x->cols, c->g.norm_eps);
	for (size_t i = 0; i < x->ld; i += VL)
		act_store(h + i, vf_load(p + i) * vf_set(r * scale));
	return (r);
}

/* What scale * norm of x (reciprocal r) returns to x for dh: scale * (r * dh - x * (r^3 <dh, x> / n)), as factors. */
struct norm_back {
	vf r, along;
};

VEC_FN struct norm_back
norm_back(float r, float dot, size_t n, float scale)
{
	return ((struct norm_back){ vf_set(r * scale), vf_set(-(r * r * r * dot / (float)n) * scale) });
}

VEC_FN vf
norm_back_at(struct norm_back b, vf dh, vf x)
{
	return (vf_fma(b.r, dh, b.along * x));
}

static void
block_embed(const struct ops_ctx *c, struct ops_buf *x0, const struct ops_buf *ids, const struct ops_buf *emb,
    size_t r0, size_t n)
{
	for (size_t row = r0; row < r0 + n; row++) {
		const float *e = float_row(emb, (size_t)ids_of(ids)[row]);
		vf sum = vf_zero(), r;

		for (size_t i = 0; i < emb->ld; i += VL)
			sum = vf_fma(vf_load(e + i), vf_load(e + i), sum);
		r = vf_set(reciprocal_rms(vf_sum(sum), emb->cols, c->g.norm_eps));
		for (size_t i = 0; i < emb->ld; i += VL)
			vf_store(float_row(x0, row) + i, vf_load(e + i) * r);
	}
}

/* The two factors of each row's norm_back. */
static void
block_embed_rates(const struct ops_ctx *c, float *rates, const struct ops_buf *dx0, const struct ops_buf *ids,
    const struct ops_buf *emb, size_t r0, size_t n)
{
	for (size_t row = r0; row < r0 + n; row++) {
		const float *e = float_row(emb, (size_t)ids_of(ids)[row]);
		const float *d = float_row(dx0, row);
		vf sum = vf_zero(), dot = vf_zero();
		float r;

		for (size_t i = 0; i < emb->ld; i += VL) {
			sum = vf_fma(vf_load(e + i), vf_load(e + i), sum);
			dot = vf_fma(vf_load(e + i), vf_load(d + i), dot);
		}
		r = reciprocal_rms(vf_sum(sum), emb->cols, c->g.norm_eps);
		rates[2 * row] = r;
		rates[2 * row + 1] = -(r * r * r * vf_sum(dot) / (float)emb->cols);
	}
}

/* Columns col0..col0+cols-1 of the embedding's gradient, over all rows in order. */
static void
block_embed_grad(const struct ops_ctx *c, struct ops_buf *demb, const float *rates, const struct ops_buf *dx0,
    const struct ops_buf *ids, const struct ops_buf *emb, size_t rows, size_t col0, size_t cols)
{
	(void)c;
	for (size_t row = 0; row < rows; row++) {
		const size_t id = (size_t)ids_of(ids)[row];
		const struct norm_back back = { vf_set(rates[2 * row]), vf_set(rates[2 * row + 1]) };
		const float *e = float_row(emb, id);
		const float *d = float_row(dx0, row);
		float *g = float_row(demb, id);

		for (size_t i = col0; i < col0 + cols; i += VL)
			vf_store(g + i, vf_load(g + i) + norm_back_at(back, vf_load(d + i), vf_load(e + i)));
	}
}

/* u + skip and its mix with x0: VL elements of a row. */
struct mixer {
	const float *x, *skip, *x0;
	const float *skip_w, *mix0, *mix1;
};

VEC_FN struct mixer
mixer_of(const struct ops_qkv *a, size_t row)
{
	return (struct mixer){
		float_row(a->x, row),
		a->skip != NULL ? float_row(a->skip, row) : NULL,
		float_row(a->x0, row),
		a->skip != NULL ? float_row(a->skip_w, a->skip_row) : NULL,
		float_row(a->mix, 0),
		float_row(a->mix, 1),
	};
}

VEC_FN vf
mixer_u(const struct mixer *m, size_t i)
{
	const vf x = vf_load(m->x + i);

	return (m->skip != NULL ? vf_fma(vf_load(m->skip_w + i), vf_load(m->skip + i), x) : x);
}

VEC_FN vf
mixer_xm(const struct mixer *m, size_t i, vf u)
{
	return (vf_fma(vf_load(m->mix0 + i), u, vf_load(m->mix1 + i) * vf_load(m->x0 + i)));
}

/* xm of a row in float32; returns its reciprocal rms. */
VEC_FN float
mix_row(const struct ops_ctx *c, const struct mixer *m, size_t ld, float *xm)
{
	vf sum = vf_zero();

	for (size_t i = 0; i < ld; i += VL) {
		const vf v = mixer_xm(m, i, mixer_u(m, i));

		vf_store(xm + i, v);
		sum = vf_fma(v, v, sum);
	}
	return (reciprocal_rms(vf_sum(sum), c->g.model_dim, c->g.norm_eps));
}

/* A head of D products: normed, rotated, stored. Returns the reciprocal rms. */
VEC_FN float
head_out(const struct ops_ctx *c, const float *x, act *out, size_t position)
{
	const size_t half = c->turning / 2, D = c->head_dim;
	const float *cosine = c->cosine + position * half, *sine = c->sine + position * half;
	vf sum = vf_zero();
	float r;

	for (size_t i = 0; i < half; i += VL) {
		const vf a = vf_loadn(x + i, half - i), b = vf_loadn(x + half + i, half - i);

		sum = vf_fma(a, a, vf_fma(b, b, sum));
	}
	for (size_t i = 2 * half; i < D; i += VL)
		sum = vf_fma(vf_loadn(x + i, D - i), vf_loadn(x + i, D - i), sum);
	r = reciprocal_rms(vf_sum(sum), c->head_dim, c->g.norm_eps);
	for (size_t i = 0; i < half; i += VL) {
		const vf a = vf_loadn(x + i, half - i) * vf_set(r), b = vf_loadn(x + half + i, half - i) * vf_set(r);
		const vf co = vf_loadn(cosine + i, half - i), si = vf_loadn(sine + i, half - i);

		act_storen(out + i, vf_fma(a, co, b * si), half - i);
		act_storen(out + half + i, b * co - a * si, half - i);
	}
	for (size_t i = 2 * half; i < D; i += VL)
		act_storen(out + i, vf_loadn(x + i, D - i) * vf_set(r), D - i);
	return (r);
}

/*
 * Its gradient, in place: dy becomes the gradient of the product.  Rotation
 * keeps lengths and angles, so the norm's part is taken off before turning back.
 */
VEC_FN void
head_back(const struct ops_ctx *c, act *dy, const act *y, float r, size_t position)
{
	const size_t D = c->head_dim, half = c->turning / 2;
	const float *cosine = c->cosine + position * half, *sine = c->sine + position * half;
	vf sum = vf_zero(), mean;

	for (size_t i = 0; i < D; i += VL)
		sum = vf_fma(act_loadn(dy + i, D - i), act_loadn(y + i, D - i), sum);
	mean = vf_set(-vf_sum(sum) / (float)D);
	for (size_t i = 0; i < half; i += VL) {
		const size_t n = half - i;
		const vf a = vf_fma(mean, act_loadn(y + i, n), act_loadn(dy + i, n)) * vf_set(r);
		const vf b = vf_fma(mean, act_loadn(y + half + i, n), act_loadn(dy + half + i, n)) * vf_set(r);
		const vf co = vf_loadn(cosine + i, n), si = vf_loadn(sine + i, n);

		act_storen(dy + i, a * co - b * si, n);
		act_storen(dy + half + i, vf_fma(b, co, a * si), n);
	}
	for (size_t i = 2 * half; i < D; i += VL)
		act_storen(dy + i, vf_fma(mean, act_loadn(y + i, D - i), act_loadn(dy + i, D - i)) * vf_set(r), D - i);
}

/* All heads of n rows, from products f to rows out0.. of out; rows r0.. of r, if given. */
VEC_FN void
heads_out(const struct ops_ctx *c, struct ops_rows rows, struct ops_buf *out, size_t out0, size_t heads, const float *f,
    size_t ld, struct ops_buf *r, size_t r0, size_t n)
{
	const size_t D = c->head_dim;

	for (size_t i = 0; i < n; i++) {
		const size_t position = rows.pos0 + (r0 + i) % rows.T;

		for (size_t g = 0; g < heads; g++) {
			const float reciprocal = head_out(c, f + i * ld + g * D, act_row(out, out0 + i) + g * D,
			    position);

			if (r != NULL)
				float_row(r, r0 + i)[g] = reciprocal;
		}
	}
}

static void
block_qkv(const struct ops_ctx *c, struct ops_rows rows, const struct ops_qkv *a, size_t r0, size_t n,
    struct cpu_scratch s)
{
	const size_t ld = a->x->ld, H = c->g.num_heads, K = c->g.num_kv_heads, D = c->head_dim;
	act *h = cpu_take(&s, n * ld * sizeof(*h));
	float *f = cpu_take(&s, n * ld * sizeof(*f));

	for (size_t i = 0; i < n; i++) {
		const struct mixer m = mixer_of(a, r0 + i);
		float *xm = float_row(a->xm, r0 + i);
		const vf r = vf_set(mix_row(c, &m, ld, f) * a->norm_scale);

		for (size_t j = 0; j < ld; j += VL) {
			vf_store(xm + j, vf_load(f + j));
			act_store(h + i * ld + j, vf_load(f + j) * r);
			if (a->cut != NULL && j < a->cut->cols)
				vf_storen(float_row(a->cut, r0 + i) + j, vf_load(f + j) * r, a->cut->cols - j);
		}
	}
	if (cpu_wants(rows, r0, n)) {
		by_row(n, h, ld, a->wq, 0, H * D, f, ld);
		heads_out(c, rows, a->q, r0, H, f, ld, a->rq, r0, n);
	}
	by_row(n, h, ld, a->wk, 0, K * D, f, ld);
	heads_out(c, rows, a->k, rows.pos0 + r0, K, f, ld, a->rk, r0, n);
	by_row(n, h, ld, a->wv, 0, K * D, f, ld);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < a->v->ld; j += VL)
			act_store(act_row(a->v, rows.pos0 + r0 + i) + j, vf_load(f + i * ld + j));
}

/* Where rows r0.. of the chunks' sides begin. */
VEC_FN unit *
left_at(const struct ops_ctx *c, int which, size_t out, size_t r0)
{
	const size_t in = r0 - c->chunk.row0, nth = in / c->chunk.size;

	return (c->chunk.left[which] + nth * c->chunk.next_left[which] + out * c->chunk.ld +
	    (in - nth * c->chunk.size) / PER_UNIT);
}
VEC_FN unit *
right_at(const struct ops_ctx *c, int which, size_t r0)
{
	const size_t in = r0 - c->chunk.row0, nth = in / c->chunk.size;

	return (c->chunk.right[which] + nth * c->chunk.next_right[which] + (in - nth * c->chunk.size) / PER_UNIT * NR);
}

/* sums (3, ld): of dxm * u, dxm * x0 and du * skip over these rows. */
static void
block_qkv_grad(const struct ops_ctx *c, struct ops_rows rows, const struct ops_qkv *a, const struct ops_qkv_grad *d,
    float *sums, size_t r0, size_t n, struct cpu_scratch s)
{
	const size_t C = c->g.model_dim, ld = a->x->ld, H = c->g.num_heads, K = c->g.num_kv_heads, D = c->head_dim;
	const size_t deep = deep_units(n);
	act *h = cpu_take(&s, n * ld * sizeof(*h));
	float *dh = cpu_take(&s, n * ld * sizeof(*dh));
	float *xm = cpu_take(&s, ld * sizeof(*xm));

	for (size_t i = 0; i < n; i++) {
		const size_t position = (r0 + i) % rows.T;

		for (size_t g = 0; g < H; g++)
			head_back(c, act_row(d->dq, r0 + i) + g * D, act_row(a->q, r0 + i) + g * D,
			    float_row(a->rq, r0 + i)[g], position);
		for (size_t g = 0; g < K; g++)
			head_back(c, act_row(d->dk, r0 + i) + g * D, act_row(a->k, r0 + i) + g * D,
			    float_row(a->rk, r0 + i)[g], position);
	}
	by_col(n, act_row(d->dq, r0), d->dq->ld, a->wq, 0, C, dh, ld, 0);
	by_col(n, act_row(d->dk, r0), d->dk->ld, a->wk, 0, C, dh, ld, 1);
	by_col(n, act_row(d->dv, r0), d->dv->ld, a->wv, 0, C, dh, ld, 1);
	turn(left_at(c, 0, 0, r0), c->chunk.ld, act_row(d->dq, r0), 0, d->dq->ld, n, C);
	turn(left_at(c, 0, cpu_pad(C), r0), c->chunk.ld, act_row(d->dk, r0), 0, d->dk->ld, n, K * D);
	turn(left_at(c, 0, cpu_pad(C) + cpu_pad(K * D), r0), c->chunk.ld, act_row(d->dv, r0), 0, d->dv->ld, n, K * D);

	memset(sums, 0, 3 * ld * sizeof(*sums));
	for (size_t i = 0; i < n; i++) {
		const struct mixer m = mixer_of(a, r0 + i);
		const float r = mix_row(c, &m, ld, xm);
		const float *dxm = float_row(d->dxm, r0 + i);
		float *dx = float_row(d->dx, r0 + i), *dx0 = float_row(d->dx0, r0 + i);
		float *dskip = a->skip != NULL ? float_row(d->dskip, r0 + i) : NULL;
		struct norm_back back;
		vf dot = vf_zero();

		for (size_t j = 0; d->dcut != NULL && j < d->dcut->cols; j++)
			dh[i * ld + j] += float_row(d->dcut, r0 + i)[j];
		for (size_t j = 0; j < ld; j += VL)
			dot = vf_fma(vf_load(dh + i * ld + j), vf_load(xm + j), dot);
		back = norm_back(r, vf_sum(dot), C, a->norm_scale);
		for (size_t j = 0; j < ld; j += VL) {
			const vf x = vf_load(xm + j);
			const vf g = vf_load(dxm + j) + norm_back_at(back, vf_load(dh + i * ld + j), x);
			const vf du = g * vf_load(m.mix0 + j);
			float *mix0 = sums + j, *mix1 = sums + ld + j, *skip_w = sums + 2 * ld + j;

			act_store(h + i * ld + j, x * vf_set(r * a->norm_scale));
			vf_store(mix0, vf_fma(g, mixer_u(&m, j), vf_load(mix0)));
			vf_store(mix1, vf_fma(g, vf_load(m.x0 + j), vf_load(mix1)));
			vf_store(dx0 + j, vf_fma(g, vf_load(m.mix1 + j), vf_load(dx0 + j)));
			if (dskip != NULL) {
				vf_store(skip_w, vf_fma(du, vf_load(m.skip + j), vf_load(skip_w)));
				vf_store(dskip + j, du * vf_load(m.skip_w + j));
			}
			vf_store(dx + j, du);
		}
	}
	pack_cols(right_at(c, 0, r0), c->chunk.depth, deep, h, 0, ld, n, C);
}

static void
block_proj(const struct ops_ctx *c, const struct ops_proj *a, size_t r0, size_t n, struct cpu_scratch s)
{
	const size_t ld = a->x1->ld;
	const float *scale = float_row(a->scale, 0);
	float *f = cpu_take(&s, n * ld * sizeof(*f));

	by_row(n, act_row(a->y, r0), a->y->ld, a->wo, 0, c->g.model_dim, f, ld);
	for (size_t i = 0; i < n; i++) {
		const float *xm = float_row(a->xm, r0 + i);
		float *x1 = float_row(a->x1, r0 + i);

		for (size_t j = 0; j < ld; j += VL)
			vf_store(x1 + j, vf_fma(vf_load(scale + j), vf_load(f + i * ld + j), vf_load(xm + j)));
	}
}

/* t = scale * dx by columns. */
VEC_FN void
scale_rows(act *t, const struct ops_buf *dx, const struct ops_buf *scale, size_t r0, size_t n)
{
	const float *w = float_row(scale, 0);

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < dx->ld; j += VL)
			act_store(t + i * dx->ld + j, vf_load(w + j) * vf_load(float_row(dx, r0 + i) + j));
}

static void
block_proj_grad(const struct ops_ctx *c, const struct ops_proj *a, const struct ops_proj_grad *d, size_t r0, size_t n,
    struct cpu_scratch s)
{
	const size_t C = c->g.model_dim, ld = d->dx1->ld;
	act *t = cpu_take(&s, n * ld * sizeof(*t));
	float *f = cpu_take(&s, n * ld * sizeof(*f));

	scale_rows(t, d->dx1, a->scale, r0, n);
	by_col(n, t, ld, a->wo, 0, C, f, ld, 0);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < d->dy->ld; j += VL)
			act_store(act_row(d->dy, r0 + i) + j, vf_load(f + i * ld + j));
	turn(left_at(c, 0, 0, r0), c->chunk.ld, float_row(d->dx1, r0), 1, ld, n, C);
	pack_cols(right_at(c, 0, r0), c->chunk.depth, deep_units(n), act_row(a->y, r0), 0, a->y->ld, n, C);
}

VEC_FN vf
sigmoid(vf z)
{
	const vf half = vf_set(0.5f);

	return (vf_fma(half, vf_tanh(z * half), half));
}

/* The activations but relu^2: what they make of a product r and, OPS_SWIGLU, its gate. */
VEC_FN vf
activated(enum ops_activation activation, vf r, vf gate)
{
	if (activation == OPS_LEAKY_RELU2) {
		const vf y = vf_max(r * vf_set(0.5f), r);

		return (y * y);
	}
	return (gate * sigmoid(gate) * r);
}

/* Their gradients, from that of what they made. */
VEC_FN vf
activated_dr(enum ops_activation activation, vf r, vf gate, vf d)
{
	if (activation == OPS_LEAKY_RELU2) {
		const vf y = vf_max(r * vf_set(0.5f), r);

		return ((y + vf_max(vf_zero(), y)) * d);
	}
	return (gate * sigmoid(gate) * d);
}
VEC_FN vf
activated_dgate(vf r, vf gate, vf d)
{
	const vf s = sigmoid(gate);

	return (r * d * s * vf_fma(gate, vf_set(1) - s, vf_set(1)));
}

/* Columns j0.. of the products of n rows, and what an activation other than relu^2 makes of them. */
VEC_FN void
mlp_columns(const struct ops_mlp *a, size_t r0, size_t n, const act *h, size_t ld, size_t j0, size_t cols, float *f,
    float *gates, act *made, size_t ldm)
{
	by_row(n, h, ld, a->wfc, j0, cols, f, CPU_COLS);
	if (a->activation == OPS_SWIGLU)
		by_row(n, h, ld, a->wgate, j0, cols, gates, CPU_COLS);
	for (size_t i = 0; i < n; i++) {
		act *r = act_row(a->r, r0 + i) + j0;
		act *gate = a->activation == OPS_SWIGLU ? act_row(a->gate, r0 + i) + j0 : NULL;

		for (size_t j = 0; j < cpu_pad(cols); j += VL) {
			const vf v = vf_load(f + i * CPU_COLS + j);
			const vf g = gate != NULL ? vf_load(gates + i * CPU_COLS + j) : vf_zero();

			act_store(r + j, v);
			if (gate != NULL)
				act_store(gate + j, g);
			act_store(made + i * ldm + j0 + j, activated(a->activation, v, g));
		}
	}
}

/* Columns j0.. of what came back through the second product, f, through such an activation; what it made again. */
VEC_FN void
mlp_columns_back(const struct ops_mlp *a, size_t r0, size_t n, size_t j0, size_t cols, const float *f, act *made,
    act *dr, act *dgate, size_t ldm)
{
	for (size_t i = 0; i < n; i++) {
		const act *r = act_row(a->r, r0 + i) + j0;
		const act *gate = a->activation == OPS_SWIGLU ? act_row(a->gate, r0 + i) + j0 : NULL;

		for (size_t j = 0; j < cpu_pad(cols); j += VL) {
			const vf v = act_load(r + j), g = gate != NULL ? act_load(gate + j) : vf_zero();
			const vf d = vf_load(f + i * CPU_COLS + j);

			act_store(made + i * ldm + j0 + j, activated(a->activation, v, g));
			act_store(dr + i * ldm + j0 + j, activated_dr(a->activation, v, g, d));
			if (gate != NULL)
				act_store(dgate + i * ldm + j0 + j, activated_dgate(v, g, d));
		}
	}
}

static void
block_mlp(const struct ops_ctx *c, const struct ops_mlp *a, size_t r0, size_t n, struct cpu_scratch s)
{
	const size_t C = c->g.model_dim, F = c->g.mlp_dim, ld = a->x1->ld, ldr = a->r->ld;
	const float *scale = float_row(a->scale, 0);
	act *h = cpu_take(&s, n * ld * sizeof(*h)), *squares = cpu_take(&s, n * ldr * sizeof(*squares));
	float *f = cpu_take(&s, n * CPU_COLS * sizeof(*f));
	float *gates = a->activation == OPS_SWIGLU ? cpu_take(&s, n * CPU_COLS * sizeof(*gates)) : NULL;

	for (size_t i = 0; i < n; i++)
		norm_row(c, a->x1, r0 + i, a->norm_scale, h + i * ld);
	for (size_t j0 = 0; j0 < F; j0 += CPU_COLS) {
		const size_t cols = least(CPU_COLS, F - j0);

		if (a->activation != OPS_RELU2) {
			mlp_columns(a, r0, n, h, ld, j0, cols, f, gates, squares, ldr);
			continue;
		}
		by_row(n, h, ld, a->wfc, j0, cols, f, CPU_COLS);
		for (size_t i = 0; i < n; i++) {
			act *r = act_row(a->r, r0 + i) + j0;

			for (size_t j = 0; j < cpu_pad(cols); j += VL) {
				const vf v = vf_max(vf_zero(), vf_load(f + i * CPU_COLS + j));

				act_store(r + j, v);
				act_store(squares + i * ldr + j0 + j, v * v);
			}
		}
	}
	for (size_t j0 = 0; j0 < C; j0 += CPU_COLS) {
		const size_t cols = least(CPU_COLS, C - j0);

		by_row(n, squares, ldr, a->wproj, j0, cols, f, CPU_COLS);
		for (size_t i = 0; i < n; i++) {
			const float *x1 = float_row(a->x1, r0 + i) + j0;
			float *x2 = float_row(a->x2, r0 + i) + j0;

			for (size_t j = 0; j < cpu_pad(cols); j += VL)
				vf_store(x2 + j,
				    vf_fma(vf_load(scale + j0 + j), vf_load(f + i * CPU_COLS + j), vf_load(x1 + j)));
		}
	}
}

/* Both sides of the product of such rows with themselves. */
static void
block_gram(const struct ops_ctx *c, const struct ops_gram *a, size_t r0, size_t n, struct cpu_scratch s)
{
	const size_t cols = a->g->cols, ld = a->x != NULL ? a->x->ld : a->y != NULL ? a->y->ld : a->r->ld;
	const int side = a->x == NULL && a->y == NULL;
	act *h = cpu_take(&s, n * ld * sizeof(*h));
	const act *from = a->y != NULL ? act_row(a->y, r0) : h;

	for (size_t i = 0; a->x != NULL && i < n; i++)
		norm_row(c, a->x, r0 + i, a->norm_scale, h + i * ld);
	for (size_t i = 0; side == 1 && i < n; i++) {
		const act *r = act_row(a->r, r0 + i);
		const act *gate = a->activation == OPS_SWIGLU ? act_row(a->gate, r0 + i) : NULL;

		for (size_t j = 0; j < ld; j += VL) {
			const vf v = act_load(r + j);

			if (a->activation == OPS_RELU2)
				act_store(h + i * ld + j, v * v);
			else
				act_store(h + i * ld + j,
				    activated(a->activation, v, gate != NULL ? act_load(gate + j) : vf_zero()));
		}
	}
	turn(left_at(c, 0, 0, r0), c->chunk.ld, from, 0, ld, n, cols);
	pack_cols(right_at(c, side, r0), c->chunk.depth, deep_units(n), from, 0, ld, n, cols);
}

static void
block_mlp_grad(const struct ops_ctx *c, const struct ops_mlp *a, const struct ops_mlp_grad *d, size_t r0, size_t n,
    struct cpu_scratch s)
{
	const size_t C = c->g.model_dim, F = c->g.mlp_dim, ld = a->x1->ld, ldr = a->r->ld, deep = deep_units(n);
	act *h = cpu_take(&s, n * ld * sizeof(*h)), *t = cpu_take(&s, n * ld * sizeof(*t));
	act *dr = cpu_take(&s, n * ldr * sizeof(*dr)), *squares = cpu_take(&s, n * ldr * sizeof(*squares));
	float *f = cpu_take(&s, n * (ld > CPU_COLS ? ld : CPU_COLS) * sizeof(*f));
	float *reciprocal = cpu_take(&s, n * sizeof(*reciprocal));
	act *dgate = a->activation == OPS_SWIGLU ? cpu_take(&s, n * ldr * sizeof(*dgate)) : NULL;

	for (size_t i = 0; i < n; i++)
		reciprocal[i] = norm_row(c, a->x1, r0 + i, a->norm_scale, h + i * ld);
	scale_rows(t, d->dx2, a->scale, r0, n);
	for (size_t j0 = 0; j0 < F; j0 += CPU_COLS) {
		const size_t cols = least(CPU_COLS, F - j0);

		by_col(n, t, ld, a->wproj, j0, cols, f, CPU_COLS, 0);
		if (a->activation != OPS_RELU2) {
			mlp_columns_back(a, r0, n, j0, cols, f, squares, dr, dgate, ldr);
			continue;
		}
		for (size_t i = 0; i < n; i++) {
			const act *r = act_row(a->r, r0 + i) + j0;

			for (size_t j = 0; j < cpu_pad(cols); j += VL) {
				const vf v = act_load(r + j);

				act_store(squares + i * ldr + j0 + j, v * v);
				act_store(dr + i * ldr + j0 + j, (v + v) * vf_load(f + i * CPU_COLS + j));
			}
		}
	}
	turn(left_at(c, 0, 0, r0), c->chunk.ld, dr, 0, ldr, n, F);
	turn(left_at(c, 1, 0, r0), c->chunk.ld, float_row(d->dx2, r0), 1, ld, n, C);
	pack_cols(right_at(c, 0, r0), c->chunk.depth, deep, h, 0, ld, n, C);
	pack_cols(right_at(c, 1, r0), c->chunk.depth, deep, squares, 0, ldr, n, F);

	by_col(n, dr, ldr, a->wfc, 0, C, f, ld, 0);
	if (dgate != NULL) {
		turn(left_at(c, 2, 0, r0), c->chunk.ld, dgate, 0, ldr, n, F);
		by_col(n, dgate, ldr, a->wgate, 0, C, f, ld, 1);
	}
	for (size_t i = 0; i < n; i++) {
		const float *x1 = float_row(a->x1, r0 + i), *dx2 = float_row(d->dx2, r0 + i);
		float *dx1 = float_row(d->dx1, r0 + i);
		struct norm_back back;
		vf dot = vf_zero();

		for (size_t j = 0; j < ld; j += VL)
			dot = vf_fma(vf_load(f + i * ld + j), vf_load(x1 + j), dot);
		back = norm_back(reciprocal[i], vf_sum(dot), C, a->norm_scale);
		for (size_t j = 0; j < ld; j += VL)
			vf_store(dx1 + j,
			    vf_load(dx2 + j) + norm_back_at(back, vf_load(f + i * ld + j), vf_load(x1 + j)));
	}
}

/* Row ${row}'s addition to its logits, without alpha. */
VEC_FN const float *
prior_row(const struct ops_prior *p, size_t row)
{
	return (float_row(p->table, (size_t)ids_of(p->ids)[row]));
}

/* Columns j0.. of the capped logits of n normed rows, the first of which is row r0 of the prior's. */
VEC_FN void
capped(const struct ops_ctx *c, size_t n, const act *h, size_t ld, const struct ops_buf *w,
    const struct ops_prior *prior, size_t r0, size_t j0, size_t cols, float *z, size_t ldz)
{
	const vf cap = vf_set((float)c->g.logit_softcap), inverse = vf_set((float)(1 / c->g.logit_softcap));

	by_row(n, h, ld, w, j0, cols, z, ldz);
	for (size_t i = 0; prior != NULL && i < n; i++)
		for (size_t j = 0; j < cpu_pad(cols); j += VL)
			vf_store(z + i * ldz + j,
			    vf_fma(vf_set(float_row(prior->alpha, 0)[0]), vf_load(prior_row(prior, r0 + i) + j0 + j),
				vf_load(z + i * ldz + j)));
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < cpu_pad(cols); j += VL)
			vf_store(z + i * ldz + j, cap * vf_tanh(vf_load(z + i * ldz + j) * inverse));
}

/* The largest of V numbers. */
VEC_FN float
top_of(const float *z, size_t V)
{
	const vf low = vf_set(-3e38f);
	vf top = low;

	for (size_t j = 0; j < V; j += VL)
		top = vf_max(top, vf_split(vf_load(z + j), low, V - j));
	return (vf_top(top));
}

/* log of the sum of exponentials of V numbers */
VEC_FN float
log_sum_exp(const float *z, size_t V)
{
	const float top = top_of(z, V);
	vf sum = vf_zero();

	for (size_t j = 0; j < V; j += VL)
		sum = sum + vf_exp(vf_split(vf_load(z + j), vf_set(-3e38f), V - j) - vf_set(top));
	return (top + logf(vf_sum(sum)));
}

/* A row of the head's backward. */
struct head_row {
	float reciprocal; /* of the rms */
	float factor;     /* what the gradients of its logits, as they stand, are still to be multiplied by */
	float sum, top;   /* of powers, and what they count from */
	float target;     /* the target's logit */
};

/* n rows from logits z to losses and the gradients dz of logits, both (n, ldz): the first numerics. */
VEC_FN void
head_rows(const struct ops_ctx *c, const struct ops_head *a, size_t r0, size_t n, const float *z, act *dz, size_t ldz,
    struct head_row *rows, float *nats)
{
	const size_t V = c->g.vocab_size;
	const vf inverse = vf_set((float)(1 / c->g.logit_softcap)), scale = vf_set(a->grad_scale);
	const int32_t *targets = ids_of(a->targets) + r0;

	for (size_t i = 0; i < n; i++) {
		const size_t target = (size_t)targets[i];
		const float *zi = z + i * ldz;
		const float at_target = zi[target] / (float)c->g.logit_softcap;
		const float lse = log_sum_exp(zi, V);
		float correct;

		nats[i] = lse - zi[target];
		correct = a->grad_scale * (expf(zi[target] - lse) - 1) * (1 - at_target * at_target);
		for (size_t j = 0; j < ldz; j += VL) {
			const vf v = vf_load(zi + j), t = v * inverse, p = vf_exp(v - vf_set(lse));
			const vf g = scale * p * (vf_set(1) - t * t);

			act_store(dz + i * ldz + j, vf_split(g, vf_zero(), j < V ? V - j : 0));
		}
		block_narrow(dz + i * ldz + target, &correct, 1);
		rows[i].factor = 1;
	}
}

/* The sum of the powers of ${cols} logits of a row; each times 1 - tanh^2, its gradient but for the factor, into u. */
VEC_FN float
powers(const float *z, size_t cols, float top, vf inverse, act *u)
{
	vf sum = vf_zero();

	for (size_t j = 0; j < cpu_pad(cols); j += VL) {
		const vf v = vf_load(z + j), t = v * inverse;
		vf e = vf_exp2((v - vf_set(top)) * vf_set(LOG2_E));

		if (j + VL > cols)
			e = vf_split(e, vf_zero(), cols > j ? cols - j : 0);
		sum = sum + e;
		act_store(u + j, e * (vf_set(1) - t * t));
	}
	return (vf_sum(sum));
}

/*
 * The same from products on, the second numerics: in one pass over a few columns at a time each logit's power gives its
 * part of the row's sum and, but for a factor that is known with the sum, its gradient.  That is two exponentials a
 * logit in place of three, and no row of float32 logits; the factor goes to the other side of each product.
 */
VEC_FN void
head_once(const struct ops_ctx *c, const struct ops_head *a, size_t r0, size_t n, const act *h, act *u, size_t ldu,
    struct head_row *rows, float *nats, float *z)
{
	const size_t V = c->g.vocab_size, wide = cpu_logits(&c->g);
	const int32_t *targets = ids_of(a->targets) + r0;
	const vf inverse = vf_set((float)(1 / c->g.logit_softcap));

	for (size_t j0 = 0; j0 < V; j0 += wide) {
		const size_t cols = least(wide, V - j0);

		capped(c, n, h, a->x->ld, a->w, a->prior, r0, j0, cols, z, wide);
		for (size_t i = 0; i < n; i++) {
			const size_t target = (size_t)targets[i];
			const float *zi = z + i * wide;
			struct head_row *row = &rows[i];

			if (j0 == 0) {
				row->sum = 0;
				row->top = c->g.logit_softcap > CPU_CAP_OF_POWERS ? top_of(zi, V) : 0;
			}
			row->sum += powers(zi, cols, row->top, inverse, u + i * ldu + j0);
			if (target >= j0 && target - j0 < cols)
				row->target = zi[target - j0];
		}
	}
	for (size_t i = 0; i < n; i++) {
		struct head_row *row = &rows[i];
		const float t = row->target / (float)c->g.logit_softcap;
		const float at_target = (expf(row->target - row->top) - row->sum) * (1 - t * t);

		nats[i] = logf(row->sum) + row->top - row->target;
		block_narrow(u + i * ldu + (size_t)targets[i], &at_target, 1);
		row->factor = a->grad_scale / row->sum;
	}
}

static void
block_head(const struct ops_ctx *c, const struct ops_head *a, size_t r0, size_t n, struct cpu_scratch s)
{
	const size_t C = c->g.model_dim, V = c->g.vocab_size, ld = a->x->ld, ldz = cpu_pad(V);
	const int once = a->dx != NULL && c->numerics >= 2;
	const int32_t *targets = ids_of(a->targets) + r0;
	float *nats = (float *)a->nats->data + a->nats_at + r0;
	act *h = cpu_take(&s, n * ld * sizeof(*h));
	float *z = cpu_take(&s, n * (once ? cpu_logits(&c->g) : ldz) * sizeof(*z));
	struct head_row *rows = cpu_take(&s, n * sizeof(*rows));
	act *dz;
	float *dh;

	for (size_t i = 0; i < n; i++)
		rows[i].reciprocal = norm_row(c, a->x, r0 + i, 1, h + i * ld);
	if (!once)
		capped(c, n, h, ld, a->w, a->prior, r0, 0, V, z, ldz);
	if (a->dx == NULL) {
		for (size_t i = 0; i < n; i++)
			nats[i] = log_sum_exp(z + i * ldz, V) - z[i * ldz + (size_t)targets[i]];
		return;
	}
	dz = cpu_take(&s, n * ldz * sizeof(*dz));
	dh = cpu_take(&s, n * ld * sizeof(*dh));
	if (once)
		head_once(c, a, r0, n, h, dz, ldz, rows, nats, z);
	else
		head_rows(c, a, r0, n, z, dz, ldz, rows, nats);
	for (size_t i = 0; once && i < n; i++)
		norm_row(c, a->x, r0 + i, rows[i].factor, h + i * ld);
	for (size_t i = 0; a->prior != NULL && i < n; i++) {
		const float *of_id = prior_row(a->prior, r0 + i);
		vf dot = vf_zero();

		for (size_t j = 0; j < ldz; j += VL)
			dot = vf_fma(act_load(dz + i * ldz + j), vf_load(of_id + j), dot);
		c->partial[r0 - c->chunk.row0 + i] = rows[i].factor * vf_sum(dot);
	}
	by_col(n, dz, ldz, a->w, 0, C, dh, ld, 0);
	turn(left_at(c, 0, 0, r0), c->chunk.ld, dz, 0, ldz, n, V);
	pack_cols(right_at(c, 0, r0), c->chunk.depth, deep_units(n), h, 0, ld, n, C);
	for (size_t i = 0; i < n; i++) {
		const float *x = float_row(a->x, r0 + i);
		float *dx = float_row(a->dx, r0 + i);
		struct norm_back back;
		vf dot = vf_zero();

		for (size_t j = 0; j < ld; j += VL)
			dot = vf_fma(vf_load(dh + i * ld + j), vf_load(x + j), dot);
		back = norm_back(rows[i].reciprocal, vf_sum(dot), C, rows[i].factor);
		for (size_t j = 0; j < ld; j += VL)
			vf_store(dx + j, norm_back_at(back, vf_load(dh + i * ld + j), vf_load(x + j)));
	}
}

static void
block_logits(const struct ops_ctx *c, struct ops_buf *out, size_t out0, const struct ops_buf *x, size_t r0, size_t n,
    const struct ops_buf *w, const struct ops_prior *prior, struct cpu_scratch s)
{
	const size_t ld = x->ld, ldz = cpu_pad(c->g.vocab_size);
	act *h = cpu_take(&s, n * ld * sizeof(*h));
	float *z = cpu_take(&s, n * ldz * sizeof(*z));

	for (size_t i = 0; i < n; i++)
		norm_row(c, x, r0 + i, 1, h + i * ld);
	capped(c, n, h, ld, w, prior, r0, 0, w->rows, z, ldz);
	for (size_t i = 0; i < n; i++)
		memcpy(float_row(out, out0 + i), z + i * ldz, c->g.vocab_size * sizeof(float));
}

/* What chunk ${nth} adds to a tile of a weight gradient; f: room for its product. */
VEC_FN void
chunk_product(const struct cpu_product *p, size_t nth, size_t row0, size_t col0, float *f)
{
	const struct cpu_chunk *chunk = p->chunk;
	const size_t rows = least(p->tile_rows, p->out - row0), cols = least(CPU_COLS, p->in - col0);
	const size_t across = (p->in + CPU_COLS - 1) / CPU_COLS;
	const float *left = chunk->left[p->left] + nth * chunk->next_left[p->left] + (p->left_row + row0) * chunk->ld;
	const float *right = chunk->right[p->right] + nth * chunk->next_right[p->right] + col0 * chunk->depth;

	gemm(rows, cols, units_of(least(chunk->size, chunk->rows - nth * chunk->size)), left, chunk->ld, right,
	    chunk->depth, f, CPU_COLS, 0);
	for (size_t i = 0; i < rows; i++) {
		float *dw = float_row(p->dw, row0 + i) + col0;
		const float *g = f + i * CPU_COLS;
		const vf scale = vf_set(p->scale != NULL ? p->scale[row0 + i] : 1);
		vf dot = vf_zero();

		/* Columns of padding stay zero: the right side's are a neighbour's or slack. */
		for (size_t j = 0; j < cols; j += VL)
			vf_storen(dw + j, vf_fma(scale, vf_load(g + j), vf_load(dw + j)), cols - j);
		if (p->dots == NULL)
			continue;
		for (size_t j = 0; j < cpu_pad(cols); j += VL)
			dot = vf_fma(vf_load(float_row(p->w, row0 + i) + col0 + j), vf_load(g + j), dot);
		p->dots[(nth * across + col0 / CPU_COLS) * p->out + row0 + i] = vf_sum(dot);
	}
}

/* One tile of a weight gradient, from the sides of all chunks that stand. */
static void
block_product(const struct cpu_product *p, size_t row0, size_t col0, struct cpu_scratch s)
{
	float *f = cpu_take(&s, ROW_BLOCK * CPU_COLS * sizeof(*f));

	for (size_t nth = 0; nth * p->chunk->size < p->chunk->rows; nth++)
		chunk_product(p, nth, row0, col0, f);
}

static void
block_add(struct ops_buf *dst, const struct ops_buf *src, size_t r0, size_t n)
{
	float *d = float_row(dst, r0);
	const float *p = float_row(src, r0);

	for (size_t i = 0; i < n * dst->ld; i += VL)
		vf_store(d + i, vf_load(d + i) + vf_load(p + i));
}

static double
block_sumsq(const float *x, size_t n)
{
	double total = 0;

	/* Float sums over 4096 elements, then double: as exact as the elements deserve. */
	for (size_t i = 0; i < n; i += 4096) {
		vf sum = vf_zero();

		for (size_t j = i; j < least(n, i + 4096); j += VL)
			sum = vf_fma(vf_load(x + j), vf_load(x + j), sum);
		total += vf_sum(sum);
	}
	return (total);
}

/* Only rows that are marked have what a sum could be changed by: adding zeros leaves every bit, as no sum is -0. */
static double
block_sumsq_rows(const float *x, size_t ld, const unsigned char *marked, size_t rows)
{
	double total = 0;

	for (size_t i = 0; i < rows * ld; i += 4096) {
		const size_t end = least(rows * ld, i + 4096);
		vf sum = vf_zero();

		for (size_t j = i, row = i / ld, next; j < end; j = next, row++) {
			next = least(end, (row + 1) * ld);
			for (; marked[row] && j < next; j += VL)
				sum = vf_fma(vf_load(x + j), vf_load(x + j), sum);
		}
		total += vf_sum(sum);
	}
	return (total);
}

/* VL elements of a parameter and its moments. */
struct moving {
	vf w, m, v;
};

VEC_FN struct moving
adam_moved(const struct cpu_adam *by, struct moving a, vf g)
{
	const vf x = vf_set(by->scale) * g;

	a.m = vf_fma(vf_set(by->beta1), a.m, vf_set(by->rest1) * x);
	a.v = vf_fma(vf_set(by->beta2), a.v, vf_set(by->rest2) * x * x);
	a.w = a.w - vf_set(by->rate) * a.m / vf_fma(vf_sqrt(a.v), vf_set(by->fix2), vf_set(by->eps));
	return (a);
}

static void
block_adam(const struct ops_adam *p, const struct cpu_adam *by, size_t first, size_t n)
{
	const struct cpu_adam now = *by;
	float *w = (float *)p->w->data + first, *m = (float *)p->m->data + first, *v = (float *)p->v->data + first;
	const float *g = (const float *)p->g->data + first;

	for (size_t i = 0; i < n; i += VL) {
		const struct moving a = adam_moved(&now,
		    (struct moving){ vf_load(w + i), vf_load(m + i), vf_load(v + i) }, vf_load(g + i));

		vf_store(m + i, a.m);
		vf_store(v + i, a.v);
		vf_store(w + i, a.w);
	}
}

static void
block_adam_late(const struct ops_adam *p, const struct cpu_adam *by, size_t steps, size_t first, size_t n)
{
	float *w = (float *)p->w->data + first, *m = (float *)p->m->data + first, *v = (float *)p->v->data + first;

	for (size_t i = 0; i < n; i += VL) {
		struct moving a = { vf_load(w + i), vf_load(m + i), vf_load(v + i) };

		for (size_t s = 0; s < steps; s++)
			a = adam_moved(&by[s], a, vf_zero());
		vf_store(m + i, a.m);
		vf_store(v + i, a.v);
		vf_store(w + i, a.w);
	}
}

static void
block_average(const struct ops_average *p, float keep, size_t first, size_t n)
{
	const float *w = (const float *)p->w->data + first;
	float *average = (float *)p->average->data + first;

	for (size_t i = 0; i < n; i += VL)
		vf_store(average + i, vf_fma(vf_set(keep), vf_load(average + i) - vf_load(w + i), vf_load(w + i)));
}

#include "gpt/cpu/attention.h"
#include "gpt/cpu/blocks_levers.h"
#include "gpt/cpu/muon.h"

const struct cpu_kernels KERNELS = {
	.name = KERNELS_NAME,
	.row_block = ROW_BLOCK,
	.per_unit = PER_UNIT,
	.unit_pad = UNIT_PAD,
	.gemm = gemm,
	.pack_by_row = block_pack_by_row,
	.pack_by_col = block_pack_by_col,
	.narrow = block_narrow,
	.embed = block_embed,
	.embed_rates = block_embed_rates,
	.embed_grad = block_embed_grad,
	.qkv = block_qkv,
	.qkv_grad = block_qkv_grad,
	.attention_pack = block_attention_pack,
	.attention = block_attention,
	.attention_grad = block_attention_grad,
	.proj = block_proj,
	.proj_grad = block_proj_grad,
	.mlp = block_mlp,
	.mlp_grad = block_mlp_grad,
	.gram = block_gram,
	.head = block_head,
	.logits = block_logits,
	.product = block_product,
	.add = block_add,
	.context_embed = block_context_embed,
	.context_norm = block_context_norm,
	.context_back = block_context_back,
	.context_de = block_context_de,
	.scatter = block_scatter,
	.pairs_back = block_pairs_back,
	.values = block_values,
	.values_grad = block_values_grad,
	.values_scatter = block_values_scatter,
	.output = block_output,
	.output_grad = block_output_grad,
	.skip = block_skip,
	.skip_grad = block_skip_grad,
	.lanes = block_lanes,
	.lanes_grad = block_lanes_grad,
	.sumsq = block_sumsq,
	.sumsq_rows = block_sumsq_rows,
	.muon = block_muon,
	.adam = block_adam,
	.adam_late = block_adam_late,
	.average = block_average,
};
