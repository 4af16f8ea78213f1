#ifndef HG_SPREAD_H
#define HG_SPREAD_H

#include <stddef.h>

/**
 * spread(n, each, arg):
 * Call each(arg, i) for i from 0 to n - 1, and print what they print to
 * stdout in that order; several hundred are dealt out to a process for each
 * processor, so a call must leave nothing behind but files and what it prints,
 * of which no byte is 0.  stderr comes in the order of no one.
 * Each returns an exit code (base/exit.h); the last that is not
 * HG_EXIT_DONE is returned, or HG_EXIT_SYSTEM where a process ended before
 * its time, which is said.
 * Checked: t/unit/base.c, t/hg-status.bats.
 */
int spread(size_t n, int (*each)(void *arg, size_t i), void *arg);

#endif
