#include <stdlib.h>
#include "base/pattern.h"

enum {
	/* More than any pattern of the contracts takes, and less than what malloc gives back at once. */
	PATTERN_ROOM = 100 << 10
};

int
pattern_compile(regex_t *out, const char *pattern, int flags)
{
	char *volatile room;

	/* Is there memory?  What is freed here stays with the heap, and regcomp finds it. */
	if ((room = malloc(PATTERN_ROOM)) == NULL)
		return (REG_ESPACE);
	free(room);
	return (regcomp(out, pattern, REG_EXTENDED | flags));
}
