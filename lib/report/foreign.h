#ifndef HG_FOREIGN_H
#define HG_FOREIGN_H

#include "markup.h"
#include "rejudge.h"

/**
 * Other people's results on a page: what our rule says of each, in groups that
 * are never mixed with one another or with our own runs.
 */

/* "142 imported claims: 5 first, 7 significant, ..." */
void foreign_sum(struct markup *m, const struct rejudge *r);

/* The section; its pictures are numbered from ${number}. */
void foreign_write(struct markup *m, const struct rejudge *r, const char *ledger, unsigned number);

#endif
