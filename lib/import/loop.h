#ifndef HG_LOOP_H
#define HG_LOOP_H

#include <stddef.h>

#include "import/claimrow.h"
#include "import/metric.h"
#include "law/noise.h"

/**
 * What a table of a research loop tells: which of its lines run an earlier one
 * again, how far such runs lie apart, and which of the lines that its author
 * kept gained more than that.
 *
 * A line repeats another by evidence that the loop wrote down: an equal hash of
 * the configuration; equal settings under another seed; the same text once
 * seeds and words such as "rerun" are gone, in the description or the id; or a
 * text that says nothing else than that an earlier line, the baseline or what
 * was kept is run again.  A commit is no evidence, as many loops write the
 * state before.  Runs that agree to the last digit are counted once: they are
 * deterministic, or one run that was logged twice.
 *
 * A kept line is held against what was kept before it, by noise_compare with
 * the group's other repeats.  Of a line that was run again only the runs
 * afterwards count, since it was kept for its first.  It is real where the
 * chance of its gain, times the number of configurations tried, is at most
 * ${level}; within noise where even the smallest deviation that the repeats
 * allow (95 %) makes its gain no larger than 1.64 standard errors; else it
 * cannot be told.  A single run is real only if most of what was tried from it
 * on has a quarter of its gain, too.  In a table of nothing but normal noise
 * any line is called real with a chance of ${level} at most.
 * Checked: t/loops.bats.
 */

enum loop_keep { LOOP_NONE, LOOP_START, LOOP_REPEAT, LOOP_REAL, LOOP_NOISE, LOOP_UNKNOWN, LOOP_NO_GAIN, LOOP_KEEPS };

/* Texts that may say of another line that it runs this one again. */
enum loop_rerun { LOOP_RERUN_ID, LOOP_RERUN_COMMIT, LOOP_RERUN_TEXT, LOOP_RERUNS };

/* A line, in order. */
struct loop_line {
	const struct claimrow *entry;
	double score; /* NAN: none that counts */
	int counts;   /* sound, and with a score */
	/* Results */
	int config;      /* index */
	int repeats;     /* index of the line that it runs again, or -1 */
	int twin;        /* index of one that it may be, logged twice; or -1 */
	unsigned reruns; /* of a kept line: bit 1 << loop_rerun where that text, added below, is taken for it alone */
	enum loop_keep keep;
	const char *why; /* of UNKNOWN, a few words; or "" */
	int before;      /* index of the line with what was kept before it, or -1 */
	double gain, lower, p;
};

struct loop_config {
	size_t first; /* its first line that counts */
	size_t runs;  /* that count, those that agree to the last digit once */
	size_t lines;
	double mean, ss;              /* of all of them */
	size_t fresh;                 /* runs after the first */
	double fresh_mean, low, high; /* of these */
	int kept;                     /* line where it was kept first, or -1 */
};

struct loop {
	struct loop_line *line; /* with room for one more */
	size_t count;
	struct loop_config *config;
	size_t config_count;
	int higher;
	/* Results */
	size_t decided;        /* lines that were kept or discarded */
	struct metric_fit fit; /* these, held against the metric */
	size_t keeps[LOOP_KEEPS];
	size_t tries;  /* configurations after the first */
	double df, sd; /* pooled repeats; df 0: there are none */
	size_t equal;  /* repeats that agree to the last digit */
	size_t twins;
	int best, last_keep, start; /* lines, or -1 */
	int best_not_reproduced;
	double pace_ms;     /* median time between lines, or NAN */
	int promising;      /* kept line that is worth a test, or -1: the last that was best when it was kept */
	unsigned test_runs; /* runs a side that would tell with a chance of 80 %, if its gain is as seen; 0: unknown */
};

/* Lines have entry, score and counts. Owns: loop_free releases it. 0, or -1 with errno ENOMEM. */
int loop_judge(struct loop *l, double ln_sigma_sd, double floor, double level);
void loop_free(struct loop *l);

/* One configuration, by its index, against another, with the repeats of all others. */
struct noise_test
loop_compare(const struct loop *l, int before, int after, double ln_sigma_sd, double floor, double level);

#endif
