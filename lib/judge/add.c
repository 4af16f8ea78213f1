#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "judge/add.h"
#include "base/atomfile.h"
#include "law/classify.h"
#include "base/clock.h"
#include "schema/contract.h"
#include "base/jsonio.h"
#include "ledger/row.h"
#include "law/validity.h"
#include "base/say.h"
#include "base/str.h"
#include "law/explain.h"
#include "ledger/witness.h"

void
add_free(struct add *a)
{
	json_decref(a->row);
	json_decref(a->confirmation);
	advice_free(&a->next);
	memset(a, 0, sizeof(*a));
}

/* The name of the incumbent's run that a group refers to, or NULL. Owns: the caller frees. */
static char *
reference_name(const struct ledger *l, uint64_t group)
{
	const struct standings_group *g = standings_group(&l->book, group);
	json_t *row;
	char *name;

	if (g == NULL || g->incumbent == 0 || (row = ledger_row(l, standings_fact(&l->book, g->reference))) == NULL)
		return (NULL);
	name = strdup(jsonio_text(row, "run.run_id", "?"));
	json_decref(row);
	return (name);
}

static void
findings_text(const json_t *findings, struct str *s)
{
	const json_t *f;
	size_t i;

	json_array_foreach(findings, i, f)
		(void)str_printf(s, "%s%s", i == 0 ? "" : "; ", jsonio_text(f, "detail", ""));
	if (s->n == 0)
		(void)str_puts(s, "evidence is missing");
}

static json_t *
add_verdict(const struct standings *b, const json_t *run, const char *incumbent, unsigned spent, struct verdict *out)
{
	struct standings_fact f;
	struct str text = STR_INIT, why = STR_INIT;
	struct explain tell = { .policy = &b->policy };
	json_t *findings = json_array(), *v;
	enum verdict_reason rule = validity_apply(run, findings);
	struct verdict verdict;

	row_run_fact(run, &f);
	verdict = classify_run(b, &f, rule);
	findings_text(findings, &why);
	tell.verdict = &verdict;
	tell.run = jsonio_text(run, "run_id", "?");
	tell.incumbent = incumbent;
	tell.lane = jsonio_text(run, "lane", "?");
	tell.cap_ms = jsonio_i64(run, "cap_ms", -1);
	tell.findings = why.p == NULL ? "" : why.p;
	tell.spent = spent;
	v = row_verdict(&verdict, &b->policy);
	if (v == NULL || explain_run(&text, &tell) != 0) {
		json_decref(v);
		v = NULL;
		errno = ENOMEM;
	} else {
		json_object_set(v, "findings", findings);
		json_object_set_new(v, "text", json_string(text.p));
	}
	json_decref(findings);
	str_free(&text);
	str_free(&why);
	if (out != NULL)
		*out = verdict;
	return (v);
}

/* {config_sha256, run_id, row, score, runs} of a configuration's run, by its row. */
static json_t *
incumbent_json(const json_t *row, double score, unsigned runs)
{
	return (json_pack("{s:s, s:s, s:o, s:o, s:i}", "config_sha256", jsonio_text(row, "run.config_sha256", ""),
	    "run_id", jsonio_text(row, "run.run_id", ""), "row", json_incref(json_object_get(row, "row")), "score",
	    jsonio_real(score), "runs", (int)runs));
}

/* Who is incumbent of the group once this run is in, and where it stands then. */
static json_t *
incumbent_after(const struct ledger *l, const json_t *row, const struct standings_fact *f, const struct verdict *v)
{
	const struct standings *b = &l->book;
	const struct standings_group *g = f->group == 0 ? NULL : standings_group(b, f->group);
	enum policy_metric m = b->policy.metric.name;
	const struct standings_stats *s;
	struct noise_arm arm;
	struct stats_sample loose;
	json_t *reference, *after;
	int takes_part = v->klass <= VERDICT_REGRESSION;

	if (takes_part && v->reason == VERDICT_FIRST)
		return (incumbent_json(row, f->metric[m], 1));
	if (g == NULL || g->incumbent == 0)
		return (json_null());
	s = standings_stats(b, standings_config(b, g->group, g->lane, g->incumbent));
	arm = standings_standing(b, standings_config(b, g->group, g->lane, g->incumbent), m);
	if (takes_part && v->reason == VERDICT_REPLICATE && f->config == g->incumbent) {
		if (f->lane != g->lane) {
			s = standings_stats(b, standings_config(b, g->group, f->lane, g->incumbent));
			arm = standings_standing(b, standings_config(b, g->group, f->lane, g->incumbent), m);
		}
		if ((s == NULL || s->recent[m].n < 2) && isfinite(f->metric[m])) {
			memset(&loose, 0, sizeof(loose));
			if (s != NULL)
				loose = s->loose[m];
			stats_sample_add(&loose, f->metric[m]);
			arm.n = loose.n;
			arm.mean = loose.mean;
		}
		return (incumbent_json(row, arm.mean, (unsigned)arm.n));
	}
	if ((reference = ledger_row(l, standings_fact(b, g->reference))) == NULL)
		return (NULL);
	after = incumbent_json(reference, arm.n > 0 ? arm.mean : NAN, (unsigned)arm.n);
	json_decref(reference);
	return (after);
}

json_t *
add_judged(struct ledger *l, json_t *run, struct verdict *v)
{
	const struct standings_plan *plan;
	const struct standings_fact *pf;
	struct standings_fact f;
	char hex[SHA256_HEX_SIZE], *incumbent;
	json_t *row, *part;
	unsigned slot;

	row_run_fact(run, &f);
	incumbent = reference_name(l, f.group);
	if ((row = ledger_begin(l, STANDINGS_RUN)) == NULL)
		goto err0;
	json_object_set(row, "run", run);
	if ((part = add_verdict(&l->book, run, incumbent, standings_spent(&l->book), v)) == NULL)
		goto err1;
	json_object_set_new(row, "verdict", part);
	json_object_set_new(part, "plan_sha256", json_null());
	if ((plan = v->reason == VERDICT_SLOT ? standings_slot(&l->book, &f, &slot) : NULL) != NULL) {
		if ((pf = standings_row(&l->book, plan->row)) == NULL || ledger_digest(l, pf, hex) == -1)
			goto err1;
		json_object_set_new(part, "plan_sha256", json_string(hex));
	}
	if ((part = incumbent_after(l, row, &f, v)) == NULL)
		goto err1;
	json_object_set_new(row, "incumbent_after", part);
	free(incumbent);
	return (row);
err1:
	json_decref(row);
err0:
	free(incumbent);
	say_error("cannot judge '%s'", jsonio_text(run, "run_id", "?"));
	return (NULL);
}

/* Everything about a run but the appending. */
static int
prepare(struct ledger *l, const char *path, int preview, struct add *out, struct standings_fact *f)
{
	const struct standings_fact *same, *before;
	struct verdict v;
	char hex[SHA256_HEX_SIZE];
	json_t *run = NULL, *row;
	int rc = -1;

	memset(out, 0, sizeof(*out));
	if (runrecord_run(path, l->real, &out->how, &run) == -1)
		return (-1);
	row_run_fact(run, f);
	/* Few runs are there already: one pass tells. */
	before = standings_run(&l->book, f->run, 0);
	same = before == NULL ? NULL : standings_run(&l->book, f->run, f->attempt);
	if (same != NULL) {
		if ((row = ledger_row(l, same)) == NULL || ledger_digest(l, same, out->digest) == -1)
			goto err0;
		if (strcmp(jsonio_text(row, "run.run_uid", ""), jsonio_text(run, "run_uid", "")) == 0) {
			out->already = (uint64_t)jsonio_i64(row, "row", 0);
			out->row = row;
			f->klass = same->klass;
			f->reason = same->reason;
			rc = advice_run(l, path, f, &out->next);
			goto err0;
		}
		json_decref(row);
	}
	if (out->how != RUNRECORD_CLOSED && !preview) {
		rc = 0;
		goto err0;
	}
	if (before != NULL) {
		if (ledger_digest(l, before, hex) == -1)
			goto err0;
		json_object_set_new(run, "supersedes", json_string(hex));
	}
	if ((out->row = add_judged(l, run, &v)) != NULL) {
		f->klass = (uint8_t)v.klass;
		f->reason = (uint8_t)v.reason;
		rc = advice_run(l, path, f, &out->next);
	}
err0:
	json_decref(run);
	if (rc == -1)
		add_free(out);
	return (rc);
}

int
add_preview(struct ledger *l, const char *path, struct add *out)
{
	struct standings_fact f;

	return (prepare(l, path, 1, out, &f));
}

int
add_run(struct ledger *l, const char *path, struct add *out)
{
	const struct standings_plan *plan;
	struct standings_fact f;
	size_t i;

	if (prepare(l, path, 0, out, &f) == -1)
		return (-1);
	if (out->already != 0) {
		/* A kill between row and witness, or between row and verdict, is made up for. */
		(void)witness_keep(l, path, out->row, out->digest);
	} else if (out->how != RUNRECORD_CLOSED)
		return (0);
	else {
		if (ledger_append(l, out->row, &f) == -1)
			goto err0;
		memcpy(out->digest, l->head, sizeof(out->digest));
	}
	for (i = 0; i < l->book.plan_count; i++) {
		plan = &l->book.plans[i];
		if (!plan->closed && classify_plan_ready(plan)) {
			json_decref(out->confirmation);
			out->confirmation = NULL;
			if (add_confirmation(l, plan, 0, &out->confirmation) == -1)
				goto err0;
		}
	}
	if (out->already == 0 || out->confirmation != NULL)
		(void)witness_keep(l, path, out->row, out->digest);
	return (0);
err0:
	add_free(out);
	return (-1);
}

json_t *
add_confirmation_row(struct ledger *l, const struct standings_plan *plan, int given_up)
{
	const struct standings *b = &l->book;
	const struct standings_fact *pf = standings_row(b, plan->row);
	struct verdict v;
	struct explain tell = { .policy = &b->policy };
	struct str text = STR_INIT;
	struct noise_arm arm;
	char hex[SHA256_HEX_SIZE];
	json_t *plan_row = NULL, *row = NULL, *own, *verdict, *side[2], *score[2], *last[2] = { NULL, NULL }, *slot_row;
	unsigned k;
	int s;

	if (pf == NULL || (plan_row = ledger_row(l, pf)) == NULL || ledger_digest(l, pf, hex) == -1)
		goto err0;
	if (given_up) {
		v = verdict_none();
		v.reason = VERDICT_ABANDONED;
	} else
		v = classify_plan(b, plan);
	v.power = jsonio_f64(plan_row, "plan.power", NAN);
	if ((row = ledger_begin(l, STANDINGS_VERDICT)) == NULL)
		goto err0;
	own = json_pack("{s:s, s:O, s:O, s:O, s:O, s:O, s:O}", "plan_sha256", hex, "group_sha256",
	    jsonio_get(plan_row, "plan.group_sha256"), "challenger_sha256",
	    jsonio_get(plan_row, "plan.challenger.config_sha256"), "incumbent_sha256",
	    jsonio_get(plan_row, "plan.incumbent.config_sha256"), "campaign", jsonio_get(plan_row, "plan.campaign"),
	    "lane", jsonio_get(plan_row, "plan.lane"), "cap_ms", jsonio_get(plan_row, "plan.cap_ms"));
	side[0] = json_array();
	side[1] = json_array();
	score[0] = json_array();
	score[1] = json_array();
	for (k = 0; k < 2 * plan->n; k++) {
		const struct standings_fact *f;

		if (plan->slot[k].fact == 0)
			continue;
		f = standings_fact(b, plan->slot[k].fact - 1);
		s = plan->slot[k].challenger;
		if (ledger_digest(l, f, hex) == -1 || (slot_row = ledger_row(l, f)) == NULL) {
			json_decref(own);
			own = NULL;
			break;
		}
		json_array_append_new(side[s], json_string(hex));
		json_array_append_new(score[s],
		    jsonio_real(f->metric[v.metric < 0 ? (int)b->policy.metric.name : v.metric]));
		json_decref(last[s]);
		last[s] = slot_row;
	}
	if (own == NULL) {
		for (s = 0; s < 2; s++) {
			json_decref(side[s]);
			json_decref(score[s]);
		}
		goto err1;
	}
	json_object_set_new(own, "challenger_runs", side[1]);
	json_object_set_new(own, "incumbent_runs", side[0]);
	json_object_set_new(own, "challenger_scores", score[1]);
	json_object_set_new(own, "incumbent_scores", score[0]);
	json_object_set_new(own, "cross_check", witness_documents(l, plan));
	json_object_set_new(row, row_kind_name(STANDINGS_VERDICT), own);
	tell.verdict = &v;
	tell.run = jsonio_text(plan_row, "plan.challenger.run_id", "?");
	tell.incumbent = jsonio_text(plan_row, "plan.incumbent.run_id", "?");
	tell.lane = jsonio_text(plan_row, "plan.lane", "?");
	tell.cap_ms = jsonio_i64(plan_row, "plan.cap_ms", -1);
	tell.findings = "";
	tell.spent = (unsigned)jsonio_i64(plan_row, "plan.confirmation", 0);
	verdict = row_verdict(&v, &b->policy);
	if (verdict == NULL || explain_confirmation(&text, &tell) != 0) {
		json_decref(verdict);
		goto err1;
	}
	json_object_set_new(verdict, "findings", json_array());
	json_object_set_new(verdict, "text", json_string(text.p));
	json_object_set_new(row, "verdict", verdict);
	/* The winner's standing is its own fresh runs. */
	if (v.klass == VERDICT_IMPROVEMENT) {
		arm = standings_arm(b, plan, 1, b->policy.metric.name);
		json_object_set_new(row, "incumbent_after", incumbent_json(last[1], arm.mean, (unsigned)arm.n));
	} else if (last[0] != NULL && plan->filled == 2 * plan->n) {
		arm = standings_arm(b, plan, 0, b->policy.metric.name);
		json_object_set_new(row, "incumbent_after", incumbent_json(last[0], arm.mean, (unsigned)arm.n));
	} else {
		const struct standings_group *g = standings_group(b, plan->group);

		slot_row = g == NULL ? NULL : ledger_row(l, standings_fact(b, g->reference));
		arm = standings_standing(b, standings_config(b, plan->group, plan->lane, plan->other),
		    b->policy.metric.name);
		json_object_set_new(row, "incumbent_after",
		    slot_row == NULL ? json_null() :
				       incumbent_json(slot_row, arm.n > 0 ? arm.mean : NAN, (unsigned)arm.n));
		json_decref(slot_row);
	}
	goto out;
err1:
	json_decref(row);
	row = NULL;
err0:
	say_error("cannot judge the plan of '%s'", l->path);
out:
	str_free(&text);
	json_decref(last[0]);
	json_decref(last[1]);
	json_decref(plan_row);
	return (row);
}

int
add_confirmation(struct ledger *l, const struct standings_plan *plan, int given_up, json_t **out)
{
	json_t *row;

	if ((row = add_confirmation_row(l, plan, given_up)) == NULL)
		return (-1);
	if (ledger_append(l, row, NULL) == -1) {
		json_decref(row);
		return (-1);
	}
	if (out != NULL)
		*out = row;
	else
		json_decref(row);
	return (0);
}
