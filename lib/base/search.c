#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/search.h"

int
search_here(const char *dir, const char *name, const char *sha256, uint64_t size_bytes, char hex[SHA256_HEX_SIZE])
{
	struct stat st;
	int fd, same = 0;

	*hex = '\0';
	if ((fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (0);
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	    (size_bytes == SEARCH_ANY || (uint64_t)st.st_size == size_bytes)) {
		if (sha256_at(fd, name, hex, NULL) == -1)
			*hex = '\0';
		same = strcmp(hex, sha256) == 0;
	}
	close(fd);
	return (same);
}

/* In the directory, then in those in it. */
static int
search_below(const char *name, const char *sha256, uint64_t size_bytes, struct str *dir)
{
	char hex[SHA256_HEX_SIZE];
	const size_t top = dir->n;
	struct dirent *e;
	int rc;
	DIR *d;

	if ((rc = search_here(dir->p, name, sha256, size_bytes, hex)) != 0 || (d = opendir(dir->p)) == NULL)
		return (rc);
	while (rc == 0 && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if (str_puts(dir, "/") == -1 || str_puts(dir, e->d_name) == -1)
			rc = -1;
		else if ((rc = search_here(dir->p, name, sha256, size_bytes, hex)) == 0)
			dir->p[dir->n = top] = '\0';
	}
	closedir(d);
	return (rc);
}

int
search_list(const char *list, const char *name, const char *sha256, uint64_t size_bytes, struct str *dir)
{
	size_t n;
	int rc;

	for (; list != NULL && *list != '\0'; list += n + (list[n] == ':')) {
		if ((n = strcspn(list, ":")) == 0)
			continue;
		dir->n = 0;
		if (str_add(dir, list, n) == -1)
			return (-1);
		if ((rc = search_below(name, sha256, size_bytes, dir)) != 0)
			return (rc);
	}
	return (0);
}
