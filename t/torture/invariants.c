/*
 * invariants: what must hold of directories whatever happened to those who wrote them.  A line for each breach.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "schema/contract.h"
#include "base/exit.h"
#include "base/jsonio.h"
#include "base/opt.h"
#include "run/rundir.h"
#include "base/say.h"
#include "run/state.h"
#include "base/str.h"

static struct opt table[] = {
	{ .letter = 's', .help = "settled: whoever comes next has been there, so that nothing half done is left" },
	{ .letter = '\0' },
};

static const struct opt_tool tool = {
	.name = "invariants",
	.summary = "look for what no kill and no fault may leave: partial JSON, receipt and refusal together, ...",
	.synopsis = "invariants [-s] DIR...",
};

static int settled;
static unsigned breaches;

static void
breach(const char *path, const char *what)
{
	char clean[2 * PATH_MAX];

	breaches++;
	printf("%s: %s\n", say_clean(clean, sizeof(clean), path), what);
}

static int
ends_in(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return (n >= m && strcmp(name + n - m, end) == 0);
}

/* A file says by its schema which contract it keeps; one that names none of ours need only be JSON. */
static void
json_file(const char *path)
{
	const char *const *names;
	char schema[128];
	struct str where = STR_INIT;
	json_t *v;

	if (jsonio_read(AT_FDCWD, path, JSONIO_MAX_BYTES, NULL, &v) == -1) {
		breach(path, errno == EBADMSG ? "partial or malformed JSON under a final name" : "cannot be read");
		return;
	}
	for (names = contract_names(); *names != NULL; names++) {
		snprintf(schema, sizeof(schema), "homegolf.%s.v1", *names);
		if (strcmp(jsonio_text(v, "schema", ""), schema) == 0 && contract_check(*names, v, &where) == -1)
			breach(path, where.p);
	}
	str_free(&where);
	json_decref(v);
}

/* Receipt xor refusal; and once somebody has looked, nothing in between. */
static void
stage(const struct rundir *r, enum stage s)
{
	const struct rundir_stage *st = &rundir_stages[s];
	const char *const *name;
	enum state state;
	char what[256];

	if (state_look(r, s, &state, NULL) == -1) {
		breach(r->path, "its state cannot be told");
		return;
	}
	snprintf(what, sizeof(what), "stage %s is %s", st->name, state_name(state));
	if (state == STATE_CORRUPT ||
	    (settled && state != STATE_ABSENT && state != STATE_CLOSED_OUT && state != STATE_REFUSED))
		breach(r->path, what);
	for (name = st->outputs; settled && state != STATE_CLOSED_OUT && *name != NULL; name++)
		if (rundir_has(r, *name) != 0) {
			snprintf(what, sizeof(what), "'%s' is there without the receipt of stage %s", *name, st->name);
			breach(r->path, what);
		}
	for (name = st->scratch; settled && *name != NULL; name++)
		if (faccessat(r->fd, *name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			breach(r->path, "the directory of a program is left");
}

static void
run(const char *path)
{
	struct rundir r;
	int s;

	if (rundir_open(&r, path) == -1) {
		breach(path, "cannot be opened as a run");
		return;
	}
	for (s = 0; s < STAGE_COUNT; s++)
		stage(&r, (enum stage)s);
	rundir_close(&r);
}

/* Of a program, so that nothing is promised of what is in it? */
static int
is_programs(const char *name)
{
	const struct rundir_stage *st;
	const char *const *p;

	for (st = rundir_stages; st < rundir_stages + STAGE_COUNT; st++) {
		for (p = st->scratch; *p != NULL; p++)
			if (strcmp(name, *p) == 0)
				return (1);
		if (st->kept_tree != NULL && strcmp(name, st->kept_tree) == 0)
			return (1);
	}
	return (0);
}

static int
visit(const char *path, const struct stat *st, int type, struct FTW *at)
{
	const char *name = path + at->base;
	char spec[PATH_MAX + sizeof(RUNDIR_SPEC)];

	if (strncmp(name, ".tmp.", 5) == 0) {
		if (settled)
			breach(path, "a temporary is left");
		return (FTW_SKIP_SUBTREE);
	}
	if (is_programs(name))
		return (FTW_SKIP_SUBTREE);
	if (type == FTW_F && S_ISREG(st->st_mode) && ends_in(name, ".json"))
		json_file(path);
	snprintf(spec, sizeof(spec), "%s/" RUNDIR_SPEC, path);
	if (type == FTW_D && access(spec, F_OK) == 0)
		run(path);
	return (FTW_CONTINUE);
}

int
main(int argc, char **argv)
{
	int at;

	exit_init("invariants");
	if ((at = opt_parse(&tool, table, argc, argv)) == OPT_EXIT)
		return (exit_flush(HG_EXIT_DONE));
	if (at == OPT_USAGE || at == argc)
		return (at == OPT_USAGE ? HG_EXIT_USAGE : opt_usage(&tool));
	settled = opt_row(table, 's')->count != 0;
	for (; at < argc; at++)
		if (nftw(argv[at], visit, 16, FTW_PHYS | FTW_ACTIONRETVAL) != 0) {
			say_errno("cannot walk '%s'", argv[at]);
			return (HG_EXIT_SYSTEM);
		}
	return (exit_flush(breaches == 0 ? HG_EXIT_DONE : HG_EXIT_NO));
}
