#ifndef HG_STANDINGS_H
#define HG_STANDINGS_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "law/noise.h"
#include "law/policy.h"
#include "law/stats.h"
#include "law/verdict.h"

/**
 * The ledger as judgement sees it: each row reduced to a fact of fixed size,
 * and what follows from all facts so far (incumbents, noise, open plans,
 * counts).  Applying facts in order is the only way to change a book, so that
 * writing, replaying, rebuilding the index and simulating are one code path.
 *
 * Digests are held as their first 64 bits; among 100,000 rows two of them
 * agree by chance with probability 3e-10.  Where the answer is final (a run
 * is in the ledger already) the row itself is compared.
 */

enum standings_kind {
	STANDINGS_POLICY,
	STANDINGS_RUN,
	STANDINGS_CALIBRATION,
	STANDINGS_PLAN,
	STANDINGS_VERDICT,
	STANDINGS_PROMOTION,
	STANDINGS_IMPORT,
	STANDINGS_TAKE,
	STANDINGS_BASE,
	STANDINGS_REVOCATION,
	STANDINGS_NOTE,
	STANDINGS_KINDS
};

enum { STANDINGS_SCORES = 4 }; /* the first of enum policy_metric can be judged by */
enum { STANDINGS_SEEDS = 32 }; /* most runs a side of a plan */
enum { STANDINGS_LANES = 7 };  /* most lanes of a plan besides its own */

/*
 * How a plan places the runs of a side in the data: drawn for each where weights are given; 0.1 did not say.  From law
 * 3 on place and seed are drawn for each pair.
 */
enum standings_place { STANDINGS_DRAWN = -1, STANDINGS_ANYWHERE = -2, STANDINGS_PAIRED = -3 };

/* What a run's tokenizer gives back of the validation text: rows of 0.1 do not say. */
enum standings_keeps { STANDINGS_UNMEASURED, STANDINGS_KEEPS_ALL, STANDINGS_LOSES };

/* What stands against a refused run: what a retry may get past, what none does, or that it was outrun, alone. */
enum standings_refused { STANDINGS_RETRYABLE, STANDINGS_FINAL, STANDINGS_OUTRUN };

/* What a plan fixes; of one under laws 1 and 2 the level alone. As struct noise_before. */
struct standings_prior {
	double level; /* of a policy: the campaign's alpha */
	double lane_sd, tau2, centre, doubt, df, ss, pairs_w, pairs_e, screened;
};

/* A row. Fields that its kind has no use for are zero; metrics that a run lacks are NAN. */
struct standings_fact {
	uint64_t offset; /* where its line starts */
	uint32_t length; /* with the newline */
	uint32_t attempt;
	uint8_t kind, klass, reason, starved;
	uint32_t
	    n; /* of a plan, runs a side; of calibration, verdict: runs; of a policy, confirmations; of a take: slot */
	uint64_t row; /* the line's digest */
	uint64_t run; /* run_uid */
	uint64_t group, lane, config, system;
	union {
		struct {
			uint64_t model, data, tokenizer, artifact;
			uint64_t init;    /* of given initial weights; 0: the seed's */
			uint64_t recipe;  /* model and training without the initial weights; 0: not known */
			uint64_t trainer; /* the program that trained; 0: our own */
		};
		uint64_t lanes[STANDINGS_LANES]; /* of a plan, besides its own; 0: no more */
	};
	uint64_t other; /* the incumbent's configuration, of a plan or a verdict */
	union {
		uint64_t plan;    /* the plan's row, of a verdict */
		uint64_t machine; /* of a run or a plan: the system whatever its lane is called; 0: not known */
	};
	uint64_t campaign;
	uint64_t nonce; /* a plan's: seeds and order follow from it */
	int64_t seed;
	int64_t begins, stream; /* where in how many training tokens; a stream of 0 is not known */
	int64_t place[2];       /* a plan's, by side: the offset of its runs, or one of enum standings_place */
	int8_t keeps;           /* enum standings_keeps */
	int8_t final;           /* enum standings_refused */
	int8_t clocked;         /* its score depends on the clock */
	int8_t diverged;        /* its loss did */
	int8_t interrupted;     /* that is all that stands against it: nothing was found out about its configuration */
				/* (of a take: the run that had the slot is lost) */
	int8_t announced;       /* of a plan: its runs take their slots before they train */
	uint16_t asked;         /* of a run: tag of the arithmetic and numerics that its spec asks for; 0: not known */
	int64_t cap_ms;         /* of the training clock; -1: none */
	int64_t at_ms, started_ms, cost_ms;
	union {
		double metric[POLICY_METRICS]; /* of a run */
		struct standings_prior prior;  /* of a plan */
	};
};

/*
 * What the runs of a configuration in a comparability group, on a lane, have shown; one that was only screened has
 * none.
 */
struct standings_stats {
	struct stats_sample loose[STANDINGS_SCORES];       /* runs outside of plans, the one that screened excepted */
	double df[STANDINGS_SCORES], ss[STANDINGS_SCORES]; /* within the arms of closed plans */
	struct stats_sample recent[STANDINGS_SCORES];      /* the arm of the last closed plan */
	unsigned again;                                    /* runs outside of plans that law 1 counted twice */
	/* From law 3 on. */
	int was_incumbent;                         /* once, or is */
	struct stats_sample arm[STANDINGS_SCORES]; /* its side of the confirmations that were looked at */
	double chain[STANDINGS_SCORES],
	    chain_runs; /* its predecessor's place less its gain, worth so many runs; 0: none */
};

/* What the pairs of a lane's confirmations have shown. */
struct standings_pairs {
	double w, we;           /* of their ln(variance / 2), see struct noise_before */
	double lane_w, lane_we; /* the same, as if it were one more configuration's */
	double shared, df;      /* what moves both runs of a pair alike: sum of products of deviations */
};

struct standings_config {
	uint64_t group, lane, config;
	uint32_t stats; /* index + 1 */
};

struct standings_group {
	uint64_t group;
	uint64_t incumbent; /* configuration; 0: none yet */
	uint64_t lane;      /* where it was judged last */
	size_t reference;   /* a fact of the incumbent's */
	unsigned resolved;  /* challengers found no better since the last gain */
	unsigned promising; /* challengers that wait for a confirmation */
	unsigned improvements;
	/* Where one is asked for, from law 3 on: what challengers are screened against, unconfirmed. */
	uint64_t base, base_lane;                       /* its configuration; 0: none */
	size_t base_run;                                /* a fact of its runs */
	unsigned base_steps;                            /* bases on the way from the incumbent, this one included */
	double base_runs, base_score[STANDINGS_SCORES]; /* the mean of the runs that it looked better by */
};

struct standings_lane {
	uint64_t group, lane, config;
	unsigned seeds;
	struct standings_pairs pairs[STANDINGS_SCORES];
};

struct standings_slot {
	int challenger;       /* or the incumbent's side */
	int64_t seed, offset; /* an offset of STANDINGS_ANYWHERE is not looked at */
	size_t fact;          /* index + 1 of the run; 0: open */
	int invalid;          /* a run of it was invalid */
	/* Where runs are announced. */
	uint64_t taken; /* run_uid of the one that it is for; 0: nobody's yet */
	int64_t taken_ms;
	uint64_t taken_lane; /* where it will run */
	size_t take;         /* index + 1 of the fact */
	int released;        /* that one failed, and has a row that says so */
};

struct standings_plan {
	uint64_t row, group, lane, config, other, campaign, policy_row;
	int64_t at_ms;
	unsigned n, filled;
	int invalid, incumbent_invalid;
	int closed;
	int no_better; /* its verdict found the challenger no better */
	/* From law 3 on. */
	int announced;                            /* only a run that took its slot before it trained fills it */
	uint64_t machine, lanes[STANDINGS_LANES]; /* as of its fact */
	unsigned last;                            /* the slot that was filled last */
	unsigned pairs;                           /* that its verdict rests on; 0: all that are whole */
	int paired, looked; /* its verdict was the law's, not that it was given up or could not be judged */
	int diverged;       /* a run of the challenger did */
	unsigned steps;     /* provisional bases that its challenger was built on, itself included; 0: none */
	unsigned tries[2], starved[2]; /* runs of a side that filled no slot, and those of them that starved */
	struct policy policy;          /* that it was made under: nothing that is said later changes its law */
	struct standings_prior prior;
	struct standings_slot slot[2 * STANDINGS_SEEDS];
};

struct standings_campaign {
	uint64_t campaign;
	unsigned spent;  /* confirmations; from law 3 on those that failed or are open */
	double level;    /* and the sum of their levels */
	double declared; /* the least alpha that a policy gave it */
};

/*
 * Enough of a row to see whether it is to be looked at, so that a search through all of them need not read them all:
 * low halves of tags.
 */
struct standings_mark {
	uint32_t run, artifact;
	uint32_t config; /* its lowest bit: a run that screens, or was outrun */
	uint32_t again;  /* the same of runs that are one another again (standings_replicate) */
};

enum { STANDINGS_BLOCK = 64 }; /* facts that are looked at together */

struct standings {
	struct policy policy;
	uint64_t policy_row;
	const struct standings_fact *base; /* facts that lie in the index, */
	size_t bases;
	/*
	 * Of those in the index the blocks that nobody has held against their sum yet, a bit each, or NULL: whoever
	 * asks for a fact of one has it looked at first.
	 */
	uint64_t *unseen;
	void (*see)(void *arg, size_t block);
	void *see_arg;
	struct standings_fact *more; /* and those applied since */
	size_t mores, more_cap;
	const struct standings_mark *settled; /* marks that lie in what was settled, */
	size_t settled_count;
	struct standings_mark *marks; /* and those of the facts after them; of all so many: */
	size_t mark_count, mark_cap;
	struct standings_config *configs;
	size_t config_count, config_cap;
	struct hash table;  /* configs by key: index + 1 */
	size_t last_config; /* the one that was asked for last: index + 1 */
	struct hash given;  /* runs from given weights by their replicate: index + 1 */
	struct standings_stats *stats;
	size_t stats_count, stats_cap;
	uint32_t *kept; /* indices of configs with stats, in order */
	size_t kept_count, kept_cap;
	struct standings_group *groups;
	size_t group_count;
	struct standings_lane *lanes;
	size_t lane_count;
	struct standings_plan *plans;
	size_t plan_count;
	size_t open_plans; /* of them not closed */
	struct standings_campaign *campaigns;
	size_t campaign_count;
	unsigned failures;    /* blocked and invalid runs in a row, each once, however often it was tried */
	size_t failing_since; /* the first of them */
	uint64_t last_group;  /* of the last row that had one */
	int broken;           /* memory ran out: nothing may be judged */
};

void standings_init(struct standings *b);
void standings_free(struct standings *b);

/*
 * Facts that are in memory already and stay there: applied in place, not copied; the first b->bases were applied by
 * whoever left what follows from them (law/settled.h). 0, or -1 with errno ENOMEM.
 */
int standings_adopt(struct standings *b, const struct standings_fact *facts, size_t n);

/* One more row; its class must be known. 0, or -1 with errno ENOMEM. */
int standings_apply(struct standings *b, const struct standings_fact *f);

/*
 * The policy of a policy row, to be set when such a row is applied, or the last one's: before all rows, or after them.
 * With another law all rows are counted anew. 0, or -1 with errno ENOMEM.
 */
int standings_policy(struct standings *b, const struct policy *p);

size_t standings_count(const struct standings *b);
const struct standings_fact *standings_fact(const struct standings *b, size_t i);

/* The fact of a run's attempt, or of its last attempt if ${attempt} is 0; NULL if there is none. */
const struct standings_fact *standings_run(const struct standings *b, uint64_t run, unsigned attempt);

/* What other rows say of a run's configuration and artifact, found in one pass. */
struct standings_history {
	const struct standings_fact
	    *screening;                    /* the first run that screened the configuration, on this lane; or NULL */
	unsigned screenings;               /* how many did */
	const struct standings_fact *twin; /* the first run of this lane that is this one again; or NULL */
	const struct standings_fact *copy; /* the first whose artifact is this one, from elsewhere; or NULL */
	int same_artifact;                 /* a run of ${rival}, another configuration, has this very artifact */
};
/* The last run that screened a configuration on a lane, or NULL. */
const struct standings_fact *
standings_screening(const struct standings *b, uint64_t group, uint64_t lane, uint64_t config);

struct standings_history standings_history(const struct standings *b, const struct standings_fact *f, uint64_t rival);

/*
 * Are two runs of one configuration the same one again: the same initial weights and the same place in the data,
 * whatever the seed is where weights are given?
 */
int standings_replicate(const struct standings_fact *a, const struct standings_fact *b);

/* Did load spoil a run's score? From law 2 on a score that does not depend on the clock can't be. */
int standings_starved(const struct standings *b, const struct standings_fact *f);

/*
 * The run of a group's incumbent that more runs of it on a lane are made from: its reference, if that ran there, else
 * the last sound one, as index + 1. 0 if it never ran there.
 */
size_t standings_incumbent(const struct standings *b, const struct standings_group *g, uint64_t lane);

/* The fact of a row, or NULL. */
const struct standings_fact *standings_row(const struct standings *b, uint64_t row);

struct standings_group *standings_group(const struct standings *b, uint64_t group);
const struct standings_config *
standings_config(const struct standings *b, uint64_t group, uint64_t lane, uint64_t config);
const struct standings_lane *standings_lane(const struct standings *b, uint64_t group, uint64_t lane);

/* Confirmations that the policy's campaign has spent, and those that it has left. */
unsigned standings_spent(const struct standings *b);
unsigned standings_left(const struct standings *b);

/* All campaigns of the ledger: how many made a plan, and the sum of the levels that they have spent. */
unsigned standings_campaigns(const struct standings *b, double *level);

/*
 * What a run is compared with: a fact of its group's incumbent or, for a challenger on its lane, of the provisional
 * base.  There must be an incumbent.
 */
size_t standings_reference(const struct standings *b, const struct standings_group *g, const struct standings_fact *f);

/*
 * The open plan that a run of this configuration, seed and lane belongs to, and which slot; NULL if none.  A pair runs
 * on one lane, whichever of the plan's.
 */
struct standings_plan *standings_slot(const struct standings *b, const struct standings_fact *f, unsigned *slot);

/* The same, whether the run has taken the slot or not. */
struct standings_plan *standings_asked(const struct standings *b, const struct standings_fact *f, unsigned *slot);

/* Is a lane the plan's, or one that it names besides? And may a run on it still fill this open slot? */
int standings_names_lane(const struct standings_plan *p, uint64_t lane);
int standings_open_to(const struct standings *b, const struct standings_plan *p, unsigned slot, uint64_t lane);

/* Why a run that an open plan asks for fills no slot of it, though it ran on a lane that the plan names. */
enum standings_astray {
	STANDINGS_FITS,
	STANDINGS_UNTAKEN, /* it did not take its slot before it began */
	STANDINGS_OTHER_MACHINE,
	STANDINGS_OTHER_LANE
};
enum standings_astray standings_astray(const struct standings *b, const struct standings_fact *f);

/* An open plan of a group (0: of any), or NULL; and the plan of a row. */
struct standings_plan *standings_open_plan(const struct standings *b, uint64_t group);
struct standings_plan *standings_plan(const struct standings *b, uint64_t row);

/* Fill a plan's slots (side and seed, in the order to run them) from its fact. */
void standings_slots(const struct standings_fact *plan, struct standings_slot slot[2 * STANDINGS_SEEDS]);

/*
 * A side of a plan, open or closed, in one score: fresh runs, and what is known of their variance, each run once.  Of
 * pairs the first ${most}; 0: all.
 */
struct noise_arm standings_arm(const struct standings *b, const struct standings_plan *p, int challenger,
    enum policy_metric metric, unsigned most);

/* What a configuration's own runs say: where it stands (its last arm, or its loose runs), and its variance. */
struct noise_arm
standings_standing(const struct standings *b, const struct standings_config *c, enum policy_metric metric);

/* Where it will stand with one more run outside of plans, of that score. ${c} may be NULL: it has none yet. */
struct noise_arm standings_standing_with(const struct standings *b, const struct standings_config *c,
    enum policy_metric metric, double score);

/*
 * A plan's pairs, in order, up to the first that is not whole, or as many as its verdict rests on: differences of
 * scores, better being positive.  And the first so many of them.
 */
struct noise_pairs
standings_pairs(const struct standings *b, const struct standings_plan *p, enum policy_metric metric);
struct noise_pairs standings_first_pairs(const struct standings *b, const struct standings_plan *p,
    enum policy_metric metric, unsigned most);

/* How many pairs are whole, in order. */
unsigned standings_whole(const struct standings_plan *p);

/*
 * What is known before a confirmation of ${config}, whose screen saw a gain, against the incumbent ${other}; and what a
 * plan fixed of it.
 */
struct noise_before standings_before(const struct standings *b, uint64_t group, uint64_t lane, uint64_t config,
    uint64_t other, enum policy_metric metric, double screened);
struct noise_before standings_planned(const struct standings_plan *p);

/* The deviation that gains on a lane are counted in. */
double standings_lane_sd(const struct standings *b, uint64_t group, uint64_t lane, enum policy_metric metric);

/* And the variance of its logarithm's double: by how few runs it is known. */
double standings_lane_doubt(const struct standings *b, uint64_t group, uint64_t lane, enum policy_metric metric);

/* The lane's configurations but two, which may be 0; from law 3 on those that were incumbent, whom nobody picked. */
struct noise_pool standings_pool(const struct standings *b, uint64_t group, uint64_t lane, uint64_t but,
    uint64_t and_but, enum policy_metric metric);

/* The first 64 bits of a digest in hex; 0 for NULL. */
uint64_t standings_tag(const char *hex);

/* A lane's tag: its name and the wall-clock cap, since noise depends on how long a run may take. */
uint64_t standings_lane_tag(const char *name, int64_t cap_ms);

/* Any text's tag. */
uint64_t standings_text_tag(const char *text);

#endif
