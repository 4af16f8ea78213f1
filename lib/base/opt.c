#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/exit.h"
#include "base/opt.h"
#include "base/say.h"

static void
print_usage(FILE *f, const struct opt_tool *tool)
{
	const char *p = tool->synopsis, *e;
	const char *word = "usage:";

	do {
		e = strchr(p, '\n');
		fprintf(f, "%-6s %.*s\n", word, e == NULL ? (int)strlen(p) : (int)(e - p), p);
		word = "";
		p = e == NULL ? NULL : e + 1;
	} while (p != NULL);
}

static void
print_help(const struct opt_tool *tool, const struct opt *table)
{
	char left[40];

	print_usage(stdout, tool);
	printf("\n%s\n\n", tool->summary);
	for (; table->letter != '\0'; table++) {
		snprintf(left, sizeof(left), "-%c %s", table->letter, table->arg == NULL ? "" : table->arg);
		printf("  %-18s %s\n", left, table->help);
	}
	printf("  %-18s %s\n", "-h", "print this and exit");
	printf("  %-18s %s\n", "--version", "print the version and exit");
}

struct opt *
opt_row(struct opt *table, char letter)
{
	for (; table->letter != letter; table++)
		assert(table->letter != '\0');
	return (table);
}

static struct opt *
find(struct opt *table, char letter)
{
	for (; table->letter != '\0'; table++)
		if (table->letter == letter)
			return (table);
	return (NULL);
}

int
opt_usage(const struct opt_tool *tool)
{
	fflush(stdout);
	print_usage(stderr, tool);
	return (HG_EXIT_USAGE);
}

static int
wrong(const struct opt_tool *tool)
{
	opt_usage(tool);
	return (OPT_USAGE);
}

int
opt_parse(const struct opt_tool *tool, struct opt *table, int argc, char **argv)
{
	struct opt *row;
	const char *p;
	int i;

	for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
		if (strcmp(argv[i], "--") == 0)
			return (i + 1);
		if (strcmp(argv[i], "--version") == 0) {
			printf("%s %s\n", tool->name, HG_VERSION);
			return (OPT_EXIT);
		}
		if (strcmp(argv[i], "--help") == 0) {
			print_help(tool, table);
			return (OPT_EXIT);
		}
		for (p = argv[i] + 1; *p != '\0'; p++) {
			if (*p == 'h') {
				print_help(tool, table);
				return (OPT_EXIT);
			}
			if ((row = find(table, *p)) == NULL) {
				say_error("unknown option '-%c'", *p);
				return (wrong(tool));
			}
			if (++row->count > 1 && !row->repeats) {
				say_error("option '-%c' is given twice", *p);
				return (wrong(tool));
			}
			row->value = "";
			if (row->arg == NULL)
				continue;
			if (p[1] != '\0')
				row->value = p + 1;
			else if (i + 1 < argc)
				row->value = argv[++i];
			else {
				say_error("option '-%c' needs %s", *p, row->arg);
				return (wrong(tool));
			}
			break;
		}
	}
	return (i);
}

const char *
opt_next(const struct opt *table, int argc, char **argv, char letter, int *at)
{
	struct opt *row;
	const char *p, *value;

	for (; *at < argc && argv[*at][0] == '-' && argv[*at][1] != '\0'; (*at)++) {
		if (strcmp(argv[*at], "--") == 0)
			return (NULL);
		for (p = argv[*at] + 1; *p != '\0'; p++) {
			if ((row = find((struct opt *)(size_t)table, *p)) == NULL || row->arg == NULL)
				continue;
			value = p[1] != '\0' ? p + 1 : argv[++*at];
			if (*p == letter) {
				(*at)++;
				return (value);
			}
			break;
		}
	}
	return (NULL);
}
