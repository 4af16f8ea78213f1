#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/say.h"
#include "base/str.h"
#include "judge/note.h"
#include "run/rundir.h"

static int
is_about(const struct standings_fact *note, const struct standings_fact *run)
{
	return ((note->kind == STANDINGS_REVOCATION || note->kind == STANDINGS_NOTE) && note->n != ROW_NOTE_ONLY &&
	    (note->other == run->row || (run->artifact != 0 && note->artifact == run->artifact)));
}

const struct standings_fact *
note_bar(const struct standings *b, const struct standings_fact *run, const struct standings_fact **cleared)
{
	const struct standings_fact *f;
	size_t i;

	if (cleared != NULL)
		*cleared = NULL;
	for (i = standings_count(b); i-- > 0;) {
		f = standings_fact(b, i);
		if (!is_about(f, run))
			continue;
		if (f->n == ROW_NOTE_ALTERED)
			return (f);
		if (cleared != NULL)
			*cleared = f;
		break;
	}
	return (NULL);
}

int
note_tell(const struct ledger *l, const struct standings_fact *f, struct str *out)
{
	struct row row;
	int rc;

	if (ledger_read(l, f, &row) == -1)
		return (-1);
	rc = str_printf(out, "row %lld: %s%s%s", (long long)row.number,
	    row.kind == STANDINGS_REVOCATION ? "revoked" : row.note.word, row.note.text == NULL ? "" : ": ",
	    row.note.text == NULL ? "" : row.note.text);
	row_free(&row);
	if (rc == -1)
		say_errno("cannot tell what the ledger says");
	return (rc);
}

/* The last row of a run of that name; of a name that another run had before, the last one's. */
static const struct standings_fact *
by_name(const struct ledger *l, const char *name)
{
	const struct standings_fact *f;
	struct row row;
	size_t i;
	int same;

	for (i = standings_count(&l->book); i-- > 0;) {
		f = standings_fact(&l->book, i);
		if (f->kind != STANDINGS_RUN)
			continue;
		if (ledger_read(l, f, &row) == -1)
			return (NULL);
		same = row.run.run_id != NULL && strcmp(row.run.run_id, name) == 0;
		row_free(&row);
		if (same)
			return (f);
	}
	errno = ENOENT;
	return (NULL);
}

static int
is_run(const char *path)
{
	struct str spec = STR_INIT;
	int is = str_printf(&spec, "%s/" RUNDIR_SPEC, path) == 0 && access(spec.p, F_OK) == 0;

	str_free(&spec);
	return (is);
}

const struct standings_fact *
note_find(const struct ledger *l, const char *path)
{
	const char *name = strrchr(path, '/') == NULL ? path : strrchr(path, '/') + 1;
	const struct standings_fact *f = NULL;
	struct rundir r;

	/* Where there is a run, it is meant, and no other of its name. */
	if (is_run(path)) {
		if (rundir_open(&r, path) == -1)
			return (NULL);
		if (rundir_load(&r) == 0) {
			f = standings_run(&l->book, standings_tag(r.spec.run_uid), 0);
			errno = ENOENT;
		}
		rundir_close(&r);
	} else
		f = by_name(l, name);
	if (f == NULL && errno == ENOENT)
		say_error("the ledger '%s' has no row of '%s'", l->path, path);
	return (f);
}

int
note_begin(const struct ledger *l, enum standings_kind kind, const struct standings_fact *run, struct row *row)
{
	char digest[SHA256_HEX_SIZE];
	struct row of;
	int rc = -1;

	if (ledger_digest(l, run, digest) == -1 || ledger_read(l, run, &of) == -1)
		return (-1);
	row_init(row, kind);
	row->note = (struct row_note){ .group = row_text(row, of.run.group),
		.config = row_text(row, of.run.config),
		.run_id = row_text(row, of.run.run_id),
		.run = row_text(row, digest),
		.artifact = row_text(row, of.run.artifact) };
	if (row->note.run != NULL && ledger_start(l, row) == 0)
		rc = 0;
	else
		row_free(row);
	row_free(&of);
	return (rc);
}
