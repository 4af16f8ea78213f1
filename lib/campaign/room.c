#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/say.h"
#include "campaign/room.h"
#include "campaign/request.h"

/* A spec and its directory fit into that; what a stage needs is for the stage to say. */
enum { LEAST_BYTES = 16384 };

/* What was never made is made in the campaign's directory. */
static const char *
stands(const struct campaign *c, const char *name)
{
	struct stat st;

	return (fstatat(c->fd, name, &st, 0) == -1 && errno == ENOENT ? "." : name);
}

/* A pipe would be waited for, and a directory is no log. */
static int
is_what(const struct stat *st, int directory)
{
	return (directory ? S_ISDIR(st->st_mode) : S_ISREG(st->st_mode) || S_ISCHR(st->st_mode));
}

static int
is_writable(const struct campaign *c, const char *name, int directory, struct room *room)
{
	struct stat st;
	int mode = W_OK;

	if (fstatat(c->fd, name, &st, 0) == 0 && !is_what(&st, directory)) {
		room->reason = "not_writable";
		snprintf(room->why, sizeof(room->why), "'%.80s/%.80s' can't be written: it is no %s: move it away",
		    c->path, name, directory ? "directory" : "file");
		return (0);
	}
	name = stands(c, name);
	if (fstatat(c->fd, name, &st, 0) == 0 && S_ISDIR(st.st_mode))
		mode |= X_OK;
	if (faccessat(c->fd, name, mode, AT_EACCESS) == 0 || errno == ENOENT)
		return (1);
	room->reason = "not_writable";
	if (name[0] == '.' && name[1] == '\0')
		snprintf(room->why, sizeof(room->why), "'%.150s' can't be written: %s", c->path, say_why(errno));
	else
		snprintf(room->why, sizeof(room->why), "'%.80s/%.80s' can't be written: %s", c->path, name,
		    say_why(errno));
	return (0);
}

/* Where a file system does not say how large it is, it says nothing. */
static int
has_room(const struct campaign *c, const char *name, struct room *room)
{
	struct statvfs v;
	uint64_t left_bytes;
	int fd, rc;

	if ((fd = openat(c->fd, stands(c, name), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (1);
	rc = fstatvfs(fd, &v);
	close(fd);
	if (rc == -1 || v.f_blocks == 0)
		return (1);
	left_bytes = (uint64_t)(geteuid() == 0 ? v.f_bfree : v.f_bavail) * v.f_frsize;
	if (left_bytes >= LEAST_BYTES && (v.f_files == 0 || v.f_ffree != 0))
		return (1);
	room->reason = "disk_full";
	snprintf(room->why, sizeof(room->why), "the file system of '%.80s/%s' has %s: make room there", c->path, name,
	    left_bytes < LEAST_BYTES ? "no space left" : "no inodes left");
	return (0);
}

void
room_look(const struct campaign *c, const char *run, struct room *room)
{
	char name[REQUEST_NAME + sizeof(CAMPAIGN_RUNS) + 1];

	room->reason = NULL;
	room->why[0] = '\0';
	if (!is_writable(c, CAMPAIGN_LOCK, 0, room) || !is_writable(c, CAMPAIGN_LOG, 0, room) ||
	    !is_writable(c, CAMPAIGN_RUNS, 1, room) || !is_writable(c, CAMPAIGN_LEDGER, 1, room) ||
	    !has_room(c, CAMPAIGN_RUNS, room) || !has_room(c, CAMPAIGN_LEDGER, room) || run == NULL)
		return;
	snprintf(name, sizeof(name), CAMPAIGN_RUNS "/%s", run);
	(void)is_writable(c, name, 1, room);
}
