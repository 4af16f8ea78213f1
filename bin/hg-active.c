#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit.h"
#include "base/jsonio.h"
#include "base/opt.h"
#include "base/out.h"
#include "base/say.h"
#include "base/spread.h"
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

/* What is asked of those that were found. */
struct ask {
	const struct active *a;
	int all, json;
};

/* The i-th run. The exit code. */
static int
show(void *arg, size_t i)
{
	const struct ask *q = arg;
	const struct active_run *x = &q->a->runs[i];

	/* Why one can't be read is said already. */
	if (q->json)
		return (x->spoilt != 0 ? HG_EXIT_DONE : print_json(x->path));
	out_put(q->all ? "%s\t%s\n" : "%s\n", x->path, state_run_name(x->state));
	return (HG_EXIT_DONE);
}

int
main(int argc, char **argv)
{
	const struct active_run *first;
	struct active a = { 0 };
	struct ask q = { .a = &a };
	int i, code = HG_EXIT_DONE, one;
	size_t n;

	exit_init(tool.name);
	if ((i = opt_parse(&tool, table, argc, argv)) < 0)
		return (i == OPT_EXIT ? exit_flush(HG_EXIT_DONE) : HG_EXIT_USAGE);
	q.all = opt_row(table, 'a')->value != NULL;
	q.json = opt_row(table, 'j')->value != NULL;
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
	if (q.all)
		active_sort(&a);
	if ((first = active_first(&a)) == NULL) {
		for (n = 0; n < a.place_count && !q.all; n++)
			active_say_none(a.places[n]);
		code = HG_EXIT_PENDING;
	}
	one = q.all ? spread(a.count, show, &q) : first != NULL ? show(&q, (size_t)(first - a.runs)) : HG_EXIT_DONE;
	if (one != HG_EXIT_DONE)
		code = one;
	active_free(&a);
	return (exit_flush(code));
}
