/*
 * golden STEM [-b BACKEND] [-i ISA] [-a fp32|bf16] [-j THREADS] [-G]: compare a
 * backend with golden vectors, quantity by quantity, and print for each the
 * largest error, normalised by the reference's largest element, with a
 * verdict.  The configuration stands in STEM.json, or under the stem's name in
 * more.json beside it.  -G: Muon computes on Gram matrices, which is the same but for
 * rounding.  Exit code: 0 all within tolerance, 1 not.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gpt/config.h"
#include "base/exit.h"
#include "gpt/f16.h"
#include "base/jsonio.h"
#include "data/loader.h"
#include "gpt/model.h"
#include "gpt/trainspec.h"
#include "base/num.h"
#include "gpt/optimizer.h"
#include "gpt/prior.h"
#include "gpt/quantize.h"
#include "gpt/safetensors.h"
#include "base/say.h"
#include "gpt/schedule.h"
#include "data/shard.h"
#include "data/shard_writer.h"

static struct {
	const char *backend, *isa;
	enum ops_arith arith;
	unsigned threads;
	unsigned compared, failed, skipped;
	int lever;          /* the stem is of levers, on a very small model */
	double step, after; /* its own tolerances, if not 0 */
	enum ops_muon_form form;
} run = { "ref", "auto", OPS_FP32, 1, 0, 0, 0, 0, 0, 0, OPS_MUON_DIRECT };

/*
 * Tolerances of golden/README.md, and of golden/levers/DEFINITIONS.md; Adam under bf16 is fed the reference's gradients
 * and then stays in float32.
 */
/* The public rule of rows. */
static const struct quantize_law published_rows = { .bits = 8, .clip = QUANTIZE_MINMAX, .scale_floor = 1.0 / 127 };

enum quantity { LOSS, LOGITS, GRADIENT, AFTER_ADAM, AFTER_MUON, EXACT };

static double
tolerance(enum quantity q)
{
	static const double fp32[] = { 1e-5, 1e-4, 1e-4, 1e-3, 1e-3, 0 };
	static const double bf16[] = { 5e-3, 2e-2, 6e-2, 1e-3, 5e-2, 0 };
	static const double bf16_lever[] = { 1e-2, 4e-2, 0.15, 2e-3, 0.1, 0 };
	const double own[] = { run.step, run.step, run.step, run.after, run.after, 0 };

	if (own[q] > 0)
		return (own[q]);
	return (run.arith == OPS_FP32 ? fp32[q] : run.lever ? bf16_lever[q] : bf16[q]);
}

static void
verdict(const char *name, double error, double allowed)
{
	const int ok = error <= allowed; /* a NaN is not */

	run.compared++;
	run.failed += !ok;
	printf("%-44s %-9.3g (allowed %.0e) %s\n", name, error, allowed, ok ? "ok" : "FAILED");
}

static void
skip(const char *name, const char *why)
{
	run.skipped++;
	printf("%-44s skipped: %s\n", name, why);
}

/* Largest difference over largest reference element; NaN or infinity anywhere gives NaN. */
static double
difference(const float *ours, const double *theirs, size_t n)
{
	double most = 0, largest = 0;

	for (size_t i = 0; i < n; i++) {
		if (!isfinite(ours[i]) || !isfinite(theirs[i]))
			return (NAN);
		most = fmax(most, fabs(ours[i] - theirs[i]));
		largest = fmax(largest, fabs(theirs[i]));
	}
	return (largest > 0 ? most / largest : most);
}

static double
difference_f32(const float *ours, const float *theirs, size_t n)
{
	double most = 0, largest = 0;

	for (size_t i = 0; i < n; i++) {
		if (!isfinite(ours[i]) || !isfinite(theirs[i]))
			return (NAN);
		most = fmax(most, fabs((double)ours[i] - theirs[i]));
		largest = fmax(largest, fabs(theirs[i]));
	}
	return (largest > 0 ? most / largest : most);
}

static void *
room(size_t n, size_t size)
{
	void *p = calloc(n > 0 ? n : 1, size);

	if (p == NULL) {
		say_error("out of memory");
		exit(HG_EXIT_SYSTEM);
	}
	return (p);
}

/* A tensor as float32, or NULL if the file has none of that name. */
static float *
fetch(const struct safetensors *s, const char *prefix, const char *name, size_t expected)
{
	char full[256];
	const struct safetensors_tensor *t;
	float *out;

	snprintf(full, sizeof(full), "%s%s", prefix, name);
	if ((t = safetensors_find(s, full)) == NULL)
		return (NULL);
	if (expected != 0 && t->n != expected) {
		say_error("tensor '%s' has %zu elements, not %zu", full, t->n, expected);
		exit(HG_EXIT_NO);
	}
	out = room(t->n, sizeof(*out));
	if (safetensors_get_f32(s, t, out) != 0)
		exit(HG_EXIT_SYSTEM);
	return (out);
}

/* One case: a model, its data, and where training stands. */
struct golden {
	const json_t *root;
	const struct safetensors *s;
	struct config config;
	struct optimizer_law law;
	struct schedule schedule;
	int32_t *ids;
	size_t steps, accum, B, T;
	struct model *m;
	struct optimizer *o;
	struct model *shadow; /* bf16 only: float32 `ref` that trains beside, and its optimizer */
	struct optimizer *shadow_o;
	const struct params *p;
	float *w; /* current, or gradients */
};

static int
prefix_present(const struct golden *g, const char *prefix)
{
	for (size_t i = 0; i < safetensors_count(g->s); i++)
		if (strncmp(safetensors_at(g->s, i)->name, prefix, strlen(prefix)) == 0)
			return (1);
	return (0);
}

/* Model keys that are on, by their names in a spec. */
static void
read_model_levers(struct golden *g)
{
	json_t *levers = json_object_get(g->root, "levers"), *object = config_to_json(&g->config), *value;
	const char *path;

	json_object_foreach(levers, path, value)
		if (strncmp(path, "model.", 6) == 0)
			json_object_set(object, path + 6, value);
	if (config_from_json(&g->config, object) != 0)
		exit(HG_EXIT_NO);
	run.lever = levers != NULL;
	run.step = jsonio_f64(g->root, "tolerance.step", 0);
	run.after = jsonio_f64(g->root, "tolerance.after", 0);
	json_decref(object);
}

static void
read_config(struct golden *g)
{
	const json_t *c = jsonio_get(g->root, "config");
	struct config *out = &g->config;

	config_default(out);
	out->vocab_size = (size_t)jsonio_i64(c, "vocab_size", 0);
	out->num_layers = (size_t)jsonio_i64(c, "num_layers", 0);
	out->model_dim = (size_t)jsonio_i64(c, "model_dim", 0);
	out->num_heads = (size_t)jsonio_i64(c, "num_heads", 0);
	out->num_kv_heads = (size_t)jsonio_i64(c, "num_kv_heads", (int64_t)out->num_heads);
	out->mlp_mult = (size_t)jsonio_i64(c, "mlp_mult", 2);
	out->tie_embeddings = jsonio_get(c, "tie_embeddings") == NULL || jsonio_true(c, "tie_embeddings");
	out->rope_base = jsonio_f64(c, "rope_base", out->rope_base);
	out->logit_softcap = jsonio_f64(c, "logit_softcap", out->logit_softcap);
	if (config_check(out) != 0)
		exit(HG_EXIT_NO);
	read_model_levers(g);
	if (fabs(jsonio_f64(c, "norm_eps", CONFIG_NORM_EPS) - CONFIG_NORM_EPS) > 1e-12) {
		say_error("norm_eps %g is not this family's", jsonio_f64(c, "norm_eps", 0));
		exit(HG_EXIT_NO);
	}
}

/* Keys of a spec's section train that a case has on, as a spec would set them. */
static void
read_train_levers(struct golden *g)
{
	struct trainspec r = { .law = g->law, .schedule = g->schedule };
	json_t *levers = json_object_get(g->root, "levers"), *v;
	const struct bind *row;
	const char *key;

	json_object_foreach(levers, key, v) {
		if (strncmp(key, "train.", 6) != 0)
			continue;
		if ((row = bind_find(trainspec_keys, key)) == NULL || bind_set(row, &r, v) != 0) {
			say_error("%s is no key of a spec, or has another type", key);
			exit(HG_EXIT_NO);
		}
	}
	g->law = r.law;
	g->schedule = r.schedule;
}

static void
read_laws(struct golden *g)
{
	const json_t *o = jsonio_get(g->root, "optimizer"), *schedule = jsonio_get(o, "schedule");
	struct optimizer_law *law = &g->law;

	if (schedule == NULL)
		schedule = g->root;

	trainspec_law(law);
	law->muon_form = run.form;
	law->matrix_lr = jsonio_f64(o, "matrix_lr", law->matrix_lr);
	law->scalar_lr = jsonio_f64(o, "scalar_lr", law->scalar_lr);
	law->tied_embed_lr = jsonio_f64(o, "tied_embed_lr", law->tied_embed_lr);
	law->embed_lr = jsonio_f64(o, "embed_lr", law->embed_lr);
	law->head_lr = jsonio_f64(o, "head_lr", law->head_lr);
	law->beta1 = jsonio_f64(o, "beta1", law->beta1);
	law->beta2 = jsonio_f64(o, "beta2", law->beta2);
	law->adam_eps = jsonio_f64(o, "adam_eps", law->adam_eps);
	law->muon_backend_steps = (unsigned)jsonio_i64(o, "ns_steps", law->muon_backend_steps);
	law->grad_clip_norm = jsonio_f64(o, "grad_clip_norm", jsonio_f64(g->root, "grad_clip_norm", 0));
	g->schedule = (struct schedule){
		.law = SCHEDULE_ITERATIONS,
		.iterations = (uint64_t)jsonio_i64(schedule, "iterations", 1 << 30),
		.warmdown_iters = jsonio_f64(schedule, "warmdown_iters", 0),
		.warmdown_frac = jsonio_f64(schedule, "warmdown_frac", 0),
	};
	read_train_levers(g);
}

static void
read_ids(struct golden *g)
{
	const struct safetensors_tensor *t = safetensors_find(g->s, "ids");

	if (t == NULL || t->dtype != SAFETENSORS_I32 || t->dims < 3 || t->dims > 4) {
		say_error("no tensor 'ids' of shape [step][micro][batch][seq+1]");
		exit(HG_EXIT_NO);
	}
	g->steps = t->shape[0];
	g->accum = t->dims == 4 ? t->shape[1] : 1;
	g->B = t->shape[t->dims - 2];
	g->T = t->shape[t->dims - 1] - 1;
	g->ids = room(t->n, sizeof(*g->ids));
	if (safetensors_get(g->s, t, g->ids) != 0)
		exit(HG_EXIT_SYSTEM);
}

/* Micro-batch i of a step, taken apart into inputs and targets. */
static struct model_batch
batch_at(const struct golden *g, size_t step, size_t i, int32_t *inputs, int32_t *targets)
{
	const int32_t *ids = g->ids + (step * g->accum + i) * g->B * (g->T + 1);

	for (size_t b = 0; b < g->B; b++) {
		memcpy(inputs + b * g->T, ids + b * (g->T + 1), g->T * sizeof(*ids));
		memcpy(targets + b * g->T, ids + b * (g->T + 1) + 1, g->T * sizeof(*ids));
	}
	return ((struct model_batch){ inputs, targets, g->B, g->T });
}

static struct model *
open_model(const struct golden *g, enum model_use use, int shadow)
{
	const struct model_args args = {
		.config = &g->config,
		.use = use,
		.backend = shadow ? "ref" : run.backend,
		.isa = shadow ? "auto" : run.isa,
		.arith = shadow ? OPS_FP32 : run.arith,
		.threads = run.threads,
		.max_batch = use == MODEL_GENERATE ? 1 : g->B,
		.max_seq = g->T,
		.max_passes = use == MODEL_TRAIN ? g->accum : 1,
	};
	struct model *m = model_open(&args);

	if (m == NULL)
		exit(HG_EXIT_SYSTEM);
	return (m);
}

static void
read_init(struct golden *g)
{
	g->w = room(g->p->n, sizeof(*g->w));
	for (size_t i = 0; i < g->p->count; i++) {
		const struct params_tensor *t = &g->p->tensors[i];
		float *init = fetch(g->s, "init/", t->name, t->n);

		if (init == NULL) {
			say_error("no initial tensor 'init/%s'", t->name);
			exit(HG_EXIT_NO);
		}
		memcpy(g->w + t->offset, init, t->n * sizeof(*init));
		free(init);
	}
	model_set(g->m, g->w);
	if (g->shadow != NULL)
		model_set(g->shadow, g->w);
}

/* Compare one array with a tensor of the file. */
static void
compare(const struct golden *g, const char *prefix, const char *name, const float *ours, size_t n, enum quantity q)
{
	char full[256];
	float *theirs = fetch(g->s, prefix, name, n);

	snprintf(full, sizeof(full), "%s%s", prefix, name);
	if (theirs == NULL)
		skip(full, "not in the file");
	else
		verdict(full, difference_f32(ours, theirs, n), tolerance(q));
	free(theirs);
}

/* Logits and losses of the first micro-batch: forward while training, forward alone, and token by token. */
static void
compare_forward(struct golden *g, const struct model_batch *first)
{
	const size_t V = g->config.vocab_size, N = g->B * g->T;
	float *logits = room(N * V, sizeof(*logits)), *nats = room(N, sizeof(*nats));
	struct model *score = open_model(g, MODEL_SCORE, 0), *generate = open_model(g, MODEL_GENERATE, 0);

	if (model_logits(g->m, first, logits) != 0 || model_loss(g->m, first, 0) != 0)
		exit(HG_EXIT_NO);
	compare(g, "", "step0/logits", logits, N * V, LOGITS);
	model_nats(g->m, 0, N, nats);
	compare(g, "", "step0/nll", nats, N, LOGITS);

	model_set(score, g->w);
	model_begin(score);
	if (model_loss(score, first, 0) != 0)
		exit(HG_EXIT_NO);
	model_nats(score, 0, N, nats);
	model_end(score);
	if (safetensors_find(g->s, "step0/nll") != NULL) {
		printf("forward alone: ");
		compare(g, "", "step0/nll", nats, N, LOGITS);
	}

	/* A prompt of some tokens at once, then one at a time. */
	model_set(generate, g->w);
	if (safetensors_find(g->s, "step0/logits") != NULL) {
		float *theirs = fetch(g->s, "", "step0/logits", N * V);
		double most = 0;

		for (size_t b = 0; b < g->B; b++) {
			model_rewind(generate);
			for (size_t t = 0; t < g->T;) {
				const size_t n = t == 0 && g->T > 5 ? 5 : 1;

				if (model_extend(generate, first->inputs + b * g->T + t, n, logits) != 0)
					exit(HG_EXIT_NO);
				t += n;
				most = fmax(most, difference_f32(logits, theirs + (b * g->T + t - 1) * V, V));
				if (isnan(difference_f32(logits, theirs + (b * g->T + t - 1) * V, V)))
					most = INFINITY;
			}
		}
		verdict("with a key/value cache: step0/logits", most, tolerance(LOGITS));
		free(theirs);
	}
	model_close(score);
	model_close(generate);
	free(logits);
	free(nats);
}

static void
compare_gradients(struct golden *g, size_t step, double clip)
{
	char kinds[2][40];

	snprintf(kinds[0], sizeof(kinds[0]), "step%zu/grad/", step);
	snprintf(kinds[1], sizeof(kinds[1]), "step%zu/grad_clipped/", step);
	if (step > 0 && !prefix_present(g, kinds[0]))
		return;
	model_get_grad(g->m, g->w);
	for (size_t k = 0; k < 2; k++) {
		if (!prefix_present(g, kinds[k])) {
			skip(kinds[k], "not in the file");
			continue;
		}
		for (size_t i = 0; k == 1 && i < g->p->n; i++)
			g->w[i] *= (float)clip;
		for (size_t i = 0; i < g->p->count; i++) {
			const struct params_tensor *t = &g->p->tensors[i];

			if (t->group == PARAMS_FROZEN)
				continue;
			compare(g, kinds[k], t->name, g->w + t->offset, t->n, GRADIENT);
		}
	}
}

/*
 * Under bf16 the sign of a tiny gradient is chance, and Adam makes a full step
 * of it.  So there Adam gets the reference's gradients: those of the file for
 * the first step, and for the later ones those of a float32 `ref` that trains
 * beside (and is itself held to this file by -b ref).
 */
static void
feed_adam(struct golden *g, size_t step, double clip)
{
	if (g->shadow == NULL)
		return;
	model_get_grad(g->shadow, g->w);
	for (size_t i = 0; i < g->p->count; i++) {
		const struct params_tensor *t = &g->p->tensors[i];
		float *theirs = NULL;

		if (t->group == PARAMS_MATRIX || t->group == PARAMS_FROZEN)
			continue;
		if (step == 0 && (theirs = fetch(g->s, "step0/grad/", t->name, t->n)) == NULL &&
		    (theirs = fetch(g->s, "step0/grad_clipped/", t->name, t->n)) != NULL)
			for (size_t j = 0; j < t->n; j++)
				theirs[j] /= (float)clip;
		model_ops(g->m)->upload(model_ctx(g->m), model_gradient(g->m, i), 0,
		    theirs != NULL ? theirs : g->w + t->offset, t->n);
		free(theirs);
	}
}

static void
compare_after(struct golden *g, size_t step)
{
	char prefix[32];

	snprintf(prefix, sizeof(prefix), "after%zu/", step);
	if (!prefix_present(g, prefix))
		return;
	model_get(g->m, g->w);
	for (size_t i = 0; i < g->p->count; i++) {
		const struct params_tensor *t = &g->p->tensors[i];

		if (t->group == PARAMS_FROZEN)
			continue;
		compare(g, prefix, t->name, g->w + t->offset, t->n,
		    t->group == PARAMS_MATRIX ? AFTER_MUON : AFTER_ADAM);
	}
}

/* The average of all that is trained, after the last step. */
static void
compare_average(const struct golden *g)
{
	for (size_t i = 0; i < g->p->count && prefix_present(g, "average/"); i++) {
		const struct params_tensor *t = &g->p->tensors[i];
		const struct ops_buf *kept = optimizer_buffer(g->o, i, PARAMS_AVERAGE);
		float *ours = room(t->n, sizeof(*ours));

		if (kept != NULL) {
			model_ops(g->m)->download(model_ctx(g->m), kept, 0, ours, t->n);
			compare(g, "average/", t->name, ours, t->n,
			    t->group == PARAMS_MATRIX ? AFTER_MUON : AFTER_ADAM);
		} else if (t->group != PARAMS_FROZEN)
			verdict(t->name, NAN, 0);
		free(ours);
	}
}

/* The mean squares that the optimizer keeps of rows, after the last step. */
static void
compare_rows(const struct golden *g)
{
	for (size_t i = 0; i < g->p->count && prefix_present(g, "rows/"); i++) {
		const struct params_tensor *t = &g->p->tensors[i];
		const struct ops_buf *kept = optimizer_buffer(g->o, i, PARAMS_NEURON);
		float *ours = room(t->rows, sizeof(*ours));

		if (kept != NULL) {
			model_ops(g->m)->download(model_ctx(g->m), kept, 0, ours, t->rows);
			compare(g, "rows/", t->name, ours, t->rows, AFTER_MUON);
		}
		free(ours);
	}
}

/* Names of all tensors that the comparison does not know. */
static void
name_unknown(const struct golden *g)
{
	for (size_t i = 0; i < safetensors_count(g->s); i++) {
		const char *name = safetensors_at(g->s, i)->name, *slash = strrchr(name, '/');
		const char *const known[] = { "init/", "after", "step0/grad/", "step0/grad_clipped/", "int8/q/",
			"int8/scale/", "rows/", "average/" };
		int found = strcmp(name, "ids") == 0 || strcmp(name, "prior/tokens") == 0 ||
		    strcmp(name, "step0/logits") == 0 || strcmp(name, "step0/nll") == 0;

		if (slash != NULL && strncmp(name, "step", 4) == 0 && strstr(name, "/grad/") != NULL)
			found |= params_find(g->p, slash + 1) != NULL;
		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]) && slash != NULL; k++)
			found |= strncmp(name, known[k], strlen(known[k])) == 0 && params_find(g->p, slash + 1) != NULL;
		if (!found)
			skip(name, "unknown to this program");
	}
}

/* The largest distance between quantised values; NaN if theirs are no levels. */
static double
levels(const int8_t *ours, const float *theirs, size_t n)
{
	double most = 0;

	for (size_t i = 0; i < n; i++) {
		if (!(theirs[i] == rint(theirs[i]) && fabs(theirs[i]) <= 127))
			return (NAN);
		most = fmax(most, fabs(ours[i] - theirs[i]));
	}
	return (most);
}

/*
 * The int8 export of the last weights in the file, exactly; and that of our
 * own, whose last bits differ, so that a value on the edge may fall one unit off.
 */
static void
compare_int8(struct golden *g)
{
	char prefix[32];
	size_t last = g->steps;

	if (!prefix_present(g, "int8/q/"))
		return;
	for (; last > 0; last--) {
		snprintf(prefix, sizeof(prefix), "after%zu/", last);
		if (prefix_present(g, prefix))
			break;
	}
	model_get(g->m, g->w);
	for (size_t i = 0; i < g->p->count; i++) {
		const struct params_tensor *t = &g->p->tensors[i];
		float *q = fetch(g->s, "int8/q/", t->name, t->n), *scale = fetch(g->s, "int8/scale/", t->name, t->rows);
		float *theirs = fetch(g->s, prefix, t->name, t->n);
		int8_t *mine = room(t->n, 1);
		uint16_t *mine_scale = room(t->rows, sizeof(*mine_scale));
		float *scratch = room(t->cols, sizeof(*scratch)), *as_float = room(t->n, sizeof(*as_float));
		char name[128];

		if (q == NULL || scale == NULL)
			goto next;
		for (int own = 0; own <= 1; own++) {
			const float *from = own ? g->w + t->offset : theirs;

			if (from == NULL) {
				skip("int8 of the reference's weights", "no weights in the file");
				continue;
			}
			quantize_rows(&published_rows, from, t->rows, t->cols, mine, mine_scale, scratch);
			snprintf(name, sizeof(name), "%sint8/q/%s", own ? "own weights: " : "", t->name);
			/* In levels: a weight near the middle between two may fall to either side. */
			verdict(name, levels(mine, q, t->n), own ? 1 + floor(127 * tolerance(AFTER_MUON)) : 0);
			for (size_t j = 0; j < t->rows; j++)
				as_float[j] = f16_to(mine_scale[j]);
			snprintf(name, sizeof(name), "%sint8/scale/%s", own ? "own weights: " : "", t->name);
			verdict(name, difference_f32(as_float, scale, t->rows), own ? tolerance(AFTER_MUON) : 0);
		}
next:
		free(q);
		free(scale);
		free(theirs);
		free(mine);
		free(mine_scale);
		free(scratch);
		free(as_float);
	}
}

/* Compare a list of the JSON file, if it is there. */
static void
compare_list(const struct golden *g, const char *key, const float *ours, size_t n, double allowed)
{
	const json_t *o = jsonio_get(g->root, "optimizer");
	const json_t *list = jsonio_get(jsonio_get(o, key) != NULL ? o : g->root, key);
	double *theirs = room(n, sizeof(*theirs));
	double most = 0;

	if (!json_is_array(list)) {
		skip(key, "not in the file");
	} else if (json_array_size(list) != n) {
		say_error("%s has %zu entries for %zu steps", key, json_array_size(list), n);
		verdict(key, INFINITY, allowed);
	} else {
		for (size_t i = 0; i < n; i++) {
			double error;

			theirs[i] = json_number_value(json_array_get(list, i));
			error = difference(ours + i, theirs + i, 1);
			most = isnan(error) ? INFINITY : fmax(most, error);
		}
		verdict(key, most, allowed);
	}
	free(theirs);
}

/* Begin a step and leave its gradients, over all micro-batches, in a model. */
static void
accumulate(const struct golden *g, struct model *m, size_t step, int32_t *inputs, int32_t *targets)
{
	model_begin(m);
	for (size_t i = 0; i < g->accum; i++) {
		const struct model_batch batch = batch_at(g, step, i, inputs, targets);

		if (model_grad(m, &batch, i, 1.0f / (float)(g->B * g->T * g->accum)) != 0)
			exit(HG_EXIT_NO);
	}
}

static void
train_and_compare(struct golden *g)
{
	const size_t N = g->B * g->T;
	const json_t *momenta = jsonio_get(jsonio_get(g->root, "optimizer"), "muon_momentum");
	const int given = json_array_size(momenta) == g->steps;
	const struct optimizer_law published = g->law;
	int32_t *inputs = room(N, sizeof(*inputs)), *targets = room(N, sizeof(*targets));
	float *nats = room(N, sizeof(*nats)), *losses = room(g->steps, sizeof(*losses));
	float *norms = room(g->steps, sizeof(*norms)), *scales = room(g->steps, sizeof(*scales));
	float *adam_scales = room(g->steps, sizeof(*adam_scales));
	float *momentum = room(g->steps, sizeof(*momentum));
	const struct model_batch batch = batch_at(g, 0, 0, inputs, targets);

	compare_forward(g, &batch);
	for (size_t step = 0; step < g->steps; step++) {
		const struct schedule_rates rates = schedule_rates(&g->schedule, step, 0);
		const double keep = schedule_average(&g->schedule, step, 0, 0);
		double sum = 0, clip = 1;

		accumulate(g, g->m, step, inputs, targets);
		if (g->shadow != NULL)
			accumulate(g, g->shadow, step, inputs, targets);
		for (size_t i = 0; i < g->accum; i++) {
			model_nats(g->m, i, N, nats);
			for (size_t j = 0; j < N; j++)
				sum += nats[j];
		}
		losses[step] = (float)(sum / (double)(N * g->accum));
		norms[step] = (float)optimizer_norm(g->o);
		if (g->law.grad_clip_norm > 0)
			clip = fmin(1, g->law.grad_clip_norm / (norms[step] + 1e-6));
		compare_gradients(g, step, clip);
		feed_adam(g, step, clip);
		if (given) {
			g->law.muon_momentum = json_number_value(json_array_get(momenta, step));
			g->law.muon_momentum_warmup_steps = 0;
		}
		scales[step] = (float)rates.lr_scale;
		adam_scales[step] = (float)rates.adam_lr_scale;
		momentum[step] = (float)optimizer_momentum(given ? &g->law : &published, step, NAN);
		optimizer_step(g->o, &g->law, step, &rates, norms[step]);
		model_end(g->m);
		if (g->shadow != NULL) {
			optimizer_step(g->shadow_o, &g->law, step, &rates, optimizer_norm(g->shadow_o));
			model_end(g->shadow);
		}
		compare_after(g, step + 1);
		if (g->law.average != OPTIMIZER_NO_AVERAGE && keep < 1)
			optimizer_average(g->o, keep);
	}
	compare_int8(g);
	compare_average(g);
	compare_rows(g);
	compare_list(g, "losses", losses, g->steps, tolerance(LOSS));
	compare_list(g, "grad_norms", norms, g->steps, tolerance(GRADIENT));
	compare_list(g, "lr_scales", scales, g->steps, 1e-6);
	compare_list(g, "adam_lr_scales", adam_scales, g->steps, 1e-6);
	compare_list(g, "muon_momentum", momentum, g->steps, 1e-6);
	free(inputs);
	free(targets);
	free(nats);
	free(losses);
	free(norms);
	free(scales);
	free(adam_scales);
	free(momentum);
}

/* The table of the counted stream, if the file has one. */
static void
compare_prior(struct golden *g)
{
	const struct safetensors_tensor *t = safetensors_find(g->s, "prior/tokens");
	const struct params_tensor *table = params_find(g->p, "bigram_prior.weight");
	int32_t *ids;
	struct prior *prior;

	if (t == NULL || table == NULL)
		return;
	ids = room(t->n, sizeof(*ids));
	if (safetensors_get(g->s, t, ids) != 0 || (prior = prior_new(g->config.vocab_size)) == NULL)
		exit(HG_EXIT_SYSTEM);
	/* In pieces, as the trainer reads it. */
	for (size_t i = 0; i < t->n; i += 100)
		prior_add(prior, ids + i, t->n - i < 100 ? t->n - i : 100);
	prior_table(prior, g->w);
	compare(g, "init/", table->name, g->w, table->n, LOSS);
	prior_free(prior);
	free(ids);
}

static void
model_case(const json_t *root, const struct safetensors *s)
{
	struct golden g = { .root = root, .s = s };

	read_config(&g);
	read_laws(&g);
	read_ids(&g);
	/* An average goes by shares of the run, which is these steps. */
	if (g.law.average != OPTIMIZER_NO_AVERAGE && g.schedule.iterations == 1 << 30)
		g.schedule.iterations = g.steps;
	g.m = open_model(&g, MODEL_TRAIN, 0);
	if (run.arith == OPS_BF16) {
		g.shadow = open_model(&g, MODEL_TRAIN, 1);
		if ((g.shadow_o = optimizer_open(g.shadow, &g.law)) == NULL)
			exit(HG_EXIT_SYSTEM);
	}
	g.p = model_params(g.m);
	if ((g.o = optimizer_open(g.m, &g.law)) == NULL)
		exit(HG_EXIT_SYSTEM);
	printf("backend %s, isa %s, %s\n", model_backend(g.m), model_isa(g.m), run.arith == OPS_BF16 ? "bf16" : "fp32");
	name_unknown(&g);
	read_init(&g);
	train_and_compare(&g);
	compare_prior(&g);
	optimizer_close(g.o);
	model_close(g.m);
	if (g.shadow != NULL) {
		optimizer_close(g.shadow_o);
		model_close(g.shadow);
	}
	free(g.ids);
	free(g.w);
}

/* Compare with PREFIX/NAME, to the bit; what is not there is skipped, aloud. */
static void
compare_exactly(const struct safetensors *s, const char *prefix, const char *name, const float *ours, size_t n)
{
	float *theirs = fetch(s, prefix, name, n);
	char full[256];

	snprintf(full, sizeof(full), "%s%s", prefix, name);
	if (theirs == NULL)
		skip(full, "not in the file");
	else
		verdict(full, difference_f32(ours, theirs, n), 0);
	free(theirs);
}

/* w, and under a prefix q, scale and restored: a law of rows alone, bit for bit. */
static void
rows_case(const struct safetensors *s, const char *prefix, const struct quantize_law *law)
{
	const struct safetensors_tensor *t = safetensors_find(s, "w");
	const size_t rows = t->shape[0], cols = t->shape[1];
	float *w = fetch(s, "", "w", 0);
	int8_t *mine = room(t->n, 1);
	uint16_t *mine_scale = room(rows, sizeof(*mine_scale));
	float *scratch = room(cols, sizeof(*scratch)), *as_float = room(t->n, sizeof(*as_float));

	quantize_rows(law, w, rows, cols, mine, mine_scale, scratch);
	for (size_t i = 0; i < t->n; i++)
		as_float[i] = mine[i];
	compare_exactly(s, prefix, "q", as_float, t->n);
	for (size_t i = 0; i < rows; i++)
		as_float[i] = f16_to(mine_scale[i]);
	compare_exactly(s, prefix, "scale", as_float, rows);
	quantize_restore(mine, mine_scale, rows, cols, as_float);
	compare_exactly(s, prefix, "restored", as_float, t->n);
	free(w);
	free(mine);
	free(mine_scale);
	free(scratch);
	free(as_float);
}

/* 16 bits: stored, as binary16, and restored. */
static void
halves_case(const struct safetensors *s, const char *prefix)
{
	const size_t n = safetensors_find(s, "w")->n;
	float *w = fetch(s, "", "w", 0);

	for (size_t i = 0; i < n; i++)
		w[i] = f16_to(f16_from(w[i]));
	compare_exactly(s, prefix, "stored", w, n);
	compare_exactly(s, prefix, "restored", w, n);
	free(w);
}

/* Rows of {name, bits, quantizer, sdclip_k, scale_floor}, whose tensors stand under the name. */
static void
quantized_cases(const json_t *cases, const struct safetensors *s)
{
	const json_t *row;
	char prefix[64];
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)cases, i, row) {
		const struct quantize_law law = {
			.bits = (unsigned)jsonio_i64(row, "bits", 0),
			.clip = strcmp(jsonio_text(row, "quantizer", ""), "sdclip") == 0 ? QUANTIZE_SDCLIP :
											   QUANTIZE_MINMAX,
			.sdclip_k = jsonio_f64(row, "sdclip_k", 0),
			.scale_floor = jsonio_f64(row, "scale_floor", 0),
		};

		snprintf(prefix, sizeof(prefix), "%s/", jsonio_text(row, "name", ""));
		if (law.bits == 16)
			halves_case(s, prefix);
		else
			rows_case(s, prefix, &law);
	}
}

/* Rows of step, warmdown_iters or _frac, _shape, min_lr_frac, scale; with iterations, or cap_ms and elapsed_ms. */
static void
schedule_table(const json_t *table)
{
	size_t i;
	json_t *row;

	json_array_foreach((json_t *)(uintptr_t)table, i, row) {
		const int by_clock = jsonio_get(row, "cap_ms") != NULL;
		struct trainspec r = { .config = { 0 } };
		struct schedule s = {
			.law = by_clock ? SCHEDULE_WALLCLOCK : SCHEDULE_ITERATIONS,
			.iterations = (uint64_t)jsonio_i64(row, "iterations", INT64_MAX),
			.warmdown_iters = jsonio_f64(row, "warmdown_iters", 0),
			.warmdown_frac = jsonio_f64(row, "warmdown_frac", 0),
			.min_lr_frac = jsonio_f64(row, "min_lr_frac", 0),
			.cap_ms = jsonio_f64(row, "cap_ms", 0),
		};
		const int64_t step = jsonio_i64(row, "step", 0);
		const double elapsed = jsonio_f64(row, "elapsed_ms", 0);
		char name[128];

		if (jsonio_get(row, "warmdown_shape") != NULL &&
		    bind_set(bind_find(trainspec_keys, "train.warmdown_shape"), &r,
			jsonio_get(row, "warmdown_shape")) != 0)
			exit(HG_EXIT_NO);
		s.shape = r.schedule.shape;
		if (by_clock)
			snprintf(name, sizeof(name), "schedule: step %" PRId64 " at %g of %g ms", step, elapsed,
			    s.cap_ms);
		else
			snprintf(name, sizeof(name), "schedule: step %" PRId64 " of %" PRIu64 ", warmdown %g", step,
			    s.iterations, s.warmdown_iters);
		verdict(name, fabs(schedule_scale(&s, (uint64_t)step, elapsed) - jsonio_f64(row, "scale", NAN)), 1e-12);
	}
}

/* Write the table's shards into a directory of our own; the caller removes them again. */
static void
write_shards(const json_t *shards, int dirfd, const char *directory, struct dataset_part *part)
{
	*part = (struct dataset_part){ .name = "golden", .count = json_array_size(shards) };
	part->shards = room(part->count, sizeof(*part->shards));
	for (size_t i = 0; i < part->count; i++) {
		const json_t *list = json_array_get(shards, i);
		struct dataset_shard *shard = &part->shards[i];
		struct shard_writer *w;
		char name[64];

		shard->tokens = json_array_size(list);
		shard->bytes = SHARD_HEADER_BYTES + 2 * shard->tokens;
		part->tokens += shard->tokens;
		shard->path = room(strlen(directory) + sizeof(name) + 2, 1);
		snprintf(name, sizeof(name), "golden_train_%06zu.bin", i);
		sprintf(shard->path, "%s/%s", directory, name);
		if ((w = shard_writer_begin(dirfd, name, NULL)) == NULL)
			exit(HG_EXIT_SYSTEM);
		for (size_t j = 0; j < shard->tokens; j++) {
			const uint16_t id = (uint16_t)json_integer_value(json_array_get(list, j));

			if (shard_writer_add(w, &id, 1, NULL) != 0)
				exit(HG_EXIT_SYSTEM);
		}
		if (shard_writer_finish(w, ATOMFILE_CREATE, NULL) != 0)
			exit(HG_EXIT_SYSTEM);
	}
}

/* {shards, tokens_per_micro_batch, spans}: what the loader takes, span after span. */
static void
loader_table(const json_t *table)
{
	const size_t n = (size_t)jsonio_i64(table, "tokens_per_micro_batch", 0);
	char directory[] = "/tmp/hg-golden-XXXXXX", name[64];
	int32_t *ids = room(n + 1, sizeof(*ids));
	struct dataset_part part;
	struct loader *l;
	json_t *span;
	int dirfd;
	size_t i;

	if (mkdtemp(directory) == NULL || (dirfd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1) {
		say_errno("cannot make '%s'", directory);
		exit(HG_EXIT_SYSTEM);
	}
	write_shards(jsonio_get(table, "shards"), dirfd, directory, &part);
	if ((l = loader_open(&part, SHARD_MAX_VOCAB, n, 0, NULL)) == NULL)
		exit(HG_EXIT_SYSTEM);
	json_array_foreach(jsonio_get(table, "spans"), i, span) {
		double wrong = json_array_size(span) == n + 1 && loader_take(l, ids, NULL) == 0 ? 0 : INFINITY;

		for (size_t j = 0; j <= n; j++)
			wrong += ids[j] != (int32_t)json_integer_value(json_array_get(span, j));
		snprintf(name, sizeof(name), "loader: span %zu", i);
		verdict(name, wrong, 0);
	}
	loader_close(l);
	for (i = 0; i < part.count; i++) {
		unlink(part.shards[i].path);
		free(part.shards[i].path);
	}
	free(part.shards);
	close(dirfd);
	rmdir(directory);
	free(ids);
}

static struct safetensors *
open_vectors(const char *stem, int *fd)
{
	char path[4096];
	struct safetensors *s;

	snprintf(path, sizeof(path), "%s.safetensors", stem);
	if ((*fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return (NULL);
	if ((s = safetensors_read(*fd, path)) == NULL)
		exit(HG_EXIT_CONTRACT);
	return (s);
}

/* A JSON file beside the vectors; NULL if there is none. */
static json_t *
open_json(const char *path)
{
	json_t *root = NULL;

	if (jsonio_read(AT_FDCWD, path, JSONIO_MAX_BYTES, NULL, &root) != 0 && errno != ENOENT)
		exit(HG_EXIT_CONTRACT);
	return (root);
}

static int
usage(void)
{
	fprintf(stderr, "usage: golden STEM [-b BACKEND] [-i ISA] [-a fp32|bf16] [-j THREADS] [-G]\n");
	return (HG_EXIT_USAGE);
}

/* Options may stand before or after the stem. */
static const char *
parse(int argc, char **argv)
{
	const char *stem = NULL;
	uint64_t threads;

	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (argv[i][0] != '-' && stem == NULL) {
			stem = argv[i];
			continue;
		}
		if (strcmp(argv[i], "-G") == 0) {
			run.form = OPS_MUON_GRAM;
			continue;
		}
		if (value == NULL || strlen(argv[i]) != 2)
			return (NULL);
		if (argv[i][1] == 'b')
			run.backend = value;
		else if (argv[i][1] == 'i')
			run.isa = value;
		else if (argv[i][1] == 'a' && strcmp(value, "bf16") == 0)
			run.arith = OPS_BF16;
		else if (argv[i][1] == 'a' && strcmp(value, "fp32") == 0)
			run.arith = OPS_FP32;
		else if (argv[i][1] == 'j' && num_u64(value, 1, 1024, &threads) == 0)
			run.threads = (unsigned)threads;
		else
			return (NULL);
		i++;
	}
	return (stem);
}

/* Rows of {iterations, average_horizon, average_from, decay, first_update}. */
static void
average_table(const json_t *table)
{
	const json_t *row;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)table, i, row) {
		const struct schedule s = {
			.law = SCHEDULE_ITERATIONS,
			.iterations = (uint64_t)jsonio_i64(row, "iterations", 0),
			.average_horizon = jsonio_f64(row, "average_horizon", 0),
			.average_from = jsonio_f64(row, "average_from", 0),
		};
		const uint64_t first = (uint64_t)jsonio_i64(row, "first_update", 0);
		char name[128];

		snprintf(name, sizeof(name), "average: from update %ju of %ju", (uintmax_t)first,
		    (uintmax_t)s.iterations);
		verdict(name,
		    fabs(schedule_average(&s, first - 1, 0, 0)) +
			(first > 1 ? fabs(schedule_average(&s, first - 2, 0, 0) - 1) : 0) +
			fabs(schedule_average(&s, first, 0, 0) - jsonio_f64(row, "decay", NAN)),
		    1e-12);
	}
}

/* What stands in more.json: its tables, and each case whose vectors lie beside it. */
static void
tables(const json_t *root, const char *directory)
{
	const char *key;
	json_t *value;

	if (jsonio_get(root, "schedule") != NULL)
		schedule_table(jsonio_get(root, "schedule"));
	if (jsonio_get(root, "average") != NULL)
		average_table(jsonio_get(root, "average"));
	if (jsonio_get(root, "loader") != NULL)
		loader_table(jsonio_get(root, "loader"));
	json_object_foreach((json_t *)(uintptr_t)root, key, value) {
		char stem[4096];
		struct safetensors *s;
		int fd;

		if (jsonio_get(value, "config") == NULL)
			continue;
		snprintf(stem, sizeof(stem), "%s%s", directory, key);
		if ((s = open_vectors(stem, &fd)) == NULL) {
			skip(key, "no vectors beside the table");
			continue;
		}
		printf("%s: ", key);
		model_case(value, s);
		safetensors_free(s);
		close(fd);
	}
}

int
main(int argc, char **argv)
{
	const char *stem, *name;
	char path[8192], directory[4096];
	json_t *own, *more, *root;
	struct safetensors *s;
	int fd;

	exit_init("golden");
	if ((stem = parse(argc, argv)) == NULL)
		return (usage());
	name = strrchr(stem, '/') != NULL ? strrchr(stem, '/') + 1 : stem;
	snprintf(directory, sizeof(directory), "%.*s", (int)(name - stem), stem);
	snprintf(path, sizeof(path), "%s.json", stem);
	own = open_json(path);
	snprintf(path, sizeof(path), "%smore.json", directory);
	more = open_json(path);
	s = open_vectors(stem, &fd);
	root = jsonio_get(own, "config") != NULL ? own : jsonio_get(more, name);

	if (s != NULL && root != NULL)
		model_case(root, s);
	else if (s != NULL && safetensors_find(s, "w") != NULL) {
		if (jsonio_get(own, "cases") != NULL)
			quantized_cases(jsonio_get(own, "cases"), s);
		else
			rows_case(s, "", &published_rows);
	} else if (s == NULL && own != NULL &&
	    (jsonio_get(own, "schedule") != NULL || jsonio_get(own, "loader") != NULL))
		tables(own, directory);
	else {
		say_error("'%s': no vectors with a configuration, no int8 case and no tables", stem);
		return (HG_EXIT_CONTRACT);
	}
	printf("%u compared, %u failed, %u skipped\n", run.compared, run.failed, run.skipped);
	safetensors_free(s);
	if (s != NULL)
		close(fd);
	json_decref(own);
	json_decref(more);
	return (exit_flush(run.failed > 0 || run.compared == 0 ? HG_EXIT_NO : HG_EXIT_DONE));
}
