/* The one file that knows which backends this build has: with HG_PORTABLE the counted one alone. */

#include <errno.h>
#include <string.h>

#include "gpt/ops.h"

static const struct ops *const backends[] = {
	&ops_ref,
#ifndef HG_PORTABLE
	&ops_cpu,
#endif
#ifdef HG_CUDA
	&ops_cuda,
#endif
};

const struct ops *
ops_find(const char *name)
{
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
		if (strcmp(backends[i]->name, name) == 0)
			return (backends[i]);
	errno = ENODEV;
	return (NULL);
}
