#ifndef HG_CLASSIFY_H
#define HG_CLASSIFY_H

#include "law/standings.h"
#include "law/verdict.h"

/**
 * The judgement law: pure functions of the book and one more fact.
 *
 * A run is never an improvement.  The first sound run of a comparability group
 * makes its configuration the incumbent; any other run repeats the incumbent,
 * belongs to a plan, or screens its configuration once.  A plan whose every
 * slot is filled is looked at once, and that verdict alone may say
 * improvement: the gain's p at or below the campaign's alpha / K, on a
 * calibrated lane, with no guarded metric worse.
 */

/**
 * classify_run(b, f, rule):
 * What ${f} is, given the book so far.  ${rule} is the reason why the evidence
 * itself fails, VERDICT_REASONS if it is sound, or VERDICT_INEFFECTIVE if it is
 * and nothing that it sets otherwise than the incumbent has an effect.  A run
 * that is in the book is judged as of now, against whoever is incumbent now.
 */
struct verdict classify_run(const struct standings *b, const struct standings_fact *f, enum verdict_reason rule);

/*
 * Why a configuration is made no provisional base of its group on a lane, in words; NULL if it may be: both its runs
 * look better, and no confirmation is open.
 */
const char *classify_no_base(const struct standings *b, uint64_t group, uint64_t lane, uint64_t config);

/*
 * Of a group's challengers that passed the screen (PROMISING), or that want a second run for that (SECOND), those that
 * no confirmation decided on, that have the incumbent's cap and that would be judged so now: how many, and in *best the
 * best one's fact as index + 1, 0 if there is none.
 */
unsigned
classify_waiting(const struct standings *b, const struct standings_group *g, enum verdict_reason reason, size_t *best);

/*
 * 1 if nothing more can come of the plan: all slots filled, or one of its runs invalid; from law 3 on as soon as its
 * pairs decide.
 */
int classify_plan_ready(const struct standings *b, const struct standings_plan *p);

/* A plan's pairs so far: their odds for a gain, and how many there are. NAN: not a plan of pairs. */
double classify_odds(const struct standings *b, const struct standings_plan *p, unsigned *pairs);

/* The metric that two runs are compared in. */
enum policy_metric
classify_metric(const struct policy *p, const struct standings_fact *a, const struct standings_fact *b);

/* The one look at a plan that is ready. */
struct verdict classify_plan(const struct standings *b, const struct standings_plan *p);

/*
 * Power of a confirmation in this group and lane with n runs a side, for a gain of so many lane deviations. NAN if
 * uncalibrated.
 */
double classify_power(const struct standings *b, uint64_t group, uint64_t lane, uint64_t incumbent, unsigned n,
    double gain_sd);

/* The fewest runs a side that have a power of ${want}, which is in *power then; 0 if STANDINGS_SEEDS have not. */
unsigned classify_power_seeds(const struct standings *b, uint64_t group, uint64_t lane, uint64_t incumbent, double want,
    double *power);

/* Chance that a single run passes the screen when its true gain is so many lane deviations. NAN if uncalibrated. */
double
classify_screen_power(const struct standings *b, uint64_t group, uint64_t lane, uint64_t incumbent, double gain_sd);

#endif
