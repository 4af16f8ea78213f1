#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "f16.h"
#include "quantize.h"

static int
ascending(const void *a, const void *b)
{
	const float x = *(const float *)a, y = *(const float *)b;

	return ((x > y) - (x < y));
}

/* Only the largest two or three values matter in rows of usual length, but a sort has no special cases. */
static float
quantile(float *v, size_t n)
{
	/* The public law works in float32, the rank included: that decides ties in int8x. */
	const float rank = 0.9999984f * (float)(n - 1);
	const size_t below = (size_t)rank;
	const size_t above = below + 1 < n ? below + 1 : n - 1;

	qsort(v, n, sizeof(*v), ascending);
	return ((float)(v[below] + ((double)v[above] - v[below]) * (double)(rank - (float)below)));
}

void
quantize_rows(const float *w, size_t rows, size_t cols, double scale_floor, int8_t *q, uint16_t *scale, float *scratch)
{
	for (size_t r = 0; r < rows; r++, w += cols, q += cols) {
		float clip, s;

		for (size_t c = 0; c < cols; c++)
			scratch[c] = fabsf(w[c]);
		clip = quantile(scratch, cols);
		s = fmaxf(clip / 127.0f, (float)scale_floor);
		scale[r] = f16_from(s);
		if (s == 0) {
			memset(q, 0, cols);
			continue;
		}
		for (size_t c = 0; c < cols; c++) {
			const float clamped = fminf(fmaxf(w[c], -clip), clip);

			q[c] = (int8_t)fminf(fmaxf(nearbyintf(clamped / s), -127.0f), 127.0f);
		}
	}
}

void
quantize_restore(const int8_t *q, const uint16_t *scale, size_t rows, size_t cols, float *w)
{
	for (size_t r = 0; r < rows; r++) {
		const float s = f16_to(scale[r]);

		for (size_t c = 0; c < cols; c++)
			w[r * cols + c] = (float)q[r * cols + c] * s;
	}
}
