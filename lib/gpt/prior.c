#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/progress.h"
#include "base/say.h"
#include "gpt/prior.h"

#define SMOOTHING 0.25
#define LIMIT 4.0

struct prior {
	size_t vocab_size;
	uint64_t *pairs;          /* (V, V) */
	uint64_t *first, *second; /* (V): pairs by each of their two */
	uint64_t n;
	int32_t last; /* -1 before the first */
};

struct prior *
prior_new(size_t vocab_size)
{
	struct prior *p;

	if ((p = calloc(1, sizeof(*p))) == NULL)
		goto err0;
	p->vocab_size = vocab_size;
	p->last = -1;
	p->pairs = calloc(vocab_size * vocab_size, sizeof(*p->pairs));
	p->first = calloc(vocab_size, sizeof(*p->first));
	p->second = calloc(vocab_size, sizeof(*p->second));
	if (p->pairs != NULL && p->first != NULL && p->second != NULL)
		return (p);
	prior_free(p);
err0:
	say_error("cannot count pairs of tokens: out of memory");
	errno = ENOMEM;
	return (NULL);
}

void
prior_free(struct prior *p)
{
	if (p == NULL)
		return;
	free(p->pairs);
	free(p->first);
	free(p->second);
	free(p);
}

void
prior_add(struct prior *p, const int32_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert(ids[i] >= 0 && (size_t)ids[i] < p->vocab_size);
		if (p->last >= 0) {
			p->pairs[(size_t)p->last * p->vocab_size + (size_t)ids[i]]++;
			p->first[p->last]++;
			p->second[ids[i]]++;
			p->n++;
		}
		p->last = ids[i];
	}
}

void
prior_table(const struct prior *p, float *table)
{
	const size_t V = p->vocab_size;
	const double all = SMOOTHING * (double)V;

	for (size_t a = 0; a < V; a++)
		for (size_t b = 0; b < V; b++) {
			const double after = ((double)p->pairs[a * V + b] + SMOOTHING) / ((double)p->first[a] + all);
			const double anywhere = ((double)p->second[b] + SMOOTHING) / ((double)p->n + all);

			table[a * V + b] = (float)fmax(-LIMIT, fmin(LIMIT, log(after) - log(anywhere)));
		}
}

#define PIECE 4096

int
prior_fill(struct model *m, uint64_t stream_tokens, prior_source *source, void *cookie)
{
	const struct params *params = model_params(m);
	const struct config *c = &params->config;
	const size_t place = params_at(params, 0, PARAMS_PRIOR);
	const uint64_t all = stream_tokens < c->bigram_prior_tokens ? stream_tokens : c->bigram_prior_tokens;
	int32_t ids[PIECE];
	struct prior *p;
	float *table;
	int rc = -1;

	if (place == PARAMS_NONE)
		return (0);
	if ((p = prior_new(c->vocab_size)) == NULL)
		return (-1);
	if ((table = malloc(params->tensors[place].n * sizeof(*table))) == NULL) {
		say_error("cannot count pairs of tokens: out of memory");
		goto err0;
	}
	for (uint64_t at = 0, n; at < all; at += n) {
		n = all - at < PIECE ? all - at : PIECE;
		if (source(cookie, at, ids, (size_t)n) == -1)
			goto err1;
		prior_add(p, ids, (size_t)n);
		progress_tick();
	}
	prior_table(p, table);
	model_ops(m)->upload(model_ctx(m), model_weight(m, place), 0, table, params->tensors[place].n);
	rc = 0;
err1:
	free(table);
err0:
	prior_free(p);
	return (rc);
}
