#ifndef HG_JSONTEXT_H
#define HG_JSONTEXT_H

#include <stddef.h>

/**
 * JSON as people write it, read scalar by scalar with the line that each
 * stands on, which no DOM keeps.  Comments, trailing commas, line feeds in
 * strings and bare NaN and Infinity are read and reported; whatever else is
 * no JSON ends the reading, and says where.  Never recurses; nesting is
 * bounded.  Checked: t/import.bats, t/fuzz/import.c.
 */

enum { JSONTEXT_DEPTH = 64 };

enum jsontext_kind { JSONTEXT_NUMBER, JSONTEXT_STRING, JSONTEXT_WORD }; /* words: true, false, null, NaN... */

/* Where in the tree something stands: a key, or an index in an array. */
struct jsontext_level {
	const char *key; /* "" in an array */
	size_t index;    /* in an array, or 0 */
	int in_array;
};

struct jsontext_item {
	enum jsontext_kind kind;
	const char *text; /* a string's decoded */
	size_t n;
	unsigned line;                      /* where it begins, from 1 */
	const char *path;                   /* "seeds.42.val_bpb", "runs[0].seed" */
	const struct jsontext_level *level; /* of it and of all that it stands in */
	size_t depth;                       /* how many levels */
};

struct jsontext_end {
	int ok;        /* all of it was read, and was one value */
	unsigned line; /* if not, where it ends */
	const char *why;
	int too_deep;      /* that was why */
	unsigned lax_line; /* the first line that is no strict JSON; 0: none */
};

struct jsontext_reader {
	/* Stop by returning nonzero. */
	int (*item)(void *arg, const struct jsontext_item *item);
	/* A key that its object had before; ${path} is the key's. */
	void (*twice)(void *arg, const char *path, unsigned line);
	void *arg;
};

/* 0, or -1 with errno ENOMEM. */
int jsontext_read(const char *text, size_t n, const struct jsontext_reader *reader, struct jsontext_end *end);

#endif
