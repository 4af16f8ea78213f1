#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "judge/add.h"
#include "judge/confirmation.h"
#include "law/classify.h"
#include "schema/contract.h"
#include "base/exit.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "judge/plan.h"
#include "judge/replay.h"
#include "ledger/row.h"
#include "base/say.h"

/* A ledger that grows row by row as it once did. */
struct replay {
	struct ledger l;
	uint64_t number;
	uint64_t first;
	unsigned differ, judged;
	int broken;
};

static void
differs(struct replay *r, const char *what)
{
	say_error("row %llu differs: %s", (unsigned long long)r->number, what);
	if (r->differ++ == 0)
		r->first = r->number;
}

static void
compare(struct replay *r, const struct row *row, const struct row *should)
{
	struct str where = STR_INIT;

	if (row_differs(row, should, &where))
		differs(r, where.p == NULL ? "it is not what it should be" : where.p);
	str_free(&where);
}

static void
replay_run(struct replay *r, const struct row *row, const struct standings_fact *f)
{
	struct row should;

	r->judged++;
	if (standings_run(&r->l.book, f->run, f->attempt) != NULL)
		differs(r, "the same attempt of the same run stands in an earlier row");
	row_init(&should, STANDINGS_RUN);
	should.run = row->run;
	if (add_judge(&r->l, &should) == -1)
		r->broken = 1;
	else
		compare(r, row, &should);
	row_free(&should);
}

static void
replay_confirmation(struct replay *r, const struct row *row, const struct standings_fact *f)
{
	const struct standings_plan *plan = standings_plan(&r->l.book, f->plan);
	struct row should;
	int given_up = f->reason == VERDICT_ABANDONED;

	r->judged++;
	if (plan == NULL || plan->closed) {
		differs(r, "no open plan has the digest that it names");
		return;
	}
	if (!given_up && !classify_plan_ready(&r->l.book, plan)) {
		differs(r, "its plan was looked at before all runs were in");
		return;
	}
	if (confirmation_judge(&r->l, plan, given_up, &should) == -1) {
		r->broken = 1;
		return;
	}
	compare(r, row, &should);
	row_free(&should);
}

/* Is what a plan of pairs says was known before them what was known? */
static void
replay_prior(struct replay *r, const struct row_plan *p, const struct standings_fact *f)
{
	const int metric = p->metric == NULL ? -1 : policy_metric_find(p->metric);
	struct standings_prior should;
	double says[10], is[10];
	size_t i;

	if (f->place[0] != STANDINGS_PAIRED || metric < 0) {
		differs(r, "it has no pairs, and law 3 asks for them");
		return;
	}
	should = plan_prior(&r->l.book, f->group, f->lane, f->config, f->other, (enum policy_metric)metric);
	_Static_assert(sizeof(should) == sizeof(says), "numbers alone");
	memcpy(says, &f->prior, sizeof(says));
	memcpy(is, &should, sizeof(is));
	for (i = 0; i < sizeof(says) / sizeof(says[0]); i++)
		if (says[i] != is[i] && !(isnan(says[i]) && isnan(is[i])) &&
		    !(fabs(says[i] - is[i]) <= 1e-6 * fmax(fabs(says[i]), fabs(is[i])))) {
			differs(r, "what it says was known before its pairs is not what was known");
			return;
		}
}

/* A plan's lanes are of the machine class of its challenger's run, and calibrated where that counts. */
static void
replay_lanes(struct replay *r, const struct row_plan *p, const struct standings_fact *f)
{
	const struct standings *b = &r->l.book;
	const struct standings_fact *run = p->challenger.row < 1 || (uint64_t)p->challenger.row > standings_count(b) ?
	    NULL :
	    standings_fact(b, (size_t)p->challenger.row - 1);

	if (run == NULL || run->kind != STANDINGS_RUN || run->config != f->config || run->lane != f->lane ||
	    run->machine == 0 || run->machine != f->machine)
		differs(r, "its machine class is not its challenger's");
	else if (f->place[0] != STANDINGS_PAIRED)
		differs(r, "it has several lanes and no pairs");
	else if (plan_uncalibrated(b, run, p->lanes) != NULL)
		differs(r, "it names a lane that was not calibrated");
}

static void
replay_plan(struct replay *r, const struct row_plan *p, const struct standings_fact *f)
{
	struct standings_slot slot[2 * STANDINGS_SEEDS];
	const json_t *s;
	unsigned k;

	standings_slots(f, slot);
	if (json_array_size(p->slots) != 2 * f->n)
		differs(r, "it has not the runs that its seeds a side ask for");
	for (k = 0; k < 2 * f->n && k < json_array_size(p->slots); k++) {
		s = json_array_get(p->slots, k);
		if (jsonio_i64(s, "seed", -1) != slot[k].seed ||
		    jsonio_i64(s, "data_offset", STANDINGS_ANYWHERE) != slot[k].offset ||
		    (strcmp(jsonio_text(s, "side", ""), "challenger") == 0) != slot[k].challenger) {
			differs(r, "its seeds and places do not follow from its nonce");
			break;
		}
	}
	if (fabs(p->level - policy_level(&r->l.book.policy)) > 1e-12)
		differs(r, "its level is not the campaign's");
	if (standings_left(&r->l.book) == 0)
		differs(r, "its campaign had no confirmation left");
	if (r->l.book.policy.law >= 3)
		replay_prior(r, p, f);
	if (json_array_size(p->lanes) > 0)
		replay_lanes(r, p, f);
}

static void
replay_calibration(struct replay *r, const struct row_calibration *c, const struct standings_fact *f)
{
	switch (plan_calibrates(&r->l.book, c, f)) {
	case 1:
		break;
	case 0:
		differs(r, "it is not of all sound runs of its configuration, or its deviation is not theirs");
		break;
	default:
		r->broken = 1;
	}
}

/* Was its plan open and the slot free, or the run that had taken it known to have failed? */
static void
replay_take(struct replay *r, const struct standings_fact *f)
{
	const struct standings_plan *p = standings_plan(&r->l.book, f->plan);

	if (p == NULL || p->closed || !p->announced || f->n < 1 || f->n > 2 * p->n)
		differs(r, "no open plan has the slot that it takes");
	else if (f->interrupted) {
		if (p->slot[f->n - 1].fact != 0 || p->slot[f->n - 1].taken != f->run || p->slot[f->n - 1].released)
			differs(r, "the run that it calls lost had not the slot");
	} else if (p->slot[f->n - 1].fact != 0 || (p->slot[f->n - 1].taken != 0 && !p->slot[f->n - 1].released))
		differs(r, "another run had taken the slot");
}

static int
replay_row(void *arg, const char *line, size_t n, uint64_t offset, const char *digest)
{
	struct replay *r = arg;
	struct policy policy;
	struct standings_fact f;
	const char *no;
	char what[64];
	json_t *json;
	struct row row;

	r->number++;
	snprintf(what, sizeof(what), "row %llu", (unsigned long long)r->number);
	if ((json = contract_parse(line, n, what, "ledger_row")) == NULL || row_read(&row, json) == -1)
		return (1);
	if (row_fact(&row, &f) == -1) {
		say_error("%s is not whole", what);
		row_free(&row);
		return (1);
	}
	if (ledger_begins(r->number, row.kind) == -1) {
		row_free(&row);
		return (1);
	}
	f.offset = offset;
	f.length = (uint32_t)n;
	f.row = standings_tag(digest);
	switch ((enum standings_kind)f.kind) {
	case STANDINGS_RUN:
		replay_run(r, &row, &f);
		break;
	case STANDINGS_VERDICT:
		replay_confirmation(r, &row, &f);
		break;
	case STANDINGS_PLAN:
		replay_plan(r, &row.plan, &f);
		break;
	case STANDINGS_POLICY:
		if (r->l.book.policy.law >= 3 && standings_open_plan(&r->l.book, 0) != NULL)
			differs(r, "rules are never changed while a confirmation is open");
		if (policy_take(&policy, row.policy) == -1 || standings_policy(&r->l.book, &policy) == -1)
			r->broken = 1;
		break;
	case STANDINGS_TAKE:
		replay_take(r, &f);
		break;
	case STANDINGS_BASE:
		if (f.config != 0 && (no = classify_no_base(&r->l.book, f.group, f.lane, f.config)) != NULL)
			differs(r, no);
		break;
	case STANDINGS_CALIBRATION:
		if (r->l.book.policy.law >= 2)
			replay_calibration(r, &row.calibration, &f);
		break;
	case STANDINGS_PROMOTION:
	case STANDINGS_IMPORT:
	case STANDINGS_REVOCATION:
	case STANDINGS_NOTE:
	case STANDINGS_KINDS:
		break;
	}
	row_free(&row);
	memcpy(r->l.head, digest, SHA256_HEX_SIZE);
	if (standings_apply(&r->l.book, &f) == -1) {
		say_errno("cannot replay the ledger");
		return (1);
	}
	return (r->broken);
}

int
replay_ledger(const char *path, struct replay_view *view)
{
	struct replay r = { .l = { .dir = -1, .lock = -1, .rows = -1 } };
	char head[SHA256_HEX_SIZE];
	uint64_t size, count = 0;
	int rc, code;

	memset(view, 0, sizeof(*view));
	standings_init(&r.l.book);
	r.l.recent = calloc(1, sizeof(*r.l.recent));
	if ((r.l.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 ||
	    (r.l.rows = file_open(r.l.dir, LEDGER_ROWS, NULL)) == -1) {
		code = ledger_exit(errno);
		ledger_cannot_open(path);
		ledger_close(&r.l);
		return (code);
	}
	r.l.path = strdup(path);
	r.l.real = realpath(path, NULL);
	if (r.l.path == NULL || r.l.real == NULL) {
		ledger_close(&r.l);
		return (HG_EXIT_SYSTEM);
	}
	rc = ledger_settle(r.l.dir, path) == -1 ? -1 : ledger_walk(r.l.rows, replay_row, &r, &size, &count, head);
	if (rc == -1)
		code = ledger_exit(errno);
	else if (rc == 2)
		code = HG_EXIT_CONTRACT;
	else
		code = r.differ == 0 ? HG_EXIT_DONE : HG_EXIT_NO;
	view->rows = count;
	view->judged = r.judged;
	view->differ = r.differ;
	view->first = r.first != 0 ? r.first : code == HG_EXIT_CONTRACT ? r.number : 0;
	ledger_close(&r.l);
	return (code);
}
