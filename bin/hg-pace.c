/* hg-pace: how many iterations fit a spec's wall-clock cap on this machine. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "data/locate.h"
#include "base/exit.h"
#include "base/jsonio.h"
#include "stage/lane.h"
#include "data/loader.h"
#include "gpt/model.h"
#include "base/num.h"
#include "base/opt.h"
#include "base/out.h"
#include "base/proc.h"
#include "gpt/trainspec.h"
#include "run/rundir.h"
#include "base/say.h"
#include "gpt/trainer_open.h"
#include "gpt/trainer.h"

static const struct opt_tool tool = { "hg-pace", "How many iterations fit a spec's wall-clock cap on this machine.",
	"hg-pace [-t SECONDS] RUN" };

#define MAX_STEPS 10000
#define LANE_WAIT_MS 60000
#define MARGIN 0.98

struct pace {
	struct rundir run;
	struct trainspec recipe;
	struct dataset *data;
	struct loader *loader;
	struct model *m;
	struct trainer *t;
	size_t micro_batch;
	int lane;
	struct measured {
		double ms[MAX_STEPS], median, p90;
		int steps;
	} * phases; /* of the schedule, in its order */
	struct schedule_phase phase[SCHEDULE_PHASES];
	size_t count;
};

static int
take_span(void *cookie, uint64_t span, int32_t *ids, size_t n)
{
	struct pace *x = cookie;

	(void)n;
	if (loader_cursor(x->loader) != span)
		loader_seek(x->loader, span);
	return (loader_take(x->loader, ids, NULL));
}

/* Everything that a step needs; -1 with the exit code in *code. */
static int
begin(struct pace *x, const char *path, int *code)
{
	struct inputerror f = { .kind = REFUSAL_NONE };

	*code = HG_EXIT_SYSTEM;
	if (rundir_open(&x->run, path) == -1)
		return (-1);
	if (rundir_load(&x->run) == -1 || trainspec_read(&x->recipe, x->run.spec.json) == -1) {
		*code = errno == ENOENT ? HG_EXIT_SYSTEM : HG_EXIT_CONTRACT;
		return (-1);
	}
	if (rundir_external(&x->run)) {
		say_error("'%s' is trained by a program, whose pace only it knows: system.backend=external",
		    x->run.path);
		*code = HG_EXIT_USAGE;
		return (-1);
	}
	if (x->recipe.threads == 0)
		x->recipe.threads = proc_cpus();
	if ((x->data = locate_dataset(jsonio_text(x->run.spec.json, "data.dir", ""),
		 jsonio_text(x->run.spec.json, "data.dataset_sha256", ""), x->run.path, &f)) == NULL ||
	    (x->micro_batch = trainer_open_micro_batch(&x->recipe, proc_memory_available(), proc_memory_total())) ==
		0 ||
	    (x->loader = loader_open(&x->data->train, (uint32_t)x->recipe.config.vocab_size, x->micro_batch,
		 x->recipe.data_offset, &f)) == NULL) {
		*code = f.kind != REFUSAL_NONE ? inputerror_exit(f.kind) : HG_EXIT_SYSTEM;
		return (-1);
	}
	/* A trainer beside us would make the figure a lie. */
	if ((x->lane = lane_open(x->run.spec.limits.lane)) == -1)
		return (-1);
	if (proc_lock_wait(x->lane, LANE_WAIT_MS) == -1) {
		say_error("lane '%s' is busy", x->run.spec.limits.lane);
		*code = HG_EXIT_NOT_YET;
		return (-1);
	}
	return (trainer_open_spec(&x->recipe, x->micro_batch, take_span, x, &x->m, &x->t));
}

/* Steps of one kind for so long. */
static int
measure(struct pace *x, size_t phase, int64_t ms)
{
	struct schedule_rates rates = schedule_full_rates;
	struct measured *p = &x->phases[phase];
	struct trainer_result result;
	int64_t end, start;

	rates.batch_tokens = x->phase[phase].batch_tokens;
	rates.seq_len = x->phase[phase].seq_len;
	/* The first step touches all memory for the first time. */
	if (trainer_step(x->t, &rates, &result) != 0)
		return (-1);
	end = clock_mono_ms() + ms;
	do {
		start = clock_mono_ns();
		if (trainer_step(x->t, &rates, &result) != 0)
			return (-1);
		if (x->recipe.law.average != OPTIMIZER_NO_AVERAGE)
			trainer_average(x->t, 0.5);
		p->ms[p->steps++] = (double)(clock_mono_ns() - start) / 1e6;
		say_progress("%d steps, %.1f ms each", p->steps, p->ms[p->steps - 1]);
	} while (p->steps < MAX_STEPS && (clock_mono_ms() < end || p->steps < 3));
	say_progress_end();
	return (0);
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return ((x > y) - (x < y));
}

/* Share of the run that a phase is. */
static double
share(const struct pace *x, size_t phase)
{
	return ((phase + 1 < x->count ? x->phase[phase + 1].from : 1) - x->phase[phase].from);
}

static int
print(struct pace *x)
{
	const int by_clock = x->recipe.schedule.law == SCHEDULE_WALLCLOCK;
	int64_t cap = x->run.spec.limits.cap_ms;
	double median = 0, p90 = 0, fit = 0, tokens = 0, steps = 0, weight, sum = 0;
	json_t *out;
	char *line;
	int n = 0;

	for (size_t i = 0; i < x->count; i++) {
		struct measured *p = &x->phases[i];

		qsort(p->ms, (size_t)p->steps, sizeof(p->ms[0]), by_size);
		p->median = p->ms[p->steps / 2];
		p->p90 = p->ms[p->steps * 9 / 10];
		/* By the clock a phase is a share of the time, and steps are as many as it has room for. */
		weight = by_clock ? share(x, i) / ((p->median + p->p90) / 2) : share(x, i);
		steps += weight;
		median += weight * p->median;
		p90 += weight * p->p90;
		tokens += weight * (double)x->phase[i].batch_tokens;
		sum += by_clock ? share(x, i) : weight * (p->median + p->p90) / 2;
		n += p->steps;
	}
	median /= steps;
	p90 /= steps;
	tokens /= steps;
	if (cap > 0)
		fit = floor(MARGIN * (double)cap / (sum / steps));
	out = json_pack("{s:o, s:o, s:i, s:o, s:o, s:o, s:I}", "step_ms", jsonio_real(median), "step_ms_p90",
	    jsonio_real(p90), "steps", n, "tokens_per_s", jsonio_real(tokens * 1e3 / median), "cap_ms",
	    cap > 0 ? json_integer(cap) : json_string("none"), "iterations",
	    cap > 0 ? json_integer((json_int_t)fit) : json_null(), "micro_batch_tokens", (json_int_t)x->micro_batch);
	if (out == NULL || (line = jsonio_line(out)) == NULL) {
		say_errno("cannot print");
		return (HG_EXIT_SYSTEM);
	}
	out_json(line, strlen(line));
	free(line);
	json_decref(out);
	if (cap > 0 && fit < 1) {
		say_error("a step takes %.0f ms: not even one fits in budget.max_wallclock_ms=%lld", median,
		    (long long)cap);
		return (HG_EXIT_NO);
	}
	return (HG_EXIT_DONE);
}

int
main(int argc, char **argv)
{
	static struct pace x;
	struct opt table[] = {
		{ .letter = 't', .arg = "SECONDS", .help = "measure for this long (90, 1.5, 10m; default 10)" },
		{ .letter = 0 }
	};
	int64_t ms = 10000;
	int i, code;

	exit_init(tool.name);
	if ((i = opt_parse(&tool, table, argc, argv)) < 0)
		return (exit_flush(i == OPT_EXIT ? HG_EXIT_DONE : HG_EXIT_USAGE));
	if (table[0].value != NULL && num_duration_ms(table[0].value, 3600000, &ms) == -1) {
		say_error("-t '%s' is not a time of up to an hour", table[0].value);
		return (opt_usage(&tool));
	}
	if (argc - i != 1)
		return (opt_usage(&tool));
	if (begin(&x, argv[i], &code) == -1)
		return (exit_flush(code));
	x.count = schedule_phases(&x.recipe.schedule, x.phase);
	if ((x.phases = calloc(x.count, sizeof(*x.phases))) == NULL) {
		say_errno("cannot keep times");
		return (exit_flush(HG_EXIT_SYSTEM));
	}
	for (size_t phase = 0; phase < x.count; phase++)
		if (measure(&x, phase, ms / (int64_t)x.count) == -1)
			return (exit_flush(HG_EXIT_SYSTEM));
	return (exit_flush(print(&x)));
}
