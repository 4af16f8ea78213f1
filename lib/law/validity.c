#include <math.h>

#include "base/bpb.h"
#include "base/jsonio.h"
#include "law/validity.h"
#include "base/str.h"

/* Each returns nonzero if it applies, and says why in detail. */

static int
listed(const json_t *run, const char *key, struct str *detail)
{
	const json_t *list = json_object_get(run, key), *v;
	size_t i;

	json_array_foreach(list, i, v)
		(void)str_printf(detail, "%s%s", i == 0 ? "" : "; ", json_is_string(v) ? json_string_value(v) : "?");
	return (json_array_size(list) != 0);
}

static int
refused(const json_t *run, struct str *detail)
{
	const json_t *list = json_object_get(run, "refusals"), *v;
	size_t i;

	json_array_foreach(list, i, v)
		(void)str_printf(detail, "%s%s: %s", i == 0 ? "" : "; ", jsonio_text(v, "stage", "?"),
		    jsonio_text(v, "kind", "?"));
	return (json_array_size(list) != 0);
}

static int
missing(const json_t *run, struct str *detail)
{
	return (listed(run, "missing", detail));
}

static int
unreadable(const json_t *run, struct str *detail)
{
	return (listed(run, "problems", detail));
}

static int
mismatch(const json_t *run, struct str *detail)
{
	return (listed(run, "mismatches", detail));
}

static int
over_cap(const json_t *run, struct str *detail)
{
	int64_t total = jsonio_i64(run, "metrics.total_bytes", 0), cap = jsonio_i64(run, "cap_bytes", INT64_MAX);

	if (total <= cap && !json_is_false(json_object_get(run, "within_cap")))
		return (0);
	(void)str_printf(detail, "%lld bytes of code and artifact, and the cap is %lld", (long long)total,
	    (long long)cap);
	return (1);
}

static int
late_step(const json_t *run, struct str *detail)
{
	int64_t late = jsonio_i64(run, "late_steps", 0);

	if (late <= 0)
		return (0);
	(void)str_printf(detail, "%lld steps began after the wall-clock cap of %lld ms", (long long)late,
	    (long long)jsonio_i64(run, "cap_ms", 0));
	return (1);
}

static int
partial(const json_t *run, struct str *detail)
{
	int64_t n = jsonio_i64(run, "documents", 0), want = jsonio_i64(run, "documents_expected", 0);

	if (!jsonio_true(run, "partial") && n >= want)
		return (0);
	(void)str_printf(detail, "%lld of the %lld documents of the eval law were scored", (long long)n,
	    (long long)want);
	return (1);
}

/* Does a rate agree with the loss and the counts that it comes from? Bits per byte = nats / ln 2 * tokens / bytes. */
static int
disagrees(const json_t *run, const char *rate, const char *bytes)
{
	double loss = jsonio_f64(run, "metrics.val_loss", NAN), bpb = jsonio_f64(run, rate, NAN), want;
	double tokens = jsonio_f64(run, "tokens", NAN), n = jsonio_f64(run, bytes, NAN);

	if (isnan(bpb) || isnan(n))
		return (0);
	want = bpb_of_loss(loss, tokens, n);
	return (!(fabs(bpb - want) <= 1e-9 * fabs(want)));
}

static int
impossible(const json_t *run, struct str *detail)
{
	double loss = jsonio_f64(run, "metrics.val_loss", NAN), bpb = jsonio_f64(run, "metrics.val_bpb", NAN);
	int hit = 0;

	if (!(loss > 0) || !(bpb > 0)) {
		(void)str_puts(detail, "a loss that is not above zero");
		hit = 1;
	}
	if (disagrees(run, "metrics.val_bpb", "bytes") || disagrees(run, "metrics.val_bpb_raw", "raw_bytes")) {
		(void)str_printf(detail, "%sbits per byte do not follow from loss, tokens and bytes", hit ? "; " : "");
		hit = 1;
	}
	if (jsonio_i64(run, "steps", 0) < 1 || jsonio_i64(run, "tokens", 0) < 1 ||
	    jsonio_i64(run, "documents", 0) < 1) {
		(void)str_printf(detail, "%sno steps, tokens or documents", hit ? "; " : "");
		hit = 1;
	}
	return (hit);
}

static const struct {
	enum verdict_reason reason;
	int (*applies)(const json_t *run, struct str *detail);
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
validity_apply(const json_t *run, json_t *findings)
{
	enum verdict_reason first = VERDICT_REASONS;
	struct str detail = STR_INIT;
	size_t i;
	int scored = json_is_string(json_object_get(run, "group_sha256"));

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
