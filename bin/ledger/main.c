#include <string.h>

#include "bin/ledger/counter.h"
#include "bin/ledger/desk.h"
#include "base/exit.h"
#include "base/opt.h"
#include "base/say.h"

int
main(int argc, char **argv)
{
	static const struct opt_tool tool = { "hg-ledger", "Keep, show and check a ledger of judged runs.",
		DESK_SYNOPSIS "\n" COUNTER_SYNOPSIS };
	static struct opt table[] = { { .letter = 'a', .help = "list: rows of every kind; incumbent: of every group" },
		{ .letter = 'j', .help = "print JSON, one object a line" },
		{ .letter = 's', .help = "list: fit the terminal's width, mark incumbents, draw sparklines" },
		{ .letter = 'm', .arg = "COLUMN", .help = "import: lower values of this column of tables are better" },
		{ .letter = 'M', .arg = "COLUMN", .help = "import: higher values of this column of tables are better" },
		{ .letter = 'n', .arg = "SEEDS", .help = "plan: runs a side; calibrate: seeds wanted" },
		{ .letter = 'x', .help = "plan: give up the open plan; its confirmation is spent" },
		{ .letter = 'H', .arg = "HEAD", .help = "promote: only if the ledger's last row has this digest" },
		{ .letter = '\0' } };
	const char *word = argc > 1 ? argv[1] : "";
	int i;

	exit_init(tool.name);
	/* Options stand after the subcommand: hg-ledger list -j LEDGER. */
	if (word[0] == '-' || argc < 2) {
		if ((i = opt_parse(&tool, table, argc, argv)) == OPT_EXIT)
			return (exit_flush(HG_EXIT_DONE));
		return (i == OPT_USAGE ? HG_EXIT_USAGE : opt_usage(&tool));
	}
	if ((i = opt_parse(&tool, table, argc - 1, argv + 1)) < 0)
		return (i == OPT_EXIT ? exit_flush(HG_EXIT_DONE) : HG_EXIT_USAGE);
	return (exit_flush(desk_serve(&tool, word, table, argc - 1 - i, argv + 1 + i, counter_words)));
}
