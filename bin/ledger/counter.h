#ifndef HG_COUNTER_H
#define HG_COUNTER_H

#include "bin/ledger/desk.h"

/**
 * The subcommands of hg-ledger that know of other people's results.
 */

#define COUNTER_SYNOPSIS \
	"hg-ledger import [-j] [-m COLUMN | -M COLUMN] LEDGER SOURCE...\n" \
	"hg-ledger replay [-j] LEDGER"

extern const struct desk_word counter_words[];

#endif
