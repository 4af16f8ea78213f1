#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"
#include "law/explain.h"
#include "report/words.h"

void
words_when(struct markup *m, int64_t ms)
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;
	char machine[32], person[32];

	if (gmtime_r(&t, &tm) == NULL || strftime(machine, sizeof(machine), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0 ||
	    strftime(person, sizeof(person), "%Y-%m-%d %H:%M", &tm) == 0) {
		markup_put(m, "at an unknown time");
		return;
	}
	markup_put(m, "<time datetime=\"%s\">%s UTC</time>", machine, person);
}

void
words_time(struct markup *m, int64_t ms)
{
	struct str s = STR_INIT;

	if (explain_time(&s, ms) != 0)
		m->failed = ENOMEM;
	else
		markup_put(m, "%s", s.p);
	str_free(&s);
}

int
words_has_run(const struct pagedata *s, const struct pagedata_run *r)
{
	size_t i;

	if ((size_t)(r - s->runs) + WORDS_RUNS >= s->run_count || (r->pending && s->pending <= WORDS_RUNS / 10))
		return (1);
	for (i = 0; i < s->group_count && i < WORDS_GROUPS; i++)
		if (s->groups[s->group_count - 1 - i].row == r->row)
			return (1);
	return (0);
}

void
words_row(const struct page *p, uint64_t row)
{
	const struct pagedata *s = p->s;
	const struct pagedata_run *r = pagedata_run(s, row);
	size_t i;
	int here = r != NULL && words_has_run(s, r);

	for (i = s->confirmation_count; !here && i > 0 && i + WORDS_CONFIRMATIONS > s->confirmation_count; i--)
		here = s->confirmations[i - 1].row == row;
	if (here)
		markup_put(p->m, "<a class=\"row\" href=\"#r%llu\">#%llu</a>", (unsigned long long)row,
		    (unsigned long long)row);
	else
		markup_put(p->m, "<span class=\"row\">#%llu</span>", (unsigned long long)row);
}

void
words_text(struct markup *m, const char *text, size_t most)
{
	size_t n = utf8_count(text, strlen(text));

	if (n <= most)
		markup_put(m, "%s", text);
	else {
		/* The precision stands in the format, so one for each length used. */
		if (most == WORDS_TEXT)
			markup_put(m, "%.400s", text);
		else
			markup_put(m, "%.1500s", text);
		markup_put(m, " <span class=\"sub\">(");
		markup_count(m, (long long)n);
		markup_put(m, " characters; cut here)</span>");
	}
}

const char *
words_unit(const struct pagedata *s)
{
	return (s->tracks.metric == POLICY_VAL_LOSS ? "nats per token" : "bits per byte");
}

void
words_lane(struct markup *m, const char *backend, const char *lane, int64_t cap_ms)
{
	if (backend != NULL && *backend != '\0')
		markup_put(m, "backend %s, ", backend);
	markup_put(m, "lane %s, ", lane);
	if (cap_ms < 0)
		markup_put(m, "no time cap");
	else {
		markup_put(m, "cap ");
		words_time(m, cap_ms);
	}
}

void
words_group(struct markup *m, const struct pagedata_group *g)
{
	if (g->data != NULL)
		markup_put(m, "%s, %s", *g->data == '\0' ? "/" : g->data, g->law);
	else
		markup_put(m, "data <code>%-.8s</code>, eval law <code>%-.8s</code>", g->data_hex, g->eval_hex);
}

/* One key a piece, so that it is not torn at the arrow where a line ends. */
static void
put_changes(struct markup *m, const char *line)
{
	struct str part = STR_INIT;
	size_t n, shown = 0;

	for (; *line != '\0' && shown < WORDS_CHANGES; line += n + (line[n] == '\n'), shown++) {
		n = strcspn(line, "\n");
		part.n = 0;
		if (str_add(&part, line, n) == -1) {
			m->failed = ENOMEM;
			break;
		}
		markup_put(m, "<code>");
		words_text(m, part.p, WORDS_TEXT);
		markup_put(m, "%s</code> ", line[n] == '\0' ? "" : ",");
	}
	if (*line != '\0')
		markup_put(m, "and more");
	str_free(&part);
}

void
words_differs(const struct page *p, const struct pagedata_run *r)
{
	const char *name, *before = "";
	unsigned i;

	if (*r->differs == '\0' && r->changed == 0)
		return;
	markup_put(p->m, "<div class=\"sub differs\">");
	if (r->against != 0) {
		markup_put(p->m, "against ");
		words_row(p, r->against);
		markup_put(p->m, ": ");
	} else
		markup_put(p->m, "differs in ");
	put_changes(p->m, r->differs);
	if (*r->differs != '\0')
		before = ", ";
	for (i = 0; (name = verdict_changed_name(r->changed, i)) != NULL; i++)
		if (*r->differs == '\0' || strcmp(name, "model") != 0) {
			markup_put(p->m, "%s%s", before, name);
			before = ", ";
		}
	markup_put(p->m, "</div>");
}

const char *
words_fate(enum pagedata_fate fate)
{
	static const char *const words[PAGEDATA_FATES] = { "never counted", "not judged", "no better", "worse",
		"waiting for a second run", "waiting", "confirmed better" };

	return (words[fate]);
}
