#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/say.h"
#include "base/shell.h"
#include "base/str.h"
#include "judge/runrecord.h"
#include "judge/take.h"
#include "law/standings.h"
#include "run/rundir.h"
#include "run/state.h"

/* The plan that asks for a run and wants to be told, or NULL. */
static const struct standings_plan *
asking(const struct ledger *l, const struct standings_fact *run, unsigned *slot)
{
	struct standings_fact f = *run;
	const struct standings_plan *p;

	/* It would begin now at the earliest. */
	if (f.started_ms == 0)
		f.started_ms = INT64_MAX;
	p = standings_asked(&l->book, &f, slot);
	return (p != NULL && p->announced ? p : NULL);
}

/* Has the run's training left any trace, or this attempt of one that may be tried again? 1, 0, or -1, said. */
static int
has_begun(const char *path, int again)
{
	struct rundir r;
	struct runlock_look look;
	enum state state;
	int error, rc = -1;

	if (rundir_open(&r, path) == -1)
		return (-1);
	if (rundir_load(&r) == 0 && state_look(&r, STAGE_TRAIN, &state, &look) == 0)
		rc = state != STATE_ABSENT || (!again && rundir_attempt(&r, STAGE_TRAIN) > 1);
	error = errno;
	rundir_close(&r);
	errno = error;
	return (rc);
}

/* Says who has the slot, if it is not free for this run: 1, 0, or -1 with errno, said. */
static int
is_gone(const struct ledger *l, const struct standings_slot *slot, unsigned number, const char *path)
{
	struct str place = STR_INIT;
	struct row taker;

	if (slot->taken == 0 || slot->released)
		return (0);
	if (ledger_read(l, standings_fact(&l->book, slot->take - 1), &taker) == -1)
		return (-1);
	say_error(
	    "'%s' comes too late: '%s' has taken slot %u of the plan, and no other run fills it unless that one is "
	    "added as failed",
	    path, taker.take.run_id, number + 1);
	if (ledger_place(l, taker.take.dir, &place) == 0)
		shell_next("hg-run -i -l %s %s  # or, if it is gone, hg-ledger take -x %s %s", l->path, place.p,
		    l->path, place.p);
	str_free(&place);
	row_free(&taker);
	return (1);
}

int
take_slot(struct ledger *l, const char *path, enum take *how, struct row *out)
{
	const struct standings_plan *p;
	const struct standings_slot *slot;
	struct standings_fact f;
	enum runrecord state;
	struct row row;
	char digest[SHA256_HEX_SIZE];
	unsigned k;
	int rc = -1, no;

	if (runrecord_run(path, l->real, &state, &row) == -1)
		return (-1);
	row_run_fact(&row.run, &f);
	*how = TAKE_NONE;
	if ((p = asking(l, &f, &k)) == NULL) {
		rc = 0;
		goto err0;
	}
	slot = &p->slot[k];
	if (slot->taken == f.run && !slot->released) {
		*how = TAKE_THERE;
		rc = ledger_read(l, standings_fact(&l->book, slot->take - 1), out);
		goto err0;
	}
	*how = TAKE_NO;
	if ((no = is_gone(l, slot, k, path)) != 0 || (no = has_begun(path, slot->taken == f.run)) == -1) {
		rc = no == -1 ? -1 : 0;
		goto err0;
	}
	if (no) {
		say_error("'%s' has begun before it took slot %u of the plan: how it came out could have been seen, so "
			  "another run fills it",
		    path, k + 1);
		shell_next("hg-confirm %s RUN", l->path);
		rc = 0;
		goto err0;
	}
	row_init(out, STANDINGS_TAKE);
	if (ledger_digest(l, standings_row(&l->book, p->row), digest) == -1)
		goto err1;
	out->take = (struct row_take){ .plan = row_text(out, digest),
		.run_id = row_text(out, row.run.run_id),
		.run_uid = row_text(out, row.run.run_uid),
		.dir = row_text(out, row.run.dir),
		.lane = row_text(out, row.run.lane),
		.cap_ms = row.run.cap_ms,
		.slot = (int64_t)k + 1 };
	if (out->take.plan == NULL || out->take.run_id == NULL || out->take.run_uid == NULL || out->take.dir == NULL ||
	    out->take.lane == NULL || ledger_start(l, out) == -1 || ledger_append_row(l, out, NULL) == -1)
		goto err1;
	*how = TAKE_TAKEN;
	row_free(&row);
	return (0);
err1:
	row_free(out);
err0:
	row_free(&row);
	return (rc);
}

/* Is the run that took a slot where it said that it lay?  1, 0, or -1, said. */
static int
is_there(const struct ledger *l, const struct row_take *take)
{
	struct str place = STR_INIT;
	struct rundir r;
	int there = 0;

	if (ledger_place(l, take->dir, &place) == -1)
		return (-1);
	if (access(place.p, F_OK) == 0) {
		/* What can't be read may be it. */
		there = 1;
		if (rundir_open(&r, place.p) == 0) {
			there = rundir_load(&r) == -1 || strcmp(r.spec.run_uid, take->run_uid) == 0;
			rundir_close(&r);
		}
	}
	if (there) {
		say_error("'%s' is there, and not lost", place.p);
		shell_next("hg-run -i -l %s %s", l->path, place.p);
	}
	str_free(&place);
	return (there);
}

int
take_lost(struct ledger *l, const char *path, struct row *out)
{
	const char *name = strrchr(path, '/') == NULL ? path : strrchr(path, '/') + 1;
	const struct standings_plan *p = standings_open_plan(&l->book, 0);
	struct row taker;
	unsigned k;
	int rc;

	for (k = 0; p != NULL && k < 2 * p->n; k++) {
		if (p->slot[k].taken == 0 || p->slot[k].released || p->slot[k].fact != 0)
			continue;
		if (ledger_read(l, standings_fact(&l->book, p->slot[k].take - 1), &taker) == -1)
			return (-1);
		if (strcmp(taker.take.run_id, name) == 0)
			break;
		row_free(&taker);
	}
	if (p == NULL || k == 2 * p->n) {
		say_error("no run called '%s' has a slot of an open plan", name);
		return (1);
	}
	if ((rc = is_there(l, &taker.take)) == 0) {
		row_init(out, STANDINGS_TAKE);
		out->take = taker.take;
		out->take.lost = 1;
		/* Its texts are borrowed. */
		if (row_hold(out, json_incref(taker.held)) == NULL || ledger_start(l, out) == -1 ||
		    ledger_append_row(l, out, NULL) == -1) {
			row_free(out);
			rc = -1;
		}
	}
	row_free(&taker);
	return (rc);
}

int
take_wanted(const struct ledger *l, const char *path)
{
	struct standings_fact f;
	enum runrecord state;
	struct row row;
	unsigned k;

	if (standings_open_plan(&l->book, 0) == NULL)
		return (0);
	if (runrecord_run(path, l->real, &state, &row) == -1)
		return (-1);
	row_run_fact(&row.run, &f);
	row_free(&row);
	return (asking(l, &f, &k) != NULL);
}
