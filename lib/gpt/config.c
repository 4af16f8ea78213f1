#include <errno.h>
#include <math.h>
#include <string.h>

#include "gpt/config.h"
#include "base/say.h"

enum kind { SIZE, REAL, FLAG };

/* Every field, its bounds and its published value. The order is that of the JSON object. */
static const struct field {
	const char *name;
	enum kind kind;
	size_t offset;
	double min, max, published;
} fields[] = {
	{ "vocab_size", SIZE, offsetof(struct config, vocab_size), 1, 65536, 1024 },
	{ "num_layers", SIZE, offsetof(struct config, num_layers), 1, 1024, 9 },
	{ "model_dim", SIZE, offsetof(struct config, model_dim), 2, 16384, 512 },
	{ "num_heads", SIZE, offsetof(struct config, num_heads), 1, 1024, 8 },
	{ "num_kv_heads", SIZE, offsetof(struct config, num_kv_heads), 1, 1024, 4 },
	{ "mlp_mult", SIZE, offsetof(struct config, mlp_mult), 1, 64, 2 },
	{ "tie_embeddings", FLAG, offsetof(struct config, tie_embeddings), 0, 1, 1 },
	{ "rope_base", REAL, offsetof(struct config, rope_base), 1, 1e12, 10000 },
	{ "logit_softcap", REAL, offsetof(struct config, logit_softcap), 1e-3, 1e6, 30 },
	{ "qk_gain_init", REAL, offsetof(struct config, qk_gain_init), -1e3, 1e3, 1.5 },
	{ "tied_embed_init_std", REAL, offsetof(struct config, tied_embed_init_std), 0, 1e3, 0.005 },
};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static double
get(const struct config *c, const struct field *f)
{
	const char *at = (const char *)c + f->offset;

	switch (f->kind) {
	case SIZE:
		return ((double)*(const size_t *)(const void *)at);
	case FLAG:
		return ((double)*(const int *)(const void *)at);
	default:
		return (*(const double *)(const void *)at);
	}
}

static void
set(struct config *c, const struct field *f, double value)
{
	char *at = (char *)c + f->offset;

	switch (f->kind) {
	case SIZE:
		*(size_t *)(void *)at = (size_t)value;
		break;
	case FLAG:
		*(int *)(void *)at = value != 0;
		break;
	default:
		*(double *)(void *)at = value;
		break;
	}
}

void
config_default(struct config *c)
{
	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < FIELDS; i++)
		set(c, &fields[i], fields[i].published);
}

/* NaN compares false, so it is outside every bound. */
static int
within(const struct field *f, double value)
{
	if (value >= f->min && value <= f->max)
		return (1);
	say_error("model key '%s' is %g; it must lie between %g and %g", f->name, value, f->min, f->max);
	return (0);
}

int
config_check(const struct config *c)
{
	for (size_t i = 0; i < FIELDS; i++)
		if (!within(&fields[i], get(c, &fields[i])))
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
	if (config_head_dim(c) % 2 != 0) {
		say_error("model key 'num_heads' is %zu; heads of model_dim %zu are then %zu wide, but rotation needs "
			  "an even width",
		    c->num_heads, c->model_dim, config_head_dim(c));
		return (-1);
	}
	return (0);
}

size_t
config_head_dim(const struct config *c)
{
	return (c->model_dim / c->num_heads);
}

size_t
config_kv_dim(const struct config *c)
{
	return (config_head_dim(c) * c->num_kv_heads);
}

size_t
config_mlp_dim(const struct config *c)
{
	return (c->model_dim * c->mlp_mult);
}

size_t
config_skips(const struct config *c)
{
	return (c->num_layers / 2);
}

json_t *
config_to_json(const struct config *c)
{
	json_t *object = json_object();

	for (size_t i = 0; i < FIELDS; i++) {
		const double value = get(c, &fields[i]);
		json_t *v;

		if (fields[i].kind == SIZE)
			v = json_integer((json_int_t)value);
		else if (fields[i].kind == FLAG)
			v = json_boolean(value != 0);
		else
			v = json_real(value);
		if (json_object_set_new(object, fields[i].name, v) != 0) {
			json_decref(object);
			errno = ENOMEM;
			return (NULL);
		}
	}
	return (object);
}

static int
right_type(const struct field *f, const json_t *v)
{
	static const char *const words[] = {
		[SIZE] = "an integer",
		[REAL] = "a number",
		[FLAG] = "true or false",
	};

	if (f->kind == FLAG ? json_is_boolean(v) : f->kind == SIZE ? json_is_integer(v) : json_is_number(v))
		return (1);
	say_error("model key '%s' must be %s", f->name, words[f->kind]);
	return (0);
}

int
config_from_json(struct config *c, const json_t *object)
{
	const char *key;
	json_t *v;

	if (!json_is_object(object)) {
		say_error("model configuration is no JSON object");
		return (-1);
	}
	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < FIELDS; i++) {
		const struct field *f = &fields[i];

		if ((v = json_object_get(object, f->name)) == NULL) {
			say_error("model key '%s' is missing", f->name);
			return (-1);
		}
		if (!right_type(f, v))
			return (-1);
		if (f->kind == FLAG) {
			set(c, f, json_is_true(v));
			continue;
		}
		if (!within(f, json_number_value(v)))
			return (-1);
		set(c, f, json_number_value(v));
	}
	json_object_foreach((json_t *)(uintptr_t)object, key, v) {
		size_t i = 0;

		while (i < FIELDS && strcmp(fields[i].name, key) != 0)
			i++;
		if (i == FIELDS) {
			say_error("model key '%s' is unknown", key);
			return (-1);
		}
	}
	return (config_check(c));
}
