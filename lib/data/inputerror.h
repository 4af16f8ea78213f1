#ifndef HG_INPUTERROR_H
#define HG_INPUTERROR_H

#include "schema/refusalkind.h"

/**
 * What is wrong with an input, so that a stage can refuse with the right kind.
 * Readers of lib/data take a `struct inputerror *` (NULL if nobody asks), fill it and
 * say one line; say_last() then is the refusal's detail.
 */
struct inputerror {
	enum refusal_kind kind;            /* REFUSAL_NONE: nothing is wrong */
	char observed[256], expected[256]; /* "" where there is nothing to say */
};

/* The exit code of a tool that ends for it: 103 for what breaks its format, 111 for what the system failed in. */
int inputerror_exit(enum refusal_kind kind);

/**
 * inputerror_set(f, kind, object, observed, expected):
 * Fill *f and say it, naming ${object}.  Returns -1.
 */
int inputerror_set(struct inputerror *f, enum refusal_kind kind, const char *object, const char *observed,
    const char *expected);

/**
 * inputerror_errno(f, doing, object):
 * As inputerror_set from errno: ENOENT is input_missing, ENOSPC and EDQUOT
 * disk_full, ENOMEM out_of_memory, the rest io_error.  ${doing}: "read", "write".
 */
int inputerror_errno(struct inputerror *f, const char *doing, const char *object);

#endif
