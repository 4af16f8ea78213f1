#ifndef HG_TIMELINE_H
#define HG_TIMELINE_H

#include <stddef.h>
#include <stdint.h>

#include "law/policy.h"
#include "base/sha256.h"
#include "law/verdict.h"
#include "ledger/row.h"

/**
 * A ledger as pictures need it: one track for the runs that may stand on one
 * axis (comparability group, lane, cap and tokenizer), with what was judged
 * and who was incumbent, row by row.  Nothing of two tracks is ever mixed.
 */

struct timeline_point {
	uint64_t row;
	int64_t at_ms;
	uint64_t config;  /* tag of the configuration */
	int confirmation; /* or a run */
	int calibrated;   /* the lane's noise was known */
	int enthroned;    /* the incumbent is another configuration from here on */
	enum verdict_class klass;
	enum verdict_reason reason;
	double score;     /* of the run, or the challenger's mean; NAN if there is none */
	double low, high; /* the truth lies between, with the policy's confidence each; NAN */
	double incumbent; /* where the incumbent stands from here on; NAN if not on this axis */
	double lane_sd;   /* run-to-run deviation of the lane as known then; NAN */
	/* Until timeline_finish: */
	double scores[STANDINGS_SCORES]; /* in each metric that can be judged by */
	int metric, judged;              /* metric of the policy, and of the verdict (or -1) */
};

struct timeline {
	char group[SHA256_HEX_SIZE]; /* "" while no run of it has a score */
	char tokenizer[SHA256_HEX_SIZE], eval[SHA256_HEX_SIZE];
	char *lane;
	int64_t cap_ms; /* -1: none */
	struct timeline_point *points;
	size_t count, cap;
	unsigned runs;              /* points that are runs */
	int calibrated;             /* a calibration row stands */
	double sd, sd_low, sd_high; /* its deviation with 95 % bounds; NAN */
	unsigned seeds;
};

struct tracks {
	struct timeline *list;
	size_t count, cap;
	int32_t *of; /* track of each row, by number from 1; -1: none */
	size_t rows, of_cap;
	enum policy_metric metric; /* of the last policy: that of all scores once finished */
	int sign;
	uint64_t *incumbents; /* tag of group, tag of configuration, in turns */
	size_t incumbent_count;
};

/* Start from zeros. Owns: timeline_free releases all. */
void timeline_free(struct tracks *t);

/* The next row of a ledger, in order; 0, or -1 with errno ENOMEM. */
int timeline_add(struct tracks *t, const struct row *row);

/* Is a point evidence: neither blocked, invalid nor set aside? */
int timeline_counts(const struct timeline_point *p);

/* After the last row: settle which metric is drawn. */
void timeline_finish(struct tracks *t);

/* The track of a row, or NULL. */
struct timeline *timeline_of(const struct tracks *t, uint64_t row);

/* One that has the best standing of all: a sound run's score, the lowest or highest; NULL if there is none. */
const struct timeline_point *timeline_best(const struct tracks *t, const struct timeline *k);

/**
 * timeline_range(k, sign, low, high):
 * Bounds that show what matters: all sound scores but outliers, which are
 * worse than the quartiles by three quartile ranges or better by twelve (what
 * is better is what everybody looks for), where the incumbent stood unless
 * that is beyond twelve, and where it stands now.
 * 0, or -1 if there is nothing to show, or errno ENOMEM.
 */
int timeline_range(const struct timeline *k, int sign, double *low, double *high);

#endif
