#include <math.h>
#include <string.h>

#include "t/tools/simworld.h"

void
simworld_begin(struct simworld_machine *m, const struct simworld *w, uint64_t seed, uint64_t number)
{
	memset(m, 0, sizeof(*m));
	m->world = w;
	rng_seed(&m->rng, seed, number);
	m->salt = rng_u64(&m->rng);
}

uint64_t
simworld_tag(struct simworld_machine *m)
{
	return (rng_mix(++m->tags));
}

/* A normal number that belongs to ${x} in this campaign, always the same. */
static double
normal_of(const struct simworld_machine *m, uint64_t stream, int64_t x)
{
	struct rng r;

	rng_seed(&r, m->salt + stream, (uint64_t)x);
	return (rng_normal(&r));
}

/* What is left of a run's noise besides its seed's, in the configuration's deviations. */
static double
noise(struct simworld_machine *m)
{
	double z = rng_normal(&m->rng), chi = 0, x;
	int i;

	switch (m->world->noise) {
	case SIMWORLD_T3:
		for (i = 0; i < 3; i++) {
			x = rng_normal(&m->rng);
			chi += x * x;
		}
		/* Student's t with 3 degrees of freedom has a variance of 3. */
		return (z / sqrt(chi));
	case SIMWORLD_BAD_TAIL:
		/* The lognormal's mean is exp(1/2), its variance (e - 1) e. */
		return ((exp(z) - exp(0.5)) / sqrt((exp(1) - 1) * exp(1)));
	case SIMWORLD_NORMAL:
	case SIMWORLD_OUTLIERS:
		break;
	}
	return (z);
}

static struct simworld_candidate
candidate(struct simworld_machine *m, double mean, double sd)
{
	return ((struct simworld_candidate){ simworld_tag(m), mean, sd * exp(m->world->spread * rng_normal(&m->rng)) });
}

struct simworld_candidate
simworld_incumbent(struct simworld_machine *m)
{
	return (candidate(m, 0, 1));
}

static double
exponential(struct simworld_machine *m, double mean)
{
	return (-mean * log1p(-rng_uniform(&m->rng)));
}

struct simworld_candidate
simworld_challenger(struct simworld_machine *m, const struct simworld_candidate *held)
{
	const struct simworld *w = m->world;
	double u = rng_uniform(&m->rng), gain = 0;

	if (w->mixed)
		gain = u < 0.1 ? exponential(m, 2.5) : u < 0.6 ? -exponential(m, 3) : 0;
	else if (u < w->better)
		gain = w->gain;
	return (candidate(m, held->mean - gain, w->challengers_sd > 0 ? w->challengers_sd : 1));
}

/* A run's score in lane deviations, and how far the run is from its configuration's mean. */
static double
place(struct simworld_machine *m, const struct simworld_candidate *k, int64_t seed, int64_t offset, double *off)
{
	const struct simworld *w = m->world;

	m->runs++;
	m->drift += w->walk > 0 ? w->walk * rng_normal(&m->rng) : 0;
	*off = k->sd * sqrt(1 - w->seeded) * noise(m);
	if (w->seeded > 0)
		*off += k->sd * sqrt(w->seeded) * normal_of(m, 0, seed);
	if (w->noise == SIMWORLD_OUTLIERS && rng_uniform(&m->rng) < 0.02)
		*off += 50;
	return (k->mean + *off + m->drift + (w->ordered > 0 ? w->ordered * normal_of(m, 1, offset) : 0));
}

static double
score(double deviations)
{
	return (2 + 0.01 * deviations);
}

double
simworld_run(struct simworld_machine *m, const struct simworld_candidate *k, int64_t seed, int64_t offset)
{
	double off;

	return (score(place(m, k, seed, offset, &off)));
}

double
simworld_challengers_slot(struct simworld_machine *m, const struct simworld_candidate *k, int64_t seed, int64_t offset)
{
	double off, at = place(m, k, seed, offset, &off);

	if (m->world->redone > 0 && off > 0 && rng_uniform(&m->rng) < m->world->redone)
		at = place(m, k, seed, offset, &off);
	return (score(at));
}
