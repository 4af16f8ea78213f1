/*
 * What holds for the cpu backend alone: two steps of training give the same
 * bits for any number of threads, and nothing opens that cannot be trusted.
 * Its operations are compared in t/unit/ops.c.  Prints TAP.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rng.h"
#include "base/say.h"
#include "gpt/cpu/selftest.h"
#include "gpt/model.h"
#include "gpt/model_bytes.h"
#include "gpt/ops.h"
#include "gpt/optimizer.h"
#include "gpt/trainspec.h"
#include "t/unit/tap.h"

#define MANY 13 /* sequences of 97: more rows than a chunk's */

static const struct ops *const ref = &ops_ref;
static const struct ops *const cpu = &ops_cpu;

/* Muon as published, or with levers that change how it is parted. */
static struct optimizer_law muon_law;

/* Two steps of training on so many sequences, into w, of a model with room for more. */
static void
train(const char *isa, enum ops_arith arith, unsigned numerics, unsigned threads, size_t batch, size_t room, float *w,
    const struct config *config, const struct params *p)
{
	const struct model_args args = { .config = config,
		.use = MODEL_TRAIN,
		.backend = "cpu",
		.isa = isa,
		.arith = arith,
		.numerics = numerics,
		.threads = threads,
		.max_batch = room,
		.max_seq = 97,
		.max_passes = 2 };
	struct model *m = model_open(&args);
	struct optimizer *o = m != NULL ? optimizer_open(m, NULL) : NULL;
	struct rng rng;
	static int32_t tokens[MANY * 97 + 1];

	if (o == NULL)
		abort();
	params_init(p, 5, w);
	model_set(m, w);
	rng_seed(&rng, 3, 0);
	for (size_t step = 0; step < 2; step++) {
		model_begin(m);
		for (size_t pass = 0; pass < 2; pass++) {
			const struct model_batch b = { tokens, tokens + 1, batch, 97 };

			for (size_t i = 0; i <= batch * 97; i++)
				tokens[i] = (int32_t)rng_below(&rng, config->vocab_size);
			model_grad(m, &b, pass, 1.0f / (float)(2 * batch * 97));
		}
		optimizer_step(o, &muon_law, step, &schedule_full_rates, 0);
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
threads_agree(const char *isa, enum ops_arith arith, unsigned numerics)
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
	train(isa, arith, numerics, 1, 3, 3, one, &config, p);
	for (unsigned threads = numerics > 1 ? 3 : 1; threads <= 4; threads++) {
		train(isa, arith, numerics, threads, 3, 3, more, &config, p);
		tap_ok(memcmp(one, more, p->n * sizeof(*one)) == 0,
		    "%s %s, numerics %u: two steps give the same bits with %u threads%s", isa,
		    arith == OPS_BF16 ? "bf16" : "fp32", numerics, threads, threads == 1 ? ", again" : "");
	}
	if (numerics > 1) {
		train(isa, arith, numerics - 1, 1, 3, 3, more, &config, p);
		tap_ok(memcmp(one, more, p->n * sizeof(*one)) != 0, "%s %s: numerics %u are other bits than %u", isa,
		    arith == OPS_BF16 ? "bf16" : "fp32", numerics, numerics - 1);
	}
	free(one);
	free(more);
	params_free(p);
}

/*
 * Sixteen threads find two layers too few matrices for Muon, and share them; and of rows that are more than a chunk's
 * all chunks stand at a time, the last of which is smaller.
 */
static void
many_agree(const char *isa, enum ops_arith arith, const char *what)
{
	struct config config = odd_config();
	struct params *p;
	float *w[2];

	config.num_layers = 2;
	config.bigram_buckets = 50;
	config.bigram_dim = 40;
	p = params_new(&config);
	for (size_t i = 0; i < 2; i++) {
		if ((w[i] = calloc(p->n, sizeof(*w[i]))) == NULL)
			abort();
		train(isa, arith, 1, i == 0 ? 1 : 16, MANY, MANY, w[i], &config, p);
	}
	tap_ok(memcmp(w[0], w[1], p->n * sizeof(*w[0])) == 0,
	    "%s %s: sixteen threads, which share chunks and matrices, give the bits of one%s", isa,
	    arith == OPS_BF16 ? "bf16" : "fp32", what);
	free(w[0]);
	free(w[1]);
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
	train(isa, arith, 1, 2, 3, 3, kept, &config, p);
	train(isa, arith, 1, 2, 3, 32, packed, &config, p);
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
		threads_agree(isa, arith, 1);
		threads_agree(isa, arith, 2);
		panels_agree(isa, arith);
		many_agree(isa, arith, "");
		muon_law.muon_form = OPS_MUON_GRAM;
		muon_law.muon_scale = OPS_MUON_SCHATTEN;
		many_agree(isa, arith, ", with Muon on Gram matrices, scaled once more");
		trainspec_law(&muon_law);
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

/* Bytes of this process in memory. */
static double
resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long whole, pages;

	if (f == NULL || fscanf(f, "%lu %lu", &whole, &pages) != 2)
		abort();
	fclose(f);
	return ((double)pages * (double)sysconf(_SC_PAGESIZE));
}

/* Opening touches all memory that training will: what a child takes for it, over what was reckoned. */
static void
reckoned(const char *what, size_t rows, size_t passes, enum ops_arith arith, void (*change)(struct config *))
{
	struct config config;
	const struct model_args args = { .config = &config,
		.use = MODEL_TRAIN,
		.backend = "cpu",
		.isa = "auto",
		.arith = arith,
		.threads = 2,
		.max_batch = rows / 128,
		.max_seq = 128,
		.max_passes = passes };
	int status = -1;
	pid_t child;

	config_default(&config);
	config.vocab_size = 1000;
	config.num_layers = 5;
	config.model_dim = 256;
	config.num_heads = 4;
	config.num_kv_heads = 2;
	if (change != NULL)
		change(&config);
	fflush(stdout);
	if ((child = fork()) == 0) {
		const double before = resident();
		struct model *m = model_open(&args);
		struct optimizer *o = m != NULL ? optimizer_open(m, NULL) : NULL;
		const double share = (resident() - before) / (double)model_bytes(&args);

		if (o == NULL)
			_exit(2);
		fprintf(stderr, "%s: %.3f of the bytes reckoned\n", what, share);
		_exit(share < 0.98 || share > 1.04);
	}
	tap_ok(child != -1 && waitpid(child, &status, 0) == child && status == 0,
	    "%s, %zu rows, %zu passes, %s: training takes the memory that is reckoned, to 4 %% more and 2 %% less",
	    what, rows, passes, arith == OPS_BF16 ? "bf16" : "fp32");
}

static void
gated(struct config *c)
{
	c->mlp_activation = CONFIG_SWIGLU;
	c->bigram_buckets = 2000;
	c->smear = c->attn_gate = 1;
}

static void
lanes(struct config *c)
{
	c->parallel_from = 3;
	c->value_residual = c->skip_gate = 1;
	c->xsa_layers = 2;
	c->tie_embeddings = 0;
}

static void
padded(struct config *c)
{
	c->model_dim = 240;
	c->num_heads = 6;
}

static void
memory(void)
{
#ifdef __SANITIZE_ADDRESS__ /* which takes more for itself */
	const size_t kinds = 0;
#else
	const size_t kinds = 2;
#endif

	for (size_t i = 0; i < kinds; i++) {
		const enum ops_arith arith = i == 0 ? OPS_FP32 : OPS_BF16;

		reckoned("no lever", 4096, 1, arith, NULL);
		reckoned("no lever", 4096, 4, arith, NULL);
		reckoned("no lever", 1024, 1, arith, NULL);
		reckoned("gates and tables", 4096, 1, arith, gated);
		reckoned("two lanes", 4096, 1, arith, lanes);
		reckoned("rows with padding", 4096, 1, arith, padded);
	}
}

int
main(void)
{
	say_init("cpu");
	trainspec_law(&muon_law);
	/* First, while there is no memory that was given back and would be taken again. */
	memory();
	selftest_refuses();
	bad_arguments();
	for (const char *const *isa = cpu->isa_names; *isa != NULL; isa++) {
		variant(*isa, OPS_FP32);
		variant(*isa, OPS_BF16);
	}
	return (tap_done());
}
