#include <errno.h>
#include <stdio.h>

#include "base/exit.h"
#include "base/out.h"
#include "base/say.h"
#include "bin/ledger/command.h"
#include "judge/add.h"
#include "run/rundir.h"

static void
print_next(const struct advice *next)
{
	if (next->command.p != NULL)
		out_put("next: %s\n      %s\n", next->command.p, next->why.p);
	else
		out_put("next: %s\n", next->why.p);
}

static int
add_one(struct ledger *l, const char *path)
{
	struct add a;
	int code = HG_EXIT_DONE;

	if (add_run(l, path, &a) == -1)
		return (errno == EBADMSG ? HG_EXIT_CONTRACT : rundir_exit(errno));
	if (a.already != 0)
		out_put("'%s' is in the ledger already: row %llu, %s: %s\n", path, (unsigned long long)a.already,
		    verdict_class_name(a.row.verdict.is.klass), verdict_reason_name(a.row.verdict.is.reason));
	else if (a.how == RUNRECORD_RUNNING) {
		say_error("'%s' is still at work; it is added once it has closed out", path);
		code = HG_EXIT_NOT_YET;
	} else if (a.how == RUNRECORD_PENDING) {
		say_error("'%s' has stages to go; hg-run goes on with it", path);
		code = HG_EXIT_PENDING;
	} else
		command_print_verdict(&a.row);
	if (a.confirmed)
		command_print_verdict(&a.confirmation);
	else if (a.judged && a.already == 0)
		print_next(&a.next);
	add_free(&a);
	return (code);
}

static int
answer(struct opt *options, const char *ledger, char **arg, int n)
{
	struct ledger l;
	int i, code, worst = HG_EXIT_DONE;

	(void)options;
	if (ledger_open(&l, ledger, LEDGER_WRITE) == -1)
		return (ledger_exit(errno));
	for (i = 0; i < n; i++)
		if ((code = add_one(&l, arg[i])) > worst)
			worst = code;
	ledger_close(&l);
	return (worst);
}

static struct opt options[] = { { .letter = '\0' } };

const struct command add_command = {
	.word = "add",
	.summary = "Judge runs and add them to a ledger.",
	.synopsis = "hg-ledger add LEDGER RUN...",
	.options = options,
	.least = 1,
	.most = 100000,
	.answer = answer,
};
