#ifndef HG_COMPARE_H
#define HG_COMPARE_H

#include <jansson.h>
#include <stddef.h>

/**
 * compare_runs(from, to, ledger, points, broken):
 * What tells two runs apart, as hg-diff(5): keys of their specs, what was
 * executed otherwise, scores as the receipts say them, what a ledger says, and
 * losses at so many points.  ${ledger} may be NULL: then the one that a run
 * remembers, if it is there still.  Nothing is changed, closed out or waited for.
 * *broken becomes 1 if a file of a run was left out since it breaks its contract, which is said.
 * Owns:   the caller decrefs.
 * Errors: NULL with errno, said: as rundir_open and rundir_load, as rows_read; the system failed.
 * Checked: t/hg-diff.bats.
 */
json_t *compare_runs(const char *from, const char *to, const char *ledger, size_t points, int *broken);

#endif
