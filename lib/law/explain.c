#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "law/explain.h"
#include "law/stats.h"

int
explain_count(struct str *s, unsigned n, const char *what)
{
	return (str_printf(s, "%u %s%s", n, what, n == 1 ? "" : "s"));
}

int
explain_spent(struct str *s, const struct standings *b)
{
	return (str_printf(s, "campaign '%s' has spent its ", b->policy.campaign.name) |
	    explain_count(s, standings_spent(b), b->policy.law >= 3 ? "failure" : "confirmation"));
}

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

	if (p >= 0.995)
		return (str_puts(s, "100 %"));
	if (p >= 0.001)
		return (str_printf(s, "%.2g %%", 100 * p));
	/* So far out the shape of the tails is anybody's guess. */
	if (!(one_in < 1e6))
		return (str_puts(s, "less than 1 in a million"));
	one_in = floor(one_in / round) * round;
	return (str_printf(s, "1 in %d,%03d", (int)(one_in / 1000), (int)one_in % 1000));
}

/* A guarded time that is worse and decides nothing. */
static int
aside(struct str *s, const struct explain *t)
{
	const struct verdict *v = t->verdict;

	if (v->aside < 0)
		return (0);
	return (str_printf(s, " Its %s of %.0f against the %s %.0f decides nothing: %s.",
	    policy_metric_name(t->policy->guarded[v->aside].name), v->aside_value,
	    v->on_base ? "provisional base's" : "incumbent's", v->aside_reference,
	    v->aside_clocked ? "it is within what the lane's times differ by" :
			       "load changes it, and a time counts only where both scores depend on the clock"));
}

static int
changed(struct str *s, const struct explain *t)
{
	const struct verdict *v = t->verdict;
	const char *name;
	unsigned i;
	int rc = aside(s, t), several = 0, keys;

	if (v->changed == 0)
		return (rc);
	rc |= str_printf(s, " What differs from the %s: ", v->on_base ? "provisional base" : "incumbent");
	for (i = 0; (name = verdict_changed_name(v->changed, i)) != NULL; i++) {
		keys = t->settings != NULL && strcmp(name, verdict_changed_name(VERDICT_MODEL, 0)) == 0;
		several |= i > 0 || (keys && strstr(t->settings, ", ") != NULL);
		rc |= str_printf(s, "%s%s", i == 0 ? "" : ", ", keys ? t->settings : name);
	}
	rc |= str_puts(s, several ? "; more than one, so none can be credited." : ".");
	if (v->steps != 0 && !v->on_base)
		rc |= str_printf(s,
		    " It was built up in %u step%s that nothing confirmed alone: what is judged is the whole, and no"
		    " single change is credited.",
		    v->steps, v->steps == 1 ? "" : "s");
	if ((v->changed & VERDICT_WEIGHTS) != 0)
		rc |= str_puts(s,
		    " The two start from different initial weights, so the difference is as much of what"
		    " these were trained on, and for how long, as of anything here.");
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

	if (isnan(v->score))
		return (str_printf(s, "says no %s, by which this ledger judges",
		    policy_metric_name((enum policy_metric)v->metric)));
	rc = str_printf(s, "scored %.5f %s%s", v->score, policy_metric_name((enum policy_metric)v->metric),
	    t->claimed ? " by its program's word" : "");
	if (v->runs > 1)
		rc |= str_printf(s,
		    verdict_reason_counts(v->reason) == VERDICT_SCREEN && isnan(v->odds) && v->runs == 2 ?
			" (mean of its two runs)" :
			" (mean of %u fresh runs)",
		    v->runs);
	/* What a plan waits for is nobody's to look at. */
	if (!v->compared || v->reason == VERDICT_SLOT)
		return (rc);
	/* Under law 3 runs at other places in the data weigh less, or tell how much was gained on the last one. */
	rc |= str_printf(s, ", %.5f %s than the %s %.5f (%s%u run%s)", fabs(v->gain), v->gain >= 0 ? "better" : "worse",
	    v->on_base ? "provisional base's" : "incumbent's", v->incumbent_score,
	    v->incumbent_runs < 2                     ? "" :
		t->policy->law >= 3 && isnan(v->odds) ? "from " :
							"mean of ",
	    v->incumbent_runs, v->incumbent_runs > 1 ? "s" : "");
	return (rc);
}

static int
findings(struct str *s, const struct explain *t)
{
	return (str_puts(s, t->findings));
}

static int
against(struct str *s, const struct explain *t)
{
	return (str_puts(s, t->verdict->on_base ? "provisional base" : "incumbent"));
}

static int
ineffective(struct str *s, const struct explain *t)
{
	return (str_puts(s, t->ineffective == NULL ? "?" : t->ineffective));
}

static int
guard(struct str *s, const struct explain *t)
{
	const struct verdict *v = t->verdict;
	const char *name = policy_metric_name(t->policy->guarded[v->guard].name);

	if (!isfinite(v->guard_value))
		return (str_printf(s, "%s, by more than the policy tolerates", name));
	return (str_printf(s, "%s: %.0f against the %s %.0f, which is %.1f %% worse where %.3g %% is tolerated", name,
	    v->guard_value, v->on_base ? "provisional base's" : "incumbent's", v->guard_reference,
	    100 * fabs(v->guard_value - v->guard_reference) / fabs(v->guard_reference), 100 * v->guard_tolerance));
}

static int
but(struct str *s, const struct explain *t)
{
	if (!(t->verdict->gain > 0))
		return (str_puts(s, "It is worse in ") | guard(s, t) | str_puts(s, "."));
	return (str_puts(s, "But it is worse in ") | guard(s, t) |
	    str_puts(s, "; a gain in one metric does not hide a loss in another."));
}

/* "12", "1,234,567", and no more digits than mean anything. */
static int
odds(struct str *s, double x)
{
	char digits[32];
	int n, i, rc = 0;

	if (x < 10)
		return (str_printf(s, "%.2g", x));
	/* So far out the shape of the tails is anybody's guess. */
	if (!(x < 1e6))
		return (str_puts(s, "more than a million"));
	n = snprintf(digits, sizeof(digits), "%.0f", x);
	for (i = 0; i < n; i++)
		rc |= str_printf(s, "%s%c", i > 0 && (n - i) % 3 == 0 ? "," : "", digits[i]);
	return (rc);
}

int
explain_odds(struct str *s, double x)
{
	if (x < 1 && x > 0)
		return (odds(s, fmax(1, 1 / x)) | str_puts(s, " to 1 against it"));
	return (odds(s, x) | str_puts(s, " to 1"));
}

static int
minimum(struct str *s, const struct explain *t)
{
	return (t->verdict->margin > 0 ? str_printf(s, " above the minimum of %.5f", t->verdict->margin) : 0);
}

/* How sure a confirmation is, and how sure it should be. */
static int
chance(struct str *s, const struct explain *t)
{
	const struct verdict *v = t->verdict;
	int rc;

	if (isnan(v->odds)) {
		rc = str_puts(s, "If there were no gain") | minimum(s, t);
		rc |= str_puts(s,
		    v->reason == VERDICT_CONFIRMED ? ", a difference like this" : ", a difference like this or larger");
		rc |= str_puts(s, " would come about with a chance of ") | explain_chance(s, v->p);
		return (rc | str_puts(s, ", and the level asked for was ") | explain_chance(s, v->level) |
		    str_puts(s, ". "));
	}
	rc = str_puts(s, "The odds for a gain") | minimum(s, t) | str_puts(s, " are ") | explain_odds(s, v->odds);
	rc |= str_puts(s, ", and ") | explain_odds(s, 1 / v->level) | str_puts(s, " was asked for");
	if (v->reason == VERDICT_CONFIRMED)
		rc |= str_puts(s, ", which without one is reached, however often one looks, in ") |
		    explain_chance(s, v->level) | str_puts(s, " of the cases at most");
	return (rc | str_puts(s, ". "));
}

static int
same_lane(struct str *s, const struct explain *t)
{
	if (t->lanes < 2)
		return (str_puts(s, "the same lane"));
	return (str_printf(s, "%u lanes of one machine class, each pair on one of them,", t->lanes));
}

static int
pairs(struct str *s, const struct explain *t)
{
	if (isnan(t->verdict->odds))
		return (0);
	return (str_printf(s, " as %u pairs, each with the same seed and the same place in the data on both sides",
	    t->verdict->runs));
}

/* Why no more pairs were run. */
static int
ended(struct str *s, const struct explain *t)
{
	const struct verdict *v = t->verdict;

	if (isnan(v->odds))
		return (0);
	return (str_puts(s,
	    v->odds < 1 ? ", and at such odds more pairs are not worth their while" :
			  ", and the pairs that were planned are spent"));
}

static int lower(struct str *s, const struct explain *t);
static int upper(struct str *s, const struct explain *t);
static int confidence(struct str *s, const struct explain *t);

static int
bounds(struct str *s, const struct explain *t)
{
	const struct verdict *v = t->verdict;

	/* Two pairs can be so near each other by chance that they bound nothing. */
	if (!(v->upper - v->lower < 100 * v->lane_sd))
		return (str_puts(s, "so few runs bound the true gain nowhere"));
	return (str_puts(s, "the true gain lies between ") | lower(s, t) | str_puts(s, " and ") | upper(s, t) |
	    str_puts(s, " with ") | confidence(s, t) | str_puts(s, " confidence"));
}

/* An improvement is never claimed beside an interval that holds a loss. */
static int
it_is(struct str *s, const struct explain *t)
{
	return (str_puts(s,
		    t->verdict->lower > 0 ? "It is an improvement; " :
					    "By that level it passes, and whether it is a gain is not settled: ") |
	    bounds(s, t) | str_puts(s, "."));
}

static int
expected(struct str *s, const struct explain *t)
{
	const struct verdict *v = t->verdict;

	if (!isfinite(v->expected) || !(v->gain > 0))
		return (0);
	return (str_printf(s,
	    " A gain that was looked at until it sufficed is too large on average, here by about %.5f: expect %.5f.",
	    v->gain - v->expected, v->expected));
}

static int
covers(struct str *s, const struct explain *t)
{
	if (isnan(t->verdict->odds))
		return (str_puts(s, "of the runs that were added here"));
	if (t->program)
		return (str_puts(s, "over what its seed moves, which each pair drew anew"));
	return (str_printf(s, "over %sthe order of the training text, which each pair drew anew",
	    t->given == NULL ? "initial weights and " : ""));
}

/* "2 of the challenger's (1 of them starved)" */
static int
side_tries(struct str *s, unsigned n, unsigned starved, const char *whose)
{
	int rc = n == 0 ? str_printf(s, "none of the %s", whose) : str_printf(s, "%u of the %s", n, whose);

	return (starved == 0 ? rc : rc | str_printf(s, " (%u starved)", starved));
}

static int
tries(struct str *s, const struct explain *t)
{
	const struct verdict *v = t->verdict;
	int rc;

	if (isnan(v->odds) && v->reason != VERDICT_DIVERGED)
		return (0);
	if (v->tries[0] + v->tries[1] == 0)
		rc = str_puts(s, " No run was made again.");
	else
		rc = str_printf(s, " Runs that came to nothing%s: ",
			 v->reason == VERDICT_DIVERGED ? "" : " and were made again") |
		    side_tries(s, v->tries[1], v->starved[1], "challenger's") | str_puts(s, ", ") |
		    side_tries(s, v->tries[0], v->starved[0], "incumbent's") | str_puts(s, ".");
	if (v->klass == VERDICT_IMPROVEMENT && verdict_many_tries(v))
		rc |= str_puts(s,
		    " These are more than the pairs that count: the level holds only if none of them was ended for how"
		    " it came out, and this is not promoted.");
	if (t->campaigns > 1)
		rc |= str_printf(s, " The %u campaigns of this ledger have spent levels of %.3g in all.", t->campaigns,
		    t->levels);
	return (rc);
}

/* Of so many that change nothing one looks as good as this. */
static int
lucky(struct str *s, const struct explain *t)
{
	const struct verdict *v = t->verdict;

	/* So far out the shape of the tails is anybody's guess. */
	return (v->p > 1e-6 ? odds(s, fmax(2, round(1 / v->p))) : str_puts(s, "a million"));
}

static int
p_loss(struct str *s, const struct explain *t)
{
	return (explain_chance(s, t->verdict->p_loss));
}

static int
confidence(struct str *s, const struct explain *t)
{
	return (str_printf(s, "%.0f %%", 100 * (2 * t->policy->promotion.confidence - 1)));
}

static int
lower(struct str *s, const struct explain *t)
{
	return (str_printf(s, "%.5f", t->verdict->lower));
}

static int
upper(struct str *s, const struct explain *t)
{
	return (str_printf(s, "%.5f", t->verdict->upper));
}

static int
lane_sd(struct str *s, const struct explain *t)
{
	return (str_printf(s, "%.5f", t->verdict->lane_sd));
}

static int
gain_sds(struct str *s, const struct explain *t)
{
	return (str_printf(s, "%.1f", t->verdict->gain / t->verdict->lane_sd));
}

static int
asked_sds(struct str *s, const struct explain *t)
{
	return (str_printf(s, "%.1f", t->policy->confirm.gain_sd));
}

static int
asked_gain(struct str *s, const struct explain *t)
{
	return (str_printf(s, "%.5f", t->policy->confirm.gain_sd * t->verdict->lane_sd));
}

static int
power(struct str *s, const struct explain *t)
{
	return (str_printf(s, "%.0f %%", 100 * t->verdict->power));
}

static int
given(struct str *s, const struct explain *t)
{
	return (t->given == NULL ? 0 : str_printf(s, ", which all start from the given weights %.8s", t->given));
}

/* What a run that passed no screen says: nothing, or less than it seems. */
static int
within(struct str *s, const struct explain *t)
{
	const struct verdict *v = t->verdict;
	double sds = v->gain / v->lane_sd;

	if (sds > t->policy->screen.gain_sd)
		return (str_printf(s,
		    "That is %.1f times the lane's run-to-run deviation of %.5f; the mean of two runs is worth a"
		    " confirmation from %.3g times on",
		    sds, v->lane_sd, t->policy->screen.second_sd));
	if (!(fabs(sds) > t->policy->screen.gain_sd))
		return (str_printf(s,
		    "Runs of one configuration scatter with a deviation of %.5f here, so %s"
		    " nothing of such a difference",
		    v->lane_sd, v->runs == 1 ? "a single run says" : "two runs say"));
	return (
	    str_printf(s,
		"That is %.1f times the lane's run-to-run deviation of %.5f, but by chance such a loss comes about in ",
		fabs(sds), v->lane_sd) |
	    explain_chance(s, v->p_loss) | str_puts(s, " of the cases, and worse is said at ") |
	    explain_chance(s, v->level) | str_puts(s, ": it is neither shown to be worse nor worth a confirmation"));
}

static int
again(struct str *s, const struct explain *t)
{
	const char *twin = t->twin == NULL ? "?" : t->twin;

	if (t->copy == 2)
		return (str_printf(s,
		    "To the last digit its program says the same as in run '%s' of row %lld, whose seed is another: it"
		    " ignores its seed",
		    twin, (long long)t->twin_row));
	if (t->copy)
		return (str_printf(s,
		    "Its artifact is byte for byte that of run '%s' of row %lld: nothing that a run of this"
		    " configuration may differ in changed anything",
		    twin, (long long)t->twin_row));
	return (str_printf(s,
	    "It starts from the same given weights and reads the same data from the same place on as run"
	    " '%s' of row %lld (another train.data_offset makes a run of its own)",
	    twin, (long long)t->twin_row));
}

/* "tokenizer 1234abcd, which loses 20.6 % of the validation text" */
static int
tokenizer(struct str *s, const struct explain_tokenizer *t)
{
	int rc = str_printf(s, "tokenizer %.8s, ", t->sha256);

	switch (t->keeps) {
	case STANDINGS_UNMEASURED:
		return (rc | str_puts(s, "of which it was not measured what it loses of the validation text"));
	case STANDINGS_KEEPS_ALL:
		return (rc | str_puts(s, "which loses nothing of the validation text"));
	case STANDINGS_LOSES:
		break;
	}
	if (!isfinite(t->lost))
		return (rc | str_puts(s, "which loses some of the validation text"));
	return (rc | str_printf(s, "which loses %.3g %% of the validation text", 100 * t->lost));
}

/* Why two scores are never compared, and what can be done about it. */
static int
no_unit(struct str *s, const struct explain *t)
{
	int rc;

	if (t->mine.sha256 == NULL || t->theirs.sha256 == NULL || strcmp(t->mine.sha256, t->theirs.sha256) == 0 ||
	    (t->mine.keeps == STANDINGS_KEEPS_ALL && t->theirs.keeps == STANDINGS_KEEPS_ALL))
		return (str_puts(s, "The two can't be compared in one unit."));
	rc = str_puts(s, "It has ") | tokenizer(s, &t->mine) | str_puts(s, "; the incumbent has ") |
	    tokenizer(s, &t->theirs);
	rc |= str_puts(s,
	    ". Bits per byte of a text that was lost in part are no better model, so across tokenizers scores are"
	    " compared only where both lose nothing: give both the same tokenizer (hg-data -t) or ones that lose"
	    " nothing (hg-data -B)");
	if (t->mine.keeps == STANDINGS_UNMEASURED || t->theirs.keeps == STANDINGS_UNMEASURED)
		rc |= str_puts(s, "; what was not measured is known after another run on data that hg-data made anew");
	return (rc | str_puts(s, "."));
}

/* A tokenizer that loses text has a group of its own. */
static int
alone(struct str *s, const struct explain *t)
{
	if (t->mine.sha256 == NULL || t->mine.keeps != STANDINGS_LOSES)
		return (0);
	return (str_puts(s, " of ") | tokenizer(s, &t->mine) |
	    str_puts(s, " and so is compared with no other (hg-data -B loses nothing)"));
}

/* What may stand in braces in reasons.def. */
static const struct {
	const char *name;
	int (*put)(struct str *s, const struct explain *t);
} words[] = {
	{ "scored", scored },
	{ "changed", changed },
	{ "findings", findings },
	{ "against", against },
	{ "ineffective", ineffective },
	{ "lane", lane },
	{ "but", but },
	{ "chance", chance },
	{ "same_lane", same_lane },
	{ "pairs", pairs },
	{ "ended", ended },
	{ "it_is", it_is },
	{ "bounds", bounds },
	{ "expected", expected },
	{ "covers", covers },
	{ "tries", tries },
	{ "lucky", lucky },
	{ "p_loss", p_loss },
	{ "confidence", confidence },
	{ "lower", lower },
	{ "upper", upper },
	{ "lane_sd", lane_sd },
	{ "gain_sds", gain_sds },
	{ "asked_sds", asked_sds },
	{ "asked_gain", asked_gain },
	{ "power", power },
	{ "given", given },
	{ "again", again },
	{ "within", within },
	{ "no_unit", no_unit },
	{ "alone", alone },
};

static int
put_word(struct str *s, const struct explain *t, const char *name, size_t n)
{
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strncmp(words[i].name, name, n) == 0 && words[i].name[n] == '\0')
			return (words[i].put(s, t));
	assert(!"a word that reasons.def may use");
	return (-1);
}

static int
put_sentence(struct str *s, const struct explain *t, int confirmation)
{
	const char *text = verdict_reason_sentence(t->verdict->reason, confirmation), *open;
	size_t n;
	int rc = 0;

	for (assert(text != NULL); (open = strchr(text, '{')) != NULL; text = open + n + 2) {
		n = strcspn(open + 1, "}");
		rc |= str_add(s, text, (size_t)(open - text)) | put_word(s, t, open + 1, n);
	}
	return (rc | str_puts(s, text));
}

int
explain_run(struct str *s, const struct explain *t)
{
	return (str_printf(s, "Run '%s' ", t->run) | put_sentence(s, t, 0));
}

int
explain_confirmation(struct str *s, const struct explain *t)
{
	int rc;

	/* From law 3 on only what fails is spent. */
	if (t->policy->law >= 3)
		rc = str_printf(s,
		    "Confirmation in campaign '%s' (failures spent so far: %u of %u): the configuration of '%s' ",
		    t->policy->campaign.name, t->spent - (t->verdict->klass == VERDICT_IMPROVEMENT),
		    t->policy->campaign.confirmations, t->run);
	else
		rc = str_printf(s, "Confirmation %u of %u in campaign '%s': the configuration of '%s' ", t->spent,
		    t->policy->campaign.confirmations, t->policy->campaign.name, t->run);

	return (rc | put_sentence(s, t, 1));
}
