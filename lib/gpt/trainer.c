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
#include "gpt/trainer.h"

#define RESUME_FORMAT "homegolf.resume.v1"

struct trainer {
	struct trainer_args args;
	struct optimizer_law law;
	struct optimizer *optimizer;
	uint64_t step; /* steps done; each took micro_batches spans */
	size_t micro_batches;
	int32_t *ids;   /* one span: micro_batch_tokens + 1 */
	float *nats;    /* one micro-batch */
	float *staging; /* one tensor */
	float *marked;  /* weights of trainer_mark, or NULL */
};

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
	t->micro_batches = args->batch_tokens / args->micro_batch_tokens;
	for (size_t i = 0; i < p->count; i++)
		most = p->tensors[i].n > most ? p->tensors[i].n : most;
	t->ids = calloc(args->micro_batch_tokens + 1, sizeof(*t->ids));
	t->nats = calloc(args->micro_batch_tokens, sizeof(*t->nats));
	t->staging = calloc(most, sizeof(*t->staging));
	if (t->ids == NULL || t->nats == NULL || t->staging == NULL)
		goto err1;
	if ((t->optimizer = optimizer_open(args->model)) == NULL) {
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
	return (t->step * t->micro_batches);
}

size_t
trainer_micro_batches(const struct trainer *t)
{
	return (t->micro_batches);
}

/* Gradients of the whole batch; the losses stay with the model until asked for, so that a device is not waited for. */
static int
accumulate(struct trainer *t)
{
	const size_t tokens = t->args.micro_batch_tokens;
	const struct model_batch batch = { t->ids, t->ids + 1, tokens / t->args.seq_len, t->args.seq_len };
	const float share = 1.0f / (float)t->args.batch_tokens;

	for (size_t i = 0; i < t->micro_batches; i++) {
		if (t->args.source(t->args.cookie, trainer_spans(t) + i, t->ids, tokens + 1) != 0)
			return (-1);
		if (model_grad(t->args.model, &batch, i, share) != 0)
			return (-1);
	}
	return (0);
}

static double
mean_loss(struct trainer *t)
{
	const size_t tokens = t->args.micro_batch_tokens;
	double sum = 0;

	for (size_t i = 0; i < t->micro_batches; i++) {
		model_nats(t->args.model, i, tokens, t->nats);
		for (size_t j = 0; j < tokens; j++)
			sum += t->nats[j];
	}
	return (sum / (double)t->args.batch_tokens);
}

int
trainer_step(struct trainer *t, double lr_scale, struct trainer_result *result)
{
	const int clipping = t->law.grad_clip_norm > 0;
	struct model *m = t->args.model;

	model_begin(m);
	if (accumulate(t) != 0) {
		model_end(m);
		return (-1);
	}
	result->grad_norm = clipping ? optimizer_norm(t->optimizer) : NAN;
	if (!clipping || isfinite(result->grad_norm))
		optimizer_step(t->optimizer, &t->law, t->step, lr_scale, result->grad_norm);
	model_end(m);
	/* A device has its whole step by now, and is waited for once: the clock of a step ends when the step does. */
	result->loss = mean_loss(t);
	model_ops(m)->sync(model_ctx(m));
	if (!isfinite(result->loss) || (clipping && !isfinite(result->grad_norm))) {
		say_error("the loss of step %" PRIu64 " is not finite", t->step);
		return (TRAINER_DIVERGED);
	}
	t->step++;
	return (0);
}

static void
get_weight(const struct trainer *t, size_t i)
{
	const struct model *m = t->args.model;

	model_ops(m)->download(model_ctx(m), model_weight(m, i), 0, t->staging, model_params(m)->tensors[i].n);
}

int
trainer_finite(const struct trainer *t)
{
	const struct params *p = model_params(t->args.model);

	for (size_t i = 0; i < p->count; i++) {
		get_weight(t, i);
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
	t->step = 0;
	free(t->marked);
	t->marked = NULL;
}

/* The arrays of a resume file: each tensor's weights, then its optimizer state. */
static const char *const suffixes[2][2] = {
	{ ".momentum", NULL }, /* Muon */
	{ ".adam_m", ".adam_v" },
};

#define SUFFIX_SIZE 16

struct resume_names {
	char text[PARAMS_NAME_SIZE + SUFFIX_SIZE];
};

/* Entries in the order they are written; at most three a tensor. Returns how many. */
static size_t
entries_of(const struct trainer *t, struct safetensors_tensor *entries, struct resume_names *names)
{
	const struct params *p = model_params(t->args.model);
	size_t count = 0;

	for (size_t i = 0; i < p->count; i++) {
		const struct params_tensor *mine = &p->tensors[i];

		for (size_t a = 0; a <= optimizer_state_arrays(t->optimizer, i); a++) {
			snprintf(names[count].text, sizeof(names[count].text), "%s%s", mine->name,
			    a == 0 ? "" : suffixes[optimizer_state_arrays(t->optimizer, i) - 1][a - 1]);
			entries[count] = (struct safetensors_tensor){
				.name = names[count].text,
				.dtype = SAFETENSORS_F32,
				.dims = (size_t)mine->dims,
				.shape = { mine->dims == 2 ? mine->rows : mine->cols, mine->cols },
				.n = mine->n,
			};
			count++;
		}
	}
	return (count);
}

/* What must agree for a state to go on: the model and how a batch is taken. */
static json_t *
identity(const struct trainer *t)
{
	json_t *config = config_to_json(&model_params(t->args.model)->config), *identity = NULL;
	char *text = config != NULL ? jsonio_line(config) : NULL;
	char seq_len[24], batch[24], micro[24], step[24];

	snprintf(seq_len, sizeof(seq_len), "%zu", t->args.seq_len);
	snprintf(batch, sizeof(batch), "%zu", t->args.batch_tokens);
	snprintf(micro, sizeof(micro), "%zu", t->args.micro_batch_tokens);
	snprintf(step, sizeof(step), "%" PRIu64, t->step);
	if (text != NULL)
		identity = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "format", RESUME_FORMAT, "config", text,
		    "seq_len", seq_len, "batch_tokens", batch, "micro_batch_tokens", micro, "step", step);
	free(text);
	json_decref(config);
	return (identity);
}

int
trainer_save(const struct trainer *t, int fd, const json_t *extra)
{
	const struct params *p = model_params(t->args.model);
	struct safetensors_tensor *entries = calloc(3 * p->count, sizeof(*entries));
	struct resume_names *names = calloc(3 * p->count, sizeof(*names));
	json_t *metadata = identity(t);
	char *header = NULL;
	size_t n;
	int rc = -1;

	errno = ENOMEM;
	if (entries == NULL || names == NULL || metadata == NULL)
		goto out;
	if (extra != NULL && json_object_update_missing(metadata, (json_t *)(uintptr_t)extra) != 0)
		goto out;
	if ((header = safetensors_header(entries, entries_of(t, entries, names), metadata, &n)) == NULL)
		goto out;
	if (file_write_all(fd, header, n) != 0)
		goto out;
	for (size_t i = 0; i < p->count; i++) {
		const size_t bytes = p->tensors[i].n * sizeof(*t->staging);

		get_weight(t, i);
		if (file_write_all(fd, t->staging, bytes) != 0)
			goto out;
		for (size_t a = 0; a < optimizer_state_arrays(t->optimizer, i); a++) {
			optimizer_get(t->optimizer, i, a, t->staging);
			if (file_write_all(fd, t->staging, bytes) != 0)
				goto out;
		}
	}
	rc = 0;
out:
	if (rc != 0)
		say_errno("cannot save the state of training");
	free(header);
	json_decref(metadata);
	free(names);
	free(entries);
	return (rc);
}

/* Everything that identity() says, but the step, must stand in the file too. */
static int
same_identity(const struct trainer *t, const struct safetensors *s, const char *what)
{
	json_t *mine = identity(t), *value;
	const char *key;
	int same = mine != NULL;

	json_object_foreach(mine, key, value) {
		const char *theirs = safetensors_metadata(s, key);

		if (strcmp(key, "step") == 0)
			continue;
		if (theirs == NULL || strcmp(theirs, json_string_value(value)) != 0) {
			say_error("'%s' cannot be resumed here: its %s is %s, this run's is %s", what, key,
			    theirs != NULL ? theirs : "missing", json_string_value(value));
			errno = EBADMSG;
			same = 0;
			break;
		}
	}
	json_decref(mine);
	return (same);
}

int
trainer_load(struct trainer *t, int fd, const char *what, json_t **extra)
{
	struct model *m = t->args.model;
	const struct params *p = model_params(m);
	struct safetensors_tensor *entries = calloc(3 * p->count, sizeof(*entries));
	struct resume_names *names = calloc(3 * p->count, sizeof(*names));
	struct safetensors *s = NULL;
	const struct safetensors_tensor *found;
	size_t count, at = 0;
	uint64_t step;
	int rc = -1;

	if (entries == NULL || names == NULL) {
		say_errno("cannot read '%s'", what);
		goto out;
	}
	if ((s = safetensors_read(fd, what)) == NULL || !same_identity(t, s, what))
		goto out;
	count = entries_of(t, entries, names);
	if (safetensors_metadata(s, "step") == NULL || safetensors_count(s) != count ||
	    num_u64(safetensors_metadata(s, "step"), 0, INT64_MAX, &step) != 0) {
		say_error("'%s' is not a whole state of training", what);
		errno = EBADMSG;
		goto out;
	}
	/* All is checked before anything changes. */
	for (size_t e = 0; e < count; e++) {
		found = safetensors_find(s, entries[e].name);
		if (found == NULL || found->dtype != SAFETENSORS_F32 || found->n != entries[e].n) {
			say_error("'%s' lacks tensor '%s', or has it in another shape", what, entries[e].name);
			errno = EBADMSG;
			goto out;
		}
	}
	for (size_t i = 0; i < p->count; i++) {
		for (size_t a = 0; a <= optimizer_state_arrays(t->optimizer, i); a++) {
			if (safetensors_get(s, safetensors_find(s, entries[at++].name), t->staging) != 0)
				goto out;
			if (a == 0)
				model_ops(m)->upload(model_ctx(m), model_weight(m, i), 0, t->staging, p->tensors[i].n);
			else
				optimizer_set(t->optimizer, i, a - 1, t->staging);
		}
	}
	t->step = step;
	if (extra != NULL)
		*extra = safetensors_all_metadata(s);
	rc = 0;
out:
	safetensors_free(s);
	free(names);
	free(entries);
	return (rc);
}
