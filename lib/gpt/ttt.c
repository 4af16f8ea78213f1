#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/say.h"
#include "gpt/ttt.h"

struct ttt {
	struct model *m;
	double lr;
	size_t *moving, count;  /* places in the table of tensors */
	float *first, *now, *g; /* all of them, one after another: as opened, as they are, a gradient */
	float *nats;            /* of a whole window */
	int is_moved;           /* the model's are no longer the first */
};

static int
moves(enum params_id id)
{
	return (id == PARAMS_ATTN_SCALE || id == PARAMS_MLP_SCALE || id == PARAMS_RESID_MIX || id == PARAMS_Q_GAIN);
}

struct ttt *
ttt_open(struct model *m, double lr)
{
	const struct params *p = model_params(m);
	struct ttt *t;
	size_t n = 0;

	if ((t = calloc(1, sizeof(*t))) == NULL || (t->moving = calloc(p->count, sizeof(*t->moving))) == NULL)
		goto err0;
	t->m = m;
	t->lr = lr;
	for (size_t i = 0; i < p->count; i++) {
		if (!moves(p->tensors[i].id))
			continue;
		t->moving[t->count++] = i;
		n += p->tensors[i].n;
	}
	t->first = calloc(n, sizeof(*t->first));
	t->now = calloc(n, sizeof(*t->now));
	t->g = calloc(n, sizeof(*t->g));
	t->nats = calloc(model_max_seq(m), sizeof(*t->nats));
	if (t->first == NULL || t->now == NULL || t->g == NULL || t->nats == NULL)
		goto err0;
	n = 0;
	for (size_t i = 0; i < t->count; i++) {
		model_ops(m)->download(model_ctx(m), model_weight(m, t->moving[i]), 0, t->first + n,
		    p->tensors[t->moving[i]].n);
		n += p->tensors[t->moving[i]].n;
	}
	memcpy(t->now, t->first, n * sizeof(*t->now));
	return (t);

err0:
	ttt_close(t);
	say_error("cannot train while scoring: out of memory");
	errno = ENOMEM;
	return (NULL);
}

void
ttt_close(struct ttt *t)
{
	if (t == NULL)
		return;
	free(t->moving);
	free(t->first);
	free(t->now);
	free(t->g);
	free(t->nats);
	free(t);
}

static void
put(struct ttt *t, const float *from)
{
	const struct params *p = model_params(t->m);

	for (size_t i = 0; i < t->count; i++) {
		const size_t n = p->tensors[t->moving[i]].n;

		model_ops(t->m)->upload(model_ctx(t->m), model_weight(t->m, t->moving[i]), 0, from, n);
		from += n;
	}
}

static void
step(struct ttt *t)
{
	const struct params *p = model_params(t->m);
	size_t at = 0;

	for (size_t i = 0; i < t->count; i++) {
		const size_t n = p->tensors[t->moving[i]].n;

		model_ops(t->m)->download(model_ctx(t->m), model_gradient(t->m, t->moving[i]), 0, t->g + at, n);
		at += n;
	}
	for (size_t i = 0; i < at; i++)
		t->now[i] = (float)(t->now[i] - t->lr * t->g[i]);
	put(t, t->now);
	t->is_moved = 1;
}

int
ttt_score(struct ttt *t, const int32_t *ids, size_t n, size_t chunk, int learn, float *nats)
{
	const struct model_batch batch = { ids, ids + 1, 1, n };
	int rc;

	assert(chunk > 0 && chunk <= n && n <= model_max_seq(t->m));
	model_begin(t->m);
	rc = learn ? model_grad_last(t->m, &batch, chunk, 1.0f / (float)chunk) : model_loss_last(t->m, &batch, chunk);
	if (rc == 0)
		model_nats(t->m, 0, n, t->nats);
	model_end(t->m);
	if (rc != 0)
		return (-1);
	memcpy(nats, t->nats + n - chunk, chunk * sizeof(*nats));
	if (learn)
		step(t);
	return (0);
}

void
ttt_reset(struct ttt *t)
{
	const struct params *p = model_params(t->m);
	size_t n = 0;

	if (!t->is_moved)
		return;
	put(t, t->first);
	for (size_t i = 0; i < t->count; i++)
		n += p->tensors[t->moving[i]].n;
	memcpy(t->now, t->first, n * sizeof(*t->now));
	t->is_moved = 0;
}
