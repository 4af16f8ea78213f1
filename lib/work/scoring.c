#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bpb.h"
#include "base/atomfile.h"
#include "base/clock.h"
#include "schema/contract.h"
#include "data/dataset.h"
#include "work/provenance.h"
#include "base/exit.h"
#include "base/file.h"
#include "stage/inputs.h"
#include "base/jsonio.h"
#include "work/dependencies.h"
#include "gpt/model.h"
#include "base/out.h"
#include "base/proc.h"
#include "base/progress.h"
#include "gpt/trainspec.h"
#include "base/say.h"
#include "base/shell.h"
#include "base/str.h"
#include "gpt/score.h"
#include "work/external.h"
#include "work/scoring.h"
#include "data/docsums.h"

/* Ids of one part: enough to keep the kernels busy, few enough to report and save often. */
#define PART_IDS 8192
#define NOTE_NS ((int64_t)5 * 1000000000)

/* The worker's state; its process ends with it, and frees. */
struct work {
	struct stage_work *w;
	const struct rundir *r;
	const struct scoring_options *o;
	const json_t *spec;
	struct trainspec recipe;
	json_t *training, *export;
	char training_sha256[SHA256_HEX_SIZE], export_sha256[SHA256_HEX_SIZE], docs_sha256[SHA256_HEX_SIZE];
	struct artifact artifact;
	struct dataset *data;
	struct model *m;
	struct score *s;
	struct docsums *y;
	struct inputerror fault;
	int notes;     /* descriptor of score_resume.tsv, or -1 */
	uint64_t part; /* the next one */
	int64_t resumes, began_ns, posted_ns, noted_ns;
	uint64_t here; /* targets scored by this attempt */
	uint64_t targets;
	struct docsums_sum sum; /* of all of them */
	/* Who computed, and how. */
	const char *backend, *isa, *arith;
	unsigned threads;
};

/* --- what is scored, and on what: all by digest ---------------------------------- */

static int
open_inputs(struct work *x)
{
	int files = rundir_evidence(x->r) == RUNDIR_ARTIFACTS;
	const char *sha256;

	if (inputs_receipt(x->w, STAGE_TRAIN, &x->training, x->training_sha256) == -1 ||
	    (files ? inputs_receipt(x->w, STAGE_EXPORT, &x->export, x->export_sha256) :
		     dependencies_artifact(x->w, &x->artifact, &x->export, x->export_sha256)) == -1)
		return (-1);
	sha256 = jsonio_text(x->export, "training_report_sha256", "");
	if (strcmp(sha256, x->training_sha256) != 0)
		return (stage_refuse(x->w, REFUSAL_INPUT_WRONG_DIGEST, json_string(x->training_sha256),
		    json_string(sha256), "'%s' is not the one that was exported", rundir_stages[STAGE_TRAIN].receipt));
	if (!rundir_external(x->r) && jsonio_i64(x->training, "steps", 0) < 1)
		return (stage_refuse(x->w, REFUSAL_NO_STEPS_TRAINED, json_integer(0), json_integer(1),
		    "no step was trained"));
	if (dependencies_data(x->w, DATASET_VAL | DATASET_TOKENIZER, &x->data) == -1 ||
	    (!files && dependencies_tokenizer(x->w, x->data->tokenizer_sha256, &x->artifact) == -1))
		return (-1);
	if ((x->y = docsums_open(x->data, x->recipe.eval_docs, &x->fault)) == NULL)
		return (dependencies_fault(x->w, &x->fault));
	return (0);
}

static int
read_stream(void *cookie, uint64_t at, int32_t *ids, size_t n)
{
	struct work *x = cookie;

	return (docsums_read(x->y, at, ids, n, &x->fault));
}

static int
open_score(struct work *x)
{
	struct trainspec *c = &x->recipe;
	struct model_args margs = { .config = &x->artifact.config,
		.use = score_use(&c->eval_law),
		.backend = c->backend,
		.isa = c->isa,
		.arith = c->eval_arith,
		.max_batch = 1,
		.max_seq = c->eval_seq_len,
		.max_passes = 1 };
	struct score_args args = { .bos = (int32_t)x->data->bos_id, .source = read_stream, .cookie = x };

	if (score_law_parse(c->eval_mode, c->eval_seq_len, &args.law) == -1)
		return (stage_refuse(x->w, REFUSAL_EVAL_LAW_UNSUPPORTED, json_string(c->eval_mode), NULL, "%s",
		    say_last()));
	margs.threads = c->threads;
	/* What trains sees one sequence at a time. */
	if (margs.use == MODEL_SCORE && PART_IDS / c->eval_seq_len > 1)
		margs.max_batch = PART_IDS / c->eval_seq_len;
	if ((x->m = model_open(&margs)) == NULL)
		return (dependencies_model(x->w, c->backend));
	model_set(x->m, x->artifact.w);
	args.model = x->m;
	args.windows = margs.max_batch;
	args.tokens = docsums_ids(x->y);
	if ((x->s = score_open(&args)) == NULL) {
		if (errno == ENOMEM || x->fault.kind != REFUSAL_NONE)
			return (dependencies_fault(x->w, &x->fault));
		return (stage_refuse(x->w, REFUSAL_INPUT_INVALID, NULL, NULL, "%s", say_last()));
	}
	x->targets = score_targets(x->s);
	x->backend = model_backend(x->m);
	x->isa = model_isa(x->m);
	x->arith = trainspec_arith_name(model_arith(x->m));
	x->threads = provenance_threads(x->m, c->threads);
	return (0);
}

/* --- going on after a kill ---------------------------------------------------------- */

/* First line of the notes: what they are notes of. Another law or artifact begins anew. */
static void
identity(const struct work *x, char line[160])
{
	snprintf(line, 160, "# homegolf.score_resume.v1 %s %.16s\n", jsonio_text(x->export, "artifact.sha256", ""),
	    jsonio_text(x->r->spec.json, "digests.eval_sha256", ""));
}

/* Take what the notes say, and leave of them only that: how many bytes, 0 for none. */
static size_t
take_notes(struct work *x, const char *line)
{
	const size_t first = strlen(line);
	struct docsums_resumed there = { 0, 0, 0 };
	size_t n = 0, whole = 0;
	char *text;

	if ((text = file_read(x->r->fd, RUNDIR_SCORE_RESUME, (size_t)1 << 30, &n)) == NULL)
		return (0);
	if (n > first && memcmp(text, line, first) == 0 && docsums_resume(x->y, text + first, n - first, &there) == 0 &&
	    there.part > 0) {
		x->part = there.part;
		x->resumes = (int64_t)there.resumes + 1;
		whole = first + there.bytes;
		say_note("going on from part %llu of %llu", (unsigned long long)x->part,
		    (unsigned long long)score_parts(x->s));
	} else if (n > first)
		say_note("'%s' is of another score, or was altered: scoring begins anew", RUNDIR_SCORE_RESUME);
	free(text);
	return (whole);
}

static int
open_notes(struct work *x)
{
	struct str s = STR_INIT;
	char line[160];
	size_t whole;
	int rc;

	x->notes = -1;
	if (x->o->check)
		return (0);
	identity(x, line);
	whole = take_notes(x, line);
	/* What could not be used would only mislead the next attempt. */
	x->notes = file_open_change(x->r->fd, RUNDIR_SCORE_RESUME, O_WRONLY | O_CREAT | O_APPEND, 0644);
	rc = whole == 0 ? str_puts(&s, line) : docsums_note_resume(x->y, &s);
	if (rc == -1 || x->notes == -1 || ftruncate(x->notes, (off_t)whole) == -1 ||
	    file_write_all(x->notes, s.p, s.n) == -1) {
		say_errno("cannot write '%s'", RUNDIR_SCORE_RESUME);
		rc = -1;
	}
	str_free(&s);
	return (rc);
}

/* Worth nothing after a crash of the machine, so no fsync: a torn note is not read. */
static int
note(struct work *x)
{
	struct str s = STR_INIT;
	int rc = -1;

	if (x->notes == -1 || clock_mono_ns() - x->noted_ns < NOTE_NS)
		return (0);
	x->noted_ns = clock_mono_ns();
	if (inputs_still(x->w) == -1)
		return (-1);
	if (docsums_note(x->y, x->part, &s) == 0 && (rc = file_write_all(x->notes, s.p, s.n)) == -1)
		say_errno("cannot write '%s'", RUNDIR_SCORE_RESUME);
	str_free(&s);
	return (rc);
}

/* --- scoring -------------------------------------------------------------------------- */

/* Milliseconds to the end at the pace of this attempt. */
static int64_t
eta_ms(const struct work *x, uint64_t place)
{
	double ms = (double)(clock_mono_ns() - x->began_ns) / 1e6;

	return (x->here == 0 ? -1 : (int64_t)(ms / (double)x->here * (double)(score_targets(x->s) + 1 - place)));
}

static void
post(struct work *x, uint64_t place, int last)
{
	int64_t now = clock_mono_ns(), eta = eta_ms(x, place);
	double rate = (double)x->here / ((double)(now - x->began_ns) / 1e9);
	struct docsums_sum sum;

	if (!last && x->posted_ns != 0 && now - x->posted_ns < 900000000)
		return;
	x->posted_ns = now;
	docsums_total(x->y, &sum);
	stage_progress(x->w, (int64_t)x->part,
	    json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:I}", "phase", last ? "done" : "score",
		"part", (json_int_t)x->part, "parts", (json_int_t)score_parts(x->s), "documents",
		(json_int_t)sum.documents, "documents_expected",
		(json_int_t)docsums_expected(x->y, score_targets(x->s)), "tokens", (json_int_t)sum.tokens,
		"tokens_expected", (json_int_t)score_targets(x->s), "val_loss",
		jsonio_real(sum.nats / (double)sum.tokens), "tokens_per_s", jsonio_real(rate), "eta_ms",
		eta >= 0 ? json_integer(eta) : json_null(), "elapsed_ms", (json_int_t)((now - x->began_ns) / 1000000)));
	say_progress("%s: %llu of %llu tokens, %.0f tokens/s, %.0f s left", x->r->id, (unsigned long long)sum.tokens,
	    (unsigned long long)score_targets(x->s), rate, (double)eta / 1e3);
}

/* Refuse early what cannot end in time; the first second tells nothing yet. */
static int
check_budget(struct work *x, uint64_t place)
{
	int64_t eta = eta_ms(x, place), left = stage_left_ms(x->w);

	if (clock_mono_ns() - x->began_ns < 1000000000 || eta <= left)
		return (0);
	return (stage_refuse(x->w, REFUSAL_PROJECTED_OVER_BUDGET, json_integer(eta), json_integer(left),
	    "%llu of %llu tokens scored; at this pace the rest takes %lld ms, and %lld ms are left",
	    (unsigned long long)(place - 1), (unsigned long long)score_targets(x->s), (long long)eta, (long long)left));
}

static int
score_all(struct work *x)
{
	uint64_t first, end;
	const float *nats;
	size_t n, i;

	x->began_ns = x->noted_ns = clock_mono_ns();
	for (; x->part < score_parts(x->s);) {
		if (stage_stopping(x->w))
			return (-1);
		score_span(x->s, x->part, &first, &end);
		if (score_part(x->s, x->part, &nats, &n) == -1 || docsums_add(x->y, first, nats, n, &x->fault) == -1)
			return (dependencies_fault(x->w, &x->fault));
		for (i = 0; i < n; i++)
			if (!isfinite(nats[i]))
				return (stage_refuse(x->w, REFUSAL_LOSS_DIVERGED, jsonio_real((double)nats[i]),
				    json_string("a finite loss"), "the loss of token %llu is not finite",
				    (unsigned long long)(first + i)));
		x->here += n;
		x->part++;
		if (note(x) == -1 || check_budget(x, end) == -1)
			return (-1);
		post(x, end, 0);
	}
	post(x, score_targets(x->s) + 1, 1);
	say_progress_end();
	docsums_total(x->y, &x->sum);
	return (0);
}

/* --- scoring by a program ------------------------------------------------------------- */

/* The table of documents without losses: those of the law, which a program can't choose. */
static int
expect(struct work *x, struct str *table)
{
	static const float nothing[4096];
	uint64_t first, n;

	for (first = 1; first <= x->targets; first += n) {
		n = x->targets - first + 1 < 4096 ? x->targets - first + 1 : 4096;
		if (docsums_add(x->y, first, nothing, n, &x->fault) == -1)
			return (dependencies_fault(x->w, &x->fault));
		progress_tick();
	}
	docsums_total(x->y, &x->sum);
	return (docsums_table(x->y, table));
}

static int
score_by_program(struct work *x, int dirfd, const json_t *files, struct str *table)
{
	struct external_score y;
	struct str expected = STR_INIT;
	struct score_law law;

	if (score_law_parse(x->recipe.eval_mode, x->recipe.eval_seq_len, &law) == -1)
		return (stage_refuse(x->w, REFUSAL_EVAL_LAW_UNSUPPORTED, json_string(x->recipe.eval_mode), NULL, "%s",
		    say_last()));
	if ((x->targets = score_law_targets(&law, docsums_ids(x->y))) == 0)
		return (stage_refuse(x->w, REFUSAL_INPUT_INVALID, NULL, NULL,
		    "the validation text fills no window of %zu", law.seq_len));
	x->began_ns = clock_mono_ns();
	x->backend = x->isa = x->arith = "external";
	x->threads = x->recipe.threads;
	if (expect(x, &expected) == -1 || external_score(x->w, x->threads, dirfd, files, x->data, &expected, &y) == -1)
		return (-1);
	x->here = x->targets;
	x->sum.nats = y.nats;
	*table = y.table;
	str_free(&expected);
	return (0);
}

static int
write_docs(struct work *x, struct str *table)
{
	if (sha256_hex(table->p, table->n, x->docs_sha256) == -1)
		return (-1);
	if (atomfile_create(stage_outputs(x->w), RUNDIR_SCORE_DOCS, table->p, table->n) == -1) {
		say_errno("cannot write '%s'", RUNDIR_SCORE_DOCS);
		return (-1);
	}
	str_free(table);
	return (0);
}

static json_t *
digest_or_null(const char *hex)
{
	return (*hex == '\0' ? json_null() : json_string(hex));
}

static json_t *
real_or_null(int known, double v)
{
	return (known ? jsonio_real(v) : json_null());
}

/*
 * What the score may be compared with, which the tokenizer's losses narrow.  Given weights were trained before, of
 * which steps and clock of this run know nothing.
 */
static json_t *
claim_boundary(const json_t *spec, const struct trainspec *recipe, const struct dataset *d, int by_program)
{
	const char *init = jsonio_text(spec, "digests.init_sha256", "none");
	struct str s = STR_INIT;
	json_t *v = NULL;
	int rc;

	rc = str_puts(&s,
	    "Compares only with scores under the same eval law on the same validation text; across "
	    "tokenizers only val_bpb_raw does, and only where both lose nothing of the text");
	if (rc == 0 && d->val.lost_documents == DATASET_UNKNOWN)
		rc = str_puts(&s, ", but not this one: what this tokenizer loses of the text was not measured");
	else if (rc == 0 && d->val.lost_documents > 0)
		rc = str_printf(&s,
		    ", but not this one: this tokenizer loses %" PRIu64 " of %" PRIu64 " bytes of the text, in %" PRIu64
		    " of %" PRIu64 " documents",
		    d->val.lost_bytes, d->val.raw_bytes, d->val.lost_documents, d->val.documents);
	if (rc == 0 && d->train_overlap > 0)
		rc = str_printf(&s, ". %" PRIu64 " training documents are in validation too", d->train_overlap);
	if (rc == 0 && d->val_counts.count > 0)
		rc = str_puts(&s,
		    ". How many bytes of the original text a token stands for is the word of the byte counts "
		    "that came with the shards");
	if (rc == 0)
		rc = str_puts(&s, ". Not with published FineWeb figures unless val_raw_sha256 is theirs.");
	if (rc == 0 && strcmp(init, "none") != 0)
		rc = str_printf(&s, " Trained from the given weights %s, whose own training is not counted here.",
		    init);
	if (rc == 0 && recipe->eval_law.mode == SCORE_TTT && !by_program)
		rc = str_puts(&s,
		    " Test-time training: the artifact's weights were trained further within each document, on what "
		    "had been scored.");
	if (rc == 0 && by_program)
		rc = str_puts(&s,
		    " Documents, tokens and bytes are the data's; the losses are those of the program's own "
		    "scorer, run on the artifact alone.");
	if (rc == 0)
		v = json_string(s.p);
	str_free(&s);
	return (v);
}

/* The share of the validation text that the tokenizer loses, or null. */
static json_t *
lost_frac(const struct dataset_part *val)
{
	int known = val->lost_documents != DATASET_UNKNOWN && val->raw_bytes != DATASET_UNKNOWN && val->raw_bytes != 0;

	return (real_or_null(known, known ? (double)val->lost_bytes / (double)val->raw_bytes : 0));
}

static json_t *
results(struct work *x)
{
	int64_t ms = (clock_mono_ns() - x->began_ns) / 1000000;
	const json_t *spec = x->spec;
	uint64_t expected = docsums_expected(x->y, x->targets);
	struct docsums_sum sum = x->sum;
	json_t *report, *receipt;
	double loss, bpb, raw;
	int raw_known, raw_stands, partial, before;

	loss = sum.nats / (double)sum.tokens;
	bpb = bpb_of_sum(sum.nats, (double)sum.bytes);
	raw_known = sum.raw_bytes != DATASET_UNKNOWN && sum.raw_bytes != 0;
	/* Of text that the tokenizer loses nothing was predicted, and its bytes would make the score better. */
	raw_stands = raw_known && x->data->val.lost_documents == 0;
	raw = raw_stands ? bpb_of_sum(sum.nats, (double)sum.raw_bytes) : 0;
	partial = sum.tokens != x->targets || sum.documents != expected;
	/* The trainer's own last validation is the score before quantisation if it followed the same law. */
	before = strcmp(jsonio_text(x->training, "arith", ""), trainspec_arith_name(x->recipe.eval_arith)) == 0;
	report = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s, s:I, s:I, s:s}, s:s, s:o, s:o, s:o, s:o, s:o, s:o, "
			   "s:o, s:o}",
	    "artifact_sha256", jsonio_text(x->export, "artifact.sha256", ""), "export_report_sha256", x->export_sha256,
	    "training_report_sha256", x->training_sha256, "dataset_sha256", x->data->sha256, "tokenizer_sha256",
	    x->data->tokenizer_sha256, "docs_sha256", x->docs_sha256, "eval", "mode", x->recipe.eval_mode, "seq_len",
	    (json_int_t)x->recipe.eval_seq_len, "docs", (json_int_t)x->recipe.eval_docs, "arith",
	    trainspec_arith_name(x->recipe.eval_arith), "eval_sha256", jsonio_text(spec, "digests.eval_sha256", ""),
	    "val_raw_sha256", digest_or_null(x->data->val_raw_sha256), "val_kept_sha256",
	    digest_or_null(x->data->val_kept_sha256), "val_lost_frac", lost_frac(&x->data->val), "val_loss",
	    jsonio_real(loss), "val_bpb", jsonio_real(bpb), "val_bpb_raw", real_or_null(raw_stands, raw),
	    "prequant_val_loss", real_or_null(before, jsonio_f64(x->training, "val_loss", NAN)), "prequant_val_bpb",
	    real_or_null(before, jsonio_f64(x->training, "val_bpb", NAN)));
	if (report == NULL ||
	    json_object_update_new(report,
		json_pack("{s:I, s:I, s:o, s:I, s:I, s:b, s:s, s:s, s:s, s:I, s:I, s:o, s:I, s:o}", "tokens",
		    (json_int_t)sum.tokens, "bytes", (json_int_t)sum.bytes, "raw_bytes",
		    raw_known ? json_integer((json_int_t)sum.raw_bytes) : json_null(), "documents",
		    (json_int_t)sum.documents, "documents_expected", (json_int_t)expected, "partial", partial,
		    "backend", x->backend, "isa", x->isa, "arith", x->arith, "threads", (json_int_t)x->threads,
		    "resumes", (json_int_t)x->resumes, "claim_boundary",
		    claim_boundary(spec, &x->recipe, x->data, rundir_evidence(x->r) == RUNDIR_ARTIFACTS), "score_ms",
		    (json_int_t)ms, "tokens_per_s", jsonio_real((double)x->here / (double)(ms > 0 ? ms : 1) * 1e3))) ==
		-1)
		return (NULL);
	receipt = json_pack("{s:o, s:o, s:o, s:b, s:I, s:O, s:O, s:O}", "val_loss", jsonio_real(loss), "val_bpb",
	    jsonio_real(bpb), "val_bpb_raw", real_or_null(raw_stands, raw), "partial", partial, "documents",
	    (json_int_t)sum.documents, "artifact_bytes", jsonio_get(x->export, "artifact.bytes"), "total_bytes",
	    jsonio_get(x->export, "total_bytes"), "within_cap", jsonio_get(x->export, "within_cap"));
	return (json_pack("{s:o, s:o}", "report", report, "receipt", receipt));
}

/* The spec's law, and how many threads. */
static int
begin(struct work *x)
{
	x->spec = x->o->evaluation == NULL ? x->r->spec.json : x->o->evaluation->spec;
	if (trainspec_read(&x->recipe, x->spec) == -1)
		return (stage_refuse(x->w, REFUSAL_SPEC_INVALID, NULL, NULL, "%s", say_last()));
	dependencies_own(&x->recipe);
	if (x->o->threads != 0)
		x->recipe.threads = x->o->threads;
	else if (x->recipe.threads == 0)
		x->recipe.threads = proc_cpus();
	return (0);
}

int
scoring_work(struct stage_work *w, void *arg)
{
	struct work x = { .w = w, .r = stage_rundir(w), .o = arg };
	struct str table = STR_INIT;
	int rc;

	if (begin(&x) == -1 || open_inputs(&x) == -1)
		return (-1);
	if (rundir_evidence(x.r) == RUNDIR_ARTIFACTS)
		rc = score_by_program(&x, x.r->fd, json_object_get(x.export, "files"), &table);
	else if (open_score(&x) == -1 || open_notes(&x) == -1 || score_all(&x) == -1)
		return (-1);
	else
		rc = docsums_table(x.y, &table);
	if (rc == -1 || write_docs(&x, &table) == -1)
		return (-1);
	return (stage_deliver(w, results(&x)));
}

/* --- for a comparison ------------------------------------------------------------------ */

static int
begin_comparison(struct work *x, struct dataset *d)
{
	x->data = d;
	x->notes = -1;
	if (begin(x) == -1)
		return (-1);
	if ((x->y = docsums_open(d, x->recipe.eval_docs, &x->fault)) == NULL)
		return (dependencies_fault(x->w, &x->fault));
	return (0);
}

int
scoring_weights(struct stage_work *w, unsigned threads, struct dataset *d, float *weights, double *bpb)
{
	struct scoring_options o = { threads, 1, NULL };
	struct work x = { .w = w, .r = stage_rundir(w), .o = &o };

	if (begin_comparison(&x, d) == -1)
		return (-1);
	x.artifact.config = x.recipe.config;
	x.artifact.w = weights;
	if (open_score(&x) == -1 || score_all(&x) == -1)
		return (-1);
	*bpb = bpb_of_sum(x.sum.nats, (double)x.sum.bytes);
	score_close(x.s);
	model_close(x.m);
	docsums_close(x.y);
	return (0);
}

int
scoring_files(struct stage_work *w, unsigned threads, struct dataset *d, int dirfd, const json_t *files, double *bpb)
{
	struct scoring_options o = { threads, 1, NULL };
	struct work x = { .w = w, .r = stage_rundir(w), .o = &o };
	struct str table = STR_INIT;

	if (begin_comparison(&x, d) == -1 || score_by_program(&x, dirfd, files, &table) == -1)
		return (-1);
	*bpb = bpb_of_sum(x.sum.nats, (double)x.sum.bytes);
	str_free(&table);
	docsums_close(x.y);
	return (0);
}

/* --- hg-score -c: the same work again, compared with what the receipt says ------------- */

/* Does a member tell of how it was scored, and not of what came out? */
static int
tells_how(const char *key)
{
	static const char *const keys[] = { "backend", "isa", "threads", "resumes", "claim_boundary", "score_ms",
		"tokens_per_s" };
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(key, keys[i]) == 0)
			return (1);
	return (0);
}

/* A member that came later says, where it is absent, that nobody asked: of text that was kept, that none was lost. */
static int
same_member(const char *key, const json_t *again, const json_t *recorded)
{
	const json_t *told = json_object_get(recorded, key);

	if (told == NULL)
		return (json_is_null(again) || json_equal(again, json_object_get(recorded, "val_raw_sha256")));
	return (json_equal(again, told));
}

int
scoring_compare(void *arg, const struct rundir *r, int outputs, const json_t *delivered)
{
	json_t *again = json_object_get(delivered, "report"), *recorded, *differ, *out, *member;
	const char *key;
	char *line;
	int same, error;

	(void)arg, (void)outputs;
	if (contract_read(r->fd, RUNDIR_SCORE_REPORT, "score_report", NULL, &recorded) == -1) {
		error = errno;
		if (error == ENOENT) {
			say_error("'%s/%s' is not there: it is scored first", r->path, RUNDIR_SCORE_REPORT);
			shell_next("hg-score %s", r->path);
		}
		return (error == ENOENT ? HG_EXIT_PENDING : error == EBADMSG ? HG_EXIT_CONTRACT : HG_EXIT_SYSTEM);
	}
	differ = json_array();
	json_object_foreach(again, key, member)
		if (!tells_how(key) && !same_member(key, member, recorded))
			json_array_append_new(differ, json_string(key));
	same = json_array_size(differ) == 0;
	out = json_pack("{s:b, s:O, s:O, s:o, s:s}", "same", same, "val_bpb", json_object_get(again, "val_bpb"),
	    "recorded_val_bpb", json_object_get(recorded, "val_bpb"), "differ", differ, "run_id", r->id);
	if (out == NULL || (line = jsonio_line(out)) == NULL)
		return (HG_EXIT_SYSTEM);
	out_json(line, strlen(line));
	free(line);
	json_decref(out);
	json_decref(recorded);
	return (same ? HG_EXIT_DONE : HG_EXIT_NO);
}
