#ifndef HG_ARRAY_H
#define HG_ARRAY_H

#include <stddef.h>

/**
 * array_room(array, count, cap, size):
 * Room for one more element of an array that grows by doubling: the array, or
 * where it has been moved to, with *cap of at least count + 1.
 * Owns: the caller frees.  Errors: NULL with errno ENOMEM; the array is as it was.
 */
void *array_room(void *array, size_t count, size_t *cap, size_t size);

/* As array_room for an array of few elements: it keeps no capacity, which is the power of two at or above ${count}. */
void *array_few(void *array, size_t count, size_t size);

#endif
