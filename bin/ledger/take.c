#include <errno.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/out.h"
#include "base/say.h"
#include "bin/ledger/command.h"
#include "judge/take.h"
#include "ledger/ledger.h"
#include "run/rundir.h"

/* For drivers that ask before every run: nothing is said, nor written, of one that no plan asks for. */
static int
unwanted(const char *ledger, const char *path)
{
	struct ledger l;
	int wanted;

	if (ledger_open(&l, ledger, LEDGER_READ) == -1)
		return (-1);
	wanted = take_wanted(&l, path);
	ledger_close(&l);
	return (wanted == -1 ? -1 : !wanted);
}

static int
lost(struct ledger *l, const char *path)
{
	struct row row;
	int rc = take_lost(l, path, &row);

	if (rc != 0)
		return (rc == 1 ? HG_EXIT_NO : ledger_exit(errno));
	out_put("%.8s\t%lld\t%s\tlost\n", row.take.plan, (long long)row.take.slot, row.take.run_id);
	row_free(&row);
	return (HG_EXIT_DONE);
}

static int
answer(struct opt *options, const char *ledger, char **arg, int n)
{
	struct ledger l;
	struct row row;
	enum take how;
	int rows, none, code = HG_EXIT_DONE;

	(void)n;
	if ((rows = ledger_rows(ledger)) == -1)
		return (ledger_exit(errno));
	close(rows);
	if (command_given(options, 'p') && (none = unwanted(ledger, arg[0])) != 0)
		return (none == 1 ? HG_EXIT_DONE : rundir_exit(errno));
	if (ledger_open(&l, ledger, LEDGER_WRITE) == -1)
		return (ledger_exit(errno));
	if (command_given(options, 'x'))
		code = lost(&l, arg[0]);
	else if (take_slot(&l, arg[0], &how, &row) == -1)
		code = errno == EBADMSG ? HG_EXIT_CONTRACT : rundir_exit(errno);
	else if (how == TAKE_NO)
		code = HG_EXIT_NO;
	else if (how == TAKE_NONE) {
		/* Another one may have closed the plan meanwhile. */
		if (!command_given(options, 'p')) {
			say_note("no open plan asks for '%s', or needs to be told", arg[0]);
			code = HG_EXIT_NO;
		}
	} else {
		out_put("%.8s\t%lld\t%s\n", row.take.plan, (long long)row.take.slot, row.take.run_id);
		row_free(&row);
	}
	ledger_close(&l);
	return (code);
}

static struct opt options[] = { { .letter = 'p', .help = "only if an open plan asks for it; else say nothing" },
	{ .letter = 'x', .help = "RUN, which has a slot, is gone: count it as one that came to nothing" },
	{ .letter = '\0' } };

const struct command take_command = {
	.word = "take",
	.summary = "Say, before RUN trains, that it is for a slot of the open plan: no other run fills it then.",
	.synopsis = "hg-ledger take [-p | -x] LEDGER RUN",
	.options = options,
	.least = 1,
	.most = 1,
	.answer = answer,
};
