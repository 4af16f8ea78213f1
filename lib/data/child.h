#ifndef HG_CHILD_H
#define HG_CHILD_H

#include <stdint.h>
#include <sys/types.h>

#include "data/inputerror.h"

/**
 * A helper program (spm_train, spm_encode) under supervision: it dies with us,
 * ends by a deadline, and every way to fail is told apart.
 */
struct child {
	pid_t pid;           /* 0: none */
	int fd;              /* pidfd */
	int err_fd;          /* lent: its stderr, a file that can be read back, or -1 */
	int64_t deadline_ms; /* boot clock */
	const char *name;
};

/**
 * child_start(c, argv, cwd_fd, in_fd, out_fd, err_fd, wait_ms, f):
 * Run argv[0], found by PATH, in the directory ${cwd_fd} (or AT_FDCWD: here);
 * -1 for a descriptor is /dev/null.  ${wait_ms} is positive (asserted).
 * Owns:   c until child_wait or child_kill; the descriptors stay the caller's.
 * Errors: -1, said: tokenizer_missing (no such program), memory, io.
 * Checked: t/unit/data.c.
 */
int child_start(struct child *c, const char *const argv[], int cwd_fd, int in_fd, int out_fd, int err_fd,
    int64_t wait_ms, struct inputerror *f);

/**
 * child_wait(c, f):
 * Wait for the end; 0 if it exited with 0.
 * Errors: -1, said: deadline (it was killed), io (a signal, or another exit
 *         status, with the last line of its stderr).
 */
int child_wait(struct child *c, struct inputerror *f);

/**
 * child_ask(c, mark, words, f):
 * As child_wait, but where it exited because of what it was given, which a line
 * with ${mark} on its stderr tells, that is CHILD_FAULT, not said, and the reason
 * is in ${words}.
 */
enum { CHILD_FAULT = 1 };
#define CHILD_WORDS 256
int child_ask(struct child *c, const char *mark, char words[CHILD_WORDS], struct inputerror *f);

/* Kill it and wait; nothing if it was never started or has been waited for. */
void child_kill(struct child *c);

#endif
