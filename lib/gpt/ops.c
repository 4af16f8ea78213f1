/* The one file that knows which backends this build has: with HG_PORTABLE the counted one alone. */

#include <assert.h>
#include <errno.h>
#include <math.h>
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
 * factor of 1.02 in all but the last.  Minimax: t/tools/minimax.py STEPS L 1.02 with L .01, .003 and .001 for 3, 4
 * and 5 steps, which end within .29, .22 and .14 of 1 from there on.  A smaller L lifts small singular values more,
 * and leaves all others farther from 1; these come nearest to orthogonal on momenta of real trainings
 * (lib/gpt/cpu/NOTES.md).
 */
const double *
ops_muon_triple(const struct ops_muon_law *law, int step)
{
	static const double fixed[3] = { 3.4445, -4.7750, 2.0315 };
	static const double polar[][3] = {
		{ 8.156554524902461, -22.48329292557795, 15.878769915207462 },
		{ 4.042929935166739, -2.808917465908714, 0.5000178451051316 },
		{ 3.8916678022926607, -2.772484153217685, 0.5060648178503393 },
		{ 3.285753657755655, -2.3681294933425376, 0.46449024233003106 },
		{ 2.3465413258596377, -1.7097828382687081, 0.42323551169305323 },
	};
	static const double minimax[][OPS_MINIMAX_MOST][3] = {
		{
		    { 7.93467501230221, -22.2580590504635, 15.80151715279479 },
		    { 3.577947481128716, -2.577889884244124, 0.4886478068008195 },
		    { 2.699066834529486, -2.018848188920237, 0.4618390979154265 },
		},
		{
		    { 8.219287855807025, -23.33746622525889, 16.62657464895917 },
		    { 3.968984371411845, -2.842422414511315, 0.5167470397110234 },
		    { 3.462612449583696, -2.498205696212711, 0.4802212638928551 },
		    { 2.540790280303438, -1.888938929384218, 0.4482454528768367 },
		},
		{
		    { 8.304243925341249, -23.65989957356321, 16.87310887493385 },
		    { 4.102558365189527, -2.931063438547372, 0.5261942802276366 },
		    { 3.895823324303604, -2.793526474454138, 0.5115414933131087 },
		    { 3.265635529621979, -2.360028649692602, 0.4656663021654195 },
		    { 2.330743114524524, -1.708720900592763, 0.4298616605828411 },
		},
	};
	const int last = (int)(sizeof(polar) / sizeof(polar[0])) - 1;

	if (law->coefficients == OPS_MUON_FIXED)
		return (fixed);
	if (law->coefficients == OPS_MUON_POLAR)
		return (polar[step < last ? step : last]);
	assert(law->ns_steps >= OPS_MINIMAX_LEAST && law->ns_steps <= OPS_MINIMAX_MOST && step < law->ns_steps);
	return (minimax[law->ns_steps - OPS_MINIMAX_LEAST][step]);
}

struct ops_muon_abc
ops_muon_scaled(const struct ops_muon_law *law, int step, double sumsq)
{
	const double *abc = ops_muon_triple(law, step);
	double by = 1;

	if (step == 0 && law->scale == OPS_MUON_SCHATTEN)
		by = 1 / fmax(sqrt(sqrt(sumsq)), OPS_SCHATTEN_LEAST);
	return ((struct ops_muon_abc){ abc[0] * by, abc[1] * pow(by, 3), abc[2] * pow(by, 5) });
}
