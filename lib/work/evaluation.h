#ifndef HG_EVALUATION_H
#define HG_EVALUATION_H

#include <jansson.h>

#include "run/rundir.h"

/**
 * RUN/evals/NAME.json, hg-evaluation(5): what the artifact scores under another
 * law, for comparison only.  No tool judges by it.
 */

/* What is asked for. */
struct evaluation {
	const char *name;
	json_t *spec; /* the run's, with the law of this evaluation in its section eval, and its digests */
};

/**
 * evaluation_open(e, r, name, settings):
 * The evaluation ${name} of a run that is loaded, under its own law but for
 * ${settings}, the section eval of a request (NULL: none).
 * Owns:   the caller decrefs e->spec.
 * Errors: -1 with errno, said: EINVAL that is no name, or the run's losses are a program's.
 */
int evaluation_open(struct evaluation *e, const struct rundir *r, const char *name, const json_t *settings);

/**
 * evaluation_there(e, r):
 * Is it there already? HG_EXIT_DONE: yes, and printed; HG_EXIT_PENDING: no.  Else said: HG_EXIT_NO it is of another
 * artifact, data, tokenizer or law; HG_EXIT_CONTRACT; HG_EXIT_SYSTEM.
 * Checked: t/hg-score.bats.
 */
int evaluation_there(const struct evaluation *e, const struct rundir *r);

/*
 * A job's rehearse function, whose arg is a struct scoring_options with that evaluation: create the file from what was
 * scored, and print it.
 */
int evaluation_keep(void *arg, const struct rundir *r, int outputs, const json_t *delivered);

#endif
