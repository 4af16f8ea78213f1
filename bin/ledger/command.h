#ifndef HG_COMMAND_H
#define HG_COMMAND_H

#include "base/opt.h"
#include "import/claimrow.h"
#include "judge/plan.h"
#include "ledger/ledger.h"
#include "ledger/row.h"

/**
 * A subcommand of hg-ledger: what it takes, and who answers.  One file each;
 * main.c lists them.
 */
struct command {
	const char *word, *summary;
	const char *synopsis; /* as struct opt_tool has it */
	struct opt *options;  /* its own */
	int least, most;      /* operands after the ledger */

	/* Answer, with the options parsed and operands after the ledger; returns the exit code. */
	int (*answer)(struct opt *options, const char *ledger, char **arg, int n);
};

extern const struct command add_command, list_command, show_command, incumbent_command, verify_command,
    calibrate_command, plan_command, next_command, take_command, base_command, pace_command, stop_command,
    promote_command, import_command, replay_command, recheck_command, note_command, missing_command;

/* Was the option given? */
int command_given(struct opt *options, char letter);

/*
 * Open a ledger for what spends runs: from all of its rows and, unless it is only looked at, where no run beside those
 * that it names remembers a row that it lacks.  The exit code, said if it is not DONE; then nothing is open.
 */
int command_open_whole(struct ledger *l, const char *ledger, enum ledger_mode mode);

/* The column of -m or -M, metric being NULL without either. 0, or -1 after saying what is wrong. */
int command_look(struct opt *options, struct claimrow_look *look);

/* The number of -n, or 0; -1 after saying what is wrong with it. */
int command_seeds(struct opt *options, uint64_t most);

/* The exit code of a plan or a calibration. */
int command_plan_code(enum plan how);

/* "row 7: noise: first", and the verdict in words. */
void command_print_verdict(const struct row *row);

#endif
