#ifndef HG_VERDICT_H
#define HG_VERDICT_H

/**
 * What is said of a run or a configuration: one of five classes, why, and the
 * numbers behind it.
 */
enum verdict_class {
	VERDICT_IMPROVEMENT,
	VERDICT_NOISE,
	VERDICT_REGRESSION,
	VERDICT_BLOCKED,
	VERDICT_INVALID,
	VERDICT_CLASSES
};

enum verdict_reason {
#define REASON(id, name, klass, counts, phrase, run, confirmation) VERDICT_##id,
#include "law/reasons.def"
	VERDICT_REASONS
};

/* What a run with a reason counts for. */
enum verdict_counts { VERDICT_NOTHING, VERDICT_RULE, VERDICT_SEED, VERDICT_SCREEN };

/* What differs from the incumbent, as a set. */
enum {
	VERDICT_SYSTEM = 1,
	VERDICT_MODEL = 2,
	VERDICT_DATA = 4,
	VERDICT_TOKENIZER = 8,
	VERDICT_WEIGHTS = 16,
	VERDICT_TRAINER = 32
};

/* Numbers are NAN where they say nothing. */
struct verdict {
	enum verdict_class klass;
	enum verdict_reason reason;
	unsigned changed;
	unsigned guard;                                       /* which guarded metric got worse, with GUARDED_METRIC */
	double guard_value, guard_reference, guard_tolerance; /* and how, from law 2 on: medians, and a share */
	int aside;         /* a guarded time that got worse and decides nothing; -1: none */
	int aside_clocked; /* it might have decided, and is within its own noise */
	double aside_value, aside_reference;
	int calibrated;         /* the lane's noise is known */
	int compared;           /* there is an incumbent to compare with */
	int metric;             /* enum policy_metric: what was compared */
	double score;           /* the run, or the challenger's mean */
	double incumbent_score; /* mean of its runs */
	unsigned runs, incumbent_runs;
	double delta;        /* score - incumbent_score, exact */
	double gain;         /* the same with better as positive */
	double lower, upper; /* bounds of the true gain, each with the policy's confidence */
	double se, p, p_loss, level;
	double lane_sd;          /* the lane's run-to-run deviation */
	double sd, incumbent_sd; /* of the two configurations */
	double prior_df;
	double power;                  /* of the confirmation, as told when it was planned; the ledger's to fill */
	double margin;                 /* the true gain must be above this one */
	double rank_p;                 /* Mann-Whitney's, of pairs the sign test's, as a cross-check */
	double odds;                   /* of pairs, for a gain; NAN: none were run */
	double expected;               /* the true gain to expect, by what a gain that was picked is too large */
	unsigned steps;                /* of the provisional base that it was held against, or confirmed as; 0: none */
	int on_base;                   /* it was held against the base, and not against the incumbent */
	unsigned tries[2], starved[2]; /* runs of incumbent and challenger that filled no slot */
};

/* Did more runs come to nothing than there are pairs that count? Then which ones did may be what is judged. */
int verdict_many_tries(const struct verdict *v);

/* A verdict that says nothing yet: noise, all numbers NAN. */
struct verdict verdict_none(void);

const char *verdict_class_name(enum verdict_class klass);
int verdict_class_find(const char *name); /* or -1 */
const char *verdict_reason_name(enum verdict_reason reason);
int verdict_reason_find(const char *name); /* or -1 */

/* The class that a reason stands under in reasons.def. Exported for tests. */
enum verdict_class verdict_reason_class(enum verdict_reason reason);

/* What a reason means, by reasons.def: what it counts for, a few words, and what is said of it. */
enum verdict_counts verdict_reason_counts(enum verdict_reason reason);
const char *verdict_reason_phrase(enum verdict_reason reason);

/* Does it set aside what it is said of: a sound run that counts for nothing and fills no slot, or a plan given up? */
int verdict_reason_aside(enum verdict_reason reason);

const char *verdict_reason_sentence(enum verdict_reason reason, int confirmation); /* NULL: none */

/* The verdict with a reason, and the class that it means. */
struct verdict verdict_because(struct verdict v, enum verdict_reason reason);

/* The names of a set's members, in order, for i from 0; NULL past the last. */
const char *verdict_changed_name(unsigned changed, unsigned i);

#endif
