#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/bpb.h"
#include "base/jsonio.h"
#include "law/policy.h"
#include "base/say.h"

/* Where a policy of an earlier law does not say; contracts/policy.json has them, too. */
#define SECOND_SD 1.75
enum { SEEDS = 5, PAIRS = 24 };

static const char *const metrics[POLICY_METRICS] = {
	[POLICY_VAL_LOSS] = "val_loss",
	[POLICY_VAL_BPB] = "val_bpb",
	[POLICY_VAL_BPB_RAW] = "val_bpb_raw",
	[POLICY_TOTAL_BYTES] = "total_bytes",
	[POLICY_TRAIN_MS] = "train_ms",
	[POLICY_WALLCLOCK_MS] = "wallclock_ms",
	[POLICY_PEAK_MEMORY_BYTES] = "peak_memory_bytes",
	[POLICY_VALUE] = "value",
};

static const char *const units[] = {
	[POLICY_BITS_PER_BYTE] = "bits_per_byte",
	[POLICY_NATS_PER_BYTE] = "nats_per_byte",
	[POLICY_NATS_PER_TOKEN] = "nats_per_token",
};

json_t *
policy_default(void)
{
	return (json_pack("{s:s, s:i, s:{s:s, s:f, s:i}, s:{s:s, s:s, s:s}, s:{s:f, s:s}, s:{s:f, s:f, s:i},"
			  " s:{s:f, s:f, s:f}, s:{s:i, s:f, s:f}, s:[{s:s, s:s, s:f}], s:{s:f, s:f, s:i},"
			  " s:{s:f, s:s, s:f}}",
	    "schema", "homegolf.policy.v1", "law", POLICY_LAW, "campaign", "name", "first", "alpha", 0.008,
	    "confirmations", 8, "metric", "name", "val_bpb", "direction", "lower", "across_tokenizers", "val_bpb_raw",
	    "minimum_effect", "value", 0.0, "unit", "bits_per_byte", "noise", "ln_sigma_sd", 0.42, "floor", 0.0001,
	    "calibration_seeds", 5, "screen", "gain_sd", 1.5, "second_sd", 1.5, "regression_level", 0.01, "confirm",
	    "pairs", PAIRS, "gain_sd", 3.5, "power", 0.8, "guarded", "name", "train_ms", "direction", "lower",
	    "tolerance", 0.05, "plateau", "miss", 0.05, "success_rate", 0.1, "pause_after_failures", 3, "promotion",
	    "margin", 0.005, "unit", "nats_per_token", "confidence", 0.99));
}

const char *
policy_metric_name(enum policy_metric m)
{
	return (metrics[m]);
}

int
policy_metric_find(const char *name)
{
	int i;

	for (i = 0; i < POLICY_METRICS; i++)
		if (strcmp(metrics[i], name) == 0)
			return (i);
	return (-1);
}

const char *
policy_unit_name(enum policy_unit unit)
{
	return (units[unit]);
}

static int
unit_find(const char *name)
{
	int i;

	for (i = 0; i < (int)(sizeof(units) / sizeof(units[0])); i++)
		if (strcmp(units[i], name) == 0)
			return (i);
	return (-1);
}

static int
sign_of(const json_t *v, const char *path)
{
	return (strcmp(jsonio_text(v, path, ""), "lower") == 0 ? 1 : -1);
}

int
policy_take(struct policy *p, const json_t *v)
{
	const json_t *guard;
	int name, across, unit, margin_unit;
	size_t i;

	memset(p, 0, sizeof(*p));
	p->law = (unsigned)jsonio_i64(v, "law", 1);
	strncpy(p->campaign.name, jsonio_text(v, "campaign.name", ""), POLICY_NAME);
	p->campaign.alpha = jsonio_f64(v, "campaign.alpha", 0);
	p->campaign.confirmations = (unsigned)jsonio_i64(v, "campaign.confirmations", 0);
	name = policy_metric_find(jsonio_text(v, "metric.name", ""));
	across = policy_metric_find(jsonio_text(v, "metric.across_tokenizers", ""));
	p->metric.sign = sign_of(v, "metric.direction");
	unit = unit_find(jsonio_text(v, "minimum_effect.unit", ""));
	p->minimum_effect.value = jsonio_f64(v, "minimum_effect.value", 0);
	p->noise.ln_sigma_sd = jsonio_f64(v, "noise.ln_sigma_sd", 0);
	p->noise.floor = jsonio_f64(v, "noise.floor", 0);
	p->noise.calibration_seeds = (unsigned)jsonio_i64(v, "noise.calibration_seeds", 0);
	p->screen.gain_sd = jsonio_f64(v, "screen.gain_sd", 0);
	p->screen.second_sd = jsonio_f64(v, "screen.second_sd", SECOND_SD);
	p->screen.regression_level = jsonio_f64(v, "screen.regression_level", 0);
	p->screen.outrun = jsonio_true(v, "screen.outrun");
	p->confirm.seeds = (unsigned)jsonio_i64(v, "confirm.seeds", SEEDS);
	p->confirm.pairs = (unsigned)jsonio_i64(v, "confirm.pairs", PAIRS);
	p->confirm.gain_sd = jsonio_f64(v, "confirm.gain_sd", 0);
	p->confirm.power = jsonio_f64(v, "confirm.power", 0);
	p->plateau.miss = jsonio_f64(v, "plateau.miss", 0);
	p->plateau.success_rate = jsonio_f64(v, "plateau.success_rate", 0);
	p->plateau.pause_after_failures = (unsigned)jsonio_i64(v, "plateau.pause_after_failures", 0);
	p->promotion.margin = jsonio_f64(v, "promotion.margin", 0);
	margin_unit = unit_find(jsonio_text(v, "promotion.unit", ""));
	p->promotion.confidence = jsonio_f64(v, "promotion.confidence", 0);
	if (name == -1 || across == -1 || unit == -1 || margin_unit == -1)
		goto err0;
	p->metric.name = (enum policy_metric)name;
	p->metric.across_tokenizers = (enum policy_metric)across;
	p->minimum_effect.unit = (enum policy_unit)unit;
	p->promotion.unit = (enum policy_unit)margin_unit;
	json_array_foreach(json_object_get(v, "guarded"), i, guard) {
		if (i >= POLICY_GUARDS)
			goto err0;
		if ((name = policy_metric_find(jsonio_text(guard, "name", ""))) == -1)
			goto err0;
		p->guarded[i].name = (enum policy_metric)name;
		p->guarded[i].sign = sign_of(guard, "direction");
		p->guarded[i].tolerance = jsonio_f64(guard, "tolerance", 0);
		p->guards++;
	}
	/* A noise of zero, a level of one or no seeds would let everything pass. */
	if (!(p->noise.floor > 0) || !(p->noise.ln_sigma_sd > 0) ||
	    !(p->campaign.alpha > 0 && p->campaign.alpha <= 0.2) || p->campaign.confirmations < 1 ||
	    p->confirm.seeds < 2 || p->confirm.pairs < 2 || p->noise.calibration_seeds < 3 ||
	    !(p->minimum_effect.value >= 0) || !(p->promotion.confidence > 0.5 && p->promotion.confidence < 1))
		goto err0;
	return (0);
err0:
	say_error("the policy is not one that can be judged by: hg-policy(5) has the bounds of each member");
	errno = EBADMSG;
	return (-1);
}

double
policy_level(const struct policy *p)
{
	return (p->campaign.alpha / p->campaign.confirmations);
}

double
policy_convert(double value, enum policy_unit unit, enum policy_metric metric, double loss, double score)
{
	int per_byte = metric == POLICY_VAL_BPB || metric == POLICY_VAL_BPB_RAW;

	if (value == 0)
		return (0);
	/* Whatever the unit is called: it is the metric's own. */
	if (metric == POLICY_VALUE)
		return (value);
	if (!per_byte && metric != POLICY_VAL_LOSS)
		return (NAN);
	switch (unit) {
	case POLICY_NATS_PER_TOKEN:
		/* score / loss is bits per byte for each nat per token. */
		return (per_byte ? value * score / loss : value);
	case POLICY_NATS_PER_BYTE:
		value = bpb_bits(value);
		/* FALLTHROUGH */
	case POLICY_BITS_PER_BYTE:
		return (per_byte ? value : NAN);
	}
	return (NAN);
}
