/*
 * The contracts' text is parsed when one is first asked for and kept for the
 * life of the process.  A check walks schema and value together; the path to
 * where it stands is a list on the stack, turned into text only on failure.
 */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "schema/contract.h"
#include "schema/embedded.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "base/str.h"

/* RFC 8785 writes integers as doubles: beyond this they would not stay themselves. */
#define LARGEST_INTEGER 9007199254740991

/* How much of an offending value a message shows. */
#define SHOWN 64

struct path {
	const struct path *up;
	const char *key; /* or NULL: an index */
	size_t index;
};

struct walk {
	const json_t *root; /* for $ref */
	const char *prefix; /* path of the value that the check began with */
	struct str *where;  /* or NULL */
	int part;           /* required members may be missing */
};

struct rule {
	const char *keyword;
	int (*check)(const struct walk *w, const json_t *schema, const json_t *arg, const json_t *v,
	    const struct path *at);
	int (*lint)(const struct walk *w, const json_t *schema, const json_t *arg, const struct path *at);
};

static int walk_check(const struct walk *w, const json_t *schema, const json_t *v, const struct path *at);
static int walk_lint(const struct walk *w, const json_t *schema, const struct path *at);

/* --- messages ------------------------------------------------------------- */

static int
put_path(struct str *s, const struct path *at, const char *prefix)
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
	if (n > SHOWN) {
		for (n = SHOWN; n > 0 && (line[n] & 0xc0) == 0x80; n--)
			continue;
	}
	rc = str_add(s, line, n);
	if (rc == 0 && line[n] != '\0')
		rc = str_puts(s, "...");
	free(line);
	return (rc);
}

/* The contract is broken: `PATH: ` and, with ${v}, `VALUE `, then the reason. Always -1. */
static int broken(const struct walk *w, const struct path *at, const json_t *v, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static int
broken(const struct walk *w, const struct path *at, const json_t *v, const char *format, ...)
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
} types[] = {
	{ "object", "an object" },
	{ "array", "an array" },
	{ "string", "a string" },
	{ "integer", "an integer" },
	{ "number", "a number" },
	{ "boolean", "true or false" },
	{ "null", "null" },
};

#define TYPES (sizeof(types) / sizeof(types[0]))

static int
is_integral(const json_t *v)
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
		return (strcmp(name, "number") == 0 || (strcmp(name, "integer") == 0 && is_integral(v)));
	}
	return (0);
}

/* The type keyword is a name or an array of names: its n-th, or NULL. */
static const char *
nth_type(const json_t *arg, size_t n)
{
	if (json_is_string(arg))
		return (n == 0 ? json_string_value(arg) : NULL);
	return (json_string_value(json_array_get(arg, n)));
}

/* Order of two numbers: integers exactly, others as doubles. */
static int
compare(const json_t *a, const json_t *b)
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

/* Scalars only: 1 and 1.0 are the same number. */
static int
same(const json_t *a, const json_t *b)
{
	if (json_is_number(a) && json_is_number(b))
		return (compare(a, b) == 0);
	return (json_equal(a, b));
}

/* --- the rules, one for each keyword -------------------------------------- */

#define CHECK(name) \
	static int check_##name(const struct walk *w, const json_t *schema, const json_t *arg, const json_t *v, \
	    const struct path *at)

CHECK(type)
{
	char text[128] = "";
	const char *name;
	size_t i, j;

	(void)schema;
	for (i = 0; (name = nth_type(arg, i)) != NULL; i++)
		if (is_type(v, name))
			return (0);
	for (i = 0; (name = nth_type(arg, i)) != NULL; i++) {
		for (j = 0; j < TYPES && strcmp(types[j].name, name) != 0; j++)
			continue;
		assert(j < TYPES);
		if (i != 0)
			strcat(text, " or ");
		strcat(text, types[j].article);
	}
	return (broken(w, at, v, "is not %s", text));
}

CHECK(const)
{
	struct str want = STR_INIT;

	(void)schema;
	if (same(v, arg))
		return (0);
	put_value(&want, arg);
	broken(w, at, v, "is not %s", want.p == NULL ? "" : want.p);
	str_free(&want);
	return (-1);
}

CHECK(enum)
{
	struct str want = STR_INIT;
	size_t i;

	(void)schema;
	for (i = 0; i < json_array_size(arg); i++)
		if (same(v, json_array_get(arg, i)))
			return (0);
	for (i = 0; i < json_array_size(arg); i++) {
		str_puts(&want, i == 0 ? "" : ", ");
		put_value(&want, json_array_get(arg, i));
	}
	broken(w, at, v, "is none of %s", want.p == NULL ? "" : want.p);
	str_free(&want);
	return (-1);
}

static const json_t *
referred(const struct walk *w, const json_t *arg)
{
	/* "#/$defs/NAME": the only form that lint lets pass. */
	return (json_object_get(json_object_get(w->root, "$defs"), json_string_value(arg) + strlen("#/$defs/")));
}

CHECK(ref)
{
	(void)schema;
	return (walk_check(w, referred(w, arg), v, at));
}

CHECK(properties)
{
	const char *key;
	json_t *member, *rule;

	(void)schema;
	json_object_foreach((json_t *)(size_t)v, key, member) {
		struct path here = { at, key, 0 };

		if ((rule = json_object_get(arg, key)) != NULL && walk_check(w, rule, member, &here) == -1)
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
		struct path here = { at, json_string_value(json_array_get(arg, i)), 0 };

		if (json_object_get(v, here.key) == NULL)
			return (broken(w, &here, NULL, "is missing"));
	}
	return (0);
}

CHECK(additional)
{
	const json_t *known = json_object_get(schema, "properties");
	const char *key;
	json_t *member;

	json_object_foreach((json_t *)(size_t)v, key, member) {
		struct path here = { at, key, 0 };

		if (json_object_get(known, key) != NULL)
			continue;
		if (json_is_false(arg))
			return (broken(w, &here, NULL, "unknown key"));
		if (walk_check(w, arg, member, &here) == -1)
			return (-1);
	}
	return (0);
}

CHECK(items)
{
	size_t i;

	(void)schema;
	for (i = 0; i < json_array_size(v); i++) {
		struct path here = { at, NULL, i };

		if (walk_check(w, arg, json_array_get(v, i), &here) == -1)
			return (-1);
	}
	return (0);
}

CHECK(min_items)
{
	size_t n = json_array_size(v), least = (size_t)json_integer_value(arg);

	(void)schema;
	if (json_is_array(v) && n < least)
		return (broken(w, at, NULL, "%zu items are fewer than %zu", n, least));
	return (0);
}

CHECK(max_items)
{
	size_t n = json_array_size(v), most = (size_t)json_integer_value(arg);

	(void)schema;
	if (json_is_array(v) && n > most)
		return (broken(w, at, NULL, "%zu items are more than %zu", n, most));
	return (0);
}

static int
bound(const struct walk *w, const json_t *arg, const json_t *v, const struct path *at, int holds, const char *what)
{
	char *text;

	if (!json_is_number(v) || holds)
		return (0);
	text = jsonio_line(arg);
	broken(w, at, v, "is not %s %s", what, text == NULL ? "" : text);
	free(text);
	return (-1);
}

CHECK(minimum)
{
	(void)schema;
	return (bound(w, arg, v, at, compare(v, arg) >= 0, "at least"));
}

CHECK(maximum)
{
	(void)schema;
	return (bound(w, arg, v, at, compare(v, arg) <= 0, "at most"));
}

CHECK(above)
{
	(void)schema;
	return (bound(w, arg, v, at, compare(v, arg) > 0, "above"));
}

CHECK(below)
{
	(void)schema;
	return (bound(w, arg, v, at, compare(v, arg) < 0, "below"));
}

CHECK(min_length)
{
	(void)schema;
	if (json_is_string(v) &&
	    utf8_count(json_string_value(v), json_string_length(v)) < (size_t)json_integer_value(arg))
		return (broken(w, at, v, "is shorter than %lld", (long long)json_integer_value(arg)));
	return (0);
}

CHECK(max_length)
{
	(void)schema;
	if (json_is_string(v) &&
	    utf8_count(json_string_value(v), json_string_length(v)) > (size_t)json_integer_value(arg))
		return (broken(w, at, v, "is longer than %lld", (long long)json_integer_value(arg)));
	return (0);
}

/* Compiled patterns are kept: a ledger of ten thousand rows asks for the same few. */
static const regex_t *
compiled(const char *pattern)
{
	static struct {
		char *pattern;
		regex_t regex;
	} * kept;
	static size_t n;
	size_t i;
	void *more;

	for (i = 0; i < n; i++)
		if (strcmp(kept[i].pattern, pattern) == 0)
			return (&kept[i].regex);
	if ((more = realloc(kept, (n + 1) * sizeof(*kept))) == NULL)
		return (NULL);
	kept = more;
	if ((kept[n].pattern = strdup(pattern)) == NULL)
		return (NULL);
	if (regcomp(&kept[n].regex, pattern, REG_EXTENDED | REG_NOSUB) != 0) {
		free(kept[n].pattern);
		return (NULL);
	}
	return (&kept[n++].regex);
}

CHECK(pattern)
{
	const char *text = json_string_value(v);
	const regex_t *regex;
	int rc;

	(void)schema;
	if (text == NULL)
		return (0);
	if ((regex = compiled(json_string_value(arg))) == NULL) {
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
		return (broken(w, at, v, "does not match %s", json_string_value(arg)));
	return (0);
}

/* --- lint: is the contract itself sound? ---------------------------------- */

#define LINT(name) \
	static int lint_##name(const struct walk *w, const json_t *schema, const json_t *arg, const struct path *at)

static int
is_known_type(const char *name)
{
	size_t i;

	for (i = 0; i < TYPES; i++)
		if (strcmp(types[i].name, name) == 0)
			return (1);
	return (0);
}

LINT(type)
{
	const char *name;
	json_int_t low, high;
	size_t i;

	if (nth_type(arg, 0) == NULL || json_array_size(arg) > TYPES)
		return (broken(w, at, NULL, "type names no type"));
	for (i = 0; (name = nth_type(arg, i)) != NULL; i++) {
		if (!is_known_type(name))
			return (broken(w, at, NULL, "type '%s' is unknown", name));
		if (strcmp(name, "integer") != 0)
			continue;
		low = json_integer_value(json_object_get(schema, "minimum"));
		high = json_integer_value(json_object_get(schema, "maximum"));
		if (json_object_get(schema, "minimum") == NULL || high == 0 || low < -LARGEST_INTEGER ||
		    high > LARGEST_INTEGER)
			return (broken(w, at, NULL, "an integer needs integers minimum and maximum, within 2^53 - 1"));
	}
	if (json_is_array(arg) && i != json_array_size(arg))
		return (broken(w, at, NULL, "type must be a name or an array of names"));
	return (0);
}

LINT(const)
{
	(void)schema;
	if (json_is_object(arg) || json_is_array(arg))
		return (broken(w, at, NULL, "const must be a scalar"));
	return (0);
}

LINT(enum)
{
	size_t i;

	(void)schema;
	if (json_array_size(arg) == 0)
		return (broken(w, at, NULL, "enum must be an array"));
	for (i = 0; i < json_array_size(arg); i++)
		if (json_is_object(json_array_get(arg, i)) || json_is_array(json_array_get(arg, i)))
			return (broken(w, at, NULL, "enum must hold scalars"));
	return (0);
}

LINT(ref)
{
	const char *s = json_string_value(arg);

	(void)schema;
	if (s == NULL || strncmp(s, "#/$defs/", strlen("#/$defs/")) != 0 || referred(w, arg) == NULL)
		return (broken(w, at, NULL, "$ref leads nowhere"));
	/* A chain of references could be a circle. */
	if (json_object_get(referred(w, arg), "$ref") != NULL)
		return (broken(w, at, NULL, "$ref leads to another $ref"));
	return (0);
}

LINT(schemas)
{
	const char *key;
	json_t *member;

	(void)schema;
	if (!json_is_object(arg))
		return (broken(w, at, NULL, "must be an object of schemas"));
	json_object_foreach((json_t *)(size_t)arg, key, member) {
		struct path here = { at, key, 0 };

		if (strchr(key, '.') != NULL)
			return (broken(w, &here, NULL, "a key with a dot cannot be named by path"));
		if (walk_lint(w, member, &here) == -1)
			return (-1);
	}
	return (0);
}

LINT(schema)
{
	struct path here = { at, "*", 0 };

	(void)schema;
	return (walk_lint(w, arg, &here));
}

LINT(additional)
{
	if (json_is_false(arg))
		return (0);
	return (lint_schema(w, schema, arg, at));
}

LINT(required)
{
	const char *name;
	size_t i;

	if (!json_is_array(arg))
		return (broken(w, at, NULL, "required must be an array of names"));
	for (i = 0; i < json_array_size(arg); i++) {
		name = json_string_value(json_array_get(arg, i));
		if (name == NULL || json_object_get(json_object_get(schema, "properties"), name) == NULL)
			return (broken(w, at, NULL, "required '%s' is no property", name == NULL ? "" : name));
	}
	return (0);
}

LINT(count)
{
	(void)schema;
	if (!json_is_integer(arg) || json_integer_value(arg) < 0)
		return (broken(w, at, NULL, "a length must be an integer of at least 0"));
	return (0);
}

LINT(number)
{
	(void)schema;
	if (!json_is_number(arg))
		return (broken(w, at, NULL, "a bound must be a number"));
	return (0);
}

LINT(text)
{
	(void)schema;
	if (!json_is_string(arg))
		return (broken(w, at, NULL, "must be text"));
	return (0);
}

LINT(flag)
{
	(void)schema;
	if (!json_is_boolean(arg))
		return (broken(w, at, NULL, "must be true or false"));
	return (0);
}

LINT(tag)
{
	const char *s = json_string_value(arg);

	(void)schema;
	if (s == NULL || (strcmp(s, "result") != 0 && strcmp(s, "system") != 0 && strcmp(s, "cosmetic") != 0))
		return (broken(w, at, NULL, "x-tag must be result, system or cosmetic"));
	return (0);
}

LINT(default)
{
	struct path here = { at, "default", 0 };

	return (walk_check(w, schema, arg, &here));
}

/* [...] after its bracket: no negation, escapes or classes. Returns what follows, or NULL. */
static const char *
set_end(const char *p)
{
	if (*p == '^' || *p == ']')
		return (NULL);
	for (; *p != ']'; p++)
		if (*p == '\0' || *p == '[' || *p == '\\' || (unsigned char)*p >= 0x80)
			return (NULL);
	return (p + 1);
}

/* {m}, {m,} or {m,n} after its brace. */
static const char *
repeat_end(const char *p)
{
	const char *digits = "0123456789";
	size_t n = strspn(p, digits);

	if (n == 0)
		return (NULL);
	p += n;
	if (*p == ',')
		p += 1 + strspn(p + 1, digits);
	return (*p == '}' ? p + 1 : NULL);
}

/* What POSIX extended and ECMA-262 expressions read alike: sets, groups, |, * + ? {m,n}, escaped punctuation. */
static int
is_common_pattern(const char *p)
{
	int depth = 0, atom = 0;

	if (*p++ != '^')
		return (0);
	for (; p != NULL && *p != '\0';) {
		if (strcmp(p, "$") == 0)
			return (depth == 0);
		switch (*p) {
		case '[':
			p = set_end(p + 1);
			atom = 1;
			break;
		case '(':
			depth++, p++;
			atom = 0;
			break;
		case ')':
			if (depth-- == 0)
				return (0);
			p++;
			atom = 1;
			break;
		case '|':
			/* Outside a group it would escape the anchors. */
			if (depth == 0)
				return (0);
			p++;
			atom = 0;
			break;
		case '*':
		case '+':
		case '?':
		case '{':
			if (!atom)
				return (0);
			p = *p == '{' ? repeat_end(p + 1) : p + 1;
			atom = 0;
			break;
		case '\\':
			if (p[1] == '\0' || strchr(".*+?()[]{}|^$\\", p[1]) == NULL)
				return (0);
			p += 2;
			atom = 1;
			break;
		default:
			if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f || strchr(".^$]}", *p) != NULL)
				return (0);
			p++;
			atom = 1;
		}
	}
	return (0);
}

LINT(pattern)
{
	(void)schema;
	if (!json_is_string(arg) || !is_common_pattern(json_string_value(arg)))
		return (broken(w, at, NULL, "pattern is not in the common subset"));
	if (compiled(json_string_value(arg)) == NULL)
		return (broken(w, at, NULL, "pattern does not compile"));
	return (0);
}

static const struct rule rules[] = {
	{ "type", check_type, lint_type },
	{ "$ref", check_ref, lint_ref },
	{ "minimum", check_minimum, lint_number },
	{ "maximum", check_maximum, lint_number },
	{ "x-tag", NULL, lint_tag },
	{ "default", NULL, lint_default },
	{ "description", NULL, lint_text },
	{ "x-unit", NULL, lint_text },
	{ "x-timing", NULL, lint_flag },
	{ "pattern", check_pattern, lint_pattern },
	{ "const", check_const, lint_const },
	{ "enum", check_enum, lint_enum },
	{ "properties", check_properties, lint_schemas },
	{ "required", check_required, lint_required },
	{ "additionalProperties", check_additional, lint_additional },
	{ "items", check_items, lint_schema },
	{ "minItems", check_min_items, lint_count },
	{ "maxItems", check_max_items, lint_count },
	{ "minLength", check_min_length, lint_count },
	{ "maxLength", check_max_length, lint_count },
	{ "exclusiveMinimum", check_above, lint_number },
	{ "exclusiveMaximum", check_below, lint_number },
	{ "readOnly", NULL, lint_flag },
	{ "$defs", NULL, lint_schemas },
	{ "title", NULL, lint_text },
	{ "$schema", NULL, lint_text },
};

static const struct rule *
find_rule(const char *keyword)
{
	size_t i;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strcmp(rules[i].keyword, keyword) == 0)
			return (&rules[i]);
	return (NULL);
}

static int
walk_check(const struct walk *w, const json_t *schema, const json_t *v, const struct path *at)
{
	const struct rule *rule;
	const char *keyword;
	json_t *arg;

	json_object_foreach((json_t *)(size_t)schema, keyword, arg) {
		if ((rule = find_rule(keyword)) == NULL)
			return (broken(w, at, NULL, "the contract has an unknown keyword, '%s'", keyword));
		if (rule->check != NULL && rule->check(w, schema, arg, v, at) == -1)
			return (-1);
	}
	return (0);
}

static int
walk_lint(const struct walk *w, const json_t *schema, const struct path *at)
{
	const struct rule *rule;
	const char *keyword;
	json_t *arg;

	if (!json_is_object(schema))
		return (broken(w, at, NULL, "a schema must be an object"));
	json_object_foreach((json_t *)(size_t)schema, keyword, arg)
		if (find_rule(keyword) == NULL)
			return (broken(w, at, NULL, "unknown keyword '%s'", keyword));
	json_object_foreach((json_t *)(size_t)schema, keyword, arg) {
		rule = find_rule(keyword);
		if (rule->lint(w, schema, arg, at) == -1)
			return (-1);
	}
	return (0);
}

/* --- the contracts -------------------------------------------------------- */

static size_t
count_contracts(void)
{
	size_t n;

	for (n = 0; embedded_contracts[n].name != NULL; n++)
		continue;
	return (n);
}

static size_t
index_of(const char *name)
{
	size_t i;

	for (i = 0; embedded_contracts[i].name != NULL; i++)
		if (strcmp(embedded_contracts[i].name, name) == 0)
			break;
	return (i);
}

/* The parsed contract, kept; NULL with errno ENOMEM. */
static const json_t *
schema_of(const char *name)
{
	static json_t **parsed;
	size_t i = index_of(name);

	assert(embedded_contracts[i].name != NULL);
	if (parsed == NULL && (parsed = calloc(count_contracts(), sizeof(*parsed))) == NULL)
		return (NULL);
	if (parsed[i] == NULL)
		parsed[i] = jsonio_parse(embedded_contracts[i].text, strlen(embedded_contracts[i].text), name);
	return (parsed[i]);
}

const char *const *
contract_names(void)
{
	static const char **names;
	size_t n = count_contracts(), i;

	if (names == NULL && (names = calloc(n + 1, sizeof(*names))) != NULL)
		for (i = 0; i < n; i++)
			names[i] = embedded_contracts[i].name;
	return (names);
}

const char *
contract_text(const char *name)
{
	return (embedded_contracts[index_of(name)].text);
}

static const json_t *
follow(const json_t *root, const json_t *schema)
{
	struct walk w = { root, "", NULL, 0 };
	const json_t *ref = json_object_get(schema, "$ref");

	return (ref == NULL ? schema : referred(&w, ref));
}

/* The schema of one member. */
static const json_t *
member_schema(const json_t *root, const json_t *schema, const char *key, size_t n)
{
	const json_t *member;

	schema = follow(root, schema);
	if ((member = json_object_getn(json_object_get(schema, "properties"), key, n)) != NULL)
		return (member);
	member = json_object_get(schema, "additionalProperties");
	return (json_is_object(member) ? member : NULL);
}

const json_t *
contract_at(const char *name, const char *path)
{
	const json_t *root = schema_of(name), *schema = root;
	size_t n;

	while (schema != NULL && *path != '\0') {
		n = strcspn(path, ".");
		schema = member_schema(root, schema, path, n);
		path += n + (path[n] == '.');
	}
	return (schema);
}

const char *
contract_tag(const json_t *schema)
{
	return (jsonio_text(schema, "x-tag", ""));
}

static int
check(const char *name, const json_t *v, struct str *where, int part)
{
	struct walk w = { schema_of(name), "", where, part };

	if (w.root == NULL)
		return (-1);
	return (walk_check(&w, w.root, v, NULL));
}

int
contract_check(const char *name, const json_t *v, struct str *where)
{
	return (check(name, v, where, 0));
}

int
contract_check_part(const char *name, const json_t *v, struct str *where)
{
	return (check(name, v, where, 1));
}

int
contract_check_key(const char *name, const char *path, const json_t *value, struct str *where)
{
	struct walk w = { schema_of(name), path, where, 0 };
	const json_t *schema = contract_at(name, path);

	if (w.root == NULL)
		return (-1);
	if (schema == NULL)
		return (broken(&w, NULL, NULL, "unknown key"));
	return (walk_check(&w, schema, value, NULL));
}

static int
takes_integers(const json_t *schema)
{
	const json_t *type = json_object_get(schema, "type");
	const char *name;
	size_t i;

	for (i = 0; (name = nth_type(type, i)) != NULL; i++)
		if (strcmp(name, "integer") == 0)
			return (1);
	return (0);
}

/* 3.0 where an integer is asked for becomes 3, so that readers need not care. The value was checked: it fits. */
static json_t *
normal(const json_t *root, const json_t *schema, json_t *v)
{
	const char *key;
	json_t *member, *better;
	void *next;
	size_t i;

	schema = follow(root, schema);
	if (json_is_real(v) && is_integral(v) && takes_integers(schema))
		return (json_integer((json_int_t)json_real_value(v)));
	json_object_foreach_safe(v, next, key, member) {
		const json_t *rule = member_schema(root, schema, key, strlen(key));

		if (rule == NULL || (better = normal(root, rule, member)) == member)
			continue;
		if (better == NULL || json_object_set_new(v, key, better) == -1)
			return (NULL);
	}
	for (i = 0; i < json_array_size(v); i++) {
		const json_t *rule = json_object_get(schema, "items");

		member = json_array_get(v, i);
		if (rule == NULL || (better = normal(root, rule, member)) == member)
			continue;
		if (better == NULL || json_array_set_new(v, i, better) == -1)
			return (NULL);
	}
	return (v);
}

/* Check and normalise what was parsed; takes v; NULL after saying why. */
static json_t *
accept(json_t *v, const char *what, const char *name)
{
	struct str where = STR_INIT;
	int error;

	if (contract_check(name, v, &where) == -1) {
		error = errno;
		if (error == EBADMSG)
			say_error("'%s': %s", what, where.p == NULL ? "breaks its contract" : where.p);
		else
			say_errno("cannot check '%s'", what);
		goto err0;
	}
	if (normal(schema_of(name), schema_of(name), v) == NULL) {
		error = ENOMEM;
		goto err0;
	}
	str_free(&where);
	return (v);
err0:
	str_free(&where);
	json_decref(v);
	errno = error;
	return (NULL);
}

int
contract_read(int dirfd, const char *file, const char *name, char *text_sha256, json_t **out)
{
	json_t *v;

	if (jsonio_read(dirfd, file, CONTRACT_MAX_BYTES, text_sha256, &v) == -1)
		return (-1);
	if ((v = accept(v, file, name)) == NULL)
		return (-1);
	*out = v;
	return (0);
}

json_t *
contract_parse(const char *text, size_t n, const char *what, const char *name)
{
	json_t *v;

	if ((v = jsonio_parse(text, n, what)) == NULL)
		return (NULL);
	return (accept(v, what, name));
}

char *
contract_pretty(const char *name, const json_t *v, size_t *n)
{
	struct str where = STR_INIT;
	char *text = NULL;

	if (contract_check(name, v, &where) == -1) {
		say_error("refusing to write a %s that breaks its contract: %s", name, where.p == NULL ? "" : where.p);
		str_free(&where);
		errno = EBADMSG;
		return (NULL);
	}
	str_free(&where);
	if ((text = jsonio_pretty(v)) != NULL && n != NULL)
		*n = strlen(text);
	return (text);
}

static json_t *
untimed(const json_t *root, const json_t *schema, const json_t *v)
{
	const json_t *rule;
	json_t *copy, *kept;
	const char *key;
	json_t *member;
	size_t i;

	schema = follow(root, schema);
	if (json_is_object(v)) {
		if ((copy = json_object()) == NULL)
			return (NULL);
		json_object_foreach((json_t *)(size_t)v, key, member) {
			rule = member_schema(root, schema, key, strlen(key));
			if (json_is_true(json_object_get(rule, "x-timing")))
				continue;
			kept = rule == NULL ? json_deep_copy(member) : untimed(root, rule, member);
			if (kept == NULL || json_object_set_new(copy, key, kept) == -1)
				goto err0;
		}
		return (copy);
	}
	if (json_is_array(v) && (rule = json_object_get(schema, "items")) != NULL) {
		if ((copy = json_array()) == NULL)
			return (NULL);
		for (i = 0; i < json_array_size(v); i++) {
			kept = untimed(root, rule, json_array_get(v, i));
			if (kept == NULL || json_array_append_new(copy, kept) == -1)
				goto err0;
		}
		return (copy);
	}
	return (json_deep_copy(v));
err0:
	json_decref(copy);
	return (NULL);
}

json_t *
contract_untimed(const char *name, const json_t *v)
{
	json_t *copy = schema_of(name) == NULL ? NULL : untimed(schema_of(name), schema_of(name), v);

	if (copy == NULL)
		errno = ENOMEM;
	return (copy);
}

int
contract_lint_schema(const json_t *schema, struct str *where)
{
	struct walk w = { schema, "", where, 0 };

	return (walk_lint(&w, schema, NULL));
}

int
contract_lint(const char *name, struct str *where)
{
	const json_t *schema = schema_of(name);
	const json_t *own = jsonio_get(schema, "properties.schema");
	struct walk w = { schema, name, where, 0 };
	struct str expected = STR_INIT;
	int rc;

	if (schema == NULL)
		return (-1);
	if (str_printf(&expected, "homegolf.%s.v1", name) == -1)
		return (-1);
	/* A line of metrics says no schema; what does must say the right one. */
	if (own != NULL && strcmp(jsonio_text(own, "const", ""), expected.p) != 0)
		rc = broken(&w, NULL, NULL, "schema must be the constant \"%s\"", expected.p);
	else
		rc = contract_lint_schema(schema, where);
	str_free(&expected);
	return (rc);
}
