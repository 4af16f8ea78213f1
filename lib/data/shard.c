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

static void
put_word(unsigned char *p, uint32_t x)
{
	p[0] = (unsigned char)x;
	p[1] = (unsigned char)(x >> 8);
	p[2] = (unsigned char)(x >> 16);
	p[3] = (unsigned char)(x >> 24);
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

struct shard_writer {
	struct atomfile *file;
	uint64_t tokens;
	size_t held;
	unsigned char bytes[2 * CHUNK_IDS];
	char name[256];
};

struct shard_writer *
shard_begin(int dirfd, const char *name, struct inputerror *f)
{
	static const unsigned char header[SHARD_HEADER_BYTES];
	struct shard_writer *w;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		goto err0;
	snprintf(w->name, sizeof(w->name), "%s", name);
	if ((w->file = atomfile_begin(dirfd, name)) == NULL)
		goto err1;
	/* Until the count is known the header holds its place. */
	if (file_write_all(atomfile_fd(w->file), header, sizeof(header)) == -1)
		goto err2;
	return (w);
err2:
	atomfile_abort(w->file);
err1:
	free(w);
err0:
	inputerror_errno(f, "write", name);
	return (NULL);
}

static int
flush(struct shard_writer *w, struct inputerror *f)
{
	if (file_write_all(atomfile_fd(w->file), w->bytes, w->held) == -1)
		return (inputerror_errno(f, "write", w->name));
	w->held = 0;
	return (0);
}

int
shard_add(struct shard_writer *w, const uint16_t *ids, uint64_t n, struct inputerror *f)
{
	uint64_t i, count;
	unsigned char *p;

	if (n > SHARD_MAX_TOKENS - w->tokens)
		return (inputerror_set(f, REFUSAL_INPUT_INVALID, w->name, "more than 100000000 tokens", ""));
	w->tokens += n;
	for (; n > 0; n -= count, ids += count) {
		count = (sizeof(w->bytes) - w->held) / 2;
		if (count > n)
			count = n;
		for (p = w->bytes + w->held, i = 0; i < count; i++) {
			p[2 * i] = (unsigned char)ids[i];
			p[2 * i + 1] = (unsigned char)(ids[i] >> 8);
		}
		w->held += 2 * count;
		if (w->held == sizeof(w->bytes) && flush(w, f) == -1)
			return (-1);
	}
	return (0);
}

uint64_t
shard_tokens(const struct shard_writer *w)
{
	return (w->tokens);
}

int
shard_finish(struct shard_writer *w, enum atomfile_verb verb, struct inputerror *f)
{
	unsigned char header[12];
	int rc;

	put_word(header, SHARD_MAGIC);
	put_word(header + 4, SHARD_VERSION);
	put_word(header + 8, (uint32_t)w->tokens);
	if (flush(w, f) == -1)
		goto err0;
	if (pwrite(atomfile_fd(w->file), header, sizeof(header), 0) != (ssize_t)sizeof(header)) {
		inputerror_errno(f, "write", w->name);
		goto err0;
	}
	if ((rc = atomfile_commit(w->file, verb)) == -1)
		inputerror_errno(f, "write", w->name);
	free(w);
	return (rc);
err0:
	shard_abort(w);
	return (-1);
}

void
shard_abort(struct shard_writer *w)
{
	if (w == NULL)
		return;
	atomfile_abort(w->file);
	free(w);
}
