#include <stdio.h>

#include "gpt/model_bytes.h"
#include "gpt/params.h"
#include "gpt/trainer_bytes.h"

struct model_args
trainer_bytes_model(const struct trainspec *r, size_t micro_batch)
{
	struct model_args args = { .config = &r->config,
		.use = MODEL_TRAIN,
		.backend = r->backend,
		.isa = r->isa,
		.arith = r->arith,
		.numerics = r->numerics,
		.threads = r->threads,
		.max_batch = micro_batch / r->seq_len,
		.max_seq = r->seq_len,
		.watches = trainspec_calibration(r) != 0 ? artifact_watches : NULL,
		.watches_law = &r->artifact,
		.max_passes = trainspec_batch_most(r) / micro_batch };

	if (r->val_every != 0 && r->eval_seq_len > r->seq_len) {
		args.max_batch = (micro_batch + r->eval_seq_len - 1) / r->eval_seq_len;
		args.max_seq = r->eval_seq_len;
	}
	return (args);
}

/* Averages, and a copy of the weights on the host. */
static uint64_t
extra_bytes(const struct trainspec *r, int host)
{
	const struct params_sizes sizes = params_sizes(&r->config);
	const uint64_t averaged = r->law.average == OPTIMIZER_NO_AVERAGE ? 0 : sizes.n - sizes.of_group[PARAMS_FROZEN];

	return (sizeof(float) * (averaged + (host ? sizes.n : 0)));
}

uint64_t
trainer_bytes(const struct trainspec *r, size_t micro_batch, int host)
{
	const struct model_args args = trainer_bytes_model(r, micro_batch);

	return (model_bytes(&args) + extra_bytes(r, host));
}

static int
fits(const struct trainspec *r, size_t micro_batch, uint64_t there)
{
	return (trainer_bytes(r, micro_batch, 1) <= there);
}

/* The largest micro-batch below ${most} that divides the batch and fits; 0 if none does. */
static size_t
largest_pass(const struct trainspec *r, size_t most, uint64_t there)
{
	const size_t sequences = trainspec_batch_common(r) / r->seq_len;

	for (size_t batch = most / r->seq_len; batch-- > 1;)
		if (sequences % batch == 0 && fits(r, batch * r->seq_len, there))
			return (batch * r->seq_len);
	return (0);
}

/* The largest number of steps below ${most} of what ${set} sets that fits, by halves; 0 if none does. */
static size_t
largest(struct trainspec r, size_t most, void (*set)(struct config *, size_t), uint64_t there)
{
	size_t good = 0;

	while (most - good > 1) {
		const size_t between = good + (most - good) / 2;

		set(&r.config, between);
		if (fits(&r, r.seq_len, there))
			good = between;
		else
			most = between;
	}
	return (good);
}

static void
set_layers(struct config *c, size_t n)
{
	c->num_layers = n;
}

/* Heads of an even width. */
static void
set_width(struct config *c, size_t n)
{
	c->model_dim = n * 2 * c->num_heads;
}

/* Whether another number of layers is a model at all: levers name some of them. */
static int
has_named_layers(const struct config *c)
{
	int named = c->loop.count != 0 || c->parallel_from != CONFIG_NONE || c->encoder_layers != CONFIG_NONE ||
	    c->xsa_layers > 0;

	for (size_t l = 0; l < c->num_layers; l++)
		named |= bind_set_has(&c->value_embed_layers, l);
	return (named);
}

void
trainer_bytes_tell(const struct trainspec *r, size_t micro_batch, uint64_t there, const char *what, char *text,
    size_t size)
{
	const struct model_args args = trainer_bytes_model(r, micro_batch);
	const struct model_bytes_parts parts = model_bytes_parts(&args);
	const uint64_t parameters = parts.parameters + extra_bytes(r, 1);
	const uint64_t whole = parameters + parts.activations + parts.optimizer;
	const size_t step = 2 * r->config.num_heads;
	char advice[160];
	size_t n;

	if ((n = largest_pass(r, micro_batch, there)) != 0)
		snprintf(advice, sizeof(advice), "lower train.micro_batch_tokens: %zu is the largest that fits", n);
	else if (!has_named_layers(&r->config) && (n = largest(*r, r->config.num_layers, set_layers, there)) != 0)
		snprintf(advice, sizeof(advice), "lower model.num_layers: %zu is the largest that fits", n);
	else if ((n = largest(*r, r->config.model_dim / step, set_width, there)) != 0)
		snprintf(advice, sizeof(advice), "lower model.model_dim: %zu is the largest that fits", n * step);
	else
		snprintf(advice, sizeof(advice),
		    "no width fits: lower model.model_dim, model.num_layers and train.seq_len");
	snprintf(text, size,
	    "training needs %.1f MB of memory with %zu tokens in a pass (parameters and gradients %.1f, activations "
	    "%.1f, optimizer %.1f), and %.1f MB are %s: %s",
	    (double)whole / 1e6, micro_batch, (double)parameters / 1e6, (double)parts.activations / 1e6,
	    (double)parts.optimizer / 1e6, (double)there / 1e6, what, advice);
}
