/*
 * The owner's life, in order: lock; discard what has no receipt; write who we
 * are; (detach); (wait for the lane); fork; wait; publish.  From the lock text
 * on, whatever happens to us, the next one who looks can close the stage out.
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "base/clock.h"
#include "run/closeout.h"
#include "schema/contract.h"
#include "base/exit.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "stage/inputs.h"
#include "stage/lane.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/process.h"
#include "base/progress.h"
#include "run/receipt.h"
#include "run/runlock.h"
#include "base/say.h"
#include "stage/stage.h"
#include "run/state.h"
#include "run/summary.h"
#include "base/str.h"
#include "base/tree.h"

/* A delivered body larger than this is no report. */
#define MESSAGE_MAX ((size_t)16 << 20)

/* How often the boot clock is asked: it runs through suspend, which poll's own clock does not. */
#define TICK_MS 5000

/* How long after SIGKILL the worker, or what it started, may live before it is called unkillable. */
#define KILL_MS 5000

struct stage_work {
	const struct rundir *run;
	const struct stage_job *job;
	struct runlock lock; /* the worker's copy */
	int outputs;         /* directory */
	int pipe;            /* to the owner */
	json_t *message;     /* {"deliver": ..} or {"refuse": ..} */
	int64_t progress;    /* the largest that was told */
	char progressed_at[CLOCK_TEXT_SIZE];
	int posts;    /* its progress is for others to see */
	int unposted; /* said that progress could not be posted */
	struct inputs *inputs;
};

/* What the owner knows of its worker. */
struct watch {
	pid_t worker;
	int pidfd, pipe;
	struct str heard; /* the worker's message so far */
	enum stage_asked asked;
	int64_t kill_boot_ms; /* when SIGKILL follows SIGTERM */
	struct stage_stall stall;
	int64_t stalled_ms; /* without progress, when it was ended for that */
	char stood;         /* how a stalled worker was found: its state as /proc has it */
	int killed;
	pid_t unkillable; /* lives on, long after SIGKILL; 0 if all are gone */
	int status;
	int64_t oom_kills;
};

/* Signals: the owner's arrive through a pipe, the worker's set a flag. */
static int signal_pipe[2] = { -1, -1 };
static volatile sig_atomic_t stopping;

static void
on_owner_signal(int sig)
{
	char c = (char)sig;
	int error = errno;

	if (write(signal_pipe[1], &c, 1) == -1) {
		/* The pipe is full of signals already. */
	}
	errno = error;
}

static void
on_worker_term(int sig)
{
	(void)sig;
	stopping = 1;
}

static void
set_signals(void (*handler)(int))
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa, old;
	size_t i;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = handler;
	sa.sa_flags = SA_RESTART;
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		/* Under nohup a terminal that closes does not stop us, nor ^C a job of a script; TERM always does. */
		if (signals[i] != SIGTERM && sigaction(signals[i], NULL, &old) == 0 && old.sa_handler == SIG_IGN)
			continue;
		sigaction(signals[i], &sa, NULL);
	}
}

static void
close_fd(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

/* --- the worker's side ---------------------------------------------------- */

const struct rundir *
stage_rundir(const struct stage_work *w)
{
	return (w->run);
}

int
stage_outputs(const struct stage_work *w)
{
	return (w->outputs);
}

struct inputs **
stage_inputs(struct stage_work *w)
{
	return (&w->inputs);
}

int64_t
stage_left_ms(const struct stage_work *w)
{
	return (w->lock.deadline_boot_ms - clock_boot_ms());
}

int
stage_stopping(const struct stage_work *w)
{
	assert(w->job->stops);
	return (stopping != 0);
}

int
stage_deliver(struct stage_work *w, json_t *body)
{
	/* Whoever failed to make it has set errno: a full disk is not a want of memory. */
	if (body == NULL) {
		if (errno == 0)
			errno = ENOMEM;
		return (-1);
	}
	assert(w->message == NULL);
	if (inputs_still(w) == -1) {
		json_decref(body);
		return (-1);
	}
	if ((w->message = json_pack("{s:o}", "deliver", body)) == NULL) {
		errno = ENOMEM;
		return (-1);
	}
	return (0);
}

int
stage_refuse(struct stage_work *w, enum refusal_kind kind, json_t *observed, json_t *expected, const char *format, ...)
{
	char raw[768], detail[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(raw, sizeof(raw), format, ap);
	va_end(ap);
	say_clean(detail, sizeof(detail), raw);
	if (w->message == NULL)
		w->message = json_pack("{s:{s:s, s:s, s:O?, s:O?}}", "refuse", "kind", refusal_name(kind), "detail",
		    detail, "observed", observed, "expected", expected);
	/* If even this did not fit into memory, that is the refusal. */
	if (w->message == NULL)
		errno = ENOMEM;
	json_decref(observed);
	json_decref(expected);
	return (-1);
}

void
stage_progress(struct stage_work *w, int64_t progress, json_t *keys)
{
	const struct rundir_stage *st = &rundir_stages[w->job->stage];
	char schema[80], now[CLOCK_TEXT_SIZE], *text = NULL;
	json_t *v = NULL;
	size_t n;

	clock_text(now, clock_wall_ms());
	if (w->progressed_at[0] == '\0' || progress > w->progress) {
		memcpy(w->progressed_at, now, sizeof(now));
		w->progress = progress;
		progress_tick();
	}
	if (!w->posts || st->status == NULL)
		goto done;
	snprintf(schema, sizeof(schema), "homegolf.%s.v1", st->status_contract);
	v = json_pack("{s:s, s:s, s:i, s:I, s:I, s:s, s:s, s:I, s:s}", "schema", schema, "run_uid",
	    w->run->spec.run_uid, "attempt", w->lock.attempt, "pid", (json_int_t)w->lock.worker.pid, "start_time",
	    (json_int_t)w->lock.worker.start_time, "boot_id", w->lock.worker.boot_id, "updated_at", now, "progress",
	    (json_int_t)w->progress, "progressed_at", w->progressed_at);
	if (v == NULL || json_object_update(v, keys) == -1 ||
	    (text = contract_pretty(st->status_contract, v, &n)) == NULL ||
	    atomfile_post(w->run->fd, st->status, text, n) == -1) {
		if (!w->unposted)
			say_errno("cannot post '%s/%s'", w->run->path, st->status);
		w->unposted = 1;
	}
done:
	free(text);
	json_decref(v);
	json_decref(keys);
}

/* Hand the outcome to the owner: J and JSON, or, without needing memory, E, an errno and what was said. */
static void
tell(const struct stage_work *w, int error)
{
	char head[32], *text = NULL;
	int n;

	if (w->message != NULL)
		text = jsonio_line(w->message);
	if (text != NULL) {
		if (file_write_all(w->pipe, "J", 1) == 0)
			(void)file_write_all(w->pipe, text, strlen(text));
	} else {
		n = snprintf(head, sizeof(head), "E%d ", w->message != NULL ? ENOMEM : error);
		if (file_write_all(w->pipe, head, (size_t)n) == 0)
			(void)file_write_all(w->pipe, say_last(), strlen(say_last()));
	}
	free(text);
}

static void
worker(struct stage_work *w, pid_t parent, const sigset_t *mask)
{
	struct sigaction sa;
	int rc, error;

	char mark[RUNDIR_MARK_SIZE];

	setpgid(0, 0);
	set_signals(SIG_DFL);
	memset(&sa, 0, sizeof(sa));
	if (w->job->stops) {
		sa.sa_handler = on_worker_term;
		sa.sa_flags = SA_RESTART;
		sigaction(SIGTERM, &sa, NULL);
	}
	/* A group that is not the terminal's may write to it all the same. */
	sa.sa_handler = SIG_IGN;
	sigaction(SIGTTOU, &sa, NULL);
	close_fd(&signal_pipe[0]);
	close_fd(&signal_pipe[1]);
	sigprocmask(SIG_SETMASK, mask, NULL);
	/* What our programs leave behind stays below us, and then below our owner; and if we both die it has a mark. */
	rundir_mark(w->run, w->job->stage, w->lock.attempt, mark);
	if (proc_die_with_parent(parent) == -1 || proc_self(&w->lock.worker) == -1 || proc_adopt_orphans() == -1 ||
	    (w->posts && setenv(RUNDIR_MARK, mark + sizeof(RUNDIR_MARK "=") - 1, 1) == -1))
		_exit(HG_EXIT_SYSTEM);
	errno = 0;
	if (w->run->spec.limits.cpus != NULL && proc_use_cpus(w->run->spec.limits.cpus) == -1)
		rc = stage_refuse(w, REFUSAL_DEVICE_UNAVAILABLE, json_integer((json_int_t)proc_cpus()),
		    json_string(w->run->spec.limits.cpus),
		    "system.cpus=%s: not all of these processors are there to be used", w->run->spec.limits.cpus);
	else
		rc = w->job->work(w, w->job->arg);
	error = errno;
	say_progress_end();
	(void)exit_flush(HG_EXIT_DONE);
	if (w->message != NULL || rc == -1)
		tell(w, error);
	_exit(rc == -1 ? HG_EXIT_NO : rc & 0xff);
}

/* --- the owner's side ----------------------------------------------------- */

struct owner {
	const struct mode *mode;
	struct rundir *run;
	const struct stage_job *job;
	const struct rundir_stage *stage;
	struct runlock lock;
	int64_t deadline_ms; /* of the execution */
	int lock_fd, lane_fd, ready_fd;
	char temporary[4096];   /* a rehearsal's directory, or "" */
	uint64_t markers;       /* of the run when the stage began */
	struct stage_work work; /* the worker's, filled before the fork */
};

/*
 * The two lives that an owner may lead: for the record, or as a rehearsal, which holds no lock, writes nothing into the
 * run, and only says how it ended.
 */
struct mode {
	int (*enter)(struct owner *o);      /* -1 if the stage may begin, or the exit code */
	int (*prepare)(struct owner *o);    /* a place for outputs; signals; who we are. 0, or -1, said */
	int (*enter_lane)(struct owner *o); /* -1 if the worker may start, or the exit code */
	int (*publish)(struct owner *o, const json_t *body);
	int (*refuse)(struct owner *o, const struct refusal *why);
	int posts; /* progress is for others to see */
};

/* Tell the process that waits for a detached stage how it began, and leave its terminal. */
static void
ready(struct owner *o, int code)
{
	char c = (char)code;

	if (o->ready_fd == -1)
		return;
	(void)file_write_all(o->ready_fd, &c, 1);
	close_fd(&o->ready_fd);
}

static int
redirect(const struct owner *o)
{
	int in, out;

	if ((in = open("/dev/null", O_RDONLY)) == -1)
		return (-1);
	out = file_open_change(o->run->fd, o->stage->log, O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (out == -1)
		goto err0;
	if (dup2(in, STDIN_FILENO) == -1 || dup2(out, STDOUT_FILENO) == -1 || dup2(out, STDERR_FILENO) == -1)
		goto err1;
	close(in);
	close(out);
	return (0);
err1:
	close(out);
err0:
	close(in);
	return (-1);
}

/* What there is to say about a stage that must not start now; its exit code, or -1 if it may. */
static int
answer(struct rundir *r, enum stage s)
{
	const struct rundir_stage *st = &rundir_stages[s];
	struct runlock_look look;
	enum state state;
	json_t *refusal;
	int code;

	if (closeout_dead(r, s, &state, NULL) == -1 || state_look(r, s, &state, &look) == -1)
		return (rundir_exit(errno));
	switch (state) {
	case STATE_ABSENT:
		return (-1);
	case STATE_CLOSED_OUT:
		say_note("%s of '%s' has closed out already: '%s'", st->name, r->path, st->receipt);
		return (HG_EXIT_DONE);
	case STATE_REFUSED:
		if ((refusal = refusal_read(r, s)) == NULL)
			return (errno == EBADMSG ? HG_EXIT_CONTRACT : HG_EXIT_SYSTEM);
		code = refusal_show(r, s, refusal);
		json_decref(refusal);
		return (code);
	case STATE_CORRUPT:
		return (refusal_show_corrupt(r, s));
	default:
		if (state_say_unseen(r, s, &look))
			return (HG_EXIT_NOT_YET);
		say_error("%s of '%s' is %s: process %ld of host '%s' holds its lock", st->name, r->path,
		    state_name(state), (long)look.lock.owner.pid, look.lock.owner.host);
		return (HG_EXIT_NOT_YET);
	}
}

/* The exit code if the stage that this one starts from has not closed out, or -1. */
static int
lacks(struct rundir *r, enum stage s)
{
	int need = rundir_stages[s].needs;
	enum state state;

	if (need == -1)
		return (-1);
	if (state_look(r, (enum stage)need, &state, NULL) == -1)
		return (rundir_exit(errno));
	if (state == STATE_CLOSED_OUT)
		return (-1);
	if (state == STATE_ABSENT) {
		say_error("%s of '%s' needs '%s' first: type %s %s", rundir_stages[s].name, r->path,
		    rundir_stages[need].receipt, rundir_stages[need].tool, r->path);
		return (HG_EXIT_PENDING);
	}
	return (answer(r, (enum stage)need));
}

/* Take the lock of a stage that may start; a descriptor, or -1 with the exit code in *code. */
static int
enter(struct owner *o)
{
	struct rundir *r = o->run;
	enum stage s = o->job->stage;
	struct runlock lock;
	int code, tries;

	for (tries = 0; tries < 20; tries++) {
		if ((code = answer(r, s)) != -1 || (code = lacks(r, s)) != -1)
			return (code);
		if ((o->lock_fd = runlock_wait(r, s, 100)) == -1) {
			if (errno != EAGAIN)
				return (HG_EXIT_SYSTEM);
			continue;
		}
		/* Under the lock, once more: it may all have happened meanwhile. */
		if (runlock_read(o->lock_fd, &lock) == RUNLOCK_EMPTY && rundir_has(r, o->stage->receipt) == 0 &&
		    rundir_has(r, o->stage->refusal) == 0)
			return (-1);
		close_fd(&o->lock_fd);
	}
	say_error("%s of '%s' is being started by others", o->stage->name, r->path);
	return (HG_EXIT_NOT_YET);
}

/* End by a refusal; its code. */
static int
refuse(struct owner *o, enum refusal_kind kind, const char *detail, const json_t *observed, const json_t *expected)
{
	return (o->mode->refuse(o, &(struct refusal){ kind, detail, observed, expected }));
}

static int
refuse_errno(struct owner *o, const char *what)
{
	char detail[256];
	int error = errno;

	snprintf(detail, sizeof(detail), "%s: %s", what, say_why(error));
	return (refuse(o, refusal_of_errno(error), detail, NULL, NULL));
}

/* A signal that came, or 0. */
static int
signalled(void)
{
	char c;

	return (read(signal_pipe[0], &c, 1) == 1 ? c : 0);
}

/* How often, at least, the owner writes into its lock that it lives. */
#define ALIVE_MS INT64_C(60000)

/* Say in the lock until when to believe that we live, unless that was said a moment ago. 0, or -1 with errno. */
static int
say_alive(struct owner *o)
{
	int64_t patience = o->run->spec.limits.stall_ms, by = clock_mono_ms() + patience + TICK_MS + RUNLOCK_GRACE_MS;

	if (patience == 0 || o->lock_fd == -1 ||
	    by - o->lock.alive_mono_ms < (patience / 4 < ALIVE_MS ? patience / 4 : ALIVE_MS))
		return (0);
	o->lock.alive_mono_ms = by;
	return (runlock_write(o->lock_fd, &o->lock));
}

/* Who waits for a lane when its first in line does not take it though it is free: passed over after this long. */
#define PASS_MS 5000

/* A run that has the lane may be over this long after its deadline. */
#define OVER_MS (STAGE_STOP_MS + 2 * KILL_MS + RUNLOCK_GRACE_MS)

/* For how long one is believed to have the lane who does not say. */
#define UNKNOWN_MS INT64_C(3600000)

/* The one who has the lane, and how many stand before us, for whoever asks hg-status. */
static int
tell_waiting(struct owner *o, int ahead, const struct lane_holder *holder)
{
	if (o->lock.waits && o->lock.lane_ahead == ahead && o->lock.lane_pid == holder->pid)
		return (say_alive(o));
	o->lock.waits = 1;
	o->lock.lane_ahead = ahead;
	o->lock.lane_pid = holder->pid;
	return (runlock_write(o->lock_fd, &o->lock));
}

static int
refuse_busy(struct owner *o, int64_t waited_ms, int ahead, const struct lane_holder *holder)
{
	const char *lane = o->run->spec.limits.lane;
	char detail[512];
	json_t *observed = json_pack("{s:I, s:i}", "waited_ms", (json_int_t)waited_ms, "ahead", ahead), *expected;
	int64_t wait_ms = o->run->spec.limits.lane_wait_ms;
	int code;

	expected = wait_ms == 0 ? json_pack("{s:s}", "lane_wait_ms", "auto") :
				  json_pack("{s:I}", "lane_wait_ms", (json_int_t)wait_ms);
	snprintf(detail, sizeof(detail), "lane '%s' was busy for %lld s: %s, and %d waiting before us", lane,
	    (long long)waited_ms / 1000, holder->text, ahead);
	code = refuse(o, REFUSAL_LANE_BUSY_TIMEOUT, detail, observed, expected);
	json_decref(observed);
	json_decref(expected);
	return (code);
}

/* Wait in line until the lane is ours: -1, or the code of the refusal. */
static int
wait_in_line(struct owner *o, const struct lane_place *place)
{
	const char *lane = o->run->spec.limits.lane;
	int64_t wait_ms = o->run->spec.limits.lane_wait_ms, began = clock_boot_ms(), until = 0, idle = 0, now, need;
	struct pollfd p = { .fd = signal_pipe[0], .events = POLLIN };
	struct lane_holder holder;
	int ahead;

	for (;;) {
		ahead = lane_ahead(place, &need);
		now = clock_boot_ms();
		if (proc_lock_held(o->lane_fd) == 1)
			idle = 0;
		else if (idle == 0)
			idle = now;
		if (ahead == 0 || (idle != 0 && now - idle >= PASS_MS * ahead)) {
			if (lane_take(o->lane_fd, o->run->path, now + o->deadline_ms + OVER_MS) == 0)
				break;
			if (errno != EAGAIN && errno != EINTR)
				return (refuse_errno(o, "cannot lock the lane"));
		}
		lane_holder(o->lane_fd, &holder);
		if (until == 0) {
			/* All before us have deadlines, and nobody comes before us any more. */
			until = wait_ms != 0 ? began + wait_ms :
					       (holder.over_boot_ms > now ? holder.over_boot_ms : now + UNKNOWN_MS) +
				need + (ahead + 1) * OVER_MS;
			o->lock.deadline_boot_ms = until + o->deadline_ms;
			say_note("waiting for lane '%s', taken by %s, with %d before us", lane, holder.text, ahead);
		}
		if (tell_waiting(o, ahead, &holder) == -1)
			return (refuse_errno(o, "cannot write the lock's text"));
		say_progress("%s: waiting for lane '%s' since %lld s, %d before us", o->run->id, lane,
		    (long long)(now - began) / 1000, ahead);
		if (now >= until)
			return (refuse_busy(o, now - began, ahead, &holder));
		poll(&p, 1, 100);
		if (signalled() != 0)
			return (refuse(o, REFUSAL_CANCELLED, "stopped while it waited for its lane", NULL, NULL));
	}
	say_progress_end();
	return (-1);
}

/* Wait for the lane, visibly; -1 once it is ours, or the code of the refusal. */
static int
enter_lane(struct owner *o)
{
	struct lane_place place;
	int code;

	if ((o->lane_fd = lane_open(o->run->spec.limits.lane)) == -1)
		return (refuse(o, refusal_of_errno(errno), say_last(), NULL, NULL));
	lane_queue(&place, o->run->spec.limits.lane, o->deadline_ms);
	code = wait_in_line(o, &place);
	lane_leave(&place);
	if (code != -1)
		return (code);
	/* The time spent waiting is not the trainer's. */
	o->lock.waits = 0;
	o->lock.deadline_boot_ms = clock_boot_ms() + o->deadline_ms;
	return (runlock_write(o->lock_fd, &o->lock) == -1 ? refuse_errno(o, "cannot write the lock's text") : -1);
}

/* Fork the worker; 0, or -1 with errno. */
static int
start(struct owner *o, struct watch *w)
{
	struct proc_id self;
	sigset_t all, mask;
	int fd[2];

	if (process_pipe(fd) == -1)
		return (-1);
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	w->oom_kills = proc_oom_kills();
	o->work.pipe = fd[1];
	o->work.lock = o->lock;
	fflush(stdout);
	/* A signal must find either the owner's handlers or the worker's, not the owner's in the worker. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &mask);
	w->worker = fork();
	if (w->worker == 0) {
		close(fd[0]);
		if (o->ready_fd != -1)
			close(o->ready_fd);
		worker(&o->work, o->lock.owner.pid, &mask);
	}
	sigprocmask(SIG_SETMASK, &mask, NULL);
	close(fd[1]);
	if (w->worker == -1) {
		close(fd[0]);
		return (-1);
	}
	w->pipe = fd[0];
	/* Both do it, so that the group is there whoever runs first. */
	setpgid(w->worker, w->worker);
	/* Without one (no descriptor left) we ask every 50 ms instead. */
	w->pidfd = proc_pidfd(w->worker);
	/*
	 * The group can only be ended by others if they know its leader; if that can't be written, it still dies
	 * with us.
	 */
	if (o->lock_fd != -1 && proc_of(w->worker, &self) == 0) {
		o->lock.worker = self;
		(void)runlock_write(o->lock_fd, &o->lock);
	}
	return (0);
}

static void
hear(struct watch *w)
{
	char chunk[8192];
	ssize_t n;

	while (w->pipe != -1) {
		n = read(w->pipe, chunk, sizeof(chunk));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			return;
		if (n <= 0 || w->heard.n + (size_t)n > MESSAGE_MAX || str_add(&w->heard, chunk, (size_t)n) == -1)
			close_fd(&w->pipe);
	}
}

static void
ask(struct watch *w, enum stage_asked why, int64_t kill_boot_ms)
{
	w->asked = why;
	w->kill_boot_ms = kill_boot_ms;
	kill(-w->worker, SIGTERM);
	/* One that was stopped may yet save what it resumes from. */
	kill(-w->worker, SIGCONT);
}

int64_t
stage_still(struct stage_stall *s, uint64_t count, int64_t mono_ms, int64_t look_ms)
{
	int64_t passed = mono_ms - s->looked_ms;

	if (s->looked_ms == 0 || count != s->count)
		s->still_ms = 0;
	else
		s->still_ms += passed < look_ms ? passed : look_ms;
	s->count = count;
	s->looked_ms = mono_ms;
	return (s->still_ms);
}

/* Has the worker ended? It stays a zombie, so that its group's number stays its own. */
static int
ended(const struct watch *w)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	return (waitid(P_PID, (id_t)w->worker, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == w->worker);
}

static void
attend(struct owner *o, struct watch *w, int *signal_seen)
{
	int64_t now, deadline = o->lock.deadline_boot_ms, next, still, patience = o->run->spec.limits.stall_ms;
	int64_t killed_ms = 0;
	struct pollfd p[3];
	int sig;

	while (!ended(w)) {
		now = clock_boot_ms();
		(void)say_alive(o);
		if (w->asked == STAGE_ASKED_NOTHING && now >= deadline)
			/* From now on, not from the deadline: the machine may have slept through that. */
			ask(w, STAGE_ASKED_DEADLINE, now + STAGE_STOP_MS);
		still = stage_still(&w->stall, progress_count(), clock_mono_ms(), TICK_MS);
		if (w->asked == STAGE_ASKED_NOTHING && patience > 0 && still >= patience) {
			w->stalled_ms = still;
			w->stood = proc_state(w->worker);
			ask(w, STAGE_ASKED_STALL, now + STAGE_STOP_MS);
		}
		if (w->asked != STAGE_ASKED_NOTHING && !w->killed && now >= w->kill_boot_ms) {
			kill(-w->worker, SIGKILL);
			w->killed = 1;
			killed_ms = clock_mono_ms();
		}
		if (w->killed && clock_mono_ms() - killed_ms >= KILL_MS) {
			w->unkillable = w->worker;
			return;
		}
		next = w->killed ? now + TICK_MS : w->asked != STAGE_ASKED_NOTHING ? w->kill_boot_ms : deadline;
		next -= now;
		if (w->asked == STAGE_ASKED_NOTHING && patience > 0 && next > patience - still)
			next = patience - still;
		if (w->killed || next > TICK_MS)
			next = w->killed ? 100 : TICK_MS;
		if (w->pidfd == -1 && next > 50)
			next = 50;
		p[0] = (struct pollfd){ .fd = w->pidfd, .events = POLLIN };
		p[1] = (struct pollfd){ .fd = w->pipe, .events = POLLIN };
		p[2] = (struct pollfd){ .fd = signal_pipe[0], .events = POLLIN };
		if (poll(p, 3, (int)next) == -1 && errno != EINTR)
			nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
		hear(w);
		if ((sig = signalled()) == 0)
			continue;
		*signal_seen = sig;
		now = clock_boot_ms();
		if (w->asked == STAGE_ASKED_NOTHING)
			ask(w, STAGE_ASKED_CANCEL,
			    now + STAGE_CANCEL_MS < deadline + STAGE_STOP_MS ? now + STAGE_CANCEL_MS :
									       deadline + STAGE_STOP_MS);
		else
			/* Asked twice: no more patience. */
			w->kill_boot_ms = now;
	}
	/* Nobody of the group outlives its leader, nor anybody else whom it started. */
	kill(-w->worker, SIGKILL);
	while (waitpid(w->worker, &w->status, 0) == -1 && errno == EINTR)
		continue;
	if (proc_end_descendants(KILL_MS, &w->unkillable) == 0)
		w->unkillable = 0;
	hear(w);
}

enum refusal_kind
stage_ending(enum stage_asked asked, int status, int oom)
{
	if (asked == STAGE_ASKED_CANCEL)
		return (REFUSAL_CANCELLED);
	if (asked == STAGE_ASKED_DEADLINE)
		return (REFUSAL_DEADLINE_EXCEEDED);
	if (asked == STAGE_ASKED_STALL)
		return (REFUSAL_STALLED);
	if (WIFSIGNALED(status))
		return (WTERMSIG(status) == SIGKILL && oom ? REFUSAL_OUT_OF_MEMORY : REFUSAL_WORKER_SIGNALLED);
	return (REFUSAL_WORKER_EXITED);
}

/* What a state letter of /proc means to whoever has to find out why. */
static const char *
stood(char state)
{
	switch (state) {
	case 'T':
	case 't':
		return ("was stopped");
	case 'D':
		return ("was waiting for a device or a file system");
	case 'S':
		return ("was waiting");
	case 'R':
		return ("was computing");
	}
	return ("was in no known state");
}

/* The refusal of a worker that told nothing we can use. */
static int
refuse_ending(struct owner *o, const struct watch *w, int sig)
{
	enum refusal_kind kind;
	json_t *observed = NULL, *expected = NULL;
	int64_t elapsed = clock_wall_ms() - o->lock.started_ms;
	char detail[256];
	int code;

	kind = stage_ending(w->asked, w->status, w->oom_kills >= 0 && proc_oom_kills() > w->oom_kills);
	switch (kind) {
	case REFUSAL_CANCELLED:
		snprintf(detail, sizeof(detail), "stopped by signal %d (%s)", sig, strsignal(sig));
		observed = json_pack("{s:i}", "signal", sig);
		break;
	case REFUSAL_DEADLINE_EXCEEDED:
		snprintf(detail, sizeof(detail), "still at work at its deadline of %lld.%03lld s",
		    (long long)o->deadline_ms / 1000, (long long)o->deadline_ms % 1000);
		observed = json_pack("{s:I}", "elapsed_ms", (json_int_t)elapsed);
		expected = json_pack("{s:I}", "deadline_ms", (json_int_t)o->deadline_ms);
		break;
	case REFUSAL_STALLED:
		snprintf(detail, sizeof(detail), "no progress for %lld.%03lld s: process %ld %s",
		    (long long)w->stalled_ms / 1000, (long long)w->stalled_ms % 1000, (long)w->worker, stood(w->stood));
		observed = json_pack("{s:I, s:s}", "still_ms", (json_int_t)w->stalled_ms, "worker", stood(w->stood));
		expected = json_pack("{s:I}", "stall_ms", (json_int_t)o->run->spec.limits.stall_ms);
		break;
	case REFUSAL_OUT_OF_MEMORY:
	case REFUSAL_WORKER_SIGNALLED:
		sig = WTERMSIG(w->status);
		snprintf(detail, sizeof(detail), "the worker was killed by signal %d (%s)%s", sig, strsignal(sig),
		    kind == REFUSAL_OUT_OF_MEMORY ? " when memory ran out" : "");
		observed = json_pack("{s:i}", "signal", sig);
		break;
	default:
		snprintf(detail, sizeof(detail), "the worker exited with status %d and no result",
		    WEXITSTATUS(w->status));
		observed = json_pack("{s:i}", "exit_status", WEXITSTATUS(w->status));
		expected = json_pack("{s:s}", "result", "a receipt or a typed refusal");
	}
	code = refuse(o, kind, detail, observed, expected);
	json_decref(observed);
	json_decref(expected);
	return (code);
}

/* Whatever the worker told: a stage that left something alive did not end well. */
static int
refuse_unkillable(struct owner *o, pid_t pid)
{
	char state[2] = { proc_state(pid), '\0' }, detail[128];
	json_t *observed = json_pack("{s:I, s:s}", "pid", (json_int_t)pid, "state", state);
	int code;

	snprintf(detail, sizeof(detail), "process %ld, which the stage started, lives on %d s after SIGKILL", (long)pid,
	    KILL_MS / 1000);
	code = refuse(o, REFUSAL_UNKILLABLE, detail, observed, NULL);
	json_decref(observed);
	return (code);
}

/* The worker has ended: close out. */
static int
conclude(struct owner *o, struct watch *w, int sig)
{
	json_t *message = NULL, *v;
	enum refusal_kind kind;
	char *rest;
	int code;
	long error;

	if (w->unkillable != 0)
		return (refuse_unkillable(o, w->unkillable));
	if (w->heard.n > 1 && w->heard.p[0] == 'J')
		message = json_loadb(w->heard.p + 1, w->heard.n - 1, JSON_ALLOW_NUL, NULL);
	if (WIFEXITED(w->status) && WEXITSTATUS(w->status) == 0 && (v = json_object_get(message, "deliver")) != NULL)
		code = o->mode->publish(o, v);
	else if (w->asked == STAGE_ASKED_NOTHING && (v = json_object_get(message, "refuse")) != NULL &&
	    (kind = refusal_by_name(jsonio_text(v, "kind", ""))) != REFUSAL_NONE)
		code = refuse(o, kind, jsonio_text(v, "detail", ""), json_object_get(v, "observed"),
		    json_object_get(v, "expected"));
	else if (w->asked == STAGE_ASKED_NOTHING && w->heard.n > 1 && w->heard.p[0] == 'E' &&
	    (error = strtol(w->heard.p + 1, &rest, 10)) > 0 && *rest == ' ')
		code = refuse(o, refusal_of_errno((int)error), rest[1] != '\0' ? rest + 1 : say_why((int)error), NULL,
		    NULL);
	else
		code = refuse_ending(o, w, sig);
	json_decref(message);
	return (code);
}

/* From the lock text on: all ways lead to a receipt or a refusal. */
static int
supervise(struct owner *o)
{
	struct watch w = { .pidfd = -1, .pipe = -1, .heard = STR_INIT };
	int code, sig = 0;

	if (o->job->lane && (code = o->mode->enter_lane(o)) != -1)
		return (code);
	if (start(o, &w) == -1)
		return (refuse_errno(o, "cannot start the worker"));
	attend(o, &w, &sig);
	code = conclude(o, &w, sig);
	close_fd(&w.pidfd);
	close_fd(&w.pipe);
	str_free(&w.heard);
	return (code);
}

/* --- for the record --------------------------------------------------------- */

static int
record_prepare(struct owner *o)
{
	if (rundir_discard(o->run, o->job->stage) == -1)
		return (-1);
	o->work.outputs = o->run->fd;
	o->markers = rundir_markers(o->run);
	/* From here on a signal asks for a refusal, and a kill leaves an orphan. */
	set_signals(on_owner_signal);
	if (runlock_write(o->lock_fd, &o->lock) == 0)
		return (0);
	say_errno("cannot write '%s/%s'", o->run->path, o->stage->lock);
	return (-1);
}

static int
record_publish(struct owner *o, const json_t *body)
{
	int error;

	/* Where the receipt stands nothing of a program's is left, even if we are killed right then. */
	if (rundir_clear(o->run, o->job->stage) == -1)
		return (refuse(o, refusal_of_errno(errno), say_last(), NULL, NULL));
	switch (receipt_publish(o->run, o->job->stage, &o->lock, body)) {
	case 0:
		rundir_spend(o->run, o->job->stage);
		return (HG_EXIT_DONE);
	case 1:
		say_error("%s of '%s' was closed out by others under our lock", o->stage->name, o->run->path);
		return (HG_EXIT_CONTRACT);
	}
	error = errno;
	/* Published, but its directory would not sync: what stands may not last, and nobody else may say otherwise. */
	if (rundir_has(o->run, o->stage->receipt) == 1)
		return (HG_EXIT_SYSTEM);
	return (refuse(o, error == EBADMSG ? REFUSAL_WORKER_EXITED : refusal_of_errno(error), say_last(), NULL, NULL));
}

/* Publish a refusal and show it. */
static int
record_refuse(struct owner *o, const struct refusal *why)
{
	const char *name;
	json_t *refusal;
	int code;

	/* Its worker does this itself, unless the program killed it. */
	if (rundir_external(o->run) && rundir_restore(o->run, o->markers, &name) == -1)
		return (HG_EXIT_SYSTEM);
	if (refusal_publish(o->run, o->job->stage, &o->lock, why) == -1)
		return (HG_EXIT_SYSTEM);
	if ((refusal = refusal_read(o->run, o->job->stage)) == NULL)
		return (HG_EXIT_SYSTEM);
	code = refusal_show(o->run, o->job->stage, refusal);
	json_decref(refusal);
	return (code);
}

static const struct mode record = { enter, record_prepare, enter_lane, record_publish, record_refuse, 1 };

/* --- as a rehearsal --------------------------------------------------------- */

static void
remove_temporary(struct owner *o)
{
	if (o->temporary[0] == '\0')
		return;
	(void)tree_remove(AT_FDCWD, o->temporary);
}

static int
open_temporary(struct owner *o)
{
	const char *p = getenv("TMPDIR");

	snprintf(o->temporary, sizeof(o->temporary), "%s/homegolf.XXXXXX", p != NULL && *p == '/' ? p : "/tmp");
	if (mkdtemp(o->temporary) == NULL) {
		o->temporary[0] = '\0';
		return (-1);
	}
	return (open(o->temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int
rehearsal_enter(struct owner *o)
{
	return (lacks(o->run, o->job->stage));
}

static int
rehearsal_prepare(struct owner *o)
{
	if ((o->work.outputs = open_temporary(o)) == -1) {
		say_errno("cannot make a temporary directory");
		return (-1);
	}
	set_signals(on_owner_signal);
	return (0);
}

/* It waits for nobody, and nobody waits for it. */
static int
rehearsal_enter_lane(struct owner *o)
{
	(void)o;
	return (-1);
}

static int
rehearsal_publish(struct owner *o, const json_t *body)
{
	return (o->job->rehearse(o->job->arg, o->run, o->work.outputs, body));
}

static int
rehearsal_refuse(struct owner *o, const struct refusal *why)
{
	say_error("%s of '%s', tried without a record: %s: %s", o->stage->name, o->run->path, refusal_name(why->kind),
	    why->detail);
	return (refusal_exit(why->kind));
}

static const struct mode rehearsal = { rehearsal_enter, rehearsal_prepare, rehearsal_enter_lane, rehearsal_publish,
	rehearsal_refuse, 0 };

/* --- the owner's life ------------------------------------------------------- */

/* From the lock to the end; its exit code. */
static int
own(struct rundir *r, const struct stage_job *job, int ready_fd)
{
	struct owner o = { .mode = job->rehearse == NULL ? &record : &rehearsal,
		.run = r,
		.job = job,
		.stage = &rundir_stages[job->stage],
		.lock_fd = -1,
		.lane_fd = -1,
		.ready_fd = ready_fd };
	int64_t lane_ms = 0;
	void *page;
	int code;

	o.work = (struct stage_work){ .run = r, .job = job, .outputs = -1, .pipe = -1, .posts = o.mode->posts };
	if (!rundir_owes(r, job->stage)) {
		say_error("'%s' has no stage %s: its trainer hands over %s, and trainer.gives=%s", r->path,
		    o.stage->name, rundir_evidence(r) == RUNDIR_CLAIMS ? "its word alone" : "files of its own",
		    jsonio_text(r->spec.json, "trainer.gives", ""));
		code = HG_EXIT_USAGE;
		goto done;
	}
	o.deadline_ms = job->deadline_ms > 0 ? job->deadline_ms : spec_deadline_ms(&r->spec, o.stage->name);
	if ((code = o.mode->enter(&o)) != -1)
		goto done;
	code = HG_EXIT_SYSTEM;
	if ((page = proc_shared_page()) == NULL || proc_adopt_orphans() == -1 || proc_self(&o.lock.owner) == -1 ||
	    (o.lock.attempt = rundir_attempt(r, job->stage)) == -1 || process_pipe(signal_pipe) == -1) {
		say_errno("cannot start stage %s of '%s'", o.stage->name, r->path);
		goto done;
	}
	progress_share(page);
	fcntl(signal_pipe[0], F_SETFL, O_NONBLOCK);
	fcntl(signal_pipe[1], F_SETFL, O_NONBLOCK);
	if (job->lane)
		lane_ms = r->spec.limits.lane_wait_ms;
	o.lock.deadline_boot_ms = clock_boot_ms() + lane_ms + o.deadline_ms;
	o.lock.started_ms = clock_wall_ms();
	if (r->spec.limits.stall_ms > 0)
		o.lock.alive_mono_ms = clock_mono_ms() + r->spec.limits.stall_ms + TICK_MS + RUNLOCK_GRACE_MS;
	if (o.mode->prepare(&o) == -1)
		goto done;
	if (o.ready_fd != -1) {
		if (redirect(&o) == -1) {
			code = refuse_errno(&o, "cannot open the stage's log");
			goto done;
		}
		ready(&o, HG_EXIT_DONE);
	}
	if (o.mode == &record)
		summary_renew(r);
	code = supervise(&o);
	if (o.mode == &record)
		summary_renew(r);
done:
	ready(&o, code);
	set_signals(SIG_DFL);
	close_fd(&signal_pipe[0]);
	close_fd(&signal_pipe[1]);
	remove_temporary(&o);
	if (o.work.outputs != r->fd)
		close_fd(&o.work.outputs);
	close_fd(&o.lane_fd);
	close_fd(&o.lock_fd);
	return (code);
}

/* The process that stays at the terminal: wait for the readiness byte. */
static int
detach(struct rundir *r, const struct stage_job *job)
{
	unsigned char c;
	ssize_t n;
	int fd[2];
	pid_t pid;

	if (process_pipe(fd) == -1)
		goto err0;
	fflush(stdout);
	if ((pid = fork()) == -1) {
		close(fd[0]);
		close(fd[1]);
		goto err0;
	}
	if (pid == 0) {
		setsid();
		process_close_others(r->fd, fd[1]);
		exit(exit_flush(own(r, job, fd[1])));
	}
	close(fd[1]);
	while ((n = read(fd[0], &c, 1)) == -1 && errno == EINTR)
		continue;
	close(fd[0]);
	if (n == 1)
		return (c);
	say_error("%s of '%s' ended before it began", rundir_stages[job->stage].name, r->path);
	return (HG_EXIT_SYSTEM);
err0:
	say_errno("cannot detach");
	return (HG_EXIT_SYSTEM);
}

int
stage_run(const char *path, const struct stage_job *job)
{
	struct rundir r;
	int code;

	if (rundir_open(&r, path) == -1)
		return (rundir_exit(errno));
	if (rundir_load(&r) == -1)
		code = rundir_exit(errno);
	else if (job->detach)
		code = detach(&r, job);
	else
		code = own(&r, job, -1);
	rundir_close(&r);
	return (code);
}
