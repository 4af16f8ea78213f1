#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/exit.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "judge/gain.h"
#include "law/classify.h"
#include "ledger/settings.h"
#include "report/pagedata.h"

enum { TRIES = 8 };

void
pagedata_free(struct pagedata *s)
{
	size_t i;

	for (i = 0; i < s->run_count; i++) {
		free(s->runs[i].id);
		free(s->runs[i].dir);
		free(s->runs[i].hypothesis);
		free(s->runs[i].findings);
		free(s->runs[i].text);
		free(s->runs[i].boundary);
		free(s->runs[i].differs);
		free(s->runs[i].name);
		free(s->runs[i].side);
		json_decref(s->runs[i].settings);
	}
	for (i = 0; i < s->plan_count; i++) {
		free(s->plans[i].challenger);
		free(s->plans[i].incumbent_name);
		json_decref(s->plans[i].slots);
	}
	for (i = 0; i < s->promotion_count; i++)
		free(s->promotions[i].id);
	for (i = 0; i < s->confirmation_count; i++) {
		free(s->confirmations[i].challenger);
		free(s->confirmations[i].incumbent);
		free(s->confirmations[i].lane);
		free(s->confirmations[i].text);
		free(s->confirmations[i].campaign);
	}
	for (i = 0; i < s->group_count; i++) {
		free(s->groups[i].incumbent);
		free(s->groups[i].lane_name);
		free(s->groups[i].data);
		free(s->groups[i].law);
		free(s->groups[i].backend);
	}
	free(s->runs);
	free(s->plans);
	free(s->promotions);
	free(s->confirmations);
	free(s->groups);
	row_free(&s->open_row);
	str_free(&s->plateau_why);
	advice_free(&s->advice);
	timeline_free(&s->tracks);
	rejudge_free(&s->others);
	ledger_close(&s->l);
	memset(s, 0, sizeof(*s));
	s->l.dir = s->l.lock = s->l.rows = -1;
}

/* One more element, zeroed; NULL with errno ENOMEM. */
static void *
more(void **array, size_t *count, size_t *cap, size_t size)
{
	char *p;

	if ((p = array_room(*array, *count, cap, size)) == NULL)
		return (NULL);
	*array = p;
	p += *count * size;
	memset(p, 0, size);
	++*count;
	return (p);
}

static int
copy(char **out, const char *text, const char *fallback)
{
	return ((*out = strdup(text == NULL ? fallback : text)) == NULL ? -1 : 0);
}

static void
copy_hex(char out[SHA256_HEX_SIZE], const char *hex)
{
	strcpy(out, hex != NULL && strlen(hex) < SHA256_HEX_SIZE ? hex : "");
}

/* Why the evidence fails, in full: the rule's findings, and what a refusal says of itself. */
static int
take_findings(struct pagedata_run *r, const struct row *row)
{
	const json_t *f;
	struct str text = STR_INIT;
	size_t i;
	int rc = 0;

	json_array_foreach(row->verdict.findings, i, f)
		rc |= str_printf(&text, "%s%s", text.n == 0 ? "" : "; ", jsonio_text(f, "detail", ""));
	json_array_foreach(row->run.refusals, i, f)
		if (*jsonio_text(f, "detail", "") != '\0')
			rc |= str_printf(&text, "%s%s", text.n == 0 ? "" : ": ", jsonio_text(f, "detail", ""));
	if (rc == 0 && text.p == NULL)
		rc = str_puts(&text, "");
	r->findings = text.p;
	return (rc);
}

/* A count as a whole number, -1 if it is not known. */
static int64_t
whole(double x)
{
	return (isfinite(x) && fabs(x) < 0x1p63 ? (int64_t)x : -1);
}

/* What is set otherwise than in the incumbent's run before this row. */
static int
take_difference(struct pagedata *s, struct pagedata_run *r)
{
	const struct pagedata_group *g = pagedata_group(s, r->group);
	const struct pagedata_run *other = g == NULL ? NULL : pagedata_run(s, g->row);
	struct str text = STR_INIT;

	if (r->settings != NULL && other != NULL && other != r && other->settings != NULL) {
		r->against = other->row;
		if (settings_differ(other->settings, r->settings, "\n", &text) == -1) {
			str_free(&text);
			return (-1);
		}
	}
	r->differs = text.p;
	return (r->differs == NULL ? copy(&r->differs, NULL, "") : 0);
}

static const struct pagedata_plan *
plan_of(const struct pagedata *s, uint64_t digest)
{
	size_t i;

	for (i = s->plan_count; digest != 0 && i-- > 0;)
		if (s->plans[i].digest == digest)
			return (&s->plans[i]);
	return (NULL);
}

/* Whose run it is. All runs of a plan are made beside the challenger and bear its name, the incumbent's too. */
static int
take_name(const struct pagedata *s, struct pagedata_run *r, const struct row *row)
{
	const struct pagedata_plan *p = plan_of(s, standings_tag(row->verdict.plan));
	const char *side;
	struct str text = STR_INIT;
	const json_t *slot;
	size_t i;
	int rc = 0;

	if (p == NULL)
		return (copy(&r->name, r->id, "?") | copy(&r->side, NULL, ""));
	side = r->tag == p->incumbent ? "incumbent" : "challenger";
	rc |= str_printf(&text, "%s's side", side);
	json_array_foreach(p->slots, i, slot)
		if (jsonio_i64(slot, "seed", -1) == r->seed && strcmp(jsonio_text(slot, "side", ""), side) == 0) {
			rc |= p->paired ?
			    str_printf(&text, ", pair %zu of at most %zu", i / 2 + 1, json_array_size(p->slots) / 2) :
			    str_printf(&text, ", slot %zu of %zu", i + 1, json_array_size(p->slots));
			break;
		}
	r->side = text.p;
	return (rc | copy(&r->name, r->tag == p->incumbent ? p->incumbent_name : p->challenger, "?"));
}

static int
take_run(struct pagedata *s, const struct row *row, const char *digest)
{
	const struct run_record *run = &row->run;
	struct pagedata_run *r;

	if ((r = more((void **)&s->runs, &s->run_count, &s->run_cap, sizeof(*r))) == NULL)
		return (-1);
	r->row = (uint64_t)row->number;
	r->digest = standings_tag(digest);
	r->settings = json_is_object(run->settings) ? json_incref((json_t *)(uintptr_t)run->settings) : NULL;
	r->at_ms = s->last_ms;
	r->seed = run->seed;
	r->attempt = run->attempt == RECORD_NONE ? 1 : run->attempt;
	r->bytes = whole(run->metric.of[POLICY_TOTAL_BYTES]);
	r->cap_bytes = run->cap_bytes;
	r->train_ms = whole(run->metric.of[POLICY_TRAIN_MS]);
	r->cap_ms = run->cap_ms;
	r->cost_ms = run->cost_ms == RECORD_NONE ? -1 : run->cost_ms;
	r->gain = row->verdict.is.gain;
	r->gain_in = row->verdict.is.metric;
	r->averaged = row->verdict.is.runs;
	r->group = standings_tag(run->group);
	r->tag = standings_tag(run->config);
	copy_hex(r->config, run->config);
	copy_hex(r->report, run->training_report);
	r->klass = row->verdict.is.klass;
	r->reason = row->verdict.is.reason;
	s->classes[r->klass]++;
	r->changed = row->verdict.is.changed;
	if (copy(&r->id, run->run_id, "?") == -1 || take_name(s, r, row) == -1 || take_difference(s, r) == -1)
		return (-1);
	return (copy(&r->dir, run->dir, "") | copy(&r->hypothesis, run->hypothesis, "") |
	    copy(&r->text, row->verdict.text, "") | copy(&r->boundary, run->claim_boundary, "") |
	    take_findings(r, row));
}

/* What a confirmation says of itself, and its plan of the names. */
static int
take_confirmation(struct pagedata *s, const struct row *row, const char *digest)
{
	const struct row_confirmation *own = &row->confirmation;
	const struct verdict *v = &row->verdict.is;
	struct pagedata_confirmation *c;
	const struct pagedata_plan *p = plan_of(s, standings_tag(own->plan));
	const struct standings_fact *plan;
	struct row named;
	int rc;

	if ((c = more((void **)&s->confirmations, &s->confirmation_count, &s->confirmation_cap, sizeof(*c))) == NULL)
		return (-1);
	c->row = (uint64_t)row->number;
	c->digest = standings_tag(digest);
	c->at_ms = s->last_ms;
	c->group = standings_tag(own->group);
	c->tag = standings_tag(own->challenger);
	c->score = v->score;
	c->incumbent_score = v->incumbent_score;
	c->gain = v->gain;
	c->gain_in = v->metric;
	c->lower = v->lower;
	c->upper = v->upper;
	c->confidence = row->verdict.confidence;
	c->p = v->p;
	c->level = v->level;
	c->margin = v->margin;
	c->power = v->power;
	c->odds = v->odds;
	c->expected = v->expected;
	c->tries = v->tries[0] + v->tries[1];
	c->starved = v->starved[0] + v->starved[1];
	c->runs = (int)json_array_size(own->challenger_runs);
	c->incumbent_runs = (int)json_array_size(own->incumbent_runs);
	c->calibrated = v->calibrated;
	c->documents_gain = isfinite(own->cross_check.gain_nats_per_token) ? own->cross_check.gain_nats_per_token :
									     own->cross_check.gain_bits_per_byte;
	snprintf(c->documents_metric, sizeof(c->documents_metric), "%s",
	    own->cross_check.metric == NULL ? "" : own->cross_check.metric);
	c->documents_se = own->cross_check.se;
	c->klass = v->klass;
	c->reason = v->reason;
	row_init(&named, STANDINGS_PLAN);
	if ((plan = standings_row(&s->l.book, standings_tag(own->plan))) != NULL && plan->kind == STANDINGS_PLAN &&
	    ledger_read(&s->l, plan, &named) == -1)
		return (-1);
	c->challenger_row = (uint64_t)(named.plan.challenger.row == RECORD_NONE ? 0 : named.plan.challenger.row);
	c->number = (int)named.plan.confirmation;
	c->of = (int)named.plan.confirmations;
	c->slots = (unsigned)json_array_size(named.plan.slots);
	c->paired = named.plan.metric != NULL;
	rc = copy(&c->challenger, p == NULL ? NULL : p->challenger, "?") |
	    copy(&c->incumbent, p == NULL ? NULL : p->incumbent_name, "?") | copy(&c->lane, own->lane, "?") |
	    copy(&c->campaign, own->campaign, "?") | copy(&c->text, row->verdict.text, "");
	row_free(&named);
	return (rc);
}

/* Whose run a side was planned from: it may be one of an earlier plan. */
static int
copy_name(const struct pagedata *s, char **out, const struct row_arm *arm)
{
	const struct pagedata_run *r = arm->row < 1 ? NULL : pagedata_run(s, (uint64_t)arm->row);

	return (copy(out, r == NULL ? arm->run_id : r->name, "?"));
}

static int
take_plan(struct pagedata *s, const struct row *row, const char *digest)
{
	const struct row_plan *own = &row->plan;
	struct pagedata_plan *p;

	if ((p = more((void **)&s->plans, &s->plan_count, &s->plan_cap, sizeof(*p))) == NULL)
		return (-1);
	p->row = (uint64_t)row->number;
	p->digest = standings_tag(digest);
	p->group = standings_tag(own->group);
	p->incumbent = standings_tag(own->incumbent.config);
	p->paired = own->metric != NULL;
	p->slots = json_incref((json_t *)(uintptr_t)own->slots);
	return (copy_name(s, &p->challenger, &own->challenger) | copy_name(s, &p->incumbent_name, &own->incumbent));
}

static struct pagedata_group *
group_of(struct pagedata *s, const char *hex)
{
	struct pagedata_group *g;
	uint64_t tag = standings_tag(hex);
	size_t i;

	for (i = s->group_count; i-- > 0;)
		if (s->groups[i].group == tag)
			return (&s->groups[i]);
	if ((g = more((void **)&s->groups, &s->group_count, &s->group_cap, sizeof(*g))) != NULL) {
		g->group = tag;
		copy_hex(g->hex, hex);
	}
	return (g);
}

/* How the text is cut, up to the length of windows. */
static int
mode_words(const char *mode, struct str *out)
{
	if (strncmp(mode, "sliding:", 8) == 0)
		return (str_printf(out, "windows moved by %s of ", mode + 8));
	if (strcmp(mode, "documents") == 0)
		return (str_puts(out, "each document by itself, windows of "));
	if (strncmp(mode, "ttt:", 4) == 0)
		return (str_printf(out, "each document by itself, trained on chunks of %.*s at %s, windows of ",
		    (int)strcspn(mode + 4, ":"), mode + 4, mode + 4 + strcspn(mode + 4, ":") + 1));
	return (str_puts(out, "windows of "));
}

/* "windows of 64 tokens, first 50 documents": the keys of the eval law as people say them. */
static int
law_words(const json_t *settings, struct str *out)
{
	const char *mode = json_string_value(settings_value(settings, "eval.mode")),
		   *arith = json_string_value(settings_value(settings, "eval.arith"));
	const json_t *docs = settings_value(settings, "eval.docs");
	int rc;

	rc = mode_words(mode != NULL ? mode : "", out);
	rc |= settings_text(settings, "eval.seq_len", out) | str_puts(out, " tokens, ");
	if (json_is_integer(docs) && json_integer_value(docs) > 0)
		rc |= str_printf(out, "first %lld documents", (long long)json_integer_value(docs));
	else
		rc |= str_puts(out, "all documents");
	if (arith != NULL && strcmp(arith, "fp32") != 0)
		rc |= str_printf(out, ", %s", arith);
	return (rc == 0 ? 0 : -1);
}

/* How a group is called: by the last of its runs that knows. */
static int
take_names(struct pagedata *s, const struct run_record *run)
{
	struct pagedata_group *g;
	struct str law = STR_INIT;
	char *data, *backend;

	if (run->group == NULL)
		return (0);
	if ((g = group_of(s, run->group)) == NULL)
		return (-1);
	copy_hex(g->data_hex, run->data);
	copy_hex(g->eval_hex, run->eval);
	if (!json_is_object(run->settings) || run->data_name == NULL)
		return (0);
	data = strdup(run->data_name);
	backend = strdup(run->backend == NULL ? "" : run->backend);
	if (data == NULL || backend == NULL || law_words(run->settings, &law) == -1) {
		free(data);
		free(backend);
		str_free(&law);
		return (-1);
	}
	free(g->data);
	free(g->backend);
	free(g->law);
	g->data = data;
	g->backend = backend;
	g->law = law.p;
	return (0);
}

/* Who is incumbent after a row of this group, in this lane. */
static int
take_incumbent(struct pagedata *s, const struct row *row, const char *group, const char *in_lane, int64_t cap_ms)
{
	const struct row_incumbent *after = &row->after;
	struct pagedata_group *g;
	uint64_t tag;
	char *name, *lane;

	if (group == NULL || after->config == NULL)
		return (0);
	if ((g = group_of(s, group)) == NULL || copy(&name, after->run_id, "?") == -1)
		return (-1);
	if (copy(&lane, in_lane, "?") == -1) {
		free(name);
		return (-1);
	}
	free(g->incumbent);
	free(g->lane_name);
	g->incumbent = name;
	g->lane_name = lane;
	g->cap_ms = cap_ms;
	g->lane = standings_lane_tag(lane, g->cap_ms);
	g->last_row = (uint64_t)row->number;
	g->row = after->row == RECORD_NONE ? 0 : (uint64_t)after->row;
	g->score = after->score;
	g->runs = after->runs == RECORD_NONE ? 0 : (unsigned)after->runs;
	tag = standings_tag(after->config);
	if (g->tag != tag) {
		g->tag = tag;
		g->since = g->last_row;
		g->confirmation = row->kind == STANDINGS_VERDICT ? s->confirmation_count : 0;
		g->promoted = 0;
	}
	return (0);
}

static int
take_promotion(struct pagedata *s, const struct row *row)
{
	const struct row_promotion *own = &row->promotion;
	struct pagedata_promotion *p;
	struct pagedata_group *g;
	size_t i;

	if (own->group == NULL)
		return (0);
	if ((p = more((void **)&s->promotions, &s->promotion_count, &s->promotion_cap, sizeof(*p))) == NULL)
		return (-1);
	p->row = (uint64_t)row->number;
	p->group = standings_tag(own->group);
	p->tag = standings_tag(own->config);
	p->run = standings_tag(own->run);
	p->confirmation = standings_tag(own->confirmation);
	p->at_ms = s->last_ms;
	p->score = NAN;
	copy_hex(p->artifact, own->artifact);
	for (i = s->promotion_count - 1; i-- > 0;)
		if (s->promotions[i].group == p->group && s->promotions[i].next == 0)
			s->promotions[i].next = p->row;
	if (copy(&p->id, own->run_id, "?") == -1)
		return (-1);
	if ((g = group_of(s, row->promotion.group)) == NULL)
		return (-1);
	if (g->tag == standings_tag(row->promotion.config))
		g->promoted = (uint64_t)row->number;
	return (0);
}

/* A promotion that was revoked, or whose run somebody calls altered, does not stand until that is cleared. */
static int
take_note(struct pagedata *s, const struct row *row)
{
	const struct row_note *n = &row->note;
	struct pagedata_promotion *p;
	const int cleared = n->word != NULL && strcmp(n->word, "cleared") == 0;
	struct pagedata_group *g;
	size_t i;

	if (n->group == NULL || (row->kind == STANDINGS_NOTE && strcmp(n->word, "altered") != 0 && !cleared))
		return (0);
	if ((g = group_of(s, n->group)) == NULL)
		return (-1);
	for (i = s->promotion_count; i-- > 0;) {
		p = &s->promotions[i];
		if (p->group != g->group || p->run != standings_tag(n->run))
			continue;
		p->bar = cleared ? 0 : (uint64_t)row->number;
		if (p->tag == g->tag && p->next == 0)
			g->promoted = cleared ? p->row : 0;
	}
	return (0);
}

static int
take(struct pagedata *s, const struct row *row, const char *digest)
{
	const struct run_record *run = &row->run;
	const struct row_confirmation *c = &row->confirmation;

	(void)clock_parse(row->added_at == NULL ? "" : row->added_at, &s->last_ms);
	if (timeline_add(&s->tracks, row) != 0)
		return (-1);
	switch (row->kind) {
	case STANDINGS_RUN:
		if (take_run(s, row, digest) == -1 || take_names(s, run) == -1)
			return (-1);
		return (take_incumbent(s, row, run->group, run->lane, run->cap_ms));
	case STANDINGS_VERDICT:
		if (take_confirmation(s, row, digest) == -1)
			return (-1);
		return (take_incumbent(s, row, c->group, c->lane, c->cap_ms));
	case STANDINGS_PROMOTION:
		return (take_promotion(s, row));
	case STANDINGS_IMPORT:
		s->imports++;
		return (0);
	case STANDINGS_PLAN:
		return (take_plan(s, row, digest));
	case STANDINGS_REVOCATION:
	case STANDINGS_NOTE:
		return (take_note(s, row));
	case STANDINGS_POLICY:
	case STANDINGS_CALIBRATION:
	case STANDINGS_TAKE:
	case STANDINGS_BASE:
	case STANDINGS_KINDS:
		break;
	}
	return (0);
}

static int
take_row(void *arg, const char *line, size_t n, uint64_t offset, const char *digest)
{
	struct pagedata *s = arg;
	struct row row;
	json_t *json;
	int rc;

	/* What came in since the ledger was opened belongs to the next page. */
	if (offset >= s->l.size_bytes)
		return (1);
	if ((json = jsonio_parse(line, n, LEDGER_ROWS)) == NULL || row_read(&row, json) == -1)
		return (-1);
	rc = take(s, &row, digest);
	row_free(&row);
	if (rc != 0) {
		say_errno("cannot gather row %llu", (unsigned long long)s->tracks.rows);
		return (-1);
	}
	return (0);
}

/* Was a configuration decided on after a row? */
static int
decided(const struct pagedata *s, const struct pagedata_run *r)
{
	size_t i;

	for (i = s->confirmation_count; i-- > 0 && s->confirmations[i].row > r->row;)
		if (s->confirmations[i].tag == r->tag && s->confirmations[i].group == r->group)
			return (1);
	return (0);
}

/* Does a configuration that looked good once wait for its second run?  Law 2 took one such run for promising. */
static int
waits_for_second(const struct pagedata *s, const struct pagedata_run *r)
{
	const struct standings *b = &s->l.book;
	const struct standings_fact *f;

	if (b->policy.law < 3 || (r->reason != VERDICT_SECOND && r->reason != VERDICT_PROMISING) || r->row < 1 ||
	    r->row > standings_count(b))
		return (0);
	f = standings_fact(b, r->row - 1);
	if (f->kind != STANDINGS_RUN || standings_screening(b, f->group, f->lane, f->config) != f)
		return (0);
	return (r->reason == VERDICT_SECOND || standings_history(b, f, 0).screenings == 0);
}

struct fate {
	uint64_t tag;
	enum pagedata_fate fate;
};

static int
by_tag(const void *a, const void *b)
{
	const struct fate *x = a, *y = b;

	if (x->tag != y->tag)
		return (x->tag < y->tag ? -1 : 1);
	return ((x->fate > y->fate) - (x->fate < y->fate));
}

enum pagedata_fate
pagedata_fate(const struct pagedata_run *r)
{
	if (r->klass > VERDICT_REGRESSION)
		return (PAGEDATA_OUT);
	if (r->pending)
		return (r->second ? PAGEDATA_SECOND : PAGEDATA_WAITING);
	if (r->klass == VERDICT_REGRESSION)
		return (PAGEDATA_WORSE);
	/* One that was promising is what its confirmation says; one that was given up says nothing. */
	return (r->reason == VERDICT_WITHIN_NOISE ? PAGEDATA_NO_BETTER : PAGEDATA_UNKNOWN);
}

enum pagedata_fate
pagedata_fate_confirmed(enum verdict_class klass)
{
	return (klass == VERDICT_IMPROVEMENT ? PAGEDATA_BETTER :
		klass == VERDICT_REGRESSION  ? PAGEDATA_WORSE :
					       PAGEDATA_NO_BETTER);
}

static int
count_tried(struct pagedata *s)
{
	const struct pagedata_run *r;
	const struct pagedata_confirmation *c;
	struct fate *list;
	uint64_t first = 0;
	size_t n = 0, i;

	if (s->main == NULL)
		return (0);
	if ((list = calloc(s->run_count + s->confirmation_count + 1, sizeof(*list))) == NULL)
		return (-1);
	for (r = s->runs; r < s->runs + s->run_count; r++) {
		if (r->group == s->main->group && r->reason == VERDICT_FIRST)
			first = r->tag;
		if (r->group == s->main->group || (r->group == 0 && timeline_of(&s->tracks, r->row) == s->track))
			list[n++] = (struct fate){ r->tag, pagedata_fate(r) };
	}
	for (c = s->confirmations; c < s->confirmations + s->confirmation_count; c++)
		if (c->group == s->main->group && !verdict_reason_aside(c->reason))
			list[n++] = (struct fate){ c->tag, pagedata_fate_confirmed(c->klass) };
	qsort(list, n, sizeof(*list), by_tag);
	for (i = 0; i < n; i++)
		if (list[i].tag != first && (i + 1 == n || list[i + 1].tag != list[i].tag))
			s->tried[list[i].fate]++;
	free(list);
	return (0);
}

/* A promotion that stands falls with a run that its gain rests on, too. */
static void
settle_bar(struct pagedata *s, struct pagedata_promotion *p)
{
	const struct standings *b = &s->l.book;
	const struct standings_fact *run = standings_row(b, p->run), *bar;
	size_t i;

	if (p->bar != 0 || p->next != 0 || run == NULL || (bar = gain_bar(&s->l, run, (size_t)p->row - 1)) == NULL)
		return;
	for (i = 0; i < standings_count(b) && standings_fact(b, i) != bar; i++)
		;
	p->bar = (uint64_t)i + 1;
	for (i = 0; i < s->group_count; i++)
		if (s->groups[i].group == p->group && s->groups[i].tag == p->tag)
			s->groups[i].promoted = 0;
}

/* From digests to the rows that have them. */
static void
settle_promotions(struct pagedata *s)
{
	struct pagedata_promotion *p;
	uint64_t run, confirmation;
	size_t i;

	for (p = s->promotions; p < s->promotions + s->promotion_count; p++) {
		run = confirmation = 0;
		settle_bar(s, p);
		for (i = 0; i < s->run_count; i++)
			if (s->runs[i].digest == p->run) {
				run = s->runs[i].row;
				p->score = s->runs[i].score;
			}
		for (i = 0; i < s->confirmation_count; i++)
			if (s->confirmations[i].digest == p->confirmation)
				confirmation = s->confirmations[i].row;
		p->run = run;
		p->confirmation = confirmation;
	}
}

/* What is still open, once all rows are in. */
static int
settle(struct pagedata *s)
{
	const struct standings_plan *p = NULL;
	const struct timeline_point *q;
	const struct standings_fact *f;
	const struct timeline *k;
	struct pagedata_run *r;
	unsigned slot, i;

	timeline_finish(&s->tracks);
	/* Rows, tracks and runs are all in order, so that one pass matches scores to runs. */
	for (r = s->runs; r < s->runs + s->run_count; r++)
		r->score = NAN;
	for (k = s->tracks.list; k < s->tracks.list + s->tracks.count; k++)
		for (q = k->points, r = s->runs; q < k->points + k->count; q++) {
			if (q->confirmation)
				continue;
			while (r < s->runs + s->run_count && r->row < q->row)
				r++;
			if (r < s->runs + s->run_count && r->row == q->row)
				r->score = q->score;
		}
	settle_promotions(s);
	s->spent = standings_spent(&s->l.book);
	s->left = standings_left(&s->l.book);
	s->campaigns = standings_campaigns(&s->l.book, &s->levels);
	s->odds = NAN;
	if (plan_open(&s->l, &p, &slot, &s->open_row) == 1)
		s->open = &s->open_row.plan;
	if (p != NULL) {
		s->slots = 2 * p->n;
		s->odds = classify_odds(&s->l.book, p, &s->pairs);
		for (i = 0; i < 2 * p->n; i++) {
			s->filled += p->slot[i].fact != 0;
			f = p->slot[i].fact == 0 ? NULL : standings_fact(&s->l.book, p->slot[i].fact - 1);
			for (r = s->runs + s->run_count; f != NULL && r-- > s->runs;)
				if (r->row == p->slot[i].fact) {
					r->pending = 1;
					break;
				}
		}
	}
	for (r = s->runs; r < s->runs + s->run_count; r++) {
		r->second = !decided(s, r) && waits_for_second(s, r);
		if (r->second || (r->reason == VERDICT_PROMISING && !decided(s, r)))
			r->pending = 1;
		s->pending += (size_t)r->pending;
	}
	for (i = 0; i < s->group_count; i++)
		if (s->groups[i].last_row > (s->main == NULL ? 0 : s->main->last_row))
			s->main = &s->groups[i];
	s->track = s->main == NULL ? NULL : timeline_of(&s->tracks, s->main->last_row);
	if (count_tried(s) == -1)
		return (-1);
	s->plateau = plateau_look(&s->l.book);
	if (plateau_tell(&s->plateau, &s->l.book, &s->plateau_why) == -1 || advice_ledger(&s->l, &s->advice) == -1)
		return (-1);
	if (s->main != NULL && s->main->row >= 1 && s->main->row <= standings_count(&s->l.book) &&
	    standings_fact(&s->l.book, s->main->row - 1)->kind == STANDINGS_RUN)
		return (promote_look(&s->l, standings_fact(&s->l.book, s->main->row - 1), &s->promote));
	return (0);
}

/* One reading; DONE, or NOT_YET if the ledger grew meanwhile. */
static int
read_once(struct pagedata *s, const char *path)
{
	char head[SHA256_HEX_SIZE];
	uint64_t size, count;
	int code, rc;

	if ((code = verify_ledger(path, NULL, 0, &s->verify)) != HG_EXIT_DONE)
		return (code);
	if (ledger_open(&s->l, path, LEDGER_READ) == -1)
		return (ledger_exit(errno));
	if (strcmp(s->l.head, s->verify.head) != 0)
		return (HG_EXIT_NOT_YET);
	rc = ledger_walk(s->l.rows, take_row, s, &size, &count, head);
	if (rc == -1)
		return (ledger_exit(errno));
	if (s->tracks.rows != s->verify.rows)
		return (HG_EXIT_CONTRACT);
	/* A verdict that does not follow is no reason to show none of them; the page says so above all else. */
	if ((code = replay_ledger(path, &s->replay)) == HG_EXIT_SYSTEM)
		return (code);
	if (s->replay.rows > s->verify.rows)
		return (HG_EXIT_NOT_YET);
	if (s->imports > 0 && rejudge_ledger(&s->others, &s->l, &s->look) == -1)
		return (ledger_exit(errno));
	if (rejudge_misses(&s->others, &s->look))
		return (HG_EXIT_CONTRACT);
	if (settle(s) == -1) {
		say_errno("cannot gather what '%s' says", path);
		return (HG_EXIT_SYSTEM);
	}
	return (HG_EXIT_DONE);
}

int
pagedata_read(struct pagedata *s, const char *path, const struct claimrow_look *look)
{
	int i, code;

	memset(s, 0, sizeof(*s));
	s->l.dir = s->l.lock = s->l.rows = -1;
	for (i = 0; i < TRIES; i++) {
		s->look = *look;
		if ((code = read_once(s, path)) == HG_EXIT_DONE)
			return (code);
		pagedata_free(s);
		if (code != HG_EXIT_NOT_YET)
			return (code);
	}
	say_error("'%s' grows faster than it can be read", path);
	return (HG_EXIT_NOT_YET);
}

const struct pagedata_run *
pagedata_run(const struct pagedata *s, uint64_t row)
{
	size_t low = 0, high = s->run_count, at;

	while (low < high) {
		at = low + (high - low) / 2;
		if (s->runs[at].row == row)
			return (&s->runs[at]);
		if (s->runs[at].row < row)
			low = at + 1;
		else
			high = at;
	}
	return (NULL);
}

const struct pagedata_group *
pagedata_group(const struct pagedata *s, uint64_t tag)
{
	size_t i;

	for (i = s->group_count; tag != 0 && i-- > 0;)
		if (s->groups[i].group == tag)
			return (&s->groups[i]);
	return (NULL);
}

const struct pagedata_plan *
pagedata_plan(const struct pagedata *s, uint64_t row)
{
	size_t i;

	for (i = s->plan_count; row != 0 && i-- > 0;)
		if (s->plans[i].row == row)
			return (&s->plans[i]);
	return (NULL);
}

const struct pagedata_confirmation *
pagedata_confirmation(const struct pagedata *s, uint64_t row)
{
	size_t i;

	for (i = s->confirmation_count; row != 0 && i-- > 0;)
		if (s->confirmations[i].row == row)
			return (&s->confirmations[i]);
	return (NULL);
}

int
pagedata_place(const struct pagedata *s, const char *dir, struct str *out)
{
	return (ledger_place(&s->l, dir, out));
}
