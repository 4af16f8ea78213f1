#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/out.h"
#include "base/say.h"
#include "bin/ledger/command.h"
#include "judge/confirmation.h"
#include "law/explain.h"
#include "ledger/ledger.h"

static void
print_lanes(const struct row_plan *p)
{
	const json_t *v;
	size_t i, n = json_array_size(p->lanes);

	if (n == 0)
		return;
	out_put("Each pair runs on one of %zu lanes, whichever is free:", n);
	json_array_foreach(p->lanes, i, v)
		out_put("%s %s", i == 0 ? "" : ",", json_string_value(v));
	out_put(".\n");
}

static void
print_plan(const struct row *row, const char *what)
{
	const struct row_plan *p = &row->plan;
	struct str cost = STR_INIT;

	/* Several lanes share it. */
	(void)explain_time(&cost,
	    p->cost_ms / (json_array_size(p->lanes) > 1 ? (int64_t)json_array_size(p->lanes) : 1));
	if (p->metric != NULL) {
		out_put(
		    "%s '%s' against '%s', up to %lld pairs of runs, each with a seed and a place in the data of its"
		    " own, and a look after each; level %.4g of the alpha of campaign '%s'\n"
		    "It is confirmed once the odds for a gain reach %.0f to 1: one of %.1f lane deviations (%.5f) does,"
		    " with a chance of %.0f %%. Runs: %lld at most, about %s.\n",
		    what, p->challenger.run_id == NULL ? "?" : p->challenger.run_id,
		    p->incumbent.run_id == NULL ? "?" : p->incumbent.run_id, (long long)p->seeds_a_side, p->level,
		    p->campaign == NULL ? "?" : p->campaign, 1 / p->level, p->gain_sd, p->gain_sd * p->lane_sd,
		    floor(100 * p->power), 2 * (long long)p->seeds_a_side, cost.p == NULL ? "?" : cost.p);
		print_lanes(p);
		str_free(&cost);
		return;
	}
	out_put("%s '%s' against '%s', %lld fresh seeds a side in turns, confirmation %lld of %lld in"
		" campaign '%s'\n",
	    what, p->challenger.run_id == NULL ? "?" : p->challenger.run_id,
	    p->incumbent.run_id == NULL ? "?" : p->incumbent.run_id, (long long)p->seeds_a_side,
	    (long long)p->confirmation, (long long)p->confirmations, p->campaign == NULL ? "?" : p->campaign);
	out_put("At level %.2g a gain of %.1f lane deviations (%.5f) is confirmed with a chance of %.0f %%. Runs:"
		" %lld, about %s.\n",
	    p->level, p->gain_sd, p->gain_sd * p->lane_sd, floor(100 * p->power), 2 * (long long)p->seeds_a_side,
	    cost.p == NULL ? "?" : cost.p);
	str_free(&cost);
}

static int
give_up(struct ledger *l)
{
	const struct standings_plan *p = standings_open_plan(&l->book, 0);
	struct row row;

	if (p == NULL) {
		say_error("no plan is open");
		return (HG_EXIT_NO);
	}
	if (confirmation_add(l, p, 1, &row) == -1)
		return (ledger_exit(errno));
	out_put("row %lld: %s\n", (long long)row.number, row.verdict.text);
	row_free(&row);
	return (HG_EXIT_DONE);
}

static int
make(struct ledger *l, const char *path, unsigned seeds, const char *lanes, int dry)
{
	char what[64];
	enum plan how;
	struct row row;

	if (plan_confirmation(l, path, seeds, lanes, dry, &how, &row) == -1)
		return (ledger_exit(errno));
	snprintf(what, sizeof(what), "row %lld: %s", (long long)row.number,
	    how == PLAN_THERE ? "open already:" : "plan:");
	if (how == PLAN_CLOSED)
		command_print_verdict(&row);
	/* To a driver, which makes it. */
	else if (how == PLAN_SECOND)
		out_put("second run wanted\n");
	else if (how == PLAN_MADE || how == PLAN_THERE)
		print_plan(&row, how == PLAN_MADE && dry ? "not planned, only looked at:" : what);
	row_free(&row);
	return (command_plan_code(how));
}

static int
answer(struct opt *options, const char *ledger, char **arg, int n)
{
	struct ledger l;
	int code, seeds = command_seeds(options, STANDINGS_SEEDS), drop = command_given(options, 'x'),
		  dry = command_given(options, 'p');

	if (seeds == -1)
		return (HG_EXIT_USAGE);
	if (n != (drop ? 0 : 1) || (drop && (dry || command_given(options, 'L')))) {
		say_error("plan takes a RUN, or -x and none");
		return (HG_EXIT_USAGE);
	}
	if ((code = command_open_whole(&l, ledger, dry ? LEDGER_PREVIEW : LEDGER_WRITE)) != HG_EXIT_DONE)
		return (code);
	code = drop ? give_up(&l) : make(&l, arg[0], (unsigned)seeds, opt_row(options, 'L')->value, dry);
	ledger_close(&l);
	return (code);
}

static struct opt options[] = { { .letter = 'n', .arg = "SEEDS", .help = "runs a side, or pairs at most" },
	{ .letter = 'L', .arg = "LANES", .help = "lanes for its pairs, with commas between" },
	{ .letter = 'p', .help = "print power and cost, and what would do, and plan nothing" },
	{ .letter = 'x', .help = "give up the open plan; its confirmation is spent" }, { .letter = '\0' } };

const struct command plan_command = {
	.word = "plan",
	.summary = "Fix a confirmation before any of its runs.",
	.synopsis = "hg-ledger plan [-p] [-n SEEDS] [-L LANES] LEDGER RUN\n"
		    "hg-ledger plan -x LEDGER",
	.options = options,
	.most = 1,
	.answer = answer,
};
