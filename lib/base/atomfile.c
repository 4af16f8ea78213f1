#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"

/* Temporaries are `.tmp.NAME.WRITER.SEQ`: a sweep finds those of one name, and their writers. */
#define PREFIX ".tmp."

/* A writer that can't be looked at, on another machine or before a restart, has not written for that long when dead. */
#define SWEEP_MS ((int64_t)10 * 60 * 1000)

#define WRITER_SIZE 64

struct atomfile {
	int dirfd, fd;
	char name[256];
	char temp[256 + WRITER_SIZE + 20];
};

static void
discard(struct atomfile *a)
{
	int error = errno;

	if (a->fd != -1)
		close(a->fd);
	unlinkat(a->dirfd, a->temp, 0);
	free(a);
	errno = error;
}

/* `PID-START-BOOT`, of this process: its pid alone is not an identity, and says nothing on another machine. */
static const char *
writer(void)
{
	static char text[WRITER_SIZE];
	static pid_t of;
	struct proc_id me;

	if (of == getpid())
		return (text);
	if (proc_self(&me) == -1)
		memset(&me, 0, sizeof(me));
	of = getpid();
	snprintf(text, sizeof(text), "%ld-%llu-%.8s", (long)of, (unsigned long long)me.start_time, me.boot_id);
	return (text);
}

/* May the temporary whose name ends in that be removed? What no version of ours has named so may. */
static int
is_left(int dirfd, const char *name, const char *end)
{
	unsigned long long start;
	struct proc_id id;
	char boot[9];
	struct stat st;
	long pid;

	if (sscanf(end, "%ld-%llu-%8[0-9a-f].", &pid, &start, boot) != 3 || proc_machine(&id) == -1)
		return (1);
	if (strncmp(id.boot_id, boot, 8) == 0) {
		id.pid = (pid_t)pid;
		id.start_time = start;
		return (proc_alive(&id) == 0);
	}
	return (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    clock_wall_ms() - (int64_t)st.st_mtime * 1000 > SWEEP_MS);
}

struct atomfile *
atomfile_begin(int dirfd, const char *name)
{
	static unsigned sequence;
	struct atomfile *a;

	if (strlen(name) >= sizeof(a->name) || strchr(name, '/') != NULL) {
		errno = EINVAL;
		return (NULL);
	}
	if ((a = malloc(sizeof(*a))) == NULL)
		return (NULL);
	a->dirfd = dirfd;
	strcpy(a->name, name);
	do {
		snprintf(a->temp, sizeof(a->temp), PREFIX "%s.%s.%u", name, writer(), sequence++);
		a->fd = openat(dirfd, a->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	} while (a->fd == -1 && errno == EEXIST);
	if (a->fd == -1) {
		free(a);
		return (NULL);
	}
	return (a);
}

int
atomfile_fd(const struct atomfile *a)
{
	return (a->fd);
}

int
atomfile_sync_dir(int dirfd)
{
	int fd, rc, error;

	/* A descriptor opened with O_PATH can't be synced; this one can. */
	if ((fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (-1);
	rc = fsync(fd);
	error = errno;
	close(fd);
	errno = error;
	return (rc);
}

/**
 * Publish without overwriting: in one step, so that a kill leaves either the
 * temporary or the name; where the file system cannot, by link, after which the
 * temporary is a second name.  Network file systems may report EEXIST for a
 * link that succeeded on a resent request.
 */
static int
publish_new(struct atomfile *a)
{
	struct stat mine, there;

	if (proc_rename_new(a->dirfd, a->temp, a->name) == 0)
		return (0);
	if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
		return (-1);
	if (linkat(a->dirfd, a->temp, a->dirfd, a->name, 0) == -1) {
		if (errno != EEXIST)
			return (-1);
		if (fstatat(a->dirfd, a->temp, &mine, AT_SYMLINK_NOFOLLOW) == -1 ||
		    fstatat(a->dirfd, a->name, &there, AT_SYMLINK_NOFOLLOW) == -1 || mine.st_ino != there.st_ino ||
		    mine.st_dev != there.st_dev) {
			errno = EEXIST;
			return (-1);
		}
	}
	/* Published already: a temporary that can't be removed waits for a sweep. */
	(void)unlinkat(a->dirfd, a->temp, 0);
	return (0);
}

int
atomfile_commit(struct atomfile *a, enum atomfile_verb verb)
{
	int rc;

	if (verb != ATOMFILE_POST && fsync(a->fd) == -1)
		goto err0;
	rc = close(a->fd);
	a->fd = -1;
	if (rc == -1)
		goto err0;
	if (verb == ATOMFILE_CREATE) {
		if (publish_new(a) == -1)
			goto err0;
	} else if (renameat(a->dirfd, a->temp, a->dirfd, a->name) == -1)
		goto err0;
	if (verb != ATOMFILE_POST && atomfile_sync_dir(a->dirfd) == -1)
		goto err1;
	free(a);
	return (0);
err0:
	discard(a);
	return (-1);
err1:
	/* Published, but perhaps not for good: the caller must not go on as if it were. */
	free(a);
	return (-1);
}

void
atomfile_abort(struct atomfile *a)
{
	if (a != NULL)
		discard(a);
}

static int
whole(int dirfd, const char *name, const void *data, size_t n, enum atomfile_verb verb)
{
	struct atomfile *a;
	int tries, rc = -1;

	/* Where no lock guards the name, another writer's sweep may take the temporary away: then once more. */
	for (tries = 0; tries < 3 && rc == -1; tries++) {
		if ((a = atomfile_begin(dirfd, name)) == NULL)
			return (-1);
		if (file_write_all(a->fd, data, n) == -1) {
			discard(a);
			return (-1);
		}
		if ((rc = atomfile_commit(a, verb)) == -1 && errno != ENOENT)
			return (-1);
	}
	return (rc);
}

int
atomfile_replace(int dirfd, const char *name, const void *data, size_t n)
{
	return (whole(dirfd, name, data, n, ATOMFILE_REPLACE));
}

int
atomfile_create(int dirfd, const char *name, const void *data, size_t n)
{
	return (whole(dirfd, name, data, n, ATOMFILE_CREATE));
}

int
atomfile_post(int dirfd, const char *name, const void *data, size_t n)
{
	return (whole(dirfd, name, data, n, ATOMFILE_POST));
}

int
atomfile_append(int dirfd, const char *name, const void *data, size_t n)
{
	struct stat before;
	int fd, error;

	if ((fd = file_open_change(dirfd, name, O_WRONLY | O_APPEND | O_CREAT, 0644)) == -1)
		return (-1);
	if (fstat(fd, &before) == -1)
		goto err0;
	/* What could not be written whole is taken back; a kill in between leaves a torn tail for the next writer. */
	if (file_write_all(fd, data, n) == -1 || fsync(fd) == -1)
		goto err1;
	if (close(fd) == -1)
		return (-1);
	/* The first append makes the name, which must last as long as the bytes. */
	if (before.st_size == 0 && atomfile_sync_dir(dirfd) == -1)
		return (-1);
	return (0);
err1:
	error = errno;
	if (ftruncate(fd, before.st_size) == -1) {
		/* The torn tail stays; the next writer moves it aside. */
	}
	errno = error;
err0:
	error = errno;
	close(fd);
	errno = error;
	return (-1);
}

int
atomfile_sweep(int dirfd, const char *name)
{
	char prefix[300];
	struct dirent *e;
	size_t n;
	DIR *d;
	int fd;

	n = (size_t)snprintf(prefix, sizeof(prefix), PREFIX "%s.", name);
	if ((fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (-1);
	if ((d = fdopendir(fd)) == NULL) {
		close(fd);
		return (-1);
	}
	while ((e = readdir(d)) != NULL)
		if (strncmp(e->d_name, prefix, n) == 0 && is_left(dirfd, e->d_name, e->d_name + n))
			unlinkat(dirfd, e->d_name, 0);
	closedir(d);
	return (0);
}

int
atomfile_remove(int dirfd, const char *name)
{
	if (unlinkat(dirfd, name, 0) == -1 && errno != ENOENT)
		return (-1);
	return (0);
}
