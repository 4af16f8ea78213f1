#ifndef HG_SHARD_H
#define HG_SHARD_H

#include <stdint.h>

#include "data/inputerror.h"

/**
 * Token shards in the public layout: 256 little-endian int32 words (magic,
 * version, number of tokens, zeros), then that many little-endian uint16 ids;
 * the size is exact.  Described in hg-shard(5).
 */
#define SHARD_MAGIC 20240520
#define SHARD_VERSION 1
#define SHARD_HEADER_BYTES 1024
#define SHARD_MAX_TOKENS 100000000
#define SHARD_MAX_VOCAB 65536

struct shard {
	int fd;
	uint64_t tokens;
	uint64_t size_bytes;
	const char *path; /* lent by the caller for messages */
};

/**
 * shard_open(s, dirfd, path, f):
 * Open for reading; the header and the exact size are checked, the ids are not.
 * Owns:   s->fd until shard_close; ${path} must stay valid.
 * Errors: -1, said, *f filled: missing, truncated, wrong_size, invalid, io.
 * Checked: t/unit/data.c.
 */
int shard_open(struct shard *s, int dirfd, const char *path, struct inputerror *f);
void shard_close(struct shard *s);

/**
 * shard_read(s, at, n, vocab_size, ids, f):
 * Copy n ids from position ${at} (at + n <= s->tokens, asserted).
 * Errors: -1, said: an id >= vocab_size is invalid, naming its position; a file
 *         that shrank since it was opened is truncated.
 */
int shard_read(const struct shard *s, uint64_t at, uint64_t n, uint32_t vocab_size, int32_t *ids, struct inputerror *f);

#endif
