#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/hash.h"
#include "data/corpus.h"
#include "data/documents.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/sha256.h"

/* A bucket's size where there are few, and how many there can be: with more text buckets grow. */
#define BUCKET_BYTES ((uint64_t)4 << 20)
#define MAX_BUCKETS 512
#define BUFFER_BYTES 32768

/* Digests sorted at a time when copies are counted, and room for twice as many: passes are not quite even. */
#define PASS_DIGESTS ((size_t)1 << 20)

/* Separates this use of the mixing function from others. */
#define PLACE_STREAM UINT64_C(0x686f6d65676f6c66)

/* On disk each document stands behind one of these. */
struct record {
	uint64_t place;
	uint32_t bytes;
	unsigned char digest[CORPUS_DIGEST_BYTES];
};

struct spill {
	int fd;
	size_t held;
	uint64_t bytes; /* written and held */
	char *buffer;
};

struct corpus {
	int dirfd, keyed;
	uint64_t key, next; /* next: number of the next document */
	int half;           /* 0: places are anywhere; 1 and 2: in that half of them */
	uint64_t expected_bytes;
	struct spill *buckets;
	size_t count, current; /* current: the bucket being filled when the order is kept */
	struct spill digests;
};

/* A file without a name: nothing to clean up, whatever happens to us. */
static int
spill_open(struct spill *s, int dirfd)
{
	static const char name[] = ".spill";

	s->bytes = 0;
	s->held = 0;
	if ((s->buffer = malloc(BUFFER_BYTES)) == NULL)
		return (-1);
	if ((s->fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) == -1)
		return (-1);
	return (unlinkat(dirfd, name, 0));
}

static void
spill_close(struct spill *s)
{
	free(s->buffer);
	s->buffer = NULL;
	if (s->fd != -1)
		close(s->fd);
	s->fd = -1;
}

static int
spill_flush(struct spill *s)
{
	if (file_write_all(s->fd, s->buffer, s->held) == -1)
		return (-1);
	s->held = 0;
	return (0);
}

static int
spill_add(struct spill *s, const void *data, size_t n)
{
	if (n > BUFFER_BYTES - s->held && spill_flush(s) == -1)
		return (-1);
	s->bytes += n;
	if (n > BUFFER_BYTES)
		return (file_write_all(s->fd, data, n));
	memcpy(s->buffer + s->held, data, n);
	s->held += n;
	return (0);
}

/* Leave descriptors for what else is open. */
static size_t
most_buckets(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_cur == RLIM_INFINITY ||
	    limit.rlim_cur > 2 * MAX_BUCKETS)
		return (MAX_BUCKETS);
	return (limit.rlim_cur < 16 ? 8 : (size_t)limit.rlim_cur / 2);
}

struct corpus *
corpus_begin(int dirfd, uint64_t expected_bytes, const uint64_t *key, struct inputerror *f)
{
	uint64_t want = expected_bytes == 0 ? MAX_BUCKETS : expected_bytes / BUCKET_BYTES + 1;
	struct corpus *c;
	size_t i, wanted;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		goto err0;
	c->dirfd = dirfd;
	c->expected_bytes = expected_bytes;
	c->keyed = key != NULL;
	c->key = key == NULL ? 0 : rng_mix(*key ^ PLACE_STREAM);
	c->digests.fd = -1;
	wanted = want < most_buckets() ? (size_t)want : most_buckets();
	if ((c->buckets = calloc(wanted, sizeof(c->buckets[0]))) == NULL || spill_open(&c->digests, dirfd) == -1)
		goto err1;
	for (i = 0; i < wanted; i++)
		c->buckets[i].fd = -1;
	for (; c->count < wanted; c->count++)
		if (spill_open(&c->buckets[c->count], dirfd) == -1) {
			spill_close(&c->buckets[c->count]);
			goto err1;
		}
	return (c);
err1:
	inputerror_errno(f, "write", "temporary files");
	corpus_free(c);
	return (NULL);
err0:
	inputerror_errno(f, "write", "temporary files");
	return (NULL);
}

void
corpus_free(struct corpus *c)
{
	size_t i;

	if (c == NULL)
		return;
	for (i = 0; i < c->count; i++)
		spill_close(&c->buckets[i]);
	spill_close(&c->digests);
	free(c->buckets);
	free(c);
}

static unsigned
digit(char c)
{
	return ((unsigned)(c <= '9' ? c - '0' : c - 'a' + 10));
}

void
corpus_digest(const char *hex, unsigned char digest[CORPUS_DIGEST_BYTES])
{
	size_t i;

	for (i = 0; i < CORPUS_DIGEST_BYTES; i++)
		digest[i] = (unsigned char)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
}

/* How large the current bucket may grow when the order is kept: text of unknown size gets ever larger ones. */
static uint64_t
enough(const struct corpus *c)
{
	return (c->expected_bytes > 0 ? c->expected_bytes / c->count + 1 : BUCKET_BYTES << c->current / 64);
}

int
corpus_add(struct corpus *c, const char *text, size_t n, struct inputerror *f)
{
	char hex[SHA256_HEX_SIZE];
	struct spill *bucket;
	struct record r;

	assert(n <= DOCUMENTS_MAX_BYTES);
	memset(&r, 0, sizeof(r));
	r.bytes = (uint32_t)n;
	if (sha256_hex(text, n, hex) == -1)
		return (inputerror_errno(f, "digest", "a document"));
	corpus_digest(hex, r.digest);
	if (c->keyed) {
		r.place = rng_mix(c->key + c->next);
		if (c->half > 0)
			r.place = r.place >> 1 | (uint64_t)(c->half - 1) << 63;
		bucket = &c->buckets[(size_t)((r.place >> 32) * c->count >> 32)];
	} else {
		r.place = c->next;
		if (c->current + 1 < c->count && c->buckets[c->current].bytes >= enough(c))
			c->current++;
		bucket = &c->buckets[c->current];
	}
	c->next++;
	if (spill_add(bucket, &r, sizeof(r)) == -1 || spill_add(bucket, text, n) == -1 ||
	    spill_add(&c->digests, r.digest, sizeof(r.digest)) == -1)
		return (inputerror_errno(f, "write", "temporary files"));
	return (0);
}

void
corpus_first(struct corpus *c)
{
	c->half = 1;
}

void
corpus_second(struct corpus *c)
{
	c->half = 2;
}

static int
by_bytes(const void *a, const void *b)
{
	return (memcmp(a, b, CORPUS_DIGEST_BYTES));
}

/* Digests of one pass. */
struct sieve {
	unsigned char *digests;
	size_t count, room;
};

/* Sort, and keep one of each: the number of others goes to *copies. */
static void
sieve_unique(struct sieve *s, uint64_t *copies)
{
	unsigned char *p = s->digests;
	size_t i, kept = 0;

	qsort(p, s->count, CORPUS_DIGEST_BYTES, by_bytes);
	for (i = 0; i < s->count; i++)
		if (kept == 0 || by_bytes(p + CORPUS_DIGEST_BYTES * (kept - 1), p + CORPUS_DIGEST_BYTES * i) != 0)
			memmove(p + CORPUS_DIGEST_BYTES * kept++, p + CORPUS_DIGEST_BYTES * i, CORPUS_DIGEST_BYTES);
	*copies += s->count - kept;
	s->count = kept;
}

static int
sieve_add(struct sieve *s, const unsigned char *digest, uint64_t *copies)
{
	unsigned char *more;

	/* One document a million times fills a pass; its copies make room again. */
	if (s->count == s->room)
		sieve_unique(s, copies);
	if (s->count > s->room / 2) {
		if ((more = realloc(s->digests, 2 * s->room * CORPUS_DIGEST_BYTES)) == NULL)
			return (-1);
		s->digests = more;
		s->room *= 2;
	}
	memcpy(s->digests + CORPUS_DIGEST_BYTES * s->count++, digest, CORPUS_DIGEST_BYTES);
	return (0);
}

/* Copies among those digests whose first bytes fall into pass ${pass} of ${passes}. */
static int
count_pass(const struct corpus *c, uint64_t pass, uint64_t passes, struct sieve *s, uint64_t *copies)
{
	unsigned char block[CORPUS_DIGEST_BYTES * 4096];
	const unsigned char *p;
	uint64_t at, here;

	s->count = 0;
	for (at = 0; at < c->digests.bytes; at += here) {
		here = c->digests.bytes - at < sizeof(block) ? c->digests.bytes - at : sizeof(block);
		if (file_read_at(c->digests.fd, block, here, at) == -1)
			return (-1);
		for (p = block; p < block + here; p += CORPUS_DIGEST_BYTES)
			if (((uint64_t)p[0] << 8 | p[1]) * passes >> 16 == pass && sieve_add(s, p, copies) == -1)
				return (-1);
	}
	sieve_unique(s, copies);
	return (0);
}

static int
count_copies(const struct corpus *c, uint64_t *copies)
{
	uint64_t passes = c->next / PASS_DIGESTS + 1, pass;
	struct sieve s = { .room = (size_t)(passes > 1 ? 2 * PASS_DIGESTS : 2 * c->next + 2) };
	int rc = 0;

	*copies = 0;
	if ((s.digests = malloc(s.room * CORPUS_DIGEST_BYTES)) == NULL)
		return (-1);
	for (pass = 0; pass < passes && rc == 0; pass++)
		rc = count_pass(c, pass, passes, &s, copies);
	free(s.digests);
	return (rc);
}

int
corpus_end(struct corpus *c, uint64_t *duplicates, struct inputerror *f)
{
	size_t i;

	for (i = 0; i < c->count; i++) {
		if (spill_flush(&c->buckets[i]) == -1)
			goto err0;
		free(c->buckets[i].buffer);
		c->buckets[i].buffer = NULL;
	}
	if (spill_flush(&c->digests) == -1 || count_copies(c, duplicates) == -1)
		goto err0;
	spill_close(&c->digests);
	return (0);
err0:
	return (inputerror_errno(f, "write", "temporary files"));
}

size_t
corpus_buckets(const struct corpus *c)
{
	return (c->count);
}

static int
by_place(const void *a, const void *b)
{
	const struct corpus_doc *x = a, *y = b;

	return ((x->place > y->place) - (x->place < y->place));
}

int
corpus_load(const struct corpus *c, size_t number, struct corpus_bucket *b, struct inputerror *f)
{
	const struct spill *s = &c->buckets[number];
	struct corpus_doc *more, *doc;
	struct record r;
	size_t room = 0;
	uint64_t at;

	b->docs = NULL;
	b->count = 0;
	if ((b->file = malloc(s->bytes + 1)) == NULL || file_read_at(s->fd, b->file, s->bytes, 0) == -1)
		goto err0;
	for (at = 0; at < s->bytes; at += sizeof(r) + r.bytes) {
		if ((more = array_room(b->docs, b->count, &room, sizeof(*more))) == NULL)
			goto err0;
		b->docs = more;
		memcpy(&r, b->file + at, sizeof(r));
		doc = &b->docs[b->count++];
		doc->place = r.place;
		doc->bytes = r.bytes;
		doc->text = b->file + at + sizeof(r);
		memcpy(doc->digest, r.digest, sizeof(doc->digest));
	}
	if (b->count > 1)
		qsort(b->docs, b->count, sizeof(b->docs[0]), by_place);
	return (0);
err0:
	inputerror_errno(f, "read", "temporary files");
	corpus_release(b);
	return (-1);
}

void
corpus_release(struct corpus_bucket *b)
{
	free(b->docs);
	free(b->file);
	b->docs = NULL;
	b->file = NULL;
	b->count = 0;
}

void
corpus_forget(struct corpus *c, size_t number)
{
	spill_close(&c->buckets[number]);
}

/* --- sets of digests ------------------------------------------------------------- */

struct corpus_set {
	unsigned char (*digests)[CORPUS_DIGEST_BYTES];
	size_t count, room;
	struct hash table; /* of digests: index + 1 */
};

struct corpus_set *
corpus_set_new(void)
{
	return (calloc(1, sizeof(struct corpus_set)));
}

/* A digest is mixed already. */
static uint64_t
hash_of(const unsigned char *digest)
{
	uint64_t hash;

	memcpy(&hash, digest, sizeof(hash));
	return (hash);
}

int
corpus_set_add(struct corpus_set *s, const unsigned char digest[CORPUS_DIGEST_BYTES])
{
	void *more;

	if (corpus_set_has(s, digest))
		return (0);
	if ((more = array_room(s->digests, s->count, &s->room, CORPUS_DIGEST_BYTES)) == NULL)
		return (-1);
	s->digests = more;
	if (hash_add(&s->table, hash_of(digest), s->count + 1) == -1)
		return (-1);
	memcpy(s->digests[s->count++], digest, CORPUS_DIGEST_BYTES);
	return (1);
}

int
corpus_set_has(const struct corpus_set *s, const unsigned char digest[CORPUS_DIGEST_BYTES])
{
	const size_t *found;
	size_t at = 0;

	while ((found = hash_find(&s->table, hash_of(digest), &at)) != NULL)
		if (memcmp(s->digests[*found - 1], digest, CORPUS_DIGEST_BYTES) == 0)
			return (1);
	return (0);
}

void
corpus_set_free(struct corpus_set *s)
{
	if (s == NULL)
		return;
	hash_free(&s->table);
	free(s->digests);
	free(s);
}
