/*
 * A check walks schema and value together; the path to where it stands is a
 * list on the stack, turned into text only on failure.
 */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/jsonio.h"
#include "base/pattern.h"
#include "base/utf8.h"
#include "schema/check.h"

/* How much of an offending value a message shows. */
#define SHOWN 64

/* --- messages ------------------------------------------------------------- */

static int
put_path(struct str *s, const struct check_path *at, const char *prefix)
{
	int rc;

	if (at == NULL)
		return (str_puts(s, prefix));
	if (put_path(s, at->up, prefix) == -1)
		return (-1);
	if (at->key == NULL)
		rc = str_printf(s, "[%zu]", at->index);
	else
		rc = str_printf(s, "%s%s", s->n == 0 ? "" : ".", at->key);
	return (rc);
}

static int
put_value(struct str *s, const json_t *v)
{
	char *line;
	size_t n;
	int rc;

	if (json_is_object(v))
		return (str_puts(s, "an object"));
	if (json_is_array(v))
		return (str_puts(s, "an array"));
	if ((line = jsonio_line(v)) == NULL)
		return (-1);
	n = strlen(line);
	if (n > SHOWN)
		n = utf8_cut(line, SHOWN);
	rc = str_add(s, line, n);
	if (rc == 0 && line[n] != '\0')
		rc = str_puts(s, "...");
	free(line);
	return (rc);
}

int
check_broken(const struct check_walk *w, const struct check_path *at, const json_t *v, const char *format, ...)
{
	struct str path = STR_INIT;
	char reason[512];
	va_list args;
	int rc = 0;

	errno = EBADMSG;
	if (w->where == NULL)
		return (-1);
	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	rc = put_path(&path, at, w->prefix);
	if (rc == 0 && path.n != 0)
		rc = str_printf(w->where, "%s: ", path.p);
	if (rc == 0 && v != NULL)
		rc = put_value(w->where, v);
	if (rc == 0)
		rc = str_printf(w->where, "%s%s", v == NULL ? "" : " ", reason);
	str_free(&path);
	errno = rc == 0 ? EBADMSG : ENOMEM;
	return (-1);
}

/* --- types and equality --------------------------------------------------- */

static const struct {
	const char *name, *article;
} types[CHECK_TYPES] = {
	{ "object", "an object" },
	{ "array", "an array" },
	{ "string", "a string" },
	{ "integer", "an integer" },
	{ "number", "a number" },
	{ "boolean", "true or false" },
	{ "null", "null" },
};

int
check_is_integral(const json_t *v)
{
	return (json_is_integer(v) || (json_is_real(v) && floor(json_real_value(v)) == json_real_value(v)));
}

static int
is_type(const json_t *v, const char *name)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return (strcmp(name, "object") == 0);
	case JSON_ARRAY:
		return (strcmp(name, "array") == 0);
	case JSON_STRING:
		return (strcmp(name, "string") == 0);
	case JSON_TRUE:
	case JSON_FALSE:
		return (strcmp(name, "boolean") == 0);
	case JSON_NULL:
		return (strcmp(name, "null") == 0);
	case JSON_INTEGER:
	case JSON_REAL:
		return (strcmp(name, "number") == 0 || (strcmp(name, "integer") == 0 && check_is_integral(v)));
	}
	return (0);
}

int
check_is_type(const char *name)
{
	size_t i;

	for (i = 0; i < CHECK_TYPES; i++)
		if (strcmp(types[i].name, name) == 0)
			return (1);
	return (0);
}

const char *
check_nth_type(const json_t *arg, size_t n)
{
	if (json_is_string(arg))
		return (n == 0 ? json_string_value(arg) : NULL);
	return (json_string_value(json_array_get(arg, n)));
}

int
check_compare(const json_t *a, const json_t *b)
{
	json_int_t i, j;
	double x, y;

	if (json_is_integer(a) && json_is_integer(b)) {
		i = json_integer_value(a);
		j = json_integer_value(b);
		return ((i > j) - (i < j));
	}
	x = json_number_value(a);
	y = json_number_value(b);
	return ((x > y) - (x < y));
}

int
check_same(const json_t *a, const json_t *b)
{
	if (json_is_number(a) && json_is_number(b))
		return (check_compare(a, b) == 0);
	return (json_equal(a, b));
}

/* --- the rules, one for each keyword -------------------------------------- */

#define CHECK(name) \
	static int check_##name(const struct check_walk *w, const json_t *schema, const json_t *arg, const json_t *v, \
	    const struct check_path *at)

CHECK(type)
{
	char text[128] = "";
	const char *name;
	size_t i, j;

	(void)schema;
	for (i = 0; (name = check_nth_type(arg, i)) != NULL; i++)
		if (is_type(v, name))
			return (0);
	for (i = 0; (name = check_nth_type(arg, i)) != NULL; i++) {
		for (j = 0; j < CHECK_TYPES && strcmp(types[j].name, name) != 0; j++)
			continue;
		assert(j < CHECK_TYPES);
		if (i != 0)
			strcat(text, " or ");
		strcat(text, types[j].article);
	}
	return (check_broken(w, at, v, "is not %s", text));
}

CHECK(const)
{
	struct str want = STR_INIT;

	(void)schema;
	if (check_same(v, arg))
		return (0);
	put_value(&want, arg);
	check_broken(w, at, v, "is not %s", want.p == NULL ? "" : want.p);
	str_free(&want);
	return (-1);
}

CHECK(enum)
{
	struct str want = STR_INIT;
	size_t i;

	(void)schema;
	for (i = 0; i < json_array_size(arg); i++)
		if (check_same(v, json_array_get(arg, i)))
			return (0);
	for (i = 0; i < json_array_size(arg); i++) {
		str_puts(&want, i == 0 ? "" : ", ");
		put_value(&want, json_array_get(arg, i));
	}
	check_broken(w, at, v, "is none of %s", want.p == NULL ? "" : want.p);
	str_free(&want);
	return (-1);
}

const json_t *
check_referred(const struct check_walk *w, const json_t *arg)
{
	/* "#/$defs/NAME": the only form that lint lets pass. */
	return (json_object_get(json_object_get(w->root, "$defs"), json_string_value(arg) + strlen("#/$defs/")));
}

CHECK(ref)
{
	(void)schema;
	return (check_value(w, check_referred(w, arg), v, at));
}

CHECK(properties)
{
	const char *key;
	json_t *member, *rule;

	(void)schema;
	json_object_foreach((json_t *)(size_t)v, key, member) {
		struct check_path here = { at, key, 0 };

		if ((rule = json_object_get(arg, key)) != NULL && check_value(w, rule, member, &here) == -1)
			return (-1);
	}
	return (0);
}

CHECK(required)
{
	size_t i;

	(void)schema;
	if (!json_is_object(v) || w->part)
		return (0);
	for (i = 0; i < json_array_size(arg); i++) {
		struct check_path here = { at, json_string_value(json_array_get(arg, i)), 0 };

		if (json_object_get(v, here.key) == NULL)
			return (check_broken(w, &here, NULL, "is missing"));
	}
	return (0);
}

CHECK(additional)
{
	const json_t *known = json_object_get(schema, "properties");
	const char *key;
	json_t *member;

	json_object_foreach((json_t *)(size_t)v, key, member) {
		struct check_path here = { at, key, 0 };

		if (json_object_get(known, key) != NULL)
			continue;
		if (json_is_false(arg))
			return (check_broken(w, &here, NULL, "unknown key"));
		if (check_value(w, arg, member, &here) == -1)
			return (-1);
	}
	return (0);
}

CHECK(items)
{
	size_t i;

	(void)schema;
	for (i = 0; i < json_array_size(v); i++) {
		struct check_path here = { at, NULL, i };

		if (check_value(w, arg, json_array_get(v, i), &here) == -1)
			return (-1);
	}
	return (0);
}

/* A length that a schema states; it may be written 2.0. */
static size_t
length(const json_t *arg)
{
	return ((size_t)json_number_value(arg));
}

CHECK(min_items)
{
	size_t n = json_array_size(v), least = length(arg);

	(void)schema;
	if (json_is_array(v) && n < least)
		return (check_broken(w, at, NULL, "%zu items are fewer than %zu", n, least));
	return (0);
}

CHECK(max_items)
{
	size_t n = json_array_size(v), most = length(arg);

	(void)schema;
	if (json_is_array(v) && n > most)
		return (check_broken(w, at, NULL, "%zu items are more than %zu", n, most));
	return (0);
}

static int
bound(const struct check_walk *w, const json_t *arg, const json_t *v, const struct check_path *at, int holds,
    const char *what)
{
	char *text;

	if (!json_is_number(v) || holds)
		return (0);
	text = jsonio_line(arg);
	check_broken(w, at, v, "is not %s %s", what, text == NULL ? "" : text);
	free(text);
	return (-1);
}

CHECK(minimum)
{
	(void)schema;
	return (bound(w, arg, v, at, check_compare(v, arg) >= 0, "at least"));
}

CHECK(maximum)
{
	(void)schema;
	return (bound(w, arg, v, at, check_compare(v, arg) <= 0, "at most"));
}

CHECK(above)
{
	(void)schema;
	return (bound(w, arg, v, at, check_compare(v, arg) > 0, "above"));
}

CHECK(below)
{
	(void)schema;
	return (bound(w, arg, v, at, check_compare(v, arg) < 0, "below"));
}

CHECK(min_length)
{
	(void)schema;
	if (json_is_string(v) && utf8_count(json_string_value(v), json_string_length(v)) < length(arg))
		return (check_broken(w, at, v, "is shorter than %zu", length(arg)));
	return (0);
}

CHECK(max_length)
{
	(void)schema;
	if (json_is_string(v) && utf8_count(json_string_value(v), json_string_length(v)) > length(arg))
		return (check_broken(w, at, v, "is longer than %zu", length(arg)));
	return (0);
}

/* Patterns are kept: a ledger of ten thousand rows asks for the same few. */
const regex_t *
check_compiled(const char *pattern)
{
	static struct kept {
		struct kept *next;
		char *pattern;
		regex_t regex;
	} * kept;
	struct kept *k;

	for (k = kept; k != NULL; k = k->next)
		if (strcmp(k->pattern, pattern) == 0)
			return (&k->regex);
	if ((k = malloc(sizeof(*k))) == NULL)
		goto err0;
	if ((k->pattern = strdup(pattern)) == NULL)
		goto err1;
	if (pattern_compile(&k->regex, pattern, REG_NOSUB) != 0)
		goto err2;
	k->next = kept;
	kept = k;
	return (&k->regex);
err2:
	free(k->pattern);
err1:
	free(k);
err0:
	return (NULL);
}

CHECK(pattern)
{
	const char *text = json_string_value(v);
	const regex_t *regex;
	int rc;

	(void)schema;
	if (text == NULL)
		return (0);
	if ((regex = check_compiled(json_string_value(arg))) == NULL) {
		errno = ENOMEM;
		return (-1);
	}
	/* The C library says "no match" where memory ran out, too; only errno tells them apart. */
	errno = 0;
	rc = regexec(regex, text, 0, NULL, 0);
	if (rc == REG_ESPACE || (rc != 0 && errno == ENOMEM)) {
		errno = ENOMEM;
		return (-1);
	}
	/* No pattern of ours matches U+0000. */
	if (strlen(text) != json_string_length(v) || rc != 0)
		return (check_broken(w, at, v, "does not match %s", json_string_value(arg)));
	return (0);
}

struct rule {
	const char *keyword;
	int (*check)(const struct check_walk *w, const json_t *schema, const json_t *arg, const json_t *v,
	    const struct check_path *at); /* or NULL: without effect */
};

static const struct rule rules[] = {
	{ "type", check_type },
	{ "$ref", check_ref },
	{ "minimum", check_minimum },
	{ "maximum", check_maximum },
	{ "x-tag", NULL },
	{ "default", NULL },
	{ "description", NULL },
	{ "x-unit", NULL },
	{ "x-since", NULL },
	{ "x-timing", NULL },
	{ "pattern", check_pattern },
	{ "const", check_const },
	{ "enum", check_enum },
	{ "properties", check_properties },
	{ "required", check_required },
	{ "additionalProperties", check_additional },
	{ "items", check_items },
	{ "minItems", check_min_items },
	{ "maxItems", check_max_items },
	{ "minLength", check_min_length },
	{ "maxLength", check_max_length },
	{ "exclusiveMinimum", check_above },
	{ "exclusiveMaximum", check_below },
	{ "readOnly", NULL },
	{ "$defs", NULL },
	{ "title", NULL },
	{ "$schema", NULL },
};

static const struct rule *
find_rule(const char *keyword)
{
	size_t i;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].keyword[0] == keyword[0] && strcmp(rules[i].keyword, keyword) == 0)
			return (&rules[i]);
	return (NULL);
}

int
check_is_silent(const char *keyword)
{
	const struct rule *rule = find_rule(keyword);

	return (rule != NULL && rule->check == NULL);
}

int
check_value(const struct check_walk *w, const json_t *schema, const json_t *v, const struct check_path *at)
{
	const struct rule *rule;
	const char *keyword;
	json_t *arg;

	json_object_foreach((json_t *)(size_t)schema, keyword, arg) {
		if ((rule = find_rule(keyword)) == NULL)
			return (check_broken(w, at, NULL, "the contract has an unknown keyword, '%s'", keyword));
		if (rule->check != NULL && rule->check(w, schema, arg, v, at) == -1)
			return (-1);
	}
	return (0);
}
