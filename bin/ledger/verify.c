#include <stdio.h>

#include "base/exit.h"
#include "base/out.h"
#include "bin/ledger/command.h"
#include "ledger/verify.h"

static int
answer(struct opt *options, const char *ledger, char **arg, int n)
{
	struct verify v;
	int code = verify_ledger(ledger, arg, n, &v);

	(void)options;
	if (code == HG_EXIT_DONE)
		out_put("%llu rows, %llu of them runs; %zu witnesses agree; head %s\n", (unsigned long long)v.rows,
		    (unsigned long long)v.runs, v.witnesses, v.head);
	return (code);
}

static struct opt options[] = { { .letter = '\0' } };

const struct command verify_command = {
	.word = "verify",
	.summary = "Check the chain, row by row, and what runs remember of it.",
	.synopsis = "hg-ledger verify LEDGER [RUN]...",
	.options = options,
	.most = 100000,
	.answer = answer,
};
