#include <stdatomic.h>
#include <stddef.h>

#include "base/proc.h"
#include "base/progress.h"

/* A store of its own, not an atomic addition: there is one writer, and a tick that is lost is no loss. */
static _Atomic uint64_t *count;

int
progress_share(void)
{
	if (count == NULL && (count = proc_shared_page()) == NULL)
		return (-1);
	atomic_store_explicit(count, 0, memory_order_relaxed);
	return (0);
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
