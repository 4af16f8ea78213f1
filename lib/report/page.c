#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "report/now.h"
#include "report/chart.h"
#include "report/cost.h"
#include "report/imported.h"
#include "report/page.h"
#include "report/requests.h"
#include "report/css.h"
#include "report/trained.h"
#include "report/tried.h"
#include "report/words.h"
#include "law/explain.h"

/* What a page holds at most; beyond that it says what it left out, and where that stands. */
enum {
	PANELS = 8,
	GROUPS = WORDS_GROUPS,
	PARAGRAPHS = 12,
	CONFIRMATIONS = WORDS_CONFIRMATIONS,
	OUT = 8,
	TEXT = WORDS_TEXT
};

#define DASH "\xe2\x80\x93"
#define MINUS "\xe2\x88\x92"

/* --- words ----------------------------------------------------------------- */

static void
put_chance(struct markup *m, double p)
{
	struct str s = STR_INIT;

	char *blank;

	/* "0.13 %" stays on one line. */
	if (explain_chance(&s, p) != 0)
		m->failed = ENOMEM;
	else if ((blank = strstr(s.p, " %")) != NULL) {
		*blank = '\0';
		markup_put(m, "%s\xc2\xa0%%", s.p);
	} else
		markup_put(m, "%s", s.p);
	str_free(&s);
}

/* "1,021 to 1", where a line does not end before " to 1". */
static void
put_odds(struct markup *m, double odds)
{
	struct str s = STR_INIT;
	char *to;

	if (explain_odds(&s, odds) != 0)
		m->failed = ENOMEM;
	else if ((to = strstr(s.p, " to 1")) != NULL) {
		*to = '\0';
		markup_put(m,
		    "%s\xc2\xa0to\xc2\xa0"
		    "1%s",
		    s.p, to + strlen(" to 1"));
	}
	str_free(&s);
}

/* What all campaigns together may have claimed wrongly. */
static void
put_levels(const struct page *p)
{
	if (p->s->l.book.policy.law >= 3 && p->s->campaigns > 1)
		markup_put(p->m, " The %u campaigns of this ledger have spent levels of %.3g in all.", p->s->campaigns,
		    p->s->levels);
}

/* A command to type. */
static void
put_command(struct markup *m, const char *command)
{
	markup_put(m, "<code class=\"cmd\">%s</code>", command);
}

static void
put_promote(const struct page *p, const char *dir)
{
	struct str place = STR_INIT;

	if (pagedata_place(p->s, dir, &place) == -1)
		p->m->failed = ENOMEM;
	else {
		markup_put(p->m, "<code class=\"cmd\">");
		markup_command(p->m, "hg-ledger promote %s %s", p->s->l.path, place.p);
		markup_put(p->m, "</code>");
	}
	str_free(&place);
}

/* Whose configuration looked good once: the last of them, and what makes its second run. */
static void
put_seconds(const struct page *p)
{
	const struct pagedata *s = p->s;
	const struct pagedata_run *r, *last = NULL;
	struct str place = STR_INIT;
	size_t n = 0;

	for (r = s->runs; r < s->runs + s->run_count; r++)
		if (r->second && s->main != NULL && r->group == s->main->group) {
			last = r;
			n++;
		}
	if (last == NULL)
		return;
	markup_put(p->m, "<p>%zu configuration%s that looked good once wait%s for a second run, the last %s (", n,
	    n == 1 ? "" : "s", n == 1 ? "s" : "", last->name);
	words_row(p, last->row);
	markup_put(p->m, "):</p>");
	if (pagedata_place(s, last->dir, &place) == -1)
		p->m->failed = ENOMEM;
	else {
		markup_put(p->m, "<code class=\"cmd\">");
		markup_command(p->m, "hg-confirm %s %s", s->l.path, place.p);
		markup_put(p->m, "</code>");
	}
	str_free(&place);
}

/* What something stands for, beside its name. */
static void
put_badge(struct markup *m, const char *word)
{
	markup_put(m, " <span class=\"badge\">%s</span>", word);
}

/* Whose configuration is incumbent. */
static const char *
incumbent_of(const struct pagedata *s, const struct pagedata_group *g)
{
	const struct pagedata_run *r = pagedata_run(s, g->row);

	return (r != NULL ? r->name : g->incumbent == NULL ? "?" : g->incumbent);
}

/* A promotion in a line: when, at which score, what it rests on, and what became of it. */
static void
put_promoted(const struct page *p, const struct pagedata_promotion *q)
{
	const struct pagedata *s = p->s;
	const struct pagedata_group *g = pagedata_group(s, q->group);
	const struct pagedata_confirmation *c = pagedata_confirmation(s, q->confirmation);
	const struct pagedata_run *r = pagedata_run(s, q->run);

	markup_put(p->m, "<b>%s</b> was promoted ", r == NULL ? q->id : r->name);
	words_when(p->m, q->at_ms);
	markup_put(p->m, " (#%llu) at ", (unsigned long long)q->row);
	markup_data(p->m, q->score, 5);
	if (r != NULL) {
		markup_put(p->m, " of its run ");
		words_row(p, r->row);
	}
	markup_put(p->m, ", artifact <code>%-.8s</code>. It rests on ", q->artifact);
	if (c == NULL)
		markup_put(p->m, "a confirmation that this ledger does not have");
	else {
		markup_put(p->m, "confirmation ");
		words_row(p, c->row);
		markup_put(p->m, ", a gain of ");
		markup_data(p->m, c->gain, 5);
		markup_put(p->m, " over %s", c->incumbent);
	}
	if (q->next != 0)
		markup_put(p->m, ". It stood until the promotion in #%llu.", (unsigned long long)q->next);
	else if (q->bar != 0)
		markup_put(p->m, ". It does not stand, for what #%llu says.", (unsigned long long)q->bar);
	else if (g == NULL || g->tag != q->tag)
		markup_put(p->m, ". Another configuration has become incumbent since.");
	else
		markup_put(p->m, ". It stands.");
}

static const struct pagedata_confirmation *
crowning(const struct pagedata *s, const struct pagedata_group *g)
{
	return (g == NULL || g->confirmation == 0 ? NULL : &s->confirmations[g->confirmation - 1]);
}

/* --- the three answers ----------------------------------------------------- */

/* The lowest single score and those that do not count, where they look better than the incumbent. */
static void
put_lures(const struct page *p)
{
	const struct pagedata *s = p->s;
	const struct pagedata_group *g = s->main;
	const struct timeline_point *best = s->track == NULL ? NULL : timeline_best(&s->tracks, s->track), *q,
				    *worst = NULL;
	const struct pagedata_run *r;
	size_t out = 0;

	if (best != NULL && s->tracks.sign * best->score < s->tracks.sign * g->score &&
	    (r = pagedata_run(s, best->row)) != NULL) {
		markup_put(p->m, "<p>The %s single score, ", s->tracks.sign > 0 ? "lowest" : "highest");
		markup_data(p->m, best->score, 5);
		markup_put(p->m, " by %s (", r->name);
		words_row(p, r->row);
		markup_put(p->m, "), is %s: of many runs some look this good.</p>",
		    r->tag == g->tag ? "a lucky seed of this same configuration" : "one run and no evidence");
	}
	for (q = s->track == NULL ? NULL : s->track->points; q != NULL && q < s->track->points + s->track->count; q++)
		if (!q->confirmation && !timeline_counts(q) && isfinite(q->score) &&
		    s->tracks.sign * q->score < s->tracks.sign * g->score) {
			out++;
			if (worst == NULL || s->tracks.sign * q->score < s->tracks.sign * worst->score)
				worst = q;
		}
	if (worst != NULL && (r = pagedata_run(s, worst->row)) != NULL) {
		markup_put(p->m, "<p>%zu better-looking score%s do%s not count; the best of them, ", out,
		    out == 1 ? "" : "s", out == 1 ? "es" : "");
		markup_data(p->m, worst->score, 5);
		markup_put(p->m, " by %s (", r->name);
		words_row(p, r->row);
		markup_put(p->m, "), is %s: %s.</p>",
		    verdict_reason_aside(r->reason) ? "set aside" : verdict_class_name(r->klass),
		    verdict_reason_phrase(r->reason));
	}
}

/* The last promotion of an incumbent's configuration, whether it stands or was revoked; NULL: there is none. */
static const struct pagedata_promotion *
last_promotion(const struct pagedata *s, const struct pagedata_group *g)
{
	const struct pagedata_promotion *q;

	for (q = s->promotions; q < s->promotions + s->promotion_count; q++)
		if (q->group == g->group && q->tag == g->tag && q->next == 0)
			return (q);
	return (NULL);
}

/* What challengers are screened against in the incumbent's place, where somebody asked for that. */
static void
put_base(const struct page *p, const struct pagedata_group *g)
{
	const struct standings_group *own = standings_group(&p->s->l.book, g->group);
	const struct pagedata_run *r;

	if (own == NULL || own->base == 0 || (r = pagedata_run(p->s, (uint64_t)own->base_run + 1)) == NULL)
		return;
	markup_put(p->m, "<p id=\"base\">Challengers are screened against a <b>provisional</b> base, %s (", r->name);
	words_row(p, r->row);
	markup_put(p->m, "), which no confirmation has found better than the incumbent.</p>");
}

static void
answer_best(const struct page *p)
{
	const struct pagedata *s = p->s;
	const struct pagedata_group *g = s->main;
	const struct pagedata_promotion *q;
	const struct pagedata_run *r;

	markup_put(p->m, "<article><h2>What is the best run?</h2>\n");
	if (g == NULL) {
		markup_put(p->m, "<p class=\"big\">None yet</p><p>");
		if (s->run_count == 0 && s->imports > 0) {
			imported_sum(p->m, &s->others);
			markup_put(p->m,
			    "</p><p>They stand <a href=\"#others\">below</a>, in groups that are never"
			    " compared with one another; no run of our own has been added.</p>");
		} else if (s->run_count == 0)
			markup_put(p->m, "No run has been added to this ledger.</p>");
		else
			markup_put(p->m,
			    "%zu run%s added, and none counts: %zu blocked, %zu invalid, %zu starved of"
			    " processor time.</p>",
			    s->run_count, s->run_count == 1 ? " was" : "s were", s->classes[VERDICT_BLOCKED],
			    s->classes[VERDICT_INVALID],
			    s->run_count - s->classes[VERDICT_BLOCKED] - s->classes[VERDICT_INVALID]);
		markup_put(p->m, "</article>\n");
		return;
	}
	r = pagedata_run(s, g->row);
	q = last_promotion(s, g);
	markup_put(p->m, "<p class=\"big\" id=\"best\">");
	markup_data(p->m, g->score, 5);
	markup_put(p->m, " <small>%s</small>", words_unit(s));
	if (q != NULL)
		put_badge(p->m, q->bar == 0 ? "promoted" : "revoked");
	/* From law 3 on it is no plain mean: its confirmation's gain over the one before it counts, too. */
	markup_put(p->m, "</p><p>The incumbent configuration, %s%u run%s; the last of them is <b>%s</b> (",
	    s->l.book.policy.law >= 3 ? "estimated from " :
		g->runs > 1           ? "mean of " :
					"",
	    g->runs, g->runs == 1 ? "" : "s", incumbent_of(s, g));
	if (r != NULL && *r->side != '\0')
		markup_put(p->m, "%s, ", r->side);
	words_row(p, g->row);
	markup_put(p->m, ").");
	if (r != NULL && r->bytes >= 0) {
		markup_put(p->m, " It takes ");
		markup_count(p->m, r->bytes);
		if (r->cap_bytes > 0) {
			markup_put(p->m, " of ");
			markup_count(p->m, r->cap_bytes);
		}
		markup_put(p->m, " bytes");
		if (r->train_ms >= 0) {
			markup_put(p->m, " and ");
			words_time(p->m, r->train_ms);
			markup_put(p->m, " of training");
		}
		markup_put(p->m, ".");
	}
	markup_put(p->m, "</p>");
	if (q != NULL) {
		markup_put(p->m, "<p>");
		put_promoted(p, q);
		markup_put(p->m, "</p>");
	}
	put_base(p, g);
	if (r != NULL && *r->hypothesis != '\0') {
		markup_put(p->m, "<p>What it tries: ");
		words_text(p->m, r->hypothesis, TEXT);
		markup_put(p->m, "</p>");
	}
	put_lures(p);
	markup_put(p->m, "</article>\n");
}

static void
answer_real(const struct page *p)
{
	const struct pagedata *s = p->s;
	const struct pagedata_group *g = s->main;
	const struct pagedata_confirmation *c = crowning(s, g);
	const struct pagedata_promotion *q = g == NULL ? NULL : last_promotion(s, g);

	markup_put(p->m, "<article><h2>Is it real?</h2>\n");
	if (s->replay.first != 0)
		markup_put(p->m,
		    "<p class=\"big no\">No</p><p>Row %llu does not follow from the rows before it, so"
		    " nothing that this ledger concludes can be believed before that is explained.</p>",
		    (unsigned long long)s->replay.first);
	else if (g == NULL && s->others.counts[REJUDGE_SIGNIFICANT] > 0)
		markup_put(p->m,
		    "<p class=\"big open\">Some claims are</p><p>%zu of %zu imported claims are better"
		    " than what was there before them by more than their seeds' noise explains. They are claims still:"
		    " nothing was run again here.</p>",
		    s->others.counts[REJUDGE_SIGNIFICANT], s->others.count);
	else if (g == NULL && s->imports > 0)
		markup_put(p->m,
		    "<p class=\"big open\">Not shown</p><p>None of %zu imported claims is better than"
		    " what was there before it by more than their seeds' noise explains.</p>",
		    s->others.count);
	else if (g == NULL)
		markup_put(p->m,
		    "<p class=\"big\">Nothing to doubt</p><p>There is no score that could be a"
		    " claim.</p>");
	else if (c != NULL) {
		markup_put(p->m,
		    c->paired ? "<p class=\"big yes\">Yes, confirmed</p><p>%d pairs of fresh runs, planned beforehand,"
				" both of a pair with the same seed and the same place in the data, put it " :
				"<p class=\"big yes\">Yes, confirmed</p><p>%d fresh seeds a side, planned beforehand"
				" and run in turns, put it ",
		    c->runs);
		markup_data(p->m, c->gain, 5);
		markup_put(p->m, " ahead of the incumbent before it");
		if (isfinite(c->lower)) {
			markup_put(p->m, "; the true gain lies between ");
			markup_data(p->m, c->lower, 5);
			markup_put(p->m, " and ");
			markup_data(p->m, c->upper, 5);
			markup_put(p->m, " (%.0f %% confidence)", 100 * (2 * c->confidence - 1));
		}
		markup_put(p->m, ".</p>");
		if (isfinite(c->odds)) {
			markup_put(p->m, "<p>The odds for a gain are ");
			put_odds(p->m, c->odds);
			markup_put(p->m, "; ");
			put_odds(p->m, 1 / c->level);
			markup_put(p->m, " was asked for");
			if (isfinite(c->expected) && c->gain > 0) {
				markup_put(p->m,
				    ". One that was looked at until it sufficed is too large on average: expect ");
				markup_data(p->m, c->expected, 5);
			}
			markup_put(p->m, ". ");
			words_row(p, c->row);
			markup_put(p->m, "</p>");
		} else if (isfinite(c->p)) {
			markup_put(p->m, "<p>Without a gain, a difference like this has a chance of ");
			put_chance(p->m, c->p);
			markup_put(p->m, "; ");
			put_chance(p->m, c->level);
			markup_put(p->m, " was asked for. ");
			words_row(p, c->row);
			markup_put(p->m, "</p>");
		}
	} else {
		markup_put(p->m,
		    "<p class=\"big open\">Not shown</p><p>It is the incumbent because it was the first"
		    " sound run: a starting point, not an achievement. No confirmation has found it better than"
		    " anything.</p>");
	}
	if (q != NULL && q->bar != 0)
		markup_put(p->m,
		    "<p class=\"no\">Its promotion was <b>revoked</b>: what row %llu says stands against it until"
		    " somebody clears it.</p>",
		    (unsigned long long)q->bar);
	if (g != NULL && s->track != NULL && !s->track->calibrated)
		markup_put(p->m,
		    "<p>The noise of lane %s is <b>uncalibrated</b>: how far seeds lie apart is not"
		    " known, so no difference can be told from luck.</p>",
		    s->track->lane);
	markup_put(p->m, "<p>");
	markup_count(p->m, (long long)s->verify.rows);
	markup_put(p->m, " row%s an unbroken chain", s->verify.rows == 1 ? " is" : "s form");
	if (s->verify.witnesses > 0)
		markup_put(p->m, ", and %zu run%s it", s->verify.witnesses,
		    s->verify.witnesses == 1 ? " remembers" : "s remember");
	markup_put(p->m, "; <a href=\"#trust\">how to check</a>.</p></article>\n");
}

/* The sides of the open plan. */
static const char *
open_challenger(const struct pagedata *s)
{
	const struct pagedata_plan *p = pagedata_plan(s, (uint64_t)s->open_row.number);

	return (p == NULL ? "?" : p->challenger);
}

static const char *
open_incumbent(const struct pagedata *s)
{
	const struct pagedata_plan *p = pagedata_plan(s, (uint64_t)s->open_row.number);

	return (p == NULL ? "?" : p->incumbent_name);
}

/* "3 of at most 24 pairs; the odds for a gain are 12 to 1, and 800 to 1 end it" */
static void
put_open_pairs(const struct page *p)
{
	const struct pagedata *s = p->s;

	markup_put(p->m, "%u of at most %u pairs of runs", s->pairs, s->slots / 2);
	if (s->filled > 2 * s->pairs)
		markup_put(p->m, " and one run of another");
	if (s->pairs > 0 && isfinite(s->odds)) {
		markup_put(p->m, "; the odds for a gain are ");
		put_odds(p->m, s->odds);
	}
	markup_put(p->m, "; it is confirmed at ");
	put_odds(p->m, 1 / s->open->level);
	markup_put(p->m, ", and ends as soon as the odds decide");
}

/* What to type, and why. */
static void
put_next(const struct page *p)
{
	const struct advice *a = &p->s->advice;

	if (a->command.p != NULL)
		put_command(p->m, a->command.p);
	markup_put(p->m, "<p class=\"sentence\">%s.</p>", a->why.p);
}

/* The reasoning of the stop rule: its first line, the rest being told further down. */
static void
put_plateau(const struct page *p)
{
	const char *why = p->s->plateau_why.p == NULL ? "" : p->s->plateau_why.p, *end = strchr(why, '\n');
	struct str first = STR_INIT;

	if (str_add(&first, why, end == NULL ? strlen(why) : (size_t)(end - why)) == -1)
		p->m->failed = ENOMEM;
	else
		markup_put(p->m, "<p>Stop rule: %s. <a href=\"#stop\">Why</a></p>", first.p);
	str_free(&first);
}

/* "Tried so far: 14 other configurations; 4 better, 10 no better." */
static void
put_tried(const struct page *p)
{
	size_t all = 0;
	unsigned i, n = 0;

	for (i = 0; i < PAGEDATA_FATES; i++)
		all += p->s->tried[i];
	if (all == 0)
		return;
	markup_put(p->m, "<p id=\"tried\">Tried so far: %zu other configuration%s; ", all, all == 1 ? "" : "s");
	for (i = PAGEDATA_FATES; i-- > 0;)
		if (p->s->tried[i] > 0)
			markup_put(p->m, "%s%zu %s", n++ == 0 ? "" : ", ", p->s->tried[i], words_fate(i));
	markup_put(p->m, ".</p>");
}

/* The stop rule's word, or a change to try; who still waits, although no confirmation is left. */
static void
put_stop_or_try(const struct page *p, const struct pagedata_run *r)
{
	const struct pagedata *s = p->s;
	const struct advice *a = &s->advice;
	int stop = a->kind == ADVICE_STOP;

	markup_put(p->m, "<p class=\"big%s\">%s</p>", stop ? " no" : "",
	    stop && a->waiting == 0        ? "Stop here" :
		stop                       ? "Stop, or declare a new campaign" :
		a->kind == ADVICE_CAMPAIGN ? "Declare a new campaign" :
					     "Try another change");
	if (s->l.book.policy.law >= 3 && s->left == 0) {
		markup_put(p->m,
		    "<p>Campaign \xe2\x80\x9c%s\xe2\x80\x9d has spent %u of its %u failures and none is left, so"
		    " nothing more can be claimed in it; another one is declared in <code>%s/" LEDGER_POLICY "</code>.",
		    s->l.book.policy.campaign.name, s->spent, s->l.book.policy.campaign.confirmations, s->l.path);
		put_levels(p);
		markup_put(p->m, "</p>");
	} else if (s->l.book.policy.law < 3 && s->spent >= s->l.book.policy.campaign.confirmations)
		markup_put(p->m,
		    "<p>Campaign \xe2\x80\x9c%s\xe2\x80\x9d has spent its %u confirmations, so"
		    " nothing more can be claimed in it; another one is declared in"
		    " <code>%s/" LEDGER_POLICY "</code>.</p>",
		    s->l.book.policy.campaign.name, s->l.book.policy.campaign.confirmations, s->l.path);
	if (r != NULL && a->waiting > 0) {
		markup_put(p->m, "<p>%u challenger%s passed the screen and wait%s; %s (", a->waiting,
		    a->waiting == 1 ? "" : "s", a->waiting == 1 ? "s" : "", r->id);
		words_row(p, r->row);
		markup_put(p->m, ") looks best at ");
		markup_data(p->m, r->score, 5);
		markup_put(p->m, ".</p>");
	}
	put_plateau(p);
}

static void
answer_next(const struct page *p)
{
	const struct pagedata *s = p->s;
	const struct advice *a = &s->advice;
	const struct policy *policy = &s->l.book.policy;
	const struct pagedata_run *r = pagedata_run(s, a->subject);

	markup_put(p->m, "<article><h2>What to try, or stop?</h2>\n");
	switch (a->kind) {
	case ADVICE_RUN:
		markup_put(p->m, "<p class=\"big\">Run something</p><p>The first sound run becomes the incumbent.</p>");
		put_command(p->m, a->command.p);
		break;
	case ADVICE_FINISH:
		markup_put(p->m, "<p class=\"big open\">Finish the confirmation</p><p>The plan for %s against %s has ",
		    open_challenger(s), open_incumbent(s));
		if (s->open != NULL && s->open->metric != NULL)
			put_open_pairs(p);
		else
			markup_put(p->m, "%u of %u runs; nothing is concluded before all are in", s->filled, s->slots);
		markup_put(p->m, ".</p>");
		put_command(p->m, a->command.p);
		break;
	case ADVICE_PAUSE:
		markup_put(p->m,
		    "<p class=\"big no\">Pause</p><p>The last %u runs were blocked or invalid; the"
		    " reasons stand in the <a href=\"#runs\">table</a>. Mend what they share before running more.</p>",
		    s->plateau.failures);
		put_command(p->m, a->command.p);
		break;
	case ADVICE_RETRY:
	case ADVICE_COMPLETE:
	case ADVICE_CORRECT:
	case ADVICE_AGAIN:
		markup_put(p->m,
		    "<p class=\"big no\">Get one run through</p><p>The reasons stand in the <a"
		    " href=\"#runs\">table</a>.</p>");
		put_next(p);
		break;
	case ADVICE_CALIBRATE:
		markup_put(p->m,
		    "<p class=\"big open\">Calibrate the lane</p><p>Until the noise is known no"
		    " challenger can be judged, whatever it scores.</p>");
		put_next(p);
		break;
	case ADVICE_CONFIRM:
		markup_put(p->m, "<p class=\"big open\">Confirm %s</p><p>At ", r->id);
		markup_data(p->m, r->score, 5);
		markup_put(p->m, " (");
		words_row(p, r->row);
		markup_put(p->m,
		    policy->law >= 3 ? ") its second run passed the screen with the first" :
				       ") its single run passed the screen");
		if (a->waiting > 1)
			markup_put(p->m, ", as %u other%s did", a->waiting - 1, a->waiting == 2 ? "" : "s");
		if (policy->law >= 3)
			markup_put(p->m, "; %u of %u failures are left.</p>", s->left, policy->campaign.confirmations);
		else
			markup_put(p->m, "; %u of %u confirmations are left.</p>",
			    policy->campaign.confirmations - s->spent, policy->campaign.confirmations);
		put_command(p->m, a->command.p);
		put_plateau(p);
		break;
	case ADVICE_SECOND:
		markup_put(p->m, "<p class=\"big open\">Run %s once more</p>", r->name);
		put_seconds(p);
		put_plateau(p);
		break;
	case ADVICE_CAMPAIGN:
	case ADVICE_STOP:
	case ADVICE_TRY:
		put_stop_or_try(p, r);
		break;
	}
	if (s->open == NULL && a->kind != ADVICE_SECOND)
		put_seconds(p);
	put_tried(p);
	if (crowning(s, s->main) != NULL && s->open == NULL && last_promotion(s, s->main) == NULL &&
	    (r = pagedata_run(s, s->main->row)) != NULL) {
		markup_put(p->m, "<p>The incumbent is confirmed but not <a href=\"#promotion\">promoted</a>:</p>");
		put_promote(p, r->dir);
	}
	markup_put(p->m, "</article>\n");
}

/* --- evidence -------------------------------------------------------------- */

/* The groups, where there are several: each has an incumbent of its own. */
static void
put_groups(const struct page *p)
{
	const struct pagedata *s = p->s;
	const struct pagedata_group *g;
	size_t i, from = s->group_count > GROUPS ? s->group_count - GROUPS : 0;

	if (s->group_count < 2)
		return;
	markup_put(p->m,
	    "<section aria-labelledby=\"hg\"><h2 id=\"hg\">Incumbents</h2><p>Another eval law or"
	    " validation text makes another comparability group; scores of two groups are never compared. The answers"
	    " above are about the one judged last.</p><div class=\"scroll\" role=\"region\" aria-labelledby=\"hg\""
	    " tabindex=\"0\"><table class=\"groups\"><thead><tr><th scope=\"col\">Group</th><th"
	    " scope=\"col\">Lane</th><th scope=\"col\">Incumbent</th><th scope=\"col\" class=\"n\">%s</th><th"
	    " scope=\"col\" class=\"n\">Runs</th><th scope=\"col\">"
	    "Standing</th></tr></thead><tbody>\n",
	    policy_metric_name(s->tracks.metric));
	for (i = s->group_count; i-- > from;) {
		g = &s->groups[i];
		markup_put(p->m, "<tr><th scope=\"row\">");
		words_group(p->m, g);
		markup_put(p->m, "<div class=\"sub\"><code>%-.8s</code>%s</div></th><td>", g->hex,
		    g == s->main ? ", judged last" : "");
		if (g->last_row != 0)
			words_lane(p->m, g->backend, g->lane_name == NULL ? "?" : g->lane_name, g->cap_ms);
		if (g->last_row == 0) {
			markup_put(p->m, "</td><td colspan=\"4\" class=\"nil\">none: no run of it counts</td></tr>\n");
			continue;
		}
		markup_put(p->m, "</td><td>%s ", incumbent_of(s, g));
		words_row(p, g->row);
		markup_put(p->m, "</td><td class=\"n\">");
		markup_data(p->m, g->score, 5);
		markup_put(p->m, "</td><td class=\"n\">%u</td><td>%s</td></tr>\n", g->runs,
		    g->promoted         ? "promoted" :
			g->confirmation ? "confirmed" :
					  "first, nothing shown");
	}
	markup_put(p->m, "</tbody></table></div>");
	if (from > 0)
		markup_put(p->m, "<p class=\"note\">%zu more groups: <code>hg-ledger incumbent -a</code></p>", from);
	markup_put(p->m, "</section>\n");
}

/* What stands in the strip "out", by name, and why: the last of them. */
static void
put_out(const struct page *p, const struct timeline *k)
{
	const struct pagedata_confirmation *c;
	const struct timeline_point *q;
	const struct pagedata_run *r;
	size_t n = 0, left = 0;

	for (q = k->count == 0 ? NULL : k->points + k->count; q != NULL && q-- > k->points;) {
		/* What diverged counts, and has no score that could be drawn. */
		if (timeline_counts(q) && q->reason != VERDICT_DIVERGED)
			continue;
		if (n == OUT) {
			left++;
			continue;
		}
		markup_put(p->m, n++ == 0 ? "<p class=\"note out\">Out: " : "; ");
		words_row(p, q->row);
		if ((c = pagedata_confirmation(p->s, q->row)) != NULL)
			markup_put(p->m, " the confirmation of %s, ", c->challenger);
		else if ((r = pagedata_run(p->s, q->row)) != NULL)
			markup_put(p->m, " %s, ", r->name);
		markup_put(p->m, "%s", verdict_reason_phrase(q->reason));
	}
	if (left > 0)
		markup_put(p->m, "; and %zu before", left);
	if (n > 0)
		markup_put(p->m, ".</p>\n");
}

static void
put_panel(const struct page *p, const struct timeline *k, unsigned number)
{
	const struct pagedata_group *g = pagedata_group(p->s, standings_tag(k->group));

	if (p->s->tracks.count > 1) {
		markup_put(p->m, "<h3>");
		if (g != NULL)
			words_group(p->m, g);
		else
			markup_put(p->m, "Nothing scored");
		markup_put(p->m,
		    " <span class=\"sub\">group <code>%-.8s</code>, tokenizer <code>%-.8s</code>%s</span></h3>\n",
		    *k->group == '\0' ? DASH : k->group, k->tokenizer, k == p->s->track ? ", judged last" : "");
	}
	markup_put(p->m, "<p class=\"unit\">%s, %s; ", policy_metric_name(p->s->tracks.metric), words_unit(p->s));
	if (p->s->tracks.count == 1 && g != NULL) {
		words_group(p->m, g);
		markup_put(p->m, " (group <code>%-.8s</code>); ", g->hex);
	}
	words_lane(p->m, g == NULL ? NULL : g->backend, k->lane, k->cap_ms);
	markup_put(p->m, "</p>\n");
	chart_history(p->m, p->s, k, number);
	put_out(p, k);
}

/* A picture for each axis, the one judged last before the others. */
static void
put_history(const struct page *p)
{
	const struct tracks *t = &p->s->tracks;
	unsigned shown = 0;
	size_t i, left = 0;

	if (t->count == 0)
		return;
	markup_put(p->m, "<section aria-labelledby=\"hs\"><h2 id=\"hs\">Score over time</h2>\n");
	if (p->s->track != NULL)
		put_panel(p, p->s->track, ++shown);
	for (i = t->count; i-- > 0;) {
		if (&t->list[i] == p->s->track || t->list[i].count == 0)
			continue;
		if (shown < PANELS)
			put_panel(p, &t->list[i], ++shown);
		else
			left++;
	}
	if (left > 0)
		markup_put(p->m, "<p class=\"note\">%zu more groups, lanes and tokenizers are not drawn.</p>", left);
	markup_put(p->m, "</section>\n");
}

/* The unit of a gain, where it is not that of the scores beside it. */
static void
put_unit(const struct page *p, double gain, int metric)
{
	if (isfinite(gain) && metric >= 0 && metric != (int)p->s->tracks.metric)
		markup_put(p->m, "<div class=\"sub\">%s</div>", policy_metric_name((enum policy_metric)metric));
}

/* Which of its campaign's confirmations it was; of pairs, how many failures that campaign had spent with it. */
static void
put_number(const struct page *p, const struct pagedata_confirmation *c)
{
	if (c->paired)
		markup_put(p->m, "%d of %d failures spent", c->number - (c->klass == VERDICT_IMPROVEMENT), c->of);
	else
		markup_put(p->m, "%d of %d", c->number, c->of);
}

/* How many runs came to nothing, so that nobody takes those that did not for all that were begun. */
static void
put_tries(const struct page *p, const struct pagedata_confirmation *c)
{
	if (c->tries > 0)
		markup_put(p->m, "; %u run%s came to nothing", c->tries, c->tries == 1 ? "" : "s");
	if (c->starved > 0)
		markup_put(p->m, " (%u starved)", c->starved);
}

static void
put_sides(const struct page *p, const struct pagedata_confirmation *c)
{
	markup_put(p->m, "<div class=\"sub\">");
	if (c->paired && c->runs == c->incumbent_runs)
		markup_put(p->m, "%d pair%s", c->runs, c->runs == 1 ? "" : "s");
	else
		markup_put(p->m, "%d + %d runs", c->runs, c->incumbent_runs);
	put_tries(p, c);
	markup_put(p->m, "</div>");
}

/* How sure it is, and how sure it should be: odds of pairs, else a chance. */
static void
put_sure(const struct page *p, const struct pagedata_confirmation *c)
{
	if (isfinite(c->odds)) {
		put_odds(p->m, c->odds);
		markup_put(p->m, "<div class=\"sub\">asked for ");
		put_odds(p->m, 1 / c->level);
		markup_put(p->m, "</div>");
	} else if (isfinite(c->p)) {
		put_chance(p->m, c->p);
		markup_put(p->m, "<div class=\"sub\">level ");
		put_chance(p->m, c->level);
		markup_put(p->m, "</div>");
	} else
		markup_put(p->m, "<span class=\"nil\">%s</span>", c->calibrated ? "not computed" : "uncalibrated");
}

/* The rest of a row whose plan was given up: it says nothing, and least of all about noise. */
static void
put_abandoned(const struct page *p, const struct pagedata_confirmation *c)
{
	markup_put(p->m, " abandoned<div class=\"sub\">after %d of %s%u runs; ", c->runs + c->incumbent_runs,
	    c->paired ? "at most " : "", c->slots);
	put_number(p, c);
	markup_put(p->m,
	    "</div></td><td colspan=\"4\"><span class=\"nil\">given up before %s, and nothing is"
	    " concluded",
	    c->paired ? "the odds decided; it counts as a failure" : "all runs were in; the confirmation is spent");
	put_tries(p, c);
	markup_put(p->m, "</span></td></tr>\n");
}

static void
put_confirmation(const struct page *p, const struct chart_scale *scale, const struct pagedata_confirmation *c)
{
	const struct pagedata_run *r = pagedata_run(p->s, c->challenger_row);

	markup_put(p->m, "<tr id=\"r%llu\"><td class=\"row wide\">#%llu</td><th scope=\"row\" class=\"why\"><b>%s</b> ",
	    (unsigned long long)c->row, (unsigned long long)c->row, c->challenger);
	if (r != NULL) {
		words_text(p->m, r->hypothesis, TEXT);
		words_differs(p, r);
	}
	markup_put(p->m,
	    "<div class=\"sub\">against %s<span class=\"wide\">, lane %s</span></div></th><td"
	    " class=\"class\">",
	    c->incumbent, c->lane);
	chart_mark(p->m, chart_mark_of_confirmation(c->klass, c->reason));
	if (c->reason == VERDICT_ABANDONED) {
		put_abandoned(p, c);
		return;
	}
	markup_put(p->m, " %s<div class=\"sub\">%s; ", verdict_class_name(c->klass), verdict_reason_phrase(c->reason));
	put_number(p, c);
	markup_put(p->m, "</div>");
	cost_find(p, c);
	markup_put(p->m, "</td><td>");
	chart_gain(p->m, scale, c);
	markup_put(p->m, "</td><td class=\"n\">");
	markup_signed(p->m, c->gain, 5);
	put_unit(p, c->gain, c->gain_in);
	put_sides(p, c);
	markup_put(p->m, "</td><td class=\"n\">");
	markup_signed(p->m, c->lower, 5);
	markup_put(p->m, "<br>");
	markup_signed(p->m, c->upper, 5);
	markup_put(p->m, "</td><td>");
	put_sure(p, c);
	markup_put(p->m, "</td></tr>\n");
}

/* What the campaign may still claim wrongly, and how it is kept to that. */
static void
put_budget(const struct page *p)
{
	const struct pagedata *s = p->s;
	const struct policy *policy = &s->l.book.policy;

	markup_put(p->m,
	    "<section id=\"confirmations\" aria-labelledby=\"hc\"><h2"
	    " id=\"hc\">Confirmations</h2>\n<p>Campaign \xe2\x80\x9c%s\xe2\x80\x9d has spent %u of its %u"
	    " %s",
	    policy->campaign.name, s->spent, policy->campaign.confirmations,
	    policy->law >= 3 ? "failures" : "confirmations");
	if (policy->law >= 3) {
		markup_put(p->m, "%s; a confirmation that shows an improvement spends none. Each has to reach odds of ",
		    s->open != NULL ? ", the open one counted" : "");
		put_odds(p->m, 1 / policy_level(policy));
	} else {
		markup_put(p->m, "; each is held to a level of ");
		put_chance(p->m, policy_level(policy));
	}
	markup_put(p->m, ", so that the chance of one false improvement in all of them stays below ");
	put_chance(p->m, policy->campaign.alpha);
	markup_put(p->m, ".");
	put_levels(p);
	markup_put(p->m, "</p>\n");
}

static void
put_confirmations(const struct page *p)
{
	const struct pagedata *s = p->s;
	const struct pagedata_confirmation *c;
	struct chart_scale scale = chart_gains(s);
	size_t i, from = s->confirmation_count > CONFIRMATIONS ? s->confirmation_count - CONFIRMATIONS : 0, paired = 0;

	put_budget(p);
	if (s->open != NULL)
		markup_put(p->m,
		    "<p class=\"open\">One is open: %s against %s, %u of %s%u runs are in (plan in row"
		    " %lld).</p>\n",
		    open_challenger(s), open_incumbent(s), s->filled, s->open->metric != NULL ? "at most " : "",
		    s->slots, (long long)s->open_row.number);
	if (s->confirmation_count == 0) {
		markup_put(p->m,
		    "<p>None has been finished, so nothing here has been shown to be an improvement.</p>"
		    "</section>\n");
		return;
	}
	for (c = s->confirmations + from; c < s->confirmations + s->confirmation_count; c++)
		paired += c->paired != 0;
	markup_put(p->m,
	    "<div class=\"scroll\" role=\"region\" aria-labelledby=\"hc\""
	    " tabindex=\"0\"><table><thead><tr><th scope=\"col\" class=\"wide\">Row</th><th"
	    " scope=\"col\">Challenger</th><th scope=\"col\">Verdict</th><th scope=\"col\">Gain over the incumbent"
	    "<br>with interval, %s",
	    words_unit(s));
	chart_gain_axis(p->m, &scale);
	markup_put(p->m,
	    "</th><th scope=\"col\" class=\"n\">Gain</th><th scope=\"col\" class=\"n\">Between</th><th"
	    " scope=\"col\">%s</th></tr></thead><tbody>\n",
	    paired == 0                                ? "Chance without one" :
		paired == s->confirmation_count - from ? "Odds for one" :
							 "Odds for one, or chance without");
	for (i = s->confirmation_count; i-- > from;)
		put_confirmation(p, &scale, &s->confirmations[i]);
	markup_put(p->m, "</tbody></table></div>\n");
	if (from > 0)
		markup_put(p->m, "<p class=\"note\">%zu older ones stand in the ledger.</p>", from);
	markup_put(p->m, "<ul class=\"said\">\n");
	for (i = s->confirmation_count; i-- > from && i + PARAGRAPHS >= s->confirmation_count;) {
		c = &s->confirmations[i];
		markup_put(p->m, "<li><span class=\"sub\">#%llu, ", (unsigned long long)c->row);
		words_when(p->m, c->at_ms);
		markup_put(p->m, "</span>");
		words_text(p->m, c->text, 1500);
		if (isfinite(c->documents_gain) && isfinite(c->documents_se))
			markup_put(p->m, " By documents the gain is %.5f %s with a standard error of %.5f.",
			    c->documents_gain, *c->documents_metric == '\0' ? "bits per raw byte" : c->documents_metric,
			    c->documents_se);
		markup_put(p->m, "</li>\n");
	}
	markup_put(p->m, "</ul></section>\n");
}

static void
put_stop(const struct page *p)
{
	const struct pagedata *s = p->s;
	const char *line = s->plateau_why.p == NULL ? "" : s->plateau_why.p, *end;
	static const char *const tone[] = { "no", "yes", "open", "open" };
	struct str part = STR_INIT;

	markup_put(p->m,
	    "<section id=\"stop\" aria-labelledby=\"ht\"><h2 id=\"ht\">Stop rule: <span"
	    " class=\"%s\">%s</span></h2>\n",
	    tone[s->plateau.what], plateau_name(s->plateau.what));
	for (; line != NULL && *line != '\0'; line = end == NULL ? NULL : end + 1) {
		end = strchr(line, '\n');
		part.n = 0;
		if (str_add(&part, line, end == NULL ? strlen(line) : (size_t)(end - line)) == -1)
			p->m->failed = ENOMEM;
		else
			markup_put(p->m, "<p>%s</p>\n", part.p);
	}
	str_free(&part);
	markup_put(p->m, "</section>\n");
}

static void
put_promotion(const struct page *p)
{
	static const char *const tone[] = { "yes", "no", "open" };
	const struct pagedata *s = p->s;
	const struct promote_condition *c;
	const struct pagedata_run *r = s->main == NULL ? NULL : pagedata_run(s, s->main->row);
	enum promote_holds worst = PROMOTE_YES;
	int stands = s->promote.promoted != 0 || (s->main != NULL && s->main->promoted != 0);
	const struct pagedata_promotion *q = s->main == NULL ? NULL : last_promotion(s, s->main);
	int revoked = q != NULL && q->bar != 0;
	size_t i, n = 0;

	for (i = 0; i < s->promote.count; i++)
		if (s->promote.list[i].holds == PROMOTE_NO || worst == PROMOTE_YES)
			worst = s->promote.list[i].holds;
	markup_put(p->m,
	    "<section id=\"promotion\" aria-labelledby=\"hp\"><h2 id=\"hp\">Promotion: <span"
	    " class=\"%s\">%s</span></h2>\n",
	    revoked                                           ? "no" :
		stands || (r != NULL && worst == PROMOTE_YES) ? "yes" :
		worst == PROMOTE_NO                           ? "no" :
								"open",
	    revoked                  ? "revoked" :
		stands               ? "promoted" :
		r == NULL            ? "nothing to promote" :
		worst == PROMOTE_YES ? "may be asked for" :
		worst == PROMOTE_NO  ? "refused" :
				       "pending");
	if (r == NULL) {
		markup_put(p->m, "<p>Only a scored run can be promoted.</p></section>\n");
		return;
	}
	for (i = s->promotion_count; i-- > 0 && n < PARAGRAPHS;) {
		q = &s->promotions[i];
		if (q->group == s->main->group) {
			n++;
			markup_put(p->m, "<p class=\"promotion\">");
			put_promoted(p, q);
			if (q->row == s->main->promoted)
				put_badge(p->m, "promoted");
			markup_put(p->m, "</p>\n");
		}
	}
	markup_put(p->m, "<p>What the ledger says of %s, the incumbent:</p><ul class=\"conditions\">\n", r->name);
	for (i = 0; i < s->promote.count; i++) {
		c = &s->promote.list[i];
		markup_put(p->m, "<li><b class=\"%s\">%s</b><span>%s: %s</span></li>\n", tone[c->holds],
		    promote_word(c->holds), c->name, c->evidence);
	}
	markup_put(p->m,
	    "</ul><p class=\"note\">Whether all documents were scored, the files of all runs that the gain"
	    " rests on are still those of their rows, every verdict follows from the rows, and the artifact scores the"
	    " same again is asked when it is promoted.</p>");
	if (!stands && !revoked)
		put_promote(p, r->dir);
	markup_put(p->m, "</section>\n");
}

static void
put_said(const struct page *p)
{
	const struct pagedata_run *r;
	size_t n = 0;

	if (p->s->run_count == 0)
		return;
	markup_put(p->m,
	    "<section aria-labelledby=\"hv\"><h2 id=\"hv\">What was said of the last runs</h2><p"
	    " class=\"note\">Runs that are part of a confirmation are left out.</p><ul class=\"said\">\n");
	for (r = p->s->run_count == 0 ? NULL : p->s->runs + p->s->run_count;
	     r != NULL && r-- > p->s->runs && n < PARAGRAPHS;) {
		/* What a slot's run means is said once, by the confirmation. */
		if (r->reason == VERDICT_SLOT)
			continue;
		n++;
		markup_put(p->m, "<li><span class=\"sub\">");
		chart_mark(p->m, chart_mark_of(r));
		markup_put(p->m, " #%llu, ", (unsigned long long)r->row);
		words_when(p->m, r->at_ms);
		markup_put(p->m, "</span>");
		words_text(p->m, r->text, 1500);
		words_differs(p, r);
		markup_put(p->m, "</li>\n");
	}
	markup_put(p->m, "</ul></section>\n");
}

/* --- the table ------------------------------------------------------------- */

static void
put_bytes(struct markup *m, const struct pagedata_run *r)
{
	double share = r->cap_bytes > 0 ? 100.0 * (double)r->bytes / (double)r->cap_bytes : 0;

	if (r->bytes < 0) {
		markup_put(m, "<span class=\"nil\">" DASH "</span>");
		return;
	}
	markup_put(m, "<data value=\"%lld\">", (long long)r->bytes);
	markup_count(m, r->bytes);
	markup_put(m, "</data>");
	if (r->cap_bytes > 0)
		markup_put(m,
		    "<span class=\"bar%s\" title=\"%.1f %% of the cap\"><i"
		    " style=\"width:%.1f%%\"></i></span>",
		    share > 100 ? " over" : "", share, share > 100 ? 100 : share);
}

/* What a run's row stands for, beside its name. */
static void
put_badges(const struct page *p, const struct pagedata_run *r)
{
	const struct pagedata_promotion *q;
	const struct pagedata_group *g = pagedata_group(p->s, r->group);

	if (g != NULL && g->row == r->row)
		put_badge(p->m, "incumbent");
	for (q = p->s->promotions; q < p->s->promotions + p->s->promotion_count; q++)
		if (q->run == r->row && q->next == 0)
			put_badge(p->m, q->bar == 0 ? "promoted" : "revoked");
}

static void
put_run(const struct page *p, const struct pagedata_run *r, int groups)
{
	const struct pagedata_group *g = pagedata_group(p->s, r->group);
	struct markup *m = p->m;

	markup_put(m, "<tr id=\"r%llu\"><td class=\"n\">%llu</td><th scope=\"row\"><span class=\"id\">%s</span>",
	    (unsigned long long)r->row, (unsigned long long)r->row, r->name);
	put_badges(p, r);
	markup_put(m, "<div class=\"sub\">");
	if (*r->side != '\0')
		markup_put(m, "%s<br>made as %s<br>", r->side, r->id);
	markup_put(m, "<code>%-.8s</code>", r->config);
	if (r->attempt > 1)
		markup_put(m, " attempt %lld", (long long)r->attempt);
	if (trained_has(p->s, r))
		markup_put(m, " <a href=\"#l%llu\">loss</a>", (unsigned long long)r->row);
	if (groups && g != NULL)
		markup_put(m, " in %s <code>%-.8s</code>", g->data == NULL ? "group" : g->data, g->hex);
	markup_put(m, "</div></th><td class=\"n wide\">");
	if (r->seed >= 0)
		markup_put(m, "%lld", (long long)r->seed);
	markup_put(m, "</td><td class=\"n score\">");
	markup_data(m, r->score, 5);
	markup_put(m, "</td><td class=\"n gain-of wide\">");
	markup_signed(m, r->gain, 5);
	put_unit(p, r->gain, r->gain_in);
	if (r->averaged > 1 && isfinite(r->gain))
		markup_put(m, "<div class=\"sub\">mean of %u runs</div>", r->averaged);
	markup_put(m, "</td><td class=\"n bytes\">");
	put_bytes(m, r);
	markup_put(m, "</td><td class=\"n wide\">");
	if (r->train_ms >= 0)
		markup_put(m, "<data value=\"%lld\">%.1f</data>", (long long)r->train_ms, (double)r->train_ms / 1000);
	else
		markup_put(m, "<span class=\"nil\">" DASH "</span>");
	markup_put(m, "</td><td class=\"class\" data-reason=\"%s\">", verdict_reason_name(r->reason));
	chart_mark(m, chart_mark_of(r));
	markup_put(m, " %s<div class=\"sub\">%s%s%s</div></td><td class=\"why\">", verdict_class_name(r->klass),
	    verdict_reason_aside(r->reason) ? "set aside: " : "", verdict_reason_phrase(r->reason),
	    r->second      ? "; waits for a second run" :
		r->pending ? "; pending" :
			     "");
	words_text(m, r->hypothesis, TEXT);
	words_differs(p, r);
	if (*r->findings != '\0') {
		markup_put(m, "<div class=\"sub\">");
		words_text(m, r->findings, TEXT);
		markup_put(m, "</div>");
	}
	markup_put(m, "</td></tr>\n");
}

static void
put_runs(const struct page *p)
{
	const struct pagedata *s = p->s;
	const struct pagedata_run *r;
	size_t left = 0;

	markup_put(p->m, "<section id=\"runs\" aria-labelledby=\"hr\"><h2 id=\"hr\">Runs</h2>\n");
	if (s->run_count == 0) {
		markup_put(p->m, "<p>None.</p></section>\n");
		return;
	}
	markup_put(p->m,
	    "<div class=\"scroll\" role=\"region\" aria-labelledby=\"hr\" tabindex=\"0\"><table"
	    " class=\"runs\"><caption>Newest first. Gain: over the incumbent's mean at that time, better being"
	    " positive; a single run's is no evidence%s. Bytes: code and artifact, with their share of the cap. Time:"
	    " training.</caption><thead><tr><th scope=\"col\" class=\"n\">Row</th><th scope=\"col\">Run,"
	    " configuration</th><th scope=\"col\" class=\"n wide\">Seed</th><th scope=\"col\" class=\"n\">%s</th><th"
	    " scope=\"col\" class=\"n wide\">Gain</th><th scope=\"col\" class=\"n\">Bytes</th><th scope=\"col\""
	    " class=\"n wide\">Time, s</th><th scope=\"col\">Class</th><th scope=\"col\">Hypothesis, or why"
	    " not</th></tr></thead><tbody>\n",
	    s->l.book.policy.law >= 3 ? ", and those of a confirmation have none but as pairs" : "",
	    policy_metric_name(s->tracks.metric));
	for (r = s->run_count == 0 ? NULL : s->runs + s->run_count; r != NULL && r-- > s->runs;) {
		if (words_has_run(s, r))
			put_run(p, r, s->group_count > 1);
		else
			left++;
	}
	markup_put(p->m, "</tbody></table></div>\n");
	if (left > 0) {
		markup_put(p->m, "<p class=\"note\">");
		markup_count(p->m, (long long)left);
		markup_put(p->m, " older runs are left out; <code>");
		markup_command(p->m, "hg-ledger list %s", s->l.path);
		markup_put(p->m, "</code> has all.</p>\n");
	}
	markup_put(p->m, "</section>\n");
}

/* --- how far to believe it -------------------------------------------------- */

static void
put_trust(const struct page *p)
{
	const struct pagedata *s = p->s;
	const struct pagedata_run *r = s->main == NULL ? NULL : pagedata_run(s, s->main->row);

	markup_put(p->m,
	    "<section id=\"trust\" aria-labelledby=\"hw\"><h2 id=\"hw\">How far to believe this"
	    " page</h2>\n<dl><dt>Chain</dt><dd>each of %llu rows names the digest of the one before it; %llu are"
	    " runs</dd><dt>Head</dt><dd><code>%s</code></dd><dt>Witnesses</dt><dd>",
	    (unsigned long long)s->verify.rows, (unsigned long long)s->verify.runs, s->verify.head);
	if (s->verify.witnesses == 0)
		markup_put(p->m, "none: no run directory is at hand that remembers its row");
	else
		markup_put(p->m, "%zu run director%s the row that it got, and all agree", s->verify.witnesses,
		    s->verify.witnesses == 1 ? "y remembers" : "ies remember");
	markup_put(p->m, "</dd><dt>Replay</dt><dd>");
	if (s->replay.first == 0)
		markup_put(p->m, "%u verdicts were derived again from the rows alone, and none differs",
		    s->replay.judged);
	else
		markup_put(p->m, "<b class=\"no\">row %llu differs, or can't be derived again</b>",
		    (unsigned long long)s->replay.first);
	markup_put(p->m, "</dd><dt>Last row</dt><dd>");
	words_when(p->m, s->last_ms);
	markup_put(p->m, "</dd><dt>Page made</dt><dd>");
	words_when(p->m, p->made_ms);
	markup_put(p->m,
	    " by hg-report " HG_VERSION "</dd></dl>\n<p>Check it yourself: the first command must print"
	    " this head, the second derives every verdict again from the rows alone.</p><code class=\"cmd\">");
	markup_command(p->m, "hg-ledger verify %s\nhg-ledger replay %s", s->l.path, s->l.path);
	markup_put(p->m, "</code>\n");
	markup_put(p->m,
	    "<h3>What these numbers are not</h3>\n<p>Scores are comparable only under the same eval law"
	    " and on the same validation text; intervals and chances hold for this lane and this budget. No single run"
	    " is an improvement, however low. What was never added cannot be known: who trains ten seeds and adds the"
	    " best has lied to the ledger.</p>\n");
	if (r != NULL && *r->boundary != '\0') {
		markup_put(p->m, "<p>The incumbent's receipt says: ");
		words_text(p->m, r->boundary, 1500);
		markup_put(p->m, "</p>\n");
	}
	markup_put(p->m, "</section>\n");
}

/* What the page is of and when it was made: a ledger's state by its head, a campaign's by a word. */
static void
put_header(const struct page *p, unsigned again_s)
{
	struct markup *m = p->m;

	markup_put(m, "<header><p class=\"kicker\">Homegolf %s</p><h1>%s</h1><p class=\"meta\">",
	    p->t == NULL ? "ledger" : "campaign", p->name);
	if (p->t != NULL)
		markup_put(m, "It is <b id=\"word\">%s</b>. ", p->t->word);
	if (p->s != NULL) {
		markup_count(m, (long long)p->s->run_count);
		markup_put(m, " run%s in ", p->s->run_count == 1 ? "" : "s");
		markup_count(m, (long long)p->s->verify.rows);
		markup_put(m, " row%s, verified to head <code>%-.12s</code>; last row ",
		    p->s->verify.rows == 1 ? "" : "s", p->s->verify.head);
		words_when(m, p->s->last_ms);
	} else
		markup_put(m, "There is no ledger yet");
	markup_put(m, ", page made ");
	words_when(m, p->made_ms);
	if (again_s > 0)
		markup_put(m, "; loaded again every %u seconds", again_s);
	markup_put(m, "</p></header>\n");
}

static void
put_banner(const struct page *p)
{
	if (p->s->replay.first == 0)
		return;
	markup_put(p->m,
	    "<p class=\"banner\" role=\"note\"><b>Do not believe this ledger.</b> Its chain is"
	    " unbroken, but what row %llu says does not follow from the rows before it: <code>",
	    (unsigned long long)p->s->replay.first);
	markup_command(p->m, "hg-ledger replay %s", p->s->l.path);
	markup_put(p->m, "</code></p>\n");
}

static void
put_ledger(const struct page *p)
{
	const struct pagedata *s = p->s;

	markup_put(p->m, "<div class=\"answers\">\n");
	answer_best(p);
	answer_real(p);
	answer_next(p);
	markup_put(p->m, "</div>\n");
	now_line(p);
	cost_line(p);
	put_groups(p);
	/* A ledger that only took in other people's results has nothing of its own to show. */
	if (s->run_count > 0 || s->imports == 0) {
		put_history(p);
		tried_write(p);
		put_confirmations(p);
		markup_put(p->m, "<div class=\"two\">\n");
		put_stop(p);
		put_promotion(p);
		markup_put(p->m, "</div>\n");
		trained_write(p);
		put_said(p);
		put_runs(p);
	}
	if (s->imports > 0)
		imported_write(p->m, &s->others, s->l.path, PANELS + 1);
	put_trust(p);
}

void
page_write(struct markup *m, const struct pagedata *s, const struct triage *t, const char *name, int64_t made_ms,
    unsigned again_s)
{
	struct page p = { m, s, t, name, made_ms };

	markup_put(m,
	    PAGE_BEGIN
	    "\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta"
	    " http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<meta"
	    " name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\""
	    " content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"generator\""
	    " content=\"hg-report " HG_VERSION "\">\n");
	if (again_s > 0)
		markup_put(m, "<meta http-equiv=\"refresh\" content=\"%u\">\n", again_s);
	markup_put(m, "<title>%s: ", name);
	if (t != NULL)
		markup_put(m, "%zu of %zu requests done, ", t->counts[TRIAGE_DONE], t->count);
	if (s != NULL && s->main != NULL)
		markup_put(m, "%.5f %s, ", s->main->score, policy_metric_name(s->tracks.metric));
	markup_put(m, "%zu runs</title>\n<style>\n", s == NULL ? (size_t)0 : s->run_count);
	/* Ours, and no data: the one text that goes in as it is. */
	if (!m->failed && str_puts(&m->out, embedded_css) == -1)
		m->failed = ENOMEM;
	markup_put(m, "</style>\n</head>\n<body>\n");
	chart_shapes(m);
	put_header(&p, again_s);
	markup_put(m, "<main>\n");
	if (s != NULL)
		put_banner(&p);
	if (t != NULL) {
		requests_answers(&p);
		requests_write(&p);
	}
	if (s != NULL)
		put_ledger(&p);
	markup_put(m,
	    "</main>\n<footer>One file without script or network: it can be kept, mailed and printed. The"
	    " ledger says more: <code>hg-ledger show</code>.</footer>\n</body>\n</html>\n");
}
