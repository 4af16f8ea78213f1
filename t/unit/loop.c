/*
 * A loop is a deeper model whose layers share their weights, and without its loop a model like any other: on the
 * reference, to the bit in what it computes, and up to the order of a sum in its gradient.  Prints TAP.
 * test_tags=b64
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonio.h"
#include "base/rng.h"
#include "base/say.h"
#include "gpt/model.h"
#include "t/unit/tap.h"

enum { B = 2, T = 9, V = 23 };

struct side {
	struct model *m;
	const struct params *p;
	float *w, *g, nats[B * T];
};

static void
side_open(struct side *s, const char *keys)
{
	json_t *over = jsonio_parse(keys, strlen(keys), "a configuration"), *object;
	struct config c;
	const struct model_args args = { .config = &c,
		.use = MODEL_TRAIN,
		.backend = "ref",
		.isa = "auto",
		.arith = OPS_FP32,
		.threads = 1,
		.max_batch = B,
		.max_seq = T,
		.max_passes = 1 };

	config_default(&c);
	c.vocab_size = V;
	c.model_dim = 16;
	c.num_heads = 4;
	c.num_kv_heads = 2;
	object = config_to_json(&c);
	json_object_update(object, over);
	if (config_from_json(&c, object) == -1 || (s->m = model_open(&args)) == NULL)
		abort();
	json_decref(object);
	json_decref(over);
	s->p = model_params(s->m);
	s->w = calloc(s->p->n, sizeof(*s->w));
	s->g = calloc(s->p->n, sizeof(*s->g));
}

static void
side_close(struct side *s)
{
	model_close(s->m);
	free(s->w);
	free(s->g);
}

static void
draw(struct side *s)
{
	struct rng rng;

	rng_seed(&rng, 7, 0);
	for (size_t i = 0; i < s->p->n; i++)
		s->w[i] = (float)(0.3 * rng_normal(&rng));
}

/* Losses and gradient at the weights. */
static void
pass(struct side *s)
{
	int32_t ids[B * T + 1];
	const struct model_batch batch = { ids, ids + 1, B, T };
	struct rng rng;

	rng_seed(&rng, 8, 0);
	for (size_t i = 0; i <= B * T; i++)
		ids[i] = (int32_t)rng_below(&rng, V);
	model_set(s->m, s->w);
	model_begin(s->m);
	model_grad(s->m, &batch, 0, 1.0f / (B * T));
	model_nats(s->m, 0, B * T, s->nats);
	model_end(s->m);
	model_get_grad(s->m, s->g);
}

/* The tensor of ${from} that stands where tensor i of ${to}, whose layers are visits of from's, does; NULL: none. */
static const struct params_tensor *
source(const struct side *from, const struct side *to, size_t i, const size_t *visited)
{
	const struct params_tensor *t = &to->p->tensors[i];
	const int block = strncmp(t->name, "blocks.", 7) == 0;
	const size_t layer = block ? visited[strtoul(t->name + 7, NULL, 10)] : 0, at = params_at(from->p, layer, t->id);

	return (at == PARAMS_NONE ? NULL : &from->p->tensors[at]);
}

/* How far the gradient of ${loop} is from the sum of what the layers of ${deep} have, at the worst tensor. */
static double
far(const struct side *loop, const struct side *deep, const size_t *visited)
{
	float *sum = calloc(loop->p->n, sizeof(*sum));
	double worst = 0;

	for (size_t i = 0; i < deep->p->count; i++) {
		const struct params_tensor *t = &deep->p->tensors[i], *u = source(loop, deep, i, visited);

		for (size_t j = 0; j < t->n; j++)
			sum[u->offset + j] += deep->g[t->offset + j];
	}
	for (size_t i = 0; i < loop->p->count; i++) {
		const struct params_tensor *u = &loop->p->tensors[i];
		double error = 0, size = 0;

		for (size_t j = u->offset; j < u->offset + u->n; j++) {
			error += pow((double)sum[j] - loop->g[j], 2);
			size += pow(loop->g[j], 2);
		}
		worst = fmax(worst, size > 0 ? sqrt(error / size) : 1);
	}
	free(sum);
	return (worst);
}

static void
check(const char *what, const char *loop_keys, const char *deep_keys, const size_t *visited)
{
	struct side loop, deep;
	double worst;

	side_open(&loop, loop_keys);
	side_open(&deep, deep_keys);
	draw(&loop);
	for (size_t i = 0; i < deep.p->count; i++) {
		const struct params_tensor *t = &deep.p->tensors[i], *u = source(&loop, &deep, i, visited);

		memcpy(deep.w + t->offset, loop.w + u->offset, t->n * sizeof(*deep.w));
	}
	pass(&loop);
	pass(&deep);
	tap_ok(memcmp(loop.nats, deep.nats, sizeof(loop.nats)) == 0, "%s: the same losses, bit by bit, as unrolled",
	    what);
	worst = far(&loop, &deep, visited);
	tap_ok(worst < 1e-6, "%s: its gradient is the sum over the visits of a layer (%.2g)", what, worst);
	side_close(&loop);
	side_close(&deep);
}

/* Without its loop: the model that has none, whose skips are the first of those there are. */
static void
check_without(const char *loop_keys, const char *plain_keys)
{
	struct side loop, plain;
	int same = 1;

	side_open(&loop, loop_keys);
	side_open(&plain, plain_keys);
	draw(&loop);
	for (size_t i = 0; i < plain.p->count; i++)
		memcpy(plain.w + plain.p->tensors[i].offset, loop.w + loop.p->tensors[i].offset,
		    plain.p->tensors[i].n * sizeof(*plain.w));
	model_loop(loop.m, 0);
	pass(&loop);
	pass(&plain);
	same = memcmp(loop.nats, plain.nats, sizeof(loop.nats)) == 0;
	for (size_t i = 0; i < plain.p->count; i++)
		same = same &&
		    memcmp(loop.g + loop.p->tensors[i].offset, plain.g + plain.p->tensors[i].offset,
			plain.p->tensors[i].n * sizeof(*plain.g)) == 0;
	tap_ok(same, "without its loop a model computes what one that has none does, and so is its gradient");
	model_loop(loop.m, 1);
	pass(&loop);
	tap_ok(memcmp(loop.nats, plain.nats, sizeof(loop.nats)) != 0, "and with it again something else");
	side_close(&loop);
	side_close(&plain);
}

static void
check_order(void)
{
	static const size_t want[] = { 0, 1, 2, 1, 2, 1, 2, 3 };
	struct config c;
	int same = 1;

	config_default(&c);
	c.num_layers = 4;
	c.loop = (struct bind_list){ 3, { 1, 2, 3 } };
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		same = same && config_visited(&c, i) == want[i];
	tap_ok(config_visits(&c) == 8 && same && config_skips(&c) == 4,
	    "three passes of layers 1 and 2 of four are 0 1 2 1 2 1 2 3, half of which are kept");
	c.loop.count = 0;
	tap_ok(config_visits(&c) == 4 && config_visited(&c, 3) == 3 && config_skips(&c) == 2, "and none is 0 1 2 3");
}

int
main(void)
{
	say_init("loop");
	check_order();
	check("a loop of two layers", "{\"num_layers\": 4, \"loop\": [1, 2, 2]}", "{\"num_layers\": 6}",
	    (const size_t[]){ 0, 1, 2, 1, 2, 3 });
	check("one layer three times, without skips", "{\"num_layers\": 2, \"loop\": [0, 0, 3], \"encoder_layers\": 0}",
	    "{\"num_layers\": 4, \"encoder_layers\": 0}", (const size_t[]){ 0, 0, 0, 1 });
	check("a loop to the end, gated",
	    "{\"num_layers\": 3, \"loop\": [1, 2, 2], \"attn_gate\": true, \"skip_gate\": true}",
	    "{\"num_layers\": 5, \"attn_gate\": true, \"skip_gate\": true}", (const size_t[]){ 0, 1, 2, 1, 2 });
	check_without("{\"num_layers\": 5, \"loop\": [1, 3, 2]}", "{\"num_layers\": 5}");
	return (tap_done());
}
