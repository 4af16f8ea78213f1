#include <string.h>

#include "schema/interrupted.h"

int
interrupted_kind(const char *name)
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
			return (kinds[i].retryable == 2);
	return (0);
}
