#include <errno.h>

#include "base/exit.h"
#include "base/out.h"
#include "base/say.h"
#include "bin/ledger/command.h"
#include "judge/base.h"
#include "ledger/ledger.h"
#include "run/rundir.h"

static int
answer(struct opt *options, const char *ledger, char **arg, int n)
{
	static const int codes[] = { HG_EXIT_DONE, HG_EXIT_DONE, HG_EXIT_NO };
	struct ledger l;
	struct row row;
	enum base how;
	int code, drop = command_given(options, 'x');

	if (n != (drop ? 0 : 1)) {
		say_error("base takes a RUN, or -x and none");
		return (HG_EXIT_USAGE);
	}
	if ((code = command_open_whole(&l, ledger, LEDGER_WRITE)) != HG_EXIT_DONE)
		return (code);
	if ((drop ? base_drop(&l, &how, &row) : base_set(&l, arg[0], &how, &row)) == -1)
		code = errno == EBADMSG ? HG_EXIT_CONTRACT : rundir_exit(errno);
	else {
		code = codes[how];
		if (how == BASE_THERE)
			out_put(drop ? "there is no base\n" : "it is the base already\n");
		else if (how == BASE_SET && drop)
			out_put("row %lld: screened against the incumbent again\n", (long long)row.number);
		else if (how == BASE_SET)
			out_put(
			    "row %lld: screened against '%s' from here on, step %lld from the incumbent; nothing has "
			    "confirmed it\n",
			    (long long)row.number, row.base.run_id, (long long)row.base.steps);
		if (how == BASE_SET)
			row_free(&row);
	}
	ledger_close(&l);
	return (code);
}

static struct opt options[] = { { .letter = 'x', .help = "screen against the incumbent again" }, { .letter = '\0' } };

const struct command base_command = {
	.word = "base",
	.summary = "Screen further challengers against RUN's configuration, which looked better twice, unconfirmed.",
	.synopsis = "hg-ledger base LEDGER RUN\n"
		    "hg-ledger base -x LEDGER",
	.options = options,
	.most = 1,
	.answer = answer,
};
