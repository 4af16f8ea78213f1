#ifndef HG_BASE_H
#define HG_BASE_H

#include "ledger/ledger.h"

/**
 * A provisional base: what challengers of a group are screened against in
 * place of the incumbent, because somebody asks for it and though no
 * confirmation has found it better.
 */

enum base {
	BASE_SET,   /* a row was appended */
	BASE_THERE, /* it is so already: nothing changed */
	BASE_NO     /* said why */
};

/**
 * base_set(l, path, how, row):
 * Make the configuration of the run at ${path}, which is in the ledger, the base of its group.
 * Owns:   the caller frees *row if how is BASE_SET.
 * Errors: -1 with errno, said.
 */
int base_set(struct ledger *l, const char *path, enum base *how, struct row *row);

/* From here on the incumbent again: in the last run's group if that has a base, else in the first that has. */
int base_drop(struct ledger *l, enum base *how, struct row *row);

#endif
