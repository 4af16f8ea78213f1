#ifndef HG_JSONSCAN_H
#define HG_JSONSCAN_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/**
 * JSON as a list of tokens, in one pass and without a malloc for each value:
 * of a ledger's rows in a tenth of the time that a tree of json_t takes, and
 * less, for whoever needs few of many values.
 * What is accepted is JSON by every rule that jsonio_parse goes by, duplicate
 * keys among them; but not all JSON is: a text with \u or integers
 * past 64 bits, nested past 64 or that is no object or list is declined, and
 * is for jsonio_parse to read, or to say what is wrong with it.
 */

enum jsonscan_type {
	JSONSCAN_OBJECT, /* its members follow, key and value in turn */
	JSONSCAN_ARRAY,  /* its elements follow */
	JSONSCAN_STRING,
	JSONSCAN_INTEGER,
	JSONSCAN_REAL,
	JSONSCAN_TRUE,
	JSONSCAN_FALSE,
	JSONSCAN_NULL
};

struct jsonscan_token {
	enum jsonscan_type type;
	uint32_t n;    /* bytes of a string, members of an object or elements of a list */
	uint32_t next; /* index of the token after the value */
	union {
		const char *text; /* ends in a NUL */
		int64_t integer;
		double real;
	};
};

struct jsonscan {
	char *text; /* a copy of what is scanned, in which strings end in a NUL */
	size_t text_cap;
	struct jsonscan_token *tokens;
	size_t count, cap;
};

#define JSONSCAN_INIT \
	{ \
		NULL, 0, NULL, 0, 0 \
	}

/**
 * jsonscan_text(s, text, n):
 * Scan ${n} bytes; what was scanned before is forgotten.  0, or -1: declined, or
 * memory is short; nothing is said.
 * Owns:   jsonscan_free releases all; tokens last until the next scan.
 * Checked: t/unit/json.c.
 */
int jsonscan_text(struct jsonscan *s, const char *text, size_t n);
void jsonscan_free(struct jsonscan *s);

/**
 * jsonscan_member(s, object, key, at):
 * The token of a member's value, or NULL.  *at, 0 at first, is where the one
 * before was found: members that are asked for in their order cost no search.
 */
const struct jsonscan_token *
jsonscan_member(const struct jsonscan *s, const struct jsonscan_token *object, const char *key, uint32_t *at);

/* The same by dotted path, from the whole, as jsonio_get. */
const struct jsonscan_token *jsonscan_get(const struct jsonscan *s, const char *path);

/* The whole as json_t, or one value, which the caller decrefs. NULL where memory is short. */
json_t *jsonscan_tree(const struct jsonscan *s);
json_t *jsonscan_value(const struct jsonscan *s, const struct jsonscan_token *t);

#endif
