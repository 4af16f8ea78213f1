#ifndef HG_MODEL_H
#define HG_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "gpt/config.h"
#include "gpt/ops.h"
#include "gpt/params.h"

/**
 * A model: parameters, gradients and activations on one backend, and the order
 * of operations, forward and backward, written here and nowhere else.  All
 * buffers are made by model_open; nothing is allocated later.
 */
struct model;

enum model_use {
	MODEL_TRAIN,   /* forward, backward, optimizer */
	MODEL_SCORE,   /* forward alone: activations of one layer at a time */
	MODEL_GENERATE /* one sequence, a few tokens at a time, with a KV cache */
};

/* Whether what a tensor reads is watched; ${law} is the caller's. */
typedef int model_watches(const void *law, const struct params_tensor *t);

struct model_args {
	const struct config *config; /* checked */
	enum model_use use;
	const char *backend; /* as ops_find knows it */
	const char *isa;     /* "auto" or one of the backend's */
	enum ops_arith arith;
	unsigned numerics; /* MODEL_TRAIN: see struct ops_open_args */
	unsigned threads;
	size_t max_batch;  /* most sequences of max_seq in one pass; of shorter ones as many as have no more rows */
	size_t max_seq;    /* most positions of a sequence */
	size_t max_passes; /* passes between begin and end whose gradients add up: micro-batches of a step, else 1 */
	model_watches *watches; /* MODEL_TRAIN: for model_watch; NULL: nothing is */
	const void *watches_law;
	int apart;  /* no two buffers of training share memory: for tests of those that do */
	int tables; /* likewise: 1 all that are looked up, -1 none, are OPS_TABLE to the backend; 0: large ones */
};

/* B sequences of T tokens; a span of B*T+1 ids from a shard is { ids, ids + 1, B, T }. */
struct model_batch {
	const int32_t *inputs, *targets;
	size_t B, T;
};

/**
 * model_open(args):
 * Owns:   the caller closes; config is copied.
 * Errors: NULL after saying why; errno ENODEV (a device or ISA that is not here), EINVAL (this build has no such
 *         backend), ENOMEM, EPROTO (the backend's self-test disagreed).
 */
struct model *model_open(const struct model_args *args);
void model_close(struct model *m);

const struct params *model_params(const struct model *m);

unsigned model_numerics(const struct model *m);

/* What executes, as the backend measured it; all live as long as the model. */
const char *model_backend(const struct model *m);
const char *model_isa(const struct model *m);
const char *model_library(const struct model *m);
enum ops_arith model_arith(const struct model *m);

/*
 * Whether passes go through the loop of a configuration that has one, as they do from model_open on; without it each
 * layer is visited once, and skips are the first of them, at most half of the layers.
 */
void model_loop(struct model *m, int looping);

/* All parameters from and to host memory; gradients to it. Shapes: (params->n), in table order. */
void model_set(struct model *m, const float *w);
void model_get(const struct model *m, float *w);
void model_get_grad(const struct model *m, float *g);

/* Bracket an optimizer step or a scoring pass; begin of a step zeroes the gradients. */
void model_begin(struct model *m);
void model_end(struct model *m);

/**
 * model_loss(m, batch, pass) / model_grad(m, batch, pass, grad_scale):
 * Forward; and forward then backward, which adds to the gradients that of
 * ${grad_scale} * (sum of the batch's nats).  Losses are kept under ${pass}
 * until model_nats fetches them; both may return before they are done.
 * Errors: -1 after naming a token id that is not below vocab_size, nothing done.
 */
int model_loss(struct model *m, const struct model_batch *batch, size_t pass);
int model_grad(struct model *m, const struct model_batch *batch, size_t pass, float grad_scale);

/**
 * model_loss_last(m, batch, last):
 * As model_loss under pass 0, but only the last ${last} losses of each sequence need come of it, with the bits that
 * they have there; whatever stands in place of the others.  What nobody reads then, most of the last layer and of the
 * head, a backend may leave out.
 */
int model_loss_last(struct model *m, const struct model_batch *batch, size_t last);

/**
 * model_grad_last(m, batch, last, grad_scale):
 * As model_grad under pass 0, of one sequence, but the gradient is that of its last ${last} losses alone; to the head's
 * own parameters, its matrix and bigram_prior.alpha, it adds that of all.
 */
int model_grad_last(struct model *m, const struct model_batch *batch, size_t last, float grad_scale);

/**
 * model_watch(m, batch):
 * Forward alone, targets unused, and for each tensor that is watched the sum of x x^T over the rows x that it reads is
 * added to its Gram matrix, in the arithmetic of the products.  Tensors that read the same share one, under the first
 * of them (params_input); a tied embedding reads as a head does.
 * Errors: as model_loss.
 */
int model_watch(struct model *m, const struct model_batch *batch);
int model_watched(const struct model *m, size_t i);       /* whether tensor i has a Gram matrix under it */
void model_get_gram(struct model *m, size_t i, float *g); /* Shapes: g (cols, cols) of tensor i, which has one. */
void model_forget(struct model *m);                       /* all of them become zeros */

/* The first n losses of a pass, per token in order, in nats. */
void model_nats(struct model *m, size_t pass, size_t n, float *nats);

/* Capped logits at every position of a batch (its targets unused). Shapes: logits (B*T, V). Errors: as model_loss. */
int model_logits(struct model *m, const struct model_batch *batch, float *logits);

/**
 * model_extend(m, ids, n, logits):
 * MODEL_GENERATE: append ${n} ids to the sequence, and get the capped logits
 * after the last one.  Positions end at max_seq.  model_rewind empties the sequence.
 * Shapes: logits (V).
 * Errors: -1 after saying why: no position left, or an id out of range.
 */
int model_extend(struct model *m, const int32_t *ids, size_t n, float *logits);
void model_rewind(struct model *m);
size_t model_position(const struct model *m); /* ids in the sequence */
size_t model_max_seq(const struct model *m);

/* For the optimizer: the backend, its context, and the buffers of tensor i. */
const struct ops *model_ops(const struct model *m);
struct ops_ctx *model_ctx(const struct model *m);
struct ops_buf *model_weight(const struct model *m, size_t i);
struct ops_buf *model_gradient(const struct model *m, size_t i);

#endif
