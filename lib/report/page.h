#ifndef HG_PAGE_H
#define HG_PAGE_H

#include <stdint.h>

#include "campaign/triage.h"
#include "report/markup.h"
#include "report/pagedata.h"

/* How every page begins. */
#define PAGE_BEGIN "<!doctype html>"

/**
 * page_write(m, s, t, name, made_ms, again_s):
 * The whole page of a ledger called ${name}: first what the best run is,
 * whether it is real and what to do next; then the evidence.  Of a campaign's
 * (${t}, or NULL), before all that: what was tried, what is real, what waits
 * for its owner, and each request; ${s} is NULL while it has no ledger.  The
 * same survey and time give the same bytes, as long as the runs' own files stay
 * as they are.  A browser loads it again every ${again_s} seconds; 0: it stays.
 * Errors: m->failed.
 */
void page_write(struct markup *m, const struct pagedata *s, const struct triage *t, const char *name, int64_t made_ms,
    unsigned again_s);

#endif
