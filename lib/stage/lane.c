#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stage/lane.h"
#include "base/clock.h"
#include "base/file.h"
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

/*
 * Without a home lanes are where everybody may make a directory of that name first.  Whose it is can't change any more
 * under a sticky bit; whoever may write it could hold our lanes, or point them elsewhere.
 */
static int
make_own(const char *path)
{
	struct stat st;

	if (mkdir(path, 0700) == -1 && errno != EEXIST) {
		say_errno("cannot make the directory of lanes '%s'", path);
		return (-1);
	}
	if (lstat(path, &st) == -1) {
		say_errno("cannot look at the directory of lanes '%s'", path);
		return (-1);
	}
	if (S_ISDIR(st.st_mode) && st.st_uid == getuid() && (st.st_mode & 0022) == 0)
		return (0);
	say_error("'%s' is no directory that is yours alone to write: set HOMEGOLF_LANES to one", path);
	errno = EPERM;
	return (-1);
}

/* Where lanes are; ${make}: and make sure of whose that is. 0, or -1 with errno, said. */
static int
folder(char *out, size_t size, int make)
{
	const char *p;
	int n;

	if ((p = getenv("HOMEGOLF_LANES")) != NULL && *p != '\0')
		n = snprintf(out, size, "%s", p);
	else if ((p = getenv("XDG_STATE_HOME")) != NULL && *p == '/')
		n = snprintf(out, size, "%s/homegolf/lanes", p);
	else if ((p = getenv("HOME")) != NULL && *p == '/')
		n = snprintf(out, size, "%s/.local/state/homegolf/lanes", p);
	else {
		snprintf(out, size, "/tmp/homegolf-%lu", (unsigned long)getuid());
		if (make && make_own(out) == -1)
			return (-1);
		n = snprintf(out, size, "/tmp/homegolf-%lu/lanes", (unsigned long)getuid());
	}
	if (n < 0 || (size_t)n >= size) {
		errno = ENAMETOOLONG;
		say_errno("cannot make the directory of lanes");
		return (-1);
	}
	return (0);
}

/*
 * Who may make files in the directory may use the lane, whoever made it and with what umask; where names are protected
 * (fs.protected_regular) another's file is not to be asked for with O_CREAT.
 */
static int
open_shared(const char *path, const char *file)
{
	struct stat st;
	int fd;

	if ((fd = file_open_change(AT_FDCWD, file, O_RDWR, 0)) != -1 || errno != ENOENT)
		return (fd);
	if ((fd = file_open_change(AT_FDCWD, file, O_RDWR | O_CREAT, 0666)) != -1 && stat(path, &st) == 0)
		(void)fchmod(fd, 0644 | (st.st_mode & 0022));
	return (fd);
}

/* A home may be shared by machines; lanes are not. */
static void
name_file(char *file, size_t size, const char *path, const struct proc_id *here, const char *lane, const char *ending)
{
	snprintf(file, size, "%s/%s.%s.%s", path, here->host, lane, ending);
}

/* Open (and create) a file of the lane's, HOST.LANE.ENDING; a descriptor, or -1, said. */
static int
open_file(const char *lane, const char *ending)
{
	char path[PATH_MAX / 2], file[PATH_MAX];
	struct proc_id here;
	int fd;

	if (folder(path, sizeof(path), 1) == -1)
		return (-1);
	if (make_path(path) == -1 || proc_machine(&here) == -1) {
		say_errno("cannot make the directory of lanes '%s'", path);
		return (-1);
	}
	name_file(file, sizeof(file), path, &here, lane, ending);
	if (strchr(lane, '/') != NULL) {
		errno = EINVAL;
		fd = -1;
	} else
		fd = open_shared(path, file);
	if (fd == -1 && (errno == EACCES || errno == EPERM))
		say_error(
		    "lane '%s' is another user's: set HOMEGOLF_LANES to a directory of your own, or let all who share "
		    "the lane write it",
		    file);
	else if (fd == -1)
		say_errno("cannot open lane '%s'", file);
	return (fd);
}

int
lane_open(const char *lane)
{
	return (open_file(lane, "lock"));
}

int
lane_take(int fd, const char *run, int64_t over_boot_ms)
{
	char text[2 * LANE_HOLDER_SIZE], clean[LANE_HOLDER_SIZE - 64];
	struct proc_id here;
	int n;

	if (proc_lock(fd) == -1)
		return (-1);
	/* Nothing is lost if it can't be written: those who wait know less. People's half comes first. */
	memset(text, ' ', sizeof(text));
	n = snprintf(text, LANE_HOLDER_SIZE, "process %ld, run '%s'", (long)getpid(),
	    say_clean(clean, sizeof(clean), run));
	text[n] = ' ';
	text[LANE_HOLDER_SIZE - 1] = '\n';
	if (proc_machine(&here) == 0) {
		n = snprintf(text + LANE_HOLDER_SIZE, LANE_HOLDER_SIZE, "%ld %lld %s", (long)getpid(),
		    (long long)over_boot_ms, here.boot_id);
		text[LANE_HOLDER_SIZE + n] = ' ';
	}
	text[sizeof(text) - 1] = '\n';
	if (pwrite(fd, text, sizeof(text), 0) == -1)
		return (0);
	return (0);
}

void
lane_holder(int fd, struct lane_holder *out)
{
	char text[2 * LANE_HOLDER_SIZE + 1], boot[40];
	long long over_boot_ms;
	struct proc_id here;
	long pid;
	ssize_t n;
	int at;

	memset(out, 0, sizeof(*out));
	strcpy(out->text, "somebody");
	if ((n = pread(fd, text, sizeof(text) - 1, 0)) <= 0)
		return;
	text[n] = '\0';
	if (n > LANE_HOLDER_SIZE && sscanf(text + LANE_HOLDER_SIZE, "%ld %lld %39s", &pid, &over_boot_ms, boot) == 3 &&
	    proc_machine(&here) == 0 && strcmp(boot, here.boot_id) == 0) {
		out->pid = (pid_t)pid;
		out->over_boot_ms = over_boot_ms;
	}
	at = n < LANE_HOLDER_SIZE ? (int)n : LANE_HOLDER_SIZE;
	while (at > 0 && (text[at - 1] == ' ' || text[at - 1] == '\n'))
		at--;
	text[at < LANE_HOLDER_SIZE ? at : LANE_HOLDER_SIZE - 1] = '\0';
	say_clean(out->text, sizeof(out->text), text);
}

int
lane_look(const char *lane, struct lane_holder *out, int64_t *since_ms)
{
	char path[PATH_MAX / 2], file[PATH_MAX];
	struct proc_id here;
	struct stat st;
	int fd, held = -1;

	memset(out, 0, sizeof(*out));
	if (strchr(lane, '/') != NULL || folder(path, sizeof(path), 0) == -1 || proc_machine(&here) == -1)
		return (-1);
	name_file(file, sizeof(file), path, &here, lane, "lock");
	if ((fd = file_open(AT_FDCWD, file, NULL)) == -1)
		return (errno == ENOENT ? 0 : -1);
	if ((held = proc_lock_held(fd)) == 1)
		lane_holder(fd, out);
	/* Whoever takes it writes to it then. */
	*since_ms = fstat(fd, &st) == 0 ? (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000 : 0;
	close(fd);
	return (held);
}

/* --- the line ---------------------------------------------------------------- */

/* A record, "TURN NEED_MS" padded; the first one's place is the lock under which records are made. */
#define RECORD ((int64_t)64)
#define RECORDS 1024

/* Whoever makes a record holds the others up for no longer than this, even stopped. */
#define QUEUE_MS 2000

/* Who waits at a record, by its lock: 0, or -1 if nobody does or its text is none. */
static int
look_at(int fd, int64_t record, int64_t *turn, int64_t *need_ms)
{
	char text[RECORD + 1];
	long long a, b;
	ssize_t n;

	if (proc_lock_part_held(fd, record * RECORD, RECORD) != 1)
		return (-1);
	if ((n = pread(fd, text, RECORD, record * RECORD)) <= 0)
		return (-1);
	text[n] = '\0';
	if (sscanf(text, "%lld %lld", &a, &b) != 2 || a <= 0 || b < 0)
		return (-1);
	*turn = a;
	*need_ms = b;
	return (0);
}

static int64_t
records(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1 || st.st_size < RECORD)
		return (0);
	return (st.st_size / RECORD < RECORDS ? st.st_size / RECORD : RECORDS);
}

/* With the queue's lock in hand: a turn after all turns, in a record that nobody waits at. 0 or -1. */
static int
join(struct lane_place *p, int64_t need_ms)
{
	char text[RECORD + 1];
	int64_t i, n = records(p->fd), turn, other, free_record = 0;
	int length;

	p->turn = 1;
	for (i = 1; i < n; i++) {
		if (look_at(p->fd, i, &turn, &other) == 0) {
			if (turn >= p->turn)
				p->turn = turn + 1;
		} else if (free_record == 0 && proc_lock_part_held(p->fd, i * RECORD, RECORD) == 0)
			free_record = i;
	}
	if (free_record == 0)
		free_record = n < 1 ? 1 : n;
	if (free_record >= RECORDS)
		return (-1);
	p->record = free_record;
	length = snprintf(text, sizeof(text), "%lld %lld", (long long)p->turn, (long long)need_ms);
	memset(text + length, ' ', sizeof(text) - (size_t)length);
	text[RECORD - 1] = '\n';
	/* The text before its lock: whoever sees the lock reads this turn and not an older one. */
	if (pwrite(p->fd, text, RECORD, p->record * RECORD) != RECORD)
		return (-1);
	return (proc_lock_part(p->fd, p->record * RECORD, RECORD));
}

void
lane_queue(struct lane_place *p, const char *lane, int64_t need_ms)
{
	int64_t end = clock_mono_ms() + QUEUE_MS;
	int rc;

	*p = (struct lane_place){ .fd = open_file(lane, "queue") };
	if (p->fd == -1)
		return;
	while ((rc = proc_lock_part(p->fd, 0, RECORD)) == -1 && (errno == EAGAIN || errno == EINTR) &&
	    clock_mono_ms() < end)
		poll(NULL, 0, 10);
	if (rc == 0 && (rc = join(p, need_ms)) == 0)
		rc = proc_unlock_part(p->fd, 0, RECORD);
	if (rc == -1) {
		say_note("lane '%s': no place in the line, waiting beside it", lane);
		lane_leave(p);
	}
}

int
lane_ahead(const struct lane_place *p, int64_t *need_ms)
{
	int64_t i, n, turn, need;
	int ahead = 0;

	*need_ms = 0;
	if (p->fd == -1)
		return (0);
	for (i = 1, n = records(p->fd); i < n; i++)
		if (i != p->record && look_at(p->fd, i, &turn, &need) == 0 && turn < p->turn) {
			ahead++;
			*need_ms += need;
		}
	return (ahead);
}

void
lane_leave(struct lane_place *p)
{
	if (p->fd != -1)
		close(p->fd);
	p->fd = -1;
}
