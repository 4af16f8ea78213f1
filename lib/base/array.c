#include <stdlib.h>

#include "base/array.h"

void *
array_room(void *array, size_t count, size_t *cap, size_t size)
{
	const size_t want = *cap == 0 ? 16 : 2 * *cap;
	void *p;

	if (count < *cap)
		return (array);
	if ((p = realloc(array, want * size)) != NULL)
		*cap = want;
	return (p);
}

void *
array_few(void *array, size_t count, size_t size)
{
	/* Between powers of two there is room. */
	if (count != 0 && (count & (count - 1)) != 0)
		return (array);
	return (realloc(array, (count == 0 ? 1 : 2 * count) * size));
}
