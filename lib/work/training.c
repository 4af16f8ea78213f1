#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bpb.h"
#include "base/atomfile.h"
#include "gpt/calibration.h"
#include "gpt/checkpoint.h"
#include "base/clock.h"
#include "data/dataset.h"
#include "work/provenance.h"
#include "base/exit.h"
#include "base/file.h"
#include "run/fingerprint.h"
#include "run/pace.h"
#include "stage/inputs.h"
#include "work/metrics.h"
#include "base/jsonio.h"
#include "data/loader.h"
#include "work/dependencies.h"
#include "gpt/model.h"
#include "gpt/prior.h"
#include "base/num.h"
#include "base/out.h"
#include "base/proc.h"
#include "gpt/trainspec.h"
#include "gpt/safetensors.h"
#include "gpt/schedule_read.h"
#include "base/say.h"
#include "gpt/score.h"
#include "schema/contract.h"
#include "gpt/trainer_open.h"
#include "data/docsums.h"
#include "data/tokens.h"
#include "gpt/resume.h"
#include "gpt/trainer.h"
#include "work/runsize.h"
#include "work/training.h"

/* A checkpoint may cost this share of the time between two of them. */
#define SAVE_SHARE 64

/* The worker's state; its process ends with it, and frees. */
struct train {
	struct stage_work *w;
	const struct rundir *r;
	const struct training_options *o;
	struct trainspec recipe;
	size_t micro_batch;
	json_t *recorded; /* the receipt of what is trained again, or NULL */
	struct dataset *data;
	struct loader *loader;
	struct tokens *tokens; /* of the training part, while it is counted */
	struct model *m;
	struct trainer *t;
	struct inputerror fault;

	/* Clocks. The training clock runs during steps alone. */
	int64_t began_ns;          /* this attempt, monotonic */
	int64_t slept_ms;          /* how long the machine had slept when it began */
	int64_t before_ms;         /* wall-clock of the attempts that this one resumes */
	int64_t clock_ns;          /* training clock */
	int64_t updated_ns;        /* its stand after the last update, before that was averaged */
	int64_t cpu_ms;            /* CPU time of the steps on that clock */
	int64_t lost_ms;           /* training time of steps that did not survive */
	int64_t saved_ns, save_ns; /* when the last resume point was saved, and what it cost */
	int64_t posted_ns;
	int64_t resumes;

	/* Calibration for the export, at the end. */
	double reserve_ms;         /* what it is given of the cap, which the schedule has less */
	uint64_t watched;          /* tokens */
	int64_t watch_ns;          /* what it took of the training clock */
	struct schedule_pace pace; /* of this attempt */
	struct pace limits;        /* against those before it; no checks: it may end as it will */

	struct metrics metrics;
	double loss, best;
	struct validated {
		double loss, bpb; /* NAN until measured */
	} val, last;              /* of what a checkpoint would hold; of the weights, where that is their average */
	uint64_t validated;       /* at this step */
};

static double
clock_ms(const struct train *x)
{
	return ((double)x->clock_ns / 1e6);
}

/* --- status and metrics ----------------------------------------------------- */

/* What a step takes: in this attempt, else in those before; 0 if none was measured. */
static double
step_ms(const struct train *x)
{
	uint64_t steps = trainer_steps(x->t);

	if (x->pace.steps > 0)
		return (x->pace.total_ms / (double)x->pace.steps);
	return (steps > 0 ? clock_ms(x) / (double)steps : 0);
}

/* ${step} of ${of}, each of which takes ${ms}; 0: not known, since none is on the clock. */
static void
post(struct train *x, const char *phase, uint64_t step, uint64_t of, double ms)
{
	int64_t now = clock_mono_ns();
	size_t batch = x->pace.batch_tokens != 0 ? x->pace.batch_tokens : x->recipe.batch_tokens;
	double speed = ms > 0 ? (double)batch * 1e3 / ms : NAN, left = NAN;
	uint64_t tokens = ms > 0 ? trainer_tokens(x->t) : 0;
	char loss[32] = "", pace[64] = "";

	if (x->posted_ns != 0 && now - x->posted_ns < 900000000)
		return;
	x->posted_ns = now;
	if (ms > 0) {
		schedule_reach(&x->recipe.schedule, step, clock_ms(x), &x->pace, ms, &left);
		snprintf(pace, sizeof(pace), ", %.0f tokens/s, %.0f s left", speed, left / 1e3);
	}
	if (isfinite(x->loss))
		snprintf(loss, sizeof(loss), ", loss %.4f", x->loss);
	stage_progress(x->w, (int64_t)trainer_spans(x->t),
	    json_pack("{s:s, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:I}", "phase", phase, "step", (json_int_t)step,
		"steps_expected", (json_int_t)of, "tokens", (json_int_t)tokens, "train_loss", jsonio_real(x->loss),
		"best_loss", jsonio_real(x->best), "tokens_per_s", jsonio_real(speed), "eta_ms",
		isnan(left) ? json_null() : json_integer((json_int_t)left), "elapsed_ms",
		(json_int_t)((now - x->began_ns) / 1000000)));
	say_progress("%s: %s: step %llu of %llu%s%s", x->r->id, phase, (unsigned long long)step, (unsigned long long)of,
	    loss, pace);
}

/* The steps on the clock, of the iterations or of what the cap lets pass at this pace. */
static void
post_steps(struct train *x, const char *phase)
{
	uint64_t n = trainer_steps(x->t);
	double ms = step_ms(x);

	post(x, phase, n, schedule_reach(&x->recipe.schedule, n, clock_ms(x), &x->pace, ms, NULL), ms);
}

/* One row for the step just done. */
static int
log_step(struct train *x, const struct schedule_rates *rates, double keep, double grad_norm)
{
	const struct schedule *s = &x->recipe.schedule;
	uint64_t steps = trainer_steps(x->t);
	json_t *row;

	row = json_pack("{s:I, s:I, s:o, s:o, s:o, s:I}", "step", (json_int_t)(steps - 1), "tokens",
	    (json_int_t)trainer_tokens(x->t), "train_loss", jsonio_real(x->loss), "lr_scale",
	    jsonio_real(rates->lr_scale), "grad_norm", jsonio_real(grad_norm), "wallclock_ms", (json_int_t)clock_ms(x));
	if (row != NULL && (s->law == SCHEDULE_REPLAY ? s->adam_scales != NULL : s->adam_warmdown_frac > 0))
		json_object_set_new(row, "adam_lr_scale", jsonio_real(rates->adam_lr_scale));
	if (row != NULL && !isnan(rates->momentum_rise))
		json_object_set_new(row, "momentum_rise", jsonio_real(rates->momentum_rise));
	if (row != NULL && rates->batch_tokens != 0)
		json_object_set_new(row, "batch_tokens", json_integer((json_int_t)rates->batch_tokens));
	if (row != NULL && rates->seq_len != 0)
		json_object_set_new(row, "seq_len", json_integer((json_int_t)rates->seq_len));
	if (row != NULL && rates->visits != 0)
		json_object_set_new(row, "visits", json_integer((json_int_t)rates->visits));
	if (row != NULL && x->recipe.law.average != OPTIMIZER_NO_AVERAGE)
		json_object_set_new(row, "average_keep", jsonio_real(keep));
	if (row != NULL && x->validated == steps && !isnan(x->val.loss)) {
		json_object_set_new(row, "val_loss", jsonio_real(x->val.loss));
		json_object_set_new(row, "val_bpb", jsonio_real(x->val.bpb));
	}
	if (row != NULL && x->validated == steps && !isnan(x->last.loss)) {
		json_object_set_new(row, "last_val_loss", jsonio_real(x->last.loss));
		json_object_set_new(row, "last_val_bpb", jsonio_real(x->last.bpb));
	}
	return (metrics_add(&x->metrics, row));
}

/* --- calibration -------------------------------------------------------------- */

/* So much of the cap is not for steps. */
static void
reserve(struct train *x, double ms)
{
	x->reserve_ms = ms;
	x->recipe.schedule.cap_ms -= ms;
}

/* The cap of the spec; 0: none. */
static double
cap_ms(const struct train *x)
{
	return (x->recipe.schedule.cap_ms > 0 ? x->recipe.schedule.cap_ms + x->reserve_ms : 0);
}

/* One pass over at most a micro-batch of what is left of ${all} tokens, on no clock. */
static int
watch_pass(struct train *x, uint64_t nth, uint64_t all)
{
	const uint64_t left = all - nth * x->micro_batch;

	if (trainer_watch(x->t, nth, left < x->micro_batch ? (size_t)left : x->micro_batch) == -1)
		return (dependencies_fault(x->w, &x->fault));
	return (0);
}

/*
 * How much of the cap calibration will take, by the second of two passes that are forgotten, and a fifth more: the
 * first touches its memory for the first time.
 */
static int
measure_calibration(struct train *x)
{
	const uint64_t all = trainspec_calibration(&x->recipe);
	const uint64_t passes = (all + x->micro_batch - 1) / x->micro_batch;
	const double cap = x->recipe.schedule.cap_ms;
	int64_t ns = 0;
	double ms;

	if (all == 0 || cap <= 0 || x->o->again)
		return (0);
	for (int i = 0; i < 2; i++) {
		ns = clock_mono_ns();
		if (watch_pass(x, 0, all) == -1)
			return (-1);
		ns = clock_mono_ns() - ns;
	}
	model_forget(x->m);
	ms = ceil(1.2 * (double)ns / 1e6 * (double)passes);
	if (ms >= cap)
		return (stage_refuse(x->w, REFUSAL_SCHEDULE_OVER_CAP, jsonio_real(ms), jsonio_real(cap),
		    "calibration on export.gptq_tokens=%llu takes about %.0f ms, all of budget.max_wallclock_ms=%.0f",
		    (unsigned long long)x->recipe.artifact.gptq_tokens, ms, cap));
	reserve(x, ms);
	return (0);
}

/* On the clock, with the weights that the checkpoint holds, until the tokens or the cap end it; one pass at least. */
static int
calibrate(struct train *x)
{
	const uint64_t recorded = (uint64_t)jsonio_i64(x->recorded, "calibration.tokens", 0);
	const uint64_t all = x->recorded != NULL ? recorded : trainspec_calibration(&x->recipe);
	const double cap = x->o->again ? 0 : cap_ms(x);
	const int64_t cpu = proc_cpu_ms(0);
	int64_t since;

	for (uint64_t nth = 0; x->watched < all; nth++) {
		if (x->watched > 0 && cap > 0 && clock_ms(x) >= cap) {
			say_note("the cap ended calibration after %llu of %llu tokens", (unsigned long long)x->watched,
			    (unsigned long long)all);
			break;
		}
		if (stage_stopping(x->w))
			return (-1);
		since = clock_mono_ns();
		if (watch_pass(x, nth, all) == -1)
			return (-1);
		since = clock_mono_ns() - since;
		x->clock_ns += since;
		x->watch_ns += since;
		x->watched += all - x->watched < x->micro_batch ? all - x->watched : x->micro_batch;
		post_steps(x, "checkpoint");
	}
	x->cpu_ms += proc_cpu_ms(0) - cpu;
	return (0);
}

/* calibration.safetensors, by the same words as the checkpoint. */
static int
write_calibration(struct train *x)
{
	struct calibration *c = calibration_watched(x->m);
	struct atomfile *out;

	if (c == NULL)
		return (errno != ERANGE ? -1 :
					  stage_refuse(x->w, REFUSAL_LOSS_DIVERGED, NULL, json_string("finite inputs"),
					      "%s", say_last()));
	if ((out = atomfile_begin(stage_outputs(x->w), RUNDIR_CALIBRATION)) == NULL)
		goto err0;
	if (calibration_write(atomfile_fd(out), c, model_params(x->m), NULL) == -1) {
		atomfile_abort(out);
		return (-1);
	}
	if (atomfile_commit(out, ATOMFILE_CREATE) == -1)
		goto err0;
	calibration_free(c);
	return (0);
err0:
	say_errno("cannot write '%s'", RUNDIR_CALIBRATION);
	return (-1);
}

/* What the receipt says of it. */
static json_t *
calibration_receipt(const struct train *x)
{
	const uint64_t stream = x->data->train.tokens;
	json_t *v = provenance_file(stage_outputs(x->w), RUNDIR_CALIBRATION);

	if (v == NULL ||
	    json_object_update_new(v,
		json_pack("{s:I, s:I, s:o}", "tokens", (json_int_t)x->watched, "first_token",
		    (json_int_t)((x->recipe.data_offset + trainer_tokens(x->t)) % stream), "ms",
		    jsonio_real((double)x->watch_ns / 1e6))) == -1)
		return (NULL);
	return (v);
}

/* --- resuming ---------------------------------------------------------------- */

static int
put_number(json_t *extra, const char *key, int64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)v);
	return (json_object_set_new(extra, key, json_string(text)));
}

static int64_t
get_number(const json_t *extra, const char *key)
{
	int64_t v = 0;

	return (num_i64(jsonio_text(extra, key, ""), INT64_MIN, INT64_MAX, &v) == -1 ? 0 : v);
}

static double
get_real(const json_t *extra, const char *key, double fallback)
{
	double v;

	return (num_f64(jsonio_text(extra, key, ""), -1e300, 1e300, &v) == -1 ? fallback : v);
}

/* Replace resume.safetensors: everything that the next attempt needs. The metrics it counts on come first. */
static int
save(struct train *x)
{
	int64_t now = clock_mono_ns();
	char text[2][JSONIO_NUMBER_SIZE];
	struct atomfile *out;
	json_t *extra;

	if (x->o->again)
		return (0);
	/* A state that other bytes went into would outlive them. */
	if (inputs_still(x->w) == -1)
		return (-1);
	if ((extra = json_pack("{s:s, s:s}", "run_uid", x->r->spec.run_uid, "spec_sha256", x->r->spec.text_sha256)) ==
	    NULL)
		return (-1);
	put_number(extra, "clock_ns", x->clock_ns);
	if (x->recipe.law.average != OPTIMIZER_NO_AVERAGE)
		put_number(extra, "updated_ns", x->updated_ns);
	put_number(extra, "cpu_ms", x->cpu_ms);
	if (x->reserve_ms > 0)
		put_number(extra, "reserve_ms", (int64_t)x->reserve_ms);
	put_number(extra, "lost_ms", x->lost_ms);
	put_number(extra, "wallclock_ms", x->before_ms + (now - x->began_ns) / 1000000);
	put_number(extra, "resumes", x->resumes);
	put_number(extra, "metrics_bytes", (int64_t)x->metrics.bytes);
	put_number(extra, "metrics_rows", (int64_t)x->metrics.rows);
	if (isfinite(x->best) && isfinite(x->loss)) {
		json_object_set_new(extra, "best", json_string(jsonio_number(text[0], x->best)));
		json_object_set_new(extra, "loss", json_string(jsonio_number(text[1], x->loss)));
	}
	if (metrics_sync(&x->metrics) == -1)
		goto err1;
	if ((out = atomfile_begin(x->r->fd, RUNDIR_RESUME)) == NULL)
		goto err0;
	if (resume_save(x->t, atomfile_fd(out), extra) == -1) {
		atomfile_abort(out);
		goto err1;
	}
	if (atomfile_commit(out, ATOMFILE_REPLACE) == -1)
		goto err0;
	json_decref(extra);
	x->saved_ns = clock_mono_ns();
	x->save_ns = x->saved_ns - now;
	return (0);
err0:
	say_errno("cannot write '%s'", RUNDIR_RESUME);
err1:
	json_decref(extra);
	return (-1);
}

/* Is it time? The interval is stretched where saving is slow, so that it stays below 2 % of the time. */
static int
save_is_due(const struct train *x)
{
	int64_t interval = x->recipe.checkpoint_every_ms * 1000000;

	if (interval < x->save_ns * SAVE_SHARE)
		interval = x->save_ns * SAVE_SHARE;
	return (clock_mono_ns() - x->saved_ns >= interval);
}

/* The micro-batch decides the order of data, so an attempt that goes on keeps the one it began with. */
static int
choose_micro_batch(struct train *x)
{
	uint64_t n = 0;
	struct safetensors *s;
	int fd;

	if (x->recorded != NULL)
		n = (uint64_t)jsonio_i64(x->recorded, "micro_batch_tokens", 0);
	else if (!x->o->dry && (fd = file_open(x->r->fd, RUNDIR_RESUME, NULL)) != -1) {
		if ((s = safetensors_read(fd, RUNDIR_RESUME)) == NULL)
			return (inputs_broken(x->w));
		if (safetensors_metadata(s, "micro_batch_tokens") != NULL)
			num_u64(safetensors_metadata(s, "micro_batch_tokens"), 1, x->recipe.batch_tokens, &n);
		safetensors_free(s);
		close(fd);
	}
	if (n != 0)
		x->recipe.micro_batch_tokens = (size_t)n;
	x->micro_batch = trainer_open_micro_batch(&x->recipe, proc_memory_available(), proc_memory_total());
	if (x->micro_batch == 0)
		return (stage_refuse(x->w, errno == EFBIG ? REFUSAL_OVER_MEMORY : REFUSAL_OUT_OF_MEMORY, NULL, NULL,
		    "%s", say_last()));
	return (0);
}

/* Go on from resume.safetensors: 1 if there is one, 0 if not, -1. */
static int
resume(struct train *x, json_t **extra)
{
	int fd;

	if (x->o->again)
		return (0);
	if ((fd = file_open(x->r->fd, RUNDIR_RESUME, NULL)) == -1) {
		if (errno == ENOENT)
			return (0);
		say_errno("cannot read '%s'", RUNDIR_RESUME);
		return (-1);
	}
	if (resume_load(x->t, fd, RUNDIR_RESUME, extra) == -1)
		return (inputs_broken(x->w));
	close(fd);
	if (strcmp(jsonio_text(*extra, "run_uid", ""), x->r->spec.run_uid) != 0 ||
	    strcmp(jsonio_text(*extra, "spec_sha256", ""), x->r->spec.text_sha256) != 0)
		return (stage_refuse(x->w, REFUSAL_INPUT_WRONG_DIGEST, json_string(jsonio_text(*extra, "run_uid", "")),
		    json_string(x->r->spec.run_uid), "'%s' is of another run or spec: remove it to begin anew",
		    RUNDIR_RESUME));
	x->clock_ns = get_number(*extra, "clock_ns");
	x->updated_ns = get_number(*extra, "updated_ns");
	x->cpu_ms = get_number(*extra, "cpu_ms");
	reserve(x, (double)get_number(*extra, "reserve_ms"));
	x->before_ms = get_number(*extra, "wallclock_ms");
	x->resumes = get_number(*extra, "resumes") + 1;
	x->metrics.bytes = (uint64_t)get_number(*extra, "metrics_bytes");
	x->metrics.rows = (uint64_t)get_number(*extra, "metrics_rows");
	x->best = get_real(*extra, "best", INFINITY);
	x->loss = get_real(*extra, "loss", NAN);
	/* What the metrics show beyond the resume point is what the kill cost. */
	x->lost_ms = get_number(*extra, "lost_ms") + metrics_last_ms(&x->metrics, (int64_t)clock_ms(x)) -
	    (int64_t)clock_ms(x);
	return (1);
}

/* --- what training needs ------------------------------------------------------ */

static int
take_span(void *cookie, uint64_t span, int32_t *ids, size_t n)
{
	struct train *x = cookie;

	(void)n;
	if (loader_cursor(x->loader) != span)
		loader_seek(x->loader, span);
	return (loader_take(x->loader, ids, &x->fault));
}

static int
open_model(struct train *x)
{
	struct trainspec *c = &x->recipe;

	if ((x->loader = loader_open(&x->data->train, (uint32_t)c->config.vocab_size, x->micro_batch, c->data_offset,
		 &x->fault)) == NULL)
		return (dependencies_fault(x->w, &x->fault));
	if (trainer_open_spec(c, x->micro_batch, take_span, x, &x->m, &x->t) == -1)
		return (dependencies_model(x->w, c->backend));
	return (0);
}

static int
read_training(void *cookie, uint64_t at, int32_t *ids, size_t n)
{
	struct train *x = cookie;

	return (tokens_read(x->tokens, at, n, ids, &x->fault));
}

/* Counts that the model begins with are taken on the training clock; weights from elsewhere bring theirs. */
static int
count_prior(struct train *x)
{
	const int64_t since = clock_mono_ns(), cpu = proc_cpu_ms(0);
	int rc;

	if (x->recipe.config.bigram_prior == CONFIG_NO_PRIOR || x->recipe.init_from != NULL)
		return (0);
	if ((x->tokens = tokens_open(&x->data->train, (uint32_t)x->recipe.config.vocab_size, &x->fault)) == NULL)
		return (dependencies_fault(x->w, &x->fault));
	if ((rc = prior_fill(x->m, tokens_count(x->tokens), read_training, x)) == -1)
		rc = dependencies_fault(x->w, &x->fault);
	tokens_close(x->tokens);
	x->clock_ns += clock_mono_ns() - since;
	x->cpu_ms += proc_cpu_ms(0) - cpu;
	return (rc);
}

/* Steps that are run and rolled back, so that the clock starts on a warm machine. */
static int
warm_up(struct train *x)
{
	struct trainer_result result;
	uint64_t i;

	if (x->recipe.warmup_steps == 0)
		return (0);
	if (trainer_mark(x->t) == -1)
		return (-1);
	for (i = 0; i < x->recipe.warmup_steps; i++) {
		if (stage_stopping(x->w))
			return (-1);
		if (trainer_step(x->t, &schedule_full_rates, &result) == -1)
			return (dependencies_fault(x->w, &x->fault));
		post(x, "warmup", i + 1, x->recipe.warmup_steps, 0);
	}
	trainer_rollback(x->t);
	return (0);
}

/* --- validation ---------------------------------------------------------------- */

static int
read_stream(void *cookie, uint64_t at, int32_t *ids, size_t n)
{
	return (docsums_read(cookie, at, ids, n, NULL));
}

/* The loss of the weights as they are, under the spec's eval law in the arithmetic of training; the clock stands. */
static int
measure(struct train *x, struct validated *of)
{
	struct score_args args = { .model = x->m, .bos = (int32_t)x->data->bos_id, .source = read_stream };
	struct score *s = NULL;
	struct docsums_sum sum;
	uint64_t part, first, end;
	const float *nats;
	struct docsums *y;
	int rc = -1;
	size_t n;

	if ((y = docsums_open(x->data, x->recipe.eval_docs, &x->fault)) == NULL)
		return (dependencies_fault(x->w, &x->fault));
	if (score_law_parse(x->recipe.eval_mode, x->recipe.eval_seq_len, &args.law) == -1) {
		stage_refuse(x->w, REFUSAL_EVAL_LAW_UNSUPPORTED, json_string(x->recipe.eval_mode), NULL, "%s",
		    say_last());
		goto err0;
	}
	args.windows = x->micro_batch / x->recipe.eval_seq_len;
	if (args.windows == 0)
		args.windows = 1;
	args.tokens = docsums_ids(y);
	args.cookie = y;
	/* What is validated is what will be scored, whatever the steps so far went through. */
	model_loop(x->m, 1);
	if ((s = score_open(&args)) == NULL) {
		inputs_broken(x->w);
		goto err0;
	}
	for (part = 0; part < score_parts(s); part++) {
		if (stage_stopping(x->w))
			goto err0;
		score_span(s, part, &first, &end);
		if (score_part(s, part, &nats, &n) == -1 || docsums_add(y, first, nats, n, &x->fault) == -1)
			goto err0;
		post_steps(x, "validate");
	}
	docsums_total(y, &sum);
	of->loss = sum.nats / (double)sum.tokens;
	of->bpb = bpb_of_sum(sum.nats, (double)sum.bytes);
	rc = 0;
err0:
	score_close(s);
	docsums_close(y);
	return (rc);
}

/* What a checkpoint would hold now, and the last weights where that is their average. */
static int
validate(struct train *x)
{
	int rc, exchanged = trainer_exchange(x->t);

	rc = measure(x, &x->val);
	if (exchanged) {
		trainer_exchange(x->t);
		if (rc == 0)
			rc = measure(x, &x->last);
	}
	x->validated = trainer_steps(x->t);
	return (rc);
}

/* --- the steps ------------------------------------------------------------------- */

/* One step on the clock. */
static int
step(struct train *x, const struct schedule_rates *rates, double *keep, double *grad_norm)
{
	const struct trainspec *c = &x->recipe;
	struct trainer_result result;
	int64_t ns = clock_mono_ns(), cpu = proc_cpu_ms(0);
	int rc;

	rc = trainer_step(x->t, rates, &result);
	ns = clock_mono_ns() - ns;
	x->clock_ns += ns;
	x->cpu_ms += proc_cpu_ms(0) - cpu;
	if (rc == TRAINER_DIVERGED)
		return (
		    stage_refuse(x->w, REFUSAL_LOSS_DIVERGED, jsonio_real(result.loss), json_string("a finite loss"),
			"step %llu: the loss or the gradient is not finite", (unsigned long long)trainer_steps(x->t)));
	if (rc == -1)
		return (dependencies_fault(x->w, &x->fault));
	schedule_measure(&x->pace, rates, (double)ns / 1e6);
	x->loss = result.loss;
	if (result.loss < x->best)
		x->best = result.loss;
	*grad_norm = result.grad_norm;
	if (c->law.average != OPTIMIZER_NO_AVERAGE) {
		*keep = schedule_average(&c->schedule, trainer_steps(x->t) - 1, (double)x->updated_ns / 1e6,
		    clock_ms(x));
		x->updated_ns = x->clock_ns;
		ns = clock_mono_ns();
		cpu = proc_cpu_ms(0);
		trainer_average(x->t, *keep);
		x->clock_ns += clock_mono_ns() - ns;
		x->cpu_ms += proc_cpu_ms(0) - cpu;
	}
	return (0);
}

/* Can min_steps and the iterations be made within the cap, at the best pace of this attempt? */
static int
check_pace(struct train *x)
{
	const struct schedule *s = &x->recipe.schedule;
	uint64_t n = trainer_steps(x->t), min = x->recipe.min_steps, reach;
	enum schedule_fit fit = schedule_fit(s, min, n, clock_ms(x), &x->pace);
	char less[64] = "";

	if (fit == SCHEDULE_FITS)
		return (0);
	reach = schedule_reach(s, n, clock_ms(x), &x->pace, x->pace.best_ms, NULL);
	if (x->reserve_ms > 0)
		snprintf(less, sizeof(less), " less %.0f ms for calibration", x->reserve_ms);
	if (fit == SCHEDULE_MISSES_MIN_STEPS)
		return (stage_refuse(x->w, REFUSAL_MIN_STEPS_UNREACHABLE, json_integer((json_int_t)reach),
		    json_integer((json_int_t)min),
		    "a step takes %.2f ms at best, so %llu steps fit in budget.max_wallclock_ms=%.0f%s, and "
		    "train.min_steps=%llu",
		    x->pace.best_ms, (unsigned long long)reach, cap_ms(x), less, (unsigned long long)min));
	return (stage_refuse(x->w, REFUSAL_SCHEDULE_OVER_CAP, json_integer((json_int_t)reach),
	    json_integer((json_int_t)s->iterations),
	    "a step takes %.2f ms at best, so %llu steps fit in budget.max_wallclock_ms=%.0f%s, and %s %llu",
	    x->pace.best_ms, (unsigned long long)reach, cap_ms(x), less,
	    s->law == SCHEDULE_REPLAY ? "train.replay has" : "train.iterations asks for",
	    (unsigned long long)s->iterations));
}

/* After ${n} steps: is the run so far behind the incumbent's that it can't be worth its end? Its own log says. */
static int
check_outrun(struct train *x, uint64_t n)
{
	double loss, limit;
	size_t i;

	for (i = 0; i < x->limits.checks && x->limits.check[i].step != n; i++)
		;
	if (i == x->limits.checks)
		return (0);
	if (pace_loss(stage_outputs(x->w), x->r->path, n, x->limits.window, &loss) == -1) {
		if (errno != ENODATA)
			return (-1);
		say_note("'%s' lacks some of the last %llu steps, so nothing is said by '%s' at step %llu",
		    RUNDIR_METRICS, (unsigned long long)x->limits.window, RUNDIR_PACE, (unsigned long long)n);
		return (0);
	}
	limit = x->limits.check[i].limit;
	if (loss <= limit)
		return (0);
	return (stage_refuse(x->w, REFUSAL_OUTRUN,
	    json_pack("{s:I, s:o}", "step", (json_int_t)n, "train_loss", jsonio_real(loss)),
	    json_pack("{s:o, s:s, s:s}", "train_loss_at_most", jsonio_real(limit), "file", RUNDIR_PACE, "pace_sha256",
		x->limits.sha256),
	    "after %llu of %llu steps the mean training loss of the last %llu is %.4f, and by '%s' a run above %.4f is "
	    "outrun by the incumbent's",
	    (unsigned long long)n, (unsigned long long)x->recipe.schedule.iterations,
	    (unsigned long long)x->limits.window, loss, RUNDIR_PACE, limit));
}

/* Until the schedule or the cap ends it. */
static int
run_steps(struct train *x)
{
	const struct trainspec *c = &x->recipe;
	uint64_t n = trainer_steps(x->t);
	double grad_norm = NAN, keep = 1;
	struct schedule_rates rates;

	for (; !schedule_done(&c->schedule, n, clock_ms(x)); n++) {
		/* No step starts after the cap, whatever the schedule; one that there was no time to look at is now. */
		if (c->schedule.cap_ms > 0 && clock_ms(x) >= c->schedule.cap_ms) {
			if (x->pace.steps > 0 && x->pace.looks == 0 && check_pace(x) == -1)
				return (-1);
			break;
		}
		if (stage_stopping(x->w)) {
			save(x);
			return (-1);
		}
		rates = schedule_rates(&c->schedule, n, clock_ms(x));
		if (step(x, &rates, &keep, &grad_norm) == -1 ||
		    (schedule_look_due(&c->schedule, &x->pace, clock_ms(x)) && check_pace(x) == -1))
			return (-1);
		if (c->val_every != 0 && (n + 1) % c->val_every == 0 && validate(x) == -1)
			return (-1);
		if ((n % c->log_every == 0 || x->validated == n + 1) && log_step(x, &rates, keep, grad_norm) == -1)
			return (-1);
		if (check_outrun(x, n + 1) == -1)
			return (-1);
		if (save_is_due(x) && save(x) == -1)
			return (-1);
		post_steps(x, "train");
	}
	say_progress_end();
	if (n == 0)
		return (stage_refuse(x->w, REFUSAL_NO_STEPS_TRAINED, json_integer(0), json_integer(1),
		    "no step was trained"));
	if (n < c->min_steps)
		return (stage_refuse(x->w, REFUSAL_MIN_STEPS_UNREACHABLE, json_integer((json_int_t)n),
		    json_integer((json_int_t)c->min_steps), "the cap passed after %llu steps", (unsigned long long)n));
	if (!trainer_finite(x->t))
		return (stage_refuse(x->w, REFUSAL_LOSS_DIVERGED, NULL, json_string("finite weights"),
		    "the last step left weights that are not finite"));
	if (c->val_every != 0 && x->validated != n && validate(x) == -1)
		return (-1);
	return (0);
}

/* --- the receipt ------------------------------------------------------------------ */

/* Nothing in it tells one run from another: the same weights are the same file. */
static int
write_checkpoint(struct train *x)
{
	const struct params *p = model_params(x->m);
	struct atomfile *out;
	float *w;

	if ((w = malloc(p->n * sizeof(*w))) == NULL)
		return (-1);
	model_get(x->m, w);
	if ((out = atomfile_begin(stage_outputs(x->w), RUNDIR_CHECKPOINT)) == NULL)
		goto err0;
	if (checkpoint_write(atomfile_fd(out), p, w, NULL) == -1) {
		atomfile_abort(out);
		return (-1);
	}
	if (atomfile_commit(out, ATOMFILE_CREATE) == -1)
		goto err0;
	free(w);
	return (0);
err0:
	say_errno("cannot write '%s'", RUNDIR_CHECKPOINT);
	return (-1);
}

/* How long the machine slept meanwhile: what is under a second is between two looks at a clock. */
static int64_t
suspended_ms(const struct train *x)
{
	int64_t ms = clock_slept_ms() - x->slept_ms;

	return (ms < 1000 ? 0 : ms);
}

/* What the run was too short or too long for; the spec says nothing of steps where a cap ends it. */
static void
tell_size(const struct train *x, uint64_t steps)
{
	struct runsize z;

	runsize_of(&z, &x->recipe, x->data->train.tokens);
	z.steps = steps;
	z.train_tokens = x->data->train.tokens;
	runsize_tell(&z, 1);
	if (x->recipe.law.average != OPTIMIZER_NO_AVERAGE && trainer_averaged(x->t) == 0)
		say_note("the run ended before train.average_from: its checkpoint is the last weights, and no average");
}

static json_t *
receipt(struct train *x)
{
	static const char *const laws[] = { "iterations", "wallclock", "replay" };
	const struct schedule *s = &x->recipe.schedule;
	const double cap = cap_ms(x), stepping_ms = clock_ms(x) - (double)x->watch_ns / 1e6;
	uint64_t steps = trainer_steps(x->t), code_bytes;
	const uint64_t tokens = trainer_tokens(x->t), stream = x->data->train.tokens;
	double ms = clock_ms(x), over = cap > 0 && ms > cap ? ms - cap : 0;
	const char *code_sha256;
	json_t *v, *model, *metrics, *levers = trainspec_levers(&x->recipe, "train."), *spec = x->r->spec.json;

	if (write_checkpoint(x) == -1 || (x->watched > 0 && write_calibration(x) == -1))
		return (NULL);
	if (metrics_sync(&x->metrics) == -1)
		return (NULL);
	if ((model = config_to_json(&model_params(x->m)->config)) == NULL ||
	    (metrics = provenance_file(stage_outputs(x->w), RUNDIR_METRICS)) == NULL)
		return (NULL);
	json_object_set_new(model, "params", json_integer((json_int_t)model_params(x->m)->n));
	json_object_set_new(metrics, "rows", json_integer((json_int_t)x->metrics.rows));
	fingerprint_code(&code_bytes, &code_sha256);
	v = json_pack("{s:s, s:s, s:s, s:o, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}",
	    "dataset_sha256", x->data->sha256, "tokenizer_sha256", x->data->tokenizer_sha256, "config_sha256",
	    jsonio_text(spec, "digests.config_sha256", ""), "model", model, "seed", (json_int_t)x->recipe.seed,
	    "schedule", laws[s->law], "steps", (json_int_t)steps, "tokens", (json_int_t)tokens, "batch_tokens",
	    (json_int_t)x->recipe.batch_tokens, "micro_batch_tokens", (json_int_t)x->micro_batch, "seq_len",
	    (json_int_t)x->recipe.seq_len, "warmup_steps", (json_int_t)x->recipe.warmup_steps, "train_ms",
	    (json_int_t)ms, "wallclock_ms", (json_int_t)(x->before_ms + (clock_mono_ns() - x->began_ns) / 1000000),
	    "lost_ms", (json_int_t)x->lost_ms, "overshoot_ms", (json_int_t)ceil(over), "cap_ms",
	    cap > 0 ? json_integer((json_int_t)cap) : json_string("none"));
	if (v == NULL || levers == NULL)
		return (NULL);
	if ((json_object_size(levers) > 0 && json_object_set(v, "levers", levers) == -1) ||
	    json_object_update_new(v,
		json_pack("{s:o, s:o, s:I, s:b, s:o, s:o, s:o, s:o, s:I}", "step_ms_mean",
		    jsonio_real(stepping_ms / (double)steps), "tokens_per_s",
		    jsonio_real((double)tokens / stepping_ms * 1e3), "cpu_ms", (json_int_t)x->cpu_ms, "starved",
		    provenance_starved(x->m, x->recipe.threads, x->cpu_ms, ms), "final_train_loss",
		    jsonio_real(x->loss), "best_train_loss", jsonio_real(x->best), "val_loss", jsonio_real(x->val.loss),
		    "val_bpb", jsonio_real(x->val.bpb), "peak_memory_bytes", (json_int_t)proc_peak_memory(0))) == -1 ||
	    provenance_system(x->m, x->recipe.threads, x->r->spec.limits.lane, v) == -1 ||
	    json_object_update_new(v,
		json_pack("{s:s, s:s, s:I, s:I, s:o, s:o}", "code_sha256", code_sha256, "stop_reason",
		    steps >= s->iterations ? "iterations" : "wallclock", "resumes", (json_int_t)x->resumes,
		    "suspended_ms", (json_int_t)suspended_ms(x), "checkpoint",
		    provenance_file(stage_outputs(x->w), RUNDIR_CHECKPOINT), "metrics", metrics)) == -1 ||
	    json_object_update_new(v,
		json_pack("{s:I, s:I, s:I, s:o}", "data_offset", (json_int_t)x->recipe.data_offset, "stream_tokens",
		    (json_int_t)stream, "unique_tokens", (json_int_t)(tokens < stream ? tokens : stream), "epochs",
		    jsonio_real((double)tokens / (double)stream))) == -1 ||
	    (x->recipe.law.average != OPTIMIZER_NO_AVERAGE &&
		json_object_set_new(v, "averaged_steps", json_integer((json_int_t)trainer_averaged(x->t))) == -1) ||
	    (x->watched > 0 && json_object_set_new(v, "calibration", calibration_receipt(x)) == -1) ||
	    (!isnan(x->last.loss) &&
		json_object_update_new(v,
		    json_pack("{s:o, s:o}", "last_val_loss", jsonio_real(x->last.loss), "last_val_bpb",
			jsonio_real(x->last.bpb))) == -1) ||
	    (x->limits.checks > 0 && json_object_set_new(v, "pace_sha256", json_string(x->limits.sha256)) == -1)) {
		json_decref(v);
		v = NULL;
	}
	json_decref(levers);
	if (v != NULL)
		tell_size(x, steps);
	return (v);
}

/* --- the worker ------------------------------------------------------------ */

/* Weights from elsewhere are those that the spec means; trainer_open_spec reads them. */
static int
bind_weights(struct train *x)
{
	int fd;

	if (x->recipe.init_from == NULL)
		return (0);
	if ((fd = inputs_given(x->w, x->recipe.init_from, jsonio_text(x->r->spec.json, "digests.init_sha256", ""))) ==
	    -1)
		return (-1);
	close(fd);
	return (0);
}

/* The scales that a replay follows. */
static int
read_replay(struct train *x)
{
	struct schedule_recorded recorded;
	char *text;
	size_t n;
	int fd;

	if (x->recipe.replay == NULL)
		return (0);
	if ((fd = inputs_given(x->w, x->recipe.replay, jsonio_text(x->r->spec.json, "digests.replay_sha256", ""))) ==
	    -1)
		return (-1);
	if ((text = file_read_fd(fd, (size_t)1 << 30, &n)) == NULL) {
		say_errno("cannot read '%s'", x->recipe.replay);
		return (-1);
	}
	close(fd);
	if (schedule_read(text, n, &recorded) == -1 || schedule_read_follow(&x->recipe.schedule, &recorded) == -1)
		return (stage_refuse(x->w, REFUSAL_INPUT_INVALID, NULL, NULL, "%s", say_last()));
	free(text);
	return (0);
}

/* By which losses it is ended early, unless it is trained again to be compared. */
static int
read_limits(struct train *x)
{
	if (x->o->again || pace_read(x->r, &x->limits) != -1)
		return (0);
	return (errno == EBADMSG ? stage_refuse(x->w, REFUSAL_INPUT_INVALID, NULL, NULL, "%s", say_last()) : -1);
}

/* What is trained again is what the receipt is of; what followed a clock can't be. */
static int
take_recorded(struct train *x)
{
	char sha256[SHA256_HEX_SIZE];

	if (inputs_receipt(x->w, STAGE_TRAIN, &x->recorded, sha256) == -1)
		return (-1);
	if (x->recipe.schedule.law == SCHEDULE_WALLCLOCK)
		return (stage_refuse(x->w, REFUSAL_SPEC_INVALID, json_string("wallclock"), json_string("iterations"),
		    "train.schedule=wallclock follows the clock, which does not come again; train.replay follows its "
		    "metrics"));
	return (0);
}

/* Everything but the training: what would be found out after the wait for a lane is found out now. */
static int
dry_run(struct train *x)
{
	struct trainer_result result;
	struct runsize z;
	int64_t ns;

	runsize_of(&z, &x->recipe, x->data->train.tokens);
	runsize_tell(&z, 0);
	/* A step of one micro-batch, of which a real one has several. */
	x->recipe.batch_tokens = x->micro_batch;
	if (open_model(x) == -1)
		return (-1);
	ns = clock_mono_ns();
	if (trainer_step(x->t, &schedule_full_rates, &result) == -1)
		return (dependencies_fault(x->w, &x->fault));
	ns = clock_mono_ns() - ns;
	return (stage_deliver(x->w,
	    json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:I}", "result", "dry_run", "backend",
		model_backend(x->m), "isa", model_isa(x->m), "arith", trainspec_arith_name(model_arith(x->m)),
		"threads", (json_int_t)provenance_threads(x->m, x->recipe.threads), "params",
		(json_int_t)model_params(x->m)->n, "micro_batch_tokens", (json_int_t)x->micro_batch, "train_loss",
		jsonio_real(result.loss), "micro_batch_ms", jsonio_real((double)ns / 1e6), "peak_memory_bytes",
		(json_int_t)proc_peak_memory(0))));
}

int
training_work(struct stage_work *w, void *arg)
{
	struct train x = { .w = w,
		.r = stage_rundir(w),
		.o = arg,
		.began_ns = clock_mono_ns(),
		.slept_ms = clock_slept_ms(),
		.loss = NAN,
		.best = INFINITY,
		.val = { NAN, NAN },
		.last = { NAN, NAN } };
	json_t *extra = NULL;
	unsigned parts = DATASET_TRAIN;
	int going_on;

	if (trainspec_read(&x.recipe, x.r->spec.json) == -1)
		return (stage_refuse(w, REFUSAL_SPEC_INVALID, NULL, NULL, "%s", say_last()));
	if (x.o->threads != 0)
		x.recipe.threads = x.o->threads;
	else if (x.recipe.threads == 0)
		x.recipe.threads = proc_cpus();
	if (x.recipe.val_every != 0)
		parts |= DATASET_VAL | DATASET_TOKENIZER;
	if (x.o->again && take_recorded(&x) == -1)
		return (-1);
	if (read_limits(&x) == -1 || bind_weights(&x) == -1 || read_replay(&x) == -1 ||
	    dependencies_data(w, parts, &x.data) == -1 || choose_micro_batch(&x) == -1)
		return (-1);
	if (x.o->dry)
		return (dry_run(&x));
	if (metrics_open(&x.metrics, stage_outputs(w)) == -1 || open_model(&x) == -1 ||
	    (going_on = resume(&x, &extra)) == -1)
		return (-1);
	if (going_on)
		say_note("going on from step %llu of '%s'", (unsigned long long)trainer_steps(x.t), x.r->path);
	else if (count_prior(&x) == -1 || warm_up(&x) == -1 || measure_calibration(&x) == -1)
		return (-1);
	if (metrics_cut(&x.metrics) == -1)
		return (errno != ENODATA ?
			-1 :
			stage_refuse(w, REFUSAL_INPUT_TRUNCATED, NULL, json_integer((json_int_t)x.metrics.bytes),
			    "'%s' is shorter than '%s' counts on: remove both to begin anew", RUNDIR_METRICS,
			    RUNDIR_RESUME));
	x.saved_ns = clock_mono_ns();
	/* Else an attempt that is killed before its first save was none, and what it found lost is forgotten. */
	if (going_on && save(&x) == -1)
		return (-1);
	if (run_steps(&x) == -1)
		return (-1);
	/* From here on the weights are those that the checkpoint holds. */
	(void)trainer_exchange(x.t);
	if (calibrate(&x) == -1)
		return (-1);
	return (stage_deliver(w, receipt(&x)));
}

/* --- hg-train -n and -c ---------------------------------------------------------------- */

static int
print(json_t *v)
{
	char *line = v == NULL ? NULL : jsonio_line(v);

	json_decref(v);
	if (line == NULL) {
		errno = ENOMEM;
		say_errno("cannot print");
		return (-1);
	}
	out_json(line, strlen(line));
	free(line);
	return (0);
}

int
training_tell(void *arg, const struct rundir *r, int outputs, const json_t *delivered)
{
	json_t *v = json_pack("{s:s}", "run_id", r->id);

	(void)arg, (void)outputs;
	if (v != NULL)
		(void)json_object_update(v, (json_t *)(uintptr_t)delivered);
	return (print(v) == -1 ? HG_EXIT_SYSTEM : HG_EXIT_DONE);
}

/* What must come again to the bit, in any run; and what does where this build itself trains. */
int
training_compare(void *arg, const struct rundir *r, int outputs, const json_t *delivered)
{
	static const char *const keys[] = { "checkpoint.sha256", "calibration.sha256", "files", "claimed", "steps",
		"tokens", "final_train_loss", "val_loss", "config_sha256", "dataset_sha256", "system_sha256" };
	/* How far apart the scores are where the bits are not the same. */
	static const char *const scores[] = { "val_bpb", "recorded_val_bpb" };
	json_t *recorded, *differ = json_array(), *observed = json_object(), *expected = json_object(), *a, *b, *out;
	int same, error;
	size_t i;

	(void)arg, (void)outputs;
	if (contract_read(r->fd, rundir_stages[STAGE_TRAIN].receipt, rundir_contract(r, STAGE_TRAIN), NULL,
		&recorded) == -1) {
		error = errno;
		return (error == ENOENT ? HG_EXIT_PENDING : error == EBADMSG ? HG_EXIT_CONTRACT : HG_EXIT_SYSTEM);
	}
	/* The time that a program took by its own word. */
	json_object_del(json_object_get(recorded, "claimed"), "train_ms");
	json_object_del(json_object_get(delivered, "claimed"), "train_ms");
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		a = jsonio_get(delivered, keys[i]);
		b = jsonio_get(recorded, keys[i]);
		if (a == b || (a != NULL && b != NULL && json_equal(a, b)))
			continue;
		json_array_append_new(differ, json_string(keys[i]));
		json_object_set(observed, keys[i], a == NULL ? json_null() : a);
		json_object_set(expected, keys[i], b == NULL ? json_null() : b);
	}
	/* Another machine is told, and is no difference of what was trained. */
	same = json_array_size(differ) == 0 ||
	    (json_array_size(differ) == 1 && json_object_get(observed, "system_sha256") != NULL);
	json_decref(recorded);
	out = json_pack("{s:b, s:o, s:o, s:o, s:s}", "same", same, "differ", differ, "observed", observed, "expected",
	    expected, "run_id", r->id);
	for (i = 0; i < sizeof(scores) / sizeof(scores[0]); i++)
		if (json_object_get(delivered, scores[1]) != NULL && out != NULL &&
		    (a = json_object_get(delivered, scores[i])) != NULL)
			(void)json_object_set(out, scores[i], a);
	if (print(out) == -1)
		return (HG_EXIT_SYSTEM);
	return (same ? HG_EXIT_DONE : HG_EXIT_NO);
}
