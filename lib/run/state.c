#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/say.h"
#include "base/shell.h"
#include "run/state.h"

#define A STATE_ABSENT
#define R STATE_RUNNING
#define L STATE_OVERDUE
#define D STATE_CLOSED_OUT
#define F STATE_REFUSED
#define O STATE_ORPHANED
#define C STATE_CORRUPT

/*
 * [what is published][held][lock text][late].  What is published decides; the
 * lock speaks only where nothing is.  A holder without text has just begun, or
 * closes out somebody else; garbage has no deadline to be past.
 */
static const unsigned char table[4][2][3][2] = {
	/*                  free: empty     good      garbage      held: empty     good      garbage */
	/* nothing */ { { { A, A }, { O, O }, { O, O } }, { { R, R }, { R, L }, { R, R } } },
	/* receipt */ { { { D, D }, { D, D }, { D, D } }, { { D, D }, { D, D }, { D, D } } },
	/* refusal */ { { { F, F }, { F, F }, { F, F } }, { { F, F }, { F, F }, { F, F } } },
	/* both    */ { { { C, C }, { C, C }, { C, C } }, { { C, C }, { C, C }, { C, C } } },
};

static const char *const names[STATE_COUNT] = {
	[A] = "absent",
	[R] = "running",
	[L] = "overdue",
	[D] = "closed_out",
	[F] = "refused",
	[O] = "orphaned",
	[C] = "corrupt",
};

/*
 * What a driver does about a stage in a state, and what word that gives the
 * run; the first stage that is not passed over decides, but for a worse word
 * of a later one.
 */
static const struct {
	enum state_do what;
	enum state_run run;
} steps[STATE_COUNT] = {
	[A] = { STATE_DO_START, STATE_RUN_WAITING },
	[R] = { STATE_DO_AWAIT, STATE_RUN_RUNNING },
	[L] = { STATE_DO_AWAIT, STATE_RUN_DEAD },
	[D] = { STATE_DO_GO_ON, STATE_RUN_COMPLETE },
	[F] = { STATE_DO_STOP, STATE_RUN_REFUSED },
	[O] = { STATE_DO_AWAIT, STATE_RUN_DEAD },
	[C] = { STATE_DO_FAIL, STATE_RUN_CORRUPT },
};

static const char *const run_names[STATE_RUN_COUNT] = {
	[STATE_RUN_NEW] = "new",
	[STATE_RUN_WAITING] = "waiting",
	[STATE_RUN_RUNNING] = "running",
	[STATE_RUN_DEAD] = "dead",
	[STATE_RUN_REFUSED] = "refused",
	[STATE_RUN_COMPLETE] = "complete",
	[STATE_RUN_CORRUPT] = "corrupt",
};

enum state
state_of(const struct state_facts *f)
{
	return (table[(f->receipt != 0) + 2 * (f->refusal != 0)][f->held != 0][f->text][f->late != 0]);
}

const char *
state_name(enum state s)
{
	return (names[s]);
}

const char *
state_run_name(enum state_run run)
{
	return (run_names[run]);
}

int
state_look(const struct rundir *r, enum stage s, enum state *state, struct runlock_look *look)
{
	const struct rundir_stage *st = &rundir_stages[s];
	struct state_facts f = { 0 };
	struct runlock_look mine;

	if (look == NULL)
		look = &mine;
	/* The lock first: a stage publishes before it lets go, so that a free lock without a file is final. */
	if (runlock_look(r, s, look) == -1)
		return (-1);
	if ((f.receipt = rundir_has(r, st->receipt)) == -1) {
		say_errno("cannot look at '%s/%s'", r->path, st->receipt);
		return (-1);
	}
	if ((f.refusal = rundir_has(r, st->refusal)) == -1) {
		say_errno("cannot look at '%s/%s'", r->path, st->refusal);
		return (-1);
	}
	f.held = look->held;
	f.text = look->text;
	if (!f.held && f.text == RUNLOCK_GOOD && !f.receipt && !f.refusal) {
		look->whose = runlock_whose(r, s, &look->lock);
		f.held = look->whose == RUNLOCK_UNSEEN || look->whose == RUNLOCK_ELSEWHERE;
	}
	f.late = f.held && look->text == RUNLOCK_GOOD && runlock_overdue(&look->lock);
	if (look->whose == RUNLOCK_ELSEWHERE)
		f.late = 0;
	*state = state_of(&f);
	return (0);
}

const char *
state_unseen(char text[STATE_UNSEEN_SIZE], const struct runlock_look *look)
{
	char by[CLOCK_TEXT_SIZE];

	switch (look->whose) {
	case RUNLOCK_UNSEEN:
		snprintf(text, STATE_UNSEEN_SIZE,
		    "process %ld runs, and its lock can't be seen from here, as on another mount of the same files",
		    (long)look->lock.owner.pid);
		return (text);
	case RUNLOCK_ELSEWHERE:
		snprintf(text, STATE_UNSEEN_SIZE,
		    "begun by process %ld of host '%s', which can't be seen from here: left alone until its "
		    "deadline, %s, and five minutes",
		    (long)look->lock.owner.pid, look->lock.owner.host, clock_text(by, look->lock.deadline_ms));
		return (text);
	default:
		return (NULL);
	}
}

int
state_say_unseen(const struct rundir *r, enum stage s, const struct runlock_look *look)
{
	char why[STATE_UNSEEN_SIZE];
	const char *name = rundir_stages[s].name;

	if (state_unseen(why, look) == NULL)
		return (0);
	if (look->whose == RUNLOCK_ELSEWHERE) {
		say_note("%s of '%s' was %s", name, r->path, why);
		shell_next("hg-reap -x %s DIR  # if nothing runs there any more", look->lock.owner.host);
	} else
		say_note("%s of '%s': %s: left alone", name, r->path, why);
	return (1);
}

struct state_next
state_next(const enum state states[STAGE_COUNT], unsigned stages)
{
	struct state_next next = { STATE_RUN_COMPLETE, STATE_DO_GO_ON, STAGE_COUNT };
	int s, begun = 0, alive = 0, dead = 0, owed = 0;

	for (s = 0; s < STAGE_COUNT; s++) {
		if ((stages & 1U << s) == 0)
			continue;
		begun |= states[s] != STATE_ABSENT;
		alive |= steps[states[s]].run == STATE_RUN_RUNNING;
		dead |= steps[states[s]].run == STATE_RUN_DEAD;
		owed |= !rundir_stages[s].optional && states[s] != STATE_CLOSED_OUT;
		if (states[s] == STATE_CORRUPT && next.run != STATE_RUN_CORRUPT)
			next = (struct state_next){ STATE_RUN_CORRUPT, STATE_DO_FAIL, (enum stage)s };
		if (next.what != STATE_DO_GO_ON || steps[states[s]].what == STATE_DO_GO_ON ||
		    (rundir_stages[s].optional && states[s] == STATE_REFUSED))
			continue;
		next.what = steps[states[s]].what;
		next.run = steps[states[s]].run;
		next.stage = (enum stage)s;
	}
	if (next.run == STATE_RUN_CORRUPT)
		return (next);
	/* The word for people: what is alive or dead shows even where the driver has something else to do first. */
	if (!begun)
		next.run = STATE_RUN_NEW;
	else if (dead)
		next.run = STATE_RUN_DEAD;
	else if (alive)
		next.run = STATE_RUN_RUNNING;
	else if (next.run == STATE_RUN_WAITING && !owed)
		next.run = STATE_RUN_COMPLETE;
	return (next);
}

char *
state_word(char text[STATE_WORD_SIZE], const struct state_next *next)
{
	static const char *const prefix[] = {
		[STATE_DO_START] = "",
		[STATE_DO_AWAIT] = "await-",
		[STATE_DO_STOP] = "stop-",
		[STATE_DO_FAIL] = "fail-",
	};

	if (next->what == STATE_DO_GO_ON)
		snprintf(text, STATE_WORD_SIZE, "judge");
	else
		snprintf(text, STATE_WORD_SIZE, "%s%s", prefix[next->what], rundir_stages[next->stage].name);
	return (text);
}
