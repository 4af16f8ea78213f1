#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gpt/model_buffers.h"
#include "gpt/model_bytes.h"
#include "base/progress.h"
#include "base/say.h"

struct model *
model_open(const struct model_args *args)
{
	const struct config *c = args->config;
	const struct ops_open_args open_args = {
		.geometry = model_buffers_geometry(args),
		.arith = args->arith,
		.isa = args->isa,
		.threads = args->threads,
		.training = args->use == MODEL_TRAIN,
		.numerics = args->numerics,
	};
	struct model *m;

	assert(args->max_batch > 0 && args->max_seq > 0 && args->max_passes > 0 && args->threads > 0);
	assert(args->use != MODEL_GENERATE || args->max_batch == 1);
	if (args->max_seq > SIZE_MAX / 16 / sizeof(float) / c->vocab_size / args->max_batch / args->max_passes) {
		say_error("batches of %zu sequences of %zu tokens are too large to address", args->max_batch,
		    args->max_seq);
		errno = EINVAL;
		return (NULL);
	}
	if ((m = calloc(1, sizeof(*m))) == NULL)
		goto err0;
	m->use = args->use;
	m->arith = args->arith;
	m->numerics = args->numerics;
	m->max_batch = args->max_batch;
	m->max_seq = args->max_seq;
	m->max_passes = args->max_passes;
	if ((m->ops = ops_find(args->backend)) == NULL) {
		say_error("this build has no backend '%s'%s; or ask for system.backend=cpu", args->backend,
		    strcmp(args->backend, "cuda") == 0 ? ": make CUDA=1 all builds one that has" : "");
		/* No retry makes one. */
		errno = EINVAL;
		goto err1;
	}
	if ((m->params = params_new(c)) == NULL)
		goto err1;
	m->visit_count = config_visits(c);
	m->before = calloc(args->max_batch * args->max_seq, sizeof(*m->before));
	if (model_buffers_room(m) != 0 || m->before == NULL)
		goto err2;
	if ((m->ctx = m->ops->open(&open_args)) == NULL)
		goto err1;
	model_buffers_make(m, args);
	if (m->starved)
		goto err2;
	model_loop(m, 1);
	return (m);

err2:
	if (m->ops->memory == NULL)
		say_error("model does not fit into memory (about %ju MB): lower train.micro_batch_tokens",
		    (uintmax_t)(model_bytes(args) >> 20));
	errno = ENOMEM;
err1:
	model_close(m);
	return (NULL);
err0:
	say_error("cannot open a model: out of memory");
	errno = ENOMEM;
	return (NULL);
}

void
model_close(struct model *m)
{
	const int error = errno;

	if (m == NULL)
		return;
	for (size_t i = 0; i < m->made_count; i++)
		m->ops->free(m->ctx, m->made[i]);
	if (m->arena != NULL)
		m->ops->free(m->ctx, m->arena);
	if (m->ctx != NULL)
		m->ops->close(m->ctx);
	free(m->before);
	free(m->pairs_seen);
	free(m->pair);
	model_buffers_forget(m);
	params_free(m->params);
	free(m);
	errno = error;
}

const struct params *
model_params(const struct model *m)
{
	return (m->params);
}

const char *
model_backend(const struct model *m)
{
	return (m->ops->name);
}

const char *
model_isa(const struct model *m)
{
	return (m->ops->isa(m->ctx));
}

unsigned
model_numerics(const struct model *m)
{
	return (m->numerics);
}

const char *
model_library(const struct model *m)
{
	return (m->ops->library(m->ctx));
}

enum ops_arith
model_arith(const struct model *m)
{
	return (m->arith);
}

const struct ops *
model_ops(const struct model *m)
{
	return (m->ops);
}

struct ops_ctx *
model_ctx(const struct model *m)
{
	return (m->ctx);
}

struct ops_buf *
model_weight(const struct model *m, size_t i)
{
	assert(i < m->params->count);
	return (m->w[i]);
}

struct ops_buf *
model_gradient(const struct model *m, size_t i)
{
	assert(m->use == MODEL_TRAIN && i < m->params->count);
	return (m->gradients[i]);
}

void
model_loop(struct model *m, int looping)
{
	const struct config *c = &m->params->config;

	m->path_length = 0;
	for (size_t i = 0; i < m->visit_count; i++)
		if (looping || c->loop.count == 0 || i <= c->loop.number[1] || m->visits[i].layer > c->loop.number[1])
			m->path[m->path_length++] = i;
	m->path[m->path_length] = m->visit_count;
	m->skips = looping ? config_skips(c) : config_skips_once(c);
}

/* A visit of the pass in force; the one after the last is the final stream's. */
static struct visit *
visit_at(const struct model *m, size_t i)
{
	return (&m->visits[m->path[i]]);
}

void
model_set(struct model *m, const float *w)
{
	for (size_t i = 0; i < m->params->count; i++)
		m->ops->upload(m->ctx, m->w[i], 0, w + m->params->tensors[i].offset, m->params->tensors[i].n);
}

void
model_get(const struct model *m, float *w)
{
	for (size_t i = 0; i < m->params->count; i++)
		m->ops->download(m->ctx, m->w[i], 0, w + m->params->tensors[i].offset, m->params->tensors[i].n);
}

void
model_get_grad(const struct model *m, float *g)
{
	assert(m->use == MODEL_TRAIN);
	for (size_t i = 0; i < m->params->count; i++) {
		const struct params_tensor *t = &m->params->tensors[i];

		if (m->gradients[i] != NULL)
			m->ops->download(m->ctx, m->gradients[i], 0, g + t->offset, t->n);
		else
			memset(g + t->offset, 0, t->n * sizeof(*g));
	}
}

void
model_begin(struct model *m)
{
	m->backwards = 0;
	m->ops->begin(m->ctx);
	if (m->use == MODEL_TRAIN)
		m->ops->zero(m->ctx, m->g, m->g_count);
}

void
model_end(struct model *m)
{
	/* Without backward nobody has made zeros of them. */
	for (size_t i = 0; m->use == MODEL_TRAIN && m->backwards == 0 && i < m->params->count; i++)
		if (m->late[i])
			m->ops->zero(m->ctx, &m->gradients[i], 1);
	m->ops->end(m->ctx);
}

/* A tensor of a layer, NULL if that has none; one that stands once is layer 0's. */
static struct ops_buf *
weight(const struct model *m, size_t layer, enum params_id id)
{
	const size_t i = params_at(m->params, layer, id);

	return (i != PARAMS_NONE ? m->w[i] : NULL);
}

static struct ops_buf *
gradient(const struct model *m, size_t layer, enum params_id id)
{
	const size_t i = params_at(m->params, layer, id);

	return (i != PARAMS_NONE ? m->gradients[i] : NULL);
}

/* The operations of a block, on the buffers of its layer; those of levers where there are any. */
struct block {
	int has_skip, has_values, has_output, has_lanes;
	struct ops_skip skip;
	struct ops_values values;
	struct ops_output output;
	struct ops_qkv qkv;
	struct ops_attention attention;
	struct ops_proj proj;
	struct ops_mlp mlp;
	struct ops_lanes lanes;
};

static const enum ops_activation activations[] = {
	[CONFIG_RELU2] = OPS_RELU2,
	[CONFIG_LEAKY_RELU2] = OPS_LEAKY_RELU2,
	[CONFIG_SWIGLU] = OPS_SWIGLU,
};

/*
 * The two lanes of a visit in place of its one stream; its skip is then an operation of its own, and goes to
 * attention's lane alone, also where they begin.
 */
static void
part_lanes(const struct model *m, size_t i, struct block *b)
{
	const struct visit *a = visit_at(m, i), *next = visit_at(m, i + 1);

	b->has_lanes = 1;
	b->has_skip = b->skip.skip != NULL;
	b->qkv.x = b->has_skip ? m->joined : a->x;
	b->qkv.skip = b->qkv.skip_w = NULL;
	b->proj.xm = m->none;
	b->mlp.x1 = a->lane != NULL ? a->lane : a->x;
	b->mlp.x2 = a->x2;
	b->lanes = (struct ops_lanes){
		.a = b->qkv.x,
		.b = b->mlp.x1,
		.att = a->x1,
		.x2 = a->x2,
		.keep = weight(m, a->layer, PARAMS_LANE_KEEP),
		.add = weight(m, a->layer, PARAMS_LANE_ADD),
		.a1 = next->x,
		.b1 = next->lane,
	};
}

static struct block
block_of(const struct model *m, size_t i)
{
	const size_t encoders = m->skips;
	const struct config *c = &m->params->config;
	const struct visit *a = visit_at(m, i);
	const size_t l = a->layer;
	const int has_output = c->attn_gate || has_own_removed(m, l);
	const float norm_scale = c->ln_scale ? (float)(1 / sqrt((double)l + 1)) : 1;
	struct ops_buf *skip = NULL;
	size_t skip_row = 0;
	struct block b;

	/* Visit encoders + i adds what visit encoders - 1 - i put out, which is that visit's successor's input. */
	if (i >= encoders && i - encoders < encoders) {
		skip_row = i - encoders;
		skip = visit_at(m, encoders - skip_row)->x;
	}
	b = (struct block) {
		.has_skip = skip != NULL && c->skip_gate,
		.has_values = has_value_table(m, l) || has_mixed_values(m, l),
		.has_output = has_output,
		.skip = {
			.x = a->x, .skip = skip, .skip_row = skip_row,
			.w = weight(m, 0, PARAMS_SKIP_WEIGHTS), .gates = weight(m, 0, PARAMS_SKIP_GATES),
			.out = m->joined,
		},
		.values = {
			.raw = a->raw, .v = a->v, .ids = m->inputs, .cut = a->cut,
			.table = weight(m, l, PARAMS_VALUE_EMBED), .gate = weight(m, l, PARAMS_VALUE_GATE),
			.mix = weight(m, l, PARAMS_VALUE_MIX), .first = m->visits[0].v,
		},
		.output = {
			.y = a->y, .v = has_own_removed(m, l) ? a->v : NULL, .gate = weight(m, l, PARAMS_ATTN_GATE),
			.cut = a->cut, .out = m->out,
		},
		.qkv = {
			.x = skip != NULL && c->skip_gate ? m->joined : a->x,
			.skip = c->skip_gate ? NULL : skip, .skip_row = skip_row,
			.skip_w = skip != NULL && !c->skip_gate ? weight(m, 0, PARAMS_SKIP_WEIGHTS) : NULL,
			.x0 = m->visits[0].x, .mix = weight(m, l, PARAMS_RESID_MIX),
			.wq = weight(m, l, PARAMS_C_Q), .wk = weight(m, l, PARAMS_C_K),
			.wv = weight(m, l, PARAMS_C_V),
			.xm = m->xm, .q = a->q, .k = a->k, .v = a->raw, .rq = a->rq, .rk = a->rk,
			.norm_scale = norm_scale, .cut = a->cut,
		},
		.attention = {
			.q = a->q, .k = a->k, .v = a->v, .gain = weight(m, l, PARAMS_Q_GAIN),
			.y = a->y, .lse = a->lse,
		},
		.proj = {
			.xm = m->xm, .y = has_output ? m->out : a->y, .wo = weight(m, l, PARAMS_PROJ),
			.scale = weight(m, l, PARAMS_ATTN_SCALE), .x1 = a->x1,
		},
		.mlp = {
			.x1 = a->x1, .wfc = weight(m, l, PARAMS_FC), .wproj = weight(m, l, PARAMS_MLP_PROJ),
			.scale = weight(m, l, PARAMS_MLP_SCALE), .r = a->r, .x2 = visit_at(m, i + 1)->x,
			.activation = activations[m->params->config.mlp_activation],
			.norm_scale = norm_scale, .wgate = weight(m, l, PARAMS_MLP_GATE), .gate = a->gate,
		},
	};
	if (has_lanes(c, l))
		part_lanes(m, i, &b);
	return (b);
}

/* The embedding with what stands before. */
static struct ops_context
context_of(const struct model *m)
{
	return ((struct ops_context){
	    .ids = m->inputs,
	    .emb = weight(m, 0, PARAMS_TOK_EMB),
	    .pairs = m->pairs,
	    .table = weight(m, 0, PARAMS_BIGRAM_EMBED),
	    .proj = weight(m, 0, PARAMS_BIGRAM_PROJ),
	    .scale = weight(m, 0, PARAMS_BIGRAM_SCALE),
	    .smeared = m->smeared,
	    .gate = weight(m, 0, PARAMS_SMEAR_GATE),
	    .lambda = weight(m, 0, PARAMS_SMEAR_LAMBDA),
	    .e = m->e,
	    .x0 = m->visits[0].x,
	});
}

/* What a tensor read joins its Gram matrix, if there is one. */
static void
watch(struct model *m, struct ops_rows rows, size_t l, enum params_id id, struct ops_gram a)
{
	const size_t i = params_at(m->params, l, id);

	if (i != PARAMS_NONE && (a.g = m->grams[i]) != NULL)
		m->ops->gram(m->ctx, rows, &a);
}

/* What the matrices of a layer have just read. */
static void
watch_block(struct model *m, struct ops_rows rows, size_t l, const struct block *b)
{
	watch(m, rows, l, PARAMS_C_Q, (struct ops_gram){ .x = b->qkv.xm, .norm_scale = b->qkv.norm_scale });
	watch(m, rows, l, PARAMS_PROJ, (struct ops_gram){ .y = b->proj.y });
	watch(m, rows, l, PARAMS_FC, (struct ops_gram){ .x = b->mlp.x1, .norm_scale = b->mlp.norm_scale });
	watch(m, rows, l, PARAMS_MLP_PROJ,
	    (struct ops_gram){ .r = b->mlp.r, .gate = b->mlp.gate, .activation = b->mlp.activation });
}

/*
 * From the ids in m->inputs to the final stream, the rows of it that are wanted.  All layers but the last are done for
 * every row: of each the next one makes keys and values.
 */
static void
forward(struct model *m, struct ops_rows wanted)
{
	const struct ops *ops = m->ops;
	struct ops_rows rows = wanted;

	rows.from = 0;
	if (m->e != NULL) {
		const struct ops_context context = context_of(m);

		ops->context(m->ctx, rows, &context);
	} else
		ops->embed(m->ctx, rows, m->visits[0].x, m->inputs, weight(m, 0, PARAMS_TOK_EMB));
	for (size_t i = 0; i < m->path_length; i++) {
		const struct block b = block_of(m, i);

		if (i + 1 == m->path_length)
			rows.from = wanted.from;
		if (b.has_skip)
			ops->skip(m->ctx, rows, &b.skip);
		ops->qkv(m->ctx, rows, &b.qkv);
		if (b.has_values)
			ops->values(m->ctx, rows, &b.values);
		ops->attention(m->ctx, rows, &b.attention);
		if (b.has_output)
			ops->output(m->ctx, rows, &b.output);
		ops->proj(m->ctx, rows, &b.proj);
		ops->mlp(m->ctx, rows, &b.mlp);
		if (b.has_lanes)
			ops->lanes(m->ctx, rows, &b.lanes);
		if (m->watching)
			watch_block(m, rows, visit_at(m, i)->layer, &b);
		progress_tick();
	}
}

/*
 * The gradient of what a skip brought to a visit waits, until the visit that it
 * came from is reached, where that visit's output stood: backward has no more use for it.
 */
static struct ops_buf *
skip_gradient(const struct model *m, size_t i)
{
	return (visit_at(m, i + 1)->x);
}

static void
output_grad(struct model *m, struct ops_rows rows, const struct visit *a, const struct block *b)
{
	const struct ops_output_grad d = {
		.dy = a->dy,
		.dv = b->output.v != NULL ? m->down : NULL,
		.dgate = gradient(m, a->layer, PARAMS_ATTN_GATE),
		.dcut = a->dcut,
	};

	m->ops->output_grad(m->ctx, rows, &b->output, &d);
}

/* What reached a layer's values otherwise than by attention is added to it, and it passes back through the levers. */
static void
values_grad(struct model *m, struct ops_rows rows, const struct visit *a, const struct block *b)
{
	const struct ops_values_grad d = {
		.dv = a->dv,
		.own = b->output.v != NULL ? m->down : NULL,
		.later = a == m->visits ? m->dfirst : NULL,
		.dfirst = m->dfirst,
		.dtable = gradient(m, a->layer, PARAMS_VALUE_EMBED),
		.dgate = gradient(m, a->layer, PARAMS_VALUE_GATE),
		.dcut = a->dcut,
		.dmix = gradient(m, a->layer, PARAMS_VALUE_MIX),
	};

	if (b->has_values || d.own != NULL || d.later != NULL)
		m->ops->values_grad(m->ctx, rows, &b->values, &d);
}

static void
skip_grad(struct model *m, struct ops_rows rows, size_t i, const struct block *b)
{
	const struct ops_skip_grad d = {
		.dx = m->dx,
		.dskip = skip_gradient(m, i),
		.dw = gradient(m, 0, PARAMS_SKIP_WEIGHTS),
		.dgates = gradient(m, 0, PARAMS_SKIP_GATES),
	};

	m->ops->skip_grad(m->ctx, rows, &b->skip, &d);
}

/*
 * From the gradients of what a layer of two lanes puts out, in m->dx and m->dlane, to those of what its branches add,
 * in m->datt and m->dmlp.
 */
static void
lanes_grad(struct model *m, struct ops_rows rows, size_t l, const struct block *b)
{
	const struct ops_lanes_grad d = {
		.da = m->dx,
		.db = m->dlane,
		.datt = m->datt,
		.dmlp = m->dmlp,
		.dkeep = gradient(m, l, PARAMS_LANE_KEEP),
		.dadd = gradient(m, l, PARAMS_LANE_ADD),
	};

	/* Room for one layer at a time. */
	if (b->has_skip)
		m->ops->skip(m->ctx, rows, &b->skip);
	m->ops->lanes_grad(m->ctx, rows, &b->lanes, &d);
}

static void
context_grad(struct model *m, struct ops_rows rows)
{
	const struct ops_context a = context_of(m);
	const struct ops_context_grad d = {
		.dx0 = m->dx0,
		.de = m->de,
		.demb = gradient(m, 0, PARAMS_TOK_EMB),
		.dtable = gradient(m, 0, PARAMS_BIGRAM_EMBED),
		.dproj = gradient(m, 0, PARAMS_BIGRAM_PROJ),
		.dscale = gradient(m, 0, PARAMS_BIGRAM_SCALE),
		.dgate = gradient(m, 0, PARAMS_SMEAR_GATE),
		.dlambda = gradient(m, 0, PARAMS_SMEAR_LAMBDA),
	};

	m->ops->context_grad(m->ctx, rows, &a, &d);
}

/*
 * Make zeros of gradients of a layer that lie where something else did: where backward comes to it for the first time.
 */
static void
begin_gradients(struct model *m, size_t i, const enum params_id *ids, size_t n)
{
	const size_t l = visit_at(m, i)->layer;
	struct ops_buf *bufs[4];
	size_t count = 0;

	for (size_t k = i + 1; k < m->path_length; k++)
		if (visit_at(m, k)->layer == l)
			return;
	for (size_t k = 0; k < n; k++) {
		const size_t at = params_at(m->params, l, ids[k]);

		if (at != PARAMS_NONE && m->late[at])
			bufs[count++] = m->gradients[at];
	}
	if (count > 0)
		m->ops->zero(m->ctx, bufs, count);
}

/* From the gradient of the final stream in m->dx to the gradients of all parameters. */
static void
backward(struct model *m, struct ops_rows rows)
{
	const struct ops *ops = m->ops;
	const size_t encoders = m->skips;
	static const enum params_id of_mlp[] = { PARAMS_FC, PARAMS_MLP_GATE, PARAMS_MLP_PROJ };
	static const enum params_id of_proj[] = { PARAMS_PROJ }, of_qkv[] = { PARAMS_C_Q, PARAMS_C_K, PARAMS_C_V };

	/* Gradients that lie where activations do can't be added to. */
	assert(m->backwards < (int)m->max_passes || !m->shares || m->max_passes > 1);
	m->backwards++;
	ops->zero(m->ctx, &m->dx0, 1);
	if (m->dfirst != NULL)
		ops->zero(m->ctx, &m->dfirst, 1);
	for (size_t i = m->path_length; i-- > 0;) {
		const struct visit *a = visit_at(m, i);
		const size_t l = a->layer;
		const struct block b = block_of(m, i);
		/* The gradients of the two branches: of one stream, or of what each adds to two lanes. */
		struct ops_buf *datt = b.has_lanes ? m->datt : m->dx, *dmlp = b.has_lanes ? m->dmlp : m->dx;
		const struct ops_mlp_grad mlp = {
			.dx2 = dmlp,
			.dx1 = dmlp,
			.dwfc = gradient(m, l, PARAMS_FC),
			.dwproj = gradient(m, l, PARAMS_MLP_PROJ),
			.dscale = gradient(m, l, PARAMS_MLP_SCALE),
			.dwgate = gradient(m, l, PARAMS_MLP_GATE),
		};
		const struct ops_proj_grad proj = {
			.dx1 = datt,
			.dy = a->dy,
			.dwo = gradient(m, l, PARAMS_PROJ),
			.dscale = gradient(m, l, PARAMS_ATTN_SCALE),
		};
		const struct ops_attention_grad attention = {
			.dy = a->dy,
			.dq = a->dq,
			.dk = a->dk,
			.dv = a->dv,
			.dgain = gradient(m, l, PARAMS_Q_GAIN),
		};
		const struct ops_qkv_grad qkv = {
			.dxm = datt,
			.dq = a->dq,
			.dk = a->dk,
			.dv = a->dv,
			.dx = datt,
			.dx0 = m->dx0,
			.dcut = a->dcut,
			.dskip = b.qkv.skip != NULL ? skip_gradient(m, i) : NULL,
			.dskip_w = b.qkv.skip != NULL ? gradient(m, 0, PARAMS_SKIP_WEIGHTS) : NULL,
			.dmix = gradient(m, l, PARAMS_RESID_MIX),
			.dwq = gradient(m, l, PARAMS_C_Q),
			.dwk = gradient(m, l, PARAMS_C_K),
			.dwv = gradient(m, l, PARAMS_C_V),
		};

		/* What this visit put out was also taken by a skip, to visit encoders + (encoders - 1 - i). */
		if (i < encoders)
			ops->add(m->ctx, rows, m->dx, skip_gradient(m, 2 * encoders - 1 - i));
		if (b.has_lanes)
			lanes_grad(m, rows, l, &b);
		begin_gradients(m, i, of_mlp, 3);
		ops->mlp_grad(m->ctx, rows, &b.mlp, &mlp);
		if (b.has_lanes)
			ops->add(m->ctx, rows, m->dlane, m->dmlp);
		if (a->dcut != NULL)
			ops->zero(m->ctx, &a->dcut, 1);
		/* What one layer at a time has room for is made again. */
		if (b.has_output)
			ops->output(m->ctx, rows, &b.output);
		begin_gradients(m, i, of_proj, 1);
		ops->proj_grad(m->ctx, rows, &b.proj, &proj);
		if (b.has_output)
			output_grad(m, rows, a, &b);
		ops->attention_grad(m->ctx, rows, &b.attention, &attention);
		values_grad(m, rows, a, &b);
		if (b.has_lanes)
			/* Attention's lane has a path of its own past it: nothing reaches xm but by the products. */
			ops->zero(m->ctx, &m->datt, 1);
		else if (b.has_skip)
			ops->skip(m->ctx, rows, &b.skip);
		begin_gradients(m, i, of_qkv, 3);
		ops->qkv_grad(m->ctx, rows, &b.qkv, &qkv);
		if (b.has_lanes)
			ops->add(m->ctx, rows, m->dx, m->datt);
		if (b.has_skip)
			skip_grad(m, rows, i, &b);
		/* Where the lanes begin both are one stream. */
		if (b.has_lanes && a->lane == NULL)
			ops->add(m->ctx, rows, m->dx, m->dlane);
		progress_tick();
	}
	/* The first layer's input is x0 itself. */
	ops->add(m->ctx, rows, m->dx0, m->dx);
	if (m->e != NULL) {
		context_grad(m, rows);
		return;
	}
	ops->embed_grad(m->ctx, rows, gradient(m, 0, PARAMS_TOK_EMB), m->dx0, m->inputs, weight(m, 0, PARAMS_TOK_EMB));
}

static int
check_ids(const struct model *m, const int32_t *ids, size_t n)
{
	const size_t V = m->params->config.vocab_size;

	for (size_t i = 0; i < n; i++) {
		if (ids[i] < 0 || (size_t)ids[i] >= V) {
			say_error("token id %jd is not below vocab_size %zu", (intmax_t)ids[i], V);
			errno = EBADMSG;
			return (-1);
		}
	}
	return (0);
}

/* The row of the table of pairs for a token and the one before it. */
static int32_t
pair_of(const struct config *c, int32_t id, int32_t before)
{
	const uint32_t hash = (UINT32_C(36313) * (uint32_t)id) ^ (UINT32_C(27191) * (uint32_t)before);

	return ((int32_t)(hash % (uint32_t)(c->bigram_buckets - 1)));
}

/* Upload inputs, n of them in rows of T, and what levers want to know of the ids before them. */
static void
load_inputs(struct model *m, const int32_t *ids, size_t n, size_t T)
{
	const struct config *c = &m->params->config;

	m->ops->upload(m->ctx, m->inputs, 0, ids, n);
	for (size_t i = 0; m->pairs != NULL && i < n; i++) {
		const int is_first = ids[i] == CONFIG_BOS || (i % T == 0 && m->position == 0);

		m->before[i] = is_first ? (int32_t)c->bigram_buckets - 1 :
					  pair_of(c, ids[i], i % T == 0 ? m->last : ids[i - 1]);
	}
	if (m->pairs != NULL)
		m->ops->upload(m->ctx, m->pairs, 0, m->before, n);
	for (size_t i = 0; m->watching && m->pairs_seen != NULL && i < n; i++)
		m->pairs_seen[m->before[i]]++;
	for (size_t i = 0; m->smeared != NULL && i < n; i++)
		m->before[i] = ids[i] != CONFIG_BOS && !(i % T == 0 && m->position == 0);
	if (m->smeared != NULL)
		m->ops->upload(m->ctx, m->smeared, 0, m->before, n);
	m->last = ids[n - 1];
}

/* Check and upload a batch. */
static int
load(struct model *m, const struct model_batch *b, int with_targets)
{
	const size_t n = b->B * b->T;

	assert(b->B > 0 && b->T > 0 && n <= rows_of(m) && b->T <= m->max_seq && m->use != MODEL_GENERATE);
	if (check_ids(m, b->inputs, n) != 0 || (with_targets && check_ids(m, b->targets, n) != 0))
		return (-1);
	load_inputs(m, b->inputs, n, b->T);
	if (with_targets)
		m->ops->upload(m->ctx, m->targets, 0, b->targets, n);
	return (0);
}

static struct ops_prior
prior_of(const struct model *m)
{
	return ((struct ops_prior){
	    .table = weight(m, 0, PARAMS_PRIOR),
	    .alpha = weight(m, 0, PARAMS_PRIOR_ALPHA),
	    .ids = m->inputs,
	});
}

/* The first n rows of the final stream's gradient become zero. */
static void
forget_first(struct model *m, size_t n)
{
	static const float zeros[4096];
	const size_t all = n * m->params->config.model_dim;

	for (size_t at = 0, part; at < all; at += part) {
		part = all - at < sizeof(zeros) / sizeof(zeros[0]) ? all - at : sizeof(zeros) / sizeof(zeros[0]);
		m->ops->upload(m->ctx, m->dx, at, zeros, part);
	}
}

/*
 * Losses are made of the last ${scored} targets of each sequence.  Backward follows with the gradient of the last
 * ${last} of them, 0: of none.
 */
static int
pass_over(struct model *m, const struct model_batch *batch, size_t pass, size_t scored, size_t last, float grad_scale)
{
	const struct ops_rows rows = { batch->B, batch->T, 0, batch->T - scored };
	const size_t head = params_head(m->params);
	const struct ops_prior prior = prior_of(m);
	const struct ops_head a = {
		.x = m->visits[m->visit_count].x,
		.w = m->w[head],
		.targets = m->targets,
		.nats = m->nats,
		.nats_at = pass * rows_of(m),
		.dx = last > 0 ? m->dx : NULL,
		.dw = last > 0 ? m->gradients[head] : NULL,
		.grad_scale = grad_scale,
		.prior = prior.table != NULL ? &prior : NULL,
		.dalpha = last > 0 ? gradient(m, 0, PARAMS_PRIOR_ALPHA) : NULL,
	};

	assert(scored > 0 && scored <= batch->T && (last == 0 || scored == batch->T));
	assert(pass < m->max_passes && last <= batch->T && (last == 0 || last == batch->T || batch->B == 1));
	if (load(m, batch, 1) != 0)
		return (-1);
	forward(m, rows);
	m->ops->head(m->ctx, rows, &a);
	if (last == 0)
		return (0);
	forget_first(m, batch->T - last);
	backward(m, rows);
	return (0);
}

int
model_loss(struct model *m, const struct model_batch *batch, size_t pass)
{
	return (pass_over(m, batch, pass, batch->T, 0, 0));
}

int
model_loss_last(struct model *m, const struct model_batch *batch, size_t last)
{
	return (pass_over(m, batch, 0, last, 0, 0));
}

int
model_grad(struct model *m, const struct model_batch *batch, size_t pass, float grad_scale)
{
	assert(m->use == MODEL_TRAIN);
	return (pass_over(m, batch, pass, batch->T, batch->T, grad_scale));
}

int
model_grad_last(struct model *m, const struct model_batch *batch, size_t last, float grad_scale)
{
	assert(m->use == MODEL_TRAIN && last > 0);
	return (pass_over(m, batch, 0, batch->T, last, grad_scale));
}

int
model_watch(struct model *m, const struct model_batch *batch)
{
	const struct ops_rows rows = { batch->B, batch->T, 0, 0 };
	const size_t head = params_head(m->params);
	int rc;

	assert(m->use == MODEL_TRAIN);
	m->watching = 1;
	if ((rc = load(m, batch, 0)) == 0) {
		forward(m, rows);
		watch(m, rows, 0, m->params->tensors[head].id,
		    (struct ops_gram){ .x = m->visits[m->visit_count].x, .norm_scale = 1 });
	}
	m->watching = 0;
	return (rc);
}

int
model_watched(const struct model *m, size_t i)
{
	return (m->grams[i] != NULL || (m->pairs_seen != NULL && m->params->tensors[i].id == PARAMS_BIGRAM_PROJ));
}

/* Rows of the table of pairs, as often as each was read; g begins as zeros. */
static void
pairs_gram(struct model *m, float *g)
{
	const size_t i = params_at(m->params, 0, PARAMS_BIGRAM_EMBED), d = m->params->config.bigram_dim;

	for (size_t b = 0; b < m->params->config.bigram_buckets; b++) {
		if (m->pairs_seen[b] == 0)
			continue;
		m->ops->download(m->ctx, m->w[i], b * d, m->pair, d);
		for (size_t j = 0; j < d; j++)
			for (size_t k = 0; k < d; k++)
				g[j * d + k] += (float)m->pairs_seen[b] * m->pair[j] * m->pair[k];
	}
}

void
model_get_gram(struct model *m, size_t i, float *g)
{
	const size_t n = m->params->tensors[i].cols;

	assert(model_watched(m, i));
	memset(g, 0, n * n * sizeof(*g));
	if (m->grams[i] == NULL)
		pairs_gram(m, g);
	else
		m->ops->download(m->ctx, m->grams[i], 0, g, n * n);
}

void
model_forget(struct model *m)
{
	for (size_t i = 0; i < m->params->count; i++)
		if (m->grams[i] != NULL)
			m->ops->zero(m->ctx, &m->grams[i], 1);
	if (m->pairs_seen != NULL)
		memset(m->pairs_seen, 0, m->params->config.bigram_buckets * sizeof(*m->pairs_seen));
}

void
model_nats(struct model *m, size_t pass, size_t n, float *nats)
{
	assert(pass < m->max_passes && n <= rows_of(m));
	m->ops->download(m->ctx, m->nats, pass * rows_of(m), nats, n);
}

/* Logits of row n of the final stream, to host memory. */
static void
row_logits(struct model *m, size_t n, float *logits)
{
	const size_t V = m->params->config.vocab_size;
	const struct ops_buf *final = m->visits[m->visit_count].x;
	const struct ops_prior prior = prior_of(m);

	m->ops->logits(m->ctx, m->logits, final, n, 1, m->w[params_head(m->params)],
	    prior.table != NULL ? &prior : NULL);
	m->ops->download(m->ctx, m->logits, 0, logits, V);
}

int
model_logits(struct model *m, const struct model_batch *batch, float *logits)
{
	const struct ops_rows rows = { batch->B, batch->T, 0, 0 };

	if (load(m, batch, 0) != 0)
		return (-1);
	forward(m, rows);
	for (size_t n = 0; n < rows.B * rows.T; n++)
		row_logits(m, n, logits + n * m->params->config.vocab_size);
	return (0);
}

int
model_extend(struct model *m, const int32_t *ids, size_t n, float *logits)
{
	const struct ops_rows rows = { 1, n, m->position, n - 1 };

	assert(m->use == MODEL_GENERATE && n > 0);
	if (n > m->max_seq - m->position) {
		say_error("%zu tokens do not fit behind position %zu of %zu", n, m->position, m->max_seq);
		errno = ERANGE;
		return (-1);
	}
	if (check_ids(m, ids, n) != 0)
		return (-1);
	load_inputs(m, ids, n, n);
	m->ops->begin(m->ctx);
	forward(m, rows);
	row_logits(m, n - 1, logits);
	m->ops->end(m->ctx);
	m->position += n;
	return (0);
}

void
model_rewind(struct model *m)
{
	m->position = 0;
}

size_t
model_position(const struct model *m)
{
	return (m->position);
}

size_t
model_max_seq(const struct model *m)
{
	return (m->max_seq);
}
