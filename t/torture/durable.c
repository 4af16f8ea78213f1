#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "t/torture/durable.h"

/* What a name promises. */
enum promise {
	TEMPORARY, /* nothing */
	POSTED,    /* whole, but perhaps lost in a crash; appended or replaced */
	LOCK,      /* text about its holder, written in place */
	APPENDED,  /* records, each synced before anybody is told */
	OTHER,     /* whole and synced */
	REPLACED,  /* likewise; overwritten, and no marker rests on it */
	CREATED,   /* whole and synced; never overwritten */
	MARKER     /* likewise, and all before it has to last */
};

static const struct {
	const char *pattern;
	enum promise promise;
} names[] = {
	{ "*.lock", LOCK },
	{ "*_status.json", POSTED },
	{ "metrics.jsonl", POSTED },
	{ "*.log", POSTED },
	{ "*_resume.tsv", POSTED },
	{ "ledger_witness.json", POSTED },
	{ "ledger.jsonl", APPENDED },
	{ "index", POSTED },
	{ "head", POSTED },
	{ "resume.safetensors", REPLACED },
	{ "classification.json", REPLACED },
	{ "summary.json", REPLACED },
	{ "*_report.json", MARKER },
	{ "artifact_score_summary.json", MARKER },
	{ "*_refusal.json", MARKER },
	{ "spec.json", MARKER },
	{ "dataset.json", MARKER },
	{ "checkpoint.safetensors", CREATED },
	{ "calibration.safetensors", CREATED },
	{ "artifact.hgz", CREATED },
	{ "score_docs.tsv", CREATED },
};

/* Directories below which nothing is promised: programs', while they run and between attempts. */
static const char *const scratch[] = { "/train.out", "/score.out", "/train.keep" };

struct inode {
	dev_t dev;
	ino_t ino;
	int dirty;  /* written since it was last synced */
	int failed; /* a sync of it failed: nobody knows what is on the disk */
	pid_t writer, command;
	pid_t *readers; /* who has read it since it was last written */
	size_t n_readers;
	char path[PATH_MAX]; /* as of the last write */
};

/* A name that a directory has got and may lose. */
struct claimrow {
	dev_t dev;
	ino_t ino;
	int failed;
	pid_t tgid, command;
	enum promise promise;
	char path[PATH_MAX];
};

/* A call between its entry and its exit. */
struct pending {
	pid_t tid, tgid, command;
	struct calls call;
	int act;
	int fresh;      /* an open that makes its file */
	struct stat st; /* the file, before */
	struct stat dir_st;
	char path[PATH_MAX]; /* the name after */
	enum promise promise, was;
};

enum { ACT_NONE, ACT_READ, ACT_WRITE, ACT_SYNC, ACT_SYNC_ALL, ACT_OPEN, ACT_PUBLISH, ACT_MKDIR, ACT_REMOVE };

/* A process and the one that started it. */
struct birth {
	pid_t tgid, parent;
};

struct durable {
	void (*say)(const char *rule, const char *text);
	char (*guards)[PATH_MAX];
	size_t n_guards;
	struct inode *inodes;
	size_t n_inodes;
	struct claimrow *entries;
	size_t n_entries;
	struct pending *pending;
	size_t n_pending;
	struct birth *births;
	size_t n_births;
	pid_t *dead;
	size_t n_dead;
};

#define GROW(p, n) ((p) = realloc((p), ((n) + 1) * sizeof(*(p))), (p) == NULL ? abort() : (void)0, &(p)[(n)++])

struct durable *
durable_new(void (*say)(const char *rule, const char *text))
{
	struct durable *d;

	if ((d = calloc(1, sizeof(*d))) != NULL)
		d->say = say;
	return (d);
}

void
durable_free(struct durable *d)
{
	size_t i;

	if (d == NULL)
		return;
	for (i = 0; i < d->n_inodes; i++)
		free(d->inodes[i].readers);
	free(d->guards);
	free(d->inodes);
	free(d->entries);
	free(d->pending);
	free(d->births);
	free(d->dead);
	free(d);
}

int
durable_guard(struct durable *d, const char *dir)
{
	char real[PATH_MAX];

	if (realpath(dir, real) == NULL)
		return (-1);
	strcpy(*GROW(d->guards, d->n_guards), real);
	return (0);
}

/* Where a path's part below a guarded directory begins; NULL if it is outside. */
static const char *
below(const struct durable *d, const char *path)
{
	size_t i, n;

	for (i = 0; i < d->n_guards; i++) {
		n = strlen(d->guards[i]);
		if (strncmp(path, d->guards[i], n) == 0 && (path[n] == '/' || path[n] == '\0'))
			return (path + n);
	}
	return (NULL);
}

static enum promise
promise_of(const struct durable *d, const char *path)
{
	const char *rest = below(d, path), *name;
	size_t i;

	if (rest == NULL || strstr(rest, "/.") != NULL || strstr(rest, " (deleted)") != NULL)
		return (TEMPORARY);
	for (i = 0; i < sizeof(scratch) / sizeof(scratch[0]); i++)
		if (strstr(rest, scratch[i]) != NULL)
			return (TEMPORARY);
	name = strrchr(path, '/') + 1;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (fnmatch(names[i].pattern, name, 0) == 0)
			return (names[i].promise);
	return (OTHER);
}

static struct inode *
inode_of(struct durable *d, const struct stat *st)
{
	struct inode *i;
	size_t k;

	for (k = 0; k < d->n_inodes; k++)
		if (d->inodes[k].ino == st->st_ino && d->inodes[k].dev == st->st_dev)
			return (&d->inodes[k]);
	i = GROW(d->inodes, d->n_inodes);
	memset(i, 0, sizeof(*i));
	i->dev = st->st_dev;
	i->ino = st->st_ino;
	return (i);
}

static void
complain(struct durable *d, const char *rule, pid_t tgid, const char *format, const char *a, const char *b)
{
	char text[3 * PATH_MAX], what[2 * PATH_MAX + 256];

	snprintf(what, sizeof(what), format, a, b);
	snprintf(text, sizeof(text), "process %ld: %s", (long)tgid, what);
	d->say(rule, text);
}

static int
is_dead(const struct durable *d, pid_t tgid)
{
	size_t i;

	for (i = 0; i < d->n_dead; i++)
		if (d->dead[i] == tgid)
			return (1);
	return (0);
}

/* A process answers for what it did and for what dead processes of its command did. */
static int
answers_for(const struct durable *d, pid_t tgid, pid_t command, pid_t other, pid_t other_command)
{
	return (other == tgid || (other_command == command && is_dead(d, other)));
}

/* Did one start the other, itself or through others? */
static int
started(const struct durable *d, pid_t tgid, pid_t other)
{
	size_t i;

	/* The last first: a number that was used again is the later one's. */
	for (i = d->n_births; i-- > 0;)
		if (d->births[i].tgid == other) {
			if (d->births[i].parent == tgid)
				return (1);
			other = d->births[i].parent;
		}
	return (0);
}

static int
has_read(const struct inode *i, pid_t tgid)
{
	size_t k;

	for (k = 0; k < i->n_readers; k++)
		if (i->readers[k] == tgid)
			return (1);
	return (0);
}

/*
 * For records that a dead process appended whoever has read them answers, too, and whoever started it and has been told
 * how it ended.  A command that never looked at the file knows nothing of them, and says nothing of them.
 */
static int
answers_for_append(const struct durable *d, pid_t tgid, pid_t command, const struct inode *i)
{
	return (answers_for(d, tgid, command, i->writer, i->command) ||
	    (is_dead(d, i->writer) && (has_read(i, tgid) || started(d, tgid, i->writer))));
}

/* Before a marker appears or a command says that it is done, all that it did must last. */
static void
all_lasts(struct durable *d, pid_t tgid, pid_t command, const char *marker, enum durable_answer answer)
{
	const char *before = marker != NULL ? marker : "its command says that it is done";
	struct inode *i;
	size_t k, n;

	for (k = 0; k < d->n_entries; k++) {
		/* A directory that is lost takes the marker in it along. */
		n = strlen(d->entries[k].path);
		if (marker != NULL &&
		    ((strncmp(marker, d->entries[k].path, n) == 0 && marker[n] == '/') ||
			d->entries[k].promise == REPLACED))
			continue;
		if (answer == DURABLE_REFUSED && d->entries[k].failed && d->entries[k].promise == REPLACED)
			continue;
		if (answers_for(d, tgid, command, d->entries[k].tgid, d->entries[k].command))
			complain(d, d->entries[k].failed ? "failed-sync" : "unsynced-name", tgid,
			    "the directory of %s is not synced before %s", d->entries[k].path, before);
	}
	for (k = 0; k < d->n_inodes; k++) {
		i = &d->inodes[k];
		if (i->dirty && promise_of(d, i->path) == APPENDED && answers_for_append(d, tgid, command, i))
			complain(d, i->failed ? "failed-sync" : "unsynced-append", tgid,
			    "what was appended to %s is not synced before %s", i->path, before);
	}
}

static void
wrote(struct durable *d, const struct pending *p)
{
	struct inode *i = inode_of(d, &p->st);

	i->dirty = 1;
	i->writer = p->tgid;
	i->command = p->command;
	i->n_readers = 0;
	strcpy(i->path, p->path);
	if (p->promise == MARKER || p->promise == CREATED || p->promise == REPLACED || p->promise == OTHER)
		complain(d, "written-in-place", p->tgid, "%s changes %s", calls_name(p->call.nr), p->path);
}

static void
was_read(struct durable *d, const struct pending *p)
{
	struct inode *i = inode_of(d, &p->st);

	if (i->dirty && !has_read(i, p->tgid))
		*GROW(i->readers, i->n_readers) = p->tgid;
}

static void
named(struct durable *d, const struct pending *p)
{
	struct claimrow *e;

	e = GROW(d->entries, d->n_entries);
	e->dev = p->dir_st.st_dev;
	e->ino = p->dir_st.st_ino;
	e->failed = 0;
	e->tgid = p->tgid;
	e->command = p->command;
	e->promise = p->promise;
	strcpy(e->path, p->path);
}

static void
published(struct durable *d, const struct pending *p)
{
	struct inode *i;

	if (p->promise == TEMPORARY || p->promise == POSTED || p->promise == LOCK)
		return;
	if (S_ISREG(p->st.st_mode)) {
		i = inode_of(d, &p->st);
		if (i->failed)
			complain(d, "failed-sync", p->tgid, "%s publishes %s, a sync of which failed",
			    calls_name(p->call.nr), p->path);
		else if (i->dirty)
			complain(d, "unsynced-data", p->tgid, "%s publishes %s, the bytes of which are not synced",
			    calls_name(p->call.nr), p->path);
		strcpy(i->path, p->path);
	}
	/* What is moved aside under the name of a result (attempts/) was published before. */
	if ((p->promise == MARKER || p->promise == CREATED) && p->was == TEMPORARY &&
	    (p->call.sorts & CALLS_RENAME) != 0 && !(p->call.nr == SYS_renameat2 && (p->call.args[4] & 1) != 0))
		complain(d, "overwritable", p->tgid, "%s publishes %s and would overwrite it", calls_name(p->call.nr),
		    p->path);
	if (p->promise == MARKER && p->was == TEMPORARY)
		all_lasts(d, p->tgid, p->command, p->path, DURABLE_NONE);
	named(d, p);
}

static void
synced(struct durable *d, const struct stat *st, int64_t result)
{
	struct inode *i = inode_of(d, st);
	size_t k, n;

	if (result == -EINTR)
		return;
	if (S_ISDIR(st->st_mode)) {
		for (k = n = 0; k < d->n_entries; k++) {
			if (d->entries[k].dev != st->st_dev || d->entries[k].ino != st->st_ino) {
				d->entries[n++] = d->entries[k];
			} else if (result != 0 || d->entries[k].failed) {
				d->entries[k].failed = 1;
				d->entries[n++] = d->entries[k];
			}
		}
		d->n_entries = n;
	} else if (result != 0)
		i->failed = 1;
	else
		i->dirty = 0;
}

/* Where a path argument leads and what its name promises, before the call. */
static int
look(const struct durable *d, struct pending *p, int dirfd, uint64_t address)
{
	if (calls_path(p->tid, dirfd, address, p->path, &p->dir_st) == -1)
		return (-1);
	p->promise = promise_of(d, p->path);
	return (below(d, p->path) == NULL ? -1 : 0);
}

/* The source of a rename or link, which may lie anywhere, then its target. */
static void
look_move(const struct durable *d, struct pending *p, int from_dir, uint64_t from, int to_dir, uint64_t to)
{
	if (calls_path(p->tid, from_dir, from, p->path, &p->dir_st) == -1 || lstat(p->path, &p->st) == -1)
		return;
	p->was = promise_of(d, p->path);
	if (look(d, p, to_dir, to) == 0)
		p->act = ACT_PUBLISH;
}

void
durable_enter(struct durable *d, pid_t tid, pid_t tgid, pid_t command, const struct calls *c)
{
	struct pending *p;
	int dirfd = AT_FDCWD, flags;
	uint64_t path;

	p = GROW(d->pending, d->n_pending);
	memset(p, 0, sizeof(*p));
	p->tid = tid;
	p->tgid = tgid;
	p->command = command;
	p->call = *c;
	if ((c->sorts & CALLS_SYNC) != 0) {
		if (c->nr == SYS_sync || c->nr == SYS_syncfs)
			p->act = ACT_SYNC_ALL;
		else if (c->nr != SYS_msync && calls_fd(tid, (int)c->args[0], NULL, 0, &p->st) == 0)
			p->act = ACT_SYNC;
	} else if ((c->sorts & CALLS_WRITE) != 0 || c->nr == SYS_ftruncate || c->nr == SYS_fallocate ||
	    (c->nr == SYS_mmap && (c->args[2] & PROT_WRITE) != 0 && (c->args[3] & MAP_TYPE) == MAP_SHARED &&
		(c->args[3] & MAP_ANONYMOUS) == 0)) {
		int fd = (int)c->args[0];

		if (c->nr == SYS_copy_file_range || c->nr == SYS_splice)
			fd = (int)c->args[2];
		else if (c->nr == SYS_mmap)
			fd = (int)c->args[4];
		if (calls_fd(tid, fd, p->path, sizeof(p->path), &p->st) == 0 && S_ISREG(p->st.st_mode) &&
		    below(d, p->path) != NULL) {
			p->promise = promise_of(d, p->path);
			p->act = ACT_WRITE;
		}
	} else if ((c->sorts & CALLS_READ) != 0) {
		if (calls_fd(tid, (int)c->args[0], p->path, sizeof(p->path), &p->st) == 0 && S_ISREG(p->st.st_mode) &&
		    promise_of(d, p->path) == APPENDED)
			p->act = ACT_READ;
	} else if ((c->sorts & CALLS_CREATES) != 0) {
		path = c->args[0];
		flags = (int)c->args[1];
		if (c->nr == SYS_openat) {
			dirfd = (int)c->args[0];
			path = c->args[1];
			flags = (int)c->args[2];
		}
#ifdef SYS_creat
		if (c->nr == SYS_creat)
			flags = O_CREAT | O_TRUNC;
#endif
		if (look(d, p, dirfd, path) == 0) {
			p->fresh = lstat(p->path, &p->st) == -1 && (flags & O_CREAT) != 0;
			p->act = ACT_OPEN;
			/* Cutting a file that has bytes is a write. */
			if (!p->fresh && (flags & O_TRUNC) != 0 && p->st.st_size > 0)
				p->act = ACT_WRITE;
		}
	} else if ((c->sorts & (CALLS_RENAME | CALLS_LINK)) != 0) {
		if (c->nr == SYS_renameat || c->nr == SYS_renameat2 || c->nr == SYS_linkat)
			look_move(d, p, (int)c->args[0], c->args[1], (int)c->args[2], c->args[3]);
#ifdef SYS_rename
		else if (c->nr == SYS_rename || c->nr == SYS_link)
			look_move(d, p, AT_FDCWD, c->args[0], AT_FDCWD, c->args[1]);
#endif
	} else if ((c->sorts & CALLS_UNLINK) != 0) {
		path = c->args[0];
		if (c->nr == SYS_unlinkat) {
			dirfd = (int)c->args[0];
			path = c->args[1];
		}
		if (look(d, p, dirfd, path) == 0)
			p->act = ACT_REMOVE;
	} else if ((c->sorts & CALLS_MKDIR) != 0) {
		path = c->args[0];
		if (c->nr == SYS_mkdirat) {
			dirfd = (int)c->args[0];
			path = c->args[1];
		}
		if (look(d, p, dirfd, path) == 0)
			p->act = ACT_MKDIR;
	}
	if (p->act == ACT_NONE)
		d->n_pending--;
}

void
durable_leave(struct durable *d, pid_t tid, int64_t result)
{
	struct pending p;
	struct inode *i;
	struct stat st;
	size_t k, n;

	for (k = 0; k < d->n_pending; k++)
		if (d->pending[k].tid == tid)
			break;
	if (k == d->n_pending)
		return;
	p = d->pending[k];
	d->pending[k] = d->pending[--d->n_pending];
	if (p.act == ACT_SYNC)
		synced(d, &p.st, result);
	if (result < 0)
		return;
	switch (p.act) {
	case ACT_READ:
		was_read(d, &p);
		break;
	case ACT_WRITE:
		wrote(d, &p);
		break;
	case ACT_SYNC_ALL:
		for (k = 0; k < d->n_inodes; k++)
			d->inodes[k].dirty = 0;
		d->n_entries = 0;
		break;
	case ACT_OPEN:
		if (!p.fresh || calls_fd(tid, (int)result, NULL, 0, &st) == -1)
			break;
		/* An inode number that was used before is another file now. */
		i = inode_of(d, &st);
		i->dirty = i->failed = 0;
		strcpy(i->path, p.path);
		if (p.promise == APPENDED)
			named(d, &p);
		break;
	case ACT_PUBLISH:
		published(d, &p);
		break;
	case ACT_REMOVE:
		/* Whether a name that is gone would have lasted matters no more. */
		for (k = n = 0; k < d->n_entries; k++)
			if (strcmp(d->entries[k].path, p.path) != 0)
				d->entries[n++] = d->entries[k];
		d->n_entries = n;
		break;
	case ACT_MKDIR:
		if (p.promise != TEMPORARY)
			named(d, &p);
		break;
	}
}

void
durable_began(struct durable *d, pid_t tgid, pid_t parent)
{
	*GROW(d->births, d->n_births) = (struct birth){ tgid, parent };
}

void
durable_ended(struct durable *d, pid_t tgid, pid_t command, enum durable_answer answer)
{
	size_t k, n;

	if (answer != DURABLE_NONE)
		all_lasts(d, tgid, command, NULL, answer);
	*GROW(d->dead, d->n_dead) = tgid;
	/* Said once; and nobody is left who could sync what a dead command left unsaid. */
	if (tgid == command) {
		for (k = n = 0; k < d->n_entries; k++)
			if (!answers_for(d, tgid, command, d->entries[k].tgid, d->entries[k].command))
				d->entries[n++] = d->entries[k];
		d->n_entries = n;
	}
}
