#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "work/metrics.h"
#include "base/jsonio.h"
#include "run/rundir.h"
#include "base/say.h"

#define MAX_BYTES ((size_t)1 << 30)

static int
cannot_write(void)
{
	say_errno("cannot write '%s'", RUNDIR_METRICS);
	return (-1);
}

int
metrics_open(struct metrics *j, int dirfd)
{
	*j = (struct metrics){ .dirfd = dirfd };
	j->fd = file_open_change(dirfd, RUNDIR_METRICS, O_WRONLY | O_CREAT | O_APPEND, 0644);
	return (j->fd == -1 ? cannot_write() : 0);
}

int
metrics_add(struct metrics *j, json_t *row)
{
	char *line = row == NULL ? NULL : jsonio_line(row);
	size_t n;
	int rc;

	json_decref(row);
	if (line == NULL)
		return (-1);
	/* The line and its end in one write: a reader never sees half of one. */
	n = strlen(line);
	line[n++] = '\n';
	rc = file_write_all(j->fd, line, n);
	free(line);
	if (rc == -1)
		return (cannot_write());
	j->bytes += n;
	j->rows++;
	return (0);
}

int
metrics_cut(struct metrics *j)
{
	struct stat st;

	if (fstat(j->fd, &st) == -1)
		return (cannot_write());
	if ((uint64_t)st.st_size < j->bytes) {
		errno = ENODATA;
		return (-1);
	}
	return (ftruncate(j->fd, (off_t)j->bytes) == -1 ? cannot_write() : 0);
}

int
metrics_sync(struct metrics *j)
{
	return (fsync(j->fd) == -1 ? cannot_write() : 0);
}

int64_t
metrics_last_ms(const struct metrics *j, int64_t least)
{
	char *text, *line, *end;
	json_t *row;
	size_t n;

	if ((text = file_read(j->dirfd, RUNDIR_METRICS, MAX_BYTES, &n)) == NULL)
		return (least);
	for (line = text + (j->bytes < n ? j->bytes : n); (end = strchr(line, '\n')) != NULL; line = end + 1) {
		/* The last line may be torn. */
		if ((row = json_loadb(line, (size_t)(end - line), 0, NULL)) == NULL)
			break;
		if (jsonio_i64(row, "wallclock_ms", 0) > least)
			least = jsonio_i64(row, "wallclock_ms", 0);
		json_decref(row);
	}
	free(text);
	return (least);
}
