#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "run/closeout.h"
#include "base/exit.h"
#include "base/jsonio.h"
#include "base/opt.h"
#include "base/out.h"
#include "base/proc.h"
#include "run/rundir.h"
#include "base/say.h"
#include "base/str.h"
#include "run/spec.h"

static const struct opt_tool tool = { "hg-reap",
	"Close out all dead stages of the runs in a directory; touch nothing alive.", "hg-reap [-x HOST] DIR" };
static struct opt table[] = {
	{ .letter = 'x',
	    .arg = "HOST",
	    .help = "nothing runs any more on the machine of that name: close out what it began" },
	{ .letter = '\0' }
};

/* A stage to close out. */
struct dead {
	char run[RUNDIR_ID_MAX + 1];
	enum stage stage;
};

struct reap {
	const char *path;
	int fd;
	int64_t now_ms;
	unsigned runs, strangers, alive, future;
	int failed; /* the worst code of those that can't be looked at */
	struct dead *dead;
	size_t n, cap;
};

static int
remember(struct reap *p, const char *run, enum stage s)
{
	struct dead *more;

	if ((more = array_room(p->dead, p->n, &p->cap, sizeof(*more))) == NULL) {
		say_errno("cannot list what is dead");
		return (-1);
	}
	p->dead = more;
	strcpy(p->dead[p->n].run, run);
	p->dead[p->n++].stage = s;
	return (0);
}

static void
from_the_future(struct reap *p, const char *run, const char *file, int64_t ms)
{
	char text[CLOCK_TEXT_SIZE];

	say_error("'%s/%s/%s' is of %s, which is still to come", p->path, run, file, clock_text(text, ms));
	p->future++;
}

/* Look at one run and change nothing. 0, or -1 when out of memory. */
static int
look(struct reap *p, const char *name)
{
	struct runlock_look lock;
	struct rundir r;
	struct stat st;
	enum state state;
	int s, dying, rc = 0;

	if (rundir_open_at(&r, p->fd, p->path, name) == -1) {
		p->failed = exit_worse(p->failed, rundir_exit(errno));
		return (0);
	}
	if (fstatat(r.fd, RUNDIR_SPEC, &st, AT_SYMLINK_NOFOLLOW) == -1 || !S_ISREG(st.st_mode)) {
		p->strangers++;
		rundir_close(&r);
		return (0);
	}
	p->runs++;
	if (runlock_is_future((int64_t)st.st_mtime * 1000, p->now_ms))
		from_the_future(p, name, RUNDIR_SPEC, (int64_t)st.st_mtime * 1000);
	for (s = 0; s < STAGE_COUNT && rc == 0; s++) {
		if (state_look(&r, (enum stage)s, &state, &lock) == -1) {
			p->failed = exit_worse(p->failed, rundir_exit(errno));
			continue;
		}
		if (lock.text == RUNLOCK_GOOD && runlock_is_future(lock.lock.started_ms, p->now_ms))
			from_the_future(p, name, rundir_stages[s].lock, lock.lock.started_ms);
		/* With its owner dead, a worker is about to be. */
		(void)state_say_unseen(&r, (enum stage)s, &lock);
		dying = state == STATE_RUNNING && lock.text == RUNLOCK_GOOD && proc_alive(&lock.lock.owner) == 0;
		p->alive += state == STATE_RUNNING && !dying;
		if (state == STATE_ORPHANED || state == STATE_OVERDUE || dying)
			rc = remember(p, name, (enum stage)s);
	}
	rundir_close(&r);
	return (rc);
}

static int
look_at_all(struct reap *p)
{
	struct dirent *e;
	struct stat st;
	int fd, rc = 0;
	DIR *d;

	if ((fd = openat(p->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 || (d = fdopendir(fd)) == NULL) {
		say_errno("cannot read '%s'", p->path);
		return (-1);
	}
	while (rc == 0 && (errno = 0, e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (!str_is_name(e->d_name) || fstatat(p->fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
		    !S_ISDIR(st.st_mode))
			p->strangers++;
		else
			rc = look(p, e->d_name);
	}
	if (rc == 0 && e == NULL && errno != 0) {
		say_errno("cannot read '%s'", p->path);
		rc = -1;
	}
	closedir(d);
	return (rc);
}

/* One line for one stage. */
static int
print(const struct rundir *r, enum stage s, enum closeout did, enum state state)
{
	char *text = NULL;
	json_t *v;

	v = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "schema", "homegolf.reap.v1", "run", r->path, "run_id",
	    r->spec.run_id, "run_uid", r->spec.run_uid, "stage", rundir_stages[s].name, "did", closeout_name(did),
	    "state", state_name(state));
	if (v != NULL && (text = jsonio_line(v)) != NULL)
		out_json(text, strlen(text));
	else
		say_error("out of memory");
	json_decref(v);
	free(text);
	return (text == NULL ? HG_EXIT_SYSTEM : HG_EXIT_DONE);
}

static int
close_out(struct reap *p, const struct dead *dead)
{
	enum closeout did;
	struct rundir r;
	enum state state;
	int code;

	if (rundir_open_at(&r, p->fd, p->path, dead->run) == -1)
		return (rundir_exit(errno));
	if (rundir_load(&r) == -1 || closeout_dead(&r, dead->stage, &state, &did) == -1)
		code = rundir_exit(errno);
	else {
		code = print(&r, dead->stage, did, state);
		if (did == CLOSEOUT_ELSEWHERE || did == CLOSEOUT_HELD)
			code = HG_EXIT_NOT_YET;
	}
	rundir_close(&r);
	return (code);
}

static int
reap(struct reap *p)
{
	struct stat st;
	size_t i;
	int one, code = HG_EXIT_DONE;

	if (fstatat(p->fd, RUNDIR_SPEC, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		say_error("'%s' is a run; name the directory that it lies in", p->path);
		return (HG_EXIT_USAGE);
	}
	if (look_at_all(p) == -1)
		return (HG_EXIT_SYSTEM);
	if (p->runs == 0 && p->failed != HG_EXIT_DONE)
		return (p->failed);
	if (p->runs == 0 && p->strangers != 0) {
		say_error("'%s' is not a directory of runs", p->path);
		return (HG_EXIT_USAGE);
	}
	/* With a clock that is wrong, what is overdue is a guess: nothing is touched. */
	if (p->future != 0) {
		say_error("nothing was done: timestamps lie in the future, so a clock is wrong");
		return (HG_EXIT_NO);
	}
	for (i = 0; i < p->n; i++)
		if ((one = close_out(p, &p->dead[i])) != HG_EXIT_DONE)
			code = one;
	say_note("%u runs, %zu stages dead, %u alive", p->runs, p->n, p->alive);
	return (code == HG_EXIT_DONE ? p->failed : code);
}

/* Of a campaign its runs are meant; ${path} keeps what they are called. 0, or -1 with errno. */
static int
enter_campaign(struct reap *p, struct str *path)
{
	int fd;

	if (faccessat(p->fd, "campaign.json", F_OK, AT_SYMLINK_NOFOLLOW) == -1)
		return (0);
	if (str_printf(path, "%s/runs", p->path) == -1)
		return (-1);
	if ((fd = openat(p->fd, "runs", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (errno == ENOENT ? 0 : -1);
	close(p->fd);
	p->fd = fd;
	p->path = path->p;
	return (0);
}

int
main(int argc, char **argv)
{
	struct reap p = { .now_ms = clock_wall_ms() };
	struct str runs = STR_INIT;
	struct proc_id here;
	int i, code;

	exit_init(tool.name);
	if ((i = opt_parse(&tool, table, argc, argv)) < 0)
		return (i == OPT_EXIT ? exit_flush(HG_EXIT_DONE) : HG_EXIT_USAGE);
	if (argc - i != 1)
		return (opt_usage(&tool));
	p.path = argv[i];
	if (opt_row(table, 'x')->value != NULL) {
		if (proc_machine(&here) == 0 && strcmp(here.host, opt_row(table, 'x')->value) == 0) {
			say_error("-x: '%s' is this machine, whose processes are looked at", here.host);
			return (HG_EXIT_USAGE);
		}
		runlock_host_gone(opt_row(table, 'x')->value);
	}
	if ((p.fd = open(p.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 || enter_campaign(&p, &runs) == -1) {
		say_errno("cannot open '%s'", p.path);
		return (errno == ENOENT || errno == ENOTDIR ? HG_EXIT_USAGE : HG_EXIT_SYSTEM);
	}
	code = reap(&p);
	close(p.fd);
	free(p.dead);
	str_free(&runs);
	return (exit_flush(code));
}
