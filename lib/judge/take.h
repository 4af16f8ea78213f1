#ifndef HG_TAKE_H
#define HG_TAKE_H

#include "ledger/ledger.h"

/**
 * A run that is for a slot of an open plan says so before it trains, so that
 * of several with the slot's seed none can be chosen by how it came out.
 */

enum take {
	TAKE_TAKEN, /* a row was appended */
	TAKE_THERE, /* the run has taken it before: nothing changed */
	TAKE_NONE,  /* no open plan asks for such a run, or needs to be told */
	TAKE_NO     /* another run has it, or this one has begun already; said */
};

/**
 * take_slot(l, path, how, row):
 * ${l} is open for writing.  A slot whose run failed, and has a row that says so, may be taken by the next.
 * Owns:   the caller frees *row, which is the run's take unless how is TAKE_NONE or TAKE_NO.
 * Errors: -1 with errno, said.
 */
int take_slot(struct ledger *l, const char *path, enum take *how, struct row *row);

/**
 * take_lost(l, path, row):
 * ${l} is open for writing.  The run that has a slot of an open plan, called ${path}, is gone: say so in a row, which
 * counts it among those that came to nothing and lets another take the slot.
 * Owns:   the caller frees *row.
 * Errors: 1, said, if no such run has a slot, or it is there; -1 with errno, said.
 */
int take_lost(struct ledger *l, const char *path, struct row *row);

/* Does an open plan wait to be told of the run at a path? 1, 0, or -1 with errno, said. Reading suffices. */
int take_wanted(const struct ledger *l, const char *path);

#endif
