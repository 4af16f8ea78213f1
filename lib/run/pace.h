#ifndef HG_PACE_H
#define HG_PACE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sha256.h"
#include "run/rundir.h"

/**
 * RUN/pace.json, hg-pace(5): how far behind the incumbent's runs a run may be
 * at some of its steps and still train on.  Whoever has a ledger makes it
 * (judge/outrun.h); training obeys it.  Here is what both must see alike.
 */

enum { PACE_CHECKS = 16 }; /* at most; contracts/pace.json says the same */

struct pace {
	uint64_t window; /* steps that a loss is the mean over */
	size_t checks;
	struct {
		uint64_t step; /* after so many */
		double limit;  /* a loss above it ends the run */
	} check[PACE_CHECKS];
	char group[SHA256_HEX_SIZE], sha256[SHA256_HEX_SIZE];
};

/* No run is ended before so many of its steps are done: half of them. */
uint64_t pace_earliest(uint64_t iterations);

/**
 * pace_read(r, p):
 * Read the pace of a run that is loaded.  1, or 0 if it has none.
 * Errors: -1 with errno, said: EBADMSG it breaks its contract, was altered, is another run's, or would end the run
 *         before half of its steps.
 * Checked: t/outrun.bats.
 */
int pace_read(const struct rundir *r, struct pace *p);

/* Put the digest of all else into ${v} as pace_sha256. 0, or -1 with errno ENOMEM. */
int pace_seal(json_t *v);

/**
 * pace_loss(dirfd, path, step, window, loss):
 * The mean of the training loss over the last ${window} of the first ${step}
 * steps, from the metrics in a run's directory, called ${path} in messages.
 * Units:  nats a token.
 * Errors: -1 with errno: ENODATA, silent: not each of these steps has one row with a finite loss; others said.
 */
int pace_loss(int dirfd, const char *path, uint64_t step, uint64_t window, double *loss);

#endif
