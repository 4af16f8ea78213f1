#ifndef HG_IMPORTED_H
#define HG_IMPORTED_H

#include "report/markup.h"
#include "import/rejudge.h"

/**
 * Other people's results on a page: what our rule says of each, in groups that
 * are never mixed with one another or with our own runs.
 */

/* "142 imported claims: 5 first, 7 significant, ..." */
void imported_sum(struct markup *m, const struct rejudge *r);

/* The section; its pictures are numbered from ${number}. */
void imported_write(struct markup *m, const struct rejudge *r, const char *ledger, unsigned number);

#endif
