#ifndef HG_PLAN_H
#define HG_PLAN_H

#include <jansson.h>

#include "ledger/ledger.h"

/**
 * What is decided before runs are made: a confirmation's plan, and the
 * calibration that must precede it.
 */

enum plan {
	PLAN_MADE,   /* a row was appended */
	PLAN_THERE,  /* there is one already: nothing changed */
	PLAN_NO,     /* the rules forbid it, said */
	PLAN_PENDING /* something must come first, said */
};

/**
 * plan_confirmation(l, path, n, how, row):
 * Plan a confirmation of the configuration of the run at ${path}, which is in
 * the ledger, with n runs a side (0: the policy's).  The group's open plan, if
 * it is for that configuration, is handed back instead.
 * Owns:   the caller decrefs *row, NULL unless made or there.
 * Errors: -1 with errno, said.
 */
int plan_confirmation(struct ledger *l, const char *path, unsigned n, enum plan *how, json_t **row);

/**
 * plan_calibration(l, path, n, how, row):
 * Take the noise of the lane of the run at ${path} as known, from all sound
 * runs of its configuration outside of plans, of which there must be n (0: the
 * policy's) with seeds of their own.  PLAN_THERE if it was calibrated with as
 * many before.
 */
int plan_calibration(struct ledger *l, const char *path, unsigned n, enum plan *how, json_t **row);

/* The open plan's row and the first slot that is not filled, for whoever runs it; NULL if no plan is open. */
json_t *plan_open(struct ledger *l, const struct standings_plan **plan, unsigned *slot);

#endif
