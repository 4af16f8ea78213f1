#ifndef HG_MEASURE_H
#define HG_MEASURE_H

#include "gpt/ops.h"

/**
 * The `cpu` backend beyond its table: where its time goes, for `make bench`.
 */
enum ops_cpu_phase {
	OPS_CPU_EMBED,
	OPS_CPU_QKV,
	OPS_CPU_ATTENTION,
	OPS_CPU_PROJ,
	OPS_CPU_MLP,
	OPS_CPU_HEAD,
	OPS_CPU_EMBED_GRAD,
	OPS_CPU_QKV_GRAD,
	OPS_CPU_ATTENTION_GRAD,
	OPS_CPU_PROJ_GRAD,
	OPS_CPU_MLP_GRAD,
	OPS_CPU_OTHER,
	OPS_CPU_MUON,
	OPS_CPU_ADAM,
	OPS_CPU_PHASES
};

/* The product that measures the ceiling: all of it in L1 and L2. */
#define CEILING_ROWS 64
#define CEILING_COLS 128
#define CEILING_UNITS 256

const char *measure_phase_name(enum ops_cpu_phase phase);

/* Seconds spent in a phase since the context was opened. */
double measure_seconds(const struct ops_ctx *ctx, enum ops_cpu_phase phase);

/**
 * measure_ceiling(ctx, seconds):
 * The rate of this context's own product kernel on all its threads, operands in
 * cache, measured for about ${seconds}: what a whole step is compared with.
 * Units: FLOP/s.
 */
double measure_ceiling(struct ops_ctx *ctx, double seconds);

/**
 * measure_watch(ctx, task, ended, cookie):
 * From now on tell ${task} of every task (pool_watch), and ${ended} of every operation after its tasks: its phase, and
 * when it began and ended.  All are run by the caller, cut as for the context's threads.
 */
typedef void measure_task(void *cookie, size_t i, size_t count, double began, double ended, double worked);
typedef void measure_ended(void *cookie, enum ops_cpu_phase phase, double began, double ended);
void measure_watch(struct ops_ctx *ctx, measure_task *task, measure_ended *ended, void *cookie);

/* Seconds of a round of nothing on so many threads: the least of many; 0 if none could start. */
double measure_barrier(unsigned threads);

#endif
