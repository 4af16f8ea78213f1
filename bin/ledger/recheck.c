#include "bin/ledger/command.h"
#include "judge/recheck.h"

static int
answer(struct opt *options, const char *ledger, char **arg, int n)
{
	(void)options;
	return (recheck_ledger(ledger, arg, n));
}

static struct opt options[] = { { .letter = '\0' } };

const struct command recheck_command = {
	.word = "recheck",
	.summary = "Gate and score again what stands promoted; what is not what it was is revoked by a row.",
	.synopsis = "hg-ledger recheck LEDGER [RUN]...",
	.options = options,
	.most = 1000,
	.answer = answer,
};
