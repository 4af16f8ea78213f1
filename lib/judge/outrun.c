#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "base/clock.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "judge/outrun.h"
#include "judge/runrecord.h"
#include "ledger/settings.h"
#include "run/pace.h"
#include "schema/contract.h"

/* As few runs tell how far the loss at a step predicts the score; more than the last so many tell no more. */
enum { LEAST_RUNS = 3, MOST_RUNS = 12 };

/* What must be the same for losses at the same step to mean the same; all else may be the change that is tried. */
static const char *const matched[] = { "train.schedule", "train.iterations", "train.batch_tokens",
	"train.micro_batch_tokens", "train.seq_len", "train.warmdown_iters", "train.warmdown_frac", "train.min_lr_frac",
	"train.warmdown_shape", "train.adam_warmdown_frac", "train.batch_schedule", "train.batch_schedule_lr",
	"train.seq_schedule", "train.loop_from", "train.average", "train.average_horizon", "train.average_from",
	"train.replay", "train.init_from" };

/*
 * Where to look, in percent of the steps, never below half; and what a prediction made there is off by at least, each
 * three times: a share of the lane's run-to-run deviation (what is left of it among runs of one configuration once the
 * loss there is known), and a share of the score (how far off the line of one configuration was for another).
 * Source: 37 real runs of three configurations, 300 steps, final val_bpb of 2.13: residual deviation 0.54 and 0.37;
 * bias up to 0.008 at half, 0.003 at three quarters.
 */
static const struct {
	unsigned percent;
	double of_lane, of_score;
} checks[] = { { 50, 3 * 0.54, 3 * 0.008 / 2.13 }, { 75, 3 * 0.37, 3 * 0.003 / 2.13 } };

enum { CHECKS = sizeof(checks) / sizeof(checks[0]) };

/*
 * What a configuration that is clearly behind in its loss is still behind at the end, in one unit, was 0.8 to 1.4 of
 * it, 0.4 of small differences (the source above: 0.3 to 0.6), and once nothing, where the validation text was unlike
 * that of training.  Half ends nobody that makes up for the other half.
 * Source: 236 real runs of up to 20 configurations on two data sets, 300 steps.
 */
static const double slope = 0.5;

#define WORSE_SDS 2

/* Student's t that one in a thousand exceeds, from 2 degrees of freedom on: few runs tell a deviation poorly. */
static const double rare[MOST_RUNS - LEAST_RUNS + 1] = { 22.327, 10.215, 7.173, 5.893, 5.208, 4.785, 4.501, 4.297,
	4.144, 4.025 };

/* A run of the incumbent's that can be used. */
struct used {
	size_t fact;
	double score, per_loss, loss[CHECKS];
};

/* The run that asks, what it is held against, and what was found. */
struct asking {
	const struct ledger *l;
	struct rundir r;
	struct row row;
	struct standings_fact f;
	const struct standings_group *g;
	char group[SHA256_HEX_SIZE], config[SHA256_HEX_SIZE]; /* of the incumbent */
	uint64_t step[CHECKS], window;
	struct used used[MOST_RUNS];
	size_t n;
};

double
outrun_limit(double loss, double score_per_loss, double lane_sd, double error, double spread)
{
	return (loss + fmax((WORSE_SDS * lane_sd + error) / score_per_loss, spread));
}

/* The first of the keys that must be the same and is not, or NULL. */
static const char *
unmatched(const json_t *mine, const json_t *theirs)
{
	size_t i;

	for (i = 0; i < sizeof(matched) / sizeof(matched[0]); i++)
		if (!json_equal(settings_value(mine, matched[i]), settings_value(theirs, matched[i])))
			return (matched[i]);
	return (NULL);
}

/*
 * The group that the run would belong to, by its eval law and its very data, and who is incumbent there: 1, with the
 * key in *key that keeps losses from being compared, or NULL; 0 if there is none, -1, said.
 */
static int
find_group(struct asking *a, const char **key)
{
	const struct standings *b = &a->l->book;
	const struct standings_fact *f;
	struct row row;
	size_t i;
	int rc = 0;

	for (i = b->group_count; i-- > 0 && rc == 0;) {
		if (b->groups[i].incumbent == 0)
			continue;
		f = standings_fact(b, b->groups[i].reference);
		if (f->data != a->f.data || f->tokenizer != a->f.tokenizer || f->trainer != 0 ||
		    f->config != b->groups[i].incumbent)
			continue;
		if (ledger_read(a->l, f, &row) == -1)
			return (-1);
		if (row.run.eval != NULL && a->row.run.eval != NULL && strcmp(row.run.eval, a->row.run.eval) == 0 &&
		    row.run.group != NULL && row.run.config != NULL) {
			a->g = &b->groups[i];
			a->f.group = f->group;
			a->f.stream = f->stream;
			memcpy(a->group, row.run.group, SHA256_HEX_SIZE);
			memcpy(a->config, row.run.config, SHA256_HEX_SIZE);
			*key = unmatched(a->row.run.settings, row.run.settings);
			rc = 1;
		}
		row_free(&row);
	}
	if (a->f.stream > 0)
		a->f.begins %= a->f.stream;
	return (rc);
}

/* Why the run itself can have none, or NULL. */
static const char *
unfit(const struct asking *a)
{
	const json_t *spec = a->r.spec.json;

	if (rundir_external(&a->r))
		return ("a program trains it, whose steps are its own");
	if (strcmp(jsonio_text(spec, "train.schedule", ""), "iterations") != 0 ||
	    jsonio_text(spec, "train.replay", NULL) != NULL)
		return ("train.schedule is not iterations, and what follows a clock or a replay is at no same step");
	if (jsonio_i64(spec, "train.log_every", 0) != 1)
		return ("train.log_every is not 1, and every step's loss is asked for");
	if (a->l->book.policy.metric.sign != 1 || a->l->book.policy.metric.name == POLICY_VALUE)
		return ("the ledger's metric is no loss, of which training's could tell");
	return (NULL);
}

/* Why a run of this configuration can have none in this group, or NULL. */
static const char *
barred(const struct asking *a)
{
	const struct standings *b = &a->l->book;
	const struct standings_plan *p;
	size_t i;

	for (i = 0; i < b->plan_count; i++) {
		p = &b->plans[i];
		if (!p->closed && (p->config == a->f.config || p->other == a->f.config))
			return ("a confirmation of its configuration is under way, and no run of one is ended early");
	}
	if (a->f.config == a->g->incumbent)
		return ("it has the incumbent's configuration");
	if (standings_history(b, &a->f, a->g->incumbent).screening != NULL)
		return ("its configuration was screened before");
	return (NULL);
}

/* Is the file what a digest says? 1, 0, or -1 with errno, said. */
static int
is_file(int dir, const char *path, const char *name, const char *sha256)
{
	char hex[SHA256_HEX_SIZE];

	if (sha256_at(dir, name, hex, NULL) == -1) {
		if (errno == ENOENT || errno == ELOOP || errno == EISDIR || errno == EMEDIUMTYPE)
			return (0);
		say_errno("cannot read '%s/%s'", path, name);
		return (-1);
	}
	return (sha256 != NULL && strcmp(hex, sha256) == 0);
}

/* The losses of a run of the incumbent's, if its files are there and are what its row says: 1, 0, or -1, said. */
static int
look_at(struct asking *a, const struct row *row, struct used *u)
{
	const char *dir = row->run.dir == NULL ? "" : row->run.dir, *report = rundir_stages[STAGE_TRAIN].receipt;
	char sha256[SHA256_HEX_SIZE];
	json_t *train = NULL;
	int fd, rc = 0;
	size_t k;

	if ((fd = openat(a->l->dir, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (0);
	if ((rc = is_file(fd, dir, report, row->run.training_report)) == 1 &&
	    (rc = jsonio_read(fd, report, JSONIO_MAX_BYTES, sha256, &train) == -1 ? -1 : 1) == 1 &&
	    (rc = is_file(fd, dir, RUNDIR_METRICS, jsonio_text(train, "metrics.sha256", NULL))) == 1) {
		for (k = 0; k < CHECKS && rc == 1; k++)
			if (pace_loss(fd, dir, a->step[k], a->window, &u->loss[k]) == -1)
				rc = errno == ENODATA ? 0 : -1;
	}
	json_decref(train);
	close(fd);
	return (rc);
}

/* Is a run in a plan that is still open? What that waits for is not looked at. */
static int
is_awaited(const struct standings *b, size_t fact)
{
	size_t i;
	unsigned k;

	for (i = 0; i < b->plan_count; i++)
		for (k = 0; k < 2 * b->plans[i].n && !b->plans[i].closed; k++)
			if (b->plans[i].slot[k].fact == fact + 1)
				return (1);
	return (0);
}

/*
 * The incumbent's last runs on this lane, from the run's own place in the data where there are enough.  1, 0 if they
 * are too few, -1, said.
 */
static int
gather(struct asking *a)
{
	const struct standings *b = &a->l->book;
	const enum policy_metric metric = b->policy.metric.name;
	const struct standings_fact *f;
	size_t i, j, fits[MOST_RUNS * 8], count = 0, same = 0, places;
	struct row row;
	int rc;

	for (i = standings_count(b); i-- > 0 && count < sizeof(fits) / sizeof(fits[0]);) {
		f = standings_fact(b, i);
		if (f->kind != STANDINGS_RUN || f->group != a->f.group || f->lane != a->f.lane ||
		    f->config != a->g->incumbent || f->klass > VERDICT_REGRESSION || standings_starved(b, f) ||
		    !isfinite(f->metric[metric]) || !(f->metric[POLICY_VAL_LOSS] > 0))
			continue;
		if (is_awaited(b, i))
			continue;
		for (j = 0; j < count && !standings_replicate(standings_fact(b, fits[j]), f); j++)
			;
		if (j < count)
			continue;
		same += f->begins == a->f.begins;
		fits[count++] = i;
	}
	for (i = 0; i < count && a->n < MOST_RUNS; i++) {
		f = standings_fact(b, fits[i]);
		if (same >= LEAST_RUNS && f->begins != a->f.begins)
			continue;
		if (ledger_read(a->l, f, &row) == -1)
			return (-1);
		rc = look_at(a, &row, &a->used[a->n]);
		row_free(&row);
		if (rc == -1)
			return (-1);
		if (rc == 0)
			continue;
		a->used[a->n].fact = fits[i];
		a->used[a->n].score = f->metric[metric];
		a->used[a->n].per_loss = f->metric[metric] / f->metric[POLICY_VAL_LOSS];
		a->n++;
	}
	/* At another place the text at a step is another one: how much that changes the loss must show among them. */
	for (i = places = 0; i < a->n; i++) {
		for (j = 0; j < i; j++)
			if (standings_fact(b, a->used[j].fact)->begins == standings_fact(b, a->used[i].fact)->begins)
				break;
		places += j == i;
	}
	return (a->n >= LEAST_RUNS && (same >= LEAST_RUNS || places >= LEAST_RUNS));
}

/* What one run in a thousand is beyond, by the deviation of the incumbent's. */
static double
seldom(const struct asking *a, double ss)
{
	double n = (double)a->n;

	return (rare[a->n - LEAST_RUNS] * sqrt(ss / (n - 1)) * sqrt(1 + 1 / n));
}

/* How much better than predicted at a check, at the fixed slope, a score may be: no slope is fitted to few runs. */
static double
error_of(const struct asking *a, size_t k, double score, double per_loss, double loss, double lane_sd)
{
	double ss = 0, off, least;
	size_t i;

	for (i = 0; i < a->n; i++) {
		off = a->used[i].score - score - slope * per_loss * (a->used[i].loss[k] - loss);
		ss += off * off;
	}
	least = fmax(checks[k].of_lane * lane_sd, checks[k].of_score * score) * sqrt(1 + 1 / (double)a->n);
	return (fmax(seldom(a, ss), least));
}

static json_t *
runs_of(const struct asking *a)
{
	json_t *runs = json_array();
	const struct standings_fact *f;
	char hex[SHA256_HEX_SIZE];
	struct row row;
	size_t i;

	for (i = 0; i < a->n && runs != NULL; i++) {
		f = standings_fact(&a->l->book, a->used[i].fact);
		if (ledger_digest(a->l, f, hex) == -1 || ledger_read(a->l, f, &row) == -1) {
			json_decref(runs);
			return (NULL);
		}
		(void)json_array_append_new(runs,
		    json_pack("{s:I, s:s, s:s, s:o}", "row", (json_int_t)row.number, "row_sha256", hex, "run_id",
			row.run.run_id == NULL ? "?" : row.run.run_id, "score", jsonio_real(a->used[i].score)));
		row_free(&row);
	}
	return (runs);
}

static json_t *
build(const struct asking *a)
{
	const struct standings *b = &a->l->book;
	const enum policy_metric metric = b->policy.metric.name;
	struct noise_pool all = standings_pool(b, a->f.group, a->f.lane, 0, 0, metric);
	double lane_sd = noise_lane_sd(&all), score = 0, per_loss = 0, loss, spread, error;
	char first[SHA256_HEX_SIZE], time[32];
	json_t *list = json_array(), *runs, *v;
	size_t i, k;

	for (i = 0; i < a->n; i++) {
		score += a->used[i].score / (double)a->n;
		per_loss += a->used[i].per_loss / (double)a->n;
	}
	for (k = 0; k < CHECKS; k++) {
		for (loss = 0, i = 0; i < a->n; i++)
			loss += a->used[i].loss[k] / (double)a->n;
		for (spread = 0, i = 0; i < a->n; i++)
			spread += (a->used[i].loss[k] - loss) * (a->used[i].loss[k] - loss);
		spread = seldom(a, spread);
		error = error_of(a, k, score, per_loss, loss, lane_sd);
		/* Of a few steps two checks may be at the same one. */
		if (k > 0 && a->step[k] == a->step[k - 1])
			continue;
		(void)json_array_append_new(list,
		    json_pack("{s:I, s:o, s:o, s:o, s:o}", "step", (json_int_t)a->step[k], "loss", jsonio_real(loss),
			"spread", jsonio_real(spread), "error", jsonio_real(error), "limit",
			jsonio_real(outrun_limit(loss, slope * per_loss, lane_sd, error, spread))));
	}
	if (ledger_digest(a->l, standings_fact(b, 0), first) == -1 || (runs = runs_of(a)) == NULL) {
		json_decref(list);
		return (NULL);
	}
	v = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}",
	    "schema", "homegolf.pace.v1", "run_id", a->r.id, "run_uid", a->r.spec.run_uid, "spec_sha256",
	    a->r.spec.text_sha256, "made_at", clock_text(time, clock_wall_ms()), "ledger_sha256", first, "head_sha256",
	    a->l->head, "group_sha256", a->group, "incumbent_sha256", a->config, "metric", policy_metric_name(metric),
	    "iterations", (json_int_t)jsonio_i64(a->r.spec.json, "train.iterations", 0), "window_steps",
	    (json_int_t)a->window, "score", jsonio_real(score), "score_per_loss", jsonio_real(per_loss), "slope",
	    jsonio_real(slope), "lane_sd", jsonio_real(lane_sd), "runs", runs, "checks", list);
	if (v == NULL || pace_seal(v) == -1) {
		json_decref(v);
		errno = ENOMEM;
		say_errno("cannot make '%s/%s'", a->r.path, RUNDIR_PACE);
		return (NULL);
	}
	return (v);
}

/* Which steps, and over how many the loss is a mean: 25, or a twentieth of a short run. */
static void
take_steps(struct asking *a)
{
	uint64_t n = (uint64_t)jsonio_i64(a->r.spec.json, "train.iterations", 0);
	size_t k;

	a->window = n / 20 > 25 ? 25 : n / 20 < 1 ? 1 : n / 20;
	for (k = 0; k < CHECKS; k++)
		a->step[k] = pace_earliest(n) + n * (checks[k].percent - 50) / 100;
}

static int
publish(const struct asking *a)
{
	json_t *v = build(a);
	char *text = NULL;
	size_t n;
	int rc = -1;

	if (v != NULL && (text = contract_pretty("pace", v, &n)) != NULL &&
	    (rc = atomfile_replace(a->r.fd, RUNDIR_PACE, text, n)) == -1)
		say_errno("cannot write '%s/%s'", a->r.path, RUNDIR_PACE);
	free(text);
	json_decref(v);
	return (rc);
}

/* One that is for nothing any more would end the run all the same. */
static int
withdraw(const struct rundir *r)
{
	if (atomfile_remove(r->fd, RUNDIR_PACE) == 0 && atomfile_sync_dir(r->fd) == 0)
		return (0);
	say_errno("cannot remove '%s/%s'", r->path, RUNDIR_PACE);
	return (-1);
}

static int __attribute__((format(printf, 4, 5)))
no(const struct asking *a, enum outrun *how, enum outrun what, const char *format, ...)
{
	char why[512];
	va_list ap;

	*how = what;
	va_start(ap, format);
	vsnprintf(why, sizeof(why), format, ap);
	va_end(ap);
	say_note("'%s' gets no '%s': %s", a->r.path, RUNDIR_PACE, why);
	return (withdraw(&a->r));
}

static int
decide(struct asking *a, enum outrun *how)
{
	const char *why, *key = NULL;
	int found;

	if ((why = unfit(a)) != NULL)
		return (no(a, how, OUTRUN_NO, "%s", why));
	if ((found = find_group(a, &key)) == -1)
		return (-1);
	if (found == 0)
		return (no(a, how, OUTRUN_LATER, "%s",
		    "no run of the ledger has its eval law and its data, so there is nobody to be behind"));
	if ((why = barred(a)) != NULL)
		return (no(a, how, OUTRUN_NO, "%s", why));
	if (key != NULL)
		return (no(a, how, OUTRUN_NO,
		    "its %s is not the incumbent's, so losses at the same step do not mean the same", key));
	if (standings_lane(&a->l->book, a->f.group, a->f.lane) == NULL)
		return (no(a, how, OUTRUN_LATER, "%s", "the noise of its lane is not calibrated"));
	take_steps(a);
	if ((found = gather(a)) == -1)
		return (-1);
	if (found == 0)
		return (no(a, how, OUTRUN_LATER, "%s",
		    "it needs three runs of the incumbent's on its lane, from its own place in the data or from "
		    "three, that are on disk as they were, with a row of metrics for each step"));
	*how = OUTRUN_MADE;
	return (publish(a));
}

int
outrun_pace(const struct ledger *l, const char *path, enum outrun *how)
{
	struct asking a = { .l = l };
	enum runrecord state;
	int error, rc = -1, there;

	if (runrecord_run(path, l->real, &state, &a.row) == -1)
		return (-1);
	if (rundir_open(&a.r, path) == -1) {
		row_free(&a.row);
		return (-1);
	}
	if (rundir_load(&a.r) == -1)
		goto err0;
	if ((there = rundir_has(&a.r, rundir_stages[STAGE_TRAIN].receipt)) == 0)
		there = rundir_has(&a.r, rundir_stages[STAGE_TRAIN].refusal);
	if (there == -1) {
		say_errno("cannot look into '%s'", path);
		goto err0;
	}
	if (there || state == RUNRECORD_RUNNING) {
		*how = OUTRUN_NO;
		say_note("training of '%s' has %s", path, there ? "closed out" : "begun");
		rc = 0;
		goto err0;
	}
	row_run_fact(&a.row.run, &a.f);
	a.f.begins = jsonio_i64(a.r.spec.json, "train.data_offset", 0);
	rc = decide(&a, how);
err0:
	error = errno;
	rundir_close(&a.r);
	row_free(&a.row);
	errno = error;
	return (rc);
}
