#include <errno.h>
#include <stdio.h>

#include "base/exit.h"
#include "base/out.h"
#include "base/say.h"
#include "bin/ledger/command.h"
#include "judge/plan.h"
#include "ledger/ledger.h"

/* For drivers: plan, number of the slot, side, seed, and where a run of that side lies; one line, tabs between. */
static int
answer(struct opt *options, const char *ledger, char **arg, int n)
{
	const struct standings_plan *p;
	struct ledger l;
	char digest[SHA256_HEX_SIZE];
	const struct row_arm *arm;
	struct row row;
	unsigned slot;
	int open, code = HG_EXIT_NO;

	(void)options;
	(void)arg;
	(void)n;
	if (ledger_open(&l, ledger, LEDGER_READ) == -1)
		return (ledger_exit(errno));
	if ((open = plan_open(&l, &p, &slot, &row)) == 0)
		say_note("no plan is open");
	else if (open == 1 && slot < 2 * p->n && ledger_digest(&l, standings_row(&l.book, p->row), digest) == 0) {
		arm = p->slot[slot].challenger ? &row.plan.challenger : &row.plan.incumbent;
		out_put("%.8s\t%u\t%s\t%lld\t%s\n", digest, slot + 1,
		    p->slot[slot].challenger ? "challenger" : "incumbent", (long long)p->slot[slot].seed,
		    arm->dir == NULL ? "" : arm->dir);
		code = HG_EXIT_DONE;
	}
	if (open == 1)
		row_free(&row);
	ledger_close(&l);
	return (code);
}

static struct opt options[] = { { .letter = '\0' } };

const struct command next_command = {
	.word = "next",
	.summary = "Say which run the open plan waits for, to a driver.",
	.synopsis = "hg-ledger next LEDGER",
	.options = options,
	.answer = answer,
};
