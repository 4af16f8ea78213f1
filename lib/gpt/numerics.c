#include <errno.h>
#include <stdlib.h>

#include "gpt/model.h"
#include "gpt/trainspec.h"
#include "gpt/numerics.h"
#include "gpt/optimizer.h"
#include "base/rng.h"
#include "gpt/trainer.h"

/* Sizes that no vector length divides, so that tails are seen too. */
#define SEQ_LEN 37
#define BATCH 2
#define STEPS 3

static int
fill(void *cookie, uint64_t span, int32_t *ids, size_t n)
{
	const struct config *c = cookie;
	struct rng r;
	size_t i;

	rng_seed(&r, 20, span);
	for (i = 0; i < n; i++)
		ids[i] = (int32_t)rng_below(&r, c->vocab_size);
	return (0);
}

int
numerics_digest(const char *backend, const char *isa, enum ops_arith arith, unsigned numerics, unsigned threads,
    char hex[SHA256_HEX_SIZE])
{
	struct config c;
	struct optimizer_law law;
	struct model_args args = { .config = &c,
		.use = MODEL_TRAIN,
		.backend = backend,
		.isa = isa,
		.arith = arith,
		.numerics = numerics,
		.threads = threads,
		.max_batch = BATCH,
		.max_seq = SEQ_LEN,
		.max_passes = 1 };
	struct trainer_args job = { .law = &law,
		.seq_len = SEQ_LEN,
		.batch_tokens = BATCH * SEQ_LEN,
		.micro_batch_tokens = BATCH * SEQ_LEN,
		.source = fill,
		.cookie = &c };
	struct trainer_result result;
	const struct params *p;
	struct sha256 *h;
	struct trainer *t;
	struct model *m;
	float *w;
	int i, rc = -1, error;

	config_default(&c);
	c.vocab_size = 131;
	c.num_layers = 3;
	c.model_dim = 96;
	c.num_heads = 6;
	c.num_kv_heads = 2;
	trainspec_law(&law);
	if ((m = model_open(&args)) == NULL)
		return (-1);
	p = model_params(m);
	if ((w = malloc(p->n * sizeof(*w))) == NULL)
		goto err0;
	params_init(p, 1, w);
	model_set(m, w);
	job.model = m;
	if ((t = trainer_open(&job)) == NULL)
		goto err1;
	if ((h = sha256_begin()) == NULL)
		goto err2;
	for (i = 0; i < STEPS; i++) {
		if (trainer_step(t, &schedule_full_rates, &result) != 0) {
			errno = EPROTO;
			goto err3;
		}
		sha256_add(h, &result.loss, sizeof(result.loss));
	}
	model_get(m, w);
	sha256_add(h, w, p->n * sizeof(*w));
	sha256_end(h, hex);
	h = NULL;
	rc = 0;
err3:
	sha256_free(h);
err2:
	error = errno;
	trainer_close(t);
	errno = error;
err1:
	error = errno;
	free(w);
	errno = error;
err0:
	error = errno;
	model_close(m);
	errno = error;
	return (rc);
}
