#ifndef HG_QUANTIZE_H
#define HG_QUANTIZE_H

#include <stddef.h>
#include <stdint.h>

/**
 * Symmetric levels, one scale a row; at 8 bits with QUANTIZE_MINMAX the public int8 law:
 *   top   = 2^(bits - 1) - 1
 *   clip  = quantile(|w|, 0.9999984), linear between neighbours, rank in float32; or by the others
 *           k * the row's standard deviation (divisor cols - 1; summed in double), which |w| does not limit
 *   scale = max(clip / top, scale_floor), stored as binary16
 *   q     = round half to even(clamp(w, -clip, clip) / scale) within +-top
 * The division is by the float32 scale; restoring multiplies by the stored one.
 * Source: FACTS of the public rule; k * deviation: the public records' "SDClip".
 * Checked: t/tools/golden.c, cases int8x and levers/quant (exactly), t/unit/artifact.c.
 */

#define QUANTIZE_MIN_ELEMENTS 65536 /* 2-D tensors over this many elements are quantised */
#define QUANTIZE_MIN_BITS 2
#define QUANTIZE_MAX_BITS 8

/* What the largest level stands for. QUANTIZE_GPTQ clips as SDCLIP, and rounds by gptq.h where it knows the inputs. */
enum quantize_clip { QUANTIZE_MINMAX, QUANTIZE_SDCLIP, QUANTIZE_GPTQ };

struct quantize_law {
	unsigned bits;
	enum quantize_clip clip;
	double sdclip_k;
	double scale_floor;
};

/* The largest level. */
int quantize_top(unsigned bits);

/* The scale of a row, before it is stored, and its clip. Shapes: row, scratch (cols). */
float quantize_scale(const struct quantize_law *law, const float *row, size_t cols, float *scratch, float *clip);

/* The level of one weight; 0 where the scale is. */
int8_t quantize_level(float w, float clip, float scale, int top);

/* Shapes: w, q (rows, cols); scale (rows), binary16; scratch (cols). w must be finite. */
void quantize_rows(const struct quantize_law *law, const float *w, size_t rows, size_t cols, int8_t *q, uint16_t *scale,
    float *scratch);

/* w = q * scale, by rows. */
void quantize_restore(const int8_t *q, const uint16_t *scale, size_t rows, size_t cols, float *w);

#endif
