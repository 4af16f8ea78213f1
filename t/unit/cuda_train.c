/*
 * Training on the CUDA backend, through the model that all backends share:
 * losses and weights of the reference, the same bits every time, generation
 * from a cache, and, emulated, what a card that fails looks like.
 */

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "optimizer.h"
#include "rng.h"
#include "say.h"
#include "tap.h"
#ifdef HG_EMU
#include "emu_control.h"
#endif

enum { B = 2, T = 21, STEPS = 10, MICRO = 2 };

static const struct shape {
	const char *what;
	struct config config;
} shapes[] = {
	{ "groups of two, tied, four layers", { 29, 4, 32, 4, 2, 2, 1, 10000, 30, 1.5, 0.3 } },
	{ "one key/value head in groups of three, untied, odd layers", { 23, 3, 24, 3, 1, 2, 0, 10000, 30, 1.5, 0.3 } },
};

static struct model *
open_model(const struct config *config, enum model_use use, const char *backend, enum ops_arith arith)
{
	const struct model_args args = {
		.config = config, .use = use, .backend = backend, .isa = "auto", .arith = arith, .threads = 1,
		.max_batch = use == MODEL_GENERATE ? 1 : B, .max_seq = T, .max_passes = MICRO,
	};

	return (model_open(&args));
}

/* Train from fixed weights on fixed ids; losses[STEPS], and the weights after it unless w is NULL. */
static int
train(const struct config *config, const char *backend, enum ops_arith arith, double *losses, float *w)
{
	struct model *m = open_model(config, MODEL_TRAIN, backend, arith);
	struct optimizer *o;
	struct optimizer_law law;
	struct rng rng;
	float *init, nats[B * T];

	if (m == NULL || (o = optimizer_open(m)) == NULL)
		return (-1);
	init = calloc(model_params(m)->n, sizeof(*init));
	params_init(model_params(m), 3, init);
	rng_seed(&rng, 8, 0);
	for (size_t i = 0; i < model_params(m)->n; i++)
		init[i] += 0.05f * (float)rng_normal(&rng);	/* the public law leaves projections at zero */
	model_set(m, init);
	free(init);
	optimizer_law_default(&law);
	law.grad_clip_norm = 1;
	for (int step = 0; step < STEPS; step++) {
		double sum = 0, norm;

		model_begin(m);
		for (size_t pass = 0; pass < MICRO; pass++) {
			int32_t ids[B * T + 1];
			const struct model_batch batch = { ids, ids + 1, B, T };
			int32_t id = (int32_t)pass;

			for (int i = 0; i <= B * T; i++) {	/* a language with some sense */
				ids[i] = id;
				id = rng_below(&rng, 4) ? (id * 7 + 3) % (int32_t)config->vocab_size :
				    (int32_t)rng_below(&rng, config->vocab_size);
			}
			if (model_grad(m, &batch, pass, 1.0f / (MICRO * B * T)) != 0)
				return (-1);
		}
		norm = optimizer_norm(o);
		optimizer_step(o, &law, (uint64_t)step, 0.2, norm);
		for (size_t pass = 0; pass < MICRO; pass++) {
			model_nats(m, pass, B * T, nats);
			for (int i = 0; i < B * T; i++)
				sum += nats[i];
		}
		model_end(m);
		losses[step] = sum / (MICRO * B * T);
	}
	if (w != NULL)
		model_get(m, w);
	optimizer_close(o);
	model_close(m);
	return (0);
}

/* The largest relative difference of two runs' losses; NaN if either has one. */
static double
apart(const double *a, const double *b)
{
	double most = 0;

	for (int i = 0; i < STEPS; i++) {
		const double difference = fabs(a[i] - b[i]) / fabs(b[i]);

		if (!(difference <= most))
			most = difference;
	}
	return (most);
}

static void
test_training(const struct shape *shape)
{
	static float w[2][1 << 17];
	double ref[STEPS], card[STEPS], again[STEPS], difference;

	if (!tap_ok(train(&shape->config, "ref", OPS_FP32, ref, NULL) == 0 &&
	    train(&shape->config, "cuda", OPS_FP32, card, w[0]) == 0, "%s: ten steps run", shape->what))
		return;
	difference = apart(card, ref);
	tap_ok(ref[STEPS - 1] < 0.95 * ref[0] && difference < 1e-5,
	    "%s: losses fall as the reference's do (%.4f to %.4f, %.2g apart)", shape->what, card[0], card[STEPS - 1],
	    difference);
#ifdef HG_EMU
	emu_set_order(EMU_RANDOM, 5);
#endif
	train(&shape->config, "cuda", OPS_FP32, again, w[1]);
#ifdef HG_EMU
	emu_set_order(EMU_FORWARD, 0);
#endif
	tap_ok(memcmp(card, again, sizeof(card)) == 0 && memcmp(w[0], w[1], sizeof(w[0])) == 0,
	    "%s: a second run gives the same bits", shape->what);
	train(&shape->config, "cuda", OPS_BF16, card, NULL);
	difference = apart(card, ref);
	tap_ok(difference > 1e-6 && difference < 2e-2, "%s: bf16 stays near (%.2g apart)", shape->what, difference);
}

/* One pass over all tokens, and token after token behind a cache, give one distribution. */
static void
test_generation(const struct shape *shape)
{
	struct model *score = open_model(&shape->config, MODEL_SCORE, "cuda", OPS_FP32);
	struct model *generate = open_model(&shape->config, MODEL_GENERATE, "cuda", OPS_FP32);
	const size_t V = shape->config.vocab_size;
	int32_t ids[T];
	const struct model_batch batch = { ids, ids, 1, T };
	float *w = calloc(model_params(score)->n, sizeof(*w)), *all = calloc(T * V, sizeof(*all)), *one;
	double most = 0;
	size_t at = 0;

	one = calloc(V, sizeof(*one));
	for (int i = 0; i < T; i++)
		ids[i] = (int32_t)((size_t)(i * i) % V);
	params_init(model_params(score), 9, w);
	for (size_t i = 0; i < model_params(score)->n; i++)
		w[i] += (float)(i % 7) * 0.02f;
	model_set(score, w);
	model_set(generate, w);
	model_logits(score, &batch, all);
	for (size_t n = 5; at < T; at += n, n = 1) {
		model_extend(generate, ids + at, n, one);
		for (size_t v = 0; v < V; v++) {
			const double difference = fabs(one[v] - all[(at + n - 1) * V + v]);

			if (!(difference <= most))
				most = difference;	/* a NaN too */
		}
	}
	tap_ok(most < 1e-4, "%s: generation behind a cache agrees with one pass (%.2g apart)", shape->what, most);
	free(one);
	free(all);
	free(w);
	model_close(generate);
	model_close(score);
}

/* A NaN among the weights must reach the loss, whatever branch it stands in. */
static void
test_nan(const struct shape *shape, enum ops_arith arith)
{
	struct model *m = open_model(&shape->config, MODEL_SCORE, "cuda", arith);
	const struct params *p = model_params(m);
	float *w = calloc(p->n, sizeof(*w)), nats[B * T];
	int32_t ids[B * T + 1] = { 0 };
	const struct model_batch batch = { ids, ids + 1, B, T };
	size_t silent = 0;

	for (size_t i = 0; i < p->count; i++) {
		double sum = 0;

		params_init(p, 3, w);
		for (size_t j = 0; j < p->n; j++)
			w[j] += 0.1f;
		w[p->tensors[i].offset] = NAN;
		model_set(m, w);
		model_loss(m, &batch, 0);
		model_nats(m, 0, B * T, nats);
		for (int j = 0; j < B * T; j++)
			sum += nats[j];
		silent += !isnan(sum);
	}
	tap_ok(silent == 0, "a NaN in any weight shows in the loss (%s)", arith == OPS_BF16 ? "bf16" : "fp32");
	free(w);
	model_close(m);
}

#ifdef HG_EMU
/* After the first step nothing is allocated, and nothing waits but what asks for a number. */
static void
test_step_never_waits(const struct shape *shape)
{
	struct model *m = open_model(&shape->config, MODEL_TRAIN, "cuda", OPS_BF16);
	struct optimizer *o = optimizer_open(m);
	struct optimizer_law law;
	struct emu_counts before = emu_count(), after;
	int32_t ids[B * T + 1] = { 0 };
	const struct model_batch batch = { ids, ids + 1, B, T };

	optimizer_law_default(&law);
	for (int step = 0; step < 2; step++) {
		before = emu_count();
		model_begin(m);
		for (size_t pass = 0; pass < MICRO; pass++)
			model_grad(m, &batch, pass, 1);
		optimizer_step(o, &law, (uint64_t)step, 1, 0);
		model_end(m);
	}
	after = emu_count();
	tap_ok(after.submitted > before.submitted + 100 && after.waits == before.waits,
	    "a step submits all its work without waiting for the device");
	tap_ok(after.allocations == before.allocations, "a step allocates nothing");
	optimizer_close(o);
	model_close(m);
}

static void
test_failures(const struct shape *shape)
{
	const uint64_t live = emu_count().live_bytes;

	emu_set_devices(0);
	errno = 0;
	tap_ok(open_model(&shape->config, MODEL_SCORE, "cuda", OPS_FP32) == NULL && errno == ENODEV,
	    "without a card open fails with ENODEV");
	tap_ok(strstr(say_last(), "nvidia-smi") != NULL && strstr(say_last(), "system.backend=cpu") != NULL,
	    "and says what to do");
	emu_set_devices(1);
	for (size_t bytes = 1 << 16; bytes < (size_t)1 << 32; bytes *= 2) {
		struct model *m;

		emu_set_memory(bytes);
		errno = 0;
		if ((m = open_model(&shape->config, MODEL_TRAIN, "cuda", OPS_BF16)) != NULL) {
			model_close(m);
			break;
		}
		if (errno != ENOMEM || strstr(say_last(), "micro_batch_tokens") == NULL) {
			tap_ok(0, "a card of %zu bytes: errno %d, '%s'", bytes, errno, say_last());
			break;
		}
	}
	emu_set_memory((size_t)8 << 30);
	tap_ok(emu_count().live_bytes == live, "a card too small, by whatever much, leaves nothing allocated");
}
#endif

int
main(void)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		test_training(&shapes[i]);
		test_generation(&shapes[i]);
	}
	test_nan(&shapes[0], OPS_FP32);
	test_nan(&shapes[0], OPS_BF16);
#ifdef HG_EMU
	test_step_never_waits(&shapes[0]);
	test_failures(&shapes[0]);
	tap_ok(emu_count().damaged == 0 && emu_count().live_bytes == 0, "no memory is left behind or overwritten");
#endif
	return (tap_done());
}
