#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/jsonio.h"
#include "base/jsonscan.h"
#include "base/say.h"
#include "base/str.h"
#include "ledger/row.h"
#include "schema/interrupted.h"

/* --- one table a member: key, form, place ------------------------------------ */

/* How a member stands in JSON; the first of them are explained in law/record.def. */
enum form {
	TEXT,
	NAME,
	COUNT,
	CAP,
	REAL,
	WHOLE,
	FLAG,
	YES,
	LIST,
	METRICS,
	NEST, /* an object with a table of its own */
	CLASS,
	REASON,
	CHANGED,
	CREDITED, /* what alone changed: follows from CHANGED */
	MEASURE,  /* a metric's name, or null for -1 */
	DIRECTION,
	NOISE,
	TALLY /* an unsigned */
};

struct member {
	const char *key;
	enum form form;
	size_t at;
	const struct member *nest; /* ends in a key of NULL */
	enum record_from from;
	const char *path;
	int later; /* of a later version: left out where it says nothing, so that rows of before keep their bytes */
};

#define AT(type, key, form, member) \
	{ \
		key, form, offsetof(struct type, member), NULL, RECORD_OWN, NULL, 0 \
	}
#define IN(type, key, member, table) \
	{ \
		key, NEST, offsetof(struct type, member), table, RECORD_OWN, NULL, 0 \
	}
#define AT_LATER(type, key, form, member) \
	{ \
		key, form, offsetof(struct type, member), NULL, RECORD_OWN, NULL, 1 \
	}
#define END \
	{ \
		NULL, TEXT, 0, NULL, RECORD_OWN, NULL, 0 \
	}

static const struct member run_members[] = {
#define MEMBER(form, member, key, from, path) MEMBER_SINCE(1, form, member, key, from, path)
#define MEMBER_SINCE(version, form, member, key, from, path) \
	{ key, form, offsetof(struct run_record, member), NULL, RECORD_##from, path, version > 1 },
#define METRIC(form, metric, from, path)
#include "law/record.def"
	END,
};

static const struct {
	enum policy_metric metric;
	enum form form;
	enum record_from from;
	const char *path;
} metrics[] = {
#define MEMBER(form, member, key, from, path)
#define MEMBER_SINCE(version, form, member, key, from, path)
#define METRIC(form, metric, from, path) { metric, form, RECORD_##from, path },
#include "law/record.def"
};

static const struct member arm_members[] = {
	AT(row_arm, "config_sha256", TEXT, config),
	AT(row_arm, "run_id", NAME, run_id),
	AT(row_arm, "row", COUNT, row),
	AT(row_arm, "dir", TEXT, dir),
	AT(row_arm, "spec", LIST, spec),
	END,
};

static const struct member prior_members[] = {
	AT(standings_prior, "lane_sd", REAL, lane_sd),
	AT(standings_prior, "ln_variance_spread", REAL, tau2),
	AT(standings_prior, "ln_variance", REAL, centre),
	AT(standings_prior, "ln_variance_doubt", REAL, doubt),
	AT(standings_prior, "incumbent_df", REAL, df),
	AT(standings_prior, "incumbent_ss", REAL, ss),
	AT(standings_prior, "pairs_ln_variance", REAL, pairs_e),
	AT(standings_prior, "pairs_precision", REAL, pairs_w),
	AT(standings_prior, "screened_gain", REAL, screened),
	END,
};

static const struct member plan_members[] = {
	AT(row_plan, "group_sha256", TEXT, group),
	AT(row_plan, "lane", NAME, lane),
	AT(row_plan, "cap_ms", CAP, cap_ms),
	AT(row_plan, "campaign", NAME, campaign),
	AT(row_plan, "confirmation", COUNT, confirmation),
	AT(row_plan, "confirmations", COUNT, confirmations),
	AT(row_plan, "level", REAL, level),
	AT(row_plan, "seeds_a_side", COUNT, seeds_a_side),
	AT(row_plan, "gain_sd", REAL, gain_sd),
	AT(row_plan, "power", REAL, power),
	AT(row_plan, "lane_sd", REAL, lane_sd),
	AT(row_plan, "cost_ms", COUNT, cost_ms),
	AT(row_plan, "nonce", TEXT, nonce),
	IN(row_plan, "challenger", challenger, arm_members),
	IN(row_plan, "incumbent", incumbent, arm_members),
	AT(row_plan, "slots", LIST, slots),
	AT_LATER(row_plan, "metric", TEXT, metric),
	AT_LATER(row_plan, "announced", FLAG, announced),
	{ "prior", NEST, offsetof(struct row_plan, prior), prior_members, RECORD_OWN, NULL, 1 },
	AT_LATER(row_plan, "lanes", LIST, lanes),
	AT_LATER(row_plan, "machine_sha256", TEXT, machine),
	END,
};

static const struct member take_members[] = {
	AT(row_take, "plan_sha256", TEXT, plan),
	AT(row_take, "slot", COUNT, slot),
	AT(row_take, "run_id", NAME, run_id),
	AT(row_take, "run_uid", TEXT, run_uid),
	AT(row_take, "dir", TEXT, dir),
	AT(row_take, "lane", NAME, lane),
	AT(row_take, "cap_ms", CAP, cap_ms),
	AT_LATER(row_take, "lost", FLAG, lost),
	END,
};

static const struct member base_members[] = {
	AT(row_base, "group_sha256", TEXT, group),
	AT(row_base, "lane", NAME, lane),
	AT(row_base, "cap_ms", CAP, cap_ms),
	AT(row_base, "config_sha256", TEXT, config),
	AT(row_base, "run_id", NAME, run_id),
	AT(row_base, "run_sha256", TEXT, run),
	AT(row_base, "steps", COUNT, steps),
	END,
};

static const struct member calibration_members[] = {
	AT(row_calibration, "group_sha256", TEXT, group),
	AT(row_calibration, "lane", NAME, lane),
	AT(row_calibration, "cap_ms", CAP, cap_ms),
	AT(row_calibration, "config_sha256", TEXT, config),
	AT(row_calibration, "runs", LIST, runs),
	AT(row_calibration, "metric", TEXT, metric),
	AT(row_calibration, "mean", REAL, mean),
	AT(row_calibration, "sd", REAL, sd),
	AT(row_calibration, "sd_lower", REAL, sd_lower),
	AT(row_calibration, "sd_upper", REAL, sd_upper),
	END,
};

static const struct member documents_members[] = {
	AT(row_documents, "documents", COUNT, documents),
	AT(row_documents, "gain_bits_per_byte", REAL, gain_bits_per_byte),
	AT_LATER(row_documents, "gain_nats_per_token", REAL, gain_nats_per_token),
	AT_LATER(row_documents, "metric", TEXT, metric),
	AT(row_documents, "se", REAL, se),
	END,
};

static const struct member confirmation_members[] = {
	AT(row_confirmation, "plan_sha256", TEXT, plan),
	AT(row_confirmation, "group_sha256", TEXT, group),
	AT(row_confirmation, "challenger_sha256", TEXT, challenger),
	AT(row_confirmation, "incumbent_sha256", TEXT, incumbent),
	AT(row_confirmation, "campaign", NAME, campaign),
	AT(row_confirmation, "lane", NAME, lane),
	AT(row_confirmation, "cap_ms", CAP, cap_ms),
	AT(row_confirmation, "challenger_runs", LIST, challenger_runs),
	AT(row_confirmation, "incumbent_runs", LIST, incumbent_runs),
	AT(row_confirmation, "challenger_scores", LIST, challenger_scores),
	AT(row_confirmation, "incumbent_scores", LIST, incumbent_scores),
	IN(row_confirmation, "cross_check", cross_check, documents_members),
	END,
};

static const struct member promotion_members[] = {
	AT(row_promotion, "group_sha256", TEXT, group),
	AT(row_promotion, "config_sha256", TEXT, config),
	AT(row_promotion, "run_id", NAME, run_id),
	AT(row_promotion, "run_sha256", TEXT, run),
	AT(row_promotion, "artifact_sha256", TEXT, artifact),
	AT(row_promotion, "confirmation_sha256", TEXT, confirmation),
	AT(row_promotion, "head_sha256", TEXT, head),
	AT(row_promotion, "conditions", LIST, conditions),
	AT_LATER(row_promotion, "scorer_sha256", TEXT, scorer),
	END,
};

static const struct member revocation_members[] = {
	AT(row_note, "group_sha256", TEXT, group),
	AT(row_note, "config_sha256", TEXT, config),
	AT(row_note, "run_id", NAME, run_id),
	AT(row_note, "run_sha256", TEXT, run),
	AT(row_note, "artifact_sha256", TEXT, artifact),
	AT(row_note, "promotion_sha256", TEXT, promotion),
	AT(row_note, "text", TEXT, text),
	AT(row_note, "scorer_sha256", TEXT, scorer),
	END,
};

static const struct member note_members[] = {
	AT(row_note, "group_sha256", TEXT, group),
	AT(row_note, "config_sha256", TEXT, config),
	AT(row_note, "run_id", NAME, run_id),
	AT(row_note, "run_sha256", TEXT, run),
	AT(row_note, "artifact_sha256", TEXT, artifact),
	AT(row_note, "word", TEXT, word),
	AT(row_note, "text", TEXT, text),
	END,
};

static const struct member import_members[] = {
	AT(row_import, "content_sha256", TEXT, content),
	AT(row_import, "key_sha256", TEXT, key),
	AT(row_import, "series_sha256", TEXT, series),
	AT(row_import, "title", TEXT, title),
	AT(row_import, "file", TEXT, file),
	END,
};

static const struct member verdict_members[] = {
	AT(row_verdict, "class", CLASS, is.klass),
	AT(row_verdict, "reason", REASON, is.reason),
	AT(row_verdict, "credited", CREDITED, is.changed),
	AT(row_verdict, "changed", CHANGED, is.changed),
	AT(row_verdict, "metric", MEASURE, is.metric),
	AT(row_verdict, "direction", DIRECTION, sign),
	AT(row_verdict, "guarded_metric", TEXT, guarded_metric),
	AT_LATER(row_verdict, "guard_value", REAL, is.guard_value),
	AT_LATER(row_verdict, "guard_reference", REAL, is.guard_reference),
	AT_LATER(row_verdict, "guard_tolerance", REAL, is.guard_tolerance),
	AT(row_verdict, "noise", NOISE, is.calibrated),
	AT(row_verdict, "score", REAL, is.score),
	AT(row_verdict, "runs", TALLY, is.runs),
	AT(row_verdict, "incumbent_score", REAL, is.incumbent_score),
	AT(row_verdict, "incumbent_runs", TALLY, is.incumbent_runs),
	AT(row_verdict, "delta", REAL, is.delta),
	AT(row_verdict, "gain", REAL, is.gain),
	AT(row_verdict, "gain_lower", REAL, is.lower),
	AT(row_verdict, "gain_upper", REAL, is.upper),
	AT(row_verdict, "confidence", REAL, confidence),
	AT(row_verdict, "margin", REAL, is.margin),
	AT(row_verdict, "se", REAL, is.se),
	AT(row_verdict, "p", REAL, is.p),
	AT(row_verdict, "p_loss", REAL, is.p_loss),
	AT(row_verdict, "level", REAL, is.level),
	AT(row_verdict, "rank_p", REAL, is.rank_p),
	AT(row_verdict, "lane_sd", REAL, is.lane_sd),
	AT(row_verdict, "sd", REAL, is.sd),
	AT(row_verdict, "incumbent_sd", REAL, is.incumbent_sd),
	AT(row_verdict, "prior_df", REAL, is.prior_df),
	AT(row_verdict, "power", REAL, is.power),
	AT_LATER(row_verdict, "odds", REAL, is.odds),
	AT_LATER(row_verdict, "expected_gain", REAL, is.expected),
	AT_LATER(row_verdict, "steps", TALLY, is.steps),
	AT_LATER(row_verdict, "incumbent_tries", TALLY, is.tries[0]),
	AT_LATER(row_verdict, "tries", TALLY, is.tries[1]),
	AT(row_verdict, "findings", LIST, findings),
	AT(row_verdict, "text", TEXT, text),
	END,
};

/* Of a run alone. */
static const struct member plan_member = AT(row_verdict, "plan_sha256", TEXT, plan);

static const struct member incumbent_members[] = {
	AT(row_incumbent, "config_sha256", TEXT, config),
	AT(row_incumbent, "run_id", NAME, run_id),
	AT(row_incumbent, "row", COUNT, row),
	AT(row_incumbent, "score", REAL, score),
	AT(row_incumbent, "runs", COUNT, runs),
	END,
};

static const struct member row_members[] = {
	AT(row, "prev", TEXT, prev),
	AT(row, "row", COUNT, number),
	AT(row, "added_at", TEXT, added_at),
	END,
};

/* After the kind's member. */
static const struct member first_members[] = {
	{ "ledger_uid", TEXT, offsetof(struct row, ledger_uid), NULL, RECORD_OWN, NULL, 1 },
	END,
};

/* A kind's name is the key of its member. */
static const struct {
	const char *name;
	size_t at;
	const struct member *members; /* NULL: kept as JSON */
} kinds[STANDINGS_KINDS] = {
	[STANDINGS_POLICY] = { "policy", offsetof(struct row, policy), NULL },
	[STANDINGS_RUN] = { "run", offsetof(struct row, run), run_members },
	[STANDINGS_CALIBRATION] = { "calibration", offsetof(struct row, calibration), calibration_members },
	[STANDINGS_PLAN] = { "plan", offsetof(struct row, plan), plan_members },
	[STANDINGS_VERDICT] = { "confirmation", offsetof(struct row, confirmation), confirmation_members },
	[STANDINGS_PROMOTION] = { "promotion", offsetof(struct row, promotion), promotion_members },
	[STANDINGS_IMPORT] = { "import", offsetof(struct row, import), import_members },
	[STANDINGS_TAKE] = { "take", offsetof(struct row, take), take_members },
	[STANDINGS_BASE] = { "base", offsetof(struct row, base), base_members },
	[STANDINGS_REVOCATION] = { "revocation", offsetof(struct row, note), revocation_members },
	[STANDINGS_NOTE] = { "note", offsetof(struct row, note), note_members },
};

const char *
row_kind_name(enum standings_kind kind)
{
	return (kinds[kind].name);
}

/* --- from JSON --------------------------------------------------------------- */

static int read_members(const struct member *m, void *base, const json_t *from);

/*
 * A member by name.  What we wrote has its members in the table's order, so that the next one is tried before it is
 * looked for.
 */
static const json_t *
next_member(json_t *object, void **next, const char *key)
{
	const json_t *v;

	if (*next == NULL || strcmp(json_object_iter_key(*next), key) != 0)
		return (json_object_get(object, key));
	v = json_object_iter_value(*next);
	*next = json_object_iter_next(object, *next);
	return (v);
}

static double
number(const json_t *v)
{
	return (json_is_number(v) ? json_number_value(v) : NAN);
}

static void
read_metrics(struct record_metrics *to, const json_t *from)
{
	json_t *object = (json_t *)(uintptr_t)from; /* jansson iterates over values that are not const */
	void *next = json_object_iter(object);
	size_t i;

	for (i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
		to->of[metrics[i].metric] = number(next_member(object, &next, policy_metric_name(metrics[i].metric)));
}

static unsigned
read_changed(const json_t *list)
{
	const json_t *v;
	const char *name;
	unsigned changed = 0, bit;
	size_t i;

	json_array_foreach(list, i, v)
		for (bit = 0; (name = verdict_changed_name(~0u, bit)) != NULL; bit++)
			if (json_is_string(v) && strcmp(name, json_string_value(v)) == 0)
				changed |= 1u << bit;
	return (changed);
}

/* 0, or -1 with errno EBADMSG: a name is none. */
static int
read_member(const struct member *m, void *base, const json_t *v)
{
	void *at = (char *)base + m->at;
	const char *text = json_string_value(v);
	int found;

	switch (m->form) {
	case NAME:
		if (text != NULL && !str_is_name(text)) {
			errno = EBADMSG;
			return (-1);
		}
		*(const char **)at = text;
		break;
	case TEXT:
		*(const char **)at = text;
		break;
	case COUNT:
	case CAP:
		*(int64_t *)at = json_is_integer(v) ? json_integer_value(v) : RECORD_NONE;
		break;
	case REAL:
	case WHOLE:
		*(double *)at = number(v);
		break;
	case FLAG:
		*(int *)at = json_is_boolean(v) ? json_is_true(v) : RECORD_NONE;
		break;
	case YES:
		*(int *)at = json_is_true(v);
		break;
	case LIST:
		*(const json_t **)at = v;
		break;
	case METRICS:
		read_metrics(at, v);
		break;
	case NEST:
		return (read_members(m->nest, at, v));
	case CLASS:
		found = text == NULL ? -1 : verdict_class_find(text);
		*(enum verdict_class *)at = found == -1 ? VERDICT_CLASSES : (enum verdict_class)found;
		break;
	case REASON:
		found = text == NULL ? -1 : verdict_reason_find(text);
		*(enum verdict_reason *)at = found == -1 ? VERDICT_REASONS : (enum verdict_reason)found;
		break;
	case CHANGED:
		*(unsigned *)at = read_changed(v);
		break;
	case CREDITED:
		break;
	case MEASURE:
		*(int *)at = text == NULL ? -1 : policy_metric_find(text);
		break;
	case DIRECTION:
		*(int *)at = text != NULL && strcmp(text, "higher") == 0 ? -1 : 1;
		break;
	case NOISE:
		*(int *)at = text != NULL && strcmp(text, "calibrated") == 0;
		break;
	case TALLY:
		*(unsigned *)at = json_is_integer(v) ? (unsigned)json_integer_value(v) : 0;
		break;
	}
	return (0);
}

static int
read_members(const struct member *m, void *base, const json_t *from)
{
	json_t *object = (json_t *)(uintptr_t)from; /* jansson iterates over values that are not const */
	void *next = json_object_iter(object);
	int rc = 0;

	for (; m->key != NULL && rc == 0; m++)
		rc = read_member(m, base, next_member(object, &next, m->key));
	return (rc);
}

static void
read_verdict(struct row_verdict *v, const json_t *from)
{
	(void)read_members(verdict_members, v, from);
	(void)read_member(&plan_member, v, json_object_get(from, plan_member.key));
	/* As it was foreseen, to the letter: a later one may know more classes and reasons. */
	if ((v->unknown = v->is.klass == VERDICT_CLASSES || v->is.reason == VERDICT_REASONS)) {
		v->is.klass = v->is.klass == VERDICT_CLASSES ? VERDICT_INVALID : v->is.klass;
		v->is.reason = v->is.reason == VERDICT_REASONS ? VERDICT_IMPOSSIBLE : v->is.reason;
	}
}

/* --- the same from tokens, for facts: of a list only that it is empty ------------------------------------ */

static double
scanned_number(const struct jsonscan_token *t)
{
	if (t != NULL && t->type == JSONSCAN_INTEGER)
		return ((double)t->integer);
	return (t != NULL && t->type == JSONSCAN_REAL ? t->real : NAN);
}

/* 0, or -1: what is there is for row_read to say. */
static int
scan_member(const struct jsonscan *s, const struct member *m, void *base, const struct jsonscan_token *t)
{
	void *at = (char *)base + m->at;
	const char *text = t != NULL && t->type == JSONSCAN_STRING ? t->text : NULL;
	uint32_t next = 0;
	size_t i;

	switch (m->form) {
	case NAME:
		*(const char **)at = text;
		return (text != NULL && !str_is_name(text) ? -1 : 0);
	case TEXT:
		*(const char **)at = text;
		return (0);
	case COUNT:
	case CAP:
		*(int64_t *)at = t != NULL && t->type == JSONSCAN_INTEGER ? t->integer : RECORD_NONE;
		return (0);
	case REAL:
	case WHOLE:
		*(double *)at = scanned_number(t);
		return (0);
	case FLAG:
		*(int *)at = t != NULL && (t->type == JSONSCAN_TRUE || t->type == JSONSCAN_FALSE) ?
		    t->type == JSONSCAN_TRUE :
		    RECORD_NONE;
		return (0);
	case YES:
		*(int *)at = t != NULL && t->type == JSONSCAN_TRUE;
		return (0);
	case LIST:
		return (t != NULL && t->type == JSONSCAN_ARRAY && t->n != 0 ? -1 : 0);
	case METRICS:
		for (i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
			((struct record_metrics *)at)->of[metrics[i].metric] = scanned_number(
			    jsonscan_member(s, t, policy_metric_name(metrics[i].metric), &next));
		return (0);
	default:
		return (-1);
	}
}

/* The table's row of a key, in its order from where the one before was found; or NULL. */
static const struct member *
member_of(const struct member *all, const struct member *from, const struct jsonscan_token *key)
{
	const struct member *m;

	for (m = from; m->key != NULL; m++)
		if (m->key[0] == key->text[0] && strcmp(m->key, key->text) == 0)
			return (m);
	for (m = all; m != from; m++)
		if (strcmp(m->key, key->text) == 0)
			return (m);
	return (NULL);
}

static int
scan_members(const struct jsonscan *s, const struct member *all, void *base, const struct jsonscan_token *object)
{
	const struct jsonscan_token *t, *end = &s->tokens[object == NULL ? 0 : object->next];
	const struct member *m, *from = all;
	int rc = 0;

	for (m = all; m->key != NULL; m++)
		(void)scan_member(s, m, base, NULL);
	if (object == NULL || object->type != JSONSCAN_OBJECT)
		return (0);
	for (t = object + 1; t < end && rc == 0; t = &s->tokens[t[1].next])
		if ((m = member_of(all, from, t)) != NULL) {
			rc = scan_member(s, m, base, t + 1);
			from = m + 1;
		}
	return (rc);
}

/*
 * A tag of what the settings of a run ask of arithmetic: of the values of two keys, or that they are not there, which
 * are the defaults.
 */
static uint16_t
asked(const char *arith, int64_t numerics)
{
	const uint64_t h = hash_text(arith == NULL ? "" : arith) * 31 + (uint64_t)numerics;

	return ((uint16_t)(h % UINT16_MAX + 1));
}

static uint16_t
asked_of(const json_t *settings)
{
	const json_t *numerics = json_object_get(settings, "train.numerics");

	return (!json_is_object(settings) ? 0 :
					    asked(json_string_value(json_object_get(settings, "train.arith")),
						json_is_integer(numerics) ? json_integer_value(numerics) : 0));
}

static uint16_t
scan_asked(const struct jsonscan *s, const struct jsonscan_token *settings)
{
	const struct jsonscan_token *arith, *numerics;
	uint32_t from = 0, again = 0;

	if (settings == NULL || settings->type != JSONSCAN_OBJECT)
		return (0);
	arith = jsonscan_member(s, settings, "train.arith", &from);
	numerics = jsonscan_member(s, settings, "train.numerics", &again);
	return (asked(arith != NULL && arith->type == JSONSCAN_STRING ? arith->text : NULL,
	    numerics != NULL && numerics->type == JSONSCAN_INTEGER ? numerics->integer : 0));
}

int
row_scan(struct row *r, const struct jsonscan *s)
{
	const struct jsonscan_token *own, *verdict, *klass, *reason, *kind, *row = &s->tokens[0];
	uint32_t at = 0, in = 0, within = 0;
	int k, why;

	row_init(r, STANDINGS_RUN);
	if (scan_members(s, row_members, r, row) == -1)
		return (-1);
	kind = jsonscan_member(s, row, "kind", &at);
	own = jsonscan_member(s, row, kinds[STANDINGS_RUN].name, &at);
	verdict = jsonscan_member(s, row, "verdict", &at);
	klass = jsonscan_member(s, verdict, "class", &in);
	reason = jsonscan_member(s, verdict, "reason", &in);
	if (kind == NULL || kind->type != JSONSCAN_STRING || strcmp(kind->text, kinds[STANDINGS_RUN].name) != 0 ||
	    own == NULL || own->type != JSONSCAN_OBJECT || scan_members(s, run_members, &r->run, own) == -1 ||
	    scan_members(s, incumbent_members, &r->after, jsonscan_member(s, row, "incumbent_after", &at)) == -1 ||
	    klass == NULL || klass->type != JSONSCAN_STRING || (k = verdict_class_find(klass->text)) == -1 ||
	    reason == NULL || reason->type != JSONSCAN_STRING || (why = verdict_reason_find(reason->text)) == -1)
		return (-1);
	r->run.asked = scan_asked(s, jsonscan_member(s, own, "settings", &within));
	r->verdict.is.klass = (enum verdict_class)k;
	r->verdict.is.reason = (enum verdict_reason)why;
	return (0);
}

void
row_init(struct row *r, enum standings_kind kind)
{
	memset(r, 0, sizeof(*r));
	r->kind = kind;
	r->whole = 1;
	r->verdict.is = verdict_none();
	r->verdict.sign = 1;
	r->after.score = NAN;
	r->plan.prior.lane_sd = NAN;
	r->plan.announced = RECORD_NONE;
	r->confirmation.cross_check.documents = RECORD_NONE;
	r->confirmation.cross_check.gain_bits_per_byte = NAN;
	r->confirmation.cross_check.gain_nats_per_token = NAN;
	r->confirmation.cross_check.se = NAN;
}

void
row_free(struct row *r)
{
	json_decref(r->held);
	memset(r, 0, sizeof(*r));
}

const json_t *
row_hold(struct row *r, json_t *v)
{
	if (v == NULL || (r->held == NULL && (r->held = json_array()) == NULL) ||
	    json_array_append_new(r->held, v) == -1) {
		errno = ENOMEM;
		return (NULL);
	}
	return (v);
}

const char *
row_text(struct row *r, const char *text)
{
	return (json_string_value(row_hold(r, json_string(text))));
}

int
row_read(struct row *r, json_t *row)
{
	const char *name;
	const json_t *own;
	int kind;

	row_init(r, STANDINGS_KINDS);
	if (row_hold(r, row) == NULL)
		return (-1);
	if (read_members(row_members, r, row) == -1 || read_members(first_members, r, row) == -1)
		goto err0;
	name = jsonio_text(row, "kind", "");
	for (kind = 0; kind < STANDINGS_KINDS && strcmp(kinds[kind].name, name) != 0; kind++)
		;
	r->kind = (enum standings_kind)kind;
	own = kind == STANDINGS_KINDS ? NULL : json_object_get(row, name);
	r->whole = json_is_object(own);
	if (kind == STANDINGS_KINDS)
		;
	else if (kinds[kind].members == NULL)
		*(const json_t **)(void *)((char *)r + kinds[kind].at) = own;
	else if (read_members(kinds[kind].members, (char *)r + kinds[kind].at, own) == -1)
		goto err0;
	if (r->kind == STANDINGS_RUN || r->kind == STANDINGS_VERDICT) {
		read_verdict(&r->verdict, json_object_get(row, "verdict"));
		if (read_members(incumbent_members, &r->after, json_object_get(row, "incumbent_after")) == -1)
			goto err0;
	}
	return (0);
err0:
	say_error("row %lld calls a run, a lane or a campaign what none may be called: 1 to %d of A-Z a-z 0-9 . _ - and"
		  " no dot first",
	    (long long)r->number, STR_NAME_MAX);
	row_free(r);
	errno = EBADMSG;
	return (-1);
}

int
row_read_run(struct row *r, json_t *run)
{
	row_init(r, STANDINGS_RUN);
	if (row_hold(r, run) == NULL)
		return (-1);
	return (read_members(run_members, &r->run, run));
}

void
row_take_run(struct run_record *run, const json_t *const from[RECORD_SOURCES])
{
	const struct member *m;
	size_t i;

	for (m = run_members; m->key != NULL; m++)
		(void)read_member(m, run, m->from == RECORD_OWN ? NULL : jsonio_get(from[m->from], m->path));
	for (i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
		run->metric.of[metrics[i].metric] = jsonio_f64(from[metrics[i].from], metrics[i].path, NAN);
}

/* --- to JSON ----------------------------------------------------------------- */

static json_t *
write_number(enum form form, double x)
{
	return (isfinite(x) && form == WHOLE ? json_integer((json_int_t)x) : jsonio_real(x));
}

static json_t *
write_metrics(const struct record_metrics *from)
{
	json_t *to = json_object();
	size_t i;

	for (i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
		/* Of a later version: left out where it says nothing, so that rows of before keep their bytes. */
		if (metrics[i].metric != POLICY_VALUE || !isnan(from->of[POLICY_VALUE]))
			json_object_set_new(to, policy_metric_name(metrics[i].metric),
			    write_number(metrics[i].form, from->of[metrics[i].metric]));
	return (to);
}

static json_t *
write_changed(unsigned changed)
{
	json_t *list = json_array();
	const char *name;
	unsigned i;

	for (i = 0; (name = verdict_changed_name(changed, i)) != NULL; i++)
		json_array_append_new(list, json_string(name));
	return (list);
}

static json_t *write_members(const struct member *m, const void *base);

/* A text or null. */
static json_t *
write_text(const char *text)
{
	return (text == NULL ? json_null() : json_string(text));
}

static json_t *
write_member(const struct member *m, const void *base)
{
	const void *at = (const char *)base + m->at;
	int64_t n;

	switch (m->form) {
	case TEXT:
	case NAME:
		return (write_text(*(const char *const *)at));
	case COUNT:
		n = *(const int64_t *)at;
		return (n == RECORD_NONE ? json_null() : json_integer(n));
	case CAP:
		n = *(const int64_t *)at;
		return (n == RECORD_NONE ? json_string("none") : json_integer(n));
	case REAL:
	case WHOLE:
		return (write_number(m->form, *(const double *)at));
	case FLAG:
		return (*(const int *)at == RECORD_NONE ? json_null() : json_boolean(*(const int *)at));
	case YES:
		return (json_boolean(*(const int *)at));
	case LIST:
		/* References are counted in values that are not const. */
		return (*(json_t *const *)at == NULL ? json_null() : json_incref(*(json_t *const *)at));
	case METRICS:
		return (write_metrics(at));
	case NEST:
		return (write_members(m->nest, at));
	case CLASS:
		return (json_string(verdict_class_name(*(const enum verdict_class *)at)));
	case REASON:
		return (json_string(verdict_reason_name(*(const enum verdict_reason *)at)));
	case CHANGED:
		return (write_changed(*(const unsigned *)at));
	case CREDITED:
		/* Two changes at once: whichever it was, none may be credited. */
		return (verdict_changed_name(*(const unsigned *)at, 1) != NULL ?
			json_null() :
			write_text(verdict_changed_name(*(const unsigned *)at, 0)));
	case MEASURE:
		return (*(const int *)at < 0 ? json_null() :
					       json_string(policy_metric_name(*(const enum policy_metric *)at)));
	case DIRECTION:
		return (json_string(*(const int *)at > 0 ? "lower" : "higher"));
	case NOISE:
		return (json_string(*(const int *)at ? "calibrated" : "uncalibrated"));
	case TALLY:
		return (json_integer(*(const unsigned *)at));
	}
	return (NULL);
}

static void
put_members(json_t *to, const struct member *m, const void *base)
{
	json_t *v;

	for (; m->key != NULL; m++) {
		v = write_member(m, base);
		if (m->later &&
		    (json_is_null(v) || (json_is_array(v) && json_array_size(v) == 0) ||
			(m->form == TALLY && json_integer_value(v) == 0)))
			json_decref(v);
		else
			json_object_set_new(to, m->key, v);
	}
}

static json_t *
write_members(const struct member *m, const void *base)
{
	json_t *to;

	/* What was not looked at. */
	if ((m == documents_members && ((const struct row_documents *)base)->documents == RECORD_NONE) ||
	    (m == prior_members && isnan(((const struct standings_prior *)base)->lane_sd)))
		return (json_null());
	to = json_object();
	put_members(to, m, base);
	return (to);
}

json_t *
row_envelope(const struct row *r)
{
	json_t *row = json_pack("{s:s, s:s, s:I, s:s, s:s}", "schema", ROW_SCHEMA, "prev", r->prev, "row",
	    (json_int_t)r->number, "added_at", r->added_at, "kind", kinds[r->kind].name);

	if (row == NULL)
		errno = ENOMEM;
	return (row);
}

json_t *
row_write(const struct row *r)
{
	json_t *row = row_envelope(r), *verdict;
	const void *own = (const char *)r + kinds[r->kind].at;

	if (row == NULL)
		return (NULL);
	json_object_set_new(row, kinds[r->kind].name,
	    kinds[r->kind].members == NULL ? json_incref(*(json_t *const *)own) :
					     write_members(kinds[r->kind].members, own));
	put_members(row, first_members, r);
	if (r->kind == STANDINGS_RUN || r->kind == STANDINGS_VERDICT) {
		verdict = write_members(verdict_members, &r->verdict);
		if (r->kind == STANDINGS_RUN)
			json_object_set_new(verdict, plan_member.key, write_member(&plan_member, &r->verdict));
		json_object_set_new(row, "verdict", verdict);
		json_object_set_new(row, "incumbent_after",
		    r->after.config == NULL ? json_null() : row_write_incumbent(&r->after));
	}
	return (row);
}

json_t *
row_write_incumbent(const struct row_incumbent *i)
{
	return (write_members(incumbent_members, i));
}

/* --- what judgement makes of it ---------------------------------------------- */

static int64_t
time_of(const char *text)
{
	int64_t ms;

	return (text != NULL && clock_parse(text, &ms) == 0 ? ms : 0);
}

/* "none" is a cap of its own. */
static uint64_t
lane_of(const char *lane, int64_t cap_ms)
{
	return (standings_lane_tag(lane == NULL ? "" : lane, cap_ms));
}

/* The digest of given weights; of the seed's there is none. */
static uint64_t
given(const char *init_sha256)
{
	return (init_sha256 == NULL || strcmp(init_sha256, "none") == 0 ? 0 : standings_tag(init_sha256));
}

/* Where a plan has the runs of a side begin. */
static int64_t
place_of(const struct row_plan *p, const struct row_arm *arm)
{
	if (json_object_get(json_array_get(p->slots, 0), "data_offset") == NULL)
		return (STANDINGS_ANYWHERE);
	if (given(jsonio_text(arm->spec, "digests.init_sha256", NULL)) != 0)
		return (STANDINGS_DRAWN);
	return (jsonio_i64(arm->spec, "train.data_offset", 0));
}

/* The lanes of a plan besides its own. 0, or -1 with errno EBADMSG: one is called what none may be, or too many. */
static int
take_lanes(const struct row_plan *p, struct standings_fact *f)
{
	const json_t *v;
	const char *name;
	uint64_t lane;
	size_t i, n = 0;

	json_array_foreach(p->lanes, i, v) {
		if ((name = json_string_value(v)) == NULL || !str_is_name(name))
			goto err0;
		if ((lane = lane_of(name, p->cap_ms)) == f->lane)
			continue;
		if (n == STANDINGS_LANES)
			goto err0;
		f->lanes[n++] = lane;
	}
	return (0);
err0:
	errno = EBADMSG;
	return (-1);
}

/* Is all that stands against the run that stages were interrupted? */
static int
interrupted(const struct run_record *run)
{
	const json_t *refusal;
	size_t i;

	json_array_foreach(run->refusals, i, refusal)
		if (!interrupted_kind(jsonio_text(refusal, "kind", "")))
			return (0);
	return (json_array_size(run->refusals) != 0 && json_array_size(run->problems) == 0 &&
	    json_array_size(run->mismatches) == 0);
}

/*
 * What stands for the artifact of a program that only says a number: all its digits.  Two seeds of one configuration
 * with the same ones mean that it ignores its seed; two configurations may well agree.
 */
static uint64_t
claim_of(const struct run_record *run)
{
	static const enum policy_metric said[] = { POLICY_VAL_LOSS, POLICY_VAL_BPB, POLICY_VAL_BPB_RAW, POLICY_VALUE };
	char text[256];
	int n = 0;
	size_t i;

	for (i = 0; i < sizeof(said) / sizeof(said[0]); i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%a ", run->metric.of[said[i]]);
	snprintf(text + n, sizeof(text) - (size_t)n, "%.64s", run->config == NULL ? "" : run->config);
	return (standings_text_tag(text));
}

enum standings_keeps
row_keeps(const struct run_record *run)
{
	if (run->val_kept == NULL || run->val_raw == NULL)
		return (STANDINGS_UNMEASURED);
	return (strcmp(run->val_kept, run->val_raw) == 0 ? STANDINGS_KEEPS_ALL : STANDINGS_LOSES);
}

static int
refused_with(const struct run_record *run, const char *kind)
{
	const json_t *refusal;
	size_t i;

	json_array_foreach(run->refusals, i, refusal)
		if (strcmp(jsonio_text(refusal, "kind", ""), kind) == 0)
			return (1);
	return (0);
}

static int
is_final(const struct run_record *run)
{
	const json_t *refusal;
	size_t i;

	json_array_foreach(run->refusals, i, refusal)
		if (interrupted_never(jsonio_text(refusal, "kind", "")))
			return (run->outrun != NULL && json_array_size(run->refusals) == 1 ? STANDINGS_OUTRUN :
											     STANDINGS_FINAL);
	return (STANDINGS_RETRYABLE);
}

void
row_run_fact(const struct run_record *run, struct standings_fact *f)
{
	memset(f, 0, sizeof(*f));
	f->kind = STANDINGS_RUN;
	f->run = standings_tag(run->run_uid);
	f->attempt = run->attempt == RECORD_NONE ? 1 : (uint32_t)run->attempt;
	/* One that was outrun belongs where it was, though it has no score that says so. */
	f->group = standings_tag(run->group != NULL ? run->group : run->outrun);
	f->cap_ms = run->cap_ms;
	f->lane = lane_of(run->lane, run->cap_ms);
	f->config = standings_tag(run->config);
	f->system = standings_tag(run->system);
	f->machine = standings_tag(run->machine);
	f->asked = run->settings != NULL ? asked_of(run->settings) : run->asked;
	f->model = standings_tag(run->model);
	f->trainer = standings_tag(run->trainer);
	f->data = standings_tag(run->data);
	f->tokenizer = standings_tag(run->tokenizer);
	f->artifact = run->evidence != NULL && strcmp(run->evidence, "claim") == 0 ? claim_of(run) :
										     standings_tag(run->artifact);
	f->starved = (uint8_t)run->starved;
	f->init = given(run->init);
	f->recipe = standings_tag(run->recipe);
	f->seed = run->seed == RECORD_NONE ? 0 : run->seed;
	f->stream = run->stream_tokens == RECORD_NONE ? 0 : run->stream_tokens;
	f->begins = run->data_offset == RECORD_NONE ? 0 : run->data_offset;
	if (f->stream > 0)
		f->begins %= f->stream;
	/* A row of 0.1 does not say. */
	f->clocked = run->schedule == NULL || strcmp(run->schedule, "wallclock") == 0;
	f->interrupted = (int8_t)interrupted(run);
	f->keeps = (int8_t)row_keeps(run);
	f->final = (int8_t)is_final(run);
	f->diverged = (int8_t)refused_with(run, "loss_diverged");
	f->started_ms = time_of(run->started_at);
	f->cost_ms = run->cost_ms == RECORD_NONE ? 0 : run->cost_ms;
	memcpy(f->metric, run->metric.of, sizeof(f->metric));
}

static uint32_t
note_does(const struct row *r)
{
	if (r->kind == STANDINGS_REVOCATION)
		return (ROW_NOTE_ALTERED);
	if (r->note.word == NULL)
		return (ROW_NOTE_ONLY);
	return (strcmp(r->note.word, "altered") == 0 ? ROW_NOTE_ALTERED :
		strcmp(r->note.word, "cleared") == 0 ? ROW_NOTE_CLEARED :
						       ROW_NOTE_ONLY);
}

int
row_fact(const struct row *r, struct standings_fact *f)
{
	if (r->kind == STANDINGS_RUN)
		row_run_fact(&r->run, f);
	else
		memset(f, 0, sizeof(*f));
	f->kind = (uint8_t)r->kind;
	f->at_ms = time_of(r->added_at);
	if (!r->whole)
		goto err0;
	switch (r->kind) {
	case STANDINGS_PLAN:
		f->group = standings_tag(r->plan.group);
		f->lane = lane_of(r->plan.lane, r->plan.cap_ms);
		f->config = standings_tag(r->plan.challenger.config);
		f->other = standings_tag(r->plan.incumbent.config);
		f->campaign = standings_text_tag(r->plan.campaign == NULL ? "" : r->plan.campaign);
		f->n = (uint32_t)r->plan.seeds_a_side;
		f->nonce = standings_tag(r->plan.nonce);
		f->place[0] = place_of(&r->plan, &r->plan.incumbent);
		f->place[1] = place_of(&r->plan, &r->plan.challenger);
		if (!isnan(r->plan.prior.lane_sd)) {
			f->place[0] = f->place[1] = STANDINGS_PAIRED;
			f->prior = r->plan.prior;
			/* What JSON has no number for. */
			if (isnan(f->prior.doubt))
				f->prior.doubt = INFINITY;
		}
		f->prior.level = r->plan.level;
		f->announced = r->plan.announced == 1;
		f->machine = standings_tag(r->plan.machine);
		if (take_lanes(&r->plan, f) == -1)
			goto err0;
		if (f->n < 2 || f->n > STANDINGS_SEEDS)
			goto err0;
		break;
	case STANDINGS_CALIBRATION:
		f->group = standings_tag(r->calibration.group);
		f->lane = lane_of(r->calibration.lane, r->calibration.cap_ms);
		f->config = standings_tag(r->calibration.config);
		f->n = (uint32_t)json_array_size(r->calibration.runs);
		break;
	case STANDINGS_VERDICT:
		f->plan = standings_tag(r->confirmation.plan);
		f->group = standings_tag(r->confirmation.group);
		f->config = standings_tag(r->confirmation.challenger);
		f->other = standings_tag(r->confirmation.incumbent);
		f->n = r->verdict.is.runs;
		break;
	case STANDINGS_PROMOTION:
		f->group = standings_tag(r->promotion.group);
		f->config = standings_tag(r->promotion.config);
		f->artifact = standings_tag(r->promotion.artifact);
		break;
	case STANDINGS_IMPORT:
		/* No group: whatever judges runs passes it by. */
		f->config = standings_tag(r->import.content);
		f->other = standings_tag(r->import.key);
		f->data = standings_tag(r->import.series);
		break;
	case STANDINGS_TAKE:
		f->plan = standings_tag(r->take.plan);
		f->run = standings_tag(r->take.run_uid);
		f->lane = lane_of(r->take.lane, r->take.cap_ms);
		f->n = (uint32_t)r->take.slot;
		f->interrupted = (int8_t)(r->take.lost == 1);
		break;
	case STANDINGS_BASE:
		f->group = standings_tag(r->base.group);
		f->lane = lane_of(r->base.lane, r->base.cap_ms);
		f->config = r->base.config == NULL ? 0 : standings_tag(r->base.config);
		break;
	case STANDINGS_REVOCATION:
	case STANDINGS_NOTE:
		f->group = standings_tag(r->note.group);
		f->config = standings_tag(r->note.config);
		f->artifact = standings_tag(r->note.artifact);
		f->other = standings_tag(r->note.run);
		f->n = note_does(r);
		break;
	case STANDINGS_POLICY:
		f->campaign = standings_text_tag(jsonio_text(r->policy, "campaign.name", ""));
		f->n = (uint32_t)jsonio_i64(r->policy, "campaign.confirmations", 0);
		f->prior.level = jsonio_f64(r->policy, "campaign.alpha", 0);
		break;
	case STANDINGS_RUN:
	case STANDINGS_KINDS:
		break;
	}
	if (r->kind == STANDINGS_RUN || r->kind == STANDINGS_VERDICT) {
		if (r->verdict.unknown)
			goto err0;
		f->klass = (uint8_t)r->verdict.is.klass;
		f->reason = (uint8_t)r->verdict.is.reason;
	}
	return (0);
err0:
	errno = EBADMSG;
	return (-1);
}

void
row_put_verdict(struct row *r, const struct verdict *v, const struct policy *p)
{
	r->verdict.is = *v;
	r->verdict.sign = p->metric.sign;
	r->verdict.confidence = p->promotion.confidence;
	r->verdict.guarded_metric = v->reason == VERDICT_GUARDED_METRIC ?
	    policy_metric_name(p->guarded[v->guard].name) :
	    NULL;
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

static int
members_differ(const struct member *m, const void *says, const void *should, struct str *where)
{
	json_t *a, *b;
	char *x, *y;
	int differ;

	for (; m->key != NULL; m++) {
		if (m->form == NEST || strcmp(m->key, "text") == 0)
			continue;
		a = write_member(m, says);
		b = write_member(m, should);
		if ((differ = !same(a, b))) {
			x = jsonio_line(a);
			y = jsonio_line(b);
			(void)str_printf(where, "%s is %s and should be %s", m->key, x == NULL ? "?" : x,
			    y == NULL ? "?" : y);
			free(x);
			free(y);
		}
		json_decref(a);
		json_decref(b);
		if (differ)
			return (1);
	}
	return (0);
}

/* What follows from where a run lies and when it is looked at, not from its receipts. */
static int
is_of_place(const struct member *m)
{
	static const char *const keys[] = { "run_id", "attempt", "supersedes", "dir", "refusals", "missing", "problems",
		"mismatches" };
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]) && strcmp(keys[i], m->key) != 0; i++)
		;
	return (i < sizeof(keys) / sizeof(keys[0]));
}

/* The first member of two objects that differs, and in *a and *b what it is in each; NULL for what are none. */
static const char *
part_that_differs(json_t **a, json_t **b)
{
	const char *key;
	json_t *v;

	json_object_foreach(*a, key, v)
		if (!json_equal(v, json_object_get(*b, key))) {
			*a = v;
			*b = json_object_get(*b, key);
			return (key);
		}
	return (NULL);
}

int
row_run_differs(const struct run_record *says, const struct run_record *is, struct str *where)
{
	const struct member *m;
	const char *part;
	json_t *a, *b, *p, *q;
	char *x, *y;
	int differ = 0;

	for (m = run_members; m->key != NULL && !differ; m++) {
		p = a = write_member(m, says);
		q = b = write_member(m, is);
		if (!is_of_place(m) && !(m->later && json_is_null(a)) && (differ = !json_equal(a, b))) {
			part = part_that_differs(&p, &q);
			x = jsonio_line(p);
			y = q == NULL ? NULL : jsonio_line(q);
			(void)str_printf(where, "%s is %s and was %s", part == NULL ? m->key : part,
			    y == NULL ? "not there" : y, x == NULL ? "?" : x);
			free(x);
			free(y);
		}
		json_decref(a);
		json_decref(b);
	}
	return (differ);
}

int
row_differs(const struct row *says, const struct row *should, struct str *where)
{
	const struct member plan[] = { plan_member, END };

	if (members_differ(verdict_members, &says->verdict, &should->verdict, where) ||
	    (should->kind == STANDINGS_RUN && members_differ(plan, &says->verdict, &should->verdict, where)) ||
	    (should->kind == STANDINGS_VERDICT &&
		members_differ(confirmation_members, &says->confirmation, &should->confirmation, where)))
		return (1);
	if ((says->after.config == NULL) != (should->after.config == NULL)) {
		(void)str_puts(where, "incumbent_after is not what it should be");
		return (1);
	}
	return (should->after.config != NULL && members_differ(incumbent_members, &says->after, &should->after, where));
}
