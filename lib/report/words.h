#ifndef HG_WORDS_H
#define HG_WORDS_H

#include "campaign/triage.h"
#include "report/markup.h"
#include "report/pagedata.h"

/**
 * What the sections of a page say alike: times, rows, groups, texts from
 * outside.
 * Errors: m->failed.
 */

/* What a page holds at most; the sections say what they left out, and where that stands. */
enum { WORDS_GROUPS = 24, WORDS_RUNS = 1000, WORDS_CONFIRMATIONS = 40, WORDS_TEXT = 400, WORDS_CHANGES = 24 };

struct page {
	struct markup *m;
	const struct pagedata *s; /* NULL: there is no ledger yet */
	const struct triage *t;   /* the campaign whose ledger it is, or NULL */
	const char *name;
	int64_t made_ms;
};

/* A moment; and a time that something takes. */
void words_when(struct markup *m, int64_t ms);
void words_time(struct markup *m, int64_t ms);

/* Is a run's row on the page: a late one, somebody's incumbent, or one that is still open? */
int words_has_run(const struct pagedata *s, const struct pagedata_run *r);

/* A row's number, and the way to it if it is on the page. */
void words_row(const struct page *p, uint64_t row);

/* A text from outside, cut where it would drown the rest: after WORDS_TEXT or 1500 characters. */
void words_text(struct markup *m, const char *text, size_t most);

/* The unit of all scores. */
const char *words_unit(const struct pagedata *s);

/* Where a group's runs were made. */
void words_lane(struct markup *m, const char *backend, const char *lane, int64_t cap_ms);

/* What a group is: data and eval law by the names that people have for them, or by digest where rows know none. */
void words_group(struct markup *m, const struct pagedata_group *g);

/* What was set otherwise than in the incumbent, key by key where both rows know; else as the verdict has it. */
void words_differs(const struct page *p, const struct pagedata_run *r);

/* What became of a configuration. */
const char *words_fate(enum pagedata_fate fate);

#endif
