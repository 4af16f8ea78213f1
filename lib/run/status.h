#ifndef HG_STATUS_H
#define HG_STATUS_H

#include <jansson.h>

#include "run/rundir.h"

/**
 * What can be told of a run by looking, for people and scripts.  Nothing is
 * changed, nothing is waited for, and whatever is told is derived from files
 * and locks at this moment.
 */

/**
 * status_read(r):
 * The run's state as hg-run_state(5) describes it.
 * Owns:   the caller decrefs.
 * Errors: NULL with errno, said: that of rundir_load, or of looking.
 */
json_t *status_read(struct rundir *r);

/* The flat form that is published as summary.json, hg-summary(5). NULL with errno ENOMEM. */
json_t *status_summary(const json_t *state);

/* A line or two for people about what a stage is at, or why it ended; "" if there is nothing to add. */
#define STATUS_LINE_SIZE 1400
char *status_line(char text[STATUS_LINE_SIZE], const json_t *stage);

/* A stage that is alive and has not told of its progress for so long is stale, until the stall limit says wedged. */
#define STATUS_STALE_MS 30000

/**
 * status_word(state, stage):
 * What the run is at, in a word: that of its state, new, waiting (to be
 * started), dead, refused, complete or corrupt; of one that is running waiting
 * (for its lane), starting, stale, wedged, or what the stage does: training,
 * validating, exporting, prompting, scoring.  ${stage} gets the stage that the
 * word is about, or STAGE_COUNT if it is about the whole.
 */
const char *status_word(const json_t *state, enum stage *stage);

#endif
