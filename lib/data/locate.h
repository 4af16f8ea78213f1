#ifndef HG_LOCATE_H
#define HG_LOCATE_H

#include "data/dataset.h"
#include "data/inputerror.h"

/* The directories, separated by colons, in which data may lie that is no longer where it was. */
#define LOCATE_VARIABLE "HOMEGOLF_DATA"

/**
 * locate_dataset(recorded, sha256, rundir, f):
 * Open the data directory whose dataset.json has this digest: the one
 * ${recorded}, RUNDIR/data, or one in or directly below a directory that
 * HOMEGOLF_DATA lists.  Adopted shards that are no longer where dataset.json has
 * them are looked for by name, size and digest in the data directory and there.
 * Owns:   the caller calls dataset_free; files are still to be verified.
 * Errors: NULL, said, *f filled: as dataset_open, and wrong_digest where there is
 *         data but only other.
 * Checked: t/hg-score.bats.
 */
struct dataset *locate_dataset(const char *recorded, const char *sha256, const char *rundir, struct inputerror *f);

#endif
