#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/progress.h"

/* O_NONBLOCK: a fifo put in a file's place must not hang us. */
static int
open_regular(int dirfd, const char *name, int flags, mode_t mode, uint64_t most_bytes, uint64_t *size_bytes)
{
	struct stat st;
	int fd, error;

	if ((fd = openat(dirfd, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode)) == -1) {
		/* A socket, or a fifo that nobody reads; or a device that isn't there. */
		if (errno == ENXIO || errno == ENODEV)
			errno = EMEDIUMTYPE;
		return (-1);
	}
	if (fstat(fd, &st) == -1)
		goto err0;
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EMEDIUMTYPE;
		goto err0;
	}
	if ((uint64_t)st.st_size > most_bytes) {
		errno = EFBIG;
		goto err0;
	}
	if (size_bytes != NULL)
		*size_bytes = (uint64_t)st.st_size;
	return (fd);
err0:
	error = errno;
	close(fd);
	errno = error;
	return (-1);
}

int
file_open(int dirfd, const char *name, uint64_t *size_bytes)
{
	return (open_regular(dirfd, name, O_RDONLY, 0, UINT64_MAX, size_bytes));
}

int
file_open_most(int dirfd, const char *name, uint64_t most_bytes, uint64_t *size_bytes)
{
	return (open_regular(dirfd, name, O_RDONLY, 0, most_bytes, size_bytes));
}

int
file_open_change(int dirfd, const char *name, int flags, mode_t mode)
{
	return (open_regular(dirfd, name, flags, mode, UINT64_MAX, NULL));
}

int
file_open_given(const char *path)
{
	struct stat st;
	int fd;

	if ((fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC)) == -1) {
		if (errno == ENXIO || errno == ENODEV)
			errno = EMEDIUMTYPE;
		return (-1);
	}
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		close(fd);
		errno = EISNAM;
		return (-1);
	}
	return (fd);
}

char *
file_given(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		errno = EISNAM;
		return (NULL);
	}
	return (realpath(path, NULL));
}

int
file_at_fault(int error)
{
	return (error == EISDIR || error == EISNAM || error == EMEDIUMTYPE || error == EFBIG || error == ELOOP);
}

/*
 * All that there is, into *p of *cap bytes, which grows.  A regular file of ${size} bytes (else 0) ends there if a read
 * for one more gave no more.  0 or -1.
 */
static int
read_into(int fd, size_t size, size_t max_bytes, char **p, size_t *cap, size_t *n)
{
	size_t want = size == 0 ? 4096 : size + 1, at = 0;
	char *q;
	ssize_t r;

	if (*cap < want + 1) {
		if ((q = realloc(*p, want + 1)) == NULL)
			return (-1);
		*p = q;
		*cap = want + 1;
	}
	for (;;) {
		if (at + 1 == *cap) {
			if ((q = realloc(*p, 2 * *cap)) == NULL)
				return (-1);
			*p = q;
			*cap *= 2;
		}
		r = read(fd, *p + at, *cap - 1 - at);
		if (r == -1 && errno == EINTR)
			continue;
		if (r == -1)
			return (-1);
		at += (size_t)r;
		if (at > max_bytes) {
			errno = EFBIG;
			return (-1);
		}
		if (r == 0 || (size != 0 && at == size))
			break;
	}
	(*p)[at] = '\0';
	if (n != NULL)
		*n = at;
	return (0);
}

static char *
read_all(int fd, size_t size, size_t max_bytes, size_t *n)
{
	char *p = NULL;
	size_t cap = 0;

	if (read_into(fd, size, max_bytes, &p, &cap, n) == 0)
		return (p);
	free(p);
	return (NULL);
}

char *
file_read_fd(int fd, size_t max_bytes, size_t *n)
{
	struct stat st;
	size_t size = 0;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
		if ((uint64_t)st.st_size > max_bytes) {
			errno = EFBIG;
			return (NULL);
		}
		size = (size_t)st.st_size;
	}
	return (read_all(fd, size, max_bytes, n));
}

char *
file_read(int dirfd, const char *name, size_t max_bytes, size_t *n)
{
	uint64_t size;
	int fd, error;
	char *p;

	if ((fd = file_open_most(dirfd, name, max_bytes, &size)) == -1)
		return (NULL);
	p = read_all(fd, (size_t)size, max_bytes, n);
	error = errno;
	close(fd);
	errno = error;
	return (p);
}

int
file_read_again(int dirfd, const char *name, size_t max_bytes, char **p, size_t *cap, size_t *n)
{
	uint64_t size;
	int fd, error, rc;

	if ((fd = file_open_most(dirfd, name, max_bytes, &size)) == -1)
		return (-1);
	rc = read_into(fd, (size_t)size, max_bytes, p, cap, n);
	error = errno;
	close(fd);
	errno = error;
	return (rc);
}

int
file_write_all(int fd, const void *data, size_t n)
{
	const char *p = data;
	ssize_t w;

	while (n != 0) {
		w = write(fd, p, n);
		if (w == -1 && errno == EINTR)
			continue;
		if (w == -1) {
			/* EFBIG is of what stands there; of what is being written it is a limit that was met. */
			if (errno == EFBIG)
				errno = EMSGSIZE;
			return (-1);
		}
		p += w;
		n -= (size_t)w;
	}
	return (0);
}

int
file_read_at(int fd, void *out, size_t n, uint64_t offset)
{
	char *p = out;
	ssize_t r;

	while (n != 0) {
		r = pread(fd, p, n, (off_t)offset);
		if (r == -1 && errno == EINTR)
			continue;
		if (r == -1)
			return (-1);
		if (r == 0) {
			errno = ENODATA;
			return (-1);
		}
		p += r;
		n -= (size_t)r;
		offset += (uint64_t)r;
		progress_tick();
	}
	return (0);
}
