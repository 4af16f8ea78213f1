/*
 * The hand-written backward pass against finite differences of the forward
 * pass, tensor by tensor, for every shape of the family: grouped heads, one
 * key/value head, groups of three, untied heads, odd and single layers.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gpt/model.h"
#include "base/rng.h"
#include "t/unit/tap.h"

enum { B = 2, T = 7 };

static const struct shape {
	const char *what;
	struct config config;
	const char *levers; /* keys besides, as JSON; NULL: none */
} shapes[] = {
#define SHAPE(what, V, L, C, H, K, M, tied) SHAPE_WITH(NULL, what, V, L, C, H, K, M, tied)
#define SHAPE_WITH(levers, what, V, L, C, H, K, M, tied) \
	{ \
		what, \
		    { .vocab_size = V, \
			    .num_layers = L, \
			    .model_dim = C, \
			    .num_heads = H, \
			    .num_kv_heads = K, \
			    .mlp_mult = M, \
			    .tie_embeddings = tied, \
			    .rope_base = 10000, \
			    .logit_softcap = 30, \
			    .qk_gain_init = 1.5, \
			    .tied_embed_init_std = 0.005, \
			    CONFIG_LATER }, \
		    levers \
	}
	SHAPE("grouped heads, tied", 17, 4, 16, 4, 2, 2, 1),
	SHAPE("one key/value head, untied, odd layers", 19, 3, 16, 4, 1, 2, 0),
	SHAPE("head groups of three, five layers", 13, 5, 24, 6, 2, 3, 1),
	SHAPE("a single layer, untied", 11, 1, 8, 2, 2, 1, 0),
	SHAPE("two layers, one head", 11, 2, 8, 1, 1, 4, 1),
	SHAPE_WITH("{\"encoder_layers\": 1}", "one layer kept of five", 13, 5, 16, 4, 2, 2, 1),
	SHAPE_WITH("{\"mlp_activation\": \"leaky_relu2\"}", "leaky relu^2", 13, 2, 16, 4, 2, 2, 1),
	SHAPE_WITH("{\"mlp_activation\": \"swiglu\"}", "swiglu", 13, 2, 16, 4, 2, 3, 0),
	SHAPE_WITH("{\"value_residual\": true}", "value_residual", 13, 3, 16, 4, 2, 2, 1),
	SHAPE_WITH("{\"value_embed_layers\": [0, 2], \"value_residual\": true}", "embedded values", 13, 3, 16, 4, 2, 2,
	    1),
	SHAPE_WITH("{\"attn_gate\": true}", "gated attention", 13, 2, 16, 4, 1, 2, 1),
	SHAPE_WITH("{\"smear\": true}", "smear", 13, 2, 16, 4, 2, 2, 1),
	SHAPE_WITH("{\"bigram_buckets\": 11, \"bigram_dim\": 6}", "hashed pairs", 13, 2, 16, 4, 2, 2, 1),
	SHAPE_WITH("{\"bigram_buckets\": 7, \"bigram_dim\": 20, \"smear\": true}",
	    "hashed pairs as wide as the stream, smeared", 13, 2, 8, 2, 2, 2, 0),
	SHAPE_WITH("{\"bigram_prior\": \"counts\"}", "a prior", 13, 2, 16, 4, 2, 2, 1),
	SHAPE_WITH("{\"xsa_layers\": 2}", "own values removed", 13, 3, 16, 4, 2, 2, 1),
	SHAPE_WITH("{\"xsa_layers\": 3, \"attn_gate\": true, \"value_residual\": true, \"value_embed_layers\": [1]}",
	    "own values removed, gated, mixed and embedded", 13, 3, 24, 6, 2, 2, 1),
	SHAPE_WITH("{\"ln_scale\": true, \"attn_gate\": true}", "norms by depth", 13, 3, 16, 4, 2, 2, 1),
	SHAPE_WITH("{\"rope_dims\": 2}", "heads that turn in part", 13, 2, 16, 2, 1, 2, 1),
	SHAPE_WITH("{\"skip_gate\": true}", "gated skips", 13, 5, 16, 4, 2, 2, 1),
	SHAPE_WITH("{\"loop\": [1, 2, 2]}", "a loop of two layers of four", 13, 4, 16, 4, 2, 2, 1),
	SHAPE_WITH("{\"loop\": [0, 0, 3], \"encoder_layers\": 2, \"value_residual\": true, \"xsa_layers\": 2}",
	    "the first layer three times, mixed values", 13, 3, 16, 4, 2, 2, 1),
	SHAPE_WITH("{\"loop\": [1, 2, 2], \"skip_gate\": true, \"attn_gate\": true, \"value_embed_layers\": [2]}",
	    "a loop to the last layer, gated", 13, 3, 16, 4, 1, 2, 0),
	SHAPE_WITH("{\"parallel_from\": 2}", "two lanes from the first layer with a skip", 13, 5, 16, 4, 2, 2, 1),
	SHAPE_WITH("{\"parallel_from\": 3}", "two lanes from the last layer with a skip", 13, 5, 16, 4, 2, 2, 0),
	SHAPE_WITH("{\"parallel_from\": 4}", "two lanes in the last layer", 13, 5, 16, 4, 2, 2, 1),
	SHAPE_WITH("{\"parallel_from\": 0, \"encoder_layers\": 0}", "two lanes from the first layer on", 13, 3, 16, 4,
	    2, 2, 1),
	SHAPE_WITH("{\"parallel_from\": 2, \"skip_gate\": true, \"ln_scale\": true, \"attn_gate\": true, "
		   "\"value_residual\": true, \"xsa_layers\": 2}",
	    "two lanes with gated skips, gated attention, mixed values and removed own ones", 13, 5, 16, 4, 2, 2, 1),
	SHAPE_WITH("{\"loop\": [1, 1, 2], \"parallel_from\": 2}", "two lanes behind a loop", 13, 4, 16, 4, 2, 2, 1),
	SHAPE_WITH("{\"loop\": [1, 2, 2], \"parallel_from\": 1, \"encoder_layers\": 0, \"value_residual\": true}",
	    "a loop of two lanes", 13, 3, 16, 4, 2, 2, 1),
#undef SHAPE_WITH
#undef SHAPE
};

/* The configuration of a shape. */
static int
configure(struct config *c, const struct shape *shape)
{
	json_t *object, *over;
	int rc;

	*c = shape->config;
	if (shape->levers == NULL)
		return (config_check(c));
	object = config_to_json(c);
	over = json_loads(shape->levers, 0, NULL);
	json_object_update(object, over);
	rc = config_from_json(c, object);
	json_decref(object);
	json_decref(over);
	return (rc);
}

/* Weights large enough that every path carries a gradient, and a softcap that bends. */
static void
random_weights(const struct params *p, float *w, struct rng *rng)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct params_tensor *t = &p->tensors[i];
		const double spread = t->group == PARAMS_SCALAR ? 0.3 : t->group == PARAMS_MATRIX ? 0.4 : 1.5;
		const double middle = t->group == PARAMS_SCALAR ? 0.8 : 0;

		for (size_t j = 0; j < t->n; j++)
			w[t->offset + j] = (float)(middle + spread * rng_normal(rng));
	}
}

static double
loss(struct model *m, const struct model_batch *batch, const float *w)
{
	float nats[B * T];
	double sum = 0;

	model_set(m, w);
	model_begin(m);
	model_loss(m, batch, 0);
	model_nats(m, 0, B * T, nats);
	model_end(m);
	for (size_t i = 0; i < B * T; i++)
		sum += nats[i];
	return (sum / (B * T));
}

/*
 * The derivative along the gradient with some of its signs turned: large
 * enough to measure, and wrong if any large element is.  Returns the error
 * relative to the gradient's length.
 */
static double
error_along(struct model *m, const struct model_batch *batch, float *w, const float *g, size_t n, const float *base,
    struct rng *rng, int turn)
{
	const double h = 4e-3;
	double length = 0, expected = 0, measured;
	float *d = calloc(n, sizeof(*d));

	for (size_t j = 0; j < n; j++)
		length += (double)g[j] * g[j];
	length = sqrt(length);
	for (size_t j = 0; j < n; j++) {
		const double sign = turn && (rng_u64(rng) & 1) ? -1 : 1;

		d[j] = (float)(sign * g[j] / length);
		expected += (double)d[j] * g[j];
	}
	for (size_t j = 0; j < n; j++)
		w[j] += (float)h * d[j];
	measured = loss(m, batch, base);
	for (size_t j = 0; j < n; j++)
		w[j] -= 2 * (float)h * d[j];
	measured = (measured - loss(m, batch, base)) / (2 * h);
	for (size_t j = 0; j < n; j++)
		w[j] += (float)h * d[j];
	free(d);
	return (fabs(measured - expected) / length);
}

static void
check_shape(const struct shape *shape)
{
	struct config config;
	const struct model_args args = {
		.config = &config,
		.use = MODEL_TRAIN,
		.backend = "ref",
		.isa = "auto",
		.arith = OPS_FP32,
		.threads = 1,
		.max_batch = B,
		.max_seq = T,
		.max_passes = 1,
	};
	int32_t ids[B * T + 1];
	struct model_batch batch = { ids, ids + 1, B, T };
	struct rng rng;
	struct model *m;
	const struct params *p;
	float *w, *g;
	double worst = 0;
	const char *where = "";

	if (!tap_ok(configure(&config, shape) == 0 && (m = model_open(&args)) != NULL, "%s: opens", shape->what))
		return;
	p = model_params(m);
	w = calloc(p->n, sizeof(*w));
	g = calloc(p->n, sizeof(*g));
	rng_seed(&rng, 5, 0);
	random_weights(p, w, &rng);
	for (size_t i = 0; i <= B * T; i++)
		ids[i] = (int32_t)rng_below(&rng, shape->config.vocab_size);
	model_set(m, w);
	model_begin(m);
	model_grad(m, &batch, 0, 1.0f / (B * T));
	model_end(m);
	model_get_grad(m, g);
	for (size_t i = 0; i < p->count; i++) {
		const struct params_tensor *t = &p->tensors[i];

		if (t->group == PARAMS_FROZEN)
			continue;
		for (int turn = 0; turn < 3; turn++) {
			const double error = error_along(m, &batch, w + t->offset, g + t->offset, t->n, w, &rng, turn);

			if (!(error <= worst)) {
				worst = error;
				where = t->name;
			}
		}
	}
	tap_ok(worst < 0.01, "%s: the gradient is the slope of the loss (worst %.2g, %s)", shape->what, worst, where);
	free(w);
	free(g);
	model_close(m);
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		check_shape(&shapes[i]);
	return (tap_done());
}
