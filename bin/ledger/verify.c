#include <stdio.h>

#include "base/exit.h"
#include "base/out.h"
#include "base/say.h"
#include "bin/ledger/command.h"
#include "ledger/verify.h"

static int
answer(struct opt *options, const char *ledger, char **arg, int n)
{
	struct verify v;
	int code = verify_ledger(ledger, arg, n, &v);
	const char *runs = v.runs == 1 ? "a run" : "runs";

	(void)options;
	if (code != HG_EXIT_DONE)
		return (code);
	/* Whoever changes a row can chain all that follow again, and drop the last ones: only runs would know. */
	if (v.runs > 0 && v.witnesses == 0) {
		out_put("%llu rows, %llu of them %s; verified by its chain alone: no witness; head %s\n",
		    (unsigned long long)v.rows, (unsigned long long)v.runs, runs, v.head);
		say_error(
		    "no run that was looked at remembers a row of the ledger '%s': rows that were changed and chained"
		    " again, or lost at the end, would not show; name runs that lie elsewhere",
		    ledger);
		return (HG_EXIT_PENDING);
	}
	out_put("%llu row%s, %llu of them %s; %zu %s; head %s\n", (unsigned long long)v.rows, v.rows == 1 ? "" : "s",
	    (unsigned long long)v.runs, runs, v.witnesses, v.witnesses == 1 ? "witness agrees" : "witnesses agree",
	    v.head);
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
