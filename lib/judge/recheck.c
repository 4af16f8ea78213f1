#include <errno.h>
#include <string.h>

#include "base/exit.h"
#include "base/out.h"
#include "base/say.h"
#include "base/shell.h"
#include "base/str.h"
#include "judge/evidence.h"
#include "judge/gain.h"
#include "judge/note.h"
#include "judge/recheck.h"
#include "judge/rescore.h"
#include "ledger/ledger.h"

/* What stands promoted: the promotion, after so many rows, and the run's row. */
struct standing {
	size_t before;
	const struct standings_fact *promotion, *run;
	char promotion_sha256[SHA256_HEX_SIZE];
};

/* Is it the last promotion of its group? */
static int
is_last(const struct standings *b, size_t index)
{
	const struct standings_fact *f = standings_fact(b, index), *later;
	size_t i;

	for (i = index + 1; i < standings_count(b); i++) {
		later = standings_fact(b, i);
		if (later->kind == STANDINGS_PROMOTION && later->group == f->group)
			return (0);
	}
	return (1);
}

/* 1 if the promotion of that row is the last of its group, 0 if not, -1 with errno, said. */
static int
stands(const struct ledger *l, size_t index, struct standing *out)
{
	const struct standings_fact *f = standings_fact(&l->book, index);
	struct row row;

	if (f->kind != STANDINGS_PROMOTION || !is_last(&l->book, index))
		return (0);
	if (ledger_read(l, f, &row) == -1 || ledger_digest(l, f, out->promotion_sha256) == -1)
		return (-1);
	out->before = index;
	out->promotion = f;
	out->run = standings_row(&l->book, standings_tag(row.promotion.run));
	row_free(&row);
	return (out->run != NULL && out->run->kind == STANDINGS_RUN);
}

/* In a ledger that is open for writing: unless somebody else did. The exit code. */
static int
revoke(const char *ledger, const struct standing *s, const char *why, const char *scorer, const char *path)
{
	const struct standings_fact *run;
	struct ledger w;
	struct row row;
	int code = HG_EXIT_NO;

	if (ledger_open_whole(&w, ledger, LEDGER_WRITE) == -1)
		return (ledger_exit(errno));
	if ((run = standings_row(&w.book, s->run->row)) == NULL || note_bar(&w.book, run, NULL) != NULL)
		goto err0;
	if (note_begin(&w, STANDINGS_REVOCATION, run, &row) == -1) {
		code = ledger_exit(errno);
		goto err0;
	}
	row.note.promotion = row_text(&row, s->promotion_sha256);
	row.note.text = row_text(&row, why);
	row.note.scorer = *scorer == '\0' ? NULL : row_text(&row, scorer);
	if (row.note.promotion == NULL || row.note.text == NULL || ledger_append_row(&w, &row, NULL) == -1)
		code = ledger_exit(errno);
	else
		out_put("revoked  '%s': row %zu: %s\n", path, standings_count(&w.book), why);
	row_free(&row);
err0:
	ledger_close(&w);
	return (code);
}

/*
 * What is found of one that stands at ${path}, in words: its files, then those of the runs that its gain rests on,
 * then its score.  *alone: what is missing is the run's own.
 */
static enum evidence
find(const struct ledger *l, const struct standing *s, const char *path, const struct row *row, char *scorer,
    struct str *found, int *alone)
{
	struct gain_runs runs;
	enum evidence is = evidence_look(l, path, &row->run, found);
	enum rescore again;

	*alone = 1;
	if (is != EVIDENCE_SAME)
		return (is);
	str_free(found);
	if (gain_look(l, gain_way_from(s->run, s->before), &runs) == -1)
		return (EVIDENCE_GONE);
	if (runs.worst != EVIDENCE_SAME) {
		*alone = 0;
		*found = runs.found;
		return (runs.worst);
	}
	if ((again = rescore_run(path, scorer, found)) == RESCORE_SAME)
		(void)str_printf(found, "; %s", runs.found.p);
	str_free(&runs.found);
	return (again == RESCORE_SAME ? EVIDENCE_SAME : again == RESCORE_DIFFERS ? EVIDENCE_DIFFERS : EVIDENCE_GONE);
}

/* One that stands, at ${path}. The exit code. */
static int
look(const struct ledger *l, const struct standing *s, const char *path)
{
	char scorer[SHA256_HEX_SIZE] = "";
	struct str found = STR_INIT;
	enum evidence is;
	struct row row;
	int alone, code = HG_EXIT_PENDING;

	if (ledger_read(l, s->run, &row) == -1)
		return (ledger_exit(errno));
	is = find(l, s, path, &row, scorer, &found, &alone);
	if (found.p == NULL) {
		errno = ENOMEM;
		say_errno("cannot look at '%s'", path);
		code = HG_EXIT_SYSTEM;
	} else if (is == EVIDENCE_DIFFERS)
		code = revoke(l->path, s, found.p, scorer, path);
	else if (is == EVIDENCE_SAME) {
		out_put("holds    '%s': it is what row %lld says, and %s\n", path, (long long)row.number, found.p);
		code = HG_EXIT_DONE;
	} else {
		out_put("pending  '%s': %s\n", path, found.p);
		if (alone)
			shell_next("hg-gate last %s; hg-score -c %s", path, path);
	}
	row_free(&row);
	str_free(&found);
	return (code);
}

/* Where its row says that it lies, or where it was said to lie; one that is barred already needs no look. */
static int
recheck_one(const struct ledger *l, const struct standing *s, const char *path)
{
	const struct standings_fact *bar = note_bar(&l->book, s->run, NULL);
	struct str place = STR_INIT, said = STR_INIT;
	struct row row;
	int code = HG_EXIT_SYSTEM;

	if (path == NULL) {
		if (ledger_read(l, s->run, &row) == -1)
			return (ledger_exit(errno));
		if (row.run.dir == NULL || ledger_place(l, row.run.dir, &place) == -1) {
			row_free(&row);
			goto err0;
		}
		row_free(&row);
		path = place.p;
	}
	if (bar == NULL)
		code = look(l, s, path);
	else if (note_tell(l, bar, &said) == 0) {
		out_put("barred   '%s': %s\n", path, said.p);
		code = HG_EXIT_NO;
	}
err0:
	str_free(&place);
	str_free(&said);
	return (code);
}

/* The run at ${path}, if it stands promoted. */
static int
recheck_given(const struct ledger *l, const char *path)
{
	const struct standings_fact *run = note_find(l, path);
	struct standing s;
	size_t i;
	int rc;

	if (run == NULL)
		return (errno == ENOENT ? HG_EXIT_NO : ledger_exit(errno));
	for (i = standings_count(&l->book); i-- > 0;) {
		if ((rc = stands(l, i, &s)) == -1)
			return (ledger_exit(errno));
		if (rc == 1 && (s.run == run || (run->artifact != 0 && s.run->artifact == run->artifact)))
			return (recheck_one(l, &s, path));
	}
	say_error("'%s' does not stand promoted, so there is nothing to look at again", path);
	return (HG_EXIT_NO);
}

int
recheck_ledger(const char *ledger, char *const *runs, int n)
{
	struct standing s;
	struct ledger l;
	size_t i, looked = 0;
	int rc, k, code = HG_EXIT_DONE;

	if (ledger_open_whole(&l, ledger, LEDGER_READ) == -1)
		return (ledger_exit(errno));
	for (k = 0; k < n; k++)
		code = exit_worse(code, recheck_given(&l, runs[k]));
	for (i = 0; n == 0 && i < standings_count(&l.book); i++) {
		if ((rc = stands(&l, i, &s)) == -1) {
			code = ledger_exit(errno);
			break;
		}
		if (rc == 1) {
			looked++;
			code = exit_worse(code, recheck_one(&l, &s, NULL));
		}
	}
	if (n == 0 && looked == 0)
		say_note("nothing stands promoted in '%s'", ledger);
	ledger_close(&l);
	return (code);
}
