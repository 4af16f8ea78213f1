#ifndef HG_SCORING_H
#define HG_SCORING_H

#include <jansson.h>

#include "data/dataset.h"
#include "run/rundir.h"
#include "stage/stage.h"
#include "work/evaluation.h"

struct scoring_options {
	unsigned threads;                    /* 0: as the spec says */
	int check;                           /* a rehearsal: keep no notes to go on from */
	const struct evaluation *evaluation; /* whose law of scoring counts; NULL: the run's */
};

/**
 * scoring_work(w, options):
 * The worker of stage score: from the artifact to score_docs.tsv and the keys
 * of report and receipt.  ${options} is a struct scoring_options.
 */
int scoring_work(struct stage_work *w, void *options);

/**
 * scoring_weights(w, threads, d, weights, bpb) / scoring_files(w, threads, d, dirfd, files, bpb):
 * Bits per byte of weights of the spec's model before any quantisation, or of a program's artifact (external_score), by
 * the spec's eval law on ${d}, which has been verified; for a comparison, nothing is written.
 * Errors: -1, refused, or with errno, said.
 */
int scoring_weights(struct stage_work *w, unsigned threads, struct dataset *d, float *weights, double *bpb);
int
scoring_files(struct stage_work *w, unsigned threads, struct dataset *d, int dirfd, const json_t *files, double *bpb);

/**
 * scoring_compare(arg, r, outputs, delivered):
 * A job's rehearse function: compare what was scored again with the report
 * that stands in the run, and print `{same, val_bpb, recorded_val_bpb, differ,
 * run_id}` on stdout.  Returns the exit code: done if the same, else no.
 */
int scoring_compare(void *arg, const struct rundir *r, int outputs, const json_t *delivered);

#endif
