#ifndef HG_FILE_H
#define HG_FILE_H

#include <stddef.h>
#include <stdint.h>

/**
 * Reading files that may be missing, hostile or half there.  Only regular
 * files are opened, never through a symbolic link in the last component.
 * Errors: -1 or NULL with errno; ENOENT is ordinary; ELOOP a symbolic link;
 * EISDIR or EINVAL something not a regular file; EFBIG larger than allowed.
 * Nothing is said.
 */

/* Open for reading, close-on-exec; the size in *size_bytes unless NULL. */
int file_open(int dirfd, const char *name, uint64_t *size_bytes);

/* The whole file, NUL-terminated, at most max_bytes long. Owns: the caller frees. */
char *file_read(int dirfd, const char *name, size_t max_bytes, size_t *n);

/* As file_read for a descriptor's remaining bytes. */
char *file_read_fd(int fd, size_t max_bytes, size_t *n);

/* Write all of it, whatever the signals; 0 or -1. */
int file_write_all(int fd, const void *data, size_t n);

/* Read exactly n bytes at an offset; 0, or -1 with errno, ENODATA if the file is shorter. */
int file_read_at(int fd, void *out, size_t n, uint64_t offset);

#endif
