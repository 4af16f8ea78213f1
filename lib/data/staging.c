#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "base/file.h"
#include "base/proc.h"
#include "data/staging.h"

#define PREFIX ".tmp."
#define LOCK ".lock"
#define RANDOM_BYTES 8
#define NAME_BYTES 220
#define LONGEST_NAME 255

struct staging {
	char *path; /* our copy of the directory's, cut behind the parent */
	const char *name;
	int parent_fd, fd, lock_fd;
	const char *notes; /* the file that tells a directory to go on in; NULL: none is */
	int committed, kept;
	char temp[LONGEST_NAME + 1], lock[LONGEST_NAME + 1];
};

/* Remove a directory of ours: it holds files only. */
static void
remove_flat(int parent_fd, const char *name)
{
	struct dirent *e;
	DIR *d;
	int fd;

	if ((fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) == -1)
		return;
	if ((d = fdopendir(fd)) == NULL) {
		close(fd);
		return;
	}
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			unlinkat(fd, e->d_name, 0);
	closedir(d);
	unlinkat(parent_fd, name, AT_REMOVEDIR);
}

/* Go on in a dead writer's directory, whose lock is ours now, if it has notes: 1 or 0. */
static int
take_over(struct staging *s, const char *temp, const char *lock, int lock_fd)
{
	struct stat st;
	int fd;

	if (s->notes == NULL || s->fd != -1 || fstat(lock_fd, &st) == -1 || st.st_nlink != 1 ||
	    (fd = openat(s->parent_fd, temp, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) == -1)
		return (0);
	if (faccessat(fd, s->notes, F_OK, AT_SYMLINK_NOFOLLOW) == -1) {
		close(fd);
		return (0);
	}
	snprintf(s->temp, sizeof(s->temp), "%s", temp);
	snprintf(s->lock, sizeof(s->lock), "%s", lock);
	s->fd = fd;
	s->lock_fd = lock_fd;
	return (1);
}

/* The writer of this lock file is dead: go on in what it left, or remove that. */
static void
sweep_one(struct staging *s, const char *lock)
{
	char temp[LONGEST_NAME + 1];
	int fd;

	if ((fd = file_open_change(s->parent_fd, lock, O_RDWR, 0)) == -1)
		return;
	if (proc_lock(fd) == 0) {
		snprintf(temp, sizeof(temp), "%.*s", (int)(strlen(lock) - strlen(LOCK)), lock);
		if (take_over(s, temp, lock, fd))
			return;
		remove_flat(s->parent_fd, temp);
		unlinkat(s->parent_fd, lock, 0);
	}
	close(fd);
}

static void
sweep(struct staging *s)
{
	char prefix[LONGEST_NAME + 1];
	size_t n = (size_t)snprintf(prefix, sizeof(prefix), PREFIX "%s.", s->name), length;
	struct dirent *e;
	DIR *d;
	int fd;

	if ((fd = openat(s->parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return;
	if ((d = fdopendir(fd)) == NULL) {
		close(fd);
		return;
	}
	while ((e = readdir(d)) != NULL) {
		length = strlen(e->d_name);
		if (length == n + 2 * RANDOM_BYTES + strlen(LOCK) && strncmp(e->d_name, prefix, n) == 0 &&
		    strcmp(e->d_name + length - strlen(LOCK), LOCK) == 0)
			sweep_one(s, e->d_name);
	}
	closedir(d);
}

/* Parent and name; slashes at the end don't count. */
static int
split_path(struct staging *s, const char *dir)
{
	char *slash;
	size_t n;

	if ((s->path = strdup(dir)) == NULL)
		return (-1);
	for (n = strlen(s->path); n > 1 && s->path[n - 1] == '/'; n--)
		s->path[n - 1] = '\0';
	slash = strrchr(s->path, '/');
	s->name = slash == NULL ? s->path : slash + 1;
	if (*s->name == '\0' || strcmp(s->name, ".") == 0 || strcmp(s->name, "..") == 0 ||
	    strlen(s->name) > NAME_BYTES) {
		errno = EINVAL;
		return (-1);
	}
	if (slash != NULL)
		*slash = '\0';
	s->parent_fd = open(slash == NULL ? "." : slash == s->path ? "/" : s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return (s->parent_fd == -1 ? -1 : 0);
}

/* The lock file, held. In the instant before, another writer's sweep may take it for a dead one's: again, then. */
static int
make_lock(struct staging *s)
{
	struct stat st;
	int tries, error = EAGAIN;

	for (tries = 0; tries < 100 && error == EAGAIN; tries++) {
		if ((s->lock_fd = file_open_change(s->parent_fd, s->lock, O_RDWR | O_CREAT, 0600)) == -1)
			return (-1);
		if (proc_lock(s->lock_fd) == -1 || fstat(s->lock_fd, &st) == -1)
			error = errno == EINTR ? EAGAIN : errno;
		else if (st.st_nlink == 1)
			return (0);
		close(s->lock_fd);
		s->lock_fd = -1;
	}
	errno = error;
	return (-1);
}

void
staging_sweep(const char *dir)
{
	struct staging *s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return;
	s->parent_fd = s->fd = s->lock_fd = -1;
	if (split_path(s, dir) == 0)
		sweep(s);
	staging_free(s);
}

struct staging *
staging_begin(const char *dir, const char *notes, struct inputerror *f)
{
	char random[2 * RANDOM_BYTES + 1];
	struct staging *s;

	if ((s = calloc(1, sizeof(*s))) == NULL) {
		inputerror_errno(f, "make", dir);
		return (NULL);
	}
	s->parent_fd = s->fd = s->lock_fd = -1;
	s->notes = notes;
	if (split_path(s, dir) == -1)
		goto err0;
	sweep(s);
	if (s->fd != -1)
		return (s);
	if (proc_random_hex(random, RANDOM_BYTES) == -1)
		goto err0;
	snprintf(s->temp, sizeof(s->temp), PREFIX "%.*s.%s", NAME_BYTES, s->name, random);
	snprintf(s->lock, sizeof(s->lock), PREFIX "%.*s.%s" LOCK, NAME_BYTES, s->name, random);
	if (make_lock(s) == -1 || mkdirat(s->parent_fd, s->temp, 0777) == -1 ||
	    (s->fd = openat(s->parent_fd, s->temp, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		goto err0;
	return (s);
err0:
	inputerror_errno(f, "make", dir);
	staging_free(s);
	return (NULL);
}

int
staging_fd(const struct staging *s)
{
	return (s->fd);
}

int
staging_commit(struct staging *s, struct inputerror *f)
{
	if (atomfile_sync_dir(s->fd) == -1)
		return (inputerror_errno(f, "write", s->name));
	/* Of directories rename replaces empty ones alone. */
	if (renameat(s->parent_fd, s->temp, s->parent_fd, s->name) == -1) {
		if (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR)
			return (STAGING_TAKEN);
		return (inputerror_errno(f, "make", s->name));
	}
	s->committed = 1;
	if (atomfile_sync_dir(s->parent_fd) == -1)
		return (inputerror_errno(f, "write", s->name));
	return (0);
}

int
staging_keep(struct staging *s)
{
	s->kept = s->notes != NULL && faccessat(s->fd, s->notes, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	return (s->kept);
}

void
staging_free(struct staging *s)
{
	/* First the descriptor: removing needs one, and there may be no other. */
	if (s->fd != -1)
		close(s->fd);
	if (s->parent_fd != -1 && !s->committed && !s->kept && s->temp[0] != '\0')
		remove_flat(s->parent_fd, s->temp);
	if (s->lock_fd != -1) {
		/* What could not be removed is left to the next writer's sweep, which goes by the lock file. */
		if (s->committed || faccessat(s->parent_fd, s->temp, F_OK, AT_SYMLINK_NOFOLLOW) == -1)
			unlinkat(s->parent_fd, s->lock, 0);
		close(s->lock_fd);
	}
	if (s->parent_fd != -1)
		close(s->parent_fd);
	free(s->path);
	free(s);
}
