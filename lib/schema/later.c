#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonio.h"
#include "schema/contract.h"
#include "schema/later.h"

int
later_is(const json_t *rule)
{
	return (json_object_get(rule, "x-since") != NULL);
}

json_t *
later_or_default(const json_t *rule, json_t *v)
{
	return (v == NULL && later_is(rule) ? json_object_get(rule, "default") : v);
}

json_t *
later_value(const char *name, const json_t *v, const char *path)
{
	json_t *member = jsonio_get(v, path);

	return (member != NULL ? member : later_or_default(contract_at(name, path), NULL));
}

int
later_deviates(const json_t *rule, const json_t *v)
{
	const json_t *usual = json_object_get(rule, "default");
	char *a, *b;
	int rc = -1;

	if (v == NULL)
		return (0);
	/* What is equal reads equal; 1 and 1.0 are not equal, but read so. */
	if (usual != NULL && json_equal(v, usual))
		return (0);
	a = jsonio_canonical(v);
	b = jsonio_canonical(usual);
	if (a != NULL && b != NULL)
		rc = strcmp(a, b) != 0;
	free(a);
	free(b);
	if (rc == -1)
		errno = ENOMEM;
	return (rc);
}

/* A default for whoever may change it: what has no parts never changes, and is shared. */
static json_t *
own(json_t *v)
{
	return (json_is_object(v) || json_is_array(v) ? json_deep_copy(v) : json_incref(v));
}

static int
fill(const json_t *schema, json_t *v)
{
	const char *key;
	json_t *rule, *member, *usual;
	int rc;

	json_object_foreach(json_object_get(schema, "properties"), key, rule) {
		rc = 0;
		usual = later_is(rule) ? json_object_get(rule, "default") : NULL;
		if (json_is_object(member = json_object_get(v, key)))
			rc = fill(rule, member);
		else if (member == NULL && usual != NULL)
			rc = json_object_set_new_nocheck(v, key, own(usual));
		if (rc == -1) {
			errno = ENOMEM;
			return (-1);
		}
	}
	return (0);
}

int
later_fill(const char *name, json_t *v)
{
	return (fill(contract_at(name, ""), v));
}
