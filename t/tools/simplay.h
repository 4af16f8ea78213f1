#ifndef HG_SIMPLAY_H
#define HG_SIMPLAY_H

#include <stddef.h>
#include <stdint.h>

#include "law/stats.h"
#include "law/standings.h"
#include "law/verdict.h"
#include "t/tools/simworld.h"

/**
 * Campaigns in a world, by a way of judging: the real law, old or new, or a
 * habit of the field.  Each way plays campaigns of its own, and what it takes
 * for better is what the next challengers differ from.
 */
enum { SIMPLAY_CHALLENGERS = 100 }; /* at most, of a world */

struct simplay_campaign;

struct simplay_tally {
	struct stats_sample falsehoods, found, any; /* a campaign */
	double existing, runs, confirmations, confirmation_runs;
	double looked[2], covered[2]; /* bounds that were told, of gains not confirmed and confirmed */
	double claimed, gained;       /* deviations, in all that was kept */
	double stopped;               /* without a find */
};

struct simplay_way {
	const char *name;
	/* Try a challenger: what is held from now on, with c->gain set; or NULL: nothing changes. */
	const struct simworld_candidate *(*keeps)(struct simplay_campaign *c, const struct simworld_candidate *k);
	unsigned law; /* 0: none, and no book */
	unsigned confirmations, seeds;
	double gain_sd; /* of the policy; 0: as it is by default */
	int (*instead)(const struct standings *b, const struct standings_plan *p,
	    struct verdict *v); /* of the law's look */
	struct {
		double falsehoods, noisier;  /* a null campaign; with challengers that scatter twice as far */
		double found, runs, stopped; /* where 1 in 10 gains 3.5: gains and runs a find, campaigns without one */
	} promise;                           /* zeros: none; by law 2's are what it was measured to be */
};

extern const struct simplay_way simplay_ways[];
extern const size_t simplay_count;

struct simplay_tally
simplay_many(const struct simplay_way *way, const struct simworld *w, uint64_t seed, uint64_t campaigns);

#endif
