#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpt/params.h"
#include "base/rng.h"
#include "base/say.h"

static const struct {
	const char *name;
	enum params_group group;
} block_names[PARAMS_BLOCK_COUNT] = {
	[PARAMS_ATTN_SCALE] = { "attn_scale", PARAMS_SCALAR },
	[PARAMS_MLP_SCALE] = { "mlp_scale", PARAMS_SCALAR },
	[PARAMS_RESID_MIX] = { "resid_mix", PARAMS_SCALAR },
	[PARAMS_Q_GAIN] = { "attn.q_gain", PARAMS_SCALAR },
	[PARAMS_C_Q] = { "attn.c_q.weight", PARAMS_MATRIX },
	[PARAMS_C_K] = { "attn.c_k.weight", PARAMS_MATRIX },
	[PARAMS_C_V] = { "attn.c_v.weight", PARAMS_MATRIX },
	[PARAMS_PROJ] = { "attn.proj.weight", PARAMS_MATRIX },
	[PARAMS_FC] = { "mlp.fc.weight", PARAMS_MATRIX },
	[PARAMS_MLP_PROJ] = { "mlp.proj.weight", PARAMS_MATRIX },
};

static struct params_tensor *
append(struct params *p, int dims, size_t rows, size_t cols, enum params_group group)
{
	struct params_tensor *t = &p->tensors[p->count++];

	t->dims = dims;
	t->rows = rows;
	t->cols = cols;
	t->group = group;
	t->offset = p->n;
	t->n = rows * cols;
	p->n += t->n;
	return (t);
}

static void
append_block(struct params *p, size_t layer)
{
	const struct config *c = &p->config;
	const size_t C = c->model_dim, F = config_mlp_dim(c), KD = config_kv_dim(c);
	const size_t rows[PARAMS_BLOCK_COUNT] = {
		[PARAMS_ATTN_SCALE] = 1,
		[PARAMS_MLP_SCALE] = 1,
		[PARAMS_RESID_MIX] = 2,
		[PARAMS_Q_GAIN] = 1,
		[PARAMS_C_Q] = C,
		[PARAMS_C_K] = KD,
		[PARAMS_C_V] = KD,
		[PARAMS_PROJ] = C,
		[PARAMS_FC] = F,
		[PARAMS_MLP_PROJ] = C,
	};

	for (size_t i = 0; i < PARAMS_BLOCK_COUNT; i++) {
		const size_t cols = i == PARAMS_Q_GAIN ? c->num_heads : i == PARAMS_MLP_PROJ ? F : C;
		struct params_tensor *t = append(p, rows[i] == 1 ? 1 : 2, rows[i], cols, block_names[i].group);

		/* A matrix is a matrix even if it has one row. */
		if (t->group == PARAMS_MATRIX)
			t->dims = 2;
		snprintf(t->name, sizeof(t->name), "blocks.%zu.%s", layer, block_names[i].name);
	}
}

struct params *
params_new(const struct config *config)
{
	const size_t count = 1 + (config_skips(config) > 0) + config->num_layers * PARAMS_BLOCK_COUNT +
	    !config->tie_embeddings;
	struct params *p;
	struct params_tensor *t;

	if ((p = calloc(1, sizeof(*p))) == NULL)
		goto err0;
	if ((p->tensors = calloc(count, sizeof(*p->tensors))) == NULL)
		goto err1;
	p->config = *config;
	t = append(p, 2, config->vocab_size, config->model_dim, PARAMS_EMBED);
	snprintf(t->name, sizeof(t->name), "tok_emb.weight");
	if (config_skips(config) > 0) {
		t = append(p, 2, config_skips(config), config->model_dim, PARAMS_SCALAR);
		snprintf(t->name, sizeof(t->name), "skip_weights");
	}
	for (size_t layer = 0; layer < config->num_layers; layer++)
		append_block(p, layer);
	if (!config->tie_embeddings) {
		t = append(p, 2, config->vocab_size, config->model_dim, PARAMS_HEAD);
		snprintf(t->name, sizeof(t->name), "lm_head.weight");
	}
	return (p);

err1:
	free(p);
err0:
	say_error("cannot make the table of tensors: out of memory");
	errno = ENOMEM;
	return (NULL);
}

void
params_free(struct params *p)
{
	if (p == NULL)
		return;
	free(p->tensors);
	free(p);
}

size_t
params_tok_emb(const struct params *p)
{
	(void)p;
	return (0);
}

size_t
params_skip_weights(const struct params *p)
{
	(void)p;
	return (1);
}

size_t
params_at(const struct params *p, size_t layer, enum params_block which)
{
	return (1 + (config_skips(&p->config) > 0) + layer * PARAMS_BLOCK_COUNT + which);
}

size_t
params_head(const struct params *p)
{
	return (p->config.tie_embeddings ? 0 : p->count - 1);
}

const struct params_tensor *
params_find(const struct params *p, const char *name)
{
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->tensors[i].name, name) == 0)
			return (&p->tensors[i]);
	return (NULL);
}

/* FNV-1a: the stream that a tensor draws from is named after it. */
static uint64_t
stream_of(const char *name)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char)*name) * 0x100000001b3u;
	return (h);
}

static void
fill(float *w, size_t n, float value)
{
	for (size_t i = 0; i < n; i++)
		w[i] = value;
}

static int
ends_with(const char *name, const char *end)
{
	const size_t n = strlen(name), m = strlen(end);

	return (n >= m && strcmp(name + n - m, end) == 0);
}

void
params_init(const struct params *p, uint64_t seed, float *w)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct params_tensor *t = &p->tensors[i];
		float *at = w + t->offset;
		struct rng rng;

		rng_seed(&rng, seed, stream_of(t->name));
		if (t->group == PARAMS_EMBED) {
			const double std = p->config.tie_embeddings ? p->config.tied_embed_init_std : 1.0;

			for (size_t j = 0; j < t->n; j++)
				at[j] = (float)(std * rng_normal(&rng));
		} else if (t->group == PARAMS_HEAD || ends_with(t->name, ".proj.weight")) {
			fill(at, t->n, 0);
		} else if (t->group == PARAMS_MATRIX) {
			const double bound = 1.0 / sqrt((double)t->cols);

			for (size_t j = 0; j < t->n; j++)
				at[j] = (float)(bound * (2.0 * rng_uniform(&rng) - 1.0));
		} else if (ends_with(t->name, "q_gain")) {
			fill(at, t->n, (float)p->config.qk_gain_init);
		} else {
			fill(at, t->n, 1);
			if (ends_with(t->name, "resid_mix"))
				fill(at + t->cols, t->cols, 0);
		}
	}
}
