#include <errno.h>
#include <string.h>

#include "base/say.h"
#include "judge/gain.h"
#include "judge/rests.h"
#include "law/verdict.h"

/* The row of the improvement that a plan led to, or 0. */
static size_t
improvement(const struct standings *b, const struct standings_plan *p)
{
	const struct standings_fact *f;
	size_t i;

	for (i = 0; p->closed && i < standings_count(b); i++) {
		f = standings_fact(b, i);
		if (f->kind == STANDINGS_VERDICT && f->plan == p->row && f->klass == VERDICT_IMPROVEMENT)
			return (i + 1);
	}
	return (0);
}

/* Of one row of the run, by the plans: is it in a slot, or of what is being compared? */
static int
by_plans(const struct standings *b, size_t row, struct str *why)
{
	const struct standings_fact *f = standings_fact(b, row);
	const struct standings_plan *p;
	size_t confirmed;
	unsigned k;
	int fills;

	for (p = b->plans; p < b->plans + b->plan_count; p++) {
		for (fills = 0, k = 0; k < 2 * p->n; k++)
			fills = fills || p->slot[k].fact == row + 1;
		if (!p->closed &&
		    (fills || (p->group == f->group && (p->config == f->config || p->other == f->config))))
			return (str_puts(why, "a plan that is open is about its configuration") == -1 ? -1 : 1);
		if (fills && (confirmed = improvement(b, p)) != 0)
			return (str_printf(why, "the confirmation in row %zu rests on it", confirmed) == -1 ? -1 : 1);
	}
	return (0);
}

/* A run that is to fill a slot has no row yet. */
static int
by_slot(const struct standings *b, uint64_t run, struct str *why)
{
	const struct standings_plan *p;
	unsigned k;

	for (p = b->plans; p < b->plans + b->plan_count; p++)
		for (k = 0; !p->closed && k < 2 * p->n; k++)
			if (p->slot[k].taken == run)
				return (str_puts(why, "it has a slot of a plan that is open") == -1 ? -1 : 1);
	return (0);
}

static int
is_it(void *run, const struct standings_fact *counted)
{
	return (counted->run == *(const uint64_t *)run);
}

/* By a calibration, whose runs its row lists. */
static int
by_calibration(const struct ledger *l, const struct standings_fact *f, size_t number, uint64_t run, struct str *why)
{
	int rc = gain_calibrated(l, f, is_it, &run);

	return (rc == 1 && str_printf(why, "the calibration in row %zu counts it", number) == -1 ? -1 : rc);
}

/* By the standing of its configuration: incumbent now, or promoted once. */
static int
by_configuration(struct standings *b, const struct standings_fact *f, struct str *why)
{
	const struct standings_group *g = f->group == 0 ? NULL : standings_group(b, f->group);
	const struct standings_fact *p;
	size_t i;

	if (g != NULL && g->incumbent == f->config)
		return (str_puts(why, "its configuration is the incumbent") == -1 ? -1 : 1);
	for (i = 0; i < standings_count(b); i++) {
		p = standings_fact(b, i);
		if (p->kind == STANDINGS_PROMOTION && p->group == f->group && p->config == f->config)
			return (str_printf(why, "row %zu promoted its configuration", i + 1) == -1 ? -1 : 1);
	}
	return (0);
}

int
rests_on(const struct ledger *l, const char *run_uid, const char *checkpoint, int *known, struct str *why)
{
	const uint64_t run = standings_tag(run_uid), weights = standings_tag(checkpoint);
	struct standings *b = (struct standings *)(uintptr_t)&l->book;
	const struct standings_fact *f;
	size_t i;
	int rc = by_slot(b, run, why);

	*known = 0;
	for (i = 0; i < standings_count(b) && rc == 0; i++) {
		f = standings_fact(b, i);
		if (f->kind == STANDINGS_CALIBRATION)
			rc = by_calibration(l, f, i + 1, run, why);
		if (f->kind != STANDINGS_RUN)
			continue;
		if (f->run != run && weights != 0 && f->init == weights)
			rc = str_printf(why, "the run of row %zu started from its weights", i + 1) == -1 ? -1 : 1;
		if (f->run != run || rc != 0)
			continue;
		*known = 1;
		if ((rc = by_configuration(b, f, why)) == 0)
			rc = by_plans(b, i, why);
	}
	if (rc == -1 && errno == ENOMEM)
		say_errno("cannot tell what rests on a run");
	return (rc);
}
