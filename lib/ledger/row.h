#ifndef HG_ROW_H
#define HG_ROW_H

#include <jansson.h>

#include "law/standings.h"
#include "base/str.h"
#include "law/verdict.h"

/**
 * A row of ledger.jsonl as JSON: schema, prev, row, added_at, kind, a member
 * named as the kind, and for runs and confirmations also verdict and
 * incumbent_after (hg-ledger_row(5)).
 */

const char *row_kind_name(enum standings_kind kind);

/**
 * row_fact(row, f):
 * The fact in a row that keeps its contract; offset, length and the row's own
 * digest are the caller's to fill.
 * Errors: -1 with errno EBADMSG, silent: the kind's member is missing or a class unknown.
 */
int row_fact(const json_t *row, struct standings_fact *f);

/* The fact in the member `run` alone, of a run not judged yet. */
void row_run_fact(const json_t *run, struct standings_fact *f);

/* A verdict as the member `verdict`, without its words. Owns: the caller decrefs. */
json_t *row_verdict(const struct verdict *v, const struct policy *p);

/*
 * Compare what a row says of its verdict with what it should: 0 if they agree, else 1 and the first difference in
 * ${where}.
 */
int row_differs(const json_t *says, const json_t *should, struct str *where);

#endif
