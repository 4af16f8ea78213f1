#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/jsonio.h"
#include "base/num.h"
#include "gpt/safetensors.h"
#include "base/say.h"
#include "gpt/trainer_state.h"

struct trainer *
trainer_open(const struct trainer_args *args)
{
	const struct params *p = model_params(args->model);
	struct trainer *t;
	size_t most = 0;

	if (args->seq_len == 0 || args->micro_batch_tokens == 0 || args->micro_batch_tokens % args->seq_len != 0) {
		say_error("micro_batch_tokens %zu must be a multiple of seq_len %zu", args->micro_batch_tokens,
		    args->seq_len);
		errno = EINVAL;
		return (NULL);
	}
	if (args->batch_tokens == 0 || args->batch_tokens % args->micro_batch_tokens != 0) {
		say_error("batch_tokens %zu must be a multiple of micro_batch_tokens %zu", args->batch_tokens,
		    args->micro_batch_tokens);
		errno = EINVAL;
		return (NULL);
	}
	if ((t = calloc(1, sizeof(*t))) == NULL)
		goto err0;
	t->args = *args;
	t->law = *args->law;
	t->args.law = &t->law;
	for (size_t i = 0; i < p->count; i++)
		most = p->tensors[i].n > most ? p->tensors[i].n : most;
	t->ids = calloc(args->micro_batch_tokens + 1, sizeof(*t->ids));
	t->nats = calloc(args->micro_batch_tokens, sizeof(*t->nats));
	t->staging = calloc(most, sizeof(*t->staging));
	if (args->law->average != OPTIMIZER_NO_AVERAGE && (t->other = calloc(most, sizeof(*t->other))) == NULL)
		goto err1;
	if (t->ids == NULL || t->nats == NULL || t->staging == NULL)
		goto err1;
	if ((t->optimizer = optimizer_open(args->model, args->law)) == NULL) {
		trainer_close(t);
		return (NULL);
	}
	return (t);

err1:
	trainer_close(t);
err0:
	say_error("cannot open a trainer: out of memory");
	errno = ENOMEM;
	return (NULL);
}

void
trainer_close(struct trainer *t)
{
	const int error = errno;

	if (t == NULL)
		return;
	optimizer_close(t->optimizer);
	free(t->ids);
	free(t->nats);
	free(t->staging);
	free(t->other);
	free(t->marked);
	free(t);
	errno = error;
}

uint64_t
trainer_steps(const struct trainer *t)
{
	return (t->step);
}

uint64_t
trainer_spans(const struct trainer *t)
{
	return (t->spans);
}

uint64_t
trainer_tokens(const struct trainer *t)
{
	return (t->spans * t->args.micro_batch_tokens);
}

/* Gradients of the whole batch; the losses stay with the model until asked for, so that a device is not waited for. */
static int
accumulate(struct trainer *t, size_t batch_tokens, size_t seq_len)
{
	const size_t tokens = t->args.micro_batch_tokens;
	const struct model_batch batch = { t->ids, t->ids + 1, tokens / seq_len, seq_len };
	const float share = 1.0f / (float)batch_tokens;

	for (size_t i = 0; i < batch_tokens / tokens; i++) {
		if (t->args.source(t->args.cookie, t->spans + i, t->ids, tokens + 1) != 0)
			return (-1);
		if (model_grad(t->args.model, &batch, i, share) != 0)
			return (-1);
	}
	return (0);
}

static double
mean_loss(struct trainer *t, size_t batch_tokens)
{
	const size_t tokens = t->args.micro_batch_tokens;
	double sum = 0;

	for (size_t i = 0; i < batch_tokens / tokens; i++) {
		model_nats(t->args.model, i, tokens, t->nats);
		for (size_t j = 0; j < tokens; j++)
			sum += t->nats[j];
	}
	return (sum / (double)batch_tokens);
}

int
trainer_step(struct trainer *t, const struct schedule_rates *rates, struct trainer_result *result)
{
	const int clipping = t->law.grad_clip_norm > 0;
	const size_t batch = rates->batch_tokens != 0 ? rates->batch_tokens : t->args.batch_tokens;
	const size_t seq_len = rates->seq_len != 0 ? rates->seq_len : t->args.seq_len;
	struct model *m = t->args.model;

	assert(batch % t->args.micro_batch_tokens == 0 && t->args.seq_len % seq_len == 0);
	model_loop(m, rates->visits == 0 || rates->visits == config_visits(&model_params(m)->config));
	model_begin(m);
	if (accumulate(t, batch, seq_len) != 0) {
		model_end(m);
		return (-1);
	}
	result->grad_norm = clipping ? optimizer_norm(t->optimizer) : NAN;
	if (!clipping || isfinite(result->grad_norm))
		optimizer_step(t->optimizer, &t->law, t->step, rates, result->grad_norm);
	model_end(m);
	/* A device has its whole step by now, and is waited for once: the clock of a step ends when the step does. */
	result->loss = mean_loss(t, batch);
	model_ops(m)->sync(model_ctx(m));
	if (!isfinite(result->loss) || (clipping && !isfinite(result->grad_norm))) {
		say_error("the loss of step %" PRIu64 " is not finite", t->step);
		return (TRAINER_DIVERGED);
	}
	t->step++;
	t->spans += batch / t->args.micro_batch_tokens;
	return (0);
}

void
trainer_stage(const struct trainer *t, const struct ops_buf *buf, size_t n)
{
	const struct model *m = t->args.model;

	model_ops(m)->download(model_ctx(m), buf, 0, t->staging, n);
}

void
trainer_average(struct trainer *t, double keep)
{
	if (keep >= 1)
		return;
	optimizer_average(t->optimizer, t->averaged == 0 ? 0 : keep);
	t->averaged++;
}

uint64_t
trainer_averaged(const struct trainer *t)
{
	return (t->averaged);
}

int
trainer_exchange(struct trainer *t)
{
	struct model *m = t->args.model;
	const struct params *p = model_params(m);

	for (size_t i = 0; t->averaged > 0 && i < p->count; i++) {
		struct ops_buf *average = optimizer_buffer(t->optimizer, i, PARAMS_AVERAGE), *w = model_weight(m, i);

		if (average == NULL)
			continue;
		trainer_stage(t, w, p->tensors[i].n);
		model_ops(m)->download(model_ctx(m), average, 0, t->other, p->tensors[i].n);
		model_ops(m)->upload(model_ctx(m), w, 0, t->other, p->tensors[i].n);
		model_ops(m)->upload(model_ctx(m), average, 0, t->staging, p->tensors[i].n);
	}
	return (t->averaged > 0);
}

int
trainer_watch(struct trainer *t, uint64_t nth, size_t tokens)
{
	const struct model_batch batch = { t->ids, t->ids + 1, tokens / t->args.seq_len, t->args.seq_len };
	struct model *m = t->args.model;
	int rc;

	assert(tokens > 0 && tokens <= t->args.micro_batch_tokens && tokens % t->args.seq_len == 0);
	if (t->args.source(t->args.cookie, t->spans + nth, t->ids, t->args.micro_batch_tokens + 1) != 0)
		return (-1);
	model_begin(m);
	model_loop(m, 1);
	rc = model_watch(m, &batch);
	model_end(m);
	model_ops(m)->sync(model_ctx(m));
	return (rc);
}

int
trainer_finite(const struct trainer *t)
{
	const struct params *p = model_params(t->args.model);

	for (size_t i = 0; i < p->count; i++) {
		trainer_stage(t, model_weight(t->args.model, i), p->tensors[i].n);
		for (size_t j = 0; j < p->tensors[i].n; j++)
			if (!isfinite(t->staging[j]))
				return (0);
	}
	return (1);
}

int
trainer_mark(struct trainer *t)
{
	assert(t->step == 0 && t->marked == NULL);
	if ((t->marked = malloc(model_params(t->args.model)->n * sizeof(*t->marked))) == NULL) {
		say_errno("cannot keep the weights for after the warm-up");
		return (-1);
	}
	model_get(t->args.model, t->marked);
	return (0);
}

void
trainer_rollback(struct trainer *t)
{
	assert(t->marked != NULL);
	model_set(t->args.model, t->marked);
	optimizer_clear(t->optimizer);
	t->step = t->spans = t->averaged = 0;
	free(t->marked);
	t->marked = NULL;
}
