#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "law/classify.h"
#include "base/jsonio.h"
#include "judge/plan.h"
#include "base/proc.h"
#include "ledger/row.h"
#include "run/rundir.h"
#include "base/say.h"

/* The last row of the run at a path, with its fact; NULL after saying why, errno ENOENT if the ledger lacks it. */
static json_t *
row_of_run(const struct ledger *l, const char *path, const struct standings_fact **fact)
{
	struct rundir r;
	json_t *row = NULL;
	int error;

	if (rundir_open(&r, path) == -1)
		return (NULL);
	if (rundir_load(&r) == 0) {
		if ((*fact = standings_run(&l->book, standings_tag(r.spec.run_uid), 0)) == NULL) {
			say_error("'%s' is not in the ledger: hg-ledger add %s %s", path, l->path, path);
			errno = ENOENT;
		} else
			row = ledger_row(l, *fact);
	}
	error = errno;
	rundir_close(&r);
	errno = error;
	return (row);
}

/* {config_sha256, run_id, row, dir, spec}: all that is needed to make more runs of a configuration. */
static json_t *
arm_of(const struct ledger *l, const json_t *row)
{
	const char *dir = jsonio_text(row, "run.dir", "");
	json_t *spec = NULL, *arm;
	char sha256[SHA256_HEX_SIZE];
	int fd;

	if ((fd = openat(l->dir, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 ||
	    jsonio_read(fd, RUNDIR_SPEC, JSONIO_MAX_BYTES, sha256, &spec) == -1) {
		say_errno("cannot read the spec of '%s/%s'", l->path, dir);
		if (fd != -1)
			close(fd);
		return (NULL);
	}
	close(fd);
	if (strcmp(sha256, jsonio_text(row, "run.spec_sha256", "")) != 0) {
		say_error("the spec of '%s/%s' is not the one that was judged", l->path, dir);
		json_decref(spec);
		errno = EBADMSG;
		return (NULL);
	}
	arm = json_pack("{s:O, s:O, s:O, s:O, s:o}", "config_sha256", jsonio_get(row, "run.config_sha256"), "run_id",
	    jsonio_get(row, "run.run_id"), "row", json_object_get(row, "row"), "dir", jsonio_get(row, "run.dir"),
	    "spec", spec);
	return (arm);
}

/* Seeds that a configuration, or the incumbent, has used already are not fresh. */
static int
seeds_fresh(const struct standings *b, const struct standings_fact *plan)
{
	struct standings_slot slot[2 * STANDINGS_SEEDS];
	const struct standings_fact *f;
	unsigned k;
	size_t i;

	standings_slots(plan, slot);
	for (i = 0; i < standings_count(b); i++) {
		f = standings_fact(b, i);
		if (f->kind != STANDINGS_RUN || (f->config != plan->config && f->config != plan->other))
			continue;
		for (k = 0; k < 2 * plan->n; k++)
			if (slot[k].seed == f->seed)
				return (0);
	}
	return (1);
}

/* May this configuration be confirmed now? PLAN_MADE if so. */
static enum plan
allowed(const struct ledger *l, const char *path, const struct standings_fact *f)
{
	const struct standings *b = &l->book;
	const struct standings_group *g = f->group == 0 ? NULL : standings_group(b, f->group);

	if (f->klass == VERDICT_BLOCKED || f->klass == VERDICT_INVALID || g == NULL) {
		say_error("'%s' has no sound run: there is nothing to confirm", path);
		return (PLAN_NO);
	}
	if (f->config == g->incumbent) {
		say_error("'%s' is of the incumbent's own configuration", path);
		return (PLAN_NO);
	}
	if (standings_lane(b, f->group, f->lane) == NULL) {
		say_error("the lane of '%s' is not calibrated: hg-ledger calibrate comes first", path);
		return (PLAN_PENDING);
	}
	if (standings_history(b, f, 0).screening == NULL) {
		say_error("'%s' was not screened since the lane was calibrated: add one more run of it", path);
		return (PLAN_PENDING);
	}
	if (standings_spent(b) >= b->policy.campaign.confirmations) {
		say_error("campaign '%s' has spent its %u confirmations; declare a new one in %s/%s",
		    b->policy.campaign.name, b->policy.campaign.confirmations, l->path, LEDGER_POLICY);
		return (PLAN_NO);
	}
	return (PLAN_MADE);
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
		    json_pack("{s:s, s:I}", "side", slot[k].challenger ? "challenger" : "incumbent", "seed",
			(json_int_t)slot[k].seed));
	return (list);
}

int
plan_confirmation(struct ledger *l, const char *path, unsigned n, enum plan *how, json_t **out)
{
	const struct standings *b = &l->book;
	const struct standings_fact *f, *reference;
	const struct standings_plan *open;
	const struct standings_group *g;
	struct standings_fact draft;
	struct noise_pool all;
	json_t *row, *theirs = NULL, *arm, *rival = NULL, *plan;
	char nonce[SHA256_HEX_SIZE];
	double power;
	int rc = -1;

	*out = NULL;
	if ((row = row_of_run(l, path, &f)) == NULL)
		return (-1);
	if (f->group != 0 && (open = standings_open_plan(b, f->group)) != NULL) {
		if (open->config == f->config || open->other == f->config) {
			*how = PLAN_THERE;
			*out = ledger_row(l, standings_row(b, open->row));
			rc = *out == NULL ? -1 : 0;
		} else {
			*how = PLAN_PENDING;
			say_error("another confirmation is open: finish it with hg-confirm, or give it up with"
				  " hg-ledger plan -x");
			rc = 0;
		}
		json_decref(row);
		return (rc);
	}
	if ((*how = allowed(l, path, f)) != PLAN_MADE) {
		json_decref(row);
		return (0);
	}
	g = standings_group(b, f->group);
	reference = standings_fact(b, g->reference);
	memset(&draft, 0, sizeof(draft));
	draft.config = f->config;
	draft.other = g->incumbent;
	draft.n = n == 0 ? b->policy.confirm.seeds : n;
	do {
		if (proc_random_hex(nonce, 32) == -1)
			goto err0;
		draft.nonce = standings_tag(nonce);
	} while (!seeds_fresh(b, &draft));
	power = classify_power(b, f->group, f->lane, g->incumbent, draft.n, b->policy.confirm.gain_sd);
	all = standings_pool(b, f->group, f->lane, 0, 0, b->policy.metric.name);
	if ((theirs = ledger_row(l, reference)) == NULL || (rival = arm_of(l, theirs)) == NULL)
		goto err0;
	if ((arm = arm_of(l, row)) == NULL)
		goto err1;
	plan = json_pack("{s:O, s:O, s:O, s:s, s:i, s:i, s:f, s:i, s:f, s:f, s:f, s:I, s:s, s:o, s:O, s:o}",
	    "group_sha256", jsonio_get(row, "run.group_sha256"), "lane", jsonio_get(row, "run.lane"), "cap_ms",
	    jsonio_get(row, "run.cap_ms"), "campaign", b->policy.campaign.name, "confirmation",
	    (int)standings_spent(b) + 1, "confirmations", (int)b->policy.campaign.confirmations, "level",
	    policy_level(&b->policy), "seeds_a_side", (int)draft.n, "gain_sd", b->policy.confirm.gain_sd, "power",
	    power, "lane_sd", noise_lane_sd(&all), "cost_ms",
	    (json_int_t)((int64_t)draft.n * (f->cost_ms + reference->cost_ms)), "nonce", nonce, "challenger", arm,
	    "incumbent", rival, "slots", slots_json(&draft));
	if (plan == NULL || (*out = ledger_begin(l, STANDINGS_PLAN)) == NULL) {
		errno = ENOMEM;
		say_errno("cannot plan");
		goto err1;
	}
	json_object_set_new(*out, "plan", plan);
	if ((rc = ledger_append(l, *out, NULL)) == -1) {
		json_decref(*out);
		*out = NULL;
	}
err1:
	json_decref(rival);
err0:
	json_decref(theirs);
	json_decref(row);
	return (rc);
}

int
plan_calibration(struct ledger *l, const char *path, unsigned n, enum plan *how, json_t **out)
{
	const struct standings *b = &l->book;
	const struct standings_lane *lane;
	const struct standings_fact *f, *x;
	struct stats_sample s = { 0, 0, 0 };
	json_t *row, *runs = NULL;
	char hex[SHA256_HEX_SIZE];
	int64_t *seeds = NULL;
	size_t i, k, have = 0;
	int rc = -1;

	*out = NULL;
	if (n < b->policy.noise.calibration_seeds)
		n = b->policy.noise.calibration_seeds;
	if ((row = row_of_run(l, path, &f)) == NULL)
		return (-1);
	if (f->group == 0) {
		say_error("'%s' has no sound run: its noise cannot be known", path);
		*how = PLAN_NO;
		rc = 0;
		goto err0;
	}
	lane = standings_lane(b, f->group, f->lane);
	if (lane != NULL && lane->seeds >= n) {
		*how = PLAN_THERE;
		rc = 0;
		goto err0;
	}
	if ((seeds = calloc(standings_count(b) + 1, sizeof(*seeds))) == NULL || (runs = json_array()) == NULL) {
		say_errno("cannot calibrate");
		goto err0;
	}
	/* All of them, so that none can be chosen; but not the run that screened, which was. */
	for (i = 0; i < standings_count(b); i++) {
		x = standings_fact(b, i);
		if (x->kind != STANDINGS_RUN || x->config != f->config || x->group != f->group || x->lane != f->lane ||
		    verdict_reason_counts((enum verdict_reason)x->reason) != VERDICT_SEED ||
		    !isfinite(x->metric[b->policy.metric.name]))
			continue;
		for (k = 0; k < have && seeds[k] != x->seed; k++)
			;
		if (k < have)
			continue; /* the same seed again is no further evidence */
		seeds[have++] = x->seed;
		if (ledger_digest(l, x, hex) == -1)
			goto err0;
		json_array_append_new(runs, json_string(hex));
		stats_sample_add(&s, x->metric[b->policy.metric.name]);
	}
	if (have < n) {
		say_error("%zu of the %u seeds are there; hg-confirm -c %s %s runs the others", have, n, l->path, path);
		*how = PLAN_PENDING;
		rc = 0;
		goto err0;
	}
	if ((*out = ledger_begin(l, STANDINGS_CALIBRATION)) == NULL)
		goto err0;
	json_object_set_new(*out, "calibration",
	    json_pack("{s:O, s:O, s:O, s:O, s:O, s:s, s:f, s:f, s:f, s:f}", "group_sha256",
		jsonio_get(row, "run.group_sha256"), "lane", jsonio_get(row, "run.lane"), "cap_ms",
		jsonio_get(row, "run.cap_ms"), "config_sha256", jsonio_get(row, "run.config_sha256"), "runs", runs,
		"metric", policy_metric_name(b->policy.metric.name), "mean", s.mean, "sd", sqrt(s.ss / (s.n - 1)),
		"sd_lower", sqrt(s.ss / stats_chi2_isf(0.025, s.n - 1)), "sd_upper",
		sqrt(s.ss / stats_chi2_isf(0.975, s.n - 1))));
	*how = PLAN_MADE;
	if ((rc = ledger_append(l, *out, NULL)) == -1) {
		json_decref(*out);
		*out = NULL;
	}
err0:
	free(seeds);
	json_decref(runs);
	json_decref(row);
	return (rc);
}

json_t *
plan_open(struct ledger *l, const struct standings_plan **plan, unsigned *slot)
{
	const struct standings_plan *p = standings_open_plan(&l->book, 0);
	unsigned k;

	if (p == NULL)
		return (NULL);
	for (k = 0; k < 2 * p->n && p->slot[k].fact != 0; k++)
		;
	*plan = p;
	*slot = k;
	return (ledger_row(l, standings_row(&l->book, p->row)));
}
