#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "gpt/checkpoint.h"
#include "base/file.h"
#include "base/say.h"
#include "gpt/trainer_open.h"

size_t
trainer_open_micro_batch(const struct trainspec *r, uint64_t host_bytes)
{
	const struct ops *ops = ops_find(r->backend);
	struct model_args args = { .config = &r->config,
		.use = MODEL_TRAIN,
		.backend = r->backend,
		.isa = r->isa,
		.arith = r->arith,
		.threads = 1,
		.max_seq = r->seq_len };
	size_t sequences = r->batch_tokens / r->seq_len, batch;
	uint64_t memory_bytes;

	if (r->micro_batch_tokens != 0)
		return (r->micro_batch_tokens);
	memory_bytes = ops != NULL && ops->memory != NULL ? ops->memory() : host_bytes;
	/* More than 64 Ki tokens a pass gains nothing, and unknown memory is taken as enough for one sequence. */
	for (batch = sequences; batch > 1; batch--) {
		if (sequences % batch != 0 || batch * r->seq_len > 65536)
			continue;
		args.max_batch = batch;
		args.max_passes = sequences / batch;
		if (model_bytes(&args) <= memory_bytes / 10 * 6)
			return (batch * r->seq_len);
	}
	args.max_batch = 1;
	args.max_passes = sequences;
	if (memory_bytes != 0 && model_bytes(&args) > memory_bytes / 10 * 9) {
		say_error("train.micro_batch_tokens=auto: one sequence of %zu tokens needs %llu bytes, %llu are free: "
			  "lower train.seq_len or model.num_layers",
		    r->seq_len, (unsigned long long)model_bytes(&args), (unsigned long long)memory_bytes);
		return (0);
	}
	return (r->seq_len);
}

static int
initial(const struct trainspec *r, const struct params *p, float *w)
{
	int fd, rc, error;

	if (r->init_from == NULL) {
		params_init(p, r->seed, w);
		return (0);
	}
	if ((fd = file_open(AT_FDCWD, r->init_from, NULL)) == -1) {
		say_errno("cannot read '%s'", r->init_from);
		return (-1);
	}
	rc = checkpoint_read(fd, r->init_from, p, w);
	error = errno;
	close(fd);
	errno = error;
	return (rc);
}

int
trainer_open_spec(const struct trainspec *r, size_t micro_batch, trainer_source *source, void *cookie, struct model **m,
    struct trainer **t)
{
	struct model_args args = { .config = &r->config,
		.use = MODEL_TRAIN,
		.backend = r->backend,
		.isa = r->isa,
		.arith = r->arith,
		.threads = r->threads,
		.max_batch = micro_batch / r->seq_len,
		.max_seq = r->seq_len,
		.max_passes = r->batch_tokens / micro_batch };
	struct trainer_args job = { .law = &r->law,
		.seq_len = r->seq_len,
		.batch_tokens = r->batch_tokens,
		.micro_batch_tokens = micro_batch,
		.source = source,
		.cookie = cookie };
	float *w;
	int error;

	/* Validation between steps takes windows of its own length from the same buffers. */
	if (r->val_every != 0 && r->eval_seq_len > r->seq_len) {
		args.max_batch = (micro_batch + r->eval_seq_len - 1) / r->eval_seq_len;
		args.max_seq = r->eval_seq_len;
	}
	if ((*m = model_open(&args)) == NULL)
		return (-1);
	if ((w = malloc(model_params(*m)->n * sizeof(*w))) == NULL || initial(r, model_params(*m), w) == -1)
		goto err0;
	model_set(*m, w);
	job.model = *m;
	if ((*t = trainer_open(&job)) == NULL)
		goto err0;
	free(w);
	return (0);
err0:
	error = errno;
	free(w);
	model_close(*m);
	errno = error;
	return (-1);
}
