#ifndef HG_ADD_H
#define HG_ADD_H

#include <jansson.h>

#include "judge/advice.h"
#include "judge/runrecord.h"
#include "ledger/ledger.h"
#include "base/str.h"

/**
 * Adding a run to a ledger, and what follows at once: its class, the verdict
 * of a confirmation whose last slot it fills, and the witness that the run
 * keeps of its row.
 */

struct add {
	enum runrecord how;           /* only a closed run gets a row */
	json_t *row;                  /* the run's row, as it is or would be; NULL unless closed, or for a preview */
	json_t *confirmation;         /* the verdict's row that followed, or NULL */
	struct advice next;           /* what to do after it, if there is a row */
	uint64_t already;             /* number of the row that was there before, or 0 */
	char digest[SHA256_HEX_SIZE]; /* of the run's row, once it is in */
};

/**
 * add_run(l, path, out):
 * ${l} is open for writing.  A run attempt that is in the ledger already
 * changes nothing.
 * Owns:   add_free releases what is in *out.
 * Errors: -1 with errno, said.
 */
int add_run(struct ledger *l, const char *path, struct add *out);

/* The same without adding: what the row would be as of now. ${l} may be open for reading. */
int add_preview(struct ledger *l, const char *path, struct add *out);

void add_free(struct add *a);

/**
 * add_confirmation(l, plan, given_up, row):
 * Judge a plan that is ready, or give up one that is not, and append the
 * verdict's row.  Owns: the caller decrefs *row (may be NULL if not wanted).
 */
int add_confirmation(struct ledger *l, const struct standings_plan *plan, int given_up, json_t **row);

/* The verdict's row as it is now, without appending it. NULL with errno, said. */
json_t *add_confirmation_row(struct ledger *l, const struct standings_plan *plan, int given_up);

/**
 * add_judged(l, run, v):
 * The whole row of a run as it would be now, from its member `run`.
 * Owns: the caller decrefs.  NULL with errno, said.
 */
json_t *add_judged(struct ledger *l, json_t *run, struct verdict *v);

#endif
