#include "judge/gain.h"
#include "judge/outcome.h"
#include "law/verdict.h"

const char *
outcome_name(enum outcome o)
{
	static const char *const names[OUTCOMES] = { "", "confirming", "not_confirmed", "confirmed", "promoted" };

	return (names[o]);
}

/* Does a verdict say something of the challenger itself? */
static int
says(const struct standings_fact *verdict)
{
	switch ((enum verdict_reason)verdict->reason) {
	case VERDICT_ABANDONED:
	case VERDICT_INCUMBENT_MOVED:
	case VERDICT_INCUMBENT_INVALID:
		return (0);
	default:
		return (1);
	}
}

enum outcome
outcome_of(const struct ledger *l, const struct standings_fact *run)
{
	const struct standings *b = &l->book;
	const struct standings_plan *plan;
	const struct standings_fact *f;
	int last = 1;
	size_t i;

	if (run->group == 0)
		return (OUTCOME_NONE);
	if ((plan = standings_open_plan(b, run->group)) != NULL && plan->config == run->config)
		return (OUTCOME_CONFIRMING);
	for (i = standings_count(b); i-- > 0;) {
		f = standings_fact(b, i);
		if (f->group != run->group)
			continue;
		/* Of a group's promotions the last may stand. */
		if (f->kind == STANDINGS_PROMOTION && last) {
			last = 0;
			if (f->config == run->config && gain_bar(l, f, i) == NULL)
				return (OUTCOME_PROMOTED);
		}
		if (f->kind == STANDINGS_VERDICT && f->config == run->config && says(f))
			return (f->klass == VERDICT_IMPROVEMENT ? OUTCOME_CONFIRMED : OUTCOME_NOT_CONFIRMED);
	}
	return (OUTCOME_NONE);
}
