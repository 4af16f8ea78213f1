#include <math.h>

#include "base/rng.h"

uint64_t
rng_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return (x ^ (x >> 31));
}

void
rng_seed(struct rng *r, uint64_t seed, uint64_t stream)
{
	uint64_t x = seed ^ rng_mix(stream + 0x9e3779b97f4a7c15u);
	int i;

	for (i = 0; i < 4; i++)
		r->s[i] = rng_mix(x += 0x9e3779b97f4a7c15u);
}

static uint64_t
rotl(uint64_t x, int k)
{
	return (x << k | x >> (64 - k));
}

uint64_t
rng_u64(struct rng *r)
{
	uint64_t out = rotl(r->s[1] * 5, 7) * 9, t = r->s[1] << 17;

	r->s[2] ^= r->s[0];
	r->s[3] ^= r->s[1];
	r->s[1] ^= r->s[2];
	r->s[0] ^= r->s[3];
	r->s[2] ^= t;
	r->s[3] = rotl(r->s[3], 45);
	return (out);
}

double
rng_uniform(struct rng *r)
{
	return ((double)(rng_u64(r) >> 11) * 0x1p-53);
}

uint64_t
rng_below(struct rng *r, uint64_t n)
{
	uint64_t limit = UINT64_MAX - UINT64_MAX % n, x;

	do {
		x = rng_u64(r);
	} while (x >= limit);
	return (x % n);
}

/* Natural logarithm of 0 < x < 1 through 2 atanh((m-1)/(m+1)): the same bits everywhere, unlike libm's. */
static double
ln(double x)
{
	double m, t, t2, sum = 0;
	int e, k;

	m = frexp(x, &e);
	if (m < 0.70710678118654752) {
		m *= 2;
		e--;
	}
	t = (m - 1) / (m + 1);
	t2 = t * t;
	for (k = 21; k >= 1; k -= 2)
		sum = sum * t2 + 1.0 / k;
	return (2 * t * sum + e * 0.69314718055994531);
}

double
rng_normal(struct rng *r)
{
	double u, v, s;

	do {
		u = 2 * rng_uniform(r) - 1;
		v = 2 * rng_uniform(r) - 1;
		s = u * u + v * v;
	} while (s >= 1 || s == 0);
	return (u * sqrt(-2 * ln(s) / s));
}
