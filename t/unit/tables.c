/*
 * lib/gpt/cpu/tables: rows that are updated late are, to the bit, what a training that updates every row in every step
 * makes of them.  Prints TAP.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/jsonio.h"
#include "base/rng.h"
#include "base/say.h"
#include "gpt/resume.h"
#include "gpt/trainer.h"
#include "gpt/model_bytes.h"
#include "gpt/trainspec.h"
#include "gpt/cpu/cpu.h"
#include "t/unit/tap.h"

enum { V = 260, T = 8, MICRO = 2 * T, MOST = 3 * MICRO };

/* Models whose tables differ in number, width and in what reads them; 96 columns are no divisor of a sum's 4096. */
static const struct {
	const char *what, *keys;
} kinds[] = {
	{ "an untied embedding", "{\"tie_embeddings\": false}" },
	{ "an untied embedding, smeared", "{\"tie_embeddings\": false, \"smear\": true}" },
	{ "a table of pairs", "{\"bigram_buckets\": 700, \"bigram_dim\": 96}" },
	{ "an untied embedding and pairs", "{\"tie_embeddings\": false, \"bigram_buckets\": 301, \"bigram_dim\": 20}" },
	{ "embeddings of values", "{\"value_embed_layers\": [0, 1], \"value_residual\": true}" },
	{ "embeddings of values in a loop", "{\"value_embed_layers\": [1], \"loop\": [1, 1, 2]}" },
	{ "every table and a frozen one",
	    "{\"tie_embeddings\": false, \"bigram_buckets\": 400, \"value_embed_layers\": [0, 1], \"smear\": true, "
	    "\"bigram_prior\": \"counts\", \"attn_gate\": true}" },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* How two trainings go that are to be the same. */
struct way {
	const char *what;
	double clip;
	int averages;
	unsigned threads;
	enum ops_arith arith;
	const char *isa;
};

static struct config config;

static void
configure(const char *keys)
{
	json_t *over = jsonio_parse(keys, strlen(keys), "a model"), *object;

	config_default(&config);
	config.vocab_size = V;
	config.num_layers = 2;
	config.model_dim = 32;
	config.num_heads = 4;
	config.num_kv_heads = 2;
	object = config_to_json(&config);
	json_object_update(object, over);
	if (config_from_json(&config, object) != 0)
		abort();
	json_decref(object);
	json_decref(over);
}

/* Few tokens a step, some of them often, many seldom, and the last ten never. */
static int
spans(void *cookie, uint64_t span, int32_t *ids, size_t n)
{
	struct rng rng;

	(void)cookie;
	rng_seed(&rng, 5, span);
	for (size_t i = 0; i < n; i++)
		ids[i] = (int32_t)rng_below(&rng, 1 + rng_below(&rng, V - 10));
	return (0);
}

struct rig {
	struct model *m;
	struct trainer *t;
	size_t n;
	float *w;
};

static struct rig
open_rig(const struct way *way, int dense)
{
	const struct model_args model_args = {
		.config = &config,
		.use = MODEL_TRAIN,
		.backend = "cpu",
		.isa = way->isa != NULL ? way->isa : "auto",
		.arith = way->arith,
		.threads = way->threads,
		.max_batch = MICRO / T,
		.max_seq = T,
		.max_passes = MOST / MICRO,
		.tables = dense ? -1 : 1,
	};
	struct rig r = { .m = model_open(&model_args) };
	struct optimizer_law law;
	struct trainer_args args = { .model = r.m,
		.law = &law,
		.seq_len = T,
		.batch_tokens = MICRO,
		.micro_batch_tokens = MICRO,
		.source = spans };

	trainspec_law(&law);
	law.grad_clip_norm = way->clip;
	law.average = way->averages ? OPTIMIZER_AVERAGE_TAIL : OPTIMIZER_NO_AVERAGE;
	if (r.m == NULL)
		exit(1);
	r.n = model_params(r.m)->n;
	if ((r.w = calloc(r.n, sizeof(*r.w))) == NULL)
		abort();
	params_init(model_params(r.m), 7, r.w);
	/* Tables begin as zeros, in which nothing could go wrong; and one weight as a zero with a sign. */
	for (size_t i = 0; i < r.n; i++)
		r.w[i] += 0.02f * (float)((i * 7 % 11) / 11.0 - 0.5);
	r.w[5 * 32 + 3] = -0.0f;
	model_set(r.m, r.w);
	if ((r.t = trainer_open(&args)) == NULL)
		exit(1);
	return (r);
}

static void
close_rig(struct rig *r)
{
	trainer_close(r->t);
	model_close(r->m);
	free(r->w);
}

/* A step of the schedule: of one, two or three passes, at a rate that falls, now and then without loops. */
static struct trainer_result
step(struct rig *r, uint64_t i)
{
	const double scale = 1 - 0.004 * (double)i;
	struct trainer_result result = { NAN, NAN };
	const struct schedule_rates rates = { scale, scale * scale, NAN, (1 + i % 7 / 3) * MICRO,
		i % 5 == 0 ? T / 2 : T, 0 };

	if (trainer_step(r->t, &rates, &result) != 0)
		result.loss = NAN;
	return (result);
}

static int
same(const void *a, const void *b, size_t bytes)
{
	return (memcmp(a, b, bytes) == 0);
}

static int
same_weights(struct rig *a, struct rig *b)
{
	model_get(a->m, a->w);
	model_get(b->m, b->w);
	return (same(a->w, b->w, a->n * sizeof(*a->w)));
}

static int
same_gradients(struct rig *a, struct rig *b)
{
	model_get_grad(a->m, a->w);
	model_get_grad(b->m, b->w);
	return (same(a->w, b->w, a->n * sizeof(*a->w)));
}

static int
temporary(void)
{
	char path[] = "/tmp/hg-tables-XXXXXX";
	const int fd = mkstemp(path);

	unlink(path);
	return (fd);
}

/* All that is kept between steps, as a resume point has it: weights, moments, averages. */
static int
same_states(const struct rig *a, const struct rig *b)
{
	const int fds[2] = { temporary(), temporary() };
	off_t size[2];
	char *text[2];
	int is_same;

	if (resume_save(a->t, fds[0], NULL) != 0 || resume_save(b->t, fds[1], NULL) != 0)
		abort();
	for (int i = 0; i < 2; i++) {
		size[i] = lseek(fds[i], 0, SEEK_END);
		if ((text[i] = malloc((size_t)size[i])) == NULL ||
		    pread(fds[i], text[i], (size_t)size[i], 0) != (ssize_t)size[i])
			abort();
		close(fds[i]);
	}
	is_same = size[0] == size[1] && same(text[0], text[1], (size_t)size[0]);
	free(text[0]);
	free(text[1]);
	return (is_same);
}

/* From a resume point of the one both go on in fresh trainers. */
static int
goes_on(const struct way *way, const struct rig *from, int dense, struct rig *to)
{
	const int fd = temporary();
	int rc;

	*to = open_rig(way, dense);
	rc = resume_save(from->t, fd, NULL) == 0 && resume_load(to->t, fd, "state", NULL) == 0;
	close(fd);
	return (rc);
}

/* Both for so many steps, an average every third; whether all losses and norms are the same. */
static int
both(struct rig *late, struct rig *dense, const struct way *way, uint64_t steps)
{
	int is_same = 1;

	for (uint64_t end = trainer_steps(late->t) + steps; trainer_steps(late->t) < end;) {
		const uint64_t i = trainer_steps(late->t);
		const struct trainer_result a = step(late, i), b = step(dense, i);

		if (isnan(a.loss) || isnan(b.loss))
			return (0);
		is_same &= same(&a.loss, &b.loss, sizeof(a.loss)) && same(&a.grad_norm, &b.grad_norm, sizeof(b.loss));
		if (way->averages && i >= 40 && i % 3 == 0) {
			trainer_average(late->t, 0.7);
			trainer_average(dense->t, 0.7);
		}
	}
	return (is_same);
}

/* Rows of a table of the model that stand behind; -1 if it has none. */
static long
behind(const struct rig *r)
{
	const struct params *p = model_params(r->m);
	long sum = -1;

	for (size_t i = 0; i < p->count; i++) {
		const struct cpu_table *t = model_weight(r->m, i)->table;

		sum += t != NULL && sum < 0;
		for (size_t row = 0; t != NULL && row < p->tensors[i].rows; row++)
			sum += t->rows[row] < t->late;
	}
	return (sum);
}

static void
check(const char *kind, const struct way *way)
{
	struct rig late = open_rig(way, 0), dense = open_rig(way, 1), fresh, other;
	char what[160];
	int losses;

	snprintf(what, sizeof(what), "%s, %s", kind, way->what);
	losses = both(&late, &dense, way, 9);
	tap_ok(way->averages || (behind(&late) > 100 && behind(&dense) == -1),
	    "%s: rows that nobody looked at are left behind", what);
	tap_ok(same_gradients(&late, &dense), "%s: the gradients are those of a dense table", what);
	tap_ok(same_weights(&late, &dense), "%s: the weights of few steps are those of a dense table", what);
	losses &= both(&late, &dense, way, 30);
	tap_ok(goes_on(way, &late, 0, &fresh) && goes_on(way, &dense, 1, &other),
	    "%s: a resume point is taken while rows are behind", what);
	tap_ok(same_states(&late, &dense) && same_states(&late, &fresh) && same_states(&fresh, &other),
	    "%s: weights, moments and averages are those of a dense table", what);
	/* More than two sweeps, and not a whole number of them. */
	losses &= both(&late, &dense, way, 95) & both(&fresh, &other, way, 95);
	tap_ok(losses, "%s: so are all losses and norms", what);
	tap_ok(same_states(&late, &dense), "%s: and what many steps leave", what);
	tap_ok(same_states(&late, &fresh) && same_states(&fresh, &other), "%s: resumed or not", what);
	tap_ok(trainer_exchange(late.t) == way->averages && trainer_exchange(dense.t) == way->averages &&
		same_weights(&late, &dense) && trainer_exchange(late.t) == way->averages &&
		trainer_exchange(dense.t) == way->averages && same_states(&late, &dense),
	    "%s: averages change places with weights and back", what);
	losses = both(&late, &dense, way, 5);
	trainer_close(late.t);
	trainer_close(dense.t);
	late.t = dense.t = NULL;
	tap_ok(losses && same_weights(&late, &dense), "%s: weights outlive the trainer that left rows behind", what);
	close_rig(&fresh);
	close_rig(&other);
	close_rig(&late);
	close_rig(&dense);
}

/* A step whose loss or norm is not finite changes nothing, and is none of those that rows are behind by. */
static void
diverging(const struct way *way)
{
	struct rig late = open_rig(way, 0), dense = open_rig(way, 1);
	int is_same = both(&late, &dense, way, 20), refused = 1;
	const struct params *p = model_params(late.m);
	const size_t i = params_at(p, 0, PARAMS_Q_GAIN);
	float was, bad = NAN;

	for (int k = 0; k < 2; k++) {
		struct rig *r = k == 0 ? &late : &dense;

		model_ops(r->m)->download(model_ctx(r->m), model_weight(r->m, i), 0, &was, 1);
		model_ops(r->m)->upload(model_ctx(r->m), model_weight(r->m, i), 0, &bad, 1);
		for (int tries = 0; tries < 2; tries++)
			refused &= isnan(step(r, 20).loss);
		model_ops(r->m)->upload(model_ctx(r->m), model_weight(r->m, i), 0, &was, 1);
	}
	tap_ok(refused && same_states(&late, &dense), "%s: a step that is not finite is refused and changes nothing",
	    way->what);
	is_same &= both(&late, &dense, way, 60);
	tap_ok(is_same && same_states(&late, &dense), "%s: and steps after it are those of a dense table", way->what);
	close_rig(&late);
	close_rig(&dense);
}

/* The entries themselves: what a model's training does not come across. */
struct entries {
	const struct ops *ops;
	struct ops_ctx *c;
	struct ops_buf *w, *g, *m, *v, *ids, *x;
};

enum { ROWS = 300, COLS = 40, N = 24 };

static struct entries
open_entries(const char *isa, enum ops_arith arith, int dense)
{
	const struct ops_open_args args = { .geometry = { .vocab_size = ROWS,
						.model_dim = COLS,
						.num_heads = 2,
						.num_kv_heads = 2,
						.mlp_dim = 64,
						.max_rows = N,
						.max_positions = N,
						.rope_base = 10000,
						.logit_softcap = 15,
						.norm_eps = 1e-6 },
		.arith = arith,
		.isa = isa,
		.threads = 3,
		.training = 1 };
	struct entries e = { .ops = ops_find("cpu") };
	float first[ROWS * COLS];

	if ((e.c = e.ops->open(&args)) == NULL)
		return (e);
	e.w = e.ops->alloc(e.c, dense ? OPS_VECTOR : OPS_TABLE, ROWS, COLS);
	e.g = e.ops->alloc(e.c, dense ? OPS_VECTOR : OPS_ROWS, ROWS, COLS);
	e.m = e.ops->alloc(e.c, OPS_VECTOR, ROWS, COLS);
	e.v = e.ops->alloc(e.c, OPS_VECTOR, ROWS, COLS);
	e.ids = e.ops->alloc(e.c, OPS_IDS, N, 1);
	e.x = e.ops->alloc(e.c, OPS_STREAM, N, COLS);
	for (size_t i = 0; i < ROWS * COLS; i++)
		first[i] = i % 97 == 0 ? -0.0f : (float)((i * 31 % 101) / 101.0 - 0.5);
	e.ops->upload(e.c, e.w, 0, first, ROWS * COLS);
	return (e);
}

static void
close_entries(struct entries *e)
{
	e->ops->free(e->c, e->m);
	e->ops->free(e->c, e->w);
	e->ops->free(e->c, e->v);
	e->ops->free(e->c, e->g);
	e->ops->free(e->c, e->ids);
	e->ops->free(e->c, e->x);
	e->ops->close(e->c);
}

/* A step whose gradient has ids of one span, and the norm that it has; bad: one element of what came back is a NaN. */
static double
update(const struct entries *e, uint64_t i, int bad)
{
	const struct ops_rows rows = { 1, N, 0, 0 };
	const struct ops_buf *g = e->g;
	const size_t n = ROWS * COLS;
	const struct ops_adam p = { e->w, e->g, e->m, e->v, n, 0.01f / (float)(1 + i % 9) };
	const struct ops_adam_law law = { 0.9f, 0.95f, 1e-8f, i + 1, i % 3 == 0 ? 0.3f : 1 };
	float dx[N * COLS];
	int32_t ids[N];
	double norm;

	for (size_t k = 0; k < N * COLS; k++)
		dx[k] = (float)((k * 13 + i * 7) % 29) / 29 - 0.5f;
	if (bad)
		dx[5 * COLS + 11] = NAN;
	spans(NULL, i, ids, N);
	e->ops->begin(e->c);
	e->ops->zero(e->c, (struct ops_buf *const *)&e->g, 1);
	e->ops->upload(e->c, e->ids, 0, ids, N);
	e->ops->embed(e->c, rows, e->x, e->ids, e->w);
	e->ops->upload(e->c, e->x, 0, dx, N * COLS);
	e->ops->embed_grad(e->c, rows, e->g, e->x, e->ids, e->w);
	norm = e->ops->sumsq(e->c, &g, &n, 1);
	if (!bad)
		e->ops->adam(e->c, &p, 1, &law);
	e->ops->end(e->c);
	return (norm);
}

static int
same_buffers(const struct entries *a, const struct ops_buf *x, const struct entries *b, const struct ops_buf *y)
{
	static float one[ROWS * COLS], two[ROWS * COLS];

	a->ops->download(a->c, x, 0, one, ROWS * COLS);
	b->ops->download(b->c, y, 0, two, ROWS * COLS);
	return (same(one, two, sizeof(one)));
}

static int
same_entries(const struct entries *a, const struct entries *b)
{
	return (same_buffers(a, a->w, b, b->w) && same_buffers(a, a->m, b, b->m) && same_buffers(a, a->v, b, b->v));
}

static void
entries(const char *isa, enum ops_arith arith)
{
	static float some[ROWS * COLS];
	struct entries late = open_entries(isa, arith, 0), dense = open_entries(isa, arith, 1);
	const char *type = arith == OPS_BF16 ? "bf16" : "fp32";
	double norms[2] = { 0, 0 };
	int is_same = 1;

	if (late.c == NULL || dense.c == NULL) {
		tap_ok(errno == ENODEV, "%s %s # SKIP this machine cannot run it", isa, type);
		return;
	}
	for (uint64_t i = 0; i < 70; i++) {
		norms[0] = update(&late, i, 0);
		norms[1] = update(&dense, i, 0);
		is_same &= same(&norms[0], &norms[1], sizeof(double)) && norms[0] > 0;
	}
	tap_ok(is_same && same_entries(&late, &dense), "%s %s: steps of Adam on some rows are those on all", isa, type);
	norms[0] = update(&late, 70, 1);
	norms[1] = update(&dense, 70, 1);
	tap_ok(isnan(norms[0]) && isnan(norms[1]), "%s %s: a gradient that is no number reaches the norm", isa, type);
	update(&late, 71, 0);
	update(&dense, 71, 0);
	tap_ok(late.w->data == NULL && late.m->data == NULL && late.v->data == NULL && late.g->data == NULL,
	    "%s %s: nobody can read rows that are behind without asking for them", isa, type);
	for (size_t i = 0; i < ROWS * COLS; i++)
		some[i] = (float)(i % 7) - 3;
	for (int k = 0; k < 2; k++) {
		const struct entries *e = k == 0 ? &late : &dense;

		e->ops->upload(e->c, e->w, 3 * COLS + 5, some, 2 * COLS);
		e->ops->upload(e->c, e->m, 9 * COLS, some, COLS);
		e->ops->zero(e->c, (struct ops_buf *const *)&e->v, 1);
		update(e, 72, 0);
		/* A gradient that came otherwise is of all rows. */
		e->ops->upload(e->c, e->g, 0, some, ROWS * COLS);
		e->ops->adam(e->c, &(const struct ops_adam){ e->w, e->g, e->m, e->v, ROWS * COLS, 0.01f }, 1,
		    &(const struct ops_adam_law){ 0.9f, 0.95f, 1e-8f, 74, 1 });
		update(e, 74, 0);
	}
	tap_ok(same_entries(&late, &dense), "%s %s: also after parts of them were written otherwise", isa, type);
	close_entries(&late);
	close_entries(&dense);
}

/* What is reckoned before a model is opened has what stands beside its tables. */
static void
reckoned(void)
{
	struct model_args args = { .config = &config,
		.use = MODEL_TRAIN,
		.backend = "cpu",
		.isa = "auto",
		.threads = 1,
		.max_batch = 1,
		.max_seq = T,
		.max_passes = 1 };
	uint64_t late, dense;

	configure("{\"bigram_buckets\": 200000, \"bigram_dim\": 8}");
	late = model_bytes(&args);
	args.tables = -1;
	dense = model_bytes(&args);
	tap_ok(late - dense >= 2 * 5 * 200000 && late - dense < 2 * 5 * 200000 + 10000,
	    "what is known of each row counts towards memory before any is asked for");
}

int
main(void)
{
	static const struct way ways[] = {
		{ "one thread, not clipped", 0, 0, 1, OPS_FP32, NULL },
		{ "three threads, clipped", 0.05, 0, 3, OPS_BF16, NULL },
		{ "three threads, clipped, averaged", 0.05, 1, 3, OPS_FP32, NULL },
	};
	enum { WAYS = sizeof(ways) / sizeof(ways[0]) };
	const struct way portable = { "portable, clipped", 0.05, 0, 1, OPS_FP32, "portable" };

	say_init("tables");
	for (size_t i = 0; i < KINDS; i++) {
		configure(kinds[i].keys);
		/* All ways for the kind that has all, else one by turns. */
		for (size_t k = 0; k < WAYS; k++)
			if (i == KINDS - 1 || i % WAYS == k)
				check(kinds[i].what, &ways[k]);
	}
	check(kinds[KINDS - 1].what, &portable);
	diverging(&ways[0]);
	diverging(&ways[1]);
	for (const char *const *isa = ops_find("cpu")->isa_names; *isa != NULL; isa++) {
		entries(*isa, OPS_FP32);
		entries(*isa, OPS_BF16);
	}
	reckoned();
	return (tap_done());
}
