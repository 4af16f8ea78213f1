#ifndef HG_VERIFY_H
#define HG_VERIFY_H

/**
 * verify_ledger(path, runs, n):
 * Check a ledger without any index: its chain row by row, the posted head, and
 * the witnesses of the given runs, or, if there are none, of all runs that lie
 * beside those it names.  Prints what was checked; says every row that was
 * altered, moved, lost or left unfinished.  Returns the exit code: DONE, or
 * CONTRACT.
 */
int verify_ledger(const char *path, char *const *runs, int n);

#endif
