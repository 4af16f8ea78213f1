#ifndef HG_CURVES_H
#define HG_CURVES_H

#include "report/pagedata.h"

/**
 * The loss curve of a run, from its metrics.jsonl, if that is the file that
 * its training report names, and the report the one that the ledger names.
 */

enum curve_state {
	CURVES_READ,
	CURVES_UNTRAINED, /* the row names no training report */
	CURVES_GONE,      /* the run's directory or one of the two files is not there */
	CURVES_ALTERED,   /* one of them has another digest than it should, or can't be understood */
	CURVES_EMPTY      /* no step was logged */
};

enum { CURVES_POINTS = 240 };

struct curve {
	enum curve_state state;
	/* Points: means over ${per} logged steps each, ordered by step. */
	struct {
		double step, loss;
	} point[CURVES_POINTS];
	size_t count, per, rows;
	double last_step, last_loss; /* as logged */
	struct {
		double step, loss;
	} val[CURVES_POINTS]; /* validation during training, nats per token; the first ones */
	size_t vals;
};

/* Look at it; what is wrong with the files stands in c->state. 0, or -1 with errno, silent: the system failed. */
int curves_read(const struct pagedata *s, const struct pagedata_run *r, struct curve *c);

/* Why there is none, as the end of a sentence. */
const char *curves_why(enum curve_state state);

#endif
