#ifndef HG_DESK_H
#define HG_DESK_H

#include "base/opt.h"

/**
 * Where hg-ledger's subcommands are answered: one table of what may be asked,
 * with which options and operands.
 */

/* What a subcommand gets: its options' table and its operands after the ledger. */
struct desk_request {
	struct opt *table;
	const char *ledger;
	char **arg;
	int n;
};

struct desk_word {
	const char *word;
	int (*serve)(const struct desk_request *q);
	const char *options; /* letters it takes */
	int least, most;     /* operands after the ledger */
};

#define DESK_SYNOPSIS \
	"hg-ledger add LEDGER RUN...\n" \
	"hg-ledger list [-a] [-j | -s] LEDGER\n" \
	"hg-ledger show LEDGER [ROW | RUN]...\n" \
	"hg-ledger incumbent [-a] [-j] LEDGER\n" \
	"hg-ledger verify LEDGER [RUN]...\n" \
	"hg-ledger calibrate [-n SEEDS] LEDGER RUN\n" \
	"hg-ledger plan [-n SEEDS] LEDGER RUN\n" \
	"hg-ledger plan -x LEDGER\n" \
	"hg-ledger next LEDGER\n" \
	"hg-ledger stop LEDGER\n" \
	"hg-ledger promote [-H HEAD] LEDGER RUN"

/**
 * desk_serve(tool, word, table, argc, argv, more):
 * Answer a subcommand; ${more}, which ends in a word of NULL, are those of
 * other folders.  Returns the exit code; everything is printed and said.
 */
int desk_serve(const struct opt_tool *tool, const char *word, struct opt *table, int argc, char **argv,
    const struct desk_word *more);

/* Was the option given? */
int desk_given(const struct desk_request *q, char letter);

#endif
