/*
 * Parts of PART calls are dealt out in turn, and the parent copies what comes from the processes in the same order: so
 * all of them work, as long as a part fits into a pipe or the parent is there to take it.  A part ends in a 0 and the
 * exit code of its calls.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
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
	FILE *from;
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
	if ((w->from = fdopen(fd[0], "r")) == NULL)
		goto err0;
	if ((w->pid = fork()) == -1)
		goto err1;
	if (w->pid == 0) {
		if (proc_die_with_parent(parent) == -1 || dup2(fd[1], STDOUT_FILENO) == -1)
			_exit(1);
		/* Whoever limits descriptors has counted those of one that looks at all of them. */
		for (i = 0; i <= mine; i++)
			close(fileno(workers[i].from));
		close(fd[1]);
		close(go[1]);
		if (read(go[0], &c, 1) != 0)
			_exit(1);
		close(go[0]);
		work(mine, count, n, each, arg);
	}
	close(fd[1]);
	return (0);
err1:
	fclose(w->from);
	close(fd[1]);
	return (-1);
err0:
	close(fd[0]);
	close(fd[1]);
	return (-1);
}

static void
end(struct worker *w)
{
	fclose(w->from);
	(void)kill(w->pid, SIGKILL);
	(void)process_wait(w->pid);
}

/* Copy a part; its exit code, or -1 if it is not whole. */
static int
copy(FILE *from)
{
	int c;

	while ((c = getc_unlocked(from)) != EOF && c != '\0')
		putchar_unlocked(c);
	return (c == EOF ? -1 : getc_unlocked(from));
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
	struct worker workers[MOST_PROCESSES];
	size_t count = n < FEW ? 1 : proc_cpus(), i, at;
	int one, code = HG_EXIT_DONE, lost = 0;

	count = count > MOST_PROCESSES ? MOST_PROCESSES : count;
	if (count == 1 || begin_all(workers, count, n, each, arg) == -1) {
		for (at = 0; at < n; at += PART)
			if ((one = part(at, n, each, arg)) != HG_EXIT_DONE)
				code = one;
		return (code);
	}
	/* Also where nobody reads any more: the exit code is that of all calls. */
	for (at = 0; at * PART < n && !lost; at++) {
		one = copy(workers[at % count].from);
		lost = one == -1;
		if (one != HG_EXIT_DONE)
			code = one;
	}
	for (i = 0; i < count; i++)
		end(&workers[i]);
	if (lost) {
		say_error("a process that was to do a part of it ended before its time");
		code = HG_EXIT_SYSTEM;
	}
	return (code);
}
