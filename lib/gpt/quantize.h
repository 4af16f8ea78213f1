#ifndef HG_QUANTIZE_H
#define HG_QUANTIZE_H

#include <stddef.h>
#include <stdint.h>

/**
 * The public int8 law, one scale a row:
 *   clip  = quantile(|w|, 0.9999984), linear between neighbours, rank in float32
 *   scale = max(clip / 127, scale_floor), stored as binary16
 *   q     = round half to even(clamp(w, -clip, clip) / scale) within +-127
 * The division is by the float32 scale; restoring multiplies by the stored one.
 * Checked: t/tools/golden.c, case int8x (exactly), t/unit/artifact.c.
 */

#define QUANTIZE_MIN_ELEMENTS 65536 /* 2-D tensors over this many elements are quantised */

/* Shapes: w, q (rows, cols); scale (rows), binary16; scratch (cols). w must be finite. */
void
quantize_rows(const float *w, size_t rows, size_t cols, double scale_floor, int8_t *q, uint16_t *scale, float *scratch);

/* w = q * scale, by rows. */
void quantize_restore(const int8_t *q, const uint16_t *scale, size_t rows, size_t cols, float *w);

#endif
