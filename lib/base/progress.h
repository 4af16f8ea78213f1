#ifndef HG_PROGRESS_H
#define HG_PROGRESS_H

#include <stdint.h>

/**
 * A count that grows whenever work gets on, in a page shared with whoever supervises it: the supervisor sees it grow
 * without a file, a pipe or a word from the worker, so it works on a full disk.  One count a process, and of all that
 * it forks after progress_share.  Where nothing was shared, ticks go nowhere.
 */

/* Before the fork: keep the count in a page of zeros that is shared (proc_shared_page). */
void progress_share(void *page);

/**
 * Work got on: a piece was computed, a block read or written.  By the thread that leads the work; costs one store.
 * Never by a timer, nor while something is waited for: a worker that does not tick for budget.stall_ms is ended.
 */
void progress_tick(void);

/* The count. */
uint64_t progress_count(void);

#endif
