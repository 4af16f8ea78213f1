#ifndef HG_STEPLOG_H
#define HG_STEPLOG_H

#include "import/grid.h"
#include "import/textfile.h"

/**
 * Logs of speed runs: lines "step:1490/1490 val_loss:3.2790 train_time:86694ms",
 * after the program that wrote them and a line of equals signs.  The loss at the
 * last step is the score; a log that does not reach it has none.  Logs of one
 * folder whose names differ in numbers alone, and whose programs are the same,
 * are runs of one arm.
 */

/* Add a log as a line of ${g}: 1; 0 if it is none of these; -1 with errno ENOMEM. ${label} is its path. */
int steplog_take(struct grid *g, const char *label, const struct textfile *file);

#endif
