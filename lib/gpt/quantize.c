#include <math.h>
#include <string.h>

#include "gpt/f16.h"
#include "gpt/quantize.h"

/*
 * The quantile lies among the k largest of |w|, k being 2 in rows of up to
 * 600,000 columns: they are kept in order (largest first) as the row passes.
 */
static float
quantile(const float *w, size_t n, float *top)
{
	/* The public law works in float32, the rank included: that decides ties in int8x. */
	const float rank = 0.9999984f * (float)(n - 1);
	const size_t below = (size_t)rank, k = n - below;
	double low, high;

	for (size_t i = 0; i < n; i++) {
		const float x = fabsf(w[i]);
		size_t at = i < k ? i : k;

		if (at == k && x <= top[k - 1])
			continue;
		for (at -= at == k; at > 0 && top[at - 1] < x; at--)
			top[at] = top[at - 1];
		top[at] = x;
	}
	low = top[k - 1];
	high = k > 1 ? top[k - 2] : low;
	return ((float)(low + (high - low) * (double)(rank - (float)below)));
}

void
quantize_rows(const float *w, size_t rows, size_t cols, double scale_floor, int8_t *q, uint16_t *scale, float *scratch)
{
	for (size_t r = 0; r < rows; r++, w += cols, q += cols) {
		float clip, s;

		clip = quantile(w, cols, scratch);
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
