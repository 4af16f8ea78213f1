#ifndef HG_ROW_H
#define HG_ROW_H

#include <jansson.h>

#include "base/jsonscan.h"
#include "base/str.h"
#include "law/policy.h"
#include "law/record.h"
#include "law/standings.h"
#include "law/verdict.h"

/**
 * A row of ledger.jsonl (hg-ledger_row(5)): JSON in the file, a struct
 * everywhere else.  One table for each member, in row.c and law/record.def,
 * reads and writes it.  What a row lacks is NULL, RECORD_NONE, NAN or 0.
 */

#define ROW_SCHEMA "homegolf.ledger_row.v1"

struct row_arm {
	const char *config, *run_id, *dir;
	int64_t row;
	const json_t *spec;
};

struct row_plan {
	const char *group, *lane, *campaign, *nonce;
	int64_t cap_ms, confirmation, confirmations, seeds_a_side, cost_ms;
	double level, gain_sd, power, lane_sd;
	const char *metric;           /* that pairs are compared in; NULL under laws 1 and 2 */
	struct standings_prior prior; /* what is known before them; a lane_sd of NAN under laws 1 and 2 */
	struct row_arm challenger, incumbent;
	const json_t *slots;
	int announced;       /* its runs take their slots before they train, or RECORD_NONE */
	const json_t *lanes; /* names of all that its pairs may run on; NULL: of its own alone */
	const char *machine; /* and the machine class of these */
};

struct row_calibration {
	const char *group, *lane, *config, *metric;
	int64_t cap_ms;
	const json_t *runs;
	double mean, sd, sd_lower, sd_upper;
};

struct row_documents {
	int64_t documents; /* RECORD_NONE: not looked at */
	double gain_bits_per_byte, gain_nats_per_token, se;
	const char *metric; /* NULL in rows of 0.1, whose gain is per raw byte of whole documents */
};

struct row_confirmation {
	const char *plan, *group, *challenger, *incumbent, *campaign, *lane;
	int64_t cap_ms;
	const json_t *challenger_runs, *incumbent_runs, *challenger_scores, *incumbent_scores;
	struct row_documents cross_check;
};

struct row_promotion {
	const char *group, *config, *run_id, *run, *artifact, *confirmation, *head;
	const json_t *conditions;
	const char *scorer;
};

struct row_take {
	const char *plan, *run_id, *run_uid, *dir, *lane;
	int64_t slot, cap_ms; /* a slot from 1 */
	int lost;             /* 1: the run that had the slot is gone, and another may take it */
};

struct row_base {
	const char *group, *lane, *config, *run_id, *run; /* config NULL: there is none from here on */
	int64_t cap_ms, steps;
};

/* Said of a run that has a row: by a person, or by whoever looked again at what stands promoted. */
struct row_note {
	const char *group, *config, *run_id, *run, *artifact, *text;
	const char *word;               /* of a note */
	const char *promotion, *scorer; /* of a revocation */
};

/* What a note does: the fact's n. */
enum { ROW_NOTE_ONLY, ROW_NOTE_ALTERED, ROW_NOTE_CLEARED };

/* Of an import only what is of interest here; import/claim.c has the whole of it. */
struct row_import {
	const char *content, *key, *series, *title, *file;
};

struct row_verdict {
	struct verdict is; /* its guard, power of 0 and margin as far as JSON tells */
	int unknown;       /* class or reason are none that we know: invalid, impossible */
	int sign;          /* the metric's direction, as struct policy has it */
	const char *guarded_metric, *text, *plan;
	double confidence;
	const json_t *findings;
};

struct row_incumbent {
	const char *config, *run_id; /* config NULL: there is none */
	int64_t row, runs;
	double score;
};

struct row {
	json_t *held; /* what texts and lists lie in */
	const char *prev, *added_at, *ledger_uid;
	int64_t number;
	enum standings_kind kind; /* STANDINGS_KINDS: none that we know */
	int whole;                /* the kind's member is there */
	/* By kind. */
	const json_t *policy;
	struct run_record run;
	struct row_plan plan;
	struct row_calibration calibration;
	struct row_confirmation confirmation;
	struct row_promotion promotion;
	struct row_import import;
	struct row_take take;
	struct row_base base;
	struct row_note note; /* or a revocation */
	/* Of a run or a confirmation. */
	struct row_verdict verdict;
	struct row_incumbent after; /* who is incumbent of its group from here on */
};

const char *row_kind_name(enum standings_kind kind);

/* An empty row of a kind. Owns: row_free releases what it holds. */
void row_init(struct row *r, enum standings_kind kind);
void row_free(struct row *r);

/* Read a row, taking the reference. 0, or -1 with errno: ENOMEM; EBADMSG, said, a name in it is none. */
int row_read(struct row *r, json_t *row);

/**
 * row_scan(r, s):
 * What the fact of a run's row follows from, out of its tokens: its texts last
 * as these do, and lists are not read.  0, or -1, silent: it is of another kind,
 * something stands against the run, or it is not whole; row_read reads all.
 * Checked: t/unit/row.c, t/hg-ledger.bats.
 */
int row_scan(struct row *r, const struct jsonscan *s);

/* As JSON: the envelope alone, all of it, or its incumbent. Owns: the caller decrefs. NULL with errno ENOMEM. */
json_t *row_envelope(const struct row *r);
json_t *row_write(const struct row *r);
json_t *row_write_incumbent(const struct row_incumbent *i);

/* Keep a value for as long as the row is: a reference that is taken, or a copy of a text. NULL with errno ENOMEM. */
const json_t *row_hold(struct row *r, json_t *v);
const char *row_text(struct row *r, const char *text);

/* The member `run` from its JSON, taking the reference, or from where each of its members comes; see record.def. */
int row_read_run(struct row *r, json_t *run);
void row_take_run(struct run_record *run, const json_t *const from[RECORD_SOURCES]);

/**
 * row_fact(r, f):
 * The fact in a row; offset, length and the row's own digest are the caller's
 * to fill.
 * Errors: -1 with errno EBADMSG, silent: the kind's member is missing, or a class or reason unknown.
 */
int row_fact(const struct row *r, struct standings_fact *f);

/* What its tokenizer gives back of the validation text. */
enum standings_keeps row_keeps(const struct run_record *run);

/* The fact in a run that is not judged yet. */
void row_run_fact(const struct run_record *run, struct standings_fact *f);

/* A verdict into its place, without words, findings and plan. */
void row_put_verdict(struct row *r, const struct verdict *v, const struct policy *p);

/**
 * row_differs(says, should, where):
 * Compare what a row says of its verdict, its incumbent and, of a confirmation,
 * its runs and scores with what it should; words follow from numbers, and
 * documents are another file's.  0 if they agree, else 1 and the first
 * difference in ${where}.
 */
int row_differs(const struct row *says, const struct row *should, struct str *where);

/*
 * The same of a run as a row says it was and as its receipts say it is: all but its place, its name, and the lists of
 * what stands against it.  What came in a later version, and the row does not say, is passed over.
 */
int row_run_differs(const struct run_record *says, const struct run_record *is, struct str *where);

#endif
