#ifndef HG_PROCESS_H
#define HG_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

/* What a program is started with; the rest is as it is here. */
struct process {
	const char *const *argv; /* the words; the first is found by PATH, unless there is a path */
	const char *path;        /* the file, or NULL */
	const char *const *env;  /* the whole environment, or NULL for this one */
	int cwd_fd;              /* the directory to start in; AT_FDCWD: here */
	int fds[3];              /* its descriptors 0 to 2; -1: /dev/null */
	int leads;               /* it leads a process group of its own, whose number is its pid */
	uint64_t file_bytes;     /* no file that it writes may be longer; 0: any */
};

/**
 * process_run(p):
 * Start a program, with no other descriptors, and SIGPIPE and SIGXFSZ as programs expect them.  It dies with its
 * parent.  This is the one place where programs are started; stages and hg-data fork workers of their own, which are no
 * programs.
 * Owns:   the caller waits: process_wait.
 * Errors: -1 with errno, also that of an exec that failed: ENOENT there is no such program.  Nothing is said.
 */
pid_t process_run(const struct process *p);

/* The same for words, a directory and descriptors. */
pid_t process_start(const char *const argv[], int cwd_fd, const int fds[3]);

/* A pipe whose ends no program inherits. 0, or -1 with errno. */
int process_pipe(int fd[2]);

/* In a child just forked: close all descriptors but 0 to 2 and two more (-1: none). */
void process_close_others(int a, int b);

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
