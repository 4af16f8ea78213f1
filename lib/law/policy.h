#ifndef HG_POLICY_H
#define HG_POLICY_H

#include <jansson.h>
#include <stdint.h>

/**
 * The rules that a ledger is judged by: LEDGER/policy.json, which the owner
 * edits, and the policy row in the chain, which counts.  policy.5 explains
 * each member; contracts/policy.json bounds it.
 */

/* What a row says in numbers; the names are the keys of its `metrics`. */
enum policy_metric {
	POLICY_VAL_LOSS,
	POLICY_VAL_BPB,
	POLICY_VAL_BPB_RAW,
	POLICY_VALUE, /* what trainer.reads.value finds in a program's log, in its own unit */
	POLICY_TOTAL_BYTES,
	POLICY_TRAIN_MS,
	POLICY_WALLCLOCK_MS,
	POLICY_PEAK_MEMORY_BYTES,
	POLICY_METRICS
};

enum { POLICY_GUARDS = 4, POLICY_NAME = 64, POLICY_LAW = 3 };

enum policy_unit { POLICY_BITS_PER_BYTE, POLICY_NATS_PER_BYTE, POLICY_NATS_PER_TOKEN };

struct policy {
	unsigned law; /* of judgement: 1 is that of version 0.1, POLICY_LAW the newest */
	struct {
		char name[POLICY_NAME + 1];
		double alpha;           /* chance of one or more false improvements in the whole campaign */
		unsigned confirmations; /* how many it may spend, each at alpha / confirmations */
	} campaign;
	struct {
		enum policy_metric name;
		enum policy_metric across_tokenizers;
		int sign; /* 1: lower is better; -1: higher is */
	} metric;
	struct {
		double value;
		enum policy_unit unit;
	} minimum_effect;
	struct {
		double ln_sigma_sd; /* how ln sigma spreads over configurations */
		double floor;       /* a deviation below this is not believed */
		unsigned calibration_seeds;
	} noise;
	struct {
		double gain_sd; /* a single run this many lane deviations better is worth a confirmation; from law 3 on, */
		double second_sd; /* a second run, and a confirmation if the mean of both is this many better */
		double regression_level;
		int outrun; /* hg-run has clear losers ended early */
	} screen;
	struct {
		unsigned seeds; /* runs a side, under laws 1 and 2 */
		unsigned pairs; /* of runs, at most, from law 3 on */
		double gain_sd; /* the gain, in lane deviations, that power is computed for */
		double power;   /* wanted; plan warns below it */
	} confirm;
	struct {
		enum policy_metric name;
		int sign;
		double tolerance; /* relative */
	} guarded[POLICY_GUARDS];
	unsigned guards;
	struct {
		double miss; /* chance of stopping although the success rate is still worth it */
		double success_rate;
		unsigned pause_after_failures;
	} plateau;
	struct {
		double margin;
		enum policy_unit unit;
		double confidence;
	} promotion;
};

/* The policy that a new ledger gets. Owns: the caller decrefs. */
json_t *policy_default(void);

/* Take a policy that keeps its contract; 0, or -1 with errno EBADMSG, said: a rule between members is broken. */
int policy_take(struct policy *p, const json_t *v);

/* A metric's name, and the metric of a name or -1. */
const char *policy_metric_name(enum policy_metric m);
int policy_metric_find(const char *name);

const char *policy_unit_name(enum policy_unit unit);

/* The level of one confirmation. */
double policy_level(const struct policy *p);

/**
 * policy_convert(value, unit, metric, loss, score):
 * A difference in ${unit} as a difference in ${metric}, for a run that had
 * ${loss} nats per token and ${score} of that metric.  NAN if the metric is
 * not one of bits or nats.
 */
double policy_convert(double value, enum policy_unit unit, enum policy_metric metric, double loss, double score);

#endif
