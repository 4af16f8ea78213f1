#ifndef HG_LINEAGE_H
#define HG_LINEAGE_H

#include <jansson.h>

#include "trace/rows.h"

/**
 * Where a run's files come from, link by link: data, tokenizer, spec, attempts,
 * the stages with what they left, further evaluations, rows of a ledger.  Every
 * digest is computed again.  Nothing is changed, closed out or waited for.
 */

/* What a link is, from the best to the worst. */
enum lineage_state { LINEAGE_OK, LINEAGE_PRUNED, LINEAGE_UNKNOWN, LINEAGE_MISSING, LINEAGE_ALTERED };
const char *lineage_word(enum lineage_state state);

/* HG_EXIT_DONE, or HG_EXIT_NO if something is altered, else HG_EXIT_PENDING if something is missing or unknown. */
int lineage_exit(enum lineage_state worst);

/* A lineage that is being gathered; start from zeros. */
struct lineage {
	json_t *links;
	enum lineage_state worst;
};

/**
 * lineage_run(path, ledger, l):
 * The links of the run at ${path}.  Its rows are looked up in ${ledger}, or (NULL) in the one that it remembers.
 * Where the ledger has a row of the run and the run's directory is gone, lineage_row tells what is known.
 * Owns:   the caller decrefs l->links, even after a failure.
 * Errors: -1 with errno, said: there is no run, or the system failed.
 * Checked: t/hg-lineage.bats.
 */
int lineage_run(const char *path, const char *ledger, struct lineage *l);

/* The same of a run whose directory is gone, from its row in a ledger. */
int lineage_row(const char *ledger, const struct rows_row *row, struct lineage *l);

/* A promotion of a ledger: does what was promoted stand, and is it there as it was? Links and errors as above. */
int lineage_promoted(const char *ledger, const struct rows *all, const struct rows_row *promotion, struct lineage *l);

/* Does a promotion stand, as judge/note.h has it: the last of its group, and neither revoked nor altered uncleared? */
int lineage_stands(const struct rows *all, const struct rows_row *promotion);

/* Where a ledger's rows say that a run lies. Owns: the caller frees. NULL with errno ENOMEM, said. */
char *lineage_place(const char *ledger, const char *dir);

#endif
