#ifndef HG_GAIN_H
#define HG_GAIN_H

#include "base/str.h"
#include "judge/evidence.h"
#include "ledger/ledger.h"

/**
 * The confirmations that a promotion's gain is made of, and the runs that these rest on.
 * Checked: t/hg-ledger.bats (promote), t/revoked.bats (recheck).
 */

/*
 * The way back along the incumbents, from a run's configuration to the one that was promoted before it, or else to the
 * first: ${config} stands where ${at} rows were in.
 */
struct gain_way {
	uint64_t group, config;
	size_t at;
	unsigned steps;
};

/* From a run's configuration, where so many rows are in. */
struct gain_way gain_way_from(const struct standings_fact *run, size_t rows);

/*
 * The confirmation that made the way's configuration incumbent, NULL at its end; then ${at} is the row of the promotion
 * that it ends at, or 0.  A promotion of the present incumbent's is passed over: another artifact of it takes its
 * place.
 */
const struct standings_fact *gain_back(const struct standings *b, struct gain_way *way);

/* A confirmation's gain and the bound below it in the margin's unit, and from how many runs a side. */
struct gain {
	double gain, lower;
	unsigned n;
};

/* As the verdict told it, from the fresh runs: NULL, or why that can't be told in the margin's unit. */
const char *gain_of(const struct standings *b, const struct standings_fact *confirmation, struct gain *out);

/*
 * What bars a promotion of that run, made after so many rows: said of the run itself or its artifact, or of one that
 * its gain rests on.  A fact, or NULL; also where memory or a row can't be had.
 */
const struct standings_fact *gain_bar(const struct ledger *l, const struct standings_fact *run, size_t rows);

/* The runs that a calibration counts, handed to ${each} until that says something else than 0, which is returned. */
typedef int gain_each(void *arg, const struct standings_fact *run);
int gain_calibrated(const struct ledger *l, const struct standings_fact *calibration, gain_each *each, void *arg);

/* What was found of the runs that the confirmations of a way rest on, theirs and those of their calibrations. */
struct gain_runs {
	enum evidence worst;
	size_t count;
	struct str found; /* in words */
};

/**
 * gain_look(l, way, out):
 * Each of them is read again, and what was noted against it counts as evidence that differs.
 * Owns:   the caller frees out->found by str_free.
 * Errors: -1 with errno, said; then it need not.
 */
int gain_look(const struct ledger *l, struct gain_way way, struct gain_runs *out);

#endif
