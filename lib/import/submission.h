#ifndef HG_SUBMISSION_H
#define HG_SUBMISSION_H

#include "import/claim.h"
#include "import/logtext.h"
#include "import/textfile.h"

/**
 * A submission's JSON, in whatever shape, with the logs beside it, as one
 * claim; and a log without a submission.  A claim is held against itself
 * (mean, deviation, bytes) and against its logs, seed by seed: what disagrees
 * is noted with both numbers.  Where something can mean two things, no number
 * is taken from it.
 *
 * Shapes: per-seed maps (seed_results.42.val_bpb, seed42.val_bpb,
 * seeds.42), parallel arrays (seeds, seed_scores), arrays of objects with a
 * seed, one score alone; any of them inside one wrapper such as "results".
 */

/*
 * ${folder} is the name of the folder that ${name} lies in.
 * Owns: claim_free releases it; names and texts must live as long. NULL with errno ENOMEM.
 */
struct claim *submission_claim(const char *name, const char *folder, const struct textfile *json,
    const struct logtext_file *logs, size_t log_count);

/* A log alone. */
struct claim *submission_log_claim(const char *name, const char *folder, const struct textfile *file);

/* The same, but only whether the file is a log at all: 1, 0, or -1 with errno ENOMEM. */
int submission_is_log(const struct textfile *file);

#endif
