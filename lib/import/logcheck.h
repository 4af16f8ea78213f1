#ifndef HG_LOGCHECK_H
#define HG_LOGCHECK_H

#include <stddef.h>
#include <stdint.h>

#include "import/claim.h"
#include "import/logtext.h"

/**
 * A claim held against its logs, seed by seed.  What a log measured stands
 * before what was said; what disagrees is noted with both.  A claim that names
 * no runs has those of its logs, where they are one for each seed.
 *
 * Nothing here fails; a claim that runs out of memory says so itself.
 */

struct logcheck {
	const struct logtext_file *from;
	struct logtext text;
	int has_seed;
	int64_t seed;
	int used; /* a run is of its seed */
};

/*
 * Read the files into ${logs}, which has room for ${count}; returns how many are logs, without those whose bytes are
 * the same.  Log and name may tell of different seeds, which is noted.
 */
size_t logcheck_sort(struct claim *c, const struct logtext_file *from, size_t count, struct logcheck *logs);

/* The runs of the claim against the logs of their seeds. */
void logcheck_match(struct claim *c, struct logcheck *logs, size_t n);

/* The runs of a claim that names none, from its logs. */
void logcheck_runs(struct claim *c, struct logcheck *logs, size_t n);

#endif
