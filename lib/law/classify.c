#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "law/classify.h"

/* What differs between two facts, as a set. */
static unsigned
what_changed(const struct standings *book, const struct standings_fact *a, const struct standings_fact *b)
{
	int told = book->policy.law >= 2 && a->recipe != 0 && b->recipe != 0, model;
	unsigned changed = 0;

	if (a->system != b->system)
		changed |= VERDICT_SYSTEM;
	if (a->data != b->data)
		changed |= VERDICT_DATA;
	if (a->tokenizer != b->tokenizer)
		changed |= VERDICT_TOKENIZER;
	if (book->policy.law >= 2 && a->init != b->init)
		changed |= VERDICT_WEIGHTS;
	/*
	 * The configuration's digest covers data, tokenizer and given weights; what differs besides is the model or how
	 * it is trained.  That of the model covers given weights, too.
	 */
	model = told ? a->recipe != b->recipe : a->model != b->model;
	if (a->trainer != b->trainer)
		changed |= VERDICT_TRAINER;
	if (model ||
	    (a->config != b->config &&
		(changed & (VERDICT_DATA | VERDICT_TOKENIZER | VERDICT_WEIGHTS | VERDICT_TRAINER)) == 0))
		changed |= VERDICT_MODEL;
	return (changed);
}

/*
 * May two scores be compared at all? Bits per byte of a text that a tokenizer lost in part are no better model, so
 * across tokenizers only where both are known to keep all of it.  Rows of 0.1 among themselves do not say, and keep
 * under law 1 what was said of them.
 */
static int
in_one_unit(const struct standings *b, const struct standings_fact *x, const struct standings_fact *y)
{
	if (x->tokenizer == y->tokenizer || (x->keeps == STANDINGS_KEEPS_ALL && y->keeps == STANDINGS_KEEPS_ALL))
		return (1);
	return (b->policy.law < 2 && x->recipe == 0 && y->recipe == 0 && x->keeps == STANDINGS_UNMEASURED &&
	    y->keeps == STANDINGS_UNMEASURED);
}

/* The metric that two facts are compared in, if they are. */
enum policy_metric
classify_metric(const struct policy *p, const struct standings_fact *a, const struct standings_fact *b)
{
	assert(a != NULL && b != NULL);
	return (a->tokenizer == b->tokenizer ? p->metric.name : p->metric.across_tokenizers);
}

/* A side's guarded metric: its median, and how far it spreads. */
struct guard_side {
	double median, n, df, ss;
};

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return ((x > y) - (x < y));
}

static struct guard_side
guard_side(double *x, unsigned n)
{
	struct guard_side side = { NAN, n, n > 1 ? n - 1 : 0, 0 };
	struct stats_sample s = { 0, 0, 0 };
	unsigned i;

	if (n == 0)
		return (side);
	for (i = 0; i < n; i++)
		stats_sample_add(&s, x[i]);
	side.ss = s.ss;
	qsort(x, n, sizeof(*x), by_value);
	side.median = n % 2 == 1 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
	return (side);
}

/* A side of a plan, of whose pairs ${n} are looked at. */
static struct guard_side
guard_of_arm(const struct standings *b, const struct standings_plan *p, unsigned pairs, int challenger,
    enum policy_metric metric)
{
	double x[STANDINGS_SEEDS], value;
	unsigned k, n;

	for (k = n = 0; k < 2 * pairs; k++) {
		if (p->slot[k].challenger != challenger || p->slot[k].fact == 0)
			continue;
		value = standings_fact(b, p->slot[k].fact - 1)->metric[metric];
		if (isfinite(value))
			x[n++] = value;
	}
	return (guard_side(x, n));
}

/* The last runs of a configuration on a lane. */
static struct guard_side
guard_of_config(const struct standings *b, const struct standings_fact *like, uint64_t lane, enum policy_metric metric)
{
	double x[STANDINGS_SEEDS];
	const struct standings_fact *f;
	unsigned n = 0;
	size_t i;

	for (i = standings_count(b); i-- > 0 && n < STANDINGS_SEEDS;) {
		f = standings_fact(b, i);
		if (f->kind == STANDINGS_RUN && f->config == like->config && f->group == like->group &&
		    f->lane == lane && f->klass <= VERDICT_REGRESSION && !standings_starved(b, f) &&
		    isfinite(f->metric[metric]))
			x[n++] = f->metric[metric];
	}
	return (guard_side(x, n));
}

static int
is_time(enum policy_metric metric)
{
	return (metric == POLICY_TRAIN_MS || metric == POLICY_WALLCLOCK_MS);
}

/*
 * Is a time worse than the tolerance by more than times of one configuration differ?  Medians are held against their
 * own noise, by the test that judges scores; a median is worth 2 / pi as many runs as a mean.
 */
static int
is_slower(const struct policy *p, unsigned guard, const struct guard_side *mine, const struct guard_side *theirs)
{
	const double worth = 0.6366197723675814;
	struct noise_arm a = { fmax(1, worth * mine->n), mine->median, mine->df, mine->ss },
			 b = { fmax(1, worth * theirs->n), theirs->median, theirs->df, theirs->ss };
	struct noise_pool pool = noise_pool(p->noise.ln_sigma_sd, p->noise.floor);

	if (mine->df < 1 && theirs->df < 1)
		return (0);
	return (noise_compare(&a, &b, &pool, p->guarded[guard].sign, p->guarded[guard].tolerance * fabs(theirs->median),
		    p->promotion.confidence)
		    .p <= p->screen.regression_level);
}

/*
 * Hold ${mine} against ${theirs} in a guarded metric: 1 if it got worse by more than the tolerance.  From law 2 on the
 * figures are told, and a time decides only where both scores depend on the clock; else it is told aside.
 */
static int
guard_broken(const struct policy *p, unsigned guard, const struct guard_side *mine, const struct guard_side *theirs,
    int clocked, struct verdict *v)
{
	double worse = p->guarded[guard].sign * (mine->median - theirs->median);
	int broken = isfinite(worse) && worse > p->guarded[guard].tolerance * fabs(theirs->median);

	if (!broken || p->law < 2)
		return (broken);
	if (is_time(p->guarded[guard].name) && (!clocked || !is_slower(p, guard, mine, theirs))) {
		v->aside = (int)guard;
		v->aside_value = mine->median;
		v->aside_reference = theirs->median;
		v->aside_clocked = clocked;
		return (0);
	}
	v->guard_value = mine->median;
	v->guard_reference = theirs->median;
	v->guard_tolerance = p->guarded[guard].tolerance;
	return (1);
}

/*
 * Was a refused run ended by the pace of its group's incumbent, for the first time in its configuration and outside of
 * any plan?  Before law 3 it is refused like any other.
 */
static int
is_outrun(const struct standings *b, const struct standings_fact *f)
{
	const struct standings_group *g = standings_group(b, f->group);
	unsigned slot;

	return (b->policy.law >= 3 && f->final == STANDINGS_OUTRUN && g != NULL && g->incumbent != 0 &&
	    g->incumbent != f->config && standings_slot(b, f, &slot) == NULL &&
	    standings_history(b, f, g->incumbent).screening == NULL);
}

struct verdict
classify_run(const struct standings *b, const struct standings_fact *f, enum verdict_reason rule)
{
	const struct policy *p = &b->policy;
	struct verdict v = verdict_none();
	const struct standings_fact *reference;
	const struct standings_group *g;
	struct standings_history history;
	struct noise_pool pool;
	struct noise_prior prior;
	struct noise_test t;
	struct noise_arm arm, one = { 1, 0, 0, 0 };
	struct guard_side mine, theirs;
	enum policy_metric guarded;
	uint64_t other;
	unsigned slot, i;
	int comparable, second;

	/* What names no law that it was scored under (a forged row, at most) has no score to speak of. */
	if (rule == VERDICT_REASONS && f->group == 0)
		rule = VERDICT_MISSING;
	if (rule == VERDICT_REFUSED && is_outrun(b, f))
		rule = VERDICT_OUTRUN;
	if (rule != VERDICT_REASONS && rule != VERDICT_INEFFECTIVE)
		return (verdict_because(v, rule));
	v.metric = (int)p->metric.name;
	v.score = f->metric[v.metric];
	v.runs = 1;
	/* What does not say the number that is asked for starts no group. */
	if (((g = standings_group(b, f->group)) == NULL || g->incumbent == 0) && p->law >= 2 && !isfinite(v.score))
		return (verdict_because(v, VERDICT_NOT_COMPARABLE));
	if (g == NULL || g->incumbent == 0)
		return (verdict_because(v, standings_starved(b, f) ? VERDICT_STARVED : VERDICT_FIRST));
	reference = standings_fact(b, standings_reference(b, g, f));
	other = reference->config;
	v.changed = what_changed(b, reference, f) & (f->config == g->incumbent ? VERDICT_SYSTEM : ~0u);
	comparable = in_one_unit(b, reference, f);
	if (comparable)
		v.metric = (int)classify_metric(p, reference, f);
	v.score = f->metric[v.metric];
	v.calibrated = standings_lane(b, f->group, f->lane) != NULL;
	arm = standings_standing(b, standings_config(b, f->group, f->lane, g->incumbent), (enum policy_metric)v.metric);
	if (arm.n == 0)
		arm = standings_standing(b, standings_config(b, f->group, g->lane, g->incumbent),
		    (enum policy_metric)v.metric);
	if (other != g->incumbent) {
		arm = (struct noise_arm){ g->base_runs, g->base_score[v.metric], 0, 0 };
		v.steps = g->base_steps;
		v.on_base = 1;
	}
	if (arm.n > 0 && comparable) {
		v.compared = 1;
		v.incumbent_score = arm.mean;
		v.incumbent_runs = (unsigned)arm.n;
		v.delta = v.score - v.incumbent_score;
		v.gain = -p->metric.sign * v.delta;
	}
	if (standings_starved(b, f))
		return (verdict_because(v, VERDICT_STARVED));
	history = standings_history(b, f, g->incumbent);
	if ((history.twin != NULL && f->init != 0 && p->law >= 2) || (history.twin == NULL && history.copy != NULL))
		return (verdict_because(v, VERDICT_SAME_REPLICATE));
	if (standings_slot(b, f, &slot) != NULL) {
		/* What a plan waits for is compared with nothing, so that there is nothing to look at. */
		if (p->law >= 3) {
			v.compared = 0;
			v.incumbent_score = v.delta = v.gain = NAN;
			v.incumbent_runs = 0;
		}
		return (verdict_because(v, VERDICT_SLOT));
	}
	if (history.twin != NULL)
		return (verdict_because(v, VERDICT_SAME_SEED));
	if (f->config == g->incumbent)
		return (verdict_because(v, VERDICT_REPLICATE));
	if (rule == VERDICT_INEFFECTIVE)
		return (verdict_because(v, rule));
	if (history.same_artifact)
		return (verdict_because(v, VERDICT_IDENTICAL_ARTIFACT));
	/* Law 2 took one run that looks good for promising. */
	second = p->law >= 3 && history.screenings == 1 &&
	    (history.screening->reason == VERDICT_SECOND || history.screening->reason == VERDICT_PROMISING);
	if (history.screening != NULL && !second)
		return (verdict_because(v, VERDICT_REPEAT));
	if (!comparable)
		return (verdict_because(v, VERDICT_NOT_COMPARABLE));
	if (!v.calibrated || arm.n == 0)
		return (verdict_because(v, VERDICT_UNCALIBRATED));
	if (!isfinite(v.score))
		return (verdict_because(v, VERDICT_NOT_COMPARABLE));
	if (second && isfinite(history.screening->metric[v.metric])) {
		v.score = (v.score + history.screening->metric[v.metric]) / 2;
		v.runs = 2;
		v.delta = v.score - v.incumbent_score;
		v.gain = -p->metric.sign * v.delta;
		one.n = 2;
	}
	pool = standings_pool(b, f->group, f->lane, f->config, other, (enum policy_metric)v.metric);
	/* Held against one of its own kind, as is what was incumbent before, it knows of no other noise than theirs. */
	if (p->law >= 3 && pool.n < 0.5 && arm.df < 1)
		pool = standings_pool(b, f->group, f->lane, 0, 0, (enum policy_metric)v.metric);
	prior = noise_prior(&pool);
	v.lane_sd = standings_lane_sd(b, f->group, f->lane, (enum policy_metric)v.metric);
	v.prior_df = noise_prior_df(&prior);
	one.mean = v.score;
	t = noise_compare(&arm, &one, &pool, p->metric.sign, 0, p->promotion.confidence);
	v.se = t.se;
	v.lower = t.lower;
	v.upper = t.upper;
	v.incumbent_sd = t.sd_a;
	v.sd = t.sd_b;
	v.level = p->screen.regression_level;
	v.p = t.p;
	v.p_loss = t.p_loss;
	for (i = 0; i < p->guards; i++) {
		guarded = p->guarded[i].name;
		mine = guard_side(&(double){ f->metric[guarded] }, 1);
		theirs = p->law >= 2 && is_time(guarded) ? guard_of_config(b, reference, f->lane, guarded) :
							   guard_side(&(double){ reference->metric[guarded] }, 1);
		if (guard_broken(p, i, &mine, &theirs, f->clocked && reference->clocked, &v)) {
			v.guard = i;
			return (verdict_because(v, VERDICT_GUARDED_METRIC));
		}
	}
	if (t.p_loss <= p->screen.regression_level)
		return (verdict_because(v, VERDICT_WORSE));
	if (v.gain < (second ? p->screen.second_sd : p->screen.gain_sd) * v.lane_sd)
		return (verdict_because(v, VERDICT_WITHIN_NOISE));
	return (verdict_because(v, p->law >= 3 && !second ? VERDICT_SECOND : VERDICT_PROMISING));
}

/* Has a confirmation of the configuration come to an end: any, or, with ${looked}, by what its pairs say? */
static int
decided(const struct standings *b, uint64_t group, uint64_t config, int looked)
{
	size_t i;

	for (i = 0; i < b->plan_count; i++)
		if (b->plans[i].closed && b->plans[i].group == group && b->plans[i].config == config &&
		    (!looked || b->plans[i].looked))
			return (1);
	return (0);
}

const char *
classify_no_base(const struct standings *b, uint64_t group, uint64_t lane, uint64_t config)
{
	const struct standings_group *g = group == 0 ? NULL : standings_group(b, group);
	const struct standings_fact *screening;

	if (b->policy.law < 3)
		return ("provisional bases are of law 3");
	if (g == NULL || g->incumbent == 0)
		return ("it has no score that anything could be held against");
	if (standings_open_plan(b, group) != NULL)
		return ("a confirmation is open, and nothing is changed under it");
	if (config == g->incumbent)
		return ("it is the incumbent");
	if (g->base != 0 && lane != g->base_lane)
		return ("its group's base is on another lane");
	if (decided(b, group, config, 1))
		return ("a confirmation has decided on it");
	screening = standings_screening(b, group, lane, config);
	if (screening == NULL || screening->reason != VERDICT_PROMISING ||
	    classify_run(b, screening, VERDICT_REASONS).reason != VERDICT_PROMISING)
		return ("it has not looked better twice, against what challengers are screened against now");
	return (NULL);
}

unsigned
classify_waiting(const struct standings *b, const struct standings_group *g, enum verdict_reason reason, size_t *best)
{
	enum policy_metric m = b->policy.metric.name;
	const struct standings_fact *f;
	unsigned n = 0;
	size_t i;

	*best = 0;
	for (i = standings_count(b); i-- > 0;) {
		f = standings_fact(b, i);
		if (f->kind != STANDINGS_RUN || f->group != g->group || f->klass > VERDICT_REGRESSION ||
		    f->reason != reason || f->cap_ms != standings_fact(b, g->reference)->cap_ms ||
		    decided(b, f->group, f->config, 0) || classify_run(b, f, VERDICT_REASONS).reason != reason)
			continue;
		/* The second run decides, whatever the first would look like now. */
		if (reason == VERDICT_SECOND && standings_history(b, f, 0).screenings > 1)
			continue;
		n++;
		/* Of equals the first. */
		if (*best == 0 ||
		    b->policy.metric.sign * f->metric[m] <=
			b->policy.metric.sign * standings_fact(b, *best - 1)->metric[m])
			*best = i + 1;
	}
	return (n);
}

/* What pairs say: the metric, the last run of each side, and what they add up to. */
struct paired {
	enum policy_metric metric;
	const struct standings_fact *run[2];
	struct noise_pairs pairs;
	struct noise_spread spread;
	double margin, odds;
	int known; /* the lane's noise was, and there is a pair */
};

static int
pairs_decide(const struct standings_plan *p, const struct paired *x)
{
	if (x->pairs.n < 2)
		return (0);
	return (
	    !x->known || x->pairs.n >= p->n || x->odds >= 1 / p->prior.level || noise_hopeless(x->pairs.n, x->odds));
}

/* The first ${n} pairs, all whole. */
static void
look_at_first(const struct standings *b, const struct standings_plan *p, unsigned n, struct paired *x)
{
	unsigned k;

	x->pairs = standings_first_pairs(b, p, x->metric, n);
	for (k = 0; k < 2 * (unsigned)x->pairs.n; k++)
		x->run[p->slot[k].challenger] = standings_fact(b, p->slot[k].fact - 1);
	x->margin = policy_convert(p->policy.minimum_effect.value, p->policy.minimum_effect.unit, x->metric,
	    x->run[0]->metric[POLICY_VAL_LOSS], x->run[0]->metric[x->metric]);
	if (x->known)
		x->odds = noise_odds(&x->spread, &x->pairs, isnan(x->margin) ? 0 : x->margin);
}

/*
 * Pairs are looked at one after the other, in the plan's order, and the first look that decides counts, whatever came
 * in meanwhile: so it does not matter which pair of several at once is over first.
 */
static void
look_at_pairs(const struct standings *b, const struct standings_plan *p, struct paired *x)
{
	const struct noise_before before = standings_planned(p);
	unsigned k, n, whole;

	memset(x, 0, sizeof(*x));
	x->metric = p->policy.metric.name;
	x->odds = 1;
	if (p->slot[0].fact == 0 || p->slot[1].fact == 0)
		return;
	for (k = 0; k < 2; k++)
		x->run[p->slot[k].challenger] = standings_fact(b, p->slot[k].fact - 1);
	x->metric = classify_metric(&p->policy, x->run[0], x->run[1]);
	whole = (unsigned)standings_pairs(b, p, x->metric).n;
	x->known = whole > 0 && noise_spread(&before, &x->spread) == 0;
	for (n = whole < 2 ? whole : 2; n <= whole; n++) {
		look_at_first(b, p, n, x);
		if (pairs_decide(p, x))
			return;
	}
}

int
classify_plan_ready(const struct standings *b, const struct standings_plan *p)
{
	struct paired x;

	if (p->filled == 2 * p->n || p->invalid || p->diverged)
		return (1);
	/* A look takes a while: what was looked at before tells nothing new. */
	if (!p->paired || standings_whole(p) < 2 || p->last / 2 >= standings_whole(p))
		return (0);
	look_at_pairs(b, p, &x);
	return (pairs_decide(p, &x));
}

double
classify_odds(const struct standings *b, const struct standings_plan *p, unsigned *pairs)
{
	struct paired x;

	*pairs = 0;
	if (!p->paired)
		return (NAN);
	look_at_pairs(b, p, &x);
	*pairs = (unsigned)x.pairs.n;
	return (x.odds);
}

/* Mann-Whitney on the plan's runs: a cross-check that assumes nothing of the noise's shape. */
static double
ranks(const struct standings *b, const struct standings_plan *p, enum policy_metric metric)
{
	double x[2][STANDINGS_SEEDS];
	size_t n[2] = { 0, 0 };
	unsigned k;
	int side;

	for (k = 0; k < 2 * p->n; k++) {
		side = p->slot[k].challenger;
		x[side][n[side]++] = b->policy.metric.sign * standings_fact(b, p->slot[k].fact - 1)->metric[metric];
	}
	return (stats_rank_sum_p(x[0], n[0], x[1], n[1]));
}

/* How likely so many pairs that are better are if either side is as likely to be. */
static double
signs(const struct standings *b, const struct standings_plan *p, const struct paired *x)
{
	unsigned n = (unsigned)x->pairs.n, better = 0, k;
	double chance = pow(0.5, n), sum = 0, v[2];

	for (k = 0; k < 2 * n; k += 2) {
		v[p->slot[k].challenger] = standings_fact(b, p->slot[k].fact - 1)->metric[x->metric];
		v[p->slot[k + 1].challenger] = standings_fact(b, p->slot[k + 1].fact - 1)->metric[x->metric];
		better += p->policy.metric.sign * (v[0] - v[1]) > 0;
	}
	for (k = 0; k <= n; chance *= (double)(n - k) / (k + 1), k++)
		sum += k >= better ? chance : 0;
	return (sum);
}

/*
 * What to expect of a gain that was looked at until it sufficed: gains are taken to be exponential, by so many lane
 * deviations on average, and what is left of one that the pairs show is a normal cut off at nought.
 */
static double
expected_gain(const struct noise_pairs *p, double lane_sd)
{
	static const double usual = 2.5;
	double v = p->ss / (p->n - 1) / p->n, at = p->mean - v / (usual * lane_sd), sd = sqrt(v), z = at / sd;

	if (!(sd > 0))
		return (p->mean);
	return (z < -30 ? 0 : at + sd * exp(-z * z / 2) / 2.50662827463100050242 / stats_normal_cdf(z));
}

/* A look at a plan of pairs, by the policy that it was made under. */
static struct verdict
classify_pairs(const struct standings *b, const struct standings_plan *p)
{
	const struct policy *policy = &p->policy;
	const struct standings_group *g = standings_group(b, p->group);
	struct verdict v = verdict_none();
	struct stats_sample side[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
	struct guard_side guard_mine, guard_theirs;
	struct noise_pairs loss;
	struct paired x;
	int identical = 0, broken = 0;
	unsigned i, k;

	v.steps = p->steps;
	memcpy(v.tries, p->tries, sizeof(v.tries));
	memcpy(v.starved, p->starved, sizeof(v.starved));
	v.level = p->prior.level;
	v.calibrated = standings_lane(b, p->group, p->lane) != NULL;
	look_at_pairs(b, p, &x);
	v.metric = (int)x.metric;
	if (x.run[0] != NULL)
		v.changed = what_changed(b, x.run[0], x.run[1]);
	if (p->diverged)
		return (verdict_because(v, VERDICT_DIVERGED));
	if (p->invalid)
		return (verdict_because(v, p->incumbent_invalid ? VERDICT_INCUMBENT_INVALID : VERDICT_INVALID_RUN));
	if (x.pairs.n < 2 || !in_one_unit(b, x.run[0], x.run[1]))
		return (verdict_because(v, VERDICT_NOT_COMPARABLE));
	for (k = 0; k < 2 * (unsigned)x.pairs.n; k++) {
		const struct standings_fact *f = standings_fact(b, p->slot[k].fact - 1);

		stats_sample_add(&side[p->slot[k].challenger], f->metric[x.metric]);
		if (p->slot[k].challenger)
			identical |= standings_history(b, f, p->other).same_artifact;
	}
	v.compared = 1;
	v.runs = v.incumbent_runs = (unsigned)x.pairs.n;
	v.score = side[1].mean;
	v.incumbent_score = side[0].mean;
	v.delta = v.score - v.incumbent_score;
	v.gain = x.pairs.mean;
	v.sd = sqrt(side[1].ss / (x.pairs.n - 1));
	v.incumbent_sd = sqrt(side[0].ss / (x.pairs.n - 1));
	v.se = sqrt(x.pairs.ss / (x.pairs.n - 1) / x.pairs.n);
	v.lane_sd = p->prior.lane_sd;
	v.margin = x.margin;
	v.rank_p = signs(b, p, &x);
	v.odds = x.odds;
	if (!x.known || !v.calibrated)
		return (verdict_because(v, VERDICT_UNCALIBRATED));
	loss = (struct noise_pairs){ x.pairs.n, -x.pairs.mean, x.pairs.ss };
	v.p = fmin(1, 1 / x.odds);
	v.p_loss = fmin(1, 1 / noise_odds(&x.spread, &loss, 0));
	v.expected = expected_gain(&x.pairs, v.lane_sd);
	noise_bounds(&x.spread, &x.pairs, policy->promotion.confidence, &v.lower, &v.upper);
	for (i = 0; i < policy->guards && !broken; i++) {
		guard_mine = guard_of_arm(b, p, v.runs, 1, policy->guarded[i].name);
		guard_theirs = guard_of_arm(b, p, v.runs, 0, policy->guarded[i].name);
		broken = guard_broken(policy, i, &guard_mine, &guard_theirs, x.run[1]->clocked && x.run[0]->clocked,
		    &v);
		v.guard = i;
	}
	if (g == NULL || g->incumbent != p->other)
		return (verdict_because(v, VERDICT_INCUMBENT_MOVED));
	if (p->config == p->other || identical)
		return (verdict_because(v, VERDICT_IDENTICAL_ARTIFACT));
	if (isnan(v.margin))
		return (verdict_because(v, VERDICT_NOT_COMPARABLE));
	if (x.odds >= 1 / p->prior.level)
		return (verdict_because(v, broken ? VERDICT_GUARDED_METRIC : VERDICT_CONFIRMED));
	return (
	    verdict_because(v, v.p_loss <= policy->screen.regression_level ? VERDICT_WORSE : VERDICT_NOT_CONFIRMED));
}

struct verdict
classify_plan(const struct standings *b, const struct standings_plan *p)
{
	const struct policy *policy = &b->policy;
	const struct standings_group *g = standings_group(b, p->group);
	const struct standings_fact *mine = NULL, *theirs = NULL, *f;
	struct verdict v = verdict_none();
	struct guard_side guard_mine, guard_theirs;
	struct noise_pool pool, all;
	struct noise_prior prior;
	struct noise_arm a, c;
	struct noise_test t;
	int identical = 0, broken = 0;
	unsigned i, k;

	assert(classify_plan_ready(b, p));
	if (p->paired)
		return (classify_pairs(b, p));
	if (p->invalid)
		return (verdict_because(v, p->incumbent_invalid ? VERDICT_INCUMBENT_INVALID : VERDICT_INVALID_RUN));
	for (k = 0; k < 2 * p->n; k++) {
		f = standings_fact(b, p->slot[k].fact - 1);
		if (p->slot[k].challenger) {
			mine = f;
			identical |= standings_history(b, f, p->other).same_artifact;
		} else
			theirs = f;
	}
	v.metric = (int)classify_metric(policy, theirs, mine);
	v.changed = what_changed(b, theirs, mine);
	v.level = policy_level(policy);
	v.calibrated = standings_lane(b, p->group, p->lane) != NULL;
	a = standings_arm(b, p, 0, (enum policy_metric)v.metric, 0);
	c = standings_arm(b, p, 1, (enum policy_metric)v.metric, 0);
	if (a.n < p->n || c.n < p->n || !in_one_unit(b, theirs, mine))
		return (verdict_because(v, VERDICT_NOT_COMPARABLE));
	v.compared = 1;
	v.score = c.mean;
	v.runs = (unsigned)c.n;
	v.incumbent_score = a.mean;
	v.incumbent_runs = (unsigned)a.n;
	v.delta = v.score - v.incumbent_score;
	v.margin = policy_convert(policy->minimum_effect.value, policy->minimum_effect.unit,
	    (enum policy_metric)v.metric, theirs->metric[POLICY_VAL_LOSS], theirs->metric[v.metric]);
	pool = standings_pool(b, p->group, p->lane, p->config, p->other, (enum policy_metric)v.metric);
	all = standings_pool(b, p->group, p->lane, 0, 0, (enum policy_metric)v.metric);
	prior = noise_prior(&pool);
	v.prior_df = noise_prior_df(&prior);
	v.lane_sd = noise_lane_sd(&all);
	t = noise_compare(&a, &c, &pool, policy->metric.sign, isnan(v.margin) ? 0 : v.margin,
	    policy->promotion.confidence);
	v.gain = t.gain;
	v.se = t.se;
	v.lower = t.lower;
	v.upper = t.upper;
	v.p = t.p;
	v.p_loss = t.p_loss;
	v.sd = t.sd_b;
	v.incumbent_sd = t.sd_a;
	v.rank_p = ranks(b, p, (enum policy_metric)v.metric);
	for (i = 0; i < policy->guards && !broken; i++) {
		guard_mine = guard_of_arm(b, p, p->n, 1, policy->guarded[i].name);
		guard_theirs = guard_of_arm(b, p, p->n, 0, policy->guarded[i].name);
		broken = guard_broken(policy, i, &guard_mine, &guard_theirs, mine->clocked && theirs->clocked, &v);
		v.guard = i;
	}
	if (!v.calibrated)
		return (verdict_because(v, VERDICT_UNCALIBRATED));
	if (g == NULL || g->incumbent != p->other)
		return (verdict_because(v, VERDICT_INCUMBENT_MOVED));
	if (p->config == p->other || identical)
		return (verdict_because(v, VERDICT_IDENTICAL_ARTIFACT));
	if (broken)
		return (verdict_because(v, VERDICT_GUARDED_METRIC));
	if (isnan(v.margin))
		return (verdict_because(v, VERDICT_NOT_COMPARABLE));
	if (t.p <= v.level)
		return (verdict_because(v, VERDICT_CONFIRMED));
	return (
	    verdict_because(v, t.p_loss <= policy->screen.regression_level ? VERDICT_WORSE : VERDICT_NOT_CONFIRMED));
}

double
classify_power(const struct standings *b, uint64_t group, uint64_t lane, uint64_t incumbent, unsigned n, double gain_sd)
{
	struct noise_pool pool = standings_pool(b, group, lane, incumbent, 0, b->policy.metric.name);
	struct noise_arm arm = standings_standing(b, standings_config(b, group, lane, incumbent),
	    b->policy.metric.name);

	struct noise_before before;

	if (standings_lane(b, group, lane) == NULL)
		return (NAN);
	if (b->policy.law >= 3) {
		before = standings_before(b, group, lane, 0, incumbent, b->policy.metric.name, NAN);
		return (noise_pairs_power(&before, policy_level(&b->policy), gain_sd, n));
	}
	return (noise_power(&pool, arm.df, policy_level(&b->policy), gain_sd, n));
}

unsigned
classify_power_seeds(const struct standings *b, uint64_t group, uint64_t lane, uint64_t incumbent, double want,
    double *power)
{
	unsigned n;

	for (n = 2; n <= STANDINGS_SEEDS; n++) {
		*power = classify_power(b, group, lane, incumbent, n, b->policy.confirm.gain_sd);
		if (*power >= want)
			return (n);
	}
	return (0);
}

double
classify_screen_power(const struct standings *b, uint64_t group, uint64_t lane, uint64_t incumbent, double gain_sd)
{
	struct noise_arm arm = standings_standing(b, standings_config(b, group, lane, incumbent),
	    b->policy.metric.name);

	if (standings_lane(b, group, lane) == NULL || arm.n == 0)
		return (NAN);
	return (stats_normal_cdf((gain_sd - b->policy.screen.gain_sd) / sqrt(1 + 1 / arm.n)));
}
