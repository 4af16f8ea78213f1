#ifndef HG_ADVICE_H
#define HG_ADVICE_H

#include <jansson.h>
#include <stdint.h>

#include "base/str.h"
#include "ledger/ledger.h"

/**
 * What to do next, decided here alone: after one run, or as a whole ledger
 * stands.  Whoever asks only words and prints it.
 */

enum advice_kind {
	ADVICE_RUN,       /* nothing was run yet */
	ADVICE_RETRY,     /* a stage was refused */
	ADVICE_COMPLETE,  /* stages are missing */
	ADVICE_CORRECT,   /* what was run can't count: the configuration must change */
	ADVICE_AGAIN,     /* the same again, when the machine is quiet */
	ADVICE_FINISH,    /* a confirmation is open */
	ADVICE_PAUSE,     /* too many failures in a row: look first */
	ADVICE_CALIBRATE, /* the lane's noise is not known */
	ADVICE_CONFIRM,   /* a challenger passed the screen */
	ADVICE_SECOND,    /* one looked better once */
	ADVICE_CAMPAIGN,  /* one did, or may, but the campaign has spent its confirmations */
	ADVICE_STOP,      /* the stop rule says so */
	ADVICE_TRY        /* another change */
};

struct advice {
	enum advice_kind kind;
	uint64_t subject;        /* row of the run that the command is about, or 0 */
	struct str command, why; /* what to type, p NULL if nothing; why, without a full stop */
	int64_t cost_ms;         /* what that takes, by the runs before */
	unsigned waiting; /* of advice_ledger: who passed the screen, is undecided and better than the incumbent */
};

/**
 * advice_run(l, path, f, a):
 * After the run of ${f}, judged, whose directory is ${path} as somebody would
 * type it.  One that is not in the ledger yet is counted as if it were.
 * Owns: advice_free releases what is in *a.  Errors: -1 with errno.
 */
int advice_run(const struct ledger *l, const char *path, const struct standings_fact *f, struct advice *a);

/**
 * advice_elsewhere(l, path, f, g, a):
 * A run can't be confirmed, or its lane calibrated, where no run of the
 * incumbent can be set beside it: ${a} says which run comes first.  1 if so, 0
 * if the incumbent ran there, too; -1 with errno.
 */
int advice_elsewhere(const struct ledger *l, const char *path, const struct standings_fact *f,
    const struct standings_group *g, struct advice *a);

/* What the power of n runs a side falls short of, and which n would do, appended to *s; nothing if it suffices. */
int
advice_power(const struct standings *b, const struct standings_fact *f, uint64_t incumbent, unsigned n, struct str *s);

/* As the ledger stands, for the group that was judged last. The same. */
int advice_ledger(const struct ledger *l, struct advice *a);

void advice_free(struct advice *a);

/* {command, why, cost_ms}, command null where there is none. Owns: the caller decrefs. NULL with errno ENOMEM. */
json_t *advice_json(const struct advice *a);

#endif
