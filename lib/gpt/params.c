#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpt/params.h"
#include "base/hash.h"
#include "base/rng.h"
#include "base/say.h"

const char *
params_state(enum params_group group, enum params_state state)
{
	const int is_muon = group == PARAMS_MATRIX, is_adam = !is_muon && group != PARAMS_FROZEN;
	const struct {
		const char *suffix;
		int kept;
	} states[] = {
		[PARAMS_MOMENTUM] = { ".momentum", is_muon },
		[PARAMS_ADAM_M] = { ".adam_m", is_adam },
		[PARAMS_ADAM_V] = { ".adam_v", is_adam },
		[PARAMS_NEURON] = { ".neuron", is_muon },
		[PARAMS_AVERAGE] = { ".average", is_muon || is_adam },
	};

	return (states[state].kept ? states[state].suffix : NULL);
}

size_t
params_state_n(const struct params_tensor *t, enum params_state state)
{
	return (state == PARAMS_NEURON ? t->rows : t->n);
}

/* Element i of a tensor at first. */
struct draw {
	const struct config *c;
	const struct params_tensor *t;
	struct rng rng;
	double bound; /* 1 / sqrt(fan_in) */
	size_t i;
};

static double
init_zero(struct draw *d)
{
	(void)d;
	return (0);
}

static double
init_one(struct draw *d)
{
	(void)d;
	return (1);
}

static double
init_twentieth(struct draw *d)
{
	(void)d;
	return (0.05);
}

/* As published: 1.1 over the two branches of a layer. */
static double
init_keep(struct draw *d)
{
	(void)d;
	return (1.1);
}

/* One, then zeros. */
static double
init_first(struct draw *d)
{
	return (d->i == 0);
}

/* All of the stream, nothing of x0. */
static double
init_mix(struct draw *d)
{
	return (d->i < d->t->cols);
}

static double
init_qk_gain(struct draw *d)
{
	return (d->c->qk_gain_init);
}

static double
init_embedding(struct draw *d)
{
	return ((d->c->tie_embeddings ? d->c->tied_embed_init_std : 1.0) * rng_normal(&d->rng));
}

static double
init_uniform(struct draw *d)
{
	return (d->bound * (2.0 * rng_uniform(&d->rng) - 1.0));
}

struct row {
	const char *name;
	enum { FIRST, BLOCK, TABLE, LAST } where;
	int when, dims;
	size_t rows, cols;
	enum params_group group;
	double (*init)(struct draw *d);
	enum params_storage storage;
};

static size_t
least(size_t a, size_t b)
{
	return (a < b ? a : b);
}

static int
is_layers(const struct row *row)
{
	return (row->where == BLOCK || row->where == TABLE);
}

/* The row that stands at a place: the table comes again for each layer. */
static struct row
row_at(const struct config *c, size_t at)
{
	const size_t layer = at / PARAMS_ROWS;
	const size_t V = c->vocab_size, C = c->model_dim, H = c->num_heads, KD = config_kv_dim(c);
	const size_t F = config_mlp_dim(c), S = config_skips(c), K = c->num_kv_heads;
	const size_t G = least(CONFIG_GATE_COLUMNS, C), W = least(CONFIG_VALUE_COLUMNS, C);
	const struct row rows[] = {
#define VECTOR(n) 1, 1, n
#define MATRIX(rows, cols) 2, rows, cols
#define TENSOR(id, name, where, when, shape, group, init, storage) \
	[PARAMS_##id] = { name, where, when, shape, PARAMS_##group, init, PARAMS_##storage },
#include "gpt/params.def"
#undef TENSOR
	};
	struct row row = rows[at % PARAMS_ROWS];

	/* What stands once goes with the first layer or the last. */
	row.when = row.when && (is_layers(&row) || layer == (row.where == FIRST ? 0 : c->num_layers - 1));
	return (row);
}

struct params_sizes
params_sizes(const struct config *config)
{
	struct params_sizes s = { 0, 0, { 0 } };

	for (size_t at = 0; at < config->num_layers * PARAMS_ROWS; at++) {
		const struct row row = row_at(config, at);

		if (!row.when)
			continue;
		assert(row.rows <= (UINT64_MAX - s.n) / row.cols);
		s.count++;
		s.n += (uint64_t)row.rows * row.cols;
		s.of_group[row.group] += (uint64_t)row.rows * row.cols;
	}
	return (s);
}

static void
append(struct params *p, const struct row *row, size_t at)
{
	struct params_tensor *t = &p->tensors[p->count];

	if (row->where == BLOCK)
		snprintf(t->name, sizeof(t->name), "blocks.%zu.%s", at / PARAMS_ROWS, row->name);
	else if (row->where == TABLE)
		snprintf(t->name, sizeof(t->name), "%s.%zu.weight", row->name, at / PARAMS_ROWS);
	else
		snprintf(t->name, sizeof(t->name), "%s", row->name);
	t->id = (enum params_id)(at % PARAMS_ROWS);
	t->rows = row->rows;
	t->cols = row->cols;
	t->dims = row->dims;
	t->group = row->group;
	t->storage = row->storage;
	t->offset = p->n;
	t->n = t->rows * t->cols;
	p->n += t->n;
	p->places[is_layers(row) ? at : t->id] = p->count++;
}

struct params *
params_new(const struct config *config)
{
	const size_t places = config->num_layers * PARAMS_ROWS;
	struct params *p;

	if ((p = calloc(1, sizeof(*p))) == NULL)
		goto err0;
	p->config = *config;
	p->tensors = calloc(params_sizes(config).count, sizeof(*p->tensors));
	p->places = calloc(places, sizeof(*p->places));
	if (p->tensors == NULL || p->places == NULL)
		goto err1;
	for (size_t at = 0; at < places; at++) {
		const struct row row = row_at(config, at);

		p->places[at] = PARAMS_NONE;
		if (row.when)
			append(p, &row, at);
	}
	return (p);

err1:
	params_free(p);
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
	free(p->places);
	free(p->tensors);
	free(p);
}

size_t
params_at(const struct params *p, size_t layer, enum params_id id)
{
	assert(layer < p->config.num_layers && id < PARAMS_ROWS);
	return (p->places[layer * PARAMS_ROWS + id]);
}

size_t
params_head(const struct params *p)
{
	const size_t head = params_at(p, 0, PARAMS_LM_HEAD);

	return (head != PARAMS_NONE ? head : params_at(p, 0, PARAMS_TOK_EMB));
}

size_t
params_input(const struct params *p, size_t i)
{
	/* In the order of the table. */
	switch (p->tensors[i].id) {
	case PARAMS_C_V:
		return (i - 2);
	case PARAMS_C_K:
	case PARAMS_MLP_GATE:
		return (i - 1);
	case PARAMS_C_Q:
	case PARAMS_PROJ:
	case PARAMS_FC:
	case PARAMS_MLP_PROJ:
	case PARAMS_BIGRAM_PROJ:
	case PARAMS_LM_HEAD:
		return (i);
	case PARAMS_TOK_EMB:
		return (params_head(p) == i ? i : PARAMS_NONE);
	default:
		return (PARAMS_NONE);
	}
}

const struct params_tensor *
params_find(const struct params *p, const char *name)
{
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->tensors[i].name, name) == 0)
			return (&p->tensors[i]);
	return (NULL);
}

void
params_init(const struct params *p, uint64_t seed, float *w)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct params_tensor *t = &p->tensors[i];
		const struct row row = row_at(&p->config, t->id);
		struct draw d = { .c = &p->config, .t = t, .bound = 1.0 / sqrt((double)t->cols) };

		/* The stream that a tensor draws from is named after it. */
		rng_seed(&d.rng, seed, hash_text(t->name));
		for (; d.i < t->n; d.i++)
			w[t->offset + d.i] = (float)row.init(&d);
	}
}
