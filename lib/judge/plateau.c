#include <math.h>
#include <stdio.h>

#include "classify.h"
#include "exit.h"
#include "plateau.h"

unsigned
plateau_patience(double miss, double success_rate, double power)
{
	double m = ceil(log(miss) / log1p(-success_rate * power));

	return (m > 1e6 || isnan(m) ? 1000000 : m < 1 ? 1 : (unsigned)m);
}

struct plateau_view
plateau_look(const struct book *b)
{
	struct plateau_view v = { PLATEAU_UNKNOWN, 0, 0, 0, b->failures, NAN, NAN, NAN };
	const struct policy *p = &b->policy;
	const struct book_group *g = b->last_group == 0 ? NULL : book_group(b, b->last_group);

	if (g != NULL) {
		v.resolved = g->resolved;
		v.waiting = g->promising;
		v.screen = classify_screen_power(b, g->group, g->lane, g->incumbent, p->confirm.gain_sd);
		v.confirm = classify_power(b, g->group, g->lane, g->incumbent, p->confirm.seeds, p->confirm.gain_sd);
		v.power = v.screen * v.confirm;
	}
	if (isfinite(v.power)) {
		v.m = plateau_patience(p->plateau.miss, p->plateau.success_rate, v.power);
		v.what = v.resolved >= v.m ? PLATEAU_STOP : PLATEAU_GO_ON;
	}
	if (v.failures >= p->plateau.pause_after_failures)
		v.what = PLATEAU_PAUSE;
	return (v);
}

int
plateau_print(const struct ledger *l, const struct plateau_view *v)
{
	const struct policy *p = &l->book.policy;

	if (v->what == PLATEAU_PAUSE) {
		printf("pause: the last %u runs were blocked or invalid, and the policy pauses at %u\n", v->failures,
		    p->plateau.pause_after_failures);
		printf("next: hg-ledger list %s\n", l->path);
		return (HG_EXIT_PENDING);
	}
	if (v->what == PLATEAU_UNKNOWN) {
		printf("unknown: the lane's noise is not calibrated, so no power is known to reason with\n");
		printf("next: hg-confirm -c %s RUN, with a run of the incumbent\n", l->path);
		return (HG_EXIT_PENDING);
	}
	printf("%s: %u challengers in a row were sound, comparable and no better; stopping takes %u\n",
	    v->what == PLATEAU_STOP ? "stop" : "go on", v->resolved, v->m);
	printf("If one challenger in %.3g were better by %.1f lane deviations, each would pass the screen with a"
	    " chance of"
	    " %.0f %% and be confirmed with one of %.0f %%, so be found with one of %.0f %%. To miss all of them %u"
	    " times in"
	    " a row would then happen with a chance of at most %.0f %%.\n", 1 / p->plateau.success_rate,
	    p->confirm.gain_sd,
	    100 * v->screen, 100 * v->confirm, 100 * v->power, v->m, 100 * p->plateau.miss);
	if (v->waiting > 0)
		printf("%u challengers that passed the screen wait for a confirmation and are not counted.\n",
		    v->waiting);
	return (v->what == PLATEAU_STOP ? HG_EXIT_DONE : HG_EXIT_NO);
}
