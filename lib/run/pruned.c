#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "run/pruned.h"
#include "schema/contract.h"

int
pruned_read(const struct rundir *r, json_t **files)
{
	json_t *v;

	*files = NULL;
	if (contract_read(r->fd, RUNDIR_PRUNED, "pruned", NULL, &v) == -1)
		return (errno == ENOENT ? 0 : -1);
	if (strcmp(jsonio_text(v, "run_uid", ""), r->spec.run_uid) != 0) {
		say_error("'%s/%s' is of another run; move it away", r->path, RUNDIR_PRUNED);
		json_decref(v);
		errno = EBADMSG;
		return (-1);
	}
	*files = json_incref(json_object_get(v, "files"));
	json_decref(v);
	return (0);
}

/* What hg-prune removes, and nothing else, may be told to be gone on purpose. */
static int
may_be_pruned(const char *file)
{
	const char *const *name;
	int s;

	for (s = 0; s < STAGE_COUNT; s++)
		for (name = rundir_stages[s].spent; *name != NULL; name++)
			if (strcmp(*name, file) == 0)
				return (1);
	return (strcmp(file, RUNDIR_CHECKPOINT) == 0 || strcmp(file, RUNDIR_CALIBRATION) == 0 ||
	    strcmp(file, RUNDIR_SCORE_DOCS) == 0);
}

const json_t *
pruned_find(const json_t *files, const char *file, const char *sha256)
{
	json_t *v;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)files, i, v)
		if (strcmp(jsonio_text(v, "file", ""), file) == 0 && may_be_pruned(file) &&
		    (sha256 == NULL || strcmp(jsonio_text(v, "sha256", ""), sha256) == 0))
			return (v);
	return (NULL);
}

int
pruned_add(json_t *files, const char *file, uint64_t bytes, const char *sha256, const char *at)
{
	json_t *v = json_pack("{s:s, s:I, s:s, s:s}", "file", file, "bytes", (json_int_t)bytes, "sha256", sha256,
		   "pruned_at", at),
	       *old;
	size_t i;

	json_array_foreach(files, i, old)
		if (strcmp(jsonio_text(old, "file", ""), file) == 0)
			break;
	if (v != NULL &&
	    (i < json_array_size(files) ? json_array_set_new(files, i, v) : json_array_append_new(files, v)) == 0)
		return (0);
	errno = ENOMEM;
	say_errno("cannot list '%s'", file);
	return (-1);
}

int
pruned_write(const struct rundir *r, const json_t *files, const char *at)
{
	json_t *v = json_pack("{s:s, s:s, s:s, s:O}", "schema", "homegolf.pruned.v1", "run_uid", r->spec.run_uid,
	    "pruned_at", at, "files", files);
	char *text = NULL;
	size_t n;
	int rc = -1;

	if (v == NULL || (text = contract_pretty("pruned", v, &n)) == NULL ||
	    (rc = atomfile_replace(r->fd, RUNDIR_PRUNED, text, n)) == -1)
		say_errno("cannot write '%s/%s'", r->path, RUNDIR_PRUNED);
	else
		(void)atomfile_sweep(r->fd, RUNDIR_PRUNED);
	free(text);
	json_decref(v);
	return (rc);
}

int
pruned_given(int dirfd, const char *path, const char *sha256, char at[CLOCK_TEXT_SIZE])
{
	const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
	char dir[PATH_MAX];
	const json_t *entry;
	json_t *v = NULL;
	int fd, found;

	snprintf(dir, sizeof(dir), "%.*s", slash == NULL ? 1 : (int)(slash - path) + 1, slash == NULL ? "." : path);
	if ((fd = openat(dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (0);
	if (contract_read(fd, RUNDIR_PRUNED, "pruned", NULL, &v) == -1)
		v = NULL;
	close(fd);
	entry = pruned_find(json_object_get(v, "files"), name, sha256);
	if ((found = entry != NULL))
		snprintf(at, CLOCK_TEXT_SIZE, "%s", jsonio_text(entry, "pruned_at", ""));
	json_decref(v);
	return (found);
}
