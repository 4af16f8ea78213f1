#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>

#include "data/shard.h"
#include "data/tokens.h"

/* One descriptor a shard: the public training set has some 100. */
struct tokens {
	struct shard *shards;
	uint64_t *first; /* position of each shard's first id; first[count] is the total */
	size_t count;
	uint32_t vocab_size;
};

struct tokens *
tokens_open(const struct dataset_part *part, uint32_t vocab_size, struct inputerror *f)
{
	struct tokens *t;

	if ((t = calloc(1, sizeof(*t))) == NULL || (t->shards = calloc(part->count, sizeof(t->shards[0]))) == NULL ||
	    (t->first = calloc(part->count + 1, sizeof(t->first[0]))) == NULL) {
		inputerror_errno(f, "read", part->name);
		goto err0;
	}
	t->vocab_size = vocab_size;
	for (; t->count < part->count; t->count++) {
		if (shard_open(&t->shards[t->count], AT_FDCWD, part->shards[t->count].path, f) == -1)
			goto err0;
		if (t->shards[t->count].tokens != part->shards[t->count].tokens) {
			inputerror_set(f, REFUSAL_INPUT_WRONG_SIZE, part->shards[t->count].path,
			    "not the tokens recorded", "");
			shard_close(&t->shards[t->count]);
			goto err0;
		}
		t->first[t->count + 1] = t->first[t->count] + t->shards[t->count].tokens;
	}
	return (t);
err0:
	tokens_close(t);
	return (NULL);
}

void
tokens_close(struct tokens *t)
{
	size_t i;

	if (t == NULL)
		return;
	for (i = 0; i < t->count; i++)
		shard_close(&t->shards[i]);
	free(t->shards);
	free(t->first);
	free(t);
}

uint64_t
tokens_count(const struct tokens *t)
{
	return (t->first[t->count]);
}

int
tokens_read(const struct tokens *t, uint64_t at, uint64_t n, int32_t *ids, struct inputerror *f)
{
	size_t lo = 0, hi = t->count, mid;
	uint64_t here;

	assert(at <= tokens_count(t) && n <= tokens_count(t) - at);
	/* The last shard that starts at or before ${at}. */
	while (hi - lo > 1) {
		mid = lo + (hi - lo) / 2;
		if (t->first[mid] <= at)
			lo = mid;
		else
			hi = mid;
	}
	for (; n > 0; n -= here, at += here, ids += here, lo++) {
		here = t->first[lo + 1] - at;
		if (here > n)
			here = n;
		if (shard_read(&t->shards[lo], at - t->first[lo], here, t->vocab_size, ids, f) == -1)
			return (-1);
	}
	return (0);
}
