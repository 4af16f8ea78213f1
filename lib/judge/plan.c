#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "law/classify.h"
#include "law/explain.h"
#include "base/jsonio.h"
#include "judge/add.h"
#include "judge/advice.h"
#include "judge/plan.h"
#include "base/proc.h"
#include "ledger/row.h"
#include "run/rundir.h"
#include "base/say.h"
#include "base/shell.h"

enum { MAX_DRAWS = 1000 };

int
plan_row_of_run(const struct ledger *l, const char *path, const struct standings_fact **fact, struct row *row)
{
	struct rundir r;
	int error, rc = -1;

	if (rundir_open(&r, path) == -1)
		return (-1);
	if (rundir_load(&r) == 0) {
		if ((*fact = standings_run(&l->book, standings_tag(r.spec.run_uid), 0)) == NULL) {
			say_error("'%s' is not in the ledger", path);
			shell_next("hg-ledger add %s %s", l->path, path);
			errno = ENOENT;
		} else
			rc = ledger_read(l, *fact, row);
	}
	error = errno;
	rundir_close(&r);
	errno = error;
	return (rc);
}

/* All that is needed to make more runs of a run's configuration; ${row} keeps what ${arm} borrows. */
static int
take_arm(const struct ledger *l, const struct row *of, struct row *row, struct row_arm *arm)
{
	const char *dir = of->run.dir == NULL ? "" : of->run.dir;
	json_t *spec = NULL;
	char sha256[SHA256_HEX_SIZE];
	int fd;

	if ((fd = openat(l->dir, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 ||
	    jsonio_read(fd, RUNDIR_SPEC, JSONIO_MAX_BYTES, sha256, &spec) == -1) {
		say_errno("cannot read the spec of '%s/%s'", l->path, dir);
		if (fd != -1)
			close(fd);
		return (-1);
	}
	close(fd);
	if (of->run.spec == NULL || strcmp(sha256, of->run.spec) != 0) {
		say_error("the spec of '%s/%s' is not the one that was judged", l->path, dir);
		json_decref(spec);
		errno = EBADMSG;
		return (-1);
	}
	*arm = (struct row_arm){ of->run.config, of->run.run_id, dir, of->number, row_hold(row, spec) };
	return (row_hold(row, json_incref(of->held)) == NULL || arm->spec == NULL ? -1 : 0);
}

/* Where a run begins in a stream of so many tokens, if that is known. */
static int64_t
around(int64_t offset, int64_t stream)
{
	return (stream > 0 ? offset % stream : offset);
}

/* Seeds, or places in the data, that a configuration, or the incumbent, has used already are not fresh. */
static int
slots_fresh(const struct standings *b, const struct standings_fact *plan, const int64_t stream[2])
{
	struct standings_slot slot[2 * STANDINGS_SEEDS];
	const struct standings_fact *f;
	unsigned j, k;
	size_t i;
	int side;

	standings_slots(plan, slot);
	for (k = 0; k < 2 * plan->n; k++)
		for (j = 0, side = slot[k].challenger;
		     j < k && (plan->place[side] == STANDINGS_DRAWN || plan->place[side] == STANDINGS_PAIRED); j++)
			if (slot[j].challenger == side &&
			    around(slot[j].offset, stream[side]) == around(slot[k].offset, stream[side]))
				return (0);
	for (i = 0; i < standings_count(b); i++) {
		f = standings_fact(b, i);
		if (f->kind != STANDINGS_RUN || (f->config != plan->config && f->config != plan->other))
			continue;
		for (k = 0; k < 2 * plan->n; k++)
			if (slot[k].seed == f->seed ||
			    (f->init != 0 && f->config == (slot[k].challenger ? plan->config : plan->other) &&
				around(slot[k].offset, f->stream) == f->begins))
				return (0);
	}
	return (1);
}

/* What to type first, by whoever advises. */
static void
say_advice(const struct ledger *l, const char *path, const struct standings_fact *f)
{
	struct advice a;

	if (advice_run(l, path, f, &a) == 0 && a.command.p != NULL)
		say_note("  next: %s  # %s", a.command.p, a.why.p);
	advice_free(&a);
}

/* The verdict of a run's configuration that n runs a side would only ask for again, or NULL. */
static const struct standings_fact *
decided(const struct standings *b, const struct standings_fact *run, unsigned n)
{
	const struct standings_group *g = standings_group(b, run->group);
	const struct standings_plan *plan;
	const struct standings_fact *f;
	size_t i;

	for (i = standings_count(b); g != NULL && i-- > 0;) {
		f = standings_fact(b, i);
		if (f->kind != STANDINGS_VERDICT || f->group != run->group || f->config != run->config)
			continue;
		/* Pairs end when they decide, and not when there are so many; more of them is another question. */
		if ((plan = standings_plan(b, f->plan)) == NULL ||
		    (n != 0 && (plan->paired ? n > plan->n : n != plan->n)))
			return (NULL);
		if (f->klass == VERDICT_IMPROVEMENT)
			return (g->incumbent == f->config ? f : NULL);
		if (f->reason == VERDICT_NOT_CONFIRMED || f->klass == VERDICT_REGRESSION)
			return (g->incumbent == plan->other ? f : NULL);
		return (NULL);
	}
	return (NULL);
}

/*
 * Of a configuration's runs outside of plans, on a lane, the first ${most} that are runs of their own; not the one that
 * screened, which was picked.
 */
static unsigned
distinct(const struct standings *b, uint64_t group, uint64_t lane, uint64_t config, const struct standings_fact **facts,
    size_t most)
{
	const struct standings_fact *x;
	unsigned k, n = 0;
	size_t i;

	for (i = 0; i < standings_count(b) && n < most; i++) {
		x = standings_fact(b, i);
		if (x->kind != STANDINGS_RUN || x->config != config || x->group != group || x->lane != lane ||
		    verdict_reason_counts((enum verdict_reason)x->reason) != VERDICT_SEED ||
		    !isfinite(x->metric[b->policy.metric.name]))
			continue;
		for (k = 0; k < n && !standings_replicate(facts[k], x); k++)
			;
		if (k == n)
			facts[n++] = x;
	}
	return (n);
}

/* Was the lane calibrated by runs of their own? Until law 2 copies of one run passed for several. 1, 0, or -1, said. */
static int
calibrated(const struct standings *b, const struct standings_lane *lane)
{
	const struct standings_fact **facts;
	unsigned need, have;

	if (lane == NULL)
		return (0);
	need = b->policy.noise.calibration_seeds < lane->seeds ? b->policy.noise.calibration_seeds : lane->seeds;
	if ((facts = calloc(need + 1, sizeof(*facts))) == NULL) {
		say_errno("cannot look at the calibration");
		return (-1);
	}
	have = distinct(b, lane->group, lane->lane, lane->config, facts, need);
	free(facts);
	return (have >= need);
}

static int
counts_as_seed(const struct standings_fact *x, uint64_t group, uint64_t lane)
{
	return (x->kind == STANDINGS_RUN && x->init != 0 && x->group == group && x->lane == lane &&
	    verdict_reason_counts((enum verdict_reason)x->reason) == VERDICT_SEED);
}

/* Does the lane's noise rest on copies of a run from given weights, as under law 1 it may? */
static int
rests_on_copies(const struct standings *b, uint64_t group, uint64_t lane)
{
	const struct standings_fact *x, *y;
	size_t i, k;

	if (b->policy.law >= 2)
		return (0);
	for (i = 0; i < standings_count(b); i++) {
		x = standings_fact(b, i);
		for (k = 0; counts_as_seed(x, group, lane) && k < i; k++) {
			y = standings_fact(b, k);
			if (y->config == x->config && counts_as_seed(y, group, lane) && standings_replicate(x, y))
				return (1);
		}
	}
	return (0);
}

/* What to type to see why a run, by its row, is what it is. */
static void
next_classify(const struct ledger *l, const struct standings_fact *f)
{
	struct str dir = STR_INIT;
	struct row row;

	if (ledger_read(l, f, &row) == -1)
		return;
	if (ledger_place(l, row.run.dir == NULL ? row.run.run_id : row.run.dir, &dir) == 0)
		shell_next("hg-classify %s %s", l->path, dir.p);
	str_free(&dir);
	row_free(&row);
}

/* What to type for one more run of a configuration. */
static void
next_run(const struct ledger *l, const char *path, const struct standings_fact *f)
{
	shell_next("hg-spec -b %s/spec.json -s train.%s=%llu %s.2 && hg-run -l %s %s.2", path,
	    f->init != 0 ? "data_offset" : "seed", (unsigned long long)f->run >> 33, path, l->path, path);
}

/* May this configuration be confirmed now? PLAN_MADE if so. */
static enum plan
allowed(const struct ledger *l, const char *path, const struct standings_fact *f)
{
	const struct standings *b = &l->book;
	const struct standings_group *g = f->group == 0 ? NULL : standings_group(b, f->group);
	const struct standings_fact *screening;
	struct advice first = { .subject = 0 };
	struct str spent = STR_INIT;
	struct verdict now;
	double level;
	int elsewhere;

	if (f->klass == VERDICT_BLOCKED || f->klass == VERDICT_INVALID || g == NULL) {
		say_error("'%s' has no sound run: there is nothing to confirm", path);
		return (PLAN_NO);
	}
	if (f->config == g->incumbent) {
		say_error("'%s' is of the incumbent's own configuration", path);
		return (PLAN_NO);
	}
	if (calibrated(b, standings_lane(b, f->group, f->lane)) != 1) {
		say_error("the lane of '%s' is not calibrated", path);
		say_advice(l, path, f);
		return (PLAN_PENDING);
	}
	if (rests_on_copies(b, f->group, f->lane)) {
		say_error(
		    "the noise of the lane of '%s' rests on copies of one run from given weights, which law 1 takes for"
		    " several: put \"law\": 2 into %s/%s",
		    path, l->path, LEDGER_POLICY);
		return (PLAN_NO);
	}
	if (b->policy.law >= 3)
		screening = standings_screening(b, f->group, f->lane, f->config);
	else
		screening = verdict_reason_counts((enum verdict_reason)f->reason) == VERDICT_SCREEN ?
		    f :
		    standings_history(b, f, 0).screening;
	if (screening == NULL) {
		say_error("'%s' was not screened since the lane was calibrated: add one more run of it", path);
		next_run(l, path, f);
		return (PLAN_SECOND);
	}
	now = classify_run(b, screening, VERDICT_REASONS);
	if (now.reason == VERDICT_SECOND &&
	    (screening->reason == VERDICT_SECOND || screening->reason == VERDICT_PROMISING)) {
		say_error("'%s' looked better once: another run of it, with another seed, comes first", path);
		next_run(l, path, f);
		return (PLAN_SECOND);
	}
	if (g->base != 0 && g->base != f->config) {
		say_error(
		    "its group is built on a provisional base, and only the whole of it is confirmed: make '%s' the "
		    "base, or drop that",
		    path);
		shell_next("hg-ledger base %s %s  # or hg-ledger base -x %s", l->path, path, l->path);
		return (PLAN_NO);
	}
	if (now.klass == VERDICT_REGRESSION || now.reason == VERDICT_NOT_COMPARABLE ||
	    ((screening->reason == VERDICT_PROMISING || b->policy.law >= 3) && now.reason != VERDICT_PROMISING)) {
		say_error(
		    "the run that screened the configuration of '%s' would be %s: %s against the present incumbent",
		    path, verdict_class_name(now.klass), verdict_reason_name(now.reason));
		next_classify(l, screening);
		return (PLAN_NO);
	}
	if ((elsewhere = advice_elsewhere(l, path, f, g, &first)) != 0) {
		if (elsewhere == 1)
			say_error("no run of the incumbent can be set beside '%s', so no plan could be filled: %s: %s",
			    path, first.why.p, first.command.p);
		advice_free(&first);
		return (PLAN_NO);
	}
	if (standings_left(b) == 0) {
		(void)standings_campaigns(b, &level);
		(void)explain_spent(&spent, b);
		say_error("%s; declare a new one in %s/%s", spent.p == NULL ? "the campaign is spent" : spent.p,
		    l->path, LEDGER_POLICY);
		str_free(&spent);
		if (b->policy.law >= 3)
			say_note("  a larger alpha or more confirmations under the same name change nothing: a campaign"
				 " claims what it began with, and all campaigns together have spent levels of %.4g",
			    level);
		return (PLAN_NO);
	}
	return (PLAN_MADE);
}

/* A confirmation is spent on what was judged, and not on files that were altered since. PLAN_MADE if none was. */
static enum plan
as_added(const struct ledger *l, const char *path)
{
	struct add now;
	enum plan how = PLAN_MADE;

	if (add_preview(l, path, &now) == -1)
		return (PLAN_NO);
	if (now.altered.n != 0 || now.row.verdict.is.klass == VERDICT_INVALID) {
		say_error("'%s' is not what its row says", path);
		shell_next("hg-classify %s %s", l->path, path);
		how = PLAN_NO;
	}
	add_free(&now);
	return (how);
}

static json_t *
slots_json(const struct standings_fact *plan)
{
	struct standings_slot slot[2 * STANDINGS_SEEDS];
	json_t *list = json_array();
	unsigned k;

	standings_slots(plan, slot);
	for (k = 0; k < 2 * plan->n; k++)
		json_array_append_new(list,
		    json_pack("{s:s, s:I, s:I}", "side", slot[k].challenger ? "challenger" : "incumbent", "seed",
			(json_int_t)slot[k].seed, "data_offset", (json_int_t)slot[k].offset));
	return (list);
}

/* The next of some names with commas between, in ${name} of so many bytes; what follows it, or NULL after the last. */
static const char *
next_name(const char *names, char *name, size_t size)
{
	size_t n = strcspn(names, ",");

	/* One that is too long is no name anyway. */
	snprintf(name, size, "%.*s", (int)(n < size ? n : size), names);
	return (names[n] == ',' ? names + n + 1 : NULL);
}

const char *
plan_uncalibrated(const struct standings *b, const struct standings_fact *f, const json_t *lanes)
{
	const json_t *v;
	const char *name;
	size_t i;

	json_array_foreach(lanes, i, v) {
		name = json_string_value(v);
		if (f->clocked && name != NULL &&
		    calibrated(b, standings_lane(b, f->group, standings_lane_tag(name, f->cap_ms))) != 1)
			return (name);
	}
	return (NULL);
}

/* The lanes that a plan of a run's configuration is to have. PLAN_MADE if it may; NULL: its own alone. */
static enum plan
take_lanes(const struct ledger *l, const char *path, const struct standings_fact *f, const struct row *mine,
    const char *names, struct row *out, const json_t **lanes)
{
	json_t *list = json_array();
	const json_t *v;
	const char *wants;
	char name[80];
	size_t i;

	if (names == NULL)
		goto alone;
	if (l->book.policy.law < 3) {
		say_error("law %d has no pairs, so that each of its runs is on the lane of '%s'",
		    (int)l->book.policy.law, path);
		goto err0;
	}
	json_array_append_new(list, json_string(mine->run.lane));
	while (names != NULL) {
		names = next_name(names, name, sizeof(name));
		if (!str_is_name(name)) {
			say_error("'%s' is no name of a lane", name);
			goto err0;
		}
		json_array_foreach(list, i, v)
			if (strcmp(json_string_value(v), name) == 0)
				break;
		if (i == json_array_size(list))
			json_array_append_new(list, json_string(name));
	}
	if (json_array_size(list) == 1)
		goto alone;
	if (json_array_size(list) > STANDINGS_LANES + 1) {
		say_error("a plan has %d lanes at most", STANDINGS_LANES + 1);
		goto err0;
	}
	if (mine->run.machine == NULL) {
		say_error("the row of '%s' does not say which machine class it ran on, as rows before 0.2 don't", path);
		goto err0;
	}
	if ((wants = plan_uncalibrated(&l->book, f, list)) != NULL) {
		say_error("scores that depend on the clock depend on the lane, and lane '%s' is not calibrated: run the"
			  " incumbent there, with system.lane=%s, and calibrate that lane with hg-confirm -c",
		    wants, wants);
		json_decref(list);
		return (PLAN_PENDING);
	}
	*lanes = row_hold(out, list);
	return (*lanes == NULL ? PLAN_NO : PLAN_MADE);
alone:
	*lanes = NULL;
	json_decref(list);
	return (PLAN_MADE);
err0:
	json_decref(list);
	return (PLAN_NO);
}

/* The open plan of the run's group is this configuration's, or in the way. */
static int
take_open(struct ledger *l, const struct standings_plan *open, const struct standings_fact *f, const char *lanes,
    enum plan *how, struct row *out)
{
	char name[80];

	if (open->config == f->config || open->other == f->config) {
		*how = PLAN_THERE;
		while (lanes != NULL) {
			lanes = next_name(lanes, name, sizeof(name));
			if (standings_names_lane(open, standings_lane_tag(name, f->cap_ms)))
				continue;
			say_error("the open plan names no lane '%s': lanes are fixed with the plan", name);
			*how = PLAN_NO;
			return (0);
		}
		return (ledger_read(l, standings_row(&l->book, open->row), out));
	}
	*how = PLAN_PENDING;
	say_error("another confirmation is open: finish it with hg-confirm, or give it up with hg-ledger plan -x");
	return (0);
}

struct standings_prior
plan_prior(const struct standings *b, uint64_t group, uint64_t lane, uint64_t config, uint64_t incumbent,
    enum policy_metric metric)
{
	const struct standings_fact *screening = standings_screening(b, group, lane, config);
	double seen = screening == NULL ? NAN : classify_run(b, screening, VERDICT_REASONS).gain;
	struct noise_before x = standings_before(b, group, lane, config, incumbent, metric, seen);

	return ((struct standings_prior){ policy_level(&b->policy), x.lane_sd, x.lane.tau2, x.lane.centre, x.lane.doubt,
	    x.df, x.ss, x.pairs_w, x.pairs_e, x.screened });
}

/* Fix everything: ${f}'s configuration against that of ${reference}, n runs a side. */
static int
draft(const struct ledger *l, const struct row *mine, const struct row *theirs, const struct standings_fact *f,
    const struct standings_fact *reference, unsigned n, const json_t *lanes, struct row *out)
{
	const struct standings *b = &l->book;
	const struct policy *p = &b->policy;
	const enum policy_metric metric = p->law < 3 ? p->metric.name : classify_metric(p, reference, f);
	const int64_t stream[2] = { reference->stream, f->stream };
	struct standings_fact plan;
	char nonce[SHA256_HEX_SIZE];
	int tries = 0;

	if (take_arm(l, theirs, out, &out->plan.incumbent) == -1 || take_arm(l, mine, out, &out->plan.challenger) == -1)
		return (-1);
	memset(&plan, 0, sizeof(plan));
	plan.config = f->config;
	plan.other = reference->config;
	plan.n = n;
	plan.place[0] = reference->init != 0 ? STANDINGS_DRAWN :
					       jsonio_i64(out->plan.incumbent.spec, "train.data_offset", 0);
	plan.place[1] = f->init != 0 ? STANDINGS_DRAWN : jsonio_i64(out->plan.challenger.spec, "train.data_offset", 0);
	if (p->law >= 3)
		plan.place[0] = plan.place[1] = STANDINGS_PAIRED;
	do {
		if (++tries > MAX_DRAWS) {
			say_error(
			    "no %u fresh places a side are found in the training shards: they hold too few tokens", n);
			errno = EBADMSG;
			return (-1);
		}
		if (proc_random_hex(nonce, 32) == -1)
			return (-1);
		plan.nonce = standings_tag(nonce);
	} while (!slots_fresh(b, &plan, stream));
	out->plan = (struct row_plan){ .group = mine->run.group,
		.lane = mine->run.lane,
		.cap_ms = mine->run.cap_ms,
		.campaign = p->campaign.name,
		.confirmation = standings_spent(b) + 1,
		.confirmations = p->campaign.confirmations,
		.level = policy_level(p),
		.seeds_a_side = n,
		.gain_sd = p->confirm.gain_sd,
		.power = classify_power(b, f->group, f->lane, reference->config, n, p->confirm.gain_sd),
		.lane_sd = standings_lane_sd(b, f->group, f->lane, metric),
		.cost_ms = (int64_t)n * (f->cost_ms + reference->cost_ms),
		.nonce = row_text(out, nonce),
		.slots = row_hold(out, slots_json(&plan)),
		.incumbent = out->plan.incumbent,
		.challenger = out->plan.challenger,
		.prior = { .lane_sd = NAN },
		.announced = RECORD_NONE };
	if (p->law >= 3) {
		out->plan.lanes = lanes;
		out->plan.machine = lanes == NULL ? NULL : row_text(out, mine->run.machine);
		out->plan.metric = policy_metric_name(metric);
		out->plan.announced = 1;
		out->plan.prior = plan_prior(b, f->group, f->lane, f->config, reference->config, metric);
	}
	return (out->plan.nonce == NULL || out->plan.slots == NULL ? -1 : ledger_start(l, out));
}

int
plan_confirmation(struct ledger *l, const char *path, unsigned n, const char *names, int dry, enum plan *how,
    struct row *out)
{
	struct str power = STR_INIT;
	const struct standings *b = &l->book;
	const struct standings_fact *f, *reference, *verdict;
	const struct standings_plan *open;
	const json_t *lanes = NULL;
	struct row mine, theirs;
	int rc = -1;

	row_init(out, STANDINGS_PLAN);
	if (plan_row_of_run(l, path, &f, &mine) == -1)
		return (-1);
	if (f->group != 0 && (open = standings_open_plan(b, f->group)) != NULL) {
		rc = take_open(l, open, f, names, how, out);
		goto err0;
	}
	if ((verdict = decided(b, f, n)) != NULL) {
		*how = PLAN_CLOSED;
		rc = ledger_read(l, verdict, out);
		goto err0;
	}
	if ((*how = allowed(l, path, f)) == PLAN_MADE)
		*how = as_added(l, path);
	if (*how == PLAN_MADE)
		*how = take_lanes(l, path, f, &mine, names, out, &lanes);
	if (*how != PLAN_MADE) {
		rc = 0;
		goto err0;
	}
	reference = standings_fact(b, standings_incumbent(b, standings_group(b, f->group), f->lane) - 1);
	if (ledger_read(l, reference, &theirs) == -1)
		goto err0;
	if (n == 0)
		n = b->policy.law >= 3 ? b->policy.confirm.pairs : b->policy.confirm.seeds;
	if (draft(l, &mine, &theirs, f, reference, n, lanes, out) == 0) {
		(void)advice_power(b, f, reference->config, (unsigned)out->plan.seeds_a_side, &power);
		if (power.n != 0)
			say_note("%s", power.p + strspn(power.p, "; "));
		rc = dry ? 0 : ledger_append_row(l, out, NULL);
	}
	str_free(&power);
	if (rc == -1)
		row_free(out);
	row_free(&theirs);
err0:
	row_free(&mine);
	return (rc);
}

/* Were the last three runs of a configuration, each of a seed or place of its own, copies of others? */
static int
nothing_varies(const struct standings *b, const struct standings_fact *f)
{
	const struct standings_fact *x;
	unsigned n = 0;
	size_t i;

	for (i = standings_count(b); i-- > 0 && n < 3;) {
		x = standings_fact(b, i);
		if (x->kind != STANDINGS_RUN || x->config != f->config || x->group != f->group || x->lane != f->lane)
			continue;
		if (x->reason != VERDICT_SAME_REPLICATE || standings_history(b, x, 0).twin != NULL)
			return (0);
		n++;
	}
	return (n == 3);
}

int
plan_calibration(struct ledger *l, const char *path, unsigned n, enum plan *how, struct row *out)
{
	const struct standings *b = &l->book;
	const struct standings_lane *lane;
	const struct standings_fact *f, **facts = NULL;
	struct stats_sample s = { 0, 0, 0 };
	struct row row;
	json_t *runs;
	char hex[SHA256_HEX_SIZE];
	unsigned i, have;
	int rc = -1;

	row_init(out, STANDINGS_CALIBRATION);
	if (n < b->policy.noise.calibration_seeds)
		n = b->policy.noise.calibration_seeds;
	if (plan_row_of_run(l, path, &f, &row) == -1)
		return (-1);
	if (f->group == 0) {
		say_error("'%s' has no sound run: its noise cannot be known", path);
		*how = PLAN_NO;
		rc = 0;
		goto err0;
	}
	/* More seeds would say it no more than this one did. */
	if (!isfinite(f->metric[b->policy.metric.name])) {
		say_error("'%s' says no %s, by which this ledger judges: its noise cannot be known", path,
		    policy_metric_name(b->policy.metric.name));
		*how = PLAN_NO;
		rc = 0;
		goto err0;
	}
	lane = standings_lane(b, f->group, f->lane);
	if (lane != NULL && lane->seeds >= n && calibrated(b, lane) == 1) {
		*how = PLAN_THERE;
		rc = 0;
		goto err0;
	}
	if (b->policy.law >= 3 && standings_group(b, f->group)->incumbent != f->config) {
		say_error(
		    "'%s' is not of the incumbent's configuration: a lane calibrated with one that varies less would"
		    " make luck look like a gain",
		    path);
		say_advice(l, path, f);
		*how = PLAN_NO;
		rc = 0;
		goto err0;
	}
	if ((facts = calloc(standings_count(b) + 1, sizeof(*facts))) == NULL ||
	    row_hold(out, runs = json_array()) == NULL) {
		say_errno("cannot calibrate");
		goto err0;
	}
	/* All of them, so that none can be chosen. */
	have = distinct(b, f->group, f->lane, f->config, facts, standings_count(b));
	for (i = 0; i < have; i++) {
		if (ledger_digest(l, facts[i], hex) == -1)
			goto err0;
		json_array_append_new(runs, json_string(hex));
		stats_sample_add(&s, facts[i]->metric[b->policy.metric.name]);
	}
	if (have < n && nothing_varies(b, f)) {
		say_error("the last runs of the configuration of '%s' come out the same whatever their seed and place:"
			  " there is no noise to know",
		    path);
		*how = PLAN_NO;
		rc = 0;
		goto err0;
	}
	if (have < n) {
		say_error("%u of the %u seeds %s there", have, n, have == 1 ? "is" : "are");
		shell_next("hg-confirm -c %s %s", l->path, path);
		*how = PLAN_PENDING;
		rc = 0;
		goto err0;
	}
	out->calibration = (struct row_calibration){ .group = row.run.group,
		.lane = row.run.lane,
		.config = row.run.config,
		.metric = policy_metric_name(b->policy.metric.name),
		.cap_ms = row.run.cap_ms,
		.runs = runs,
		.mean = s.mean,
		.sd = sqrt(s.ss / (s.n - 1)),
		.sd_lower = sqrt(s.ss / stats_chi2_isf(0.025, s.n - 1)),
		.sd_upper = sqrt(s.ss / stats_chi2_isf(0.975, s.n - 1)) };
	*how = PLAN_MADE;
	/* Its texts are borrowed. */
	if (row_hold(out, json_incref(row.held)) != NULL && ledger_start(l, out) == 0)
		rc = ledger_append_row(l, out, NULL);
err0:
	if (rc == -1 || *how != PLAN_MADE)
		row_free(out);
	free(facts);
	row_free(&row);
	return (rc);
}

static int
about(double says, double is)
{
	return (fabs(says - is) <= 1e-6 * fmax(fabs(says), fabs(is)));
}

int
plan_calibrates(const struct standings *b, const struct row_calibration *c, const struct standings_fact *f)
{
	const struct standings_fact **facts = calloc(standings_count(b) + 1, sizeof(*facts));
	struct stats_sample s = { 0, 0, 0 };
	unsigned i, have;
	int same;

	if (facts == NULL) {
		say_errno("cannot look at the calibration");
		return (-1);
	}
	have = distinct(b, f->group, f->lane, f->config, facts, standings_count(b));
	same = have == json_array_size(c->runs) && have >= 2;
	for (i = 0; same && i < have; i++) {
		same = facts[i]->row == standings_tag(json_string_value(json_array_get(c->runs, i)));
		stats_sample_add(&s, facts[i]->metric[b->policy.metric.name]);
	}
	free(facts);
	return (same && about(c->mean, s.mean) && about(c->sd, sqrt(s.ss / (s.n - 1))));
}

int
plan_fresh(const struct ledger *l, const char *path, int64_t *seed, int64_t *offset)
{
	const struct standings *b = &l->book;
	const struct standings_fact *f, *x;
	struct standings_fact fresh;
	char hex[SHA256_HEX_SIZE];
	struct row row;
	int tries = 0;
	size_t i;

	if (plan_row_of_run(l, path, &f, &row) == -1)
		return (-1);
	row_free(&row);
	fresh = *f;
	do {
		if (++tries > MAX_DRAWS) {
			say_error("no fresh place is found in the training shards of '%s': they hold too few tokens",
			    path);
			errno = EBADMSG;
			return (-1);
		}
		if (proc_random_hex(hex, 8) == -1)
			return (-1);
		*seed = (int64_t)(standings_tag(hex) & INT32_MAX);
		*offset = f->init != 0 ? *seed : STANDINGS_ANYWHERE;
		fresh.seed = *seed;
		if (f->init != 0)
			fresh.begins = around(*offset, f->stream);
		for (i = 0; i < standings_count(b); i++) {
			x = standings_fact(b, i);
			if (x->kind == STANDINGS_RUN && x->config == f->config &&
			    (x->seed == *seed || standings_replicate(x, &fresh)))
				break;
		}
	} while (i < standings_count(b));
	return (0);
}

int
plan_open(const struct ledger *l, const struct standings_plan **plan, unsigned *slot, struct row *row)
{
	const struct standings_plan *p = standings_open_plan(&l->book, 0);
	unsigned k;

	if (p == NULL)
		return (0);
	for (k = 0; k < 2 * p->n && p->slot[k].fact != 0; k++)
		;
	*plan = p;
	*slot = k;
	return (ledger_read(l, standings_row(&l->book, p->row), row) == -1 ? -1 : 1);
}

const char *
plan_bound(const struct ledger *l, const struct standings_plan *plan, unsigned slot, const struct row *row)
{
	const json_t *v;
	const char *name;
	size_t i;

	if (standings_open_to(&l->book, plan, slot, plan->lane))
		return (NULL);
	json_array_foreach(row->plan.lanes, i, v) {
		name = json_string_value(v);
		if (name != NULL && standings_open_to(&l->book, plan, slot, standings_lane_tag(name, row->plan.cap_ms)))
			return (name);
	}
	return (NULL);
}
