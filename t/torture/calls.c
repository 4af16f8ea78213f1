#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <unistd.h>
/* After sys/ptrace.h, whose names it would clash with if it came first. */
#include <linux/ptrace.h>

#include "t/torture/calls.h"

#define CHANGE \
	(CALLS_WRITE | CALLS_SYNC | CALLS_RENAME | CALLS_LINK | CALLS_UNLINK | CALLS_MKDIR | CALLS_TRUNCATE | \
	    CALLS_CREATES | CALLS_FORK | CALLS_EXEC | CALLS_LOCK | CALLS_SIGNAL | CALLS_EXIT)

static const struct {
	const char *word;
	unsigned sorts;
} words[] = {
	{ "write", CALLS_WRITE },
	{ "sync", CALLS_SYNC },
	{ "rename", CALLS_RENAME },
	{ "link", CALLS_LINK },
	{ "unlink", CALLS_UNLINK },
	{ "mkdir", CALLS_MKDIR },
	{ "truncate", CALLS_TRUNCATE },
	{ "open", CALLS_OPEN },
	{ "close", CALLS_CLOSE },
	{ "fork", CALLS_FORK },
	{ "exec", CALLS_EXEC },
	{ "alloc", CALLS_ALLOC },
	{ "lock", CALLS_LOCK },
	{ "signal", CALLS_SIGNAL },
	{ "read", CALLS_READ },
	{ "wait", CALLS_WAIT },
	{ "desc", CALLS_DESC },
	{ "exit", CALLS_EXIT },
	{ "change", CHANGE },
	{ "all", ~0U },
};

#define ROW(name, sorts) \
	{ \
		SYS_##name, #name, sorts \
	}

static const struct {
	long nr;
	const char *name;
	unsigned sorts;
} table[] = {
	ROW(write, CALLS_WRITE),
	ROW(pwrite64, CALLS_WRITE),
	ROW(writev, CALLS_WRITE),
	ROW(pwritev, CALLS_WRITE),
	ROW(sendfile, CALLS_WRITE),
	ROW(copy_file_range, CALLS_WRITE),
	ROW(splice, CALLS_WRITE),
	ROW(fsync, CALLS_SYNC),
	ROW(fdatasync, CALLS_SYNC),
	ROW(msync, CALLS_SYNC),
	ROW(syncfs, CALLS_SYNC),
	ROW(sync, CALLS_SYNC),
	ROW(renameat, CALLS_RENAME),
	ROW(renameat2, CALLS_RENAME),
	ROW(linkat, CALLS_LINK),
	ROW(symlinkat, CALLS_LINK),
	ROW(unlinkat, CALLS_UNLINK),
	ROW(mkdirat, CALLS_MKDIR),
	ROW(truncate, CALLS_TRUNCATE),
	ROW(ftruncate, CALLS_TRUNCATE),
	ROW(fallocate, CALLS_TRUNCATE),
	ROW(openat, CALLS_OPEN),
	ROW(close, CALLS_CLOSE),
	ROW(close_range, CALLS_CLOSE),
	ROW(clone, CALLS_FORK),
	ROW(clone3, CALLS_FORK),
	ROW(execve, CALLS_EXEC),
	ROW(execveat, CALLS_EXEC),
	ROW(mmap, CALLS_ALLOC),
	ROW(brk, CALLS_ALLOC),
	ROW(mremap, CALLS_ALLOC),
	ROW(fcntl, CALLS_OTHER),
	ROW(flock, CALLS_LOCK),
	ROW(kill, CALLS_SIGNAL),
	ROW(tgkill, CALLS_SIGNAL),
	ROW(pidfd_send_signal, CALLS_SIGNAL),
	ROW(read, CALLS_READ),
	ROW(pread64, CALLS_READ),
	ROW(readv, CALLS_READ),
	ROW(getdents64, CALLS_READ),
	ROW(wait4, CALLS_WAIT),
	ROW(waitid, CALLS_WAIT),
	ROW(ppoll, CALLS_WAIT),
	ROW(nanosleep, CALLS_WAIT),
	ROW(clock_nanosleep, CALLS_WAIT),
	ROW(futex, CALLS_OTHER),
	ROW(rt_sigtimedwait, CALLS_WAIT),
	ROW(pipe2, CALLS_DESC),
	ROW(pidfd_open, CALLS_DESC),
	ROW(inotify_init1, CALLS_DESC),
	ROW(inotify_add_watch, CALLS_DESC),
	ROW(eventfd2, CALLS_DESC),
	ROW(timerfd_create, CALLS_DESC),
	ROW(signalfd4, CALLS_DESC),
	ROW(socketpair, CALLS_DESC),
	ROW(memfd_create, CALLS_DESC),
	ROW(dup, CALLS_DESC),
	ROW(dup3, CALLS_DESC),
	ROW(exit_group, CALLS_EXIT),
	ROW(exit, CALLS_EXIT),
	ROW(fstat, CALLS_OTHER),
	ROW(newfstatat, CALLS_OTHER),
	ROW(lseek, CALLS_OTHER),
	ROW(munmap, CALLS_OTHER),
	ROW(mprotect, CALLS_OTHER),
	ROW(ioctl, CALLS_OTHER),
	ROW(prctl, CALLS_OTHER),
	ROW(getrandom, CALLS_OTHER),
	ROW(rt_sigaction, CALLS_OTHER),
	ROW(rt_sigprocmask, CALLS_OTHER),
	ROW(setsid, CALLS_OTHER),
	ROW(setpgid, CALLS_OTHER),
	ROW(uname, CALLS_OTHER),
	ROW(faccessat, CALLS_OTHER),
#ifdef SYS_open
	/* Calls that newer architectures have dropped. */
	ROW(rename, CALLS_RENAME),
	ROW(link, CALLS_LINK),
	ROW(symlink, CALLS_LINK),
	ROW(unlink, CALLS_UNLINK),
	ROW(rmdir, CALLS_UNLINK),
	ROW(mkdir, CALLS_MKDIR),
	ROW(open, CALLS_OPEN),
	ROW(creat, CALLS_OPEN),
	ROW(fork, CALLS_FORK),
	ROW(vfork, CALLS_FORK),
	ROW(poll, CALLS_WAIT),
	ROW(pipe, CALLS_DESC),
	ROW(dup2, CALLS_DESC),
	ROW(stat, CALLS_OTHER),
	ROW(lstat, CALLS_OTHER),
	ROW(access, CALLS_OTHER),
	ROW(readlink, CALLS_OTHER),
	ROW(arch_prctl, CALLS_OTHER),
#endif
};

#define N(a) (sizeof(a) / sizeof((a)[0]))

int
calls_set(const char *text, unsigned *sorts)
{
	size_t n, i;

	*sorts = 0;
	for (;; text += n + 1) {
		n = strcspn(text, ",");
		for (i = 0; i < N(words); i++)
			if (strlen(words[i].word) == n && strncmp(words[i].word, text, n) == 0)
				break;
		if (i == N(words))
			return (-1);
		*sorts |= words[i].sorts;
		if (text[n] == '\0')
			return (0);
	}
}

const char *
calls_words(void)
{
	static char text[256];
	size_t i;

	if (text[0] == '\0')
		for (i = 0; i < N(words); i++) {
			strcat(text, i == 0 ? "" : " ");
			strcat(text, words[i].word);
		}
	return (text);
}

const char *
calls_word(size_t i, unsigned *sorts)
{
	if (i >= N(words))
		return (NULL);
	*sorts = words[i].sorts;
	return (words[i].word);
}

const char *
calls_name(long nr)
{
	static char other[32];
	size_t i;

	for (i = 0; i < N(table); i++)
		if (table[i].nr == nr)
			return (table[i].name);
	snprintf(other, sizeof(other), "call_%ld", nr);
	return (other);
}

static unsigned
sorts_of(const struct calls *c)
{
	unsigned sorts = CALLS_OTHER;
	size_t i;
	int flags = 0;

	for (i = 0; i < N(table); i++)
		if (table[i].nr == c->nr)
			sorts = table[i].sorts;
	if (c->nr == SYS_fcntl) {
		switch ((int)c->args[1]) {
		case F_SETLK:
		case F_SETLKW:
		case F_OFD_SETLK:
		case F_OFD_SETLKW:
			sorts = CALLS_LOCK;
			break;
		case F_DUPFD:
		case F_DUPFD_CLOEXEC:
			sorts = CALLS_DESC;
			break;
		}
	} else if (c->nr == SYS_brk && c->args[0] == 0) {
		/* Asks where the break is, and cannot fail. */
		sorts = CALLS_OTHER;
	} else if (c->nr == SYS_openat)
		flags = (int)c->args[2];
#ifdef SYS_open
	else if (c->nr == SYS_open)
		flags = (int)c->args[1];
	else if (c->nr == SYS_creat)
		flags = O_CREAT | O_TRUNC;
#endif
	if ((flags & (O_CREAT | O_TRUNC)) != 0)
		sorts |= CALLS_CREATES;
	return (sorts);
}

int
calls_stop(pid_t tid, struct calls *c, int64_t *result)
{
	struct ptrace_syscall_info info;
	size_t i;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info) == -1)
		return (-1);
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		c->nr = (long)info.entry.nr;
		for (i = 0; i < 6; i++)
			c->args[i] = info.entry.args[i];
		c->ip = info.instruction_pointer;
		c->sorts = sorts_of(c);
		return (1);
	}
	if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
		*result = info.exit.rval;
		return (2);
	}
	return (0);
}

#if defined(__x86_64__)

static int
poke(pid_t tid, size_t offset, int64_t value)
{
	return (ptrace(PTRACE_POKEUSER, tid, offset, (void *)value) == -1 ? -1 : 0);
}

static int
set_number(pid_t tid, int nr)
{
	return (poke(tid, offsetof(struct user_regs_struct, orig_rax), nr));
}

static int
set_first(pid_t tid, int64_t value)
{
	return (poke(tid, offsetof(struct user_regs_struct, rdi), value));
}

static int
set_result(pid_t tid, int64_t value)
{
	return (poke(tid, offsetof(struct user_regs_struct, rax), value));
}

#elif defined(__aarch64__)

static int
set_number(pid_t tid, int nr)
{
	struct iovec v = { &nr, sizeof(nr) };

	return (ptrace(PTRACE_SETREGSET, tid, (void *)NT_ARM_SYSTEM_CALL, &v) == -1 ? -1 : 0);
}

/* The first argument and the result share a register. */
static int
set_first(pid_t tid, int64_t value)
{
	struct user_regs_struct regs;
	struct iovec v = { &regs, sizeof(regs) };

	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &v) == -1)
		return (-1);
	regs.regs[0] = (unsigned long long)value;
	return (ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &v) == -1 ? -1 : 0);
}

static int
set_result(pid_t tid, int64_t value)
{
	return (set_first(tid, value));
}

#else
#error "torture knows how to forge results on x86_64 and aarch64"
#endif

int
calls_skip(pid_t tid, const struct calls *c)
{
	if (c->nr == SYS_close)
		return (0);
	return (c->nr == SYS_brk ? set_first(tid, 0) : set_number(tid, -1));
}

int
calls_forge(pid_t tid, const struct calls *c, int error)
{
	if (c->nr != SYS_brk)
		return (set_result(tid, -error));
#ifdef __x86_64__
	/* The caller counts on finding its argument where it was. */
	return (set_first(tid, (int64_t)c->args[0]));
#else
	return (0);
#endif
}

int
calls_text(pid_t tid, uint64_t address, char *out, size_t size)
{
	struct iovec mine, theirs;
	size_t at = 0, chunk;
	ssize_t n;

	/* Page by page: the text may end just before one that is not mapped. */
	while (at < size - 1) {
		chunk = 4096 - (size_t)((address + at) % 4096);
		if (chunk > size - 1 - at)
			chunk = size - 1 - at;
		mine = (struct iovec){ out + at, chunk };
		theirs = (struct iovec){ (void *)(uintptr_t)(address + at), chunk };
		if ((n = process_vm_readv(tid, &mine, 1, &theirs, 1, 0)) <= 0)
			return (-1);
		if (memchr(out + at, '\0', (size_t)n) != NULL)
			return (0);
		at += (size_t)n;
	}
	out[at] = '\0';
	return (0);
}

int
calls_fd(pid_t tid, int fd, char *path, size_t size, struct stat *st)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%ld/fd/%d", (long)tid, fd);
	if (stat(link, st) == -1)
		return (-1);
	if (path != NULL) {
		if ((n = readlink(link, path, size - 1)) == -1)
			return (-1);
		path[n] = '\0';
	}
	return (0);
}

int
calls_path(pid_t tid, int dirfd, uint64_t address, char *path, struct stat *dir_st)
{
	char text[PATH_MAX], dir[PATH_MAX + 64];
	const char *name;
	char *slash;
	size_t n;

	if (calls_text(tid, address, text, sizeof(text)) == -1 || text[0] == '\0')
		return (-1);
	for (n = strlen(text); n > 1 && text[n - 1] == '/'; n--)
		text[n - 1] = '\0';
	if ((slash = strrchr(text, '/')) != NULL)
		*slash = '\0';
	name = slash == NULL ? text : slash + 1;
	if (slash != NULL && text[0] != '/')
		n = 1; /* relative, with directories */
	else
		n = slash == NULL ? 0 : 2;
	if (n == 2)
		snprintf(dir, sizeof(dir), "%s/", text);
	else if (dirfd == AT_FDCWD)
		snprintf(dir, sizeof(dir), "/proc/%ld/cwd/%s", (long)tid, n == 1 ? text : "");
	else
		snprintf(dir, sizeof(dir), "/proc/%ld/fd/%d/%s", (long)tid, dirfd, n == 1 ? text : "");
	if (realpath(dir, path) == NULL || stat(path, dir_st) == -1)
		return (-1);
	n = strlen(path);
	if (n + strlen(name) + 2 > PATH_MAX)
		return (-1);
	snprintf(path + n, PATH_MAX - n, "%s%s", n == 1 ? "" : "/", name);
	return (0);
}

int
calls_errno(const char *name)
{
	static const struct {
		const char *name;
		int value;
	} errors[] = {
		{ "ENOSPC", ENOSPC },
		{ "EIO", EIO },
		{ "EMFILE", EMFILE },
		{ "EINTR", EINTR },
		{ "ENOMEM", ENOMEM },
		{ "EAGAIN", EAGAIN },
		{ "EACCES", EACCES },
		{ "EROFS", EROFS },
		{ "EDQUOT", EDQUOT },
		{ "ENOENT", ENOENT },
		{ "EPERM", EPERM },
		{ "EEXIST", EEXIST },
		{ "EMLINK", EMLINK },
		{ "ENOSYS", ENOSYS },
		{ "ENFILE", ENFILE },
	};
	size_t i;

	for (i = 0; i < N(errors); i++)
		if (strcmp(errors[i].name, name) == 0)
			return (errors[i].value);
	return (0);
}
