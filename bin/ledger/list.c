#include <errno.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/say.h"
#include "base/term.h"
#include "bin/ledger/command.h"
#include "bin/ledger/listing.h"
#include "import/rejudge.h"
#include "import/verdicts.h"
#include "ledger/ledger.h"

static int
answer(struct opt *options, const char *ledger, char **arg, int n)
{
	struct listing how = { .all = command_given(options, 'a'),
		.json = command_given(options, 'j'),
		.drawn = command_given(options, 's') };
	struct claimrow_look look;
	struct rejudge r;
	struct ledger l;
	int rows, code;

	(void)arg;
	(void)n;
	if (command_look(options, &look) == -1)
		return (HG_EXIT_USAGE);
	if (how.json && how.drawn) {
		say_error("list takes -j or -s, not both");
		return (HG_EXIT_USAGE);
	}
	if (look.metric != NULL && (how.all || how.drawn)) {
		say_error(
		    "list takes -m or -M without -a and -s: imported rows by their column have a form of their own");
		return (HG_EXIT_USAGE);
	}
	if (look.metric != NULL) {
		/* Imported rows by their column, which no row of ours has. */
		if (ledger_open(&l, ledger, LEDGER_READ) == -1)
			return (ledger_exit(errno));
		code = HG_EXIT_DONE;
		if (rejudge_ledger(&r, &l, &look) == -1)
			code = ledger_exit(errno);
		else {
			if (rejudge_misses(&r, &look))
				code = HG_EXIT_CONTRACT;
			else if (how.json)
				code = verdicts_json(&r) == -1 ? HG_EXIT_SYSTEM : HG_EXIT_DONE;
			else
				verdicts_rows(&r);
			rejudge_free(&r);
		}
		ledger_close(&l);
		return (code);
	}
	if (isatty(STDOUT_FILENO) && !how.json)
		how.drawn = 1;
	how.columns = term_columns(STDOUT_FILENO);
	how.utf8 = term_utf8();
	if ((rows = ledger_rows(ledger)) == -1)
		return (ledger_exit(errno));
	code = listing_print(rows, &how);
	close(rows);
	return (code);
}

static struct opt options[] = { { .letter = 'a', .help = "rows of every kind" },
	{ .letter = 'j', .help = "print JSON, one object a line" },
	{ .letter = 'm', .arg = "COLUMN", .help = "imported tables by this column, lower values being better" },
	{ .letter = 'M', .arg = "COLUMN", .help = "imported tables by this column, higher values being better" },
	{ .letter = 's', .help = "fit the terminal's width, mark incumbents, draw sparklines" }, { .letter = '\0' } };

const struct command list_command = {
	.word = "list",
	.summary = "List runs and confirmations, a line each.",
	.synopsis = "hg-ledger list [-a] [-j | -s] LEDGER\n"
		    "hg-ledger list [-j] -m COLUMN | -M COLUMN LEDGER",
	.options = options,
	.answer = answer,
};
