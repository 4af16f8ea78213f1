#ifndef HG_GEMM_TILE_H
#define HG_GEMM_TILE_H

/**
 * gemm (gemm.h has the contract) on AMX tiles, for bfloat16: 32 x 32 sums in
 * four tiles, from two tiles of a and two of b for every 16 units.  The
 * layouts are those of the vector gemm: a row of a tile is 16 units of a row of
 * a, or of a panel.  ${units} is a multiple of 16 (UNIT_PAD).
 */

#include "gpt/cpu/tile.h"

#define KC 512

/* 32 columns of the rows that the tiles are configured for. */
VEC_FN void
gemm_tiles(size_t units, const unit *a, size_t lda, const unit *b, float *c, size_t ldc, int lower, int add)
{
	const size_t a_bytes = lda * sizeof(*a), b_bytes = NR * sizeof(*b), c_bytes = ldc * sizeof(*c);
	const unit *a_lower = a + TILE_ROWS * lda;
	float *c_lower = c + TILE_ROWS * ldc;

	if (add) {
		tile_load(0, c, c_bytes);
		tile_load(1, c + 16, c_bytes);
		if (lower) {
			tile_load(2, c_lower, c_bytes);
			tile_load(3, c_lower + 16, c_bytes);
		}
	} else {
		tile_zero(0);
		tile_zero(1);
		if (lower) {
			tile_zero(2);
			tile_zero(3);
		}
	}
	for (size_t k = 0; k < units; k += TILE_UNITS) {
		tile_load(6, b + k * NR, b_bytes);
		tile_load(7, b + k * NR + 16, b_bytes);
		tile_load(4, a + k, a_bytes);
		tile_dot(0, 4, 6);
		tile_dot(1, 4, 7);
		if (lower) {
			tile_load(5, a_lower + k, a_bytes);
			tile_dot(2, 5, 6);
			tile_dot(3, 5, 7);
		}
	}
	tile_store(0, c, c_bytes);
	tile_store(1, c + 16, c_bytes);
	if (lower) {
		tile_store(2, c_lower, c_bytes);
		tile_store(3, c_lower + 16, c_bytes);
	}
}

static void __attribute__((noinline)) gemm(size_t m, size_t n, size_t units, const float *a_floats, size_t lda,
    const float *b_floats, size_t depth, float *c, size_t ldc, int add)
{
	const unit *a = a_floats, *b = b_floats;
	const size_t width = cpu_pad(n);

	/* gcc's tile intrinsics do not say that they read and write memory: nothing may move across these two lines. */
	__asm__ volatile("" : : : "memory");
	for (size_t k = 0; k < units; k += KC, add = 1) {
		const size_t ku = units - k < KC ? units - k : KC;

		for (size_t i = 0; i < m; i += 2 * TILE_ROWS) {
			const size_t rows = m - i < 2 * TILE_ROWS ? m - i : 2 * TILE_ROWS;
			const size_t upper = rows < TILE_ROWS ? rows : TILE_ROWS;
			const struct tile_config config = tile_layout(upper, rows - upper);

			tile_configure(&config);
			for (size_t j = 0; j < width; j += NR)
				gemm_tiles(ku, a + i * lda + k, lda, b + (j / NR * depth + k) * NR, c + i * ldc + j,
				    ldc, rows > TILE_ROWS, add);
		}
	}
	tile_release();
	__asm__ volatile("" : : : "memory");
}

#endif
