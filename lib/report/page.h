#ifndef HG_PAGE_H
#define HG_PAGE_H

#include <stdint.h>

#include "report/markup.h"
#include "report/pagedata.h"

/**
 * page_write(m, s, name, made_ms):
 * The whole page of a ledger called ${name}: first what the best run is,
 * whether it is real and what to do next; then the evidence.  The same survey
 * and time give the same bytes, as long as the runs' own files stay as they are.
 * Errors: m->failed.
 */
void page_write(struct markup *m, const struct pagedata *s, const char *name, int64_t made_ms);

#endif
