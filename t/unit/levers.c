/*
 * Levers of the model, a row each: what holds for every one of them, on ref and on every instruction set of cpu that
 * runs here, in both arithmetics.  Their arithmetic is held to golden vectors by t/golden.bats, and their gradients to
 * slopes by t/unit/gradient.c.  Prints TAP.
 * test_tags=b64,b66,b96
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonio.h"
#include "base/rng.h"
#include "base/say.h"
#include "gpt/model.h"
#include "gpt/optimizer.h"
#include "gpt/score.h"
#include "gpt/trainspec.h"
#include "t/unit/tap.h"

enum { B = 3, T = 11, V = 37, STEPS = 3, STREAM = 2 * T + 5 };
/* Windows of several blocks of rows, the last of them not whole, and what slides over them. */
enum { LONG = 150, STRIDE = 40, LONG_STREAM = LONG + 5 * STRIDE + 8 };

static const struct lever {
	const char *what, *keys;
} levers[] = {
	{ "no lever", "{}" },
	{ "encoder_layers 1", "{\"encoder_layers\": 1}" },
	{ "encoder_layers 0", "{\"encoder_layers\": 0}" },
	{ "leaky relu^2", "{\"mlp_activation\": \"leaky_relu2\"}" },
	{ "value_residual", "{\"value_residual\": true}" },
	{ "embedded values", "{\"value_embed_layers\": [0, 2], \"value_residual\": true}" },
	{ "gated attention", "{\"attn_gate\": true}" },
	{ "smear", "{\"smear\": true}" },
	{ "hashed pairs", "{\"bigram_buckets\": 11, \"bigram_dim\": 6}" },
	{ "a prior", "{\"bigram_prior\": \"counts\"}" },
	{ "own values removed", "{\"xsa_layers\": 2}" },
	{ "own values removed, gated, mixed and embedded",
	    "{\"xsa_layers\": 3, \"attn_gate\": true, \"value_residual\": true, \"value_embed_layers\": [1]}" },
	{ "norms by depth", "{\"ln_scale\": true, \"attn_gate\": true}" },
	{ "heads that turn in part", "{\"rope_dims\": 2}" },
	{ "gated skips", "{\"skip_gate\": true}" },
	{ "a loop", "{\"loop\": [1, 2, 3]}" },
	{ "two lanes", "{\"parallel_from\": 3}" },
	{ "two lanes from where skips begin", "{\"parallel_from\": 2}" },
	{ "two lanes from the first layer on", "{\"parallel_from\": 0, \"encoder_layers\": 0}" },
	{ "two lanes in the last layer", "{\"parallel_from\": 4}" },
	{ "swiglu", "{\"mlp_activation\": \"swiglu\", \"mlp_mult\": 3}" },
	{ "all of them",
	    "{\"encoder_layers\": 1, \"mlp_activation\": \"swiglu\", \"value_residual\": true, "
	    "\"value_embed_layers\": [0, 2], \"attn_gate\": true, \"smear\": true, \"bigram_buckets\": 11, "
	    "\"bigram_dim\": 6, \"bigram_prior\": \"counts\", \"xsa_layers\": 2, \"ln_scale\": true, "
	    "\"rope_dims\": 2, \"skip_gate\": true, \"loop\": [0, 1, 2], \"parallel_from\": 4}" },
};

#define LEVERS (sizeof(levers) / sizeof(levers[0]))

/* What runs: one backend, instruction set and arithmetic. */
static struct {
	const char *backend, *isa;
	enum ops_arith arith;
	struct config config;
} now;

static int
configure(struct config *c, const char *keys)
{
	json_t *over = jsonio_parse(keys, strlen(keys), "a lever"), *object;
	int rc;

	config_default(c);
	c->vocab_size = V;
	c->num_layers = 5;
	c->model_dim = 40;
	c->num_heads = 4;
	c->num_kv_heads = 2;
	object = config_to_json(c);
	json_object_update(object, over);
	rc = config_from_json(c, object);
	json_decref(object);
	json_decref(over);
	return (rc);
}

static struct model *
open_windows(enum model_use use, unsigned threads, size_t max_seq)
{
	const struct model_args args = {
		.config = &now.config,
		.use = use,
		.backend = now.backend,
		.isa = now.isa,
		.arith = now.arith,
		.threads = threads,
		.max_batch = use == MODEL_GENERATE ? 1 : B,
		.max_seq = max_seq,
		.max_passes = 1,
	};

	return (model_open(&args));
}

static struct model *
open_model(enum model_use use, unsigned threads)
{
	return (open_windows(use, threads, T));
}

/* First values with something in every tensor that starts at zero. */
static float *
weights(const struct params *p, int everywhere)
{
	float *w = calloc(p->n, sizeof(*w));
	struct rng rng;

	params_init(p, 3, w);
	rng_seed(&rng, 4, 0);
	for (size_t i = 0; i < p->count; i++)
		for (size_t j = 0; p->tensors[i].group == PARAMS_FROZEN && j < p->tensors[i].n; j++)
			w[p->tensors[i].offset + j] = (float)rng_normal(&rng);
	for (size_t i = 0; everywhere && i < p->n; i++)
		w[i] += (float)(0.1 * rng_normal(&rng));
	return (w);
}

static void
draw_ids(int32_t *ids, size_t n, uint64_t seed)
{
	struct rng rng;

	rng_seed(&rng, 5, seed);
	for (size_t i = 0; i < n; i++)
		ids[i] = (int32_t)rng_below(&rng, V);
	/* BOS inside, twice on end, and first. */
	ids[0] = ids[5] = ids[6] = 1;
}

/* A sequence scores the same bits alone as among others, and when all are scored again. */
static int
packed(struct model *m)
{
	int32_t ids[B * T + 1];
	float together[B * T], alone[B * T];
	const struct model_batch all = { ids, ids + 1, B, T };

	draw_ids(ids, B * T + 1, 1);
	model_begin(m);
	model_loss(m, &all, 0);
	model_nats(m, 0, B * T, together);
	for (size_t b = B; b-- > 0;) {
		const struct model_batch one = { ids + b * T, ids + b * T + 1, 1, T };

		model_loss(m, &one, 0);
		model_nats(m, 0, T, alone + b * T);
	}
	model_end(m);
	return (memcmp(together, alone, sizeof(alone)) == 0);
}

static int
read_stream(void *cookie, uint64_t at, int32_t *ids, size_t n)
{
	memcpy(ids, (const int32_t *)cookie + at, n * sizeof(*ids));
	return (0);
}

/* Losses of a stream by the place of their targets. */
static void
score_stream(struct model *m, const char *law, int32_t *stream, float *at)
{
	struct score_args args = { .model = m,
		.bos = 1,
		.windows = B,
		.tokens = STREAM,
		.source = read_stream,
		.cookie = stream };
	struct score *s = score_law_parse(law, T, &args.law) == 0 ? score_open(&args) : NULL;
	uint64_t first, end;
	const float *nats;
	size_t n;

	if (s == NULL)
		abort();
	for (uint64_t part = 0; part < score_parts(s); part++) {
		score_span(s, part, &first, &end);
		if (score_part(s, part, &nats, &n) != 0)
			abort();
		memcpy(at + first, nats, n * sizeof(*nats));
	}
	score_close(s);
}

/*
 * Every token of a stream in turn, or every ${each}th, becomes another: how far losses before it move at most, and at
 * how many places none does from it on.
 */
static double
moved(struct model *m, const char *law, size_t each, size_t *unseen)
{
	int32_t stream[STREAM];
	float before[STREAM] = { 0 }, after[STREAM] = { 0 };
	double worst = 0;

	draw_ids(stream, STREAM, 3);
	score_stream(m, law, stream, before);
	*unseen = 0;
	for (size_t p = 1; p < STREAM; p += each) {
		const int32_t was = stream[p];
		size_t i;

		/* What follows a window that nothing follows is not scored. */
		if (before[p] == 0)
			continue;
		stream[p] = was == 1 ? V - 1 : 1;
		score_stream(m, law, stream, after);
		stream[p] = was;
		for (i = 1; i < p; i++)
			worst = fmax(worst, fabs((double)after[i] - before[i]));
		while (i < STREAM && after[i] == before[i])
			i++;
		*unseen += i == STREAM;
	}
	return (worst);
}

/*
 * What is read, and not what is predicted, becomes another: how far losses move at most at positions before it, the
 * last of which has the unchanged token for its target.
 */
static double
foreseen(struct model *m)
{
	int32_t ids[B * T + 1], inputs[B * T];
	float before[B * T], after[B * T];
	const struct model_batch all = { ids, ids + 1, B, T }, other = { inputs, ids + 1, B, T };
	double worst = 0;

	draw_ids(ids, B * T + 1, 4);
	model_begin(m);
	model_loss(m, &all, 0);
	model_nats(m, 0, B * T, before);
	for (size_t t = 1; t < T; t++) {
		memcpy(inputs, ids, sizeof(inputs));
		for (size_t b = 0; b < B; b++)
			inputs[b * T + t] = ids[b * T + t] == 1 ? V - 1 : 1;
		model_loss(m, &other, 0);
		model_nats(m, 0, B * T, after);
		for (size_t i = 0; i < B * T; i++)
			if (i % T < t)
				worst = fmax(worst, fabs((double)after[i] - before[i]));
	}
	model_end(m);
	return (worst);
}

/* The attention's powers count from the longest key of the whole window, so that cpu may round an earlier row anew. */
static void
check_later(const struct lever *lever, struct model *score)
{
	static const char *const laws[] = { "non_overlapping", "sliding:1", "sliding:4", "documents" };
	const int exact = strcmp(now.backend, "ref") == 0;
	const double allowed = exact ? 0 : now.arith == OPS_BF16 ? 0.03 : 4e-6, ahead = foreseen(score);

	tap_ok(ahead <= allowed, "%s: no loss depends on the token that it predicts but as its target%s (%.2g)",
	    lever->what, exact ? "" : ", beyond rounding", ahead);
	for (size_t i = 0; i < sizeof(laws) / sizeof(laws[0]); i++) {
		size_t unseen;
		const double worst = moved(score, laws[i], exact ? 1 : 3, &unseen);

		tap_ok(worst <= allowed && unseen == 0,
		    "%s, %s: a later token never changes an earlier loss%s (%.2g), and is seen from its place on",
		    lever->what, laws[i], exact ? "" : ", beyond rounding", worst);
	}
}

/* Losses of B sequences, of which only the last ${last} of each are asked for; LONG: of all, as training does. */
static void
last_losses(struct model *m, const int32_t *ids, size_t last, float *nats)
{
	const struct model_batch batch = { ids, ids + 1, B, LONG };

	model_begin(m);
	if ((last == LONG ? model_loss(m, &batch, 0) : model_loss_last(m, &batch, last)) != 0)
		abort();
	model_nats(m, 0, B * LONG, nats);
	model_end(m);
}

/* Whether the last losses alone have the bits that they have among all, and whether those before them are left out. */
static int
last_alone(struct model *m, int *left_out)
{
	static const size_t lasts[] = { 1, 64, 101 };
	static int32_t ids[B * LONG + 1], others[B * LONG + 1];
	static float all[B * LONG], before[B * LONG], nats[B * LONG];
	int same = 1;

	draw_ids(ids, B * LONG + 1, 7);
	draw_ids(others, B * LONG + 1, 8);
	last_losses(m, ids, LONG, all);
	for (size_t i = 0; i < sizeof(lasts) / sizeof(lasts[0]); i++) {
		const size_t skipped = LONG - lasts[i];

		last_losses(m, others, LONG, before);
		last_losses(m, ids, lasts[i], nats);
		for (size_t b = 0; b < B; b++)
			same &= memcmp(nats + b * LONG + skipped, all + b * LONG + skipped, lasts[i] * sizeof(*nats)) ==
			    0;
		if (lasts[i] == 1)
			*left_out = memcmp(nats, before, LONG / 3 * sizeof(*nats)) == 0;
	}
	return (same);
}

/* Whether a stream scored by sliding windows gets the bits that it has when each window is passed over whole. */
static int
slid_whole(struct model *m)
{
	static int32_t stream[LONG_STREAM];
	static float nats[LONG];
	struct score_args args = { .model = m,
		.bos = 1,
		.windows = B,
		.tokens = LONG_STREAM,
		.source = read_stream,
		.cookie = stream,
		.law = { .mode = SCORE_SLIDING, .seq_len = LONG, .stride = STRIDE } };
	struct score *s;
	size_t end = 0;
	int same = 1;

	draw_ids(stream, LONG_STREAM, 9);
	if ((s = score_open(&args)) == NULL)
		abort();
	for (uint64_t part = 0; part < score_parts(s); part++) {
		const float *scored;
		size_t n;

		if (score_part(s, part, &scored, &n) != 0)
			abort();
		for (size_t i = 0, more; i < n; i += more) {
			const size_t left = LONG_STREAM - 1 - end;
			struct model_batch one = { .B = 1, .T = LONG };
			float copy[LONG];

			more = end == 0 ? LONG : left < STRIDE ? left : STRIDE;
			end += more;
			memcpy(copy, scored + i, more * sizeof(*copy));
			one.inputs = stream + end - LONG;
			one.targets = one.inputs + 1;
			model_begin(m);
			if (model_loss(m, &one, 0) != 0)
				abort();
			model_nats(m, 0, LONG, nats);
			model_end(m);
			same &= memcmp(copy, nats + LONG - more, more * sizeof(*nats)) == 0;
		}
	}
	score_close(s);
	return (same && end == LONG_STREAM - 1);
}

/* With a cache, in pieces of any size: the logits of a full pass, up to rounding. */
static double
cached(struct model *score, struct model *generate)
{
	int32_t ids[T + 1];
	float full[T * V], piece[V];
	const struct model_batch one = { ids, ids + 1, 1, T };
	double worst = 0;

	draw_ids(ids, T + 1, 2);
	model_begin(score);
	model_logits(score, &one, full);
	model_end(score);
	for (size_t first = 1; first <= T; first += 3) {
		model_rewind(generate);
		for (size_t t = 0; t < T;) {
			const size_t n = t == 0 ? first : 1;

			if (model_extend(generate, ids + t, n, piece) != 0)
				return (INFINITY);
			t += n;
			for (size_t v = 0; v < V; v++)
				worst = fmax(worst, fabs(piece[v] - full[(t - 1) * V + v]));
		}
	}
	return (worst);
}

/* Steps of training from the public first values; the names of tensors without a gradient in the last go to stdout. */
static float *
trained(struct model *m, size_t *idle)
{
	const struct params *p = model_params(m);
	float *w = weights(p, 0), *g = calloc(p->n, sizeof(*g));
	struct optimizer_law law;
	struct optimizer *o;
	int32_t ids[B * T + 1];
	const struct model_batch all = { ids, ids + 1, B, T };

	trainspec_law(&law);
	model_set(m, w);
	if ((o = optimizer_open(m, NULL)) == NULL)
		abort();
	*idle = 0;
	for (uint64_t step = 0; step < STEPS; step++) {
		draw_ids(ids, B * T + 1, step);
		model_begin(m);
		model_grad(m, &all, 0, 1.0f / (B * T));
		optimizer_step(o, &law, step, &(struct schedule_rates){ 1, 1, NAN, 0, 0, 0 }, optimizer_norm(o));
		model_end(m);
		model_get_grad(m, g);
	}
	for (size_t i = 0; i < p->count; i++) {
		size_t zeros = 0;

		for (size_t j = 0; j < p->tensors[i].n; j++)
			zeros += g[p->tensors[i].offset + j] == 0;
		if (zeros == p->tensors[i].n && p->tensors[i].group != PARAMS_FROZEN) {
			printf("# %s has no gradient\n", p->tensors[i].name);
			++*idle;
		}
	}
	model_get(m, w);
	optimizer_close(o);
	free(g);
	return (w);
}

static void
check(const struct lever *lever)
{
	struct model *score, *generate, *one, *three, *windows;
	float *w, *w1, *w3;
	size_t idle, again;
	double error;
	int left_out = 0;

	if (configure(&now.config, lever->keys) != 0) {
		tap_ok(0, "%s: is a model", lever->what);
		return;
	}
	score = open_model(MODEL_SCORE, 2);
	generate = open_model(MODEL_GENERATE, 1);
	one = open_model(MODEL_TRAIN, 1);
	three = open_model(MODEL_TRAIN, 3);
	windows = open_windows(MODEL_SCORE, 1, LONG);
	if (score == NULL || generate == NULL || one == NULL || three == NULL || windows == NULL) {
		tap_ok(0, "%s: opens", lever->what);
		return;
	}
	w = weights(model_params(score), 1);
	model_set(score, w);
	model_set(generate, w);
	model_set(one, w);
	model_set(windows, w);
	tap_ok(last_alone(windows, &left_out), "%s: the last losses alone have the bits that they have among all",
	    lever->what);
	tap_ok(left_out, "%s: and those that nobody asked for are not made", lever->what);
	tap_ok(slid_whole(windows), "%s: sliding windows give the bits of windows passed over whole", lever->what);
	tap_ok(packed(score) && packed(one), "%s: a sequence scores the same bits alone and among others", lever->what);
	check_later(lever, score);
	error = cached(score, generate);
	tap_ok(error < (now.arith == OPS_BF16 ? 0.1 : 2e-4), "%s: with a cache the same logits (%.2g)", lever->what,
	    error);
	w1 = trained(one, &idle);
	w3 = trained(three, &again);
	tap_ok(memcmp(w1, w3, model_params(one)->n * sizeof(*w1)) == 0, "%s: the same bits with any threads",
	    lever->what);
	tap_ok(idle == 0 && again == 0, "%s: every tensor learns from the third step at the latest", lever->what);
	free(w);
	free(w1);
	free(w3);
	model_close(score);
	model_close(generate);
	model_close(one);
	model_close(three);
	model_close(windows);
}

static void
check_all(const char *backend, const char *isa, enum ops_arith arith)
{
	struct model *m;

	now.backend = backend;
	now.isa = isa;
	now.arith = arith;
	configure(&now.config, "{}");
	if ((m = open_model(MODEL_SCORE, 1)) == NULL) {
		tap_ok(errno == ENODEV, "%s %s # SKIP this machine cannot run it", backend, isa);
		return;
	}
	printf("# %s %s %s\n", backend, model_isa(m), arith == OPS_BF16 ? "bf16" : "fp32");
	model_close(m);
	for (size_t i = 0; i < LEVERS; i++)
		check(&levers[i]);
}

/* What no model can be, by the key that says so. */
static void
refusals(void)
{
	static const struct {
		const char *key, *keys;
	} cases[] = {
		{ "encoder_layers", "{\"encoder_layers\": 3}" },
		{ "encoder_layers", "{\"encoder_layers\": 5, \"loop\": [1, 2, 3]}" },
		{ "loop", "{\"loop\": [1, 2]}" },
		{ "loop", "{\"loop\": [2, 1, 2]}" },
		{ "loop", "{\"loop\": [1, 5, 2]}" },
		{ "loop", "{\"loop\": [1, 2, 1]}" },
		{ "loop", "{\"loop\": [1, 2, 65]}" },
		{ "loop", "{\"loop\": [1, 2, -1]}" },
		{ "loop", "{\"loop\": 2}" },
		{ "parallel_from", "{\"loop\": [2, 3, 2], \"parallel_from\": 3}" },
		{ "mlp_activation", "{\"mlp_activation\": \"gelu\"}" },
		{ "value_residual", "{\"value_residual\": true, \"num_layers\": 1}" },
		{ "value_embed_layers", "{\"value_embed_layers\": [5]}" },
		{ "value_embed_layers", "{\"value_embed_layers\": [2, 2]}" },
		{ "bigram_buckets", "{\"bigram_buckets\": 1}" },
		{ "bigram_dim", "{\"bigram_dim\": 0}" },
		{ "bigram_prior", "{\"bigram_prior\": \"counts\", \"vocab_size\": 2049}" },
		{ "xsa_layers", "{\"xsa_layers\": 6}" },
		{ "rope_dims", "{\"rope_dims\": 3}" },
		{ "rope_dims", "{\"rope_dims\": 12}" },
		{ "skip_gate", "{\"skip_gate\": true, \"encoder_layers\": 0}" },
		{ "parallel_from", "{\"parallel_from\": 5}" },
		{ "parallel_from", "{\"parallel_from\": 1}" },
		{ "parallel_from", "{\"parallel_from\": 0, \"encoder_layers\": 1}" },
		{ "smear", "{\"smear\": 1}" },
		{ "ln_scale", "{\"ln_scale\": null}" },
	};
	struct config c;
	char quoted[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(quoted, sizeof(quoted), "'%s'", cases[i].key);
		tap_ok(configure(&c, cases[i].keys) == -1 && strstr(say_last(), quoted) != NULL,
		    "%s is refused by name", cases[i].keys);
	}
}

/* Weights after steps of training, all buffers apart or not, through loops or not. */
static float *
trained_sharing(int apart, int looping, size_t *n)
{
	const struct model_args args = { .config = &now.config,
		.use = MODEL_TRAIN,
		.backend = now.backend,
		.isa = now.isa,
		.arith = now.arith,
		.threads = 2,
		.max_batch = B,
		.max_seq = T,
		.max_passes = 1,
		.apart = apart };
	struct model *m = model_open(&args);
	size_t idle;
	float *w;

	if (m == NULL)
		abort();
	model_loop(m, looping);
	w = trained(m, &idle);
	*n = model_params(m)->n;
	model_close(m);
	return (w);
}

static void
sharing(enum ops_arith arith)
{
	/*
	 * Streams and heads that fill whole vectors, streams alone, or neither: what does not is shared otherwise.
	 * Even and odd numbers of layers: the last stream is where a skip's gradient waits, or is not.
	 */
	static const struct {
		size_t dim, more_layers;
	} shapes[] = { { 64, 0 }, { 64, 1 }, { 32, 0 }, { 40, 1 } };

	for (size_t i = 0; i < 4 * LEVERS; i++) {
		const struct lever *lever = &levers[i / 4];
		float *apart, *shared;
		size_t n;

		now.backend = "cpu";
		now.isa = "auto";
		now.arith = arith;
		if (configure(&now.config, lever->keys) != 0)
			abort();
		now.config.model_dim = shapes[i % 4].dim;
		now.config.num_layers += shapes[i % 4].more_layers;
		apart = trained_sharing(1, i % 2 == 0, &n);
		shared = trained_sharing(0, i % 2 == 0, &n);
		tap_ok(memcmp(apart, shared, n * sizeof(*apart)) == 0,
		    "%s, %zu layers of %zu, %s: what is never in use at once shares memory, and every bit stays",
		    lever->what, now.config.num_layers, now.config.model_dim, arith == OPS_BF16 ? "bf16" : "fp32");
		free(apart);
		free(shared);
	}
}

int
main(void)
{
	const char *const *isa;

	say_init("levers");
	refusals();
	check_all("ref", "auto", OPS_FP32);
	for (isa = ops_find("cpu")->isa_names; *isa != NULL; isa++) {
		check_all("cpu", *isa, OPS_FP32);
		check_all("cpu", *isa, OPS_BF16);
	}
	sharing(OPS_FP32);
	sharing(OPS_BF16);
	return (tap_done());
}
