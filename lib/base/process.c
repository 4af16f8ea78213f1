#define _GNU_SOURCE /* close_range */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/process.h"

extern char **environ;

/* Give ${fd}, or /dev/null for -1, to the child as descriptor ${as}. */
static int
place(int fd, int as)
{
	if (fd == -1 && (fd = open("/dev/null", as == 0 ? O_RDONLY : O_WRONLY)) == -1)
		return (-1);
	if (fd != as)
		return (dup2(fd, as));
	return (fcntl(fd, F_SETFD, 0));
}

/* What else is open here, whoever opened it, is not the program's: a pipe that it held would never end. */
static void
keep_standard(void)
{
	int fd, most;

	if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
		return;
	most = (int)sysconf(_SC_OPEN_MAX);
	for (fd = 3; fd < most; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* In the child. Only returns if the program could not be started. */
static void
become(const struct process *p, pid_t parent)
{
	char *const *argv = (char *const *)(size_t)p->argv;
	struct rlimit most = { (rlim_t)p->file_bytes, (rlim_t)p->file_bytes };
	int i, high[3];

	if (proc_die_with_parent(parent) == -1 || (p->leads && setpgid(0, 0) == -1))
		return;
	if (p->cwd_fd != AT_FDCWD && fchdir(p->cwd_fd) == -1)
		return;
	if (p->file_bytes != 0)
		(void)setrlimit(RLIMIT_FSIZE, &most);
	/* First out of the way of 0 to 2, so that no order of descriptors overwrites one still needed. */
	for (i = 0; i < 3; i++)
		if ((high[i] = p->fds[i]) != -1 && (high[i] = fcntl(p->fds[i], F_DUPFD_CLOEXEC, 3)) == -1)
			return;
	for (i = 0; i < 3; i++)
		if (place(high[i], i) == -1)
			return;
	keep_standard();
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	if (p->env != NULL)
		environ = (char **)(size_t)p->env;
	if (p->path != NULL)
		execv(p->path, argv);
	else
		execvp(argv[0], argv);
}

int
process_pipe(int fd[2])
{
	if (pipe(fd) == -1)
		return (-1);
	fcntl(fd[0], F_SETFD, FD_CLOEXEC);
	fcntl(fd[1], F_SETFD, FD_CLOEXEC);
	return (0);
}

void
process_close_others(int a, int b)
{
	int low = a < b ? a : b, high = a < b ? b : a;
	struct dirent *e;
	uint64_t fd;
	DIR *d;

	/* Without a descriptor, which there may be none of: below the one, between both, above the other. */
	low = low < 3 ? 2 : low;
	high = high < 3 ? 2 : high;
	if ((low <= 3 || close_range(3, (unsigned)low - 1, 0) == 0) &&
	    (high - low < 2 || close_range((unsigned)low + 1, (unsigned)high - 1, 0) == 0) &&
	    close_range((unsigned)high + 1, ~0U, 0) == 0)
		return;
	if ((d = opendir("/proc/self/fd")) == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		if (num_u64(e->d_name, 3, 1 << 30, &fd) == 0 && (int)fd != a && (int)fd != b && (int)fd != dirfd(d))
			close((int)fd);
	closedir(d);
}

int
process_wait(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		continue;
	return (status);
}

pid_t
process_start(const char *const argv[], int cwd_fd, const int fds[3])
{
	return (process_run(&(struct process){ .argv = argv, .cwd_fd = cwd_fd, .fds = { fds[0], fds[1], fds[2] } }));
}

pid_t
process_run(const struct process *p)
{
	int report[2], error = 0;
	pid_t parent = getpid(), pid;
	ssize_t n;

	if (process_pipe(report) == -1)
		return (-1);
	if ((pid = fork()) == -1)
		goto err0;
	if (pid == 0) {
		become(p, parent);
		error = errno;
		n = write(report[1], &error, sizeof(error));
		_exit(n == (ssize_t)sizeof(error) ? 127 : 126);
	}
	close(report[1]);
	/* The pipe closes by itself when the program has started. */
	do
		n = read(report[0], &error, sizeof(error));
	while (n == -1 && errno == EINTR);
	/* What it could not say is our own failure to read it, or that it died of something else. */
	if (n != (ssize_t)sizeof(error))
		error = n == -1 ? errno : ECHILD;
	close(report[0]);
	if (n == 0)
		return (pid);
	(void)kill(pid, SIGKILL);
	(void)process_wait(pid);
	errno = error;
	return (-1);
err0:
	error = errno;
	close(report[0]);
	close(report[1]);
	errno = error;
	return (-1);
}

int
process_sibling(const char *name, char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size);
	char *slash;

	if (n == -1)
		return (-1);
	if ((size_t)n < size) {
		path[n] = '\0';
		slash = strrchr(path, '/');
		if (slash != NULL && (size_t)(slash + 1 - path) + strlen(name) < size) {
			strcpy(slash + 1, name);
			return (0);
		}
	}
	errno = ENAMETOOLONG;
	return (-1);
}
