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
    const act *square,
    float *f)
{
	for (size_t i0 = 0; i0 < m; i0 += ROW_BLOCK) {
		const size_t n = least(ROW_BLOCK, m - i0);

		gemm(n, i0 + n, units, as_units(left + i0 * ld_left), ld_left / PER_UNIT, panels, units, f, ld, 0);
		for (size_t i = 0; square != NULL && i < n; i++) {
			for (size_t j = 0; j < cpu_pad(i0 + n); j += VL)
				vf_store(f + i * ld + j, vf_fma(vf_set(-4.7750f), act_load(square + (i0 + i) * ld + j),
				    vf_set(2.0315f) * vf_load(f + i * ld + j)));
		}
		mirror(out, ld, f, ld, i0, n);
	}
}

static void
block_muon(const struct ops_muon *p, const struct ops_muon_law *law, struct cpu_scratch s)
{
	const int tall = p->rows > p->cols;
	const size_t m = tall ? p->cols : p->rows, n = tall ? p->rows : p->cols, ldw = p->w->ld;
	const size_t ldx = cpu_pad(n), lda = cpu_pad(m), high = lda + DEEP;
	const float rate = law->lr * sqrtf(tall ? (float)p->rows / (float)p->cols : 1.0f);
	const vf mu = vf_set(law->momentum), scale = vf_set(law->grad_scale);
	act *x = cpu_take(&s, high * ldx * sizeof(*x));
	act *square = cpu_take(&s, high * lda * sizeof(*square)), *cubic = cpu_take(&s, high * lda * sizeof(*cubic));
	float *panels = cpu_take(&s, lda * ldx * sizeof(act));
	float *f = cpu_take(&s, ROW_BLOCK * (ldx > ldw ? ldx : ldw) * sizeof(*f));
	double total = 0;
	vf inverse;

	memset(x, 0, high * ldx * sizeof(*x));
	memset(square, 0, high * lda * sizeof(*square));
	memset(cubic, 0, high * lda * sizeof(*cubic));
	for (size_t i = 0; i < p->rows; i++) {
		const float *g = float_row(p->g, i);
		float *momentum = float_row(p->momentum, i);
		vf sum = vf_zero();

		for (size_t j = 0; j < ldw; j += VL) {
			const vf u = scale * vf_load(g + j), buf = vf_fma(mu, vf_load(momentum + j), u);
			const vf v = law->nesterov ? vf_fma(mu, buf, u) : buf;

			vf_store(momentum + j, buf);
			sum = vf_fma(v, v, sum);
		}
		total += vf_sum(sum);
	}
	inverse = vf_set(1.0f / ((float)sqrt(total) + 1e-7f));
	for (size_t i0 = 0; i0 < p->rows; i0 += ROW_BLOCK) {
		const size_t rows = least(ROW_BLOCK, p->rows - i0);

		for (size_t i = 0; i < rows; i++) {
			const float *g = float_row(p->g, i0 + i), *momentum = float_row(p->momentum, i0 + i);

			for (size_t j = 0; j < ldw; j += VL) {
				const vf u = scale * vf_load(g + j), buf = vf_load(momentum + j);

				vf_store(f + i * ldw + j, (law->nesterov ? vf_fma(mu, buf, u) : buf) * inverse);
			}
			for (size_t j = 0; !tall && j < ldw; j += VL)
				act_store(x + (i0 + i) * ldx + j, vf_load(f + i * ldw + j));
		}
		if (tall)
			turn((unit *)(void *)(x + i0), ldx / PER_UNIT, f, 1, ldw, rows, p->cols);
	}
	for (int step = 0; step < law->ns_steps; step++) {
		pack_all_rows(panels, units_of(n), x, 0, ldx, m, n);
		symmetric(square, x, ldx, panels, units_of(n), m, lda, NULL, f);
		pack_all_rows(panels, units_of(m), square, 0, lda, m, m);
		symmetric(cubic, square, lda, panels, units_of(m), m, lda, square, f);
		pack_cols(panels, units_of(m), units_of(m), x, 0, ldx, m, n);
		for (size_t i0 = 0; i0 < m; i0 += ROW_BLOCK) {
			const size_t rows = least(ROW_BLOCK, m - i0);

			gemm(rows, n, units_of(m), as_units(cubic + i0 * lda), lda / PER_UNIT, panels, units_of(m), f,
			    ldx, 0);
			for (size_t i = 0; i < rows * ldx; i += VL)
				act_store(x + i0 * ldx + i, vf_fma(vf_set(3.4445f), act_load(x + i0 * ldx + i),
				    vf_load(f + i)));
		}
	}
	for (size_t i0 = 0; i0 < m; i0 += VL) {
		for (size_t j0 = 0; j0 < n; j0 += VL) {
			vf r[VL];

			for (size_t i = 0; i < VL; i++)
				r[i] = act_load(x + (i0 + i) * ldx + j0) * vf_set(rate);
			if (tall)
				vec_transpose(r);
			for (size_t i = 0; i < least(VL, tall ? n - j0 : m - i0); i++) {
				float *w = tall ? float_row(p->w, j0 + i) + i0 : float_row(p->w, i0 + i) + j0;

				vf_store(w, vf_load(w) - r[i]);
			}
		}
	}
}
