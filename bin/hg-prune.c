/* hg-prune: remove from runs what nothing rests on, and say so in the run. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "base/clock.h"
#include "base/exit.h"
#include "base/jsonio.h"
#include "base/opt.h"
#include "base/out.h"
#include "base/say.h"
#include "base/sha256.h"
#include "base/shell.h"
#include "judge/rests.h"
#include "ledger/ledger.h"
#include "run/gate.h"
#include "run/pruned.h"
#include "run/refusal.h"
#include "run/runlock.h"
#include "run/state.h"
#include "schema/contract.h"

#define WAIT_MS 2000

static const struct opt_tool tool = { "hg-prune",
	"Remove checkpoints, resume points and scores of documents that nothing rests on.",
	"hg-prune [-n] [-l LEDGER]... RUN..." };
static struct opt table[] = {
	{ .letter = 'n', .help = "only say what would go, and how large it is" },
	{ .letter = 'l', .arg = "LEDGER", .help = "what stands in this ledger is kept, too", .repeats = 1 },
	{ .letter = '\0' },
};

/* A file that may go. */
struct candidate {
	const char *file;
	uint64_t bytes;
	char sha256[SHA256_HEX_SIZE];
};

struct prune {
	struct rundir r;
	int argc; /* for the ledgers of -l */
	char **argv;
	int dry;
	enum state states[STAGE_COUNT];
	int locks[STAGE_COUNT];
	struct candidate list[8];
	size_t count;
	struct str why; /* it is kept */
	int known;      /* a ledger has its row */
};

/* From which weights runs start, a line "DIGEST NAME" each: those named, and those of the directory asked last. */
static struct str started_named = STR_INIT, started_beside = STR_INIT;
static struct stat beside;

/* Bytes and files of all runs. */
static uint64_t total_bytes, total_files;

/* Every stage's state: DONE if none is at work, dead or corrupt; else said. */
static int
look(struct prune *p)
{
	int s;

	for (s = 0; s < STAGE_COUNT; s++) {
		if (state_look(&p->r, (enum stage)s, &p->states[s], NULL) == -1)
			return (rundir_exit(errno));
		switch (p->states[s]) {
		case STATE_ABSENT:
		case STATE_CLOSED_OUT:
		case STATE_REFUSED:
			break;
		case STATE_RUNNING:
			say_error("%s of '%s' is running", rundir_stages[s].name, p->r.path);
			return (HG_EXIT_NOT_YET);
		case STATE_CORRUPT:
			return (refusal_show_corrupt(&p->r, (enum stage)s));
		default:
			say_error("%s of '%s' is %s", rundir_stages[s].name, p->r.path, state_name(p->states[s]));
			shell_next("hg-await %s %s  # closes it out", rundir_stages[s].name, p->r.path);
			return (HG_EXIT_NOT_YET);
		}
	}
	return (HG_EXIT_DONE);
}

/* The stages that ended stay so while we work: no retry, no other hg-prune. */
static int
lock(struct prune *p)
{
	int s;

	for (s = 0; s < STAGE_COUNT; s++) {
		if (p->states[s] == STATE_ABSENT)
			continue;
		if ((p->locks[s] = runlock_wait(&p->r, (enum stage)s, WAIT_MS)) != -1)
			continue;
		if (errno != EAGAIN)
			return (HG_EXIT_SYSTEM);
		say_error("%s of '%s' is held by another process", rundir_stages[s].name, p->r.path);
		return (HG_EXIT_NOT_YET);
	}
	return (HG_EXIT_DONE);
}

static void
unlock(struct prune *p)
{
	int s;

	for (s = 0; s < STAGE_COUNT; s++)
		if (p->locks[s] != -1)
			close(p->locks[s]);
}

/* One more that may go, if it is there; ${sha256} NULL: no receipt names it. DONE, or said. */
static int
may_go(struct prune *p, const char *file, const char *sha256)
{
	struct candidate *c = &p->list[p->count];

	if (sha256_at(p->r.fd, file, c->sha256, &c->bytes) == -1) {
		if (errno == ENOENT)
			return (HG_EXIT_DONE);
		say_errno("cannot read '%s/%s'", p->r.path, file);
		return (rundir_exit(errno));
	}
	if (sha256 != NULL && strcmp(c->sha256, sha256) != 0) {
		say_error("'%s/%s' is not what its receipt names: it was altered", p->r.path, file);
		return (HG_EXIT_NO);
	}
	c->file = file;
	p->count++;
	return (HG_EXIT_DONE);
}

/* What a stage keeps for a next attempt is worth nothing once training has found out that the run is a loser. */
static int
lost(enum refusal_kind kind)
{
	return (kind == REFUSAL_LOSS_DIVERGED || kind == REFUSAL_OUTRUN);
}

/* Or once there will be none. */
static int
leftovers(struct prune *p, enum stage s)
{
	const struct rundir_stage *st = &rundir_stages[s];
	const char *const *name;
	json_t *refusal;
	int last, code = HG_EXIT_DONE;

	if (p->states[s] == STATE_REFUSED) {
		if ((refusal = refusal_read(&p->r, s)) == NULL)
			return (rundir_exit(errno));
		last = lost(refusal_by_name(jsonio_text(refusal, "kind", "")));
		json_decref(refusal);
	} else
		last = p->states[s] == STATE_CLOSED_OUT;
	for (name = st->spent; last && *name != NULL && code == HG_EXIT_DONE; name++)
		code = may_go(p, *name, NULL);
	return (code);
}

/* Does a ledger keep the run?  HG_EXIT_DONE, the answer added to p->why. */
static int
ask(struct prune *p, struct ledger *l, const char *checkpoint)
{
	int known, rc;

	if (p->why.n != 0)
		return (HG_EXIT_DONE);
	if ((rc = rests_on(l, p->r.spec.run_uid, checkpoint, &known, &p->why)) == -1)
		return (ledger_exit(errno));
	p->known = p->known || known;
	if (rc == 1 && str_printf(&p->why, ", by the ledger '%s'", l->path) == -1)
		return (HG_EXIT_SYSTEM);
	return (HG_EXIT_DONE);
}

/* The digest of a ledger's first row, by which witnesses know it; "" of an empty one. */
static int
first_row(const struct ledger *l, char hex[SHA256_HEX_SIZE])
{
	hex[0] = '\0';
	return (standings_count(&l->book) == 0 ? 0 : ledger_digest(l, standings_fact(&l->book, 0), hex));
}

/* Ask each ledger of -l; the witnesses of those that were asked get a mark. */
static int
ask_given(struct prune *p, json_t *witnesses, const char *checkpoint)
{
	char hex[SHA256_HEX_SIZE];
	struct ledger l;
	const char *path;
	json_t *w;
	size_t i;
	int at = 1, code = HG_EXIT_DONE;

	while (code == HG_EXIT_DONE && (path = opt_next(table, p->argc, p->argv, 'l', &at)) != NULL) {
		if (ledger_open(&l, path, LEDGER_READ) == -1)
			return (ledger_exit(errno));
		if ((code = ask(p, &l, checkpoint)) == HG_EXIT_DONE && first_row(&l, hex) == -1)
			code = ledger_exit(errno);
		json_array_foreach(witnesses, i, w)
			if (strcmp(jsonio_text(w, "ledger_sha256", ""), hex) == 0)
				(void)json_object_set_new(w, "asked", json_true());
		ledger_close(&l);
	}
	return (code);
}

/* A ledger that has taken the run may rest on it, whether or not it was named: one that can't be read might. */
static int
ask_witness(struct prune *p, const json_t *w, const char *checkpoint)
{
	const char *path = jsonio_text(w, "ledger", "");
	char hex[SHA256_HEX_SIZE];
	struct ledger l;
	int code;

	if (ledger_open(&l, path, LEDGER_READ) == -1) {
		say_error(
		    "'%s' is in the ledger '%s' and might be what something there rests on; where that lies now, -l"
		    " tells",
		    p->r.path, path);
		return (HG_EXIT_NO);
	}
	if (first_row(&l, hex) == -1)
		code = ledger_exit(errno);
	else if (strcmp(hex, jsonio_text(w, "ledger_sha256", "")) != 0) {
		say_error("'%s' is in a ledger that was at '%s', where another one is now; where that lies, -l tells",
		    p->r.path, path);
		code = HG_EXIT_NO;
	} else
		code = ask(p, &l, checkpoint);
	ledger_close(&l);
	return (code);
}

static int
ask_ledgers(struct prune *p, const char *checkpoint)
{
	json_t *file = NULL, *witnesses, *w;
	size_t i;
	int code;

	if (contract_read(p->r.fd, LEDGER_WITNESS, "ledger_witness", NULL, &file) == -1) {
		if (errno != ENOENT)
			return (rundir_exit(errno));
		file = NULL;
	}
	witnesses = json_object_get(file, "witnesses");
	code = ask_given(p, witnesses, checkpoint);
	json_array_foreach(witnesses, i, w)
		if (code == HG_EXIT_DONE && !jsonio_true(w, "asked"))
			code = ask_witness(p, w, checkpoint);
	json_decref(file);
	return (code);
}

/* What the run starts from, if it is one and can be read. 0, or -1 with errno ENOMEM. */
static int
note_start(int dirfd, const char *run, struct str *started)
{
	struct str spec = STR_INIT;
	json_t *v = NULL;
	const char *init;
	int rc = 0;

	if (str_printf(&spec, "%s/" RUNDIR_SPEC, run) == -1)
		return (-1);
	if (faccessat(dirfd, spec.p, F_OK, 0) == 0 && jsonio_read(dirfd, spec.p, JSONIO_MAX_BYTES, NULL, &v) == 0) {
		init = jsonio_text(v, "digests.init_sha256", "none");
		if (strcmp(init, "none") != 0)
			rc = str_printf(started, "%s %s\n", init, run);
		json_decref(v);
	}
	str_free(&spec);
	return (rc);
}

/* Those beside the run, read once for each directory. 0, or -1 with errno. */
static int
note_beside(const struct prune *p)
{
	struct stat st;
	struct dirent *e;
	DIR *d = NULL;
	int fd, rc = -1;

	if ((fd = openat(p->r.fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 || fstat(fd, &st) == -1)
		goto err0;
	if (st.st_dev == beside.st_dev && st.st_ino == beside.st_ino) {
		close(fd);
		return (0);
	}
	if ((d = fdopendir(fd)) == NULL)
		goto err0;
	beside = st;
	started_beside.n = 0;
	while ((errno = 0, e = readdir(d)) != NULL)
		if (str_is_name(e->d_name) && note_start(dirfd(d), e->d_name, &started_beside) == -1)
			goto err1;
	rc = errno == 0 ? 0 : -1;
err1:
	closedir(d);
	return (rc);
err0:
	if (fd != -1)
		close(fd);
	return (rc);
}

/* Does a run that no ledger may know yet, named or beside this one, start from its weights?  The answer is p->why's. */
static int
ask_runs(struct prune *p, const char *checkpoint)
{
	const struct str *const lists[] = { &started_named, &started_beside };
	const char *at;
	size_t i;

	if (note_beside(p) == -1) {
		say_errno("cannot tell which runs beside '%s' start from its weights", p->r.path);
		return (HG_EXIT_SYSTEM);
	}
	for (i = 0; i < 2 && p->why.n == 0; i++)
		if (lists[i]->n != 0 && (at = strstr(lists[i]->p, checkpoint)) != NULL &&
		    str_printf(&p->why, "'%.*s' starts from its weights", (int)strcspn(at + SHA256_HEX_SIZE, "\n"),
			at + SHA256_HEX_SIZE) == -1)
			return (HG_EXIT_SYSTEM);
	return (HG_EXIT_DONE);
}

/* What receipts name: all that they name must be there and whole before some of it goes. */
static int
named(struct prune *p)
{
	const json_t *finding;
	const char *checkpoint, *calibration;
	enum stage s;
	struct gate e;
	int code;

	if (rundir_owes(&p->r, STAGE_SCORE) && p->states[STAGE_SCORE] == STATE_CLOSED_OUT)
		s = STAGE_SCORE;
	else if (rundir_owes(&p->r, STAGE_EXPORT) && p->states[STAGE_EXPORT] == STATE_CLOSED_OUT)
		s = STAGE_EXPORT;
	else
		return (HG_EXIT_DONE);
	if (gate_gather(&e, &p->r, s) == -1)
		return (rundir_exit(errno));
	if ((code = gate_verdict(&e)) != HG_EXIT_DONE) {
		finding = json_array_get(e.findings, 0);
		say_error("'%s' is not whole, and nothing of it goes: %s: %s: %s", p->r.path,
		    jsonio_text(finding, "file", ""), jsonio_text(finding, "problem", ""),
		    jsonio_text(finding, "detail", ""));
		goto out;
	}
	checkpoint = jsonio_text(e.receipt[STAGE_TRAIN], "checkpoint.sha256", NULL);
	if ((code = ask_ledgers(p, checkpoint)) != HG_EXIT_DONE || p->why.n != 0)
		goto out;
	if (checkpoint != NULL && ((code = ask_runs(p, checkpoint)) != HG_EXIT_DONE || p->why.n != 0))
		goto out;
	if (checkpoint != NULL)
		code = may_go(p, RUNDIR_CHECKPOINT, checkpoint);
	/* What the export made use of is of none without the weights that it is of. */
	if (code == HG_EXIT_DONE &&
	    (calibration = jsonio_text(e.receipt[STAGE_TRAIN], "calibration.sha256", NULL)) != NULL)
		code = may_go(p, RUNDIR_CALIBRATION, calibration);
	/* A ledger that takes the run later looks at its documents. */
	if (code == HG_EXIT_DONE && s == STAGE_SCORE && p->known)
		code = may_go(p, RUNDIR_SCORE_DOCS, jsonio_text(e.report, "docs_sha256", ""));
out:
	gate_free(&e);
	return (code);
}

/* What is listed and there, and does not go, stands on the list no longer: it was put back, or is needed by now. */
static json_t *
list_of(const struct prune *p, const char *at)
{
	json_t *before, *after = json_array(), *entry;
	const char *file;
	size_t i;

	if (pruned_read(&p->r, &before) == -1)
		goto err0;
	json_array_foreach(before, i, entry) {
		file = jsonio_text(entry, "file", "");
		if (rundir_has(&p->r, file) == 0 && json_array_append(after, entry) == -1)
			goto err1;
	}
	for (i = 0; i < p->count; i++)
		if (pruned_add(after, p->list[i].file, p->list[i].bytes, p->list[i].sha256, at) == -1)
			goto err1;
	json_decref(before);
	return (after);
err1:
	json_decref(before);
err0:
	json_decref(after);
	return (NULL);
}

/* First it is said, then it is done: whatever is missing after a kill is on the list. */
static int
remove_all(struct prune *p)
{
	char at[CLOCK_TEXT_SIZE];
	json_t *list;
	size_t i;
	int code = HG_EXIT_SYSTEM;

	if ((list = list_of(p, clock_text(at, clock_wall_ms()))) == NULL)
		return (rundir_exit(errno));
	if (pruned_write(&p->r, list, at) == -1)
		goto out;
	for (i = 0; i < p->count; i++)
		if (atomfile_remove(p->r.fd, p->list[i].file) == -1) {
			say_errno("cannot remove '%s/%s'", p->r.path, p->list[i].file);
			goto out;
		}
	if (atomfile_sync_dir(p->r.fd) == -1)
		say_errno("cannot sync '%s'", p->r.path);
	else
		code = HG_EXIT_DONE;
out:
	json_decref(list);
	return (code);
}

static void
print(const struct prune *p)
{
	const struct candidate *c;

	for (c = p->list; c < p->list + p->count; c++) {
		out_put("%s %s/%s %llu\n", p->dry ? "would prune" : "pruned", p->r.path, c->file,
		    (unsigned long long)c->bytes);
		total_bytes += c->bytes;
		total_files++;
	}
	if (p->why.n != 0)
		out_put("kept %s: %s\n", p->r.path, p->why.p);
}

static int
prune_open(struct prune *p)
{
	int s, code;

	if (rundir_load(&p->r) == -1)
		return (rundir_exit(errno));
	if ((code = look(p)) != HG_EXIT_DONE)
		return (code);
	if (!p->dry && ((code = lock(p)) != HG_EXIT_DONE || (code = look(p)) != HG_EXIT_DONE))
		return (code);
	for (s = 0; s < STAGE_COUNT; s++)
		if ((code = leftovers(p, (enum stage)s)) != HG_EXIT_DONE)
			return (code);
	if ((code = named(p)) != HG_EXIT_DONE)
		return (code);
	if (!p->dry && p->count != 0 && (code = remove_all(p)) != HG_EXIT_DONE)
		return (code);
	print(p);
	return (HG_EXIT_DONE);
}

static int
prune(const char *path, int argc, char **argv)
{
	struct prune p = { .argc = argc, .argv = argv, .dry = opt_row(table, 'n')->value != NULL, .why = STR_INIT };
	int code, s;

	for (s = 0; s < STAGE_COUNT; s++)
		p.locks[s] = -1;
	if (rundir_open(&p.r, path) == -1)
		return (rundir_exit(errno));
	code = prune_open(&p);
	unlock(&p);
	str_free(&p.why);
	rundir_close(&p.r);
	return (code);
}

int
main(int argc, char **argv)
{
	int i, one, code = HG_EXIT_DONE;

	exit_init(tool.name);
	if ((i = opt_parse(&tool, table, argc, argv)) < 0)
		return (exit_flush(i == OPT_EXIT ? HG_EXIT_DONE : HG_EXIT_USAGE));
	if (i == argc)
		return (opt_usage(&tool));
	for (one = i; one < argc; one++)
		if (note_start(AT_FDCWD, argv[one], &started_named) == -1)
			return (HG_EXIT_SYSTEM);
	/* One run that can't be pruned does not hold up the others. */
	for (; i < argc; i++)
		code = exit_worse(code, prune(argv[i], argc, argv));
	out_put("%s %llu bytes in %llu files\n", opt_row(table, 'n')->value != NULL ? "would free" : "freed",
	    (unsigned long long)total_bytes, (unsigned long long)total_files);
	str_free(&started_named);
	str_free(&started_beside);
	return (exit_flush(code));
}
