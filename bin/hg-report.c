#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "base/clock.h"
#include "base/exit.h"
#include "base/file.h"
#include "base/num.h"
#include "base/opt.h"
#include "report/page.h"
#include "base/say.h"
#include "report/pagedata.h"

enum { DAY_MS = 24 * 60 * 60 * 1000 };

/* The time that the page bears: SOURCE_DATE_EPOCH where it is set, so that a page can be made again; else now. */
static int
made_at(int64_t *ms)
{
	const char *text = getenv("SOURCE_DATE_EPOCH");
	int64_t seconds;

	*ms = clock_wall_ms();
	if (text == NULL || *text == '\0')
		return (0);
	if (num_i64(text, 0, 253402300799, &seconds) == -1) {
		say_error("SOURCE_DATE_EPOCH is '%s', which is no time in seconds", text);
		return (-1);
	}
	*ms = 1000 * seconds;
	return (0);
}

/* Most ledgers are called that: the folder that it lies in tells them apart. */
static const char *
name_of(const char *path)
{
	const char *base = strrchr(path, '/');

	while (base != NULL && base > path && base[-1] != '/')
		base--;
	return (base == NULL ? path : base);
}

/* Does a file begin as a page of ours does? */
static int
is_page(const char *path)
{
	char text[sizeof(PAGE_BEGIN)] = "";
	int fd = file_open_given(path), is;

	if (fd == -1)
		return (0);
	is = file_read_at(fd, text, sizeof(PAGE_BEGIN) - 1, 0) == 0 && strcmp(text, PAGE_BEGIN) == 0;
	close(fd);
	return (is);
}

/*
 * Nothing is there, or a page: one put in the place of a device would take that from everybody, and a ledger is gone
 * by one slip. Said.
 */
static int
may_publish(const char *path)
{
	struct stat there;

	if (stat(path, &there) == -1)
		return (1);
	if (!S_ISREG(there.st_mode)) {
		say_error("-o '%s' is no file: without -o the page goes to standard output", path);
		return (0);
	}
	if (there.st_size == 0 || is_page(path))
		return (1);
	say_error("-o '%s' is there and is no page: nothing else is replaced", path);
	return (0);
}

/* Readers of ${path} see the page before or this one, never a part. */
static int
publish(const char *path, const struct str *page)
{
	const char *base = strrchr(path, '/');
	char *parent = base == NULL ? strdup(".") : base == path ? strdup("/") : strndup(path, (size_t)(base - path));
	int dir, rc = -1;

	base = base == NULL ? path : base + 1;
	if (parent != NULL && (dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) != -1) {
		if ((rc = atomfile_replace(dir, base, page->p, page->n)) == 0)
			(void)atomfile_sweep(dir, base);
		close(dir);
	}
	if (rc == -1)
		say_errno("cannot write '%s'", path);
	free(parent);
	return (rc);
}

int
main(int argc, char **argv)
{
	static const struct opt_tool tool = { "hg-report", "Make a page of a ledger, to be read in a browser.",
		"hg-report [-m COLUMN | -M COLUMN] [-o FILE] [-r SECONDS] LEDGER" };
	static struct opt table[] = {
		{ .letter = 'm', .arg = "COLUMN", .help = "imported tables by this column, lower values being better" },
		{ .letter = 'M',
		    .arg = "COLUMN",
		    .help = "imported tables by this column, higher values being better" },
		{ .letter = 'o', .arg = "FILE", .help = "write the page there, whole or not at all" },
		{ .letter = 'r', .arg = "SECONDS", .help = "a browser loads the page again every so many seconds" },
		{ .letter = '\0' }
	};
	struct markup m = { STR_INIT, 0 };
	struct claimrow_look look = { NULL, 0 };
	struct pagedata s;
	int64_t made_ms, again_ms = 0;
	const char *out;
	int i, code;

	exit_init(tool.name);
	if ((i = opt_parse(&tool, table, argc, argv)) < 0)
		return (i == OPT_EXIT ? exit_flush(HG_EXIT_DONE) : HG_EXIT_USAGE);
	if (argc - i != 1)
		return (opt_usage(&tool));
	if (opt_row(table, 'r')->value != NULL &&
	    num_duration_ms(opt_row(table, 'r')->value, DAY_MS, &again_ms) == -1) {
		say_error("-r '%s' is not a time of up to a day", opt_row(table, 'r')->value);
		return (opt_usage(&tool));
	}
	if (opt_row(table, 'm')->value != NULL && opt_row(table, 'M')->value != NULL) {
		say_error("-m and -M exclude each other: a column is better low or high");
		return (HG_EXIT_USAGE);
	}
	look.higher = opt_row(table, 'M')->value != NULL;
	look.metric = opt_row(table, look.higher ? 'M' : 'm')->value;
	out = opt_row(table, 'o')->value;
	if (made_at(&made_ms) == -1 || (out != NULL && !may_publish(out)))
		return (HG_EXIT_USAGE);
	if ((code = pagedata_read(&s, argv[i], &look)) != HG_EXIT_DONE)
		return (code);
	page_write(&m, &s, name_of(s.l.real), made_ms, (unsigned)((again_ms + 999) / 1000));
	pagedata_free(&s);
	if (m.failed) {
		errno = m.failed;
		say_errno("cannot make the page");
		code = HG_EXIT_SYSTEM;
	} else if (out != NULL)
		code = publish(out, &m.out) == -1 ? HG_EXIT_SYSTEM : HG_EXIT_DONE;
	else
		fwrite(m.out.p, 1, m.out.n, stdout);
	str_free(&m.out);
	return (exit_flush(code));
}
