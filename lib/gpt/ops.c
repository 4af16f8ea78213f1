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

/*
 * Polar Express: the greedy minimax quintics for singular values from .001 on, five steps, cushion .02, and a safety
 * factor of 1.02 in all but the last.
 */
const double *
ops_muon_triple(enum ops_muon_coefficients coefficients, int step)
{
	static const double fixed[3] = { 3.4445, -4.7750, 2.0315 };
	static const double polar[][3] = {
		{ 8.156554524902461, -22.48329292557795, 15.878769915207462 },
		{ 4.042929935166739, -2.808917465908714, 0.5000178451051316 },
		{ 3.8916678022926607, -2.772484153217685, 0.5060648178503393 },
		{ 3.285753657755655, -2.3681294933425376, 0.46449024233003106 },
		{ 2.3465413258596377, -1.7097828382687081, 0.42323551169305323 },
	};
	const int last = (int)(sizeof(polar) / sizeof(polar[0])) - 1;

	return (coefficients == OPS_MUON_FIXED ? fixed : polar[step < last ? step : last]);
}
