#ifndef HG_ARENA_H
#define HG_ARENA_H

#include <stddef.h>

/**
 * Where in one piece of memory buffers go of which each is in use for some time only: those whose times overlap lie
 * apart, others may share a place.
 */
struct arena_item {
	size_t bytes;
	unsigned from, to; /* in use from the beginning of ${from} to the end of ${to} */
	size_t at;         /* result: a multiple of ARENA_ALIGN */
};

#define ARENA_ALIGN ((size_t)64)

/**
 * arena_plan(items, n):
 * Give every item its place, largest first, each in the lowest that is free all its time.
 * Returns the bytes that all take together, 0 if there are none, or SIZE_MAX with errno ENOMEM.
 * Checked: t/unit/arena.c.
 */
size_t arena_plan(struct arena_item *items, size_t n);

#endif
