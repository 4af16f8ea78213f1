#ifndef HG_POOL_H
#define HG_POOL_H

#include <stddef.h>

/**
 * A pool of threads that run numbered tasks.  The caller is one of them.
 * Which thread runs a task is not determined, so a task may write only what
 * belongs to its number, and use only the scratch of the thread it runs on.
 */
struct pool;

typedef void pool_task(void *arg, size_t task, unsigned thread);

/**
 * pool_open(threads):
 * Start ${threads} - 1 threads; they wait, first briefly awake, then parked.
 * Owns:   pool_close joins and frees; NULL is nothing.
 * Errors: NULL with errno (ENOMEM, EAGAIN).
 */
struct pool *pool_open(unsigned threads);
void pool_close(struct pool *pool);

unsigned pool_threads(const struct pool *pool);

/* Run task 0..count-1, each once, and return when all are done. ${thread} is below pool_threads(). */
void pool_run(struct pool *pool, size_t count, pool_task *task, void *arg);

/*
 * Tell ${record} of every task from now on: task i of a round of ${count}, when it began and ended, in seconds of the
 * monotonic clock, and the processor time that it took, which others on the machine do not lengthen.  The caller runs
 * them all, one after the other, while the other threads sleep; without it a round costs one comparison more.
 */
typedef void pool_record(void *cookie, size_t i, size_t count, double began, double ended, double worked);
void pool_watch(struct pool *pool, pool_record *record, void *cookie);

#endif
