#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/jsonio.h"
#include "base/shell.h"
#include "judge/advice.h"
#include "judge/plateau.h"
#include "law/classify.h"
#include "law/explain.h"
#include "run/rundir.h"

/* The directory of a run that is in the ledger, as somebody would type it. */
static int
place(const struct ledger *l, const struct standings_fact *f, struct str *out)
{
	struct row row;
	int rc;

	if (ledger_read(l, f, &row) == -1)
		return (-1);
	rc = ledger_place(l, row.run.dir == NULL ? "?" : row.run.dir, out);
	row_free(&row);
	return (rc);
}

/* "(4 runs, about 13 min)", of runs as long as this one. */
static int
cost(struct advice *a, unsigned runs, const struct standings_fact *f)
{
	int rc;

	if (runs == 0)
		return (0);
	a->cost_ms = (int64_t)runs * f->cost_ms;
	rc = str_printf(&a->why, " (%u run%s, about ", runs, runs == 1 ? "" : "s") | explain_time(&a->why, a->cost_ms);
	return (rc | str_puts(&a->why, ")"));
}

/* More seeds of the group's incumbent, whose run ${path} is, or of what would be it. ${f}: the run that asks. */
static int
calibrate(const struct ledger *l, const char *path, const struct standings_fact *f, struct advice *a)
{
	const struct standings *b = &l->book;
	const struct standings_group *g = standings_group(b, f->group);
	struct noise_arm arm = standings_standing(b,
	    standings_config(b, f->group, f->lane, g == NULL ? f->config : g->incumbent), b->policy.metric.name);
	unsigned need = b->policy.noise.calibration_seeds, have = (unsigned)arm.n, more;
	int rc, own = f->reason == VERDICT_FIRST || f->reason == VERDICT_REPLICATE;

	a->kind = ADVICE_CALIBRATE;
	if (own && standings_run(b, f->run, f->attempt) == NULL)
		have++;
	more = need > have ? need - have : 0;
	rc = shell_command(&a->command, "hg-confirm -c %s %s", l->path, path);
	rc |= more == 0 ?
	    str_puts(&a->why, "calibrates the lane, whose seeds are all there") :
	    str_printf(&a->why, "calibrates the lane with %u more seed%s of the incumbent", more, more == 1 ? "" : "s");
	return (rc | cost(a, more, f));
}

int
advice_elsewhere(const struct ledger *l, const char *path, const struct standings_fact *f,
    const struct standings_group *g, struct advice *a)
{
	const struct standings_fact *reference = standings_fact(&l->book, g->reference);
	struct str incumbent = STR_INIT, file = STR_INIT;
	char sha256[SHA256_HEX_SIZE];
	json_t *spec = NULL;
	const char *lane;
	int rc = -1;

	if (standings_incumbent(&l->book, g, f->lane) != 0)
		return (0);
	a->kind = ADVICE_AGAIN;
	if (f->cap_ms != reference->cap_ms) {
		rc = shell_command(&a->command, "hg-spec -b %s/spec.json -s budget.max_wallclock_ms=", path);
		rc |= reference->cap_ms < 0 ? str_puts(&a->command, "none") :
					      shell_command(&a->command, "%lld", (long long)reference->cap_ms);
		rc |= shell_command(&a->command, " %s.2 && hg-run -l %s %s.2", path, l->path, path);
		rc |= str_puts(&a->why,
		    "the incumbent has another cap, so its runs are never set beside this one: the same"
		    " change at the incumbent's cap can be confirmed");
	} else if (place(l, reference, &incumbent) == 0 && str_printf(&file, "%s/" RUNDIR_SPEC, path) == 0 &&
	    jsonio_read(AT_FDCWD, file.p, JSONIO_MAX_BYTES, sha256, &spec) == 0) {
		lane = jsonio_text(spec, "system.lane", "?");
		rc = shell_command(&a->command,
		    "hg-spec -b %s/spec.json -s system.lane=%s %s.there && hg-run -l %s %s.there", incumbent.p, lane,
		    path, l->path, path);
		rc |= str_printf(&a->why, "the incumbent never ran on lane '%s': a run of it there comes first", lane);
	}
	json_decref(spec);
	str_free(&file);
	str_free(&incumbent);
	return (rc == 0 ? 1 : -1);
}

/* The incumbent's lane is calibrated where ${f} ran, for it is there that the two are compared. */
static int
calibrate_incumbent(const struct ledger *l, const struct standings_group *g, const char *path,
    const struct standings_fact *f, struct advice *a)
{
	struct str incumbent = STR_INIT;
	int rc = advice_elsewhere(l, path, f, g, a);

	if (rc != 0)
		return (rc == 1 ? 0 : -1);
	a->subject = standings_incumbent(&l->book, g, f->lane);
	if ((rc = place(l, standings_fact(&l->book, a->subject - 1), &incumbent)) == 0)
		rc = calibrate(l, incumbent.p, f, a);
	str_free(&incumbent);
	return (rc);
}

static int
spent(const struct ledger *l, struct advice *a)
{
	a->kind = ADVICE_CAMPAIGN;
	return (explain_spent(&a->why, &l->book) |
	    str_printf(&a->why, "; a new one is declared in %s/%s", l->path, LEDGER_POLICY));
}

int
advice_power(const struct standings *b, const struct standings_fact *f, uint64_t incumbent, unsigned n, struct str *s)
{
	const struct policy *p = &b->policy;
	double power = classify_power(b, f->group, f->lane, incumbent, n, p->confirm.gain_sd), better;
	unsigned need;
	int rc;

	if (!(power < p->confirm.power))
		return (0);
	if (p->law >= 3)
		return (str_printf(s,
		    "; with %u pairs at most a gain of %.1f lane deviations is confirmed with a chance of %.0f %%, and"
		    " the policy wants %.0f %%",
		    n, p->confirm.gain_sd, floor(100 * power), 100 * p->confirm.power));
	need = classify_power_seeds(b, f->group, f->lane, incumbent, p->confirm.power, &better);
	rc = str_printf(s,
	    "; with %u a side a gain of %.1f lane deviations is confirmed with a chance of %.0f %%, and the"
	    " policy wants %.0f %%: ",
	    n, p->confirm.gain_sd, floor(100 * power), 100 * p->confirm.power);
	return (rc |
	    (need != 0 ? str_printf(s, "-n %u has %.0f %%", need, floor(100 * better)) :
			 str_printf(s, "%d a side have not", STANDINGS_SEEDS)));
}

/* Pairs that a confirmation takes on average where one challenger in ten is better (t/tools/sim.c). */
enum { USUAL_PAIRS = 6 };

/* One kind of advice that is a command and a reason. */
static int
say(struct advice *a, enum advice_kind kind, const char *why)
{
	a->kind = kind;
	return (str_puts(&a->why, why));
}

static int
confirm(const struct ledger *l, const char *path, const struct standings_fact *f, struct advice *a)
{
	const struct standings *b = &l->book;
	const struct standings_group *g = standings_group(b, f->group);
	const struct policy *p = &b->policy;
	unsigned left = standings_left(b);
	int rc;

	if (g != NULL && g->base != 0 && g->base != f->config && g->base_lane == f->lane)
		return (shell_command(&a->command, "hg-ledger base %s %s", l->path, path) |
		    say(a, ADVICE_CONFIRM, "builds on it, unconfirmed, too; one confirmation of the whole comes last"));
	if (left == 0)
		return (spent(l, a));
	if (g != NULL && (rc = advice_elsewhere(l, path, f, g, a)) != 0)
		return (rc == 1 ? 0 : -1);
	a->kind = ADVICE_CONFIRM;
	rc = shell_command(&a->command, "hg-confirm %s %s", l->path, path);
	if (p->law >= 3)
		rc |= str_printf(&a->why,
		    "pairs of fresh runs, %u at most, until the odds decide; %u of %u failures %s left",
		    p->confirm.pairs, left, p->campaign.confirmations, left == 1 ? "is" : "are");
	else
		rc |= str_printf(&a->why,
		    "%u fresh seeds a side, in turns with the incumbent; %u of %u confirmations %s left",
		    p->confirm.seeds, left, p->campaign.confirmations, left == 1 ? "is" : "are");
	rc |= cost(a, 2 * (p->law >= 3 ? USUAL_PAIRS : p->confirm.seeds), f);
	return (g == NULL ?
		rc :
		rc | advice_power(b, f, g->incumbent, p->law >= 3 ? p->confirm.pairs : p->confirm.seeds, &a->why));
}

/* What looked better once. */
static int
again(const struct ledger *l, const char *path, struct advice *a)
{
	return (shell_command(&a->command, "hg-confirm %s %s", l->path, path) |
	    say(a, ADVICE_SECOND, "makes the second run, and the confirmation if that is worth one"));
}

int
advice_run(const struct ledger *l, const char *path, const struct standings_fact *f, struct advice *a)
{
	const struct standings *b = &l->book;
	const struct standings_group *g = standings_group(b, f->group);
	const struct standings_fact *screening = standings_history(b, f, 0).screening, *row;

	memset(a, 0, sizeof(*a));
	switch ((enum verdict_class)f->klass) {
	case VERDICT_BLOCKED:
		if (f->reason == VERDICT_OUTRUN)
			return (say(a, ADVICE_TRY, "try another change"));
		if (f->reason == VERDICT_REFUSED && f->final)
			return (shell_command(&a->command, "hg-status %s", path) |
			    say(a, ADVICE_CORRECT, "no retry gets past this refusal: it says what would"));
		if (f->reason == VERDICT_REFUSED)
			return (shell_command(&a->command, "hg-run -r -l %s %s", l->path, path) |
			    say(a, ADVICE_RETRY, "a refused stage is tried again only when asked"));
		return (shell_command(&a->command, "hg-run -l %s %s", l->path, path) |
		    say(a, ADVICE_COMPLETE, "stages are missing"));
	case VERDICT_INVALID:
		return (say(a, ADVICE_CORRECT, "correct the configuration; this run cannot be mended"));
	case VERDICT_IMPROVEMENT:
	case VERDICT_NOISE:
	case VERDICT_REGRESSION:
	case VERDICT_CLASSES:
		break;
	}
	if (f->reason == VERDICT_SLOT)
		return (shell_command(&a->command, "hg-confirm %s %s", l->path, path) |
		    say(a, ADVICE_FINISH, "goes on with the planned runs"));
	if (f->reason == VERDICT_SAME_REPLICATE && standings_history(b, f, 0).twin == NULL)
		return (say(a, ADVICE_CORRECT, "seed and place change nothing in this configuration: look why"));
	if (f->reason == VERDICT_SAME_REPLICATE)
		return (shell_command(&a->command,
			    "hg-spec -b %s/spec.json -s train.data_offset=%llu %s.2 && hg-run -l %s %s.2", path,
			    (unsigned long long)f->run >> 33, path, l->path, path) |
		    say(a, ADVICE_AGAIN, "a run of its own: it reads the data from another place on"));
	/* Before anything that counts on an incumbent: the first run of a ledger may be starved, too. */
	if (f->reason == VERDICT_STARVED)
		return (shell_command(&a->command, "hg-spec -b %s/spec.json %s.2 && hg-run -l %s %s.2", path, path,
			    l->path, path) |
		    say(a, ADVICE_AGAIN, "the same again when the machine is quiet"));
	/* Runs that do not say the number that is asked for make no incumbent. */
	if (f->reason == VERDICT_NOT_COMPARABLE && (g == NULL || g->incumbent == 0))
		return (say(a, ADVICE_CORRECT,
		    "the ledger's policy.json names the metric that it judges by: make it one that "
		    "the run says, or trainer.reads one that the policy names"));
	if (standings_lane(b, f->group, f->lane) == NULL) {
		if (f->reason == VERDICT_FIRST || f->reason == VERDICT_REPLICATE || g == NULL)
			return (calibrate(l, path, f, a));
		return (calibrate_incumbent(l, g, path, f, a));
	}
	/* One that is in the ledger and did not screen its configuration then can't do it now. */
	if (f->reason == VERDICT_PROMISING && (row = standings_run(b, f->run, f->attempt)) != NULL &&
	    verdict_reason_counts((enum verdict_reason)row->reason) != VERDICT_SCREEN)
		return (shell_command(&a->command, "hg-spec -b %s/spec.json -s train.%s=%llu %s.2 && hg-run -l %s %s.2",
			    path, f->init != 0 ? "data_offset" : "seed", (unsigned long long)f->run >> 33, path,
			    l->path, path) |
		    say(a, ADVICE_AGAIN, "the lane was not calibrated when it was added: one more run screens it"));
	if (f->reason == VERDICT_SECOND && (row = standings_run(b, f->run, f->attempt)) != NULL &&
	    row->reason != VERDICT_SECOND && row->reason != VERDICT_PROMISING)
		return (say(a, ADVICE_TRY, "its configuration was screened when it did not look so, once and for all"));
	if (f->reason == VERDICT_SECOND)
		return (again(l, path, a));
	if (f->reason == VERDICT_PROMISING ||
	    (f->reason == VERDICT_REPEAT && screening != NULL && screening->reason == VERDICT_PROMISING &&
		classify_run(b, screening, VERDICT_REASONS).reason == VERDICT_PROMISING))
		return (confirm(l, path, f, a));
	return (say(a, ADVICE_TRY, "try another change"));
}

/* The last run's row; 0: there is none. */
static size_t
last_run(const struct standings *b)
{
	size_t row = standings_count(b);

	while (row > 0 && standings_fact(b, row - 1)->kind != STANDINGS_RUN)
		row--;
	return (row);
}

/* The open plan's challenger; the plan names the directory. */
static int
finish(const struct ledger *l, const struct standings_plan *plan, struct advice *a)
{
	struct str path = STR_INIT, lanes = STR_INIT;
	struct row row;
	const json_t *v;
	size_t i;
	int rc;

	if (ledger_read(l, standings_row(&l->book, plan->row), &row) == -1)
		return (-1);
	rc = ledger_place(l, row.plan.challenger.dir == NULL ? "?" : row.plan.challenger.dir, &path);
	/* Names, which no shell takes for anything else. */
	json_array_foreach(row.plan.lanes, i, v)
		rc |= str_printf(&lanes, "%s%s", i == 0 ? " -L " : ",", json_string_value(v));
	row_free(&row);
	if (rc == 0 && plan->at_ms > clock_wall_ms())
		rc = shell_command(&a->command, "hg-ledger plan -x %s", l->path) |
		    say(a, ADVICE_FINISH,
			"the plan was made by a clock ahead of this one, and no run begun before it counts:"
			" wait until then, or give it up");
	else if (rc == 0)
		rc = str_printf(&a->command, "hg-confirm%s", lanes.n == 0 ? "" : lanes.p) |
		    shell_command(&a->command, " %s %s", l->path, path.p) |
		    say(a, ADVICE_FINISH, "goes on with the planned runs");
	str_free(&path);
	str_free(&lanes);
	return (rc);
}

int
advice_ledger(const struct ledger *l, struct advice *a)
{
	const struct standings *b = &l->book;
	const struct standings_group *g = b->last_group == 0 ? NULL : standings_group(b, b->last_group);
	size_t last = last_run(b), best;
	const struct standings_plan *plan = standings_open_plan(b, 0);
	const enum plateau rule = plateau_word(b);
	struct str path = STR_INIT;
	int rc;

	memset(a, 0, sizeof(*a));
	if (last == 0)
		return (shell_command(&a->command, "hg-run -l %s RUN", l->path) |
		    say(a, ADVICE_RUN, "the first sound run becomes the incumbent"));
	if (plan != NULL)
		return (finish(l, plan, a));
	if (rule == PLATEAU_PAUSE) {
		a->subject = last;
		return (shell_command(&a->command, "hg-ledger list %s", l->path) |
		    say(a, ADVICE_PAUSE, "mend what the last runs share before running more"));
	}
	if (g == NULL || g->incumbent == 0) {
		if ((rc = place(l, standings_fact(b, last - 1), &path)) == 0)
			rc = advice_run(l, path.p, standings_fact(b, last - 1), a);
		a->subject = last;
		str_free(&path);
		return (rc);
	}
	if (standings_lane(b, g->group, g->lane) == NULL)
		return (calibrate_incumbent(l, g, "", standings_fact(b, g->reference), a));
	a->waiting = classify_waiting(b, g, VERDICT_PROMISING, &best);
	a->subject = best;
	if (a->waiting > 0 && standings_left(b) > 0) {
		if ((rc = place(l, standings_fact(b, a->subject - 1), &path)) == 0)
			rc = confirm(l, path.p, standings_fact(b, a->subject - 1), a);
		str_free(&path);
		return (rc);
	}
	if (standings_left(b) > 0 && classify_waiting(b, g, VERDICT_SECOND, &best) > 0) {
		a->subject = best;
		if ((rc = place(l, standings_fact(b, best - 1), &path)) == 0)
			rc = again(l, path.p, a);
		str_free(&path);
		return (rc);
	}
	if (standings_left(b) == 0)
		return (spent(l, a));
	if (rule == PLATEAU_STOP)
		return (say(a, ADVICE_STOP, "the stop rule says so"));
	return (say(a, ADVICE_TRY, "try another change"));
}

void
advice_free(struct advice *a)
{
	str_free(&a->command);
	str_free(&a->why);
	memset(a, 0, sizeof(*a));
}

json_t *
advice_json(const struct advice *a)
{
	json_t *v = json_pack("{s:s?, s:s, s:I}", "command", a->command.p, "why", a->why.p == NULL ? "" : a->why.p,
	    "cost_ms", (json_int_t)a->cost_ms);

	if (v == NULL)
		errno = ENOMEM;
	return (v);
}
