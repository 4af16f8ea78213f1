#ifndef HG_PROVENANCE_H
#define HG_PROVENANCE_H

#include <jansson.h>
#include <stdint.h>

#include "gpt/model.h"

/**
 * What a report says was executed, measured: read back from the model, the
 * machine and the files, never copied from what was asked for.
 */

/* Threads that compute, of those asked for: ref knows one. */
unsigned provenance_threads(const struct model *m, unsigned threads);

/**
 * provenance_system(m, threads, lane, report):
 * Add backend, isa, arith, threads, lane, cpu_model, libraries,
 * numerics_sha256 and their digest system_sha256 to ${report}.
 * Errors: -1 after saying why.
 */
int provenance_system(const struct model *m, unsigned threads, const char *lane, json_t *report);

/**
 * provenance_starved(m, threads, cpu_ms, clock_ms):
 * Nonzero if other load took the processors: a run alone on them uses nearly
 * its threads times the clock.  Less than a second of clock tells nothing.
 */
int provenance_starved(const struct model *m, unsigned threads, int64_t cpu_ms, double clock_ms);

/* {file, bytes, sha256} of what lies there; NULL after saying why. Owns: the caller decrefs. */
json_t *provenance_file(int dirfd, const char *name);

#endif
