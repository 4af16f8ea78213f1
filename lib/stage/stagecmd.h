#ifndef HG_STAGECMD_H
#define HG_STAGECMD_H

#include "base/opt.h"
#include "run/rundir.h"

/* What a tool does to one stage of an open run. Returns the exit code; the run is the caller's. */
typedef int errand(struct rundir *r, enum stage s);

/**
 * stagecmd_main(tool, options, argc, argv, act):
 * The whole main() of a tool with the command line `TOOL STAGE RUN`, where STAGE may be `last`, the one on which
 * judgement of this run rests, and the
 * ${options} of its own; NULL: none.  Returns the exit code, with stdout
 * flushed.
 */
int stagecmd_main(const struct opt_tool *tool, struct opt *options, int argc, char **argv, errand *act);

#endif
