#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/exit.h"
#include "base/file.h"
#include "data/inputerror.h"
#include "base/say.h"

/* Of the kinds that tell of an input: what a message says of the object, and whether it is the object that is wrong. */
static const struct {
	const char *is;
	int breaks_format;
} kinds[REFUSAL_COUNT] = {
	[REFUSAL_INPUT_MISSING] = { "is missing", 0 },
	[REFUSAL_INPUT_TRUNCATED] = { "is truncated", 1 },
	[REFUSAL_INPUT_WRONG_SIZE] = { "has the wrong size", 1 },
	[REFUSAL_INPUT_WRONG_DIGEST] = { "has the wrong digest", 1 },
	[REFUSAL_INPUT_INVALID] = { "is invalid", 1 },
	[REFUSAL_TOKENIZER_MISSING] = { "is missing", 0 },
	[REFUSAL_SPEC_INVALID] = { "can't do what was asked for", 0 },
	[REFUSAL_DEADLINE_EXCEEDED] = { "passed its deadline", 0 },
	[REFUSAL_DISK_FULL] = { "can't be written", 0 },
	[REFUSAL_OUT_OF_MEMORY] = { "needs more memory than there is", 0 },
};

int
inputerror_exit(enum refusal_kind kind)
{
	if (kind == REFUSAL_NONE)
		return (HG_EXIT_DONE);
	if (kind == REFUSAL_SPEC_INVALID)
		return (HG_EXIT_USAGE);
	return (kinds[kind].breaks_format ? HG_EXIT_CONTRACT : HG_EXIT_SYSTEM);
}

static void
fill(struct inputerror *f, enum refusal_kind kind, const char *observed, const char *expected)
{
	if (f == NULL)
		return;
	f->kind = kind;
	snprintf(f->observed, sizeof(f->observed), "%s", observed);
	snprintf(f->expected, sizeof(f->expected), "%s", expected);
}

int
inputerror_set(struct inputerror *f, enum refusal_kind kind, const char *object, const char *observed,
    const char *expected)
{
	const char *is = kinds[kind].is == NULL ? "can't be used" : kinds[kind].is;

	assert(kind != REFUSAL_NONE);
	fill(f, kind, observed, expected);
	if (*observed == '\0')
		say_error("'%s' %s", object, is);
	else if (*expected == '\0')
		say_error("'%s' %s: %s", object, is, observed);
	else
		say_error("'%s' %s: %s, expected %s", object, is, observed, expected);
	return (-1);
}

int
inputerror_errno(struct inputerror *f, const char *doing, const char *object)
{
	enum refusal_kind kind = REFUSAL_IO_ERROR;

	switch (errno) {
	case ENOENT:
	case ENOTDIR:
		kind = REFUSAL_INPUT_MISSING;
		break;
	case ENOSPC:
	case EDQUOT:
		kind = REFUSAL_DISK_FULL;
		break;
	case ENOMEM:
		kind = REFUSAL_OUT_OF_MEMORY;
		break;
	default:
		if (file_at_fault(errno))
			kind = REFUSAL_INPUT_INVALID;
	}
	fill(f, kind, say_why(errno), "");
	say_errno("cannot %s '%s'", doing, object);
	return (-1);
}
