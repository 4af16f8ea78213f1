/*
 * Causal attention by blocks; part of blocks.h.
 *
 * Forward: a block of queries meets the keys a panel at a time (arXiv:2205.14135),
 * its scores staying in L1.  What the powers are counted from is known before
 * the first of them (scores_top), so that nothing is ever scaled again.
 *
 * Backward works on the transposed scores, keys down and queries across, so
 * that every left side of a product is at hand row by row: with
 *   S = K Q^T,  P = exp(g S - lse),  dP = V dY^T,  dS = P (dP - delta)
 * there follow dV += P dY, dK += g dS Q and dQ^T += g K^T dS.  lse and delta
 * then vary along the vectors, and only K^T has to be turned round, once.
 */

/* Keys packed as columns, and values, by sequence of the current group and kv head: floats of one. */
VEC_FN size_t
keys_size(const struct ops_ctx *c, size_t seen)
{
	return (cpu_pad(seen) * units_of(c->head_dim));
}
VEC_FN size_t
values_size(const struct ops_ctx *c, size_t seen)
{
	return (cpu_pad(c->head_dim) * deep_units(seen));
}

/* The sum of squares of a head. */
VEC_FN float
head_squares(const act *x, size_t D)
{
	vf sum = vf_zero();

	for (size_t j = 0; j < D; j += VL) {
		const vf v = act_loadn(x + j, D - j);

		sum = vf_fma(v, v, sum);
	}
	return (vf_sum(sum));
}

/* What is packed of a kv head of a sequence: in a cache for all positions, else for those of the pass. */
struct attention_packed {
	float *keys, *values, *longest;
	size_t deep; /* units of a panel of values */
};

VEC_FN struct attention_packed
packed_of(const struct ops_ctx *c, struct ops_rows rows, const struct ops_attention *a, size_t b, size_t kv)
{
	const size_t K = c->g.num_kv_heads, slot = b % c->group * K + kv;
	const int cached = a->k->role == OPS_CACHE;
	const size_t positions = cached ? a->k->rows : rows.pos0 + rows.T, keys = keys_size(c, positions);

	return (struct attention_packed){
		(cached ? a->k->panels->by_row : c->keys) + slot * keys,
		(cached ? a->v->panels->by_row : c->values) + slot * values_size(c, positions),
		(cached ? a->k->panels->by_row + K * keys : c->longest) + slot,
		deep_units(positions),
	};
}

/* In a cache what was packed before stays, but for blocks that have room for more. */
static void
block_attention_pack(const struct ops_ctx *c, struct ops_rows rows, const struct ops_attention *a, size_t b, size_t kv)
{
	const size_t D = c->head_dim, seen = rows.pos0 + rows.T, first = a->k->role == OPS_CACHE ? rows.pos0 : 0;
	const size_t key = first / CPU_PAD * CPU_PAD, value = first / DEEP * DEEP, unit0 = value / PER_UNIT;
	const struct attention_packed to = packed_of(c, rows, a, b, kv);
	float longest = 0;

	pack_all_rows(to.keys + key * units_of(D), units_of(D), act_row(a->k, b * rows.T + key) + kv * D, 0, a->k->ld,
	    seen - key, D);
	pack_cols(to.values + unit0 * NR, to.deep, deep_units(seen) - unit0, act_row(a->v, b * rows.T + value) + kv * D,
	    0, a->v->ld, seen - value, D);
	for (size_t i = first; i < seen; i++) {
		const float length = head_squares(act_row(a->k, b * rows.T + i) + kv * D, D);

		longest = length > longest ? length : longest;
	}
	longest = sqrtf(longest);
	*to.longest = first > 0 && *to.longest > longest ? *to.longest : longest;
}

/* Row i of a panel's scores, ${valid} of them in sight: p gets 2^(gain z - top) and 0 for the others, sum their sum. */
VEC_FN void
powers_row(const float *z, act *p, size_t valid, vf gain, float top, float *sum)
{
	const vf from = vf_set(-top);
	vf total = vf_load(sum);

	for (size_t j = 0; j < CPU_PAD; j += DEEP) {
		vf e[PER_UNIT];

#pragma GCC unroll 2
		for (size_t i = 0; i < PER_UNIT; i++) {
			const size_t at = j + i * VL;

			e[i] = vf_exp2(vf_fma(vf_load(z + at), gain, from));
			if (at + VL > valid)
				e[i] = vf_split(e[i], vf_zero(), valid > at ? valid - at : 0);
			total = total + e[i];
		}
		act_store_deep(p + j, e);
	}
	vf_store(sum, total);
}

/* The queries t0..t0+n-1 of a head of a sequence, and all keys that they may see. */
struct attention_rows {
	const act *q;
	size_t n, ldq, depth; /* rows; elements from row to row; units of a head */
	size_t pos;           /* position of the first */
	const float *keys;
	float gain; /* log2 e / sqrt(D) included: scores are powers of two */
	float *z;   /* (n, CPU_PAD) */
};

/* The panel of keys from j0 on, by queries from row ${from} on. */
VEC_FN void
scores(const struct attention_rows *t, size_t j0, size_t from)
{
	gemm(t->n - from, CPU_PAD, t->depth, as_units(t->q + from * t->ldq), t->ldq / PER_UNIT, t->keys + j0 * t->depth,
	    t->depth, t->z + from * CPU_PAD, CPU_PAD, 0);
}

/* The first query that sees key j, or one of its CPU_PAD neighbours that share their calls of gemm. */
VEC_FN size_t
first_to_see(const struct attention_rows *t, size_t j)
{
	return (j > t->pos ? (j - t->pos) / CPU_PAD * CPU_PAD : 0);
}

/* Keys from j0 on that query i sees. */
VEC_FN size_t
in_sight(const struct attention_rows *t, size_t i, size_t j0)
{
	return (t->pos + i + 1 > j0 ? t->pos + i + 1 - j0 : 0);
}

/*
 * Where each row's powers are counted from.  No score is above gain |q| |k|,
 * and while that is small no power of the row can vanish: no need to look at
 * the scores first: down to 2^-120 floats are normal, hence a bound of 60 on
 * either side of zero.  Otherwise (a large gain) it is their maximum.
 */
VEC_FN void
scores_top(const struct attention_rows *t, size_t D, float longest, float *top)
{
	float most = 0;

	for (size_t i = 0; i < t->n; i++) {
		top[i] = fabsf(t->gain) * sqrtf(head_squares(t->q + i * t->ldq, D)) * longest;
		most = top[i] > most ? top[i] : most;
	}
	if (most <= 60)
		return;
	for (size_t i = 0; i < t->n; i++)
		top[i] = -3e38f;
	for (size_t j0 = 0; j0 < t->pos + t->n; j0 += CPU_PAD) {
		scores(t, j0, 0);
		for (size_t i = 0; i < t->n; i++) {
			const size_t valid = least(CPU_PAD, in_sight(t, i, j0));
			vf high = vf_set(top[i]);

			for (size_t j = 0; j < valid; j += VL)
				high = vf_max(high,
				    vf_split(vf_load(t->z + i * CPU_PAD + j) * vf_set(t->gain), high, valid - j));
			top[i] = vf_top(high);
		}
	}
}

/* Queries t0..t0+n-1 of head h of sequence b. */
static void
block_attention(const struct ops_ctx *c, struct ops_rows rows, const struct ops_attention *a, size_t b, size_t h,
    size_t t0, size_t n, struct cpu_scratch s)
{
	const size_t H = c->g.num_heads, K = c->g.num_kv_heads, D = c->head_dim, ldy = cpu_pad(D);
	const struct attention_packed packed = packed_of(c, rows, a, b, h / (H / K));
	const size_t first = b * rows.T + t0, limit = rows.pos0 + t0 + n;
	const struct attention_rows t = {
		.q = act_row(a->q, first) + h * D,
		.n = n,
		.ldq = a->q->ld,
		.depth = units_of(D),
		.pos = rows.pos0 + t0,
		.keys = packed.keys,
		.gain = float_row(a->gain, 0)[h] / sqrtf((float)D) * LOG2_E,
		.z = cpu_take(&s, n * CPU_PAD * sizeof(float)),
	};
	const vf gain = vf_set(t.gain);
	float *y = cpu_take(&s, n * ldy * sizeof(*y));
	act *p = cpu_take(&s, n * CPU_KEYS * sizeof(*p));
	float *top = cpu_take(&s, n * sizeof(*top)), *sum = cpu_take(&s, n * VL * sizeof(*sum));

	scores_top(&t, D, *packed.longest, top);
	memset(sum, 0, n * VL * sizeof(*sum));
	for (size_t j0 = 0; j0 < limit; j0 += CPU_KEYS) {
		const size_t width = least(CPU_KEYS, limit - j0);

		for (size_t j = 0; j < width; j += CPU_PAD) {
			const size_t from = first_to_see(&t, j0 + j);

			scores(&t, j0 + j, from);
			for (size_t i = from; i < n; i++)
				powers_row(t.z + i * CPU_PAD, p + i * CPU_KEYS + j, in_sight(&t, i, j0 + j), gain,
				    top[i], sum + i * VL);
		}
		/* On the diagonal a few queries at a time, each by the panels that one of them sees. */
		for (size_t i = 0, rows; i < n; i += rows) {
			size_t keys = width;

			rows = n - i;
			if (first_to_see(&t, j0 + width - 1) > 0) {
				rows = least(rows, CPU_PAD);
				keys = least(width, (in_sight(&t, i + rows - 1, j0) + CPU_PAD - 1) / CPU_PAD * CPU_PAD);
			}
			if (keys > 0)
				gemm(rows, D, units_of(keys), as_units(p + i * CPU_KEYS), CPU_KEYS / PER_UNIT,
				    packed.values + j0 / PER_UNIT * NR, packed.deep, y + i * ldy, ldy, j0 > 0);
		}
	}
	for (size_t i = 0; i < n; i++) {
		const float total = vf_sum(vf_load(sum + i * VL));
		act *out = act_row(a->y, first + i) + h * D;

		for (size_t j = 0; j < D; j += VL)
			act_storen(out + j, vf_load(y + i * ldy + j) * vf_set(1 / total), D - j);
		if (a->lse != NULL)
			float_row(a->lse, first + i)[h] = top[i] / LOG2_E + logf(total);
	}
}

/* The backward of one kv head of one sequence: what its tasks' parts share. */
struct attention_back {
	size_t D, T;
	size_t depth, deep;        /* units of a head; of all queries or keys */
	size_t ldd, ldt, ldq, ldk; /* of float32 heads, of k_turned, of q, dy and y, of k and v */
	size_t wide;               /* of dq, lse2 and delta: a whole panel may begin at the last query */
	const act *k, *v;
	float *k_turned; /* (D, keys) as a left side */
	float *dk, *dv;  /* (T, D) */
	/* The query head at hand */
	const act *q, *dy, *y;
	float gain, gain2;       /* 1 / sqrt(D) included; log2 e besides */
	float *q_rows, *dy_rows; /* panels: columns are queries */
	float *q_cols, *dy_cols; /* panels: queries go down */
	float *lse2, *delta;     /* (wide); lse in powers of two */
	float *dq;               /* (D, wide) */
	/* The block at hand: keys down, queries across */
	float *z, *w;    /* (keys, CPU_PAD): S and dP of a panel of queries */
	act *p, *ds;     /* (keys, CPU_BACK_QUERIES) */
	float *ds_cols;  /* dS as panels */
	float *dk_block; /* (keys, D) */
};

VEC_FN struct attention_back
attention_back_of(const struct ops_ctx *c, struct ops_rows rows, const struct ops_attention *a, size_t b, size_t kv,
    struct cpu_scratch *s)
{
	const size_t D = c->head_dim, T = rows.T;
	const size_t depth = units_of(D), deep = deep_units(T), ldd = cpu_pad(D), wide = cpu_pad(T) + CPU_PAD;
	const size_t panel = CPU_BACK_KEYS * CPU_PAD, block = CPU_BACK_KEYS * CPU_BACK_QUERIES;
	struct attention_back t = {
		.D = D,
		.T = T,
		.depth = depth,
		.deep = deep,
		.ldd = ldd,
		.ldt = deep + 16,
		.ldq = a->q->ld,
		.ldk = a->k->ld,
		.wide = wide,
		.k = act_row(a->k, b * T) + kv * D,
		.v = act_row(a->v, b * T) + kv * D,
		.k_turned = cpu_take(s, ldd * (deep + 16) * sizeof(float)),
		.dk = cpu_take(s, T * ldd * sizeof(float)),
		.dv = cpu_take(s, T * ldd * sizeof(float)),
		.q_rows = cpu_take(s, cpu_pad(T) * depth * sizeof(float)),
		.dy_rows = cpu_take(s, cpu_pad(T) * depth * sizeof(float)),
		.q_cols = cpu_take(s, ldd * deep * sizeof(float)),
		.dy_cols = cpu_take(s, ldd * deep * sizeof(float)),
		.lse2 = cpu_take(s, wide * sizeof(float)),
		.delta = cpu_take(s, wide * sizeof(float)),
		.dq = cpu_take(s, ldd * wide * sizeof(float)),
		.z = cpu_take(s, panel * sizeof(float)),
		.w = cpu_take(s, panel * sizeof(float)),
		.p = cpu_take(s, block * sizeof(act)),
		.ds = cpu_take(s, block * sizeof(act)),
		.ds_cols = cpu_take(s, units_of(CPU_BACK_KEYS) * CPU_BACK_QUERIES * sizeof(float)),
		.dk_block = cpu_take(s, CPU_BACK_KEYS * ldd * sizeof(float)),
	};

	turn(t.k_turned, t.ldt, t.k, 0, t.ldk, T, D);
	memset(t.dk, 0, T * ldd * sizeof(float));
	memset(t.dv, 0, T * ldd * sizeof(float));
	return (t);
}

/* Turn to query head ${h}. Queries behind the last get a large lse: P next to nothing, times zeros. */
VEC_FN void
begin_query_head(struct attention_back *t, const struct ops_attention *a, const struct ops_attention_grad *d, size_t r0,
    size_t h)
{
	const size_t D = t->D, T = t->T;

	t->q = act_row(a->q, r0) + h * D;
	t->dy = act_row(d->dy, r0) + h * D;
	t->y = act_row(a->y, r0) + h * D;
	t->gain = float_row(a->gain, 0)[h] / sqrtf((float)D);
	t->gain2 = t->gain * LOG2_E;
	pack_all_rows(t->q_rows, t->depth, t->q, 0, t->ldq, T, D);
	pack_all_rows(t->dy_rows, t->depth, t->dy, 0, t->ldq, T, D);
	pack_cols(t->q_cols, t->deep, t->deep, t->q, 0, t->ldq, T, D);
	pack_cols(t->dy_cols, t->deep, t->deep, t->dy, 0, t->ldq, T, D);
	for (size_t i = 0; i < t->wide; i++) {
		t->lse2[i] = 3e38f;
		t->delta[i] = 0;
	}
	for (size_t i = 0; i < T; i++) {
		vf sum = vf_zero();

		for (size_t j = 0; j < D; j += VL)
			sum = vf_fma(act_loadn(t->dy + i * t->ldq + j, D - j), act_loadn(t->y + i * t->ldq + j, D - j),
			    sum);
		t->lse2[i] = float_row(a->lse, r0 + i)[h] * LOG2_E;
		t->delta[i] = vf_sum(sum);
	}
	memset(t->dq, 0, t->ldd * t->wide * sizeof(float));
}

/*
 * P and dS of keys j0.. (down) and the CPU_PAD queries i0.. (across), column ${at} of the block, from S and dP; dS as
 * panels, too.
 */
VEC_FN void
scores_back(const struct attention_back *t, size_t j0, size_t keys, size_t i0, size_t at)
{
	const size_t across = units_of(CPU_BACK_KEYS);
	const vf gain = vf_set(t->gain2);

	for (size_t g = 0; g < CPU_PAD; g += VL) {
		const vf lse = vf_load(t->lse2 + i0 + g), delta = vf_load(t->delta + i0 + g);
		float *panel = t->ds_cols + (at + g) / NR * NR * across + (at + g) % NR;

		for (size_t u = 0; u < units_of(keys); u++) {
			vf ds[PER_UNIT];

#pragma GCC unroll 2
			for (size_t e = 0; e < PER_UNIT; e++) {
				const size_t j = u * PER_UNIT + e, to = j * CPU_BACK_QUERIES + at + g;
				vf p;

				ds[e] = vf_zero();
				if (j >= keys)
					continue;
				p = vf_exp2(vf_fma(gain, vf_load(t->z + j * CPU_PAD + g), vf_zero() - lse));
				/* Queries before the key do not see it. */
				if (j0 + j > i0 + g)
					p = vf_split(vf_zero(), p, j0 + j - i0 - g);
				ds[e] = p * (vf_load(t->w + j * CPU_PAD + g) - delta);
				act_store(t->p + to, p);
				act_store(t->ds + to, ds[e]);
			}
			vf_store(panel + u * NR, one_unit(ds));
		}
	}
}

/* dv and dk_block of keys j.. (${rows} of the block at j0), from queries i0+from..i0+width-1. */
VEC_FN void
keys_back(const struct attention_back *t, size_t j0, size_t j, size_t rows, size_t i0, size_t from, size_t width)
{
	const size_t units = units_of(width - from), ldp = CPU_BACK_QUERIES / PER_UNIT;
	const size_t queries = (i0 + from) / PER_UNIT * NR, at = j * CPU_BACK_QUERIES + from;

	gemm(rows, t->D, units, as_units(t->p + at), ldp, t->dy_cols + queries, t->deep, t->dv + (j0 + j) * t->ldd,
	    t->ldd, 1);
	gemm(rows, t->D, units, as_units(t->ds + at), ldp, t->q_cols + queries, t->deep, t->dk_block + j * t->ldd,
	    t->ldd, 1);
}

/* dq of queries i0+from.. (${count} of them), from the block's first keys. */
VEC_FN void
queries_back(const struct attention_back *t, size_t j0, size_t keys, size_t i0, size_t from, size_t count)
{
	const size_t across = units_of(CPU_BACK_KEYS);

	gemm(t->D, count, units_of(keys), t->k_turned + j0 / PER_UNIT, t->ldt, t->ds_cols + from * across, across,
	    t->dq + i0 + from, t->wide, 1);
}

/*
 * One block: keys j0.., queries i0..; dv, dk_block and dq grow.  Where it begins
 * on the diagonal, the first panels of queries meet only keys that they see, and
 * the products leave out what nobody sees.
 */
VEC_FN void
block_back(const struct attention_back *t, size_t j0, size_t keys, size_t i0, size_t width)
{
	const size_t ldk = t->ldk / PER_UNIT, step = i0 == j0 ? CPU_PAD : keys;
	size_t full = 0; /* from this query on all keys are seen */

	for (size_t i = 0; i < width; i += CPU_PAD) {
		const size_t some = i0 == j0 ? least(keys, i + CPU_PAD) : keys;

		gemm(some, CPU_PAD, t->depth, as_units(t->k + j0 * t->ldk), ldk, t->q_rows + (i0 + i) * t->depth,
		    t->depth, t->z, CPU_PAD, 0);
		gemm(some, CPU_PAD, t->depth, as_units(t->v + j0 * t->ldk), ldk, t->dy_rows + (i0 + i) * t->depth,
		    t->depth, t->w, CPU_PAD, 0);
		scores_back(t, j0, some, i0 + i, i);
		if (some < keys) {
			queries_back(t, j0, some, i0, i, CPU_PAD);
			full = i + CPU_PAD;
		}
	}
	queries_back(t, j0, keys, i0, full, width - full);
	for (size_t j = 0; j < keys; j += step)
		keys_back(t, j0, j, least(step, keys - j), i0, i0 == j0 ? j : 0, width);
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
	return ((float)total / sqrtf((float)D));
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
		for (size_t j0 = 0; j0 < T; j0 += CPU_BACK_KEYS) {
			const size_t keys = least(CPU_BACK_KEYS, T - j0);
			float *dk = t.dk + j0 * t.ldd;

			memset(t.dk_block, 0, keys * t.ldd * sizeof(float));
			for (size_t i0 = j0; i0 < T; i0 += CPU_BACK_QUERIES)
				block_back(&t, j0, keys, i0, least(CPU_BACK_QUERIES, T - i0));
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
