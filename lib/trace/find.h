#ifndef HG_FIND_H
#define HG_FIND_H

#include <stddef.h>

#include "base/hash.h"
#include "trace/rows.h"

/**
 * Which runs know a digest: those that are named, those that lie beside a file,
 * and those of which a ledger has rows, whether they are there still or not.
 */

struct find_match {
	char *run;                    /* path of its directory; NULL where that is gone */
	char *as;                     /* where the digest stands: "export_report.json: artifact.sha256" */
	char sha256[SHA256_HEX_SIZE]; /* the whole digest */
	int shared;                   /* as what many runs have in common: data, tokenizer */
	struct rows_row row;          /* of a run whose directory is gone; json is borrowed */
};

struct find {
	struct find_match *list;
	size_t count, cap;
	struct rows rows; /* of a ledger, as far as they may be an answer */
	char **seen;      /* directories that were looked at */
	size_t seen_count, seen_cap;
	struct hash known; /* the same, found by their names */
};

/**
 * find_runs(sha256, file, ledger, runs, n, f):
 * ${sha256} may be the first digits alone.
 * ${file} (or NULL) is the file whose digest it is, ${ledger} may be NULL, and ${runs} are more places to look at.
 * Owns:   the caller calls find_free, even after a failure.
 * Errors: -1 with errno, said: the ledger can't be read; the system failed.  A run that can't be read is said and
 *         passed over.
 * Checked: t/hg-lineage.bats.
 */
int find_runs(const char *sha256, const char *file, const char *ledger, char *const *runs, int n, struct find *f);
void find_free(struct find *f);

#endif
