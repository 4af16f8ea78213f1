#ifndef HG_REPLAY_H
#define HG_REPLAY_H

#include <stdint.h>

struct replay_view {
	uint64_t rows;
	unsigned judged, differ; /* verdicts derived again, and differences */
	uint64_t first;          /* the first row that differs, or can't be read; 0: none */
};

/**
 * replay_ledger(path, view):
 * Derive every verdict of a ledger again, from its rows alone, and say where
 * what stands there differs: runs and confirmations (class, reason, numbers,
 * incumbent), from law 2 on calibrations (runs, mean, deviation), plans (seeds,
 * level, lanes, what was known before), and that no run stands there twice.
 * Returns the exit code: DONE if nothing differs, NO if something does,
 * CONTRACT if it can't be read; *view is filled as far as it came.
 */
int replay_ledger(const char *path, struct replay_view *view);

#endif
