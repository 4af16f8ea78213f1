#ifndef HG_OPT_H
#define HG_OPT_H

/**
 * Command lines: short options, each given at most once unless it repeats,
 * then operands.  The table that parses also prints the usage.
 */
struct opt {
	char letter;
	const char *arg;  /* name of its argument, or NULL for a switch */
	const char *help; /* one line for -h */
	int repeats;      /* may be given more than once; see opt_next */
	/* Results */
	const char *value; /* the (last) argument; "" for a switch; NULL when not given */
	unsigned count;
};

struct opt_tool {
	const char *name;     /* "hg-status" */
	const char *summary;  /* one line: what it does */
	const char *synopsis; /* usage lines without "usage:", separated by newlines */
};

enum {
	OPT_EXIT = -1, /* -h or --version was answered on stdout: exit 0 */
	OPT_USAGE = -2 /* wrong, and said so on stderr: exit 100 */
};

/**
 * opt_parse(tool, table, argc, argv):
 * Fill the results of ${table}, which ends in a row with letter 0.  Options end
 * at the first operand or at "--".  Returns the index of the first operand, or
 * OPT_EXIT or OPT_USAGE.  Values point into argv.
 */
int opt_parse(const struct opt_tool *tool, struct opt *table, int argc, char **argv);

/* The table's row of a letter; it must be there. */
struct opt *opt_row(struct opt *table, char letter);

/* For options that repeat: the next value of ${letter} at or after argv index *at (start from 1), or NULL. */
const char *opt_next(const struct opt *table, int argc, char **argv, char letter, int *at);

/* Say `usage: ...` on stderr; returns HG_EXIT_USAGE. */
int opt_usage(const struct opt_tool *tool);

#endif
