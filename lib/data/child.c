#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "data/child.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/process.h"
#include "base/say.h"

/* Last words that are shown. */
#define TAIL_BYTES 2048

/* The last line of spm_train and its kin, which says nothing. */
#define GOODBYE "Program terminated with an unrecoverable error."

int
child_start(struct child *c, const char *const argv[], int cwd_fd, int in_fd, int out_fd, int err_fd, int64_t wait_ms,
    struct inputerror *f)
{
	const int fds[3] = { in_fd, out_fd, err_fd };

	assert(wait_ms > 0);
	c->fd = -1;
	c->err_fd = err_fd;
	c->name = argv[0];
	c->deadline_ms = clock_boot_ms() + wait_ms;
	if ((c->pid = process_start(argv, cwd_fd, fds)) == -1) {
		c->pid = 0;
		inputerror_errno(f, "run", c->name);
		if (f != NULL && f->kind == REFUSAL_INPUT_MISSING)
			f->kind = REFUSAL_TOKENIZER_MISSING;
		return (-1);
	}
	if ((c->fd = proc_pidfd(c->pid)) == -1) {
		inputerror_errno(f, "watch", c->name);
		child_kill(c);
		return (-1);
	}
	fcntl(c->fd, F_SETFD, FD_CLOEXEC);
	return (0);
}

/* Collect the dead child; its wait status. */
static int
collect(struct child *c)
{
	const int status = process_wait(c->pid);

	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
	c->pid = 0;
	return (status);
}

/* The last line that tells something of what the child said. */
static void
last_words(int fd, char out[CHILD_WORDS])
{
	char text[TAIL_BYTES + 1];
	off_t end;
	ssize_t n;
	char *p;

	*out = '\0';
	if (fd == -1 || (end = lseek(fd, 0, SEEK_END)) == -1)
		return;
	n = pread(fd, text, TAIL_BYTES, end > TAIL_BYTES ? end - TAIL_BYTES : 0);
	if (n <= 0)
		return;
	for (;;) {
		while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
			n--;
		text[n] = '\0';
		p = strrchr(text, '\n');
		p = p == NULL ? text : p + 1;
		if (strcmp(p, GOODBYE) != 0)
			break;
		n = p - text;
	}
	snprintf(out, CHILD_WORDS, "%.*s", CHILD_WORDS - 1, p);
}

/* Behind the mark, and behind the brackets that hold a place in a program. */
static const char *
reason_in(const char *words, const char *mark)
{
	const char *p = strstr(words, mark), *q;

	if (p == NULL)
		return (NULL);
	p += strlen(mark);
	return ((q = strstr(p, "] ")) != NULL && q[2] != '\0' ? q + 2 : p);
}

int
child_wait(struct child *c, struct inputerror *f)
{
	return (child_ask(c, NULL, NULL, f));
}

int
child_ask(struct child *c, const char *mark, char reason[CHILD_WORDS], struct inputerror *f)
{
	struct pollfd watch = { .fd = c->fd, .events = POLLIN };
	char words[CHILD_WORDS], observed[CHILD_WORDS + 64];
	const char *because;
	int64_t left_ms;
	int status;

	assert(c->pid > 0);
	for (;;) {
		left_ms = c->deadline_ms - clock_boot_ms();
		if (left_ms <= 0) {
			child_kill(c);
			return (inputerror_set(f, REFUSAL_DEADLINE_EXCEEDED, c->name, "it was killed", ""));
		}
		if (poll(&watch, 1, left_ms > 60000 ? 60000 : (int)left_ms) == 1)
			break;
	}
	status = collect(c);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return (0);
	last_words(c->err_fd, words);
	if (mark != NULL && WIFEXITED(status) && (because = reason_in(words, mark)) != NULL) {
		snprintf(reason, CHILD_WORDS, "%s", because);
		return (CHILD_FAULT);
	}
	if (WIFSIGNALED(status))
		snprintf(observed, sizeof(observed), "it died of signal %d%s%s", WTERMSIG(status),
		    *words == '\0' ? "" : ": ", words);
	else
		snprintf(observed, sizeof(observed), "it exited with %d%s%s", WEXITSTATUS(status),
		    *words == '\0' ? "" : ": ", words);
	return (inputerror_set(f, REFUSAL_IO_ERROR, c->name, observed, ""));
}

void
child_kill(struct child *c)
{
	if (c->pid == 0)
		return;
	kill(c->pid, SIGKILL);
	collect(c);
}
