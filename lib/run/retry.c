#include <errno.h>
#include <unistd.h>

#include "base/jsonio.h"
#include "run/refusal.h"
#include "run/retry.h"
#include "run/runlock.h"
#include "base/say.h"

#define WAIT_MS 2000

/* With the lock in hand. */
static int
retire(struct rundir *r, enum stage s, int fd, int only, int *attempt)
{
	const struct rundir_stage *st = &rundir_stages[s];
	json_t *refusal;
	int fits;

	if (rundir_has(r, st->refusal) != 1 || rundir_has(r, st->receipt) != 0)
		return (1);
	if ((refusal = refusal_read(r, s)) == NULL)
		return (-1);
	*attempt = (int)jsonio_i64(refusal, "attempt", 1);
	json_decref(refusal);
	if (only != 0 && *attempt != only)
		return (2);
	/* Its number becomes a folder's, and the next attempt's follows from that. */
	if ((fits = rundir_refusal_fits(r, s, *attempt)) == -1) {
		say_errno("cannot look into '%s/%s'", r->path, RUNDIR_ATTEMPTS);
		return (-1);
	}
	if (!fits) {
		say_error("'%s/%s' says that it is of attempt %d, which '%s' does not bear out", r->path, st->refusal,
		    *attempt, RUNDIR_ATTEMPTS);
		errno = EBADMSG;
		return (-1);
	}
	if (rundir_discard(r, s) == -1)
		return (-1);
	/* The text goes first: without it, no refusal means absent; with it, it would mean an orphan. */
	if (runlock_clear(fd) == -1) {
		say_errno("cannot empty '%s/%s'", r->path, st->lock);
		return (-1);
	}
	return (rundir_retire(r, s, *attempt));
}

int
retry_stage(struct rundir *r, enum stage s, int only, int *attempt)
{
	int fd, rc, error;

	if (rundir_load(r) == -1)
		return (-1);
	if ((fd = runlock_wait(r, s, WAIT_MS)) == -1) {
		if (errno == EAGAIN)
			say_error("%s of '%s' is held by another process", rundir_stages[s].name, r->path);
		return (-1);
	}
	rc = retire(r, s, fd, only, attempt);
	error = errno;
	close(fd);
	errno = error;
	return (rc);
}
