#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/utf8.h"
#include "data/normalizer.h"

static const char space_mark[] = "\xe2\x96\x81"; /* U+2581 */
#define MARK_BYTES (sizeof(space_mark) - 1)

#define ASCII 128

struct normalizer {
	const struct vocab *vocab;
	const struct vocab_rules *rules;
	uint32_t *trie;
	size_t units;      /* of the trie; 0: no rules */
	const char *texts; /* that replace others: each ends with a NUL, as the last does */
	size_t texts_bytes;
	unsigned char plain[ASCII]; /* the one byte that this becomes in front of ASCII; 0: look it up */
	struct hash users;          /* pieces that a user defined: id + 1 by their text */
	unsigned char opens_user[256];
	size_t longest_user;
};

/* --- the trie: darts-clone's units -------------------------------------------------- */

static uint32_t
unit_offset(uint32_t unit)
{
	return (unit >> 10 << ((unit & 1u << 9) >> 6));
}

/* From the node at ${place} along a byte: 1, or 0 if there is no way. The file may lie about where nodes are. */
static int
step(const struct normalizer *z, size_t *place, unsigned char byte)
{
	size_t next = *place ^ byte;

	if (next >= z->units || (z->trie[next] & (1u << 31 | 0xff)) != byte)
		return (0);
	*place = next ^ unit_offset(z->trie[next]);
	return (1);
}

/* The longest rule that a text begins with: its bytes, and its replacement in *to; 0 if there is none. */
static size_t
rule(const struct normalizer *z, const char *text, size_t n, const char **to)
{
	size_t place, node, length = 0, i;
	uint32_t value;

	if (z->units == 0)
		return (0);
	place = unit_offset(z->trie[0]);
	for (i = 0; i < n; i++) {
		node = place ^ (unsigned char)text[i];
		if (!step(z, &place, (unsigned char)text[i]))
			break;
		if ((z->trie[node] & 1u << 8) == 0 || place >= z->units)
			continue;
		value = z->trie[place] & ~(1u << 31);
		*to = z->texts + (value < z->texts_bytes ? value : z->texts_bytes - 1);
		length = i + 1;
	}
	return (length);
}

/* Read the rules' file: the trie's size in bytes, the trie, the texts. */
static int
read_rules(struct normalizer *z)
{
	const unsigned char *p = z->rules->charsmap;
	size_t n = z->rules->charsmap_bytes, bytes, i;

	if (n == 0)
		return (0);
	errno = ENOTSUP;
	if (n < 4)
		return (-1);
	bytes = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
	p += 4;
	n -= 4;
	if (bytes == 0 || bytes % 4 != 0 || bytes >= n || p[n - 1] != '\0')
		return (-1);
	if ((z->trie = malloc(bytes)) == NULL)
		return (-1);
	z->units = bytes / 4;
	for (i = 0; i < z->units; i++)
		z->trie[i] = (uint32_t)p[4 * i] | (uint32_t)p[4 * i + 1] << 8 | (uint32_t)p[4 * i + 2] << 16 |
		    (uint32_t)p[4 * i + 3] << 24;
	z->texts = (const char *)p + bytes;
	z->texts_bytes = n - bytes;
	return (0);
}

/* --- pieces of a user ------------------------------------------------------------------- */

static int
read_users(struct normalizer *z)
{
	const char *text;
	uint32_t id;
	size_t n;

	for (id = 0; id < vocab_size(z->vocab); id++) {
		if (vocab_type(z->vocab, id) != VOCAB_USER)
			continue;
		text = vocab_piece(z->vocab, id, &n);
		if (hash_add(&z->users, hash_bytes(HASH_START, text, n), (size_t)id + 1) == -1)
			return (-1);
		z->opens_user[(unsigned char)text[0]] = 1;
		z->longest_user = n > z->longest_user ? n : z->longest_user;
	}
	return (0);
}

size_t
normalizer_user(const struct normalizer *z, const char *text, size_t n, uint32_t *id)
{
	const char *piece;
	const size_t *found;
	size_t bytes, at, length;

	if (n == 0 || !z->opens_user[(unsigned char)text[0]])
		return (0);
	for (length = n < z->longest_user ? n : z->longest_user; length > 0; length--)
		for (at = 0; (found = hash_find(&z->users, hash_bytes(HASH_START, text, length), &at)) != NULL;) {
			piece = vocab_piece(z->vocab, (uint32_t)*found - 1, &bytes);
			if (bytes != length || memcmp(piece, text, length) != 0)
				continue;
			*id = (uint32_t)*found - 1;
			return (length);
		}
	return (0);
}

/* --- text --------------------------------------------------------------------------------- */

/* What stands in place of the text's first bytes, *to of *n: how many bytes these are. */
static size_t
prefix(const struct normalizer *z, const char *text, size_t left, const char **to, size_t *n)
{
	size_t bytes;
	uint32_t id;

	*to = text;
	if ((bytes = normalizer_user(z, text, left, &id)) > 0) {
		*n = bytes;
		return (bytes);
	}
	if ((bytes = rule(z, text, left, to)) > 0) {
		*n = strlen(*to);
		return (bytes);
	}
	if ((bytes = utf8_read(text, left, NULL)) > 0) {
		*n = bytes;
		return (bytes);
	}
	*to = "\xef\xbf\xbd";
	*n = 3;
	return (1);
}

/* Find out which bytes of ASCII need no look at the rules where another follows. */
static void
find_plain(struct normalizer *z)
{
	const char *to;
	size_t place, behind, n;
	char text[1];
	int b, c;

	for (b = 1; b < ASCII; b++) {
		text[0] = (char)b;
		if (z->opens_user[b] || prefix(z, text, 1, &to, &n) != 1 || n != 1 || (*to & 128) != 0)
			continue;
		z->plain[b] = (unsigned char)*to;
		if (z->units == 0)
			continue;
		place = unit_offset(z->trie[0]);
		if (!step(z, &place, (unsigned char)b))
			continue;
		for (c = 0; c < ASCII; c++) {
			behind = place;
			if (step(z, &behind, (unsigned char)c))
				z->plain[b] = 0;
		}
	}
}

struct normalizer *
normalizer_open(const struct vocab *v)
{
	struct normalizer *z;

	if ((z = calloc(1, sizeof(*z))) == NULL)
		return (NULL);
	z->vocab = v;
	z->rules = vocab_rules(v);
	if (z->rules->blank_behind || !z->rules->marks_blanks) {
		errno = ENOTSUP;
		goto err0;
	}
	if (read_rules(z) == -1 || read_users(z) == -1)
		goto err0;
	find_plain(z);
	return (z);
err0:
	normalizer_free(z);
	return (NULL);
}

void
normalizer_free(struct normalizer *z)
{
	int error = errno;

	if (z == NULL)
		return;
	hash_free(&z->users);
	free(z->trie);
	free(z);
	errno = error;
}

/* A byte on its way out; room for a space mark is there. */
static char *
put(char *out, char byte)
{
	if (byte != ' ') {
		*out = byte;
		return (out + 1);
	}
	memcpy(out, space_mark, MARK_BYTES);
	return (out + MARK_BYTES);
}

/* A stretch of ASCII that needs no look at the rules: how many bytes of it were taken, of at most ${most}. */
static size_t
add_plain(const struct normalizer *z, const char *text, size_t n, size_t most, int *after_blank, char **out)
{
	const int joins = z->rules->joins_blanks;
	unsigned char byte;
	char *p = *out;
	size_t i;

	for (i = 0; i < most; i++) {
		if ((text[i] & 128) != 0 || (byte = z->plain[(unsigned char)text[i]]) == 0 ||
		    (i + 1 < n && (text[i + 1] & 128) != 0))
			break;
		if (byte == ' ' && *after_blank)
			continue;
		*after_blank = joins && byte == ' ';
		p = put(p, (char)byte);
	}
	*out = p;
	return (i);
}

/* Room for ${n} bytes more. */
static char *
room(struct str *out, size_t n)
{
	size_t cap = out->n + n + 1;
	char *more;

	if (cap > out->cap) {
		cap = cap < 2 * out->cap ? 2 * out->cap : cap;
		if ((more = realloc(out->p, cap)) == NULL)
			return (NULL);
		out->p = more;
		out->cap = cap;
	}
	return (out->p + out->n);
}

#define BLOCK_BYTES ((size_t)4096)

int
normalizer_add(const struct normalizer *z, const char *text, size_t n, struct str *out)
{
	const size_t had = out->n;
	const int joins = z->rules->joins_blanks;
	int after_blank = joins;
	const char *to;
	size_t most, bytes, length, i;
	char *p;

	if ((p = room(out, MARK_BYTES)) == NULL)
		return (-1);
	while (joins && n > 0) {
		bytes = prefix(z, text, n, &to, &length);
		if (length != 1 || *to != ' ')
			break;
		text += bytes;
		n -= bytes;
	}
	if (n > 0 && z->rules->adds_blank)
		out->n = (size_t)(put(p, ' ') - out->p);
	while (n > 0) {
		most = n < BLOCK_BYTES ? n : BLOCK_BYTES;
		if ((p = room(out, most * MARK_BYTES)) == NULL)
			goto err0;
		if ((bytes = add_plain(z, text, n, most, &after_blank, &p)) == 0) {
			bytes = prefix(z, text, n, &to, &length);
			for (; after_blank && length > 0 && *to == ' '; length--)
				to++;
			if ((p = room(out, length * MARK_BYTES)) == NULL)
				goto err0;
			for (i = 0; i < length; i++)
				p = put(p, to[i]);
			after_blank = joins && (length == 0 ? after_blank : to[length - 1] == ' ');
		}
		out->n = (size_t)(p - out->p);
		text += bytes;
		n -= bytes;
	}
	while (joins && out->n - had >= MARK_BYTES && memcmp(out->p + out->n - MARK_BYTES, space_mark, MARK_BYTES) == 0)
		out->n -= MARK_BYTES;
	out->p[out->n] = '\0';
	return (0);
err0:
	out->n = had;
	return (-1);
}
