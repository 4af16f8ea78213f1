#ifndef HG_DEFECT_H
#define HG_DEFECT_H

#include <stdint.h>

/**
 * What can be wrong with something that somebody else wrote: the closed table
 * of hg-import(7), which the tests compare with this one.  A value that has a
 * flag of the first group is text and no number.
 */
enum defect {
	/* The value is no number */
	DEFECT_MISSING,
	DEFECT_PLACEHOLDER,
	DEFECT_TEMPLATE,
	DEFECT_NOT_FINITE,
	DEFECT_UNIT,
	DEFECT_COMMA,
	DEFECT_NOT_A_NUMBER,
	DEFECT_NOT_WHOLE,
	DEFECT_OUT_OF_RANGE,
	DEFECT_ZERO_FOR_CRASH,
	DEFECT_BPB_AS_LOSS,
	DEFECT_LOSS_AS_BPB,
	/* It is one, and yet */
	DEFECT_QUOTED_NUMBER,
	DEFECT_CUT,
	/* The file */
	DEFECT_NOT_UTF8,
	DEFECT_UTF16,
	DEFECT_BINARY,
	DEFECT_HUGE,
	DEFECT_EMPTY,
	DEFECT_UNREADABLE,
	DEFECT_NOT_JSON,
	DEFECT_LAX_JSON,
	DEFECT_DUPLICATE_KEY,
	DEFECT_TOO_DEEP,
	DEFECT_TOO_MANY,
	/* The claim against itself */
	DEFECT_NO_SCORE,
	DEFECT_AMBIGUOUS,
	DEFECT_SCORES_DISAGREE,
	DEFECT_MEAN_DISAGREES,
	DEFECT_SD_DISAGREES,
	DEFECT_BEST_OF_SEEDS,
	DEFECT_RATIO_APART,
	DEFECT_KNOWN_DENOMINATOR,
	DEFECT_IMPLAUSIBLE,
	DEFECT_BYTES_DISAGREE,
	DEFECT_MIB_AS_MB,
	DEFECT_OVER_CAP,
	DEFECT_OVER_TIME,
	DEFECT_SUBSET,
	DEFECT_SEED_TWICE,
	/* The claim against its logs */
	DEFECT_SCORE_DISAGREES,
	DEFECT_PARAMS_DISAGREE,
	DEFECT_SEEDS_UNMATCHED,
	DEFECT_SEED_DISAGREES,
	DEFECT_DUPLICATE_LOG,
	DEFECT_LOGS_UNASSIGNED,
	DEFECT_TRUNCATED_LOG,
	DEFECT_CRASHED,
	DEFECT_PREQUANT_SCORE,
	DEFECT_SCORING_UNDECLARED,
	/* Tables */
	DEFECT_NO_HEADER,
	DEFECT_CELLS_MISSING,
	DEFECT_CELLS_EXTRA,
	DEFECT_DUPLICATE_COLUMN,
	DEFECT_DUPLICATE_ROW,
	DEFECT_PSEUDO_COMMIT,
	DEFECT_LITERAL_TAB,
	DEFECT_UNKNOWN_STATUS,
	FLAGS
};

_Static_assert(FLAGS <= 64, "a set of flags is one word");

typedef uint64_t defect_set;

#define DEFECT_BIT(f) ((defect_set)1 << (f))

/* Its name, and what it means in a few words. */
const char *defect_name(enum defect f);
const char *defect_meaning(enum defect f);

/* The flag of a name, or FLAGS. */
enum defect defect_find(const char *name);

#endif
