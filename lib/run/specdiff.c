#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/jsonio.h"
#include "base/out.h"
#include "run/spec.h"
#include "run/specdiff.h"
#include "schema/contract.h"

/* What a key is meant to be: its value, the one that it takes where it is null, or else its default. Borrowed. */
static const json_t *
meant(const json_t *spec, const char *path, const json_t *rule)
{
	const json_t *v = jsonio_get(spec, path), *taken;
	size_t i;

	if (v == NULL)
		v = json_object_get(rule, "default");
	for (i = 0; json_is_null(v) && spec_taken[i].key != NULL; i++)
		if (strcmp(spec_taken[i].key, path) == 0 &&
		    (taken = meant(spec, spec_taken[i].from, contract_at("spec", spec_taken[i].from))) != NULL)
			return (taken);
	return (v);
}

/* Do two values differ in their RFC 8785 form? 1, 0, or -1 with errno ENOMEM. */
static int
value_differs(const json_t *a, const json_t *b)
{
	char *x, *y;
	int rc = -1;

	if (a == NULL || b == NULL)
		return (a != b);
	x = jsonio_canonical(a);
	y = jsonio_canonical(b);
	if (x != NULL && y != NULL)
		rc = strcmp(x, y) != 0;
	else
		errno = ENOMEM;
	free(x);
	free(y);
	return (rc);
}

/* Hand each key that differs to ${each}, which stops the walk by returning nonzero; that, or -1 with errno ENOMEM. */
typedef int differing(void *arg, const char *path, const json_t *rule, const json_t *a, const json_t *b);
static int
walk(const json_t *a, const json_t *b, differing *each, void *arg)
{
	const char *section, *key;
	const json_t *x, *y;
	json_t *rule, *keys, *member;
	char path[160];
	int rc;

	json_object_foreach(json_object_get(contract_at("spec", ""), "properties"), section, rule) {
		if ((keys = json_object_get(rule, "properties")) == NULL)
			continue;
		json_object_foreach(keys, key, member) {
			snprintf(path, sizeof(path), "%s.%s", section, key);
			x = meant(a, path, member);
			y = meant(b, path, member);
			if ((rc = value_differs(x, y)) == 1)
				rc = each(arg, path, member, x, y);
			if (rc != 0)
				return (rc);
		}
	}
	return (0);
}

static int
put_value(struct str *out, const json_t *v)
{
	char *text = v == NULL ? NULL : jsonio_canonical(v);
	int rc;

	if (v != NULL && text == NULL) {
		errno = ENOMEM;
		return (-1);
	}
	rc = str_puts(out, text == NULL ? "absent" : text);
	free(text);
	return (rc);
}

static int
tell_first(void *arg, const char *path, const json_t *rule, const json_t *a, const json_t *b)
{
	struct str *where = arg;

	(void)rule;
	/* It covers the identity, which two runs never share. */
	if (strcmp(path, "digests.content_sha256") == 0)
		return (0);
	return (str_printf(where, "%s is ", path) == -1 || put_value(where, a) == -1 ||
		    str_puts(where, ", not ") == -1 || put_value(where, b) == -1 ?
		-1 :
		1);
}

int
specdiff_first(const json_t *a, const json_t *b, struct str *where)
{
	return (walk(a, b, tell_first, where));
}

static int
note_key(void *arg, const char *path, const json_t *rule, const json_t *a, const json_t *b)
{
	/* Digests follow from the keys. */
	if (*contract_tag(rule) == '\0')
		return (0);
	if (json_array_append_new(arg,
		json_pack("{s:s, s:s, s:O?, s:O?}", "key", path, "tag", contract_tag(rule), "from",
		    (json_t *)(uintptr_t)a, "to", (json_t *)(uintptr_t)b)) == 0)
		return (0);
	errno = ENOMEM;
	return (-1);
}

json_t *
specdiff_keys(const json_t *a, const json_t *b)
{
	json_t *keys = json_array();

	if (keys == NULL || walk(a, b, note_key, keys) == -1) {
		json_decref(keys);
		errno = ENOMEM;
		return (NULL);
	}
	return (keys);
}

/* A text without quotes unless it is empty, all else as in JSON. */
static int
put_plain(struct str *out, const json_t *v)
{
	if (v == NULL)
		return (str_puts(out, "?"));
	return (json_string_length(v) > 0 ? str_puts(out, json_string_value(v)) : put_value(out, v));
}

static int
put_values(struct str *out, const json_t *key)
{
	return (put_plain(out, json_object_get(key, "from")) == -1 || str_puts(out, " -> ") == -1 ?
		-1 :
		put_plain(out, json_object_get(key, "to")));
}

/* As settings are told of everywhere. */
static int
put_change(struct str *out, const json_t *key)
{
	return (str_printf(out, "%s%s ", out->n == 0 ? "" : ", ", jsonio_text(key, "key", "")) == -1 ?
		-1 :
		put_values(out, key));
}

int
specdiff_parent(const struct rundir *r, struct str *out)
{
	const char *name = jsonio_text(r->spec.json, "about.parent", NULL),
		   *uid = jsonio_text(r->spec.json, "about.parent_uid", "");
	json_t *keys = NULL, *key;
	struct str path = STR_INIT;
	struct spec parent;
	size_t i;
	int fd, rc = str_puts(out, "");

	if (name == NULL || *uid == '\0' || rc == -1)
		return (rc);
	if (str_printf(&path, "../%s", name) == -1)
		return (-1);
	fd = openat(r->fd, path.p, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* One that can't be read was said, and is no parent to tell of. */
	if (fd != -1 && spec_read(fd, path.p, &parent) == 0) {
		if (strcmp(parent.run_uid, uid) == 0)
			rc = (keys = specdiff_keys(parent.json, r->spec.json)) == NULL ? -1 : 0;
		spec_free(&parent);
	}
	json_array_foreach(keys, i, key)
		if (rc == 0 && strcmp(jsonio_text(key, "tag", ""), "cosmetic") != 0)
			rc = put_change(out, key);
	json_decref(keys);
	if (fd != -1)
		close(fd);
	str_free(&path);
	return (rc);
}

int
specdiff_print(const json_t *keys)
{
	const json_t *key;
	struct str s = STR_INIT;
	size_t i;
	int width = 0;

	json_array_foreach((json_t *)(uintptr_t)keys, i, key)
		if ((int)strlen(jsonio_text(key, "key", "")) > width)
			width = (int)strlen(jsonio_text(key, "key", ""));
	json_array_foreach((json_t *)(uintptr_t)keys, i, key) {
		s.n = 0;
		if (put_values(&s, key) == -1) {
			str_free(&s);
			return (-1);
		}
		out_put("%-9s  %-*s  %s\n", jsonio_text(key, "tag", ""), width, jsonio_text(key, "key", ""), s.p);
	}
	str_free(&s);
	return (0);
}
