/*
 * Invariant: a worker touches task, arg and count only between seeing a new
 * ${round} and adding itself to ${done}; pool_run changes them only while no
 * worker is in between.
 *
 * Each thread has every threads-th task for its own, so that the rows of a pass
 * stay with one thread from operation to operation, in its caches and on its
 * node's memory, which it was the first to touch; and none waits for another's
 * counter.  Who is through with its own takes the others', so a thread that the
 * system takes away costs its own task's time and no more.
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/progress.h"
#include "gpt/cpu/pool.h"

/* About 100 us awake (measured on Zen 5): longer than the gap between two operations, shorter than anyone notices. */
#define SPINS 4000

#define CACHE_LINE 64

/* How many of a thread's own tasks of this round have been taken. */
struct share {
	alignas(CACHE_LINE) atomic_size_t taken;
};

struct worker {
	struct pool *pool;
	pthread_t thread;
	unsigned index;
};

struct pool {
	unsigned threads; /* the caller included */
	unsigned started;
	struct worker *workers;

	pool_task *task;
	void *arg;
	size_t count;
	struct share *shares; /* by thread */

	alignas(CACHE_LINE) atomic_uint round; /* one more for every pool_run */
	alignas(CACHE_LINE) atomic_uint done;  /* workers that finished this round */
	atomic_int ending;
	atomic_int parked;
	pthread_mutex_t lock;
	pthread_cond_t wake;

	pool_record *record; /* NULL: rounds are not timed */
	void *cookie;
};

static void
relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

/* The next of the tasks of ${owner}, or one that there is not. */
static size_t
take(struct pool *pool, unsigned owner)
{
	atomic_size_t *taken = &pool->shares[owner].taken;
	size_t i = owner + pool->threads * atomic_load_explicit(taken, memory_order_relaxed);

	/* Where nothing is left nothing is written, so that no line moves for it. */
	if (i < pool->count)
		i = owner + pool->threads * atomic_fetch_add_explicit(taken, 1, memory_order_relaxed);
	return (i);
}

static void
work(struct pool *pool, unsigned thread)
{
	for (unsigned k = 0; k < pool->threads; k++) {
		const unsigned owner = (thread + k) % pool->threads;
		size_t i;

		while ((i = take(pool, owner)) < pool->count) {
			pool->task(pool->arg, i, thread);
			if (thread == 0)
				progress_tick();
		}
	}
}

static void
await_round(struct pool *pool, unsigned seen)
{
	for (int i = 0; i < SPINS; i++) {
		if (atomic_load_explicit(&pool->round, memory_order_acquire) != seen)
			return;
		relax();
	}
	pthread_mutex_lock(&pool->lock);
	atomic_fetch_add(&pool->parked, 1);
	while (atomic_load(&pool->round) == seen)
		pthread_cond_wait(&pool->wake, &pool->lock);
	atomic_fetch_sub(&pool->parked, 1);
	pthread_mutex_unlock(&pool->lock);
}

static void *
worker_main(void *arg)
{
	struct worker *w = arg;
	struct pool *pool = w->pool;
	unsigned seen = 0;

	for (;;) {
		await_round(pool, seen);
		seen++;
		if (atomic_load(&pool->ending))
			return (NULL);
		work(pool, w->index);
		atomic_fetch_add_explicit(&pool->done, 1, memory_order_release);
	}
}

/* Start a round: every worker will see it, parked or not. */
static void
announce(struct pool *pool)
{
	atomic_fetch_add(&pool->round, 1);
	if (atomic_load(&pool->parked) > 0) {
		pthread_mutex_lock(&pool->lock);
		pthread_cond_broadcast(&pool->wake);
		pthread_mutex_unlock(&pool->lock);
	}
}

struct pool *
pool_open(unsigned threads)
{
	struct pool *pool;
	int error;

	if ((pool = aligned_alloc(alignof(struct pool), sizeof(*pool))) == NULL)
		goto err0;
	memset(pool, 0, sizeof(*pool));
	pool->threads = threads;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->wake, NULL);
	if ((pool->workers = calloc(threads, sizeof(*pool->workers))) == NULL ||
	    (pool->shares = aligned_alloc(alignof(struct share), threads * sizeof(*pool->shares))) == NULL) {
		errno = ENOMEM;
		goto err1;
	}
	for (unsigned i = 1; i < threads; i++) {
		struct worker *w = &pool->workers[i];

		w->pool = pool;
		w->index = i;
		if ((error = pthread_create(&w->thread, NULL, worker_main, w)) != 0) {
			errno = error;
			goto err1;
		}
		pool->started++;
	}
	return (pool);

err1:
	error = errno;
	pool_close(pool);
	errno = error;
err0:
	return (NULL);
}

void
pool_close(struct pool *pool)
{
	if (pool == NULL)
		return;
	atomic_store(&pool->ending, 1);
	announce(pool);
	for (unsigned i = 1; i <= pool->started; i++)
		pthread_join(pool->workers[i].thread, NULL);
	pthread_cond_destroy(&pool->wake);
	pthread_mutex_destroy(&pool->lock);
	free(pool->shares);
	free(pool->workers);
	free(pool);
}

unsigned
pool_threads(const struct pool *pool)
{
	return (pool->threads);
}

void
pool_watch(struct pool *pool, pool_record *record, void *cookie)
{
	pool->record = record;
	pool->cookie = cookie;
}

static double
seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return ((double)t.tv_sec + 1e-9 * (double)t.tv_nsec);
}

static void
run_timed(struct pool *pool, size_t count, pool_task *task, void *arg)
{
	for (size_t i = 0; i < count; i++) {
		const double began = seconds(CLOCK_MONOTONIC), since = seconds(CLOCK_THREAD_CPUTIME_ID);
		double worked;

		task(arg, i, 0);
		worked = seconds(CLOCK_THREAD_CPUTIME_ID) - since;
		pool->record(pool->cookie, i, count, began, seconds(CLOCK_MONOTONIC), worked);
	}
}

void
pool_run(struct pool *pool, size_t count, pool_task *task, void *arg)
{
	if (pool->record != NULL) {
		run_timed(pool, count, task, arg);
		return;
	}
	if (count <= 1 || pool->threads == 1) {
		for (size_t i = 0; i < count; i++)
			task(arg, i, 0);
		return;
	}
	pool->task = task;
	pool->arg = arg;
	pool->count = count;
	for (unsigned i = 0; i < pool->threads; i++)
		atomic_store_explicit(&pool->shares[i].taken, 0, memory_order_relaxed);
	atomic_store(&pool->done, 0);
	announce(pool);
	work(pool, 0);
	for (unsigned i = 0; atomic_load_explicit(&pool->done, memory_order_acquire) != pool->started; i++) {
		/* A worker that was parked or taken away is waited for without keeping its core from it. */
		if (i < SPINS)
			relax();
		else
			sched_yield();
	}
}
