#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/exit.h"
#include "base/proc.h"
#include "base/say.h"
#include "data/loader.h"
#include "gpt/model.h"
#include "gpt/trainer.h"
#include "gpt/trainer_open.h"
#include "work/pacing.h"
#include "work/provenance.h"

#define MAX_STEPS 10000
#define MIN_STEPS 3
#define MARGIN 0.98

static int
take_span(void *cookie, uint64_t span, int32_t *ids, size_t n)
{
	struct loader *l = cookie;

	(void)n;
	if (loader_cursor(l) != span)
		loader_seek(l, span);
	return (loader_take(l, ids, NULL));
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return ((x > y) - (x < y));
}

/* What is measured of the steps of one kind, of which a schedule may have several. */
struct phase {
	double *step_ms, *loss; /* MAX_STEPS of each */
	size_t steps;
	double first_loss, median_ms, p90_ms;
};

/* Steps of one kind, ${least} at least. 0, or -1, said. */
static int
measure(struct trainer *t, const struct trainspec *r, const struct schedule_phase *kind, int64_t ms, size_t least,
    struct phase *p)
{
	struct schedule_rates rates = schedule_full_rates;
	struct trainer_result result;
	int64_t end, start;

	rates.batch_tokens = kind->batch_tokens;
	rates.seq_len = kind->seq_len;
	rates.visits = kind->visits;
	p->steps = 0;
	/* The first step touches all memory for the first time. */
	if (trainer_step(t, &rates, &result) != 0)
		return (-1);
	p->first_loss = result.loss;
	end = clock_mono_ms() + ms;
	do {
		start = clock_mono_ns();
		if (trainer_step(t, &rates, &result) != 0)
			return (-1);
		if (r->law.average != OPTIMIZER_NO_AVERAGE)
			trainer_average(t, 0.5);
		p->step_ms[p->steps] = (double)(clock_mono_ns() - start) / 1e6;
		p->loss[p->steps++] = result.loss;
		say_progress("%zu steps, %.1f ms each", p->steps, p->step_ms[p->steps - 1]);
	} while (p->steps < MAX_STEPS && (clock_mono_ms() < end || p->steps < least));
	say_progress_end();
	qsort(p->step_ms, p->steps, sizeof(*p->step_ms), by_size);
	p->median_ms = p->step_ms[p->steps / 2];
	p->p90_ms = p->step_ms[p->steps * 9 / 10];
	return (0);
}

/* Take a phase that is ${share} of the run into the means over all of it; *parts: what these are means over. */
static void
take(struct pacing *p, const struct phase *m, const struct schedule_phase *kind, double share, int by_clock,
    double *parts)
{
	const double ms = (m->median_ms + m->p90_ms) / 2;
	/* By the clock a phase is a share of the time, and steps are as many as it has room for. */
	const double weight = by_clock ? share / ms : share;
	const size_t last = m->steps / 8 > 0 ? m->steps / 8 : 1;

	p->steps += m->steps;
	p->median_ms += weight * m->median_ms;
	p->p90_ms += weight * m->p90_ms;
	p->batch_tokens += weight * (double)kind->batch_tokens;
	*parts += weight;
	if (*parts == weight)
		p->first_loss = m->first_loss;
	p->loss = 0;
	for (size_t i = m->steps - last; i < m->steps; i++)
		p->loss += m->loss[i] / (double)last;
}

static int
measure_phases(struct trainer *t, const struct trainspec *r, int64_t ms, size_t least, double *figures,
    struct pacing *p)
{
	struct schedule_phase kinds[SCHEDULE_PHASES];
	struct phase m = { .step_ms = figures, .loss = figures + MAX_STEPS };
	const size_t n = schedule_phases(&r->schedule, kinds);
	double parts = 0, to;

	for (size_t i = 0; i < n; i++) {
		if (measure(t, r, &kinds[i], ms / (int64_t)n, least, &m) == -1)
			return (-1);
		to = i + 1 < n ? kinds[i + 1].from : 1;
		take(p, &m, &kinds[i], to - kinds[i].from, r->schedule.law == SCHEDULE_WALLCLOCK, &parts);
	}
	p->median_ms /= parts;
	p->p90_ms /= parts;
	p->batch_tokens /= parts;
	return (0);
}

/* Two passes, of which the first touches its memory for the first time. */
static int
measure_calibration(struct trainer *t, const struct trainspec *r, struct pacing *p)
{
	const uint64_t all = trainspec_calibration(r), passes = (all + p->micro_batch - 1) / p->micro_batch;
	int64_t start = 0;

	for (int i = 0; all != 0 && i < 2; i++) {
		start = clock_mono_ns();
		if (trainer_watch(t, 0, all < p->micro_batch ? (size_t)all : p->micro_batch) == -1)
			return (-1);
	}
	if (all != 0)
		p->calibration_ms = 1.2 * (double)(clock_mono_ns() - start) / 1e6 * (double)passes;
	return (0);
}

int
pacing_measure(const struct trainspec *r, const struct dataset *data, int64_t ms, size_t steps, struct pacing *p)
{
	double *figures = malloc(2 * MAX_STEPS * sizeof(*figures));
	struct inputerror f = { .kind = REFUSAL_NONE };
	struct loader *loader = NULL;
	struct trainer *t = NULL;
	struct model *m = NULL;
	int64_t since, cpu;
	int code = HG_EXIT_SYSTEM;

	*p = (struct pacing){ 0 };
	if (figures == NULL) {
		say_errno("cannot measure");
		goto done;
	}
	if ((p->micro_batch = trainer_open_micro_batch(r, proc_memory_available(), proc_memory_total())) == 0)
		goto done;
	if ((loader = loader_open(&data->train, (uint32_t)r->config.vocab_size, p->micro_batch, r->data_offset, &f)) ==
	    NULL) {
		code = inputerror_exit(f.kind);
		goto done;
	}
	if (trainer_open_spec(r, p->micro_batch, take_span, loader, &m, &t) == -1)
		goto done;
	since = clock_mono_ms();
	cpu = proc_cpu_ms(0);
	if (measure_phases(t, r, ms, steps > MIN_STEPS ? steps : MIN_STEPS, figures, p) == -1 ||
	    measure_calibration(t, r, p) == -1)
		goto done;
	p->starved = provenance_starved(m, r->threads, proc_cpu_ms(0) - cpu, (double)(clock_mono_ms() - since));
	code = HG_EXIT_DONE;
done:
	trainer_close(t);
	model_close(m);
	loader_close(loader);
	free(figures);
	return (code);
}

double
pacing_fit(const struct pacing *p, int64_t cap_ms)
{
	const double steps_ms = fmax(0, (double)cap_ms - p->calibration_ms);

	return (floor(MARGIN * steps_ms / ((p->median_ms + p->p90_ms) / 2)));
}
