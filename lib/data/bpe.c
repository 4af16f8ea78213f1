#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hash.h"
#include "base/rng.h"
#include "base/str.h"
#include "data/bpe.h"
#include "data/normalizer.h"

static const char space_mark[] = "\xe2\x96\x81"; /* U+2581 */
#define MARK_BYTES (sizeof(space_mark) - 1)

#define TEXT_MAX_BYTES ((size_t)1 << 28)

/* Longer pieces are not taken here: all ways to split each are looked at. */
#define PIECE_BYTES 256

/* Words that are remembered: so many, of so many bytes and ids, that one is a line of a processor's cache. */
#define WORDS 65536
#define WORD_BYTES 36
#define WORD_IDS 13

/* A text that merging may yield: a piece, or a character that is in one without being one. */
struct symbol {
	const char *text;
	uint32_t bytes;
	uint32_t rank; /* of pieces: 0 merges first; those of one score share it */
};

#define NO_SYMBOL UINT32_MAX

/* What two neighbours merge to. */
struct pair {
	uint32_t left, right, to; /* to: NO_SYMBOL in an empty slot */
};

struct bpe {
	const struct vocab *vocab;
	struct normalizer *normalizer;
	struct symbol *symbols; /* by id; behind the vocabulary characters that are no pieces */
	size_t count, room;
	struct hash table; /* of symbols that merge, by their text: index + 1 */
	uint32_t ascii[128];
	struct pair *pairs; /* open addressing, at most half full */
	size_t pairs_count, pairs_size;
	int keeps_words, byte_fallback, has_users;
	uint16_t unknown, byte_ids[256];
};

/* --- the model ---------------------------------------------------------------------- */

/* Bytes of a character by its first one alone, as SentencePiece takes them. */
static size_t
character(const char *text, size_t n)
{
	static const unsigned char bytes[16] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4 };
	size_t length = bytes[(unsigned char)*text >> 4];

	return (length < n ? length : n);
}

static uint32_t
find_symbol(const struct bpe *b, const char *text, size_t n)
{
	const struct symbol *s;
	const size_t *found;
	size_t at = 0;

	while ((found = hash_find(&b->table, rng_mix(hash_bytes(HASH_START, text, n)), &at)) != NULL) {
		s = &b->symbols[*found - 1];
		if (s->bytes == n && memcmp(s->text, text, n) == 0)
			return ((uint32_t)(*found - 1));
	}
	return (NO_SYMBOL);
}

/* Let a symbol be found by its text. 0; -1 with errno, ENOTSUP if there is one already. */
static int
name_symbol(struct bpe *b, uint32_t id)
{
	const struct symbol *s = &b->symbols[id];

	if (find_symbol(b, s->text, s->bytes) != NO_SYMBOL) {
		errno = ENOTSUP;
		return (-1);
	}
	return (hash_add(&b->table, rng_mix(hash_bytes(HASH_START, s->text, s->bytes)), (size_t)id + 1));
}

static int
merges(const struct bpe *b, uint32_t id)
{
	return (id < vocab_size(b->vocab) && vocab_type(b->vocab, id) == VOCAB_NORMAL);
}

/* Characters in a piece become symbols of their own where they are none. */
static int
add_characters(struct bpe *b, uint32_t id)
{
	const struct symbol piece = b->symbols[id];
	struct symbol *more;
	size_t at, n;

	for (at = 0; at < piece.bytes; at += n) {
		n = character(piece.text + at, piece.bytes - at);
		if (find_symbol(b, piece.text + at, n) != NO_SYMBOL)
			continue;
		if ((more = array_room(b->symbols, b->count, &b->room, sizeof(*more))) == NULL)
			return (-1);
		b->symbols = more;
		more[b->count] = (struct symbol){ piece.text + at, (uint32_t)n, 0 };
		if (name_symbol(b, (uint32_t)b->count) == -1)
			return (-1);
		b->count++;
	}
	return (0);
}

/* Pieces of other types don't merge: their texts are none that merging or a single character could yield. */
static int
check_other(const struct bpe *b, uint32_t id)
{
	const struct symbol *s = &b->symbols[id];
	uint32_t found;
	int fine = find_symbol(b, s->text, s->bytes) == NO_SYMBOL;

	switch (vocab_type(b->vocab, id)) {
	case VOCAB_USER:
		fine = fine && normalizer_user(b->normalizer, s->text, s->bytes, &found) > 0 && found == id;
		break;
	case VOCAB_UNUSED:
		fine = 0;
		break;
	default:
		fine = fine && character(s->text, s->bytes) < s->bytes;
	}
	if (!fine)
		errno = ENOTSUP;
	return (fine ? 0 : -1);
}

static int
read_pieces(struct bpe *b)
{
	uint32_t id, size = vocab_size(b->vocab);
	unsigned unknown = 0, bytes = 0;
	size_t n;

	if ((b->symbols = calloc(size, sizeof(b->symbols[0]))) == NULL)
		return (-1);
	b->count = b->room = size;
	for (id = 0; id < size; id++) {
		b->symbols[id].text = vocab_piece(b->vocab, id, &n);
		b->symbols[id].bytes = (uint32_t)n;
		if (merges(b, id) && name_symbol(b, id) == -1)
			return (-1);
		switch (vocab_type(b->vocab, id)) {
		case VOCAB_UNKNOWN:
			b->unknown = (uint16_t)id;
			unknown++;
			break;
		case VOCAB_BYTE:
			b->byte_ids[vocab_byte(b->vocab, id)] = (uint16_t)id;
			bytes++;
			break;
		case VOCAB_USER:
			b->has_users = 1;
			break;
		default:
			break;
		}
		errno = ENOTSUP;
		if (isnan(vocab_score(b->vocab, id)))
			return (-1);
	}
	if (unknown != 1 || bytes != (b->byte_fallback ? 256 : 0))
		return (-1);
	for (id = 0; id < size; id++)
		if (merges(b, id) && add_characters(b, id) == -1)
			return (-1);
	for (id = 0; id < size; id++)
		if (!merges(b, id) && check_other(b, id) == -1)
			return (-1);
	return (0);
}

struct scored {
	float score;
	uint32_t id;
};

static int
by_score(const void *a, const void *b)
{
	const struct scored *x = a, *y = b;

	return ((x->score < y->score) - (x->score > y->score));
}

static int
rank_pieces(struct bpe *b)
{
	uint32_t i, size = vocab_size(b->vocab), rank = 0;
	struct scored *order;

	if ((order = malloc(size * sizeof(order[0]))) == NULL)
		return (-1);
	for (i = 0; i < size; i++)
		order[i] = (struct scored){ vocab_score(b->vocab, i), i };
	qsort(order, size, sizeof(order[0]), by_score);
	for (i = 0; i < size; i++) {
		rank += i > 0 && order[i].score < order[i - 1].score;
		b->symbols[order[i].id].rank = rank;
	}
	free(order);
	return (0);
}

static struct pair *
pair_slot(const struct bpe *b, uint32_t left, uint32_t right)
{
	uint64_t at = ((uint64_t)left << 32 | right) * UINT64_C(0x9e3779b97f4a7c15);
	struct pair *p;

	for (at ^= at >> 32;; at++) {
		p = &b->pairs[at & (b->pairs_size - 1)];
		if (p->to == NO_SYMBOL || (p->left == left && p->right == right))
			return (p);
	}
}

/* Call for each way to make a piece of two symbols. */
static void
split_piece(struct bpe *b, uint32_t id, int count_only)
{
	const struct symbol *s = &b->symbols[id];
	uint32_t left, right, at;

	for (at = 1; at < s->bytes; at++) {
		if ((left = find_symbol(b, s->text, at)) == NO_SYMBOL ||
		    (right = find_symbol(b, s->text + at, s->bytes - at)) == NO_SYMBOL)
			continue;
		if (count_only)
			b->pairs_count++;
		else
			*pair_slot(b, left, right) = (struct pair){ left, right, id };
	}
}

static int
pair_pieces(struct bpe *b)
{
	uint32_t id, size = vocab_size(b->vocab);
	size_t i;

	for (id = 0; id < size; id++)
		if (merges(b, id))
			split_piece(b, id, 1);
	for (b->pairs_size = 16; b->pairs_size < 2 * b->pairs_count; b->pairs_size *= 2)
		continue;
	if ((b->pairs = malloc(b->pairs_size * sizeof(b->pairs[0]))) == NULL)
		return (-1);
	for (i = 0; i < b->pairs_size; i++)
		b->pairs[i].to = NO_SYMBOL;
	for (id = 0; id < size; id++)
		if (merges(b, id))
			split_piece(b, id, 0);
	return (0);
}

static int
has_long_piece(const struct vocab *v)
{
	uint32_t id;
	size_t n;

	for (id = 0; id < vocab_size(v); id++) {
		vocab_piece(v, id, &n);
		if (n > PIECE_BYTES)
			return (1);
	}
	return (0);
}

struct bpe *
bpe_open(const struct vocab *v)
{
	const struct vocab_rules *rules = vocab_rules(v);
	const char *bos;
	struct bpe *b;
	char c;
	size_t n;

	if ((b = calloc(1, sizeof(*b))) == NULL)
		return (NULL);
	b->vocab = v;
	b->byte_fallback = rules->byte_fallback;
	b->keeps_words = vocab_keeps_words(v);
	bos = vocab_piece(v, vocab_bos(v), &n);
	errno = ENOTSUP;
	if (has_long_piece(v) || vocab_is_bytes(v) || !rules->is_bpe || rules->tests_itself || n != rules->bos_bytes ||
	    memcmp(bos, rules->bos_piece, n) != 0)
		goto err0;
	if ((b->normalizer = normalizer_open(v)) == NULL || read_pieces(b) == -1 || rank_pieces(b) == -1 ||
	    pair_pieces(b) == -1)
		goto err0;
	for (n = 0; n < sizeof(b->ascii) / sizeof(b->ascii[0]); n++) {
		c = (char)n;
		b->ascii[n] = find_symbol(b, &c, 1);
	}
	return (b);
err0:
	bpe_free(b);
	return (NULL);
}

void
bpe_free(struct bpe *b)
{
	int error = errno;

	if (b == NULL)
		return;
	normalizer_free(b->normalizer);
	hash_free(&b->table);
	free(b->symbols);
	free(b->pairs);
	free(b);
	errno = error;
}

/* --- merging ---------------------------------------------------------------------------- */

/* A stretch of the text that is one symbol as it stands; of no bytes once its left neighbour took it in. */
struct unit {
	uint32_t at, bytes, symbol;
	uint32_t previous, next; /* NO_UNIT at the ends */
};

#define NO_UNIT UINT32_MAX

/* Two neighbours that could merge, as they were when this was noted. */
struct merge {
	uint32_t rank, left, right, bytes, to;
};

struct word {
	unsigned char bytes, count;
	char text[WORD_BYTES];
	uint16_t ids[WORD_IDS];
};

struct bpe_encoder {
	const struct bpe *bpe;
	struct str text; /* normalised */
	struct unit *units;
	struct merge *heap;
	size_t units_room, heap_room, heap_count;
	struct word *words;
	size_t from; /* where the ids of the text under way begin */
};

static int
before(const struct merge *a, const struct merge *b)
{
	return (a->rank != b->rank ? a->rank < b->rank : a->left < b->left);
}

static int
heap_push(struct bpe_encoder *e, struct merge m)
{
	struct merge *more;
	size_t i, up;

	if (e->heap_count == e->heap_room) {
		if ((more = array_room(e->heap, e->heap_count, &e->heap_room, sizeof(*more))) == NULL)
			return (-1);
		e->heap = more;
	}
	for (i = e->heap_count++; i > 0 && before(&m, &e->heap[up = (i - 1) / 2]); i = up)
		e->heap[i] = e->heap[up];
	e->heap[i] = m;
	return (0);
}

static struct merge
heap_pop(struct bpe_encoder *e)
{
	struct merge top = e->heap[0], m = e->heap[--e->heap_count];
	size_t i, down;

	for (i = 0; (down = 2 * i + 1) < e->heap_count; i = down) {
		if (down + 1 < e->heap_count && before(&e->heap[down + 1], &e->heap[down]))
			down++;
		if (!before(&e->heap[down], &m))
			break;
		e->heap[i] = e->heap[down];
	}
	e->heap[i] = m;
	return (top);
}

/* Note a pair of neighbours if they are a piece together. */
static int
note_pair(struct bpe_encoder *e, uint32_t left, uint32_t right)
{
	const struct unit *a, *b;
	const struct pair *p;

	if (left == NO_UNIT || right == NO_UNIT)
		return (0);
	a = &e->units[left];
	b = &e->units[right];
	if (a->symbol == NO_SYMBOL || b->symbol == NO_SYMBOL)
		return (0);
	p = pair_slot(e->bpe, a->symbol, b->symbol);
	if (p->to == NO_SYMBOL)
		return (0);
	return (heap_push(e, (struct merge){ e->bpe->symbols[p->to].rank, left, right, a->bytes + b->bytes, p->to }));
}

/* Cut text into the symbols of its characters; how many there are, 0 with errno ENOMEM. */
static size_t
cut(struct bpe_encoder *e, const char *text, size_t n)
{
	struct unit *more;
	size_t count = 0, at, bytes;

	for (at = 0; at < n; at += bytes) {
		if ((more = array_room(e->units, count, &e->units_room, sizeof(*more))) == NULL)
			return (0);
		e->units = more;
		bytes = character(text + at, n - at);
		more[count] = (struct unit){ (uint32_t)at, (uint32_t)bytes,
			(text[at] & 128) == 0 ? e->bpe->ascii[(unsigned char)text[at]] :
						find_symbol(e->bpe, text + at, bytes),
			(uint32_t)(count - 1), (uint32_t)(count + 1) };
		count++;
	}
	e->units[0].previous = NO_UNIT;
	e->units[count - 1].next = NO_UNIT;
	return (count);
}

/* A run of unknowns is one of them, even across words: does one go on? */
static int
after_unknown(const struct bpe_encoder *e, const struct bpe_ids *ids)
{
	return (!e->bpe->byte_fallback && ids->n > e->from && ids->p[ids->n - 1] == e->bpe->unknown);
}

/* The ids of a symbol, or of a character that is none. */
static int
add_unit(const struct bpe_encoder *e, const struct unit *u, const char *text, struct bpe_ids *ids)
{
	const struct bpe *b = e->bpe;
	uint16_t id = (uint16_t)u->symbol;
	size_t i;

	if (u->symbol < vocab_size(b->vocab))
		return (bpe_ids_add(ids, &id, 1));
	if (b->byte_fallback) {
		for (i = 0; i < u->bytes; i++)
			if (bpe_ids_add(ids, &b->byte_ids[(unsigned char)text[u->at + i]], 1) == -1)
				return (-1);
		return (0);
	}
	return (after_unknown(e, ids) ? 0 : bpe_ids_add(ids, &e->bpe->unknown, 1));
}

/* A stretch in which pieces may be anywhere. */
static int
merge_all(struct bpe_encoder *e, const char *text, size_t n, struct bpe_ids *ids)
{
	struct unit *left, *right;
	struct merge m;
	size_t count, i;
	uint32_t u;

	if ((count = cut(e, text, n)) == 0)
		return (-1);
	e->heap_count = 0;
	for (i = 1; i < count; i++)
		if (note_pair(e, (uint32_t)(i - 1), (uint32_t)i) == -1)
			return (-1);
	while (e->heap_count > 0) {
		m = heap_pop(e);
		left = &e->units[m.left];
		right = &e->units[m.right];
		if (left->bytes == 0 || right->bytes == 0 || left->bytes + right->bytes != m.bytes)
			continue;
		left->symbol = m.to;
		left->bytes = m.bytes;
		left->next = right->next;
		if (right->next != NO_UNIT)
			e->units[right->next].previous = m.left;
		right->bytes = 0;
		if (note_pair(e, left->previous, m.left) == -1 || note_pair(e, m.left, left->next) == -1)
			return (-1);
	}
	for (u = 0; u != NO_UNIT; u = e->units[u].next)
		if (add_unit(e, &e->units[u], text, ids) == -1)
			return (-1);
	return (0);
}

/* --- words -------------------------------------------------------------------------------- */

int
bpe_ids_add(struct bpe_ids *ids, const uint16_t *more, size_t n)
{
	uint16_t *p;

	if (n > ids->room - ids->n) {
		if ((p = realloc(ids->p, 2 * (ids->n + n + 32) * sizeof(*p))) == NULL)
			return (-1);
		ids->p = p;
		ids->room = 2 * (ids->n + n + 32);
	}
	memcpy(ids->p + ids->n, more, n * sizeof(*more));
	ids->n += n;
	return (0);
}

static size_t
word_place(const char *text, size_t n)
{
	uint64_t eight, hash = n;

	for (; n > 0; n -= n < 8 ? n : 8, text += 8) {
		eight = 0;
		memcpy(&eight, text, n < 8 ? n : 8);
		hash = (hash ^ eight) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 29;
	}
	return ((size_t)(hash >> 3) & (WORDS - 1));
}

/* A stretch that no piece reaches out of. */
static int
add_word(struct bpe_encoder *e, const char *text, size_t n, struct bpe_ids *ids)
{
	const int goes_on = after_unknown(e, ids);
	const size_t had = ids->n;
	struct word *word;
	size_t skip;
	int rc;

	if (n == 0)
		return (0);
	if (n > WORD_BYTES)
		return (merge_all(e, text, n, ids));
	word = &e->words[word_place(text, n)];
	if (word->bytes == n && memcmp(word->text, text, n) == 0) {
		skip = goes_on && word->ids[0] == e->bpe->unknown;
		return (bpe_ids_add(ids, word->ids + skip, word->count - skip));
	}
	rc = merge_all(e, text, n, ids);
	/* Where a run goes on they may lack one. */
	if (rc == 0 && !goes_on && ids->n - had <= WORD_IDS) {
		word->bytes = (unsigned char)n;
		word->count = (unsigned char)(ids->n - had);
		memcpy(word->text, text, n);
		memcpy(word->ids, ids->p + had, word->count * sizeof(word->ids[0]));
	}
	return (rc);
}

struct bpe_encoder *
bpe_encoder_new(const struct bpe *b)
{
	struct bpe_encoder *e;

	if ((e = calloc(1, sizeof(*e))) == NULL)
		return (NULL);
	e->bpe = b;
	if ((e->words = aligned_alloc(sizeof(e->words[0]), WORDS * sizeof(e->words[0]))) == NULL) {
		free(e);
		return (NULL);
	}
	memset(e->words, 0, WORDS * sizeof(e->words[0]));
	return (e);
}

void
bpe_encoder_free(struct bpe_encoder *e)
{
	if (e == NULL)
		return;
	str_free(&e->text);
	free(e->units);
	free(e->heap);
	free(e->words);
	free(e);
}

/* The text falls into words before their marks of blanks, and at the pieces of a user. */
static int
add_words(struct bpe_encoder *e, struct bpe_ids *ids)
{
	const char *p = e->text.p, *end = p + e->text.n, *word = p;
	int is_mark, after_mark = 0;
	uint16_t id16;
	uint32_t id;
	size_t n;

	for (; p < end; p += n) {
		if (e->bpe->has_users && (n = normalizer_user(e->bpe->normalizer, p, (size_t)(end - p), &id)) > 0) {
			id16 = (uint16_t)id;
			if (add_word(e, word, (size_t)(p - word), ids) == -1 || bpe_ids_add(ids, &id16, 1) == -1)
				return (-1);
			word = p + n;
			after_mark = 0;
			continue;
		}
		n = character(p, (size_t)(end - p));
		is_mark = n == MARK_BYTES && memcmp(p, space_mark, MARK_BYTES) == 0;
		if (is_mark && !after_mark && e->bpe->keeps_words) {
			if (add_word(e, word, (size_t)(p - word), ids) == -1)
				return (-1);
			word = p;
		}
		after_mark = is_mark;
	}
	return (add_word(e, word, (size_t)(p - word), ids));
}

int
bpe_encode(struct bpe_encoder *e, const char *text, size_t n, struct bpe_ids *ids)
{
	const size_t had = ids->n;

	assert(n <= TEXT_MAX_BYTES);
	e->from = had;
	e->text.n = 0;
	if (n == 0)
		return (0);
	if (normalizer_add(e->bpe->normalizer, text, n, &e->text) == -1 || e->text.n >= NO_UNIT) {
		errno = ENOMEM;
		return (-1);
	}
	if (e->text.n == 0 || add_words(e, ids) == 0)
		return (0);
	ids->n = had;
	errno = ENOMEM;
	return (-1);
}
