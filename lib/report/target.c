#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "base/str.h"
#include "ledger/ledger.h"
#include "report/target.h"

static int
is_text(const char *a, const char *b)
{
	return (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* May a row's run and this one be compared, as far as is known before there is a score? */
static int
comparable(const struct run_record *run, const json_t *spec)
{
	return (is_text(run->eval, jsonio_text(spec, "digests.eval_sha256", NULL)) &&
	    is_text(run->data, jsonio_text(spec, "digests.data_sha256", NULL)) &&
	    strcmp(run->evidence == NULL ? "checkpoint" : run->evidence,
		jsonio_text(spec, "trainer.gives", "checkpoint")) == 0);
}

/* The incumbent's losses, if its files are those of its row. Why not, or NULL. */
static const char *
losses_of(struct target *t, int dir, const struct run_record *run)
{
	char hex[SHA256_HEX_SIZE];
	json_t *report;
	int is;

	if (jsonio_read(dir, rundir_stages[STAGE_TRAIN].receipt, JSONIO_MAX_BYTES, hex, &report) == -1)
		return (errno == ENOENT ? "its files are gone" : "its files can't be read");
	/* Its losses before their digest: what is too large for them is not read. */
	is = is_text(hex, run->training_report) && losses_look(&t->losses, dir) == 0 &&
	    sha256_at(dir, RUNDIR_METRICS, hex, NULL) == 0 && is_text(hex, jsonio_text(report, "metrics.sha256", NULL));
	json_decref(report);
	return (is ? NULL : "its files are not those that the ledger names");
}

static const char *
take_losses(struct target *t, const struct ledger *l, const struct run_record *run)
{
	const char *why;
	int dir;

	if (run->dir == NULL || (dir = openat(l->dir, run->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return ("its directory is gone");
	if ((why = losses_of(t, dir, run)) != NULL)
		memset(&t->losses, 0, sizeof(t->losses));
	close(dir);
	return (why);
}

/* Keep the incumbent that a group's last row names. 0, or -1 with errno, said. */
static int
take(struct target *t, const struct ledger *l, const struct row *named, const struct run_record *run,
    const struct rundir *r)
{
	struct str path = STR_INIT;
	const char *why;

	if (ledger_place(l, run->dir == NULL ? "?" : run->dir, &path) == -1) {
		say_errno("cannot tell who is incumbent");
		return (-1);
	}
	t->path = path.p;
	t->metric = policy_metric_name(l->book.policy.metric.name);
	t->score = named->after.score;
	t->runs = named->after.runs;
	t->itself = is_text(run->run_uid, r->spec.run_uid);
	if ((why = take_losses(t, l, run)) != NULL && (t->why = strdup(why)) == NULL)
		return (-1);
	return (0);
}

/* Was the group's incumbent told of already? */
static int
is_among(const uint64_t *done, size_t n, uint64_t group)
{
	while (n-- > 0)
		if (done[n] == group)
			return (1);
	return (0);
}

/* The last row that names a comparable incumbent; from the end, so that the usual answer reads few rows. */
static int
find(struct target *t, const struct ledger *l, const struct rundir *r)
{
	uint64_t *done = calloc(l->book.group_count + 1, sizeof(*done));
	const struct standings_group *g;
	const struct standings_fact *f;
	struct row named, of;
	size_t i, n = 0;
	int rc = done == NULL ? -1 : 0;

	for (i = standings_count(&l->book); rc == 0 && t->path == NULL && i-- > 0 && n < l->book.group_count;) {
		f = standings_fact(&l->book, i);
		if (f->group == 0 || (f->kind != STANDINGS_RUN && f->kind != STANDINGS_VERDICT) ||
		    is_among(done, n, f->group) || (g = standings_group(&l->book, f->group)) == NULL)
			continue;
		if ((rc = ledger_read(l, f, &named)) == -1)
			break;
		if (named.after.config != NULL) {
			done[n++] = f->group;
			if (g->incumbent != 0 &&
			    (rc = ledger_read(l, standings_fact(&l->book, g->reference), &of)) == 0) {
				if (of.kind == STANDINGS_RUN && comparable(&of.run, r->spec.json))
					rc = take(t, l, &named, &of.run, r);
				row_free(&of);
			}
		}
		row_free(&named);
	}
	free(done);
	return (rc);
}

static void
forget(struct target *t)
{
	free(t->path);
	free(t->why);
	t->path = t->why = NULL;
	t->itself = 0;
	memset(&t->losses, 0, sizeof(t->losses));
}

int
target_look(struct target *t, const char *ledger, const struct rundir *r)
{
	struct ledger l;
	struct stat st;
	int dir, error, rc;

	memset(&st, 0, sizeof(st));
	if ((dir = open(ledger, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) != -1) {
		(void)fstatat(dir, LEDGER_ROWS, &st, AT_SYMLINK_NOFOLLOW);
		close(dir);
	}
	if (st.st_size != 0 && st.st_ino == t->seen.st_ino && st.st_size == t->seen.st_size &&
	    st.st_mtim.tv_sec == t->seen.st_mtim.tv_sec && st.st_mtim.tv_nsec == t->seen.st_mtim.tv_nsec &&
	    strcmp(t->uid, r->spec.run_uid) == 0)
		return (0);
	forget(t);
	if (ledger_open(&l, ledger, LEDGER_READ) == -1)
		rc = -1;
	else {
		rc = find(t, &l, r);
		error = errno;
		ledger_close(&l);
		errno = error;
	}
	error = errno;
	if (rc == -1)
		forget(t);
	/* One that can't be read is not read again before it changes. */
	t->seen = st;
	strncpy(t->uid, r->spec.run_uid, sizeof(t->uid) - 1);
	if (t->path == NULL)
		t->why = strdup(
		    rc == -1 ? "the ledger can't be read" : "the ledger has no incumbent that it can be compared with");
	errno = error;
	return (rc);
}

void
target_free(struct target *t)
{
	forget(t);
}
