/*
 * Verdicts in words: every reason has a name of its own, a class that its place allows, and sentences without holes.
 */
#include <math.h>
#include <string.h>

#include "law/explain.h"
#include "law/verdict.h"
#include "t/unit/tap.h"

static struct policy policy = { .campaign = { "c", 0.05, 20 }, .promotion = { .confidence = 0.95 } };

static struct verdict
numbers(enum verdict_reason reason)
{
	struct verdict v = verdict_because(verdict_none(), reason);

	v.metric = POLICY_VAL_BPB;
	v.compared = 1;
	v.runs = v.incumbent_runs = 5;
	v.score = v.lane_sd = v.p = v.p_loss = v.level = v.margin = v.gain = v.lower = v.upper = v.power = 0.5;
	v.incumbent_score = 1;
	v.changed = VERDICT_MODEL | VERDICT_SYSTEM;
	return (v);
}

static void
reason_is_whole(enum verdict_reason reason)
{
	const char *name = verdict_reason_name(reason);
	enum verdict_class klass = verdict_reason_class(reason);
	struct verdict v = numbers(reason);
	struct explain t = { .verdict = &v,
		.policy = &policy,
		.run = "run",
		.lane = "lane",
		.cap_ms = 1000,
		.findings = "findings",
		.spent = 1,
		.twin = "twin",
		.twin_row = 1 };
	struct str s;
	int confirmation, rc, said = 0;

	tap_ok(verdict_reason_find(name) == (int)reason, "the name '%s' is the reason's alone", name);
	tap_ok(*verdict_reason_phrase(reason) != '\0', "%s has a phrase", name);
	tap_ok((klass > VERDICT_REGRESSION) ==
		(verdict_reason_counts(reason) == VERDICT_RULE || reason == VERDICT_INVALID_RUN ||
		    reason == VERDICT_INCUMBENT_INVALID || reason == VERDICT_OUTRUN),
	    "%s: what fails, or has no score, is blocked or invalid, and nothing else is", name);
	tap_ok(verdict_reason_counts(reason) != VERDICT_RULE || verdict_reason_sentence(reason, 1) == NULL,
	    "%s: the evidence of a run is no reason of a confirmation", name);
	for (confirmation = 0; confirmation < 2; confirmation++) {
		if (verdict_reason_sentence(reason, confirmation) == NULL)
			continue;
		s = (struct str)STR_INIT;
		rc = (confirmation ? explain_confirmation : explain_run)(&s, &t);
		tap_ok(rc == 0 && s.n > 0 && strpbrk(s.p, "{}") == NULL && strstr(s.p, "nan") == NULL &&
			strstr(s.p, "  ") == NULL && s.p[s.n - 1] == '.',
		    "%s: %s", name, s.p == NULL ? "?" : s.p);
		str_free(&s);
		said++;
	}
	tap_ok(said > 0, "%s has something to say", name);
}

int
main(void)
{
	enum verdict_reason reason;

	for (reason = 0; reason < VERDICT_REASONS; reason++)
		reason_is_whole(reason);
	tap_ok(verdict_reason_find("no such reason") == -1, "an unknown name is no reason");
	return (tap_done());
}
