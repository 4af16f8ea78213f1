#ifndef HG_PROMOTE_H
#define HG_PROMOTE_H

/**
 * promote_run(ledger, path, head):
 * Promote the artifact of the run at ${path}, if every condition holds:
 * its configuration is incumbent; its gain was confirmed, with the lower bound
 * at or above the margin; cap, wall-clock and full evaluation; the run still is
 * what its row says; the chain verifies; and hg-score -c, which is run here if
 * all else holds, gets the same score again.  The ledger's head must be
 * ${head} (NULL: the one found), from first look to last: if it has moved,
 * the promotion is refused.  Promoting again changes nothing.
 * Prints each condition with its evidence.  Returns the exit code: DONE
 * promoted, NO refused, PENDING evidence is missing, with what to type for it.
 */
int promote_run(const char *ledger, const char *path, const char *head);

#endif
