#ifndef HG_DESK_H
#define HG_DESK_H

#include "opt.h"

/**
 * Where hg-ledger's subcommands are answered: one table of what may be asked,
 * with which options and operands.
 */

#define DESK_SYNOPSIS \
	"hg-ledger add LEDGER RUN...\n" \
	"hg-ledger list [-a] [-j | -s] LEDGER\n" \
	"hg-ledger show LEDGER [ROW | RUN]...\n" \
	"hg-ledger incumbent [-a] [-j] LEDGER\n" \
	"hg-ledger verify LEDGER [RUN]...\n" \
	"hg-ledger replay LEDGER\n" \
	"hg-ledger calibrate [-n SEEDS] LEDGER RUN\n" \
	"hg-ledger plan [-n SEEDS] LEDGER RUN\n" \
	"hg-ledger plan -x LEDGER\n" \
	"hg-ledger next LEDGER\n" \
	"hg-ledger stop LEDGER\n" \
	"hg-ledger promote [-H HEAD] LEDGER RUN"

/* Returns the exit code; everything is printed and said. */
int desk_serve(const struct opt_tool *tool, const char *word, struct opt *table, int argc, char **argv);

#endif
