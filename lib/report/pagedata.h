#ifndef HG_PAGEDATA_H
#define HG_PAGEDATA_H

#include "ledger/ledger.h"
#include "judge/advice.h"
#include "judge/plan.h"
#include "judge/plateau.h"
#include "judge/promote.h"
#include "import/rejudge.h"
#include "judge/replay.h"
#include "ledger/timeline.h"
#include "ledger/verify.h"

/**
 * All that a page says of a ledger, gathered before anything is drawn.  What
 * can be read while others append is one state of it: the one whose head the
 * page names.
 */

struct pagedata_run {
	uint64_t row, digest; /* its number, and the tag of its own digest */
	char *id, *dir, *hypothesis, *findings, *text, *boundary;
	json_t *settings; /* NULL: the row does not know them */
	char *differs;    /* what is set otherwise than in the incumbent's run of then, a line a key */
	uint64_t against; /* that run's row, where both rows know their settings; 0: not compared */
	unsigned changed; /* what differs from the incumbent, as its verdict has it */
	char *name;       /* whose run it is: of a plan's run that of its side, else its own id */
	char *side; /* "incumbent's side, slot 3 of 10", or of pairs "incumbent's side, pair 2 of at most 24", or "" */
	char config[SHA256_HEX_SIZE], report[SHA256_HEX_SIZE]; /* report: digest of the training report, or "" */
	uint64_t group, tag;                                   /* tags of comparability group and configuration */
	int64_t at_ms, seed, attempt, bytes, cap_bytes, train_ms, cap_ms, cost_ms; /* -1: not known, or none */
	enum verdict_class klass;
	enum verdict_reason reason;
	int pending;        /* it waits for a confirmation or a second run, or belongs to a confirmation that is open */
	int second;         /* and what its configuration waits for is a second run */
	unsigned averaged;  /* of how many runs the gain is */
	double score, gain; /* gain: better is positive; NAN */
	int gain_in;        /* enum policy_metric, which across tokenizers is another than the score's; -1 */
};

/* A plan, as far as its runs are named by it. */
struct pagedata_plan {
	uint64_t row, digest, group, incumbent; /* tags of its own digest, of group and incumbent's configuration */
	char *challenger, *incumbent_name;      /* whose runs they are */
	json_t *slots;                          /* side and seed of each, in order */
	int paired;                             /* two by two they are pairs: law 3 on */
};

struct pagedata_confirmation {
	uint64_t row, digest, group, tag;
	uint64_t challenger_row; /* of the run that was to be confirmed; 0: not known */
	char *challenger, *incumbent, *lane, *text, *campaign;
	int64_t at_ms;
	enum verdict_class klass;
	enum verdict_reason reason;
	double score, incumbent_score, gain, lower, upper, confidence, p, level, margin, power;
	double odds, expected; /* of pairs; NAN */
	int number, of, runs,
	    incumbent_runs;      /* which of the campaign's confirmations it was, or of pairs its failures */
	unsigned slots;          /* runs that were planned, both sides; 0: not known */
	int paired;              /* its runs are pairs: law 3 on */
	unsigned tries, starved; /* runs of both sides that came to nothing */
	int calibrated;
	int gain_in;                         /* as of a run */
	double documents_gain, documents_se; /* the cross-check; NAN */
	char documents_metric[32];           /* "": rows of 0.1 have it per raw byte */
};

/* A promotion, and what became of it. */
struct pagedata_promotion {
	uint64_t row, group, tag, run, confirmation; /* the last two are tags of digests until all rows are in */
	char *id;
	char artifact[SHA256_HEX_SIZE];
	int64_t at_ms;
	double score;  /* of the run; NAN */
	uint64_t next; /* row of the group's next promotion; 0: this is the last */
	uint64_t bar;  /* row that revoked it, or called its run altered, and was not cleared; 0: none */
};

/* A comparability group: who is incumbent, since when, and why. */
struct pagedata_group {
	uint64_t group, tag, lane;
	char hex[SHA256_HEX_SIZE];
	char *incumbent, *lane_name;
	char *data, *law, *backend; /* how people call its data and eval law, and who computed; NULL: not known */
	char data_hex[SHA256_HEX_SIZE], eval_hex[SHA256_HEX_SIZE];
	int64_t cap_ms;
	uint64_t row, since; /* row of its run; row that made it incumbent */
	double score;
	unsigned runs;
	size_t confirmation; /* index + 1 of the one that did; 0: it came first */
	uint64_t last_row;   /* that named an incumbent; 0: it has none */
	uint64_t promoted;   /* row of the promotion that stands, or 0 */
};

/* What becomes of the configurations that are tried against the first of their group; each is counted once. */
enum pagedata_fate {
	PAGEDATA_OUT,
	PAGEDATA_UNKNOWN,
	PAGEDATA_NO_BETTER,
	PAGEDATA_WORSE,
	PAGEDATA_SECOND,
	PAGEDATA_WAITING,
	PAGEDATA_BETTER,
	PAGEDATA_FATES
};

struct pagedata {
	struct ledger l;
	struct verify verify;
	struct tracks tracks;
	struct pagedata_run *runs;
	size_t run_count, run_cap;
	struct pagedata_confirmation *confirmations;
	size_t confirmation_count, confirmation_cap;
	struct pagedata_plan *plans;
	size_t plan_count, plan_cap;
	struct pagedata_promotion *promotions;
	size_t promotion_count, promotion_cap;
	struct pagedata_group *groups;
	size_t group_count, group_cap;
	size_t classes[VERDICT_CLASSES], pending;
	int64_t last_ms; /* when the last row was added */
	struct plateau_view plateau;
	struct str plateau_why;
	struct advice advice;
	const struct pagedata_group *main; /* the group that was judged last; NULL if none has a score */
	const struct timeline *track;      /* and where its last row stands; NULL if nothing was judged */
	struct promote_view promote;       /* of main's incumbent; nothing if there is none */
	const struct row_plan *open;       /* the open plan, or NULL */
	struct row open_row;               /* its row */
	unsigned filled, slots;
	double odds;    /* of its pairs so far; NAN: it has none */
	unsigned pairs; /* how many are whole */
	unsigned spent, left;
	unsigned campaigns; /* that made a plan, and the sum of the levels that they have spent */
	double levels;
	size_t tried[PAGEDATA_FATES]; /* in main, with what never had a score on its axis */
	size_t imports;
	struct claimrow_look look; /* what imported tables are looked at by; as pagedata_read is given it */
	struct rejudge others;     /* what our rule says of imported rows */
	struct replay_view replay; /* all verdicts, derived again */
};

/**
 * pagedata_read(s, path, look):
 * Verify the ledger and gather; imported tables stand by what ${look} names.
 * Returns the exit code: DONE; CONTRACT if a
 * row was altered or lost, NOT_YET if rows come faster than they can be read,
 * others, all said; *s is empty then.
 * Owns: pagedata_free.
 */
int pagedata_read(struct pagedata *s, const char *path, const struct claimrow_look *look);
void pagedata_free(struct pagedata *s);

/* The run of a row, or NULL. */
const struct pagedata_run *pagedata_run(const struct pagedata *s, uint64_t row);

/* The group of a tag, or NULL. */
const struct pagedata_group *pagedata_group(const struct pagedata *s, uint64_t tag);

/* The plan of a row, or NULL; and the confirmation. */
const struct pagedata_plan *pagedata_plan(const struct pagedata *s, uint64_t row);
const struct pagedata_confirmation *pagedata_confirmation(const struct pagedata *s, uint64_t row);

/* What a run says of its configuration, and what a confirmation that counts; the greatest of what is said holds. */
enum pagedata_fate pagedata_fate(const struct pagedata_run *r);
enum pagedata_fate pagedata_fate_confirmed(enum verdict_class klass);

/* A run's directory as somebody would type it where hg-report was called. -1 with errno ENOMEM. */
int pagedata_place(const struct pagedata *s, const char *dir, struct str *out);

#endif
