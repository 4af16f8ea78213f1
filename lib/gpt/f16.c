#include <math.h>
#include <string.h>

#include "gpt/f16.h"

static uint32_t
bits(float x)
{
	uint32_t u;

	memcpy(&u, &x, sizeof(u));
	return (u);
}

static float
from_bits(uint32_t u)
{
	float x;

	memcpy(&x, &u, sizeof(x));
	return (x);
}

uint16_t
f16_from(float x)
{
	const uint32_t u = bits(x), magnitude = u & 0x7fffffff;
	const uint16_t sign = (uint16_t)(u >> 16 & 0x8000);
	uint32_t rest, half;

	if (magnitude > 0x7f800000)
		return (sign | 0x7e00);
	/* 65520 is where rounding leaves the finite range. */
	if (magnitude >= 0x477ff000)
		return (sign | 0x7c00);
	/* Below 2^-14 the result counts units of 2^-24; adding 0.5 makes the FPU shift and round to even. */
	if (magnitude < 0x38800000) {
		const uint32_t shifted = bits(from_bits(magnitude) + 0.5f) - 0x3f000000;

		return (sign | (uint16_t)shifted);
	}
	half = (magnitude - 0x38000000) >> 13;
	rest = magnitude & 0x1fff;
	if (rest > 0x1000 || (rest == 0x1000 && (half & 1)))
		half++;
	return (sign | (uint16_t)half);
}

float
f16_to(uint16_t h)
{
	const uint32_t sign = (uint32_t)(h & 0x8000) << 16, magnitude = h & 0x7fff;

	if (magnitude >= 0x7c00)
		return (from_bits(sign | 0x7f800000 | (magnitude & 0x3ff) << 13));
	if (magnitude < 0x400)
		return (from_bits(sign | bits(ldexpf((float)magnitude, -24))));
	return (from_bits(sign | ((magnitude << 13) + 0x38000000)));
}

float
f16_bf16_to(uint16_t b)
{
	return (from_bits((uint32_t)b << 16));
}
