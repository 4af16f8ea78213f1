/* The table of tensors against literals: sizes counted by hand, public names in their order, first bits, memory. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/say.h"
#include "base/sha256.h"
#include "gpt/model_bytes.h"
#include "t/unit/tap.h"

/* Grouped heads, three layers of which one skips, tied. */
static const struct config small = {
	.vocab_size = 29,
	.num_layers = 3,
	.model_dim = 16,
	.num_heads = 4,
	.num_kv_heads = 2,
	.mlp_mult = 2,
	.tie_embeddings = 1,
	.rope_base = 10000,
	.logit_softcap = 30,
	.qk_gain_init = 1.5,
	.tied_embed_init_std = 0.005,
	CONFIG_LATER,
};

static struct config
varied(int tied, size_t layers, size_t kv_heads)
{
	struct config c = small;

	c.tie_embeddings = tied;
	c.num_layers = layers;
	c.num_kv_heads = kv_heads;
	return (c);
}

/* The numbers that a configuration counts, and that its table then holds. */
static int
measures(struct config c, size_t count, uint64_t n)
{
	const struct params_sizes s = params_sizes(&c);
	struct params *p = params_new(&c);
	size_t offset = 0;
	int ok;

	ok = s.count == count && s.n == n && p->count == count && p->n == n;
	for (size_t i = 0; i < p->count; i++) {
		ok &= p->tensors[i].offset == offset && p->tensors[i].n == p->tensors[i].rows * p->tensors[i].cols;
		offset += p->tensors[i].n;
	}
	ok &= offset == n;
	params_free(p);
	return (ok);
}

static void
sizes(void)
{
	struct config c, largest = varied(0, 1024, 1024);
	struct params_sizes s;

	/* Embedding 29*16; skip 16; a block 2*16*16 + 2*8*16 + 2*32*16 + 4*16 + 4 = 1860. */
	tap_ok(measures(varied(1, 3, 2), 32, 464 + 16 + 3 * 1860), "a small model has 6,060 parameters in 32 tensors");
	tap_ok(measures(varied(0, 3, 2), 33, 6524), "untied, it has 464 more, in a tensor of their own");
	tap_ok(measures(varied(1, 3, 1), 32, 5676), "with one key/value head 128 less a layer");
	tap_ok(measures(varied(1, 1, 2), 11, 464 + 1860), "a single layer has no skips");
	c = small;
	c.parallel_from = 1;
	tap_ok(measures(c, 32 + 2 * 2, 464 + 16 + 3 * 1860 + 2 * 6),
	    "two lanes have six numbers in each of their layers");
	config_default(&c);
	c.vocab_size = 1024;
	tap_ok(measures(c, 92, 17059912), "the baseline has 17,059,912 parameters");
	c.tie_embeddings = 0;
	tap_ok(measures(c, 93, 17584200), "untied, 17,584,200");
	s = params_sizes(&c);
	tap_ok(s.of_group[PARAMS_MATRIX] == 9 * 1835008 && s.of_group[PARAMS_EMBED] == 524288 &&
		s.of_group[PARAMS_HEAD] == 524288 && s.of_group[PARAMS_SCALAR] == 9 * 2056 + 4 * 512,
	    "and each group has its part of them");
	largest.vocab_size = 65536;
	largest.model_dim = 16384;
	largest.num_heads = 1024;
	largest.mlp_mult = 64;
	tap_ok(config_check(&largest) == 0 && (s = params_sizes(&largest)).n == 36286107746304 && s.count == 10243,
	    "the largest model that a configuration allows is counted without being made");
}

struct literal {
	const char *name;
	int dims;
	size_t rows, cols;
	enum params_group group;
};

static const struct literal block[] = {
	{ "attn_scale", 1, 1, 16, PARAMS_SCALAR },
	{ "mlp_scale", 1, 1, 16, PARAMS_SCALAR },
	{ "resid_mix", 2, 2, 16, PARAMS_SCALAR },
	{ "attn.q_gain", 1, 1, 4, PARAMS_SCALAR },
	{ "attn.c_q.weight", 2, 16, 16, PARAMS_MATRIX },
	{ "attn.c_k.weight", 2, 8, 16, PARAMS_MATRIX },
	{ "attn.c_v.weight", 2, 8, 16, PARAMS_MATRIX },
	{ "attn.proj.weight", 2, 16, 16, PARAMS_MATRIX },
	{ "mlp.fc.weight", 2, 32, 16, PARAMS_MATRIX },
	{ "mlp.proj.weight", 2, 16, 32, PARAMS_MATRIX },
};
static const enum params_id block_ids[] = { PARAMS_ATTN_SCALE, PARAMS_MLP_SCALE, PARAMS_RESID_MIX, PARAMS_Q_GAIN,
	PARAMS_C_Q, PARAMS_C_K, PARAMS_C_V, PARAMS_PROJ, PARAMS_FC, PARAMS_MLP_PROJ };

#define BLOCK_COUNT (sizeof(block) / sizeof(block[0]))

static int
is(const struct params_tensor *t, const char *name, const struct literal *l)
{
	return (strcmp(t->name, name) == 0 && t->dims == l->dims && t->rows == l->rows && t->cols == l->cols &&
	    t->group == l->group);
}

/* Every tensor in its order, and under its handle. */
static int
in_order(struct config c)
{
	static const struct literal embedding = { "tok_emb.weight", 2, 29, 16, PARAMS_EMBED };
	static const struct literal skips = { "skip_weights", 2, 1, 16, PARAMS_SCALAR };
	static const struct literal head = { "lm_head.weight", 2, 29, 16, PARAMS_HEAD };
	struct params *p = params_new(&c);
	size_t i = 0;
	int ok;

	ok = is(&p->tensors[i], embedding.name, &embedding) && params_at(p, 0, PARAMS_TOK_EMB) == 0;
	i++;
	if (c.num_layers > 1) {
		ok &= is(&p->tensors[i], skips.name, &skips) && params_at(p, 0, PARAMS_SKIP_WEIGHTS) == 1;
		i++;
	} else {
		ok &= params_at(p, 0, PARAMS_SKIP_WEIGHTS) == PARAMS_NONE;
	}
	for (size_t layer = 0; layer < c.num_layers; layer++) {
		for (size_t b = 0; b < BLOCK_COUNT; b++, i++) {
			char name[PARAMS_NAME_SIZE];

			snprintf(name, sizeof(name), "blocks.%zu.%s", layer, block[b].name);
			ok &= is(&p->tensors[i], name, &block[b]) && params_at(p, layer, block_ids[b]) == i;
		}
	}
	if (c.tie_embeddings) {
		ok &= params_at(p, 0, PARAMS_LM_HEAD) == PARAMS_NONE && params_head(p) == 0;
	} else {
		ok &= is(&p->tensors[i], head.name, &head) && params_at(p, 0, PARAMS_LM_HEAD) == i &&
		    params_head(p) == i;
		i++;
	}
	ok &= i == p->count;
	params_free(p);
	return (ok);
}

static void
order(void)
{
	struct config one_row = varied(1, 2, 1);
	struct params *p;
	const struct params_tensor *t;

	tap_ok(in_order(varied(1, 3, 2)), "the tensors of a tied model stand in the order of the public state");
	tap_ok(in_order(varied(0, 3, 2)), "so do those of an untied one, the head last");
	tap_ok(in_order(varied(0, 1, 2)) && in_order(varied(1, 1, 2)), "and those of a single layer");
	one_row.model_dim = 2;
	one_row.num_heads = 1;
	one_row.vocab_size = 1;
	p = params_new(&one_row);
	t = params_find(p, "skip_weights");
	tap_ok(t->rows == 1 && t->dims == 2 && p->tensors[0].rows == 1 && p->tensors[0].dims == 2,
	    "a matrix of one row is a matrix");
	tap_ok(params_find(p, "blocks.0.attn.q_gain")->dims == 1 && params_find(p, "blocks.2.attn.q_gain") == NULL &&
		params_find(p, "lm_head.weight") == NULL,
	    "and what is not there is not found");
	params_free(p);
}

/* Digests of the first weights as version 0.1 drew them. */
static void
initial(void)
{
	static const struct {
		const char *what;
		int tied;
		size_t layers, kv_heads;
		const char *sha256;
	} models[] = {
		{ "tied", 1, 3, 2, "d371b64e16e4828a321000f7e8b049e900425fca8d7f14f3241236e2078c9004" },
		{ "untied", 0, 3, 2, "4c9dc5e7d709a58364d37915f7edd32f5bed8716f6f616aef27ad70906805b17" },
		{ "single-layer", 1, 1, 2, "6f5ad4294aadcaa6a80ea361eabc17f37f399ac15cd857967b9dced76546c436" },
		{ "one-key/value-head", 1, 3, 1, "f251c3eaeb88c43a4695e1d5d69c3d2a39b639b99b10863317deca1855efb478" },
	};

	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
		const struct config c = varied(models[i].tied, models[i].layers, models[i].kv_heads);
		struct params *p = params_new(&c);
		float *w = calloc(p->n, sizeof(*w));
		char hex[SHA256_HEX_SIZE];

		params_init(p, 42, w);
		tap_ok(sha256_hex(w, p->n * sizeof(*w), hex) == 0 && strcmp(hex, models[i].sha256) == 0,
		    "a %s model starts from the bits that it always did", models[i].what);
		free(w);
		params_free(p);
	}
}

/* As hg-train(1) says. */
static void
lanes(void)
{
	const float keep = 1.1f;
	struct config c = small;
	struct params *p;
	const struct params_tensor *k, *a;
	float *w;
	int ok = 1;

	c.parallel_from = 1;
	p = params_new(&c);
	w = calloc(p->n, sizeof(*w));
	params_init(p, 42, w);
	k = params_find(p, "blocks.2.lane_keep");
	a = params_find(p, "blocks.2.lane_add");
	ok &= k != NULL && k->dims == 1 && k->n == 2 && k->group == PARAMS_SCALAR && k->storage == PARAMS_EXACT;
	ok &= a != NULL && a->dims == 2 && a->rows == 2 && a->n == 4 && a->group == PARAMS_SCALAR;
	ok &= a != NULL && a->storage == PARAMS_EXACT;
	for (size_t i = 0; ok && i < 2; i++)
		ok &= w[k->offset + i] == keep;
	for (size_t i = 0; ok && i < 4; i++)
		ok &= w[a->offset + i] == 1;
	tap_ok(ok, "lanes start by keeping 1.1 of themselves and adding all, and are float32 in the artifact");
	tap_ok(params_find(p, "blocks.0.lane_keep") == NULL && params_find(p, "blocks.1.lane_add") != NULL,
	    "the layers before have one stream");
	free(w);
	params_free(p);
}

static uint64_t
bytes(struct config c, enum model_use use)
{
	const struct model_args args = {
		.config = &c,
		.use = use,
		.backend = "ref",
		.isa = "auto",
		.threads = 1,
		.max_batch = 2,
		.max_seq = 8,
		.max_passes = 2,
	};

	return (model_bytes(&args));
}

static void
memory(void)
{
	/*
	 * Each with its gradient: 464 of the embedding and two copies, m, v; 5376 of matrices and two copies, momentum;
	 * 220 of control tensors, m, v.  2048 for Newton-Schulz; 16 rows of 480 and two ids; logits of 1 row and of 16.
	 */
	tap_ok(bytes(small, MODEL_TRAIN) == 4 * (464 * 6 + 5376 * 5 + 220 * 4 + 2048 + 16 * 482 + 29 + 464),
	    "memory for training is that of weights, copies, gradients, optimizer and activations");
	tap_ok(bytes(varied(0, 3, 2), MODEL_TRAIN) - bytes(small, MODEL_TRAIN) == 4 * 464 * 4 &&
		bytes(varied(0, 3, 2), MODEL_SCORE) - bytes(small, MODEL_SCORE) == 4 * 464,
	    "a head of its own costs four times its size to train, once to score: the embedding needs no copies then");
}

int
main(void)
{
	say_init("params");
	sizes();
	order();
	initial();
	lanes();
	memory();
	return (tap_done());
}
