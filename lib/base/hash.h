#ifndef HG_HASH_H
#define HG_HASH_H

#include <stddef.h>
#include <stdint.h>

/**
 * FNV-1a, and a table that finds numbers again by a hash.
 * Checked: t/unit/base.c.
 */

#define HASH_START UINT64_C(0xcbf29ce484222325)

/* FNV-1a of n bytes, going on from ${hash} (HASH_START); of a text up to its NUL. */
uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n);
uint64_t hash_text(const char *text);

struct hash_slot {
	uint64_t hash;
	size_t value; /* 0: an empty slot */
};

/**
 * Open addressing, at most half full.  The low bits of a hash choose the place:
 * they must be mixed well.  A table of zeros is empty.  Keys stay the caller's:
 * of several values under one hash it compares what they stand for.
 */
struct hash {
	struct hash_slot *slots;
	size_t size, count; /* size: 0 or a power of two */
};

/**
 * hash_find(t, hash, at):
 * A value under ${hash}, to be read or replaced (never by 0), or NULL if there
 * is none (more); *at is 0 for the first, then left alone.  Those added first
 * come first.
 * Owns: the table; until the next hash_add.
 */
size_t *hash_find(const struct hash *t, uint64_t hash, size_t *at);

/* Add a value, not 0 (asserted), beside those under the same hash; 0, or -1 with errno ENOMEM and nothing changed. */
int hash_add(struct hash *t, uint64_t hash, size_t value);

/* Free it; it is empty again. */
void hash_free(struct hash *t);

#endif
