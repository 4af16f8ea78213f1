#ifndef HG_CLAIMROW_H
#define HG_CLAIMROW_H

#include <stddef.h>
#include <stdint.h>

#include "import/claim.h"
#include "ledger/ledger.h"

/**
 * An imported row as judgement sees it.  Nothing is read but the row itself,
 * so that what is said of a ledger follows from the ledger.
 */

enum { CLAIMROW_RUNS = 64 }; /* more seeds than anybody runs; the first ones count */

struct claimrow {
	uint64_t row;
	char digest[SHA256_HEX_SIZE], revises[SHA256_HEX_SIZE], series[SHA256_HEX_SIZE];
	enum claim_form form;
	char *file, *title, *author, *metric, *scoring, *commit;
	int higher;
	int dated, unordered; /* unordered: its table is not in order of its dates */
	int64_t at_ms;
	char status;   /* k, d, c, f, u (unfinished) or 0 */
	int seed_only; /* its title says that nothing but the seed was changed */
	/* Of a table's line; "" where it says nothing */
	char *id, *parent, *hash; /* what names it, what it was made from, the hash of its configuration */
	char *name;            /* what else may name it, if that tells lines apart and the id does not: see lineid.h */
	char *seed, *settings; /* the seed, and all columns that are neither results nor names, as one text */
	char *command;         /* what measured it */
	char *columns;         /* of a first line: names of columns with numbers */
	int named_by_id;       /* its title is a name, no description */
	unsigned line, digits; /* where it stands; significant digits of its score */
	int looked;            /* its score is that of the metric asked for */
	double claimed;        /* the score of the whole, or NAN */
	double score[CLAIMROW_RUNS];
	size_t runs;  /* with a score */
	size_t named; /* seeds that are named, with or without one */
	double loss;  /* mean of those runs that have one, or NAN */
	/* What loss and bpb of the run with most digits imply: bytes per token, within +- error. NAN: nothing. */
	double ratio, error, tokens;
	defect_set flags;
	int revised; /* a later row says something else in its place */
	/* For denominator.h */
	int cluster; /* of denominators, or -1 */
	int unclear; /* several would do */
};

struct entries {
	struct claimrow *entry;
	size_t count, cap;
};

/* What tables are looked at by, in place of the metric that they were imported with. */
struct claimrow_look {
	const char *metric; /* a column; NULL: as imported */
	int higher;
};

/* All imported rows of a ledger, in order. Owns: claimrow_free releases them. 0, or -1 with errno, said. */
int claimrow_read(struct entries *all, const struct ledger *l, const struct claimrow_look *look);
void claimrow_free(struct entries *all);

#endif
