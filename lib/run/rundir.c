#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "base/exit.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "base/num.h"
#include "base/proc.h"
#include "run/rundir.h"
#include "base/say.h"
#include "base/str.h"
#include "base/tree.h"
#include "base/utf8.h"

const struct rundir_stage rundir_stages[STAGE_COUNT] = {
	[STAGE_TRAIN] = {
		.name = "train",
		.tool = "hg-train",
		.needs = -1,
		.lock = "train.lock",
		.receipt = "training_report.json",
		.receipt_contract = "training_report",
		.refusal = "train_refusal.json",
		.status = "train_status.json",
		.status_contract = "train_status",
		.progress = { "step", "steps_expected", "train_loss" },
		.outputs = { RUNDIR_CHECKPOINT, RUNDIR_CALIBRATION },
		.keeps = { RUNDIR_RESUME, RUNDIR_METRICS },
		.spent = { RUNDIR_RESUME },
		.log = RUNDIR_TRAIN_LOG,
		.trees = { RUNDIR_FILES, RUNDIR_TRAIN_OUT },
		.scratch = { RUNDIR_TRAIN_OUT },
		.kept_tree = RUNDIR_TRAIN_KEEP,
		.external_contract = "program_report",
		.external_binds = {
			{ RUNDIR_BIND_FILE, "checkpoint", RUNDIR_CHECKPOINT, 0 },
			{ RUNDIR_BIND_FILE, "metrics", RUNDIR_METRICS, 0 },
			{ RUNDIR_BIND_FILE, "log", RUNDIR_TRAIN_LOG, 0 },
			{ RUNDIR_BIND_SPEC, "evidence", "trainer.gives", 0 },
			{ RUNDIR_BIND_SPEC, "trainer_sha256", "digests.trainer_sha256", 0 },
			{ RUNDIR_BIND_SPEC, "config_sha256", "digests.config_sha256", 0 },
			{ RUNDIR_BIND_SPEC, "dataset_sha256", "data.dataset_sha256", 0 },
			{ RUNDIR_BIND_SPEC, "tokenizer_sha256", "data.tokenizer_sha256", 0 },
		},
		.binds = {
			{ RUNDIR_BIND_FILE, "checkpoint", RUNDIR_CHECKPOINT, 0 },
			{ RUNDIR_BIND_FILE, "calibration", RUNDIR_CALIBRATION, 0 },
			{ RUNDIR_BIND_FILE, "metrics", RUNDIR_METRICS, 0 },
			{ RUNDIR_BIND_SPEC, "config_sha256", "digests.config_sha256", 0 },
			{ RUNDIR_BIND_SPEC, "dataset_sha256", "data.dataset_sha256", 0 },
			{ RUNDIR_BIND_SPEC, "tokenizer_sha256", "data.tokenizer_sha256", 0 },
		},
	},
	[STAGE_EXPORT] = {
		.name = "export",
		.tool = "hg-export",
		.needs = STAGE_TRAIN,
		.lock = "export.lock",
		.receipt = "export_report.json",
		.receipt_contract = "export_report",
		.refusal = "export_refusal.json",
		.outputs = { RUNDIR_ARTIFACT },
		.external_contract = "program_export",
		.external_binds = { { RUNDIR_BIND_RECEIPT, "training_report_sha256", NULL, STAGE_TRAIN } },
		.binds = {
			{ RUNDIR_BIND_RECEIPT, "training_report_sha256", NULL, STAGE_TRAIN },
			{ RUNDIR_BIND_MEMBER, "checkpoint_sha256", "checkpoint.sha256", STAGE_TRAIN },
			{ RUNDIR_BIND_FILE, "artifact", RUNDIR_ARTIFACT, 0 },
		},
	},
	[STAGE_PROMPT] = {
		.name = "prompt",
		.tool = "hg-prompt",
		.needs = STAGE_EXPORT,
		.optional = 1,
		.lock = "prompt.lock",
		.receipt = "prompt_report.json",
		.receipt_contract = "prompt_report",
		.refusal = "prompt_refusal.json",
		.binds = { { RUNDIR_BIND_MEMBER, "artifact_sha256", "artifact.sha256", STAGE_EXPORT } },
	},
	[STAGE_SCORE] = {
		.name = "score",
		.tool = "hg-score",
		.needs = STAGE_EXPORT,
		.lock = "score.lock",
		.receipt = "artifact_score_summary.json",
		.receipt_contract = "score_summary",
		.report = RUNDIR_SCORE_REPORT,
		.report_contract = "score_report",
		.refusal = "score_refusal.json",
		.status = "score_status.json",
		.status_contract = "score_status",
		.progress = { "documents", "documents_expected", "val_loss" },
		.log = RUNDIR_SCORE_LOG,
		.outputs = { RUNDIR_SCORE_REPORT, RUNDIR_SCORE_DOCS },
		.keeps = { RUNDIR_SCORE_RESUME },
		.spent = { RUNDIR_SCORE_RESUME },
		.trees = { RUNDIR_SCORE_OUT },
		.scratch = { RUNDIR_SCORE_OUT },
		.report_key = "score_report_sha256",
		.repeats = { "val_loss", "val_bpb", "val_bpb_raw", "partial", "documents" },
		.binds = {
			{ RUNDIR_BIND_MEMBER, "artifact_sha256", "artifact.sha256", STAGE_EXPORT },
			{ RUNDIR_BIND_RECEIPT, "export_report_sha256", NULL, STAGE_EXPORT },
			{ RUNDIR_BIND_RECEIPT, "training_report_sha256", NULL, STAGE_TRAIN },
			{ RUNDIR_BIND_SPEC, "dataset_sha256", "data.dataset_sha256", 0 },
			{ RUNDIR_BIND_SPEC, "tokenizer_sha256", "data.tokenizer_sha256", 0 },
			{ RUNDIR_BIND_SPEC, "eval_sha256", "digests.eval_sha256", 0 },
			{ RUNDIR_BIND_DIGEST, "docs_sha256", RUNDIR_SCORE_DOCS, 0 },
		},
	},
};

int
rundir_stage_of(const char *name)
{
	int s;

	for (s = 0; s < STAGE_COUNT; s++)
		if (strcmp(rundir_stages[s].name, name) == 0)
			return (s);
	return (-1);
}

static int
is_text(const char *path)
{
	size_t n;

	for (; *path != '\0'; path += n)
		if ((n = utf8_read(path, UTF8_MAX_BYTES, NULL)) == 0)
			return (0);
	return (1);
}

int
rundir_can_tell(const char *path)
{
	if (is_text(path))
		return (0);
	say_error("'%s' is not UTF-8, so that no file of a run can tell of it; give it another name", path);
	errno = EINVAL;
	return (-1);
}

/* Open what is called ${name} in ${dirfd}; ${id} is its own name and ${said} how people know it. */
static int
open_as(struct rundir *r, int dirfd, const char *name, const char *id, const char *said)
{
	int error;

	memset(r, 0, sizeof(*r));
	if (rundir_can_tell(said) == -1)
		return (-1);
	if (!str_is_name(id)) {
		say_error("'%s' can't name a run: 1 to %d of A-Z a-z 0-9 . _ - and no dot first", said, RUNDIR_ID_MAX);
		errno = EINVAL;
		return (-1);
	}
	strcpy(r->id, id);
	if ((r->path = strdup(said)) == NULL) {
		say_errno("cannot open run '%s'", said);
		goto err0;
	}
	if ((r->fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1) {
		say_errno("cannot open run '%s'", said);
		goto err0;
	}
	return (0);
err0:
	error = errno;
	free(r->path);
	r->path = NULL;
	errno = error;
	return (-1);
}

int
rundir_open(struct rundir *r, const char *path)
{
	char said[PATH_MAX], here[PATH_MAX];
	const char *id;
	size_t n = strlen(path);

	/* Trailing slashes would make O_NOFOLLOW follow. */
	while (n > 1 && path[n - 1] == '/')
		n--;
	if (n == 0 || n >= sizeof(said)) {
		errno = n == 0 ? ENOENT : ENAMETOOLONG;
		say_errno("cannot open run '%s'", path);
		return (-1);
	}
	memcpy(said, path, n);
	said[n] = '\0';
	if (strcmp(said, ".") == 0 && getcwd(here, sizeof(here)) != NULL)
		id = strrchr(here, '/') + 1;
	else
		id = strrchr(said, '/') == NULL ? said : strrchr(said, '/') + 1;
	return (open_as(r, AT_FDCWD, said, id, said));
}

int
rundir_open_at(struct rundir *r, int dirfd, const char *prefix, const char *name)
{
	char said[PATH_MAX];

	snprintf(said, sizeof(said), "%s/%s", prefix, name);
	return (open_as(r, dirfd, name, name, said));
}

int
rundir_load(struct rundir *r)
{
	struct spec spec;

	if (r->spec.json != NULL)
		return (0);
	if (spec_read(r->fd, r->path, &spec) == -1) {
		if (errno == ENOENT)
			say_error("'%s' is not a run: there is no '%s' in it", r->path, RUNDIR_SPEC);
		return (-1);
	}
	if (strcmp(spec.run_id, r->id) != 0) {
		say_error("'%s/%s' belongs to run '%s'; a run keeps the name of its directory", r->path, RUNDIR_SPEC,
		    spec.run_id);
		spec_free(&spec);
		errno = EBADMSG;
		return (-1);
	}
	r->spec = spec;
	return (0);
}

void
rundir_close(struct rundir *r)
{
	if (r->path == NULL)
		return;
	close(r->fd);
	free(r->path);
	if (r->spec.json != NULL)
		spec_free(&r->spec);
	memset(r, 0, sizeof(*r));
}

/* --- runs whose trainer is a program ----------------------------------------- */

int
rundir_external(const struct rundir *r)
{
	return (strcmp(jsonio_text(r->spec.json, "system.backend", ""), "external") == 0);
}

enum rundir_evidence
rundir_evidence(const struct rundir *r)
{
	const char *gives = rundir_external(r) ? jsonio_text(r->spec.json, "trainer.gives", "") : "";

	return (strcmp(gives, "artifact") == 0 ? RUNDIR_ARTIFACTS :
		strcmp(gives, "claim") == 0    ? RUNDIR_CLAIMS :
						 RUNDIR_CHECKPOINTS);
}

int
rundir_owes(const struct rundir *r, enum stage s)
{
	switch (rundir_evidence(r)) {
	case RUNDIR_ARTIFACTS:
		return (s != STAGE_PROMPT);
	case RUNDIR_CLAIMS:
		return (s == STAGE_TRAIN);
	default:
		return (1);
	}
}

enum stage
rundir_last(const struct rundir *r)
{
	return (rundir_owes(r, STAGE_SCORE) ? STAGE_SCORE : STAGE_TRAIN);
}

/* The weights of a program are exported and scored as our own. */
static int
has_own_form(const struct rundir *r, enum stage s)
{
	return (rundir_stages[s].external_contract != NULL && rundir_external(r) &&
	    (s == STAGE_TRAIN || rundir_evidence(r) != RUNDIR_CHECKPOINTS));
}

const char *
rundir_contract(const struct rundir *r, enum stage s)
{
	return (has_own_form(r, s) ? rundir_stages[s].external_contract : rundir_stages[s].receipt_contract);
}

const struct rundir_bind *
rundir_binds(const struct rundir *r, enum stage s)
{
	return (has_own_form(r, s) ? rundir_stages[s].external_binds : rundir_stages[s].binds);
}

int
rundir_exit(int error)
{
	switch (error) {
	case EINVAL:
	case ENOENT:
	case ENOTDIR:
		return (HG_EXIT_USAGE);
	case EBADMSG:
		return (HG_EXIT_CONTRACT);
	default:
		return (file_at_fault(error) ? HG_EXIT_CONTRACT : HG_EXIT_SYSTEM);
	}
}

int
rundir_has(const struct rundir *r, const char *name)
{
	struct stat st;

	if (fstatat(r->fd, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return (errno == ENOENT ? 0 : -1);
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : S_ISLNK(st.st_mode) ? ELOOP : EMEDIUMTYPE;
		return (-1);
	}
	return (1);
}

char *
rundir_mark(const struct rundir *r, enum stage s, int attempt, char out[RUNDIR_MARK_SIZE])
{
	snprintf(out, RUNDIR_MARK_SIZE, RUNDIR_MARK "=%s/%s/%d", r->spec.run_uid, rundir_stages[s].name, attempt);
	return (out);
}

int
rundir_attempt(const struct rundir *r, enum stage s)
{
	const char *name = rundir_stages[s].name;
	size_t n = strlen(name);
	struct dirent *e;
	uint64_t number;
	int fd, error, last = 0;
	DIR *d;

	if ((fd = openat(r->fd, RUNDIR_ATTEMPTS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1)
		return (errno == ENOENT ? 1 : -1);
	if ((d = fdopendir(fd)) == NULL) {
		close(fd);
		return (-1);
	}
	while ((errno = 0, e = readdir(d)) != NULL)
		if (strncmp(e->d_name, name, n) == 0 && e->d_name[n] == '.' &&
		    num_u64(e->d_name + n + 1, 1, INT_MAX - 1, &number) == 0 && (int)number > last)
			last = (int)number;
	error = errno;
	closedir(d);
	errno = error;
	return (error == 0 ? last + 1 : -1);
}

int
rundir_refusal_fits(const struct rundir *r, enum stage s, int64_t attempt)
{
	const struct rundir_stage *st = &rundir_stages[s];
	char path[160];
	int next;

	if ((next = rundir_attempt(r, s)) == -1)
		return (-1);
	if (attempt != next - 1)
		return (attempt == next);
	snprintf(path, sizeof(path), RUNDIR_ATTEMPTS "/%s.%d/%s", st->name, next - 1, st->refusal);
	if (faccessat(r->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return (0);
	return (errno == ENOENT ? 1 : -1);
}

int
rundir_discard(const struct rundir *r, enum stage s)
{
	const struct rundir_stage *st = &rundir_stages[s];
	const char *names[] = { st->receipt, st->refusal, st->status };
	const char *const *p;
	size_t i;

	for (p = st->outputs; *p != NULL; p++)
		if (atomfile_sweep(r->fd, *p) == -1 || atomfile_remove(r->fd, *p) == -1)
			goto err0;
	for (p = st->trees; *p != NULL; p++)
		if (tree_remove(r->fd, *p) == -1)
			goto err0;
	for (p = st->keeps; *p != NULL; p++)
		if (atomfile_sweep(r->fd, *p) == -1)
			goto err0;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i] != NULL && atomfile_sweep(r->fd, names[i]) == -1)
			goto err0;
	return (0);
err0:
	say_errno("cannot discard what stage %s left in '%s'", st->name, r->path);
	return (-1);
}

/* The names by which stages close out, and of their outputs, one by one; NULL after the last. */
static const char *
marker(size_t n)
{
	const struct rundir_stage *st;
	const char *const *p;
	int s;

	for (s = 0; s < STAGE_COUNT; s++) {
		st = &rundir_stages[s];
		if (n < 2)
			return (n == 0 ? st->receipt : st->refusal);
		n -= 2;
		for (p = st->outputs; *p != NULL; p++)
			if (n-- == 0)
				return (*p);
	}
	return (NULL);
}

uint64_t
rundir_markers(const struct rundir *r)
{
	uint64_t there = 0;
	const char *name;
	struct stat st;
	size_t n;

	for (n = 0; (name = marker(n)) != NULL; n++) {
		assert(n < 64);
		if (fstatat(r->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			there |= (uint64_t)1 << n;
	}
	return (there);
}

static int
take_away(const struct rundir *r, const char *what, const char **name)
{
	if (tree_remove(r->fd, what) == -1) {
		say_errno("cannot remove '%s/%s'", r->path, what);
		return (-1);
	}
	*name = what;
	return (0);
}

/* What lies under that name and is not of that type goes. */
static int
only_as(const struct rundir *r, const char *what, mode_t type, const char **name)
{
	struct stat st;

	if (what == NULL || fstatat(r->fd, what, &st, AT_SYMLINK_NOFOLLOW) == -1 || (st.st_mode & S_IFMT) == type)
		return (0);
	return (take_away(r, what, name));
}

static int
restore_spec(const struct rundir *r, const char **name)
{
	char *now;
	size_t n;
	int same;

	now = file_read(r->fd, RUNDIR_SPEC, r->spec.text_bytes, &n);
	same = now != NULL && n == r->spec.text_bytes && memcmp(now, r->spec.text, n) == 0;
	if (now == NULL && errno != ENOENT && !file_at_fault(errno)) {
		say_errno("cannot read '%s/%s'", r->path, RUNDIR_SPEC);
		return (-1);
	}
	free(now);
	if (same)
		return (0);
	if (tree_remove(r->fd, RUNDIR_SPEC) == 0 &&
	    atomfile_create(r->fd, RUNDIR_SPEC, r->spec.text, r->spec.text_bytes) == 0) {
		*name = RUNDIR_SPEC;
		return (0);
	}
	say_errno("cannot put '%s/%s' back", r->path, RUNDIR_SPEC);
	return (-1);
}

int
rundir_restore(const struct rundir *r, uint64_t before, const char **name)
{
	uint64_t more = rundir_markers(r) & ~before;
	const struct rundir_stage *st;
	const char *const *p;
	size_t n;

	*name = NULL;
	for (n = 0; more != 0 && marker(n) != NULL; n++)
		if ((more & (uint64_t)1 << n) != 0 && take_away(r, marker(n), name) == -1)
			return (-1);
	for (st = rundir_stages; st < rundir_stages + STAGE_COUNT; st++) {
		if (only_as(r, st->lock, S_IFREG, name) == -1 || only_as(r, st->status, S_IFREG, name) == -1 ||
		    only_as(r, st->log, S_IFREG, name) == -1 || only_as(r, st->kept_tree, S_IFDIR, name) == -1)
			return (-1);
		for (p = st->keeps; *p != NULL; p++)
			if (only_as(r, *p, S_IFREG, name) == -1)
				return (-1);
	}
	if (only_as(r, RUNDIR_ATTEMPTS, S_IFDIR, name) == -1 || restore_spec(r, name) == -1)
		return (-1);
	return (*name != NULL);
}

int
rundir_clear(const struct rundir *r, enum stage s)
{
	const struct rundir_stage *st = &rundir_stages[s];
	const char *const *p;

	for (p = st->scratch; *p != NULL; p++)
		if (tree_remove(r->fd, *p) == -1) {
			say_errno("cannot remove '%s/%s'", r->path, *p);
			return (-1);
		}
	return (0);
}

void
rundir_spend(const struct rundir *r, enum stage s)
{
	const struct rundir_stage *st = &rundir_stages[s];
	const char *const *p;

	for (p = st->spent; *p != NULL; p++)
		(void)atomfile_remove(r->fd, *p);
	if (st->kept_tree != NULL)
		(void)tree_remove(r->fd, st->kept_tree);
}

/* Move one file, if it is there; a name that is taken in ${to} was left by an interrupted move and is the older one. */
static int
move(int from, int to, const char *name)
{
	if (name == NULL || renameat(from, name, to, name) == 0 || errno == ENOENT)
		return (0);
	return (-1);
}

int
rundir_retire(const struct rundir *r, enum stage s, int attempt)
{
	const struct rundir_stage *st = &rundir_stages[s];
	char name[64];
	int attempts = -1, to = -1, error;

	snprintf(name, sizeof(name), "%s.%d", st->name, attempt);
	if (mkdirat(r->fd, RUNDIR_ATTEMPTS, 0777) == -1 && errno != EEXIST)
		goto err0;
	if ((attempts = openat(r->fd, RUNDIR_ATTEMPTS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1)
		goto err0;
	if (mkdirat(attempts, name, 0777) == -1 && errno != EEXIST)
		goto err0;
	if ((to = openat(attempts, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1)
		goto err0;
	/* The numbers of attempts only grow, so this can't happen; if it does, nothing is overwritten. */
	if (faccessat(to, st->refusal, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		goto err0;
	}
	if (move(r->fd, to, st->status) == -1 || move(r->fd, to, st->log) == -1)
		goto err0;
	/* The folder and what is in it must outlive a crash before the marker goes. */
	if (fsync(to) == -1 || fsync(attempts) == -1 || fsync(r->fd) == -1)
		goto err0;
	if (move(r->fd, to, st->refusal) == -1 || fsync(to) == -1 || fsync(r->fd) == -1)
		goto err0;
	close(to);
	close(attempts);
	return (0);
err0:
	error = errno;
	say_errno("cannot move attempt %d of stage %s of '%s' aside", attempt, st->name, r->path);
	if (to != -1)
		close(to);
	if (attempts != -1)
		close(attempts);
	errno = error;
	return (-1);
}
