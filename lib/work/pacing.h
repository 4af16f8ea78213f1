#ifndef HG_PACING_H
#define HG_PACING_H

#include <stddef.h>
#include <stdint.h>

#include "data/dataset.h"
#include "gpt/trainspec.h"

/**
 * How long a step takes here: real training steps in memory, on real data, of
 * which nothing is kept.  Where the schedule changes batches or sequences on the
 * way, each kind of steps is measured for its share of the time, and the figures
 * are those of the mix that the whole run is.
 */
struct pacing {
	double median_ms, p90_ms; /* of a step; nine in ten take no longer than the latter */
	double calibration_ms;    /* what the end of training will take for export.quantizer=gptq, and a fifth more */
	size_t steps;             /* measured */
	double batch_tokens;      /* of a step */
	size_t micro_batch;       /* tokens of a pass */
	int starved;              /* other work took processors meanwhile */
	double first_loss, loss;  /* nats a token: of the first step, and the mean over the last eighth */
};

/**
 * pacing_measure(r, data, ms, steps, p):
 * Train as ${r} asks at full rates, for about ${ms} after one step that is not counted, ${steps} at least and three.
 * Whoever asks holds the lane: a trainer beside us would make the figure a lie.  r->threads must be set.
 * Returns an exit code, everything said.
 * Checked: t/hg-pace.bats.
 */
int pacing_measure(const struct trainspec *r, const struct dataset *data, int64_t ms, size_t steps, struct pacing *p);

/* Steps that fit in ${cap_ms} beside calibration when each takes the mean of median and p90, less 2 %. */
double pacing_fit(const struct pacing *p, int64_t cap_ms);

#endif
