#include <math.h>
#include <string.h>

#include "law/verdict.h"

static const char *const classes[VERDICT_CLASSES] = { "improvement", "noise", "regression", "blocked", "invalid" };

static const struct {
	const char *name;
	enum verdict_class klass;
	enum verdict_counts counts;
	const char *phrase;
	const char *sentence[2]; /* of a run, of a confirmation */
} reasons[VERDICT_REASONS] = {
#define REASON(id, name, klass, counts, phrase, run, confirmation) \
	[VERDICT_##id] = { name, VERDICT_##klass, VERDICT_##counts, phrase, { run, confirmation } },
#include "law/reasons.def"
};

int
verdict_many_tries(const struct verdict *v)
{
	return (v->tries[0] + v->tries[1] > v->runs);
}

struct verdict
verdict_none(void)
{
	struct verdict v = {
		.klass = VERDICT_NOISE,
		.reason = VERDICT_WITHIN_NOISE,
		.metric = -1,
		.guard_value = NAN,
		.guard_reference = NAN,
		.guard_tolerance = NAN,
		.aside = -1,
		.score = NAN,
		.incumbent_score = NAN,
		.delta = NAN,
		.gain = NAN,
		.lower = NAN,
		.upper = NAN,
		.se = NAN,
		.p = NAN,
		.p_loss = NAN,
		.level = NAN,
		.lane_sd = NAN,
		.sd = NAN,
		.incumbent_sd = NAN,
		.prior_df = NAN,
		.power = NAN,
		.margin = NAN,
		.rank_p = NAN,
		.odds = NAN,
		.expected = NAN,
	};

	return (v);
}

const char *
verdict_class_name(enum verdict_class klass)
{
	return (classes[klass]);
}

int
verdict_class_find(const char *name)
{
	int i;

	for (i = 0; i < VERDICT_CLASSES; i++)
		if (strcmp(classes[i], name) == 0)
			return (i);
	return (-1);
}

const char *
verdict_reason_name(enum verdict_reason reason)
{
	return (reasons[reason].name);
}

int
verdict_reason_find(const char *name)
{
	int i;

	for (i = 0; i < VERDICT_REASONS; i++)
		if (strcmp(reasons[i].name, name) == 0)
			return (i);
	return (-1);
}

enum verdict_class
verdict_reason_class(enum verdict_reason reason)
{
	return (reasons[reason].klass);
}

enum verdict_counts
verdict_reason_counts(enum verdict_reason reason)
{
	return (reasons[reason].counts);
}

const char *
verdict_reason_phrase(enum verdict_reason reason)
{
	return (reasons[reason].phrase);
}

int
verdict_reason_aside(enum verdict_reason reason)
{
	if (reason == VERDICT_ABANDONED)
		return (1);
	return (reason != VERDICT_SLOT && verdict_reason_class(reason) == VERDICT_NOISE &&
	    verdict_reason_counts(reason) == VERDICT_NOTHING && verdict_reason_sentence(reason, 0) != NULL);
}

const char *
verdict_reason_sentence(enum verdict_reason reason, int confirmation)
{
	return (reasons[reason].sentence[confirmation != 0]);
}

struct verdict
verdict_because(struct verdict v, enum verdict_reason reason)
{
	v.reason = reason;
	v.klass = reasons[reason].klass;
	return (v);
}

const char *
verdict_changed_name(unsigned changed, unsigned i)
{
	static const char *const names[] = { "system", "model", "data", "tokenizer", "initial_weights", "trainer" };
	unsigned bit;

	for (bit = 0; bit < sizeof(names) / sizeof(names[0]); bit++)
		if ((changed & 1u << bit) != 0 && i-- == 0)
			return (names[bit]);
	return (NULL);
}
