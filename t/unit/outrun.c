/* What a run that was outrun counts for, by policy.law; and the limit that a loss is held to. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "judge/outrun.h"
#include "law/classify.h"
#include "run/pace.h"
#include "t/unit/tap.h"

enum { GROUP = 11, LANE = 12 };

static struct standings_fact
run(uint64_t id, uint64_t config, double score)
{
	struct standings_fact f;
	int m;

	memset(&f, 0, sizeof(f));
	f.kind = STANDINGS_RUN;
	f.run = f.row = id;
	f.attempt = 1;
	f.group = GROUP;
	f.lane = LANE;
	f.config = config;
	f.seed = (int64_t)id;
	for (m = 0; m < POLICY_METRICS; m++)
		f.metric[m] = NAN;
	f.metric[POLICY_VAL_BPB] = score;
	return (f);
}

static struct standings_fact
outrun(uint64_t id, uint64_t config)
{
	struct standings_fact f = run(id, config, NAN);

	f.final = STANDINGS_OUTRUN;
	return (f);
}

/* Judge it, then let it count. */
static enum verdict_reason
add(struct standings *b, struct standings_fact f, enum verdict_reason rule)
{
	struct verdict v = classify_run(b, &f, rule);

	f.klass = (uint8_t)v.klass;
	f.reason = (uint8_t)v.reason;
	return (standings_apply(b, &f) == -1 ? VERDICT_REASONS : v.reason);
}

static void
begin(struct standings *b, unsigned law)
{
	json_t *v = policy_default();

	standings_init(b);
	if (policy_take(&b->policy, v) == -1)
		abort();
	b->policy.law = law;
	json_decref(v);
	add(b, run(1, 100, 2.0), VERDICT_REASONS);
}

int
main(void)
{
	struct standings b;
	struct standings_fact f;

	begin(&b, 3);
	tap_ok(add(&b, outrun(2, 200), VERDICT_REFUSED) == VERDICT_OUTRUN, "a run refused by its pace is outrun");
	tap_ok(standings_group(&b, GROUP)->resolved == 1 && b.failures == 0,
	    "it resolves its challenger, and is none of the failures in a row");
	tap_ok(add(&b, outrun(3, 200), VERDICT_REFUSED) == VERDICT_REFUSED && standings_group(&b, GROUP)->resolved == 1,
	    "a second one of its configuration is refused, and resolves nothing again");
	tap_ok(add(&b, run(4, 200, 1.5), VERDICT_REASONS) == VERDICT_REPEAT,
	    "a whole run of its configuration repeats: that was screened");
	tap_ok(add(&b, outrun(5, 100), VERDICT_REFUSED) == VERDICT_REFUSED,
	    "the incumbent's configuration is never outrun");
	f = outrun(6, 300);
	f.group = 99;
	tap_ok(add(&b, f, VERDICT_REFUSED) == VERDICT_REFUSED, "nor is a run outrun in a group that has no incumbent");
	f = outrun(7, 300);
	f.final = STANDINGS_FINAL;
	tap_ok(add(&b, f, VERDICT_REFUSED) == VERDICT_REFUSED, "another refusal that no retry gets past stays one");
	tap_ok(b.failures == 3, "those count as failures in a row");
	standings_free(&b);

	begin(&b, 2);
	tap_ok(add(&b, outrun(2, 200), VERDICT_REFUSED) == VERDICT_REFUSED && b.failures == 1 &&
		standings_group(&b, GROUP)->resolved == 0,
	    "before law 3 it is refused like any other");
	standings_free(&b);

	/* 0.4 above is predicted to be 0.2 worse, which is 2 * 0.04 and 0.12. */
	tap_ok(fabs(outrun_limit(3, 0.5, 0.04, 0.12, 0.1) - 3.4) < 1e-12,
	    "at the limit a score better than predicted by the error is two lane deviations worse");
	tap_ok(outrun_limit(3, 0.5, 0.04, 0.12, 0.5) == 3.5, "no limit lies within what the incumbent's own losses do");
	tap_ok(pace_earliest(40) == 20 && pace_earliest(41) == 21 && pace_earliest(1) == 1,
	    "half of the steps is never fewer than half");
	return (tap_done());
}
