#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/out.h"
#include "base/utf8.h"
#include "base/exit.h"
#include "base/say.h"
#include "bin/ledger/command.h"
#include "import/discover.h"
#include "import/ingest.h"
#include "ledger/ledger.h"

/* The column to compare, or NULL for the usual one; 0, or -1 after saying what is wrong with the options. */
static int
metric_of(struct opt *options, struct table_want *want)
{
	size_t i, k, n;

	want->metric = NULL;
	want->higher = command_given(options, 'M');
	if (command_given(options, 'm') && command_given(options, 'M')) {
		say_error("-m and -M exclude each other: a column is better low or high");
		return (-1);
	}
	if (!command_given(options, 'm') && !command_given(options, 'M'))
		return (0);
	want->metric = opt_row(options, want->higher ? 'M' : 'm')->value;
	n = strlen(want->metric);
	for (i = 0; i < n && (k = utf8_read(want->metric + i, n - i, NULL)) != 0; i += k)
		;
	if (i == n && n > 0 && n <= CLAIM_TEXT)
		return (0);
	say_error("'%s' is no name of a column", want->metric);
	return (-1);
}

static int
answer(struct opt *options, const char *ledger, char **arg, int n)
{
	struct ingest in;
	struct discover h = { .each = ingest_claims, .arg = &in, .ledger = ledger };
	struct ledger l;
	size_t rows;
	int i, rc = 0, code = HG_EXIT_DONE;

	if (metric_of(options, &h.want) == -1)
		return (HG_EXIT_USAGE);
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
