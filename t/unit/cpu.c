/*
 * What holds for the cpu backend alone: two steps of training give the same
 * bits for any number of threads, and nothing opens that cannot be trusted.
 * Its operations are compared in t/unit/ops.c.  Prints TAP.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/say.h"
#include "gpt/cpu/selftest.h"
#include "gpt/model.h"
#include "gpt/ops.h"
#include "gpt/optimizer.h"
#include "gpt/trainspec.h"
#include "t/unit/tap.h"

static const struct ops *const ref = &ops_ref;
static const struct ops *const cpu = &ops_cpu;

/* Two steps of training, into w, of a model with room for so many sequences. */
static void
train(const char *isa, enum ops_arith arith, unsigned threads, size_t room, float *w, const struct config *config,
    const struct params *p)
{
	const struct model_args args = { .config = config,
		.use = MODEL_TRAIN,
		.backend = "cpu",
		.isa = isa,
		.arith = arith,
		.threads = threads,
		.max_batch = room,
		.max_seq = 97,
		.max_passes = 2 };
	struct model *m = model_open(&args);
	struct optimizer *o = m != NULL ? optimizer_open(m, NULL) : NULL;
	struct optimizer_law law;
	struct rng rng;
	int32_t tokens[3 * 97 + 1];

	if (o == NULL)
		abort();
	trainspec_law(&law);
	params_init(p, 5, w);
	model_set(m, w);
	rng_seed(&rng, 3, 0);
	for (size_t step = 0; step < 2; step++) {
		model_begin(m);
		for (size_t pass = 0; pass < 2; pass++) {
			const struct model_batch b = { tokens, tokens + 1, 3, 97 };

			for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
				tokens[i] = (int32_t)rng_below(&rng, config->vocab_size);
			model_grad(m, &b, pass, 1.0f / (2 * 3 * 97));
		}
		optimizer_step(o, &law, step, &schedule_full_rates, 0);
		model_end(m);
	}
	model_get(m, w);
	optimizer_close(o);
	model_close(m);
}

static struct config
odd_config(void)
{
	struct config config;

	config_default(&config);
	config.vocab_size = 130;
	config.num_layers = 3;
	config.model_dim = 144;
	config.num_heads = 6;
	config.num_kv_heads = 2;
	return (config);
}

static void
threads_agree(const char *isa, enum ops_arith arith)
{
	struct config config;
	struct params *p;
	float *one, *more;

	config = odd_config();
	p = params_new(&config);
	one = calloc(p->n, sizeof(*one));
	more = calloc(p->n, sizeof(*more));
	if (one == NULL || more == NULL)
		abort();
	train(isa, arith, 1, 3, one, &config, p);
	for (unsigned threads = 1; threads <= 4; threads++) {
		train(isa, arith, threads, 3, more, &config, p);
		tap_ok(memcmp(one, more, p->n * sizeof(*one)) == 0,
		    "%s %s: two steps give the same bits with %u threads%s", isa, arith == OPS_BF16 ? "bf16" : "fp32",
		    threads, threads == 1 ? ", again" : "");
	}
	free(one);
	free(more);
	params_free(p);
}

/* With room for larger passes panels of weights are packed for each operation, in the place of the last one's. */
static void
panels_agree(const char *isa, enum ops_arith arith)
{
	struct config config = odd_config();
	struct params *p;
	float *kept, *packed;

	config.mlp_activation = CONFIG_SWIGLU;
	config.bigram_buckets = 50;
	config.bigram_dim = 40;
	p = params_new(&config);
	kept = calloc(p->n, sizeof(*kept));
	packed = calloc(p->n, sizeof(*packed));
	if (kept == NULL || packed == NULL)
		abort();
	train(isa, arith, 2, 3, kept, &config, p);
	train(isa, arith, 2, 32, packed, &config, p);
	tap_ok(memcmp(kept, packed, p->n * sizeof(*kept)) == 0,
	    "%s %s: two steps give the same bits whether panels are kept or packed when needed", isa,
	    arith == OPS_BF16 ? "bf16" : "fp32");
	free(kept);
	free(packed);
	params_free(p);
}

/* What this machine lacks is skipped here as in t/unit/ops.c, and so is a float32 that is another's. */
static void
variant(const char *isa, enum ops_arith arith)
{
	struct ops_open_args args = selftest_args(arith);
	struct ops_ctx *c;

	args.isa = isa;
	errno = 0;
	if ((c = cpu->open(&args)) == NULL && errno == ENODEV)
		return;
	if (!tap_ok(c != NULL, "%s opens", isa))
		return;
	if (strcmp(cpu->isa(c), isa) == 0) {
		threads_agree(isa, arith);
		panels_agree(isa, arith);
	}
	cpu->close(c);
}

static void
no_attention(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_attention *a)
{
	(void)ctx;
	(void)rows;
	(void)a;
}

/* A backend with one wrong operation does not get through the self-test; the same backend without it does. */
static void
selftest_refuses(void)
{
	const struct ops_open_args args = selftest_args(OPS_FP32);
	struct ops wrong = *ref;
	struct ops_ctx *c = ref->open(&args);

	tap_ok(c != NULL && selftest_run(ref, c, OPS_FP32) == 0, "the reference passes its own self-test");
	wrong.attention = no_attention;
	errno = 0;
	tap_ok(c != NULL && selftest_run(&wrong, c, OPS_FP32) == -1 && errno == EPROTO,
	    "a backend whose attention does nothing is refused with EPROTO");
	ref->close(c);
}

static void
bad_arguments(void)
{
	struct ops_open_args args = selftest_args(OPS_FP32);

	args.isa = "mmx";
	errno = 0;
	tap_ok(cpu->open(&args) == NULL && errno == EINVAL, "an isa that there is not gives EINVAL");
	args.isa = "auto";
	args.geometry.num_heads = 8;
	errno = 0;
	tap_ok(cpu->open(&args) == NULL && errno == EINVAL, "heads of an odd width give EINVAL");
}

int
main(void)
{
	say_init("cpu");
	selftest_refuses();
	bad_arguments();
	for (const char *const *isa = cpu->isa_names; *isa != NULL; isa++) {
		variant(*isa, OPS_FP32);
		variant(*isa, OPS_BF16);
	}
	return (tap_done());
}
