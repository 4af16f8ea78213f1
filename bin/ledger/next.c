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
 * run's, the offset, and, if the pair is bound to another lane than the plan's, the lane; tabs between.
 */
static void
put_slot(const struct ledger *l, const struct standings_plan *p, unsigned k, const struct row *row, const char *digest)
{
	const struct standings_slot *slot = &p->slot[k];
	const struct row_arm *arm = slot->challenger ? &row->plan.challenger : &row->plan.incumbent;
	const char *lane = plan_bound(l, p, k, row);

	out_put("%.8s\t%u\t%s\t%lld\t%s", digest, k + 1, slot->challenger ? "challenger" : "incumbent",
	    (long long)slot->seed, arm->dir == NULL ? "" : arm->dir);
	if (slot->offset == slot->seed)
		out_put("\t%lld", (long long)slot->offset);
	if (lane != NULL)
		out_put("\t%s", lane);
	out_put("\n");
}

/* The first open slot, or all that runs on a lane may fill. */
static int
put_open(const struct ledger *l, const struct standings_plan *p, unsigned slot, const struct row *row, const char *lane)
{
	char digest[SHA256_HEX_SIZE];
	uint64_t tag;
	unsigned k;

	if (ledger_digest(l, standings_row(&l->book, p->row), digest) == -1)
		return (HG_EXIT_SYSTEM);
	if (lane == NULL && slot < 2 * p->n) {
		put_slot(l, p, slot, row, digest);
		return (HG_EXIT_DONE);
	}
	if (lane == NULL)
		return (HG_EXIT_NO);
	tag = standings_lane_tag(lane, row->plan.cap_ms);
	for (k = 0; k < 2 * p->n; k++)
		if (standings_open_to(&l->book, p, k, tag))
			put_slot(l, p, k, row, digest);
	return (HG_EXIT_DONE);
}

static int
answer(struct opt *options, const char *ledger, char **arg, int n)
{
	const struct standings_plan *p;
	struct ledger l;
	struct row row;
	unsigned slot;
	int open, code = HG_EXIT_NO;

	if (n == 1 && command_given(options, 'L')) {
		say_error("next takes -L LANE or a RUN");
		return (HG_EXIT_USAGE);
	}
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
	} else if (open == 1)
		code = put_open(&l, p, slot, &row, opt_row(options, 'L')->value);
	if (open == 1)
		row_free(&row);
	ledger_close(&l);
	return (code);
}

static struct opt options[] = {
	{ .letter = 'L', .arg = "LANE", .help = "all open slots that runs on this lane may fill" }, { .letter = '\0' }
};

const struct command next_command = {
	.word = "next",
	.summary = "Say which run the open plan waits for, or what makes one more of RUN's kind, to a driver.",
	.synopsis = "hg-ledger next [-L LANE] LEDGER\n"
		    "hg-ledger next LEDGER [RUN]",
	.options = options,
	.most = 1,
	.answer = answer,
};
