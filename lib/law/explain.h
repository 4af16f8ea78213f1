#ifndef HG_EXPLAIN_H
#define HG_EXPLAIN_H

#include <stdint.h>

#include "law/policy.h"
#include "base/str.h"
#include "law/standings.h"
#include "law/verdict.h"

/**
 * A verdict in words: one paragraph that can be read aloud, which says what
 * was seen, what it may mean and what is not known.
 */

/* What is known of a side's tokenizer. */
struct explain_tokenizer {
	const char *sha256;
	enum standings_keeps keeps;
	double lost; /* share of the validation text; NAN if not known */
};

struct explain {
	const struct verdict *verdict;
	const struct policy *policy;
	const char *run; /* what is judged, by name */
	const char *lane;
	unsigned lanes;       /* that its pairs ran on, where these are several */
	int64_t cap_ms;       /* -1: none */
	const char *findings; /* why the evidence fails, or "" */
	unsigned spent;       /* confirmations, this one included */
	unsigned campaigns;   /* of the ledger, and the levels that they have spent in all */
	double levels;
	const char *given; /* the digest of the initial weights that it was given, or NULL */
	const char *twin;  /* the run that it is again, by name, or NULL */
	int copy;          /* it is so by its artifact alone: 1, or by all digits that its program says: 2 */
	int64_t twin_row;
	int claimed;             /* its number is its program's word alone */
	int program;             /* a program trained, and is told no place in the data */
	const char *settings;    /* which keys are set otherwise than the incumbent's, or NULL: not known */
	const char *ineffective; /* and which of them have no effect, and why, where none has one */
	struct explain_tokenizer mine, theirs; /* theirs without a sha256: not the reason */
};

/* Errors: -1 with errno ENOMEM. */
int explain_run(struct str *s, const struct explain *t);
int explain_confirmation(struct str *s, const struct explain *t);

/* "1 run", "2 runs". */
int explain_count(struct str *s, unsigned n, const char *what);

/* "campaign 'first' has spent its 8 failures", of a campaign that has none left; until law 3 its confirmations. */
int explain_spent(struct str *s, const struct standings *b);

/* "40 s", "22 min", "3.5 h". */
int explain_time(struct str *s, int64_t ms);

/* "1,234 to 1", as far as its digits mean anything. */
int explain_odds(struct str *s, double x);

/* "31 %", "0.4 %", "1 in 20,000": a chance as people say it. */
int explain_chance(struct str *s, double p);

#endif
