#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "gpt/arena.h"

/* Larger ones first; of equals in the order given, so that every library's qsort plans the same. */
static int
by_size(const void *a, const void *b)
{
	const struct arena_item *x = *(struct arena_item *const *)a, *y = *(struct arena_item *const *)b;

	if (x->bytes != y->bytes)
		return (x->bytes < y->bytes ? 1 : -1);
	return ((x > y) - (x < y));
}

static size_t
end_of(const struct arena_item *item)
{
	return ((item->at + item->bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN);
}

/* The lowest place for an item between those that are in use while it is, of n that stand by place; it joins them. */
static void
place(struct arena_item *item, struct arena_item **placed, size_t n)
{
	size_t i;

	item->at = 0;
	for (i = 0; i < n; i++) {
		if (placed[i]->from > item->to || item->from > placed[i]->to)
			continue;
		if (placed[i]->at >= item->at && placed[i]->at - item->at >= item->bytes)
			break;
		if (end_of(placed[i]) > item->at)
			item->at = end_of(placed[i]);
	}
	for (i = n; i > 0 && placed[i - 1]->at > item->at; i--)
		placed[i] = placed[i - 1];
	placed[i] = item;
}

size_t
arena_plan(struct arena_item *items, size_t n)
{
	struct arena_item **order = NULL, **placed = NULL;
	size_t bytes = 0;

	if (n == 0)
		return (0);
	order = calloc(n, sizeof(struct arena_item *));
	placed = calloc(n, sizeof(struct arena_item *));
	if (order == NULL || placed == NULL) {
		free(order);
		free(placed);
		errno = ENOMEM;
		return (SIZE_MAX);
	}
	for (size_t i = 0; i < n; i++)
		order[i] = &items[i];
	qsort(order, n, sizeof(struct arena_item *), by_size);
	for (size_t i = 0; i < n; i++) {
		place(order[i], placed, i);
		bytes = end_of(order[i]) > bytes ? end_of(order[i]) : bytes;
	}
	free(order);
	free(placed);
	return (bytes);
}
