#ifndef HG_MODEL_STATE_H
#define HG_MODEL_STATE_H

#include "gpt/model.h"

/*
 * A model inside, for model.c and model_buffers.c alone.
 */

/* What one visit of a layer leaves behind. When no backward follows, all visits share one set. */
struct visit {
	size_t layer;
	struct ops_buf *x;                 /* its input; that of the first is x0 */
	struct ops_buf *x1;                /* after attention */
	struct ops_buf *q, *k, *v, *y;     /* k and v are the cache when generating */
	struct ops_buf *r, *gate;          /* gate NULL without one */
	struct ops_buf *raw;               /* values before they are mixed; v where they need not be kept */
	struct ops_buf *cut, *dcut;        /* what gates look at, or NULL; dcut is of one layer at a time */
	struct ops_buf *rq, *rk, *lse;     /* NULL when no backward follows */
	struct ops_buf *dy, *dq, *dk, *dv; /* in the place of what its backward needs no more; or every visit's */
	struct ops_buf *lane, *x2; /* of two lanes: the other one, x being attention's; and after the MLP on it */
};

struct model {
	const struct ops *ops;
	struct ops_ctx *ctx;
	struct params *params;
	enum model_use use;
	enum ops_arith arith;
	unsigned numerics;
	size_t max_batch, max_seq, max_passes;
	size_t position; /* tokens in the KV cache */

	struct ops_buf **made; /* every buffer, for model_close */
	size_t made_count, made_room;
	int counting, shares;       /* buffers are counted, not made; those of training lie in one piece of memory */
	int tables;                 /* as in model_args */
	int starved;                /* some buffer could not be made */
	struct model_place *places; /* by place in made: what model_buffers counted before any was made */
	struct ops_buf *arena;      /* what those that share memory lie in, or NULL */
	size_t arena_bytes;

	struct ops_buf **w,
	    **gradients;    /* by place in the tensor table; gradients only for training, of what is trained */
	struct ops_buf **g; /* those that there are */
	size_t g_count;
	unsigned char *late;    /* by place: gradients whose memory is another's until backward comes to their layer */
	int backwards;          /* since model_begin */
	struct ops_buf **grams; /* by place: of what is watched; NULL elsewhere */
	uint64_t *pairs_seen;   /* watched: how often each row of the table of pairs was read */
	float *pair;            /* one of them */
	int watching;
	struct visit *visits; /* all that a pass may have, and one more, which holds only x, the final stream */
	size_t visit_count;
	size_t *path;       /* of the pass in force: the place in visits of each visit, and of the final stream */
	size_t path_length; /* without that */
	size_t skips;       /* of the pass in force */
	struct ops_buf *xm;
	struct ops_buf *none;            /* zeros, for what attention adds to in a layer of two lanes */
	struct ops_buf *e;               /* context: embeddings by position */
	struct ops_buf *pairs, *smeared; /* context: what stands before each token */
	struct ops_buf *joined, *out; /* stream with a gated skip, gated output of attention: of one layer at a time */
	int32_t *before, last;        /* on the host: room for pairs and smeared; the last id of the sequence */
	struct ops_buf *inputs, *targets, *nats, *logits;
	/* Backward */
	struct ops_buf *dx, *dx0;
	struct ops_buf *de, *down, *dfirst;  /* of levers */
	struct ops_buf *dlane, *datt, *dmlp; /* of two lanes; dx is attention's */
};

/* Which levers a model has, of a layer. */
static inline size_t
rows_of(const struct model *m)
{
	return (m->max_batch * m->max_seq);
}

static inline int
has_context(const struct config *c)
{
	return (c->bigram_buckets > 0 || c->smear);
}

static inline int
has_value_table(const struct model *m, size_t layer)
{
	return (bind_set_has(&m->params->config.value_embed_layers, layer));
}

static inline int
has_mixed_values(const struct model *m, size_t layer)
{
	return (m->params->config.value_residual && layer > 0);
}

static inline int
has_own_removed(const struct model *m, size_t layer)
{
	const struct config *c = &m->params->config;

	return (layer >= c->num_layers - c->xsa_layers);
}

static inline int
has_lanes(const struct config *c, size_t layer)
{
	return (layer >= c->parallel_from);
}

/* Columns of its input that the gates of a layer look at. */
static inline size_t
cut_columns(const struct model *m, size_t layer)
{
	const struct config *c = &m->params->config;
	const size_t columns = has_value_table(m, layer) ? CONFIG_VALUE_COLUMNS :
	    c->attn_gate                                 ? CONFIG_GATE_COLUMNS :
							   0;

	return (columns < c->model_dim ? columns : c->model_dim);
}

#endif
