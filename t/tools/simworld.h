#ifndef HG_SIMWORLD_H
#define HG_SIMWORLD_H

#include <stdint.h>

#include "base/rng.h"

/**
 * Machines and configurations that never were: what a run of a configuration
 * would score.  Everything is counted in run-to-run deviations of the lane; a
 * score is 2 + 0.01 of that, lower is better.
 */

enum simworld_noise { SIMWORLD_NORMAL, SIMWORLD_T3, SIMWORLD_BAD_TAIL, SIMWORLD_OUTLIERS };

struct simworld {
	const char *name;
	int challengers;
	double better, gain;       /* this share of them is better, by so much */
	int mixed;                 /* or 10 % better by Exp(2.5), 40 % no different, 50 % worse by Exp(3) */
	double spread;             /* of ln sigma over configurations */
	enum simworld_noise noise; /* of unit variance, but for outliers: 2 % of runs are worse by 50 */
	double challengers_sd;     /* how much farther challengers scatter; 0: no farther */
	double walk;               /* each run the machine drifts by so much, at random */
	double redone;             /* this share of a challenger's bad runs in a plan is run again, and nobody told */
	double seeded;             /* share of the variance that a seed brings to any configuration */
	double ordered;            /* the place in the data moves all scores by so much */
	int stops;                 /* worth stopping in only by bad luck */
};

/* One configuration: where it lies, and how its runs scatter. */
struct simworld_candidate {
	uint64_t tag;
	double mean, sd;
};

struct simworld_machine {
	const struct simworld *world;
	struct rng rng;
	uint64_t salt; /* of this campaign's seeds and places */
	uint64_t tags;
	double drift; /* so far */
	long runs;
};

/* A machine for one campaign of a world; the same seed and number make the same one. */
void simworld_begin(struct simworld_machine *m, const struct simworld *w, uint64_t seed, uint64_t number);

/* A number that nothing else in this campaign has. */
uint64_t simworld_tag(struct simworld_machine *m);

struct simworld_candidate simworld_incumbent(struct simworld_machine *m);
struct simworld_candidate simworld_challenger(struct simworld_machine *m, const struct simworld_candidate *held);

/* The score of a run; of a challenger's in a plan it may be that of a run that was made again. */
double simworld_run(struct simworld_machine *m, const struct simworld_candidate *k, int64_t seed, int64_t offset);
double
simworld_challengers_slot(struct simworld_machine *m, const struct simworld_candidate *k, int64_t seed, int64_t offset);

#endif
