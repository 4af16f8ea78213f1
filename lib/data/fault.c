#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "exit.h"
#include "fault.h"
#include "say.h"

static const struct {
	const char *name;
	int exit_code;
	const char *is;		/* what a message says of the object */
} kinds[] = {
	[FAULT_NONE] = { "none", HG_EXIT_DONE, "" },
	[FAULT_MISSING] = { "input_missing", HG_EXIT_SYSTEM, "is missing" },
	[FAULT_TRUNCATED] = { "input_truncated", HG_EXIT_CONTRACT, "is truncated" },
	[FAULT_WRONG_SIZE] = { "input_wrong_size", HG_EXIT_CONTRACT, "has the wrong size" },
	[FAULT_WRONG_DIGEST] = { "input_wrong_digest", HG_EXIT_CONTRACT, "has the wrong digest" },
	[FAULT_INVALID] = { "input_invalid", HG_EXIT_CONTRACT, "is invalid" },
	[FAULT_TOKENIZER_MISSING] = { "tokenizer_missing", HG_EXIT_SYSTEM, "is missing" },
	[FAULT_DEADLINE] = { "deadline_exceeded", HG_EXIT_SYSTEM, "passed its deadline" },
	[FAULT_FULL] = { "disk_full", HG_EXIT_SYSTEM, "can't be written" },
	[FAULT_MEMORY] = { "out_of_memory", HG_EXIT_SYSTEM, "needs more memory than there is" },
	[FAULT_IO] = { "io_error", HG_EXIT_SYSTEM, "can't be used" },
};

const char *
fault_name(enum fault_kind kind)
{

	return (kinds[kind].name);
}

int
fault_exit(enum fault_kind kind)
{

	return (kinds[kind].exit_code);
}

static void
fill(struct fault *f, enum fault_kind kind, const char *observed, const char *expected)
{

	if (f == NULL)
		return;
	f->kind = kind;
	snprintf(f->observed, sizeof(f->observed), "%s", observed);
	snprintf(f->expected, sizeof(f->expected), "%s", expected);
}

int
fault_set(struct fault *f, enum fault_kind kind, const char *object, const char *observed, const char *expected)
{

	assert(kind != FAULT_NONE);
	fill(f, kind, observed, expected);
	if (*observed == '\0')
		say_error("'%s' %s", object, kinds[kind].is);
	else if (*expected == '\0')
		say_error("'%s' %s: %s", object, kinds[kind].is, observed);
	else
		say_error("'%s' %s: %s, expected %s", object, kinds[kind].is, observed, expected);
	return (-1);
}

int
fault_errno(struct fault *f, const char *doing, const char *object)
{
	enum fault_kind kind = FAULT_IO;

	switch (errno) {
	case ENOENT:
	case ENOTDIR:
		kind = FAULT_MISSING;
		break;
	case ENOSPC:
	case EDQUOT:
		kind = FAULT_FULL;
		break;
	case ENOMEM:
		kind = FAULT_MEMORY;
		break;
	}
	fill(f, kind, strerror(errno), "");
	say_errno("cannot %s '%s'", doing, object);
	return (-1);
}
