#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/out.h"
#include "bin/ledger/command.h"
#include "judge/plan.h"
#include "ledger/ledger.h"

static int
answer(struct opt *options, const char *ledger, char **arg, int n)
{
	struct ledger l;
	enum plan how;
	struct row row;
	const struct row_calibration *c = &row.calibration;
	int code, seeds = command_seeds(options, 1000);

	(void)n;
	if (seeds == -1)
		return (HG_EXIT_USAGE);
	if ((code = command_open_whole(&l, ledger, LEDGER_WRITE)) != HG_EXIT_DONE)
		return (code);
	if (plan_calibration(&l, arg[0], (unsigned)seeds, &how, &row) == -1)
		code = ledger_exit(errno);
	else {
		code = command_plan_code(how);
		if (how == PLAN_THERE)
			out_put("calibrated already\n");
		else if (how == PLAN_MADE)
			out_put("row %lld: lane '%s' is calibrated: %zu seeds lie %.5f apart (standard deviation;"
				" the true one is between %.5f and %.5f with 95 %% confidence)\n",
			    (long long)row.number, c->lane, json_array_size(c->runs), c->sd, c->sd_lower, c->sd_upper);
		row_free(&row);
	}
	ledger_close(&l);
	return (code);
}

static struct opt options[] = { { .letter = 'n', .arg = "SEEDS", .help = "seeds wanted" }, { .letter = '\0' } };

const struct command calibrate_command = {
	.word = "calibrate",
	.summary = "Take the noise of a lane as known from runs of one configuration.",
	.synopsis = "hg-ledger calibrate [-n SEEDS] LEDGER RUN",
	.options = options,
	.least = 1,
	.most = 1,
	.answer = answer,
};
