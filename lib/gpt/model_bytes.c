#include <string.h>

#include "gpt/model_buffers.h"
#include "gpt/model_bytes.h"
#include "gpt/params.h"
#include "gpt/sizes.h"

/* Averages are trainer_bytes' to add, where there are any; a number a row is nothing. */
static uint64_t
state_elements(const struct config *c)
{
	const struct params_sizes sizes = params_sizes(c);
	uint64_t sum = 0;

	for (enum params_group g = 0; g < PARAMS_GROUPS; g++)
		for (enum params_state s = 0; s < PARAMS_STATES; s++)
			if (s != PARAMS_NEURON && s != PARAMS_AVERAGE && params_state(g, s) != NULL)
				sum += sizes.of_group[g];
	return (sum);
}

/* What open takes. Of a backend that is not reckoned: some rows of logits, and Newton-Schulz. */
static uint64_t
working_bytes(const struct model_args *args)
{
	const struct ops_geometry g = model_buffers_geometry(args);
	const int training = args->use == MODEL_TRAIN;

#ifndef HG_PORTABLE /* which counts the reference alone */
	if (strcmp(args->backend, "cpu") == 0)
		return (sizes_of(&g, sizes_usual(args->arith), training, args->threads).whole);
#endif
	return (4 * (16 * (uint64_t)g.vocab_size + (training ? 4 * (uint64_t)g.model_dim * g.mlp_dim : 0)));
}

struct model_bytes_parts
model_bytes_parts(const struct model_args *args)
{
	struct model_buffers_sum sum;

	if (model_buffers_count(args, &sum) != 0)
		return ((struct model_bytes_parts){ UINT64_MAX / 4, UINT64_MAX / 4, UINT64_MAX / 4 });
	return ((struct model_bytes_parts){
	    .parameters = sum.parameters,
	    .activations = sum.activations + working_bytes(args),
	    .optimizer = args->use == MODEL_TRAIN ? 4 * state_elements(args->config) : 0,
	});
}

uint64_t
model_bytes(const struct model_args *args)
{
	const struct model_bytes_parts parts = model_bytes_parts(args);

	return (parts.parameters + parts.activations + parts.optimizer);
}
