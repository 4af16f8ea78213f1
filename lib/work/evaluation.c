#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "base/clock.h"
#include "base/exit.h"
#include "base/jsonio.h"
#include "base/out.h"
#include "base/say.h"
#include "base/str.h"
#include "run/specdigest.h"
#include "schema/contract.h"
#include "work/scoring.h"

int
evaluation_open(struct evaluation *e, const struct rundir *r, const char *name, const json_t *settings)
{
	e->name = name;
	e->spec = NULL;
	if (!str_is_name(name)) {
		say_error("'%s' can't name an evaluation: 1 to %d of A-Z a-z 0-9 . _ - and no dot first", name,
		    RUNDIR_ID_MAX);
		errno = EINVAL;
		return (-1);
	}
	if (rundir_evidence(r) != RUNDIR_CHECKPOINTS) {
		say_error("'%s' is scored by a program of its own: nothing here can score it under another law",
		    r->path);
		errno = EINVAL;
		return (-1);
	}
	if ((e->spec = json_deep_copy(r->spec.json)) == NULL ||
	    (settings != NULL &&
		json_object_update(json_object_get(e->spec, "eval"), (json_t *)(uintptr_t)settings) == -1) ||
	    specdigest_put(e->spec, json_object_get(e->spec, "digests")) == -1) {
		errno = ENOMEM;
		say_errno("cannot evaluate '%s'", r->path);
		json_decref(e->spec);
		return (-1);
	}
	return (0);
}

/* evals/NAME.json */
static const char *
name_of(const struct evaluation *e, char name[RUNDIR_ID_MAX + 16])
{
	snprintf(name, RUNDIR_ID_MAX + 16, RUNDIR_EVALS "/%s.json", e->name);
	return (name);
}

static int
print(const json_t *v)
{
	char *line = jsonio_line(v);

	if (line == NULL) {
		say_errno("cannot print an evaluation");
		return (HG_EXIT_SYSTEM);
	}
	out_json(line, strlen(line));
	free(line);
	return (HG_EXIT_DONE);
}

/* What it is bound to, and what that is here: the first that differs, or NULL. */
static const char *
differs(const struct evaluation *e, const json_t *there, const json_t *export, const char **is, const char **was)
{
	const struct {
		const char *what, *key, *here;
	} bound[] = {
		{ "run", "run_uid", jsonio_text(e->spec, "run_uid", "") },
		{ "artifact", "artifact_sha256", jsonio_text(export, "artifact.sha256", "") },
		{ "data", "dataset_sha256", jsonio_text(e->spec, "data.dataset_sha256", "") },
		{ "tokenizer", "tokenizer_sha256", jsonio_text(e->spec, "data.tokenizer_sha256", "") },
		{ "eval law", "eval_sha256", jsonio_text(e->spec, "digests.eval_sha256", "") },
	};
	size_t i;

	for (i = 0; i < sizeof(bound) / sizeof(bound[0]); i++) {
		*is = jsonio_text(there, bound[i].key, "");
		*was = bound[i].here;
		if (strcmp(*is, *was) != 0)
			return (bound[i].what);
	}
	return (NULL);
}

int
evaluation_there(const struct evaluation *e, const struct rundir *r)
{
	char name[RUNDIR_ID_MAX + 16];
	const char *what, *is, *was;
	json_t *there, *export;
	int code;

	if (contract_read(r->fd, name_of(e, name), "evaluation", NULL, &there) == -1)
		return (errno == ENOENT ? HG_EXIT_PENDING : rundir_exit(errno));
	/* Without a receipt of the export the artifact is none that could be scored. */
	if (contract_read(r->fd, rundir_stages[STAGE_EXPORT].receipt, rundir_contract(r, STAGE_EXPORT), NULL,
		&export) == -1) {
		code = errno == ENOENT ? HG_EXIT_PENDING : rundir_exit(errno);
		json_decref(there);
		return (code);
	}
	if ((what = differs(e, there, export, &is, &was)) != NULL) {
		say_error("'%s/%s' is of another %s: %.12s, not %.12s; take another name", r->path, name, what, is,
		    was);
		code = HG_EXIT_NO;
	} else
		code = print(there);
	json_decref(export);
	json_decref(there);
	return (code);
}

/* The members that are the report's. NULL with errno ENOMEM. */
static json_t *
evaluation_of(const struct evaluation *e, const struct rundir *r, const json_t *report)
{
	char now[CLOCK_TEXT_SIZE];
	json_t *v = json_pack("{s:s, s:s, s:b, s:s, s:s, s:s}", "schema", "homegolf.evaluation.v1", "name", e->name,
	    "comparison_only", 1, "run_id", r->id, "run_uid", r->spec.run_uid, "spec_sha256", r->spec.text_sha256);
	json_t *member;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)report, key, member)
		if (contract_at("evaluation", key) != NULL && json_object_set(v, key, member) == -1)
			goto err0;
	if (json_object_set_new(v, "evaluated_at", json_string(clock_text(now, clock_wall_ms()))) == 0)
		return (v);
err0:
	json_decref(v);
	errno = ENOMEM;
	return (NULL);
}

/* Create the file, in a directory that lasts. 0, or -1 with errno. */
static int
create(const struct rundir *r, const char *name, const char *text, size_t n)
{
	int fd, rc = -1, error;

	if (mkdirat(r->fd, RUNDIR_EVALS, 0777) == -1 && errno != EEXIST)
		return (-1);
	if ((fd = openat(r->fd, RUNDIR_EVALS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1)
		return (-1);
	if (atomfile_sync_dir(r->fd) == 0 && atomfile_sweep(fd, name) == 0)
		rc = atomfile_create(fd, name, text, n);
	error = errno;
	close(fd);
	errno = error;
	return (rc);
}

int
evaluation_keep(void *arg, const struct rundir *r, int outputs, const json_t *delivered)
{
	const struct evaluation *e = ((const struct scoring_options *)arg)->evaluation;
	char name[RUNDIR_ID_MAX + 16];
	json_t *v = evaluation_of(e, r, json_object_get(delivered, "report"));
	char *text = NULL;
	size_t n;
	int code = HG_EXIT_SYSTEM;

	(void)outputs;
	name_of(e, name);
	if (v == NULL || (text = contract_pretty("evaluation", v, &n)) == NULL) {
		code = errno == EBADMSG ? HG_EXIT_BUG : HG_EXIT_SYSTEM;
		if (errno == ENOMEM)
			say_errno("cannot keep an evaluation of '%s'", r->path);
	} else if (create(r, strchr(name, '/') + 1, text, n) == 0)
		code = print(v);
	else if (errno == EEXIST)
		code = evaluation_there(e, r);
	else
		say_errno("cannot write '%s/%s'", r->path, name);
	free(text);
	json_decref(v);
	return (code);
}
