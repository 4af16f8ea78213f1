#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "data/shard.h"

/* Ids moved at a time: large enough to stream, small enough to stay in the cache. */
#define CHUNK_IDS 65536

static uint32_t
word(const unsigned char *p)
{
	return ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
}

int
shard_open(struct shard *s, int dirfd, const char *path, struct inputerror *f)
{
	unsigned char header[SHARD_HEADER_BYTES];
	char observed[128], expected[128];
	uint64_t want;

	s->path = path;
	if ((s->fd = file_open(dirfd, path, &s->size_bytes)) == -1)
		return (inputerror_errno(f, "read", path));
	if (s->size_bytes < sizeof(header)) {
		snprintf(observed, sizeof(observed), "%ju bytes", (uintmax_t)s->size_bytes);
		inputerror_set(f, REFUSAL_INPUT_TRUNCATED, path, observed, "a header of 1024 bytes");
		goto err0;
	}
	if (file_read_at(s->fd, header, sizeof(header), 0) == -1) {
		inputerror_errno(f, "read", path);
		goto err0;
	}
	if (word(header) != SHARD_MAGIC || word(header + 4) != SHARD_VERSION) {
		snprintf(observed, sizeof(observed), "magic %ju version %ju", (uintmax_t)word(header),
		    (uintmax_t)word(header + 4));
		snprintf(expected, sizeof(expected), "a token shard, magic %d version %d", SHARD_MAGIC, SHARD_VERSION);
		inputerror_set(f, REFUSAL_INPUT_INVALID, path, observed, expected);
		goto err0;
	}
	s->tokens = word(header + 8);
	if (s->tokens == 0 || s->tokens > SHARD_MAX_TOKENS) {
		snprintf(observed, sizeof(observed), "%ju tokens", (uintmax_t)s->tokens);
		snprintf(expected, sizeof(expected), "1 to %d", SHARD_MAX_TOKENS);
		inputerror_set(f, REFUSAL_INPUT_INVALID, path, observed, expected);
		goto err0;
	}
	want = SHARD_HEADER_BYTES + 2 * s->tokens;
	if (s->size_bytes != want) {
		snprintf(observed, sizeof(observed), "%ju bytes", (uintmax_t)s->size_bytes);
		snprintf(expected, sizeof(expected), "%ju bytes for %ju tokens", (uintmax_t)want, (uintmax_t)s->tokens);
		inputerror_set(f, s->size_bytes < want ? REFUSAL_INPUT_TRUNCATED : REFUSAL_INPUT_WRONG_SIZE, path,
		    observed, expected);
		goto err0;
	}
	return (0);
err0:
	shard_close(s);
	return (-1);
}

void
shard_close(struct shard *s)
{
	if (s->fd != -1)
		close(s->fd);
	s->fd = -1;
}

int
shard_read(const struct shard *s, uint64_t at, uint64_t n, uint32_t vocab_size, int32_t *ids, struct inputerror *f)
{
	unsigned char bytes[2 * CHUNK_IDS];
	char observed[128], expected[128];
	uint64_t i, count;
	uint32_t id, largest;

	assert(at <= s->tokens && n <= s->tokens - at);
	for (; n > 0; n -= count, at += count, ids += count) {
		count = n < CHUNK_IDS ? n : CHUNK_IDS;
		if (file_read_at(s->fd, bytes, 2 * count, SHARD_HEADER_BYTES + 2 * at) == -1) {
			if (errno != ENODATA)
				return (inputerror_errno(f, "read", s->path));
			return (inputerror_set(f, REFUSAL_INPUT_TRUNCATED, s->path, "it shrank while it was read", ""));
		}
		/* One pass without branches; only a shard that fails is searched for where. */
		for (largest = 0, i = 0; i < count; i++) {
			id = (uint32_t)bytes[2 * i] | (uint32_t)bytes[2 * i + 1] << 8;
			largest = id > largest ? id : largest;
			ids[i] = (int32_t)id;
		}
		if (largest < vocab_size)
			continue;
		for (i = 0; (uint32_t)ids[i] < vocab_size; i++)
			continue;
		snprintf(observed, sizeof(observed), "id %ju at position %ju", (uintmax_t)ids[i], (uintmax_t)(at + i));
		snprintf(expected, sizeof(expected), "ids below %ju", (uintmax_t)vocab_size);
		return (inputerror_set(f, REFUSAL_INPUT_INVALID, s->path, observed, expected));
	}
	return (0);
}
