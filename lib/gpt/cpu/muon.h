/*
 * Muon on one matrix; part of blocks.h.
 *
 * X (m, n) is the matrix or its transpose, m <= n, in the activations' type.
 * Each Newton-Schulz step is X = a X + (b A + c A^2) X with A = X X^T.  A and
 * b A + c A^2 are symmetric: only blocks on and below the diagonal are
 * multiplied, the others are their transposes.  Which of two equal ones is
 * taken, and from a block of which height, changes no bit: both sum the same
 * products in the same order.  Where they do not, the one below the diagonal is.
 *
 * Steps at once are P'' P' P X, with P = a I + b A + c A^2, from A in square,
 * which becomes P A P on the way to the next: all polynomials
 * of A, so they commute and their products are symmetric, too.  What is added
 * to such a product stands in its own rows, on and below the diagonal, which
 * nobody else writes: it may lie where the result goes.
 */

/* Write rows i0..i0+n-1, columns 0..i0+n-1 of a symmetric matrix, and their mirror image. f: the rows, float32. */
VEC_FN void
mirror(act *a, size_t ld, const float *f, size_t ldf, size_t i0, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < cpu_pad(i0 + n); j += VL)
			act_store(a + (i0 + i) * ld + j, vf_load(f + i * ldf + j));
	turn((unit *)(void *)(a + i0), ld / PER_UNIT, f, 1, ldf, n, i0 + n);
}

/* What a product is part of: some matrices (m, m), NULL none, and itself, with their factors. */
struct muon_sum {
	const act *of[2];
	double by[2], product;
	int crossed; /* its sides differ, so that what mirrors an element sums other products */
};

/* Rows i0.. of out = left times panels, or a sum with that in it: symmetric, (m, m). */
VEC_FN void
symmetric(const struct cpu_muon *ns, act *out, const act *left, size_t ld_left, size_t units,
    const struct muon_sum *sum, size_t i0, float *f)
{
	const size_t n = least(ns->rows, ns->m - i0), ld = ns->lda;

	gemm(n, i0 + n, units, as_units(left + i0 * ld_left), ld_left / PER_UNIT, ns->panels, units, f, ld, 0);
	for (size_t i = 0; sum != NULL && i < n; i++) {
		const vf product = vf_set((float)sum->product);

		for (size_t j = 0; j < cpu_pad(i0 + n); j += VL) {
			vf v = product * vf_load(f + i * ld + j);

			for (int k = 0; k < 2; k++)
				if (sum->of[k] != NULL)
					v = vf_fma(vf_set((float)sum->by[k]), act_load(sum->of[k] + (i0 + i) * ld + j),
					    v);
			vf_store(f + i * ld + j, v);
		}
	}
	/* What stands below the diagonal counts, whatever block it stands in. */
	for (size_t i = 0; sum != NULL && sum->crossed && i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			f[i * ld + i0 + j] = f[j * ld + i0 + i];
	mirror(out, ld, f, ld, i0, n);
}

/* sums[i] = the sum of squares of row i of the square. */
VEC_FN void
muon_square_rows(const struct cpu_muon *ns, size_t r0, size_t n)
{
	for (size_t i = r0; i < r0 + n; i++) {
		const act *row = (const act *)ns->square + i * ns->lda;
		vf sum = vf_zero();

		for (size_t j = 0; j < ns->lda; j += VL)
			sum = vf_fma(act_load(row + j), act_load(row + j), sum);
		ns->sums[i] = vf_sum(sum);
	}
}

/* The coefficients of a step whose square is there. */
static inline struct ops_muon_abc
muon_abc(const struct cpu_muon *ns, int step)
{
	double total = 0;

	for (size_t i = 0; step == 0 && ns->law->scale == OPS_MUON_SCHATTEN && i < ns->m; i++)
		total += ns->sums[i];
	return (ops_muon_scaled(ns->law, step, total));
}

/* g as Muon takes it, with ${powered} to a power: VL elements of it. */
VEC_FN vf
muon_gradient(const struct ops_muon_law *law, int powered, const float *g)
{
	const vf scaled = vf_set(law->grad_scale) * vf_load(g);
	float lanes[VL];

	if (!powered)
		return (scaled);
	vf_store(lanes, scaled);
	for (size_t i = 0; i < VL; i++)
		lanes[i] = copysignf(powf(fabsf(lanes[i]), law->grad_power), lanes[i]);
	return (vf_load(lanes));
}

/* What Muon orthogonalises, VL elements of it. */
VEC_FN vf
muon_direction(const struct ops_muon_law *law, int powered, const float *g, const float *momentum)
{
	const vf buf = vf_load(momentum), mu = vf_set(law->momentum);

	return (law->nesterov ? vf_fma(mu, buf, muon_gradient(law, powered, g)) : buf);
}

/* What a row of a norm is divided by becomes a factor of it. */
static inline float
muon_row_factor(double norm)
{
	return (1.0f / (float)(norm > 1e-7 ? norm : 1e-7));
}

/* momentum = mu momentum + g in n rows, and by row the direction's sum of squares, which factors, if given, norm. */
VEC_FN void
muon_momentum(const struct cpu_muon *m, int powered, float *factors, size_t r0, size_t n)
{
	const struct ops_muon *p = m->p;
	const struct ops_muon_law *law = m->law;

	for (size_t i = r0; i < r0 + n; i++) {
		const float *g = float_row(p->g, i);
		float *momentum = float_row(p->momentum, i);
		vf sum = vf_zero();

		for (size_t j = 0; j < p->w->ld; j += VL) {
			vf v;

			vf_store(momentum + j,
			    vf_fma(vf_set(law->momentum), vf_load(momentum + j), muon_gradient(law, powered, g + j)));
			v = muon_direction(law, powered, g + j, momentum + j);
			sum = vf_fma(v, v, sum);
		}
		m->sums[i] = vf_sum(sum);
		if (factors != NULL)
			factors[i] = muon_row_factor(sqrt((double)m->sums[i]));
	}
}

/* The sum of squares of the whole direction, whose rows ${factors}, if given, norm. */
static inline double
muon_sumsq(const struct cpu_muon *m, const float *factors)
{
	double total = 0;

	for (size_t i = 0; i < m->p->rows; i++) {
		double row = m->sums[i];

		if (factors != NULL)
			row *= (double)factors[i] * factors[i];
		total += row;
	}
	return (total);
}

/* X = direction / its norm, turned if it is tall: what comes of n rows of it. */
VEC_FN void
muon_begin(const struct cpu_muon *m, int powered, const float *factors, size_t r0, size_t n)
{
	const struct ops_muon *p = m->p;
	const float inverse = 1.0f / ((float)sqrt(muon_sumsq(m, factors)) + 1e-7f);
	const int tall = p->rows > p->cols;
	act *x = m->x;

	for (size_t i0 = r0; i0 < r0 + n; i0 += VL) {
		for (size_t j0 = 0; j0 < p->w->ld; j0 += VL) {
			const size_t rows = least(VL, r0 + n - i0);
			vf r[VL];

			for (size_t i = 0; i < VL; i++)
				r[i] = vf_zero();
			for (size_t i = 0; i < rows; i++)
				r[i] = vf_set(factors != NULL ? inverse * factors[i0 + i] : inverse) *
				    muon_direction(m->law, powered, float_row(p->g, i0 + i) + j0,
					float_row(p->momentum, i0 + i) + j0);
			if (tall)
				vec_transpose(r);
			for (size_t i = 0; i < (tall ? least(VL, p->cols > j0 ? p->cols - j0 : 0) : rows); i++) {
				const size_t at = tall ? (j0 + i) * m->ldx + i0 : (i0 + i) * m->ldx + j0;

				vf_store(m->exact + at, r[i]);
				if (BF16)
					act_store(x + at, r[i]);
			}
		}
	}
}

/* X = by X + cubic X in rows i0... */
VEC_FN void
muon_update(const struct cpu_muon *ns, double by, size_t i0, float *f)
{
	const size_t rows = least(ns->rows, ns->m - i0), ldx = ns->ldx;
	const vf a = vf_set((float)by);
	const act *cubic = ns->cubic;
	float *exact = ns->exact + i0 * ldx;
	act *x = ns->x;

	gemm(rows, ns->n, units_of(ns->m), as_units(cubic + i0 * ns->lda), ns->lda / PER_UNIT, ns->panels,
	    units_of(ns->m), f, ldx, 0);
	for (size_t i = 0; i < rows * ldx; i += VL) {
		const vf v = vf_fma(a, vf_load(exact + i), vf_load(f + i));

		vf_store(exact + i, v);
		if (BF16)
			act_store(x + i0 * ldx + i, v);
	}
}

/* squares[i] = the sum of squares of row i of the matrix as it is before it was turned. */
VEC_FN void
muon_row_squares(const struct cpu_muon *ns, float *squares)
{
	const struct ops_muon *p = ns->p;

	if (p->rows > p->cols) {
		for (size_t j = 0; j < ns->ldx; j += VL)
			vf_store(squares + j, vf_zero());
		for (size_t i = 0; i < ns->m; i++)
			for (size_t j = 0; j < ns->ldx; j += VL) {
				const vf x = vf_load(ns->exact + i * ns->ldx + j);

				vf_store(squares + j, vf_fma(x, x, vf_load(squares + j)));
			}
		return;
	}
	for (size_t i = 0; i < ns->m; i++) {
		vf sum = vf_zero();

		for (size_t j = 0; j < ns->ldx; j += VL) {
			const vf x = vf_load(ns->exact + i * ns->ldx + j);

			sum = vf_fma(x, x, sum);
		}
		squares[i] = vf_sum(sum);
	}
}

/* factors[i]: what row i is multiplied by, so that its running root mean square goes and the whole keeps its norm. */
VEC_FN void
muon_neurons(const struct cpu_muon *ns, float *factors)
{
	const struct ops_muon *p = ns->p;
	float *s = float_row(p->neuron, 0);
	double before = 0, after = 0, whole;

	muon_row_squares(ns, factors);
	for (size_t i = 0; i < p->rows; i++) {
		const double square = factors[i];

		s[i] = (float)(OPS_NEURON_BETA * s[i] + (1 - OPS_NEURON_BETA) * square / (double)p->cols);
		factors[i] = (float)(1 / (sqrt(s[i]) + OPS_NEURON_EPS));
		before += square;
		after += square * factors[i] * factors[i];
	}
	whole = sqrt(before) / (sqrt(after) > 1e-7 ? sqrt(after) : 1e-7);
	for (size_t i = 0; i < p->rows; i++)
		factors[i] = (float)(factors[i] * whole);
}

/* The part of a weight that decays. */
VEC_FN vf
muon_decay(const struct ops_muon_law *law, vf w, vf u)
{
	const vf all = vf_set(law->decay) * w;

	if (!law->cautious)
		return (all);
	return (vf_less(vf_zero(), u * w, all, vf_zero()));
}

/* w -= rate * X, turned back; before, each row of X has its factor if given, and w decays by the law if given. */
VEC_FN void
muon_end(const struct cpu_muon *ns, const struct ops_muon_law *law, const float *factors, size_t r0, size_t count)
{
	const struct ops_muon *p = ns->p;
	const int tall = p->rows > p->cols;
	const float rate = ns->law->lr * sqrtf(tall ? (float)p->rows / (float)p->cols : 1.0f);

	for (size_t i0 = r0; i0 < r0 + count; i0 += VL) {
		for (size_t j0 = 0; j0 < ns->n; j0 += VL) {
			vf r[VL];

			for (size_t i = 0; i < VL; i++)
				r[i] = vf_load(ns->exact + (i0 + i) * ns->ldx + j0) * vf_set(rate);
			if (tall)
				vec_transpose(r);
			for (size_t i = 0; i < least(VL, tall ? ns->n - j0 : r0 + count - i0); i++) {
				const size_t row = (tall ? j0 : i0) + i;
				float *w = float_row(p->w, row) + (tall ? i0 : j0);
				vf old = vf_load(w), u = r[i];

				if (factors != NULL)
					u = vf_set(factors[row]) * u;
				if (law != NULL)
					old = old - muon_decay(law, old, u);
				vf_store(w, old - u);
			}
		}
	}
}

/* The product of a over the steps of a run up to ${end}. */
static inline double
muon_all_a(const struct cpu_muon *ns, struct cpu_muon_run run, int end)
{
	double a = 1;

	for (int step = run.first; step < end; step++)
		a *= muon_abc(ns, step).a;
	return (a);
}

static void
block_muon(const struct cpu_muon *m, enum cpu_muon_stage stage, int step, size_t part, struct cpu_scratch s)
{
	const struct ops_muon_law *law = m->law;
	const int powered = law->grad_power != 0 && law->grad_power != 1;
	const size_t ldx = m->ldx, lda = m->lda, r0 = part * m->piece, i0 = part * m->rows;
	const size_t given = r0 < m->p->rows ? least(m->piece, m->p->rows - r0) : 0;
	const size_t down = r0 < m->m ? least(m->piece, m->m - r0) : 0;
	float *before = law->norm == OPS_MUON_ROW ? m->factors : NULL;
	float *after = law->norm == OPS_MUON_NEURON ? m->factors : NULL;
	float *f = cpu_take(&s, m->rows * ldx * sizeof(*f));
	struct muon_sum sum;
	struct ops_muon_abc k = { 0 };
	struct cpu_muon_run run = { step, step + 1 };
	act *own = m->cubic;

	if (stage >= CPU_MUON_CUBIC && stage <= CPU_MUON_UPDATE) {
		k = muon_abc(m, step);
		run = cpu_muon_run(m, step);
		own = step > run.first ? m->later : m->cubic;
	}

	/* Without a lever the compiler sees none, so that it costs nothing. */
	switch (stage) {
	case CPU_MUON_MOMENTUM:
		if (powered || before != NULL)
			muon_momentum(m, powered, before, r0, given);
		else
			muon_momentum(m, 0, NULL, r0, given);
		break;
	case CPU_MUON_BEGIN:
		if (powered || before != NULL)
			muon_begin(m, powered, before, r0, given);
		else
			muon_begin(m, 0, NULL, r0, given);
		break;
	case CPU_MUON_PACK:
		pack_all_rows(m->panels + r0 * units_of(m->n), units_of(m->n), (act *)m->x + r0 * ldx, 0, ldx, down,
		    m->n);
		break;
	case CPU_MUON_SQUARE:
		symmetric(m, m->square, m->x, ldx, units_of(m->n), NULL, i0, f);
		break;
	case CPU_MUON_PACK_SQUARE:
	case CPU_MUON_PACK_TIMES:
		if (stage == CPU_MUON_PACK_SQUARE && step == 0 && law->scale == OPS_MUON_SCHATTEN)
			muon_square_rows(m, r0, down);
		pack_all_rows(m->panels + r0 * units_of(m->m), units_of(m->m), (act *)m->square + r0 * lda, 0, lda,
		    down, m->m);
		break;
	case CPU_MUON_CUBIC:
		sum = (struct muon_sum){ { m->square }, { k.b }, k.c, 0 };
		symmetric(m, own, m->square, lda, units_of(m->m), &sum, i0, f);
		break;
	case CPU_MUON_TIMES:
	case CPU_MUON_RETURN:
		sum = (struct muon_sum){ { m->square }, { k.a }, 1, 1 };
		symmetric(m, m->square, own, lda, units_of(m->m), &sum, i0, f);
		break;
	case CPU_MUON_PACK_ALL:
		pack_all_rows(m->panels + r0 * units_of(m->m), units_of(m->m), (act *)m->cubic + r0 * lda, 0, lda, down,
		    m->m);
		break;
	case CPU_MUON_ALL:
		sum = (struct muon_sum){ { m->cubic, own }, { k.a, muon_all_a(m, run, step) }, 1, 1 };
		symmetric(m, m->cubic, own, lda, units_of(m->m), &sum, i0, f);
		break;
	case CPU_MUON_PACK_COLS:
		pack_cols(m->panels + r0 * units_of(m->m), units_of(m->m), units_of(m->m), (act *)m->x + r0, 0, ldx,
		    m->m, least(m->piece, m->n - r0));
		break;
	case CPU_MUON_UPDATE:
		muon_update(m, muon_all_a(m, run, step + 1), i0, f);
		break;
	case CPU_MUON_NEURONS:
		muon_neurons(m, after);
		break;
	case CPU_MUON_END:
		if (after != NULL || law->decay != 0)
			muon_end(m, law, after, r0, down);
		else
			muon_end(m, NULL, NULL, r0, down);
		break;
	}
}
