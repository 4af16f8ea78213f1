#ifndef HG_VALIDITY_H
#define HG_VALIDITY_H

#include <jansson.h>

#include "law/record.h"
#include "law/verdict.h"

/**
 * The rules that come before any comparison: one table, condition -> class,
 * over what a ledger row says of a run.  The first that applies decides;
 * all that apply are listed.
 */

/**
 * validity_apply(run, findings):
 * The first rule that ${run} breaks, or VERDICT_REASONS if it is sound.  With
 * ${findings} not NULL, an array, one {"rule", "detail"} for each broken rule
 * is added.
 */
enum verdict_reason validity_apply(const struct run_record *run, json_t *findings);

#endif
