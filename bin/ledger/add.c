#include <errno.h>
#include <stdio.h>

#include "base/exit.h"
#include "base/jsonio.h"
#include "base/out.h"
#include "base/say.h"
#include "base/shell.h"
#include "base/str.h"
#include "bin/ledger/command.h"
#include "judge/add.h"
#include "law/classify.h"
#include "law/explain.h"
#include "run/rundir.h"

static void
print_next(const struct advice *next)
{
	if (next->command.p != NULL)
		out_put("next: %s\n      %s\n", next->command.p, next->why.p);
	else
		out_put("next: %s\n", next->why.p);
}

/* How a confirmation stands after one more of its runs, and what it costs at most. */
static void
print_odds(const struct ledger *l, const struct add *a)
{
	const struct standings_plan *p;
	struct str s = STR_INIT;
	unsigned pairs, beside, left, lanes;
	int look;
	double odds;
	int64_t cost = a->row.run.cost_ms == RECORD_NONE ? 0 : a->row.run.cost_ms;

	for (p = l->book.plans; p < l->book.plans + l->book.plan_count && a->row.verdict.plan != NULL; p++) {
		if (p->closed || !p->paired || p->row != standings_tag(a->row.verdict.plan))
			continue;
		odds = classify_odds(&l->book, p, &pairs);
		for (lanes = 1; lanes <= STANDINGS_LANES && p->lanes[lanes - 1] != 0; lanes++)
			;
		beside = p->filled - 2 * pairs;
		left = 2 * p->n - p->filled;
		/* Half a pair tells nothing, nor does one before which another is missing. */
		look = pairs > 0 && p->last / 2 < pairs;
		if (look)
			(void)(explain_odds(&s, odds) | str_puts(&s, " after ") | explain_count(&s, pairs, "pair"));
		else if (pairs > 0)
			(void)explain_count(&s, pairs, "pair");
		if (pairs > 0 && beside > 0)
			(void)(str_puts(&s, " and ") | explain_count(&s, beside, "run") |
			    str_puts(&s, beside == 1 ? " of another" : " of others"));
		if (pairs == 0)
			(void)(explain_count(&s, beside, "run") |
			    str_puts(&s, beside == 1 ? " is in" : " are in, and no pair that counts yet"));
		else if (!look)
			(void)str_puts(&s, pairs + beside == 1 ? " is in" : " are in");
		(void)(str_puts(&s, "; ") | explain_odds(&s, 1 / p->prior.level) |
		    str_puts(&s, " for a gain is wanted; ") | explain_count(&s, left, "run") |
		    str_puts(&s, " left at most, about ") | explain_time(&s, cost * left / lanes));
		if (lanes > 1)
			(void)str_printf(&s, " on %u lanes", lanes);
		if (s.p != NULL)
			out_put("odds: %s\n", s.p);
	}
	str_free(&s);
}

/* Nobody has found out anything about a run that was only interrupted: it says so, and what goes on with it. */
static int
tell_interrupted(const struct ledger *l, const char *path, const struct add *a)
{
	const json_t *refusal = json_array_get(a->row.run.refusals, 0);
	struct str next = STR_INIT;
	int code = HG_EXIT_PENDING;

	if (shell_command(&next, "hg-run -r -l %s %s", l->path, path) == -1) {
		say_errno("cannot tell what to do with '%s'", path);
		code = HG_EXIT_SYSTEM;
	} else
		say_error("'%s' was only interrupted (%s: %s) and gets no row yet; '%s' goes on with it, -i adds it as"
			  " it is",
		    path, jsonio_text(refusal, "stage", "?"), jsonio_text(refusal, "kind", "?"), next.p);
	str_free(&next);
	return (code);
}

static int
add_one(struct ledger *l, const char *path, int interrupted)
{
	struct add a;
	int code = HG_EXIT_DONE;

	if (add_run(l, path, interrupted, &a) == -1)
		return (errno == EBADMSG ? HG_EXIT_CONTRACT : rundir_exit(errno));
	if (a.already != 0)
		out_put("'%s' is in the ledger already: row %llu, %s: %s\n", path, (unsigned long long)a.already,
		    verdict_class_name(a.row.verdict.is.klass), verdict_reason_name(a.row.verdict.is.reason));
	else if (a.how == RUNRECORD_RUNNING) {
		say_error("'%s' is still at work; it is added once it has closed out", path);
		code = HG_EXIT_NOT_YET;
	} else if (a.how == RUNRECORD_PENDING) {
		say_error("'%s' has stages to go; hg-run goes on with it", path);
		code = HG_EXIT_PENDING;
	} else if (a.how == RUNRECORD_INTERRUPTED)
		code = tell_interrupted(l, path, &a);
	else
		command_print_verdict(&a.row);
	if (a.confirmed)
		command_print_verdict(&a.confirmation);
	else if (a.judged && a.already == 0) {
		print_odds(l, &a);
		print_next(&a.next);
	}
	add_free(&a);
	return (code);
}

static int
answer(struct opt *options, const char *ledger, char **arg, int n)
{
	struct ledger l;
	int i, code, worst = HG_EXIT_DONE;

	if (ledger_open(&l, ledger, LEDGER_WRITE) == -1)
		return (ledger_exit(errno));
	for (i = 0; i < n; i++)
		if ((code = add_one(&l, arg[i], command_given(options, 'i'))) > worst)
			worst = code;
	ledger_close(&l);
	return (worst);
}

static struct opt options[] = { { .letter = 'i', .help = "also runs that were only interrupted, as they are" },
	{ .letter = '\0' } };

const struct command add_command = {
	.word = "add",
	.summary = "Judge runs and add them to a ledger.",
	.synopsis = "hg-ledger add [-i] LEDGER RUN...",
	.options = options,
	.least = 1,
	.most = 100000,
	.answer = answer,
};
