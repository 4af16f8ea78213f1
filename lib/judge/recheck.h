#ifndef HG_RECHECK_H
#define HG_RECHECK_H

/**
 * recheck_ledger(ledger, runs, n):
 * Look again at what stands promoted, at the runs given or, with ${n} 0, at
 * all: is the run still what its row says, and does hg-score -c get the same?
 * What is not has its promotion revoked by a row; what can't be looked at is
 * pending, and nothing is appended.  Prints a line for each.
 * Returns the exit code: DONE all hold, NO one does not, PENDING one can't be told.
 * Checked: t/hg-ledger.bats.
 */
int recheck_ledger(const char *ledger, char *const *runs, int n);

#endif
