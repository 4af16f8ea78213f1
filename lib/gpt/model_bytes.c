#include "gpt/model_bytes.h"
#include "gpt/params.h"

/* Elements of the parameters and all that is of their size; products keep a copy for each way they read a weight. */
static uint64_t
parameter_elements(const struct config *c, int training)
{
	const struct params_sizes sizes = params_sizes(c);
	uint64_t sum = 0;

	for (enum params_group g = 0; g < PARAMS_GROUPS; g++) {
		uint64_t times = 1 + training;

		if (g != PARAMS_SCALAR)
			times += 1 + training;
		for (enum params_state s = 0; training && s < PARAMS_STATES; s++)
			times += s != PARAMS_NEURON && params_state(g, s) != NULL; /* a number a row: nothing */
		sum += times * sizes.of_group[g];
	}
	return (sum);
}

uint64_t
model_bytes(const struct model_args *args)
{
	const struct config *c = args->config;
	const uint64_t C = c->model_dim, H = c->num_heads, K = c->num_kv_heads, L = c->num_layers;
	const uint64_t KD = config_kv_dim(c), F = config_mlp_dim(c), S = config_skips(c);
	const uint64_t attention = 2 * C + 2 * KD + F; /* q, y, k, v, r */
	uint64_t row, state = parameter_elements(c, args->use == MODEL_TRAIN);

	switch (args->use) {
	case MODEL_TRAIN:
		row = L * (2 * C + attention + 2 * H + K) + 4 * C + 2 * (C + KD) + args->max_passes;
		state += 4 * C * F; /* Newton-Schulz */
		break;
	case MODEL_GENERATE:
		row = (3 + S) * C + attention + L * 2 * KD;
		break;
	default:
		row = (3 + S) * C + attention;
		break;
	}
	return (4 * (state + row * args->max_batch * args->max_seq + 16 * c->vocab_size));
}
