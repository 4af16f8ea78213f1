#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/out.h"
#include "base/say.h"
#include "base/str.h"
#include "bin/ledger/command.h"
#include "judge/runrecord.h"
#include "ledger/ledger.h"
#include "run/rundir.h"
#include "run/state.h"

/* The run as a whole, as hg-status has it. 0, or -1 with errno, said. */
static int
state_of_run(const struct rundir *r, enum state_run *run)
{
	enum state states[STAGE_COUNT];
	unsigned owed = 0;
	int s;

	for (s = 0; s < STAGE_COUNT; s++) {
		owed |= (unsigned)rundir_owes(r, (enum stage)s) << s;
		if (state_look(r, (enum stage)s, &states[s], NULL) == -1)
			return (-1);
	}
	*run = state_next(states, owed).run;
	return (0);
}

/* One that may be a run, by its path if ${dir} is NULL: DONE if it is in the ledger, or need not be yet. */
static int
look(const struct ledger *l, int dirfd, const char *dir, const char *name)
{
	const struct standings_fact *row;
	struct rundir r;
	enum state_run run;
	int code = HG_EXIT_DONE;

	if ((dir == NULL ? rundir_open(&r, name) : rundir_open_at(&r, dirfd, dir, name)) == -1)
		return (rundir_exit(errno));
	if (rundir_load(&r) == -1 || state_of_run(&r, &run) == -1 || runrecord_row(&l->book, &r, &row) == -1)
		code = rundir_exit(errno);
	else if (row == NULL) {
		out_put("%s\t%s\n", r.path, state_run_name(run));
		if (run == STATE_RUN_COMPLETE || run == STATE_RUN_REFUSED)
			code = HG_EXIT_NO;
	}
	rundir_close(&r);
	return (code);
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return (strcmp((*a)->d_name, (*b)->d_name));
}

/* All runs in a directory, by name. */
static int
look_in(const struct ledger *l, const char *dir)
{
	struct dirent **list = NULL;
	struct str spec = STR_INIT;
	int fd, i, n, code = HG_EXIT_DONE;

	if ((fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 ||
	    (n = scandir(dir, &list, NULL, by_name)) == -1) {
		say_errno("cannot read '%s'", dir);
		if (fd != -1)
			close(fd);
		return (errno == ENOENT || errno == ENOTDIR ? HG_EXIT_USAGE : HG_EXIT_SYSTEM);
	}
	/* One that is a run itself stands for itself. */
	if (faccessat(fd, RUNDIR_SPEC, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		code = look(l, AT_FDCWD, NULL, dir);
	for (i = 0; i < n; i++) {
		spec.n = 0;
		if (str_is_name(list[i]->d_name) && str_printf(&spec, "%s/" RUNDIR_SPEC, list[i]->d_name) == 0 &&
		    faccessat(fd, spec.p, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			code = exit_worse(code, look(l, fd, dir, list[i]->d_name));
		free(list[i]);
	}
	free(list);
	str_free(&spec);
	close(fd);
	return (code);
}

static int
answer(struct opt *options, const char *ledger, char **arg, int n)
{
	struct ledger l;
	int i, code = HG_EXIT_DONE;

	(void)options;
	if (ledger_open(&l, ledger, LEDGER_READ) == -1)
		return (ledger_exit(errno));
	for (i = 0; i < n; i++)
		code = exit_worse(code, look_in(&l, arg[i]));
	ledger_close(&l);
	return (code);
}

static struct opt options[] = { { .letter = '\0' } };

const struct command missing_command = {
	.word = "missing",
	.summary = "List the runs in directories that have no row, with their state.",
	.synopsis = "hg-ledger missing LEDGER DIR...",
	.options = options,
	.least = 1,
	.most = 1000,
	.answer = answer,
};
