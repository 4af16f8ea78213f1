#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/jsonio.h"
#include "base/say.h"
#include "judge/confirmation.h"
#include "law/classify.h"
#include "law/explain.h"
#include "ledger/settings.h"
#include "ledger/witness.h"

/* A verdict's words have room for 4,096 bytes. */
enum { SETTINGS_BYTES = 1000 };

int
confirmation_incumbent(struct row *row, const struct row *of, double score, unsigned runs)
{
	row->after.config = row_text(row, of->run.config == NULL ? "" : of->run.config);
	row->after.run_id = row_text(row, of->run.run_id == NULL ? "" : of->run.run_id);
	row->after.row = of->number;
	row->after.score = score;
	row->after.runs = runs;
	return (row->after.config == NULL || row->after.run_id == NULL ? -1 : 0);
}

int
confirmation_incumbent_stays(const struct ledger *l, struct row *row, const struct standings_group *g,
    const struct noise_arm *arm)
{
	struct row reference;
	int rc;

	if (ledger_read(l, standings_fact(&l->book, g->reference), &reference) == -1)
		return (-1);
	rc = confirmation_incumbent(row, &reference, arm->n > 0 ? arm->mean : NAN, (unsigned)arm->n);
	row_free(&reference);
	return (rc);
}

struct explain_tokenizer
confirmation_tokenizer(const struct run_record *run)
{
	return ((struct explain_tokenizer){ run->tokenizer, row_keeps(run), run->val_lost });
}

const char *
confirmation_settings(const struct run_record *mine, const struct run_record *theirs, struct str *out)
{
	size_t n;

	if (mine->settings == NULL || theirs->settings == NULL ||
	    settings_differ(theirs->settings, mine->settings, ", ", out) == -1 || out->n == 0)
		return (NULL);
	if (out->n > SETTINGS_BYTES) {
		for (n = SETTINGS_BYTES; n > 0 && strncmp(out->p + n, ", ", 2) != 0; n--)
			;
		out->n = n;
		out->p[n] = '\0';
		if (str_printf(out, "%sand more", n == 0 ? "" : ", ") == -1)
			return (NULL);
	}
	return (out->p);
}

/* What the plan fixed. */
static int
put_plan(const struct ledger *l, const struct standings_fact *f, const struct row_plan *p, struct row *row)
{
	struct row_confirmation *c = &row->confirmation;
	char hex[SHA256_HEX_SIZE];

	if (ledger_digest(l, f, hex) == -1)
		return (-1);
	c->plan = row_text(row, hex);
	c->group = p->group;
	c->challenger = p->challenger.config;
	c->incumbent = p->incumbent.config;
	c->campaign = p->campaign;
	c->lane = p->lane;
	c->cap_ms = p->cap_ms;
	return (c->plan == NULL ? -1 : 0);
}

/* Rows and scores of both sides' first ${n} slots; ${last} gets the last run of each, freed by the caller. */
static int
put_sides(const struct ledger *l, const struct standings_plan *plan, unsigned n, enum policy_metric metric,
    struct row *row, struct row last[2])
{
	json_t *runs[2] = { json_array(), json_array() }, *scores[2] = { json_array(), json_array() };
	const struct standings_fact *f;
	char hex[SHA256_HEX_SIZE];
	unsigned k;
	int s, other[2] = { 0, 0 };

	row->confirmation.challenger_runs = row_hold(row, runs[1]);
	row->confirmation.incumbent_runs = row_hold(row, runs[0]);
	row->confirmation.challenger_scores = row_hold(row, scores[1]);
	row->confirmation.incumbent_scores = row_hold(row, scores[0]);
	for (k = 0; k < n; k++) {
		if (plan->slot[k].fact == 0)
			continue;
		f = standings_fact(&l->book, plan->slot[k].fact - 1);
		s = plan->slot[k].challenger;
		if (ledger_digest(l, f, hex) == -1)
			return (-1);
		/* One on the plan's own lane, if there is one. */
		if (last[s].number == 0 || f->lane == plan->lane || other[s]) {
			other[s] = f->lane != plan->lane;
			row_free(&last[s]);
			if (ledger_read(l, f, &last[s]) == -1)
				return (-1);
		}
		json_array_append_new(runs[s], json_string(hex));
		json_array_append_new(scores[s], jsonio_real(f->metric[metric]));
	}
	return (0);
}

/* How many lanes the first ${n} slots were run on. */
static unsigned
lanes_of(const struct standings *b, const struct standings_plan *plan, unsigned n)
{
	uint64_t lane;
	unsigned j, k, lanes = 0;

	for (k = 0; k < n; k++) {
		if (plan->slot[k].fact == 0)
			continue;
		lane = standings_fact(b, plan->slot[k].fact - 1)->lane;
		for (j = 0; plan->slot[j].fact == 0 || standings_fact(b, plan->slot[j].fact - 1)->lane != lane; j++)
			;
		lanes += j == k;
	}
	return (lanes);
}

static int
put_verdict(const struct ledger *l, const struct policy *rules, const struct row_plan *plan, const struct verdict *v,
    const struct row last[2], unsigned lanes, struct row *row)
{
	const struct policy *policy = rules;
	const char *init = jsonio_text(plan->challenger.spec, "digests.init_sha256", "none");
	struct explain tell = { .verdict = v,
		.policy = policy,
		.run = plan->challenger.run_id == NULL ? "?" : plan->challenger.run_id,
		.lane = plan->lane == NULL ? "?" : plan->lane,
		.lanes = lanes,
		.cap_ms = plan->cap_ms,
		.findings = "",
		.program = strcmp(jsonio_text(plan->challenger.spec, "system.backend", ""), "external") == 0,
		.given = strcmp(init, "none") == 0 ? NULL : init,
		.spent = (unsigned)plan->confirmation,
		.mine = confirmation_tokenizer(&last[1].run),
		.theirs = confirmation_tokenizer(&last[0].run) };
	struct str text = STR_INIT, settings = STR_INIT;

	tell.campaigns = standings_campaigns(&l->book, &tell.levels);
	tell.settings = confirmation_settings(&last[1].run, &last[0].run, &settings);
	row_put_verdict(row, v, policy);
	row->verdict.findings = row_hold(row, json_array());
	row->verdict.text = explain_confirmation(&text, &tell) == 0 ? row_text(row, text.p) : NULL;
	str_free(&text);
	str_free(&settings);
	return (row->verdict.findings == NULL || row->verdict.text == NULL ? -1 : 0);
}

/* The winner's standing is its own fresh runs. */
static int
put_incumbent(const struct ledger *l, const struct standings_plan *plan, const struct row last[2], struct row *row)
{
	const struct standings *b = &l->book;
	const struct standings_group *g = standings_group(b, plan->group);
	enum policy_metric metric = b->policy.metric.name;
	struct noise_arm arm;
	int side = row->verdict.is.klass == VERDICT_IMPROVEMENT;

	if (side || (last[0].number != 0 && !plan->paired && plan->filled == 2 * plan->n)) {
		arm = standings_arm(b, plan, side, metric, row->verdict.is.runs);
		return (confirmation_incumbent(row, &last[side], arm.mean, (unsigned)arm.n));
	}
	if (g == NULL)
		return (0);
	arm = standings_standing(b, standings_config(b, plan->group, plan->lane, plan->other), metric);
	return (confirmation_incumbent_stays(l, row, g, &arm));
}

int
confirmation_judge(const struct ledger *l, const struct standings_plan *plan, int given_up, struct row *row)
{
	const struct standings *b = &l->book;
	const struct standings_fact *pf = standings_row(b, plan->row);
	struct row planned = { .held = NULL }, last[2] = { { .held = NULL }, { .held = NULL } };
	enum policy_metric metric;
	struct verdict v;
	unsigned n;
	int rc = -1;

	row_init(row, STANDINGS_VERDICT);
	if (pf == NULL || ledger_read(l, pf, &planned) == -1 || ledger_start(l, row) == -1)
		goto err0;
	/* Its texts are borrowed. */
	if (row_hold(row, json_incref(planned.held)) == NULL)
		goto err0;
	v = given_up ? verdict_because(verdict_none(), VERDICT_ABANDONED) : classify_plan(b, plan);
	if (given_up && plan->paired) {
		memcpy(v.tries, plan->tries, sizeof(v.tries));
		memcpy(v.starved, plan->starved, sizeof(v.starved));
	}
	v.power = planned.plan.power;
	metric = v.metric < 0 ? b->policy.metric.name : (enum policy_metric)v.metric;
	/* Pairs that came in beside those that decide are no part of it. */
	n = 2 * (plan->paired && v.compared ? v.runs : plan->n);
	if (put_plan(l, pf, &planned.plan, row) == -1 || put_sides(l, plan, n, metric, row, last) == -1)
		goto err0;
	row->confirmation.cross_check = witness_documents(l, plan, n, metric);
	if (put_verdict(l, plan->paired ? &plan->policy : &b->policy, &planned.plan, &v, last, lanes_of(b, plan, n),
		row) == -1 ||
	    put_incumbent(l, plan, last, row) == -1)
		goto err0;
	rc = 0;
err0:
	if (rc == -1) {
		row_free(row);
		say_error("cannot judge the plan of '%s'", l->path);
	}
	row_free(&last[0]);
	row_free(&last[1]);
	row_free(&planned);
	return (rc);
}

int
confirmation_add(struct ledger *l, const struct standings_plan *plan, int given_up, struct row *row)
{
	if (confirmation_judge(l, plan, given_up, row) == -1)
		return (-1);
	if (ledger_append_row(l, row, NULL) == -1) {
		row_free(row);
		return (-1);
	}
	return (0);
}
