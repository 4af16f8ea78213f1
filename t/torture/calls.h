#ifndef HG_CALLS_H
#define HG_CALLS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/**
 * System calls as the tracer sees them: which exist, what sort each is, how a
 * stopped one is read and forged.  All that depends on the processor is here
 * (x86_64 and aarch64).
 */

/* Sorts of calls; a call may be of several. */
enum calls_sort {
	CALLS_WRITE = 1 << 0,
	CALLS_SYNC = 1 << 1,
	CALLS_RENAME = 1 << 2,
	CALLS_LINK = 1 << 3,
	CALLS_UNLINK = 1 << 4,
	CALLS_MKDIR = 1 << 5,
	CALLS_TRUNCATE = 1 << 6,
	CALLS_OPEN = 1 << 7,
	CALLS_CLOSE = 1 << 8,
	CALLS_FORK = 1 << 9,
	CALLS_EXEC = 1 << 10,
	CALLS_ALLOC = 1 << 11,
	CALLS_LOCK = 1 << 12,
	CALLS_SIGNAL = 1 << 13,
	CALLS_READ = 1 << 14,
	CALLS_WAIT = 1 << 15,
	CALLS_DESC = 1 << 16, /* makes a descriptor: pipe, pidfd, inotify */
	CALLS_EXIT = 1 << 17,
	CALLS_OTHER = 1 << 18,
	CALLS_CREATES = 1 << 19 /* an open that may make or cut a file */
};

/* A call at its entry. */
struct calls {
	long nr;
	uint64_t args[6];
	uint64_t ip;
	unsigned sorts;
};

/**
 * calls_set(text, sorts):
 * Read "write,sync,..." into a set of sorts; "all" is every call and "change"
 * the calls by which a process changes something outside itself.
 * Errors: -1 for a word that is none.
 */
int calls_set(const char *text, unsigned *sorts);

/* The words that calls_set takes, separated by blanks; and one by one, with its sorts: NULL at the end. */
const char *calls_words(void);
const char *calls_word(size_t i, unsigned *sorts);

/* Name of a call; "call_NNN" in a static buffer if the table lacks it. */
const char *calls_name(long nr);

/**
 * calls_stop(tid, c, result):
 * What a system call stop of ${tid} is: 1 an entry, *c filled; 2 an exit,
 * *result filled (-errno on failure); 0 neither; -1 the process is gone.
 */
int calls_stop(pid_t tid, struct calls *c, int64_t *result);

/**
 * At an entry, let the call not happen; at the exit that follows, let it have
 * failed with ${error}.  Two fail otherwise: brk by telling where the break is,
 * and close happens all the same, for Linux lets go of a descriptor before it
 * looks for errors.  One that stayed open would be a pipe without an end, which
 * no program can guard against and none will meet.
 * Errors: -1 if the process is gone.
 */
int calls_skip(pid_t tid, const struct calls *c);
int calls_forge(pid_t tid, const struct calls *c, int error);

/* Text at an address of a stopped process, cut at size - 1 bytes; 0, or -1 if unreadable. */
int calls_text(pid_t tid, uint64_t address, char *out, size_t size);

/* What a descriptor of a stopped process is: its path as /proc tells (may be NULL) and its inode; 0 or -1. */
int calls_fd(pid_t tid, int fd, char *path, size_t size, struct stat *st);

/**
 * calls_path(tid, dirfd, address, path, dir_st):
 * Resolve a path argument: its directory's canonical path and its own last
 * component, links in which are not followed, and the directory's inode.
 * Units:  path holds PATH_MAX bytes.
 * Errors: -1 if the directory is not there or the path is too long.
 */
int calls_path(pid_t tid, int dirfd, uint64_t address, char *path, struct stat *dir_st);

/* errno by name: "ENOSPC"; 0 if none. */
int calls_errno(const char *name);

#endif
