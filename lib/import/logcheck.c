#include <math.h>
#include <stdio.h>
#include <string.h>

#include "import/fields.h"
#include "import/logcheck.h"

static int
log_value(struct claim *c, enum claim_what what, const struct logtext_figure *f, const char *file, const char *label,
    size_t label_n)
{
	char path[128];
	int value;

	if (f->text == NULL)
		return (-1);
	snprintf(path, sizeof(path), "%.*s", label_n < sizeof(path) - 4 ? (int)label_n : (int)sizeof(path) - 4, label);
	value = claim_value(c, what, "", f->text, f->n, claim_what_kind(what), file, f->line, path);
	return (value);
}

/* A setting that has no name of ours, under its own. */
static void
log_setting(struct claim *c, const struct logtext_figure *f, const char *file, const char *name, int run)
{
	int value;

	if (f->text == NULL)
		return;
	value = claim_value(c, CLAIM_OWN, name, f->text, f->n, NUMBER_ANY, file, f->line, name);
	if (value >= 0)
		c->values[value].run = run;
}

/* What a log says besides scores, for a run. */
static void
log_rest(struct claim *c, const struct logcheck *log, int run)
{
	const struct {
		enum claim_what what;
		const struct logtext_figure *f;
		const char *label;
	} rest[] = {
		{ CLAIM_TOKENS, &log->text.tokens, "val tokens" },
		{ CLAIM_STEPS, &log->text.step, "step" },
		{ CLAIM_TRAIN_MS, &log->text.train_ms, "train_time" },
		{ CLAIM_CODE_BYTES, &log->text.code_bytes, "Code size" },
		{ CLAIM_TOTAL_BYTES, &log->text.total_bytes, "Total submission size" },
	};
	struct claim_value *v;
	unsigned *at;
	size_t i;
	int value;

	for (i = 0; i < sizeof(rest) / sizeof(rest[0]); i++) {
		if ((value = log_value(c, rest[i].what, rest[i].f, log->from->name, rest[i].label,
			 strlen(rest[i].label))) < 0)
			continue;
		v = &c->values[value];
		v->run = run;
		if (run < 0 || isnan(v->figure.number) || (at = fields_of_run(&c->runs[run], v->what)) == NULL)
			continue;
		if (*at != 0 && v->what == CLAIM_TOTAL_BYTES && claim_number(c, *at) != v->figure.number)
			claim_note(c, DEFECT_BYTES_DISAGREE, v->file, v->line, "the log says %s bytes, %s says %s",
			    v->text, c->values[*at - 1].path, c->values[*at - 1].text);
		/* What was measured stands before what was said. */
		*at = (unsigned)value + 1;
	}
	if (log->text.models == 1)
		log_setting(c, &log->text.params, log->from->name, "model_params", run);
	log_setting(c, &log->text.time_cap, log->from->name, "max_wallclock_seconds", run);
	if (log->text.other_total.text != NULL && log->text.total_bytes.text == NULL)
		log_value(c, CLAIM_OWN, &log->text.other_total, log->from->name, "Total submission size", 21);
}

/* The scores of a log as values; the index + 1 of each bpb in ${bpb}, of each loss in ${loss}. */
static void
log_scores(struct claim *c, const struct logcheck *log, int run, unsigned *bpb, unsigned *loss)
{
	const struct logtext_score *s;
	size_t i;
	int value;

	for (i = 0; i < log->text.score_count; i++) {
		s = &log->text.scores[i];
		value = log_value(c, CLAIM_VAL_BPB, &s->val_bpb, log->from->name, s->label, s->label_n);
		bpb[i] = (unsigned)(value + 1);
		if (value >= 0)
			c->values[value].run = run;
		value = log_value(c, CLAIM_VAL_LOSS, &s->val_loss, log->from->name, s->label, s->label_n);
		loss[i] = (unsigned)(value + 1);
		if (value >= 0)
			c->values[value].run = run;
	}
}

/* "final_int6_roundtrip_exact" and "final_int6_roundtrip" are one score, printed twice. */
static size_t
stem(const struct logtext_score *s)
{
	return (s->label_n > 6 && memcmp(s->label + s->label_n - 6, "_exact", 6) == 0 ? s->label_n - 6 : s->label_n);
}

static int
same_label(const struct logtext_score *a, const struct logtext_score *b)
{
	return (stem(a) == stem(b) && memcmp(a->label, b->label, stem(a)) == 0);
}

/* The finest score of a log with that label; its last one among equals. */
static int
labelled(const struct logtext *log, const struct logtext_score *like)
{
	int best = -1;
	size_t i;

	for (i = 0; i < log->score_count; i++) {
		if (!same_label(&log->scores[i], like) || isnan(log->scores[i].val_bpb.figure.number))
			continue;
		if (best == -1 || log->scores[i].val_bpb.figure.unit <= log->scores[best].val_bpb.figure.unit)
			best = (int)i;
	}
	return (best);
}

/*
 * The scores that a number can be, the most particular way of scoring among them: a number under two labels is one
 * score.
 */
static int
agreeing(const struct logtext *log, double x, double unit)
{
	const struct logtext_score *s, *b;
	int best = -1;
	size_t i;

	for (i = 0; i < log->score_count; i++) {
		s = &log->scores[i];
		if (isnan(s->val_bpb.figure.number) ||
		    !number_agree(s->val_bpb.figure.number, s->val_bpb.figure.unit, x, unit))
			continue;
		b = best == -1 ? NULL : &log->scores[best];
		if (b == NULL || s->scoring > b->scoring ||
		    (s->scoring == b->scoring && s->val_bpb.figure.unit <= b->val_bpb.figure.unit))
			best = (int)i;
	}
	return (best);
}

/* The last score that is of the artifact, as far as labels tell. */
static int
final(const struct logtext *log)
{
	size_t i;

	for (i = log->score_count; i-- > 0;)
		if (log->scores[i].scoring != CLAIM_PREQUANT && !isnan(log->scores[i].val_bpb.figure.number))
			return (labelled(log, &log->scores[i]));
	return (-1);
}

/* How a score was made, by its label and by what else the log says. */
static void
scoring(struct claim *c, int run, const struct logcheck *log, int which)
{
	const struct logtext_score *s = &log->text.scores[which];
	struct claim_run *r = &c->runs[run];
	size_t i;

	r->scoring = s->scoring;
	r->stride = 0;
	if (s->scoring == CLAIM_PLAIN && log->text.slides) {
		for (i = 0; i < log->text.score_count && log->text.scores[i].scoring != CLAIM_SLIDING; i++)
			;
		if (i == log->text.score_count) {
			r->scoring = CLAIM_SLIDING;
			claim_note(c, DEFECT_SCORING_UNDECLARED, log->from->name, s->val_bpb.line,
			    "%.*s is a score by sliding windows, as other lines of the log say", (int)stem(s),
			    s->label);
		}
	}
	/* The stride may stand on the line without digits to spare. */
	for (i = 0; i < log->text.score_count && r->stride == 0 && r->scoring == CLAIM_SLIDING; i++)
		if (same_label(&log->text.scores[i], s))
			r->stride = log->text.scores[i].stride;
	if (r->scoring == CLAIM_SLIDING && r->stride == 0)
		r->stride = log->text.stride;
	if (r->scoring == CLAIM_PREQUANT)
		claim_note(c, DEFECT_PREQUANT_SCORE, log->from->name, s->val_bpb.line,
		    "%.*s is no score of the artifact", (int)stem(s), s->label);
}

/* Take a log's score for a run. */
static void
take_score(struct claim *c, int run, const struct logcheck *log, int which, const unsigned *bpb, const unsigned *loss)
{
	struct claim_run *r = &c->runs[run];
	unsigned claimed = r->val_loss;

	scoring(c, run, log, which);
	if (bpb[which] == 0)
		return;
	r->val_bpb = bpb[which];
	if (r->score == 0 || claim_unit(c, bpb[which]) <= claim_unit(c, r->score))
		r->score = bpb[which];
	if (loss[which] == 0 || isnan(claim_number(c, loss[which])))
		return;
	if (claimed != 0 &&
	    !number_agree(claim_number(c, claimed), claim_unit(c, claimed), claim_number(c, loss[which]),
		claim_unit(c, loss[which])))
		claim_note(c, DEFECT_SCORE_DISAGREES, c->values[claimed - 1].file, c->values[claimed - 1].line,
		    "%s is %s, and '%s' says %s with the same bpb", c->values[claimed - 1].path,
		    c->values[claimed - 1].text, log->from->name, c->values[loss[which] - 1].text);
	r->val_loss = loss[which];
}

/* Does the log's end tell of failure, or of nothing? */
static void
check_end(struct claim *c, const struct logcheck *log)
{
	int has = final(&log->text);

	if (log->text.templates > 0)
		claim_note(c, DEFECT_TEMPLATE, log->from->name, log->text.template.line,
		    "%u lines of source stand where values would; the first: \"%.*s\"", log->text.templates,
		    log->text.template.n < 60 ? (int)log->text.template.n : 60, log->text.template.text);
	if (log->text.crashed != 0 && has == -1)
		claim_note(c, DEFECT_CRASHED, log->from->name, log->text.crashed,
		    "it failed here, and has no final score");
	else if (log->text.cut != 0)
		claim_note(c, DEFECT_TRUNCATED_LOG, log->from->name, log->text.cut, "it ends in the middle of a line");
	else if (log->text.trained != 0 && has == -1)
		claim_note(c, DEFECT_TRUNCATED_LOG, log->from->name, log->text.trained,
		    "the last training step; no final score in %u lines", log->text.lines);
}

/* A claimed score of the run against its log. */
static void
match_run(struct claim *c, int run, const struct logcheck *log)
{
	unsigned bpb[LOGTEXT_SCORES] = { 0 }, loss[LOGTEXT_SCORES] = { 0 }, claimed = c->runs[run].score;
	const struct claim_value *v;
	size_t i;
	int which;

	log_scores(c, log, run, bpb, loss);
	log_rest(c, log, run);
	check_end(c, log);
	if (claimed == 0) {
		if ((which = final(&log->text)) != -1)
			take_score(c, run, log, which, bpb, loss);
		return;
	}
	if ((which = agreeing(&log->text, claim_number(c, claimed), claim_unit(c, claimed))) != -1) {
		take_score(c, run, log, which, bpb, loss);
		return;
	}
	v = &c->values[claimed - 1];
	for (i = 0; i < log->text.score_count; i++)
		if (number_agree(log->text.scores[i].val_loss.figure.number, log->text.scores[i].val_loss.figure.unit,
			v->figure.number, v->figure.unit)) {
			claim_note(c, DEFECT_LOSS_AS_BPB, v->file, v->line, "%s is %s, a loss in '%s'", v->path,
			    v->text, log->from->name);
			claim_doubt(c, (int)claimed - 1, DEFECT_LOSS_AS_BPB);
			c->runs[run].score = c->runs[run].val_bpb = 0;
			return;
		}
	if (log->text.progress.label != NULL && !isnan(log->text.progress.val_bpb.figure.number) &&
	    number_agree(log->text.progress.val_bpb.figure.number, log->text.progress.val_bpb.figure.unit,
		v->figure.number, v->figure.unit)) {
		claim_note(c, DEFECT_PREQUANT_SCORE, v->file, v->line,
		    "%s is %s, the validation of line %u of '%s' while it"
		    " trained",
		    v->path, v->text, log->text.progress.val_bpb.line, log->from->name);
		c->runs[run].scoring = CLAIM_PREQUANT;
		return;
	}
	if ((which = final(&log->text)) != -1)
		claim_note(c, DEFECT_SCORE_DISAGREES, v->file, v->line, "%s is %s; '%s' ends with %s %.*s on line %u",
		    v->path, v->text, log->from->name, claim_what_name(CLAIM_VAL_BPB),
		    (int)log->text.scores[which].val_bpb.n, log->text.scores[which].val_bpb.text,
		    log->text.scores[which].val_bpb.line);
}

/*
 * Which of the scores that all logs have is the claimed one: the label whose mean it is, or else that one of them has
 * it.  -1: none is; then the logs' final scores stand for themselves.
 */
static int
choose(const struct logcheck *logs, size_t n, double claimed, double unit, int *as_mean)
{
	const struct logtext *first = &logs[0].text;
	double sum, coarse;
	int best = -1, rank, best_rank = 0, at, single;
	size_t i, k, have;

	for (i = 0; i < first->score_count; i++) {
		for (sum = 0, coarse = 0, single = 0, have = 0, k = 0; k < n; k++) {
			if ((at = labelled(&logs[k].text, &first->scores[i])) == -1)
				continue;
			have++;
			sum += logs[k].text.scores[at].val_bpb.figure.number;
			coarse = fmax(coarse, logs[k].text.scores[at].val_bpb.figure.unit);
			single |= number_agree(logs[k].text.scores[at].val_bpb.figure.number,
			    logs[k].text.scores[at].val_bpb.figure.unit, claimed, unit);
		}
		if (have == 0)
			continue;
		rank = have == n && number_agree(sum / (double)n, coarse, claimed, unit) ? 2 : single ? 1 : 0;
		if (rank == 0)
			continue;
		rank = 16 * rank + (int)first->scores[i].scoring;
		if (rank >= best_rank) {
			best_rank = rank;
			best = (int)i;
		}
	}
	*as_mean = best_rank >= 32;
	return (best);
}

/* Is each log of a seed of its own? Then they are the runs of one configuration, as far as anybody says. */
static int
one_each(const struct logcheck *logs, size_t n)
{
	size_t i, k;

	for (i = 0; i < n; i++)
		for (k = 0; k <= i; k++)
			if (n > 1 && (!logs[i].has_seed || (k < i && logs[k].seed == logs[i].seed)))
				return (0);
	return (1);
}

static void
run_from_log(struct claim *c, const struct logcheck *log, int which)
{
	unsigned bpb[LOGTEXT_SCORES] = { 0 }, loss[LOGTEXT_SCORES] = { 0 };
	int run = log->has_seed ? claim_run_of(c, log->seed) : claim_run(c);

	/* A seed may have been run twice. */
	if (run >= 0 && c->runs[run].score != 0 && (run = claim_run(c)) >= 0) {
		c->runs[run].has_seed = 1;
		c->runs[run].seed = log->seed;
	}
	if (run < 0)
		return;
	log_scores(c, log, run, bpb, loss);
	log_rest(c, log, run);
	check_end(c, log);
	if (which != -1)
		take_score(c, run, log, which, bpb, loss);
}

/*
 * Logs that are not one for each seed may be of anything: other settings, earlier attempts.  Only the one that has the
 * claimed score is taken, if there is but one.
 */
static void
run_among_logs(struct claim *c, const struct logcheck *logs, size_t n)
{
	size_t i, hits = 0, hit = 0;
	int which = -1, at;

	for (i = 0; i < n && c->score != 0; i++) {
		if ((at = agreeing(&logs[i].text, claim_number(c, c->score), claim_unit(c, c->score))) == -1)
			continue;
		hits++;
		hit = i;
		which = at;
	}
	claim_note(c, DEFECT_SEEDS_UNMATCHED, c->file, 0,
	    "%zu logs that are not one for each seed; %zu of them have the score", n, hits);
	if (hits == 1)
		run_from_log(c, &logs[hit], which);
}

void
logcheck_runs(struct claim *c, struct logcheck *logs, size_t n)
{
	const struct claim_value *v;
	int which = -1, at, as_mean = 0;
	size_t i;

	if (c->score != 0)
		which = choose(logs, n, claim_number(c, c->score), claim_unit(c, c->score), &as_mean);
	if (!one_each(logs, n) && !as_mean) {
		run_among_logs(c, logs, n);
		return;
	}
	if (which == -1 && c->score != 0) {
		v = &c->values[c->score - 1];
		for (i = 0; i < n && (at = final(&logs[i].text)) == -1; i++)
			;
		if (i < n)
			claim_note(c, DEFECT_SCORE_DISAGREES, v->file, v->line,
			    "%s is %s; '%s' ends with %.*s on line %u", v->path, v->text, logs[i].from->name,
			    (int)logs[i].text.scores[at].val_bpb.n, logs[i].text.scores[at].val_bpb.text,
			    logs[i].text.scores[at].val_bpb.line);
	}
	for (i = 0; i < n; i++)
		run_from_log(c, &logs[i],
		    which == -1 ? final(&logs[i].text) : labelled(&logs[i].text, &logs[0].text.scores[which]));
}

size_t
logcheck_sort(struct claim *c, const struct logtext_file *from, size_t count, struct logcheck *logs)
{
	size_t i, k, n = 0;
	int64_t named;
	struct logcheck *log;

	for (i = 0; i < count; i++) {
		claim_file(c, from[i].name, &from[i].file);
		if (from[i].file.text == NULL)
			continue;
		log = &logs[n];
		memset(log, 0, sizeof(*log));
		log->from = &from[i];
		for (k = 0; k < n && strcmp(logs[k].from->file.sha256, from[i].file.sha256) != 0; k++)
			;
		if (k < n) {
			claim_note(c, DEFECT_DUPLICATE_LOG, from[i].name, 0, "the same bytes as '%s'",
			    logs[k].from->name);
			continue;
		}
		logtext_read(&log->text, from[i].file.text, from[i].file.n);
		if (!logtext_is_one(&log->text) && log->text.templates == 0)
			continue;
		if (log->text.seed.text != NULL && log->text.seeds == 1) {
			log->has_seed = 1;
			log->seed = (int64_t)log->text.seed.figure.number;
		}
		if (log->text.seeds > 1) {
			claim_note(c, DEFECT_SEED_DISAGREES, from[i].name, log->text.seed.line,
			    "it tells of several seeds");
		} else if (logtext_name_seed(from[i].name, &named)) {
			if (log->has_seed && log->seed != named)
				claim_note(c, DEFECT_SEED_DISAGREES, from[i].name, log->text.seed.line,
				    "its name says seed %lld, its line %u seed %lld", (long long)named,
				    log->text.seed.line, (long long)log->seed);
			else if (!log->has_seed) {
				log->has_seed = 1;
				log->seed = named;
			}
		}
		n++;
	}
	return (n);
}

void
logcheck_match(struct claim *c, struct logcheck *logs, size_t n)
{
	size_t i, k, hits, run;
	int best;

	for (run = 0; run < c->run_count; run++) {
		for (hits = 0, best = -1, i = 0; i < n; i++) {
			if (!(c->runs[run].has_seed ? logs[i].has_seed && logs[i].seed == c->runs[run].seed :
						      c->run_count == 1 && n == 1))
				continue;
			hits++;
			/* Of several logs of a seed the one that has its score. */
			if (best == -1 ||
			    (c->runs[run].score != 0 &&
				agreeing(&logs[best].text, claim_number(c, c->runs[run].score),
				    claim_unit(c, c->runs[run].score)) == -1))
				best = (int)i;
		}
		if (hits > 1) {
			claim_note(c, DEFECT_SEED_TWICE, logs[best].from->name, 0, "%zu logs of seed %lld that differ",
			    hits, (long long)c->runs[run].seed);
			if (c->runs[run].score == 0 ||
			    agreeing(&logs[best].text, claim_number(c, c->runs[run].score),
				claim_unit(c, c->runs[run].score)) == -1)
				continue;
		}
		if (best == -1) {
			claim_note(c, DEFECT_SEEDS_UNMATCHED, c->file, 0, "no log is of seed %lld",
			    (long long)c->runs[run].seed);
			continue;
		}
		match_run(c, (int)run, &logs[best]);
		for (k = 0; k < n; k++)
			if (logs[k].has_seed && c->runs[run].has_seed && logs[k].seed == c->runs[run].seed)
				logs[k].used = 1;
		logs[best].used = 1;
	}
	for (i = 0; i < n; i++) {
		if (logs[i].used)
			continue;
		if (logs[i].has_seed)
			claim_note(c, DEFECT_SEEDS_UNMATCHED, logs[i].from->name, 0,
			    "a log of seed %lld, which the claim does not name", (long long)logs[i].seed);
		else
			claim_note(c, DEFECT_SEEDS_UNMATCHED, logs[i].from->name, 0, "a log that names no seed");
		check_end(c, &logs[i]);
	}
}
