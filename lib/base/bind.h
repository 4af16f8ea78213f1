#ifndef HG_BIND_H
#define HG_BIND_H

#include <jansson.h>
#include <stddef.h>

/**
 * Members of a JSON object bound to fields of a struct, a row each: what is
 * read, written and looked up by name follows from one table.
 */
enum bind_type {
	BIND_SIZE,     /* size_t */
	BIND_U64,      /* uint64_t */
	BIND_I64,      /* int64_t */
	BIND_UNSIGNED, /* unsigned */
	BIND_REAL,     /* double */
	BIND_FLAG,     /* int, 0 or 1 */
	BIND_TEXT,     /* const char *, into the JSON value; NULL for null */
	BIND_WORD      /* an enum, by place in words */
};

struct bind {
	const char *path; /* dotted; NULL ends a table */
	enum bind_type type;
	size_t offset;
	const char *const *words; /* BIND_WORD: ended by NULL */
};

/**
 * bind_set(row, to, v):
 * Set the row's field of ${to}.  For a number null and a word stand for "none given" and are 0.
 * Errors: -1 where v is absent (NULL) or not of the type; nothing is said or set.
 */
int bind_set(const struct bind *row, void *to, const json_t *v);

/* The field as a JSON value. Owns: the caller decrefs. NULL when out of memory. */
json_t *bind_get(const struct bind *row, const void *from);

/* A field of BIND_SIZE to BIND_FLAG as a number, and from one that it can hold. */
double bind_number(const struct bind *row, const void *from);
void bind_put(const struct bind *row, void *to, double value);

/* The row of a path, or NULL. */
const struct bind *bind_find(const struct bind *rows, const char *path);

#endif
