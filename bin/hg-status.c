#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit.h"
#include "base/jsonio.h"
#include "base/opt.h"
#include "judge/add.h"
#include "ledger/ledger.h"
#include "run/rundir.h"
#include "base/out.h"
#include "base/say.h"
#include "run/status.h"
#include "run/summary.h"

static const struct opt_tool tool = { "hg-status", "Show the state of runs, derived from their files.",
	"hg-status [-j | -n [-l LEDGER] | -w] RUN..." };
static struct opt table[] = {
	{ .letter = 'j', .help = "one JSON object a line, for scripts" },
	{ .letter = 'n', .help = "the one word that says what to do next" },
	{ .letter = 'l', .arg = "LEDGER", .help = "with -n: done, where the ledger has the run's row" },
	{ .letter = 'w', .help = "publish each run's state as its summary.json" },
	{ .letter = '\0' },
};

/* Of a stage's column: the longest word is "closed_out". */
#define STATE_WIDTH 10

/* A number of the run, or "-". */
static const char *
cell(char text[32], const json_t *v, const char *key, const char *format)
{
	const json_t *m = json_object_get(v, key);

	if (json_is_integer(m))
		snprintf(text, 32, "%lld", (long long)json_integer_value(m));
	else if (json_is_real(m))
		snprintf(text, 32, format, json_real_value(m));
	else
		snprintf(text, 32, "%.31s", json_is_string(m) ? json_string_value(m) : "-");
	return (text);
}

static void
heading(int width)
{
	const char *p;
	int s, n;

	out_put("%-*s  %-8s", width, "RUN", "STATE");
	for (s = 0; s < STAGE_COUNT; s++) {
		fputs("  ", stdout);
		for (p = rundir_stages[s].name, n = 0; *p != '\0'; p++, n++)
			putchar(toupper((unsigned char)*p));
		out_put("%*s", STATE_WIDTH - n, "");
	}
	out_put("  %8s  %10s  %s\n", "VAL_BPB", "BYTES", "CLASS");
}

static void
row(int width, const struct rundir *r, const json_t *v)
{
	char a[32], b[32], c[32], line[STATUS_LINE_SIZE], path[64];
	const json_t *file;
	size_t i;
	int s;

	out_put("%-*s  %-8s", width, r->path, jsonio_text(v, "state", ""));
	for (s = 0; s < STAGE_COUNT; s++) {
		snprintf(path, sizeof(path), "stages.%s.state", rundir_stages[s].name);
		out_put("  %-*s", STATE_WIDTH, jsonio_text(v, path, ""));
	}
	out_put("  %8s  %10s  %s\n", cell(a, v, "val_bpb", "%.4f"), cell(b, v, "total_bytes", "%.0f"),
	    cell(c, v, "class", "%g"));
	for (s = 0; s < STAGE_COUNT; s++) {
		snprintf(path, sizeof(path), "stages.%s", rundir_stages[s].name);
		if (*status_line(line, jsonio_get(v, path)) != '\0')
			out_put("%*s  %s: %s\n", 2, "", rundir_stages[s].name, line);
		snprintf(path, sizeof(path), "stages.%s.log.last_line", rundir_stages[s].name);
		if (*jsonio_text(v, path, "") != '\0')
			out_put("%*s  %s: %s\n", 2, "", rundir_stages[s].log, jsonio_text(v, path, ""));
	}
	json_array_foreach(json_object_get(v, "pruned"), i, file)
		out_put("%*s  %s: pruned\n", 2, "", json_string_value(file));
}

static int
print_json(const json_t *v)
{
	char *text;

	if ((text = jsonio_line(v)) == NULL) {
		say_errno("cannot print the state");
		return (HG_EXIT_SYSTEM);
	}
	out_json(text, strlen(text));
	free(text);
	return (HG_EXIT_DONE);
}

/* 1 if a ledger has the row of a run as it is now, 0 if not; else the exit code of what failed, which is said. */
static int
in_ledger(struct ledger *l, const char *path)
{
	struct add a;
	int there;

	if (add_preview(l, path, &a) == -1)
		return (errno == EBADMSG ? HG_EXIT_CONTRACT : HG_EXIT_SYSTEM);
	there = a.already != 0;
	add_free(&a);
	return (there);
}

int
main(int argc, char **argv)
{
	struct rundir r;
	json_t *state;
	struct ledger l;
	const char *word, *ledger;
	int i, in, one, code = HG_EXIT_DONE, width = 3, json, next, write, several, k;

	exit_init(tool.name);
	if ((i = opt_parse(&tool, table, argc, argv)) < 0)
		return (i == OPT_EXIT ? exit_flush(HG_EXIT_DONE) : HG_EXIT_USAGE);
	json = opt_row(table, 'j')->value != NULL;
	write = opt_row(table, 'w')->value != NULL;
	next = opt_row(table, 'n')->value != NULL;
	ledger = opt_row(table, 'l')->value;
	several = argc - i > 1;
	if (i == argc || json + next + write > 1 || (ledger != NULL && !next))
		return (opt_usage(&tool));
	if (ledger != NULL && ledger_open(&l, ledger, LEDGER_PREVIEW) == -1)
		return (ledger_exit(errno));
	for (k = i; k < argc; k++)
		if ((int)strlen(argv[k]) > width && strlen(argv[k]) < 60)
			width = (int)strlen(argv[k]);
	if (!json && !next && !write)
		heading(width);
	/* One run that can't be read does not hide the others. */
	for (; i < argc; i++) {
		if (rundir_open(&r, argv[i]) == -1) {
			code = rundir_exit(errno);
			continue;
		}
		if ((state = status_read(&r)) == NULL)
			code = rundir_exit(errno);
		else {
			one = write && summary_publish(&r) == -1 ? errno == EBADMSG ? HG_EXIT_BUG : HG_EXIT_SYSTEM :
								   HG_EXIT_DONE;
			if (json)
				one = print_json(state);
			else if (next) {
				if (several)
					out_put("%s\t", r.path);
				word = jsonio_text(state, "next", "");
				if (ledger != NULL && strcmp(word, "judge") == 0) {
					if ((in = in_ledger(&l, argv[i])) > 1)
						one = in;
					word = in == 1 ? "done" : word;
				}
				out_put("%s\n", word);
			} else if (!write)
				row(width, &r, state);
			if (one != HG_EXIT_DONE)
				code = one;
			json_decref(state);
		}
		rundir_close(&r);
	}
	if (ledger != NULL)
		ledger_close(&l);
	return (exit_flush(code));
}
