#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gpt/checkpoint.h"
#include "base/jsonio.h"
#include "gpt/safetensors.h"
#include "base/say.h"

int
checkpoint_write(int fd, const struct params *p, const float *w, const json_t *extra)
{
	struct safetensors_tensor *tensors = calloc(p->count, sizeof(*tensors));
	json_t *metadata = json_object(), *config = config_to_json(&p->config);
	char *text = config != NULL ? jsonio_line(config) : NULL;
	int rc = -1;

	if (tensors == NULL || metadata == NULL || text == NULL)
		goto out;
	for (size_t i = 0; i < p->count; i++) {
		const struct params_tensor *t = &p->tensors[i];

		tensors[i] = (struct safetensors_tensor){
			.name = t->name,
			.dtype = SAFETENSORS_F32,
			.dims = (size_t)t->dims,
			.n = t->n,
			.shape = { t->dims == 2 ? t->rows : t->cols, t->cols },
			.data = w + t->offset,
		};
	}
	if (json_object_set_new(metadata, "format", json_string("homegolf.checkpoint.v1")) != 0 ||
	    json_object_set_new(metadata, "config", json_string(text)) != 0 ||
	    (extra != NULL && json_object_update(metadata, (json_t *)(uintptr_t)extra) != 0)) {
		errno = ENOMEM;
		goto out;
	}
	rc = safetensors_write(fd, tensors, p->count, metadata);
out:
	if (rc != 0)
		say_errno("cannot write weights");
	free(text);
	json_decref(config);
	json_decref(metadata);
	free(tensors);
	return (rc);
}

static int
ends_with(const char *name, const char *end)
{
	const size_t n = strlen(name), m = strlen(end);

	return (n >= m && strcmp(name + n - m, end) == 0);
}

/* The name of some tensor's optimizer state. */
static int
is_state(const char *name)
{
	for (enum params_group g = 0; g < PARAMS_GROUPS; g++) {
		for (enum params_state s = 0; s < PARAMS_STATES; s++) {
			const char *suffix = params_state(g, s);

			if (suffix != NULL && ends_with(name, suffix))
				return (1);
		}
	}
	return (0);
}

int
checkpoint_read(int fd, const char *what, const struct params *p, float *w)
{
	struct safetensors *s;

	if ((s = safetensors_read(fd, what)) == NULL)
		return (-1);
	for (size_t i = 0; i < safetensors_count(s); i++) {
		const struct safetensors_tensor *t = safetensors_at(s, i);

		if (params_find(p, t->name) == NULL && t->n > 0 && !is_state(t->name)) {
			say_error("'%s' has a tensor '%.64s' that this model has not", what, t->name);
			goto bad;
		}
	}
	for (size_t i = 0; i < p->count; i++) {
		const struct params_tensor *mine = &p->tensors[i];
		const struct safetensors_tensor *t = safetensors_find(s, mine->name);

		if (t == NULL) {
			say_error("'%s' has no tensor '%s'", what, mine->name);
			goto bad;
		}
		if (t->dims != (size_t)mine->dims || t->shape[t->dims - 1] != mine->cols ||
		    (t->dims == 2 && t->shape[0] != mine->rows)) {
			say_error("tensor '%s' of '%s' has not the shape of this model (%zu x %zu)", mine->name, what,
			    mine->rows, mine->cols);
			goto bad;
		}
		if (safetensors_get_f32(s, t, w + mine->offset) != 0)
			goto err;
	}
	safetensors_free(s);
	return (0);

bad:
	errno = EBADMSG;
err:
	safetensors_free(s);
	return (-1);
}
