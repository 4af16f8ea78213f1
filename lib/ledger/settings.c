#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/jsonio.h"
#include "ledger/settings.h"
#include "schema/contract.h"

const json_t *
settings_value(const json_t *settings, const char *key)
{
	const json_t *own = json_object_get(settings, key);

	return (own != NULL ? own : json_object_get(contract_at("spec", key), "default"));
}

static int
put_value(struct str *out, const json_t *v)
{
	char *text;
	int rc;

	if (v == NULL || json_is_string(v))
		return (str_puts(out, v == NULL ? "?" : json_string_value(v)));
	if ((text = jsonio_canonical(v)) == NULL) {
		errno = ENOMEM;
		return (-1);
	}
	rc = str_puts(out, text);
	free(text);
	return (rc);
}

int
settings_text(const json_t *settings, const char *key, struct str *out)
{
	return (put_value(out, settings_value(settings, key)));
}

int
settings_differs(const json_t *from, const json_t *to, const char *key)
{
	const json_t *a = settings_value(from, key), *b = settings_value(to, key);

	return (a == NULL || b == NULL ? a != b : !json_equal(a, b));
}

int
settings_change(const json_t *from, const json_t *to, const char *key, const char *between, struct str *out)
{
	if (str_printf(out, "%s%s ", out->n == 0 ? "" : between, key) == -1 ||
	    put_value(out, settings_value(from, key)) == -1 || str_puts(out, " -> ") == -1)
		return (-1);
	return (put_value(out, settings_value(to, key)));
}

int
settings_differ(const json_t *from, const json_t *to, const char *between, struct str *out)
{
	/* jansson iterates over values that are not const. */
	json_t *a = (json_t *)(uintptr_t)from, *b = (json_t *)(uintptr_t)to, *v;
	const char *key;

	json_object_foreach(b, key, v)
		if (settings_differs(from, to, key) && settings_change(from, to, key, between, out) == -1)
			return (-1);
	json_object_foreach(a, key, v)
		if (json_object_get(to, key) == NULL && settings_differs(from, to, key) &&
		    settings_change(from, to, key, between, out) == -1)
			return (-1);
	return (0);
}
