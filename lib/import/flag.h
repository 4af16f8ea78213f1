#ifndef HG_FLAG_H
#define HG_FLAG_H

#include <stdint.h>

/**
 * What can be wrong with something that somebody else wrote: the closed table
 * of hg-import(7), which the tests compare with this one.  A value that has a
 * flag of the first group is text and no number.
 */
enum flag {
	/* The value is no number */
	FLAG_MISSING,
	FLAG_PLACEHOLDER,
	FLAG_TEMPLATE,
	FLAG_NOT_FINITE,
	FLAG_UNIT,
	FLAG_COMMA,
	FLAG_NOT_A_NUMBER,
	FLAG_NOT_WHOLE,
	FLAG_OUT_OF_RANGE,
	FLAG_ZERO_FOR_CRASH,
	FLAG_BPB_AS_LOSS,
	FLAG_LOSS_AS_BPB,
	/* It is one, and yet */
	FLAG_QUOTED_NUMBER,
	FLAG_CUT,
	/* The file */
	FLAG_NOT_UTF8,
	FLAG_UTF16,
	FLAG_BINARY,
	FLAG_HUGE,
	FLAG_EMPTY,
	FLAG_UNREADABLE,
	FLAG_NOT_JSON,
	FLAG_LAX_JSON,
	FLAG_DUPLICATE_KEY,
	FLAG_TOO_DEEP,
	FLAG_TOO_MANY,
	/* The claim against itself */
	FLAG_NO_SCORE,
	FLAG_AMBIGUOUS,
	FLAG_SCORES_DISAGREE,
	FLAG_MEAN_DISAGREES,
	FLAG_SD_DISAGREES,
	FLAG_BEST_OF_SEEDS,
	FLAG_RATIO_APART,
	FLAG_BYTES_DISAGREE,
	FLAG_MIB_AS_MB,
	FLAG_OVER_CAP,
	FLAG_SEED_TWICE,
	/* The claim against its logs */
	FLAG_SCORE_DISAGREES,
	FLAG_SEEDS_UNMATCHED,
	FLAG_SEED_DISAGREES,
	FLAG_DUPLICATE_LOG,
	FLAG_LOGS_UNASSIGNED,
	FLAG_TRUNCATED_LOG,
	FLAG_CRASHED,
	FLAG_PREQUANT_SCORE,
	FLAG_SCORING_UNDECLARED,
	/* Tables */
	FLAG_NO_HEADER,
	FLAG_CELLS_MISSING,
	FLAG_CELLS_EXTRA,
	FLAG_DUPLICATE_COLUMN,
	FLAG_DUPLICATE_ROW,
	FLAG_PSEUDO_COMMIT,
	FLAG_LITERAL_TAB,
	FLAG_UNKNOWN_STATUS,
	FLAGS
};

_Static_assert(FLAGS <= 64, "a set of flags is one word");

typedef uint64_t flag_set;

#define FLAG_BIT(f) ((flag_set)1 << (f))

/* Its name, and what it means in a few words. */
const char *flag_name(enum flag f);
const char *flag_meaning(enum flag f);

/* The flag of a name, or FLAGS. */
enum flag flag_find(const char *name);

#endif
