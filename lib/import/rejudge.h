#ifndef HG_REJUDGE_H
#define HG_REJUDGE_H

#include <stddef.h>

#include "import/denominator.h"
#include "import/claimrow.h"
#include "import/loop.h"
#include "ledger/ledger.h"
#include "law/noise.h"

/**
 * What our rule says of other people's results.  Rows are comparable if they
 * were scored alike (plain, sliding with the same stride, adapting) on the
 * same text, within the game's time, and none of what gamecheck.h knows is
 * behind their bytes or scores; a table's lines, which do not tell, among
 * themselves.  In each group and in order of time the first sound row is
 * incumbent, and only a significant one takes its place: noise does not
 * ratchet.  A single run only screens.  A table's lines are told against what
 * its author had kept, and loop.h says which of them gained more than its own
 * repeats differ by.
 *
 * p is that of noise_compare, the variances being moderated by the group's
 * other rows with two runs or more; there is no prior from elsewhere.  A row
 * is significant if p of no gain is at most 1 - confidence of the policy's
 * promotion (0.01), worse if p of no loss is; it makes the record if the
 * lower bound of its gain reaches the promotion's margin.
 */

enum rejudge_verdict {
	REJUDGE_FIRST,
	REJUDGE_SIGNIFICANT,
	REJUDGE_NOISE,
	REJUDGE_WORSE,
	REJUDGE_FEW,
	REJUDGE_NOT_COMPARABLE,
	REJUDGE_INVALID,
	REJUDGE_REVISED,
	REJUDGE_VERDICTS
};

struct rejudge_row {
	const struct claimrow *entry;
	enum rejudge_verdict verdict;
	const char *reason; /* a few words, "" if the verdict says it all */
	int group;          /* -1: in none */
	size_t next;        /* index + 1 of the next row of its group */
	double score;       /* mean of its runs, or what is claimed; NAN if neither */
	size_t runs;
	double sd;                            /* of its runs, NAN if fewer than two */
	const struct claimrow *incumbent;     /* before it, or NULL */
	double gain, lower, upper, p, p_loss; /* better is positive; NAN: not computed */
	double margin;                        /* of the record rule, in the metric; NAN if it can't be converted */
	int record;                           /* 1, 0, or -1 if it can't be said */
	const struct loop_line *line;         /* of a table */
};

struct rejudge_group {
	const char *scoring, *metric;
	int text;           /* of denominator.h; -1 for a table */
	const char *series; /* of a table, or NULL */
	const char *file;   /* where its first row stands */
	unsigned from;      /* line of that, where another table of that file has the same metric; else 0 */
	size_t first, last; /* indices + 1 of its rows */
	size_t rows, counts[REJUDGE_VERDICTS];
	int incumbent; /* index of a row, or -1 */
	size_t significant;
	struct loop loop; /* of a table: its lines as they stand; without lines for anything else */
};

struct rejudge {
	struct entries entries;
	struct denominator audit;
	struct rejudge_row *row; /* in order of time: dated ones, then the others as they stand */
	size_t count;
	struct rejudge_group *group;
	size_t group_count;
	size_t counts[REJUDGE_VERDICTS], records;
	struct policy policy;
	char *ledger;  /* the path that it was opened by */
	size_t looked; /* rows that are looked at by the metric asked for */
};

/*
 * Judge all imported rows, tables by what ${look} names where they have it. ${l} is open.
 * Owns: rejudge_free releases it. 0, or -1 with errno, said.
 */
int rejudge_ledger(struct rejudge *r, const struct ledger *l, const struct claimrow_look *look);

/* Where a metric was asked for that no table has: said, with the columns that there are, and 1; else 0. */
int rejudge_misses(const struct rejudge *r, const struct claimrow_look *look);
void rejudge_free(struct rejudge *r);

const char *rejudge_verdict_name(enum rejudge_verdict v);

#endif
