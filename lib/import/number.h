#ifndef HG_NUMBER_H
#define HG_NUMBER_H

#include <stddef.h>

#include "import/defect.h"

/**
 * Numbers in other people's texts: one if all of the text is one, else a flag
 * that says why not.  Never a guess: "44 GB", "1,2244" and "~1.1" are texts.
 */
struct number {
	double number;    /* NAN if it is none */
	double unit;      /* one in the last digit written; 0 if there is no number */
	defect_set flags; /* why it is none */
};

/* What a number must be to be possible. */
enum number_kind {
	NUMBER_ANY,
	NUMBER_SCORE, /* bits per byte: above 0, at most 100 */
	NUMBER_LOSS,  /* nats per token: above 0, at most 100 */
	NUMBER_COUNT, /* whole, from 0 to 2^53 */
	NUMBER_SPREAD /* a deviation: from 0 to 100 */
};

/* Read n bytes; blanks around them are no part of it. */
struct number number_read(const char *text, size_t n, enum number_kind kind);

/* Can both texts' numbers be roundings, or cuts, of one? */
int number_agree(double a, double unit_a, double b, double unit_b);

#endif
