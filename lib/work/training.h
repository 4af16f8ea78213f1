#ifndef HG_TRAINING_H
#define HG_TRAINING_H

#include "stage/stage.h"

/**
 * training_work(w, threads):
 * The worker of stage train: from the spec to checkpoint.safetensors and the
 * keys of the training report, by way of metrics.jsonl, train_status.json and
 * resume.safetensors.  ${threads} points to an unsigned: how many, 0 for what
 * the spec says.  Needs a job with .lane and .stops.
 */
int training_work(struct stage_work *w, void *threads);

#endif
