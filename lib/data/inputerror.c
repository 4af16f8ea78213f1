#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/exit.h"
#include "data/inputerror.h"
#include "base/say.h"

static const struct {
	const char *name;
	int exit_code;
	const char *is; /* what a message says of the object */
} kinds[] = {
	[INPUTERROR_NONE] = { "none", HG_EXIT_DONE, "" },
	[INPUTERROR_MISSING] = { "input_missing", HG_EXIT_SYSTEM, "is missing" },
	[INPUTERROR_TRUNCATED] = { "input_truncated", HG_EXIT_CONTRACT, "is truncated" },
	[INPUTERROR_WRONG_SIZE] = { "input_wrong_size", HG_EXIT_CONTRACT, "has the wrong size" },
	[INPUTERROR_WRONG_DIGEST] = { "input_wrong_digest", HG_EXIT_CONTRACT, "has the wrong digest" },
	[INPUTERROR_INVALID] = { "input_invalid", HG_EXIT_CONTRACT, "is invalid" },
	[INPUTERROR_TOKENIZER_MISSING] = { "tokenizer_missing", HG_EXIT_SYSTEM, "is missing" },
	[INPUTERROR_DEADLINE] = { "deadline_exceeded", HG_EXIT_SYSTEM, "passed its deadline" },
	[INPUTERROR_FULL] = { "disk_full", HG_EXIT_SYSTEM, "can't be written" },
	[INPUTERROR_MEMORY] = { "out_of_memory", HG_EXIT_SYSTEM, "needs more memory than there is" },
	[INPUTERROR_IO] = { "io_error", HG_EXIT_SYSTEM, "can't be used" },
};

const char *
inputerror_name(enum inputerror_kind kind)
{
	return (kinds[kind].name);
}

int
inputerror_exit(enum inputerror_kind kind)
{
	return (kinds[kind].exit_code);
}

static void
fill(struct inputerror *f, enum inputerror_kind kind, const char *observed, const char *expected)
{
	if (f == NULL)
		return;
	f->kind = kind;
	snprintf(f->observed, sizeof(f->observed), "%s", observed);
	snprintf(f->expected, sizeof(f->expected), "%s", expected);
}

int
inputerror_set(struct inputerror *f, enum inputerror_kind kind, const char *object, const char *observed,
    const char *expected)
{
	assert(kind != INPUTERROR_NONE);
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
inputerror_errno(struct inputerror *f, const char *doing, const char *object)
{
	enum inputerror_kind kind = INPUTERROR_IO;

	switch (errno) {
	case ENOENT:
	case ENOTDIR:
		kind = INPUTERROR_MISSING;
		break;
	case ENOSPC:
	case EDQUOT:
		kind = INPUTERROR_FULL;
		break;
	case ENOMEM:
		kind = INPUTERROR_MEMORY;
		break;
	}
	fill(f, kind, strerror(errno), "");
	say_errno("cannot %s '%s'", doing, object);
	return (-1);
}
