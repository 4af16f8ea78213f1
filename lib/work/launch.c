#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/foreign.h"
#include "base/jsonio.h"
#include "base/proc.h"
#include "base/process.h"
#include "base/progress.h"
#include "base/say.h"
#include "base/sha256.h"
#include "base/tree.h"
#include "schema/contract.h"
#include "stage/inputs.h"
#include "work/launch.h"

/* How often all its processes and its directory are looked at, and how long what was killed may take to go. */
#define LOOK_MS 500
#define KILL_MS 4000

/* It gets on that computes so long within such a time; and how often its progress is posted. */
#define CPU_MS 50
#define CPU_WITHIN_MS 5000
#define POST_MS 500

/* Of the environment that is there, these are handed on. */
static const char *const handed_on[] = { "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "TZ", "USER",
	NULL };

/* --- what it runs in -------------------------------------------------------- */

static int
cannot(const struct launch *l, const char *what, const char *name)
{
	say_errno("cannot %s '%s/%s'", what, l->scratch, name);
	return (-1);
}

static int
write_file(struct launch *l, const char *name, const char *text, size_t n, mode_t mode)
{
	int fd, rc;

	if (tree_make_way(l->at, name) == -1 ||
	    (fd = openat(l->at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)) == -1)
		return (cannot(l, "write", name));
	rc = file_write_all(fd, text, n);
	if (close(fd) == -1 || rc == -1)
		return (cannot(l, "write", name));
	return (0);
}

/* One of the program's own files, from the run's copy: as it was when the run was made, and no other. */
static int
place_file(struct launch *l, const json_t *entry)
{
	const struct rundir *r = stage_rundir(l->w);
	const char *name = jsonio_text(entry, "file", ""), *want = jsonio_text(entry, "sha256", "");
	char from[300], hex[SHA256_HEX_SIZE], *text;
	struct stat st;
	size_t n;
	int rc;

	snprintf(from, sizeof(from), "%s/%s", PROGRAM_DIR, name);
	if ((text = file_read(r->fd, from, (size_t)PROGRAM_MAX_BYTES, &n)) == NULL) {
		if (errno != ENOENT && !file_at_fault(errno)) {
			say_errno("cannot read '%s/%s'", r->path, from);
			return (-1);
		}
		return (stage_refuse(l->w, REFUSAL_TRAINER_MISSING, NULL, json_string(want), "'%s': %s", from,
		    say_why(errno)));
	}
	if (sha256_hex(text, n, hex) == -1 || fstatat(r->fd, from, &st, 0) == -1) {
		free(text);
		return (-1);
	}
	/* The copy is what it runs: one that it alters while it runs is not what the spec names. */
	rc = strcmp(hex, want) == 0 ? (write_file(l, name, text, n, st.st_mode & 0111 ? 0777 : 0666) == -1 ?
					      -1 :
					      inputs_bind(l->w, l->at, name, want)) :
				      stage_refuse(l->w, REFUSAL_TRAINER_MISSING, json_string(hex), json_string(want),
					  "'%s' is not what it was when the run was made", from);
	free(text);
	return (rc);
}

/* The absolute path behind a descriptor. */
static int
path_of(int fd, char path[4096])
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if ((n = readlink(link, path, 4095)) == -1)
		return (-1);
	path[n] = '\0';
	return (0);
}

/* The directory that outlives attempts; its path. */
static int
open_keep(struct launch *l, char path[4096])
{
	const struct rundir *r = stage_rundir(l->w);
	struct stat st;
	int fd, rc;

	*path = '\0';
	if (l->keep == NULL)
		return (0);
	l->kept = fstatat(r->fd, l->keep, &st, AT_SYMLINK_NOFOLLOW) == 0;
	/* Something else was put in its place. */
	if (l->kept && !S_ISDIR(st.st_mode) && tree_remove(r->fd, l->keep) == 0)
		l->kept = 0;
	if ((mkdirat(r->fd, l->keep, 0777) == -1 && errno != EEXIST) ||
	    (fd = openat(r->fd, l->keep, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1) {
		say_errno("cannot use '%s/%s'", r->path, l->keep);
		return (-1);
	}
	rc = path_of(fd, path);
	close(fd);
	return (rc);
}

/* What the words and the environment are made of. NULL when out of memory, or with errno, said. */
static json_t *
values_of(struct launch *l)
{
	const struct rundir *r = stage_rundir(l->w);
	char keep[4096], seed[32], threads[16], spec[4200];

	if (open_keep(l, keep) == -1)
		return (NULL);
	snprintf(seed, sizeof(seed), "%lld", (long long)jsonio_i64(r->spec.json, "train.seed", 0));
	snprintf(threads, sizeof(threads), "%u", l->threads);
	snprintf(spec, sizeof(spec), "%s/%s", l->path, RUNDIR_SPEC);
	errno = ENOMEM;
	return (json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "seed", seed, "spec", spec, "data", l->data, "out",
	    l->path, "keep", *keep == '\0' ? l->path : keep, "threads", threads, "run_uid", r->spec.run_uid));
}

/* The words of the command, for the record and for exec. */
static int
expand_command(struct launch *l, const json_t *values)
{
	struct str word = STR_INIT;
	size_t i;

	if ((l->command = json_array()) == NULL)
		return (-1);
	for (i = 0; i < json_array_size(l->program.command); i++) {
		word.n = 0;
		if (program_expand(&word, json_string_value(json_array_get(l->program.command, i)), values) == -1 ||
		    json_array_append_new(l->command, json_string(word.p)) == -1)
			return (-1);
	}
	str_free(&word);
	return (0);
}

/* The file that is executed: one of the program's own, or what the spec found in PATH. */
static int
find_executable(struct launch *l, char path[8200])
{
	const char *word = json_string_value(json_array_get(l->command, 0)), *name;
	char hex[SHA256_HEX_SIZE], real[PATH_MAX];
	uint64_t bytes;

	if (l->program.executable != NULL)
		snprintf(path, 8200, "%s", l->program.executable);
	else
		snprintf(path, 8200, "%s/%s", l->path, word);
	/* A link is executed through; what it leads to is what counts. */
	if (access(path, X_OK) == -1 || realpath(path, real) == NULL || sha256_at(AT_FDCWD, real, hex, &bytes) == -1)
		return (stage_refuse(l->w, REFUSAL_TRAINER_MISSING, NULL, json_string(path),
		    "'%s' cannot be executed: %s", path, say_why(errno)));
	name = l->program.executable == NULL ? word : path;
	l->executable = json_pack("{s:s, s:I, s:s}", "file", strlen(name) > 255 ? name + strlen(name) - 255 : name,
	    "bytes", (json_int_t)bytes, "sha256", hex);
	return (l->executable == NULL ? -1 : 0);
}

int
launch_prepare(struct launch *l)
{
	const struct rundir *r = stage_rundir(l->w);
	const json_t *entry;
	size_t i;

	if (tree_remove(stage_outputs(l->w), l->scratch) == -1 ||
	    mkdirat(stage_outputs(l->w), l->scratch, 0777) == -1 ||
	    (l->at = openat(stage_outputs(l->w), l->scratch, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1 ||
	    path_of(l->at, l->path) == -1 || mkdirat(l->at, PROGRAM_TEMPORARY, 0777) == -1) {
		say_errno("cannot make '%s'", l->scratch);
		return (-1);
	}
	if (write_file(l, RUNDIR_SPEC, r->spec.text, r->spec.text_bytes, 0666) == -1)
		return (-1);
	json_array_foreach((json_t *)(uintptr_t)l->program.program, i, entry)
		if (place_file(l, entry) == -1)
			return (-1);
	return (0);
}

/* --- its environment -------------------------------------------------------- */

struct environment {
	const char **of;
	size_t count;
	int failed;
};

static void __attribute__((format(printf, 3, 4))) add(struct environment *e, const char *name, const char *format, ...)
{
	struct str s = STR_INIT;
	const char **more;
	char *value;
	va_list ap;
	size_t i, n;

	va_start(ap, format);
	n = (size_t)vsnprintf(NULL, 0, format, ap) + 1;
	va_end(ap);
	if ((value = malloc(n)) == NULL) {
		e->failed = 1;
		return;
	}
	va_start(ap, format);
	vsnprintf(value, n, format, ap);
	va_end(ap);
	if ((more = realloc(e->of, (e->count + 2) * sizeof(*more))) == NULL ||
	    str_printf(&s, "%s=%s", name, value) == -1) {
		e->failed = 1;
		return;
	}
	e->of = more;
	for (i = 0; i < e->count; i++)
		if (strncmp(more[i], s.p, strlen(name) + 1) == 0) {
			more[i] = s.p;
			return;
		}
	more[e->count++] = s.p;
	more[e->count] = NULL;
}

/* What comes later counts: what is there unasked, what the spec asks for, and what the run's own words are. */
static int
make_environment(struct launch *l, const json_t *values, struct environment *e)
{
	const struct rundir *r = stage_rundir(l->w);
	const json_t *cap = jsonio_get(r->spec.json, "budget.max_wallclock_ms");
	struct str word = STR_INIT;
	const char *name, *value;
	const char *const *p;
	json_t *v;
	size_t i;

	memset(e, 0, sizeof(*e));
	add(e, "TMPDIR", "%s/%s", l->path, PROGRAM_TEMPORARY);
	add(e, "OMP_NUM_THREADS", "%u", l->threads);
	for (p = handed_on; *p != NULL; p++)
		if ((value = getenv(*p)) != NULL)
			add(e, *p, "%s", value);
	json_array_foreach((json_t *)(uintptr_t)l->program.env, i, v)
		if ((value = getenv(json_string_value(v))) != NULL)
			add(e, json_string_value(v), "%s", value);
	json_object_foreach((json_t *)(uintptr_t)l->program.set, name, v) {
		word.n = 0;
		if (program_expand(&word, json_string_value(v), values) == -1)
			return (-1);
		add(e, name, "%s", word.p);
	}
	str_free(&word);
	if ((value = getenv(RUNDIR_MARK)) != NULL)
		add(e, RUNDIR_MARK, "%s", value);
	add(e, "HOMEGOLF_RUN_UID", "%s", r->spec.run_uid);
	add(e, "HOMEGOLF_SPEC", "%s", jsonio_text(values, "spec", ""));
	add(e, "HOMEGOLF_DATA_DIR", "%s", jsonio_text(values, "data", ""));
	add(e, "HOMEGOLF_OUT", "%s", l->path);
	add(e, "HOMEGOLF_KEEP", "%s", jsonio_text(values, "keep", ""));
	add(e, "HOMEGOLF_SEED", "%s", jsonio_text(values, "seed", ""));
	add(e, "HOMEGOLF_THREADS", "%u", l->threads);
	if (json_is_integer(cap))
		add(e, "HOMEGOLF_CAP_MS", "%lld", (long long)json_integer_value(cap));
	if (l->metrics != NULL)
		add(e, "HOMEGOLF_METRICS", "%s/%s", l->path, PROGRAM_FIFO);
	if (l->dry)
		add(e, "HOMEGOLF_DRY_RUN", "1");
	if (e->failed)
		errno = ENOMEM;
	return (e->failed ? -1 : 0);
}

/* --- its life ----------------------------------------------------------------- */

enum ended {
	ENDED_ITSELF,
	ENDED_STOPPED,
	ENDED_OUT_OF_TIME,
	ENDED_SAID_TOO_MUCH,
	ENDED_TOO_LARGE,
	ENDED_TOO_MANY,
	ENDED_OUT_OF_MEMORY
};

/* What is known of it while it lives. */
struct life {
	struct launch *l;
	pid_t pid, guard;
	int alive;          /* open as long as we live: by its end the guard knows */
	int out, err, fifo; /* our ends; -1 once at their end */
	int status, gone;
	enum ended why;
	int64_t began_ms, asked_ms, looked_ms;
	int64_t cpu_ms, cpu_at_ms; /* what it had computed when that was last a step on, or long ago */
	int64_t posted_ms;
	double best; /* the lowest loss that it told of, or NAN */
	int64_t oom_kills;
	int killed;
	struct str row; /* of the metrics, so far */
	unsigned long rows_wrong, rows_left_out;
	uint64_t bytes_seen;
};

/* Into the log, as far as it may grow. */
static int
to_log(struct life *x, const char *text, size_t n)
{
	struct launch *l = x->l;
	size_t fits = l->logged_bytes >= LAUNCH_LOG_BYTES ? 0 : (size_t)(LAUNCH_LOG_BYTES - l->logged_bytes);

	if (fits > n)
		fits = n;
	if (fits < n && l->dropped_bytes == 0)
		say_note("the log is full at %llu bytes; what follows is dropped",
		    (unsigned long long)LAUNCH_LOG_BYTES);
	l->dropped_bytes += n - fits;
	l->logged_bytes += fits;
	if (file_write_all(l->log, text, fits) == -1) {
		say_errno("cannot write the program's log");
		return (-1);
	}
	return (0);
}

/* A row for the file and, not for each, for whoever looks. Steals it. */
static int
add_row(struct life *x, json_t *row, int64_t now_ms)
{
	struct launch *l = x->l;

	x->best = fmin(x->best, jsonio_f64(row, "train_loss", NAN));
	if (x->posted_ms == 0 || now_ms - x->posted_ms >= POST_MS) {
		x->posted_ms = now_ms;
		stage_progress(l->w, jsonio_i64(row, "step", 0),
		    json_pack("{s:s, s:O, s:n, s:O, s:O, s:o, s:n, s:n, s:I}", "phase", "train", "step",
			json_object_get(row, "step"), "steps_expected", "tokens", json_object_get(row, "tokens"),
			"train_loss", json_object_get(row, "train_loss"), "best_loss", jsonio_real(x->best),
			"tokens_per_s", "eta_ms", "elapsed_ms", (json_int_t)(now_ms - x->began_ms)));
	}
	if (l->metrics->bytes <= LAUNCH_LOG_BYTES)
		return (metrics_add(l->metrics, row));
	json_decref(row);
	if (x->rows_left_out++ == 0)
		say_note("'%s' is full at %llu bytes; what follows is dropped", RUNDIR_METRICS,
		    (unsigned long long)LAUNCH_LOG_BYTES);
	return (0);
}

/* A line of metrics: what of it is missing is filled in. */
static int
take_row(struct life *x, const char *line, size_t n)
{
	json_t *row = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
	int64_t now = clock_mono_ms();

	if (json_is_object(row)) {
		json_object_update_missing_new(row,
		    json_pack("{s:i, s:n, s:i, s:n, s:I}", "tokens", 0, "train_loss", "lr_scale", 1, "grad_norm",
			"wallclock_ms", (json_int_t)(now - x->began_ms)));
		if (contract_accept("metrics", row, NULL) == 0)
			return (add_row(x, row, now));
	}
	json_decref(row);
	if (x->rows_wrong++ == 0)
		say_note("a line in HOMEGOLF_METRICS is none of metrics.jsonl: left out, and so are all such");
	return (0);
}

static int
take_rows(struct life *x, const char *text, size_t n)
{
	const char *end;
	size_t used;

	/* Without an end it is no line. */
	if (x->row.n > 65536)
		x->row.n = 0;
	if (str_add(&x->row, text, n) == -1)
		return (-1);
	for (used = 0; (end = memchr(x->row.p + used, '\n', x->row.n - used)) != NULL;
	     used = (size_t)(end - x->row.p) + 1)
		if (take_row(x, x->row.p + used, (size_t)(end - x->row.p) - used) == -1)
			return (-1);
	memmove(x->row.p, x->row.p + used, x->row.n - used);
	x->row.n -= used;
	return (0);
}

/* Read what there is, but not for ever: others want to be looked at, too. 0, or -1 with errno, said. */
static int
drain(struct life *x, int *fd)
{
	struct launch *l = x->l;
	char text[65536];
	int i, rc = 0;
	ssize_t n;

	for (i = 0; i < 16 && *fd != -1 && rc == 0; i++) {
		if ((n = read(*fd, text, sizeof(text))) == -1)
			return (errno == EINTR || errno == EAGAIN ? 0 : -1);
		if (n == 0) {
			close(*fd);
			*fd = -1;
			return (0);
		}
		x->bytes_seen += (uint64_t)n;
		progress_tick();
		if (fd == &x->fifo)
			rc = take_rows(x, text, (size_t)n);
		else if (fd == &x->err || l->says_to_log)
			rc = to_log(x, text, (size_t)n);
		else if (l->said.n + (size_t)n > LAUNCH_RESULT_BYTES)
			x->why = x->why == ENDED_ITSELF ? ENDED_SAID_TOO_MUCH : x->why;
		else
			rc = str_add(&l->said, text, (size_t)n);
	}
	return (rc);
}

/* All its processes and its directories, now and then. */
static int
look(struct life *x, int64_t now)
{
	struct launch *l = x->l;
	const struct tree_limits limits = { (uint64_t)l->program.max_bytes, LAUNCH_ENTRIES, LAUNCH_DEPTH };
	struct proc_family f;
	uint64_t bytes = 0;
	int64_t cpu_ms;
	int rc;

	if (now - x->looked_ms < LOOK_MS)
		return (0);
	x->looked_ms = now;
	proc_family(&f, x->guard);
	if (f.resident_bytes > l->peak_bytes)
		l->peak_bytes = f.resident_bytes;
	/* A program that says nothing and computes gets on; one that sleeps, and only wakes to look about, does not. */
	cpu_ms = f.cpu_ms + proc_cpu_ms(1);
	if (cpu_ms - x->cpu_ms >= CPU_MS || cpu_ms < x->cpu_ms || now - x->cpu_at_ms >= CPU_WITHIN_MS) {
		if (cpu_ms - x->cpu_ms >= CPU_MS)
			progress_tick();
		x->cpu_ms = cpu_ms;
		x->cpu_at_ms = now;
	}
	if (x->why != ENDED_ITSELF)
		return (0);
	if (f.processes > LAUNCH_PROCESSES)
		x->why = ENDED_TOO_MANY;
	else if (f.resident_bytes > proc_memory_total() / 2 && proc_memory_available() < proc_memory_total() / 32)
		x->why = ENDED_OUT_OF_MEMORY;
	/* Its directory, whatever that is called by now. */
	if ((rc = tree_measure(l->at, ".", &limits, &bytes)) == 0 && l->keep != NULL)
		rc = tree_measure(stage_rundir(l->w)->fd, l->keep, &limits, &bytes);
	if (rc == 1)
		x->why = ENDED_TOO_LARGE;
	/* Looking takes time, too: where there is much to look at, less often. */
	x->looked_ms += 10 * (clock_mono_ms() - now);
	return (0);
}

/* Who is dead is collected, whoever it is. */
static void
collect(struct life *x)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == x->pid) {
			x->status = status;
			x->gone = 1;
		}
}

/* Signal its group, and it, which may have left that. */
static void
end(const struct life *x, int sig)
{
	kill(-x->pid, sig);
	if (!x->gone)
		kill(x->pid, sig);
}

/* Attend it until it has ended, by itself or not. 0, or -1 with errno, said. */
static int
attend(struct life *x)
{
	struct launch *l = x->l;
	struct pollfd p[3];
	int64_t now;
	int rc = 0;

	for (;;) {
		collect(x);
		if (x->gone)
			return (rc);
		now = clock_mono_ms();
		if (x->why == ENDED_ITSELF && stage_stopping(l->w))
			x->why = ENDED_STOPPED;
		if (x->why == ENDED_ITSELF && l->life_ms > 0 && now - x->began_ms >= l->life_ms)
			x->why = ENDED_OUT_OF_TIME;
		if (rc == 0)
			rc = look(x, now);
		if ((x->why != ENDED_ITSELF || rc == -1) && x->asked_ms == 0) {
			x->asked_ms = now;
			end(x, SIGTERM);
			/* One that was stopped can't hear of it otherwise. */
			end(x, SIGCONT);
		}
		if (x->asked_ms != 0 && !x->killed && now - x->asked_ms >= LAUNCH_STOP_MS) {
			end(x, SIGKILL);
			x->killed = 1;
		}
		if (x->killed && now - x->asked_ms >= LAUNCH_STOP_MS + KILL_MS)
			return (rc);
		p[0] = (struct pollfd){ .fd = x->out, .events = POLLIN };
		p[1] = (struct pollfd){ .fd = x->err, .events = POLLIN };
		p[2] = (struct pollfd){ .fd = x->fifo, .events = POLLIN };
		/* SIGCHLD does not wake it: an end is seen by the pipes' end, or at the next turn. */
		(void)poll(p, 3, 20);
		if (rc == 0 && (drain(x, &x->out) == -1 || drain(x, &x->err) == -1 || drain(x, &x->fifo) == -1))
			rc = -1;
	}
}

/* In the guard: once we are gone, by whatever signal, what carries the stage's mark is ended at once. */
static void
stand_guard(int alive)
{
	char c;
	const char *value = getenv(RUNDIR_MARK);
	char mark[RUNDIR_MARK_SIZE];
	pid_t left;
	int fd;

	setsid();
	proc_title("hg-guard");
	snprintf(mark, sizeof(mark), RUNDIR_MARK "=%s", value == NULL ? "" : value);
	/* A program may stop it: then whoever closes the stage out ends it, too. */
	if (value != NULL)
		proc_bear_mark(mark);
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	/* No lock, lane or log is held by it. */
	process_close_others(alive, -1);
	for (fd = 0; fd < 3; fd++)
		close(fd);
	while (read(alive, &c, 1) == -1 && errno == EINTR)
		continue;
	if (value != NULL)
		(void)proc_end_marked(mark, KILL_MS, &left);
	_exit(0);
}

/*
 * A program's processes die with us only while they are its children; those that took a session of their own would
 * live until somebody closes the stage out.  0, or -1 with errno.
 */
static int
post_guard(struct life *x)
{
	int fd[2];

	if (process_pipe(fd) == -1)
		return (-1);
	if ((x->guard = fork()) == 0) {
		/* Its own end would keep the pipe open. */
		close(fd[1]);
		stand_guard(fd[0]);
	}
	close(fd[0]);
	x->alive = fd[1];
	return (x->guard == -1 ? -1 : 0);
}

static int
start(struct life *x, const char *path, const char *const *argv, const char *const *env)
{
	struct launch *l = x->l;
	struct process p = { .argv = argv,
		.path = path,
		.env = env,
		.cwd_fd = l->at,
		.leads = 1,
		.file_bytes = (uint64_t)l->program.max_bytes };
	int out[2], err[2];

	if (l->metrics != NULL && (x->fifo = foreign_fifo(l->at, PROGRAM_FIFO)) == -1)
		return (cannot(l, "make", PROGRAM_FIFO));
	if (post_guard(x) == -1 || process_pipe(out) == -1 || process_pipe(err) == -1 ||
	    fcntl(out[0], F_SETFL, O_NONBLOCK) == -1 || fcntl(err[0], F_SETFL, O_NONBLOCK) == -1) {
		say_errno("cannot start '%s'", path);
		return (-1);
	}
	p.fds[0] = -1;
	p.fds[1] = out[1];
	p.fds[2] = err[1];
	x->began_ms = x->looked_ms = x->cpu_at_ms = clock_mono_ms();
	x->cpu_ms = proc_cpu_ms(1);
	x->oom_kills = proc_oom_kills();
	x->pid = process_run(&p);
	close(out[1]);
	close(err[1]);
	x->out = out[0];
	x->err = err[0];
	if (x->pid != -1)
		return (0);
	if (errno == EAGAIN || errno == ENOMEM) {
		say_errno("cannot start '%s'", path);
		return (-1);
	}
	return (stage_refuse(l->w, REFUSAL_TRAINER_MISSING, NULL, NULL, "'%s' cannot be started: %s", path,
	    say_why(errno)));
}

/* --- what it left ------------------------------------------------------------- */

/*
 * What a program puts where the run's own files are is no evidence, and goes; so does its directory, wherever that is
 * by now; the spec outlives it. 0, or -1, refused.
 */
static int
check_run(struct launch *l, uint64_t before)
{
	char path[4096];
	struct stat st;
	const char *name;

	if (fstat(l->at, &st) == 0 && st.st_nlink != 0 && path_of(l->at, path) == 0 && strcmp(path, l->path) != 0) {
		if (tree_remove(AT_FDCWD, path) == -1)
			say_errno("cannot remove '%s'", path);
		return (stage_refuse(l->w, REFUSAL_TRAINER_FAILED, json_string(path), json_string(l->path),
		    "the program moved its directory"));
	}
	switch (rundir_restore(stage_rundir(l->w), before, &name)) {
	case 0:
		return (0);
	case 1:
		return (stage_refuse(l->w, REFUSAL_TRAINER_FAILED, NULL, NULL,
		    "the program wrote '%s' of its run: what it wrote is gone", name));
	}
	return (-1);
}

/* The last line of the log that says something, for the refusal. */
static void
last_words(const struct launch *l, char out[200])
{
	char line[190];

	foreign_last_line(l->log, line, sizeof(line));
	snprintf(out, 200, "%s%s", *line == '\0' ? "" : ": ", line);
}

static int
refuse_failed(struct launch *l, const char *key, int64_t have, int64_t most, const char *why)
{
	return (stage_refuse(l->w, REFUSAL_TRAINER_FAILED, json_pack("{s:I}", key, (json_int_t)have),
	    most < 0 ? NULL : json_pack("{s:I}", key, (json_int_t)most), "%s", why));
}

/* 0 for an end that may complete a run; else -1, refused. */
static int
judge(struct life *x)
{
	struct launch *l = x->l;
	char words[200], text[400];

	last_words(l, words);
	switch (x->why) {
	case ENDED_STOPPED:
		/* The owner knows why. */
		errno = EINTR;
		return (-1);
	case ENDED_OUT_OF_TIME:
		snprintf(text, sizeof(text), "the program of section %s was still at work after %lld.%03lld s%s",
		    l->section, (long long)l->life_ms / 1000, (long long)l->life_ms % 1000, words);
		return (refuse_failed(l, "lived_ms", l->lived_ms, l->life_ms, text));
	case ENDED_SAID_TOO_MUCH:
		return (stage_refuse(l->w, REFUSAL_RESULT_INVALID, NULL,
		    json_pack("{s:I}", "stdout_bytes", (json_int_t)LAUNCH_RESULT_BYTES),
		    "the program printed more than one result can be; messages belong on standard error"));
	case ENDED_TOO_LARGE:
		return (stage_refuse(l->w, REFUSAL_TRAINER_FAILED, NULL,
		    json_pack("{s:I, s:I}", "bytes", (json_int_t)l->program.max_bytes, "files",
			(json_int_t)LAUNCH_ENTRIES),
		    "its directories hold more than %s.max_bytes or %d files, are too deep, or closed to us",
		    l->section, LAUNCH_ENTRIES));
	case ENDED_TOO_MANY:
		return (
		    stage_refuse(l->w, REFUSAL_TRAINER_FAILED, NULL, json_pack("{s:i}", "processes", LAUNCH_PROCESSES),
			"the program started more than %d processes", LAUNCH_PROCESSES));
	case ENDED_OUT_OF_MEMORY:
		return (stage_refuse(l->w, REFUSAL_OUT_OF_MEMORY,
		    json_pack("{s:I}", "resident_bytes", (json_int_t)l->peak_bytes), NULL,
		    "memory ran out while the program held %llu bytes of it", (unsigned long long)l->peak_bytes));
	case ENDED_ITSELF:
		break;
	}
	if (!x->gone)
		return (stage_refuse(l->w, REFUSAL_UNKILLABLE, NULL, NULL, "process %ld lives on after SIGKILL",
		    (long)x->pid));
	if (WIFSIGNALED(x->status) &&
	    stage_ending(STAGE_ASKED_NOTHING, x->status, x->oom_kills >= 0 && proc_oom_kills() > x->oom_kills) ==
		REFUSAL_OUT_OF_MEMORY)
		return (stage_refuse(l->w, REFUSAL_OUT_OF_MEMORY,
		    json_pack("{s:I}", "resident_bytes", (json_int_t)l->peak_bytes), NULL,
		    "the program was killed when memory ran out%s", words));
	if (WIFSIGNALED(x->status)) {
		snprintf(text, sizeof(text), "the program was killed by signal %d (%s)%s", WTERMSIG(x->status),
		    strsignal(WTERMSIG(x->status)), words);
		return (refuse_failed(l, "signal", WTERMSIG(x->status), -1, text));
	}
	if (WEXITSTATUS(x->status) == 0)
		return (0);
	snprintf(text, sizeof(text), "the program exited with status %d%s", WEXITSTATUS(x->status), words);
	return (refuse_failed(l, "exit_status", WEXITSTATUS(x->status), 0, text));
}

int
launch_run(struct launch *l)
{
	struct life x = { .l = l, .out = -1, .err = -1, .fifo = -1, .best = NAN, .row = STR_INIT };
	uint64_t before = rundir_markers(stage_rundir(l->w));
	char path[8200];
	const char **argv;
	struct environment env;
	json_t *values;
	int rc, error;
	pid_t left;
	size_t i;

	l->said = (struct str)STR_INIT;
	if ((values = values_of(l)) == NULL || expand_command(l, values) == -1 ||
	    make_environment(l, values, &env) == -1)
		return (-1);
	if (find_executable(l, path) == -1)
		return (-1);
	if ((argv = calloc(json_array_size(l->command) + 1, sizeof(*argv))) == NULL)
		return (-1);
	for (i = 0; i < json_array_size(l->command); i++)
		argv[i] = json_string_value(json_array_get(l->command, i));
	l->cpu_ms = proc_cpu_ms(1);
	if (start(&x, path, argv, env.of) == -1)
		return (-1);
	rc = attend(&x);
	error = errno;
	/* Nobody whom it started outlives it, whatever group, session or parent it has; then the pipes end. */
	end(&x, SIGKILL);
	/* The guard is one of them: there is nothing left to guard. */
	if (proc_end_descendants(KILL_MS, &left) != 0 && x.why == ENDED_ITSELF)
		rc = stage_refuse(l->w, REFUSAL_UNKILLABLE, json_pack("{s:I}", "pid", (json_int_t)left), NULL,
		    "process %ld, which the program started, lives on after SIGKILL", (long)left);
	for (i = 0; rc == 0 && i < 4096 && (x.out != -1 || x.err != -1); i++) {
		uint64_t seen = x.bytes_seen;

		if (drain(&x, &x.out) == -1 || drain(&x, &x.err) == -1)
			rc = -1;
		if (x.bytes_seen == seen)
			break;
	}
	if (rc == 0)
		rc = drain(&x, &x.fifo);
	l->lived_ms = clock_mono_ms() - x.began_ms;
	l->cpu_ms = proc_cpu_ms(1) - l->cpu_ms;
	/* One that was gone before it was looked at. */
	if (proc_peak_memory(1) > l->peak_bytes)
		l->peak_bytes = proc_peak_memory(1);
	if (rc == -1) {
		errno = error;
		return (-1);
	}
	if (check_run(l, before) == -1 || judge(&x) == -1 || inputs_done(l->w, l->at) == -1)
		return (-1);
	json_decref(values);
	return (0);
}
