#ifndef HG_INPUTERROR_H
#define HG_INPUTERROR_H

/**
 * What is wrong with an input, so that a stage can refuse with the right kind.
 * Readers of lib/data take a `struct inputerror *` (NULL if nobody asks), fill it and
 * say one line; say_last() then is the refusal's detail.
 */
enum inputerror_kind {
	INPUTERROR_NONE,
	INPUTERROR_MISSING,           /* input_missing */
	INPUTERROR_TRUNCATED,         /* input_truncated */
	INPUTERROR_WRONG_SIZE,        /* input_wrong_size */
	INPUTERROR_WRONG_DIGEST,      /* input_wrong_digest */
	INPUTERROR_INVALID,           /* input_invalid: not of its format, or a value out of range */
	INPUTERROR_TOKENIZER_MISSING, /* tokenizer_missing: the model, or the program that encodes with it */
	INPUTERROR_DEADLINE,          /* deadline_exceeded: a program we started did not end in time */
	INPUTERROR_FULL,              /* disk_full */
	INPUTERROR_MEMORY,            /* out_of_memory */
	INPUTERROR_IO                 /* io_error */
};

struct inputerror {
	enum inputerror_kind kind;
	char observed[256], expected[256]; /* "" where there is nothing to say */
};

/* The refusal kind's name, as in the comments above; "none" for INPUTERROR_NONE. */
const char *inputerror_name(enum inputerror_kind kind);

/* The exit code of a tool that ends for it: 103 for what breaks its format, 111 for what the system failed in. */
int inputerror_exit(enum inputerror_kind kind);

/**
 * inputerror_set(f, kind, object, observed, expected):
 * Fill *f and say it, naming ${object}.  Returns -1.
 */
int inputerror_set(struct inputerror *f, enum inputerror_kind kind, const char *object, const char *observed,
    const char *expected);

/**
 * inputerror_errno(f, doing, object):
 * As inputerror_set from errno: ENOENT is missing, ENOSPC and EDQUOT full, ENOMEM
 * memory, the rest io_error.  ${doing}: "read", "write".
 */
int inputerror_errno(struct inputerror *f, const char *doing, const char *object);

#endif
