#ifndef HG_FILE_H
#define HG_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * Reading files that may be missing, hostile or half there.  Only regular
 * files are opened, never through a symbolic link in the last component.
 * Errors: -1 or NULL with errno; ENOENT is ordinary; ELOOP a symbolic link;
 * EISDIR a directory; EMEDIUMTYPE a fifo, a socket or a device; EFBIG larger
 * than allowed, by its size alone and before a byte is read.  No open waits for
 * another process but file_open_given's, and of that and file_given the errno
 * for a directory, which nobody is to move, is EISNAM.  Nothing is said; say_why has words.
 * Checked: t/kinds.bats, t/style.bats (nobody else opens files for reading).
 */

/* Open for reading, close-on-exec; the size in *size_bytes unless NULL. */
int file_open(int dirfd, const char *name, uint64_t *size_bytes);

/* The same for a file that is no larger than that. */
int file_open_most(int dirfd, const char *name, uint64_t most_bytes, uint64_t *size_bytes);

/* Open one of our own files for writing: O_WRONLY or O_RDWR, and O_CREAT (with that mode), O_APPEND, O_TRUNC. */
int file_open_change(int dirfd, const char *name, int flags, mode_t mode);

/* Open what the user names for us to read: links are followed and a pipe will do; "-" is standard input. */
int file_open_given(const char *path);

/* Where that lies, absolute and without links. Owns: the caller frees. */
char *file_given(const char *path);

/* Is that errno of an open or a read the fault of what stands there, and not of the system? */
int file_at_fault(int error);

/* The whole file, NUL-terminated, at most max_bytes long. Owns: the caller frees. */
char *file_read(int dirfd, const char *name, size_t max_bytes, size_t *n);

/* As file_read, for who reads many: into *p of *cap bytes (at first NULL and 0), which grows. 0, or -1 with errno. */
int file_read_again(int dirfd, const char *name, size_t max_bytes, char **p, size_t *cap, size_t *n);

/* As file_read for a descriptor's remaining bytes. */
char *file_read_fd(int fd, size_t max_bytes, size_t *n);

/* Write all of it, whatever the signals; 0, or -1 with errno, EMSGSIZE past the limit on a file. */
int file_write_all(int fd, const void *data, size_t n);

/* Read exactly n bytes at an offset; 0, or -1 with errno, ENODATA if the file is shorter. */
int file_read_at(int fd, void *out, size_t n, uint64_t offset);

#endif
