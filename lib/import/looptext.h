#ifndef HG_LOOPTEXT_H
#define HG_LOOPTEXT_H

#include "base/str.h"
#include "import/rejudge.h"

/**
 * What loop.h found of a table, in sentences for its owner: one a line.
 */

/* Which keeps are real. Nothing for a table of which nothing was decided. 0, or -1 with errno ENOMEM. */
int looptext_headline(struct str *out, const struct rejudge_group *g);

/* Best, last kept, noise, and what else has to be known. */
int looptext_findings(struct str *out, const struct rejudge *r, const struct rejudge_group *g);

/* What would settle the most promising line: runs, time, and commands, which begin with a blank. */
int looptext_test(struct str *out, const struct rejudge_group *g);

#endif
