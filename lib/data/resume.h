#ifndef HG_RESUME_H
#define HG_RESUME_H

#include <stdint.h>

#include "base/sha256.h"
#include "data/dataset_part.h"
#include "data/inputerror.h"

/**
 * Notes in a directory that is being filled, by which the same request goes on
 * behind the training shards that are complete: what was asked, the tokenizer,
 * and up to where the documents are in those shards.  They stand in RESUME_FILE
 * with a digest, from the first complete shard on.
 */
#define RESUME_FILE ".resume"
#define RESUME_BYTES "bytes"

struct resume {
	char request[SHA256_HEX_SIZE];   /* what decides the shards */
	char tokenizer[SHA256_HEX_SIZE]; /* of the model, or RESUME_BYTES */
	uint64_t next;  /* number in the order of the first document that is in no complete shard; 0: none */
	uint64_t first; /* likewise, of the first that is training: all before it are validation's */
	uint64_t dropped, overlapping; /* of the documents before next */
	struct dataset_part train;     /* likewise, with the complete shards */
};

/**
 * resume_begin(r, dirfd, request, has_model, f):
 * Take up what is there of this request, its shards and the model verified by
 * their digests, and remove all else from the directory, but for a model that
 * the caller put there (has_model).  What can't be used is not there.
 * Owns:   the caller calls resume_clear, whatever is returned.
 * Errors: -1, said: memory, io.
 * Checked: t/unit/documents.c, t/hg-data.bats.
 */
int resume_begin(struct resume *r, int dirfd, const char request[SHA256_HEX_SIZE], int has_model, struct inputerror *f);
void resume_clear(struct resume *r);

/* Note where r stands, durably; what it names is durable. 0, or -1 with errno. */
int resume_note(const struct resume *r, int dirfd);

#endif
