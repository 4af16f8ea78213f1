#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/array.h"
#include "base/exit.h"
#include "base/file.h"
#include "base/say.h"
#include "base/shell.h"
#include "base/spread.h"
#include "base/str.h"
#include "run/active.h"

/* Is a failure to read a run the run's, and not the system's? */
static int
at_fault(int error)
{
	return (error == EBADMSG || error == EACCES || error == EINVAL || error == ENOENT || file_at_fault(error));
}

int
active_add(struct active *a, const char *path)
{
	char **more = array_few(a->places, a->place_count, sizeof(*more));

	if (more != NULL)
		a->places = more;
	if (more == NULL || (more[a->place_count] = strdup(path)) == NULL) {
		say_errno("cannot look at '%s'", path);
		return (-1);
	}
	a->place_count++;
	return (0);
}

static int
by_name(const struct active_run *x, size_t from, const char *name)
{
	return (x->from != from ? (x->from < from ? -1 : 1) : strcmp(x->name, name));
}

static int
in_order(const void *a, const void *b)
{
	const struct active_run *x = a, *y = b;

	return (by_name(x, y->from, y->name));
}

/* A run that the last look found, or NULL: the look that goes on adds behind those. */
static struct active_run *
known(const struct active *a, size_t from, const char *name)
{
	size_t low = 0, high = a->old, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (by_name(&a->runs[middle], from, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return (low < a->old && by_name(&a->runs[low], from, name) == 0 ? &a->runs[low] : NULL);
}

/* What a run's stages are at. 0, or -1 with errno, said. */
static int
look_into(struct rundir *r, struct active_run *x)
{
	enum state states[STAGE_COUNT];
	struct runlock_look lock;
	unsigned owed = 0;
	int s;

	if (rundir_load(r) == -1)
		return (-1);
	x->at_ms = 0;
	x->waits = 0;
	for (s = 0; s < STAGE_COUNT; s++) {
		owed |= (unsigned)rundir_owes(r, (enum stage)s) << s;
		if (state_look(r, (enum stage)s, &states[s], &lock) == -1)
			return (-1);
		if (lock.text == RUNLOCK_GOOD && lock.lock.started_ms > x->at_ms)
			x->at_ms = lock.lock.started_ms;
		x->waits |= states[s] == STATE_RUNNING && lock.text == RUNLOCK_GOOD && lock.lock.waits;
	}
	x->state = state_next(states, owed).run;
	return (0);
}

/* Has a stage begun and not ended? Of its spec nothing needs to be known for that. */
static int
may_run(const char *path)
{
	const struct rundir_stage *st;
	struct runlock_look lock;
	struct rundir r;
	int s, may = 0;

	if (rundir_open(&r, path) == -1)
		return (1);
	for (s = 0; s < STAGE_COUNT && !may; s++) {
		st = &rundir_stages[s];
		may = rundir_has(&r, st->lock) != 0 &&
		    (runlock_look(&r, (enum stage)s, &lock) == -1 || lock.held ||
			(rundir_has(&r, st->receipt) != 1 && rundir_has(&r, st->refusal) != 1));
	}
	rundir_close(&r);
	return (may);
}

/* 0, or -1 with errno, said: the system failed. */
static int
look_at(struct active_run *x)
{
	struct rundir r;

	x->spoilt = 0;
	if (rundir_open(&r, x->path) == -1)
		x->spoilt = errno;
	else {
		if (look_into(&r, x) == -1)
			x->spoilt = errno;
		rundir_close(&r);
	}
	if (x->spoilt == 0)
		return (0);
	x->state = STATE_RUN_CORRUPT;
	errno = x->spoilt;
	return (at_fault(x->spoilt) ? 0 : -1);
}

static int
unchanged(const struct stat *a, const struct stat *b)
{
	return (a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	    a->st_ctim.tv_nsec == b->st_ctim.tv_nsec);
}

/* Can nothing be new about a directory, a run by the last look? */
static int
is_old(struct active *a, size_t from, const char *name, const struct stat *st)
{
	struct active_run *x = known(a, from, name);

	if (x == NULL || x->due || x->state == STATE_RUN_RUNNING || x == &a->runs[a->turn] || !unchanged(&x->seen, st))
		return (0);
	x->met = 1;
	return (1);
}

/* A run of that name is there and due to be looked at: put it into the list. 0, or -1 with errno, said. */
static int
meet(struct active *a, size_t from, const char *name, const struct stat *st)
{
	struct active_run *more, *x = known(a, from, name);
	size_t n = strlen(a->places[from]);
	struct str path = STR_INIT;

	if (x != NULL) {
		x->met = x->due = 1;
		x->seen = *st;
		return (0);
	}
	while (n > 1 && a->places[from][n - 1] == '/')
		n--;
	if ((more = array_room(a->runs, a->count, &a->cap, sizeof(*more))) != NULL)
		a->runs = more;
	if (more == NULL || str_add(&path, a->places[from], n) == -1 ||
	    (*name != '\0' && str_printf(&path, "%s%s", path.p[n - 1] == '/' ? "" : "/", name) == -1)) {
		say_errno("cannot list the runs of '%s'", a->places[from]);
		str_free(&path);
		return (-1);
	}
	if (a->running_only && !may_run(path.p)) {
		str_free(&path);
		return (0);
	}
	a->runs[a->count++] = (struct active_run){ .path = path.p,
		.name = path.p + path.n - strlen(name),
		.from = from,
		.seen = *st,
		.met = 1,
		.due = 1 };
	return (0);
}

/* A run whose spec was taken from it is one still. */
static int
has_lock(int dir, const char *name)
{
	struct str path = STR_INIT;
	struct stat st;
	int has = str_printf(&path, "%s/%s", name, rundir_stages[STAGE_TRAIN].lock) == 0 &&
	    fstatat(dir, path.p, &st, AT_SYMLINK_NOFOLLOW) == 0;

	str_free(&path);
	return (has);
}

static int
look_at_place(struct active *a, size_t from)
{
	const char *path = a->places[from];
	struct stat st, spec;
	struct dirent *e;
	struct str name = STR_INIT;
	int fd, rc = 0, error;
	DIR *d;

	if ((fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 || (d = fdopendir(fd)) == NULL) {
		say_errno("cannot read '%s'", path);
		error = errno;
		if (fd != -1)
			close(fd);
		errno = error;
		return (-1);
	}
	if (fstatat(fd, RUNDIR_SPEC, &spec, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &st) == 0) {
		rc = meet(a, from, "", &st);
		goto out;
	}
	while (rc == 0 && (errno = 0, e = readdir(d)) != NULL) {
		if (!str_is_name(e->d_name) || fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
		    !S_ISDIR(st.st_mode) || is_old(a, from, e->d_name, &st))
			continue;
		name.n = 0;
		if (str_printf(&name, "%s/" RUNDIR_SPEC, e->d_name) == -1)
			rc = -1;
		else if (fstatat(fd, name.p, &spec, AT_SYMLINK_NOFOLLOW) == 0 || errno == EACCES ||
		    has_lock(fd, e->d_name))
			rc = meet(a, from, e->d_name, &st);
	}
	if (rc == 0 && e == NULL && errno != 0) {
		say_errno("cannot read '%s'", path);
		rc = -1;
	}
out:
	error = errno;
	str_free(&name);
	closedir(d);
	errno = error;
	return (rc);
}

/* What a look at a run found, where the process that it was dealt to can leave it. */
struct found {
	enum state_run state;
	int waits, spoilt, failed;
	int64_t at_ms;
};

struct looks {
	struct active_run **due;
	struct found *found;
};

static int
look_at_nth(void *arg, size_t i)
{
	const struct looks *looks = arg;
	struct active_run *x = looks->due[i];
	int failed = look_at(x) == -1 ? errno : 0;

	looks->found[i] = (struct found){ x->state, x->waits, x->spoilt, failed, x->at_ms };
	return (HG_EXIT_DONE);
}

/* Look at all that are due. 0, or -1 with errno, said. */
static int
look_at_due(struct active *a)
{
	struct looks looks = { NULL, MAP_FAILED };
	const struct found *f;
	size_t i, n = 0, size;
	int error = 0;

	for (i = 0; i < a->count; i++)
		n += (size_t)a->runs[i].due;
	if (n == 0)
		return (0);
	size = n * sizeof(*looks.found);
	looks.found = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (looks.found == MAP_FAILED || (looks.due = calloc(n, sizeof(*looks.due))) == NULL) {
		error = errno;
		say_errno("cannot look at runs");
		goto out;
	}
	for (i = n = 0; i < a->count; i++)
		if (a->runs[i].due)
			looks.due[n++] = &a->runs[i];
	if (spread(n, look_at_nth, &looks) != HG_EXIT_DONE)
		error = EIO;
	for (i = 0; i < n && error == 0; i++) {
		f = &looks.found[i];
		error = f->failed;
		looks.due[i]->state = f->state;
		looks.due[i]->waits = f->waits;
		looks.due[i]->spoilt = f->spoilt;
		looks.due[i]->at_ms = f->at_ms;
		looks.due[i]->due = 0;
	}
out:
	free(looks.due);
	if (looks.found != MAP_FAILED)
		munmap(looks.found, size);
	errno = error;
	return (error == 0 ? 0 : -1);
}

int
active_look(struct active *a)
{
	size_t i, n;
	int rc = 0, error;

	for (i = 0; i < a->count; i++)
		a->runs[i].met = 0;
	if (++a->turn >= a->count)
		a->turn = 0;
	a->old = a->count;
	for (i = 0; i < a->place_count && rc == 0; i++)
		rc = look_at_place(a, i);
	if (rc == 0)
		rc = look_at_due(a);
	error = errno;
	for (i = n = 0; i < a->count; i++)
		if (a->runs[i].met || rc == -1)
			a->runs[n++] = a->runs[i];
		else
			free(a->runs[i].path);
	a->count = n;
	if (n != 0)
		qsort(a->runs, n, sizeof(*a->runs), in_order);
	errno = error;
	return (rc);
}

/* What a state is worth: what may be active comes first. */
static int
worth(enum state_run state)
{
	return (state == STATE_RUN_RUNNING ? 0 : state == STATE_RUN_COMPLETE ? 1 : 2);
}

static const char *
last_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return (slash == NULL ? path : slash + 1);
}

static int
by_rank(const void *p, const void *q)
{
	const struct active_run *a = p, *b = q;
	int c = worth(a->state) - worth(b->state);

	if (c == 0 && a->state == STATE_RUN_RUNNING)
		c = a->waits - b->waits;
	if (c == 0)
		c = (a->at_ms < b->at_ms) - (a->at_ms > b->at_ms);
	/* However the place was named, the run's own name decides. */
	if (c == 0)
		c = strcmp(last_name(b->path), last_name(a->path));
	return (c != 0 ? c : strcmp(b->path, a->path));
}

const struct active_run *
active_first(const struct active *a)
{
	const struct active_run *first = NULL;
	size_t i;

	for (i = 0; i < a->count; i++)
		if (worth(a->runs[i].state) < 2 && (first == NULL || by_rank(&a->runs[i], first) < 0))
			first = &a->runs[i];
	return (first);
}

void
active_sort(struct active *a)
{
	if (a->count != 0)
		qsort(a->runs, a->count, sizeof(*a->runs), by_rank);
}

void
active_say_none(const char *path)
{
	say_error("no run in '%s' is running or complete", path);
	shell_next("hg-active -a %s  # lists them", path);
}

/* Is a path that of a run, or of nothing that can be a directory of runs? */
static int
stands_for_itself(const char *path)
{
	struct str spec = STR_INIT;
	struct stat st;
	int fd, alone;

	/* Most are runs, which one look tells. */
	alone = str_printf(&spec, "%s/" RUNDIR_SPEC, path) == 0 && lstat(spec.p, &st) == 0;
	str_free(&spec);
	if (alone)
		return (1);
	if ((fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (1);
	alone = fstatat(fd, RUNDIR_SPEC, &st, AT_SYMLINK_NOFOLLOW) == 0;
	close(fd);
	return (alone);
}

int
active_resolve(const char *path, char **out)
{
	struct active a = { 0 };
	const struct active_run *first = NULL;
	int error, rc = -1;

	if (!stands_for_itself(path)) {
		if (active_add(&a, path) == -1 || active_look(&a) == -1)
			goto out;
		if ((first = active_first(&a)) == NULL && a.count != 0) {
			active_say_none(path);
			rc = 1;
			goto out;
		}
	}
	if ((*out = strdup(first == NULL ? path : first->path)) != NULL)
		rc = 0;
	else
		say_errno("cannot look at '%s'", path);
out:
	error = errno;
	active_free(&a);
	errno = error;
	return (rc);
}

void
active_free(struct active *a)
{
	size_t i;

	for (i = 0; i < a->count; i++)
		free(a->runs[i].path);
	for (i = 0; i < a->place_count; i++)
		free(a->places[i]);
	free(a->runs);
	free(a->places);
	memset(a, 0, sizeof(*a));
}
