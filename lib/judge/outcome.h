#ifndef HG_OUTCOME_H
#define HG_OUTCOME_H

#include "ledger/ledger.h"

/**
 * What has become of a run's configuration since: whether a confirmation found
 * it better, and whether its promotion stands.  A confirmation that was given
 * up, or was of an incumbent that is none any more, says nothing.
 */
enum outcome {
	OUTCOME_NONE,
	OUTCOME_CONFIRMING, /* a confirmation of it is open */
	OUTCOME_NOT_CONFIRMED,
	OUTCOME_CONFIRMED,
	OUTCOME_PROMOTED, /* and neither another configuration was since, nor is that barred */
	OUTCOMES
};

/* "", "confirming", "not_confirmed", "confirmed", "promoted". */
const char *outcome_name(enum outcome o);

/**
 * outcome_of(l, run):
 * As all rows so far have it, of the fact of a run.
 * Errors: none.
 * Checked: t/hg-triage.bats.
 */
enum outcome outcome_of(const struct ledger *l, const struct standings_fact *run);

#endif
