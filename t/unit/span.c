/* The simulator of many threads (t/bench/span.h) on lists of tasks whose end is reckoned by hand.  Prints TAP. */
#include <math.h>
#include <string.h>

#include "t/bench/span.h"
#include "t/unit/tap.h"

/* One operation after the other, as a context that is watched tells of them. */
struct clock {
	struct span span;
	double now;
};

static void
round_of(struct clock *c, const double *seconds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		span_task(&c->span, i, count, c->now, c->now + seconds[i], seconds[i]);
		c->now += seconds[i] + 100; /* the watcher's own, which is nobody's */
	}
	c->now -= 100;
}

static int
is(double a, double b)
{
	return (fabs(a - b) < 1e-9);
}

/* Seconds until a round is done. */
static double
until(const double *seconds, size_t count, unsigned threads)
{
	struct clock c = { 0 };
	double end;

	round_of(&c, seconds, count);
	end = span_round(c.span.tasks, count, threads);
	span_free(&c.span);
	return (end);
}

static void
rounds(void)
{
	static const double equal[] = { 2, 2, 2, 2 }, late[] = { 1, 1, 1, 1, 4 }, early[] = { 4, 1, 1, 1, 1 };
	static const double uneven[] = { 3, 1, 1, 1, 3 };

	tap_ok(is(until(equal, 4, 1), 8) && is(until(equal, 4, 2), 4) && is(until(equal, 4, 3), 4) &&
		is(until(equal, 4, 4), 2),
	    "equal tasks take as many turns as the fullest thread has");
	tap_ok(is(until(late, 5, 1), 8) && is(until(late, 5, 2), 6) && is(until(late, 5, 3), 5),
	    "a long task that comes last is waited for");
	tap_ok(is(until(early, 5, 2), 4) && is(until(early, 5, 3), 4),
	    "the same tasks with the long one first are not");
	/* By turns two threads would have 3 + 1 + 3 and 1 + 1. */
	tap_ok(is(until(uneven, 5, 2), 6) && is(until(uneven, 5, 3), 4),
	    "whoever is free first takes the next task, not whose turn it is");
}

static void
steps(void)
{
	static const double first[] = { 3, 1, 1, 1, 3 }, second[] = { 2, 2 };
	struct clock c = { .now = 5 };
	struct span_sum two, three;

	/* Before the operation a gap of 5 and a round of its own; in it 0.5 before, between and behind its rounds. */
	c.span.last = 0;
	round_of(&c, second, 2);
	const double began = c.now;
	c.now += 0.5;
	round_of(&c, first, 5);
	c.now += 0.5;
	round_of(&c, second, 2);
	c.now += 0.5;
	span_ended(&c.span, OPS_CPU_MLP, began, c.now);
	two = span_over(&c.span, 2, 0.25);
	three = span_over(&c.span, 3, 0.25);
	tap_ok(is(two.serial[OPS_CPU_MLP], 1.5) && is(two.serial[SPAN_BETWEEN], 5),
	    "what is between rounds is one thread's, and what is between a round's tasks is the watcher's");
	tap_ok(is(two.spent[OPS_CPU_MLP], 1.5 + 6 + 2 + 2 * 0.25) &&
		is(three.spent[OPS_CPU_MLP], 1.5 + 4 + 2 + 2 * 0.25) && is(two.spent[SPAN_BETWEEN], 5 + 2 + 0.25),
	    "rounds end each with a barrier, and tasks go to the operation that they ran in");
	tap_ok(is(span_over(&c.span, 1, 0.25).whole, 1.5 + 9 + 4 + 5 + 4) && is(two.all, 23.5) &&
		is(span_work(&c.span), 23.5),
	    "one thread has no barrier, and work is the same for any number");
	tap_ok(is(two.critical[OPS_CPU_MLP], 1.5 + 4.5 + 2) && is(three.critical[OPS_CPU_MLP], 1.5 + 3 + 2),
	    "the critical path of a round is its longest task or its share, whichever is more");
	span_free(&c.span);
}

static void
usual(void)
{
	static const double of_step[][2] = { { 1, 4 }, { 9, 4 }, { 1, 5 } };
	struct clock c = { 0 };
	struct span one;

	for (size_t k = 0; k < 3; k++) {
		const double began = c.now + (double)k;

		c.now = began;
		round_of(&c, of_step[k], 2);
		span_ended(&c.span, OPS_CPU_HEAD, began, c.now += (double)(3 - k));
	}
	one = span_usual(&c.span, 3);
	tap_ok(one.count == 2 && is(one.tasks[0].seconds, 1) && is(one.tasks[1].seconds, 4) && one.op_count == 1 &&
		is(one.ops[0].serial, 2) && is(one.ops[0].before, 1),
	    "of a usual step every task and every gap is the median over the steps");
	span_free(&one);
	span_free(&c.span);
}

static void
line(void)
{
	static const double tasks[] = { 4, 4 };
	struct clock c = { 0 };
	json_t *out;

	round_of(&c, tasks, 2);
	span_ended(&c.span, OPS_CPU_MUON, 0, c.now);
	out = span_line(&c.span, 1, 4, 0, 6);
	tap_ok(is(json_number_value(json_object_get(out, "speed_up")), 1.5) &&
		is(json_number_value(json_object_get(out, "efficiency")), 0.5) &&
		is(json_number_value(json_object_get(out, "idle")), 0.5) &&
		is(json_number_value(json_object_get(out, "work")), 8.0 / 6),
	    "speed-up is over what one thread works alone, efficiency over what these tasks are");
	json_decref(out);
	span_free(&c.span);
}

int
main(void)
{
	rounds();
	steps();
	usual();
	line();
	return (tap_done());
}
