#include <errno.h>
#include <stdio.h>

#include "base/atomfile.h"
#include "run/closeout.h"
#include "stage/stagecmd.h"
#include "base/exit.h"
#include "run/refusal.h"
#include "run/retry.h"
#include "run/rundir.h"
#include "base/out.h"
#include "base/say.h"

/* Somebody else's retry: it lasts before we rest on it. */
static int
done_before(const struct rundir *r)
{
	if (atomfile_sync_dir(r->fd) == 0)
		return (HG_EXIT_DONE);
	say_errno("cannot sync '%s'", r->path);
	return (HG_EXIT_SYSTEM);
}

static int
retry(struct rundir *r, enum stage s)
{
	const char *name = rundir_stages[s].name;
	enum state state;
	int attempt;

	if (rundir_load(r) == -1 || closeout_dead(r, s, &state, NULL) == -1)
		return (rundir_exit(errno));
	switch (state) {
	case STATE_REFUSED:
		break;
	case STATE_ABSENT:
		say_note("%s of '%s' has not begun: there is nothing to retry", name, r->path);
		return (done_before(r));
	case STATE_CLOSED_OUT:
		say_error("%s of '%s' has its receipt: there is nothing to retry", name, r->path);
		return (HG_EXIT_NO);
	case STATE_CORRUPT:
		return (refusal_show_corrupt(r, s));
	default:
		say_error("%s of '%s' is %s", name, r->path, state_name(state));
		return (HG_EXIT_NOT_YET);
	}
	switch (retry_stage(r, s, &attempt)) {
	case 0:
		out_put("%s/%s/%s.%d\n", r->path, RUNDIR_ATTEMPTS, name, attempt);
		return (HG_EXIT_DONE);
	case 1:
		say_note("%s of '%s' was retried by somebody else", name, r->path);
		return (done_before(r));
	default:
		return (errno == EAGAIN ? HG_EXIT_NOT_YET : errno == EBADMSG ? HG_EXIT_CONTRACT : HG_EXIT_SYSTEM);
	}
}

int
main(int argc, char **argv)
{
	static const struct opt_tool tool = { "hg-retry",
		"Move a refused attempt aside, so that its stage may be tried again.", "hg-retry STAGE RUN" };

	return (stagecmd_main(&tool, argc, argv, retry));
}
