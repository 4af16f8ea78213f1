#ifndef HG_PLANNER_H
#define HG_PLANNER_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "data/dataset.h"
#include "gpt/trainspec.h"
#include "work/losslaw.h"
#include "work/pacing.h"

/**
 * Which shape to train in a given time: the one of a grid whose loss, by the
 * fitted law (work/losslaw.h), is lowest after as many steps as fit.  How long
 * a step takes is measured for some shapes and reckoned for the others from
 * them; what is proposed has been measured.
 */

/* A shape of the grid. */
struct planner_shape {
	size_t layers, dim, heads, kv_heads;
	size_t batch_tokens, seq_len;
	size_t data; /* which of the data directories */
};

struct planner_choice {
	struct planner_shape shape;
	double step_ms;
	uint64_t params, iterations;
	struct losslaw_run run;
	double val_bpb;     /* expected */
	struct pacing pace; /* if measured */
};

#define PLANNER_MEASURED 40
#define PLANNER_DATA 16 /* directories at most */

struct planner {
	/* Asked for. */
	const json_t *request; /* what the owner fixed: the grid has these values alone */
	const char *const *data_dirs;
	size_t data_count;
	int64_t budget_ms, measure_ms;

	/* Found. */
	struct planner_choice choice;
	struct planner_choice measured[PLANNER_MEASURED]; /* in the order of measuring, the choice among them */
	size_t measured_count;
	const char *arith;       /* the faster of fp32 and bf16, unless given */
	double probe_bpb;        /* of the probe's last steps on that data */
	double text;             /* how hard it is by that, 1: as the text of the law's runs */
	int starved;             /* other work took processors meanwhile: the plan is for a machine as busy */
	int settled;             /* 0: time ran out before the best shape by reckoning was measured */
	json_t *spec;            /* of the choice, built; the caller decrefs */
	struct trainspec recipe; /* of that spec, whose strings point into it */
	uint64_t train_tokens, memory_bytes, artifact_bytes;
};

/**
 * planner_propose(p):
 * Fill in what is found.  Whoever asks holds the lane.
 * Returns an exit code, everything said.
 * Checked: t/hg-pace.bats.
 */
int planner_propose(struct planner *p);

#endif
