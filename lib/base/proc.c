#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

/* Of an environment; the kernel bounds it by a quarter of the stack. */
#define MARK_SEARCH_BYTES ((size_t)8 << 20)

/* A file of /proc or /sys, cut at size - 1 bytes; 0 or -1. */
static int
slurp(const char *path, char *out, size_t size)
{
	size_t at = 0;
	ssize_t n;
	int fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return (-1);
	while (at < size - 1) {
		n = read(fd, out + at, size - 1 - at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	out[at] = '\0';
	close(fd);
	return (at == 0 ? -1 : 0);
}

/* Start time and state letter of a pid. The command's name, in parentheses, may hold anything. */
static int
stat_of(pid_t pid, uint64_t *start_time, char *state)
{
	char path[64], text[1024], *p;
	int field;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	if (slurp(path, text, sizeof(text)) == -1 || (p = strrchr(text, ')')) == NULL) {
		errno = ESRCH;
		return (-1);
	}
	p += 2;
	*state = *p;
	for (field = 3; field < 22; field++) {
		if ((p = strchr(p, ' ')) == NULL) {
			errno = ESRCH;
			return (-1);
		}
		p++;
	}
	*start_time = strtoull(p, NULL, 10);
	return (0);
}

/* A host's name as one word of a line and a part of a file's name: `-` if it has none, %XX for what is neither. */
static void
host_word(const char *name, char *out, size_t size)
{
	size_t at = 0;

	for (; *name != '\0' && at + 1 < size; name++) {
		if (*name > 0x20 && *name < 0x7f && *name != '/' && *name != '%')
			out[at++] = *name;
		else if (at + 3 >= size)
			break;
		else
			at += (size_t)snprintf(out + at, size - at, "%%%02X", (unsigned char)*name);
	}
	if (at == 0)
		out[at++] = '-';
	out[at] = '\0';
}

int
proc_machine(struct proc_id *id)
{
	struct utsname un;
	char text[64];

	memset(id, 0, sizeof(*id));
	if (slurp("/proc/sys/kernel/random/boot_id", text, sizeof(text)) == -1)
		return (-1);
	text[strcspn(text, "\n")] = '\0';
	snprintf(id->boot_id, sizeof(id->boot_id), "%.36s", text);
	if (uname(&un) == -1)
		return (-1);
	host_word(un.nodename, id->host, sizeof(id->host));
	return (0);
}

int
proc_of(pid_t pid, struct proc_id *id)
{
	char state;

	if (proc_machine(id) == -1)
		return (-1);
	id->pid = pid;
	return (stat_of(pid, &id->start_time, &state));
}

int
proc_self(struct proc_id *id)
{
	return (proc_of(getpid(), id));
}

char
proc_state(pid_t pid)
{
	uint64_t start_time;
	char state;

	return (stat_of(pid, &start_time, &state) == -1 ? 0 : state);
}

int
proc_alive(const struct proc_id *id)
{
	struct proc_id here;
	uint64_t start_time;
	char state;

	if (proc_machine(&here) == -1)
		return (-1);
	/* Another boot id is this machine before a restart if the host is the same, and another machine if not. */
	if (strcmp(here.boot_id, id->boot_id) != 0)
		return (strcmp(here.host, id->host) == 0 ? 0 : -1);
	if (id->pid > 0 && stat_of(id->pid, &start_time, &state) == 0 && start_time == id->start_time)
		return (state != 'Z' && state != 'X');
	/* Another name on this boot is that of a container, whose processes we need not see. */
	return (strcmp(here.host, id->host) == 0 ? 0 : -1);
}

int
proc_has_open(const struct proc_id *id, int at, const char *name)
{
	char path[64], link[PATH_MAX];
	struct stat want, st;
	struct dirent *e;
	const char *base;
	ssize_t n;
	int rc = -1;
	DIR *d;

	if (fstatat(at, name, &want, AT_SYMLINK_NOFOLLOW) == -1)
		return (-1);
	snprintf(path, sizeof(path), "/proc/%ld/fd", (long)id->pid);
	if ((d = opendir(path)) == NULL)
		return (-1);
	while (rc != 1 && (e = readdir(d)) != NULL) {
		if ((n = readlinkat(dirfd(d), e->d_name, link, sizeof(link) - 1)) <= 0)
			continue;
		link[n] = '\0';
		if ((base = strrchr(link, '/')) == NULL || strcmp(base + 1, name) != 0 ||
		    fstatat(dirfd(d), e->d_name, &st, 0) == -1 || st.st_dev != want.st_dev)
			continue;
		rc = st.st_ino == want.st_ino;
	}
	closedir(d);
	return (proc_alive(id) == 1 ? rc : -1);
}

int
proc_open(const struct proc_id *id)
{
	int fd;

	/* The pidfd pins the process; if the identity still holds afterwards, it pinned the right one. */
	if (id->pid <= 0 || (fd = proc_pidfd(id->pid)) == -1) {
		errno = ESRCH;
		return (-1);
	}
	if (proc_alive(id) != 1) {
		close(fd);
		errno = ESRCH;
		return (-1);
	}
	return (fd);
}

int
proc_signal(const struct proc_id *id, int sig)
{
	int fd, rc, error;

	if ((fd = proc_open(id)) == -1)
		return (-1);
	rc = (int)syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0);
	error = errno;
	close(fd);
	errno = error;
	return (rc);
}

int
proc_pidfd(pid_t pid)
{
	return ((int)syscall(SYS_pidfd_open, pid, 0));
}

int
proc_lock_part(int fd, int64_t at, int64_t n)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = n };

	if (fcntl(fd, F_OFD_SETLK, &fl) == -1) {
		if (errno == EACCES)
			errno = EAGAIN;
		return (-1);
	}
	return (0);
}

int
proc_lock_part_held(int fd, int64_t at, int64_t n)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = n };

	if (fcntl(fd, F_OFD_GETLK, &fl) == -1)
		return (-1);
	return (fl.l_type != F_UNLCK);
}

int
proc_unlock_part(int fd, int64_t at, int64_t n)
{
	struct flock fl = { .l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = n };

	return (fcntl(fd, F_OFD_SETLK, &fl));
}

int
proc_lock(int fd)
{
	return (proc_lock_part(fd, 0, 0));
}

int
proc_lock_held(int fd)
{
	return (proc_lock_part_held(fd, 0, 0));
}

int
proc_lock_wait(int fd, int64_t wait_ms)
{
	int64_t end = clock_mono_ms() + wait_ms, left;
	int nap = 1;

	while (proc_lock(fd) == -1) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return (-1);
		if ((left = end - clock_mono_ms()) <= 0) {
			errno = EAGAIN;
			return (-1);
		}
		poll(NULL, 0, nap < left ? nap : (int)left);
		if (nap < 50)
			nap *= 2;
	}
	return (0);
}

void *
proc_shared_page(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return (page == MAP_FAILED ? NULL : page);
}

int
proc_die_with_parent(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
		return (-1);
	/* The parent may have died before the call. */
	if (getppid() != parent) {
		errno = ESRCH;
		return (-1);
	}
	return (0);
}

int
proc_adopt_orphans(void)
{
	return (prctl(PR_SET_CHILD_SUBREAPER, 1));
}

/* The next process of /proc; 0 at its end. */
static pid_t
next_pid(DIR *d)
{
	struct dirent *e;
	long pid;
	char *rest;

	while ((e = readdir(d)) != NULL) {
		pid = strtol(e->d_name, &rest, 10);
		if (*rest == '\0' && pid > 0)
			return ((pid_t)pid);
	}
	return (0);
}

/*
 * Was it started by our user with that in its environment? 1, 0, or -1 with errno if that can't be found out.  What has
 * ended, zombies included, has none; others' we may not read.
 */
static int
is_marked(pid_t pid, const char *mark)
{
	size_t n = strlen(mark), at, length;
	char path[64], *text = NULL, *more;
	size_t size = 0, cap = 0;
	int fd, error, found = 0;
	struct stat st;
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/%ld/environ", (long)pid);
	while ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1 && errno == EINTR)
		continue;
	if (fd == -1)
		return (errno == ENOENT || errno == ESRCH || errno == EACCES || errno == EPERM ? 0 : -1);
	if (fstat(fd, &st) == -1)
		goto err0;
	if (st.st_uid != geteuid())
		goto out;
	for (;;) {
		if (size == cap) {
			if (cap >= MARK_SEARCH_BYTES)
				break;
			if ((more = realloc(text, 2 * cap + 8192)) == NULL)
				goto err0;
			text = more;
			cap = 2 * cap + 8192;
		}
		got = read(fd, text + size, cap - size);
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1 && errno != ESRCH && errno != EACCES && errno != EPERM)
			goto err0;
		if (got <= 0)
			break;
		size += (size_t)got;
	}
	for (at = 0; at < size && !found; at += length + 1) {
		length = strnlen(text + at, size - at);
		found = length == n && memcmp(text + at, mark, n) == 0;
	}
out:
	free(text);
	close(fd);
	return (found);
err0:
	error = errno;
	free(text);
	close(fd);
	errno = error;
	return (-1);
}

/* A process as a look at it, or at all of them, found it. */
struct seen {
	pid_t pid, parent;
	uint64_t start_time;
	int64_t cpu_ms;
	uint64_t resident_bytes;
	int ours; /* it descends from this one: 1, 0, or -1 while that is not known */
};

static int
see(pid_t pid, struct seen *s)
{
	unsigned long long user, system, start;
	long long of_user, of_system, resident;
	char path[64], text[1024], *p;
	long parent, tick = sysconf(_SC_CLK_TCK);

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	/* From the state, the third field, on: utime is the 14th, starttime the 22nd, rss the 24th. */
	if (slurp(path, text, sizeof(text)) == -1 || (p = strrchr(text, ')')) == NULL ||
	    sscanf(p + 1,
		" %*c %ld %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld %*d %*d %*d %*d %llu %*u %lld",
		&parent, &user, &system, &of_user, &of_system, &start, &resident) != 7)
		return (-1);
	*s = (struct seen){ .pid = pid,
		.parent = (pid_t)parent,
		.start_time = start,
		.cpu_ms = ((int64_t)(user + system) + of_user + of_system) * 1000 / tick,
		.resident_bytes = (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE),
		.ours = -1 };
	return (0);
}

static int
by_pid(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	return (x->pid < y->pid ? -1 : x->pid > y->pid);
}

static struct seen *
find_seen(struct seen *all, size_t n, pid_t pid)
{
	struct seen key = { .pid = pid };

	return (bsearch(&key, all, n, sizeof(*all), by_pid));
}

/*
 * All that descends from this process, in order of numbers; each chain of parents is walked once, however long it is,
 * and one that breaks in between is whole at the next look.  Their number, or -1 with errno.
 */
static ssize_t
see_descendants(struct seen **descendants)
{
	struct seen *all = NULL, *more, *s, *next;
	pid_t pid, self = getpid();
	size_t n = 0, cap = 0, i, k;
	int ours;
	DIR *d;

	if ((d = opendir("/proc")) == NULL)
		return (-1);
	while ((pid = next_pid(d)) != 0) {
		if ((more = array_room(all, n, &cap, sizeof(*all))) == NULL) {
			closedir(d);
			free(all);
			errno = ENOMEM;
			return (-1);
		}
		all = more;
		if (see(pid, &all[n]) == 0)
			n++;
	}
	closedir(d);
	if (n != 0)
		qsort(all, n, sizeof(*all), by_pid);
	for (i = 0; i < n; i++) {
		/* Up to where it is known; numbers that were used again meanwhile may close a circle. */
		for (s = &all[i], k = 0; s != NULL && s->ours == -1 && s->parent != self && k < n; k++)
			s = find_seen(all, n, s->parent);
		ours = s != NULL && (s->parent == self || s->ours == 1);
		for (s = &all[i]; s != NULL && s->ours == -1; s = next) {
			next = s->parent == self ? NULL : find_seen(all, n, s->parent);
			s->ours = ours;
		}
	}
	for (i = k = 0; i < n; i++)
		if (all[i].ours == 1)
			all[k++] = all[i];
	*descendants = all;
	return ((ssize_t)k);
}

void
proc_family(struct proc_family *f, pid_t except)
{
	struct seen *all;
	ssize_t i, n = see_descendants(&all);

	memset(f, 0, sizeof(*f));
	if (n == -1)
		return;
	for (i = 0; i < n; i++) {
		if (all[i].pid == except)
			continue;
		f->cpu_ms += all[i].cpu_ms;
		f->resident_bytes += all[i].resident_bytes;
		f->processes++;
	}
	free(all);
}

void
proc_title(const char *title)
{
	char now[4096];
	ssize_t n;
	int fd;

	(void)prctl(PR_SET_NAME, title);
	if ((fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC)) == -1)
		return;
	n = read(fd, now, sizeof(now));
	close(fd);
	/* The words lie there one after the other, unless somebody moved them. */
	if (n > 0 && (size_t)n < sizeof(now) && memcmp(now, program_invocation_name, (size_t)n) == 0)
		strncpy(program_invocation_name, title, (size_t)n);
}

void
proc_bear_mark(const char *mark)
{
	unsigned long from = 0, to = 0;
	char text[1024], *p, *rest;
	int field;

	/* Where the kernel reads it: env_start and env_end are the 50th and the 51st, the state the third. */
	if (slurp("/proc/self/stat", text, sizeof(text)) == -1 || (p = strrchr(text, ')')) == NULL)
		return;
	for (field = 3; field < 50 && (p = strchr(p + 1, ' ')) != NULL; field++)
		continue;
	if (p == NULL || (p = strchr(p + 1, ' ')) == NULL)
		return;
	from = strtoul(p, &rest, 10);
	to = strtoul(rest, NULL, 10);
	if (from == 0 || to < from || to - from <= strlen(mark))
		return;
	memset((void *)from, 0, to - from);
	memcpy((void *)from, mark, strlen(mark));
}

/* SIGKILL a process that was seen, if it still is that one; its number may be another's by now. */
static void
end_seen(const struct seen *s)
{
	struct seen now;
	int fd;

	if ((fd = proc_pidfd(s->pid)) == -1)
		return;
	if (see(s->pid, &now) == 0 && now.start_time == s->start_time)
		(void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
	close(fd);
}

/* SIGKILL a process through a pidfd, if it still is marked. */
static void
end_marked(pid_t pid, const char *mark)
{
	int fd;

	if ((fd = proc_pidfd(pid)) == -1)
		return;
	if (is_marked(pid, mark) == 1)
		(void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
	close(fd);
}

/* Without memory for all: our children, which nobody else collects; what they had started becomes ours in its turn. */
static int
end_children(pid_t *left)
{
	pid_t pid, self = getpid();
	struct seen s;
	int n = 0;
	DIR *d;

	if ((d = opendir("/proc")) == NULL)
		return (0);
	while ((pid = next_pid(d)) != 0)
		if (see(pid, &s) == 0 && s.parent == self) {
			kill(pid, SIGKILL);
			*left = pid;
			n++;
		}
	closedir(d);
	return (n);
}

/* SIGKILL all that descends from us; their number, and one of them. */
static int
end_all(pid_t *left)
{
	pid_t self = getpid();
	struct seen *all;
	ssize_t i, n = see_descendants(&all);

	if (n == -1)
		return (end_children(left));
	for (i = 0; i < n; i++) {
		/* Who is no child of ours may have ended, and its number be another's. */
		if (all[i].parent == self)
			kill(all[i].pid, SIGKILL);
		else
			end_seen(&all[i]);
		*left = all[i].pid;
	}
	free(all);
	return ((int)n);
}

/* Collect who is dead; 1 if there still are children. */
static int
collect(void)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0 || (pid == -1 && errno == EINTR))
		continue;
	return (pid == 0);
}

int
proc_end_descendants(int64_t wait_ms, pid_t *left)
{
	int64_t end = clock_mono_ms() + wait_ms;
	int n;

	while (collect()) {
		n = end_all(left);
		if (!collect())
			return (0);
		if (clock_mono_ms() >= end)
			return (n == 0 ? 1 : n);
		poll(NULL, 0, 2);
	}
	return (0);
}

int
proc_end_marked(const char *mark, int64_t wait_ms, pid_t *left)
{
	int64_t end = clock_mono_ms() + wait_ms;
	pid_t pid, self = getpid();
	int n, marked, error;
	DIR *d;

	for (;;) {
		if ((d = opendir("/proc")) == NULL)
			return (-1);
		for (n = 0; (errno = 0, pid = next_pid(d)) != 0;) {
			if (pid == self || (marked = is_marked(pid, mark)) == 0)
				continue;
			if (marked == -1)
				break;
			end_marked(pid, mark);
			*left = pid;
			n++;
		}
		error = errno;
		closedir(d);
		/* Who was not looked at may be one of them. */
		if (error != 0) {
			errno = error;
			return (-1);
		}
		if (n == 0 || clock_mono_ms() >= end)
			return (n);
		poll(NULL, 0, 2);
	}
}

int
proc_watch(void)
{
	return (inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
}

int
proc_watch_add(int watch, int dirfd)
{
	char path[64];

	/* By the descriptor: the name may lead elsewhere by now. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d/.", dirfd);
	return (inotify_add_watch(watch, path, IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR) == -1 ? -1 : 0);
}

int
proc_watch_drain(int watch)
{
	union {
		struct inotify_event event;
		char bytes[4096];
	} u;
	int events = 0;

	while (read(watch, &u, sizeof(u)) > 0)
		events++;
	return (events);
}

int
proc_rename_new(int dirfd, const char *from, const char *to)
{
	return ((int)syscall(SYS_renameat2, dirfd, from, dirfd, to, RENAME_NOREPLACE));
}

/* Path of a file of this process's control group (version 2). */
static int
cgroup_file(const char *file, char *out, size_t size)
{
	char text[1024], *p;

	if (slurp("/proc/self/cgroup", text, sizeof(text)) == -1 || (p = strstr(text, "0::")) == NULL)
		return (-1);
	p += 3;
	p[strcspn(p, "\n")] = '\0';
	if ((size_t)snprintf(out, size, "/sys/fs/cgroup%s/%s", strcmp(p, "/") == 0 ? "" : p, file) >= size)
		return (-1);
	return (0);
}

/* The number after a word at the start of a line. */
static int64_t
word_value(const char *text, const char *word)
{
	size_t n = strlen(word);
	const char *p;

	for (p = text; p != NULL && *p != '\0'; p = strchr(p, '\n'), p = p == NULL ? NULL : p + 1)
		if (strncmp(p, word, n) == 0 && (p[n] == ' ' || p[n] == ':'))
			return (strtoll(p + n + 1, NULL, 10));
	return (-1);
}

int64_t
proc_oom_kills(void)
{
	char path[1200], text[16384];
	int64_t n = -1;

	if (cgroup_file("memory.events", path, sizeof(path)) == 0 && slurp(path, text, sizeof(text)) == 0)
		n = word_value(text, "oom_kill");
	if (n == -1 && slurp("/proc/vmstat", text, sizeof(text)) == 0)
		n = word_value(text, "oom_kill");
	return (n);
}

static uint64_t
less_used(uint64_t limit, uint64_t used)
{
	return (limit > used ? limit - used : 0);
}

/* What the machine, the control group and the limit of addresses allow; with ${left}, beyond what is taken. */
static uint64_t
memory(int left)
{
	char path[1200], text[4096];
	uint64_t bytes = 0, limit, used = 0;
	struct rlimit space;
	int64_t kib;

	if (slurp("/proc/meminfo", text, sizeof(text)) == 0 &&
	    (kib = word_value(text, left ? "MemAvailable" : "MemTotal")) > 0)
		bytes = (uint64_t)kib * 1024;
	if (cgroup_file("memory.max", path, sizeof(path)) == 0 && slurp(path, text, sizeof(text)) == 0 &&
	    text[0] >= '0' && text[0] <= '9') {
		limit = strtoull(text, NULL, 10);
		if (left && cgroup_file("memory.current", path, sizeof(path)) == 0 &&
		    slurp(path, text, sizeof(text)) == 0)
			used = strtoull(text, NULL, 10);
		if (less_used(limit, used) < bytes)
			bytes = less_used(limit, used);
	}
	if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY) {
		used = 0;
		if (left && slurp("/proc/self/statm", text, sizeof(text)) == 0)
			used = strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
		if (less_used(space.rlim_cur, used) < bytes)
			bytes = less_used(space.rlim_cur, used);
	}
	return (bytes);
}

uint64_t
proc_memory_available(void)
{
	return (memory(1));
}

uint64_t
proc_memory_total(void)
{
	return (memory(0));
}

int64_t
proc_cpu_ms(int children)
{
	struct rusage ru;

	if (getrusage(children ? RUSAGE_CHILDREN : RUSAGE_SELF, &ru) == -1)
		return (0);
	return ((int64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000 +
	    (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1000);
}

uint64_t
proc_peak_memory(int children)
{
	struct rusage ru;

	if (getrusage(children ? RUSAGE_CHILDREN : RUSAGE_SELF, &ru) == -1)
		return (0);
	return ((uint64_t)ru.ru_maxrss * 1024);
}

unsigned
proc_cpus(void)
{
	cpu_set_t set;
	int n;

	if (sched_getaffinity(0, sizeof(set), &set) == 0 && (n = CPU_COUNT(&set)) > 0)
		return ((unsigned)n);
	return (1);
}

int
proc_use_cpus(const char *list)
{
	cpu_set_t have, want;
	const char *p = list;
	char *end;
	long from, to;

	CPU_ZERO(&want);
	if (sched_getaffinity(0, sizeof(have), &have) == -1)
		return (-1);
	do {
		from = to = strtol(p, &end, 10);
		if (end == p || (*end == '-' && (to = strtol(p = end + 1, &end, 10), end == p)) || from < 0 ||
		    to < from) {
			errno = EINVAL;
			return (-1);
		}
		for (; from <= to; from++) {
			if (from >= CPU_SETSIZE || !CPU_ISSET(from, &have)) {
				errno = ENXIO;
				return (-1);
			}
			CPU_SET(from, &want);
		}
		p = end + 1;
	} while (*end == ',');
	if (*end != '\0') {
		errno = EINVAL;
		return (-1);
	}
	return (sched_setaffinity(0, sizeof(want), &want));
}

void
proc_cpu_model(char *out, size_t size)
{
	char text[8192], *p;

	snprintf(out, size, "unknown");
	if (slurp("/proc/cpuinfo", text, sizeof(text)) == -1 || (p = strstr(text, "model name")) == NULL ||
	    (p = strchr(p, ':')) == NULL)
		return;
	p += 1 + strspn(p + 1, " \t");
	p[strcspn(p, "\n")] = '\0';
	snprintf(out, size, "%s", p);
}

/* n random bytes from the kernel; 0 or -1. */
static int
random_bytes(void *out, size_t n)
{
	char *p = out;
	ssize_t r;

	while (n != 0) {
		r = getrandom(p, n, 0);
		if (r == -1 && errno == EINTR)
			continue;
		if (r == -1)
			return (-1);
		p += r;
		n -= (size_t)r;
	}
	return (0);
}

int
proc_random_hex(char *out, size_t n)
{
	unsigned char raw[64];
	size_t i;

	if (n > sizeof(raw)) {
		errno = EINVAL;
		return (-1);
	}
	if (random_bytes(raw, n) == -1)
		return (-1);
	for (i = 0; i < n; i++)
		sprintf(out + 2 * i, "%02x", raw[i]);
	return (0);
}
