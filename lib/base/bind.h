#ifndef HG_BIND_H
#define HG_BIND_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Members of a JSON object bound to fields of a struct, a row each: what is
 * read, written and looked up by name follows from one table.  A row's type is
 * that of its field.
 */
enum bind_type {
	BIND_UNSIGNED,
	BIND_ULONG, /* size_t and uint64_t are this or the next */
	BIND_ULLONG,
	BIND_LONG, /* int64_t likewise */
	BIND_LLONG,
	BIND_REAL,  /* double */
	BIND_FLAG,  /* int, 0 or 1 */
	BIND_TEXT,  /* const char *, into the JSON value; NULL for null */
	BIND_VALUE, /* const json_t *, the JSON value itself, borrowed */
	BIND_WORD,  /* an enum, by place in words */
	BIND_SET,   /* struct bind_set: a list of whole numbers that grow strictly */
	BIND_LIST,  /* struct bind_list: whole numbers from 0 on */
	BIND_PAIRS  /* struct bind_pairs: a list of [share, whole number], shares growing strictly from 0 to below 1 */
};

#define BIND_SET_END 1024 /* numbers of a set are below this */

struct bind_set {
	unsigned char bits[BIND_SET_END / 8];
};

#define BIND_LIST_MOST 8

struct bind_list {
	size_t count;
	uint64_t number[BIND_LIST_MOST];
};

#define BIND_PAIRS_MOST 16

struct bind_pairs {
	size_t count;
	double share[BIND_PAIRS_MOST];
	uint64_t number[BIND_PAIRS_MOST]; /* from 1 on */
};

/* Whether a number below BIND_SET_END is in the set; and to put it there. */
int bind_set_has(const struct bind_set *set, size_t number);
void bind_set_add(struct bind_set *set, size_t number);

struct bind {
	const char *path; /* dotted; NULL ends a table */
	size_t offset;
	enum bind_type type;
	const char *const *words; /* BIND_WORD: ended by NULL */
};

/* clang-format off */
#define BIND_TYPE(lvalue) _Generic((lvalue), unsigned: BIND_UNSIGNED, unsigned long: BIND_ULONG, \
	unsigned long long: BIND_ULLONG, long: BIND_LONG, long long: BIND_LLONG, double: BIND_REAL, int: BIND_FLAG, \
	const char *: BIND_TEXT, const json_t *: BIND_VALUE, \
	struct bind_set: BIND_SET, struct bind_list: BIND_LIST, struct bind_pairs: BIND_PAIRS)

/* A row for a field of ${type}; one for an enum, whose value is a place in ${words}; the end of a table. */
#define BIND(type, path, field) { path, offsetof(type, field), BIND_TYPE(((type *)0)->field), NULL }
#define BIND_ENUM(type, path, field, words) { path, offsetof(type, field), BIND_WORD, words }
#define BIND_END { NULL, 0, BIND_FLAG, NULL }
/* clang-format on */

/**
 * bind_set(row, to, v):
 * Set the row's field of ${to}.  For a number null and a word stand for "none given" and are 0.
 * Errors: -1 where v is absent (NULL) or not of the type; nothing is said or set.
 */
int bind_set(const struct bind *row, void *to, const json_t *v);

/* The field as a JSON value. Owns: the caller decrefs. NULL when out of memory. */
json_t *bind_get(const struct bind *row, const void *from);

/*
 * A field of BIND_UNSIGNED to BIND_FLAG, the place of a word or the size of a list, as a number; and from one that it
 * can hold, 0 for a list.
 */
double bind_number(const struct bind *row, const void *from);
void bind_put(const struct bind *row, void *to, double value);

/* The row of a path, or NULL. */
const struct bind *bind_find(const struct bind *rows, const char *path);

#endif
