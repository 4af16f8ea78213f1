#ifndef HG_OPTIMIZER_H
#define HG_OPTIMIZER_H

#include <stddef.h>
#include <stdint.h>

#include "gpt/model.h"
#include "gpt/schedule.h"

/**
 * The public optimizers: Muon for the matrices of the blocks, Adam (no weight
 * decay) for embedding, head and control tensors.  Hyper-parameters bear their
 * public names.
 */
enum optimizer_decay { OPTIMIZER_DECAY_PLAIN, OPTIMIZER_DECAY_CAUTIOUS };

/* A running average of the weights, over the tail of the run, beside them. */
enum optimizer_average { OPTIMIZER_NO_AVERAGE, OPTIMIZER_AVERAGE_TAIL };

struct optimizer_law {
	double matrix_lr;         /* Muon */
	double scalar_lr;         /* Adam: control tensors */
	double tied_embed_lr;     /* Adam: embedding that is also the head */
	double embed_lr, head_lr; /* Adam: embedding and head when untied */
	double value_embed_lr;    /* Adam: embeddings of values; 0: the embedding's */
	double muon_momentum;     /* reached after muon_momentum_warmup_steps, linearly from _start */
	double muon_momentum_warmup_start;
	uint64_t muon_momentum_warmup_steps;
	unsigned muon_backend_steps; /* of Newton-Schulz */
	double muon_weight_decay;
	enum optimizer_decay muon_decay_mode;
	enum ops_muon_norm muon_norm;
	enum ops_muon_coefficients muon_coefficients;
	enum ops_muon_form muon_form;
	enum ops_muon_scale muon_scale;
	double muon_grad_power;
	enum optimizer_average average;
	double beta1, beta2, adam_eps;
	double grad_clip_norm; /* 0: gradients are not clipped */
};

/* Muon's momentum at a step (from 0), with this share of its warm-up over; NAN: by muon_momentum_warmup_steps. */
double optimizer_momentum(const struct optimizer_law *law, uint64_t step, double rise);

/* Momenta and moments of every tensor of a model opened with MODEL_TRAIN. */
struct optimizer;

/*
 * The law, which need not outlive the call, says what is kept (NULL: what no lever asks for); the steps must follow
 * one that needs no more.
 * Owns: the caller closes, before the model. Errors: NULL after saying why; errno ENOMEM, EINVAL (the law has a lever
 * that the backend lacks).
 */
struct optimizer *optimizer_open(struct model *m, const struct optimizer_law *law);
void optimizer_close(struct optimizer *o);

/**
 * optimizer_norm(o):
 * Euclidean norm of all gradients together; waits for them.
 */
double optimizer_norm(const struct optimizer *o);

/**
 * optimizer_step(o, law, step, rates, grad_norm):
 * Update every parameter from its gradient, as step ${step} (from 0) of
 * training, at the rates that a schedule sets.  ${grad_norm} is optimizer_norm's answer, of use only when
 * clipping: gradients are then scaled by min(1, grad_clip_norm / (grad_norm + 1e-6)).
 */
void optimizer_step(struct optimizer *o, const struct optimizer_law *law, uint64_t step,
    const struct schedule_rates *rates, double grad_norm);

/* Take the weights into their average, of which a share of ${keep} stays. Only where the law has one. */
void optimizer_average(struct optimizer *o, double keep);

/* What is kept of tensor i between steps: a VECTOR of params_state_n elements, NULL where nothing is. */
struct ops_buf *optimizer_buffer(const struct optimizer *o, size_t i, enum params_state state);

/* As opened. */
void optimizer_clear(struct optimizer *o);

#endif
