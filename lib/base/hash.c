#include <assert.h>
#include <stdlib.h>

#include "base/hash.h"

uint64_t
hash_bytes(uint64_t hash, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	size_t i;

	for (i = 0; i < n; i++)
		hash = (hash ^ p[i]) * 0x100000001b3;
	return (hash);
}

uint64_t
hash_text(const char *text)
{
	uint64_t hash = HASH_START;

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
	return (hash);
}

size_t *
hash_find(const struct hash *t, uint64_t hash, size_t *at)
{
	struct hash_slot *slot;

	if (t->size == 0)
		return (NULL);
	while ((slot = &t->slots[(size_t)(hash + (*at)++) & (t->size - 1)])->value != 0)
		if (slot->hash == hash)
			return (&slot->value);
	return (NULL);
}

/* Into the first empty slot; one is. */
static void
place(const struct hash *t, uint64_t hash, size_t value)
{
	size_t i = (size_t)hash & (t->size - 1);

	while (t->slots[i].value != 0)
		i = (i + 1) & (t->size - 1);
	t->slots[i].hash = hash;
	t->slots[i].value = value;
}

/* Twice the size; values under one hash keep their order. */
static int
grow(struct hash *t)
{
	struct hash larger = { .size = t->size == 0 ? 64 : 2 * t->size, .count = t->count };
	size_t i, begin = 0;

	if ((larger.slots = calloc(larger.size, sizeof(larger.slots[0]))) == NULL)
		return (-1);
	/* A run of slots may go round the end: begin after an empty one. */
	while (begin < t->size && t->slots[begin].value != 0)
		begin++;
	for (i = begin; i < begin + t->size; i++)
		if (t->slots[i & (t->size - 1)].value != 0)
			place(&larger, t->slots[i & (t->size - 1)].hash, t->slots[i & (t->size - 1)].value);
	free(t->slots);
	*t = larger;
	return (0);
}

int
hash_add(struct hash *t, uint64_t hash, size_t value)
{
	assert(value != 0);
	if (2 * (t->count + 1) > t->size && grow(t) == -1)
		return (-1);
	place(t, hash, value);
	t->count++;
	return (0);
}

void
hash_free(struct hash *t)
{
	free(t->slots);
	t->slots = NULL;
	t->size = t->count = 0;
}
