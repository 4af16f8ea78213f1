#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "data/scratch.h"

int
scratch_file(int dirfd, struct inputerror *f)
{
	static const char name[] = ".scratch";
	int fd;

	if ((fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) == -1 ||
	    unlinkat(dirfd, name, 0) == -1) {
		inputerror_errno(f, "write", "temporary files");
		if (fd != -1)
			close(fd);
		return (-1);
	}
	return (fd);
}

int
scratch_line(struct str *out, const char *text, size_t n)
{
	size_t at = out->n, i;

	if (str_add(out, text, n) == -1 || str_add(out, "\n", 1) == -1)
		return (-1);
	for (i = at; i < at + n; i++)
		if (out->p[i] == '\n')
			out->p[i] = ' ';
	return (0);
}

int
scratch_flush(struct str *text, int fd, size_t keep)
{
	if (text->n <= keep)
		return (0);
	if (file_write_all(fd, text->p, text->n) == -1)
		return (-1);
	text->n = 0;
	return (0);
}
