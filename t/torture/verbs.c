/*
 * verbs: the file verbs of lib/base as a program, a small victim for torture; with -b it has one of the bugs that
 * torture must find.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "base/exit.h"
#include "base/file.h"
#include "base/opt.h"
#include "base/say.h"

static struct opt table[] = {
	{ .letter = 'b', .arg = "BUG", .help = "no-sync, no-dir-sync, in-place, rename, retry, no-append-sync, child" },
	{ .letter = '\0' },
};

static const struct opt_tool tool = {
	.name = "verbs",
	.summary = "write TEXT to files of DIR: replace, create, post or append NAME",
	.synopsis = "verbs [-b BUG] DIR VERB NAME TEXT [VERB NAME TEXT]...",
};

/* The same as atomfile does, wrongly. */
static int
buggy(const char *bug, int dirfd, const char *verb, const char *name, const char *text)
{
	int in_place = strcmp(bug, "in-place") == 0, append = strcmp(verb, "append") == 0, fd, rc;
	const char *temp = in_place || append ? name : ".tmp.bug";

	if ((fd = openat(dirfd, temp, O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC), 0644)) == -1)
		return (-1);
	if (file_write_all(fd, text, strlen(text)) == -1) {
		close(fd);
		return (-1);
	}
	rc = 0;
	if (strcmp(bug, "no-sync") != 0 && strcmp(bug, "no-append-sync") != 0 && (rc = fsync(fd)) == -1 &&
	    strcmp(bug, "retry") == 0)
		rc = fsync(fd);
	if (close(fd) == -1 || rc == -1)
		return (-1);
	if (append || in_place)
		rc = 0;
	else if (strcmp(bug, "rename") == 0)
		rc = renameat(dirfd, temp, dirfd, name);
	else if ((rc = linkat(dirfd, temp, dirfd, name, 0)) == 0)
		rc = unlinkat(dirfd, temp, 0);
	if (rc == 0 && strcmp(bug, "no-dir-sync") != 0)
		rc = atomfile_sync_dir(dirfd);
	return (rc);
}

static int
act(const char *bug, int dirfd, const char *verb, const char *name, const char *text)
{
	if (bug != NULL && strcmp(bug, "child") != 0)
		return (buggy(bug, dirfd, verb, name, text));
	if (strcmp(verb, "replace") == 0)
		return (atomfile_replace(dirfd, name, text, strlen(text)));
	if (strcmp(verb, "create") == 0)
		return (atomfile_create(dirfd, name, text, strlen(text)));
	if (strcmp(verb, "post") == 0)
		return (atomfile_post(dirfd, name, text, strlen(text)));
	if (strcmp(verb, "append") == 0)
		return (atomfile_append(dirfd, name, text, strlen(text)));
	errno = EINVAL;
	return (-1);
}

int
main(int argc, char **argv)
{
	const char *bug;
	int at, dirfd;

	exit_init("verbs");
	if ((at = opt_parse(&tool, table, argc, argv)) == OPT_EXIT)
		return (exit_flush(HG_EXIT_DONE));
	if (at == OPT_USAGE || argc - at < 4 || (argc - at) % 3 != 1)
		return (at == OPT_USAGE ? HG_EXIT_USAGE : opt_usage(&tool));
	bug = opt_row(table, 'b')->value;
	if ((dirfd = open(argv[at], O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1) {
		say_errno("cannot open '%s'", argv[at]);
		return (HG_EXIT_SYSTEM);
	}
	/* A child that outlives its command. */
	if (bug != NULL && strcmp(bug, "child") == 0 && fork() == 0)
		for (;;)
			pause();
	for (at++; at < argc; at += 3) {
		/* What a killed writer left. */
		if (atomfile_sweep(dirfd, argv[at + 1]) == 0 &&
		    (act(bug, dirfd, argv[at], argv[at + 1], argv[at + 2]) == 0 ||
			(errno == EEXIST && strcmp(argv[at], "create") == 0)))
			continue;
		say_errno("cannot %s '%s'", argv[at], argv[at + 1]);
		close(dirfd);
		return (HG_EXIT_SYSTEM);
	}
	close(dirfd);
	return (exit_flush(HG_EXIT_DONE));
}
