#include <assert.h>
#include <math.h>

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

/* A row of one has no deviation, and is clipped at its own. */
static float
deviations(const float *w, size_t n, double k)
{
	double mean = 0, sum = 0;

	if (n == 1)
		return (fabsf(w[0]));
	for (size_t i = 0; i < n; i++)
		mean += w[i];
	mean /= (double)n;
	for (size_t i = 0; i < n; i++)
		sum += (w[i] - mean) * (w[i] - mean);
	return ((float)(k * sqrt(sum / (double)(n - 1))));
}

int
quantize_top(unsigned bits)
{
	assert(bits >= QUANTIZE_MIN_BITS && bits <= QUANTIZE_MAX_BITS);
	return ((1 << (bits - 1)) - 1);
}

float
quantize_scale(const struct quantize_law *law, const float *row, size_t cols, float *scratch, float *clip)
{
	*clip = law->clip == QUANTIZE_MINMAX ? quantile(row, cols, scratch) : deviations(row, cols, law->sdclip_k);
	return (fmaxf(*clip / (float)quantize_top(law->bits), (float)law->scale_floor));
}

int8_t
quantize_level(float w, float clip, float scale, int top)
{
	const float clamped = fminf(fmaxf(w, -clip), clip);

	if (scale == 0)
		return (0);
	return ((int8_t)fminf(fmaxf(nearbyintf(clamped / scale), (float)-top), (float)top));
}

void
quantize_rows(const struct quantize_law *law, const float *w, size_t rows, size_t cols, int8_t *q, uint16_t *scale,
    float *scratch)
{
	const int top = quantize_top(law->bits);

	for (size_t r = 0; r < rows; r++, w += cols, q += cols) {
		float clip, s = quantize_scale(law, w, cols, scratch, &clip);

		scale[r] = f16_from(s);
		for (size_t c = 0; c < cols; c++)
			q[c] = quantize_level(w[c], clip, s, top);
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
