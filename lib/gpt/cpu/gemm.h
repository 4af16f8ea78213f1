#ifndef HG_GEMM_H
#define HG_GEMM_H

/**
 * gemm on vectors: c (m, n) = or += a b, over units (vec.h).
 * a is row-major with the inner dimension contiguous, ${lda} units from row to
 * row.  b stands in panels of NR columns, each ${depth} units deep:
 * panel[unit][column].  Columns are padded to a multiple of CPU_PAD, in the
 * panels (with zeros) and in c, which is written so far.  Sums run over the
 * inner dimension in order, in blocks of KC units.
 *
 * A tile of MR x NR sums lives in registers: every unit of a is broadcast to
 * NR / VL vectors of b.  That needs MR + NR / VL loads for MR * NR / VL
 * multiply-adds, few enough that a needs no packing at all.
 */

#define NV (NR / VL)
#define KC 512

#if defined(__clang__)
#define GEMM_UNROLL _Pragma("clang loop unroll(full)")
#else
#define GEMM_UNROLL _Pragma("GCC unroll 16")
#endif

#if BF16
#define GEMM_DOT(acc, a, b) vec_dot(acc, a, b)
#else
#define GEMM_DOT(acc, a, b) vf_fma(a, b, acc)
#endif

/* One tile of R <= MR rows; R is a constant wherever this is called. */
VEC_FN void
gemm_tile(const int R, size_t units, const unit *a, size_t lda, const unit *b, float *c, size_t ldc, int add)
{
	vf sum[MR][NV];

	GEMM_UNROLL
	for (int i = 0; i < R; i++) {
		GEMM_UNROLL
		for (int j = 0; j < NV; j++)
			sum[i][j] = vf_zero();
	}
	for (size_t k = 0; k < units; k++) {
		vf col[NV];

		GEMM_UNROLL
		for (int j = 0; j < NV; j++)
			col[j] = vf_load(b + k * NR + j * VL);
		GEMM_UNROLL
		for (int i = 0; i < R; i++) {
			const vf row = vf_set(a[(size_t)i * lda + k]);

			GEMM_UNROLL
			for (int j = 0; j < NV; j++)
				sum[i][j] = GEMM_DOT(sum[i][j], row, col[j]);
		}
	}
	GEMM_UNROLL
	for (int i = 0; i < R; i++) {
		GEMM_UNROLL
		for (int j = 0; j < NV; j++) {
			float *at = c + (size_t)i * ldc + j * VL;

			vf_store(at, sum[i][j] + (add ? vf_load(at) : vf_zero()));
		}
	}
}

static void
gemm(size_t m, size_t n, size_t units, const float *a_floats, size_t lda, const float *b_floats, size_t depth, float *c,
    size_t ldc, int add)
{
	const unit *a = a_floats, *b = b_floats;
	const size_t width = cpu_pad(n);

	for (size_t k = 0; k < units; k += KC, add = 1) {
		const size_t ku = units - k < KC ? units - k : KC;

		for (size_t j = 0; j < width; j += NR) {
			const unit *panel = b + (j / NR * depth + k) * NR;
			size_t i = 0;

			for (; i + MR <= m; i += MR)
				gemm_tile(MR, ku, a + i * lda + k, lda, panel, c + i * ldc + j, ldc, add);
			for (; i + 4 <= m; i += 4)
				gemm_tile(4, ku, a + i * lda + k, lda, panel, c + i * ldc + j, ldc, add);
			for (; i < m; i++)
				gemm_tile(1, ku, a + i * lda + k, lda, panel, c + i * ldc + j, ldc, add);
		}
	}
}

#endif
