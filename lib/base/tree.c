#define _GNU_SOURCE /* O_PATH */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/tree.h"

/* Deeper than any limit may allow: each level holds a descriptor. */
#define MEASURE_DEPTH 64

static DIR *
open_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), error;
	DIR *d;

	if (fd == -1)
		return (NULL);
	if ((d = fdopendir(fd)) == NULL) {
		error = errno;
		close(fd);
		errno = error;
	}
	return (d);
}

int
tree_make_way(int at, const char *name)
{
	const char *slash;
	char path[256];

	for (slash = strchr(name, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		snprintf(path, sizeof(path), "%.*s", (int)(slash - name), name);
		if (mkdirat(at, path, 0777) == -1 && errno != EEXIST)
			return (-1);
	}
	return (0);
}

static int
is_dots(const char *name)
{
	return (strcmp(name, ".") == 0 || strcmp(name, "..") == 0);
}

/* One directory; ${entries} and ${depth} are what is left of each. */
static int
measure(int at, const char *name, uint64_t most, uint64_t *entries, uint64_t depth, uint64_t *bytes)
{
	struct dirent *e;
	struct stat st;
	int rc = 0;
	DIR *d;

	if (depth == 0)
		return (1);
	/* One that is closed to us is over every limit. */
	if ((d = open_dir(at, name)) == NULL)
		return (errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : errno == EACCES ? 1 : -1);
	while (rc == 0 && (e = readdir(d)) != NULL) {
		if (is_dots(e->d_name) || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1)
			continue;
		*bytes += (uint64_t)st.st_blocks * 512;
		if (*entries == 0 || *bytes > most)
			rc = 1;
		else if (--*entries, S_ISDIR(st.st_mode))
			rc = measure(dirfd(d), e->d_name, most, entries, depth - 1, bytes);
	}
	closedir(d);
	return (rc);
}

int
tree_measure(int at, const char *name, const struct tree_limits *limits, uint64_t *bytes)
{
	uint64_t entries = limits->entries;

	return (measure(at, name, limits->bytes, &entries,
	    limits->depth < MEASURE_DEPTH ? limits->depth : MEASURE_DEPTH, bytes));
}

/* The same for a directory that shall go: one that was closed to us, its owner, is opened. */
static DIR *
open_closed(int at, const char *name)
{
	char path[64];
	DIR *d;
	int fd;

	if ((d = open_dir(at, name)) != NULL || errno != EACCES ||
	    (fd = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1)
		return (d);
	/* By its descriptor, since the name may lead elsewhere by now. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (chmod(path, 0700) == 0)
		d = open_dir(at, name);
	close(fd);
	return (d);
}

/* Take ${name}'s directories out of it, up beside it, and remove its files: then it is empty. */
static int
empty(int at, const char *name, uint64_t *serial)
{
	struct dirent *e;
	char up[80];
	int rc = 0, opened;
	DIR *d, *below;

	if ((d = open_closed(at, name)) == NULL)
		return (-1);
	/* Without these permissions of its own nothing leaves a directory. */
	(void)fchmod(dirfd(d), 0700);
	while ((e = readdir(d)) != NULL) {
		if (is_dots(e->d_name) || unlinkat(dirfd(d), e->d_name, 0) == 0 || errno == ENOENT)
			continue;
		if (errno != EISDIR && errno != EPERM) {
			rc = -1;
			break;
		}
		/* A directory that has none below it goes at once. */
		if (unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR) == 0)
			continue;
		opened = 0;
		do {
			snprintf(up, sizeof(up), ".removed.%ld.%llu", (long)getpid(), (unsigned long long)++*serial);
			rc = renameat(dirfd(d), e->d_name, at, up);
			/* One that we may not write to does not change its parent, either; a mount stays as it is. */
			if (rc == 0 || errno != EACCES || opened)
				continue;
			if ((below = open_closed(dirfd(d), e->d_name)) == NULL)
				break;
			(void)fchmod(dirfd(below), 0700);
			closedir(below);
			opened = 1;
			errno = EEXIST;
		} while (rc == -1 && (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR));
		if (rc == -1)
			break;
	}
	closedir(d);
	return (rc);
}

/* Is this what an interrupted removal, or this one, took up? */
static int
was_taken_up(const char *name)
{
	return (strncmp(name, ".removed.", sizeof(".removed.") - 1) == 0);
}

/* Remove all that was taken up into ${at}: each one may take up more. 1 if there was some. */
static int
remove_taken_up(int at, uint64_t *serial)
{
	struct dirent *e;
	int some = 0;
	DIR *d;

	if ((d = open_dir(at, ".")) == NULL)
		return (-1);
	while ((e = readdir(d)) != NULL) {
		if (!was_taken_up(e->d_name))
			continue;
		some = 1;
		if (unlinkat(at, e->d_name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			continue;
		/* Somebody else's, of such a name. */
		if (errno == ENOTDIR && unlinkat(at, e->d_name, 0) == 0)
			continue;
		if ((errno != ENOTEMPTY && errno != EEXIST && errno != EACCES) || empty(at, e->d_name, serial) == -1 ||
		    (unlinkat(at, e->d_name, AT_REMOVEDIR) == -1 && errno != ENOENT)) {
			some = -1;
			break;
		}
	}
	closedir(d);
	return (some);
}

/* The same for a name without a slash. */
static int
remove_name(int at, const char *name)
{
	uint64_t serial = 0;
	int some;

	if (unlinkat(at, name, 0) == -1 && errno != ENOENT) {
		if (errno != EISDIR && errno != EPERM)
			return (-1);
		if (empty(at, name, &serial) == -1 || unlinkat(at, name, AT_REMOVEDIR) == -1)
			return (-1);
	}
	while ((some = remove_taken_up(at, &serial)) == 1)
		continue;
	return (some);
}

int
tree_remove(int at, const char *name)
{
	const char *slash = strrchr(name, '/');
	char way[PATH_MAX];
	int fd, rc, error;

	if (slash == NULL)
		return (remove_name(at, name));
	/* What is taken up stays beside it, on its file system. */
	if (snprintf(way, sizeof(way), "%.*s", slash == name ? 1 : (int)(slash - name), name) >= (int)sizeof(way)) {
		errno = ENAMETOOLONG;
		return (-1);
	}
	if ((fd = openat(at, way, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (-1);
	rc = remove_name(fd, slash + 1);
	error = errno;
	close(fd);
	errno = error;
	return (rc);
}
