#ifndef HG_SPAN_H
#define HG_SPAN_H

/*
 * What many threads would make of tasks that one has run: tasks of a round are handed out in order, each to whoever is
 * free first, and a round ends with its last task and a barrier.  lib/gpt/cpu/pool.c gives each thread its own tasks
 * first, and only then those of others: another order, with nobody idle either.  What runs between rounds is one
 * thread's.  Memory is taken to be as fast for many as for one, which it is not.
 * Checked: t/unit/span.c.
 */

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>

#include "gpt/cpu/measure.h"

#define SPAN_THREADS 64
/* Of buffers made zero, and what model and optimizer do on the host: rounds and time that are no operation's. */
#define SPAN_BETWEEN OPS_CPU_PHASES
#define SPAN_PHASES (OPS_CPU_PHASES + 1)

struct span_task {
	double began, ended, seconds; /* began, ended: by the clock; seconds: of its processor */
	int is_first;                 /* of its round */
	int phase;
};

/* An operation: seconds of one thread in it, between rounds, and before it since the last one. */
struct span_op {
	int phase;
	double serial, before;
};

struct span {
	struct span_task *tasks;
	struct span_op *ops;
	size_t count, named; /* of tasks; named: those whose operation is known */
	size_t op_count;
	double last;
};

/* What so many threads make of it, by phase: seconds of threads at work, until all are done, and at the very least. */
struct span_sum {
	double work[SPAN_PHASES], spent[SPAN_PHASES], critical[SPAN_PHASES], serial[SPAN_PHASES];
	double all, whole; /* work and spent of all phases */
};

/* Room for one more behind n, in powers of two. */
static void *
span_room(void *p, size_t n, size_t size)
{
	if ((n & (n - 1)) == 0 && (p = realloc(p, (n > 0 ? 2 * n : 1) * size)) == NULL)
		abort();
	return (p);
}

static void
span_task(void *cookie, size_t i, size_t count, double began, double ended, double worked)
{
	struct span *s = cookie;

	(void)count;
	s->tasks = span_room(s->tasks, s->count, sizeof(*s->tasks));
	s->tasks[s->count++] = (struct span_task){ began, ended, worked, i == 0, SPAN_BETWEEN };
}

/*
 * Tasks since the last operation are this one's, if they began after it did.  What is between two tasks of a round is
 * the watcher's: no thread of a pool that nobody watches waits for it.
 */
static void
span_ended(void *cookie, enum ops_cpu_phase phase, double began, double ended)
{
	struct span *s = cookie;
	struct span_op op = { (int)phase, ended - began, began - s->last };

	for (; s->named < s->count; s->named++) {
		struct span_task *t = &s->tasks[s->named];
		const int is_inside = t->began >= began;
		double *part = is_inside ? &op.serial : &op.before;

		t->phase = is_inside ? (int)phase : SPAN_BETWEEN;
		*part -= t->ended - (t->is_first ? t->began : t[-1].ended);
	}
	s->ops = span_room(s->ops, s->op_count, sizeof(*s->ops));
	s->ops[s->op_count++] = op;
	s->last = ended;
}

static void
span_free(struct span *s)
{
	free(s->tasks);
	free(s->ops);
}

static int
span_by_size(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return ((x > y) - (x < y));
}

static double
span_median(double *x, size_t n)
{
	qsort(x, n, sizeof(*x), span_by_size);
	return (n % 2 != 0 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2);
}

/* One step of so many equal ones: each task and each gap lasts its median, so that what befell one of them goes. */
static struct span
span_usual(const struct span *s, size_t steps)
{
	struct span one = { .count = s->count / steps, .op_count = s->op_count / steps };
	double *x = calloc(steps, sizeof(*x));

	one.tasks = calloc(one.count + 1, sizeof(*one.tasks));
	one.ops = calloc(one.op_count + 1, sizeof(*one.ops));
	if (x == NULL || one.tasks == NULL || one.ops == NULL)
		abort();
	assert(s->count % steps == 0 && s->op_count % steps == 0);
	for (size_t i = 0; i < one.count; i++) {
		one.tasks[i] = s->tasks[i];
		for (size_t k = 0; k < steps; k++) {
			const struct span_task *t = &s->tasks[i + k * one.count];

			assert(t->is_first == one.tasks[i].is_first);
			x[k] = t->seconds;
		}
		one.tasks[i].seconds = span_median(x, steps);
	}
	for (size_t i = 0; i < one.op_count; i++) {
		one.ops[i] = s->ops[i];
		for (size_t k = 0; k < steps; k++)
			x[k] = s->ops[i + k * one.op_count].serial;
		one.ops[i].serial = span_median(x, steps);
		for (size_t k = 0; k < steps; k++)
			x[k] = s->ops[i + k * one.op_count].before;
		one.ops[i].before = span_median(x, steps);
	}
	free(x);
	return (one);
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
 * What so many threads make of it. critical: what no order of handing out could undercut: a round's longest task or
 * its share of all, whichever is more, and what is between rounds.
 */
static struct span_sum
span_over(const struct span *s, unsigned threads, double barrier)
{
	struct span_sum sum = { 0 };

	for (size_t i = 0; i < s->op_count; i++) {
		sum.serial[s->ops[i].phase] += s->ops[i].serial;
		sum.serial[SPAN_BETWEEN] += s->ops[i].before;
	}
	for (int p = 0; p < SPAN_PHASES; p++)
		sum.work[p] = sum.spent[p] = sum.critical[p] = sum.serial[p];
	for (size_t i = 0, n; i < s->count; i += n) {
		const int p = s->tasks[i].phase;
		double longest = 0, work = 0;

		for (n = 0; i + n < s->count && (n == 0 || !s->tasks[i + n].is_first); n++) {
			work += s->tasks[i + n].seconds;
			longest = s->tasks[i + n].seconds > longest ? s->tasks[i + n].seconds : longest;
		}
		sum.work[p] += work;
		sum.critical[p] += longest > work / threads ? longest : work / threads;
		sum.spent[p] += span_round(&s->tasks[i], n, threads) + (threads > 1 && n > 1 ? barrier : 0);
	}
	for (int p = 0; p < SPAN_PHASES; p++) {
		sum.all += sum.work[p];
		sum.whole += sum.spent[p];
	}
	return (sum);
}

/* Seconds of threads at work in s, one step of several. */
static double
span_work(const struct span *s)
{
	return (span_over(s, 1, 0).all);
}

/*
 * A line for so many threads, of tasks cut for so many in ${steps} steps. alone: span_work() of the usual step that is
 * cut for one, which is what all are measured by.
 */
static json_t *
span_line(const struct span *s, size_t steps, unsigned threads, double barrier, double alone)
{
	struct span one = span_usual(s, steps);
	const struct span_sum timed = span_over(s, threads, barrier), usual = span_over(&one, threads, barrier);
	json_t *line = json_object(), *phases = json_object();

	for (int p = 0; p < SPAN_PHASES; p++)
		json_object_set_new(phases, p == SPAN_BETWEEN ? "between" : measure_phase_name((enum ops_cpu_phase)p),
		    json_pack("{s:f, s:f, s:f, s:f}", "share", usual.spent[p] / usual.whole, "efficiency",
			usual.spent[p] > 0 ? usual.work[p] / usual.spent[p] / threads : 1, "critical_ms",
			1e3 * usual.critical[p], "serial_ms", 1e3 * usual.serial[p]));
	json_object_set_new(line, "threads", json_integer(threads));
	json_object_set_new(line, "speed_up", json_real(alone / usual.whole));
	json_object_set_new(line, "efficiency", json_real(usual.all / usual.whole / threads));
	json_object_set_new(line, "efficiency_as_timed", json_real(timed.all / timed.whole / threads));
	json_object_set_new(line, "idle", json_real(1 - usual.all / usual.whole / threads));
	json_object_set_new(line, "work", json_real(usual.all / alone));
	json_object_set_new(line, "step_ms", json_real(1e3 * usual.whole));
	json_object_set_new(line, "barrier_us", json_real(1e6 * barrier));
	json_object_set_new(line, "phases", phases);
	span_free(&one);
	return (line);
}

#endif
