#ifndef HG_PROMOTE_H
#define HG_PROMOTE_H

#include <stddef.h>
#include <stdint.h>

#include "ledger/ledger.h"

enum promote_holds { PROMOTE_YES, PROMOTE_NO, PROMOTE_PENDING };

/* The conditions of a promotion, as far as they were looked at. */
struct promote_view {
	struct promote_condition {
		const char *name;
		enum promote_holds holds;
		char evidence[1024];
	} list[16];
	size_t count;
	uint64_t promoted; /* row of the promotion that stands for this very artifact; 0: none */
	uint64_t standing; /* of the one that stands for its configuration, by whichever of its runs; 0: none */
};

/**
 * promote_look(l, fact, view):
 * What the ledger alone says of promoting the run of ${fact}, a row of a run:
 * incumbent, sound, cap, wall-clock, confirmed gain, margin.  The others
 * (full evaluation, evidence, runs, chain, replay, scored again) need what lies
 * on disk.
 * Errors: -1 with errno, said.
 */
int promote_look(struct ledger *l, const struct standings_fact *fact, struct promote_view *view);

/* "yes", "no", "pending". */
const char *promote_word(enum promote_holds holds);

/**
 * promote_run(ledger, path, head):
 * Promote the artifact of the run at ${path}, if every condition holds:
 * its configuration is incumbent; its gain was confirmed, and the lower bound
 * of the gain over what was promoted last, which may be that of several
 * confirmations together, is at or above the margin; cap, wall-clock and full
 * evaluation; the run, and every run that those confirmations and their lanes'
 * calibrations rest on, still is what its row says; the chain verifies, and
 * every verdict follows from the rows; and hg-score -c, which is run here if
 * all else holds, gets the same score again.  The ledger's head must be
 * ${head} (NULL: the one found), from first look to last: if it has moved,
 * the promotion is refused.  Promoting again changes nothing.
 * Prints each condition with its evidence.  Returns the exit code: DONE
 * promoted, NO refused, PENDING evidence is missing, with what to type for it.
 */
int promote_run(const char *ledger, const char *path, const char *head);

#endif
