#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/num.h"
#include "run/runlock.h"
#include "base/say.h"

#define MAGIC "homegolf.lock.v1"

/* The value of key=value among the words of a line; 0, or -1 if it is missing or does not fit. */
static int
word(const char *line, const char *key, char *out, size_t size)
{
	size_t k = strlen(key), n;
	const char *p;

	for (p = line; p != NULL; p = strchr(p, ' ')) {
		p += strspn(p, " ");
		if (strncmp(p, key, k) == 0 && p[k] == '=') {
			p += k + 1;
			n = strcspn(p, " ");
			if (n == 0 || n >= size)
				return (-1);
			memcpy(out, p, n);
			out[n] = '\0';
			return (0);
		}
	}
	return (-1);
}

static int
number(const char *line, const char *key, int64_t min, int64_t max, int64_t *out)
{
	char text[32];

	return (word(line, key, text, sizeof(text)) == -1 ? -1 : num_i64(text, min, max, out));
}

enum runlock_text
runlock_parse(const char *text, size_t n, struct runlock *lock)
{
	char line[RUNLOCK_SIZE + 1], at[CLOCK_TEXT_SIZE];
	int64_t pid, start, worker, worker_start, attempt, ahead, holder;
	size_t i;

	memset(lock, 0, sizeof(*lock));
	if (n == 0)
		return (RUNLOCK_EMPTY);
	if (n != RUNLOCK_SIZE || text[n - 1] != '\n')
		return (RUNLOCK_GARBAGE);
	for (i = 0; i < n - 1; i++) {
		if (text[i] < 0x20 || text[i] > 0x7e)
			return (RUNLOCK_GARBAGE);
		line[i] = text[i];
	}
	line[i] = '\0';
	if (strncmp(line, MAGIC " ", sizeof(MAGIC)) != 0 || number(line, "pid", 1, INT_MAX, &pid) == -1 ||
	    number(line, "start", 0, INT64_MAX, &start) == -1 || number(line, "worker", 0, INT_MAX, &worker) == -1 ||
	    number(line, "worker_start", 0, INT64_MAX, &worker_start) == -1 ||
	    word(line, "boot", lock->owner.boot_id, sizeof(lock->owner.boot_id)) == -1 ||
	    word(line, "host", lock->owner.host, sizeof(lock->owner.host)) == -1 ||
	    number(line, "attempt", 1, INT_MAX, &attempt) == -1 ||
	    number(line, "deadline_boot_ms", 0, INT64_MAX / 2, &lock->deadline_boot_ms) == -1 ||
	    word(line, "deadline_at", at, sizeof(at)) == -1 || clock_parse(at, &lock->deadline_ms) == -1 ||
	    word(line, "started_at", at, sizeof(at)) == -1 || clock_parse(at, &lock->started_ms) == -1)
		return (RUNLOCK_GARBAGE);
	if (number(line, "alive_mono_ms", 1, INT64_MAX / 2, &lock->alive_mono_ms) == -1)
		lock->alive_mono_ms = 0;
	if (number(line, "lane_ahead", 0, INT_MAX, &ahead) == 0) {
		lock->waits = 1;
		lock->lane_ahead = (int)ahead;
		if (number(line, "lane_pid", 0, INT_MAX, &holder) == 0)
			lock->lane_pid = (pid_t)holder;
	}
	lock->worker = lock->owner;
	lock->owner.pid = (pid_t)pid;
	lock->owner.start_time = (uint64_t)start;
	lock->worker.pid = (pid_t)worker;
	lock->worker.start_time = (uint64_t)worker_start;
	lock->attempt = (int)attempt;
	return (RUNLOCK_GOOD);
}

enum runlock_text
runlock_read(int fd, struct runlock *lock)
{
	char text[RUNLOCK_SIZE + 1];
	size_t at = 0;
	ssize_t n;

	while (at < sizeof(text)) {
		n = pread(fd, text + at, sizeof(text) - at, (off_t)at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	return (runlock_parse(text, at, lock));
}

int
runlock_write(int fd, struct runlock *lock)
{
	char text[RUNLOCK_SIZE + 1], at[CLOCK_TEXT_SIZE], by[CLOCK_TEXT_SIZE];
	int n;

	lock->deadline_ms = clock_wall_ms() + lock->deadline_boot_ms - clock_boot_ms();
	n = snprintf(text, sizeof(text),
	    MAGIC " pid=%ld start=%llu worker=%ld worker_start=%llu boot=%s host=%s attempt=%d"
		  " deadline_boot_ms=%lld deadline_at=%s started_at=%s",
	    (long)lock->owner.pid, (unsigned long long)lock->owner.start_time, (long)lock->worker.pid,
	    (unsigned long long)lock->worker.start_time, lock->owner.boot_id, lock->owner.host, lock->attempt,
	    (long long)lock->deadline_boot_ms, clock_text(by, lock->deadline_ms), clock_text(at, lock->started_ms));
	if (lock->alive_mono_ms > 0 && n > 0 && n < RUNLOCK_SIZE)
		n += snprintf(text + n, sizeof(text) - (size_t)n, " alive_mono_ms=%lld",
		    (long long)lock->alive_mono_ms);
	if (lock->waits && n > 0 && n < RUNLOCK_SIZE)
		n += snprintf(text + n, sizeof(text) - (size_t)n, " lane_ahead=%d lane_pid=%ld", lock->lane_ahead,
		    (long)lock->lane_pid);
	if (n < 0 || n >= RUNLOCK_SIZE) {
		errno = EOVERFLOW;
		return (-1);
	}
	memset(text + n, ' ', RUNLOCK_SIZE - (size_t)n - 1);
	text[RUNLOCK_SIZE - 1] = '\n';
	while ((n = (int)pwrite(fd, text, RUNLOCK_SIZE, 0)) == -1 && errno == EINTR)
		continue;
	if (n != RUNLOCK_SIZE) {
		if (n != -1)
			errno = ENOSPC;
		return (-1);
	}
	return (0);
}

int
runlock_clear(int fd)
{
	if (ftruncate(fd, 0) == -1)
		return (-1);
	return (fsync(fd));
}

int
runlock_look(const struct rundir *r, enum stage s, struct runlock_look *look)
{
	const char *name = rundir_stages[s].lock;
	int fd;

	memset(look, 0, sizeof(*look));
	if ((fd = file_open(r->fd, name, NULL)) == -1) {
		if (errno == ENOENT)
			return (0);
		goto err0;
	}
	/* The lock before the text: a holder seen after its text was read may have written another since. */
	if ((look->held = proc_lock_held(fd)) == -1)
		goto err1;
	look->text = runlock_read(fd, &look->lock);
	close(fd);
	return (0);
err1:
	close(fd);
err0:
	say_errno("cannot look at '%s/%s'", r->path, name);
	return (-1);
}

int
runlock_wait(const struct rundir *r, enum stage s, int64_t wait_ms)
{
	const char *name = rundir_stages[s].lock;
	int fd, error;

	if ((fd = file_open_change(r->fd, name, O_RDWR | O_CREAT, 0644)) == -1) {
		say_errno("cannot open '%s/%s'", r->path, name);
		return (-1);
	}
	if (proc_lock_wait(fd, wait_ms) == -1) {
		error = errno;
		if (error != EAGAIN)
			say_errno("cannot lock '%s/%s'", r->path, name);
		goto err0;
	}
	return (fd);
err0:
	close(fd);
	errno = error;
	return (-1);
}

int64_t
runlock_late_ms(const struct runlock *lock)
{
	struct proc_id here;

	/* Boot clocks of different boots can't be compared, wall clocks more or less. */
	if (proc_machine(&here) == -1 || strcmp(here.boot_id, lock->owner.boot_id) != 0)
		return (clock_wall_ms() - lock->deadline_ms);
	return (clock_boot_ms() - lock->deadline_boot_ms);
}

/* Stopped, and for too long. */
static int
is_silent(const struct runlock *lock)
{
	char state;

	if (lock->alive_mono_ms == 0 || proc_alive(&lock->owner) != 1 || clock_mono_ms() <= lock->alive_mono_ms)
		return (0);
	state = proc_state(lock->owner.pid);
	return (state == 'T' || state == 't');
}

int
runlock_overdue(const struct runlock *lock)
{
	return (runlock_late_ms(lock) > RUNLOCK_GRACE_MS || is_silent(lock));
}

int
runlock_is_future(int64_t wall_ms, int64_t now_ms)
{
	return (wall_ms > now_ms + RUNLOCK_SKEW_MS);
}

static const char *gone_host;

void
runlock_host_gone(const char *host)
{
	gone_host = host;
}

enum runlock_whose
runlock_whose(const struct rundir *r, enum stage s, const struct runlock *lock)
{
	int owner = proc_alive(&lock->owner), worker = lock->worker.pid > 0 ? proc_alive(&lock->worker) : 0;

	if (owner == 1 || worker == 1)
		return (proc_has_open(owner == 1 ? &lock->owner : &lock->worker, r->fd, rundir_stages[s].lock) == 0 ?
			RUNLOCK_COPY :
			RUNLOCK_UNSEEN);
	if (owner == 0 || (gone_host != NULL && strcmp(gone_host, lock->owner.host) == 0))
		return (RUNLOCK_NOBODYS);
	return (clock_wall_ms() - lock->deadline_ms > RUNLOCK_GRACE_MS + RUNLOCK_SKEW_MS ? RUNLOCK_NOBODYS :
											   RUNLOCK_ELSEWHERE);
}
