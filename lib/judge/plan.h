#ifndef HG_PLAN_H
#define HG_PLAN_H

#include "ledger/ledger.h"
#include "ledger/row.h"

/**
 * What is decided before runs are made: a confirmation's plan, and the
 * calibration that must precede it.
 */

enum plan {
	PLAN_MADE,    /* a row was appended */
	PLAN_THERE,   /* there is one already: nothing changed */
	PLAN_CLOSED,  /* a confirmation has decided on it: nothing changed */
	PLAN_NO,      /* the rules forbid it, said */
	PLAN_PENDING, /* something must come first, said */
	PLAN_SECOND   /* and that is one more run of the configuration */
};

/**
 * plan_confirmation(l, path, n, lanes, dry, how, row):
 * Plan a confirmation of the configuration of the run at ${path}, which is in
 * the ledger, with n runs a side (0: the policy's).  The group's open plan, if
 * it is for that configuration, is handed back instead; so is the verdict, if
 * a confirmation of as many runs (with n 0: of any) has found it better, or not
 * better than the present incumbent.  ${lanes} (or NULL) names, with commas
 * between, lanes that its pairs may run on besides the run's own; an open plan
 * must have them.  With ${dry} nothing is appended: the row
 * tells what the plan would be.  A power below the policy's is said with what
 * would do.
 * Owns:   the caller frees *row, which has a number if it was made or is there.
 * Errors: -1 with errno, said.
 */
int plan_confirmation(struct ledger *l, const char *path, unsigned n, const char *lanes, int dry, enum plan *how,
    struct row *row);

/*
 * The first lane that a plan names, besides that of ${f}, its challenger's run, that is not calibrated and must be: a
 * score that depends on the clock depends on its lane, too.  NULL if all are well.
 */
const char *plan_uncalibrated(const struct standings *b, const struct standings_fact *f, const json_t *lanes);

/* The last row of the run at a path, with its fact; -1 with errno, said: ENOENT the ledger lacks it. */
int plan_row_of_run(const struct ledger *l, const char *path, const struct standings_fact **fact, struct row *row);

/* What a plan of pairs fixes of what is known before them, its level included. */
struct standings_prior plan_prior(const struct standings *b, uint64_t group, uint64_t lane, uint64_t config,
    uint64_t incumbent, enum policy_metric metric);

/**
 * plan_calibration(l, path, n, how, row):
 * Take the noise of the lane of the run at ${path} as known, from all sound
 * runs of its configuration outside of plans, of which there must be n (0: the
 * policy's) with seeds of their own.  PLAN_THERE if it was calibrated with as
 * many before.
 */
int plan_calibration(struct ledger *l, const char *path, unsigned n, enum plan *how, struct row *row);

/*
 * Does a calibration's row say what the runs say that were there before it? 1, 0, or -1 with errno ENOMEM, said.
 */
int plan_calibrates(const struct standings *b, const struct row_calibration *c, const struct standings_fact *f);

/**
 * plan_fresh(l, path, seed, offset):
 * What makes one more run of the configuration of the run at ${path}, which is
 * in the ledger, a run of its own: a seed that none had and, where its weights
 * are given, an offset, else STANDINGS_ANYWHERE.
 * Errors: -1 with errno, said; EBADMSG its training shards have no place left.
 */
int plan_fresh(const struct ledger *l, const char *path, int64_t *seed, int64_t *offset);

/* The open plan, the first slot of it that is not filled, and its row: 1; 0 if none is open; -1, said. */
int plan_open(const struct ledger *l, const struct standings_plan **plan, unsigned *slot, struct row *row);

/* The name of the lane that an open slot is bound to by the other run of its pair, if not the plan's own; or NULL. */
const char *plan_bound(const struct ledger *l, const struct standings_plan *plan, unsigned slot, const struct row *row);

#endif
