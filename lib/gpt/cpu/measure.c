#include <assert.h>
#include <string.h>

#include "gpt/cpu/job.h"
#include "gpt/cpu/measure.h"

const char *
measure_phase_name(enum ops_cpu_phase phase)
{
	static const char *const names[OPS_CPU_PHASES] = {
		"embed",
		"qkv",
		"attention",
		"proj",
		"mlp",
		"head",
		"embed_grad",
		"qkv_grad",
		"attention_grad",
		"proj_grad",
		"mlp_grad",
		"other",
		"muon",
		"adam",
	};

	return (names[phase]);
}

double
measure_seconds(const struct ops_ctx *c, enum ops_cpu_phase phase)
{
	return (c->seconds[phase]);
}

struct ceiling {
	struct ops_ctx *c;
	double seconds;
	double rate; /* of the slowest thread */
	double *rates;
};

static void
ceiling_task(void *arg, size_t task, unsigned thread)
{
	struct ceiling *m = arg;
	const struct cpu_kernels *k = m->c->kernels;
	struct cpu_scratch s = scratch_of(m->c, thread);
	float *a = cpu_take(&s, CEILING_ROWS * CEILING_UNITS * sizeof(*a));
	float *b = cpu_take(&s, CEILING_COLS * CEILING_UNITS * sizeof(*b));
	float *out = cpu_take(&s, CEILING_ROWS * CEILING_COLS * sizeof(*out));
	const double flops = 2.0 * CEILING_ROWS * CEILING_COLS * CEILING_UNITS * (double)k->per_unit;
	double start, best = 0;

	memset(a, 0, (size_t)((char *)(out + CEILING_ROWS * CEILING_COLS) - (char *)a));
	for (start = now(); now() - start < m->seconds;) {
		const double t0 = now();
		double rate;

		for (int i = 0; i < 16; i++)
			k->gemm(CEILING_ROWS, CEILING_COLS, CEILING_UNITS, a, CEILING_UNITS, b, CEILING_UNITS, out,
			    CEILING_COLS, 0);
		rate = 16 * flops / (now() - t0);
		best = rate > best ? rate : best;
	}
	m->rates[task] = best;
}

double
measure_ceiling(struct ops_ctx *c, double seconds)
{
	const unsigned threads = pool_threads(c->pool);
	double rates[64] = { 0 }, total = 0;
	struct ceiling m = { .c = c, .seconds = seconds, .rates = rates };

	assert(c->training);
	pool_run(c->pool, least(threads, 64), ceiling_task, &m);
	for (size_t i = 0; i < least(threads, 64); i++)
		total += rates[i];
	return (total);
}

void
measure_watch(struct ops_ctx *c, measure_task *task, measure_ended *ended, void *cookie)
{
	pool_watch(c->pool, task, cookie);
	c->ended = ended;
	c->cookie = cookie;
}

static void
nothing(void *arg, size_t task, unsigned thread)
{
	(void)arg;
	(void)task;
	(void)thread;
}

/*
 * On a machine with other work all but the least are the other's, and where the system keeps all threads on one core
 * each round of a pool waits for its spins to end: hence many pools.
 */
double
measure_barrier(unsigned threads)
{
	double least_of_all = 0;

	for (int i = 0; i < 32; i++) {
		struct pool *pool;

		if ((pool = pool_open(threads)) == NULL)
			return (least_of_all);
		for (int round = 0; round < 64; round++) {
			const double since = now();
			double spent;

			pool_run(pool, threads, nothing, NULL);
			spent = now() - since;
			least_of_all = least_of_all == 0 || spent < least_of_all ? spent : least_of_all;
		}
		pool_close(pool);
	}
	return (least_of_all);
}
