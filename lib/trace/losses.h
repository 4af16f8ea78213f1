#ifndef HG_LOSSES_H
#define HG_LOSSES_H

#include <jansson.h>
#include <stddef.h>

#include "run/rundir.h"

/**
 * What metrics.jsonl tells of a training, ended or under way, by step or by the
 * budget's clock.
 */

struct losses_row {
	double step, ms;
	double loss, val; /* NAN where there is none */
};

enum losses_state {
	LOSSES_READ,
	LOSSES_NONE,   /* no step was logged */
	LOSSES_GONE,   /* the file that the receipt names is not there */
	LOSSES_ALTERED /* it is not the file that the receipt names, or can't be understood */
};

struct losses {
	enum losses_state state;
	struct losses_row *rows;
	size_t count, cap;
};

/**
 * losses_read(r, receipt, l):
 * Read the metrics of a run; the training's receipt (NULL: none yet) says which file they must be.
 * Owns:   the caller calls losses_free.
 * Errors: -1 with errno, said: the system failed.
 */
int losses_read(const struct rundir *r, const json_t *receipt, struct losses *l);
void losses_free(struct losses *l);

enum losses_by { LOSSES_BY_STEP, LOSSES_BY_TIME };

/**
 * losses_compare(a, b, by, points):
 * Both curves from the beginning to where the shorter one ends, as an array of at most so many {at, from, to}: the
 * mean training loss of all steps since the point before, up to step or millisecond ${at}; null where no step with a
 * finite loss was logged in between.
 * Owns:   the caller decrefs.
 * Errors: NULL with errno ENOMEM.
 */
json_t *losses_compare(const struct losses *a, const struct losses *b, enum losses_by by, size_t points);

/* The validation losses that both have at the same step, likewise. */
json_t *losses_validation(const struct losses *a, const struct losses *b);

#endif
