#include <string.h>

#include "schema/interrupted.h"

/* What the list says of a kind's retries; -1 for a name that this version does not know. */
static int
retryable_of(const char *name)
{
	static const struct {
		const char *name;
		int retryable;
	} kinds[] = {
#define REFUSAL_KIND(id, name, retryable, meaning, next) { name, retryable },
#include "schema/refusalkind.def"
	};
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return (kinds[i].retryable);
	return (-1);
}

int
interrupted_kind(const char *name)
{
	return (retryable_of(name) == 2);
}

int
interrupted_never(const char *name)
{
	return (retryable_of(name) == 0);
}
