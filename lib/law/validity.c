#include <math.h>
#include <string.h>

#include "base/bpb.h"
#include "base/jsonio.h"
#include "law/validity.h"
#include "base/str.h"

/* Each returns nonzero if it applies, and says why in detail. */

static int
listed(const json_t *list, struct str *detail)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		(void)str_printf(detail, "%s%s", i == 0 ? "" : "; ", json_is_string(v) ? json_string_value(v) : "?");
	return (json_array_size(list) != 0);
}

static int
refused(const struct run_record *run, struct str *detail)
{
	const json_t *v;
	size_t i;

	json_array_foreach(run->refusals, i, v)
		(void)str_printf(detail, "%s%s: %s", i == 0 ? "" : "; ", jsonio_text(v, "stage", "?"),
		    jsonio_text(v, "kind", "?"));
	return (json_array_size(run->refusals) != 0);
}

static int
missing(const struct run_record *run, struct str *detail)
{
	return (listed(run->missing, detail));
}

static int
unreadable(const struct run_record *run, struct str *detail)
{
	return (listed(run->problems, detail));
}

static int
mismatch(const struct run_record *run, struct str *detail)
{
	return (listed(run->mismatches, detail));
}

static int
over_cap(const struct run_record *run, struct str *detail)
{
	double measured = run->metric.of[POLICY_TOTAL_BYTES];
	int64_t total = isnan(measured) ? 0 : (int64_t)measured,
		cap = run->cap_bytes == RECORD_NONE ? INT64_MAX : run->cap_bytes;

	if (total <= cap && run->within_cap != 0)
		return (0);
	(void)str_printf(detail, "%lld bytes of code and artifact, and the cap is %lld", (long long)total,
	    (long long)cap);
	return (1);
}

static int
late_step(const struct run_record *run, struct str *detail)
{
	if (run->late_steps <= 0)
		return (0);
	(void)str_printf(detail, "%lld steps began after the wall-clock cap of %lld ms", (long long)run->late_steps,
	    run->cap_ms == RECORD_NONE ? 0 : (long long)run->cap_ms);
	return (1);
}

/* None are none. */
static int64_t
count(int64_t n)
{
	return (n == RECORD_NONE ? 0 : n);
}

static int
partial(const struct run_record *run, struct str *detail)
{
	int64_t n = count(run->documents), want = count(run->documents_expected);

	if (run->partial != 1 && n >= want)
		return (0);
	(void)str_printf(detail, "%lld of the %lld documents of the eval law were scored", (long long)n,
	    (long long)want);
	return (1);
}

/* Does a rate disagree with loss and counts? Bits per byte = nats / ln 2 * tokens / bytes. */
static int
disagrees(const struct run_record *run, enum policy_metric rate, int64_t bytes)
{
	double bpb = run->metric.of[rate], want;

	if (isnan(bpb) || bytes == RECORD_NONE)
		return (0);
	want = run->tokens == RECORD_NONE ?
	    NAN :
	    bpb_of_loss(run->metric.of[POLICY_VAL_LOSS], (double)run->tokens, (double)bytes);
	return (!(fabs(bpb - want) <= 1e-9 * fabs(want)));
}

/* Of a program's word only this can be seen: a number is there, and a loss is above zero. */
static int
impossible_claim(const struct run_record *run, struct str *detail)
{
	static const enum policy_metric losses[] = { POLICY_VAL_LOSS, POLICY_VAL_BPB, POLICY_VAL_BPB_RAW };
	int known = !isnan(run->metric.of[POLICY_VALUE]), hit = 0;
	size_t i;

	for (i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
		known |= !isnan(run->metric.of[losses[i]]);
		hit |= run->metric.of[losses[i]] <= 0;
	}
	if (hit)
		(void)str_puts(detail, "a loss that is not above zero");
	else if (!known)
		(void)str_puts(detail, "no number was claimed");
	return (hit || !known);
}

static int
impossible(const struct run_record *run, struct str *detail)
{
	int hit = 0;

	if (run->evidence != NULL && strcmp(run->evidence, "claim") == 0)
		return (impossible_claim(run, detail));
	if (!(run->metric.of[POLICY_VAL_LOSS] > 0) || !(run->metric.of[POLICY_VAL_BPB] > 0)) {
		(void)str_puts(detail, "a loss that is not above zero");
		hit = 1;
	}
	if (disagrees(run, POLICY_VAL_BPB, run->bytes) || disagrees(run, POLICY_VAL_BPB_RAW, run->raw_bytes)) {
		(void)str_printf(detail, "%sbits per byte do not follow from loss, tokens and bytes", hit ? "; " : "");
		hit = 1;
	}
	/* How many steps a program took it alone knows. */
	if ((run->steps < 1 && run->evidence == NULL) || run->tokens < 1 || run->documents < 1) {
		(void)str_printf(detail, "%sno steps, tokens or documents", hit ? "; " : "");
		hit = 1;
	}
	return (hit);
}

static const struct {
	enum verdict_reason reason;
	int (*applies)(const struct run_record *run, struct str *detail);
	int scored; /* makes sense only where all evidence is there */
} table[] = {
	{ VERDICT_UNREADABLE, unreadable, 0 },
	{ VERDICT_REFUSED, refused, 0 },
	{ VERDICT_MISSING, missing, 0 },
	{ VERDICT_MISMATCH, mismatch, 0 },
	{ VERDICT_OVER_CAP, over_cap, 0 },
	{ VERDICT_LATE_STEP, late_step, 0 },
	{ VERDICT_PARTIAL, partial, 1 },
	{ VERDICT_IMPOSSIBLE, impossible, 1 },
};

enum verdict_reason
validity_apply(const struct run_record *run, json_t *findings)
{
	enum verdict_reason first = VERDICT_REASONS;
	struct str detail = STR_INIT;
	size_t i;
	int scored = run->group != NULL;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].scored && !scored)
			continue;
		if (table[i].applies(run, &detail)) {
			if (first == VERDICT_REASONS)
				first = table[i].reason;
			if (findings != NULL)
				json_array_append_new(findings,
				    json_pack("{s:s, s:s}", "rule", verdict_reason_name(table[i].reason), "detail",
					detail.p == NULL ? "" : detail.p));
		}
		str_free(&detail);
		detail = (struct str)STR_INIT;
	}
	/* Whatever else is wrong: what has no score can't be compared. */
	if (first == VERDICT_REASONS && !scored)
		first = VERDICT_MISSING;
	return (first);
}
