#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "judge/add.h"
#include "base/exit.h"
#include "base/opt.h"
#include "judge/preview.h"

int
main(int argc, char **argv)
{
	static const struct opt_tool tool = { "hg-classify",
		"Say what the verdict on a run would be now, and why; writes classification.json.",
		"hg-classify [-j] LEDGER RUN" };
	static struct opt table[] = { { .letter = 'j', .help = "print classification.json instead of words" },
		{ .letter = '\0' } };
	struct ledger l;
	int i, code;

	exit_init(tool.name);
	if ((i = opt_parse(&tool, table, argc, argv)) < 0)
		return (i == OPT_EXIT ? exit_flush(HG_EXIT_DONE) : HG_EXIT_USAGE);
	if (argc - i != 2)
		return (opt_usage(&tool));
	if (ledger_open(&l, argv[i], LEDGER_PREVIEW) == -1)
		return (ledger_exit(errno));
	code = preview_run(&l, argv[i + 1], opt_row(table, 'j')->value != NULL);
	ledger_close(&l);
	return (exit_flush(code));
}
