#include <errno.h>

#include "base/exit.h"
#include "base/out.h"
#include "base/say.h"
#include "bin/ledger/command.h"
#include "judge/outrun.h"
#include "ledger/ledger.h"
#include "run/rundir.h"

static int
answer(struct opt *options, const char *ledger, char **arg, int n)
{
	static const int codes[] = { HG_EXIT_DONE, HG_EXIT_NO, HG_EXIT_PENDING };
	int code = HG_EXIT_DONE;
	enum outrun how;
	struct ledger l;

	(void)n;
	if (ledger_open(&l, ledger, command_given(options, 'p') ? LEDGER_PREVIEW : LEDGER_READ) == -1)
		return (ledger_exit(errno));
	if (command_given(options, 'p') && !l.book.policy.screen.outrun)
		code = HG_EXIT_DONE;
	else if (outrun_pace(&l, arg[0], &how) == -1)
		code = errno == EBADMSG ? HG_EXIT_CONTRACT : rundir_exit(errno);
	else if ((code = codes[how]) == HG_EXIT_DONE)
		out_put("%s/%s\n", arg[0], RUNDIR_PACE);
	ledger_close(&l);
	return (code);
}

static struct opt options[] = { { .letter = 'p', .help = "only if the policy asks for it (screen.outrun)" },
	{ .letter = '\0' } };

const struct command pace_command = {
	.word = "pace",
	.summary = "Tell RUN's training past which loss it is a clear loser, by the incumbent's runs.",
	.synopsis = "hg-ledger pace [-p] LEDGER RUN",
	.options = options,
	.least = 1,
	.most = 1,
	.answer = answer,
};
