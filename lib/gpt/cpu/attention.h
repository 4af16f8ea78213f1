/*
 * Causal attention by blocks; part of blocks.h.
 *
 * Forward: a block of queries meets the keys CPU_KEYS at a time, with a running
 * maximum and sum (arXiv:2205.14135).
 *
 * Backward works on the transposed scores, keys down and queries across, so
 * that every left side of a product is at hand row by row: with
 *   S = K Q^T,  P = exp(g S - lse),  dP = V dY^T,  dS = P (dP - delta)
 * there follow dV += P dY, dK += g dS Q and dQ^T += g K^T dS.  lse and delta
 * then vary along the vectors, and only K^T has to be turned round, once.
 */

/* Keys packed as columns, and values, by sequence of the current group and kv head: floats of one. */
VEC_FN size_t keys_size(const struct ops_ctx *c, size_t seen) { return cpu_pad(seen) * units_of(c->head_dim); }
VEC_FN size_t values_size(const struct ops_ctx *c, size_t seen) { return cpu_pad(c->head_dim) * deep_units(seen); }

static void
block_attention_pack(const struct ops_ctx *c, struct ops_rows rows, const struct ops_attention *a, size_t b, size_t kv)
{
	const size_t K = c->g.num_kv_heads, D = c->head_dim, seen = rows.pos0 + rows.T;
	const size_t slot = b % c->group * K + kv;

	pack_all_rows(c->keys + slot * keys_size(c, seen), units_of(D), act_row(a->k, b * rows.T) + kv * D, 0, a->k->ld,
	    seen, D);
	pack_cols(c->values + slot * values_size(c, seen), deep_units(seen), deep_units(seen),
	    act_row(a->v, b * rows.T) + kv * D, 0, a->v->ld, seen, D);
}

/* Take in one row of scores: the first ${valid} of ${width} count. */
VEC_FN void
softmax_row(const float *z, act *p, size_t valid, size_t width, float gain, float *max, float *sum, float *y,
    size_t ldy)
{
	const vf low = vf_set(-3e38f), g = vf_set(gain);
	vf top = low, total = vf_zero(), shift;
	float max_before = *max, alpha;

	for (size_t j = 0; j < valid; j += VL)
		top = vf_max(top, vf_split(vf_load(z + j) * g, low, valid - j));
	*max = vf_top(vf_max(vf_set(max_before), top));
	shift = vf_set(*max);
	for (size_t j = 0; j < valid; j += VL) {
		const vf e = vf_exp(vf_split(vf_load(z + j) * g, low, valid - j) - shift);

		total = total + e;
		act_store(p + j, e);
	}
	for (size_t j = (valid + VL - 1) / VL * VL; j < width; j += VL)
		act_store(p + j, vf_zero());
	if (*max == max_before) {
		*sum += vf_sum(total);
		return;
	}
	alpha = expf(max_before - *max);
	*sum = *sum * alpha + vf_sum(total);
	for (size_t j = 0; j < ldy; j += VL)
		vf_store(y + j, vf_load(y + j) * vf_set(alpha));
}

/* Queries t0..t0+n-1 of head h of sequence b. */
static void
block_attention(const struct ops_ctx *c, struct ops_rows rows, const struct ops_attention *a, size_t b, size_t h,
    size_t t0, size_t n, struct cpu_scratch s)
{
	const size_t H = c->g.num_heads, K = c->g.num_kv_heads, D = c->head_dim, ldy = cpu_pad(D);
	const size_t seen = rows.pos0 + rows.T, slot = b % c->group * K + h / (H / K);
	const float *keys = c->keys + slot * keys_size(c, seen), *values = c->values + slot * values_size(c, seen);
	const float gain = float_row(a->gain, 0)[h] / sqrtf((float)D);
	const size_t first = b * rows.T + t0, limit = rows.pos0 + t0 + n;
	float *z = cpu_take(&s, n * CPU_KEYS * sizeof(*z)), *y = cpu_take(&s, n * ldy * sizeof(*y));
	act *p = cpu_take(&s, n * CPU_KEYS * sizeof(*p));
	float *max = cpu_take(&s, n * sizeof(*max)), *sum = cpu_take(&s, n * sizeof(*sum));

	for (size_t i = 0; i < n; i++) {
		max[i] = -3e38f;
		sum[i] = 0;
	}
	memset(y, 0, n * ldy * sizeof(*y));
	for (size_t j0 = 0; j0 < limit; j0 += CPU_KEYS) {
		const size_t width = least(CPU_KEYS, limit - j0);

		gemm(n, width, units_of(D), as_units(act_row(a->q, first) + h * D), a->q->ld / PER_UNIT,
		    keys + j0 * units_of(D), units_of(D), z, CPU_KEYS, 0);
		for (size_t i = 0; i < n; i++) {
			const size_t end = rows.pos0 + t0 + i + 1;
			const size_t valid = end > j0 ? least(width, end - j0) : 0;

			softmax_row(z + i * CPU_KEYS, p + i * CPU_KEYS, valid, cpu_pad(width), gain, &max[i], &sum[i],
			    y + i * ldy, ldy);
		}
		gemm(n, D, units_of(width), as_units(p), CPU_KEYS / PER_UNIT, values + j0 / PER_UNIT * NR,
		    deep_units(seen), y, ldy, 1);
	}
	for (size_t i = 0; i < n; i++) {
		act *out = act_row(a->y, first + i) + h * D;

		for (size_t j = 0; j < D; j += VL)
			act_storen(out + j, vf_load(y + i * ldy + j) * vf_set(1 / sum[i]), D - j);
		if (a->lse != NULL)
			float_row(a->lse, first + i)[h] = max[i] + logf(sum[i]);
	}
}

/* Queries of a block of the backward: with ROW_BLOCK keys, its scores fit into L1 and L2. */
#define BACK_QUERIES (2 * ROW_BLOCK)

/* The backward of one kv head of one sequence: what its tasks' parts share. */
struct attention_back {
	size_t D, T;
	size_t depth, deep;		/* units of a head; of all queries or keys */
	size_t ldd, ldt, ldq, ldk;	/* of float32 heads, of k_turned, of q, dy and y, of k and v */
	size_t wide;			/* of dq, lse and delta: a whole block may begin at the last query */
	const act *k, *v;
	float *k_turned;		/* (D, keys) as a left side */
	float *dk, *dv;			/* (T, D) */
	/* The query head at hand */
	const act *q, *dy, *y;
	float gain;			/* 1 / sqrt(D) included */
	float *q_rows, *dy_rows;	/* panels: columns are queries */
	float *q_cols, *dy_cols;	/* panels: queries go down */
	float *lse, *delta;		/* (wide) */
	float *dq;			/* (D, wide) */
	/* The block at hand, (keys, BACK_QUERIES) */
	float *z, *w;			/* S and dP */
	act *p, *ds;
	float *ds_cols;			/* dS as panels */
	float *dk_block;		/* (keys, D) */
};

VEC_FN struct attention_back
attention_back_of(const struct ops_ctx *c, struct ops_rows rows, const struct ops_attention *a, size_t b, size_t kv,
    struct cpu_scratch *s)
{
	const size_t D = c->head_dim, T = rows.T;
	const size_t depth = units_of(D), deep = deep_units(T), ldd = cpu_pad(D), wide = cpu_pad(T) + BACK_QUERIES;
	const size_t block = ROW_BLOCK * BACK_QUERIES;
	struct attention_back t = {
		.D = D, .T = T, .depth = depth, .deep = deep, .ldd = ldd, .ldt = deep + 16, .ldq = a->q->ld,
		.ldk = a->k->ld, .wide = wide,
		.k = act_row(a->k, b * T) + kv * D, .v = act_row(a->v, b * T) + kv * D,
		.k_turned = cpu_take(s, ldd * (deep + 16) * sizeof(float)),
		.dk = cpu_take(s, T * ldd * sizeof(float)), .dv = cpu_take(s, T * ldd * sizeof(float)),
		.q_rows = cpu_take(s, cpu_pad(T) * depth * sizeof(float)),
		.dy_rows = cpu_take(s, cpu_pad(T) * depth * sizeof(float)),
		.q_cols = cpu_take(s, ldd * deep * sizeof(float)), .dy_cols = cpu_take(s, ldd * deep * sizeof(float)),
		.lse = cpu_take(s, wide * sizeof(float)), .delta = cpu_take(s, wide * sizeof(float)),
		.dq = cpu_take(s, ldd * wide * sizeof(float)),
		.z = cpu_take(s, block * sizeof(float)), .w = cpu_take(s, block * sizeof(float)),
		.p = cpu_take(s, block * sizeof(act)), .ds = cpu_take(s, block * sizeof(act)),
		.ds_cols = cpu_take(s, block * sizeof(float)),
		.dk_block = cpu_take(s, ROW_BLOCK * ldd * sizeof(float)),
	};

	turn(t.k_turned, t.ldt, t.k, 0, t.ldk, T, D);
	memset(t.dk, 0, T * ldd * sizeof(float));
	memset(t.dv, 0, T * ldd * sizeof(float));
	return t;
}

/* Turn to query head ${h}. Queries behind the last get a large lse, hence P = 0. */
VEC_FN void
begin_query_head(struct attention_back *t, const struct ops_attention *a, const struct ops_attention_grad *d,
    size_t r0, size_t h)
{
	const size_t D = t->D, T = t->T;

	t->q = act_row(a->q, r0) + h * D;
	t->dy = act_row(d->dy, r0) + h * D;
	t->y = act_row(a->y, r0) + h * D;
	t->gain = float_row(a->gain, 0)[h] / sqrtf((float)D);
	pack_all_rows(t->q_rows, t->depth, t->q, 0, t->ldq, T, D);
	pack_all_rows(t->dy_rows, t->depth, t->dy, 0, t->ldq, T, D);
	pack_cols(t->q_cols, t->deep, t->deep, t->q, 0, t->ldq, T, D);
	pack_cols(t->dy_cols, t->deep, t->deep, t->dy, 0, t->ldq, T, D);
	for (size_t i = 0; i < t->wide; i++) {
		t->lse[i] = 3e38f;
		t->delta[i] = 0;
	}
	for (size_t i = 0; i < T; i++) {
		vf sum = vf_zero();

		for (size_t j = 0; j < D; j += VL)
			sum = vf_fma(act_loadn(t->dy + i * t->ldq + j, D - j), act_loadn(t->y + i * t->ldq + j, D -
			    j), sum);
		t->lse[i] = float_row(a->lse, r0 + i)[h];
		t->delta[i] = vf_sum(sum);
	}
	memset(t->dq, 0, t->ldd * t->wide * sizeof(float));
}

/* P and dS of keys j0.. (down) and queries i0.. (across), from S and dP. */
VEC_FN void
scores_back(const struct attention_back *t, size_t j0, size_t keys, size_t i0, size_t width)
{
	const vf gain = vf_set(t->gain);

	for (size_t j = 0; j < keys; j++) {
		/* Queries before the key do not see it. */
		const size_t blind = j0 + j > i0 ? j0 + j - i0 : 0, row = j * BACK_QUERIES;

		for (size_t i = 0; i < width; i += VL) {
			const vf lse = vf_load(t->lse + i0 + i), delta = vf_load(t->delta + i0 + i);
			vf p = vf_exp(gain * vf_load(t->z + row + i) - lse);

			if (i < blind)
				p = vf_split(vf_zero(), p, blind - i);
			act_store(t->p + row + i, p);
			act_store(t->ds + row + i, p * (vf_load(t->w + row + i) - delta));
		}
	}
}

/* One block: keys j0.., queries i0..; dv, dk_block and dq grow. */
VEC_FN void
block_back(const struct attention_back *t, size_t j0, size_t keys, size_t i0, size_t width)
{
	const size_t ldz = BACK_QUERIES, down = units_of(width), across = deep_units(keys);
	const size_t ldk = t->ldk / PER_UNIT, ldp = ldz / PER_UNIT, queries = i0 / PER_UNIT * NR;

	gemm(keys, width, t->depth, as_units(t->k + j0 * t->ldk), ldk, t->q_rows + i0 * t->depth, t->depth, t->z, ldz,
	    0);
	gemm(keys, width, t->depth, as_units(t->v + j0 * t->ldk), ldk, t->dy_rows + i0 * t->depth, t->depth, t->w,
	    ldz, 0);
	scores_back(t, j0, keys, i0, cpu_pad(width));
	gemm(keys, t->D, down, as_units(t->p), ldp, t->dy_cols + queries, t->deep, t->dv + j0 * t->ldd, t->ldd, 1);
	gemm(keys, t->D, down, as_units(t->ds), ldp, t->q_cols + queries, t->deep, t->dk_block, t->ldd, 1);
	pack_cols(t->ds_cols, across, across, t->ds, 0, ldz, keys, width);
	gemm(t->D, width, units_of(keys), t->k_turned + j0 / PER_UNIT, t->ldt, t->ds_cols, across, t->dq + i0,
	    t->wide, 1);
}

/* dq of the head from its transpose; returns the gradient of the gain. */
VEC_FN float
end_query_head(const struct attention_back *t, act *dq)
{
	const size_t D = t->D, T = t->T;
	double total = 0;

	for (size_t i0 = 0; i0 < T; i0 += VL) {
		for (size_t j = 0; j < D; j += VL) {
			vf r[VL];

			for (size_t i = 0; i < VL; i++)
				r[i] = vf_load(t->dq + (j + i) * t->wide + i0);
			vec_transpose(r);
			for (size_t i = 0; i < least(VL, T - i0); i++) {
				const size_t at = (i0 + i) * t->ldq + j;

				total += vf_sum(vf_split(r[i], vf_zero(), D - j) * act_loadn(t->q + at, D - j));
				act_storen(dq + at, vf_set(t->gain) * r[i], D - j);
			}
		}
	}
	return (float)total / sqrtf((float)D);
}

/* All of kv head ${kv} of sequence ${b}, for each of its query heads in turn; dgain (H) of this sequence. */
static void
block_attention_grad(const struct ops_ctx *c, struct ops_rows rows, const struct ops_attention *a,
    const struct ops_attention_grad *d, size_t b, size_t kv, float *dgain, struct cpu_scratch s)
{
	const size_t G = c->g.num_heads / c->g.num_kv_heads, D = c->head_dim, T = rows.T, r0 = b * T;
	struct attention_back t = attention_back_of(c, rows, a, b, kv, &s);

	for (size_t h = kv * G; h < (kv + 1) * G; h++) {
		begin_query_head(&t, a, d, r0, h);
		for (size_t j0 = 0; j0 < T; j0 += ROW_BLOCK) {
			const size_t keys = least(ROW_BLOCK, T - j0);
			float *dk = t.dk + j0 * t.ldd;

			memset(t.dk_block, 0, keys * t.ldd * sizeof(float));
			for (size_t i0 = j0; i0 < T; i0 += BACK_QUERIES)
				block_back(&t, j0, keys, i0, least(BACK_QUERIES, T - i0));
			/* Heads of a group differ in gain: it goes in here. */
			for (size_t i = 0; i < keys * t.ldd; i += VL)
				vf_store(dk + i, vf_fma(vf_set(t.gain), vf_load(t.dk_block + i), vf_load(dk + i)));
		}
		dgain[h] = end_query_head(&t, act_row(d->dq, r0) + h * D);
	}
	for (size_t i = 0; i < T; i++) {
		act *dk = act_row(d->dk, r0 + i) + kv * D, *dv = act_row(d->dv, r0 + i) + kv * D;

		for (size_t j = 0; j < D; j += VL) {
			act_storen(dk + j, vf_load(t.dk + i * t.ldd + j), D - j);
			act_storen(dv + j, vf_load(t.dv + i * t.ldd + j), D - j);
		}
	}
}
