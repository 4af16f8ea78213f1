#ifndef HG_STATE_H
#define HG_STATE_H

#include "run/runlock.h"
#include "run/rundir.h"

/**
 * The state of a stage and of a run: pure functions of files and locks, by
 * tables with every cell filled.  hg-rundir(5) prints the same tables, and
 * t/hg-status.bats compares the two.
 */

enum state {
	STATE_ABSENT,     /* never started: no lock text, nothing published */
	STATE_RUNNING,    /* the lock is held */
	STATE_OVERDUE,    /* held past its deadline and grace, or by an owner that is stopped (runlock_overdue) */
	STATE_CLOSED_OUT, /* its receipt is there */
	STATE_REFUSED,    /* its refusal is there */
	STATE_ORPHANED,   /* began, and ended without either */
	STATE_CORRUPT,    /* both are there */
	STATE_COUNT
};

/* What the state depends on. */
struct state_facts {
	int receipt, refusal; /* is the file there? */
	int held;             /* is the lock held, or free only as seen from here (runlock_whose)? */
	enum runlock_text text;
	int late; /* past deadline + grace, by the text */
};

/* Exported for tests. */
enum state state_of(const struct state_facts *f);

const char *state_name(enum state s);

/* The state as one look shows it, with what was seen of the lock. 0, or -1 with errno, said. */
int state_look(const struct rundir *r, enum stage s, enum state *state, struct runlock_look *look);

/* Why a stage counts as alive though its lock is not seen to be held; NULL of one whose lock is, or that is not. */
#define STATE_UNSEEN_SIZE 512
const char *state_unseen(char text[STATE_UNSEEN_SIZE], const struct runlock_look *look);

/*
 * Say that a stage is left alone, and until when, if it counts as alive without its lock being seen; 1 if that was
 * said, else 0.
 */
int state_say_unseen(const struct rundir *r, enum stage s, const struct runlock_look *look);

/* The run as a whole. */
enum state_run {
	STATE_RUN_NEW,      /* no stage has begun */
	STATE_RUN_WAITING,  /* some stages have closed out, and the next may begin */
	STATE_RUN_RUNNING,  /* a stage is alive */
	STATE_RUN_DEAD,     /* a stage is orphaned or overdue: hg-await, hg-run, hg-gate or hg-reap closes it out */
	STATE_RUN_REFUSED,  /* a stage that the score needs is refused */
	STATE_RUN_COMPLETE, /* scored: all that is not optional has closed out */
	STATE_RUN_CORRUPT,  /* a stage is corrupt */
	STATE_RUN_COUNT
};

/* What a driver does next about a run. */
enum state_do {
	STATE_DO_START, /* start that stage */
	STATE_DO_AWAIT, /* wait for it; waiting closes out the dead */
	STATE_DO_STOP,  /* it is refused: show why and stop */
	STATE_DO_FAIL,  /* it is corrupt: stop */
	STATE_DO_GO_ON, /* nothing is owed here: look at the following stage */
	STATE_DO_COUNT
};

struct state_next {
	enum state_run run;
	enum state_do what; /* GO_ON: all stages are done, judge the run */
	enum stage stage;   /* which stage it is about, unless GO_ON */
};

/*
 * What follows from the states of the stages that a run has, a bit of ${stages} each; pure.  An optional stage that is
 * refused stops nothing.
 */
struct state_next state_next(const enum state states[STAGE_COUNT], unsigned stages);

const char *state_run_name(enum state_run run);

/* A word for a driver: a stage to start, "await-STAGE", "stop-STAGE", "fail-STAGE" or "judge". Returns text. */
#define STATE_WORD_SIZE 16
char *state_word(char text[STATE_WORD_SIZE], const struct state_next *next);

#endif
