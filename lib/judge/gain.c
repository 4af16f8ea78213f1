#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/say.h"
#include "judge/gain.h"
#include "judge/note.h"
#include "law/classify.h"
#include "law/noise.h"
#include "law/verdict.h"
#include "ledger/row.h"

struct gain_way
gain_way_from(const struct standings_fact *run, size_t rows)
{
	return ((struct gain_way){ run->group, run->config, rows, 0 });
}

const struct standings_fact *
gain_back(const struct standings *b, struct gain_way *way)
{
	const struct standings_fact *f;

	for (; way->at > 0; way->at--) {
		f = standings_fact(b, way->at - 1);
		if (f->group != way->group || f->config != way->config)
			continue;
		if (f->kind == STANDINGS_PROMOTION && way->steps > 0)
			return (NULL);
		if (f->kind == STANDINGS_VERDICT && f->klass == VERDICT_IMPROVEMENT) {
			way->config = f->other;
			way->at--;
			way->steps++;
			return (f);
		}
	}
	return (NULL);
}

const char *
gain_of(const struct standings *b, const struct standings_fact *confirmation, struct gain *out)
{
	const struct policy *p = &b->policy;
	const struct standings_plan *plan = standings_plan(b, confirmation->plan);
	const struct standings_fact *mine = NULL, *theirs = NULL, *f;
	struct noise_before known;
	struct noise_spread spread;
	struct noise_pairs pairs;
	struct noise_arm arm[2];
	struct noise_pool pool;
	struct noise_test t;
	enum policy_metric m;
	double upper, scale;
	unsigned k;

	for (k = 0; plan != NULL && k < 2 * (plan->pairs != 0 ? plan->pairs : plan->n); k++) {
		/* A forged verdict may stand over a plan that was never filled. */
		if (plan->slot[k].fact == 0)
			continue;
		f = standings_fact(b, plan->slot[k].fact - 1);
		*(plan->slot[k].challenger ? &mine : &theirs) = f;
	}
	if (plan == NULL || mine == NULL || theirs == NULL)
		return ("its plan was never filled");
	if (p->promotion.unit == POLICY_NATS_PER_TOKEN && mine->tokenizer != theirs->tokenizer)
		return ("tokenizers differ");
	m = classify_metric(plan->paired ? &plan->policy : p, theirs, mine);
	scale = 1 / policy_convert(1, p->promotion.unit, m, mine->metric[POLICY_VAL_LOSS], mine->metric[m]);
	if (!isfinite(scale))
		return ("it was confirmed in another measure");
	if (plan->paired) {
		known = standings_planned(plan);
		pairs = standings_pairs(b, plan, m);
		if (pairs.n < 1 || noise_spread(&known, &spread) == -1)
			return ("it is not known of any pair");
		noise_bounds(&spread, &pairs, p->promotion.confidence, &out->lower, &upper);
		out->gain = pairs.mean;
		out->n = (unsigned)pairs.n;
	} else {
		arm[0] = standings_arm(b, plan, 0, m, 0);
		arm[1] = standings_arm(b, plan, 1, m, 0);
		if (arm[0].n < plan->n || arm[1].n < plan->n)
			return ("it is not known of all runs");
		pool = standings_pool(b, plan->group, plan->lane, plan->config, plan->other, m);
		t = noise_compare(&arm[0], &arm[1], &pool, p->metric.sign, 0, p->promotion.confidence);
		out->gain = t.gain;
		out->lower = t.lower;
		out->n = plan->n;
	}
	out->gain *= scale;
	out->lower *= scale;
	return (NULL);
}

/* Facts, each once. */
struct facts {
	const struct standings_fact **list;
	size_t n, cap;
};

static int
facts_add(void *arg, const struct standings_fact *f)
{
	const struct standings_fact **grown;
	struct facts *facts = arg;
	size_t i;

	for (i = 0; i < facts->n; i++)
		if (facts->list[i] == f)
			return (0);
	if ((grown = array_room(facts->list, facts->n, &facts->cap, sizeof(*grown))) == NULL)
		return (-1);
	facts->list = grown;
	grown[facts->n++] = f;
	return (0);
}

int
gain_calibrated(const struct ledger *l, const struct standings_fact *calibration, gain_each *each, void *arg)
{
	const struct standings_fact *run;
	const json_t *digest;
	struct row row;
	size_t i;
	int rc = 0;

	if (ledger_read(l, calibration, &row) == -1)
		return (-1);
	json_array_foreach(row.calibration.runs, i, digest)
		if ((run = standings_row(&l->book, standings_tag(json_string_value(digest)))) != NULL &&
		    run->kind == STANDINGS_RUN && (rc = each(arg, run)) != 0)
			break;
	row_free(&row);
	return (rc);
}

/* The runs that the confirmations of the gain rest on: their own, and those that calibrated their lanes before. */
static int
facts_of_gain(const struct ledger *l, struct gain_way way, struct facts *facts)
{
	const struct standings *b = &l->book;
	const struct standings_plan *plan;
	const struct standings_fact *confirmation, *f;
	unsigned k;
	size_t i;

	while ((confirmation = gain_back(b, &way)) != NULL) {
		if ((plan = standings_plan(b, confirmation->plan)) == NULL)
			continue;
		for (k = 0; k < 2 * plan->n; k++)
			if (plan->slot[k].fact != 0 &&
			    facts_add(facts, standings_fact(b, plan->slot[k].fact - 1)) == -1)
				return (-1);
		for (i = 0; i < way.at; i++) {
			f = standings_fact(b, i);
			if (f->kind == STANDINGS_CALIBRATION && f->group == plan->group && f->lane == plan->lane &&
			    gain_calibrated(l, f, facts_add, facts) == -1)
				return (-1);
		}
	}
	return (0);
}

/* One of them; what was found is put, with the run's name, behind what was said of others. */
static enum evidence
look_at(const struct ledger *l, const struct standings_fact *f, struct str said[])
{
	const struct standings_fact *bar;
	struct str found = STR_INIT, place = STR_INIT;
	enum evidence is = EVIDENCE_GONE;
	struct row row;

	if (ledger_read(l, f, &row) == -1)
		return (is);
	if (row.run.dir != NULL && ledger_place(l, row.run.dir, &place) == 0) {
		if ((bar = note_bar(&l->book, f, NULL)) != NULL) {
			is = EVIDENCE_DIFFERS;
			(void)note_tell(l, bar, &found);
		} else
			is = evidence_look(l, place.p, &row.run, &found);
		(void)str_printf(&said[is], "%s'%s' (row %lld): %s", said[is].n == 0 ? "" : "; ", place.p,
		    (long long)row.number, found.p == NULL ? "?" : found.p);
	}
	str_free(&place);
	str_free(&found);
	row_free(&row);
	return (is);
}

const struct standings_fact *
gain_bar(const struct ledger *l, const struct standings_fact *run, size_t rows)
{
	const struct standings_fact *bar = note_bar(&l->book, run, NULL);
	struct facts facts = { NULL, 0, 0 };
	size_t i;

	if (bar == NULL && facts_of_gain(l, gain_way_from(run, rows), &facts) == 0)
		for (i = 0; i < facts.n && bar == NULL; i++)
			bar = note_bar(&l->book, facts.list[i], NULL);
	free(facts.list);
	return (bar);
}

int
gain_look(const struct ledger *l, struct gain_way way, struct gain_runs *out)
{
	struct str said[] = { STR_INIT, STR_INIT, STR_INIT };
	size_t i, count[] = { 0, 0, 0 };
	struct facts facts = { NULL, 0, 0 };
	int rc = facts_of_gain(l, way, &facts);

	*out = (struct gain_runs){ EVIDENCE_SAME, facts.n, STR_INIT };
	for (i = 0; i < facts.n && rc == 0; i++)
		count[look_at(l, facts.list[i], said)]++;
	if (count[EVIDENCE_DIFFERS] != 0) {
		out->worst = EVIDENCE_DIFFERS;
		rc = str_printf(&out->found, "%zu of the %zu that the gain rests on: %s", count[EVIDENCE_DIFFERS],
		    facts.n, said[EVIDENCE_DIFFERS].p == NULL ? "?" : said[EVIDENCE_DIFFERS].p);
	} else if (count[EVIDENCE_GONE] != 0) {
		out->worst = EVIDENCE_GONE;
		rc = str_printf(&out->found, "%zu of the %zu that the gain rests on must be put back as they were: %s",
		    count[EVIDENCE_GONE], facts.n, said[EVIDENCE_GONE].p == NULL ? "?" : said[EVIDENCE_GONE].p);
	} else if (rc == 0)
		rc = str_printf(&out->found, "all %zu that the gain rests on are what their rows say", facts.n);
	if (rc == -1)
		say_errno("cannot look at the runs that a gain rests on");
	for (i = 0; i < sizeof(said) / sizeof(said[0]); i++)
		str_free(&said[i]);
	free(facts.list);
	return (rc);
}
