#ifndef HG_SPAN_H
#define HG_SPAN_H

/*
 * What many threads would make of tasks that one has run: tasks of a round are handed out in order, each to whoever is
 * free first, as lib/gpt/cpu/pool.c does, and a round ends with its last task and a barrier.  What runs between tasks
 * is one thread's.  Memory is taken to be as fast for many as for one, which it is not.
 */

#include <jansson.h>
#include <stdlib.h>

#include "gpt/cpu/measure.h"

#define SPAN_THREADS 64
/* Of buffers made zero, and what model and optimizer do on the host: rounds and time that are no operation's. */
#define SPAN_BETWEEN OPS_CPU_PHASES
#define SPAN_PHASES (OPS_CPU_PHASES + 1)

struct span_task {
	double began, lasted, seconds; /* lasted: by the clock; seconds: of its processor */
	int is_first;                  /* of its round */
	int phase;
};

struct span {
	struct span_task *tasks;
	size_t count, room, named; /* named: tasks whose operation is known */
	double serial[SPAN_PHASES], last;
};

static void
span_task(void *cookie, size_t i, size_t count, double began, double ended, double worked)
{
	struct span *s = cookie;

	(void)count;
	if (s->count == s->room) {
		s->room = 2 * s->room + 1024;
		if ((s->tasks = realloc(s->tasks, s->room * sizeof(*s->tasks))) == NULL)
			abort();
	}
	s->tasks[s->count++] = (struct span_task){ began, ended - began, worked, i == 0, SPAN_BETWEEN };
}

/* Tasks since the last operation are this one's, if they began after it did. */
static void
span_ended(void *cookie, enum ops_cpu_phase phase, double began, double ended)
{
	struct span *s = cookie;

	s->serial[phase] += ended - began;
	s->serial[SPAN_BETWEEN] += began - s->last;
	for (; s->named < s->count; s->named++) {
		struct span_task *t = &s->tasks[s->named];

		t->phase = t->began >= began ? (int)phase : SPAN_BETWEEN;
		s->serial[t->phase] -= t->lasted;
	}
	s->last = ended;
}

/* Hand a round's tasks to so many threads: seconds until all are done. */
static double
span_round(const struct span_task *tasks, size_t count, unsigned threads)
{
	double busy[SPAN_THREADS] = { 0 }, end = 0;

	for (size_t i = 0; i < count; i++) {
		unsigned next = 0;

		for (unsigned t = 1; t < threads; t++)
			next = busy[t] < busy[next] ? t : next;
		busy[next] += tasks[i].seconds;
		end = busy[next] > end ? busy[next] : end;
	}
	return (end);
}

/*
 * A line for so many threads. critical: what no order of handing out could undercut: a round's longest task or its
 * share of all, whichever is more, and what is between tasks.
 */
static json_t *
span_line(const struct span *s, unsigned threads, double barrier)
{
	double spent[SPAN_PHASES], critical[SPAN_PHASES], work[SPAN_PHASES], whole = 0, all = 0;
	json_t *line = json_object(), *phases = json_object();

	for (int p = 0; p < SPAN_PHASES; p++)
		spent[p] = critical[p] = work[p] = s->serial[p];
	for (size_t i = 0, n; i < s->count; i += n) {
		const int p = s->tasks[i].phase;
		double longest = 0, sum = 0;

		for (n = 0; i + n < s->count && (n == 0 || !s->tasks[i + n].is_first); n++) {
			sum += s->tasks[i + n].seconds;
			longest = s->tasks[i + n].seconds > longest ? s->tasks[i + n].seconds : longest;
		}
		work[p] += sum;
		critical[p] += longest > sum / threads ? longest : sum / threads;
		spent[p] += span_round(&s->tasks[i], n, threads) + (threads > 1 && n > 1 ? barrier : 0);
	}
	for (int p = 0; p < SPAN_PHASES; p++) {
		whole += spent[p];
		all += work[p];
	}
	for (int p = 0; p < SPAN_PHASES; p++)
		json_object_set_new(phases, p == SPAN_BETWEEN ? "between" : measure_phase_name((enum ops_cpu_phase)p),
		    json_pack("{s:f, s:f, s:f, s:f}", "share", spent[p] / whole, "efficiency",
			spent[p] > 0 ? work[p] / spent[p] / threads : 1, "critical_ms", 1e3 * critical[p], "serial_ms",
			1e3 * s->serial[p]));
	json_object_set_new(line, "threads", json_integer(threads));
	json_object_set_new(line, "speed_up", json_real(all / whole));
	json_object_set_new(line, "efficiency", json_real(all / whole / threads));
	json_object_set_new(line, "idle", json_real(1 - all / whole / threads));
	json_object_set_new(line, "barrier_us", json_real(1e6 * barrier));
	json_object_set_new(line, "phases", phases);
	return (line);
}

#endif
