/* What a run is too short or too long for, at each bound. */
#include "work/runsize.h"
#include "t/unit/tap.h"

static unsigned
of(uint64_t steps, uint64_t batch_tokens, uint64_t params, uint64_t momentum_steps, uint64_t train_tokens)
{
	const struct runsize z = { steps, batch_tokens, params, momentum_steps, train_tokens };

	return (runsize_warnings(&z));
}

int
main(void)
{
	const uint64_t many = UINT64_C(1) << 52;

	tap_ok(of(1000, 1000, 200000, 999, 1000000) == 0,
	    "a run that is long enough, once over its text, is told nothing");
	tap_ok(of(1000, 1000, 200001, 0, 0) == RUNSIZE_FEW_TOKENS, "a token less than 5 a parameter is few");
	tap_ok(of(1000, 1000, 200000, 1000, 0) == RUNSIZE_MOMENTUM,
	    "a momentum that would be full in the step after the last is never full");
	tap_ok(of(500, 1000, 1, 0, 0) == 0 && of(499, 1000, 1, 0, 0) == RUNSIZE_FEW_STEPS,
	    "499 steps are few, 500 are not");
	tap_ok(of(1000, 1000, 1, 0, 999999) == RUNSIZE_AGAIN, "a token more than there are comes again");
	tap_ok(of(3, 256, 30000, 500, 700) ==
		(RUNSIZE_MOMENTUM | RUNSIZE_FEW_TOKENS | RUNSIZE_FEW_STEPS | RUNSIZE_AGAIN),
	    "all four may hold at once");
	tap_ok(of(0, 1000, 1000000, 500, 1) == 0, "of steps that are not known nothing is told");
	tap_ok(of(1000, 1000, 0, 0, 0) == 0, "nor by parameters and text that are not known");
	tap_ok(of(many, many, 1, 0, 1) == RUNSIZE_AGAIN, "no product wraps");
	return (tap_done());
}
