#ifndef HG_CONFIRMATION_H
#define HG_CONFIRMATION_H

#include "law/explain.h"
#include "ledger/ledger.h"

/**
 * The one look at a confirmation's plan, and who is incumbent after it.
 */

/**
 * confirmation_judge(l, plan, given_up, row):
 * The verdict's row as it would be now, of a plan that is ready or given up.
 * Owns: the caller frees *row.  Errors: -1 with errno, said.
 */
int confirmation_judge(const struct ledger *l, const struct standings_plan *plan, int given_up, struct row *row);

/* Append it, too. */
int confirmation_add(struct ledger *l, const struct standings_plan *plan, int given_up, struct row *row);

/* What words need to know of a run's tokenizer. Borrows from the run. */
struct explain_tokenizer confirmation_tokenizer(const struct run_record *run);

/*
 * Put which keys a run sets otherwise than one of the incumbent's into ${out}, which is empty and stays so if that is
 * not known; of very many the first.  What to tell, or NULL.
 */
const char *confirmation_settings(const struct run_record *mine, const struct run_record *theirs, struct str *out);

/* From ${row} on the incumbent is the configuration of the run of ${of}, with so many runs of such a mean. 0 or -1. */
int confirmation_incumbent(struct row *row, const struct row *of, double score, unsigned runs);

/* The group's incumbent stays where it stands. 0, or -1 with errno, said. */
int confirmation_incumbent_stays(const struct ledger *l, struct row *row, const struct standings_group *g,
    const struct noise_arm *arm);

#endif
