#ifndef HG_TRIAGE_H
#define HG_TRIAGE_H

#include "campaign/room.h"
#include "campaign/runs.h"
#include "judge/outcome.h"
#include "judge/plateau.h"
#include "ledger/ledger.h"

/**
 * What each request of a campaign is waiting for.  The word is a pure function
 * of request, run, ledger and the owner's words, by a table with every cell
 * filled; hg-triage(1) prints the same table, and t/hg-triage.bats compares
 * the two.
 */

enum triage_state {
	TRIAGE_READY,
	TRIAGE_WAITING, /* it would be ready, but for something that is not its own */
	TRIAGE_RUNNING,
	TRIAGE_DEAD,     /* a stage ended without a word: hg-reap closes it out */
	TRIAGE_UNJUDGED, /* it ended, and has no row */
	TRIAGE_DONE,
	TRIAGE_ESCALATED,
	TRIAGE_STATES
};
const char *triage_state_name(enum triage_state s);
/* -1 if there is none of that name. */
int triage_state_of(const char *name);

/* What a run is to triage: a row of the table. */
enum triage_run {
	TRIAGE_RUN_NONE,
	TRIAGE_RUN_NEW,
	TRIAGE_RUN_WAITING,
	TRIAGE_RUN_RUNNING,
	TRIAGE_RUN_DEAD,
	TRIAGE_RUN_RETRY,     /* refused; a retry may help */
	TRIAGE_RUN_ATTEMPTS,  /* the same, as often as it may be tried */
	TRIAGE_RUN_SAME_KIND, /* the same, for the same kind twice */
	TRIAGE_RUN_REFUSED,   /* for good, and it has no row */
	TRIAGE_RUN_COMPLETE,  /* and it has no row */
	TRIAGE_RUN_JUDGED,    /* refused for good or complete, and it has a row */
	TRIAGE_RUN_CORRUPT,
	TRIAGE_RUNS
};
const char *triage_run_name(enum triage_run r);

/* A column of the table: no reason stands against the request, one does, or its run was made of other bytes. */
enum triage_request { TRIAGE_SOUND, TRIAGE_REASONS, TRIAGE_OTHER, TRIAGE_REQUESTS };

/* Exported for tests and for the page. */
struct triage_cell {
	enum triage_state state;
	const char *reason; /* NULL: the request's own */
};
struct triage_cell triage_cell(enum triage_run run, enum triage_request request);

struct triage_line {
	struct request request;
	const struct campaign_run *run; /* or NULL */
	enum triage_state state;
	char reason[256];
	enum outcome outcome; /* of what is done: what has become of its configuration */
	int settled;          /* whether it is its turn is known */
	struct str next;      /* what to type, or p NULL */
	int64_t age_ms;       /* how long it has been ready: since its request was written, or its run got on last */
};

/* All of it as of one look. */
struct triage {
	struct campaign *c;
	struct ledger l;
	int has_ledger;
	struct campaign_runs runs;
	struct triage_line *list; /* by name */
	size_t count, cap;
	size_t counts[TRIAGE_STATES];
	size_t others;                     /* runs that are at work for no request: calibrations, confirmations */
	size_t stuck;                      /* those that are dead, while ${future} is there */
	int64_t now_ms, oldest_ready_ms;   /* 0: none is ready */
	int64_t stamp_ms;                  /* when a run got on last; 0: never */
	const struct campaign_run *future; /* a run that keeps hg-reap from closing out what is dead, or NULL */
	const char *word;  /* "halted", "wedged", "running", "ready", "waiting", "escalated", "drained" or "empty" */
	struct room room;  /* what keeps all of it from being begun */
	enum plateau rule; /* the ledger's stop rule */
	int answer;        /* the owner's to that, as campaign_goes_on */
	json_t *answers;   /* what is wrong with the owner's answers, a text each */
	struct str why;    /* why nothing is running, where nothing is though something could */
};

/**
 * triage_read(c, t):
 * Owns:   triage_free releases *t.
 * Errors: -1 with errno, said.
 */
int triage_read(struct campaign *c, struct triage *t);
void triage_free(struct triage *t);

/* The line of a request, or NULL. */
const struct triage_line *triage_find(const struct triage *t, const char *name);

/**
 * triage_mint(c, name):
 * Make the run of a request that is ready and has none, of the very bytes that
 * are judged under the campaign's lock; prints its path.  Returns an exit code,
 * everything said: NO if the request is not ready, or has its run.
 */
int triage_mint(struct campaign *c, const char *name);

#endif
