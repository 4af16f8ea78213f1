#ifndef HG_CORPUS_H
#define HG_CORPUS_H

#include <stddef.h>
#include <stdint.h>

#include "data/inputerror.h"

/**
 * The documents of a corpus in their final order, whatever its size: each goes
 * to the bucket file that its place falls into, and buckets are sorted in
 * memory one by one.  The place is a keyed hash of the document's number, a
 * permutation of 64-bit numbers, so that no two are equal, contents don't
 * matter, and text added at the end moves nothing.  Without a key documents
 * keep their order.  Memory: a buffer for each bucket, and one bucket.
 */
struct corpus;

#define CORPUS_DIGEST_BYTES 16 /* of sha256: what identical documents share */

struct corpus_doc {
	uint64_t place;
	const char *text;
	uint32_t bytes;
	unsigned char digest[CORPUS_DIGEST_BYTES];
};

/* A bucket in memory, in order. */
struct corpus_bucket {
	struct corpus_doc *docs;
	size_t count;
	char *file;
};

/**
 * corpus_begin(dirfd, expected_bytes, key, f):
 * ${expected_bytes} of text (0: unknown) decides how many buckets there are;
 * ${key} NULL keeps the order.  Files are made in ${dirfd} and unlinked at once.
 * Owns:   the caller calls corpus_free.
 * Errors: NULL or -1, said: full, memory, io.
 * Checked: t/unit/documents.c, t/hg-data.bats.
 */
struct corpus *corpus_begin(int dirfd, uint64_t expected_bytes, const uint64_t *key, struct inputerror *f);
void corpus_free(struct corpus *c);

/* Add the next document; it must not be longer than DOCUMENTS_MAX_BYTES (asserted). */
int corpus_add(struct corpus *c, const char *text, size_t n, struct inputerror *f);

/* What is added after corpus_first stands before all that is added after corpus_second. */
void corpus_first(struct corpus *c);
void corpus_second(struct corpus *c);

/* No more documents come; *duplicates: documents that are a copy of one before. */
int corpus_end(struct corpus *c, uint64_t *duplicates, struct inputerror *f);

/* Buckets, in order; load reads one, release frees it, forget gives its disk space back. */
size_t corpus_buckets(const struct corpus *c);
int corpus_load(const struct corpus *c, size_t number, struct corpus_bucket *b, struct inputerror *f);
void corpus_release(struct corpus_bucket *b);
void corpus_forget(struct corpus *c, size_t number);

/* The digest that identical documents share, of the text of their sha256. */
void corpus_digest(const char *hex, unsigned char digest[CORPUS_DIGEST_BYTES]);

/* A set of digests. add: 1 if it is new, 0 if it was there, -1 with errno ENOMEM. */
struct corpus_set;
struct corpus_set *corpus_set_new(void);
int corpus_set_add(struct corpus_set *s, const unsigned char digest[CORPUS_DIGEST_BYTES]);
int corpus_set_has(const struct corpus_set *s, const unsigned char digest[CORPUS_DIGEST_BYTES]);
void corpus_set_free(struct corpus_set *s);

#endif
