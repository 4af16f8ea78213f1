#ifndef HG_TRAINING_H
#define HG_TRAINING_H

#include <jansson.h>

#include "stage/stage.h"

struct training_options {
	unsigned threads; /* 0: as the spec says */
	int dry;          /* a rehearsal of all but the training: inputs, memory, self-test, one micro-batch */
	int again;        /* a rehearsal: train what the run's receipt is of once more */
};

/**
 * training_work(w, options):
 * The worker of stage train: from the spec to checkpoint.safetensors and the
 * keys of the training report, by way of metrics.jsonl, train_status.json and
 * resume.safetensors.  ${options} is a struct training_options.  Needs a job
 * with .lane and .stops.
 */
int training_work(struct stage_work *w, void *options);

/**
 * training_tell(options, r, outputs, delivered) / training_compare(..):
 * A job's rehearse functions.  tell prints what a dry run found, one JSON object on stdout; compare holds what was
 * trained again against the run's receipt and prints {same, differ, observed, expected, run_id}.
 * Return the exit code: done if all is well or the same, else no.
 */
int training_tell(void *options, const struct rundir *r, int outputs, const json_t *delivered);
int training_compare(void *options, const struct rundir *r, int outputs, const json_t *delivered);

#endif
