#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/exit.h"
#include "base/jsonio.h"
#include "base/proc.h"
#include "base/say.h"
#include "gpt/params.h"
#include "gpt/trainer_bytes.h"
#include "run/mint.h"
#include "run/specrequest.h"
#include "work/planner.h"
#include "work/speccheck.h"

/* What is tried of each key that the owner leaves open. */
static const size_t layers_tried[] = { 2, 3, 4, 5, 6, 8, 9, 11, 12 };
static const size_t dims_tried[] = { 64, 128, 192, 256, 320, 384, 448, 512, 640, 768 };
static const size_t batches_tried[] = { 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072 };
static const size_t seqs_tried[] = { 128, 256, 512, 1024 };

/* The rest of the recipe, for what the owner leaves open: that of the second kind of runs in the law. */
static const char *const recipe[] = {
	"model.logit_softcap=15",
	"model.qk_gain_init=3",
	"model.encoder_layers=0",
	"train.warmup_steps=2",
	"train.warmdown_frac=0.6",
	"train.muon_momentum_warmup_frac=0.15",
	"train.grad_clip_norm=1",
	"train.matrix_lr=0.02",
	"train.tied_embed_lr=0.05",
	"train.numerics=2",
};

/* The shape that every data directory is measured with first: how fast this machine is, and how hard the text. */
static const struct planner_shape probe = { .layers = 2,
	.dim = 64,
	.heads = 2,
	.kv_heads = 2,
	.batch_tokens = 1024,
	.seq_len = 128 };

#define HEAD_DIM 32
#define LEAST_ASPECT 24 /* width for a layer: deeper and narrower is nowhere near what the law was fitted on */
#define MEASURE_MS 4000 /* of a shape, at most */
#define PROBE_STEPS 128 /* of the probe; losslaw_text's constants are for so many */
#define CAP_SHARE 0.97  /* of the budget, for steps; the rest is for those that a busy moment makes slower */
#define MIN_ITERATIONS 50
#define LARGE_BATCH 8192 /* above it the law has one run, which it flatters: only where steps abound */
#define ABUNDANT_STEPS 1000

struct search {
	struct planner *p;
	struct dataset *data[PLANNER_DATA];
	double bytes_per_token[PLANNER_DATA];
	double probe_bpb[PLANNER_DATA], text[PLANNER_DATA];
	int64_t end_ms;
	uint64_t cap_bytes;
	struct artifact_law artifact;
	int aspect_given, batch_given; /* layers or width, and the batch, are the owner's to choose */
	int values_given;              /* likewise which layers have a table of values */
	json_t *bare;                  /* a request of nothing but the machine's settings, for the probe */
	struct config model;           /* with all that the owner fixed; the shape's keys are put over it */
	struct planner_choice best;    /* of one look over the grid */
};

/* --- what the owner fixed ---------------------------------------------------- */

/* The values to try of a key: the owner's one, or those of the list. */
struct values {
	const size_t *v;
	size_t n, given;
};

static void
values_of(const json_t *request, const char *key, const size_t *tried, size_t n, struct values *out)
{
	const json_t *given = specrequest_given(request, key);

	out->v = tried;
	out->n = n;
	if (!json_is_integer(given))
		return;
	out->given = (size_t)json_integer_value(given);
	out->v = &out->given;
	out->n = 1;
}

static size_t
given_or(const json_t *request, const char *key, size_t other)
{
	const json_t *given = specrequest_given(request, key);

	return (json_is_integer(given) ? (size_t)json_integer_value(given) : other);
}

/* --- a shape's spec ------------------------------------------------------------ */

static int offer(json_t *request, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int
offer(json_t *request, const char *format, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return (specrequest_offer(request, text));
}

/* The whole spec of a choice, by ${asked}, and what it asks for. An exit code, everything said. */
static int
build(const struct search *x, const struct planner_choice *c, const json_t *asked, json_t **spec, struct trainspec *r)
{
	const struct planner_shape *s = &c->shape;
	const char *dir = x->p->data_dirs[s->data];
	const size_t last = given_or(asked, "model.num_layers", s->layers) - 1;
	json_t *request = json_deep_copy(asked);
	size_t i, failed = request == NULL;
	char quoted[4200];
	int code;

	*spec = NULL;
	snprintf(quoted, sizeof(quoted), "data.dir=%s", dir);
	failed = failed || specrequest_set(request, quoted) == -1;
	for (i = 0; i < sizeof(recipe) / sizeof(recipe[0]); i++)
		failed = failed || specrequest_offer(request, recipe[i]) == -1;
	if (failed || offer(request, "model.num_layers=%zu", s->layers) == -1 ||
	    offer(request, "model.model_dim=%zu", s->dim) == -1 ||
	    offer(request, "model.num_heads=%zu", s->heads) == -1 ||
	    offer(request, "model.num_kv_heads=%zu", s->kv_heads) == -1 ||
	    offer(request, last > 0 ? "model.value_embed_layers=[0,%zu]" : "model.value_embed_layers=[%zu]", last) ==
		-1 ||
	    offer(request, "train.batch_tokens=%zu", s->batch_tokens) == -1 ||
	    offer(request, "train.seq_len=%zu", s->seq_len) == -1 ||
	    offer(request, "train.iterations=%llu", (unsigned long long)c->iterations) == -1 ||
	    offer(request, "train.arith=%s", x->p->arith) == -1 || offer(request, "eval.arith=%s", x->p->arith) == -1 ||
	    offer(request, "budget.max_wallclock_ms=%lld", (long long)x->p->budget_ms) == -1 ||
	    specrequest_build(request, spec) == -1) {
		code = mint_exit(errno);
		goto done;
	}
	if ((code = speccheck(*spec, r, NULL)) == HG_EXIT_DONE && r->threads == 0)
		r->threads = proc_cpus();
done:
	json_decref(request);
	return (code);
}

/* --- what a step takes --------------------------------------------------------- */

/* Operations of a step: multiplications and additions of products and attention, Muon's products, passes of Adam. */
static double
operations(const struct planner_shape *s, const struct params_sizes *n, const struct config *c)
{
	const double C = (double)s->dim, rows = (double)s->batch_tokens, visits = (double)config_visits(c);
	const double matrices = (double)n->of_group[PARAMS_MATRIX], head = (double)c->vocab_size * C;
	const double passed = matrices * visits / (double)c->num_layers;

	return (rows * (6 * (passed + head) + 6 * visits * (double)s->seq_len * C) + 5 * 6 * matrices * C +
	    100 * (double)n->n);
}

/* How alike two shapes are, for what a machine makes of them: a factor of two in either counts one. */
static double
distance(const struct planner_shape *a, const struct planner_shape *b)
{
	const double dim = log2((double)a->dim / (double)b->dim);
	const double batch = log2((double)a->batch_tokens / (double)b->batch_tokens);

	return (dim * dim + batch * batch / 4);
}

static void
model_of(const struct search *x, const struct planner_shape *s, struct config *c)
{
	*c = x->model;
	c->vocab_size = x->data[s->data]->vocab_size;
	c->num_layers = s->layers;
	c->model_dim = s->dim;
	c->num_heads = s->heads;
	c->num_kv_heads = s->kv_heads;
	if (x->values_given)
		return;
	/* The first and the last layer look values up. */
	memset(&c->value_embed_layers, 0, sizeof(c->value_embed_layers));
	bind_set_add(&c->value_embed_layers, 0);
	bind_set_add(&c->value_embed_layers, s->layers - 1);
}

/* The time of a step: as measured, or by the operations, at the rate of what was measured and is alike. */
static double
reckon(const struct search *x, const struct planner_shape *s)
{
	double rate = 0, weights = 0, near, ops;
	struct config c, other;
	struct params_sizes n;
	const struct planner_choice *m;

	model_of(x, s, &c);
	n = params_sizes(&c);
	ops = operations(s, &n, &c);
	for (size_t i = 0; i < x->p->measured_count; i++) {
		m = &x->p->measured[i];
		/* A probe was of nothing that the owner fixed. */
		if (i >= x->p->data_count && memcmp(&m->shape, s, sizeof(*s)) == 0)
			return (m->step_ms);
		model_of(x, &m->shape, &other);
		n = params_sizes(&other);
		near = 1 / (0.02 + distance(s, &m->shape));
		rate += near * log(operations(&m->shape, &n, &other) / m->step_ms);
		weights += near;
	}
	return (ops / exp(rate / weights));
}

/* Iterations, rate, what is expected: all that follows from the shape and the time of its step. */
static void
expect(const struct search *x, struct planner_choice *c)
{
	const double fit = floor(CAP_SHARE * (double)x->p->budget_ms / c->step_ms);
	const size_t d = c->shape.data;
	struct params_sizes n;
	struct config model;

	model_of(x, &c->shape, &model);
	n = params_sizes(&model);
	c->params = n.n - n.of_group[PARAMS_FROZEN];
	c->iterations = given_or(x->p->request, "train.iterations", fit < 1 ? 1 : (size_t)fit);
	c->run = (struct losslaw_run){ .body = (double)(c->params - n.of_group[PARAMS_EMBED] - n.of_group[PARAMS_HEAD] -
					   n.of_group[PARAMS_VALUE]),
		.bytes = (double)c->iterations * (double)c->shape.batch_tokens * x->bytes_per_token[d],
		.steps = (double)c->iterations,
		.seq_len = (double)c->shape.seq_len,
		.vocab_size = (double)model.vocab_size };
	c->val_bpb = x->text[d] * losslaw_expect(&c->run);
}

/* --- the grid -------------------------------------------------------------------- */

static void
consider(struct search *x, const struct planner_shape *s)
{
	struct planner_choice c = { .shape = *s };
	struct config model;

	if (!x->aspect_given && s->layers * LEAST_ASPECT > s->dim)
		return;
	if (s->heads == 0 || s->dim % s->heads != 0 || (s->dim / s->heads) % 2 != 0 || s->kv_heads == 0 ||
	    s->heads % s->kv_heads != 0 || s->batch_tokens % s->seq_len != 0)
		return;
	model_of(x, s, &model);
	/* No float in it has more than four bytes, so that most shapes need no look at their tensors. */
	if (4 * params_sizes(&model).n > x->cap_bytes && artifact_likely(&model, &x->artifact) > x->cap_bytes)
		return;
	c.step_ms = reckon(x, s);
	expect(x, &c);
	if (c.iterations < MIN_ITERATIONS ||
	    (!x->batch_given && s->batch_tokens > LARGE_BATCH && c.iterations < ABUNDANT_STEPS))
		return;
	if (x->best.iterations == 0 || c.val_bpb < x->best.val_bpb)
		x->best = c;
}

/* The best by reckoning, in x->best; iterations 0: there is none. */
static void
look(struct search *x)
{
	const json_t *q = x->p->request;
	struct values layers, dims, batches, seqs;
	struct planner_shape s;

#define TRIED(list) list, sizeof(list) / sizeof(list[0])
	values_of(q, "model.num_layers", TRIED(layers_tried), &layers);
	values_of(q, "model.model_dim", TRIED(dims_tried), &dims);
	values_of(q, "train.batch_tokens", TRIED(batches_tried), &batches);
	values_of(q, "train.seq_len", TRIED(seqs_tried), &seqs);
#undef TRIED
	x->aspect_given = layers.v == &layers.given || dims.v == &dims.given;
	x->batch_given = batches.v == &batches.given;
	x->best = (struct planner_choice){ 0 };
	memset(&s, 0, sizeof(s));
	for (s.data = 0; s.data < x->p->data_count; s.data++)
		for (size_t l = 0; l < layers.n; l++)
			for (size_t d = 0; d < dims.n; d++)
				for (size_t b = 0; b < batches.n; b++)
					for (size_t t = 0; t < seqs.n; t++) {
						s.layers = layers.v[l];
						s.dim = dims.v[d];
						s.heads = given_or(q, "model.num_heads",
						    (s.dim + HEAD_DIM - 1) / HEAD_DIM);
						s.kv_heads = given_or(q, "model.num_kv_heads", s.heads);
						s.batch_tokens = batches.v[b];
						s.seq_len = seqs.v[t];
						consider(x, &s);
					}
}

/* --- measuring ----------------------------------------------------------------- */

/* Measure a choice, as ${asked}, for ${ms}, and ${steps} steps at least. An exit code. */
static int
measure(struct search *x, struct planner_choice *c, const json_t *asked, int64_t ms, size_t steps)
{
	struct trainspec r;
	json_t *spec = NULL;
	int code;

	if ((code = build(x, c, asked, &spec, &r)) == HG_EXIT_DONE)
		code = pacing_measure(&r, x->data[c->shape.data], ms, steps, &c->pace);
	json_decref(spec);
	if (code != HG_EXIT_DONE)
		return (code);
	c->step_ms = (c->pace.median_ms + c->pace.p90_ms) / 2;
	x->p->starved |= c->pace.starved;
	return (HG_EXIT_DONE);
}

static void
remember(struct search *x, const struct planner_choice *c)
{
	x->p->measured[x->p->measured_count++] = *c;
}

/* The faster arithmetic on this machine, by the probe. */
static int
choose_arith(struct search *x)
{
	static const char *const ariths[] = { "fp32", "bf16" };
	const json_t *given = specrequest_given(x->p->request, "train.arith");
	double least = INFINITY;
	const char *best = NULL;
	int code;

	if (json_is_string(given)) {
		x->p->arith = json_string_value(given);
		return (HG_EXIT_DONE);
	}
	for (size_t i = 0; i < sizeof(ariths) / sizeof(ariths[0]); i++) {
		struct planner_choice c = { .shape = probe, .iterations = PROBE_STEPS };

		x->p->arith = ariths[i];
		if ((code = measure(x, &c, x->bare, MEASURE_MS / 8, 0)) != HG_EXIT_DONE)
			return (code);
		if (c.pace.median_ms < least) {
			least = c.pace.median_ms;
			best = ariths[i];
		}
	}
	x->p->arith = best;
	return (HG_EXIT_DONE);
}

/* How fast the machine is, and how hard each text. */
static int
run_probes(struct search *x)
{
	int code = HG_EXIT_DONE;
	size_t i;

	for (i = 0; code == HG_EXIT_DONE && i < x->p->data_count; i++) {
		struct planner_choice c = { .shape = probe, .iterations = PROBE_STEPS };

		c.shape.data = i;
		if ((code = measure(x, &c, x->bare, 0, PROBE_STEPS)) != HG_EXIT_DONE)
			break;
		x->probe_bpb[i] = c.pace.loss / M_LN2 / x->bytes_per_token[i];
		x->text[i] = losslaw_text(x->probe_bpb[i], x->data[i]->vocab_size);
		expect(x, &c);
		remember(x, &c);
	}
	return (code);
}

/* Measure what is best by reckoning until it is what was measured, or time is over. */
static int
settle(struct search *x)
{
	struct planner *p = x->p;
	int code;

	for (;;) {
		look(x);
		if (x->best.iterations == 0)
			break;
		for (size_t i = p->data_count; i < p->measured_count; i++)
			if (memcmp(&p->measured[i].shape, &x->best.shape, sizeof(x->best.shape)) == 0) {
				p->choice = p->measured[i];
				expect(x, &p->choice);
				p->settled = 1;
				return (HG_EXIT_DONE);
			}
		if (p->measured_count == PLANNER_MEASURED ||
		    (p->measured_count > p->data_count && clock_mono_ms() >= x->end_ms))
			break;
		if ((code = measure(x, &x->best, x->p->request, MEASURE_MS, 0)) != HG_EXIT_DONE)
			return (code);
		expect(x, &x->best);
		remember(x, &x->best);
	}
	return (HG_EXIT_DONE);
}

/* --- from the directories to the proposal ---------------------------------------- */

static int
open_data(struct search *x)
{
	struct inputerror f = { .kind = REFUSAL_NONE };
	size_t i;

	for (i = 0; i < x->p->data_count; i++) {
		if ((x->data[i] = dataset_open(x->p->data_dirs[i], &f)) == NULL)
			return (inputerror_exit(f.kind));
		x->bytes_per_token[i] = (double)x->data[i]->val.bytes / (double)x->data[i]->val.tokens;
		/* Bits per byte of different texts say nothing of what to choose. */
		if (strcmp(x->data[i]->val_raw_sha256, x->data[0]->val_raw_sha256) != 0) {
			say_error("'%s' and '%s' do not hold the same validation text, so their scores can't be "
				  "compared: plan for one of them",
			    x->p->data_dirs[0], x->p->data_dirs[i]);
			return (HG_EXIT_USAGE);
		}
	}
	return (HG_EXIT_DONE);
}

/* What the owner fixed, as a model; and the settings of the machine alone. */
static int
read_request(struct search *x)
{
	struct planner_choice c = { .shape = probe, .iterations = PROBE_STEPS };
	const json_t *request = x->p->request;
	static const char *const from[] = { "base", "set" };
	json_t *spec = NULL, *system;
	struct trainspec r;
	int code;

	if ((x->bare = specrequest_new()) == NULL)
		return (HG_EXIT_SYSTEM);
	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++)
		if ((system = json_object_get(json_object_get(request, from[i]), "system")) != NULL &&
		    jsonio_put(x->bare, i == 0 ? "base.system" : "set.system", json_deep_copy(system)) == -1)
			return (HG_EXIT_SYSTEM);
	x->p->arith = "fp32";
	if ((code = build(x, &c, request, &spec, &r)) == HG_EXIT_DONE && strcmp(r.backend, "external") == 0) {
		say_error("what a program takes only it knows: there is no plan for system.backend=external");
		code = HG_EXIT_USAGE;
	}
	if (code == HG_EXIT_DONE) {
		x->model = r.config;
		x->values_given = specrequest_given(request, "model.value_embed_layers") != NULL;
		x->artifact = r.artifact;
		x->cap_bytes = (uint64_t)jsonio_i64(spec, "budget.artifact_cap_bytes", INT64_MAX);
	}
	json_decref(spec);
	return (code);
}

static int
conclude(struct search *x)
{
	struct planner *p = x->p;
	int code;

	if (!p->settled) {
		/* The best of those that were measured. */
		for (size_t i = 0; i < p->measured_count; i++) {
			struct planner_choice *c = &p->measured[i];

			expect(x, c);
			if (i >= p->data_count && (p->choice.iterations == 0 || c->val_bpb < p->choice.val_bpb))
				p->choice = *c;
		}
		if (p->choice.iterations == 0) {
			say_error(
			    "no shape makes %d steps in %.0f s here; give it more time, or a smaller shape with -s",
			    MIN_ITERATIONS, (double)p->budget_ms / 1e3);
			return (HG_EXIT_NO);
		}
	}
	p->probe_bpb = x->probe_bpb[p->choice.shape.data];
	p->text = x->text[p->choice.shape.data];
	p->train_tokens = x->data[p->choice.shape.data]->train.tokens;
	if ((code = build(x, &p->choice, p->request, &p->spec, &p->recipe)) == HG_EXIT_DONE) {
		p->memory_bytes = trainer_bytes(&p->recipe, p->choice.pace.micro_batch, 1);
		p->artifact_bytes = artifact_likely(&p->recipe.config, &p->recipe.artifact);
	}
	return (code);
}

int
planner_propose(struct planner *p)
{
	struct search x = { .p = p, .end_ms = clock_mono_ms() + p->measure_ms };
	int code;

	if ((code = open_data(&x)) == HG_EXIT_DONE && (code = read_request(&x)) == HG_EXIT_DONE &&
	    (code = choose_arith(&x)) == HG_EXIT_DONE && (code = run_probes(&x)) == HG_EXIT_DONE &&
	    (code = settle(&x)) == HG_EXIT_DONE)
		code = conclude(&x);
	for (size_t i = 0; i < p->data_count; i++)
		dataset_free(x.data[i]);
	json_decref(x.bare);
	return (code);
}
