#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/atomfile.h"
#include "base/clock.h"
#include "base/exit.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "base/out.h"
#include "base/proc.h"
#include "base/say.h"
#include "base/shell.h"
#include "campaign/triage.h"
#include "campaign/turns.h"
#include "law/classify.h"
#include "law/verdict.h"
#include "run/mint.h"

enum { LOCK_WAIT_MS = 30000 };

/* With the attempt after it. */
#define RETRY "retry:"
#define LEDGER_GONE "ledger_gone"
#define WRONG_CLOCK "wrong_clock"

#define RE TRIAGE_READY
#define RU TRIAGE_RUNNING
#define DE TRIAGE_DEAD
#define UN TRIAGE_UNJUDGED
#define DO TRIAGE_DONE
#define ES TRIAGE_ESCALATED

/* [run][sound, reasons stand against it, made of other bytes]; what runs is let run. */
static const struct triage_cell table[TRIAGE_RUNS][TRIAGE_REQUESTS] = {
	[TRIAGE_RUN_NONE] = { { RE, "new" }, { ES, NULL }, { ES, NULL } },
	[TRIAGE_RUN_NEW] = { { RE, "begin" }, { ES, NULL }, { ES, "edited" } },
	[TRIAGE_RUN_WAITING] = { { RE, "go_on" }, { ES, NULL }, { ES, "edited" } },
	[TRIAGE_RUN_RUNNING] = { { RU, "" }, { RU, "" }, { RU, "edited" } },
	[TRIAGE_RUN_DEAD] = { { DE, "" }, { DE, "" }, { DE, "edited" } },
	[TRIAGE_RUN_RETRY] = { { RE, "retry" }, { ES, NULL }, { ES, "edited" } },
	[TRIAGE_RUN_ATTEMPTS] = { { ES, "attempts" }, { ES, "attempts" }, { ES, "edited" } },
	[TRIAGE_RUN_SAME_KIND] = { { ES, "same_kind" }, { ES, "same_kind" }, { ES, "edited" } },
	[TRIAGE_RUN_REFUSED] = { { UN, "refused" }, { UN, "refused" }, { UN, "edited" } },
	[TRIAGE_RUN_COMPLETE] = { { UN, "complete" }, { UN, "complete" }, { UN, "edited" } },
	[TRIAGE_RUN_JUDGED] = { { DO, "" }, { DO, "" }, { ES, "edited" } },
	[TRIAGE_RUN_CORRUPT] = { { ES, "corrupt" }, { ES, "corrupt" }, { ES, "corrupt" } },
};

static const char *const states[TRIAGE_STATES] = { "ready", "waiting", "running", "dead", "unjudged", "done",
	"escalated" };

static const char *const runs[TRIAGE_RUNS] = { "none", "new", "waiting", "running", "dead", "retry", "attempts",
	"same_kind", "refused", "complete", "judged", "corrupt" };

const char *
triage_state_name(enum triage_state s)
{
	return (states[s]);
}

int
triage_state_of(const char *name)
{
	int s;

	for (s = 0; s < TRIAGE_STATES; s++)
		if (strcmp(states[s], name) == 0)
			return (s);
	return (-1);
}

const char *
triage_run_name(enum triage_run r)
{
	return (runs[r]);
}

struct triage_cell
triage_cell(enum triage_run run, enum triage_request request)
{
	return (table[run][request]);
}

/* --- one request ------------------------------------------------------------- */

static enum triage_run
row_of(const struct triage *t, const struct request *q, const struct campaign_run *run)
{
	const int64_t most = (q->cleared & 1u << REASON_ATTEMPTS) != 0 && q->attempts > 0 ?
	    q->attempts :
	    campaign_count(t->c, "attempts");

	if (run == NULL)
		return (TRIAGE_RUN_NONE);
	switch (run->state) {
	case STATE_RUN_NEW:
	case STATE_RUN_WAITING:
		if (turns_fresh(t, run))
			return (TRIAGE_RUN_RUNNING);
		return (run->state == STATE_RUN_NEW ? TRIAGE_RUN_NEW : TRIAGE_RUN_WAITING);
	case STATE_RUN_RUNNING:
		return (TRIAGE_RUN_RUNNING);
	case STATE_RUN_DEAD:
		return (TRIAGE_RUN_DEAD);
	case STATE_RUN_REFUSED:
		if (!run->retryable)
			return (run->row == NULL ? TRIAGE_RUN_REFUSED : TRIAGE_RUN_JUDGED);
		if (run->attempt >= most)
			return (TRIAGE_RUN_ATTEMPTS);
		return (
		    run->same && (q->cleared & 1u << REASON_SAME_KIND) == 0 ? TRIAGE_RUN_SAME_KIND : TRIAGE_RUN_RETRY);
	case STATE_RUN_COMPLETE:
		return (run->row == NULL ? TRIAGE_RUN_COMPLETE : TRIAGE_RUN_JUDGED);
	default:
		return (TRIAGE_RUN_CORRUPT);
	}
}

/* The same configuration and seed: a run of another name, or a request before this one that has none yet. */
static void
look_for_twins(const struct triage *t, struct request *q)
{
	const uint64_t config = standings_tag(jsonio_text(q->spec, "digests.config_sha256", ""));
	const int64_t seed = jsonio_i64(q->spec, "train.seed", 0);
	const struct standings_fact *f;
	const struct request *before;
	size_t i;

	for (i = 0; i < t->runs.count; i++)
		if (t->runs.list[i].config == config && t->runs.list[i].seed == seed) {
			request_because(q, REASON_DUPLICATE, "run '%s' has its configuration and seed",
			    t->runs.list[i].name);
			return;
		}
	for (i = 0; i < t->count; i++) {
		before = &t->list[i].request;
		if (before->spec != NULL && before->reasons == 0 && jsonio_i64(before->spec, "train.seed", 0) == seed &&
		    standings_tag(jsonio_text(before->spec, "digests.config_sha256", "")) == config) {
			request_because(q, REASON_DUPLICATE, "request '%s' has its configuration and seed",
			    before->name);
			return;
		}
	}
	for (i = 0; t->has_ledger && i < standings_count(&t->l.book); i++) {
		f = standings_fact(&t->l.book, i);
		if (f->kind == STANDINGS_RUN && f->config == config && f->seed == seed) {
			request_because(q, REASON_DUPLICATE, "the run of row %zu had its configuration and seed",
			    i + 1);
			return;
		}
	}
}

/* The group that was judged last, if a lane's noise is known in it. */
static const struct standings_group *
judged(const struct triage *t, uint64_t lane)
{
	const struct standings_group *g = !t->has_ledger || t->l.book.last_group == 0 ?
	    NULL :
	    standings_group(&t->l.book, t->l.book.last_group);

	return (g == NULL || g->incumbent == 0 || standings_lane(&t->l.book, g->group, lane) == NULL ? NULL : g);
}

/* Could a confirmation find what is expected, more often than not? */
static void
look_at_gain(const struct triage *t, struct request *q)
{
	const struct standings *b = &t->l.book;
	const int64_t cap_ms = json_is_integer(jsonio_get(q->spec, "budget.max_wallclock_ms")) ?
	    jsonio_i64(q->spec, "budget.max_wallclock_ms", -1) :
	    -1;
	const uint64_t lane = standings_lane_tag(q->lane, cap_ms);
	const struct standings_group *g = judged(t, lane);
	double gain = jsonio_f64(q->spec, "about.expected_gain", NAN), sd, power;

	if (g == NULL || !isfinite(gain))
		return;
	sd = standings_lane_sd(b, g->group, lane, b->policy.metric.name);
	if (!isfinite(sd) || sd <= 0)
		return;
	power = classify_power(b, g->group, lane, g->incumbent,
	    b->policy.law >= 3 ? b->policy.confirm.pairs : b->policy.confirm.seeds, gain / sd);
	if (isfinite(power) && power < 0.5)
		request_because(q, REASON_UNDETECTABLE,
		    "a gain of %g is %.1f deviations of its lane: a confirmation finds that with a chance of %.0f %%",
		    gain, gain / sd, 100 * power);
}

const struct triage_line *
triage_find(const struct triage *t, const char *name)
{
	size_t i;

	for (i = 0; i < t->count; i++)
		if (strcmp(t->list[i].request.name, name) == 0)
			return (&t->list[i]);
	return (NULL);
}

/* --- what to type ------------------------------------------------------------ */

/* How to go on in spite of the stop rule. 0, or -1 with errno, said. */
static int
put_answer(const struct triage *t, struct str *s)
{
	struct str path = STR_INIT;
	int rc = campaign_place(t->c, CAMPAIGN_GO_ON, &path);

	if (rc == 0)
		rc = shell_command(s, "echo %s > %s", t->l.head, path.p);
	str_free(&path);
	return (rc);
}

/* How to go on with a run that the ledger asked for. 0, or -1 with errno, said. */
static int
put_asked(const struct triage *t, const struct campaign_run *run, struct str *s)
{
	char name[REQUEST_NAME + sizeof(CAMPAIGN_RUNS) + 1];
	struct str path = STR_INIT, ledger = STR_INIT;
	int rc = -1;

	snprintf(name, sizeof(name), CAMPAIGN_RUNS "/%s", run->name);
	if (campaign_place(t->c, name, &path) == 0 && campaign_place(t->c, CAMPAIGN_LEDGER, &ledger) == 0)
		rc = shell_command(s, "hg-run -r -l %s %s", ledger.p, path.p);
	str_free(&path);
	str_free(&ledger);
	return (rc);
}

/* 0, or -1 with errno, said. */
static int
suggest(const struct triage *t, struct triage_line *line)
{
	const struct campaign_run *asked;
	struct str run = STR_INIT, ledger = STR_INIT;
	char name[REQUEST_NAME + sizeof(CAMPAIGN_RUNS) + 1];
	int rc = 0;

	snprintf(name, sizeof(name), CAMPAIGN_RUNS "/%s", line->request.name);
	if (campaign_place(t->c, name, &run) == -1 || campaign_place(t->c, CAMPAIGN_LEDGER, &ledger) == -1) {
		rc = -1;
		goto done;
	}
	switch (line->state) {
	case TRIAGE_READY:
		rc = line->run == NULL ? shell_command(&line->next, "hg-triage -m %s %s && hg-run -l %s %s",
					     line->request.name, t->c->path, ledger.p, run.p) :
		    strncmp(line->reason, RETRY, sizeof(RETRY) - 1) == 0 ?
					 shell_command(&line->next, "hg-run -a %s -l %s %s",
					     line->reason + sizeof(RETRY) - 1, ledger.p, run.p) :
					 shell_command(&line->next, "hg-run -l %s %s", ledger.p, run.p);
		break;
	case TRIAGE_DEAD:
		rc = shell_command(&line->next, "hg-reap %s", t->c->path);
		break;
	case TRIAGE_UNJUDGED:
		rc = shell_command(&line->next, "hg-ledger add %s %s", ledger.p, run.p);
		break;
	case TRIAGE_RUNNING:
		rc = shell_command(&line->next, "hg-watch %s", run.p);
		break;
	case TRIAGE_WAITING:
		if (turns_stopped(t) && strcmp(line->reason, plateau_name(t->rule)) == 0)
			rc = put_answer(t, &line->next);
		else if (strcmp(line->reason, "calibration") == 0 &&
		    (asked = turns_given_up(t, line->request.lane)) != NULL)
			rc = put_asked(t, asked, &line->next);
		else if (strcmp(line->reason, WRONG_CLOCK) == 0)
			rc = shell_command(&line->next, "hg-await -t 10 %s %s", rundir_stages[line->run->stage].name,
			    run.p);
		break;
	default:
		break;
	}
done:
	str_free(&run);
	str_free(&ledger);
	return (rc);
}

/* What keeps an escalated request, in words. */
static const char *
mend(const char *reason)
{
	static const char *const words[][2] = {
		{ "edited", "its run was made of other bytes: put them back, or name the request anew" },
		{ "attempts", "it was tried as often as it may be: an answer in admit/ may allow more" },
		{ "same_kind", "it was refused for the same kind twice: mend that, then an answer in admit/" },
		{ "corrupt", "its run can't be read, or both has a receipt and was refused: hg-status says what" },
	};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i][0], reason) == 0)
			return (words[i][1]);
	return ("");
}

/* --- all of them ------------------------------------------------------------- */

static int
judge(struct triage *t, struct triage_line *line)
{
	struct request *q = &line->request;
	const struct campaign_run *run = runs_find(&t->runs, q->name);
	const enum triage_run row = row_of(t, q, run);
	enum triage_request column;
	struct triage_cell cell;
	unsigned i;

	line->run = run;
	if (run == NULL) {
		if (request_build(t->c, q) == -1)
			return (-1);
		if (q->spec != NULL) {
			look_for_twins(t, q);
			if (q->reasons == 0)
				look_at_gain(t, q);
		}
	} else
		snprintf(q->lane, sizeof(q->lane), "%s", run->lane);
	column = run != NULL && *q->sha256 != '\0' && strcmp(run->request, q->sha256) != 0 ? TRIAGE_OTHER :
	    q->reasons != 0                                                                ? TRIAGE_REASONS :
											     TRIAGE_SOUND;
	cell = triage_cell(row, column);
	line->state = cell.state;
	if (cell.reason != NULL)
		snprintf(line->reason, sizeof(line->reason), "%s", cell.reason);
	else
		for (i = 0; i < REASONS; i++)
			if ((q->reasons & 1u << i) != 0)
				snprintf(line->reason + strlen(line->reason),
				    sizeof(line->reason) - strlen(line->reason), "%s%s",
				    *line->reason == '\0' ? "" : ",", request_reason((enum reason)i));
	/* Which attempt that was: who begins the next one late finds another there, and does nothing. */
	if (line->state == TRIAGE_READY && row == TRIAGE_RUN_RETRY)
		snprintf(line->reason, sizeof(line->reason), RETRY "%s.%lld", rundir_stages[run->stage].name,
		    (long long)run->attempt);
	if (line->state == TRIAGE_ESCALATED && *q->why == '\0')
		snprintf(q->why, sizeof(q->why), "%s", mend(line->reason));
	if (line->state == TRIAGE_ESCALATED && *q->answer != '\0')
		snprintf(q->why + strlen(q->why), sizeof(q->why) - strlen(q->why), "; %s", q->answer);
	/* What can't be judged is no work of anybody's. */
	if (line->state == TRIAGE_UNJUDGED && t->room.reason != NULL && strcmp(t->room.reason, LEDGER_GONE) == 0)
		turns_wait_for(line, LEDGER_GONE, "");
	if (line->state == TRIAGE_DEAD && t->future != NULL)
		turns_wait_for(line, WRONG_CLOCK, "");
	if (row == TRIAGE_RUN_JUDGED && line->state == TRIAGE_DONE) {
		line->outcome = outcome_of(&t->l, run->row);
		snprintf(line->reason, sizeof(line->reason), "%s:%s%s%s",
		    verdict_class_name((enum verdict_class)run->row->klass),
		    verdict_reason_name((enum verdict_reason)run->row->reason),
		    line->outcome == OUTCOME_NONE ? "" : ",", outcome_name(line->outcome));
	}
	return (0);
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return (strcmp((*a)->d_name, (*b)->d_name));
}

/* in/NAME.json; hidden files are those that somebody is about to move into place. */
static int
is_request(const struct dirent *e)
{
	const size_t n = strlen(e->d_name);

	return (e->d_name[0] != '.' && n > 5 && strcmp(e->d_name + n - 5, ".json") == 0);
}

static int
take(struct triage *t, const char *file)
{
	const size_t n = strlen(file) - 5;
	struct triage_line *grown;
	char name[300];
	int64_t at_ms = 0;
	struct stat st;
	char path[300 + sizeof(CAMPAIGN_REQUESTS)];

	if ((grown = array_room(t->list, t->count, &t->cap, sizeof(*grown))) == NULL) {
		say_errno("cannot look at the requests of '%s'", t->c->path);
		return (-1);
	}
	t->list = grown;
	grown += t->count;
	memset(grown, 0, sizeof(*grown));
	snprintf(name, sizeof(name), "%.*s", (int)n, file);
	if (!str_is_name(name)) {
		snprintf(grown->request.name, sizeof(grown->request.name), "%.64s", name);
		request_because(&grown->request, REASON_SPEC_REFUSED,
		    "'%.64s' can be no run's name: letters, digits, '.', '_' and '-', 64 at most", name);
		grown->state = TRIAGE_ESCALATED;
		snprintf(grown->reason, sizeof(grown->reason), "%s", request_reason(REASON_SPEC_REFUSED));
		t->count++;
		return (0);
	}
	if (request_read(t->c, CAMPAIGN_REQUESTS, file, name, &grown->request) == -1)
		return (-1);
	if (judge(t, grown) == -1) {
		request_free(&grown->request);
		return (-1);
	}
	snprintf(path, sizeof(path), CAMPAIGN_REQUESTS "/%s", file);
	if (fstatat(t->c->fd, path, &st, 0) == 0)
		at_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	if (grown->run != NULL && grown->run->stamp_ms > at_ms)
		at_ms = grown->run->stamp_ms;
	grown->age_ms = t->now_ms > at_ms ? t->now_ms - at_ms : 0;
	t->count++;
	return (0);
}

static int
take_all(struct triage *t)
{
	struct dirent **names = NULL;
	struct str path = STR_INIT;
	int n, i, rc = 0;

	if (campaign_place(t->c, CAMPAIGN_REQUESTS, &path) == -1)
		return (-1);
	if ((n = scandir(path.p, &names, is_request, by_name)) == -1 && errno != ENOENT) {
		say_errno("cannot read '%s'", path.p);
		rc = -1;
	}
	for (i = 0; i < n; i++) {
		rc = rc == 0 ? take(t, names[i]->d_name) : rc;
		free(names[i]);
	}
	free(names);
	str_free(&path);
	return (rc);
}

/* Runs that are at work, or about to be, for no request; what is dead and can't be closed out is not. */
static void
count_others(struct triage *t)
{
	const struct campaign_run *r;

	for (r = t->runs.list; r < t->runs.list + t->runs.count; r++) {
		if (triage_find(t, r->name) != NULL || !turns_at_work(t, r))
			continue;
		if (r->state == STATE_RUN_DEAD && t->future != NULL)
			t->stuck++;
		else
			t->others++;
	}
}

/* Would the request that is known good be dispatched, were its lane free?  Else why not, appended. */
static int
ask_canary(struct triage *t)
{
	const char *file = campaign_word(t->c, "canary");
	struct request q;
	int rc;

	if (file == NULL)
		return (0);
	if (request_read(t->c, "", file, "canary", &q) == -1)
		return (-1);
	if ((rc = request_build(t->c, &q)) == 0 && q.reasons != 0)
		rc = str_printf(&t->why, "%sthe canary could not be dispatched: %s", t->why.n == 0 ? "" : "; ", q.why);
	request_free(&q);
	return (rc);
}

static int
waits_for(const struct triage *t, const char *reason)
{
	const struct triage_line *line;

	for (line = t->list; line < t->list + t->count; line++)
		if (line->state == TRIAGE_WAITING && strcmp(line->reason, reason) == 0)
			return (1);
	return (0);
}

/* Why hg-reap closes nothing out. 0, or -1 with errno. */
static int
tell_clock(struct triage *t)
{
	return (str_printf(&t->why,
	    "'" CAMPAIGN_RUNS "/%s/%s' is of a time that is still to come, so a clock is wrong, and hg-reap closes out "
	    "nothing that is dead: set that clock, or let hg-await close out what is dead",
	    t->future->name, t->future->future));
}

/* Why what waits does. 0, or -1 with errno. */
static int
tell_waiting(struct triage *t)
{
	const struct triage_line *line;

	if (t->room.reason != NULL)
		return (str_puts(&t->why, t->room.why));
	if (t->stuck != 0 || waits_for(t, WRONG_CLOCK))
		return (tell_clock(t));
	if (turns_stopped(t)) {
		if (str_printf(&t->why, "the ledger says %s: hg-ledger stop tells why; ", plateau_name(t->rule)) ==
			-1 ||
		    (t->answer == -1 &&
			str_puts(&t->why, "'" CAMPAIGN_GO_ON "' is about another row than its last; ") == -1) ||
		    str_puts(&t->why, "to go on all the same, until its next row: ") == -1)
			return (-1);
		return (put_answer(t, &t->why));
	}
	for (line = t->list; line < t->list + t->count; line++)
		if (line->state == TRIAGE_WAITING && *line->request.why != '\0')
			return (str_puts(&t->why, line->request.why));
	return (str_puts(&t->why,
	    waits_for(t, "calibration") ? "a lane's noise is not known, and no pass of hg-campaign has calibrated it" :
		t->c->within_ms != 0    ? "nothing that is left would end in time, as far as runs before tell" :
					  "what is left waits for a lane"));
}

/* Does the ledger ask for a run that no request is for: of a confirmation that is open, or that could be? */
static int
asks(const struct triage *t)
{
	const struct standings *b = &t->l.book;
	const struct standings_group *g;
	size_t best;

	if (!t->has_ledger || !turns_confirms(t))
		return (0);
	if (standings_open_plan(b, 0) != NULL)
		return (1);
	g = b->last_group == 0 ? NULL : standings_group(b, b->last_group);
	return (g != NULL && g->incumbent != 0 && t->rule != PLATEAU_PAUSE && standings_left(b) != 0 &&
	    standings_lane(b, g->group, g->lane) != NULL && classify_waiting(b, g, VERDICT_PROMISING, &best) != 0);
}

/* The campaign in a word, and why nothing runs where nothing does. */
static int
sum_up(struct triage *t)
{
	const int asked = asks(t);
	/* Where nothing can be written nobody closes out or judges. */
	const size_t closing = t->counts[TRIAGE_DEAD] + t->counts[TRIAGE_UNJUDGED],
		     barred = t->room.reason == NULL ? 0 : closing;
	/* What waits, for its owner or a time, is no work that anybody should get on with. */
	const size_t work = t->counts[TRIAGE_READY] + t->counts[TRIAGE_RUNNING] + closing - barred + t->others +
	    (size_t)asked;
	const int64_t oldest = t->counts[TRIAGE_READY] != 0 ? t->now_ms - t->oldest_ready_ms : 0,
		      since = t->stamp_ms > oldest ? t->stamp_ms : oldest;
	int rc = 0;

	if (campaign_halted(t->c)) {
		t->word = "halted";
		rc = str_puts(&t->why, "'" CAMPAIGN_HALT "' is there");
	} else if (work != 0 && since != 0 && t->now_ms - since > campaign_count(t->c, "window_ms")) {
		t->word = "wedged";
		rc = str_printf(&t->why, "there is work, and nothing got on for %lld s",
		    (long long)((t->now_ms - since) / 1000));
	} else if (t->counts[TRIAGE_RUNNING] + t->others != 0 || (barred == 0 && t->counts[TRIAGE_DEAD] != 0))
		t->word = "running";
	else if (t->counts[TRIAGE_READY] + closing - barred != 0) {
		t->word = "ready";
		rc = str_puts(&t->why, "no pass of hg-campaign has begun what is ready");
	} else if (t->room.reason == NULL && asked && turns_would_end(t)) {
		t->word = "ready";
		rc = str_puts(&t->why, "no pass of hg-campaign has begun the confirmation's next run");
	} else if (t->counts[TRIAGE_WAITING] + t->stuck + barred != 0 || asked) {
		t->word = "waiting";
		rc = tell_waiting(t);
	} else if (t->counts[TRIAGE_ESCALATED] != 0) {
		t->word = "escalated";
		rc = str_puts(&t->why, "all that is left waits for its owner");
	} else
		t->word = t->count == 0 ? "empty" : "drained";
	if (rc == 0 && t->counts[TRIAGE_RUNNING] == 0)
		rc = ask_canary(t);
	return (rc);
}

/* What was judged is not judged again in another ledger unless its owner wants that. */
static void
miss_ledger(struct triage *t, const struct campaign_run *run)
{
	t->room.reason = LEDGER_GONE;
	snprintf(t->room.why, sizeof(t->room.why),
	    "run '%s' has its row in a ledger that was in '%.60s/" CAMPAIGN_LEDGER
	    "' and is not there: put that back, or"
	    " remove the " LEDGER_WITNESS " of what is to be judged anew",
	    run->name, t->c->path);
}

static int
amiss(struct triage *t, const char *text)
{
	return (json_array_append_new(t->answers, json_string(text)));
}

/* One file in admit/. */
static void
look_at_answer(struct triage *t, const struct dirent *e)
{
	char text[REQUEST_WHY];

	if (e->d_name[0] == '.')
		return;
	if (!is_request(e))
		snprintf(text, sizeof(text), "'" CAMPAIGN_ANSWERS "/%.200s' is no answer: NAME.json is", e->d_name);
	else {
		snprintf(text, sizeof(text), "%.*s", (int)strlen(e->d_name) - 5, e->d_name);
		if (triage_find(t, text) != NULL)
			return;
		snprintf(text, sizeof(text),
		    "'" CAMPAIGN_ANSWERS "/%.200s' answers no request: there is no '" CAMPAIGN_REQUESTS "/%.200s'",
		    e->d_name, e->d_name);
	}
	(void)amiss(t, text);
}

/* Answers of the owner's that answer nothing. 0, or -1 with errno, said. */
static int
look_at_answers(struct triage *t)
{
	const struct triage_line *line;
	struct dirent **names = NULL;
	struct str path = STR_INIT;
	char text[REQUEST_WHY];
	int n, i;

	t->answers = json_array();
	if (campaign_place(t->c, CAMPAIGN_ANSWERS, &path) == -1)
		return (-1);
	for (line = t->list; line < t->list + t->count; line++)
		if (*line->request.answer != '\0')
			(void)amiss(t, line->request.answer);
	if ((n = scandir(path.p, &names, NULL, by_name)) == -1 && errno != ENOENT) {
		snprintf(text, sizeof(text), "'" CAMPAIGN_ANSWERS "' can't be read: %s", say_why(errno));
		(void)amiss(t, text);
	}
	for (i = 0; i < n; i++) {
		look_at_answer(t, names[i]);
		free(names[i]);
	}
	free(names);
	str_free(&path);
	return (0);
}

int
triage_read(struct campaign *c, struct triage *t)
{
	struct str path = STR_INIT, rows = STR_INIT;
	struct triage_line *line;
	const struct campaign_run *r;

	*t = (struct triage){ .c = c, .now_ms = clock_wall_ms(), .rule = PLATEAU_UNKNOWN };
	room_look(c, NULL, &t->room);
	if (campaign_place(c, CAMPAIGN_LEDGER, &path) == -1 || str_printf(&rows, "%s/" LEDGER_ROWS, path.p) == -1)
		goto err0;
	if (access(rows.p, F_OK) == 0) {
		if (ledger_open(&t->l, path.p, LEDGER_READ) == -1)
			goto err0;
		t->has_ledger = 1;
		t->rule = plateau_word(&t->l.book);
		t->answer = campaign_goes_on(c, t->l.head);
	}
	if (runs_read(c, t->has_ledger ? &t->l : NULL, &t->runs) == -1)
		goto err0;
	for (r = t->runs.list; r < t->runs.list + t->runs.count; r++) {
		/* A stamp that is still to come says nothing of now. */
		if (r->stamp_ms > t->stamp_ms && !runlock_is_future(r->stamp_ms, t->now_ms))
			t->stamp_ms = r->stamp_ms;
		if (r->future != NULL && t->future == NULL)
			t->future = r;
		if (r->elsewhere && t->room.reason == NULL)
			miss_ledger(t, r);
	}
	if (take_all(t) == -1 || look_at_answers(t) == -1)
		goto err0;
	turns_take(t);
	count_others(t);
	for (line = t->list; line < t->list + t->count; line++) {
		if (suggest(t, line) == -1)
			goto err0;
		t->counts[line->state]++;
		if (line->state == TRIAGE_READY && line->age_ms > t->oldest_ready_ms)
			t->oldest_ready_ms = line->age_ms;
	}
	if (sum_up(t) == -1)
		goto err0;
	str_free(&path);
	str_free(&rows);
	return (0);
err0:
	str_free(&path);
	str_free(&rows);
	triage_free(t);
	return (-1);
}

void
triage_free(struct triage *t)
{
	size_t i;
	int error = errno;

	for (i = 0; i < t->count; i++) {
		request_free(&t->list[i].request);
		str_free(&t->list[i].next);
	}
	free(t->list);
	runs_free(&t->runs);
	if (t->has_ledger)
		ledger_close(&t->l);
	json_decref(t->answers);
	str_free(&t->why);
	*t = (struct triage){ .c = NULL };
	errno = error;
}

/* --- a run ------------------------------------------------------------------- */

static int
mint(const struct triage *t, const struct triage_line *line)
{
	char name[REQUEST_NAME + sizeof(CAMPAIGN_RUNS) + 1];
	struct mint_place place;
	struct str path = STR_INIT;
	int code = HG_EXIT_SYSTEM;

	snprintf(name, sizeof(name), CAMPAIGN_RUNS "/%s", line->request.name);
	if (campaign_place(t->c, name, &path) == -1)
		return (code);
	/* Whoever made it may have been killed before it lasted. */
	if ((mkdirat(t->c->fd, CAMPAIGN_RUNS, 0777) == -1 && errno != EEXIST) || atomfile_sync_dir(t->c->fd) == -1)
		say_errno("cannot make '%s/" CAMPAIGN_RUNS "'", t->c->path);
	else if (mint_place(&place, path.p) == -1)
		code = HG_EXIT_USAGE;
	else if ((code = mint_run(&place, path.p, line->request.spec)) == HG_EXIT_DONE)
		out_put("%s\n", path.p);
	str_free(&path);
	return (code);
}

int
triage_mint(struct campaign *c, const char *name)
{
	const struct triage_line *line;
	struct triage t;
	int lock, code = HG_EXIT_SYSTEM;

	if ((lock = file_open_change(c->fd, CAMPAIGN_LOCK, O_RDWR | O_CREAT, 0666)) == -1 ||
	    proc_lock_wait(lock, LOCK_WAIT_MS) == -1) {
		say_errno("cannot lock '%s/" CAMPAIGN_LOCK "'", c->path);
		if (lock != -1)
			close(lock);
		return (code);
	}
	if (triage_read(c, &t) == -1) {
		close(lock);
		return (ledger_exit(errno));
	}
	if ((line = triage_find(&t, name)) == NULL) {
		say_error("'%s' has no request '" CAMPAIGN_REQUESTS "/%s.json'", c->path, name);
		code = HG_EXIT_USAGE;
	} else if (line->state != TRIAGE_READY || line->run != NULL) {
		say_error("request '%s' is %s%s%s%s%s", name, states[line->state], *line->reason == '\0' ? "" : ": ",
		    line->reason, *line->request.why == '\0' ? "" : ": ", line->request.why);
		code = HG_EXIT_NO;
	} else
		code = mint(&t, line);
	triage_free(&t);
	close(lock);
	return (code);
}
