#include <errno.h>
#include <stdio.h>

#include "base/out.h"
#include "base/exit.h"
#include "bin/ledger/command.h"
#include "import/discover.h"
#include "import/ingest.h"
#include "ledger/ledger.h"

static int
answer(struct opt *options, const char *ledger, char **arg, int n)
{
	struct ingest in;
	struct discover h = { .each = ingest_claims, .arg = &in, .ledger = ledger };
	struct claimrow_look look;
	struct ledger l;
	size_t rows;
	int i, rc = 0, code = HG_EXIT_DONE;

	if (command_look(options, &look) == -1)
		return (HG_EXIT_USAGE);
	h.want.metric = look.metric;
	h.want.higher = look.higher;
	if (ledger_open(&l, ledger, LEDGER_WRITE) == -1)
		return (ledger_exit(errno));
	if (ingest_begin(&in, &l, command_given(options, 'j')) == -1) {
		code = ledger_exit(errno);
		goto out;
	}
	in.asked = h.want.metric != NULL;
	h.want.known = ingest_metric;
	h.want.arg = &in;
	ledger_hold(&l);
	for (i = 0; i < n; i++) {
		if ((rc = discover_source(&h, arg[i])) == -1)
			break;
		if (rc == 1)
			code = HG_EXIT_CONTRACT;
	}
	if (rc == -1) {
		code = ledger_exit(errno);
		goto out;
	}
	if (ingest_end(&in) == -1) {
		code = HG_EXIT_SYSTEM;
		goto out;
	}
	rows = in.added[CLAIM_SUBMISSION] + in.added[CLAIM_LOG] + in.added[CLAIM_TABLE];
	if (!command_given(options, 'j'))
		out_put("%zu row%s added (%zu submissions, %zu logs, %zu lines of tables; %zu revise earlier ones),"
			" %zu known"
			" already; %zu findings; %zu files read, %zu unreadable\n",
		    rows, rows == 1 ? "" : "s", in.added[CLAIM_SUBMISSION], in.added[CLAIM_LOG], in.added[CLAIM_TABLE],
		    in.revised, in.known, in.findings, h.files - h.unreadable, h.unreadable);
out:
	ingest_free(&in);
	ledger_close(&l);
	return (code);
}

static struct opt options[] = { { .letter = 'j', .help = "print the new rows, one object a line" },
	{ .letter = 'm', .arg = "COLUMN", .help = "lower values of this column of tables are better" },
	{ .letter = 'M', .arg = "COLUMN", .help = "higher values of this column of tables are better" },
	{ .letter = '\0' } };

const struct command import_command = {
	.word = "import",
	.summary = "Take in what other people claim.",
	.synopsis = "hg-ledger import [-j] [-m COLUMN | -M COLUMN] LEDGER SOURCE...",
	.options = options,
	.least = 1,
	.most = 100000,
	.answer = answer,
};
