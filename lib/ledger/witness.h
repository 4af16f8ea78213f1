#ifndef HG_WITNESS_H
#define HG_WITNESS_H

#include <jansson.h>

#include "ledger/ledger.h"

/**
 * Witnesses: each run keeps, in ledger_witness.json, the digest of its row and
 * of the last row then, so that a ledger that lost its last rows is found out
 * by the runs that it judged.  One file may serve several ledgers, which are
 * told apart by the digest of their first row.
 */

/**
 * witness_agrees(l, path):
 * Does the ledger have all rows that the run at ${path} remembers of it?  One
 * that an older copy was restored of must not be added to.  A run without a
 * witness that can be read agrees.
 * Errors: -1 with errno, said; EBADMSG: a row is lost, or is another.
 * Checked: t/hg-ledger.bats.
 */
int witness_agrees(const struct ledger *l, const char *path);

/*
 * Keep (or renew) what the run at ${path} knows of its row, whose digest is ${digest}, under a lock of the run's. What
 * it remembers as another row stays. 0, or -1 after a note.
 */
int witness_keep(const struct ledger *l, const char *path, const struct row *row, const char *digest);

/**
 * witness_of_another(dir, real, l):
 * Does the run open as ${dir} remember a ledger at the place ${real}, and not
 * the one that is open there (NULL: there is none)?  1 or 0; a run without a
 * witness that can be read remembers none.
 * Checked: t/hg-triage.bats.
 */
int witness_of_another(int dir, const char *real, const struct ledger *l);

/* A run's uid in hexadecimal, and its end. */
#define WITNESS_UID_SIZE 33

struct witness_found {
	size_t checked; /* witnesses of this ledger */
	int64_t last;   /* the last row that a run remembers of those that lack one; 0: none does */
};

/* What a ledger's rows are known by: their digests and the uids of their runs, each sorted. */
struct witness_rows {
	char (*digests)[SHA256_HEX_SIZE];
	char (*uids)[WITNESS_UID_SIZE];
	size_t count, runs;
};

/**
 * witness_check(l, rows, dirs, ndirs, exact, found):
 * Compare the witnesses of the given runs, or, unless ${exact}, of all runs in
 * the given directories, with the ledger's rows.  Each row that a run
 * remembers and the ledger lacks is said, and each run that has a row but
 * remembers the ledger at its place, l->real, by another first row alone.
 * Returns how many are lacking, or -1 with errno, said.
 * Checked: t/hg-ledger.bats.
 */
int witness_check(const struct ledger *l, const struct witness_rows *rows, char *const *dirs, size_t ndirs, int exact,
    struct witness_found *found);

/**
 * witness_documents(l, plan, n, metric):
 * The cross-check of a confirmation by the documents of the runs in its first
 * ${n} slots, as many of either side: its mean gain in the metric
 * of the verdict, what is scored of each document being divided by what that
 * metric divides by, its standard error over documents, how many documents; or
 * none where score_docs.tsv of a run is not there or does not match its digest.
 */
struct row_documents
witness_documents(const struct ledger *l, const struct standings_plan *plan, unsigned n, enum policy_metric metric);

#endif
