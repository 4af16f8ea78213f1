#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gpt/arena.h"
#include "gpt/sizes.h"
#include "gpt/model_buffers.h"

/* A buffer before it is made; those that share memory have times. */
struct model_place {
	enum ops_role role;
	size_t rows, cols;
	int shared, is_parameter;
	struct arena_item item;
};

/* Times of a visit's backward, by the operation at work. */
enum { BACK_MLP, BACK_PROJ, BACK_ATTENTION, BACK_QKV, BACK_TIMES };

struct ops_geometry
model_buffers_geometry(const struct model_args *args)
{
	const struct config *c = args->config;

	return ((struct ops_geometry){
	    .vocab_size = c->vocab_size,
	    .model_dim = c->model_dim,
	    .num_heads = c->num_heads,
	    .num_kv_heads = c->num_kv_heads,
	    .mlp_dim = config_mlp_dim(c),
	    .mlp_gated = c->mlp_activation == CONFIG_SWIGLU,
	    .bigram_dim = c->bigram_buckets > 0 ? c->bigram_dim : 0,
	    .rope_dims = config_turning(c),
	    .max_rows = args->max_batch * args->max_seq,
	    .max_positions = args->max_seq,
	    .rope_base = c->rope_base,
	    .logit_softcap = c->logit_softcap,
	    .norm_eps = CONFIG_NORM_EPS,
	});
}

int
model_buffers_room(struct model *m)
{
	const size_t tensors = m->params->count, visits = m->visit_count + 1;

	/* Three buffers a tensor, at most 22 a visit, and the single ones. */
	m->made_room = 3 * tensors + 22 * visits + 32;
	m->made = calloc(m->made_room, sizeof(struct ops_buf *));
	m->places = calloc(m->made_room, sizeof(*m->places));
	m->w = calloc(tensors, sizeof(struct ops_buf *));
	m->g = calloc(tensors, sizeof(struct ops_buf *));
	m->gradients = calloc(tensors, sizeof(struct ops_buf *));
	m->late = calloc(tensors, sizeof(*m->late));
	m->grams = calloc(tensors, sizeof(struct ops_buf *));
	m->visits = calloc(visits, sizeof(*m->visits));
	m->path = calloc(visits, sizeof(*m->path));
	if (m->made == NULL || m->places == NULL || m->w == NULL || m->g == NULL || m->gradients == NULL ||
	    m->late == NULL || m->grams == NULL || m->visits == NULL || m->path == NULL) {
		errno = ENOMEM;
		return (-1);
	}
	return (0);
}

void
model_buffers_forget(struct model *m)
{
	free(m->path);
	free(m->visits);
	free(m->grams);
	free(m->late);
	free(m->gradients);
	free(m->g);
	free(m->w);
	free(m->places);
	free(m->made);
}

static unsigned
head_time(const struct model *m)
{
	return ((unsigned)m->visit_count);
}

/* Of the backward of visit i. */
static unsigned
back_time(const struct model *m, size_t i, unsigned at)
{
	return (head_time(m) + 1 + BACK_TIMES * (unsigned)(m->visit_count - 1 - i) + at);
}

/* Of the embedding's gradient; and of the optimizer, which still reads all gradients. */
static unsigned
last_time(const struct model *m)
{
	return (back_time(m, 0, BACK_TIMES));
}
static unsigned
optimizer_time(const struct model *m)
{
	return (last_time(m) + 1);
}

/*
 * Buffers are made one by one, and a failure is noticed once, at the end.  While they are counted each has the address
 * of nothing: whether there is one is all that is asked.
 */
static struct ops_buf *
next(struct model *m, struct model_place place)
{
	static char nothing;
	struct ops_buf *buf;

	assert(m->made_count < m->made_room);
	if (m->counting) {
		m->places[m->made_count++] = place;
		return ((struct ops_buf *)(void *)&nothing);
	}
	if (m->places[m->made_count].shared)
		buf = m->ops->place(m->ctx, place.role, place.rows, place.cols, m->arena,
		    m->places[m->made_count].item.at);
	else
		buf = m->ops->alloc(m->ctx, place.role, place.rows, place.cols);
	if (buf != NULL)
		m->made[m->made_count++] = buf;
	else
		m->starved = 1;
	return (buf);
}

static struct ops_buf *
make(struct model *m, enum ops_role role, size_t rows, size_t cols)
{
	return (next(m, (struct model_place){ .role = role, .rows = rows, .cols = cols }));
}

/* One in use from and to certain times. Padding behind rows must stay zero, so what has some shares with nobody. */
static struct ops_buf *
share(struct model *m, enum ops_role role, size_t cols, unsigned from, unsigned to)
{
	const int is_whole = role == OPS_STAT || cols % OPS_WHOLE == 0;

	return (next(m,
	    (struct model_place){ .role = role,
		.rows = rows_of(m),
		.cols = cols,
		.shared = m->shares && is_whole,
		.item = { .from = from, .to = to } }));
}

/* Whether all that reads a tensor are ids of its rows. The head reads a tied embedding, too. */
static int
is_looked_up(const struct model *m, const struct params_tensor *t)
{
	return (t->id == PARAMS_BIGRAM_EMBED || t->id == PARAMS_VALUE_EMBED ||
	    (t->id == PARAMS_TOK_EMB && !m->params->config.tie_embeddings));
}

/* Products read all parameters but control tensors, tables that are looked up, and rows of logits. */
static enum ops_role
role_of(const struct model *m, const struct params_tensor *t)
{
	const int is_large = m->tables == 0 ? t->n >= OPS_TABLE_ELEMENTS : m->tables > 0;

	if (is_looked_up(m, t))
		return (is_large ? OPS_TABLE : OPS_VECTOR);
	return (t->id == PARAMS_PRIOR || t->group == PARAMS_SCALAR ? OPS_VECTOR : OPS_WEIGHT);
}

/* When the gradient of a layer's matrix is first written to in backward; 0 for any other's. */
static unsigned
gradient_time(const struct model *m, size_t i)
{
	const struct params_tensor *t = &m->params->tensors[i];

	for (size_t v = m->visit_count; v-- > 0;) {
		const size_t l = m->visits[v].layer;

		if (t->group != PARAMS_MATRIX || params_at(m->params, l, t->id) != i)
			continue;
		switch (t->id) {
		case PARAMS_FC:
		case PARAMS_MLP_GATE:
		case PARAMS_MLP_PROJ:
			return (back_time(m, v, BACK_MLP));
		case PARAMS_PROJ:
			return (back_time(m, v, BACK_PROJ));
		case PARAMS_C_Q:
		case PARAMS_C_K:
		case PARAMS_C_V:
			return (back_time(m, v, BACK_QKV));
		default:
			return (0);
		}
	}
	return (0);
}

/*
 * Where a step has one pass alone, gradients of layers lie where visits stood whose backward is done; in several passes
 * they are added to while all of those are there again.
 */
static void
make_gradient(struct model *m, size_t i)
{
	const struct params_tensor *t = &m->params->tensors[i];
	const unsigned from = gradient_time(m, i);

	m->late[i] = m->shares && m->max_passes == 1 && from != 0 && t->cols % OPS_WHOLE == 0;
	m->gradients[i] = next(m,
	    (struct model_place){ .role = role_of(m, t) == OPS_TABLE ? OPS_ROWS : OPS_VECTOR,
		.rows = t->rows,
		.cols = t->cols,
		.shared = m->late[i],
		.is_parameter = 1,
		.item = { .from = from, .to = optimizer_time(m) } });
	if (!m->late[i])
		m->g[m->g_count++] = m->gradients[i];
}

static void
make_params(struct model *m)
{
	for (size_t i = 0; i < m->params->count; i++) {
		const struct params_tensor *t = &m->params->tensors[i];

		m->w[i] = next(m,
		    (struct model_place){ .role = role_of(m, t), .rows = t->rows, .cols = t->cols, .is_parameter = 1 });
		if (m->use == MODEL_TRAIN && t->group != PARAMS_FROZEN)
			make_gradient(m, i);
	}
}

/* Room for what is watched, under the first tensor that reads it. The table of pairs is read by numbers alone. */
static void
make_grams(struct model *m, const struct model_args *args)
{
	const struct params *p = m->params;

	for (size_t i = 0; args->watches != NULL && i < p->count; i++) {
		const size_t input = params_input(p, i), n = p->tensors[i].cols;

		if (input == PARAMS_NONE || m->grams[input] != NULL ||
		    !args->watches(args->watches_law, &p->tensors[i]))
			continue;
		if (p->tensors[i].id != PARAMS_BIGRAM_PROJ)
			m->grams[input] = next(m,
			    (struct model_place){ .role = OPS_VECTOR, .rows = n, .cols = n, .is_parameter = 1 });
		else if (!m->counting &&
		    ((m->pairs_seen = calloc(p->config.bigram_buckets, sizeof(*m->pairs_seen))) == NULL ||
			(m->pair = calloc(n, sizeof(*m->pair))) == NULL))
			m->starved = 1;
	}
}

/* What a visit leaves behind where no backward follows: what the first has, but for what is its own. */
static void
share_visit(struct model *m, size_t i)
{
	const struct config *c = &m->params->config;
	const size_t N = rows_of(m), KD = config_kv_dim(c);
	struct visit *all = m->visits, *a = &all[i];

	a->q = all[0].q;
	a->k = m->use == MODEL_GENERATE ? make(m, OPS_CACHE, N, KD) : all[0].k;
	a->v = m->use == MODEL_GENERATE ? make(m, OPS_CACHE, N, KD) : all[0].v;
	a->y = all[0].y;
	a->r = all[0].r;
	a->gate = all[0].gate;
	/* Values beside the first ones, which stay where layers mix them in. */
	if (m->use == MODEL_SCORE && c->value_residual)
		a->v = i == 1 ? make(m, OPS_ACT, N, KD) : all[1].v;
}

/*
 * Lanes begin as one stream, x of the first visit of layer parallel_from: that has no other lane.  The last visit puts
 * out their mean alone.
 */
static void
make_lanes(struct model *m)
{
	const struct config *c = &m->params->config;
	const size_t N = rows_of(m), C = c->model_dim;
	const int is_own = m->use == MODEL_TRAIN;
	struct ops_buf *lane = NULL, *x2 = NULL;

	if (c->parallel_from == CONFIG_NONE)
		return;
	m->none = make(m, OPS_STREAM, N, C);
	for (size_t i = config_first_visit(c, c->parallel_from); i < m->visit_count; i++) {
		m->visits[i].x2 = x2 = is_own || x2 == NULL ? make(m, OPS_STREAM, N, C) : x2;
		if (i + 1 < m->visit_count)
			m->visits[i + 1].lane = lane = is_own || lane == NULL ? make(m, OPS_STREAM, N, C) : lane;
	}
	if (m->use != MODEL_TRAIN)
		return;
	m->dlane = make(m, OPS_STREAM, N, C);
	m->datt = make(m, OPS_STREAM, N, C);
	m->dmlp = make(m, OPS_STREAM, N, C);
}

/* Until its backward is done with it, or shared by all visits, which is then from beginning to end. */
static void
make_visit(struct model *m, size_t i)
{
	const struct config *c = &m->params->config;
	const size_t C = c->model_dim, KD = config_kv_dim(c), F = config_mlp_dim(c);
	const unsigned from = (unsigned)i, to = back_time(m, i, BACK_QKV), mlp = back_time(m, i, BACK_MLP);
	const enum ops_role by_position = m->use == MODEL_GENERATE ? OPS_CACHE : OPS_ACT;
	struct visit *a = &m->visits[i];

	a->q = share(m, OPS_ACT, C, from, to);
	a->k = share(m, by_position, KD, from, to);
	a->v = share(m, by_position, KD, from, to);
	a->y = share(m, OPS_ACT, C, from, to);
	a->r = share(m, OPS_ACT, F, from, mlp);
	if (c->mlp_activation == CONFIG_SWIGLU)
		a->gate = share(m, OPS_ACT, F, from, mlp);
}

/*
 * The stream that goes into visit i, the last of all behind them.  With a loop the visits before may be left out, and
 * any of those behind may be where the gradient of a skip waits.
 */
static struct ops_buf *
make_stream(struct model *m, size_t i)
{
	const struct config *c = &m->params->config;
	const size_t skips = config_skips(c);
	const int waits = i > skips && i <= 2 * skips;
	unsigned from = i > 0 ? (unsigned)i - 1 : 0;
	unsigned to = i < m->visit_count ? back_time(m, i, BACK_QKV) : head_time(m);

	if (c->loop.count != 0)
		from = 0;
	if (i == 0 || waits || c->loop.count != 0)
		to = last_time(m);
	return (share(m, OPS_STREAM, c->model_dim, from, to));
}

static void
make_visits(struct model *m)
{
	const struct config *c = &m->params->config;
	const size_t N = rows_of(m), C = c->model_dim, H = c->num_heads, K = c->num_kv_heads;
	struct visit *all = m->visits;
	struct ops_buf *stream = NULL;

	m->xm = share(m, OPS_STREAM, C, 0, head_time(m) - 1);
	all[0].x = make_stream(m, 0);
	for (size_t i = 0; i < m->visit_count; i++) {
		struct visit *a = &all[i];

		if (m->use == MODEL_TRAIN || i == 0)
			make_visit(m, i);
		else
			share_visit(m, i);
		/* A layer's own number of columns. */
		if (cut_columns(m, a->layer) > 0)
			a->cut = make(m, OPS_STAT, N, cut_columns(m, a->layer));
		a->raw = m->use == MODEL_TRAIN && has_mixed_values(m, a->layer) ?
		    make(m, OPS_ACT, N, config_kv_dim(c)) :
		    a->v;
		if (m->use == MODEL_TRAIN) {
			a->x1 = share(m, OPS_STREAM, C, (unsigned)i, back_time(m, i, BACK_MLP));
			a->rq = make(m, OPS_STAT, N, H);
			a->rk = make(m, OPS_STAT, N, K);
			a->lse = make(m, OPS_STAT, N, H);
			all[i + 1].x = make_stream(m, i + 1);
		} else {
			a->x1 = m->xm;
			/* What a later visit's skip reads is kept. */
			if (i < config_skips(c))
				all[i + 1].x = make(m, OPS_STREAM, N, C);
			else
				all[i + 1].x = stream != NULL ? stream : (stream = make(m, OPS_STREAM, N, C));
		}
	}
	if (has_context(c))
		m->e = make(m, OPS_STREAM, N, C);
	if (c->bigram_buckets > 0)
		m->pairs = make(m, OPS_IDS, N, 1);
	if (c->smear)
		m->smeared = make(m, OPS_IDS, N, 1);
	if (c->skip_gate || (c->parallel_from != CONFIG_NONE && config_skips(c) > 0))
		m->joined = make(m, OPS_STREAM, N, C);
	if (c->attn_gate || c->xsa_layers > 0)
		m->out = make(m, OPS_ACT, N, C);
	m->inputs = make(m, OPS_IDS, N, 1);
	m->targets = make(m, OPS_IDS, N, 1);
	m->nats = make(m, OPS_STAT, N * m->max_passes, 1);
	m->logits = make(m, OPS_STAT, 1, c->vocab_size);
}

/* A gradient of what the gates of a visit look at: that of an earlier one of as many columns, or a new one. */
static struct ops_buf *
same_columns(struct model *m, size_t visit)
{
	const size_t columns = cut_columns(m, m->visits[visit].layer);

	for (size_t i = 0; i < visit; i++)
		if (cut_columns(m, m->visits[i].layer) == columns)
			return (m->visits[i].dcut);
	return (make(m, OPS_STAT, rows_of(m), columns));
}

/*
 * Gradients within a visit, in the place of what it needs no more; where nothing is shared, or not what has so many
 * columns, those of the first for all.
 */
static void
make_visit_grad(struct model *m, size_t i)
{
	const struct config *c = &m->params->config;
	const size_t C = c->model_dim, KD = config_kv_dim(c);
	const unsigned proj = back_time(m, i, BACK_PROJ), attention = back_time(m, i, BACK_ATTENTION);
	const unsigned qkv = back_time(m, i, BACK_QKV);
	const int is_first = i == 0, own_q = m->shares && C % OPS_WHOLE == 0, own_k = m->shares && KD % OPS_WHOLE == 0;
	const struct visit *first = &m->visits[0];
	struct visit *a = &m->visits[i];

	a->dy = is_first || own_q ? share(m, OPS_ACT, C, proj, attention) : first->dy;
	a->dq = is_first || own_q ? share(m, OPS_ACT, C, attention, qkv) : first->dq;
	a->dk = is_first || own_k ? share(m, OPS_ACT, KD, attention, qkv) : first->dk;
	a->dv = is_first || own_k ? share(m, OPS_ACT, KD, attention, qkv) : first->dv;
}

static void
make_backward(struct model *m)
{
	const struct config *c = &m->params->config;
	const size_t N = rows_of(m), C = c->model_dim, KD = config_kv_dim(c);

	m->dx = share(m, OPS_STREAM, C, head_time(m), last_time(m));
	m->dx0 = share(m, OPS_STREAM, C, head_time(m) + 1, last_time(m));
	for (size_t i = 0; i < m->visit_count; i++)
		make_visit_grad(m, i);
	if (has_context(c))
		m->de = make(m, OPS_STREAM, N, C);
	if (c->xsa_layers > 0)
		m->down = make(m, OPS_STREAM, N, KD);
	if (c->value_residual)
		m->dfirst = make(m, OPS_STREAM, N, KD);
	for (size_t i = 0; i < m->visit_count; i++)
		if (cut_columns(m, m->visits[i].layer) > 0)
			m->visits[i].dcut = same_columns(m, i);
}

static void
make_all(struct model *m, const struct model_args *args)
{
	for (size_t i = 0; i < m->visit_count; i++)
		m->visits[i].layer = config_visited(&m->params->config, i);
	make_params(m);
	make_visits(m);
	make_lanes(m);
	if (m->use == MODEL_TRAIN) {
		make_backward(m);
		make_grams(m, args);
	}
}

/* Bytes of a buffer. Of a backend that is not reckoned: in float32, a weight with a copy for each way it is read. */
static uint64_t
bytes_of(const struct model_args *args, const struct ops_geometry *g, const struct model_place *place)
{
	const int training = args->use == MODEL_TRAIN;

#ifndef HG_PORTABLE /* which counts the reference alone */
	if (strcmp(args->backend, "cpu") == 0)
		return (sizes_buffer(g, sizes_usual(args->arith), training, place->role, place->rows, place->cols));
#endif
	return (4 * (uint64_t)place->rows * place->cols * (place->role == OPS_WEIGHT ? 2 + (uint64_t)training : 1));
}

/* Go through all for the first time, and plan where those lie that share. -1: ENOMEM. */
static int
count(struct model *m, const struct model_args *args)
{
	const struct ops_geometry g = model_buffers_geometry(args);
	struct arena_item *items;
	size_t n = 0, kept = 0;

	m->counting = 1;
	make_all(m, args);
	m->counting = 0;
	if ((items = calloc(m->made_count + 1, sizeof(*items))) == NULL)
		return (-1);
	for (size_t i = 0; i < m->made_count; i++) {
		m->places[i].item.bytes = (size_t)bytes_of(args, &g, &m->places[i]);
		if (m->places[i].shared)
			items[n++] = m->places[i].item;
	}
	m->arena_bytes = arena_plan(items, n);
	for (size_t i = 0; i < m->made_count; i++)
		if (m->places[i].shared)
			m->places[i].item.at = items[kept++].at;
	free(items);
	return (m->arena_bytes != SIZE_MAX ? 0 : -1);
}

void
model_buffers_make(struct model *m, const struct model_args *args)
{
	size_t tensors = m->params->count;

	m->shares = m->use == MODEL_TRAIN && m->ops->place != NULL && !args->apart;
	m->tables = args->tables;
	if (count(m, args) != 0 ||
	    (m->arena_bytes != 0 &&
		(m->arena = m->ops->alloc(m->ctx, OPS_STAT, 1, m->arena_bytes / sizeof(float))) == NULL)) {
		m->starved = 1;
		m->made_count = 0;
		return;
	}
	m->made_count = m->g_count = 0;
	memset(m->visits, 0, (m->visit_count + 1) * sizeof(*m->visits));
	memset(m->grams, 0, tensors * sizeof(struct ops_buf *));
	make_all(m, args);
}

int
model_buffers_count(const struct model_args *args, struct model_buffers_sum *sum)
{
	struct model m = { .use = args->use,
		.max_batch = args->max_batch,
		.max_seq = args->max_seq,
		.max_passes = args->max_passes,
		.shares = args->use == MODEL_TRAIN && strcmp(args->backend, "cpu") == 0 && !args->apart,
		.tables = args->tables };
	int rc = -1;

	*sum = (struct model_buffers_sum){ 0, 0 };
	if ((m.params = params_new(args->config)) == NULL)
		return (-1);
	m.visit_count = config_visits(args->config);
	if (model_buffers_room(&m) == 0 && count(&m, args) == 0) {
		sum->activations = m.arena_bytes;
		for (size_t i = 0; i < m.made_count; i++)
			if (!m.places[i].shared)
				*(m.places[i].is_parameter ? &sum->parameters :
							     &sum->activations) += m.places[i].item.bytes;
		rc = 0;
	}
	model_buffers_forget(&m);
	params_free(m.params);
	return (rc);
}
