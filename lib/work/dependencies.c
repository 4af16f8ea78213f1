#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "data/locate.h"
#include "stage/inputs.h"
#include "base/jsonio.h"
#include "work/dependencies.h"
#include "base/say.h"

/* An artifact is far below this; a larger file is not one. */
#define ARTIFACT_MAX_BYTES ((size_t)1 << 30)

int
dependencies_fault(struct stage_work *w, const struct inputerror *f)
{
	return (f->kind == REFUSAL_NONE ? -1 : inputs_fault(w, f->kind, f->observed, f->expected));
}

int
dependencies_model(struct stage_work *w, const char *backend)
{
	switch (errno) {
	case ENODEV:
		return (stage_refuse(w, REFUSAL_DEVICE_UNAVAILABLE, NULL, json_string(backend), "%s", say_last()));
	case EPROTO:
		return (stage_refuse(w, REFUSAL_BACKEND_SELFTEST_FAILED, NULL, NULL, "%s", say_last()));
	case EINVAL:
		return (stage_refuse(w, REFUSAL_SPEC_INVALID, NULL, NULL, "%s", say_last()));
	case ENOENT:
		return (stage_refuse(w, REFUSAL_INPUT_MISSING, NULL, NULL, "%s", say_last()));
	}
	return (inputs_broken(w));
}

static int
bind_part(struct stage_work *w, const struct dataset_part *part)
{
	size_t i;

	for (i = 0; i < part->count; i++)
		if (inputs_bind(w, AT_FDCWD, part->shards[i].path, part->shards[i].sha256) == -1)
			return (-1);
	return (0);
}

/* What dataset_open and dataset_verify look at. */
static int
bind_data(struct stage_work *w, const struct dataset *d, unsigned parts)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", d->dir, DATASET_FILE);
	if (inputs_bind(w, AT_FDCWD, path, d->sha256) == -1)
		return (-1);
	if ((parts & DATASET_TOKENIZER) != 0 && d->tokenizer_path != NULL &&
	    inputs_bind(w, AT_FDCWD, d->tokenizer_path, d->tokenizer_sha256) == -1)
		return (-1);
	if ((parts & DATASET_VAL) != 0 &&
	    (inputs_bind(w, AT_FDCWD, d->docs_path, d->docs_sha256) == -1 || bind_part(w, &d->val) == -1 ||
		bind_part(w, &d->val_counts) == -1))
		return (-1);
	return ((parts & DATASET_TRAIN) != 0 ? bind_part(w, &d->train) : 0);
}

int
dependencies_data(struct stage_work *w, unsigned parts, struct dataset **d)
{
	const json_t *spec = stage_rundir(w)->spec.json;
	const char *want = jsonio_text(spec, "data.dataset_sha256", "");
	struct inputerror f = { .kind = REFUSAL_NONE };

	if ((*d = locate_dataset(jsonio_text(spec, "data.dir", ""), want, stage_rundir(w)->path, &f)) == NULL)
		return (dependencies_fault(w, &f));
	if (bind_data(w, *d, parts) == -1 || dataset_verify(*d, parts, &f) == -1) {
		dependencies_fault(w, &f);
		dataset_free(*d);
		*d = NULL;
		return (-1);
	}
	return (0);
}

int
dependencies_artifact(struct stage_work *w, struct artifact *a, json_t **receipt, char receipt_sha256[SHA256_HEX_SIZE])
{
	int fd, rc = -1;
	char *bytes;
	size_t n;

	if (inputs_receipt(w, STAGE_EXPORT, receipt, receipt_sha256) == -1)
		return (-1);
	if ((fd = inputs_open(w, RUNDIR_ARTIFACT, jsonio_i64(*receipt, "artifact.bytes", -1),
		 jsonio_text(*receipt, "artifact.sha256", ""))) == -1)
		goto err0;
	if ((bytes = file_read_fd(fd, ARTIFACT_MAX_BYTES, &n)) == NULL)
		goto err1;
	rc = artifact_read(bytes, n, RUNDIR_ARTIFACT, a) == -1 ? inputs_broken(w) : 0;
	free(bytes);
err1:
	close(fd);
err0:
	if (rc == -1) {
		json_decref(*receipt);
		*receipt = NULL;
	}
	return (rc);
}

int
dependencies_tokenizer(struct stage_work *w, const char *data_sha256, const struct artifact *a)
{
	if (strcmp(data_sha256, a->tokenizer_sha256) == 0)
		return (0);
	return (stage_refuse(w, REFUSAL_INPUT_WRONG_DIGEST, json_string(data_sha256), json_string(a->tokenizer_sha256),
	    "the data's tokenizer is not the artifact's"));
}

void
dependencies_own(struct trainspec *r)
{
	if (strcmp(r->backend, "external") != 0)
		return;
	r->backend = "cpu";
	r->isa = "auto";
}
