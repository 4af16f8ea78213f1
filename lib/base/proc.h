#ifndef HG_PROC_H
#define HG_PROC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * All that is Linux and not POSIX: process identity, open-file-description
 * locks, pidfds, parent-death signals, what /proc and /sys tell.
 */

/* Who a process is. The pid alone is not an identity: it is reused. */
struct proc_id {
	pid_t pid;
	uint64_t start_time; /* clock ticks after boot, field 22 of /proc/PID/stat */
	char boot_id[37];
	char host[65];
};

/* This process; 0, or -1 with errno. */
int proc_self(struct proc_id *id);

/* A process of this machine by its pid; 0, or -1 with errno ESRCH. */
int proc_of(pid_t pid, struct proc_id *id);

/* Fill boot_id and host alone. */
int proc_machine(struct proc_id *id);

/* A process's state as /proc has it: R, S, D, T, Z ..; 0 if it is gone. */
char proc_state(pid_t pid);

/*
 * 1: that very process runs on this boot (zombies do not); 0: it does not; -1: of another host, or of a container with
 * a name of its own, nobody can tell.
 */
int proc_alive(const struct proc_id *id);

/*
 * Has that process, which runs, this file open? 1; 0: it has another file of that name open, on the same file system;
 * -1: nobody can tell, as where one file has two faces (an overlay and its upper directory).
 */
int proc_has_open(const struct proc_id *id, int at, const char *name);

/* A pidfd for that very process, close-on-exec, or -1 with errno ESRCH when it is gone. */
int proc_open(const struct proc_id *id);

/* Signal that very process and no other; 0, or -1 with errno ESRCH when it is gone. */
int proc_signal(const struct proc_id *id, int sig);

/**
 * Locks on the open file description of ${fd}: inherited by fork, released
 * when the last descriptor closes, not lost when another one on the file does.
 * proc_lock: 0, or -1 with errno EAGAIN when another description holds it.
 * proc_lock_held: 1 if another description holds a lock, 0 if none does, -1 on error; never acquires.
 */
int proc_lock(int fd);
int proc_lock_held(int fd);

/* The same for ${n} bytes from ${at} on; proc_unlock_part lets go before the descriptor closes. */
int proc_lock_part(int fd, int64_t at, int64_t n);
int proc_lock_part_held(int fd, int64_t at, int64_t n);
int proc_unlock_part(int fd, int64_t at, int64_t n);

/* Wait for the lock, at most wait_ms; 0, or -1 with errno EAGAIN when the time passed. Polls, at most 50 ms apart. */
int proc_lock_wait(int fd, int64_t wait_ms);

/* A page of zeros shared with all that is forked later, never freed; NULL with errno. */
void *proc_shared_page(void);

/* In a child just forked: die by SIGKILL with the parent. -1 when the parent, ${parent}, is dead already. */
int proc_die_with_parent(pid_t parent);

/* From now on, what a descendant of ours leaves behind when it dies becomes our child, not init's. 0 or -1. */
int proc_adopt_orphans(void);

/**
 * proc_end_descendants(wait_ms, left):
 * SIGKILL all that descends from this process, whatever group, session or
 * descriptors it has, and collect it, for at most that long.  For a process
 * that adopts orphans; without a child it costs one call.
 * Returns the number that is left, 0 when all are gone, and one of them in
 * ${left}.
 */
int proc_end_descendants(int64_t wait_ms, pid_t *left);

/**
 * proc_end_marked(mark, wait_ms, left):
 * SIGKILL all processes of our user that were started with ${mark},
 * "NAME=value", in their environment, through pidfds and after a second look,
 * and wait for their end at most that long.  Never this process.
 * Returns the number that is left, and one of them in ${left}; -1 with errno
 * if not all of them could be looked at.
 */
int proc_end_marked(const char *mark, int64_t wait_ms, pid_t *left);

/* What all that descends from this process but ${except} takes now: CPU time, also of those who ended, and memory. */
struct proc_family {
	int64_t cpu_ms;
	uint64_t resident_bytes;
	unsigned processes;
};
void proc_family(struct proc_family *f, pid_t except);

/* What ps and pgrep call this process from now on: a child that has another task than its parent says so. */
void proc_title(const char *title);

/* From now on this process, a fork, is found by proc_end_marked as what was started so.  Its environment is lost. */
void proc_bear_mark(const char *mark);

/* pidfd of a child; -1 with errno. */
int proc_pidfd(pid_t pid);

/**
 * Watching directories for names that appear, change or vanish.  A hint only:
 * remote file systems are silently deaf, so the watcher also looks by itself.
 * proc_watch: a descriptor to poll, or -1. proc_watch_add: 0 or -1.
 * proc_watch_drain: read what has come; returns the number of events.
 */
int proc_watch(void);
int proc_watch_add(int watch, int dirfd);
int proc_watch_drain(int watch);

/* Rename without overwriting; EEXIST if the name is taken. */
int proc_rename_new(int dirfd, const char *from, const char *to);

/* Kills by the kernel's OOM killer seen so far in this process's control group, or the whole machine; -1 if unknown. */
int64_t proc_oom_kills(void);

/*
 * Bytes that could be allocated without swapping: MemAvailable bounded by what the control group's limit and that of
 * addresses (ulimit -v) leave; 0 if unknown.  And all that there could ever be: MemTotal bounded by these limits.
 */
uint64_t proc_memory_available(void);
uint64_t proc_memory_total(void);

/* CPU time of this process with its threads; of its waited-for children with ${children} nonzero. */
int64_t proc_cpu_ms(int children);

/* Largest resident set so far; with ${children}, of any one of its waited-for children. */
uint64_t proc_peak_memory(int children);

/* Processors this process may run on. */
unsigned proc_cpus(void);

/* Run on these alone, "0-3,8", with all that is started. -1 with errno EINVAL: no list; ENXIO: one is not there. */
int proc_use_cpus(const char *list);

/* "AMD EPYC ...", or "unknown". */
void proc_cpu_model(char *out, size_t size);

/* n random bytes as 2n lower-case hex digits and a NUL. */
int proc_random_hex(char *out, size_t n);

#endif
