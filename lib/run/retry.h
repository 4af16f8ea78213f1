#ifndef HG_RETRY_H
#define HG_RETRY_H

#include "run/rundir.h"

/**
 * retry_stage(r, s, attempt):
 * Make a refused stage absent again: what it left, refusal included, moves to
 * attempts/S.N/; what it resumes from stays.  Killed at any instruction, the
 * stage is either still refused, and asking again finishes the move, or absent.
 * Returns 0 with N in ${attempt}; 1 if the stage is not refused; -1 with errno,
 * said: EAGAIN somebody else holds its lock.
 */
int retry_stage(struct rundir *r, enum stage s, int *attempt);

#endif
