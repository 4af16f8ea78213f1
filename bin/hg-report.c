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
#include "base/say.h"
#include "campaign/triage.h"
#include "report/page.h"
#include "report/pagedata.h"
#include "run/rundir.h"

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

/* A campaign has a name of its own. */
static const char *
last_of(const char *path)
{
	const char *base = strrchr(path, '/');

	return (base == NULL || base[1] == '\0' ? path : base + 1);
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

/* A campaign is what has its owner's word, and no rows itself. */
static int
is_campaign(const char *path)
{
	struct str file = STR_INIT, rows = STR_INIT;
	int is = str_printf(&file, "%s/" CAMPAIGN_FILE, path) == 0 && str_printf(&rows, "%s/" LEDGER_ROWS, path) == 0 &&
	    access(file.p, F_OK) == 0 && access(rows.p, F_OK) == -1;

	str_free(&file);
	str_free(&rows);
	return (is);
}

/* A ledger's page, with what its campaign's requests wait for where there is one (t). The exit code, all said. */
static int
write_ledger(struct markup *m, const char *path, const struct claimrow_look *look, const struct triage *t,
    const char *name, int64_t made_ms, unsigned again_s)
{
	struct pagedata s;
	int code = pagedata_read(&s, path, look);

	if (code != HG_EXIT_DONE)
		return (code);
	page_write(m, &s, t, name == NULL ? name_of(s.l.real) : name, made_ms, again_s);
	pagedata_free(&s);
	return (code);
}

static int
write_campaign(struct markup *m, const char *path, const struct claimrow_look *look, int64_t made_ms, unsigned again_s)
{
	struct str ledger = STR_INIT;
	char *real = realpath(path, NULL);
	struct campaign c;
	struct triage t;
	int code;

	if (real == NULL) {
		say_errno("cannot tell where '%s' is", path);
		return (HG_EXIT_SYSTEM);
	}
	if (campaign_open(&c, path) == -1) {
		code = rundir_exit(errno);
		goto err0;
	}
	if (triage_read(&c, &t) == -1) {
		code = ledger_exit(errno);
		goto err1;
	}
	code = HG_EXIT_DONE;
	if (!t.has_ledger)
		page_write(m, NULL, &t, last_of(real), made_ms, again_s);
	else if (campaign_place(&c, CAMPAIGN_LEDGER, &ledger) == -1)
		code = HG_EXIT_SYSTEM;
	else
		code = write_ledger(m, ledger.p, look, &t, last_of(real), made_ms, again_s);
	triage_free(&t);
err1:
	campaign_close(&c);
err0:
	str_free(&ledger);
	free(real);
	return (code);
}

int
main(int argc, char **argv)
{
	static const struct opt_tool tool = { "hg-report",
		"Make a page of a ledger or a campaign, to be read in a browser.",
		"hg-report [-m COLUMN | -M COLUMN] [-o FILE] [-r SECONDS] LEDGER | CAMPAIGN" };
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
	int64_t made_ms, again_ms = 0;
	unsigned again_s;
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
	again_s = (unsigned)((again_ms + 999) / 1000);
	code = is_campaign(argv[i]) ? write_campaign(&m, argv[i], &look, made_ms, again_s) :
				      write_ledger(&m, argv[i], &look, NULL, NULL, made_ms, again_s);
	if (code != HG_EXIT_DONE)
		goto done;
	if (m.failed) {
		errno = m.failed;
		say_errno("cannot make the page");
		code = HG_EXIT_SYSTEM;
	} else if (out != NULL)
		code = publish(out, &m.out) == -1 ? HG_EXIT_SYSTEM : HG_EXIT_DONE;
	else
		fwrite(m.out.p, 1, m.out.n, stdout);
done:
	str_free(&m.out);
	return (exit_flush(code));
}
