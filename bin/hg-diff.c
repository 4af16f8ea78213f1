/* hg-diff: what tells two runs apart. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit.h"
#include "base/jsonio.h"
#include "base/opt.h"
#include "base/out.h"
#include "base/say.h"
#include "ledger/ledger.h"
#include "run/rundir.h"
#include "run/specdiff.h"
#include "trace/compare.h"

static const struct opt_tool tool = { "hg-diff",
	"What tells two runs apart: keys, machine, scores, losses at the same step and time.",
	"hg-diff [-j] [-l LEDGER] RUN RUN" };
static struct opt table[] = { { .letter = 'j', .help = "one JSON object, with longer curves" },
	{ .letter = 'l', .arg = "LEDGER", .help = "what this ledger says of them; else the one that they remember" },
	{ .letter = '\0' } };

/* Points of a curve. */
enum { SHORT = 10, LONG = 100 };

/* Columns for what the runs are called. */
enum { LEAST = 12, MOST = 24 };

static void
heading(const char *text)
{
	out_put("\n%s\n", text);
}

/* A value as people read it: numbers short, texts without quotes. */
static const char *
cell(char text[80], const json_t *v, int precision)
{
	char *line = NULL;

	if (json_is_real(v))
		snprintf(text, 80, "%.*f", precision, json_real_value(v));
	else if (json_is_string(v))
		snprintf(text, 80, "%.79s", json_string_value(v));
	else
		snprintf(text, 80, "%.79s",
		    v == NULL || json_is_null(v)        ? "-" :
			(line = jsonio_line(v)) == NULL ? "?" :
							  line);
	free(line);
	return (text);
}

/* Does the difference of that number of two runs mean anything? */
static int
means(const json_t *v, const char *key)
{
	if (strstr(key, "val_loss") != NULL)
		return (jsonio_true(v, "comparable") && jsonio_true(v, "same_tokenizer"));
	return (strstr(key, "val") == NULL || jsonio_true(v, "comparable"));
}

/* Rows {key, from, to} of a member. */
static void
print_pairs(const json_t *v, const char *member, int width)
{
	char a[80], b[80];
	const json_t *pair, *from, *to;
	const char *key;
	size_t i;

	json_array_foreach(json_object_get(v, member), i, pair) {
		key = jsonio_text(pair, "key", "");
		from = json_object_get(pair, "from");
		to = json_object_get(pair, "to");
		out_put("%-18s  %*s  %*s", key, width, cell(a, from, 5), width, cell(b, to, 5));
		if (json_is_number(from) && json_is_number(to) && means(v, key))
			out_put("  %+.*f", json_is_integer(from) && json_is_integer(to) ? 0 : 5,
			    json_number_value(to) - json_number_value(from));
		out_put("\n");
	}
}

/* A curve {at, from, to}; ${scale} units of ${at} are one of what the heading names. */
static void
print_curve(const json_t *v, const char *member, const char *what, double scale, int width)
{
	char a[80], b[80];
	const json_t *points = json_object_get(v, member), *p, *from, *to;
	size_t i;

	if (json_array_size(points) == 0)
		return;
	heading(what);
	json_array_foreach((json_t *)(uintptr_t)points, i, p) {
		from = json_object_get(p, "from");
		to = json_object_get(p, "to");
		out_put("%18.*f  %*s  %*s", scale == 1 ? 0 : 1, json_number_value(json_object_get(p, "at")) / scale,
		    width, cell(a, from, 4), width, cell(b, to, 4));
		if (json_is_number(from) && json_is_number(to) && jsonio_true(v, "same_tokenizer"))
			out_put("  %+.4f", json_number_value(to) - json_number_value(from));
		out_put("\n");
	}
}

static void
print_ledger(const json_t *v, const char *side)
{
	char path[64];
	const json_t *row;

	snprintf(path, sizeof(path), "ledger.%s", side);
	row = jsonio_get(v, path);
	snprintf(path, sizeof(path), "%s.run_id", side);
	if (json_is_object(row))
		out_put("%s: row %lld: %s: %s\n", jsonio_text(v, path, ""), (long long)jsonio_i64(row, "row", 0),
		    jsonio_text(row, "class", ""), jsonio_text(row, "reason", ""));
	else
		out_put("%s: no row\n", jsonio_text(v, path, ""));
}

/* Which of the two has no score, if one has none; else NULL. */
static const char *
unscored(const json_t *v)
{
	static const char *const sides[] = { "from", "to" };
	char path[64];
	json_t *pair;
	size_t i, s;

	json_array_foreach(json_object_get(v, "scores"), i, pair)
		for (s = 0; s < 2 && strcmp(jsonio_text(pair, "key", ""), "val_bpb") == 0; s++)
			if (!json_is_number(json_object_get(pair, sides[s]))) {
				snprintf(path, sizeof(path), "%s.run_id", sides[s]);
				return (jsonio_text(v, path, "?"));
			}
	return (NULL);
}

/* Why there is no curve of a run, if there is none. */
static void
print_lack(const json_t *v, const char *side)
{
	char path[64];
	const char *losses;

	snprintf(path, sizeof(path), "%s.losses", side);
	losses = jsonio_text(v, path, "");
	snprintf(path, sizeof(path), "%s.run", side);
	if (strcmp(losses, "read") != 0)
		out_put("\n%s/" RUNDIR_METRICS ": %s\n", jsonio_text(v, path, ""),
		    strcmp(losses, "none") == 0     ? "no step was logged" :
			strcmp(losses, "gone") == 0 ? "the file that its receipt names is gone" :
						      "not the file that its receipt names");
}

static int
print(const json_t *v)
{
	const char *from = jsonio_text(v, "from.run_id", ""), *to = jsonio_text(v, "to.run_id", ""),
		   *parent = jsonio_text(v, "parent", "");
	int width = (int)strlen(strlen(from) > strlen(to) ? from : to);

	width = width < LEAST ? LEAST : width > MOST ? MOST : width;
	out_put("%s -> %s\n", jsonio_text(v, "from.run", ""), jsonio_text(v, "to.run", ""));
	if (*parent != '\0')
		out_put("%s was made from %s\n", strcmp(parent, "from") == 0 ? to : from,
		    strcmp(parent, "from") == 0 ? from : to);
	heading(json_array_size(json_object_get(v, "keys")) == 0 ? "asked for the same" : "asked for");
	if (specdiff_print(json_object_get(v, "keys")) == -1)
		return (-1);
	if (json_array_size(json_object_get(v, "executed")) != 0) {
		heading("executed");
		print_pairs(v, "executed", width);
	}
	if (json_array_size(json_object_get(v, "scores")) != 0) {
		out_put("\n%-18s  %*.*s  %*.*s\n", "results", width, width, from, width, width, to);
		print_pairs(v, "scores", width);
		if (unscored(v) != NULL)
			out_put("'%s' is not scored\n", unscored(v));
		else if (!jsonio_true(v, "comparable"))
			out_put("scores are of other texts or laws of scoring: they can't be compared\n");
	}
	if (!jsonio_true(v, "same_tokenizer"))
		out_put("\ntokenizers differ: losses are per token and can't be compared\n");
	if (json_is_object(json_object_get(v, "ledger"))) {
		out_put("\nledger %s\n", jsonio_text(v, "ledger.path", ""));
		print_ledger(v, "from");
		print_ledger(v, "to");
	}
	print_curve(v, "loss_at_step", "training loss, mean up to step", 1, width);
	print_curve(v, "loss_at_time", "training loss, mean up to second", 1000, width);
	print_curve(v, "validation_at_step", "validation loss at step", 1, width);
	print_lack(v, "from");
	print_lack(v, "to");
	return (0);
}

int
main(int argc, char **argv)
{
	json_t *v;
	char *line;
	int i, broken = 0, code = HG_EXIT_DONE, json;

	exit_init(tool.name);
	if ((i = opt_parse(&tool, table, argc, argv)) < 0)
		return (i == OPT_EXIT ? exit_flush(HG_EXIT_DONE) : HG_EXIT_USAGE);
	if (argc - i != 2)
		return (opt_usage(&tool));
	json = opt_row(table, 'j')->value != NULL;
	if ((v = compare_runs(argv[i], argv[i + 1], opt_row(table, 'l')->value, json ? LONG : SHORT, &broken)) == NULL)
		return (rundir_exit(errno));
	if (json && (line = jsonio_line(v)) != NULL) {
		out_json(line, strlen(line));
		free(line);
	} else if (json || print(v) == -1) {
		say_errno("cannot print");
		code = HG_EXIT_SYSTEM;
	}
	json_decref(v);
	return (exit_flush(code == HG_EXIT_DONE && broken ? HG_EXIT_CONTRACT : code));
}
