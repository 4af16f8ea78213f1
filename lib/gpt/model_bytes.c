#include "gpt/model_bytes.h"
#include "gpt/params.h"

/* Elements of the parameters and all that is of their size; products keep a copy for each way they read a weight. */
static uint64_t
parameter_elements(const struct config *c, int training)
{
	const struct params_sizes sizes = params_sizes(c);
	uint64_t sum = 0;

	for (enum params_group g = 0; g < PARAMS_GROUPS; g++) {
		const uint64_t trained = training && g != PARAMS_FROZEN;
		uint64_t times = 1 + trained;

		if (g == PARAMS_MATRIX || g == PARAMS_EMBED || g == PARAMS_HEAD)
			times += 1 + training;
		for (enum params_state s = 0; training && s < PARAMS_STATES; s++)
			/* A number a row is nothing; averages are trainer_bytes' to add, where there are any. */
			times += s != PARAMS_NEURON && s != PARAMS_AVERAGE && params_state(g, s) != NULL;
		sum += times * sizes.of_group[g];
	}
	return (sum);
}

/* Of the Gram matrices that are watched; tensors that read the same share one. */
static uint64_t
gram_elements(const struct model_args *args)
{
	struct params *p;
	uint64_t sum = 0;
	size_t last = PARAMS_NONE;

	if (args->watches == NULL || (p = params_new(args->config)) == NULL)
		return (0);
	for (size_t i = 0; i < p->count; i++) {
		const size_t input = params_input(p, i);

		if (input == PARAMS_NONE || input == last || !args->watches(args->watches_law, &p->tensors[i]))
			continue;
		sum += (uint64_t)p->tensors[i].cols * p->tensors[i].cols;
		last = input;
	}
	params_free(p);
	return (sum);
}

static int
has_values(const struct config *c)
{
	for (size_t l = 0; l < c->num_layers; l++)
		if (bind_set_has(&c->value_embed_layers, l))
			return (1);
	return (0);
}

uint64_t
model_bytes(const struct model_args *args)
{
	const struct config *c = args->config;
	const uint64_t C = c->model_dim, H = c->num_heads, K = c->num_kv_heads, L = config_visits(c);
	const uint64_t KD = config_kv_dim(c), F = config_mlp_dim(c), S = config_skips(c);
	const uint64_t gates = c->mlp_activation == CONFIG_SWIGLU ? F : 0;
	const uint64_t attention = 2 * C + 2 * KD + F + gates; /* q, y, k, v, r and its gate */
	/* Values before they are mixed and the gates' inputs, and streams that single levers need. */
	const uint64_t kept = (c->value_residual ? KD : 0) + (c->attn_gate || has_values(c) ? 32 : 0);
	const uint64_t streams = (c->bigram_buckets > 0 || c->smear ? 2 * C : 0) + (c->skip_gate ? C : 0) +
	    (c->attn_gate || c->xsa_layers > 0 ? C : 0) + (c->value_residual || c->xsa_layers > 0 ? 2 * KD : 0);
	const uint64_t parted = c->parallel_from != CONFIG_NONE ? L - config_first_visit(c, c->parallel_from) :
								  0; /* visits of two lanes */
	uint64_t row, state = parameter_elements(c, args->use == MODEL_TRAIN);

	switch (args->use) {
	case MODEL_TRAIN:
		row = L * (2 * C + attention + 2 * H + K + kept) + 4 * C + 2 * (C + KD) + streams + args->max_passes;
		row += parted > 0 ? (2 * parted + 4) * C : 0;
		state += 4 * C * F + gram_elements(args); /* Newton-Schulz */
		break;
	case MODEL_GENERATE:
		row = (3 + S) * C + attention + L * 4 * KD + kept + streams + (parted > 0 ? 4 * C : 0);
		break;
	default:
		row = (3 + S) * C + attention + kept + streams + (parted > 0 ? 4 * C : 0);
		break;
	}
	return (4 * (state + row * args->max_batch * args->max_seq + 16 * c->vocab_size));
}
