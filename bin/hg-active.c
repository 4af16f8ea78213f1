#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit.h"
#include "base/jsonio.h"
#include "base/opt.h"
#include "base/out.h"
#include "base/say.h"
#include "run/active.h"
#include "run/status.h"

static const struct opt_tool tool = { "hg-active",
	"Say which run is the active one: the newest running, else complete.", "hg-active [-a] [-j] DIR..." };
static struct opt table[] = {
	{ .letter = 'a', .help = "all runs with their states, in the order in which they are chosen" },
	{ .letter = 'j', .help = "one JSON object a line, as hg-status has it" },
	{ .letter = '\0' },
};

/* As hg-status -j. The exit code. */
static int
print_json(const char *path)
{
	struct rundir r;
	json_t *state;
	char *text;
	int code = HG_EXIT_DONE;

	if (rundir_open(&r, path) == -1)
		return (rundir_exit(errno));
	if ((state = status_read(&r)) == NULL)
		code = rundir_exit(errno);
	else if ((text = jsonio_line(state)) == NULL) {
		say_errno("cannot print the state");
		code = HG_EXIT_SYSTEM;
	} else {
		out_json(text, strlen(text));
		free(text);
	}
	json_decref(state);
	rundir_close(&r);
	return (code);
}

int
main(int argc, char **argv)
{
	const struct active_run *first;
	struct active a = { 0 };
	int i, all, json, code = HG_EXIT_DONE, one;
	size_t n;

	exit_init(tool.name);
	if ((i = opt_parse(&tool, table, argc, argv)) < 0)
		return (i == OPT_EXIT ? exit_flush(HG_EXIT_DONE) : HG_EXIT_USAGE);
	all = opt_row(table, 'a')->value != NULL;
	json = opt_row(table, 'j')->value != NULL;
	if (i == argc)
		return (opt_usage(&tool));
	for (; i < argc; i++)
		if (active_add(&a, argv[i]) == -1) {
			active_free(&a);
			return (HG_EXIT_SYSTEM);
		}
	if (active_look(&a) == -1) {
		code = rundir_exit(errno);
		active_free(&a);
		return (code);
	}
	if (all)
		active_sort(&a);
	if ((first = active_first(&a)) == NULL) {
		for (n = 0; n < a.place_count && !all; n++)
			active_say_none(a.places[n]);
		code = HG_EXIT_PENDING;
	}
	for (n = 0; n < a.count; n++) {
		if (!all && &a.runs[n] != first)
			continue;
		if (!json)
			out_put(all ? "%s\t%s\n" : "%s\n", a.runs[n].path, state_run_name(a.runs[n].state));
		/* Why one can't be read is said already. */
		else if (a.runs[n].spoilt == 0 && (one = print_json(a.runs[n].path)) != HG_EXIT_DONE)
			code = one;
	}
	active_free(&a);
	return (exit_flush(code));
}
