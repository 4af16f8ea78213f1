#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gpt/optimizer.h"
#include "base/say.h"

struct optimizer {
	struct model *m;
	const struct params *params;
	struct ops_buf *(*state)[PARAMS_STATES]; /* by tensor; NULL what it does not keep */
	struct ops_muon *muon;
	struct ops_adam *adam;
	size_t muon_count, adam_count;
	enum params_group *adam_group; /* of each entry of adam[] */
	const struct ops_buf **grads;  /* of all tensors, for the norm */
	size_t *grad_n, grad_count;
	struct ops_average *average;
	size_t average_count;
};

double
optimizer_momentum(const struct optimizer_law *law, uint64_t step, double rise)
{
	double done = 1;

	if (!isnan(rise))
		done = rise;
	else if (step < law->muon_momentum_warmup_steps)
		done = (double)step / (double)law->muon_momentum_warmup_steps;
	return ((1 - done) * law->muon_momentum_warmup_start + done * law->muon_momentum);
}

static int
make_state(struct optimizer *o, const struct optimizer_law *law, size_t i)
{
	const struct params_tensor *t = &o->params->tensors[i];
	const int wanted[PARAMS_STATES] = { [PARAMS_MOMENTUM] = 1,
		[PARAMS_ADAM_M] = 1,
		[PARAMS_ADAM_V] = 1,
		[PARAMS_NEURON] = law != NULL && law->muon_norm == OPS_MUON_NEURON,
		[PARAMS_AVERAGE] = law != NULL && law->average != OPTIMIZER_NO_AVERAGE };

	for (enum params_state s = 0; s < PARAMS_STATES; s++) {
		const size_t n = params_state_n(t, s);

		if (params_state(t->group, s) == NULL || !wanted[s])
			continue;
		o->state[i][s] = model_ops(o->m)->alloc(model_ctx(o->m), OPS_VECTOR, n == t->n ? t->rows : 1,
		    n == t->n ? t->cols : n);
		if (o->state[i][s] == NULL)
			return (-1);
	}
	return (0);
}

/* A lever that a backend has no kernels for is refused here, and never left out. */
static int
check_backend(const struct ops *ops, const struct optimizer_law *law)
{
	const struct {
		const char *key;
		int usual;
	} levers[] = {
		{ "muon_form", law->muon_form == OPS_MUON_DIRECT },
		{ "muon_scale", law->muon_scale == OPS_MUON_FROBENIUS },
	};

	for (const char *const *key = ops->lacks; key != NULL && *key != NULL; key++) {
		for (size_t i = 0; i < sizeof(levers) / sizeof(levers[0]); i++) {
			if (strcmp(levers[i].key, *key) != 0 || levers[i].usual)
				continue;
			say_error("backend '%s' cannot compute train.%s: leave that key out, or set system.backend=cpu",
			    ops->name, *key);
			errno = EINVAL;
			return (-1);
		}
	}
	return (0);
}

struct optimizer *
optimizer_open(struct model *m, const struct optimizer_law *law)
{
	const struct ops *ops = model_ops(m);
	const struct params *params = model_params(m);
	const size_t count = params->count;
	struct optimizer *o;

	if (law != NULL && check_backend(ops, law) != 0)
		return (NULL);
	if ((o = calloc(1, sizeof(*o))) == NULL)
		goto err0;
	o->m = m;
	o->params = params;
	o->state = calloc(count, sizeof(*o->state));
	o->muon = calloc(count, sizeof(*o->muon));
	o->adam = calloc(count, sizeof(*o->adam));
	o->adam_group = calloc(count, sizeof(*o->adam_group));
	o->grads = calloc(count, sizeof(struct ops_buf *));
	o->grad_n = calloc(count, sizeof(*o->grad_n));
	o->average = calloc(count, sizeof(*o->average));
	if (o->state == NULL || o->muon == NULL || o->adam == NULL || o->adam_group == NULL || o->grads == NULL ||
	    o->grad_n == NULL || o->average == NULL)
		goto err1;
	for (size_t i = 0; i < count; i++) {
		const struct params_tensor *t = &params->tensors[i];

		if (t->group == PARAMS_FROZEN)
			continue;
		o->grads[o->grad_count] = model_gradient(m, i);
		o->grad_n[o->grad_count++] = t->n;
		if (make_state(o, law, i) != 0)
			goto err1;
		if (o->state[i][PARAMS_AVERAGE] != NULL)
			o->average[o->average_count++] = (struct ops_average){ o->state[i][PARAMS_AVERAGE],
				model_weight(m, i), t->n };
		/* Who keeps a momentum is Muon's. */
		if (o->state[i][PARAMS_MOMENTUM] != NULL) {
			o->muon[o->muon_count++] = (struct ops_muon){
				.w = model_weight(m, i),
				.g = model_gradient(m, i),
				.momentum = o->state[i][PARAMS_MOMENTUM],
				.rows = t->rows,
				.cols = t->cols,
				.neuron = o->state[i][PARAMS_NEURON],
			};
			continue;
		}
		o->adam_group[o->adam_count] = t->group;
		o->adam[o->adam_count++] = (struct ops_adam){
			.w = model_weight(m, i),
			.g = model_gradient(m, i),
			.m = o->state[i][PARAMS_ADAM_M],
			.v = o->state[i][PARAMS_ADAM_V],
			.n = t->n,
		};
	}
	return (o);

err1:
	optimizer_close(o);
err0:
	if (ops->memory == NULL)
		say_error("cannot keep the optimizer's state: out of memory");
	errno = ENOMEM;
	return (NULL);
}

void
optimizer_close(struct optimizer *o)
{
	if (o == NULL)
		return;
	for (size_t i = 0; o->state != NULL && i < o->params->count; i++)
		for (enum params_state s = 0; s < PARAMS_STATES; s++)
			if (o->state[i][s] != NULL)
				model_ops(o->m)->free(model_ctx(o->m), o->state[i][s]);
	free(o->state);
	free(o->muon);
	free(o->adam);
	free(o->adam_group);
	free(o->grads);
	free(o->grad_n);
	free(o->average);
	free(o);
}

double
optimizer_norm(const struct optimizer *o)
{
	return (sqrt(model_ops(o->m)->sumsq(model_ctx(o->m), o->grads, o->grad_n, o->grad_count)));
}

/* Of a group under Adam. */
static double
rate(const struct optimizer *o, const struct optimizer_law *law, enum params_group group)
{
	switch (group) {
	case PARAMS_VALUE:
		if (law->value_embed_lr > 0)
			return (law->value_embed_lr);
		/* FALLTHROUGH */
	case PARAMS_EMBED:
		return (o->params->config.tie_embeddings ? law->tied_embed_lr : law->embed_lr);
	case PARAMS_HEAD:
		return (law->head_lr);
	default:
		return (law->scalar_lr);
	}
}

void
optimizer_step(struct optimizer *o, const struct optimizer_law *law, uint64_t step, const struct schedule_rates *rates,
    double grad_norm)
{
	const double clip = law->grad_clip_norm > 0 ? law->grad_clip_norm / (grad_norm + 1e-6) : 1;
	const float grad_scale = (float)(clip < 1 ? clip : 1);
	const struct ops_muon_law muon = {
		.lr = (float)(law->matrix_lr * rates->lr_scale),
		.momentum = (float)optimizer_momentum(law, step, rates->momentum_rise),
		.nesterov = 1,
		.ns_steps = (int)law->muon_backend_steps,
		.grad_scale = grad_scale,
		.grad_power = (float)law->muon_grad_power,
		.norm = law->muon_norm,
		.coefficients = law->muon_coefficients,
		.form = law->muon_form,
		.scale = law->muon_scale,
		.decay = (float)(law->matrix_lr * rates->lr_scale * law->muon_weight_decay),
		.cautious = law->muon_decay_mode == OPTIMIZER_DECAY_CAUTIOUS,
	};
	const struct ops_adam_law adam = {
		.beta1 = (float)law->beta1,
		.beta2 = (float)law->beta2,
		.eps = (float)law->adam_eps,
		.t = step + 1,
		.grad_scale = grad_scale,
	};

	for (size_t i = 0; i < o->adam_count; i++)
		o->adam[i].lr = (float)(rate(o, law, o->adam_group[i]) * rates->adam_lr_scale);
	model_ops(o->m)->adam(model_ctx(o->m), o->adam, o->adam_count, &adam);
	model_ops(o->m)->muon(model_ctx(o->m), o->muon, o->muon_count, &muon);
}

void
optimizer_average(struct optimizer *o, double keep)
{
	assert(o->average_count > 0);
	model_ops(o->m)->average(model_ctx(o->m), o->average, o->average_count, (float)keep);
}

struct ops_buf *
optimizer_buffer(const struct optimizer *o, size_t i, enum params_state state)
{
	assert(i < o->params->count && state < PARAMS_STATES);
	return (o->state[i][state]);
}

void
optimizer_clear(struct optimizer *o)
{
	for (size_t i = 0; i < o->params->count; i++)
		for (enum params_state s = 0; s < PARAMS_STATES; s++)
			if (o->state[i][s] != NULL)
				model_ops(o->m)->zero(model_ctx(o->m), &o->state[i][s], 1);
}
