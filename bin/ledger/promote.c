
#include "bin/ledger/command.h"
#include "judge/promote.h"

static int
answer(struct opt *options, const char *ledger, char **arg, int n)
{
	(void)n;
	return (promote_run(ledger, arg[0], opt_row(options, 'H')->value));
}

static struct opt options[] = {
	{ .letter = 'H', .arg = "HEAD", .help = "only if the ledger's last row has this digest" }, { .letter = '\0' }
};

const struct command promote_command = {
	.word = "promote",
	.summary = "Promote an artifact, if every condition holds.",
	.synopsis = "hg-ledger promote [-H HEAD] LEDGER RUN",
	.options = options,
	.least = 1,
	.most = 1,
	.answer = answer,
};
