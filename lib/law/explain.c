#include <math.h>

#include "law/explain.h"

int
explain_time(struct str *s, int64_t ms)
{
	double seconds = (double)ms / 1000;

	if (seconds < 100)
		return (str_printf(s, "%.0f s", ceil(seconds)));
	if (seconds < 100 * 60)
		return (str_printf(s, "%.0f min", ceil(seconds / 60)));
	return (str_printf(s, "%.1f h", seconds / 3600));
}

int
explain_chance(struct str *s, double p)
{
	double one_in = p > 0 ? 1 / p : INFINITY;
	double round = pow(10, floor(log10(one_in)) - 1);

	if (p >= 0.001)
		return (str_printf(s, "%.2g %%", 100 * p));
	/* So far out the shape of the tails is anybody's guess. */
	if (!(one_in < 1e6))
		return (str_puts(s, "less than 1 in a million"));
	one_in = floor(one_in / round) * round;
	return (str_printf(s, "1 in %d,%03d", (int)(one_in / 1000), (int)one_in % 1000));
}

static int
what_changed(struct str *s, const struct explain *t)
{
	const struct verdict *v = t->verdict;
	const char *name;
	unsigned i;
	int rc = 0;

	if (v->changed == 0)
		return (0);
	rc |= str_puts(s, " What differs from the incumbent: ");
	for (i = 0; (name = verdict_changed_name(v->changed, i)) != NULL; i++)
		rc |= str_printf(s, "%s%s", i == 0 ? "" : ", ", name);
	rc |= str_puts(s, i > 1 ? "; more than one, so none can be credited." : ".");
	return (rc);
}

static int
lane(struct str *s, const struct explain *t)
{
	int rc = str_printf(s, "lane '%s'", t->lane);

	if (t->cap_ms < 0)
		return (rc | str_puts(s, " without a cap"));
	return (rc | str_puts(s, " at a cap of ") | explain_time(s, t->cap_ms));
}

/* "scored 1.23456 val_bpb, 0.00123 better than the incumbent's 1.23579 (mean of 5 runs)" */
static int
scored(struct str *s, const struct explain *t)
{
	const struct verdict *v = t->verdict;
	int rc;

	rc = str_printf(s, "scored %.5f %s", v->score, policy_metric_name((enum policy_metric)v->metric));
	if (v->runs > 1)
		rc |= str_printf(s, " (mean of %u fresh runs)", v->runs);
	if (!v->compared)
		return (rc);
	rc |= str_printf(s, ", %.5f %s than the incumbent's %.5f (%s%u run%s)", fabs(v->gain),
	    v->gain >= 0 ? "better" : "worse", v->incumbent_score, v->incumbent_runs > 1 ? "mean of " : "",
	    v->incumbent_runs, v->incumbent_runs > 1 ? "s" : "");
	return (rc);
}

int
explain_run(struct str *s, const struct explain *t)
{
	const struct verdict *v = t->verdict;
	int rc;

	rc = str_printf(s, "Run '%s' ", t->run);
	if (v->klass == VERDICT_BLOCKED)
		return (rc |
		    str_printf(s,
			"cannot be judged: %s. It counts neither for nor against its"
			" configuration.",
			t->findings));
	if (v->klass == VERDICT_INVALID)
		return (rc | str_printf(s, "does not count, whatever it scored: %s.", t->findings));
	rc |= scored(s, t);
	switch (v->reason) {
	case VERDICT_FIRST:
		rc |= str_puts(s,
		    ". It is the first sound run under this eval law and on this validation text, so its"
		    " configuration is the incumbent. That is a starting point, not an achievement.");
		break;
	case VERDICT_STARVED:
		rc |= str_puts(s,
		    ". Other load took processor time from it, so it is kept out of every comparison;"
		    " run it again.");
		break;
	case VERDICT_SLOT:
		rc |= str_puts(s,
		    ". It fills a slot of a confirmation that was planned before it ran; nothing is"
		    " concluded"
		    " before all of them are in.");
		break;
	case VERDICT_SAME_SEED:
		rc |= str_puts(s,
		    ". The same seed of this configuration was run before, so it is no further"
		    " evidence of anything.");
		break;
	case VERDICT_REPLICATE:
		rc |= str_puts(s,
		    ". It is the incumbent's own configuration with another seed: a lower score of it"
		    " is luck, and"
		    " it only tells how far seeds lie apart.");
		break;
	case VERDICT_IDENTICAL_ARTIFACT:
		rc |= str_puts(s, ". Its artifact is byte for byte one of the incumbent's, so nothing was changed.");
		break;
	case VERDICT_REPEAT:
		rc |= str_puts(s,
		    ". Its configuration was screened before; trying again until it looks good is not"
		    " evidence."
		    " A claim needs a planned confirmation.");
		break;
	case VERDICT_UNCALIBRATED:
		rc |= str_puts(s, ". Whether that is more than luck cannot be said: the noise of ");
		rc |= lane(s, t);
		rc |= str_puts(s, " is not calibrated.");
		rc |= what_changed(s, t);
		break;
	case VERDICT_NOT_COMPARABLE:
		rc |= str_puts(s, ". The two can't be compared in one unit.");
		break;
	case VERDICT_PROMISING:
		rc |= str_printf(s,
		    ". That is %.1f times the lane's run-to-run deviation of %.5f: enough to be"
		    " worth a confirmation,"
		    " and no more; of single runs that change nothing some look as good.",
		    v->gain / v->lane_sd, v->lane_sd);
		rc |= what_changed(s, t);
		break;
	case VERDICT_WITHIN_NOISE:
		rc |= str_printf(s,
		    ". Runs of one configuration lie about %.5f apart here, so this says nothing;"
		    " the true gain lies"
		    " between %.5f and %.5f with %.0f %% confidence.",
		    v->lane_sd, v->lower, v->upper, 100 * (2 * t->policy->promotion.confidence - 1));
		rc |= what_changed(s, t);
		break;
	case VERDICT_WORSE:
		rc |= str_puts(s, ". A single run this bad comes by chance in ");
		rc |= explain_chance(s, v->p_loss);
		rc |= str_puts(s, " of the cases: it is worse.");
		rc |= what_changed(s, t);
		break;
	case VERDICT_GUARDED_METRIC:
		rc |= str_printf(s,
		    ". But it is worse in %s, by more than the policy tolerates, and a gain in one"
		    " metric does not"
		    " hide a loss in another.",
		    policy_metric_name(t->policy->guarded[v->guard].name));
		rc |= what_changed(s, t);
		break;
	default:
		rc |= str_puts(s, ".");
	}
	return (rc);
}

int
explain_confirmation(struct str *s, const struct explain *t)
{
	const struct verdict *v = t->verdict;
	int rc;

	rc = str_printf(s, "Confirmation %u of %u in campaign '%s': the configuration of '%s' ", t->spent,
	    t->policy->campaign.confirmations, t->policy->campaign.name, t->run);
	switch (v->reason) {
	case VERDICT_INVALID_RUN:
		return (rc |
		    str_puts(s,
			"had a run that does not count (over a cap, or not what was asked for). A"
			" configuration that"
			" breaks the rules in one run out of a few is no improvement."));
	case VERDICT_INCUMBENT_INVALID:
		return (rc |
		    str_puts(s,
			"cannot be judged: a run of the incumbent beside it does not count. The"
			" confirmation is"
			" spent; look into the incumbent first."));
	case VERDICT_ABANDONED:
		return (rc |
		    str_puts(s,
			"was given up before all its runs were in. The confirmation is spent, and"
			" nothing is"
			" concluded from the part that ran."));
	default:
		break;
	}
	rc |= scored(s, t);
	rc |= str_puts(s, ", run in turns on the same lane.");
	switch (v->reason) {
	case VERDICT_CONFIRMED:
		rc |= str_puts(s, " If there were no gain");
		if (v->margin > 0)
			rc |= str_printf(s, " above the minimum of %.5f", v->margin);
		rc |= str_puts(s, ", a difference like this would come about with a chance of ");
		rc |= explain_chance(s, v->p);
		rc |= str_puts(s, ", and the level asked for was ");
		rc |= explain_chance(s, v->level);
		rc |= str_printf(s,
		    ". It is an improvement; the true gain lies between %.5f and %.5f with %.0f %%"
		    " confidence. This"
		    " is said of this validation text, this lane and this budget, and of the runs that were added"
		    " here.",
		    v->lower, v->upper, 100 * (2 * t->policy->promotion.confidence - 1));
		break;
	case VERDICT_NOT_CONFIRMED:
		rc |= str_puts(s,
		    " If there were no gain, a difference like this or larger would come about with a"
		    " chance of ");
		rc |= explain_chance(s, v->p);
		rc |= str_puts(s, ", and the level asked for was ");
		rc |= explain_chance(s, v->level);
		rc |= str_printf(s,
		    ", so it is not distinguished from noise. That does not show it to be useless:"
		    " the true gain"
		    " lies between %.5f and %.5f with %.0f %% confidence, and a gain of %.1f lane deviations (%.5f)"
		    " would have been"
		    " confirmed with a chance of %.0f %%. The incumbent stays.",
		    v->lower, v->upper, 100 * (2 * t->policy->promotion.confidence - 1), t->policy->confirm.gain_sd,
		    t->policy->confirm.gain_sd * v->lane_sd, 100 * v->power);
		break;
	case VERDICT_WORSE:
		rc |= str_puts(s, " It is worse: by chance such a loss comes about in ");
		rc |= explain_chance(s, v->p_loss);
		rc |= str_puts(s, " of the cases.");
		break;
	case VERDICT_GUARDED_METRIC:
		rc |= str_printf(s,
		    " But it is worse in %s, by more than the policy tolerates, and a gain in one"
		    " metric does not hide"
		    " a loss in another.",
		    policy_metric_name(t->policy->guarded[v->guard].name));
		break;
	case VERDICT_UNCALIBRATED:
		rc |= str_puts(s, " The noise of ");
		rc |= lane(s, t);
		rc |= str_puts(s, " is not calibrated, so nothing is claimed.");
		break;
	case VERDICT_INCUMBENT_MOVED:
		rc |= str_puts(s, " The incumbent has changed meanwhile, so this says nothing about the present one.");
		break;
	case VERDICT_IDENTICAL_ARTIFACT:
		rc |= str_puts(s, " Its artifact is one of the incumbent's, so nothing was changed.");
		break;
	default:
		rc |= str_puts(s, " The two can't be compared in one unit.");
	}
	rc |= what_changed(s, t);
	return (rc);
}
