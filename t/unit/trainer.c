/* Training, resuming, rolling back; scoring in parts; generating with a cache: the same bits whatever the way. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gpt/checkpoint.h"
#include "gpt/generate.h"
#include "base/rng.h"
#include "base/say.h"
#include "gpt/safetensors.h"
#include "gpt/score.h"
#include "t/unit/tap.h"
#include "gpt/resume.h"
#include "gpt/trainer.h"
#include "gpt/trainer_bytes.h"
#include "gpt/trainer_open.h"
#include "gpt/trainspec.h"

enum { V = 29, T = 8, MICRO = 2 * T, BATCH = 2 * MICRO, STREAM = 203 };

static const struct config config = {
	.vocab_size = V,
	.num_layers = 3,
	.model_dim = 16,
	.num_heads = 4,
	.num_kv_heads = 2,
	.mlp_mult = 2,
	.tie_embeddings = 1,
	.rope_base = 10000,
	.logit_softcap = 30,
	.qk_gain_init = 1.5,
	.tied_embed_init_std = 0.005,
	CONFIG_LATER,
};

static int32_t stream[STREAM];
static uint64_t asked; /* the last span that a trainer asked for */

static int
spans(void *cookie, uint64_t span, int32_t *ids, size_t n)
{
	(void)cookie;
	asked = span;
	for (size_t i = 0; i < n; i++)
		ids[i] = stream[(span * n + i) % STREAM];
	return (0);
}

static int
places(void *cookie, uint64_t at, int32_t *ids, size_t n)
{
	(void)cookie;
	if (at + n > STREAM)
		return (-1);
	memcpy(ids, stream + at, n * sizeof(*ids));
	return (0);
}

static const char *backend = "ref";
static enum ops_arith arith = OPS_FP32;

static struct model *
open_model(enum model_use use, size_t batch, size_t seq)
{
	const struct model_args args = {
		.config = &config,
		.use = use,
		.backend = backend,
		.isa = "auto",
		.arith = arith,
		.threads = 1,
		.max_batch = batch,
		.max_seq = seq,
		.max_passes = use == MODEL_TRAIN ? BATCH / MICRO : 1,
	};
	struct model *m = model_open(&args);

	if (m == NULL)
		exit(1);
	return (m);
}

/* Every request for memory that the project's own code makes comes through here (see --wrap in the Makefile). */
static size_t requests;

void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
int __real_posix_memalign(void **, size_t, size_t);
void *__wrap_malloc(size_t);
void *__wrap_calloc(size_t, size_t);
void *__wrap_realloc(void *, size_t);
int __wrap_posix_memalign(void **, size_t, size_t);

void *
__wrap_malloc(size_t bytes)
{
	requests++;
	return (__real_malloc(bytes));
}

void *
__wrap_calloc(size_t n, size_t bytes)
{
	requests++;
	return (__real_calloc(n, bytes));
}

void *
__wrap_realloc(void *p, size_t bytes)
{
	requests++;
	return (__real_realloc(p, bytes));
}

int
__wrap_posix_memalign(void **p, size_t alignment, size_t bytes)
{
	requests++;
	return (__real_posix_memalign(p, alignment, bytes));
}

/* A trainer on a model of its own. */
struct rig {
	struct model *m;
	struct trainer *t;
	float *w;
};

static struct rig
open_rig_with(const struct optimizer_law *law)
{
	struct rig r = { open_model(MODEL_TRAIN, MICRO / T, T), NULL, NULL };
	const struct trainer_args args = {
		.model = r.m,
		.law = law,
		.seq_len = T,
		.batch_tokens = BATCH,
		.micro_batch_tokens = MICRO,
		.source = spans,
	};

	r.w = calloc(model_params(r.m)->n, sizeof(*r.w));
	params_init(model_params(r.m), 42, r.w);
	model_set(r.m, r.w);
	if ((r.t = trainer_open(&args)) == NULL)
		exit(1);
	return (r);
}

static struct rig
open_rig(double clip)
{
	struct optimizer_law law;

	trainspec_law(&law);
	law.grad_clip_norm = clip;
	return (open_rig_with(&law));
}

static void
close_rig(struct rig *r)
{
	trainer_close(r->t);
	model_close(r->m);
	free(r->w);
}

static double
steps(struct rig *r, int n)
{
	struct trainer_result result = { 0, 0 };

	for (int i = 0; i < n; i++) {
		const double scale = 1 - 0.1 * (double)trainer_steps(r->t);

		if (trainer_step(r->t, &(struct schedule_rates){ scale, scale, NAN, 0, 0, 0 }, &result) != 0)
			return (NAN);
	}
	return (result.loss);
}

static int
same_weights(struct rig *a, struct rig *b)
{
	const size_t n = model_params(a->m)->n;

	model_get(a->m, a->w);
	model_get(b->m, b->w);
	return (memcmp(a->w, b->w, n * sizeof(*a->w)) == 0);
}

static int
temporary(void)
{
	char path[] = "/tmp/hg-trainer-XXXXXX";
	const int fd = mkstemp(path);

	unlink(path);
	return (fd);
}

static void
resuming(void)
{
	struct rig whole = open_rig(0), first = open_rig(0), second = open_rig(0), other = open_rig(0);
	json_t *extra = json_pack("{s:s}", "train_ms", "1234"), *back = NULL;
	const int fd = temporary();
	double loss;

	loss = steps(&whole, 6);
	tap_ok(asked == 11, "six steps of two micro-batches take the spans 0 to 11");
	steps(&first, 4);
	tap_ok(resume_save(first.t, fd, extra) == 0, "the state of training is saved");
	tap_ok(resume_load(second.t, fd, "state", &back) == 0 && trainer_steps(second.t) == 4 &&
		trainer_spans(second.t) == 8,
	    "and loaded into a fresh trainer");
	tap_ok(strcmp(json_string_value(json_object_get(back, "train_ms")), "1234") == 0,
	    "the caller's own strings ride along");
	tap_ok(steps(&second, 2) == loss && same_weights(&whole, &second),
	    "training on gives the bits of an undisturbed run");
	tap_ok(steps(&first, 2) == loss && same_weights(&whole, &first), "saving changes nothing");
	tap_ok(checkpoint_read(fd, "state", model_params(other.m), other.w) == 0, "weights can be taken from a state");
	tap_ok(ftruncate(fd, lseek(fd, 0, SEEK_END) - 4) == 0 && resume_load(other.t, fd, "state", NULL) == -1 &&
		errno == EBADMSG && trainer_steps(other.t) == 0,
	    "a state cut short is refused");
	tap_ok(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0 &&
		checkpoint_write(fd, model_params(other.m), other.w, NULL) == 0 &&
		resume_load(other.t, fd, "weights", NULL) == -1,
	    "bare weights are no state: %s", say_last());
	json_decref(extra);
	json_decref(back);
	close(fd);
	close_rig(&whole);
	close_rig(&first);
	close_rig(&second);
	close_rig(&other);
}

/* The mean squares of neurons go along; a state without them is none for a run that needs them. */
static void
resuming_neurons(void)
{
	struct optimizer_law law;
	struct rig whole, first, second, plain = open_rig(0);
	const int fd = temporary(), bare = temporary();
	double loss;

	trainspec_law(&law);
	law.muon_norm = OPS_MUON_NEURON;
	law.muon_weight_decay = 0.5;
	law.muon_decay_mode = OPTIMIZER_DECAY_CAUTIOUS;
	whole = open_rig_with(&law);
	first = open_rig_with(&law);
	second = open_rig_with(&law);
	loss = steps(&whole, 6);
	steps(&first, 4);
	tap_ok(resume_save(first.t, fd, NULL) == 0 && resume_load(second.t, fd, "state", NULL) == 0 &&
		steps(&second, 2) == loss && same_weights(&whole, &second),
	    "with neurons, training on gives the bits of an undisturbed run");
	steps(&plain, 4);
	tap_ok(resume_save(plain.t, bare, NULL) == 0 && resume_load(first.t, bare, "state", NULL) == -1 &&
		errno == EBADMSG,
	    "a state without the neurons is refused: %s", say_last());
	tap_ok(!same_weights(&plain, &second), "and the lever had an effect");
	close(fd);
	close(bare);
	close_rig(&whole);
	close_rig(&first);
	close_rig(&second);
	close_rig(&plain);
}

/* Steps of batches and sequences that change: ${n} more. */
static double
changing_steps(struct rig *r, int n)
{
	struct trainer_result result = { 0, 0 };

	for (int i = 0; i < n; i++) {
		const uint64_t step = trainer_steps(r->t);
		const struct schedule_rates rates = { 0.5, 0.5, NAN, step < 3 ? MICRO : 0, step < 4 ? T / 2 : T, 0 };

		if (trainer_step(r->t, &rates, &result) != 0)
			return (NAN);
	}
	return (result.loss);
}

/* The loss of the next span by hand, in sequences of a length of their own: the same ids, cut anew. */
static double
by_hand(struct rig *r, size_t seq_len)
{
	int32_t ids[MICRO + 1];
	float nats[MICRO];
	double sum = 0;

	spans(NULL, trainer_spans(r->t), ids, MICRO + 1);
	model_begin(r->m);
	model_loss(r->m, &(struct model_batch){ ids, ids + 1, MICRO / seq_len, seq_len }, 0);
	model_nats(r->m, 0, MICRO, nats);
	model_end(r->m);
	for (size_t i = 0; i < MICRO; i++)
		sum += nats[i];
	return (sum / MICRO);
}

static void
resuming_changes(void)
{
	struct rig whole = open_rig(1), first = open_rig(1), second = open_rig(1), warm = open_rig(1),
		   usual = open_rig(1);
	const int fd = temporary(), other = temporary();
	struct trainer_result result;
	struct safetensors *s;
	double loss, shorter;

	/* Projections start at zero, and with them no token sees another. */
	steps(&usual, 2);
	shorter = by_hand(&usual, T / 2);
	tap_ok(shorter != by_hand(&usual, T) &&
		trainer_step(usual.t, &(struct schedule_rates){ 0, 0, NAN, MICRO, T / 2, 0 }, &result) == 0 &&
		result.loss == shorter,
	    "shorter sequences are cut from the same tokens");
	loss = changing_steps(&whole, 6);
	tap_ok(asked == 8 && trainer_spans(whole.t) == 9 && trainer_tokens(whole.t) == 9 * MICRO,
	    "three steps of one micro-batch and three of two take the spans 0 to 8, and are nine of them in tokens");
	changing_steps(&first, 2);
	tap_ok(resume_save(first.t, fd, NULL) == 0 && resume_load(second.t, fd, "state", NULL) == 0 &&
		trainer_steps(second.t) == 2 && trainer_spans(second.t) == 2,
	    "a state saved amid small batches tells how many spans were taken");
	tap_ok(changing_steps(&second, 4) == loss && same_weights(&whole, &second),
	    "training on from there gives the bits of an undisturbed run");
	tap_ok(trainer_mark(warm.t) == 0 && changing_steps(&warm, 4) > 0, "with a warm-up of other batches");
	trainer_rollback(warm.t);
	tap_ok(trainer_spans(warm.t) == 0 && changing_steps(&warm, 6) == loss && same_weights(&whole, &warm),
	    "rolled back, the bits are the same");
	close_rig(&usual);
	usual = open_rig(1);
	tap_ok(trainer_step(usual.t, &(struct schedule_rates){ 0, 0, NAN, 2 * MICRO, T, 0 }, &result) == 0 &&
		trainer_spans(usual.t) == 2 && resume_save(usual.t, other, NULL) == 0,
	    "naming the batch that the trainer has changes nothing");
	if ((s = safetensors_read(other, "state")) == NULL)
		exit(1);
	tap_ok(safetensors_metadata(s, "spans") == NULL, "nor what a state says");
	safetensors_free(s);
	close(fd);
	close(other);
	close_rig(&whole);
	close_rig(&first);
	close_rig(&second);
	close_rig(&warm);
	close_rig(&usual);
}

/* Steps, of which those from the fourth on are averaged, each new one to a half. */
static double
averaged_steps(struct rig *r, int n)
{
	double loss = 0;

	for (int i = 0; i < n; i++) {
		loss = steps(r, 1);
		trainer_average(r->t, trainer_steps(r->t) < 4 ? 1 : 0.5);
	}
	return (loss);
}

static void
averaging(const char *on, enum ops_arith with)
{
	struct optimizer_law law;
	struct rig whole, first, second, warm, plain;
	const int fd = temporary(), bare = temporary();
	float *w[3], *average;
	size_t n, wrong = 0;
	double loss;

	backend = on;
	arith = with;
	trainspec_law(&law);
	plain = open_rig_with(&law);
	law.average = OPTIMIZER_AVERAGE_TAIL;
	whole = open_rig_with(&law);
	first = open_rig_with(&law);
	second = open_rig_with(&law);
	warm = open_rig_with(&law);
	n = model_params(whole.m)->n;
	average = calloc(n, sizeof(*average));
	averaged_steps(&whole, 3);
	tap_ok(trainer_averaged(whole.t) == 0 && trainer_exchange(whole.t) == 0,
	    "%s: before an average begins there is none to exchange", on);
	for (int i = 0; i < 3; i++) {
		w[i] = calloc(n, sizeof(*w[i]));
		loss = averaged_steps(&whole, 1);
		model_get(whole.m, w[i]);
	}
	tap_ok(loss == steps(&plain, 6) && same_weights(&whole, &plain), "%s: averaging changes nothing of training",
	    on);
	tap_ok(trainer_averaged(whole.t) == 3 && trainer_exchange(whole.t), "%s: three updates are in it", on);
	model_get(whole.m, average);
	for (size_t i = 0; i < n; i++)
		wrong += !(fabs(average[i] - (w[0][i] / 4 + w[1][i] / 4 + w[2][i] / 2)) <= 1e-6 * fabs(w[2][i]) + 1e-9);
	tap_ok(wrong == 0 && memcmp(average, w[2], n * sizeof(*average)) != 0,
	    "%s: and it is that of the last three weights, the first of them whole", on);
	tap_ok(trainer_exchange(whole.t) && same_weights(&whole, &plain) && steps(&whole, 1) == steps(&plain, 1) &&
		same_weights(&whole, &plain),
	    "%s: exchanged again, training goes on to the same bits", on);
	averaged_steps(&first, 5);
	tap_ok(resume_save(first.t, fd, NULL) == 0 && resume_load(second.t, fd, "state", NULL) == 0 &&
		averaged_steps(&second, 1) == loss && trainer_averaged(second.t) == 3 && trainer_exchange(second.t),
	    "%s: a state has the average", on);
	model_get(second.m, second.w);
	tap_ok(memcmp(second.w, average, n * sizeof(*average)) == 0, "%s: which goes on to the same bits", on);
	tap_ok(trainer_mark(warm.t) == 0 && averaged_steps(&warm, 5) > 0, "%s: a warm-up that averages", on);
	trainer_rollback(warm.t);
	tap_ok(trainer_averaged(warm.t) == 0 && averaged_steps(&warm, 6) == loss && trainer_exchange(warm.t),
	    "%s: leaves no average behind", on);
	model_get(warm.m, warm.w);
	tap_ok(memcmp(warm.w, average, n * sizeof(*average)) == 0, "%s: nor a bit in the later one", on);
	tap_ok(resume_save(plain.t, bare, NULL) == 0 && resume_load(first.t, bare, "state", NULL) == -1,
	    "%s: a state without one is none for a run that has one", on);
	close(fd);
	close(bare);
	close_rig(&whole);
	close_rig(&first);
	close_rig(&second);
	close_rig(&warm);
	close_rig(&plain);
	for (int i = 0; i < 3; i++)
		free(w[i]);
	free(average);
	backend = "ref";
	arith = OPS_FP32;
}

/* The names in a resume file, of the whole model and of its first block, in the order of version 0.1. */
static void
resume_names(void)
{
	static const char *const first[] = { "tok_emb.weight", "tok_emb.weight.adam_m", "tok_emb.weight.adam_v",
		"skip_weights", "skip_weights.adam_m", "skip_weights.adam_v", "blocks.0.attn_scale",
		"blocks.0.attn_scale.adam_m", "blocks.0.attn_scale.adam_v", "blocks.0.mlp_scale",
		"blocks.0.mlp_scale.adam_m", "blocks.0.mlp_scale.adam_v", "blocks.0.resid_mix",
		"blocks.0.resid_mix.adam_m", "blocks.0.resid_mix.adam_v", "blocks.0.attn.q_gain",
		"blocks.0.attn.q_gain.adam_m", "blocks.0.attn.q_gain.adam_v", "blocks.0.attn.c_q.weight",
		"blocks.0.attn.c_q.weight.momentum", "blocks.0.attn.c_k.weight", "blocks.0.attn.c_k.weight.momentum",
		"blocks.0.attn.c_v.weight", "blocks.0.attn.c_v.weight.momentum", "blocks.0.attn.proj.weight",
		"blocks.0.attn.proj.weight.momentum", "blocks.0.mlp.fc.weight", "blocks.0.mlp.fc.weight.momentum",
		"blocks.0.mlp.proj.weight", "blocks.0.mlp.proj.weight.momentum", "blocks.1.attn_scale" };
	struct rig r = open_rig(0);
	struct safetensors *s;
	const int fd = temporary();
	size_t same = 0;

	if (resume_save(r.t, fd, NULL) != 0 || (s = safetensors_read(fd, "state")) == NULL)
		exit(1);
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		same += strcmp(safetensors_at(s, i)->name, first[i]) == 0;
	tap_ok(same == sizeof(first) / sizeof(first[0]) && safetensors_count(s) == 6 + 3 * 24,
	    "a state names each tensor, then its momentum or its moments");
	safetensors_free(s);
	close(fd);
	close_rig(&r);
}

static void
rolling_back(void)
{
	struct rig plain = open_rig(0), warm = open_rig(0);
	double loss = steps(&plain, 3);

	tap_ok(trainer_mark(warm.t) == 0 && steps(&warm, 2) > 0, "warm-up steps run");
	trainer_rollback(warm.t);
	tap_ok(trainer_steps(warm.t) == 0 && trainer_spans(warm.t) == 0 && asked == 3, "and are rolled back");
	tap_ok(steps(&warm, 3) == loss && same_weights(&plain, &warm), "without a trace in the bits");
	close_rig(&plain);
	close_rig(&warm);
}

static void
diverging(void)
{
	struct rig r = open_rig(0), clipped = open_rig(1e-3), plain = open_rig(0);
	struct trainer_result result;
	const float nan = NAN;
	float kept;

	tap_ok(trainer_step(clipped.t, &schedule_full_rates, &result) == 0 && result.grad_norm > 1e-3,
	    "clipping reports the norm before it");
	tap_ok(trainer_step(plain.t, &schedule_full_rates, &result) == 0 && isnan(result.grad_norm),
	    "without clipping there is no norm");
	model_get(r.m, r.w);
	kept = r.w[7];
	model_ops(r.m)->upload(model_ctx(r.m), model_weight(r.m, params_at(model_params(r.m), 0, PARAMS_C_V)), 3, &nan,
	    1);
	tap_ok(trainer_step(r.t, &schedule_full_rates, &result) == TRAINER_DIVERGED && !isfinite(result.loss),
	    "a NaN is noticed at once");
	model_get(r.m, r.w);
	tap_ok(r.w[7] == kept && trainer_steps(r.t) == 0 && !trainer_finite(r.t) && trainer_finite(plain.t),
	    "and nothing was updated");
	close_rig(&r);
	close_rig(&clipped);
	close_rig(&plain);
}

/* Adam's first step moves each element whose gradient is not tiny by its group's rate. */
static void
rates(int tied)
{
	struct config c = config;
	const struct model_args args = {
		.config = &c,
		.use = MODEL_TRAIN,
		.backend = "ref",
		.isa = "auto",
		.arith = OPS_FP32,
		.threads = 1,
		.max_batch = MICRO / T,
		.max_seq = T,
		.max_passes = 1,
	};
	const struct model_batch batch = { stream, stream + 1, MICRO / T, T };
	struct optimizer_law law;
	struct optimizer *o;
	struct model *m;
	const struct params *p;
	float *before, *after;
	int right = 1;

	c.tie_embeddings = tied;
	m = model_open(&args);
	p = model_params(m);
	o = optimizer_open(m, NULL);
	before = calloc(p->n, sizeof(*before));
	after = calloc(p->n, sizeof(*after));
	trainspec_law(&law);
	params_init(p, 1, before);
	for (size_t i = 0; i < p->n; i++)
		before[i] += 0.1f * (float)((i * 7 % 11) / 11.0 - 0.5); /* so that everything has a gradient */
	model_set(m, before);
	model_begin(m);
	model_grad(m, &batch, 0, 1);
	optimizer_step(o, &law, 0, &(struct schedule_rates){ 0.5, 0.5, NAN, 0, 0, 0 }, 0);
	model_end(m);
	model_get(m, after);
	for (size_t i = 0; i < p->count; i++) {
		const struct params_tensor *t = &p->tensors[i];
		const double expected = 0.5 *
		    (t->group == PARAMS_EMBED       ? (tied ? 0.05 : 0.6) :
			    t->group == PARAMS_HEAD ? 0.008 :
						      0.04);
		double most = 0;

		for (size_t j = t->offset; j < t->offset + t->n; j++)
			most = fmax(most, fabs((double)after[j] - before[j]));
		if (t->group != PARAMS_MATRIX)
			right &= fabs(most / expected - 1) < 1e-3;
	}
	tap_ok(right, "each group of a%s model moves at its own rate", tied ? " tied" : "n untied");
	optimizer_close(o);
	model_close(m);
	free(before);
	free(after);
}

/* All losses under a law, by place; parts taken backwards, to show that their order does not matter. */
static uint64_t
score_all(struct model *m, const char *mode, uint64_t tokens, size_t windows, float *by_place)
{
	struct score_args args = { .model = m, .windows = windows, .tokens = tokens, .source = places };
	struct score *s;
	uint64_t targets, covered = 0;

	for (uint64_t i = 0; i < STREAM; i++)
		by_place[i] = -1;
	if (score_law_parse(mode, T, &args.law) != 0 || (s = score_open(&args)) == NULL)
		return (0);
	targets = score_targets(s);
	for (uint64_t part = score_parts(s); part-- > 0;) {
		uint64_t first, end;
		const float *nats;
		size_t n;

		score_span(s, part, &first, &end);
		if (score_part(s, part, &nats, &n) != 0 || n != end - first)
			return (0);
		for (uint64_t i = first; i < end; i++) {
			covered += by_place[i] == -1;
			by_place[i] = nats[i - first];
		}
	}
	score_close(s);
	return (covered == targets ? targets : 0);
}

/* The loss of one place, by a pass of its own with the given context. */
static float
alone(struct model *m, uint64_t place, size_t context)
{
	const struct model_batch batch = { stream + place - context, stream + place - context + 1, 1, context };
	float nats[T];

	model_begin(m);
	model_loss(m, &batch, 0);
	model_nats(m, 0, context, nats);
	model_end(m);
	return (nats[context - 1]);
}

static void
scoring(void)
{
	struct rig r = open_rig(0);
	struct model *m = open_model(MODEL_SCORE, 5, T);
	static float apart[STREAM], slid[STREAM], again[STREAM];
	int same = 1, full = 1, once = 1;

	steps(&r, 5);
	model_get(r.m, r.w);
	model_set(m, r.w);
	tap_ok(score_all(m, "non_overlapping", STREAM, 5, apart) == (STREAM - 1) / T * T,
	    "windows side by side score all but the tail that fills none");
	tap_ok(score_all(r.m, "non_overlapping", STREAM, 2, again) > 0 && memcmp(apart, again, sizeof(apart)) == 0,
	    "a model that is training scores the same bits, in other parts");
	tap_ok(score_all(m, "sliding:8", STREAM, 5, again) == STREAM - 1, "sliding scores every token");
	for (size_t i = 1; i <= (STREAM - 1) / T * T; i++)
		same &= apart[i] == again[i];
	tap_ok(same, "with a stride of the whole window it agrees with windows side by side");
	tap_ok(score_all(m, "sliding:3", STREAM, 5, slid) == STREAM - 1, "a stride of 3 scores every token");
	for (size_t i = 1; i < STREAM; i++) {
		once &= slid[i] >= 0;
		if (i >= T && ((i - T) % 3 == 0 || i == STREAM - 1))
			full &= fabsf(slid[i] - alone(m, i, T)) < 1e-6f;
	}
	tap_ok(once && full, "each once, and the last of a window with a full window of context");
	tap_ok(slid[1] == apart[1] && fabsf(slid[1] - alone(m, 1, 1)) < 1e-6f,
	    "the first target has one id of context");
	tap_ok(score_all(m, "sliding:3", 5, 5, again) == 4 && score_all(m, "non_overlapping", 5, 5, again) == 0 &&
		score_all(m, "non_overlapping", T + 1, 5, again) == T && score_all(m, "sliding:1", 2, 5, again) == 1,
	    "short streams are scored where the law can");
	tap_ok(score_all(m, "sliding:0", STREAM, 5, again) == 0 && score_all(m, "sliding:9", STREAM, 5, again) == 0 &&
		score_all(m, "sliding", STREAM, 5, again) == 0 && score_all(m, "all", STREAM, 5, again) == 0,
	    "other modes are refused");
	model_close(m);
	close_rig(&r);
}

static void
generating(void)
{
	struct rig r = open_rig(0);
	struct model *long_one = open_model(MODEL_GENERATE, 1, 64), *short_one = open_model(MODEL_GENERATE, 1, T);
	struct model *m = open_model(MODEL_SCORE, 1, 64);
	const struct generate_law greedy = { 0, 1, -1 };
	struct generate_law warm = { 1.5, 1, -1 };
	int32_t text[40], again[40], other[40];
	float logits[64 * V];
	size_t n, again_n, other_n;
	int right = 1;

	steps(&r, 9);
	model_get(r.m, r.w);
	model_set(long_one, r.w);
	model_set(short_one, r.w);
	model_set(m, r.w);
	tap_ok(generate_run(long_one, &greedy, stream, 3, text, 40, &n) == GENERATE_LENGTH && n == 40,
	    "a prompt is continued to the length asked for");
	for (size_t i = 0; i < n; i++) {
		int32_t ids[64];
		const struct model_batch batch = { ids, NULL, 1, 3 + i };
		size_t best = 0;

		memcpy(ids, stream, 3 * sizeof(*ids));
		memcpy(ids + 3, text, i * sizeof(*ids));
		model_logits(m, &batch, logits);
		for (size_t v = 1; v < V; v++)
			if (logits[(2 + i) * V + v] > logits[(2 + i) * V + best])
				best = v;
		right &= text[i] == (int32_t)best;
	}
	tap_ok(right, "at temperature 0 each id is the likeliest after a full pass over all before it");
	tap_ok(generate_run(long_one, &warm, stream, 3, text, 40, &n) == 0 &&
		generate_run(long_one, &warm, stream, 3, again, 40, &again_n) == 0 && n == again_n &&
		memcmp(text, again, n * sizeof(*text)) == 0,
	    "one seed gives one text");
	warm.seed = 2;
	tap_ok(generate_run(long_one, &warm, stream, 3, other, 40, &other_n) == 0 &&
		memcmp(text, other, sizeof(text)) != 0,
	    "another seed gives another");
	warm.seed = 1;
	warm.stop = text[5];
	tap_ok(generate_run(long_one, &warm, stream, 3, again, 40, &again_n) == GENERATE_STOP && again_n <= 5 &&
		memcmp(text, again, again_n * sizeof(*text)) == 0,
	    "the stop id ends the text and is no part of it");
	tap_ok(generate_run(short_one, &greedy, stream, 20, text, 40, &n) == GENERATE_LENGTH && n == 40,
	    "a prompt and a text longer than the positions go on");
	stream[0] += V;
	tap_ok(generate_run(long_one, &greedy, stream, 3, text, 40, &n) == -1, "an id out of range is refused: %s",
	    say_last());
	stream[0] -= V;
	model_close(long_one);
	model_close(short_one);
	model_close(m);
	close_rig(&r);
}

static void
opening(void)
{
	struct model *m = open_model(MODEL_TRAIN, MICRO / T, T);
	struct optimizer_law law;
	struct trainer_args args = { .model = m,
		.law = &law,
		.seq_len = T,
		.batch_tokens = BATCH + 1,
		.micro_batch_tokens = MICRO,
		.source = spans };
	struct model_args none = { .config = &config,
		.use = MODEL_TRAIN,
		.backend = "abacus",
		.isa = "auto",
		.threads = 1,
		.max_batch = 1,
		.max_seq = 1,
		.max_passes = 1 };
	struct config bad = config;

	trainspec_law(&law);
	tap_ok(trainer_open(&args) == NULL && errno == EINVAL, "a batch is a whole number of micro-batches");
	args.batch_tokens = BATCH;
	args.seq_len = T + 1;
	tap_ok(trainer_open(&args) == NULL && errno == EINVAL, "a micro-batch is a whole number of sequences");
	tap_ok(model_open(&none) == NULL && errno == EINVAL && strstr(say_last(), "abacus"),
	    "an unknown backend is refused by name");
	none.backend = "ref";
	none.isa = "mmx";
	tap_ok(model_open(&none) == NULL && errno == EINVAL,
	    "so is an unknown instruction set, which no other day will have");
	none.isa = "auto";
	none.arith = OPS_BF16;
	tap_ok(model_open(&none) == NULL && errno == EINVAL, "ref has float32 only and says so");
	bad.num_heads = 3;
	tap_ok(config_check(&bad) == -1 && strstr(say_last(), "num_heads"), "heads must divide the width");
	bad = config;
	bad.num_kv_heads = 3;
	tap_ok(config_check(&bad) == -1 && strstr(say_last(), "num_kv_heads"), "key/value heads must divide the heads");
	bad = config;
	bad.num_heads = bad.num_kv_heads = 16;
	tap_ok(config_check(&bad) == -1 && strstr(say_last(), "even"), "heads must be of even width");
	bad = config;
	bad.rope_base = NAN;
	tap_ok(config_check(&bad) == -1 && strstr(say_last(), "rope_base"), "NaN is within no bounds");
	config_default(&bad);
	tap_ok(bad.vocab_size == 0 && config_check(&bad) == -1, "the vocabulary is the tokenizer's");
	model_close(m);
}

static void
initialising(void)
{
	struct config shallow = config, untied = config;
	struct params *a = params_new(&config), *b, *c;
	float *wa = calloc(a->n, sizeof(*wa)), *wb, *wc;
	const struct params_tensor *ta, *tb;
	double square = 0;

	shallow.num_layers = 1; /* no skips, so that every place in the table differs */
	untied.tie_embeddings = 0;
	b = params_new(&shallow);
	c = params_new(&untied);
	wb = calloc(b->n, sizeof(*wb));
	wc = calloc(c->n, sizeof(*wc));
	params_init(a, 7, wa);
	params_init(b, 7, wb);
	params_init(c, 7, wc);
	ta = params_find(a, "blocks.0.mlp.fc.weight");
	tb = params_find(b, "blocks.0.mlp.fc.weight");
	tap_ok(memcmp(wa + ta->offset, wb + tb->offset, ta->n * sizeof(*wa)) == 0,
	    "a tensor's initial bits depend on seed and name alone");
	ta = params_find(a, "blocks.1.resid_mix");
	tb = params_find(c, "lm_head.weight");
	tap_ok(wa[ta->offset] == 1 && wa[ta->offset + ta->cols] == 0 && wc[tb->offset] == 0 &&
		wa[params_find(a, "blocks.0.mlp.proj.weight")->offset] == 0 &&
		wa[params_find(a, "blocks.0.attn.q_gain")->offset] == 1.5f &&
		wa[params_find(a, "skip_weights")->offset] == 1,
	    "control tensors and projections start as published");
	for (size_t i = 0; i < c->tensors[0].n; i++)
		square += (double)wc[i] * wc[i];
	tap_ok(fabs(sqrt(square / (double)c->tensors[0].n) - 1) < 0.1 && fabs(wa[3] - 0.005 * wc[3]) < 1e-9,
	    "an untied embedding is drawn from N(0, 1), a tied one from N(0, 0.005)");
	params_free(a);
	params_free(b);
	params_free(c);
	free(wa);
	free(wb);
	free(wc);
}

static void
no_allocation(const char *on, enum ops_arith with)
{
	struct rig r;
	size_t before;

	backend = on;
	arith = with;
	r = open_rig(1);
	before = requests;
	(void)steps(&r, 1);
	tap_ok(requests >= before && before > 0, "%s: requests for memory are counted", on);
	before = requests;
	tap_ok(isfinite(steps(&r, 5)) && requests == before, "%s: no step but the first asks for memory", on);
	close_rig(&r);
	backend = "ref";
	arith = OPS_FP32;
}

static void
fitting(void)
{
	struct trainspec r = { .config = config,
		.seq_len = 16,
		.batch_tokens = 1024,
		.eval_seq_len = 256,
		.backend = "ref",
		.isa = "auto",
		.threads = 1 };
	const uint64_t one = trainer_bytes(&r, 16, 1), all = trainer_bytes(&r, 1024, 1);

	tap_ok(one > trainer_bytes(&r, 16, 0) && all > one,
	    "weights stand on a host once more, and tokens take memory");
	r.law.average = OPTIMIZER_AVERAGE_TAIL;
	tap_ok(trainer_bytes(&r, 16, 1) == one + 4 * params_sizes(&config).n,
	    "an average takes the weights' memory once more");
	r.law.average = OPTIMIZER_NO_AVERAGE;
	r.schedule.batches = (struct bind_pairs){ 2, { 0, 0.5 }, { 768, 1792 } };
	tap_ok(trainer_open_micro_batch(&r, 2 * all, 2 * all) == 256,
	    "an automatic micro-batch divides every batch of a schedule");
	tap_ok(trainer_bytes(&r, 256, 1) > trainer_bytes(&(struct trainspec){ .config = config,
							     .seq_len = 16,
							     .batch_tokens = 1024,
							     .eval_seq_len = 256,
							     .backend = "ref",
							     .isa = "auto",
							     .threads = 1 },
					       256, 1),
	    "and losses of the largest are kept");
	r.schedule.batches.count = 0;
	r.val_every = 1;
	tap_ok(trainer_bytes(&r, 16, 1) > one && trainer_bytes(&r, 1024, 1) == all,
	    "validation in longer windows than training's takes more, unless the micro-batch holds them");
	r.val_every = 0;
	tap_ok(trainer_open_micro_batch(&r, 2 * all, 2 * all) == 1024 && trainer_open_micro_batch(&r, one, one) == 16 &&
		trainer_open_micro_batch(&r, 0, 0) == 16,
	    "auto takes what fits, and of unknown memory one sequence");
	errno = 0;
	tap_ok(trainer_open_micro_batch(&r, one - 1, 2 * one) == 0 && errno == ENOMEM &&
		strstr(say_last(), "optimizer") != NULL && strstr(say_last(), "lower model.") != NULL,
	    "what is more than is free is refused for now, with what to lower");
	r.micro_batch_tokens = 1024;
	tap_ok(trainer_open_micro_batch(&r, all, all) == 1024 && trainer_open_micro_batch(&r, all - 1, all - 1) == 0 &&
		errno == EFBIG && strstr(say_last(), "lower train.micro_batch_tokens") != NULL,
	    "and what is more than there is for ever, also where a micro-batch was asked for");
	tap_ok(strstr(say_last(), "lower train.micro_batch_tokens: 512 is the largest that fits") != NULL,
	    "and the largest micro-batch that would fit is named");
	tap_ok(trainer_open_micro_batch(&r, one - 1, one - 1) == 0 &&
		strstr(say_last(), "lower model.num_layers") != NULL,
	    "where one sequence is too much a smaller micro-batch is no advice");
}

int
main(void)
{
	struct rng rng;

	say_init("trainer");
	if (freopen("/dev/null", "w", stderr) == NULL)
		return (1);
	rng_seed(&rng, 3, 0);
	for (size_t i = 0; i < STREAM; i++)
		stream[i] = (int32_t)((i * 5 + rng_below(&rng, 4)) % V);
	opening();
	initialising();
	resuming();
	resuming_neurons();
	resuming_changes();
	averaging("ref", OPS_FP32);
	averaging("cpu", OPS_FP32);
	averaging("cpu", OPS_BF16);
	resume_names();
	rolling_back();
	diverging();
	rates(1);
	rates(0);
	scoring();
	generating();
	no_allocation("ref", OPS_FP32);
	no_allocation("cpu", OPS_FP32);
	no_allocation("cpu", OPS_BF16);
	fitting();
	return (tap_done());
}
