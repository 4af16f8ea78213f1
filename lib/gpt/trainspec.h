#ifndef HG_TRAINSPEC_H
#define HG_TRAINSPEC_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bind.h"
#include "gpt/artifact.h"
#include "gpt/config.h"
#include "gpt/ops.h"
#include "gpt/optimizer.h"
#include "gpt/schedule.h"
#include "gpt/score_law.h"

/**
 * What a spec asks of the model and its training, as plain data: the sections
 * of spec.json but what concerns the run alone (run/spec.h), whose keys have
 * passed their contract (types, ranges), checked here across keys.  Strings
 * point into the spec, which must live as long.
 */
struct trainspec {
	struct config config;
	struct optimizer_law law;
	struct schedule schedule; /* scales of a replay are the caller's to fill in */
	const char *replay;       /* path of the metrics to replay, or NULL */
	uint64_t seed;            /* of the initial weights, where init_from gives none */
	uint64_t data_offset;     /* ids of the training shards before the first batch */
	size_t seq_len;
	size_t batch_tokens;       /* of one step */
	size_t micro_batch_tokens; /* of one pass; 0: to be chosen from free memory */
	double loop_from;          /* share of the run before which no layer is visited again */
	uint64_t warmup_steps;     /* run, then rolled back */
	uint64_t min_steps;
	uint64_t log_every, val_every; /* val_every 0: never */
	int64_t checkpoint_every_ms;
	const char *init_from; /* safetensors path, or NULL */
	enum ops_arith arith;  /* of training */
	unsigned numerics;     /* likewise: see struct ops_open_args */

	const char *eval_mode;
	size_t eval_seq_len;
	struct score_law eval_law; /* of both */
	uint64_t eval_docs;        /* 0: all */
	enum ops_arith eval_arith;

	struct artifact_law artifact;

	const char *prompt_text;
	uint64_t prompt_tokens, prompt_seed;
	double prompt_temperature;

	const char *backend, *isa;
	unsigned threads; /* 0: one for each processor */
};

/* The rows that bind the spec's keys but for the section model's; a NULL path ends them. Exported for tests. */
extern const struct bind trainspec_keys[];

/* The contract's defaults for the optimizers: the published values. */
void trainspec_law(struct optimizer_law *law);

/**
 * trainspec_read(r, spec):
 * Errors: -1 after naming the keys, their values and the rule that they break.
 */
int trainspec_read(struct trainspec *r, const json_t *spec);

/**
 * trainspec_levers(r, section):
 * The keys of a section ("train.", "export.") that came after 0.1 and deviate from their default, by their names there,
 * for receipts and the artifact.
 * Owns:   the caller decrefs.  Errors: NULL when out of memory.
 */
json_t *trainspec_levers(const struct trainspec *r, const char *section);

/**
 * trainspec_take(r, section, levers):
 * Set such keys of a section: to what an object has, and where it has none to the default.  Others stay.  Ranges are
 * the caller's to check.
 * Errors: -1 after naming a key that there is not, or whose value is of another type or too large.
 */
int trainspec_take(struct trainspec *r, const char *section, const json_t *levers);

/*
 * Tokens of training text on which the export's law wants it watched what matrices read, in whole sequences; 0: none,
 * since no matrix of the model is rounded with an eye on that.
 */
uint64_t trainspec_calibration(const struct trainspec *r);

/* The largest batch of a step, and what divides all of them. */
size_t trainspec_batch_most(const struct trainspec *r);
size_t trainspec_batch_common(const struct trainspec *r);

/* "fp32" or "bf16". */
const char *trainspec_arith_name(enum ops_arith arith);

#endif
