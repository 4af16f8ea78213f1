#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/proc.h"
#include "base/str.h"
#include "data/encode_threads.h"
#include "data/parts.h"
#include "data/scratch.h"

/* Documents are handed to threads in blocks of so many bytes of text, and at least one. */
#define BLOCK_BYTES ((size_t)512 << 10)

#define MAX_THREADS 256

/* A bucket in memory until the last of its blocks is taken. */
struct held {
	struct corpus_bucket bucket;
	size_t users;
};

enum block_state { BLOCK_FREE, BLOCK_FULL, BLOCK_DONE };

struct block {
	enum block_state state;
	struct held *held;
	const struct corpus_doc *docs;
	size_t count, room;
	struct encoded *encoded; /* of each */
	struct bpe_ids ids;
	int error; /* errno of a thread that failed */
};

/* Blocks in a ring: those between head and tail are filled, in order. */
struct pool {
	const struct encoded_from *from;
	const struct bpe *bpe;
	uint16_t bos, newline;
	pthread_mutex_t lock;
	pthread_cond_t filled, done;
	pthread_t threads[MAX_THREADS];
	unsigned started;
	int ending;
	struct block *blocks;
	size_t size, head, tail, next; /* next: the first that no thread took yet */
};

/* --- a thread's work ------------------------------------------------------------------ */

struct encoder {
	const struct pool *pool;
	struct bpe_encoder *bpe;
	struct encoded_meter *meter;
	struct str line;
};

static int
add_bytes(const struct corpus_doc *doc, struct bpe_ids *ids)
{
	uint16_t block[1024];
	size_t at, n, i;

	for (at = 0; at < doc->bytes; at += n) {
		n = doc->bytes - at < 1024 ? doc->bytes - at : 1024;
		for (i = 0; i < n; i++)
			block[i] = (uint16_t)((unsigned char)doc->text[at + i] + VOCAB_BYTE_FIRST);
		if (bpe_ids_add(ids, block, n) == -1)
			return (-1);
	}
	return (0);
}

/* Lines are encoded apart where they are kept; line breaks are blanks elsewhere. */
static int
add_text(struct encoder *e, const struct corpus_doc *doc, struct bpe_ids *ids)
{
	struct parts parts;
	const char *p;
	size_t n;
	int how;

	if (!e->pool->from->keep_lines) {
		e->line.n = 0;
		return (scratch_line(&e->line, doc->text, doc->bytes) == -1 ?
			-1 :
			bpe_encode(e->bpe, e->line.p, doc->bytes, ids));
	}
	parts_begin(&parts, doc->text, doc->bytes, 1, 0);
	while ((how = parts_next(&parts, &p, &n)) != -1)
		if ((how == PARTS_LINE && bpe_ids_add(ids, &e->pool->newline, 1) == -1) ||
		    bpe_encode(e->bpe, p, n, ids) == -1)
			return (-1);
	return (0);
}

static int
encode_block(struct encoder *e, struct block *b)
{
	struct encoded *d;
	size_t i, at;

	b->ids.n = 0;
	for (i = 0; i < b->count; i++) {
		d = &b->encoded[i];
		*d = (struct encoded){ 0 };
		at = b->ids.n;
		if (bpe_ids_add(&b->ids, &e->pool->bos, 1) == -1 ||
		    (e->bpe == NULL ? add_bytes(&b->docs[i], &b->ids) : add_text(e, &b->docs[i], &b->ids)) == -1)
			return (-1);
		d->ids = b->ids.p + at;
		d->n = b->ids.n - at;
		if (encoded_measure(e->meter, &b->docs[i], d) == -1)
			return (-1);
	}
	/* While there came more the ids may have been moved. */
	for (i = 0, at = 0; i < b->count; at += b->encoded[i++].n)
		b->encoded[i].ids = b->ids.p + at;
	return (0);
}

static void *
thread_main(void *arg)
{
	struct pool *pool = arg;
	struct encoder e = { .pool = pool, .meter = encoded_meter_new(pool->from->vocab) };
	struct block *b;
	int fit;

	if (pool->bpe != NULL)
		e.bpe = bpe_encoder_new(pool->bpe);
	fit = e.meter != NULL && (pool->bpe == NULL || e.bpe != NULL);
	pthread_mutex_lock(&pool->lock);
	for (;;) {
		while (!pool->ending && pool->next == pool->tail)
			pthread_cond_wait(&pool->filled, &pool->lock);
		if (pool->ending)
			break;
		b = &pool->blocks[pool->next++ % pool->size];
		pthread_mutex_unlock(&pool->lock);
		b->error = fit && encode_block(&e, b) == 0 ? 0 : ENOMEM;
		pthread_mutex_lock(&pool->lock);
		b->state = BLOCK_DONE;
		pthread_cond_signal(&pool->done);
	}
	pthread_mutex_unlock(&pool->lock);
	bpe_encoder_free(e.bpe);
	encoded_meter_free(e.meter);
	str_free(&e.line);
	return (NULL);
}

/* --- the ring ---------------------------------------------------------------------------- */

static void
held_release(struct held *h)
{
	if (--h->users > 0)
		return;
	corpus_release(&h->bucket);
	free(h);
}

static int
pool_begin(struct pool *pool)
{
	unsigned threads = proc_cpus();
	int error = 0;

	threads = threads < MAX_THREADS ? threads : MAX_THREADS;
	pool->size = 2 * (size_t)threads;
	if ((pool->blocks = calloc(pool->size, sizeof(pool->blocks[0]))) == NULL)
		return (-1);
	while (pool->started < threads && error == 0)
		if ((error = pthread_create(&pool->threads[pool->started], NULL, thread_main, pool)) == 0)
			pool->started++;
	/* Fewer will do. */
	errno = error;
	return (pool->started == 0 ? -1 : 0);
}

static void
pool_end(struct pool *pool)
{
	unsigned i;
	size_t at;

	pthread_mutex_lock(&pool->lock);
	pool->ending = 1;
	pthread_cond_broadcast(&pool->filled);
	pthread_mutex_unlock(&pool->lock);
	for (i = 0; i < pool->started; i++)
		pthread_join(pool->threads[i], NULL);
	for (; pool->head < pool->tail; pool->head++)
		held_release(pool->blocks[pool->head % pool->size].held);
	for (at = 0; pool->blocks != NULL && at < pool->size; at++) {
		free(pool->blocks[at].encoded);
		free(pool->blocks[at].ids.p);
	}
	free(pool->blocks);
	pthread_cond_destroy(&pool->filled);
	pthread_cond_destroy(&pool->done);
	pthread_mutex_destroy(&pool->lock);
}

/* Wait for the first block and hand its documents over. */
static int
take(struct pool *pool, encoded_sink *sink, void *cookie, struct inputerror *f)
{
	struct block *b = &pool->blocks[pool->head % pool->size];
	size_t i;
	int rc = 0;

	pthread_mutex_lock(&pool->lock);
	while (b->state != BLOCK_DONE)
		pthread_cond_wait(&pool->done, &pool->lock);
	pthread_mutex_unlock(&pool->lock);
	if (b->error != 0) {
		errno = b->error;
		return (inputerror_errno(f, "encode", "a document"));
	}
	for (i = 0; i < b->count && rc == 0; i++)
		rc = sink(cookie, &b->docs[i], &b->encoded[i], f);
	held_release(b->held);
	b->state = BLOCK_FREE;
	pool->head++;
	return (rc);
}

/* Give a block to the threads; there is a free one. 0, or -1 with errno ENOMEM. */
static int
put(struct pool *pool, struct held *held, const struct corpus_doc *docs, size_t count)
{
	struct block *b = &pool->blocks[pool->tail % pool->size];
	struct encoded *more;

	if (count > b->room) {
		if ((more = realloc(b->encoded, count * sizeof(*more))) == NULL)
			return (-1);
		b->encoded = more;
		b->room = count;
	}
	held->users++;
	b->held = held;
	b->docs = docs;
	b->count = count;
	pthread_mutex_lock(&pool->lock);
	b->state = BLOCK_FULL;
	pool->tail++;
	pthread_cond_signal(&pool->filled);
	pthread_mutex_unlock(&pool->lock);
	return (0);
}

static int
is_skipped(const struct encoded_from *from, uint64_t number)
{
	return (number >= from->skip && number < from->skip_end);
}

/* A bucket, from document ${number} of the order on, which goes on behind it. */
static int
encode_bucket(struct pool *pool, struct held *held, uint64_t *number, encoded_sink *sink, void *cookie,
    struct inputerror *f)
{
	const struct corpus_bucket *bucket = &held->bucket;
	size_t i, first, bytes;

	for (i = 0; i < bucket->count;) {
		if (is_skipped(pool->from, *number)) {
			i++;
			++*number;
			continue;
		}
		first = i;
		for (bytes = 0; i < bucket->count && bytes < BLOCK_BYTES && !is_skipped(pool->from, *number); i++) {
			bytes += bucket->docs[i].bytes;
			++*number;
		}
		if (pool->tail - pool->head == pool->size && take(pool, sink, cookie, f) == -1)
			return (-1);
		if (put(pool, held, bucket->docs + first, i - first) == -1)
			return (inputerror_errno(f, "encode", "the corpus"));
	}
	return (0);
}

int
encode_threads(const struct encoded_from *from, const struct bpe *b, encoded_sink *sink, void *cookie,
    struct inputerror *f)
{
	struct pool pool = { .from = from,
		.bpe = b,
		.bos = (uint16_t)vocab_bos(from->vocab),
		.newline = (uint16_t)vocab_byte_id(from->vocab, '\n'),
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.filled = PTHREAD_COND_INITIALIZER,
		.done = PTHREAD_COND_INITIALIZER };
	uint64_t number = 0;
	struct held *held;
	size_t i;
	int rc = 0;

	if (pool_begin(&pool) == -1)
		rc = inputerror_errno(f, "encode", "the corpus");
	for (i = 0; rc == 0 && i < corpus_buckets(from->corpus); i++) {
		if ((held = calloc(1, sizeof(*held))) == NULL) {
			rc = inputerror_errno(f, "encode", "the corpus");
			break;
		}
		held->users = 1;
		if ((rc = corpus_load(from->corpus, i, &held->bucket, f)) == 0) {
			corpus_forget(from->corpus, i);
			rc = encode_bucket(&pool, held, &number, sink, cookie, f);
		}
		held_release(held);
	}
	while (rc == 0 && pool.head < pool.tail)
		rc = take(&pool, sink, cookie, f);
	pool_end(&pool);
	return (rc);
}
