/*
 * The contracts' text is parsed when one is first asked for and kept for the
 * life of the process.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/jsonio.h"
#include "base/jsonscan.h"
#include "base/say.h"
#include "schema/check.h"
#include "schema/contract.h"
#include "schema/embedded.h"
#include "schema/plan.h"

/* Larger files are none of which many are read. */
enum { SCANNED_BYTES = 256 << 10 };

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

/* And as a plan, kept, too. */
static const struct plan *
plan_of(const char *name)
{
	static struct plan **made;
	size_t i = index_of(name);

	if (made == NULL && (made = calloc(count_contracts(), sizeof(*made))) == NULL)
		return (NULL);
	if (made[i] == NULL && schema_of(name) != NULL)
		made[i] = plan_make(schema_of(name));
	return (made[i]);
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
	struct check_walk w = { root, "", NULL, 0, 0 };
	const json_t *ref = json_object_get(schema, "$ref");

	return (ref == NULL ? schema : check_referred(&w, ref));
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

int
contract_has_type(const json_t *schema, const char *name)
{
	const json_t *type = json_object_get(schema, "type");
	const char *nth;
	size_t i;

	for (i = 0; (nth = check_nth_type(type, i)) != NULL; i++)
		if (strcmp(nth, name) == 0)
			return (1);
	return (0);
}

/* By the plan, and where that does not say yes, by the contract itself, which says why; *reals as plan_keeps has it. */
static int
check(const char *name, const json_t *v, struct str *where, int *reals)
{
	struct check_walk w = { schema_of(name), "", where, 0, 0 };
	const struct plan *plan;

	if (w.root == NULL || (plan = plan_of(name)) == NULL)
		return (-1);
	if (plan_keeps(plan, v, reals))
		return (0);
	*reals = 1;
	return (check_value(&w, w.root, v, NULL));
}

int
contract_check(const char *name, const json_t *v, struct str *where)
{
	int reals;

	return (check(name, v, where, &reals));
}

int
contract_check_part(const char *name, const json_t *v, struct str *where)
{
	struct check_walk w = { schema_of(name), "", where, 1, 0 };

	if (w.root == NULL)
		return (-1);
	return (check_value(&w, w.root, v, NULL));
}

int
contract_check_key(const char *name, const char *path, const json_t *value, struct str *where)
{
	struct check_walk w = { schema_of(name), path, where, 0, 0 };
	const json_t *schema = contract_at(name, path);

	if (w.root == NULL)
		return (-1);
	if (schema == NULL)
		return (check_broken(&w, NULL, NULL, "unknown key"));
	return (check_value(&w, schema, value, NULL));
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
	if (json_is_real(v) && check_is_integral(v) && contract_has_type(schema, "integer"))
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

int
contract_accept(const char *name, json_t *v, struct str *where)
{
	int reals;

	if (check(name, v, where, &reals) == -1)
		return (-1);
	if (reals && normal(schema_of(name), schema_of(name), v) == NULL) {
		errno = ENOMEM;
		return (-1);
	}
	return (0);
}

/* Accept what was parsed; takes v; NULL after saying why. */
static json_t *
accept(json_t *v, const char *what, const char *name)
{
	struct str where = STR_INIT;
	int error;

	if (contract_accept(name, v, &where) == -1) {
		error = errno;
		if (error == EBADMSG)
			say_error("'%s': %s", what, where.p == NULL ? "breaks its contract" : where.p);
		else
			say_errno("cannot check '%s'", what);
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

const struct jsonscan *
contract_scan(int dirfd, const char *file, const char *name)
{
	/* Room that is kept from one file to the next. */
	static struct jsonscan scan = JSONSCAN_INIT;
	static char *text;
	static size_t cap;
	const struct plan *plan = plan_of(name);
	size_t n;

	if (plan == NULL || file_read_again(dirfd, file, SCANNED_BYTES, &text, &cap, &n) == -1 ||
	    jsonscan_text(&scan, text, n) == -1 || !plan_keeps_tokens(plan, &scan))
		return (NULL);
	return (&scan);
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
	int error;

	if (contract_check(name, v, &where) == -1) {
		error = errno;
		if (error == EBADMSG)
			say_error("refusing to write a %s that breaks its contract: %s", name,
			    where.p == NULL ? "" : where.p);
		else
			say_errno("cannot check a %s before it is written", name);
		str_free(&where);
		errno = error;
		return (NULL);
	}
	str_free(&where);
	if ((text = jsonio_pretty(v)) != NULL && n != NULL)
		*n = strlen(text);
	return (text);
}
