#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/jsonio.h"
#include "campaign/turns.h"
#include "law/classify.h"
#include "law/verdict.h"

enum { BETWEEN_MS = 10000, TURNS = 3, USUAL_RUNS = 20, DAY_MS = 86400000, HALF_HOUR_MS = 1800000 };

int
turns_fresh(const struct triage *t, const struct campaign_run *run)
{
	const int64_t age_ms = t->now_ms - run->stamp_ms;

	/* Clocks differ somewhat, also between machines; what is of a far future says nothing. */
	return (age_ms > -BETWEEN_MS && age_ms < BETWEEN_MS);
}

int
turns_at_work(const struct triage *t, const struct campaign_run *run)
{
	switch (run->state) {
	case STATE_RUN_NEW:
	case STATE_RUN_WAITING:
		return (turns_fresh(t, run));
	default:
		return (run->state == STATE_RUN_RUNNING || run->state == STATE_RUN_DEAD);
	}
}

int
turns_confirms(const struct triage *t)
{
	return (strcmp(campaign_word(t->c, "confirm"), "promising") == 0);
}

const struct standings_group *
turns_uncalibrated(const struct triage *t, const char *lane, size_t *run)
{
	const struct standings *b = &t->l.book;
	const struct standings_group *g;
	const struct triage_line *line;
	const int calibrates = json_is_true(campaign_get(t->c, "calibrate"));
	size_t best;
	uint64_t tag;
	int known;

	if (!t->has_ledger || b->last_group == 0 || (g = standings_group(b, b->last_group)) == NULL ||
	    g->incumbent == 0)
		return (NULL);
	tag = standings_lane_tag(lane, standings_fact(b, g->reference)->cap_ms);
	known = standings_lane(b, g->group, tag) != NULL;
	*run = standings_incumbent(b, g, tag);
	if (known && *run != 0)
		return (NULL);
	/* Where the noise is known, but of an incumbent before, this one is wanted for what is judged there yet. */
	for (line = t->list; calibrates && line < t->list + t->count; line++)
		if (line->state != TRIAGE_ESCALATED && (!known || line->state != TRIAGE_DONE) &&
		    strcmp(line->request.lane, lane) == 0)
			return (g);
	if (known && turns_confirms(t) && classify_waiting(b, g, VERDICT_PROMISING, &best) != 0 &&
	    standings_fact(b, best - 1)->lane == tag)
		return (g);
	return (NULL);
}

/*
 * Is a run at work on the lane, or just about to be?  Not that one itself.  What was begun and left has it no more: its
 * request's turn comes first, if nothing stands against that, and the ledger's own runs before all requests'.
 */
static const struct campaign_run *
on_lane(const struct triage *t, const char *lane, const struct campaign_run *itself)
{
	const struct campaign_run *r;

	for (r = t->runs.list; r < t->runs.list + t->runs.count; r++)
		if (r != itself && strcmp(r->lane, lane) == 0 && turns_at_work(t, r))
			return (r);
	return (NULL);
}

/*
 * How long a run takes: the longest of the last that are known, on that lane if it is not 0; -1 if none is.  A run is
 * promised no more time than another took.
 */
static int64_t
usual_ms(const struct triage *t, uint64_t lane)
{
	const struct standings_fact *f;
	int64_t most = -1;
	unsigned seen = 0;
	size_t i;

	for (i = t->has_ledger ? standings_count(&t->l.book) : 0; i-- > 0 && seen < USUAL_RUNS;) {
		f = standings_fact(&t->l.book, i);
		if (f->kind != STANDINGS_RUN || f->cost_ms <= 0 || (lane != 0 && f->lane != lane))
			continue;
		seen++;
		if (f->cost_ms > most)
			most = f->cost_ms;
	}
	return (most);
}

/* Twice the cap and half an hour, or a day, where no run is known: the deadlines that a spec has by itself. */
static int
would_end(const struct triage *t, const struct request *q)
{
	const int64_t cap_ms = jsonio_i64(q->spec, "budget.max_wallclock_ms", -1);
	int64_t ms = usual_ms(t, standings_lane_tag(q->lane, cap_ms));

	if (ms == -1)
		ms = cap_ms == -1 ? DAY_MS : 2 * cap_ms + HALF_HOUR_MS;
	return (t->c->within_ms == 0 || ms <= t->c->within_ms);
}

int
turns_would_end(const struct triage *t)
{
	const int64_t ms = usual_ms(t, 0);

	return (t->c->within_ms == 0 || (ms != -1 && ms <= t->c->within_ms));
}

int
turns_lane_is_free(const struct triage *t, const char *name)
{
	return (t->room.reason == NULL && on_lane(t, name, NULL) == NULL && turns_would_end(t));
}

/* One whose turn it is already. */
static const struct triage_line *
ready_on(const struct triage *t, const char *lane)
{
	size_t i;

	for (i = 0; i < t->count; i++)
		if (t->list[i].settled && t->list[i].state == TRIAGE_READY &&
		    strcmp(t->list[i].request.lane, lane) == 0)
			return (&t->list[i]);
	return (NULL);
}

void
turns_wait_for(struct triage_line *line, const char *reason, const char *what)
{
	line->state = TRIAGE_WAITING;
	snprintf(line->reason, sizeof(line->reason), "%s%s%s", reason, *what == '\0' ? "" : ":", what);
}

/* What has begun goes first, then what is tried again, then what is new. */
static int
turn(const struct triage_line *line)
{
	return (strcmp(line->reason, "new") == 0 ? 2 : line->run != NULL && line->run->state == STATE_RUN_REFUSED);
}

/*
 * Does its lane have to be calibrated first?  What is run before that is screened by nothing.  The first run of all is
 * made of one request alone, for whose turn it is the others wait, too.
 */
static int
calibrates_first(const struct triage *t, const struct triage_line *line)
{
	const struct campaign_run *r;
	size_t i, run;

	if (!json_is_true(campaign_get(t->c, "calibrate")))
		return (0);
	if (t->has_ledger && t->l.book.last_group != 0)
		return (turns_uncalibrated(t, line->request.lane, &run) != NULL);
	for (r = t->runs.list; r < t->runs.list + t->runs.count; r++)
		if (r->state == STATE_RUN_COMPLETE || turns_at_work(t, r))
			return (1);
	for (i = 0; i < t->count; i++)
		if (t->list[i].settled && t->list[i].state == TRIAGE_READY)
			return (1);
	return (0);
}

const struct campaign_run *
turns_given_up(const struct triage *t, const char *lane)
{
	const struct campaign_run *r;

	for (r = t->runs.list; r < t->runs.list + t->runs.count; r++)
		if (r->state == STATE_RUN_REFUSED && r->retryable && r->row == NULL && strcmp(r->lane, lane) == 0 &&
		    r->attempt >= campaign_count(t->c, "attempts") && triage_find(t, r->name) == NULL)
			return (r);
	return (NULL);
}

/* Is the run there that a lane's calibration is made of?  What can't be told is taken for that. */
static int
is_there(const struct triage *t, const char *lane, struct str *place)
{
	size_t run;
	const struct standings_group *g = turns_uncalibrated(t, lane, &run);
	struct row row;
	int there = 1;

	if (g == NULL || ledger_read(&t->l, standings_fact(&t->l.book, run == 0 ? g->reference : run - 1), &row) == -1)
		return (1);
	if (row.run.dir != NULL && ledger_place(&t->l, row.run.dir, place) == 0)
		there = access(place->p, F_OK) == 0 || errno != ENOENT;
	row_free(&row);
	return (there);
}

/* What keeps a lane from being calibrated, if its owner has to see to that. */
static void
tell_calibration(const struct triage *t, struct triage_line *line)
{
	const struct campaign_run *r = turns_given_up(t, line->request.lane);
	struct str place = STR_INIT;

	if (r != NULL)
		snprintf(line->request.why, sizeof(line->request.why),
		    "run '%s', which is to tell that lane's noise, was refused (%s), and was tried as often as "
		    "'attempts' allows: mend that, and go on with it",
		    r->name, r->kind);
	else if (!is_there(t, line->request.lane, &place))
		snprintf(line->request.why, sizeof(line->request.why),
		    "the incumbent's run '%.150s', which more seeds would be made of to tell that lane's noise, is not "
		    "there: put it back",
		    place.p);
	str_free(&place);
}

int
turns_stopped(const struct triage *t)
{
	return ((t->rule == PLATEAU_STOP || t->rule == PLATEAU_PAUSE) && t->answer != 1);
}

/* What keeps it from being begun, if anything does. */
static int
is_barred(const struct triage *t, struct triage_line *line)
{
	struct room room = t->room;

	if (room.reason == NULL && line->run != NULL)
		room_look(t->c, line->request.name, &room);
	if (room.reason == NULL)
		return (0);
	turns_wait_for(line, room.reason, "");
	snprintf(line->request.why, sizeof(line->request.why), "%s", room.why);
	return (1);
}

/* What is not the request's own: halt, the stop rule, who has its lane. */
static void
hold_back(const struct triage *t, struct triage_line *line)
{
	const int is_new = turn(line) == 2;
	const struct campaign_run *r;
	const struct triage_line *first;

	if (campaign_halted(t->c))
		turns_wait_for(line, "halt", "");
	else if (is_barred(t, line))
		;
	else if (is_new && turns_stopped(t))
		turns_wait_for(line, plateau_name(t->rule), "");
	else if ((r = on_lane(t, line->request.lane, line->run)) != NULL)
		turns_wait_for(line, "lane", r->name);
	else if ((first = ready_on(t, line->request.lane)) != NULL)
		turns_wait_for(line, "lane", first->request.name);
	else if (is_new && calibrates_first(t, line)) {
		turns_wait_for(line, "calibration", "");
		tell_calibration(t, line);
	} else if (is_new && !would_end(t, &line->request))
		turns_wait_for(line, "time", "");
	line->settled = 1;
}

void
turns_take(struct triage *t)
{
	struct triage_line *line;
	int k;

	for (k = 0; k < TURNS; k++)
		for (line = t->list; line < t->list + t->count; line++)
			if (line->state == TRIAGE_READY && !line->settled && turn(line) == k)
				hold_back(t, line);
}
