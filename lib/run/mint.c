#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "base/exit.h"
#include "base/file.h"
#include "base/num.h"
#include "base/out.h"
#include "base/say.h"
#include "base/str.h"
#include "run/mint.h"
#include "run/program.h"
#include "run/rundir.h"
#include "run/spec.h"
#include "run/specdiff.h"
#include "run/specrequest.h"
#include "schema/contract.h"

int
mint_exit(int error)
{
	return (error == EINVAL                          ? HG_EXIT_USAGE :
		error == EBADMSG || file_at_fault(error) ? HG_EXIT_CONTRACT :
							   HG_EXIT_SYSTEM);
}

int
mint_place(struct mint_place *p, const char *path)
{
	const char *from = path, *to;
	size_t n = strlen(path);
	char *slash;

	if (rundir_can_tell(path) == -1)
		return (-1);
	for (; *from != '\0'; from = *to == '\0' ? to : to + 1) {
		to = from + strcspn(from, "/");
		if (to - from == 2 && strncmp(from, "..", 2) == 0) {
			say_error("'%s' goes through '..'; name the run without it", path);
			return (-1);
		}
	}
	if (n + 80 > sizeof(p->dir)) {
		say_error("the path '%.80s...' is too long", path);
		return (-1);
	}
	memcpy(p->dir, path, n + 1);
	while (n > 1 && p->dir[n - 1] == '/')
		p->dir[--n] = '\0';
	if ((slash = strrchr(p->dir, '/')) == NULL) {
		memmove(p->dir + 2, p->dir, n + 1);
		memcpy(p->dir, "./", 2);
		slash = p->dir + 1;
	}
	p->name = slash + 1;
	*slash = '\0';
	if (!str_is_name(p->name)) {
		say_error("'%s' can't be a run's name: 1 to 64 of A-Z a-z 0-9 . _ -, not starting with a dot", p->name);
		return (-1);
	}
	return (0);
}

static int
open_dir(int at, const char *name, int follow)
{
	return (openat(at, *name == '\0' ? "/" : name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW)));
}

/* A directory to list, whatever the descriptor's own offset; NULL with errno. */
static DIR *
list_dir(int dirfd)
{
	int fd, error;
	DIR *d;

	if ((fd = open_dir(dirfd, ".", 1)) == -1)
		return (NULL);
	if ((d = fdopendir(fd)) == NULL) {
		error = errno;
		close(fd);
		errno = error;
	}
	return (d);
}

int
mint_is_fresh(int rundir)
{
	static const char mine[] = ".tmp." SPEC_FILE ".";
	struct dirent *e;
	int fresh = 1;
	DIR *d;

	if ((d = list_dir(rundir)) == NULL)
		return (-1);
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    strncmp(e->d_name, mine, sizeof(mine) - 1) != 0 && strcmp(e->d_name, PROGRAM_DIR) != 0)
			fresh = 0;
	closedir(d);
	return (fresh);
}

/* A spec is there already: the same is fine, another stays. Returns an exit code, or -1 if there is none. */
static int
compare(int rundir, const char *path, const json_t *spec)
{
	struct str where = STR_INIT;
	struct spec there;
	int rc;

	if (spec_read(rundir, path, &there) == -1)
		return (errno == ENOENT ? -1 : mint_exit(errno));
	rc = specdiff_first(there.json, spec, &where);
	/* Whoever published it may have died before it would last. */
	if (rc == 0 && atomfile_sync_dir(rundir) == -1) {
		rc = -1;
		say_errno("cannot sync '%s'", path);
	} else if (rc == 0)
		say_note("'%s' exists with this very spec", path);
	else if (rc == 1)
		say_error("'%s' exists with another spec, which stays: %s", path, where.p);
	else
		say_errno("cannot compare with '%s'", path);
	str_free(&where);
	spec_free(&there);
	return (rc == 0 ? HG_EXIT_DONE : rc == 1 ? HG_EXIT_NO : HG_EXIT_SYSTEM);
}

/* Publish the spec into a directory that is ours or empty. Returns an exit code. */
static int
publish(int rundir, const char *path, const char *name, json_t *spec)
{
	int code, fresh, error;
	char *text;
	size_t n;

	if ((code = compare(rundir, path, spec)) != -1) {
		if (code == HG_EXIT_DONE)
			(void)atomfile_sweep(rundir, SPEC_FILE);
		return (code);
	}
	if ((fresh = mint_is_fresh(rundir)) != 1) {
		/* Another hg-spec may have been first, since we looked. */
		if (fresh == 0 && (code = compare(rundir, path, spec)) != -1)
			return (code);
		if (fresh == 0)
			say_error("'%s' exists, is not empty and has no '%s'", path, SPEC_FILE);
		else
			say_errno("cannot look into '%s'", path);
		return (fresh == 0 ? HG_EXIT_NO : HG_EXIT_SYSTEM);
	}
	if (program_copy(spec, rundir) == -1)
		return (mint_exit(errno));
	if (specrequest_identify(spec, name) == -1)
		return (HG_EXIT_SYSTEM);
	if ((text = contract_pretty("spec", spec, &n)) == NULL)
		return (mint_exit(errno));
	code = atomfile_create(rundir, SPEC_FILE, text, n);
	error = errno;
	free(text);
	if (code == -1) {
		/* Another hg-spec may have been first, and may have swept our temporary. */
		if ((error == EEXIST || error == ENOENT) && (code = compare(rundir, path, spec)) != -1)
			return (code);
		errno = error;
		say_errno("cannot create '%s/%s'", path, SPEC_FILE);
		return (HG_EXIT_SYSTEM);
	}
	(void)atomfile_sweep(rundir, SPEC_FILE);
	return (HG_EXIT_DONE);
}

/* Enter the run's directory, just made or found, and publish. One that we made is taken back when that fails. */
static int
enter(int parent, const char *path, const char *name, json_t *spec, int made)
{
	int rundir, code;

	if ((rundir = open_dir(parent, name, 0)) == -1) {
		if (errno == ELOOP || errno == ENOTDIR)
			say_error("'%s' exists and is not a directory", path);
		else
			say_errno("cannot open '%s'", path);
		return (HG_EXIT_SYSTEM);
	}
	code = publish(rundir, path, name, spec);
	close(rundir);
	if (made && code != HG_EXIT_DONE)
		(void)unlinkat(parent, name, AT_REMOVEDIR);
	/* Also when it was found: whoever made it may have died before this. */
	if (code == HG_EXIT_DONE && atomfile_sync_dir(parent) == -1) {
		say_errno("cannot sync the directory of '%s'", path);
		code = HG_EXIT_SYSTEM;
	}
	return (code);
}

int
mint_run(const struct mint_place *p, const char *path, json_t *spec)
{
	int parent, made, code = HG_EXIT_SYSTEM;

	if ((parent = open_dir(AT_FDCWD, p->dir, 1)) == -1) {
		say_errno("cannot create '%s'", path);
		return (HG_EXIT_SYSTEM);
	}
	made = mkdirat(parent, p->name, 0777) == 0;
	if (made || errno == EEXIST)
		code = enter(parent, path, p->name, spec, made);
	else
		say_errno("cannot create '%s'", path);
	close(parent);
	return (code);
}

/* One more than the largest N of PREFIX-N: where to start asking mkdir. 0 with errno if the directory can't be read. */
static uint64_t
first_guess(int parent, const char *prefix)
{
	size_t n = strlen(prefix);
	uint64_t largest = 0, i;
	struct dirent *e;
	DIR *d;

	if ((d = list_dir(parent)) == NULL)
		return (0);
	while ((e = readdir(d)) != NULL)
		if (strncmp(e->d_name, prefix, n) == 0 && e->d_name[n] == '-' &&
		    num_u64(e->d_name + n + 1, 1, 1000000000, &i) == 0 && i > largest)
			largest = i;
	closedir(d);
	return (largest + 1);
}

/* mkdir is the arbiter between those who want the same N. */
int
mint_next(const struct mint_place *p, json_t *spec)
{
	char name[100], path[sizeof(p->dir) + sizeof(name)];
	int parent, code = HG_EXIT_SYSTEM;
	uint64_t n;

	if ((parent = open_dir(AT_FDCWD, p->dir, 1)) == -1) {
		say_errno("cannot open the directory '%s'", p->dir);
		return (HG_EXIT_SYSTEM);
	}
	if ((n = first_guess(parent, p->name)) == 0) {
		say_errno("cannot read the directory '%s'", p->dir);
		goto done;
	}
	for (;; n++) {
		snprintf(name, sizeof(name), "%s-%llu", p->name, (unsigned long long)n);
		snprintf(path, sizeof(path), "%s/%s", p->dir, name);
		if (!str_is_name(name)) {
			say_error("'%s' can't be a run's name: it is longer than 64", name);
			code = HG_EXIT_USAGE;
			break;
		}
		if (mkdirat(parent, name, 0777) == 0) {
			if ((code = enter(parent, path, name, spec, 1)) == HG_EXIT_DONE)
				out_put("%s\n", path);
			break;
		}
		if (errno != EEXIST) {
			say_errno("cannot create '%s'", path);
			break;
		}
	}
done:
	close(parent);
	return (code);
}
