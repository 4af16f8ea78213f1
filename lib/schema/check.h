#ifndef HG_CHECK_H
#define HG_CHECK_H

#include <jansson.h>
#include <regex.h>
#include <stddef.h>

#include "base/str.h"

/**
 * The checker: a value against a JSON Schema of the subset that
 * schema/contract.h lists.  It says nothing, knows no file and no contract's
 * name, and takes for granted that the schema is sound (schema/lint.h).
 */

/* Where in the value a walk stands. */
struct check_path {
	const struct check_path *up;
	const char *key; /* or NULL: an index */
	size_t index;
};

struct check_walk {
	const json_t *root; /* for $ref */
	const char *prefix; /* path of the value that the check began with */
	struct str *where;  /* or NULL */
	int part;           /* required members may be missing */
	int foreign;        /* lint: not a contract of ours, only what a check relies upon */
};

/**
 * check_value(w, schema, v, at):
 * Does ${v}, which stands at ${at} (NULL: where the walk began), keep
 * ${schema}?  0, or -1 with errno EBADMSG and w->where filled, or ENOMEM.
 * Checked: t/unit/contract.c.
 */
int check_value(const struct check_walk *w, const json_t *schema, const json_t *v, const struct check_path *at);

/* The contract is broken: `PATH: ` and, with ${v}, `VALUE `, then the reason. Always -1, with errno. */
int check_broken(const struct check_walk *w, const struct check_path *at, const json_t *v, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Where "#/$defs/NAME", the only form that lint lets pass, leads; NULL if nowhere. */
const json_t *check_referred(const struct check_walk *w, const json_t *ref);

/* The type keyword is a name or an array of names: its n-th, or NULL. */
const char *check_nth_type(const json_t *type, size_t n);

/* How many types JSON Schema has, and 1 if it has one of that name. */
#define CHECK_TYPES 7
int check_is_type(const char *name);

/* 1 if a value is an integer, however it is written. */
int check_is_integral(const json_t *v);

/* 1 if a keyword is one of the subset that has no effect on the verdict. */
int check_is_silent(const char *keyword);

/* Order of two numbers: integers exactly, others as doubles. */
int check_compare(const json_t *a, const json_t *b);

/* Two scalars: 1 and 1.0 are the same number. */
int check_same(const json_t *a, const json_t *b);

/* A pattern compiled, kept for the life of the process; NULL if it does not compile or memory is short. */
const regex_t *check_compiled(const char *pattern);

#endif
