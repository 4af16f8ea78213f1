#ifndef HG_RETRY_H
#define HG_RETRY_H

#include "run/rundir.h"

/**
 * retry_stage(r, s, only, attempt):
 * Make a refused stage absent again: what it left, refusal included, moves to
 * attempts/S.N/; what it resumes from stays.  Killed at any instruction, the
 * stage is either still refused, and asking again finishes the move, or absent.
 * Unless ${only} is 0 nothing is done where N is another: that is looked at
 * with the stage's lock in hand, so that of many who saw that attempt refused
 * one makes the next.
 * Returns 0 with N in ${attempt}; 1 if the stage is not refused; 2 with N, if it
 * is not ${only}; -1 with errno, said: EAGAIN somebody else holds its lock.
 */
int retry_stage(struct rundir *r, enum stage s, int only, int *attempt);

#endif
