/*
 * Muon on one matrix; part of blocks.h.
 *
 * X (m, n) is the matrix or its transpose, m <= n, in the activations' type.
 * Each Newton-Schulz step is X = a X + (b A + c A^2) X with A = X X^T.  A and
 * b A + c A^2 are symmetric: only blocks on and below the diagonal are
 * multiplied, the others are their transposes.
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

/* out = left left^T (square NULL), or b square + c square left^T: symmetric, (m, m). */
VEC_FN void
symmetric(act *out, const act *left, size_t ld_left, const float *panels, size_t units, size_t m, size_t ld,
    const act *square, const double *abc, float *f)
{
	const vf b = vf_set((float)abc[1]), c = vf_set((float)abc[2]);

	for (size_t i0 = 0; i0 < m; i0 += ROW_BLOCK) {
		const size_t n = least(ROW_BLOCK, m - i0);

		gemm(n, i0 + n, units, as_units(left + i0 * ld_left), ld_left / PER_UNIT, panels, units, f, ld, 0);
		for (size_t i = 0; square != NULL && i < n; i++) {
			for (size_t j = 0; j < cpu_pad(i0 + n); j += VL)
				vf_store(f + i * ld + j,
				    vf_fma(b, act_load(square + (i0 + i) * ld + j), c * vf_load(f + i * ld + j)));
		}
		mirror(out, ld, f, ld, i0, n);
	}
}

/* The matrix (m, n) on its way: m <= n, rows ldx and lda elements apart. */
struct newton_schulz {
	size_t m, n, ldx, lda;
	act *x;              /* (m, n), as the products take it */
	float *exact;        /* the same unrounded, for a X and the result */
	act *square, *cubic; /* A and b A + c A^2 */
	float *panels;
	float *f; /* ROW_BLOCK rows of a product */
};

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

/* momentum = mu * momentum + g. Returns the sum of squares of the direction, whose rows ${factors}, if given, norm. */
VEC_FN double
muon_momentum(const struct ops_muon *p, const struct ops_muon_law *law, int powered, float *factors)
{
	double total = 0, row;

	for (size_t i = 0; i < p->rows; i++) {
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
		row = vf_sum(sum);
		if (factors != NULL) {
			factors[i] = muon_row_factor(sqrt(row));
			row *= (double)factors[i] * factors[i];
		}
		total += row;
	}
	return (total);
}

/* X = direction / its norm, turned if it is tall. */
VEC_FN void
muon_begin(struct newton_schulz *ns, const struct ops_muon *p, const struct ops_muon_law *law, int powered,
    const float *factors, double sumsq)
{
	const float inverse = 1.0f / ((float)sqrt(sumsq) + 1e-7f);
	const int tall = p->rows > p->cols;

	for (size_t i0 = 0; i0 < p->rows; i0 += VL) {
		for (size_t j0 = 0; j0 < p->w->ld; j0 += VL) {
			const size_t rows = least(VL, p->rows - i0);
			vf r[VL];

			for (size_t i = 0; i < VL; i++)
				r[i] = vf_zero();
			for (size_t i = 0; i < rows; i++)
				r[i] = vf_set(factors != NULL ? inverse * factors[i0 + i] : inverse) *
				    muon_direction(law, powered, float_row(p->g, i0 + i) + j0,
					float_row(p->momentum, i0 + i) + j0);
			if (tall)
				vec_transpose(r);
			for (size_t i = 0; i < (tall ? least(VL, p->cols > j0 ? p->cols - j0 : 0) : rows); i++)
				vf_store(ns->exact + (tall ? (j0 + i) * ns->ldx + i0 : (i0 + i) * ns->ldx + j0), r[i]);
		}
	}
}

VEC_FN void
muon_step(struct newton_schulz *ns, const double *abc)
{
	const size_t m = ns->m, n = ns->n, ldx = ns->ldx, lda = ns->lda;
	const vf a = vf_set((float)abc[0]);

	pack_all_rows(ns->panels, units_of(n), ns->x, 0, ldx, m, n);
	symmetric(ns->square, ns->x, ldx, ns->panels, units_of(n), m, lda, NULL, abc, ns->f);
	pack_all_rows(ns->panels, units_of(m), ns->square, 0, lda, m, m);
	symmetric(ns->cubic, ns->square, lda, ns->panels, units_of(m), m, lda, ns->square, abc, ns->f);
	pack_cols(ns->panels, units_of(m), units_of(m), ns->x, 0, ldx, m, n);
	for (size_t i0 = 0; i0 < m; i0 += ROW_BLOCK) {
		const size_t rows = least(ROW_BLOCK, m - i0);
		float *exact = ns->exact + i0 * ldx;

		gemm(rows, n, units_of(m), as_units(ns->cubic + i0 * lda), lda / PER_UNIT, ns->panels, units_of(m),
		    ns->f, ldx, 0);
		for (size_t i = 0; i < rows * ldx; i += VL) {
			const vf x = vf_fma(a, vf_load(exact + i), vf_load(ns->f + i));

			vf_store(exact + i, x);
			if (BF16)
				act_store(ns->x + i0 * ldx + i, x);
		}
	}
}

/* squares[i] = the sum of squares of row i of the matrix as it is before it was turned. */
VEC_FN void
muon_row_squares(const struct newton_schulz *ns, const struct ops_muon *p, float *squares)
{
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
muon_neurons(const struct newton_schulz *ns, const struct ops_muon *p, float *factors)
{
	float *s = float_row(p->neuron, 0);
	double before = 0, after = 0, whole;

	muon_row_squares(ns, p, factors);
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
muon_end(const struct newton_schulz *ns, const struct ops_muon *p, const struct ops_muon_law *law, const float *factors,
    float rate)
{
	const int tall = p->rows > p->cols;

	for (size_t i0 = 0; i0 < ns->m; i0 += VL) {
		for (size_t j0 = 0; j0 < ns->n; j0 += VL) {
			vf r[VL];

			for (size_t i = 0; i < VL; i++)
				r[i] = vf_load(ns->exact + (i0 + i) * ns->ldx + j0) * vf_set(rate);
			if (tall)
				vec_transpose(r);
			for (size_t i = 0; i < least(VL, tall ? ns->n - j0 : ns->m - i0); i++) {
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

static void
block_muon(const struct ops_muon *p, const struct ops_muon_law *law, struct cpu_scratch s)
{
	const int tall = p->rows > p->cols;
	const float rate = law->lr * sqrtf(tall ? (float)p->rows / (float)p->cols : 1.0f);
	struct newton_schulz ns = { .m = tall ? p->cols : p->rows, .n = tall ? p->rows : p->cols };
	const int powered = law->grad_power != 0 && law->grad_power != 1;
	float *rows, *before, *after;
	size_t high;

	ns.ldx = cpu_pad(ns.n);
	ns.lda = cpu_pad(ns.m);
	high = ns.lda + DEEP; /* rows that whole blocks reach to */
	ns.exact = cpu_take(&s, high * ns.ldx * sizeof(*ns.exact));
#if BF16
	ns.x = cpu_take(&s, high * ns.ldx * sizeof(*ns.x));
	memset(ns.x, 0, high * ns.ldx * sizeof(*ns.x));
#else
	ns.x = ns.exact;
#endif
	ns.square = cpu_take(&s, high * ns.lda * sizeof(*ns.square));
	ns.cubic = cpu_take(&s, high * ns.lda * sizeof(*ns.cubic));
	ns.panels = cpu_take(&s, ns.lda * ns.ldx * sizeof(act));
	ns.f = cpu_take(&s, ROW_BLOCK * ns.ldx * sizeof(*ns.f));
	rows = cpu_take(&s, ns.ldx * sizeof(*rows));
	before = law->norm == OPS_MUON_ROW ? rows : NULL;
	after = law->norm == OPS_MUON_NEURON ? rows : NULL;
	memset(ns.exact, 0, high * ns.ldx * sizeof(*ns.exact));
	memset(ns.square, 0, high * ns.lda * sizeof(*ns.square));
	memset(ns.cubic, 0, high * ns.lda * sizeof(*ns.cubic));

	/* Without a lever the compiler sees none, so that it costs nothing. */
	if (powered || before != NULL)
		muon_begin(&ns, p, law, powered, before, muon_momentum(p, law, powered, before));
	else
		muon_begin(&ns, p, law, 0, NULL, muon_momentum(p, law, 0, NULL));
	for (size_t i = 0; BF16 && i < ns.m * ns.ldx; i += VL)
		act_store(ns.x + i, vf_load(ns.exact + i));
	for (int step = 0; step < law->ns_steps; step++)
		muon_step(&ns, ops_muon_triple(law->coefficients, step));
	if (after != NULL)
		muon_neurons(&ns, p, after);
	if (after != NULL || law->decay != 0)
		muon_end(&ns, p, law, after, rate);
	else
		muon_end(&ns, p, NULL, NULL, rate);
}
