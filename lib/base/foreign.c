#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/foreign.h"

int
foreign_fifo(int dirfd, const char *name)
{
	/* Open for writing, too, it is never at its end while nobody else writes. */
	return (mkfifoat(dirfd, name, 0600) == -1 ? -1 : openat(dirfd, name, O_RDWR | O_NONBLOCK | O_CLOEXEC));
}

char *
foreign_last_line(int fd, char *out, size_t size)
{
	char text[4096], *line;
	off_t end = lseek(fd, 0, SEEK_END);
	size_t n = end < (off_t)sizeof(text) - 1 ? (size_t)(end < 0 ? 0 : end) : sizeof(text) - 1;

	out[0] = '\0';
	if (n == 0 || file_read_at(fd, text, n, (uint64_t)end - n) == -1)
		return (out);
	while (n > 0 && (text[n - 1] == '\0' || strchr(" \t\r\n", text[n - 1]) != NULL))
		n--;
	text[n] = '\0';
	/* A progress bar's carriage returns end lines, too. */
	for (line = text + n; line > text && line[-1] != '\n' && line[-1] != '\r' && line[-1] != '\0'; line--)
		continue;
	snprintf(out, size, "%s", line);
	return (out);
}
