#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonio.h"
#include "base/say.h"
#include "gpt/calibration.h"
#include "gpt/gptq.h"
#include "gpt/safetensors.h"

#define FORMAT "homegolf.calibration.v1"

struct calibration *
calibration_new(const struct params *p)
{
	struct calibration *c = calloc(1, sizeof(*c));

	if (c == NULL || (c->gram = calloc(p->count, sizeof(*c->gram))) == NULL) {
		free(c);
		say_error("cannot keep what matrices read: out of memory");
		errno = ENOMEM;
		return (NULL);
	}
	c->count = p->count;
	return (c);
}

void
calibration_free(struct calibration *c)
{
	const int error = errno;

	for (size_t i = 0; c != NULL && i < c->count; i++)
		free(c->gram[i]);
	if (c != NULL)
		free(c->gram);
	free(c);
	errno = error;
}

const float *
calibration_gram(const struct calibration *c, const struct params *p, size_t tensor)
{
	const size_t input = params_input(p, tensor);

	return (input == PARAMS_NONE ? NULL : c->gram[input]);
}

static void
name_of(const struct params_tensor *t, char name[PARAMS_NAME_SIZE + 8])
{
	snprintf(name, PARAMS_NAME_SIZE + 8, "%s.gram", t->name);
}

int
calibration_write(int fd, const struct calibration *c, const struct params *p, const json_t *extra)
{
	struct safetensors_tensor *tensors = calloc(p->count, sizeof(*tensors));
	char(*names)[PARAMS_NAME_SIZE + 8] = calloc(p->count, sizeof(*names));
	json_t *metadata = json_object(), *config = config_to_json(&p->config);
	char *text = config != NULL ? jsonio_line(config) : NULL;
	size_t count = 0;
	int rc = -1;

	if (tensors == NULL || names == NULL || metadata == NULL || text == NULL ||
	    json_object_set_new(metadata, "format", json_string(FORMAT)) != 0 ||
	    json_object_set_new(metadata, "config", json_string(text)) != 0 ||
	    (extra != NULL && json_object_update(metadata, (json_t *)(uintptr_t)extra) != 0)) {
		errno = ENOMEM;
		goto out;
	}
	for (size_t i = 0; i < p->count; i++) {
		const size_t n = gptq_packed(p->tensors[i].cols);

		if (c->gram[i] == NULL)
			continue;
		name_of(&p->tensors[i], names[i]);
		tensors[count++] = (struct safetensors_tensor){ .name = names[i],
			.dtype = SAFETENSORS_F32,
			.dims = 1,
			.n = n,
			.shape = { n },
			.data = c->gram[i] };
	}
	rc = safetensors_write(fd, tensors, count, metadata);
out:
	if (rc != 0)
		say_errno("cannot write what matrices read");
	free(text);
	json_decref(config);
	json_decref(metadata);
	free(names);
	free(tensors);
	return (rc);
}

/* One of them, unless it is there already. */
static int
fetch(struct calibration *c, const struct safetensors *s, const char *what, const struct params *p, size_t input)
{
	const struct params_tensor *of = &p->tensors[input];
	const size_t n = gptq_packed(of->cols);
	char name[PARAMS_NAME_SIZE + 8];
	const struct safetensors_tensor *t;

	if (c->gram[input] != NULL)
		return (0);
	name_of(of, name);
	t = safetensors_find(s, name);
	if (t == NULL || t->dtype != SAFETENSORS_F32 || t->dims != 1 || t->n != n) {
		say_error("'%s' has no tensor '%s' of %zu numbers in float32", what, name, n);
		errno = EBADMSG;
		return (-1);
	}
	if ((c->gram[input] = malloc(n * sizeof(**c->gram))) == NULL) {
		say_errno("cannot read '%s'", what);
		return (-1);
	}
	return (safetensors_get_f32(s, t, c->gram[input]));
}

struct calibration *
calibration_read(int fd, const char *what, const struct params *p, model_watches *watches, const void *law)
{
	struct safetensors *s = safetensors_read(fd, what);
	struct calibration *c = NULL;

	if (s == NULL || (c = calibration_new(p)) == NULL)
		goto out;
	if (safetensors_metadata(s, "format") == NULL || strcmp(safetensors_metadata(s, "format"), FORMAT) != 0) {
		say_error("'%s': its format is not " FORMAT, what);
		errno = EBADMSG;
		goto err0;
	}
	for (size_t i = 0; i < p->count; i++)
		if (params_input(p, i) != PARAMS_NONE && watches(law, &p->tensors[i]) &&
		    fetch(c, s, what, p, params_input(p, i)) == -1)
			goto err0;
	goto out;
err0:
	calibration_free(c);
	c = NULL;
out:
	safetensors_free(s);
	return (c);
}
