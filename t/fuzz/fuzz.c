#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "t/fuzz/fuzz.h"
#include "base/file.h"

static char dir[PATH_MAX];

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return (remove(path));
}

static void
clean(void)
{
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *
fuzz_dir(void)
{
	const char *base = getenv("TMPDIR");

	if (dir[0] == '\0') {
		snprintf(dir, sizeof(dir), "%s/fuzz.XXXXXX",
		    base != NULL                      ? base :
			access("/dev/shm", W_OK) == 0 ? "/dev/shm" :
							"/tmp");
		if (mkdtemp(dir) == NULL)
			abort();
		atexit(clean);
	}
	return (dir);
}

const char *
fuzz_file(const char *name, const void *data, size_t n)
{
	static char path[PATH_MAX + 64];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", fuzz_dir(), name);
	if ((fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) == -1 ||
	    file_write_all(fd, data, n) == -1 || close(fd) == -1)
		abort();
	return (path);
}

void
fuzz_must(int holds)
{
	if (!holds)
		abort();
}
