#include <assert.h>
#include <errno.h>
#include <string.h>

#include "gpt/config.h"
#include "gpt/embedded_model.h"
#include "base/say.h"

static const char *const activations
    [] = { [CONFIG_RELU2] = "relu2", [CONFIG_LEAKY_RELU2] = "leaky_relu2", [CONFIG_SWIGLU] = "swiglu", NULL };

static const char *const priors[] = { [CONFIG_NO_PRIOR] = "none", [CONFIG_COUNTS] = "counts", NULL };

/* Every key that there is; bounds and defaults are the contract's.  The order is that of the JSON object. */
const struct bind config_keys[] = {
	BIND(struct config, "vocab_size", vocab_size),
	BIND(struct config, "num_layers", num_layers),
	BIND(struct config, "model_dim", model_dim),
	BIND(struct config, "num_heads", num_heads),
	BIND(struct config, "num_kv_heads", num_kv_heads),
	BIND(struct config, "mlp_mult", mlp_mult),
	BIND(struct config, "tie_embeddings", tie_embeddings),
	BIND(struct config, "rope_base", rope_base),
	BIND(struct config, "logit_softcap", logit_softcap),
	BIND(struct config, "qk_gain_init", qk_gain_init),
	BIND(struct config, "tied_embed_init_std", tied_embed_init_std),
	BIND(struct config, "encoder_layers", encoder_layers),
	BIND(struct config, "loop", loop),
	BIND_ENUM(struct config, "mlp_activation", mlp_activation, activations),
	BIND(struct config, "value_residual", value_residual),
	BIND(struct config, "value_embed_layers", value_embed_layers),
	BIND(struct config, "attn_gate", attn_gate),
	BIND(struct config, "smear", smear),
	BIND(struct config, "bigram_buckets", bigram_buckets),
	BIND(struct config, "bigram_dim", bigram_dim),
	BIND_ENUM(struct config, "bigram_prior", bigram_prior, priors),
	BIND(struct config, "bigram_prior_tokens", bigram_prior_tokens),
	BIND(struct config, "xsa_layers", xsa_layers),
	BIND(struct config, "ln_scale", ln_scale),
	BIND(struct config, "rope_dims", rope_dims),
	BIND(struct config, "skip_gate", skip_gate),
	BIND(struct config, "parallel_from", parallel_from),
	BIND_END,
};

/* What the contract says of a row. */
static const struct embedded_key *
rule_of(const struct bind *row)
{
	const struct embedded_key *k = embedded_model;

	while (k->name != NULL && strcmp(k->name, row->path) != 0)
		k++;
	assert(k->name != NULL);
	return (k);
}

void
config_default(struct config *c)
{
	const struct bind *row;

	memset(c, 0, sizeof(*c));
	for (row = config_keys; row->path != NULL; row++)
		bind_put(row, c, rule_of(row)->value);
}

/* May the key be null, which is then its default? */
static int
is_none(const struct embedded_key *k)
{
	return (k->later && k->value == -1 && k->min > -1);
}

/* NaN compares false, so it is outside every bound. */
static int
within(const struct bind *row, double value)
{
	const struct embedded_key *k = rule_of(row);

	if ((value >= k->min && value <= k->max) || (value == -1 && is_none(k)))
		return (1);
	say_error("model key '%s' is %g; it must lie between %g and %g", k->name, value, k->min, k->max);
	return (0);
}

static size_t
head_dim(const struct config *c)
{
	return (c->model_dim / c->num_heads);
}

#define MOST_PASSES 64

static int
check_loop(const struct config *c)
{
	const uint64_t *loop = c->loop.number;

	if (c->loop.count == 0)
		return (0);
	if (c->loop.count != 3) {
		say_error("model key 'loop' has %zu numbers; it must be [], or [first, last, passes]", c->loop.count);
		return (-1);
	}
	if (loop[0] > loop[1] || loop[1] >= c->num_layers) {
		say_error("model key 'loop' goes from layer %ju to layer %ju; layers of num_layers %zu are 0 to %zu, "
			  "and the first must not be behind the last",
		    (uintmax_t)loop[0], (uintmax_t)loop[1], c->num_layers, c->num_layers - 1);
		return (-1);
	}
	if (loop[2] < 2 || loop[2] > MOST_PASSES) {
		say_error("model key 'loop' has %ju passes; there must be 2 to %d of them, and [] is for no loop",
		    (uintmax_t)loop[2], MOST_PASSES);
		return (-1);
	}
	return (0);
}

/* A visit whose output a skip keeps has one stream to keep, in a pass with the loop and in one without. */
static int
may_part(const struct config *c, size_t layer)
{
	return (config_first_visit(c, layer) >= config_skips(c) && layer >= config_skips_once(c));
}

static int
check_lanes(const struct config *c)
{
	size_t least = 0;

	if (c->parallel_from == CONFIG_NONE)
		return (0);
	if (c->parallel_from >= c->num_layers) {
		say_error("model key 'parallel_from' is %zu; layers of num_layers %zu are 0 to %zu", c->parallel_from,
		    c->num_layers, c->num_layers - 1);
		return (-1);
	}
	if (c->loop.count > 0 && c->parallel_from > c->loop.number[0] && c->parallel_from <= c->loop.number[1]) {
		say_error(
		    "model key 'parallel_from' is %zu; it must not lie inside of loop, whose layers %ju to %ju come "
		    "again: the lanes would begin anew",
		    c->parallel_from, (uintmax_t)c->loop.number[0], (uintmax_t)c->loop.number[1]);
		return (-1);
	}
	while (least < c->num_layers && !may_part(c, least))
		least++;
	if (!may_part(c, c->parallel_from)) {
		say_error(
		    "model key 'parallel_from' is %zu; it must be at least %zu, as what the layers before put out is "
		    "kept for skips: raise it, or lower encoder_layers",
		    c->parallel_from, least);
		return (-1);
	}
	return (0);
}

/* Rules between levers and the rest. */
static int
check_levers(const struct config *c)
{
	size_t last = 0;

	for (size_t i = 0; i < BIND_SET_END; i++)
		if (bind_set_has(&c->value_embed_layers, i))
			last = i;
	if (last >= c->num_layers) {
		say_error("model key 'value_embed_layers' names layer %zu; layers of num_layers %zu are 0 to %zu", last,
		    c->num_layers, c->num_layers - 1);
		return (-1);
	}
	if (c->value_residual && c->num_layers == 1) {
		say_error("model key 'value_residual' is true; with num_layers 1 there is no later layer to take the "
			  "first one's values: set it to false");
		return (-1);
	}
	if (c->bigram_buckets == 1) {
		say_error("model key 'bigram_buckets' is 1; it must be 0 for none, or at least 2, as the last one is "
			  "for tokens without one before");
		return (-1);
	}
	if (c->bigram_prior != CONFIG_NO_PRIOR && c->vocab_size > CONFIG_PRIOR_VOCAB) {
		say_error("model key 'bigram_prior' is counts; its table is square, so vocab_size must be at most %d, "
			  "and it is %zu: set it to none",
		    CONFIG_PRIOR_VOCAB, c->vocab_size);
		return (-1);
	}
	if (c->xsa_layers > c->num_layers) {
		say_error("model key 'xsa_layers' is %zu; it must be at most num_layers %zu", c->xsa_layers,
		    c->num_layers);
		return (-1);
	}
	if (c->rope_dims != CONFIG_NONE && (c->rope_dims % 2 != 0 || c->rope_dims > head_dim(c))) {
		say_error("model key 'rope_dims' is %zu; it must be even and at most %zu, the width of a head",
		    c->rope_dims, head_dim(c));
		return (-1);
	}
	if (c->skip_gate && config_skips(c) == 0) {
		say_error("model key 'skip_gate' is true; there are no skips with num_layers %zu and these "
			  "encoder_layers: set it to false",
		    c->num_layers);
		return (-1);
	}
	return (check_lanes(c));
}

int
config_check(const struct config *c)
{
	const struct bind *row;

	for (row = config_keys; row->path != NULL; row++)
		if (!within(row, bind_number(row, c)))
			return (-1);
	if (c->model_dim % c->num_heads != 0) {
		say_error("model key 'num_heads' is %zu; it must divide model_dim %zu", c->num_heads, c->model_dim);
		return (-1);
	}
	if (c->num_heads % c->num_kv_heads != 0) {
		say_error("model key 'num_kv_heads' is %zu; it must divide num_heads %zu", c->num_kv_heads,
		    c->num_heads);
		return (-1);
	}
	if (head_dim(c) % 2 != 0) {
		say_error("model key 'num_heads' is %zu; heads of model_dim %zu are then %zu wide, but rotation needs "
			  "an even width",
		    c->num_heads, c->model_dim, head_dim(c));
		return (-1);
	}
	if (check_loop(c) == -1)
		return (-1);
	if (c->encoder_layers != CONFIG_NONE && c->encoder_layers > config_visits(c) / 2) {
		say_error("model key 'encoder_layers' is %zu; it must be at most half of %s %zu, so that each has "
			  "a later layer to be read by",
		    c->encoder_layers, c->loop.count == 0 ? "num_layers" : "the visits of layers,", config_visits(c));
		return (-1);
	}
	return (check_levers(c));
}

size_t
config_kv_dim(const struct config *c)
{
	return (head_dim(c) * c->num_kv_heads);
}

size_t
config_mlp_dim(const struct config *c)
{
	const size_t two_thirds = c->model_dim * c->mlp_mult / 12 * 8;

	if (c->mlp_activation != CONFIG_SWIGLU)
		return (c->model_dim * c->mlp_mult);
	return (two_thirds > 8 ? two_thirds : 8);
}

size_t
config_skips(const struct config *c)
{
	return (c->encoder_layers != CONFIG_NONE ? c->encoder_layers : config_visits(c) / 2);
}

size_t
config_skips_once(const struct config *c)
{
	const size_t skips = config_skips(c), half = c->num_layers / 2;

	return (skips < half ? skips : half);
}

static size_t
stretch(const struct config *c)
{
	return ((size_t)(c->loop.number[1] - c->loop.number[0] + 1));
}

size_t
config_visits(const struct config *c)
{
	return (c->loop.count == 0 ? c->num_layers : c->num_layers + stretch(c) * (size_t)(c->loop.number[2] - 1));
}

size_t
config_visited(const struct config *c, size_t visit)
{
	const size_t again = config_visits(c) - c->num_layers;

	if (c->loop.count == 0 || visit <= c->loop.number[1])
		return (visit);
	if (visit > c->loop.number[1] + again)
		return (visit - again);
	return ((size_t)c->loop.number[0] + (visit - (size_t)c->loop.number[0]) % stretch(c));
}

size_t
config_first_visit(const struct config *c, size_t layer)
{
	const size_t again = config_visits(c) - c->num_layers;

	return (c->loop.count > 0 && layer > c->loop.number[1] ? layer + again : layer);
}

size_t
config_turning(const struct config *c)
{
	return (c->rope_dims != CONFIG_NONE ? c->rope_dims : head_dim(c));
}

json_t *
config_to_json(const struct config *c)
{
	json_t *object = json_object();
	const struct bind *row;

	for (row = config_keys; row->path != NULL; row++) {
		const struct embedded_key *k = rule_of(row);

		/* A later key at its default is left out, as in all files that are older than it. */
		if (k->later && bind_number(row, c) == k->value)
			continue;
		if (json_object_set_new(object, k->name, bind_get(row, c)) != 0) {
			json_decref(object);
			errno = ENOMEM;
			return (NULL);
		}
	}
	return (object);
}

static int
take(const struct bind *row, struct config *c, const json_t *v)
{
	const char *wanted = row->type == BIND_FLAG ? "true or false" :
	    row->type == BIND_REAL                  ? "a number" :
	    row->type == BIND_SET                   ? "a list of layers, each above the one before" :
	    row->type == BIND_LIST                  ? "a list of whole numbers" :
	    row->type == BIND_WORD                  ? "one of the words that hg-spec(5) lists" :
						      "an integer";

	if (json_is_null(v) && is_none(rule_of(row))) {
		bind_put(row, c, -1);
		return (0);
	}
	if (json_is_null(v) || json_is_string(v) != (row->type == BIND_WORD) || bind_set(row, c, v) == -1) {
		say_error("model key '%s' must be %s", row->path, wanted);
		return (-1);
	}
	/* Before a large number is cut to fit its field. */
	return (row->type == BIND_FLAG || row->type == BIND_WORD || row->type == BIND_SET || row->type == BIND_LIST ||
		    within(row, json_number_value(v)) ?
		0 :
		-1);
}

int
config_from_json(struct config *c, const json_t *object)
{
	const struct bind *row;
	const char *key;
	json_t *v;

	if (!json_is_object(object)) {
		say_error("model configuration is no JSON object");
		return (-1);
	}
	config_default(c);
	for (row = config_keys; row->path != NULL; row++) {
		v = json_object_get(object, row->path);
		if (v == NULL && rule_of(row)->later)
			continue;
		if (v == NULL) {
			say_error("model key '%s' is missing", row->path);
			return (-1);
		}
		if (take(row, c, v) == -1)
			return (-1);
	}
	json_object_foreach((json_t *)(uintptr_t)object, key, v)
		if (bind_find(config_keys, key) == NULL) {
			say_error("model key '%s' is unknown", key);
			return (-1);
		}
	return (config_check(c));
}
