/*
 * bench [-c L,DIM,HEADS,KV,MLP,VOCAB,SEQ,BATCH] [-n MICRO_BATCHES] [-a fp32|bf16] [-b BACKEND] [-i ISA]
 *       [-j THREADS] [-s STEPS] [-o KEY=VALUE]... [-f | -g | -w STRIDE | -S]:
 * Train a model on random tokens for some steps, score with it, and print one
 * line of JSON: tokens per second (median step, optimizer included), the
 * share of this machine's own product rate measured in the same run, seconds
 * per phase and step, peak memory, and forward-only speed against training.
 * -S (or --span): for 1, 2, 4 .. 64 threads (with -j for 1 and that many) train with tasks cut for so many, all run by
 * one, and print a line of what the tasks, timed one by one, would come to: speed-up over one thread, efficiency of
 * the usual step (each task at its median over the steps) and of all as timed, how much more work the cut made, and by
 * phase its share of the step, efficiency and critical path.
 * -o KEY=VALUE: a key of section train, of the optimizer or numerics; may come more than once.
 * -f: score only.  `make bench` runs it beside its peer through t/bench/bench.sh.
 * -g: generate only, as hg-prompt does, around a cache that is half full: tokens per second, those of the prompt apart,
 * beside how often a second this core can read the weights and the cache, which each token does.
 * -w: score by sliding windows only, at most BATCH of them in a pass; what is counted is the tokens that are scored.
 *
 * FLOPs of a step: 6 * matrix parameters * tokens, causal attention, and
 * Newton-Schulz, each as the formulas have them: nothing recomputed is
 * counted, and what symmetry saves is not taken off.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "gpt/cpu/measure.h"
#include "t/bench/span.h"
#include "base/exit.h"
#include "base/jsonio.h"
#include "gpt/generate.h"
#include "gpt/model.h"
#include "gpt/score.h"
#include "gpt/trainspec.h"
#include "base/num.h"
#include "gpt/optimizer.h"
#include "base/rng.h"
#include "base/say.h"

#define WARM_STEPS 2
#define MAX_STEPS 1000
#define GENERATED 128 /* tokens of a step of -g, at most half of the window */

static struct {
	struct config config;
	size_t seq, batch, micro_batches;
	const char *backend, *isa;
	enum ops_arith arith;
	unsigned numerics, threads;
	size_t steps;
	size_t stride;
	int forward_only, generate_only, span;
	struct optimizer_law law;
} run;

static int32_t *ids;
static size_t ids_n;

static void
parse_shape(char *text)
{
	size_t *const fields[] = {
		&run.config.num_layers,
		&run.config.model_dim,
		&run.config.num_heads,
		&run.config.num_kv_heads,
		&run.config.mlp_mult,
		&run.config.vocab_size,
		&run.seq,
		&run.batch,
	};
	const size_t count = sizeof(fields) / sizeof(fields[0]);
	char *part = strtok(text, ",");
	uint64_t value;

	for (size_t i = 0; i < count; i++, part = strtok(NULL, ",")) {
		if (part == NULL || num_u64(part, 1, 1 << 24, &value) != 0) {
			say_error("a shape is LAYERS,DIM,HEADS,KV,MLP,VOCAB,SEQ,BATCH");
			exit(HG_EXIT_USAGE);
		}
		*fields[i] = (size_t)value;
	}
}

static size_t
number(const char *text, uint64_t max)
{
	uint64_t value;

	if (num_u64(text, 1, max, &value) != 0) {
		say_error("'%s' is no number from 1 to %" PRIu64, text, max);
		exit(HG_EXIT_USAGE);
	}
	return ((size_t)value);
}

/* KEY=VALUE of section train. */
static void
parse_lever(const char *text)
{
	const char *value = strchr(text, '=');
	struct trainspec recipe = { .law = run.law, .numerics = run.numerics };
	json_t *v = value != NULL ? json_loads(value + 1, JSON_DECODE_ANY, NULL) : NULL;

	for (const struct bind *row = trainspec_keys; value != NULL && row->path != NULL; row++) {
		const size_t n = (size_t)(value - text);

		if (strncmp(row->path, "train.", 6) != 0 || strncmp(row->path + 6, text, n) != 0 ||
		    row->path[6 + n] != '\0')
			continue;
		if (bind_set(row, &recipe, v != NULL ? v : json_string(value + 1)) == -1)
			break;
		run.law = recipe.law;
		run.numerics = recipe.numerics;
		json_decref(v);
		return;
	}
	say_error("'%s' is no KEY=VALUE of section train", text);
	exit(HG_EXIT_USAGE);
}

static void
parse(int argc, char **argv)
{
	char small[] = "4,256,4,2,2,1024,512,8";
	int c;

	config_default(&run.config);
	trainspec_law(&run.law);
	parse_shape(small);
	run.backend = "cpu";
	run.isa = "auto";
	run.arith = OPS_BF16;
	run.micro_batches = 1;
	run.steps = 8;
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--span") == 0)
			argv[i][1] = 'S', argv[i][2] = '\0';
	while ((c = getopt(argc, argv, "c:n:a:b:i:j:s:fgw:So:")) != -1) {
		switch (c) {
		case 'c':
			parse_shape(optarg);
			break;
		case 'n':
			run.micro_batches = number(optarg, 1 << 16);
			break;
		case 'a':
			run.arith = strcmp(optarg, "fp32") == 0 ? OPS_FP32 : OPS_BF16;
			break;
		case 'b':
			run.backend = optarg;
			break;
		case 'i':
			run.isa = optarg;
			break;
		case 'j':
			run.threads = (unsigned)number(optarg, 1024);
			break;
		case 's':
			run.steps = number(optarg, MAX_STEPS);
			break;
		case 'f':
			run.forward_only = 1;
			break;
		case 'g':
			run.generate_only = 1;
			break;
		case 'w':
			run.stride = number(optarg, 1 << 24);
			break;
		case 'o':
			parse_lever(optarg);
			break;
		case 'S':
			run.span = 1;
			break;
		default:
			exit(HG_EXIT_USAGE);
		}
	}
	if (run.threads == 0 && !run.span)
		run.threads = 2;
	if (config_check(&run.config) != 0)
		exit(HG_EXIT_USAGE);
}

static double
matrix_parameters(const struct params *p)
{
	double n = 0;

	for (size_t i = 0; i < p->count; i++)
		if (p->tensors[i].group != PARAMS_SCALAR)
			n += (double)p->tensors[i].n;
	return (n);
}

static double
attention_flops(size_t tokens)
{
	return (6.0 * (double)tokens * (double)run.seq * (double)run.config.model_dim * (double)run.config.num_layers);
}

static double
muon_flops(const struct params *p, unsigned steps)
{
	double flops = 0;

	for (size_t i = 0; i < p->count; i++) {
		const struct params_tensor *t = &p->tensors[i];
		const double m = (double)(t->rows < t->cols ? t->rows : t->cols);
		const double n = (double)(t->rows < t->cols ? t->cols : t->rows);

		if (t->group == PARAMS_MATRIX)
			flops += 2 * m * m * n + 2 * m * m * m + 2 * m * m * n;
	}
	return (flops * steps);
}

static int
by_size(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return ((x > y) - (x < y));
}

static double
median(double *x, size_t n)
{
	qsort(x, n, sizeof(*x), by_size);
	return (n % 2 != 0 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2);
}

static double
seconds(void)
{
	return (1e-9 * (double)clock_mono_ns());
}

static double
peak_mb(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return ((double)r.ru_maxrss / 1024);
}

/* A model with public initial values; the host keeps no copy, so that peak memory is the model's own. */
static struct model *
open_model(enum model_use use, const struct params *p)
{
	float *w = calloc(p->n, sizeof(*w));
	const struct model_args args = {
		.config = &run.config,
		.use = use,
		.backend = run.backend,
		.isa = run.isa,
		.arith = run.arith,
		.numerics = run.numerics,
		.threads = run.threads,
		.max_batch = use == MODEL_GENERATE ? 1 : run.batch,
		.max_seq = run.seq,
		.max_passes = run.micro_batches,
	};
	struct model *m = model_open(&args);

	if (m == NULL || w == NULL)
		exit(HG_EXIT_SYSTEM);
	params_init(p, 1337, w);
	model_set(m, w);
	free(w);
	return (m);
}

static struct model_batch
batch(size_t i)
{
	const int32_t *at = ids + i % run.micro_batches * (run.batch * run.seq + 1);

	return ((struct model_batch){ at, at + 1, run.batch, run.seq });
}

/* Training: fills times[steps]; returns the last step's mean loss. */
static double
train(struct model *m, struct optimizer *o, double *times, double *phases)
{
	const size_t tokens = run.batch * run.seq * run.micro_batches;
	double loss = 0, before[OPS_CPU_PHASES];
	float *nats = calloc(run.batch * run.seq, sizeof(*nats));

	for (size_t step = 0; step < WARM_STEPS + run.steps; step++) {
		const double t0 = seconds();

		for (int i = 0; step == WARM_STEPS && strcmp(run.backend, "cpu") == 0 && i < OPS_CPU_PHASES; i++)
			before[i] = measure_seconds(model_ctx(m), (enum ops_cpu_phase)i);
		model_begin(m);
		for (size_t i = 0; i < run.micro_batches; i++) {
			const struct model_batch b = batch(i);

			model_grad(m, &b, i, 1.0f / (float)tokens);
		}
		optimizer_step(o, &run.law, step, &schedule_full_rates, 0);
		model_end(m);
		model_nats(m, 0, run.batch * run.seq, nats);
		if (step >= WARM_STEPS)
			times[step - WARM_STEPS] = seconds() - t0;
	}
	for (size_t i = 0; i < run.batch * run.seq; i++)
		loss += nats[i] / (double)(run.batch * run.seq);
	for (int i = 0; strcmp(run.backend, "cpu") == 0 && i < OPS_CPU_PHASES; i++)
		phases[i] = (measure_seconds(model_ctx(m), (enum ops_cpu_phase)i) - before[i]) / (double)run.steps;
	free(nats);
	return (loss);
}

static double
score(struct model *m, double *times)
{
	float *nats = calloc(run.batch * run.seq, sizeof(*nats));

	for (size_t step = 0; step < WARM_STEPS + run.steps; step++) {
		const struct model_batch b = batch(0);
		const double t0 = seconds();

		model_begin(m);
		model_loss(m, &b, 0);
		model_nats(m, 0, run.batch * run.seq, nats);
		model_end(m);
		if (step >= WARM_STEPS)
			times[step - WARM_STEPS] = seconds() - t0;
	}
	free(nats);
	return ((double)(run.batch * run.seq) / median(times, run.steps));
}

/* Seconds of a continuation by n tokens of a prompt of so many. */
static double
continued(struct model *m, size_t prompt, size_t n, int32_t *text)
{
	const struct generate_law law = { .temperature = 1, .seed = 1, .stop = -1 };
	const double t0 = seconds();
	size_t got;

	if (generate_run(m, &law, ids, prompt, text, n, &got) != GENERATE_LENGTH || got != n)
		exit(HG_EXIT_SYSTEM);
	return (seconds() - t0);
}

/* How often a second a core can read so many bytes that it has just read. */
static double
reads_per_s(size_t size_bytes)
{
	char *buf = calloc(1, size_bytes);
	double best = 0;

	if (buf == NULL)
		exit(HG_EXIT_SYSTEM);
	memset(buf, 1, size_bytes);
	for (int i = 0; i < 50; i++) {
		const double t0 = seconds();

		if (memchr(buf, 2, size_bytes) != NULL)
			exit(HG_EXIT_SYSTEM);
		best = best > 1 / (seconds() - t0) ? best : 1 / (seconds() - t0);
	}
	free(buf);
	return (best);
}

static void
generate(struct model *m, const struct params *p, double *times, json_t *out)
{
	static double prompts[MAX_STEPS];
	static int32_t text[GENERATED + 1];
	const struct config *c = &run.config;
	const size_t n = run.seq / 2 < GENERATED ? run.seq / 2 : GENERATED, prompt = (run.seq - n) / 2;
	const double size = run.arith == OPS_BF16 ? 2 : 4;
	const double bytes = size *
	    (matrix_parameters(p) + (double)(run.seq / 2 * 2 * c->num_layers * config_kv_dim(c)));

	for (size_t step = 0; step < WARM_STEPS + run.steps; step++) {
		const double before = continued(m, prompt, 1, text), all = continued(m, prompt, n + 1, text);

		if (step < WARM_STEPS)
			continue;
		prompts[step - WARM_STEPS] = before;
		times[step - WARM_STEPS] = all;
	}
	json_object_set_new(out, "isa", json_string(model_isa(m)));
	/* Sorted by median; the best says what the machine can, however much else it does. */
	json_object_set_new(out, "generate_tokens_per_s",
	    json_real((double)n / (median(times, run.steps) - median(prompts, run.steps))));
	json_object_set_new(out, "best_generate_tokens_per_s", json_real((double)n / (times[0] - prompts[0])));
	json_object_set_new(out, "reads_per_s", json_real(reads_per_s((size_t)bytes)));
	json_object_set_new(out, "prompt_tokens_per_s", json_real((double)prompt / median(prompts, run.steps)));
}

static int
take_ids(void *cookie, uint64_t at, int32_t *to, size_t n)
{
	(void)cookie;
	memcpy(to, ids + at, n * sizeof(*ids));
	return (0);
}

/* All windows of the tokens that there are, as often as there are steps. */
static void
slide(struct model *m, double *times, json_t *out)
{
	const struct score_args args = {
		.model = m,
		.law = { .mode = SCORE_SLIDING, .seq_len = run.seq, .stride = run.stride },
		.windows = run.batch,
		.tokens = ids_n,
		.source = take_ids,
	};
	struct score *s = score_open(&args);
	double sum = 0;

	if (s == NULL)
		exit(HG_EXIT_SYSTEM);
	for (size_t step = 0; step < run.steps; step++) {
		const double t0 = seconds();

		sum = 0;
		for (uint64_t part = 0; part < score_parts(s); part++) {
			const float *nats;
			size_t n;

			if (score_part(s, part, &nats, &n) != 0)
				exit(HG_EXIT_SYSTEM);
			for (size_t i = 0; i < n; i++)
				sum += nats[i];
		}
		times[step] = seconds() - t0;
	}
	json_object_set_new(out, "isa", json_string(model_isa(m)));
	json_object_set_new(out, "sliding_tokens_per_s",
	    json_real((double)score_targets(s) / median(times, run.steps)));
	json_object_set_new(out, "best_sliding_tokens_per_s", json_real((double)score_targets(s) / times[0]));
	json_object_set_new(out, "nats", json_real(sum));
	score_close(s);
}

static int
print(json_t *out)
{
	char *line = jsonio_line(out);

	puts(line);
	free(line);
	json_decref(out);
	return (fflush(stdout) == 0 ? 0 : HG_EXIT_SYSTEM);
}

/* Steps after warm ones, cut for so many threads and run by one: their tasks, of WARM_STEPS + run.steps steps. */
static struct span
record(const struct params *p, unsigned threads, double *times, double *phases)
{
	const size_t steps = run.steps;
	struct span span = { 0 };
	struct optimizer *o;
	struct model *m;

	run.threads = threads;
	m = open_model(MODEL_TRAIN, p);
	if ((o = optimizer_open(m, NULL)) == NULL)
		exit(HG_EXIT_SYSTEM);
	run.steps = 0;
	train(m, o, times, phases);
	run.steps = steps;
	measure_watch(model_ctx(m), span_task, span_ended, &span);
	span.last = seconds();
	train(m, o, times, phases);
	optimizer_close(o);
	model_close(m);
	return (span);
}

/* What P threads would make of a step cut for them: for all P, or for one that is asked for. */
static void
print_span(const struct params *p, double *times, double *phases)
{
	const size_t steps = WARM_STEPS + run.steps;
	const unsigned only = run.threads;
	/* A barrier among more is a tree of such, as wide as this machine lets it be measured. */
	const double barrier = measure_barrier(2);
	double alone = 0;

	for (unsigned threads = 1, depth = 0; threads <= SPAN_THREADS; threads *= 2, depth++) {
		struct span span, one;
		json_t *line;
		char *text;

		if (threads != 1 && only != 0 && threads != only)
			continue;
		span = record(p, threads, times, phases);
		if (threads == 1) {
			one = span_usual(&span, steps);
			alone = span_work(&one);
			span_free(&one);
		}
		line = span_line(&span, steps, threads, barrier * depth, alone);
		text = jsonio_line(line);
		puts(text);
		free(text);
		json_decref(line);
		span_free(&span);
	}
}

int
main(int argc, char **argv)
{
	static double times[MAX_STEPS], phases[OPS_CPU_PHASES];
	struct params *p;
	struct model *m;
	json_t *out = json_object(), *by_phase = json_object();
	double tokens, flops, forward, rate = 0, ceiling = 0;

	say_init("bench");
	parse(argc, argv);
	if ((p = params_new(&run.config)) == NULL)
		exit(HG_EXIT_SYSTEM);
	ids_n = run.micro_batches * (run.batch * run.seq + 1);
	ids = calloc(ids_n, sizeof(*ids));
	for (size_t i = 0; i < ids_n; i++)
		ids[i] = (int32_t)(((uint32_t)i * 2654435761u >> 7) % run.config.vocab_size);
	tokens = (double)(run.batch * run.seq * run.micro_batches);
	flops = 6 * matrix_parameters(p) * tokens + attention_flops((size_t)tokens) +
	    muon_flops(p, run.law.muon_backend_steps);

	if (run.generate_only || run.stride > 0) {
		json_decref(by_phase);
		m = open_model(run.generate_only ? MODEL_GENERATE : MODEL_SCORE, p);
		if (run.generate_only)
			generate(m, p, times, out);
		else
			slide(m, times, out);
		model_close(m);
		free(ids);
		params_free(p);
		return (print(out));
	}
	if (run.span) {
		print_span(p, times, phases);
		free(ids);
		params_free(p);
		json_decref(out);
		json_decref(by_phase);
		return (fflush(stdout) == 0 ? 0 : HG_EXIT_SYSTEM);
	}
	if (!run.forward_only) {
		struct optimizer *o;
		double loss;

		m = open_model(MODEL_TRAIN, p);
		if ((o = optimizer_open(m, NULL)) == NULL)
			exit(HG_EXIT_SYSTEM);
		if (strcmp(run.backend, "cpu") == 0)
			ceiling = measure_ceiling(model_ctx(m), 0.2);
		loss = train(m, o, times, phases);
		if (strcmp(run.backend, "cpu") == 0) {
			const double again = measure_ceiling(model_ctx(m), 0.2);

			ceiling = again > ceiling ? again : ceiling;
		}
		rate = tokens / median(times, run.steps);
		json_object_set_new(out, "isa", json_string(model_isa(m)));
		json_object_set_new(out, "tokens_per_s", json_real(rate));
		json_object_set_new(out, "step_ms", json_real(1e3 * tokens / rate));
		json_object_set_new(out, "gflops", json_real(flops * rate / tokens / 1e9));
		json_object_set_new(out, "ceiling_gflops", json_real(ceiling / 1e9));
		json_object_set_new(out, "share", json_real(ceiling > 0 ? flops * rate / tokens / ceiling : 0));
		json_object_set_new(out, "peak_mb", json_real(peak_mb()));
		json_object_set_new(out, "last_loss", jsonio_real(loss));
		for (int i = 0; i < OPS_CPU_PHASES; i++)
			json_object_set_new(by_phase, measure_phase_name((enum ops_cpu_phase)i),
			    json_real(1e3 * phases[i]));
		json_object_set_new(out, "phase_ms", by_phase);
		optimizer_close(o);
		model_close(m);
	}
	m = open_model(MODEL_SCORE, p);
	forward = score(m, times);
	model_close(m);
	json_object_set_new(out, "score_tokens_per_s", json_real(forward));
	if (rate > 0)
		json_object_set_new(out, "score_ratio", json_real(forward / rate));
	free(ids);
	params_free(p);
	return (print(out));
}
