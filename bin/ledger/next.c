#include <errno.h>

#include "base/clock.h"
#include "base/exit.h"
#include "base/out.h"
#include "base/say.h"
#include "base/shell.h"
#include "bin/ledger/command.h"
#include "judge/plan.h"
#include "ledger/ledger.h"

/* For drivers: the seed that makes one more run of a configuration a run of its own, and its offset if it needs one. */
static int
fresh(const struct ledger *l, const char *path)
{
	int64_t seed, offset;

	if (plan_fresh(l, path, &seed, &offset) == -1)
		return (ledger_exit(errno));
	out_put("%lld", (long long)seed);
	if (offset != STANDINGS_ANYWHERE)
		out_put("\t%lld", (long long)offset);
	out_put("\n");
	return (HG_EXIT_DONE);
}

/*
 * For drivers: plan, number of the slot, side, seed, where a run of that side lies and, if its offset is not that
 * run's, the offset; one line, tabs between.
 */
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
	if (ledger_open(&l, ledger, LEDGER_READ) == -1)
		return (ledger_exit(errno));
	if (n == 1) {
		code = fresh(&l, arg[0]);
		ledger_close(&l);
		return (code);
	}
	if ((open = plan_open(&l, &p, &slot, &row)) == 0)
		say_note("no plan is open");
	else if (open == 1 && p->at_ms > clock_wall_ms()) {
		say_error(
		    "the open plan was made at %s by a clock ahead of this one, and no run begun before it counts",
		    row.added_at);
		shell_next("hg-ledger plan -x %s  # gives it up; or wait until then", l.path);
		code = HG_EXIT_PENDING;
	} else if (open == 1 && slot < 2 * p->n && ledger_digest(&l, standings_row(&l.book, p->row), digest) == 0) {
		arm = p->slot[slot].challenger ? &row.plan.challenger : &row.plan.incumbent;
		out_put("%.8s\t%u\t%s\t%lld\t%s", digest, slot + 1,
		    p->slot[slot].challenger ? "challenger" : "incumbent", (long long)p->slot[slot].seed,
		    arm->dir == NULL ? "" : arm->dir);
		if (p->slot[slot].offset == p->slot[slot].seed)
			out_put("\t%lld", (long long)p->slot[slot].offset);
		out_put("\n");
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
	.summary = "Say which run the open plan waits for, or what makes one more of RUN's kind, to a driver.",
	.synopsis = "hg-ledger next LEDGER [RUN]",
	.options = options,
	.most = 1,
	.answer = answer,
};
