#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "data/loader.h"
#include "data/tokens.h"

struct loader {
	struct tokens *tokens;
	uint64_t span, total, offset;
	uint64_t taken; /* spans */
};

struct loader *
loader_open(const struct dataset_part *part, uint32_t vocab_size, uint64_t tokens_per_micro_batch, uint64_t offset,
    struct inputerror *f)
{
	char observed[64], expected[64];
	struct loader *l;

	assert(tokens_per_micro_batch > 0 && tokens_per_micro_batch < UINT32_MAX);
	if ((l = calloc(1, sizeof(*l))) == NULL) {
		inputerror_errno(f, "read", part->name);
		return (NULL);
	}
	l->span = tokens_per_micro_batch + 1;
	if ((l->tokens = tokens_open(part, vocab_size, f)) == NULL)
		goto err0;
	l->total = tokens_count(l->tokens);
	if (l->total < l->span) {
		snprintf(observed, sizeof(observed), "%" PRIu64 " tokens", l->total);
		snprintf(expected, sizeof(expected), "at least the %" PRIu64 " of one micro-batch", l->span);
		inputerror_set(f, REFUSAL_INPUT_INVALID, part->name, observed, expected);
		goto err0;
	}
	l->offset = offset % l->total;
	return (l);
err0:
	loader_close(l);
	return (NULL);
}

void
loader_close(struct loader *l)
{
	if (l == NULL)
		return;
	tokens_close(l->tokens);
	free(l);
}

int
loader_take(struct loader *l, int32_t *ids, struct inputerror *f)
{
	uint64_t at, first;

	/* Spans follow each other round the shards; reduced first, the product stays far below 2^64. */
	at = (l->offset + l->taken % l->total * l->span) % l->total;
	first = l->total - at < l->span ? l->total - at : l->span;
	if (tokens_read(l->tokens, at, first, ids, f) == -1 ||
	    tokens_read(l->tokens, 0, l->span - first, ids + first, f) == -1)
		return (-1);
	l->taken++;
	return (0);
}

uint64_t
loader_cursor(const struct loader *l)
{
	return (l->taken);
}

void
loader_seek(struct loader *l, uint64_t spans)
{
	l->taken = spans;
}
