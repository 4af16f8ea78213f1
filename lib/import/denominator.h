#ifndef HG_DENOMINATOR_H
#define HG_DENOMINATOR_H

#include <stddef.h>

#include "import/claimrow.h"

/**
 * On what were they scored?  bpb = loss / ln 2 * tokens / bytes, so loss and
 * bpb together imply the bytes per token of the text that was scored, exactly
 * as far as their digits go, and with the number of tokens its bytes.
 *
 * A denominator is a tokenizer on a text: results share one if their bytes
 * per token are the same as far as they are printed, and their tokens but for
 * a tail.  Different denominators are the same text if they imply the same
 * bytes, but for tails: then only the tokenizer differs, and bits per byte
 * may be compared.  Without the number of tokens that cannot be told, and
 * they are kept apart.
 *
 * A scorer may leave out what fills no window at either end.  DENOMINATOR_TAIL
 * tokens are granted for it, two windows of 2,048; where that would be more
 * than a thousandth of the text, only digits count.
 */

enum { DENOMINATOR_TAIL = 4096 };

struct denominator_cluster {
	double ratio, error;       /* of its most exact row */
	double tokens;             /* 0: not known */
	double bytes, bytes_error; /* NAN: not known */
	size_t rows;
	uint64_t first; /* row */
	int text;       /* clusters with the same number are one text */
};

struct denominator {
	struct denominator_cluster *cluster;
	size_t count;
	int texts;
	size_t unclear; /* rows that fit several */
	size_t without; /* rows without loss or bpb */
};

/* Sort the submissions and logs among ${all} by what they were scored on. 0, or -1 with errno ENOMEM. */
int denominator_entries(struct denominator *a, struct entries *all);
void denominator_free(struct denominator *a);

#endif
