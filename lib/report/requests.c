#include <errno.h>
#include <string.h>

#include "base/jsonio.h"
#include "campaign/clear.h"
#include "judge/outcome.h"
#include "report/chart.h"
#include "report/requests.h"

/* A heading of the table: a state of hg-triage, what is done by what has become of it. In the order of the page. */
enum part {
	PART_ESCALATED,
	PART_DEAD,
	PART_RUNNING,
	PART_UNJUDGED,
	PART_READY,
	PART_WAITING,
	PART_REAL,
	PART_OPEN,
	PART_OUT,
	PART_NOTHING,
	PARTS
};

/* So many are named at the top; the table has them all. */
enum { NAMES = 6 };

static const struct {
	const char *state, *heading, *says;
} parts[PARTS] = {
	[PART_ESCALATED] = { "escalated", "Waits for you", "nothing is guessed: mend it, or answer in admit/" },
	[PART_DEAD] = { "dead", "Died", "a stage ended without a word: the next pass closes it out" },
	[PART_RUNNING] = { "running", "Runs", "a stage is at work" },
	[PART_UNJUDGED] = { "unjudged", "Ended", "the next pass adds its row" },
	[PART_READY] = { "ready", "Ready", "the next pass begins it" },
	[PART_WAITING] = { "waiting", "Waits", "for what is not its own" },
	[PART_REAL] = { "done", "Found better", "by a confirmation, planned before it ran" },
	[PART_OPEN] = { "done", "Not settled", "looks better than the incumbent, which one run does not show" },
	[PART_OUT] = { "done", "Refused, or does not count", "nothing was found out about what it tried" },
	[PART_NOTHING] = { "done", "No better", "than luck, as far as it was looked at; or the first, to begin with" },
};

static enum part
part_of_done(const struct triage_line *line)
{
	const struct standings_fact *f = line->run->row;

	if (line->outcome == OUTCOME_CONFIRMED || line->outcome == OUTCOME_PROMOTED)
		return (PART_REAL);
	if (line->outcome == OUTCOME_NOT_CONFIRMED)
		return (PART_NOTHING);
	if (line->outcome == OUTCOME_CONFIRMING || f->reason == VERDICT_PROMISING || f->reason == VERDICT_SECOND)
		return (PART_OPEN);
	/* One that was ended as a clear loser was screened by that. */
	if (f->reason != VERDICT_OUTRUN && (f->klass > VERDICT_REGRESSION || verdict_reason_aside(f->reason)))
		return (PART_OUT);
	return (PART_NOTHING);
}

static enum part
part_of(const struct triage_line *line)
{
	switch (line->state) {
	case TRIAGE_READY:
		return (PART_READY);
	case TRIAGE_WAITING:
		return (PART_WAITING);
	case TRIAGE_RUNNING:
		return (PART_RUNNING);
	case TRIAGE_DEAD:
		return (PART_DEAD);
	case TRIAGE_UNJUDGED:
		return (PART_UNJUDGED);
	case TRIAGE_DONE:
		return (part_of_done(line));
	default:
		return (PART_ESCALATED);
	}
}

static size_t
count(const struct triage *t, enum part part)
{
	const struct triage_line *line;
	size_t n = 0;

	for (line = t->list; line < t->list + t->count; line++)
		n += part_of(line) == part;
	return (n);
}

/* "base, long and 3 more", each with its reason where that is asked for. */
static void
put_names(const struct page *p, enum part part, int reasons)
{
	const size_t all = count(p->t, part);
	const struct triage_line *line;
	size_t n = 0;

	for (line = p->t->list; line < p->t->list + p->t->count && n < NAMES; line++) {
		if (part_of(line) != part)
			continue;
		markup_put(p->m, "%s<b>%s</b>", n == 0 ? "" : ", ", line->request.name);
		if (reasons)
			markup_put(p->m, " (%s)", line->reason);
		else if (line->outcome != OUTCOME_NONE)
			markup_put(p->m, " (%s)", outcome_name(line->outcome));
		n++;
	}
	if (all > n)
		markup_put(p->m, " and <a href=\"#requests\">%zu more</a>", all - n);
}

static void
put_part(const struct page *p, size_t *said, enum part part, const char *words)
{
	const size_t n = count(p->t, part);

	if (n != 0)
		markup_put(p->m, "%s %zu %s", (*said)++ == 0 ? "" : ",", n, words);
}

static void
answer_tried(const struct page *p)
{
	const struct triage *t = p->t;
	const size_t open = t->count - t->counts[TRIAGE_DONE] - t->counts[TRIAGE_ESCALATED];
	size_t done = 0, left = 0;

	markup_put(p->m, "<article><h2>What was tried?</h2>\n<p class=\"big\" id=\"asked\">");
	if (t->count == 0)
		markup_put(p->m, "Nothing yet</p><p>No request lies in <code>%s/" CAMPAIGN_REQUESTS "</code>.</p>",
		    t->c->path);
	else {
		markup_put(p->m, "%zu <small>of %zu request%s came to an end</small></p><p>", t->counts[TRIAGE_DONE],
		    t->count, t->count == 1 ? "" : "s");
		if (t->counts[TRIAGE_DONE] == 0)
			markup_put(p->m, "None has a row in the ledger.");
		else {
			markup_put(p->m, "Of these:");
			put_part(p, &done, PART_REAL, "found better");
			put_part(p, &done, PART_OPEN, "not settled");
			put_part(p, &done, PART_NOTHING, "no better");
			put_part(p, &done, PART_OUT, "refused or not counted");
			markup_put(p->m, ".");
		}
		if (open != 0) {
			markup_put(p->m, " Still to come:");
			put_part(p, &left, PART_RUNNING, "at work");
			put_part(p, &left, PART_DEAD, "died and not closed out");
			put_part(p, &left, PART_UNJUDGED, "ended and not added");
			put_part(p, &left, PART_READY, "ready");
			put_part(p, &left, PART_WAITING, "waiting");
			markup_put(p->m, ".");
		}
		markup_put(p->m, "</p>");
	}
	if (t->others != 0)
		markup_put(p->m, "<p>%zu run%s at work for no request: to calibrate a lane, or to confirm.</p>",
		    t->others, t->others == 1 ? " is" : "s are");
	markup_put(p->m, "</article>\n");
}

static void
answer_real(const struct page *p)
{
	const size_t real = count(p->t, PART_REAL), open = count(p->t, PART_OPEN);

	markup_put(p->m, "<article><h2>What is real?</h2>\n<p class=\"big%s\" id=\"real\">", real != 0 ? " yes" : "");
	if (real == 0)
		markup_put(p->m, "Nothing yet</p><p>No confirmation has found what a request tried to be better.</p>");
	else {
		markup_put(p->m, "%zu <small>found better</small></p><p>", real);
		put_names(p, PART_REAL, 0);
		markup_put(p->m, ": by runs made for that question alone.</p>");
	}
	if (open != 0) {
		markup_put(p->m, "<p>Not settled: ");
		put_names(p, PART_OPEN, 0);
		markup_put(p->m, ".");
		if (strcmp(campaign_word(p->t->c, "confirm"), "promising") != 0)
			markup_put(p->m,
			    " <code>confirm</code> in " CAMPAIGN_FILE
			    " is <code>never</code>, so nothing is confirmed without a hand.");
		markup_put(p->m, "</p>");
	}
	markup_put(p->m, "</article>\n");
}

static void
answer_owner(const struct page *p)
{
	const struct triage *t = p->t;
	const size_t n = count(t, PART_ESCALATED);
	const int stuck = strcmp(t->word, "wedged") == 0, halted = strcmp(t->word, "halted") == 0;

	markup_put(p->m, "<article><h2>What needs you?</h2>\n<p class=\"big%s\" id=\"owner\">",
	    stuck          ? " no" :
		n + halted ? " open" :
			     "");
	if (stuck)
		markup_put(p->m, "It hangs");
	else if (n != 0)
		markup_put(p->m, "%zu <small>request%s wait%s for you</small>", n, n == 1 ? "" : "s",
		    n == 1 ? "s" : "");
	else
		markup_put(p->m, halted ? "It is halted" : "Nothing");
	markup_put(p->m, "</p>");
	/* That all waits for its owner was said already. */
	if (t->why.n != 0 && strcmp(t->word, "escalated") != 0)
		markup_put(p->m, "<p id=\"why\">The campaign is <b>%s</b>: %s.</p>", t->word, t->why.p);
	else if (t->why.n != 0 && strchr(t->why.p, ';') != NULL)
		markup_put(p->m, "<p id=\"why\">%s.</p>", t->why.p);
	if (n != 0) {
		markup_put(p->m, "<p>");
		put_names(p, PART_ESCALATED, 1);
		markup_put(p->m, ". <a href=\"#requests\">What would clear each</a>.</p>");
	} else if (t->why.n == 0)
		markup_put(p->m, "<p>%s</p>",
		    strcmp(t->word, "running") == 0 ? "It is at work, and nothing hangs." :
			t->count == 0               ? "The campaign is empty." :
						      "All that was asked for is done.");
	if (halted || stuck) {
		markup_put(p->m, "<code class=\"cmd\">");
		if (halted)
			markup_command(p->m, "rm %s/" CAMPAIGN_HALT, t->c->path);
		else
			markup_command(p->m, "hg-campaign %s", t->c->path);
		markup_put(p->m, "</code>");
	}
	markup_put(p->m, "</article>\n");
}

void
requests_answers(const struct page *p)
{
	markup_put(p->m, "<div class=\"answers\" id=\"morning\">\n");
	answer_tried(p);
	answer_real(p);
	answer_owner(p);
	markup_put(p->m, "</div>\n");
}

/* --- the table --------------------------------------------------------------- */

/* A word of hg-triage in words; what is not among these stands as it is. */
static const char *
words_of(const char *reason)
{
	static const char *const words[][2] = {
		{ "new", "it has no run yet" },
		{ "begin", "its run was made, and no stage has begun" },
		{ "go_on", "the next stage may begin" },
		{ "retry", "it was refused, and a retry may help" },
		{ "halt", "the file '" CAMPAIGN_HALT "' is there" },
		{ "stop", "the ledger's stop rule says that nothing new is to be tried" },
		{ "pause", "the ledger's stop rule says to look at what failed first" },
		{ "calibration", "the noise of its lane is to be known first" },
		{ "time", "it would not end in the time that is left" },
		{ "refused", "a stage was refused for good" },
		{ "complete", "its score is in" },
		{ "edited", "its request was edited since" },
		{ "unreadable", "its request can't be read" },
		{ "disk_full", "the disk is full" },
		{ "not_writable", "its directory can't be written to" },
		{ "ledger_gone", "the ledger that its runs are in is gone" },
		{ "wrong_clock", "it is dead, and is not closed out: a run is of a time that is still to come" },
	};
	const size_t n = strcspn(reason, ":");
	size_t i;

	/* "retry:train.1" is a retry. */
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i][0]) == n && strncmp(words[i][0], reason, n) == 0)
			return (words[i][1]);
	return (NULL);
}

static void
put_kind(const struct page *p, const struct triage_line *line)
{
	if (line->run != NULL && *line->run->kind != '\0' && line->state != TRIAGE_RUNNING)
		markup_put(p->m, "<div class=\"sub\">refused: %s</div>", line->run->kind);
}

/* Every reason by itself: what it is, for the first in whole, and what would clear it. */
static void
put_escalated(const struct page *p, const struct triage_line *line)
{
	const unsigned set = clear_reasons(line);
	struct str command = STR_INIT;
	int r;

	if (*line->request.why != '\0') {
		markup_put(p->m, "<div>");
		words_text(p->m, line->request.why, WORDS_TEXT);
		markup_put(p->m, "</div>");
	}
	put_kind(p, line);
	for (r = 0; r < REASONS; r++)
		if ((set & 1u << r) != 0)
			markup_put(p->m, "<div class=\"sub clears\"><b>%s</b>: %s</div>",
			    request_reason((enum reason)r), clear_words((enum reason)r));
	if (clear_command(p->t, line, &command) == -1)
		p->m->failed = ENOMEM;
	else if (command.n != 0)
		markup_put(p->m,
		    "<details><summary>Let it be run as it is</summary><code class=\"cmd\">%s</code></details>",
		    command.p);
	str_free(&command);
}

static void
put_done(const struct page *p, const struct triage_line *line)
{
	static const char *const become[OUTCOMES] = { "", "its confirmation is open", "not confirmed", "confirmed",
		"confirmed and promoted" };
	const struct standings_fact *f = line->run->row;
	const struct pagedata_run *r;

	for (r = p->s == NULL ? NULL : p->s->runs; r != NULL && r < p->s->runs + p->s->run_count; r++)
		if (r->digest == f->row)
			break;
	markup_put(p->m, "<div>");
	if (line->outcome != OUTCOME_NONE)
		markup_put(p->m, "<b>%s</b>; its first run: ", become[line->outcome]);
	markup_put(p->m, "%s: %s", verdict_class_name((enum verdict_class)f->klass),
	    verdict_reason_phrase((enum verdict_reason)f->reason));
	if (r != NULL && r < p->s->runs + p->s->run_count) {
		markup_put(p->m, " (");
		words_row(p, r->row);
		markup_put(p->m, ")</div>");
		if (*r->findings != '\0') {
			markup_put(p->m, "<div class=\"sub\">");
			words_text(p->m, r->findings, WORDS_TEXT);
			markup_put(p->m, "</div>");
		}
	} else
		markup_put(p->m, "</div>");
}

static void
put_pending(const struct page *p, const struct triage_line *line)
{
	const char *words = words_of(line->reason);

	if (strncmp(line->reason, "lane:", 5) == 0)
		markup_put(p->m, "<div>%s has its lane, or comes first there</div>", line->reason + 5);
	else if (words != NULL || *line->reason != '\0')
		markup_put(p->m, "<div>%s</div>", words != NULL ? words : line->reason);
	if (line->state == TRIAGE_WAITING && *line->request.why != '\0') {
		markup_put(p->m, "<div class=\"sub\">");
		words_text(p->m, line->request.why, WORDS_TEXT);
		markup_put(p->m, "</div>");
	}
	put_kind(p, line);
	if (line->next.n != 0)
		markup_put(p->m, "<code class=\"cmd\">%s</code>", line->next.p);
}

static void
put_line(const struct page *p, const struct triage_line *line)
{
	const char *hypothesis = jsonio_text(line->request.json, "about.hypothesis", "");
	struct markup *m = p->m;

	markup_put(m, "<tr data-state=\"%s\"><th scope=\"row\"><span class=\"id\">%s</span>",
	    triage_state_name(line->state), line->request.name);
	if (*hypothesis != '\0') {
		markup_put(m, "<div class=\"sub\">");
		words_text(m, hypothesis, WORDS_TEXT);
		markup_put(m, "</div>");
	}
	markup_put(m, "</th><td class=\"lane\">%s<div class=\"sub\">",
	    *line->request.lane == '\0' ? "no lane" : line->request.lane);
	words_when(m, line->state == TRIAGE_DONE ? line->run->row->at_ms : p->t->now_ms - line->age_ms);
	markup_put(m, "</div></td><td class=\"reason\">");
	if (line->state == TRIAGE_DONE)
		put_done(p, line);
	else if (line->state == TRIAGE_ESCALATED)
		put_escalated(p, line);
	else
		put_pending(p, line);
	markup_put(m, "</td></tr>\n");
}

void
requests_write(const struct page *p)
{
	const struct triage *t = p->t;
	const struct triage_line *line;
	size_t n, shown;
	int part;

	markup_put(p->m, "<section id=\"requests\" aria-labelledby=\"hq\"><h2 id=\"hq\">Requests</h2>\n");
	if (t->count == 0) {
		markup_put(p->m,
		    "<p>None: a request is a file <code>NAME.json</code> in <code>%s/" CAMPAIGN_REQUESTS
		    "</code>.</p></section>\n",
		    t->c->path);
		return;
	}
	markup_put(p->m,
	    "<div class=\"scroll\" role=\"region\" aria-labelledby=\"hq\" tabindex=\"0\"><table class=\"requests\">"
	    "<caption>Each is in one state, as <code>");
	markup_command(p->m, "hg-triage %s", t->c->path);
	markup_put(p->m,
	    "</code> tells it. Time: when what is done got its row; of all else, when it was written or its run got on"
	    " last.</caption><thead><tr><th scope=\"col\">Request, and what it is to find out</th>"
	    "<th scope=\"col\">Lane,"
	    " time</th><th scope=\"col\">Why, and what to type</th></tr></thead>\n");
	for (part = 0; part < PARTS; part++) {
		if ((n = count(t, (enum part)part)) == 0)
			continue;
		markup_put(p->m, "<tbody id=\"q%d\"><tr class=\"part\"><th scope=\"rowgroup\" colspan=\"3\">%s: %zu",
		    part, parts[part].heading, n);
		markup_put(p->m, " <span class=\"sub\">%s (<code>%s</code>)</span></th></tr>\n", parts[part].says,
		    parts[part].state);
		shown = 0;
		for (line = t->list; line < t->list + t->count && shown < WORDS_RUNS; line++)
			if ((int)part_of(line) == part) {
				put_line(p, line);
				shown++;
			}
		if (shown < n) {
			markup_put(p->m, "<tr><td colspan=\"3\">%zu more are left out; <code>", n - shown);
			markup_command(p->m, "hg-triage -s %s %s", parts[part].state, t->c->path);
			markup_put(p->m, "</code> has all.</td></tr>\n");
		}
		markup_put(p->m, "</tbody>\n");
	}
	markup_put(p->m, "</table></div></section>\n");
}
