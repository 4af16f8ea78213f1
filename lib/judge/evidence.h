#ifndef HG_EVIDENCE_H
#define HG_EVIDENCE_H

#include "ledger/ledger.h"

/* What lies on disk of a run that has a row, held against that row. */
enum evidence {
	EVIDENCE_SAME,
	EVIDENCE_GONE,   /* cleared away, moved, retried since: what the row says can't be seen now */
	EVIDENCE_DIFFERS /* it is there, and says something else */
};

/**
 * evidence_look(l, path, then, found):
 * Read the run at ${path} again: digests of receipts and artifact, and all that
 * the row says of it by those receipts (scores, seed, lane, settings), against
 * ${then}, the run in its row.  ${found}, which is empty, gets in words what
 * was found; where it is out of memory it stays empty.
 * Checked: t/hg-ledger.bats.
 */
enum evidence evidence_look(const struct ledger *l, const char *path, const struct run_record *then, struct str *found);

#endif
