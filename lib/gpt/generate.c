#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gpt/generate.h"
#include "base/rng.h"
#include "base/say.h"

/* The likeliest id, the lowest among equals. */
static int32_t
likeliest(const float *logits, size_t V)
{
	size_t best = 0;

	for (size_t v = 1; v < V; v++)
		if (logits[v] > logits[best])
			best = v;
	return ((int32_t)best);
}

/* Draw from softmax(logits / temperature); weights has room for V. */
static int32_t
draw(const float *logits, size_t V, double temperature, double *weights, struct rng *rng)
{
	const double max = logits[likeliest(logits, V)];
	double sum = 0, at;

	for (size_t v = 0; v < V; v++)
		sum += weights[v] = exp((logits[v] - max) / temperature);
	at = rng_uniform(rng) * sum;
	for (size_t v = 0; v < V; v++) {
		at -= weights[v];
		if (at < 0)
			return ((int32_t)v);
	}
	return (likeliest(logits, V));
}

/* Put the last ids of prompt and text, n in all, into context. */
static void
last_ids(int32_t *context, size_t n, const int32_t *prompt, size_t prompt_n, const int32_t *out, size_t out_n)
{
	for (size_t i = 0; i < n; i++) {
		const size_t at = prompt_n + out_n - n + i;

		context[i] = at < prompt_n ? prompt[at] : out[at - prompt_n];
	}
}

int
generate_run(struct model *m, const struct generate_law *law, const int32_t *prompt, size_t prompt_n, int32_t *out,
    size_t out_max, size_t *out_n)
{
	const size_t V = model_params(m)->config.vocab_size, positions = model_max_seq(m);
	float *logits = malloc(V * sizeof(*logits));
	double *weights = malloc(V * sizeof(*weights));
	int32_t *context = malloc(positions * sizeof(*context));
	size_t n = prompt_n < positions ? prompt_n : positions; /* ids of context to feed next */
	struct rng rng;
	int end = -1;

	assert(prompt_n > 0);
	*out_n = 0;
	if (logits == NULL || weights == NULL || context == NULL) {
		say_errno("cannot generate");
		goto out;
	}
	rng_seed(&rng, law->seed, 0);
	model_rewind(m);
	end = GENERATE_LENGTH;
	while (*out_n < out_max) {
		int32_t id;

		if (n > positions - model_position(m)) {
			model_rewind(m);
			n = positions / 2 > 0 ? positions / 2 : 1;
		}
		last_ids(context, n, prompt, prompt_n, out, *out_n);
		if (model_extend(m, context, n, logits) != 0) {
			end = -1;
			break;
		}
		for (size_t v = 0; v < V; v++)
			if (!isfinite(logits[v]))
				end = -1;
		if (end == -1) {
			say_error("the model gives logits that are not finite");
			errno = EDOM;
			break;
		}
		id = law->temperature > 0 ? draw(logits, V, law->temperature, weights, &rng) : likeliest(logits, V);
		if (id == law->stop) {
			end = GENERATE_STOP;
			break;
		}
		out[(*out_n)++] = id;
		n = 1;
	}
out:
	free(context);
	free(weights);
	free(logits);
	return (end);
}
