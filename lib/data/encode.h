#ifndef HG_ENCODE_H
#define HG_ENCODE_H

#include <stdint.h>

#include "base/sha256.h"
#include "base/str.h"
#include "data/corpus.h"
#include "data/dataset_part.h"
#include "data/inputerror.h"
#include "data/resume.h"
#include "data/vocab.h"

/* Documents on their way into shards. Zero what is not named here as given. */
struct encode {
	/* Given. */
	int dirfd;
	struct corpus *corpus; /* each of its buckets is forgotten once it was read */
	const struct vocab *vocab;
	uint64_t documents, val_docs; /* in all; for validation */
	uint64_t text_bytes;          /* of all documents */
	uint64_t val_given;           /* so many documents, the first, are validation, whatever val_docs */
	int keep_lines;               /* line breaks are a token, that of their byte */
	uint64_t shard_tokens;        /* at most so many in a shard; 0: as many as it may hold */
	struct resume *resume; /* what is complete already, which it is taken from; notes of what gets so are left */
	/* Made. */
	struct dataset_part train, val;
	uint64_t dropped; /* copies of validation documents, by their bytes or by their ids */
	struct str docs;  /* the text of val_docs.tsv */
	char val_raw_sha256[SHA256_HEX_SIZE];
	char val_kept_sha256[SHA256_HEX_SIZE]; /* of what comes back of it when it is decoded */
};

/**
 * encode_corpus(e, f):
 * Split the corpus and write ids of its documents into shards in e->dirfd, which
 * must hold the vocabulary's TOKENIZER_FILE unless it is bytes.  As many
 * threads or spm_encode run as there are processors; the shards do not depend on it.
 * Owns:   the caller releases e->train, e->val (as of a struct dataset) and
 *         e->docs, whatever is returned.
 * Errors: -1, said, *f filled.
 * Checked: t/hg-data.bats.
 */
int encode_corpus(struct encode *e, struct inputerror *f);

#endif
