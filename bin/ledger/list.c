#include <errno.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/say.h"
#include "base/term.h"
#include "bin/ledger/command.h"
#include "bin/ledger/listing.h"
#include "ledger/ledger.h"

static int
answer(struct opt *options, const char *ledger, char **arg, int n)
{
	struct listing how = { .all = command_given(options, 'a'),
		.json = command_given(options, 'j'),
		.drawn = command_given(options, 's') };
	int rows, code;

	(void)arg;
	(void)n;
	if (how.json && how.drawn) {
		say_error("list takes -j or -s, not both");
		return (HG_EXIT_USAGE);
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
	{ .letter = 's', .help = "fit the terminal's width, mark incumbents, draw sparklines" }, { .letter = '\0' } };

const struct command list_command = {
	.word = "list",
	.summary = "List runs and confirmations, a line each.",
	.synopsis = "hg-ledger list [-a] [-j | -s] LEDGER",
	.options = options,
	.answer = answer,
};
