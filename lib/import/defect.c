#include <string.h>

#include "import/defect.h"

static const struct {
	const char *name, *meaning;
} flags[FLAGS] = {
	[DEFECT_MISSING] = { "missing", "empty, null, a dash or n/a" },
	[DEFECT_PLACEHOLDER] = { "placeholder", "TBD, pending, ??? and their like" },
	[DEFECT_TEMPLATE] = { "template", "source of a program that would have printed a value" },
	[DEFECT_NOT_FINITE] = { "not_finite", "NaN or infinite" },
	[DEFECT_UNIT] = { "unit", "a number with something after it; units are not converted" },
	[DEFECT_COMMA] = { "comma", "a comma in a number: decimal or thousands, nobody knows" },
	[DEFECT_NOT_A_NUMBER] = { "not_a_number", "text where a number belongs" },
	[DEFECT_NOT_WHOLE] = { "not_whole", "a fraction where bytes, seeds, steps or tokens are counted" },
	[DEFECT_OUT_OF_RANGE] = { "out_of_range", "a number that the thing cannot be" },
	[DEFECT_ZERO_FOR_CRASH] = { "zero_for_crash", "a score of zero that stands for a run without one" },
	[DEFECT_BPB_AS_LOSS] = { "bpb_as_loss", "bits per byte under the name of a loss" },
	[DEFECT_LOSS_AS_BPB] = { "loss_as_bpb", "a loss under the name of bits per byte" },
	[DEFECT_QUOTED_NUMBER] = { "quoted_number", "a number written as a JSON string" },
	[DEFECT_CUT] = { "cut", "longer than is kept; only the beginning stands here" },
	[DEFECT_NOT_UTF8] = { "not_utf8", "bytes that are no UTF-8, kept as \\xNN" },
	[DEFECT_UTF16] = { "utf16", "UTF-16, read as such because of its byte order mark" },
	[DEFECT_BINARY] = { "binary", "no text; not read" },
	[DEFECT_HUGE] = { "huge", "larger than is read" },
	[DEFECT_EMPTY] = { "empty", "no bytes" },
	[DEFECT_UNREADABLE] = { "unreadable", "could not be opened, or is no regular file" },
	[DEFECT_NOT_JSON] = { "not_json", "no JSON from some place on; nothing in it is taken for a number" },
	[DEFECT_LAX_JSON] = { "lax_json",
	    "comments, trailing commas, bare NaN or a wrapping, which JSON does not have" },
	[DEFECT_DUPLICATE_KEY] = { "duplicate_key", "a key twice in one object; neither is taken for a number" },
	[DEFECT_TOO_DEEP] = { "too_deep", "nested deeper than is followed" },
	[DEFECT_TOO_MANY] = { "too_many", "more values than one row holds" },
	[DEFECT_NO_SCORE] = { "no_score", "nothing in it is a score that can be believed" },
	[DEFECT_AMBIGUOUS] = { "ambiguous", "may mean more than one thing" },
	[DEFECT_SCORES_DISAGREE] = { "scores_disagree", "two numbers for the score of the whole" },
	[DEFECT_MEAN_DISAGREES] = { "mean_disagrees", "the score of the whole is not the mean of its seeds" },
	[DEFECT_SD_DISAGREES] = { "sd_disagrees", "the deviation is not that of its seeds" },
	[DEFECT_BEST_OF_SEEDS] = { "best_of_seeds", "the score of the whole is that of one seed, the best" },
	[DEFECT_RATIO_APART] = { "ratio_apart",
	    "loss and bpb imply other bytes per token than those of the other seeds" },
	[DEFECT_KNOWN_DENOMINATOR] = { "known_denominator",
	    "loss and bpb imply bytes per token that are known for what is wrong with them" },
	[DEFECT_IMPLAUSIBLE] = { "implausible", "possible as a number, and nothing that was ever measured so" },
	[DEFECT_BYTES_DISAGREE] = { "bytes_disagree", "two numbers for the same bytes" },
	[DEFECT_MIB_AS_MB] = { "mib_as_mb", "2^20 bytes taken for a megabyte" },
	[DEFECT_OVER_CAP] = { "over_cap", "code and artifact are over 16,000,000 bytes" },
	[DEFECT_OVER_TIME] = { "over_time", "it trained for more than the game's 600 seconds, its last step granted" },
	[DEFECT_SUBSET] = { "subset", "scored on a part of the game's validation text" },
	[DEFECT_SEED_TWICE] = { "seed_twice", "a seed stands for more than one run" },
	[DEFECT_SCORE_DISAGREES] = { "score_disagrees", "a log says another score" },
	[DEFECT_PARAMS_DISAGREE] = { "params_disagree", "two numbers for the parameters of one model" },
	[DEFECT_SEEDS_UNMATCHED] = { "seeds_unmatched", "seeds without a log, or logs without a claim" },
	[DEFECT_SEED_DISAGREES] = { "seed_disagrees", "a log and its name tell of different seeds" },
	[DEFECT_DUPLICATE_LOG] = { "duplicate_log", "the same bytes as another log; counted once" },
	[DEFECT_LOGS_UNASSIGNED] = { "logs_unassigned", "logs beside several submissions; nobody knows whose" },
	[DEFECT_TRUNCATED_LOG] = { "truncated_log", "training, and no final score" },
	[DEFECT_CRASHED] = { "crashed", "ends in a traceback or an abort, without a final score" },
	[DEFECT_PREQUANT_SCORE] = { "prequant_score", "a score from before quantisation: not the artifact's" },
	[DEFECT_SCORING_UNDECLARED] = { "scoring_undeclared",
	    "the log slides its windows and the line with the score does not say so" },
	[DEFECT_NO_HEADER] = { "no_header", "columns without names" },
	[DEFECT_CELLS_MISSING] = { "cells_missing", "fewer cells than the header has" },
	[DEFECT_CELLS_EXTRA] = { "cells_extra", "more cells than the header has" },
	[DEFECT_DUPLICATE_COLUMN] = { "duplicate_column", "two columns of one name; neither is taken for a number" },
	[DEFECT_DUPLICATE_ROW] = { "duplicate_row", "the same line as one above" },
	[DEFECT_PSEUDO_COMMIT] = { "pseudo_commit", "no commit: a word, a dash or nothing" },
	[DEFECT_LITERAL_TAB] = { "literal_tab", "cells parted by a backslash and a t" },
	[DEFECT_UNKNOWN_STATUS] = { "unknown_status", "neither keep, discard nor crash" },
};

const char *
defect_name(enum defect f)
{
	return (flags[f].name);
}

const char *
defect_meaning(enum defect f)
{
	return (flags[f].meaning);
}

enum defect
defect_find(const char *name)
{
	int f;

	for (f = 0; f < FLAGS && strcmp(flags[f].name, name) != 0; f++)
		;
	return ((enum defect)f);
}
