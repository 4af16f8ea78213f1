#include <errno.h>
#include <stdio.h>

#include "base/exit.h"
#include "base/out.h"
#include "bin/ledger/command.h"
#include "import/rejudge.h"
#include "import/verdicts.h"
#include "judge/replay.h"
#include "ledger/ledger.h"

/* What was judged here is derived again; what was imported is judged as of now. */
static int
answer(struct opt *options, const char *ledger, char **arg, int n)
{
	struct replay_view view;
	struct claimrow_look look;
	struct rejudge r;
	struct ledger l;
	int code = HG_EXIT_DONE;

	(void)arg;
	(void)n;
	if (command_look(options, &look) == -1)
		return (HG_EXIT_USAGE);
	if (!command_given(options, 'j')) {
		if ((code = replay_ledger(ledger, &view)) != HG_EXIT_DONE && code != HG_EXIT_NO)
			return (code);
		out_put("%llu row%s, %u verdict%s derived again, %u %s\n", (unsigned long long)view.rows,
		    view.rows == 1 ? "" : "s", view.judged, view.judged == 1 ? "" : "s", view.differ,
		    view.differ == 1 ? "differs" : "differ");
	}
	if (ledger_open(&l, ledger, LEDGER_READ) == -1)
		return (ledger_exit(errno));
	if (rejudge_ledger(&r, &l, &look) == -1)
		code = ledger_exit(errno);
	else {
		if (rejudge_misses(&r, &look))
			code = HG_EXIT_CONTRACT;
		else if (command_given(options, 'j'))
			code = verdicts_json(&r) == -1 ? HG_EXIT_SYSTEM : code;
		else
			verdicts_print(&r);
		rejudge_free(&r);
	}
	ledger_close(&l);
	return (code);
}

static struct opt options[] = { { .letter = 'j', .help = "print only what is said of imports, one object a line" },
	{ .letter = 'm', .arg = "COLUMN", .help = "imported tables by this column, lower values being better" },
	{ .letter = 'M', .arg = "COLUMN", .help = "imported tables by this column, higher values being better" },
	{ .letter = '\0' } };

const struct command replay_command = {
	.word = "replay",
	.summary = "Derive every verdict again, from the rows alone.",
	.synopsis = "hg-ledger replay [-j] [-m COLUMN | -M COLUMN] LEDGER",
	.options = options,
	.answer = answer,
};
