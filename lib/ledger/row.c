#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/jsonio.h"
#include "ledger/row.h"

static const char *const kinds[STANDINGS_KINDS] = { "policy", "run", "calibration", "plan", "confirmation", "promotion",
	"import" };

const char *
row_kind_name(enum standings_kind kind)
{
	return (kinds[kind]);
}

static uint64_t
tag(const json_t *v, const char *path)
{
	return (standings_tag(jsonio_text(v, path, NULL)));
}

static int64_t
time_of(const json_t *v, const char *path)
{
	int64_t ms;

	return (clock_parse(jsonio_text(v, path, ""), &ms) == 0 ? ms : 0);
}

static uint64_t
lane_of(const json_t *v)
{
	/* "none" is a cap of its own. */
	return (standings_lane_tag(jsonio_text(v, "lane", ""), jsonio_i64(v, "cap_ms", -1)));
}

void
row_run_fact(const json_t *run, struct standings_fact *f)
{
	const json_t *metrics = json_object_get(run, "metrics");
	int m;

	memset(f, 0, sizeof(*f));
	f->kind = STANDINGS_RUN;
	f->run = tag(run, "run_uid");
	f->attempt = (uint32_t)jsonio_i64(run, "attempt", 1);
	f->group = tag(run, "group_sha256");
	f->lane = lane_of(run);
	f->config = tag(run, "config_sha256");
	f->system = tag(run, "system_sha256");
	f->model = tag(run, "model_sha256");
	f->data = tag(run, "data_sha256");
	f->tokenizer = tag(run, "tokenizer_sha256");
	f->artifact = tag(run, "artifact_sha256");
	f->starved = (uint8_t)jsonio_true(run, "starved");
	f->seed = jsonio_i64(run, "seed", 0);
	f->started_ms = time_of(run, "started_at");
	f->cost_ms = jsonio_i64(run, "cost_ms", 0);
	for (m = 0; m < POLICY_METRICS; m++)
		f->metric[m] = jsonio_f64(metrics, policy_metric_name((enum policy_metric)m), NAN);
}

static void
plan_fact(const json_t *plan, struct standings_fact *f)
{
	f->group = tag(plan, "group_sha256");
	f->lane = lane_of(plan);
	f->config = tag(plan, "challenger.config_sha256");
	f->other = tag(plan, "incumbent.config_sha256");
	f->campaign = standings_text_tag(jsonio_text(plan, "campaign", ""));
	f->n = (uint32_t)jsonio_i64(plan, "seeds_a_side", 0);
	f->nonce = tag(plan, "nonce");
}

int
row_fact(const json_t *row, struct standings_fact *f)
{
	const char *kind = jsonio_text(row, "kind", "");
	const json_t *own;
	int i, klass, reason;

	memset(f, 0, sizeof(*f));
	for (i = 0; i < POLICY_METRICS; i++)
		f->metric[i] = NAN;
	for (i = 0; i < STANDINGS_KINDS && strcmp(kinds[i], kind) != 0; i++)
		;
	if (i == STANDINGS_KINDS || !json_is_object(own = json_object_get(row, kind)))
		goto err0;
	if (i == STANDINGS_RUN)
		row_run_fact(own, f);
	f->kind = (uint8_t)i;
	f->at_ms = time_of(row, "added_at");
	switch ((enum standings_kind)i) {
	case STANDINGS_PLAN:
		plan_fact(own, f);
		if (f->n < 2 || f->n > STANDINGS_SEEDS)
			goto err0;
		break;
	case STANDINGS_CALIBRATION:
		f->group = tag(own, "group_sha256");
		f->lane = lane_of(own);
		f->config = tag(own, "config_sha256");
		f->n = (uint32_t)json_array_size(json_object_get(own, "runs"));
		break;
	case STANDINGS_VERDICT:
		f->plan = tag(own, "plan_sha256");
		f->group = tag(own, "group_sha256");
		f->config = tag(own, "challenger_sha256");
		f->other = tag(own, "incumbent_sha256");
		break;
	case STANDINGS_PROMOTION:
		f->group = tag(own, "group_sha256");
		f->config = tag(own, "config_sha256");
		f->artifact = tag(own, "artifact_sha256");
		break;
	case STANDINGS_IMPORT:
		/* No group: whatever judges runs passes it by. */
		f->config = tag(own, "content_sha256");
		f->other = tag(own, "key_sha256");
		f->data = tag(own, "series_sha256");
		break;
	case STANDINGS_RUN:
	case STANDINGS_POLICY:
	case STANDINGS_KINDS:
		break;
	}
	if (f->kind == STANDINGS_RUN || f->kind == STANDINGS_VERDICT) {
		klass = verdict_class_find(jsonio_text(row, "verdict.class", ""));
		reason = verdict_reason_find(jsonio_text(row, "verdict.reason", ""));
		if (klass == -1 || reason == -1)
			goto err0;
		f->klass = (uint8_t)klass;
		f->reason = (uint8_t)reason;
	}
	return (0);
err0:
	errno = EBADMSG;
	return (-1);
}

json_t *
row_verdict(const struct verdict *v, const struct policy *p)
{
	json_t *j = json_object(), *changed = json_array();
	const char *name;
	unsigned i;

	json_object_set_new(j, "class", json_string(verdict_class_name(v->klass)));
	json_object_set_new(j, "reason", json_string(verdict_reason_name(v->reason)));
	for (i = 0; (name = verdict_changed_name(v->changed, i)) != NULL; i++)
		json_array_append_new(changed, json_string(name));
	/* Two changes at once: whichever it was, none may be credited. */
	json_object_set_new(j, "credited", i == 1 ? json_incref(json_array_get(changed, 0)) : json_null());
	json_object_set_new(j, "changed", changed);
	json_object_set_new(j, "metric",
	    v->metric < 0 ? json_null() : json_string(policy_metric_name((enum policy_metric)v->metric)));
	json_object_set_new(j, "direction", json_string(p->metric.sign > 0 ? "lower" : "higher"));
	json_object_set_new(j, "guarded_metric",
	    v->reason == VERDICT_GUARDED_METRIC ? json_string(policy_metric_name(p->guarded[v->guard].name)) :
						  json_null());
	json_object_set_new(j, "noise", json_string(v->calibrated ? "calibrated" : "uncalibrated"));
	json_object_set_new(j, "score", jsonio_real(v->score));
	json_object_set_new(j, "runs", json_integer(v->runs));
	json_object_set_new(j, "incumbent_score", jsonio_real(v->incumbent_score));
	json_object_set_new(j, "incumbent_runs", json_integer(v->incumbent_runs));
	json_object_set_new(j, "delta", jsonio_real(v->delta));
	json_object_set_new(j, "gain", jsonio_real(v->gain));
	json_object_set_new(j, "gain_lower", jsonio_real(v->lower));
	json_object_set_new(j, "gain_upper", jsonio_real(v->upper));
	json_object_set_new(j, "confidence", json_real(p->promotion.confidence));
	json_object_set_new(j, "margin", jsonio_real(v->margin));
	json_object_set_new(j, "se", jsonio_real(v->se));
	json_object_set_new(j, "p", jsonio_real(v->p));
	json_object_set_new(j, "p_loss", jsonio_real(v->p_loss));
	json_object_set_new(j, "level", jsonio_real(v->level));
	json_object_set_new(j, "rank_p", jsonio_real(v->rank_p));
	json_object_set_new(j, "lane_sd", jsonio_real(v->lane_sd));
	json_object_set_new(j, "sd", jsonio_real(v->sd));
	json_object_set_new(j, "incumbent_sd", jsonio_real(v->incumbent_sd));
	json_object_set_new(j, "prior_df", jsonio_real(v->prior_df));
	json_object_set_new(j, "power", jsonio_real(v->power));
	return (j);
}

/* Numbers of another machine's mathematics library may differ in their last digits. */
static int
same(const json_t *a, const json_t *b)
{
	double x, y;

	if (!json_is_number(a) || !json_is_number(b))
		return (json_equal(a, b));
	x = json_number_value(a);
	y = json_number_value(b);
	return (x == y || fabs(x - y) <= 1e-6 * fmax(fabs(x), fabs(y)));
}

int
row_differs(const json_t *says, const json_t *should, struct str *where)
{
	const char *key;
	const json_t *theirs;
	json_t *mine;
	char *a, *b;

	/* jansson iterates over values that are not const. */
	json_object_foreach((json_t *)(uintptr_t)should, key, mine) {
		theirs = json_object_get(says, key);
		/* Words follow from the numbers. */
		if ((theirs != NULL && same(mine, theirs)) || strcmp(key, "text") == 0)
			continue;
		a = theirs == NULL ? NULL : jsonio_line(theirs);
		b = jsonio_line(mine);
		(void)str_printf(where, "%s is %s and should be %s", key, a == NULL ? "missing" : a,
		    b == NULL ? "?" : b);
		free(a);
		free(b);
		return (1);
	}
	return (0);
}
