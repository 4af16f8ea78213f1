#ifndef HG_RNG_H
#define HG_RNG_H

#include <stdint.h>

/**
 * Random numbers that are the same bits on every machine: integer arithmetic
 * and correctly rounded double operations only, no libm.
 * Generator: xoshiro256**, seeded through splitmix64.  Source: Blackman and
 * Vigna, "Scrambled linear pseudorandom number generators", 2021.
 */
struct rng {
	uint64_t s[4];
};

/* Seed from two numbers: the seed and which stream of it. */
void rng_seed(struct rng *r, uint64_t seed, uint64_t stream);
uint64_t rng_u64(struct rng *r);

/* Uniform on [0, 1), 53 bits. */
double rng_uniform(struct rng *r);

/* Uniform on 0..n-1 without bias; n > 0. */
uint64_t rng_below(struct rng *r, uint64_t n);

/* Standard normal (Marsaglia's polar method, one value a call). */
double rng_normal(struct rng *r);

/* Well-mixed 64-bit hash of x (splitmix64's finaliser). */
uint64_t rng_mix(uint64_t x);

#endif
