/*
 * The tasks of single levers of the model; part of blocks.h.  Heads and gates are narrow, so that loops over them are
 * plain; those over columns of a stream are vectors.
 */

VEC_FN float
logistic(float z)
{
	return (1 / (1 + expf(-z)));
}

/* The logistic function of a gate's row of weights and the first columns of what it looks at. */
VEC_FN float
gate_of(const struct ops_buf *gate, size_t row, const float *looks_at)
{
	const float *w = float_row(gate, row);
	float sum = 0;

	for (size_t i = 0; i < gate->cols; i++)
		sum += w[i] * looks_at[i];
	return (logistic(sum));
}

/* y += s x, n of them */
VEC_FN void
add_scaled(float *y, float s, const float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] += s * x[i];
}

/* --- context --------------------------------------------------------------- */

/* Rows of the table of pairs, as a left side. */
VEC_FN void
gather_pairs(const struct ops_context *a, size_t r0, size_t n, act *h)
{
	const size_t ld = a->table->ld;

	for (size_t i = 0; i < n; i++) {
		const float *row = float_row(a->table, (size_t)ids_of(a->pairs)[r0 + i]);

		for (size_t j = 0; j < ld; j += VL)
			act_store(h + i * ld + j, vf_load(row + j));
	}
}

static void
block_context_embed(const struct ops_ctx *c, struct ops_rows rows, const struct ops_context *a, size_t r0, size_t n,
    struct cpu_scratch s)
{
	const size_t ld = a->e->ld;
	float *f = NULL;

	if (a->table != NULL) {
		act *h = cpu_take(&s, n * a->table->ld * sizeof(*h));

		f = cpu_take(&s, n * ld * sizeof(*f));
		gather_pairs(a, r0, n, h);
		by_row(n, h, a->table->ld, a->proj, 0, c->g.model_dim, f, ld);
	}
	for (size_t i = 0; i < n; i++) {
		const float *from = float_row(a->emb, (size_t)ids_of(a->ids)[r0 + i]);
		const vf scale = vf_set(f != NULL ? float_row(a->scale, 0)[0] : 0);
		float *e = float_row(a->e, rows.pos0 + r0 + i);

		for (size_t j = 0; j < ld; j += VL)
			vf_store(e + j,
			    f != NULL ? vf_fma(scale, vf_load(f + i * ld + j), vf_load(from + j)) : vf_load(from + j));
	}
}

VEC_FN int
is_smeared(const struct ops_context *a, size_t row)
{
	return (a->smeared != NULL && ids_of(a->smeared)[row] != 0);
}

/* s of a row, and the reciprocal of its rms. */
VEC_FN float
context_row(const struct ops_ctx *c, size_t pos0, const struct ops_context *a, size_t row, float *out)
{
	const size_t ld = a->e->ld;
	const float *e = float_row(a->e, pos0 + row), *before = e;
	vf sum = vf_zero(), share = vf_zero();

	if (is_smeared(a, row)) {
		before = float_row(a->e, pos0 + row - 1);
		share = vf_set(float_row(a->lambda, 0)[0] * gate_of(a->gate, 0, e));
	}
	for (size_t j = 0; j < ld; j += VL) {
		const vf v = vf_fma(share, vf_load(before + j), vf_load(e + j));

		vf_store(out + j, v);
		sum = vf_fma(v, v, sum);
	}
	return (reciprocal_rms(vf_sum(sum), a->e->cols, c->g.norm_eps));
}

static void
block_context_norm(const struct ops_ctx *c, struct ops_rows rows, const struct ops_context *a, size_t r0, size_t n)
{
	for (size_t row = r0; row < r0 + n; row++) {
		float *x0 = float_row(a->x0, row);
		const vf r = vf_set(context_row(c, rows.pos0, a, row, x0));

		for (size_t j = 0; j < a->x0->ld; j += VL)
			vf_store(x0 + j, vf_load(x0 + j) * r);
	}
}

/*
 * dx0 becomes the gradient of s.  rates gets by row the share of the row before in s and the gradient of the gate's
 * argument; sums that of lambda and of the gate's weights.
 */
static void
block_context_back(const struct ops_ctx *c, const struct ops_context *a, const struct ops_context_grad *d, float *rates,
    float *sums, size_t r0, size_t n, struct cpu_scratch s)
{
	const size_t ld = a->e->ld, columns = a->smeared != NULL ? a->gate->cols : 0;
	float *row_s = cpu_take(&s, ld * sizeof(*row_s));

	memset(sums, 0, (1 + columns) * sizeof(*sums));
	for (size_t row = r0; row < r0 + n; row++) {
		const float r = context_row(c, 0, a, row, row_s);
		const float *e = float_row(a->e, row);
		float *ds = float_row(d->dx0, row), g, lambda, along;
		struct norm_back back;
		vf dot = vf_zero();

		for (size_t j = 0; j < ld; j += VL)
			dot = vf_fma(vf_load(ds + j), vf_load(row_s + j), dot);
		back = norm_back(r, vf_sum(dot), a->e->cols, 1);
		for (size_t j = 0; j < ld; j += VL)
			vf_store(ds + j, norm_back_at(back, vf_load(ds + j), vf_load(row_s + j)));
		rates[2 * row] = rates[2 * row + 1] = 0;
		if (!is_smeared(a, row))
			continue;
		dot = vf_zero();
		for (size_t j = 0; j < ld; j += VL)
			dot = vf_fma(vf_load(ds + j), vf_load(float_row(a->e, row - 1) + j), dot);
		along = vf_sum(dot);
		lambda = float_row(a->lambda, 0)[0];
		g = gate_of(a->gate, 0, e);
		rates[2 * row] = lambda * g;
		rates[2 * row + 1] = lambda * along * g * (1 - g);
		sums[0] += along * g;
		add_scaled(sums + 1, rates[2 * row + 1], e, columns);
	}
}

/* de, of rows of ${all} in the pass. */
static void
block_context_de(const struct ops_context *a, const struct ops_context_grad *d, const float *rates, size_t all,
    size_t r0, size_t n)
{
	const size_t ld = d->de->ld;

	for (size_t row = r0; row < r0 + n; row++) {
		const float *ds = float_row(d->dx0, row), *after = row + 1 < all ? ds + ld : ds;
		const vf share = vf_set(row + 1 < all ? rates[2 * row + 2] : 0);
		float *de = float_row(d->de, row);

		for (size_t j = 0; j < ld; j += VL)
			vf_store(de + j, vf_fma(share, vf_load(after + j), vf_load(ds + j)));
		if (is_smeared(a, row))
			add_scaled(de, rates[2 * row + 1], float_row(a->gate, 0), a->gate->cols);
	}
}

/* Rows row0.. of float32, from column col0 on, onto the rows of dst that ids name, in order. */
static void
block_scatter(struct ops_buf *dst, const struct ops_buf *ids, const float *src, float scale, size_t row0, size_t n,
    size_t col0)
{
	for (size_t i = 0; i < n; i++) {
		float *to = float_row(dst, (size_t)ids_of(ids)[row0 + i]) + col0;
		const float *from = src + i * dst->ld + col0;

		for (size_t j = 0; j < CPU_PAD; j += VL)
			vf_store(to + j, vf_fma(vf_set(scale), vf_load(from + j), vf_load(to + j)));
	}
}

/* Through the projection of pairs: found (n, ld of table) gets de P, dots (n) its product with the table's row. */
static void
block_pairs_back(const struct ops_ctx *c, const struct ops_context *a, const struct ops_context_grad *d, float *found,
    float *dots, size_t r0, size_t n, struct cpu_scratch s)
{
	const size_t C = c->g.model_dim, ld = d->de->ld, wide = a->table->ld;
	const vf scale = vf_set(float_row(a->scale, 0)[0]);
	act *t = cpu_take(&s, n * ld * sizeof(*t)), *h = cpu_take(&s, n * wide * sizeof(*h));

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < ld; j += VL)
			act_store(t + i * ld + j, vf_load(float_row(d->de, r0 + i) + j));
	by_col(n, t, ld, a->proj, 0, a->proj->cols, found, wide, 0);
	for (size_t i = 0; i < n; i++) {
		const float *row = float_row(a->table, (size_t)ids_of(a->pairs)[r0 + i]);
		vf dot = vf_zero();

		for (size_t j = 0; j < wide; j += VL)
			dot = vf_fma(vf_load(found + i * wide + j), vf_load(row + j), dot);
		dots[i] = vf_sum(dot);
		for (size_t j = 0; j < ld; j += VL)
			act_store(t + i * ld + j, scale * vf_load(float_row(d->de, r0 + i) + j));
	}
	gather_pairs(a, r0, n, h);
	turn(left_at(c, 0, 0, r0), c->chunk.ld, t, 0, ld, n, C);
	pack_cols(right_at(c, 0, r0), c->chunk.depth, deep_units(n), h, 0, wide, n, a->proj->cols);
}

/* --- values ---------------------------------------------------------------- */

static void
block_values(const struct ops_ctx *c, struct ops_rows rows, const struct ops_values *a, size_t r0, size_t n)
{
	const size_t K = c->g.num_kv_heads, D = c->head_dim;
	const float *mix = a->mix != NULL ? float_row(a->mix, 0) : NULL;

	for (size_t row = r0; row < r0 + n; row++) {
		const size_t p = rows.pos0 + row;

		for (size_t k = 0; k < K; k++) {
			const act *raw = act_row(a->raw, p) + k * D;
			act *v = act_row(a->v, p) + k * D;
			const float *from = NULL;
			vf gate = vf_zero();

			if (a->table != NULL) {
				from = float_row(a->table, (size_t)ids_of(a->ids)[row]) + k * D;
				gate = vf_set(2 * gate_of(a->gate, k, float_row(a->cut, row)));
			}
			for (size_t j = 0; j < D; j += VL) {
				vf u = act_loadn(raw + j, D - j);

				if (from != NULL)
					u = vf_fma(gate, vf_loadn(from + j, D - j), u);
				if (mix != NULL)
					u = vf_fma(vf_set(mix[0]), u,
					    vf_set(mix[1]) * act_loadn(act_row(a->first, p) + k * D + j, D - j));
				act_storen(v + j, u, D - j);
			}
		}
	}
}

/* rates (N, K) gets the gates; sums (2 + K * columns) those of mix, then of the gate's weights. */
static void
block_values_grad(const struct ops_ctx *c, const struct ops_values *a, const struct ops_values_grad *d, float *rates,
    float *sums, size_t r0, size_t n)
{
	const size_t K = c->g.num_kv_heads, D = c->head_dim, columns = a->table != NULL ? a->gate->cols : 0;
	const float *mix = a->mix != NULL ? float_row(a->mix, 0) : NULL;

	memset(sums, 0, (2 + K * columns) * sizeof(*sums));
	for (size_t row = r0; row < r0 + n; row++) {
		for (size_t k = 0; k < K; k++) {
			act *dv = act_row(d->dv, row) + k * D;
			const float *from = NULL;
			float g = 0, slope;
			vf along = vf_zero(), mixed = vf_zero(), first = vf_zero();

			if (a->table != NULL) {
				from = float_row(a->table, (size_t)ids_of(a->ids)[row]) + k * D;
				g = gate_of(a->gate, k, float_row(a->cut, row));
			}
			for (size_t j = 0; j < D; j += VL) {
				vf x = act_loadn(dv + j, D - j);

				if (d->own != NULL)
					x = x + vf_loadn(float_row(d->own, row) + k * D + j, D - j);
				if (d->later != NULL)
					x = x + vf_loadn(float_row(d->later, row) + k * D + j, D - j);
				if (mix != NULL) {
					const vf v0 = act_loadn(act_row(a->first, row) + k * D + j, D - j);
					float *d0 = float_row(d->dfirst, row) + k * D + j;
					vf u = act_loadn(act_row(a->raw, row) + k * D + j, D - j);

					if (from != NULL)
						u = vf_fma(vf_set(2 * g), vf_loadn(from + j, D - j), u);
					mixed = vf_fma(x, u, mixed);
					first = vf_fma(x, v0, first);
					vf_storen(d0, vf_fma(x, vf_set(mix[1]), vf_loadn(d0, D - j)), D - j);
					x = x * vf_set(mix[0]);
				}
				if (from != NULL)
					along = vf_fma(x, vf_loadn(from + j, D - j), along);
				act_storen(dv + j, x, D - j);
			}
			sums[0] += vf_sum(mixed);
			sums[1] += vf_sum(first);
			if (from == NULL)
				continue;
			slope = vf_sum(along) * 2 * g * (1 - g);
			rates[row * K + k] = 2 * g;
			add_scaled(sums + 2 + k * columns, slope, float_row(a->cut, row), columns);
			add_scaled(float_row(d->dcut, row), slope, float_row(a->gate, k), columns);
		}
	}
}

/* Columns from col0 on of the gradient of the table, over all rows in order. */
static void
block_values_scatter(const struct ops_ctx *c, const struct ops_values *a, const struct ops_values_grad *d,
    const float *rates, size_t rows, size_t col0)
{
	const size_t K = c->g.num_kv_heads, D = c->head_dim, end = least(col0 + CPU_PAD, K * D);
	float dv[CPU_PAD];

	for (size_t row = 0; row < rows; row++) {
		float *to = float_row(d->dtable, (size_t)ids_of(a->ids)[row]);

		for (size_t j = 0; j < CPU_PAD; j += VL)
			vf_store(dv + j, act_load(act_row(d->dv, row) + col0 + j));
		for (size_t j = col0; j < end; j++)
			to[j] += rates[row * K + j / D] * dv[j - col0];
	}
}

/* --- output ---------------------------------------------------------------- */

#define OWN_FLOOR 1e-12f

/* Of a head: its square, not below the floor, and <y, v> over it. */
struct own {
	float square, share;
};

VEC_FN struct own
own_of(const act *y, const act *v, size_t D)
{
	vf square = vf_zero(), along = vf_zero();
	struct own own;

	for (size_t j = 0; j < D; j += VL) {
		const vf x = act_loadn(v + j, D - j);

		square = vf_fma(x, x, square);
		along = vf_fma(x, act_loadn(y + j, D - j), along);
	}
	own.square = fmaxf(vf_sum(square), OWN_FLOOR);
	own.share = vf_sum(along) / own.square;
	return (own);
}

static void
block_output(const struct ops_ctx *c, struct ops_rows rows, const struct ops_output *a, size_t r0, size_t n)
{
	const size_t H = c->g.num_heads, K = c->g.num_kv_heads, D = c->head_dim;

	for (size_t row = r0; row < r0 + n; row++) {
		for (size_t h = 0; h < H; h++) {
			const act *y = act_row(a->y, row) + h * D, *v = y;
			act *out = act_row(a->out, row) + h * D;
			vf share = vf_zero(), gate = vf_set(1);

			if (a->v != NULL) {
				v = act_row(a->v, rows.pos0 + row) + h / (H / K) * D;
				share = vf_set(-own_of(y, v, D).share);
			}
			if (a->gate != NULL)
				gate = vf_set(2 * gate_of(a->gate, h, float_row(a->cut, row)));
			for (size_t j = 0; j < D; j += VL)
				act_storen(out + j,
				    gate * vf_fma(share, act_loadn(v + j, D - j), act_loadn(y + j, D - j)), D - j);
		}
	}
}

/* sums (H * columns): of the gate's weights. */
static void
block_output_grad(const struct ops_ctx *c, const struct ops_output *a, const struct ops_output_grad *d, float *sums,
    size_t r0, size_t n)
{
	const size_t H = c->g.num_heads, K = c->g.num_kv_heads, D = c->head_dim;
	const size_t columns = a->gate != NULL ? a->gate->cols : 0;

	memset(sums, 0, H * columns * sizeof(*sums));
	for (size_t row = r0; row < r0 + n; row++) {
		if (a->v != NULL)
			memset(float_row(d->dv, row), 0, K * D * sizeof(float));
		for (size_t h = 0; h < H; h++) {
			const size_t kv = h / (H / K) * D;
			const act *y = act_row(a->y, row) + h * D, *v = a->v != NULL ? act_row(a->v, row) + kv : y;
			const struct own own = a->v != NULL ? own_of(y, v, D) : (struct own){ 1, 0 };
			act *dy = act_row(d->dy, row) + h * D;
			float gate = 1;
			vf along = vf_zero(), dshare = vf_zero();

			if (a->gate != NULL) {
				const float g = gate_of(a->gate, h, float_row(a->cut, row));
				float slope;

				for (size_t j = 0; j < D; j += VL)
					along = vf_fma(act_loadn(dy + j, D - j),
					    vf_fma(vf_set(-own.share), act_loadn(v + j, D - j),
						act_loadn(y + j, D - j)),
					    along);
				slope = vf_sum(along) * 2 * g * (1 - g);
				gate = 2 * g;
				add_scaled(sums + h * columns, slope, float_row(a->cut, row), columns);
				add_scaled(float_row(d->dcut, row), slope, float_row(a->gate, h), columns);
			}
			if (a->v != NULL) {
				const float grows = own.square > OWN_FLOOR ? -2 * own.share : 0;
				float *dv = float_row(d->dv, row) + kv;

				for (size_t j = 0; j < D; j += VL)
					dshare = vf_fma(act_loadn(dy + j, D - j), act_loadn(v + j, D - j), dshare);
				dshare = vf_set(-vf_sum(dshare) * gate / own.square);
				for (size_t j = 0; j < D; j += VL) {
					const vf x = act_loadn(v + j, D - j);
					vf sum = vf_loadn(dv + j, D - j);

					sum = vf_fma(vf_set(-own.share * gate), act_loadn(dy + j, D - j), sum);
					sum = vf_fma(dshare, vf_fma(vf_set(grows), x, act_loadn(y + j, D - j)), sum);
					vf_storen(dv + j, sum, D - j);
				}
			}
			for (size_t j = 0; j < D; j += VL) {
				const vf x = a->v != NULL ? act_loadn(v + j, D - j) : vf_zero();

				act_storen(dy + j, vf_fma(vf_set(gate), act_loadn(dy + j, D - j), dshare * x), D - j);
			}
		}
	}
}

/* --- skip ------------------------------------------------------------------ */

static void
block_skip(const struct ops_skip *a, size_t r0, size_t n)
{
	const float *w = float_row(a->w, a->skip_row),
		    *gates = a->gates != NULL ? float_row(a->gates, a->skip_row) : NULL;

	for (size_t row = r0; row < r0 + n; row++) {
		const float *x = float_row(a->x, row), *kept = float_row(a->skip, row);
		float *out = float_row(a->out, row);

		for (size_t j = 0; j < a->x->ld; j += VL) {
			if (gates != NULL) {
				const vf g = sigmoid(vf_load(gates + j));

				vf_store(out + j,
				    vf_fma(g, vf_load(x + j), (vf_set(1) - g) * vf_load(w + j) * vf_load(kept + j)));
			} else
				vf_store(out + j, vf_fma(vf_load(w + j), vf_load(kept + j), vf_load(x + j)));
		}
	}
}

/* sums (2, ld): of w and of gates, of w alone without gates. */
static void
block_skip_grad(const struct ops_skip *a, const struct ops_skip_grad *d, float *sums, size_t r0, size_t n)
{
	const size_t ld = a->x->ld;
	const float *w = float_row(a->w, a->skip_row),
		    *gates = a->gates != NULL ? float_row(a->gates, a->skip_row) : NULL;

	memset(sums, 0, 2 * ld * sizeof(*sums));
	for (size_t row = r0; row < r0 + n; row++) {
		const float *x = float_row(a->x, row), *kept = float_row(a->skip, row);
		float *dx = float_row(d->dx, row), *dskip = float_row(d->dskip, row);

		for (size_t j = 0; j < ld; j += VL) {
			const vf dout = vf_load(dx + j), weight = vf_load(w + j), k = vf_load(kept + j);

			if (gates != NULL) {
				const vf g = sigmoid(vf_load(gates + j)), rest = vf_set(1) - g;

				vf_store(sums + j, vf_fma(dout * rest, k, vf_load(sums + j)));
				vf_store(sums + ld + j,
				    vf_fma(dout * g * rest, vf_load(x + j) - weight * k, vf_load(sums + ld + j)));
				vf_store(dskip + j, dout * rest * weight);
				vf_store(dx + j, dout * g);
			} else {
				vf_store(sums + j, vf_fma(dout, k, vf_load(sums + j)));
				vf_store(dskip + j, dout * weight);
			}
		}
	}
}

/* --- lanes ----------------------------------------------------------------- */

static void
block_lanes(const struct ops_lanes *a, size_t r0, size_t n)
{
	const float *keep = float_row(a->keep, 0), *from_att = float_row(a->add, 0), *from_mlp = float_row(a->add, 1);

	for (size_t row = r0; row < r0 + n; row++) {
		const float *lane = float_row(a->a, row), *other = float_row(a->b, row);
		float *a1 = float_row(a->a1, row), *b1 = a->b1 != NULL ? float_row(a->b1, row) : NULL;

		for (size_t j = 0; j < a->a->ld; j += VL) {
			const vf b = vf_load(other + j), att = vf_load(float_row(a->att, row) + j);
			const vf mlp = vf_load(float_row(a->x2, row) + j) - b;
			vf x = vf_set(keep[0]) * vf_load(lane + j), y = vf_set(keep[1]) * b;

			x = vf_fma(vf_set(from_mlp[0]), mlp, vf_fma(vf_set(from_att[0]), att, x));
			y = vf_fma(vf_set(from_mlp[1]), mlp, vf_fma(vf_set(from_att[1]), att, y));
			if (b1 != NULL) {
				vf_store(a1 + j, x);
				vf_store(b1 + j, y);
			} else
				vf_store(a1 + j, vf_set(0.5f) * (x + y));
		}
	}
}

/* sums (6): those of keep, then of add. */
static void
block_lanes_grad(const struct ops_lanes *a, const struct ops_lanes_grad *d, float *sums, size_t r0, size_t n)
{
	const float *keep = float_row(a->keep, 0), *from_att = float_row(a->add, 0), *from_mlp = float_row(a->add, 1);
	/* Of the mean both gradients are half of its own. */
	const vf share = vf_set(a->b1 != NULL ? 1 : 0.5f);

	memset(sums, 0, 6 * sizeof(*sums));
	for (size_t row = r0; row < r0 + n; row++) {
		const float *lane = float_row(a->a, row), *other = float_row(a->b, row);
		float *da = float_row(d->da, row), *db = float_row(d->db, row);
		vf sum[6];

		for (size_t i = 0; i < 6; i++)
			sum[i] = vf_zero();
		for (size_t j = 0; j < a->a->ld; j += VL) {
			const vf b = vf_load(other + j), att = vf_load(float_row(a->att, row) + j);
			const vf mlp = vf_load(float_row(a->x2, row) + j) - b;
			const vf x = share * vf_load(da + j), y = share * vf_load((a->b1 != NULL ? db : da) + j);
			const vf dmlp = vf_fma(vf_set(from_mlp[0]), x, vf_set(from_mlp[1]) * y);

			sum[0] = vf_fma(x, vf_load(lane + j), sum[0]);
			sum[1] = vf_fma(y, b, sum[1]);
			sum[2] = vf_fma(x, att, sum[2]);
			sum[3] = vf_fma(y, att, sum[3]);
			sum[4] = vf_fma(x, mlp, sum[4]);
			sum[5] = vf_fma(y, mlp, sum[5]);
			vf_store(float_row(d->datt, row) + j, vf_fma(vf_set(from_att[0]), x, vf_set(from_att[1]) * y));
			vf_store(float_row(d->dmlp, row) + j, dmlp);
			vf_store(da + j, vf_set(keep[0]) * x);
			vf_store(db + j, vf_set(keep[1]) * y - dmlp);
		}
		for (size_t i = 0; i < 6; i++)
			sums[i] += vf_sum(sum[i]);
	}
}
