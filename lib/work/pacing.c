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

/* The steps themselves, ${least} at least. 0, or -1, said. */
static int
measure(struct trainer *t, int64_t ms, size_t least, double step_ms[MAX_STEPS], double loss[MAX_STEPS],
    struct pacing *p)
{
	struct trainer_result result;
	int64_t end, start;

	/* The first step touches all memory for the first time. */
	if (trainer_step(t, &schedule_full_rates, &result) != 0)
		return (-1);
	p->first_loss = result.loss;
	end = clock_mono_ms() + ms;
	do {
		start = clock_mono_ns();
		if (trainer_step(t, &schedule_full_rates, &result) != 0)
			return (-1);
		step_ms[p->steps] = (double)(clock_mono_ns() - start) / 1e6;
		loss[p->steps++] = result.loss;
		say_progress("%zu steps, %.1f ms each", p->steps, step_ms[p->steps - 1]);
	} while (p->steps < MAX_STEPS && (clock_mono_ms() < end || p->steps < least));
	say_progress_end();
	return (0);
}

static void
summarize(double *step_ms, const double *loss, struct pacing *p)
{
	const size_t last = p->steps / 8 > 0 ? p->steps / 8 : 1;

	qsort(step_ms, p->steps, sizeof(*step_ms), by_size);
	p->median_ms = step_ms[p->steps / 2];
	p->p90_ms = step_ms[p->steps * 9 / 10];
	p->loss = 0;
	for (size_t i = p->steps - last; i < p->steps; i++)
		p->loss += loss[i] / (double)last;
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
	if (measure(t, ms, steps > MIN_STEPS ? steps : MIN_STEPS, figures, figures + MAX_STEPS, p) == -1)
		goto done;
	p->starved = provenance_starved(m, r->threads, proc_cpu_ms(0) - cpu, (double)(clock_mono_ms() - since));
	summarize(figures, figures + MAX_STEPS, p);
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
	return (floor(MARGIN * (double)cap_ms / ((p->median_ms + p->p90_ms) / 2)));
}
