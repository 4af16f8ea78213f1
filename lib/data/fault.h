#ifndef HG_FAULT_H
#define HG_FAULT_H

/**
 * What is wrong with an input, so that a stage can refuse with the right kind.
 * Readers of lib/data take a `struct fault *` (NULL if nobody asks), fill it and
 * say one line; say_last() then is the refusal's detail.
 */
enum fault_kind {
	FAULT_NONE,
	FAULT_MISSING,		/* input_missing */
	FAULT_TRUNCATED,	/* input_truncated */
	FAULT_WRONG_SIZE,	/* input_wrong_size */
	FAULT_WRONG_DIGEST,	/* input_wrong_digest */
	FAULT_INVALID,		/* input_invalid: not of its format, or a value out of range */
	FAULT_TOKENIZER_MISSING,/* tokenizer_missing: the model, or the program that encodes with it */
	FAULT_DEADLINE,		/* deadline_exceeded: a program we started did not end in time */
	FAULT_FULL,		/* disk_full */
	FAULT_MEMORY,		/* out_of_memory */
	FAULT_IO		/* io_error */
};

struct fault {
	enum fault_kind kind;
	char observed[256], expected[256];	/* "" where there is nothing to say */
};

/* The refusal kind's name, as in the comments above; "none" for FAULT_NONE. */
const char *fault_name(enum fault_kind kind);

/* The exit code of a tool that ends for it: 103 for what breaks its format, 111 for what the system failed in. */
int fault_exit(enum fault_kind kind);

/**
 * fault_set(f, kind, object, observed, expected):
 * Fill *f and say it, naming ${object}.  Returns -1.
 */
int fault_set(struct fault *f, enum fault_kind kind, const char *object, const char *observed, const char *expected);

/**
 * fault_errno(f, doing, object):
 * As fault_set from errno: ENOENT is missing, ENOSPC and EDQUOT full, ENOMEM
 * memory, the rest io_error.  ${doing}: "read", "write".
 */
int fault_errno(struct fault *f, const char *doing, const char *object);

#endif
