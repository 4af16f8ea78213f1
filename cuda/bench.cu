/*
 * bench [SHAPE...]: what this card makes of the model, against its own measured
 * rate of bf16 products.  Prints everything that a person with a card needs to
 * send back.  Shapes: tiny, tiny-levers, small, baseline, levers (the baseline
 * with all levers that add kernels); without any, the last three.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "product.cuh"

extern "C" {
#include "base/clock.h"
#include "base/exit.h"
#include "gpt/model.h"
#include "gpt/trainspec.h"
#include "gpt/optimizer.h"
}

static const struct shape {
	const char *name;
	size_t V, L, C, H, K;
	size_t B, T;
	int micro, steps;
	bool levers;
} shapes[] = {
	{ "tiny", 64, 2, 32, 4, 2, 2, 32, 1, 2, false },
	{ "tiny-levers", 64, 2, 32, 4, 2, 2, 32, 1, 2, true },
	{ "small", 1024, 4, 256, 4, 2, 64, 512, 2, 20, false },
	{ "baseline", 1024, 9, 512, 8, 4, 64, 1024, 8, 5, false },
	{ "levers", 1024, 9, 512, 8, 4, 64, 1024, 8, 5, true },
};

static struct config
config_of(const struct shape *s)
{
	struct config c;

	config_default(&c);
	c.vocab_size = s->V;
	c.num_layers = s->L;
	c.model_dim = s->C;
	c.num_heads = s->H;
	c.num_kv_heads = s->K;
	if (s->levers) {
		c.value_residual = c.attn_gate = c.smear = c.skip_gate = 1;
		c.value_embed_layers.bits[0] = 1 << 1;
		c.bigram_buckets = 4096;
		c.bigram_prior = CONFIG_COUNTS;
		c.xsa_layers = 1;
		c.parallel_from = c.num_layers - 1;
	}
	return (c);
}

/* Rate of a large bf16 product, in FLOP/s; the best of some. */
static double
measure_products(size_t n)
{
	struct ops_open_args args = {};
	struct ops_ctx *ctx;
	bf16 *operand[2], *host = (bf16 *)malloc(n * n * sizeof(*host));
	float *result;
	double best = 0;

	args.geometry.vocab_size = args.geometry.model_dim = args.geometry.mlp_dim = 64;
	args.geometry.num_heads = args.geometry.num_kv_heads = 1;
	args.geometry.max_rows = args.geometry.max_positions = 64;
	args.geometry.rope_base = 10000;
	args.geometry.logit_softcap = 30;
	args.geometry.norm_eps = 1e-7;
	args.arith = OPS_BF16;
	args.isa = "auto";
	args.threads = 1;
	if (host == NULL || (ctx = ops_cuda.open(&args)) == NULL)
		exit(HG_EXIT_SYSTEM);
	printf("card: %s, %s\n", ops_cuda.isa(ctx), ops_cuda.library(ctx));
	for (size_t i = 0; i < n * n; i++)
		host[i] = __float2bfloat16((float)(rand() % 2001 - 1000) / 1000);	/* zeros would run faster */
	for (int i = 0; i < 2; i++) {
		CHECK(cudaMalloc(&operand[i], n * n * sizeof(bf16)));
		CHECK(cudaMemcpyAsync(operand[i], host, n * n * sizeof(bf16), cudaMemcpyHostToDevice, ctx->stream));
	}
	CHECK(cudaMalloc(&result, n * n * sizeof(float)));
	for (int i = 0; i < 8; i++) {
		int64_t start;
		double rate;

		ops_cuda.sync(ctx);
		start = clock_mono_ns();
		product_onto(ctx, result, NULL, operand[0], operand[1], n, n, n);
		ops_cuda.sync(ctx);
		rate = 2.0 * (double)n * (double)n * (double)n / (double)(clock_mono_ns() - start) * 1e9;
		best = i > 0 && rate > best ? rate : best;
	}
	printf("bf16 product of %zu x %zu x %zu: %.1f TFLOP/s\n", n, n, n, best / 1e12);
	CHECK(cudaFree(operand[0]));
	CHECK(cudaFree(operand[1]));
	CHECK(cudaFree(result));
	ops_cuda.close(ctx);
	free(host);
	return (best);
}

/* Tables of levers, which no product reads. */
static bool
is_looked_up(enum params_id id)
{
	return (id == PARAMS_BIGRAM_EMBED || id == PARAMS_VALUE_EMBED || id == PARAMS_PRIOR);
}

/* Operations of a step: 6 for each matrix parameter and token, causal attention, Muon; nothing made again counted. */
static double
step_flops(const struct shape *s, const struct params *p)
{
	const double tokens = (double)s->B * (double)s->T * s->micro;
	double flops = 0;

	for (size_t i = 0; i < p->count; i++) {
		const double rows = (double)p->tensors[i].rows, cols = (double)p->tensors[i].cols;
		const double side = rows < cols ? rows : cols;

		if (p->tensors[i].group == PARAMS_SCALAR || is_looked_up(p->tensors[i].id))
			continue;
		flops += 6 * rows * cols * tokens;
		if (p->tensors[i].group == PARAMS_MATRIX)
			flops += 5 * 2 * (2 * rows * cols * side + side * side * side);
	}
	return (flops + 6.0 * (double)s->L * (double)s->C * (double)s->T * tokens);
}

static struct model *
open_model(const struct shape *s, enum model_use use)
{
	const struct config config = config_of(s);
	const struct model_args args = { &config, use, "cuda", "auto", OPS_BF16, 1, 1, s->B, s->T, (size_t)s->micro,
		NULL, NULL, 0, 0 };
	struct model *m = model_open(&args);
	float *w;

	if (m == NULL || (w = (float *)malloc(model_params(m)->n * sizeof(*w))) == NULL)
		exit(HG_EXIT_SYSTEM);
	params_init(model_params(m), 1, w);
	model_set(m, w);
	free(w);
	return (m);
}

static void
fill_ids(int32_t *ids, size_t n, size_t below)
{
	for (size_t i = 0; i < n; i++)
		ids[i] = (int32_t)((size_t)rand() % below);
}

/* Steps as training makes them; returns nanoseconds for each after the first two. */
static double
time_training(const struct shape *s, struct model *m, int steps)
{
	struct optimizer *o = optimizer_open(m, NULL);
	struct optimizer_law law;
	const size_t n = s->B * s->T;
	int32_t *ids = (int32_t *)malloc((n + 1) * sizeof(*ids));
	float *nats = (float *)malloc(n * sizeof(*nats));
	int64_t start = 0;

	if (o == NULL || ids == NULL || nats == NULL)
		exit(HG_EXIT_SYSTEM);
	trainspec_law(&law);
	for (int step = -2; step < steps; step++) {
		if (step == 0)
			start = clock_mono_ns();
		model_begin(m);
		for (int pass = 0; pass < s->micro; pass++) {
			const struct model_batch batch = { ids, ids + 1, s->B, s->T };

			fill_ids(ids, n + 1, s->V);
			model_grad(m, &batch, (size_t)pass, 1.0f / (float)(n * (size_t)s->micro));
		}
		optimizer_step(o, &law, (uint64_t)(step + 2), &schedule_full_rates, 0);
		model_end(m);
		for (int pass = 0; pass < s->micro; pass++)	/* as a trainer that logs the loss */
			model_nats(m, (size_t)pass, n, nats);
		cuda_sync(model_ctx(m));
	}
	start = clock_mono_ns() - start;
	optimizer_close(o);
	free(ids);
	free(nats);
	return ((double)start / steps);
}

static double
time_scoring(const struct shape *s, struct model *m, int passes)
{
	const size_t n = s->B * s->T;
	int32_t *ids = (int32_t *)malloc((n + 1) * sizeof(*ids));
	float *nats = (float *)malloc(n * sizeof(*nats));
	int64_t start = 0;

	fill_ids(ids, n + 1, s->V);
	for (int pass = -2; pass < passes; pass++) {
		const struct model_batch batch = { ids, ids + 1, s->B, s->T };

		if (pass == 0)
			start = clock_mono_ns();
		model_loss(m, &batch, 0);
		model_nats(m, 0, n, nats);
	}
	start = clock_mono_ns() - start;
	free(ids);
	free(nats);
	return ((double)start / passes);
}

static void
bench(const struct shape *s, double rate)
{
	const double tokens = (double)s->B * (double)s->T;
	struct tape_counts counts;
	struct model *m;
	size_t before, after, total;
	double ns, flops;

	CHECK(cudaMemGetInfo(&before, &total));
	m = open_model(s, MODEL_TRAIN);
	flops = step_flops(s, model_params(m));
	ns = time_training(s, m, s->steps);
	CHECK(cudaMemGetInfo(&after, &total));
	printf("%s: step of %.0f tokens %.2f ms, %.0f tokens/s, "
	    "%.1f TFLOP/s, %.1f %% of the product rate, %.0f MB\n", s->name,
	    tokens * s->micro, ns / 1e6, tokens * s->micro / ns * 1e9, flops / ns / 1e3, 100 * flops / ns * 1e9 / rate,
	    (double)(before - after) / 1e6);
	counts = tape_count(model_ctx(m));
	printf("%s: %ju graphs captured, %ju replayed, %ju tapes done call by call\n", s->name,
	    (uintmax_t)counts.captured, (uintmax_t)counts.replayed, (uintmax_t)counts.done);
	model_close(m);
	setenv("HG_CUDA_GRAPHS", "0", 1);
	m = open_model(s, MODEL_TRAIN);
	ns = time_training(s, m, s->steps);
	printf("%s: without graphs %.0f tokens/s\n", s->name, tokens * s->micro / ns * 1e9);
	model_close(m);
	unsetenv("HG_CUDA_GRAPHS");
	m = open_model(s, MODEL_SCORE);
	ns = time_scoring(s, m, s->steps);
	printf("%s: scoring %.0f tokens/s\n", s->name, tokens / ns * 1e9);
	model_close(m);
	fflush(stdout);
	setenv("HG_CUDA_PROFILE", "1", 1);
	m = open_model(s, MODEL_TRAIN);
	time_training(s, m, 1);
	model_close(m);		/* prints the table */
	unsetenv("HG_CUDA_PROFILE");
}

int
main(int argc, char **argv)
{
	const size_t count = sizeof(shapes) / sizeof(shapes[0]);
	const int tiny = argc == 2 && strncmp(argv[1], "tiny", 4) == 0;
	double rate;

	exit_init("bench");
	rate = measure_products(tiny ? 64 : 8192);
	for (size_t i = 0; i < count; i++) {
		int wanted = argc == 1 && i > 1;

		for (int a = 1; a < argc; a++)
			wanted = wanted || strcmp(argv[a], shapes[i].name) == 0;
		if (wanted)
			bench(&shapes[i], rate);
	}
	return (exit_flush(0));
}
