/*
 * Training on the CUDA backend, through the model that all backends share:
 * losses and weights of the reference, the same bits every time, generation
 * from a cache, steps replayed as graphs, and, emulated, copies that come as
 * early or late as events let them, and what a card that fails looks like.
 */

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gpt/model.h"
#include "gpt/trainspec.h"
#include "gpt/optimizer.h"
#include "base/rng.h"
#include "base/say.h"
#include "gpt/trainer_open.h"
#include "t/unit/tap.h"
#include "gpt/trainer.h"
#ifdef HG_EMU
#include "cuda/emu_control.h"
#endif

enum { B = 2, T = 21, STEPS = 10, MICRO = 2 };

static const struct shape {
	const char *what;
	struct config config;
} shapes[] = {
	{ "groups of two, tied, four layers", { 29, 4, 32, 4, 2, 2, 1, 10000, 30, 1.5, 0.3, CONFIG_LATER } },
	{ "one key/value head in groups of three, untied, odd layers",
	    { 23, 3, 24, 3, 1, 2, 0, 10000, 30, 1.5, 0.3, CONFIG_LATER } },
};

/* For what depends on the order of steps and passes, not on shapes. */
static const struct shape little = { "two small layers", { 11, 2, 16, 2, 1, 2, 0, 10000, 30, 1.5, 0.3, CONFIG_LATER } };

static struct model *
open_model(const struct config *config, enum model_use use, const char *backend, enum ops_arith arith)
{
	const struct model_args args = {
		.config = config,
		.use = use,
		.backend = backend,
		.isa = "auto",
		.arith = arith,
		.threads = 1,
		.max_batch = use == MODEL_GENERATE ? 1 : B,
		.max_seq = T,
		.max_passes = MICRO,
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

	if (m == NULL || (o = optimizer_open(m, NULL)) == NULL)
		return (-1);
	init = calloc(model_params(m)->n, sizeof(*init));
	params_init(model_params(m), 3, init);
	rng_seed(&rng, 8, 0);
	for (size_t i = 0; i < model_params(m)->n; i++)
		init[i] += 0.05f * (float)rng_normal(&rng); /* the public law leaves projections at zero */
	model_set(m, init);
	free(init);
	trainspec_law(&law);
	law.grad_clip_norm = 1;
	for (int step = 0; step < STEPS; step++) {
		double sum = 0, norm;

		model_begin(m);
		for (size_t pass = 0; pass < MICRO; pass++) {
			int32_t ids[B * T + 1];
			const struct model_batch batch = { ids, ids + 1, B, T };
			int32_t id = (int32_t)pass;

			for (int i = 0; i <= B * T; i++) { /* a language with some sense */
				ids[i] = id;
				id = rng_below(&rng, 4) ? (id * 7 + 3) % (int32_t)config->vocab_size :
							  (int32_t)rng_below(&rng, config->vocab_size);
			}
			if (model_grad(m, &batch, pass, 1.0f / (MICRO * B * T)) != 0)
				return (-1);
		}
		norm = optimizer_norm(o);
		optimizer_step(o, &law, (uint64_t)step, &(struct schedule_rates){ 0.2, 0.2, NAN, 0, 0, 0 }, norm);
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
		    train(&shape->config, "cuda", OPS_FP32, card, w[0]) == 0,
		"%s: ten steps run", shape->what))
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

/* A shape with all the levers that add operations to it. */
static struct shape
with_levers(const struct shape *plain, const char *what)
{
	struct shape s = *plain;

	s.what = what;
	s.config.value_residual = s.config.ln_scale = s.config.skip_gate = 1;
	s.config.xsa_layers = s.config.num_layers - 1;
	s.config.rope_dims = 4;
	s.config.parallel_from = config_skips(&s.config);
	s.config.attn_gate = s.config.smear = 1;
	s.config.value_embed_layers.bits[0] = 1 << 1;
	s.config.bigram_buckets = 19;
	s.config.bigram_dim = 6;
	s.config.bigram_prior = CONFIG_COUNTS;
	return (s);
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
				most = difference; /* a NaN too */
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

/* --- steps as a trainer makes them ------------------------------------------- */

enum { LONG_STEPS = 4, MANY = 20, PASS = 3 };

/* A trainer whose step has MANY passes of PASS tokens: more than there are slots for what travels to the card. */
struct rig {
	struct model *m;
	struct trainer *t;
	struct optimizer_law law;
	float w[1 << 19];
	double losses[LONG_STEPS];
};

static int
source(void *cookie, uint64_t span, int32_t *ids, size_t n)
{
	const struct rig *r = cookie;

	for (size_t i = 0; i < n; i++)
		ids[i] = (int32_t)((span * 5 + i * i * 3) % model_params(r->m)->config.vocab_size);
	return (0);
}

static int
open_rig_with(struct rig *r, const struct config *config, const char *backend, size_t batch, size_t seq, size_t passes,
    double clip, enum optimizer_average average)
{
	const struct model_args args = {
		.config = config,
		.use = MODEL_TRAIN,
		.backend = backend,
		.isa = "auto",
		.arith = OPS_FP32,
		.threads = 1,
		.max_batch = batch,
		.max_seq = seq,
		.max_passes = passes,
	};
	struct trainer_args job = {
		.law = &r->law,
		.seq_len = seq,
		.batch_tokens = passes * batch * seq,
		.micro_batch_tokens = batch * seq,
		.source = source,
		.cookie = r,
	};

	trainspec_law(&r->law);
	r->law.grad_clip_norm = clip;
	r->law.average = average;
	if ((r->m = model_open(&args)) == NULL)
		return (-1);
	job.model = r->m;
	params_init(model_params(r->m), 3, r->w);
	model_set(r->m, r->w);
	return ((r->t = trainer_open(&job)) != NULL ? 0 : -1);
}

static int
open_rig_of(struct rig *r, const struct config *config, const char *backend, size_t batch, size_t seq, size_t passes,
    double clip)
{
	return (open_rig_with(r, config, backend, batch, seq, passes, clip, OPTIMIZER_NO_AVERAGE));
}

static int
open_rig_averaged(struct rig *r, const struct config *config, const char *backend, size_t passes, double clip)
{
	return (open_rig_with(r, config, backend, 1, PASS, passes, clip, OPTIMIZER_AVERAGE_TAIL));
}

static int
open_rig(struct rig *r, const struct config *config, const char *backend, size_t passes, double clip)
{
	return (open_rig_of(r, config, backend, 1, PASS, passes, clip));
}

static void
close_rig(struct rig *r)
{
	trainer_close(r->t);
	model_close(r->m);
}

/* Steps at falling rates; leaves losses and weights. */
static int
run_rig(struct rig *r)
{
	struct trainer_result result;

	for (int i = 0; i < LONG_STEPS; i++) {
		if (trainer_step(r->t, &(struct schedule_rates){ 0.5 - 0.05 * i, 0.5 - 0.05 * i, NAN, 0, 0, 0 },
			&result) != 0)
			return (-1);
		r->losses[i] = result.loss;
	}
	model_get(r->m, r->w);
	return (0);
}

static int
train_rig(struct rig *r, const struct config *config, const char *backend, size_t passes, double clip)
{
	int rc;

	if (open_rig(r, config, backend, passes, clip) != 0)
		return (-1);
	rc = run_rig(r);
	close_rig(r);
	return (rc);
}

static int
same_rig(const struct rig *a, const struct rig *b)
{
	return (memcmp(a->losses, b->losses, sizeof(a->losses)) == 0 && memcmp(a->w, b->w, sizeof(a->w)) == 0);
}

/* What differs from step to step must reach a graph that is replayed; nothing may come early, late or twice. */
static void
test_graphs(const struct shape *shape)
{
	static struct rig ref, plain, graphs;
	double most = 0;

	for (int clip = 0; clip < 2; clip++) {
		setenv("HG_CUDA_GRAPHS", "0", 1);
		train_rig(&ref, &shape->config, "ref", MANY, clip);
		train_rig(&plain, &shape->config, "cuda", MANY, clip);
		unsetenv("HG_CUDA_GRAPHS");
		for (int i = 0; i < LONG_STEPS; i++)
			most = fmax(most, fabs(plain.losses[i] - ref.losses[i]));
		tap_ok(most < 1e-4 && ref.losses[LONG_STEPS - 1] < ref.losses[0],
		    "%s, %s: steps of %d passes agree with the reference (%.2g apart)", shape->what,
		    clip ? "clipped" : "not clipped", MANY, most);
#ifdef HG_EMU
		for (int order = clip ? EMU_RANDOM : EMU_FORWARD; order <= EMU_RANDOM; order++) {
			static const char *const names[] = { "the computing stream", "the copies", "either stream" };
			const struct emu_counts before = emu_count();
			struct emu_counts after;

			emu_set_order((enum emu_order)order, 3);
			train_rig(&graphs, &shape->config, "cuda", MANY, clip);
			after = emu_count();
			tap_ok(same_rig(&plain, &graphs),
			    "the same bits by graphs, with %s as far ahead as events let it", names[order]);
			/* Two of the self-test; a pass and an update, but for the first of each; more if in pieces. */
			tap_ok(after.replayed - before.replayed >= 2 + LONG_STEPS * (MANY + 1) - 2 &&
				after.captured - before.captured <= 12,
			    "every pass and every update but the first is a graph: %d replayed, %d captured",
			    (int)(after.replayed - before.replayed), (int)(after.captured - before.captured));
		}
		emu_set_order(EMU_FORWARD, 0);
#else
		train_rig(&graphs, &shape->config, "cuda", MANY, clip);
		tap_ok(same_rig(&plain, &graphs), "the same bits by graphs");
#endif
	}
}

/* An average beside the weights, through graphs: the reference's, the same bits again, and no trace where exchanged. */
static void
test_average(const struct shape *shape)
{
	static struct rig rigs[3], plain;
	static float average[3][1 << 19];
	struct trainer_result result;
	double most = 0, exact;
	size_t n = 0;

	train_rig(&plain, &shape->config, "cuda", MANY, 1);
	for (int side = 0; side < 3; side++) {
		struct rig *r = &rigs[side];

#ifdef HG_EMU
		emu_set_order(side == 2 ? EMU_RANDOM : EMU_FORWARD, 5);
#endif
		if (open_rig_averaged(r, &shape->config, side == 0 ? "ref" : "cuda", MANY, 1) != 0)
			exit(1);
		for (int i = 0; i < LONG_STEPS; i++) {
			const double rate = 0.5 - 0.05 * i;

			if (trainer_step(r->t, &(struct schedule_rates){ rate, rate, NAN, 0, 0, 0 }, &result) != 0)
				exit(1);
			r->losses[i] = result.loss;
			trainer_average(r->t, i == 0 ? 1 : 1 - 0.2 * i);
			if (i == 2)
				trainer_exchange(r->t);
			if (i == 2)
				trainer_exchange(r->t);
		}
		model_get(r->m, r->w);
		trainer_exchange(r->t);
		model_get(r->m, average[side]);
		n = model_params(r->m)->n;
		close_rig(r);
	}
#ifdef HG_EMU
	emu_set_order(EMU_FORWARD, 0);
#endif
	for (size_t i = 0; i < n; i++) {
		exact = average[0][i];
		most = fmax(most, fabs(average[1][i] - exact));
	}
	tap_ok(most < 1e-4 && memcmp(average[1], rigs[1].w, n * sizeof(float)) != 0,
	    "%s: the average of the weights is the reference's (%.2g apart), and none of the last ones", shape->what,
	    most);
	tap_ok(memcmp(average[1], average[2], n * sizeof(float)) == 0, "%s: a second run gives its bits again",
	    shape->what);
	tap_ok(same_rig(&rigs[1], &plain), "%s: and training has the bits that it has without", shape->what);
}

/* Models and batches as nobody would choose them, through the whole of training. */
static void
test_odd_models(void)
{
	static const size_t widths[] = { 2, 4, 6, 10, 14, 18, 34, 66 };
	static const size_t vocabularies[] = { 2, 7, 33, 260 };
	static struct rig rigs[2];
	struct rng rng;

	rng_seed(&rng, 77, 0);
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		const size_t kv = 1 + rng_below(&rng, widths[i] < 20 ? 2 : 1), heads = kv * (1 + rng_below(&rng, 3));
		const struct config config = { vocabularies[i % 4], 1 + rng_below(&rng, widths[i] < 20 ? 4 : 1),
			heads * widths[i], heads, kv, 1 + rng_below(&rng, 3), rng_below(&rng, 2) != 0, 10000, 30, 1.5,
			0.3, CONFIG_LATER };
		const size_t batch = 1 + rng_below(&rng, 3), seq = 1 + rng_below(&rng, i % 2 == 0 ? 12 : 90);
		const size_t passes = 1 + rng_below(&rng, 3);
		double most = 0, error = 0, size = 0;
		size_t n = 0;

		for (int side = 0; side < 2; side++) {
			if (open_rig_of(&rigs[side], &config, side == 0 ? "ref" : "cuda", batch, seq, passes,
				i % 3 == 0) != 0)
				exit(1);
			n = model_params(rigs[side].m)->n;
			assert(n <= sizeof(rigs[side].w) / sizeof(rigs[side].w[0]));
			run_rig(&rigs[side]);
			close_rig(&rigs[side]);
		}
		for (int step = 0; step < LONG_STEPS; step++)
			most = fmax(most, fabs(rigs[1].losses[step] / rigs[0].losses[step] - 1));
		for (size_t j = 0; j < n; j++) {
			error += pow((double)rigs[1].w[j] - rigs[0].w[j], 2);
			size += pow(rigs[0].w[j], 2);
		}
		tap_ok(most < 1e-4 && error < 1e-6 * size,
		    "%zu layers, %zu/%zu heads of %zu, vocabulary %zu, %zu x %zu x %zu: as the reference "
		    "(losses %.1g, weights %.1g apart)",
		    config.num_layers, heads, kv, widths[i], config.vocab_size, passes, batch, seq, most,
		    sqrt(error / size));
	}
}

/* Passes of several shapes in turn, thrice, each loss against that of a model that does it call by call. */
static void
test_shapes(const struct shape *shape)
{
	static const struct {
		size_t B, T;
	} sizes[] = { { 2, T }, { 1, T }, { 2, T - 4 }, { 1, 1 } };
	struct model *m[2];
	float nats[2][B * T], *w;
	size_t wrong = 0;

	setenv("HG_CUDA_GRAPHS", "0", 1);
	m[0] = open_model(&shape->config, MODEL_SCORE, "cuda", OPS_BF16);
	unsetenv("HG_CUDA_GRAPHS");
	m[1] = open_model(&shape->config, MODEL_SCORE, "cuda", OPS_BF16);
	w = calloc(model_params(m[0])->n, sizeof(*w));
	for (size_t i = 0; i < model_params(m[0])->n; i++)
		w[i] = (float)(i % 11) * 0.05f - 0.2f;
	for (size_t turn = 0; turn < 12; turn++) {
		const size_t n = sizes[turn % 4].B * sizes[turn % 4].T;
		int32_t ids[B * T + 1];
		const struct model_batch batch = { ids, ids + 1, sizes[turn % 4].B, sizes[turn % 4].T };

		for (size_t i = 0; i <= n; i++)
			ids[i] = (int32_t)((i * 3 + turn) % shape->config.vocab_size);
		w[turn] += 0.1f;
		for (int side = 0; side < 2; side++) {
			model_set(m[side], w);
			model_begin(m[side]);
			model_loss(m[side], &batch, turn % MICRO);
			model_nats(m[side], turn % MICRO, n, nats[side]);
			model_end(m[side]);
		}
		wrong += memcmp(nats[0], nats[1], n * sizeof(float)) != 0;
	}
	tap_ok(wrong == 0, "shapes that take turns are graphs of their own");
	free(w);
	model_close(m[0]);
	model_close(m[1]);
}

/* A loss that is not finite holds the update back, on the card, without anybody looking. */
static void
test_held(const struct shape *shape, const char *backend)
{
	static struct rig r;
	struct trainer_result result;
	const float poison = NAN;
	size_t changed = 0, n;
	float *before;

	if (open_rig(&r, &shape->config, backend, 2, 0) != 0)
		exit(1);
	for (int i = 0; i < 3; i++)
		trainer_step(r.t, &schedule_full_rates, &result);
	model_ops(r.m)->upload(model_ctx(r.m), model_weight(r.m, params_at(model_params(r.m), 1, PARAMS_C_V)), 3,
	    &poison, 1);
	model_get(r.m, r.w);
	n = model_params(r.m)->n;
	before = malloc(n * sizeof(*before));
	memcpy(before, r.w, n * sizeof(*before));
	tap_ok(trainer_step(r.t, &schedule_full_rates, &result) == TRAINER_DIVERGED && !isfinite(result.loss),
	    "%s: a NaN is noticed", backend);
	model_get(r.m, r.w);
	for (size_t i = 0; i < n; i++)
		changed += memcmp(&before[i], &r.w[i], sizeof(float)) != 0;
	tap_ok(changed == 0 && trainer_steps(r.t) == 3, "%s: and nothing was updated", backend);
	for (size_t i = 0; i < n; i++)
		r.w[i] = isnan(r.w[i]) ? 0.1f : r.w[i];
	model_set(r.m, r.w);
	tap_ok(trainer_step(r.t, &schedule_full_rates, &result) == 0 && isfinite(result.loss),
	    "%s: with a number in its place", backend);
	model_get(r.m, r.w);
	for (size_t i = 0; i < n; i++)
		changed += before[i] != r.w[i];
	tap_ok(changed > n / 2, "%s: the next step updates again", backend);
	free(before);
	close_rig(&r);
}

/* What is put where losses stand is what is read there, whatever is on its way. */
static void
test_mirror(const struct shape *shape)
{
	struct model *m = open_model(&shape->config, MODEL_SCORE, "cuda", OPS_FP32);
	const struct ops *ops = model_ops(m);
	struct ops_ctx *ctx = model_ctx(m);
	const struct ops_rows rows = { 1, 3, 0, 0 };
	const size_t C = shape->config.model_dim;
	struct ops_buf *nats = ops->alloc(ctx, OPS_STAT, 9, 1), *x = ops->alloc(ctx, OPS_STREAM, 3, C);
	struct ops_buf *targets = ops->alloc(ctx, OPS_IDS, 3, 1);
	const float mine[9] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	const float *row = mine;
	float got[9], uniform = logf((float)shape->config.vocab_size);
	int good;

	/* Streams and weights are zeros: every loss is that of a guess. */
	for (size_t at = 0; at < 9; at += 3) {
		const struct ops_head head = { .x = x,
			.w = model_weight(m, params_head(model_params(m))),
			.targets = targets,
			.nats = nats,
			.nats_at = at };

		ops->head(ctx, rows, &head);
		ops->end(ctx);
	}
	ops->upload(ctx, nats, 1, row, 2);
	ops->download(ctx, nats, 0, got, 9);
	good = got[1] == 1 && got[2] == 2 && fabsf(got[0] - uniform) < 1e-5f && fabsf(got[8] - uniform) < 1e-5f;
	ops->upload(ctx, nats, 0, mine, 9);
	ops->head(ctx, rows,
	    &(struct ops_head){ .x = x,
		.w = model_weight(m, params_head(model_params(m))),
		.targets = targets,
		.nats = nats,
		.nats_at = 3 });
	ops->download(ctx, nats, 0, got, 9);
	good = good && got[2] == 3 && fabsf(got[3] - uniform) < 1e-5f && got[6] == 7;
	ops->zero(ctx, &nats, 1);
	ops->download(ctx, nats, 0, got, 9);
	tap_ok(good && got[0] == 0 && got[4] == 0, "losses are read as they stand, whoever wrote them");
	ops->free(ctx, targets);
	ops->free(ctx, x);
	ops->free(ctx, nats);
	model_close(m);
}

/* More loads of ids than there are slots, with no losses to fetch between them: none may overtake its reader. */
static void
test_slots(const struct shape *shape)
{
	struct model *m = open_model(&shape->config, MODEL_SCORE, "cuda", OPS_FP32);
	const struct ops *ops = model_ops(m);
	struct ops_ctx *ctx = model_ctx(m);
	const size_t C = shape->config.model_dim, V = shape->config.vocab_size;
	struct ops_buf *ids = ops->alloc(ctx, OPS_IDS, 1, 1), *x[MANY], *emb = ops->alloc(ctx, OPS_WEIGHT, V, C);
	float *w = calloc(V * C, sizeof(*w)), row;
	size_t wrong = 0;

#ifdef HG_EMU
	emu_set_order(EMU_REVERSE, 0);
#endif
	for (size_t v = 0; v < V; v++)
		w[v * C] = v % 2 == 0 ? 1 : -1;
	ops->upload(ctx, emb, 0, w, V * C);
	for (int i = 0; i < MANY; i++)
		x[i] = ops->alloc(ctx, OPS_STREAM, 1, C);
	for (int32_t i = 0; i < MANY; i++) {
		const int32_t id = i / 3;

		ops->upload(ctx, ids, 0, &id, 1);
		ops->embed(ctx, (struct ops_rows){ 1, 1, 0, 0 }, x[i], ids, emb);
	}
	for (int i = 0; i < MANY; i++) {
		ops->download(ctx, x[i], 0, &row, 1);
		wrong += !((i / 3 % 2 == 0) == (row > 0.1f));
		ops->free(ctx, x[i]);
	}
	tap_ok(wrong == 0, "of %d loads of ids in a row none overtakes its reader", MANY);
#ifdef HG_EMU
	emu_set_order(EMU_FORWARD, 0);
#endif
	free(w);
	ops->free(ctx, emb);
	ops->free(ctx, ids);
	model_close(m);
}

#ifdef HG_EMU
/* After the first steps nothing is allocated, and a step waits for the device once, when all of it is submitted. */
static void
test_step_never_waits(const struct shape *shape)
{
	static struct rig r;
	struct trainer_result result;
	struct emu_counts before, within, after;

	if (open_rig(&r, &shape->config, "cuda", 12, 0) != 0)
		exit(1);
	for (int i = 0; i < 3; i++)
		trainer_step(r.t, &schedule_full_rates, &result);
	before = emu_count();
	model_begin(r.m);
	for (size_t pass = 0; pass < 12; pass++) {
		int32_t ids[PASS + 1] = { 0 };
		const struct model_batch batch = { ids, ids + 1, 1, PASS };

		model_grad(r.m, &batch, pass, 1);
	}
	model_end(r.m);
	within = emu_count();
	tap_ok(within.submitted > before.submitted + 1000 && within.waits == before.waits,
	    "twelve passes are submitted without waiting for the device");
	model_ops(r.m)->sync(model_ctx(r.m));
	within = emu_count();
	trainer_step(r.t, &schedule_full_rates, &result);
	after = emu_count();
	tap_ok(after.waits - within.waits <= 3, "a step waits for its losses and its end alone (%d)",
	    (int)(after.waits - within.waits));
	tap_ok(after.allocations == before.allocations, "a step allocates nothing");
	close_rig(&r);
}

/* A driver that captures nothing: said once, and the same numbers. */
static void
test_no_capture(const struct shape *shape)
{
	static struct rig plain, refused;
	const struct emu_counts before = emu_count();

	setenv("HG_CUDA_GRAPHS", "0", 1);
	train_rig(&plain, &shape->config, "cuda", 3, 0);
	unsetenv("HG_CUDA_GRAPHS");
	emu_set_capture(0);
	train_rig(&refused, &shape->config, "cuda", 3, 0);
	emu_set_capture(1);
	tap_ok(same_rig(&plain, &refused) && emu_count().captured == before.captured &&
		emu_count().replayed == before.replayed,
	    "without captures every kernel is launched by itself");
}

/* "auto" looks at the card's memory, not at the host's, and what it chooses can be had. */
static void
test_auto(void)
{
	static const struct config deep = { 300, 6, 64, 4, 2, 2, 1, 10000, 30, 1.5, 0.3, CONFIG_LATER };
	static const struct config flat = { 8192, 1, 128, 4, 4, 4, 0, 10000, 30, 1.5, 0.3, CONFIG_LATER };
	const struct config *const configs[] = { &deep, &flat };
	size_t wrong = 0, last[2] = { 0, 0 }, grown = 0;

	for (size_t mib = 160; mib <= 640; mib *= 2) {
		for (size_t i = 0; i < 4; i++) {
			const struct trainspec recipe = {
				.config = *configs[i % 2],
				.seq_len = 64,
				.batch_tokens = 64 << 8,
				.backend = "cuda",
				.isa = "auto",
				.arith = i / 2 ? OPS_BF16 : OPS_FP32,
			};
			struct model_args args = {
				.config = configs[i % 2],
				.use = MODEL_TRAIN,
				.backend = "cuda",
				.isa = "auto",
				.arith = recipe.arith,
				.threads = 1,
				.max_seq = 64,
			};
			struct model *m;
			struct optimizer *o;
			size_t tokens;

			emu_set_memory(mib << 20);
			tokens = trainer_open_micro_batch(&recipe, UINT64_MAX, UINT64_MAX);
			args.max_batch = tokens / 64;
			args.max_passes = recipe.batch_tokens / tokens;
			m = model_open(&args);
			o = m != NULL ? optimizer_open(m, &recipe.law) : NULL;
			wrong += m == NULL || o == NULL;
			grown += i < 2 && tokens > last[i];
			if (i < 2)
				last[i] = tokens;
			optimizer_close(o);
			model_close(m);
		}
	}
	emu_set_memory((size_t)8 << 30);
	tap_ok(wrong == 0 && grown >= 4, "an automatic micro-batch fits the card, and grows with its memory");
}

/* Levers of the optimizer without kernels. */
static void
test_lacks(const struct shape *shape)
{
	struct model *m = open_model(&shape->config, MODEL_TRAIN, "cuda", OPS_FP32);
	struct optimizer_law law, form, scale;
	struct optimizer *o;

	if (m == NULL)
		abort();
	trainspec_law(&law);
	form = scale = law;
	form.muon_form = OPS_MUON_GRAM;
	scale.muon_scale = OPS_MUON_SCHATTEN;
	errno = 0;
	tap_ok(optimizer_open(m, &form) == NULL && errno == EINVAL &&
		strstr(say_last(), "cannot compute train.muon_form") != NULL && optimizer_open(m, &scale) == NULL &&
		errno == EINVAL && strstr(say_last(), "cannot compute train.muon_scale") != NULL,
	    "levers of Muon that the card has no kernels for are refused by their keys");
	law.muon_coefficients = OPS_MUON_MINIMAX;
	o = optimizer_open(m, &law);
	tap_ok(o != NULL, "one that needs none is not");
	optimizer_close(o);
	model_close(m);
}

static void
test_failures(const struct shape *shape)
{
	const uint64_t live = emu_count().live_bytes;
	struct config wide = shape->config;

	wide.bigram_buckets = 2;
	wide.bigram_dim = 8193;
	errno = 0;
	tap_ok(open_model(&wide, MODEL_SCORE, "cuda", OPS_FP32) == NULL && errno == EINVAL &&
		strstr(say_last(), "model.bigram_dim=8193") != NULL,
	    "a table of pairs too wide for shared memory is refused by its key");
	test_lacks(shape);
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
		if (errno != ENOMEM || strstr(say_last(), "bytes asked for") == NULL ||
		    strstr(say_last(), "lower train.micro_batch_tokens") == NULL) {
			tap_ok(0, "a card of %zu bytes: errno %d, '%s'", bytes, errno, say_last());
			break;
		}
	}
	emu_set_memory((size_t)8 << 30);
	tap_ok(emu_count().live_bytes == live, "a card too small, by whatever much, leaves nothing allocated");
}
#endif

/* For mutate.sh: what graphs and copies can get wrong, until something is. */
static int
first_fault(void)
{
	test_graphs(&little);
	if (tap_failed == 0)
		test_shapes(&shapes[0]);
	if (tap_failed == 0)
		test_held(&little, "cuda");
	if (tap_failed == 0)
		test_mirror(&shapes[0]);
	if (tap_failed == 0)
		test_slots(&shapes[0]);
	return (tap_failed > 0);
}

int
main(int argc, char **argv)
{
	const struct shape levers = with_levers(&shapes[0], "all levers");
	const struct shape little_levers = with_levers(&little, "two small layers with all levers");

	if (argc == 2 && strcmp(argv[1], "-1") == 0)
		return (first_fault());
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		test_training(&shapes[i]);
		test_generation(&shapes[i]);
	}
	test_training(&levers);
	test_generation(&levers);
	test_nan(&shapes[0], OPS_FP32);
	test_nan(&shapes[0], OPS_BF16);
	test_nan(&levers, OPS_FP32);
	test_graphs(&little);
	test_graphs(&little_levers);
	test_average(&little);
	test_odd_models();
	test_shapes(&shapes[0]);
	test_held(&little, "ref");
	test_held(&little, "cpu");
	test_held(&little, "cuda");
	test_mirror(&shapes[0]);
	test_slots(&shapes[0]);
#ifdef HG_EMU
	test_step_never_waits(&little);
	test_no_capture(&little);
	test_auto();
	test_failures(&shapes[0]);
	tap_ok(emu_count().damaged == 0 && emu_count().live_bytes == 0, "no memory is left behind or overwritten");
#endif
	return (tap_done());
}
