#ifndef HG_TILE_H
#define HG_TILE_H

/**
 * The six tile operations that a product needs.  Tiles 0..3 are sums, 4 and 5
 * left sides, 6 and 7 right sides; all have rows of 64 bytes, right sides 16
 * rows, the others as configured.  Tile numbers must be literals.
 *
 * With TILE_EMULATED they work on plain memory, so that a machine without AMX
 * can test everything but the instructions themselves: the index arithmetic,
 * the configuration, the padding.
 */

#include <stdint.h>
#include <string.h>

#define TILE_ROWS 16
#define TILE_UNITS 16

/* The operand of ldtilecfg. */
struct tile_config {
	uint8_t palette, start_row, reserved[14];
	uint16_t row_bytes[16];
	uint8_t rows[16];
};

/* Left sides of ${upper} and ${lower} rows, at most 16 each; lower may be 0, then tiles 2, 3 and 5 are not used. */
static inline struct tile_config
tile_layout(size_t upper, size_t lower)
{
	struct tile_config t = { .palette = 1 };

	for (int i = 0; i < 8; i++) {
		const size_t rows = i >= 6 ? TILE_UNITS : i == 0 || i == 1 || i == 4 ? upper : lower;

		t.rows[i] = (uint8_t)rows;
		t.row_bytes[i] = rows > 0 ? 64 : 0;
	}
	return (t);
}

#ifndef TILE_EMULATED

#include <immintrin.h>

#define tile_configure(config) _tile_loadconfig(config)
#define tile_release() _tile_release()
#define tile_zero(t) _tile_zero(t)
#define tile_load(t, base, stride_bytes) _tile_loadd(t, base, stride_bytes)
#define tile_store(t, base, stride_bytes) _tile_stored(t, base, stride_bytes)
#define tile_dot(sum, left, right) _tile_dpbf16ps(sum, left, right)

#else

static _Thread_local struct tile_config tile_set;
static _Thread_local uint32_t tile_data[8][TILE_ROWS][TILE_UNITS];

static inline void
tile_configure(const struct tile_config *config)
{
	tile_set = *config;
	memset(tile_data, 0, sizeof(tile_data));
}

static inline void
tile_release(void)
{
	memset(&tile_set, 0, sizeof(tile_set));
}

/* Using a tile that is not configured faults on the machine. */
static inline size_t
tile_rows(int t)
{
	assert(tile_set.palette == 1 && tile_set.rows[t] > 0 && tile_set.rows[t] <= TILE_ROWS);
	assert(tile_set.row_bytes[t] == 64);
	return (tile_set.rows[t]);
}

static inline void
tile_zero(int t)
{
	memset(tile_data[t], 0, tile_rows(t) * 64);
}

static inline void
tile_load(int t, const void *base, size_t stride_bytes)
{
	for (size_t i = 0; i < tile_rows(t); i++)
		memcpy(tile_data[t][i], (const char *)base + i * stride_bytes, 64);
}

static inline void
tile_store(int t, void *base, size_t stride_bytes)
{
	for (size_t i = 0; i < tile_rows(t); i++)
		memcpy((char *)base + i * stride_bytes, tile_data[t][i], 64);
}

static inline float
tile_half(uint32_t unit, int high)
{
	const uint32_t bits = high ? unit & 0xffff0000u : unit << 16;
	float f;

	memcpy(&f, &bits, sizeof(f));
	return (f);
}

static inline void
tile_dot(int sum, int left, int right)
{
	assert(tile_rows(sum) == tile_rows(left) && tile_rows(right) == TILE_UNITS);
	for (size_t i = 0; i < tile_rows(sum); i++) {
		float row[TILE_UNITS];

		memcpy(row, tile_data[sum][i], sizeof(row));
		for (size_t u = 0; u < TILE_UNITS; u++) {
			const uint32_t a = tile_data[left][i][u];

			for (size_t j = 0; j < TILE_UNITS; j++) {
				const uint32_t b = tile_data[right][u][j];

				row[j] += tile_half(a, 0) * tile_half(b, 0);
				row[j] += tile_half(a, 1) * tile_half(b, 1);
			}
		}
		memcpy(tile_data[sum][i], row, sizeof(row));
	}
}

#endif

#endif
