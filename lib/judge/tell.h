#ifndef HG_TELL_H
#define HG_TELL_H

#include <stdint.h>

#include "policy.h"
#include "str.h"
#include "verdict.h"

/**
 * A verdict in words: one paragraph that can be read aloud, which says what
 * was seen, what it may mean and what is not known.
 */

struct tell {
	const struct verdict *verdict;
	const struct policy *policy;
	const char *run;		/* what is judged, by name */
	const char *incumbent;		/* the incumbent's run, by name, or NULL */
	const char *lane;
	int64_t cap_ms;			/* -1: none */
	const char *findings;		/* why the evidence fails, or "" */
	unsigned spent;			/* confirmations, this one included */
};

/* Errors: -1 with errno ENOMEM. */
int tell_run(struct str *s, const struct tell *t);
int tell_confirmation(struct str *s, const struct tell *t);

/* "40 s", "22 min", "3.5 h". */
int tell_time(struct str *s, int64_t ms);

/* "31 %", "0.4 %", "1 in 20,000": a chance as people say it. */
int tell_chance(struct str *s, double p);

#endif
