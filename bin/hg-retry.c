#include <errno.h>
#include <stdio.h>

#include "base/atomfile.h"
#include "run/closeout.h"
#include "stage/stagecmd.h"
#include "base/exit.h"
#include "base/jsonio.h"
#include "base/num.h"
#include "run/refusal.h"
#include "run/retry.h"
#include "schema/interrupted.h"
#include "run/rundir.h"
#include "run/summary.h"
#include "base/out.h"
#include "base/say.h"

static struct opt options[] = { { .letter = 'i', .help = "only what was interrupted, so that nothing was found out" },
	{ .letter = 'a', .arg = "N", .help = "only attempt N: where another is the last one nothing is done" },
	{ .letter = '\0' } };

enum { MOST_ATTEMPTS = 1000000000 };

/* 1 if the refused stage was only interrupted, 0 if not, -1 with errno, said. */
static int
interrupted(const struct rundir *r, enum stage s)
{
	json_t *refusal = refusal_read(r, s);
	int yes;

	if (refusal == NULL)
		return (-1);
	yes = interrupted_kind(jsonio_text(refusal, "kind", ""));
	json_decref(refusal);
	return (yes);
}

/* Would the next attempt only be ended as this one was? 1, 0, or -1 with errno, said. */
static int
outrun_again(const struct rundir *r, enum stage s)
{
	json_t *refusal = refusal_read(r, s);
	int yes;

	if (refusal == NULL)
		return (-1);
	yes = refusal_by_name(jsonio_text(refusal, "kind", "")) == REFUSAL_OUTRUN;
	json_decref(refusal);
	if (!yes || (yes = rundir_has(r, RUNDIR_PACE)) != -1)
		return (yes);
	say_errno("cannot look for '%s/%s'", r->path, RUNDIR_PACE);
	return (-1);
}

/* Somebody else's retry: it lasts before we rest on it. */
static int
done_before(struct rundir *r)
{
	if (atomfile_sync_dir(r->fd) == 0) {
		(void)summary_publish(r);
		return (HG_EXIT_DONE);
	}
	say_errno("cannot sync '%s'", r->path);
	return (HG_EXIT_SYSTEM);
}

static int
retry(struct rundir *r, enum stage s)
{
	const char *name = rundir_stages[s].name;
	const char *asked = opt_row(options, 'a')->value;
	enum state state;
	int attempt;
	int64_t only = 0;

	if (asked != NULL && num_i64(asked, 1, MOST_ATTEMPTS, &only) == -1) {
		say_error("-a '%s' is the number of no attempt", asked);
		return (HG_EXIT_USAGE);
	}
	if (rundir_load(r) == -1 || closeout_dead(r, s, &state, NULL) == -1)
		return (rundir_exit(errno));
	switch (state) {
	case STATE_REFUSED:
		switch (outrun_again(r, s)) {
		case 1:
			say_error(
			    "%s of '%s' was outrun, and the same training would be again; without '%s' it goes on "
			    "to its end",
			    name, r->path, RUNDIR_PACE);
			return (HG_EXIT_NO);
		case -1:
			return (rundir_exit(errno));
		default:
			break;
		}
		if (opt_row(options, 'i')->value == NULL)
			break;
		switch (interrupted(r, s)) {
		case 1:
			break;
		case 0:
			say_note("%s of '%s' was refused for more than an interruption", name, r->path);
			return (HG_EXIT_NO);
		default:
			return (rundir_exit(errno));
		}
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
	switch (retry_stage(r, s, (int)only, &attempt)) {
	case 0:
		(void)summary_publish(r);
		out_put("%s/%s/%s.%d\n", r->path, RUNDIR_ATTEMPTS, name, attempt);
		return (HG_EXIT_DONE);
	case 1:
		say_note("%s of '%s' was retried by somebody else", name, r->path);
		return (done_before(r));
	case 2:
		say_note("%s of '%s' is refused in attempt %d, and not in %s any more", name, r->path, attempt, asked);
		return (HG_EXIT_NO);
	default:
		return (errno == EAGAIN ? HG_EXIT_NOT_YET : errno == EBADMSG ? HG_EXIT_CONTRACT : HG_EXIT_SYSTEM);
	}
}

int
main(int argc, char **argv)
{
	static const struct opt_tool tool = { "hg-retry",
		"Move a refused attempt aside, so that its stage may be tried again.",
		"hg-retry [-i] [-a N] STAGE RUN" };

	return (stagecmd_main(&tool, options, argc, argv, retry));
}
