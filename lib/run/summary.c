#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomfile.h"
#include "base/say.h"
#include "run/status.h"
#include "run/summary.h"
#include "schema/contract.h"

/* How often another state may be found than was just written. */
#define CHANGES_MEANWHILE 10

/* All but when it was made. */
static int
same_view(const json_t *a, const json_t *b)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)a, key, v)
		if (strcmp(key, "at") != 0 && !json_equal(v, json_object_get(b, key)))
			return (0);
	return (1);
}

/* The view of the run as it is. NULL with errno, said. */
static json_t *
view_of(struct rundir *r)
{
	json_t *state = status_read(r), *view;

	if (state == NULL)
		return (NULL);
	if ((view = status_summary(state)) == NULL)
		say_errno("cannot make a summary");
	json_decref(state);
	return (view);
}

static int
write_view(const struct rundir *r, const json_t *view)
{
	char *text;
	size_t n;
	int rc;

	if ((text = contract_pretty("summary", view, &n)) == NULL) {
		if (errno == ENOMEM)
			say_errno("cannot make a summary");
		return (-1);
	}
	if ((rc = atomfile_replace(r->fd, RUNDIR_SUMMARY, text, n)) == 0)
		(void)atomfile_sweep(r->fd, RUNDIR_SUMMARY);
	else
		say_errno("cannot publish '%s/%s'", r->path, RUNDIR_SUMMARY);
	free(text);
	return (rc);
}

int
summary_publish(struct rundir *r)
{
	json_t *view, *now;
	int tries, same = 0, error;

	if ((view = view_of(r)) == NULL)
		goto err0;
	for (tries = 0; tries < CHANGES_MEANWHILE && !same; tries++) {
		if (write_view(r, view) == -1)
			goto err1;
		if ((now = view_of(r)) == NULL)
			goto err1;
		same = same_view(view, now);
		json_decref(view);
		view = now;
	}
	json_decref(view);
	return (0);
err1:
	error = errno;
	json_decref(view);
	errno = error;
err0:
	error = errno;
	(void)atomfile_remove(r->fd, RUNDIR_SUMMARY);
	errno = error;
	return (-1);
}

void
summary_renew(struct rundir *r)
{
	/* One that was killed before it published its first left no view to renew. */
	(void)atomfile_sweep(r->fd, RUNDIR_SUMMARY);
	if (rundir_has(r, RUNDIR_SUMMARY) == 1)
		(void)summary_publish(r);
}
