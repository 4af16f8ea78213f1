#ifndef HG_METRIC_H
#define HG_METRIC_H

#include <stddef.h>

/**
 * Which column a loop is about, and which way it is better, as far as its
 * author's own decisions tell: a line that was kept is better than all that
 * were kept before it, one that was discarded is not.
 */

struct metric_fit {
	size_t decisions, fits;  /* kept and discarded lines with a number, the first kept one among them */
	size_t kept, kept_worse; /* kept after the first; of these, worse than the one kept before */
	size_t kept_fit;         /* of these, better than all kept before */
	size_t discarded, discarded_fit;
};

/**
 * metric_fit(score, status, n, higher):
 * Hold decisions against one column.  ${status} is k for keep, d for discard,
 * and anything else for lines that decide nothing; NAN is no number.
 */
struct metric_fit metric_fit(const double *score, const char *status, size_t n, int higher);

/* Do all decisions fit, and are there enough of both kinds that chance alone would hardly do that? */
int metric_fit_is_sure(const struct metric_fit *f);

/*
 * How well they fit, both kinds of decision weighing alike: 1 where all do.  A number that has nothing to do with what
 * was decided has a half.
 */
double metric_fit_share(const struct metric_fit *f);

/**
 * metric_zero_is_none(score, n, fractions, higher):
 * Does a zero stand for no score in a column where less is better?  So it is
 * where numbers have fractions and all others lie far from zero.
 */
int metric_zero_is_none(const double *score, size_t n, int fractions, int higher);

/* The direction that a text names: 1 for "higher", "maximize" and their like, 0 for lower; -1: neither. */
int metric_direction(const char *text);

#endif
