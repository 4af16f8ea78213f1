#ifndef HG_CONFIG_H
#define HG_CONFIG_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bind.h"

/**
 * The geometry of a model: what its tensors are and what they compute.  Fields
 * bear their public names.  A struct config is plain data; compare and copy it
 * field by field.
 */
enum config_activation { CONFIG_RELU2, CONFIG_LEAKY_RELU2, CONFIG_SWIGLU };

enum config_prior { CONFIG_NO_PRIOR, CONFIG_COUNTS };

struct config {
	size_t vocab_size;
	size_t num_layers;
	size_t model_dim;
	size_t num_heads;
	size_t num_kv_heads;
	size_t mlp_mult;
	int tie_embeddings;
	double rope_base;
	double logit_softcap;
	double qk_gain_init;        /* of use at initialisation only */
	double tied_embed_init_std; /* likewise */
	size_t encoder_layers;      /* CONFIG_NONE: half of the visits */
	struct bind_list loop;      /* first and last layer of a stretch, how often it is passed; or nothing */
	enum config_activation mlp_activation;
	int value_residual;
	struct bind_set value_embed_layers;
	int attn_gate;
	int smear;
	size_t bigram_buckets, bigram_dim; /* no buckets: no table of pairs */
	enum config_prior bigram_prior;
	uint64_t bigram_prior_tokens; /* of the training data, counted at most */
	size_t xsa_layers;            /* the last ones */
	int ln_scale;
	size_t rope_dims; /* CONFIG_NONE: all of a head */
	int skip_gate;
	size_t parallel_from; /* CONFIG_NONE: no layer has two lanes */
};

#define CONFIG_NONE SIZE_MAX /* a later key that is null */

/* In an initialiser: the later keys whose default is not 0. */
#define CONFIG_LATER \
	.encoder_layers = CONFIG_NONE, .bigram_dim = 64, .bigram_prior_tokens = 10000000, .rope_dims = CONFIG_NONE, \
	.parallel_from = CONFIG_NONE

#define CONFIG_NORM_EPS 1.1920928955078125e-07 /* of every RMS norm: 2^-23 */

/* The rows that bind the spec's section model to a struct config; a NULL path ends them. Exported for tests. */
extern const struct bind config_keys[];

/* The contract's defaults: the published baseline, but vocab_size is 0, as it is the tokenizer's. */
void config_default(struct config *c);

/**
 * config_check(c):
 * Each value within its bounds, and the rules across them: heads divide dim, key/value heads divide
 * heads, heads of even width.
 * Errors: -1 after naming the key, its value and the rule.
 */
int config_check(const struct config *c);

/* Width of all key/value heads together, of the MLP; number of skips, which is that of layers whose output is kept. */
size_t config_kv_dim(const struct config *c);
size_t config_mlp_dim(const struct config *c);
size_t config_skips(const struct config *c);

/*
 * What a pass goes through: each visit is of one layer.  Without a loop they are
 * the layers in order; with one [a, z, n] 0..z, then a..z for n - 1 times, and the rest.
 */
size_t config_visits(const struct config *c);
size_t config_visited(const struct config *c, size_t visit);
size_t config_first_visit(const struct config *c, size_t layer);

/* Skips of a pass that visits every layer once, loop or not: the first of them, at most half of the layers. */
size_t config_skips_once(const struct config *c);

/* Elements of a head that turn. */
size_t config_turning(const struct config *c);

/* Columns of its input that a gate looks at, of attention's output and of an embedding of values. */
#define CONFIG_GATE_COLUMNS 12
#define CONFIG_VALUE_COLUMNS 32

/* Largest vocabulary with a prior from counts, whose table is square. */
#define CONFIG_PRIOR_VOCAB 2048

/* The token that begins a document. */
#define CONFIG_BOS 1

/**
 * config_to_json(c) / config_from_json(c, object):
 * The JSON object with the fields above under their names; keys that came after
 * 0.1 (x-since in the contract) stand in it only where they deviate from their
 * default, and have it where they are absent.  from_json refuses unknown keys,
 * other missing keys and wrong types (null is one but where it is a later key's default), then applies config_check.
 * Owns:   the caller of to_json holds the one reference.
 * Errors: NULL with errno ENOMEM; -1 after saying why.
 */
json_t *config_to_json(const struct config *c);
int config_from_json(struct config *c, const json_t *object);

#endif
