/*
 * Parts of PART calls are dealt out in turn, and the parent copies what comes from the processes in the same order: so
 * all of them work, as long as a part fits into a pipe or the parent is there to take it.  A part ends in a 0 and the
 * exit code of its calls.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/proc.h"
#include "base/process.h"
#include "base/say.h"
#include "base/spread.h"

enum {
	PART = 32,
	/* Fewer are done before processes have begun. */
	FEW = 8 * PART,
	MOST_PROCESSES = 64
};

struct worker {
	pid_t pid;
	int from;
	size_t at, n; /* of what was read from it and not copied yet */
	char buf[16 << 10];
};

static int
part(size_t first, size_t n, int (*each)(void *, size_t), void *arg)
{
	size_t i;
	int one, code = HG_EXIT_DONE;

	for (i = first; i < n && i < first + PART; i++)
		if ((one = each(arg, i)) != HG_EXIT_DONE)
			code = one;
	return (code);
}

/* In the child. */
static void
work(size_t mine, size_t workers, size_t n, int (*each)(void *, size_t), void *arg)
{
	int code;

	for (; mine * PART < n; mine += workers) {
		code = part(mine * PART, n, each, arg);
		putchar('\0');
		putchar(code);
		if (fflush(stdout) == EOF)
			break;
	}
	_exit(0);
}

/* Begin the ${mine}th of ${count}, which waits for the end of ${go}. 0 or -1. */
static int
begin(struct worker *workers, size_t mine, size_t count, const int go[2], size_t n, int (*each)(void *, size_t),
    void *arg)
{
	struct worker *w = &workers[mine];
	const pid_t parent = getpid();
	size_t i;
	int fd[2];
	char c;

	if (process_pipe(fd) == -1)
		return (-1);
	w->from = fd[0];
	if ((w->pid = fork()) == -1)
		goto err0;
	if (w->pid == 0) {
		if (proc_die_with_parent(parent) == -1 || dup2(fd[1], STDOUT_FILENO) == -1)
			_exit(1);
		/* Whoever limits descriptors has counted those of one that looks at all of them. */
		for (i = 0; i <= mine; i++)
			close(workers[i].from);
		close(fd[1]);
		close(go[1]);
		if (read(go[0], &c, 1) != 0)
			_exit(1);
		close(go[0]);
		work(mine, count, n, each, arg);
	}
	close(fd[1]);
	return (0);
err0:
	close(fd[0]);
	close(fd[1]);
	return (-1);
}

static void
end(struct worker *w)
{
	close(w->from);
	(void)kill(w->pid, SIGKILL);
	(void)process_wait(w->pid);
}

/* What is there of a process, more if need be; 0 where there is no more. */
static size_t
there(struct worker *w)
{
	ssize_t n;

	if (w->at < w->n)
		return (w->n - w->at);
	while ((n = read(w->from, w->buf, sizeof(w->buf))) == -1 && errno == EINTR)
		continue;
	w->at = 0;
	w->n = n > 0 ? (size_t)n : 0;
	return (w->n);
}

/* Copy a part; its exit code, or -1 if it is not whole. */
static int
copy(struct worker *w)
{
	const char *end = NULL;
	size_t n;

	while (end == NULL && (n = there(w)) != 0) {
		if ((end = memchr(w->buf + w->at, '\0', n)) != NULL)
			n = (size_t)(end - w->buf) - w->at;
		/* Whoever flushes stdout learns what became of it. */
		(void)fwrite(w->buf + w->at, 1, n, stdout);
		w->at += n + (end != NULL);
	}
	return (end != NULL && there(w) != 0 ? (unsigned char)w->buf[w->at++] : -1);
}

/* All of them, or none, which has said nothing. 0 or -1. */
static int
begin_all(struct worker *workers, size_t count, size_t n, int (*each)(void *, size_t), void *arg)
{
	size_t i = 0;
	int go[2];

	if (fflush(stdout) == EOF || process_pipe(go) == -1)
		return (-1);
	while (i < count && begin(workers, i, count, go, n, each, arg) == 0)
		i++;
	if (i < count) {
		while (i-- > 0)
			end(&workers[i]);
		count = 0;
	}
	close(go[0]);
	close(go[1]);
	return (count != 0 ? 0 : -1);
}

int
spread(size_t n, int (*each)(void *arg, size_t i), void *arg)
{
	struct worker *workers = NULL;
	size_t count = n < FEW ? 1 : proc_cpus(), i, at;
	int one, code = HG_EXIT_DONE, lost = 0;

	count = count > MOST_PROCESSES ? MOST_PROCESSES : count;
	if (count == 1 || (workers = calloc(count, sizeof(*workers))) == NULL ||
	    begin_all(workers, count, n, each, arg) == -1) {
		free(workers);
		for (at = 0; at < n; at += PART)
			if ((one = part(at, n, each, arg)) != HG_EXIT_DONE)
				code = one;
		return (code);
	}
	/* Also where nobody reads any more: the exit code is that of all calls. */
	for (at = 0; at * PART < n && !lost; at++) {
		one = copy(&workers[at % count]);
		lost = one == -1;
		if (one != HG_EXIT_DONE)
			code = one;
	}
	for (i = 0; i < count; i++)
		end(&workers[i]);
	free(workers);
	if (lost) {
		say_error("a process that was to do a part of it ended before its time");
		code = HG_EXIT_SYSTEM;
	}
	return (code);
}
