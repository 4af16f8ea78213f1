#ifndef HG_RUNSIZE_H
#define HG_RUNSIZE_H

#include <stdint.h>

#include "gpt/trainspec.h"

/**
 * What a run is too short or too long for, told before it is begun and when it is over.  None of it refuses a run: a
 * test of three steps is all of it, and means to be.
 */

/* Under these a run is short: some twenty tokens a parameter are what compute is best spent on. */
#define RUNSIZE_STEPS 500
#define RUNSIZE_TOKENS_PER_PARAM 5

struct runsize {
	uint64_t steps;          /* that are to be made, or were; an upper bound will do, and 0 is not known */
	uint64_t batch_tokens;   /* of one step */
	uint64_t params;         /* of the model; 0: not known */
	uint64_t momentum_steps; /* over which Muon's momentum rises, counted in steps; 0: it does not */
	uint64_t train_tokens;   /* that the data hold; 0: not known, or the steps are only a bound */
};

enum {
	RUNSIZE_MOMENTUM = 1,   /* the momentum does not reach its full value */
	RUNSIZE_FEW_TOKENS = 2, /* for the parameters */
	RUNSIZE_FEW_STEPS = 4,
	RUNSIZE_AGAIN = 8 /* training text comes more than once */
};

/* Which of them hold: for a planner that only asks. Exported for tests. */
unsigned runsize_warnings(const struct runsize *z);

/* Say each that holds, in a line on stderr; of a run that is to be made, or that is over. */
void runsize_tell(const struct runsize *z, int over);

/**
 * runsize_of(z, r, train_tokens):
 * What a spec asks for.  By the clock its steps are a bound, by which text that comes again can't be told; the steps
 * of a replay are known once its scales are read.
 */
void runsize_of(struct runsize *z, const struct trainspec *r, uint64_t train_tokens);

#endif
