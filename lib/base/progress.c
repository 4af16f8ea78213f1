#include <stdatomic.h>
#include <stddef.h>

#include "base/progress.h"

/* A store of its own, not an atomic addition: there is one writer, and a tick that is lost is no loss. */
static _Atomic uint64_t *count;

void
progress_share(void *page)
{
	count = page;
}

void
progress_tick(void)
{
	if (count != NULL)
		atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1,
		    memory_order_relaxed);
}

uint64_t
progress_count(void)
{
	return (count == NULL ? 0 : atomic_load_explicit(count, memory_order_relaxed));
}
