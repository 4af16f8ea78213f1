#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "gpt/checkpoint.h"
#include "base/file.h"
#include "base/say.h"
#include "gpt/trainer_bytes.h"
#include "gpt/trainer_open.h"

size_t
trainer_open_micro_batch(const struct trainspec *r, uint64_t free_bytes, uint64_t all_bytes)
{
	const struct ops *ops = ops_find(r->backend);
	const int host = ops == NULL || ops->memory == NULL;
	size_t sequences = trainspec_batch_common(r) / r->seq_len, batch, micro_batch = r->micro_batch_tokens;
	uint64_t need;
	char text[512];

	if (!host)
		free_bytes = ops->memory();
	/* More than 64 Ki tokens a pass gains nothing, and unknown memory is taken as enough for one sequence. */
	for (batch = micro_batch == 0 ? sequences : 1; batch > 1; batch--) {
		if (sequences % batch != 0 || batch * r->seq_len > 65536)
			continue;
		if (trainer_bytes(r, batch * r->seq_len, host) <= free_bytes / 10 * 6)
			return (batch * r->seq_len);
	}
	if (micro_batch == 0)
		micro_batch = r->seq_len;
	need = trainer_bytes(r, micro_batch, host);
	/* A device says by itself what it has not, with the bytes. */
	if (!host || free_bytes == 0 || need <= free_bytes)
		return (micro_batch);
	trainer_bytes_tell(r, micro_batch, need > all_bytes ? all_bytes : free_bytes,
	    need > all_bytes ? "all that there are" : "free", text, sizeof(text));
	say_error("%s", text);
	errno = need > all_bytes ? EFBIG : ENOMEM;
	return (0);
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
	const struct model_args args = trainer_bytes_model(r, micro_batch);
	struct trainer_args job = { .law = &r->law,
		.seq_len = r->seq_len,
		.batch_tokens = r->batch_tokens,
		.micro_batch_tokens = micro_batch,
		.source = source,
		.cookie = cookie };
	float *w;
	int error;

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
