#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "data/shard_writer.h"

/* Ids moved at a time. */
#define CHUNK_IDS 65536

static void
put_word(unsigned char *p, uint32_t x)
{
	p[0] = (unsigned char)x;
	p[1] = (unsigned char)(x >> 8);
	p[2] = (unsigned char)(x >> 16);
	p[3] = (unsigned char)(x >> 24);
}

struct shard_writer {
	struct atomfile *file;
	uint64_t tokens;
	size_t held;
	unsigned char bytes[2 * CHUNK_IDS];
	char name[256];
};

struct shard_writer *
shard_writer_begin(int dirfd, const char *name, struct inputerror *f)
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
shard_writer_add(struct shard_writer *w, const uint16_t *ids, uint64_t n, struct inputerror *f)
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
shard_writer_tokens(const struct shard_writer *w)
{
	return (w->tokens);
}

int
shard_writer_finish(struct shard_writer *w, enum atomfile_verb verb, struct inputerror *f)
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
	shard_writer_abort(w);
	return (-1);
}

void
shard_writer_abort(struct shard_writer *w)
{
	if (w == NULL)
		return;
	atomfile_abort(w->file);
	free(w);
}
