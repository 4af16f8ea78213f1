#include <math.h>

#include "law/classify.h"
#include "judge/plateau.h"

static unsigned
patience(double miss, double success_rate, double power)
{
	double m = ceil(log(miss) / log1p(-success_rate * power));

	return (m > 1e6 || isnan(m) ? 1000000 : m < 1 ? 1 : (unsigned)m);
}

struct plateau_view
plateau_look(const struct standings *b)
{
	struct plateau_view v = { .what = PLATEAU_UNKNOWN,
		.failures = b->failures,
		.screen = NAN,
		.confirm = NAN,
		.power = NAN };
	const struct policy *p = &b->policy;
	const struct standings_group *g = b->last_group == 0 ? NULL : standings_group(b, b->last_group);
	size_t best;

	if (g != NULL) {
		v.resolved = g->resolved;
		v.waiting = classify_waiting(b, g, &best);
		v.screen = classify_screen_power(b, g->group, g->lane, g->incumbent, p->confirm.gain_sd);
		v.confirm = classify_power(b, g->group, g->lane, g->incumbent, p->law >= 3 ? p->confirm.pairs : p->confirm.seeds, p->confirm.gain_sd);
		v.power = v.screen * v.confirm;
	}
	if (isfinite(v.power)) {
		v.m = patience(p->plateau.miss, p->plateau.success_rate, v.power);
		v.what = v.resolved >= v.m ? PLATEAU_STOP : PLATEAU_GO_ON;
	}
	/* Without a confirmation to spend nothing can be found, however many are tried. */
	v.spent = standings_left(b) == 0 && standings_open_plan(b, 0) == NULL;
	if (v.spent)
		v.what = PLATEAU_STOP;
	if (v.failures >= p->plateau.pause_after_failures)
		v.what = PLATEAU_PAUSE;
	return (v);
}

const char *
plateau_name(enum plateau what)
{
	static const char *const names[] = { "stop", "go on", "pause", "unknown" };

	return (names[what]);
}

int
plateau_tell(const struct plateau_view *v, const struct policy *p, struct str *why)
{
	int rc;

	if (v->what == PLATEAU_PAUSE)
		return (str_printf(why, "the last %u runs were blocked or invalid, and the policy pauses at %u",
		    v->failures, p->plateau.pause_after_failures));
	if (v->spent)
		return (str_printf(why,
		    "campaign '%s' has spent its %u confirmations, so nothing more can be found before another is declared",
		    p->campaign.name, p->campaign.confirmations));
	if (v->what == PLATEAU_UNKNOWN)
		return (str_puts(why, "the lane's noise is not calibrated, so no power is known to reason with"));
	rc = str_printf(why,
	    "%u challenger%s in a row %s sound, comparable and no better; stopping takes %u\n"
	    "If one challenger in %.3g were better by %.1f lane deviations, each would pass the screen with a chance"
	    " of %.0f %% and be confirmed with one of %.0f %%, so be found with one of %.0f %%. To miss all of them %u"
	    " times in a row would then happen with a chance of at most %.0f %%.",
	    v->resolved, v->resolved == 1 ? "" : "s", v->resolved == 1 ? "was" : "were", v->m,
	    1 / p->plateau.success_rate, p->confirm.gain_sd, 100 * v->screen, 100 * v->confirm, 100 * v->power, v->m,
	    100 * p->plateau.miss);
	if (v->waiting > 0)
		rc |= str_printf(why,
		    "\n%u challenger%s that passed the screen wait%s for a confirmation and %s not"
		    " counted.",
		    v->waiting, v->waiting == 1 ? "" : "s", v->waiting == 1 ? "s" : "", v->waiting == 1 ? "is" : "are");
	return (rc);
}
