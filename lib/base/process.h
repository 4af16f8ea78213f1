#ifndef HG_PROCESS_H
#define HG_PROCESS_H

#include <sys/types.h>

/**
 * process_start(argv, cwd_fd, fds):
 * Start a program, found by PATH, in the directory ${cwd_fd} (AT_FDCWD: here), with ${fds} as its descriptors 0 to 2
 * (-1: /dev/null) and no others, and SIGPIPE and SIGXFSZ as programs expect them.  It dies with its parent.  This is
 * the one place where programs are started; stages and hg-data fork workers of their own, which are no programs.
 * Owns:   the caller waits: process_wait.
 * Errors: -1 with errno, also that of an exec that failed: ENOENT there is no such program.  Nothing is said.
 */
pid_t process_start(const char *const argv[], int cwd_fd, const int fds[3]);

/* Wait for a child of ours to end: its wait status. */
int process_wait(pid_t pid);

/**
 * process_sibling(name, path, size):
 * The path of the program ${name} beside the one that runs, links resolved: the same build's or installation's,
 * whatever PATH says.  Whether it is there is not looked at.
 * Errors: -1 with errno.  Nothing is said.
 */
int process_sibling(const char *name, char *path, size_t size);

#endif
