#ifndef HG_DEPENDENCIES_H
#define HG_DEPENDENCIES_H

#include <jansson.h>

#include "gpt/artifact.h"
#include "gpt/trainspec.h"
#include "data/dataset.h"
#include "data/inputerror.h"
#include "base/sha256.h"
#include "stage/stage.h"

/**
 * What the workers of several stages begin with, or the refusal for want of
 * it: the data and the artifact that spec and receipts name by digest.  All
 * return -1 when refused, or with errno for the supervisor to read.
 */

/* The refusal for what lib/data found. */
int dependencies_fault(struct stage_work *w, const struct inputerror *f);

/* The refusal for a model that could not be opened on ${backend}, by errno as model_open leaves it. */
int dependencies_model(struct stage_work *w, const char *backend);

/* The data directory that the spec names, its very dataset.json, ${parts} (DATASET_*) verified. Owns: the caller. */
int dependencies_data(struct stage_work *w, unsigned parts, struct dataset **d);

/**
 * dependencies_artifact(w, a, receipt, receipt_sha256):
 * The artifact that export's receipt names, restored, and that receipt.
 * Owns: the caller calls artifact_free and decrefs *receipt.
 */
int
dependencies_artifact(struct stage_work *w, struct artifact *a, json_t **receipt, char receipt_sha256[SHA256_HEX_SIZE]);

/* Where a program trained (backend "external") its weights are scored and prompted as our own are, by backend cpu. */
void dependencies_own(struct trainspec *r);

/* Refuses data whose tokenizer is not the artifact's. */
int dependencies_tokenizer(struct stage_work *w, const char *data_sha256, const struct artifact *a);

#endif
