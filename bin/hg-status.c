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
#include "run/active.h"
#include "run/rundir.h"
#include "run/specdiff.h"
#include "base/out.h"
#include "base/say.h"
#include "base/spread.h"
#include "base/str.h"
#include "run/status.h"
#include "run/summary.h"

static const struct opt_tool tool = { "hg-status", "Show the state of runs, derived from their files.",
	"hg-status [-j | -n [-l LEDGER] | -w] RUN|DIR..." };
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
	struct str changed = STR_INIT;
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
	if (specdiff_parent(r, &changed) == 0 && *changed.p != '\0')
		out_put("%*s  changed from %s: %s\n", 2, "", jsonio_text(r->spec.json, "about.parent", ""), changed.p);
	str_free(&changed);
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

/* What is asked of each run. */
struct ask {
	int json, next, write, several, width;
	char **runs;
	struct ledger *ledger; /* or NULL */
};

/* Show, or publish, one run that can be read. The exit code. */
static int
show(const struct ask *q, struct rundir *r, const json_t *state)
{
	const char *word;
	int in, code = HG_EXIT_DONE;

	if (q->write)
		return (summary_publish(r) == 0 ? HG_EXIT_DONE : errno == EBADMSG ? HG_EXIT_BUG : HG_EXIT_SYSTEM);
	if (q->json)
		return (print_json(state));
	if (!q->next) {
		row(q->width, r, state);
		return (HG_EXIT_DONE);
	}
	word = jsonio_text(state, "next", "");
	if (q->ledger != NULL && strcmp(word, "judge") == 0) {
		if ((in = in_ledger(q->ledger, r->path)) > 1)
			code = in;
		word = in == 1 ? "done" : word;
	}
	if (q->several)
		out_put("%s\t", r->path);
	out_put("%s\n", word);
	return (code);
}

/* The i-th run, or nothing where there is none. The exit code. */
static int
look(void *arg, size_t i)
{
	const struct ask *q = arg;
	const char *path = q->runs[i];
	struct rundir r;
	json_t *state;
	int code;

	if (path == NULL)
		return (HG_EXIT_DONE);
	if (rundir_open(&r, path) == -1)
		return (rundir_exit(errno));
	if ((state = status_read(&r)) == NULL)
		code = rundir_exit(errno);
	else
		code = show(q, &r, state);
	json_decref(state);
	rundir_close(&r);
	return (code);
}

/*
 * Put in each operand's place the run that it stands for, or NULL if there is none, which is said. The exit code; the
 * caller frees them.
 */
static int
resolve(char **operands, int n, char **runs)
{
	int i, rc, code = HG_EXIT_DONE;

	for (i = 0; i < n; i++)
		if ((rc = active_resolve(operands[i], &runs[i])) != 0) {
			code = rc == 1 ? HG_EXIT_PENDING : rundir_exit(errno);
			runs[i] = NULL;
		}
	return (code);
}

int
main(int argc, char **argv)
{
	struct ask q = { .width = 3 };
	struct ledger l;
	const char *ledger;
	int i, k, n, one, code;
	char **runs;

	exit_init(tool.name);
	if ((i = opt_parse(&tool, table, argc, argv)) < 0)
		return (i == OPT_EXIT ? exit_flush(HG_EXIT_DONE) : HG_EXIT_USAGE);
	q.json = opt_row(table, 'j')->value != NULL;
	q.write = opt_row(table, 'w')->value != NULL;
	q.next = opt_row(table, 'n')->value != NULL;
	q.several = argc - i > 1;
	ledger = opt_row(table, 'l')->value;
	if (i == argc || q.json + q.next + q.write > 1 || (ledger != NULL && !q.next))
		return (opt_usage(&tool));
	if (ledger != NULL) {
		if (ledger_open(&l, ledger, LEDGER_PREVIEW) == -1)
			return (ledger_exit(errno));
		q.ledger = &l;
	}
	if ((runs = calloc((size_t)(n = argc - i), sizeof(*runs))) == NULL)
		return (HG_EXIT_SYSTEM);
	code = resolve(argv + i, n, runs);
	for (k = 0; k < n; k++)
		if (runs[k] != NULL && (int)strlen(runs[k]) > q.width && strlen(runs[k]) < 60)
			q.width = (int)strlen(runs[k]);
	if (!q.json && !q.next && !q.write)
		heading(q.width);
	q.runs = runs;
	/* One run that can't be read does not hide the others. What is written, and a ledger, are looked at in turn. */
	if (q.write || q.ledger != NULL) {
		for (k = 0; k < n; k++)
			if ((one = look(&q, (size_t)k)) != HG_EXIT_DONE)
				code = one;
	} else if ((one = spread((size_t)n, look, &q)) != HG_EXIT_DONE)
		code = one;
	for (k = 0; k < n; k++)
		free(runs[k]);
	free(runs);
	if (q.ledger != NULL)
		ledger_close(&l);
	return (exit_flush(code));
}
