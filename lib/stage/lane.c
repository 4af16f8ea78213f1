#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stage/lane.h"
#include "base/proc.h"
#include "base/say.h"

/* Make a directory and those above it; 0 or -1. */
static int
make_path(char *path)
{
	char *p;

	for (p = path + 1; (p = strchr(p, '/')) != NULL; p++) {
		*p = '\0';
		if (mkdir(path, 0777) == -1 && errno != EEXIST) {
			*p = '/';
			return (-1);
		}
		*p = '/';
	}
	return (mkdir(path, 0777) == -1 && errno != EEXIST ? -1 : 0);
}

static int
folder(char *out, size_t size)
{
	const char *p;
	int n;

	if ((p = getenv("HOMEGOLF_LANES")) != NULL && *p != '\0')
		n = snprintf(out, size, "%s", p);
	else if ((p = getenv("XDG_STATE_HOME")) != NULL && *p == '/')
		n = snprintf(out, size, "%s/homegolf/lanes", p);
	else if ((p = getenv("HOME")) != NULL && *p == '/')
		n = snprintf(out, size, "%s/.local/state/homegolf/lanes", p);
	else
		n = snprintf(out, size, "/tmp/homegolf-%lu/lanes", (unsigned long)getuid());
	if (n < 0 || (size_t)n >= size) {
		errno = ENAMETOOLONG;
		return (-1);
	}
	return (0);
}

int
lane_open(const char *lane)
{
	char path[PATH_MAX / 2], file[PATH_MAX];
	struct proc_id here;
	int fd;

	if (folder(path, sizeof(path)) == -1 || make_path(path) == -1 || proc_machine(&here) == -1) {
		say_errno("cannot make the directory of lanes '%s'", path);
		return (-1);
	}
	/* A home may be shared by machines; lanes are not. */
	snprintf(file, sizeof(file), "%s/%s.%s.lock", path, here.host, lane);
	if (strchr(lane, '/') != NULL) {
		errno = EINVAL;
		fd = -1;
	} else
		fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
	if (fd == -1)
		say_errno("cannot open lane '%s'", file);
	return (fd);
}

int
lane_take(int fd, const char *run)
{
	char text[LANE_HOLDER_SIZE], clean[LANE_HOLDER_SIZE - 64];
	int n;

	if (proc_lock(fd) == -1)
		return (-1);
	/* For people only; nothing is lost if it can't be written. */
	n = snprintf(text, sizeof(text), "process %ld, run '%s'", (long)getpid(), say_clean(clean, sizeof(clean), run));
	memset(text + n, ' ', sizeof(text) - (size_t)n);
	text[sizeof(text) - 1] = '\n';
	if (pwrite(fd, text, sizeof(text), 0) == -1)
		return (0);
	return (0);
}

char *
lane_holder(int fd, char out[LANE_HOLDER_SIZE])
{
	char text[LANE_HOLDER_SIZE];
	ssize_t n;

	if ((n = pread(fd, text, sizeof(text) - 1, 0)) <= 0) {
		strcpy(out, "somebody");
		return (out);
	}
	while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\n'))
		n--;
	text[n] = '\0';
	return (say_clean(out, LANE_HOLDER_SIZE, text));
}
