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

/* What the backward of one kv head needs of one query head, packed. */
struct query_head {
	float *q_rows, *dy_rows;	/* panels: columns are queries */
	float *q_cols, *dy_cols;	/* panels: queries go down */
	float *lse, *delta;		/* (T) */
};

/* P and dS of keys j0.. (down) and queries i0.. (across), from S in z and dP in w. */
VEC_FN void
scores_back(const struct query_head *q, const float *z, const float *w, act *p, act *ds, size_t ld, size_t j0,
    size_t keys,
    size_t i0, size_t width, float gain)
{
	for (size_t j = 0; j < keys; j++) {
		/* Queries before the key do not see it. */
		const size_t blind = j0 + j > i0 ? j0 + j - i0 : 0;

		for (size_t i = 0; i < width; i += VL) {
			const vf e = vf_exp(vf_fma(vf_set(gain), vf_load(z + j * ld + i), vf_zero() - vf_load(q->lse
			    + i0 + i)));
			const vf pi = i >= blind ? e : vf_split(vf_zero(), e, blind - i);

			act_store(p + j * ld + i, pi);
			act_store(ds + j * ld + i, pi * (vf_load(w + j * ld + i) - vf_load(q->delta + i0 + i)));
		}
	}
}

/*
 * All of kv head ${kv} of sequence ${b}, for each of its query heads in turn;
 * dgain (H) of this sequence.  Queries behind the last get lse = +large, hence P = 0.
 */
static void
block_attention_grad(const struct ops_ctx *c, struct ops_rows rows, const struct ops_attention *a,
    const struct ops_attention_grad *d, size_t b, size_t kv, float *dgain, struct cpu_scratch s)
{
	const size_t G = c->g.num_heads / c->g.num_kv_heads, D = c->head_dim, T = rows.T, r0 = b * T;
	const size_t depth = units_of(D), ldd = cpu_pad(D), deep = deep_units(T), wide = cpu_pad(T) + 2 * ROW_BLOCK;
	const size_t ldt = deep + 16, ldz = 2 * ROW_BLOCK;
	const act *k = act_row(a->k, r0) + kv * D, *v = act_row(a->v, r0) + kv * D;
	const struct query_head q = {
		cpu_take(&s, cpu_pad(T) * depth * sizeof(float)), cpu_take(&s, cpu_pad(T) * depth * sizeof(float)),
		cpu_take(&s, ldd * deep * sizeof(float)), cpu_take(&s, ldd * deep * sizeof(float)),
		cpu_take(&s, wide * sizeof(float)), cpu_take(&s, wide * sizeof(float)),
	};
	float *k_turned = cpu_take(&s, ldd * ldt * sizeof(float));
	float *dk = cpu_take(&s, T * ldd * sizeof(*dk)), *dv = cpu_take(&s, T * ldd * sizeof(*dv));
	float *dq = cpu_take(&s, ldd * wide * sizeof(*dq));
	float *z = cpu_take(&s, ROW_BLOCK * ldz * sizeof(*z)), *w = cpu_take(&s, ROW_BLOCK * ldz * sizeof(*w));
	act *p = cpu_take(&s, ROW_BLOCK * ldz * sizeof(*p)), *ds = cpu_take(&s, ROW_BLOCK * ldz * sizeof(*ds));
	float *ds_cols = cpu_take(&s, ROW_BLOCK * ldz * sizeof(*ds_cols));
	float *dk_block = cpu_take(&s, ROW_BLOCK * ldd * sizeof(*dk_block));

	turn(k_turned, ldt, k, 0, a->k->ld, T, D);
	memset(dk, 0, T * ldd * sizeof(*dk));
	memset(dv, 0, T * ldd * sizeof(*dv));
	for (size_t h = kv * G; h < (kv + 1) * G; h++) {
		const float root = 1 / sqrtf((float)D), gain = float_row(a->gain, 0)[h] * root;
		const act *qh = act_row(a->q, r0) + h * D, *dyh = act_row(d->dy, r0) + h * D, *yh = act_row(a->y, r0)
		    + h * D;
		const size_t ldq = a->q->ld;
		double dg = 0;

		pack_all_rows(q.q_rows, depth, qh, 0, ldq, T, D);
		pack_all_rows(q.dy_rows, depth, dyh, 0, ldq, T, D);
		pack_cols(q.q_cols, deep, deep, qh, 0, ldq, T, D);
		pack_cols(q.dy_cols, deep, deep, dyh, 0, ldq, T, D);
		for (size_t t = 0; t < wide; t++) {
			vf sum = vf_zero();

			q.lse[t] = t < T ? float_row(a->lse, r0 + t)[h] : 3e38f;
			for (size_t j = 0; t < T && j < D; j += VL)
				sum = vf_fma(act_loadn(dyh + t * ldq + j, D - j), act_loadn(yh + t * ldq + j, D - j),
				    sum);
			q.delta[t] = vf_sum(sum);
		}
		memset(dq, 0, ldd * wide * sizeof(*dq));
		for (size_t j0 = 0; j0 < T; j0 += ROW_BLOCK) {
			const size_t keys = least(ROW_BLOCK, T - j0);

			memset(dk_block, 0, keys * ldd * sizeof(*dk_block));
			for (size_t i0 = j0; i0 < T; i0 += ldz) {
				const size_t width = least(ldz, T - i0), down = units_of(width);

				gemm(keys, width, depth, as_units(k + j0 * a->k->ld), a->k->ld / PER_UNIT, q.q_rows
				    + i0 * depth, depth,
				    z, ldz, 0);
				gemm(keys, width, depth, as_units(v + j0 * a->v->ld), a->v->ld / PER_UNIT, q.dy_rows
				    + i0 * depth, depth,
				    w, ldz, 0);
				scores_back(&q, z, w, p, ds, ldz, j0, keys, i0, cpu_pad(width), gain);
				gemm(keys, D, down, as_units(p), ldz / PER_UNIT, q.dy_cols + i0 / PER_UNIT * NR, deep,
				    dv + j0 * ldd, ldd, 1);
				gemm(keys, D, down, as_units(ds), ldz / PER_UNIT, q.q_cols + i0 / PER_UNIT * NR, deep,
				    dk_block, ldd, 1);
				pack_cols(ds_cols, deep_units(keys), deep_units(keys), ds, 0, ldz, keys, width);
				gemm(D, width, units_of(keys), k_turned + j0 / PER_UNIT, ldt, ds_cols,
				    deep_units(keys), dq + i0, wide, 1);
			}
			for (size_t i = 0; i < keys * ldd; i += VL)
				vf_store(dk + j0 * ldd + i, vf_fma(vf_set(gain), vf_load(dk_block + i), vf_load(dk
				    + j0 * ldd + i)));
		}
		for (size_t t0 = 0; t0 < T; t0 += VL) {
			for (size_t j = 0; j < D; j += VL) {
				vf r[VL];

				for (size_t i = 0; i < VL; i++)
					r[i] = vf_load(dq + (j + i) * wide + t0);
				vec_transpose(r);
				for (size_t i = 0; i < least(VL, T - t0); i++) {
					const vf ds_q = vf_split(r[i], vf_zero(), D - j) * act_loadn(qh + (t0
					    + i) * ldq + j, D - j);

					dg += vf_sum(ds_q);
					act_storen(act_row(d->dq, r0 + t0 + i) + h * D + j, vf_set(gain) * r[i], D - j);
				}
			}
		}
		dgain[h] = (float)dg * root;
	}
	for (size_t t = 0; t < T; t++) {
		for (size_t j = 0; j < D; j += VL) {
			act_storen(act_row(d->dk, r0 + t) + kv * D + j, vf_load(dk + t * ldd + j), D - j);
			act_storen(act_row(d->dv, r0 + t) + kv * D + j, vf_load(dv + t * ldd + j), D - j);
		}
	}
}
