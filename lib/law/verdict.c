#include <math.h>
#include <string.h>

#include "law/verdict.h"

static const char *const classes[VERDICT_CLASSES] = { "improvement", "noise", "regression", "blocked", "invalid" };

static const char *const reasons[VERDICT_REASONS] = {
	[VERDICT_REFUSED] = "refused",
	[VERDICT_MISSING] = "missing_evidence",
	[VERDICT_UNREADABLE] = "unreadable_evidence",
	[VERDICT_OVER_CAP] = "over_cap",
	[VERDICT_LATE_STEP] = "late_step",
	[VERDICT_MISMATCH] = "mismatch",
	[VERDICT_PARTIAL] = "partial",
	[VERDICT_IMPOSSIBLE] = "impossible",
	[VERDICT_FIRST] = "first",
	[VERDICT_STARVED] = "starved",
	[VERDICT_SLOT] = "slot",
	[VERDICT_REPLICATE] = "replicate",
	[VERDICT_IDENTICAL_ARTIFACT] = "identical_artifact",
	[VERDICT_REPEAT] = "repeat",
	[VERDICT_SAME_SEED] = "same_seed",
	[VERDICT_UNCALIBRATED] = "uncalibrated",
	[VERDICT_NOT_COMPARABLE] = "not_comparable",
	[VERDICT_PROMISING] = "promising",
	[VERDICT_WITHIN_NOISE] = "within_noise",
	[VERDICT_WORSE] = "worse",
	[VERDICT_GUARDED_METRIC] = "guarded_metric",
	[VERDICT_CONFIRMED] = "confirmed",
	[VERDICT_NOT_CONFIRMED] = "not_confirmed",
	[VERDICT_INVALID_RUN] = "invalid_run",
	[VERDICT_INCUMBENT_INVALID] = "incumbent_invalid",
	[VERDICT_INCUMBENT_MOVED] = "incumbent_moved",
	[VERDICT_ABANDONED] = "abandoned",
};

struct verdict
verdict_none(void)
{
	struct verdict v = {
		.klass = VERDICT_NOISE,
		.reason = VERDICT_WITHIN_NOISE,
		.metric = -1,
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
	};

	return (v);
}

static int
find(const char *const *names, int n, const char *name)
{
	int i;

	for (i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return (i);
	return (-1);
}

const char *
verdict_class_name(enum verdict_class klass)
{
	return (classes[klass]);
}

int
verdict_class_find(const char *name)
{
	return (find(classes, VERDICT_CLASSES, name));
}

const char *
verdict_reason_name(enum verdict_reason reason)
{
	return (reasons[reason]);
}

int
verdict_reason_find(const char *name)
{
	return (find(reasons, VERDICT_REASONS, name));
}

const char *
verdict_changed_name(unsigned changed, unsigned i)
{
	static const char *const names[] = { "system", "model", "data", "tokenizer" };
	unsigned bit;

	for (bit = 0; bit < 4; bit++)
		if ((changed & 1u << bit) != 0 && i-- == 0)
			return (names[bit]);
	return (NULL);
}
