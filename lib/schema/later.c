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

/* The later keys of an object's schema, and those keys of it whose own schemas have some. */
struct filler {
	const char *key;
	size_t n;
	json_t *usual; /* of a later key; or NULL */
	struct filler *of;
	size_t count;
};

/* Those of a schema; 0, or -1 without memory. They are kept, as contracts are. */
static int
fillers_of(const json_t *schema, struct filler **of, size_t *count)
{
	json_t *properties = json_object_get(schema, "properties"), *rule;
	struct filler *f;
	const char *key;

	*count = 0;
	if ((*of = calloc(json_object_size(properties) + 1, sizeof(**of))) == NULL)
		return (-1);
	json_object_foreach(properties, key, rule) {
		f = &(*of)[*count];
		f->key = key;
		f->n = strlen(key);
		f->usual = later_is(rule) ? json_object_get(rule, "default") : NULL;
		if (fillers_of(rule, &f->of, &f->count) == -1)
			return (-1);
		if (f->count == 0) {
			free(f->of);
			f->of = NULL;
		}
		*count += f->usual != NULL || f->count != 0;
	}
	return (0);
}

static void
forget(struct filler *of, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		forget(of[i].of, of[i].count);
	free(of);
}

static int
fill(const struct filler *of, size_t count, json_t *v)
{
	const struct filler *f;
	json_t *member;

	for (f = of; f < of + count; f++) {
		if (json_is_object(member = json_object_getn(v, f->key, f->n))) {
			if (fill(f->of, f->count, member) == -1)
				return (-1);
		} else if (member == NULL && f->usual != NULL &&
		    json_object_setn_new_nocheck(v, f->key, f->n, own(f->usual)) == -1)
			return (-1);
	}
	return (0);
}

int
later_fill(const char *name, json_t *v)
{
	static const json_t *last;
	static struct filler *of;
	static size_t count;
	const json_t *schema = contract_at(name, "");

	/* Hardly any process fills in values of two contracts. */
	if (schema != last) {
		forget(of, count);
		last = fillers_of(schema, &of, &count) == 0 ? schema : NULL;
	}
	if (last != NULL && fill(of, count, v) == 0)
		return (0);
	errno = ENOMEM;
	return (-1);
}
