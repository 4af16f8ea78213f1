#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "data/shard.h"
#include "data/sidecar.h"
#include "data/tokens.h"

#define CHUNK 65536

/* What does not fit into 16 bits was cut to this by whoever wrote it: the true count is not known. */
#define CUT 65535

/*
 * The known ways to miscount are off by 4 % (U+FFFD as three bytes), 9 % (operators as text) and 18 % (leading blanks
 * twice); what a normaliser changes in ordinary text is well under one.
 */
#define NEAR 50

/* A character of four bytes may become a letter of one, and blanks in a row become one: beyond that nobody counts. */
#define MOST(own) (4 * (uint64_t)(own) + 1024)

struct sidecar {
	const struct dataset_part *part;
	struct tokens *counts;
	uint64_t declared;
	uint64_t at, sum;       /* of the next token, and of all before it */
	uint64_t first, count;  /* which counts are held, and how many */
	uint64_t documents;     /* begun */
	uint64_t begin, before; /* first token of the last of them, and the sum before it */
	uint64_t own;           /* text before it, in bytes, without private-use characters */
	int32_t held[CHUNK];
};

/* Size of a character that begins so and may be private use, by its first byte; 0: none is. */
static unsigned
private_size(unsigned char lead)
{
	return (lead == 0xee || lead == 0xef ? 3 : lead == 0xf3 || lead == 0xf4 ? 4 : 0);
}

/* Is it one, now that the second byte is known? U+E000 to U+F8FF, and from U+F0000 on. */
static int
is_private(unsigned char lead, unsigned char second)
{
	switch (lead) {
	case 0xee:
	case 0xf4:
		return (1);
	case 0xef:
		return (second < 0xa4);
	default:
		return (second >= 0xb0);
	}
}

static void
take_byte(struct sidecar_text *t, unsigned char byte)
{
	if (t->left > 0 && (byte & 0xc0) == 0x80) {
		if (t->left + 1 == t->size && !is_private(t->lead, byte))
			t->left = 0;
		else if (--t->left == 0)
			t->operators += t->size;
		return;
	}
	t->lead = byte;
	t->size = (unsigned char)private_size(byte);
	t->left = t->size > 0 ? (unsigned char)(t->size - 1) : 0;
}

void
sidecar_text_add(struct sidecar_text *t, const struct vocab *v, uint32_t id, uint32_t bytes)
{
	const char *piece;
	size_t n, i;

	t->bytes += bytes;
	switch (vocab_type(v, id)) {
	case VOCAB_CONTROL:
	case VOCAB_UNKNOWN:
	case VOCAB_UNUSED:
		t->left = 0;
		break;
	case VOCAB_BYTE:
		take_byte(t, vocab_byte(v, id));
		break;
	default:
		piece = vocab_piece(v, id, &n);
		for (i = 0; i < n; i++)
			take_byte(t, (unsigned char)piece[i]);
	}
}

struct sidecar *
sidecar_open(const struct dataset_part *part, uint64_t tokens, uint64_t declared, struct inputerror *f)
{
	char observed[128];
	struct sidecar *s;

	if ((s = calloc(1, sizeof(*s))) == NULL) {
		inputerror_errno(f, "read", part->shards[0].path);
		return (NULL);
	}
	s->part = part;
	s->declared = declared;
	if ((s->counts = tokens_open(part, SHARD_MAX_VOCAB, f)) == NULL)
		goto err0;
	if (tokens_count(s->counts) != tokens) {
		snprintf(observed, sizeof(observed),
		    "%" PRIu64 " byte counts for %" PRIu64 " tokens of validation; give those of these shards",
		    tokens_count(s->counts), tokens);
		inputerror_set(f, REFUSAL_INPUT_INVALID, part->shards[0].path, observed, "");
		goto err0;
	}
	return (s);
err0:
	sidecar_close(s);
	return (NULL);
}

void
sidecar_close(struct sidecar *s)
{
	if (s == NULL)
		return;
	tokens_close(s->counts);
	free(s);
}

/* What is wrong at a token, naming the file that has its count and the place there. */
static int
wrong(const struct sidecar *s, uint64_t at, const char *what, const char *expected, struct inputerror *f)
{
	char observed[256];
	size_t i = 0;

	while (at >= s->part->shards[i].tokens)
		at -= s->part->shards[i++].tokens;
	snprintf(observed, sizeof(observed), "count %" PRIu64 " is %s", at, what);
	return (inputerror_set(f, REFUSAL_INPUT_INVALID, s->part->shards[i].path, observed, expected));
}

static uint64_t
own_bytes(const struct sidecar_text *text)
{
	return (text->bytes - text->operators);
}

/* A document that has text has bytes: a score over none would divide by nothing. */
static int
end_document(const struct sidecar *s, const struct sidecar_text *text, struct inputerror *f)
{
	char what[128];

	if (s->sum > s->before || own_bytes(text) == s->own)
		return (0);
	snprintf(what, sizeof(what),
	    "the first of document %" PRIu64 ", which has text and of which no byte is counted", s->documents - 1);
	return (wrong(s, s->begin, what, "the bytes of the original text", f));
}

static int
begin_document(struct sidecar *s, const struct sidecar_text *text, uint32_t count, struct inputerror *f)
{
	char what[64];

	if (s->documents > 0 && end_document(s, text, f) == -1)
		return (-1);
	if (count != 0) {
		snprintf(what, sizeof(what), "%" PRIu32 " for a BOS", count);
		return (wrong(s, s->at, what, "0, as in the counts of these shards", f));
	}
	s->documents++;
	s->begin = s->at;
	s->before = s->sum;
	s->own = own_bytes(text);
	return (0);
}

int
sidecar_next(struct sidecar *s, const struct vocab *v, uint32_t id, const struct sidecar_text *text, uint32_t *bytes,
    struct inputerror *f)
{
	const uint64_t left = tokens_count(s->counts) - s->at;
	char what[128];
	size_t n = 1;

	assert(left > 0);
	if (s->at == s->first + s->count) {
		s->first = s->at;
		s->count = left < CHUNK ? left : CHUNK;
		if (tokens_read(s->counts, s->at, s->count, s->held, f) == -1)
			return (-1);
	}
	*bytes = (uint32_t)s->held[s->at - s->first];
	if (id == vocab_bos(v) && begin_document(s, text, *bytes, f) == -1)
		return (-1);
	if (*bytes == CUT)
		return (wrong(s, s->at, "65535, the most that fits", "a count that was not cut", f));
	if (vocab_type(v, id) != VOCAB_BYTE)
		(void)vocab_piece(v, id, &n);
	if (s->declared == DATASET_UNKNOWN && *bytes > MOST(n)) {
		snprintf(what, sizeof(what), "%" PRIu32 " for a piece of %zu bytes", *bytes, n);
		return (wrong(s, s->at, what, "a size that a token can have, or the sum of all with -b", f));
	}
	s->sum += *bytes;
	s->at++;
	return (0);
}

int
sidecar_end(const struct sidecar *s, const struct sidecar_text *text, struct inputerror *f)
{
	const uint64_t own = own_bytes(text), off = s->sum > own ? s->sum - own : own - s->sum;
	char observed[192], expected[192];

	if (s->documents > 0 && end_document(s, text, f) == -1)
		return (-1);
	snprintf(observed, sizeof(observed), "its counts sum to %" PRIu64 " bytes", s->sum);
	if (s->declared != DATASET_UNKNOWN) {
		if (s->sum == s->declared)
			return (0);
		snprintf(expected, sizeof(expected), "the %" PRIu64 " that -b says", s->declared);
	} else {
		if (off <= own / NEAR)
			return (0);
		snprintf(expected, sizeof(expected),
		    "about %" PRIu64 ", as the tokens' text without private-use characters has; if they are right, say "
		    "with -b how many bytes the original has",
		    own);
	}
	return (inputerror_set(f, REFUSAL_INPUT_INVALID, s->part->shards[0].path, observed, expected));
}
