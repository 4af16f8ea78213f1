#ifndef HG_RUNS_H
#define HG_RUNS_H

#include "campaign/request.h"
#include "ledger/ledger.h"
#include "run/state.h"

/* A run of the campaign, as it is found: of a request, or of a confirmation or a calibration. */
struct campaign_run {
	char name[REQUEST_NAME], lane[REQUEST_NAME];
	char request[SHA256_HEX_SIZE]; /* digest of the request that it was made of, or "" */
	enum state_run state;          /* CORRUPT, too, of one that can't be read */
	enum stage stage;              /* that this is about; STAGE_COUNT: none */
	uint64_t config;               /* tag of its configuration */
	int64_t seed;
	int64_t attempt;     /* of a refused stage: which one it was */
	char kind[64];       /* and why it was refused */
	int retryable, same; /* may a retry help; was it refused for the same kind the time before */
	int elsewhere;       /* it has a row in a ledger that was here, and is not */
	int64_t stamp_ms;    /* when it got on last */
	const char *future;  /* its file that is of a time still to come, for which hg-reap does nothing; NULL: none */
	const struct standings_fact *row; /* of its attempt; NULL: it has none yet */
};

struct campaign_runs {
	struct campaign_run *list; /* by name */
	size_t count, cap;
};

/**
 * runs_read(c, l, runs):
 * All runs of the campaign; its ledger ${l} (or NULL) tells of their rows.
 * Owns:   runs_free releases *runs.
 * Errors: -1 with errno, said.
 */
int runs_read(const struct campaign *c, const struct ledger *l, struct campaign_runs *runs);
void runs_free(struct campaign_runs *runs);

const struct campaign_run *runs_find(const struct campaign_runs *runs, const char *name);

#endif
