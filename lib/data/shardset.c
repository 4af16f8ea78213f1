#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "data/shardset.h"
#include "base/sha256.h"
#include "data/shard.h"
#include "data/shard_writer.h"

struct shardset_writer {
	int dirfd;
	const char *name;
	uint64_t most_tokens;
	struct dataset_part *part;
	struct shard_writer *shard; /* NULL between shards */
};

struct shardset_writer *
shardset_begin(int dirfd, const char *name, uint64_t most_tokens, struct dataset_part *part)
{
	struct shardset_writer *w;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		return (NULL);
	w->dirfd = dirfd;
	w->name = name;
	w->most_tokens = most_tokens == 0 ? SHARD_MAX_TOKENS : most_tokens;
	w->part = part;
	return (w);
}

/* Publish the shard under way and note its size and digest. */
static int
end_shard(struct shardset_writer *w, struct inputerror *f)
{
	struct dataset_shard *s = &w->part->shards[w->part->count - 1];
	struct shard_writer *shard = w->shard;

	s->tokens = shard_writer_tokens(shard);
	w->shard = NULL;
	if (shard_writer_finish(shard, ATOMFILE_REPLACE, f) == -1)
		return (-1);
	/* What counts is what can be read back. */
	if (sha256_at(w->dirfd, s->path, s->sha256, &s->bytes) == -1)
		return (inputerror_errno(f, "read", s->path));
	return (0);
}

static int
begin_shard(struct shardset_writer *w, struct inputerror *f)
{
	struct dataset_part *part = w->part;
	struct dataset_shard *more;
	char name[64];

	snprintf(name, sizeof(name), "%s_%06zu.bin", w->name, part->count);
	if ((more = array_few(part->shards, part->count, sizeof(*more))) == NULL)
		return (inputerror_errno(f, "write", name));
	part->shards = more;
	memset(&more[part->count], 0, sizeof(*more));
	if ((more[part->count].path = strdup(name)) == NULL)
		return (inputerror_errno(f, "write", name));
	part->count++;
	return ((w->shard = shard_writer_begin(w->dirfd, name, f)) == NULL ? -1 : 0);
}

int
shardset_add(struct shardset_writer *w, const uint16_t *ids, uint64_t n, uint64_t bytes, uint64_t raw_bytes,
    struct inputerror *f)
{
	if (w->shard != NULL && shard_writer_tokens(w->shard) + n > w->most_tokens && end_shard(w, f) == -1)
		return (-1);
	if (w->shard == NULL && begin_shard(w, f) == -1)
		return (-1);
	w->part->documents++;
	w->part->tokens += n;
	w->part->bytes += bytes;
	w->part->raw_bytes += raw_bytes;
	return (shard_writer_add(w->shard, ids, n, f));
}

int
shardset_end(struct shardset_writer *w, struct inputerror *f)
{
	int rc = 0;

	if (w->shard != NULL)
		rc = end_shard(w, f);
	free(w);
	return (rc);
}

void
shardset_abort(struct shardset_writer *w)
{
	if (w == NULL)
		return;
	shard_writer_abort(w->shard);
	free(w);
}
