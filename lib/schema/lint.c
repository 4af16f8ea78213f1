/*
 * Every keyword is here that schema/check.c knows; what only lint finds out,
 * a check takes for granted.
 */
#include <errno.h>
#include <string.h>

#include "base/jsonio.h"
#include "schema/check.h"
#include "schema/contract.h"
#include "schema/lint.h"

/* RFC 8785 writes integers as doubles: beyond this they would not stay themselves. */
#define LARGEST_INTEGER 9007199254740991

struct rule {
	const char *keyword;
	int (*lint)(const struct check_walk *w, const json_t *schema, const json_t *arg, const struct check_path *at);
};

static int walk_lint(const struct check_walk *w, const json_t *schema, const struct check_path *at);

#define LINT(name) \
	static int lint_##name(const struct check_walk *w, const json_t *schema, const json_t *arg, \
	    const struct check_path *at)

LINT(type)
{
	const char *name;
	json_int_t low, high;
	size_t i;

	if (check_nth_type(arg, 0) == NULL || json_array_size(arg) > CHECK_TYPES)
		return (check_broken(w, at, NULL, "type names no type"));
	for (i = 0; (name = check_nth_type(arg, i)) != NULL; i++) {
		if (!check_is_type(name))
			return (check_broken(w, at, NULL, "type '%s' is unknown", name));
		if (strcmp(name, "integer") != 0 || w->foreign)
			continue;
		low = json_integer_value(json_object_get(schema, "minimum"));
		high = json_integer_value(json_object_get(schema, "maximum"));
		if (json_object_get(schema, "minimum") == NULL || high == 0 || low < -LARGEST_INTEGER ||
		    high > LARGEST_INTEGER)
			return (check_broken(w, at, NULL,
			    "an integer needs integers minimum and maximum, within 2^53 - 1"));
	}
	if (json_is_array(arg) && i != json_array_size(arg))
		return (check_broken(w, at, NULL, "type must be a name or an array of names"));
	return (0);
}

LINT(const)
{
	(void)schema;
	if (json_is_object(arg) || json_is_array(arg))
		return (check_broken(w, at, NULL, "const must be a scalar"));
	return (0);
}

LINT(enum)
{
	size_t i;

	(void)schema;
	if (json_array_size(arg) == 0)
		return (check_broken(w, at, NULL, "enum must be an array"));
	for (i = 0; i < json_array_size(arg); i++)
		if (json_is_object(json_array_get(arg, i)) || json_is_array(json_array_get(arg, i)))
			return (check_broken(w, at, NULL, "enum must hold scalars"));
	return (0);
}

LINT(ref)
{
	const char *s = json_string_value(arg);

	(void)schema;
	if (s == NULL || strncmp(s, "#/$defs/", strlen("#/$defs/")) != 0 || check_referred(w, arg) == NULL)
		return (check_broken(w, at, NULL, "$ref leads nowhere"));
	/* A chain of references could be a circle. */
	if (json_object_get(check_referred(w, arg), "$ref") != NULL)
		return (check_broken(w, at, NULL, "$ref leads to another $ref"));
	return (0);
}

LINT(schemas)
{
	const char *key;
	json_t *member;

	(void)schema;
	if (!json_is_object(arg))
		return (check_broken(w, at, NULL, "must be an object of schemas"));
	json_object_foreach((json_t *)(size_t)arg, key, member) {
		struct check_path here = { at, key, 0 };

		if (strchr(key, '.') != NULL && !w->foreign)
			return (check_broken(w, &here, NULL, "a key with a dot cannot be named by path"));
		if (walk_lint(w, member, &here) == -1)
			return (-1);
	}
	return (0);
}

static int requires(const json_t *schema, const char *key)
{
	const json_t *required = json_object_get(schema, "required");
	size_t i;

	for (i = 0; i < json_array_size(required); i++)
		if (json_is_string(json_array_get(required, i)) &&
		    strcmp(json_string_value(json_array_get(required, i)), key) == 0)
			return (1);
	return (0);
}

/* What 0.1 wrote has all keys of 0.1 and none that came later; whatever was tagged then is required for ever. */
LINT(properties)
{
	const char *key;
	json_t *member;

	json_object_foreach((json_t *)(size_t)arg, key, member) {
		struct check_path here = { at, key, 0 };
		int later = json_object_get(member, "x-since") != NULL;

		if (later && requires(schema, key))
			return (check_broken(w, &here, NULL, "a key with x-since cannot be required"));
		if (!later && json_object_get(member, "x-tag") != NULL && !requires(schema, key))
			return (check_broken(w, &here, NULL, "a tagged key must be required or have x-since"));
	}
	return (lint_schemas(w, schema, arg, at));
}

LINT(nested)
{
	struct check_path here = { at, "*", 0 };

	(void)schema;
	return (walk_lint(w, arg, &here));
}

LINT(additional)
{
	if (json_is_false(arg))
		return (0);
	return (lint_nested(w, schema, arg, at));
}

LINT(required)
{
	const char *name;
	size_t i;

	if (!json_is_array(arg))
		return (check_broken(w, at, NULL, "required must be an array of names"));
	for (i = 0; i < json_array_size(arg); i++) {
		name = json_string_value(json_array_get(arg, i));
		if (name == NULL ||
		    (json_object_get(json_object_get(schema, "properties"), name) == NULL && !w->foreign))
			return (check_broken(w, at, NULL, "required '%s' is no property", name == NULL ? "" : name));
	}
	return (0);
}

LINT(count)
{
	(void)schema;
	if (!check_is_integral(arg) || json_number_value(arg) < 0 || json_number_value(arg) > (double)LARGEST_INTEGER)
		return (check_broken(w, at, NULL, "a length must be an integer of at least 0"));
	return (0);
}

LINT(number)
{
	(void)schema;
	if (!json_is_number(arg))
		return (check_broken(w, at, NULL, "a bound must be a number"));
	return (0);
}

LINT(text)
{
	(void)schema;
	if (!json_is_string(arg))
		return (check_broken(w, at, NULL, "must be text"));
	return (0);
}

LINT(flag)
{
	(void)schema;
	if (!json_is_boolean(arg))
		return (check_broken(w, at, NULL, "must be true or false"));
	return (0);
}

LINT(tag)
{
	const char *s = json_string_value(arg);

	(void)schema;
	if (s == NULL ||
	    (strcmp(s, "result") != 0 && strcmp(s, "replicate") != 0 && strcmp(s, "system") != 0 &&
		strcmp(s, "cosmetic") != 0))
		return (check_broken(w, at, NULL, "x-tag must be result, replicate, system or cosmetic"));
	return (0);
}

/* A version, such as 0.2. */
LINT(since)
{
	const char *s = json_string_value(arg), *digits = "0123456789";
	size_t major = s == NULL ? 0 : strspn(s, digits), minor = 0;

	if (major > 0 && s[major] == '.')
		minor = strspn(s + major + 1, digits);
	if (minor == 0 || s[major + 1 + minor] != '\0')
		return (check_broken(w, at, NULL, "x-since must be a version, such as 0.2"));
	if (json_object_get(schema, "x-tag") != NULL && json_object_get(schema, "default") == NULL)
		return (check_broken(w, at, NULL, "a tagged key with x-since needs a default"));
	return (0);
}

LINT(default)
{
	struct check_path here = { at, "default", 0 };

	if (w->foreign)
		return (0);
	return (check_value(w, schema, arg, &here));
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
		return (check_broken(w, at, NULL, "pattern is not in the common subset"));
	if (check_compiled(json_string_value(arg)) == NULL)
		return (check_broken(w, at, NULL, "pattern does not compile"));
	return (0);
}

static const struct rule rules[] = {
	{ "type", lint_type },
	{ "$ref", lint_ref },
	{ "minimum", lint_number },
	{ "maximum", lint_number },
	{ "x-tag", lint_tag },
	{ "default", lint_default },
	{ "description", lint_text },
	{ "x-unit", lint_text },
	{ "x-since", lint_since },
	{ "x-timing", lint_flag },
	{ "pattern", lint_pattern },
	{ "const", lint_const },
	{ "enum", lint_enum },
	{ "properties", lint_properties },
	{ "required", lint_required },
	{ "additionalProperties", lint_additional },
	{ "items", lint_nested },
	{ "minItems", lint_count },
	{ "maxItems", lint_count },
	{ "minLength", lint_count },
	{ "maxLength", lint_count },
	{ "exclusiveMinimum", lint_number },
	{ "exclusiveMaximum", lint_number },
	{ "readOnly", lint_flag },
	{ "$defs", lint_schemas },
	{ "title", lint_text },
	{ "$schema", lint_text },
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
walk_lint(const struct check_walk *w, const json_t *schema, const struct check_path *at)
{
	const struct rule *rule;
	const char *keyword;
	json_t *arg;

	if (!json_is_object(schema))
		return (check_broken(w, at, NULL, "a schema must be an object"));
	json_object_foreach((json_t *)(size_t)schema, keyword, arg)
		if (find_rule(keyword) == NULL)
			return (check_broken(w, at, NULL, "unknown keyword '%s'", keyword));
	json_object_foreach((json_t *)(size_t)schema, keyword, arg) {
		rule = find_rule(keyword);
		if (rule->lint(w, schema, arg, at) == -1)
			return (-1);
	}
	return (0);
}

int
lint_schema(const json_t *schema, struct str *where)
{
	struct check_walk w = { schema, "", where, 0, 0 };

	return (walk_lint(&w, schema, NULL));
}

int
lint_check(const json_t *schema, const json_t *v, struct str *where)
{
	struct check_walk w = { schema, "", where, 0, 1 };

	if (walk_lint(&w, schema, NULL) == -1) {
		errno = errno == EBADMSG ? ENOTSUP : errno;
		return (-1);
	}
	return (check_value(&w, schema, v, NULL));
}

int
lint_contract(const char *name, struct str *where)
{
	const json_t *schema = contract_at(name, "");
	const json_t *own = jsonio_get(schema, "properties.schema");
	struct check_walk w = { schema, name, where, 0, 0 };
	struct str expected = STR_INIT;
	int rc;

	if (schema == NULL)
		return (-1);
	if (str_printf(&expected, "homegolf.%s.v1", name) == -1)
		return (-1);
	/* A line of metrics says no schema; what does must say the right one. */
	if (own != NULL && strcmp(jsonio_text(own, "const", ""), expected.p) != 0)
		rc = check_broken(&w, NULL, NULL, "schema must be the constant \"%s\"", expected.p);
	else
		rc = lint_schema(schema, where);
	str_free(&expected);
	return (rc);
}
