/*
 * torture: run a command under ptrace and let a chosen system call of its whole process tree be the last, or fail.
 *
 * One counter numbers the calls of all processes, in the order in which they are entered, so that the same command
 * gives the same numbers as long as its processes take turns.  Calls that the dynamic loader or a sanitizer's runtime
 * makes are neither counted nor touched.  Processes that nobody waits for become children of this one; none survives
 * it.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exit.h"
#include "base/num.h"
#include "base/opt.h"
#include "base/say.h"
#include "t/torture/calls.h"
#include "t/torture/durable.h"

#define OPTIONS \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | \
	    PTRACE_O_EXITKILL)

enum who { NOBODY, ALL, CALLER, PARENT, ROOT };

/* The dynamic loader, and what a sanitizer brings. */
static const char *const runtimes[] = { NULL, "/libasan.so", "/libubsan.so", "/liblsan.so" };
enum { RUNTIMES = sizeof(runtimes) / sizeof(runtimes[0]) };

struct range {
	uint64_t from, to;
};

/* One thread of the tree. */
struct task {
	pid_t tid, tgid, ppid;
	pid_t command;                /* the process that last executed a program, among this one and its ancestors */
	struct range aside[RUNTIMES]; /* code whose calls do not count */
	int settled;                  /* its libraries are mapped, and those ranges known */
	int forge;                    /* this call, under way, was skipped; its result is to be forged */
	struct calls call;
	int kill;        /* kill when the call under way has happened */
	uint64_t number; /* of the call under way, 0 if it does not count */
	int dead;
};

static struct {
	/* What was asked for */
	unsigned sorts;
	uint64_t at;
	enum who who;
	int sig, after, error, on;
	int64_t rest_ms, limit_ms, at_ms;
	FILE *trace;
	/* What is */
	struct task *tasks;
	size_t n_tasks;
	pid_t root, last; /* last: who made the latest call */
	int counting;
	uint64_t calls, injected, violations, survivors;
	uint64_t by_word[32];
	char what[128];
	int root_status, root_ended;
	int64_t ended_ms;
	int killing;
	struct durable *order;
} t;

static struct opt table[] = {
	{ .letter = 's', .arg = "SORTS", .help = "which calls count: all, change, or sorts as listed below (change)" },
	{ .letter = 'n', .arg = "N", .help = "the call to act on; without it calls are only counted" },
	{ .letter = 'm', .arg = "SECONDS", .help = "act after this time, not at a call" },
	{ .letter = 'k', .arg = "WHO", .help = "kill all, the caller, its parent or the root (all)" },
	{ .letter = 'z', .arg = "SIGNAL", .help = "by KILL, TERM, INT, HUP or STOP (KILL)" },
	{ .letter = 'x', .help = "kill after the call, not before it" },
	{ .letter = 'e', .arg = "ERROR", .help = "not kill but fail: ENOSPC, EIO, EMFILE, EINTR, ENOMEM, ..." },
	{ .letter = 'a', .help = "and so do all that follow" },
	{ .letter = 'g', .arg = "DIR", .help = "judge the durability order below DIR", .repeats = 1 },
	{ .letter = 't', .arg = "SECONDS", .help = "the command may run this long (60)" },
	{ .letter = 'w', .arg = "SECONDS", .help = "and what it leaves running this long after it (10)" },
	{ .letter = 'o', .arg = "TRACE", .help = "write the calls that count to a file" },
	{ .letter = 'r', .arg = "REPORT", .help = "write the report to a file, not to standard error" },
	{ .letter = '\0' },
};

static const struct opt_tool tool = {
	.name = "torture",
	.summary = "kill a command at its Nth system call, or let that call fail; read its trace for missing syncs",
	.synopsis = "torture [-s SORTS] [-g DIR]... [-t SECONDS] [-w SECONDS] [-o TRACE] [-r REPORT] COMMAND [ARG]...\n"
		    "torture -n N [-k WHO] [-z SIGNAL] [-x] ... COMMAND [ARG]...\n"
		    "torture -n N -e ERROR [-a] ... COMMAND [ARG]...\n"
		    "torture -m SECONDS [-k WHO] [-z SIGNAL] ... COMMAND [ARG]...",
};

static void
violation(const char *rule, const char *text)
{
	char clean[2 * PATH_MAX];

	t.violations++;
	fprintf(stderr, "torture: violation: %s: %s\n", rule, say_clean(clean, sizeof(clean), text));
}

/* A number after a word at the start of a line of /proc/PID/status; -1 if unknown. */
static long
status_of(pid_t pid, const char *word)
{
	char path[64], line[256];
	long value = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	if ((f = fopen(path, "re")) == NULL)
		return (-1);
	while (value == -1 && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, word, strlen(word)) == 0)
			value = strtol(line + strlen(word), NULL, 10);
	fclose(f);
	return (value);
}

static struct task *
find(pid_t tid)
{
	size_t i;

	for (i = 0; i < t.n_tasks; i++)
		if (t.tasks[i].tid == tid && !t.tasks[i].dead)
			return (&t.tasks[i]);
	return (NULL);
}

/* At its first stop a child is still its parent's; later it may have been handed to us. */
static struct task *
meet(pid_t tid)
{
	struct task *k, *parent;

	if ((k = find(tid)) != NULL)
		return (k);
	if ((k = realloc(t.tasks, (t.n_tasks + 1) * sizeof(*k))) == NULL)
		abort();
	t.tasks = k;
	k = &t.tasks[t.n_tasks++];
	memset(k, 0, sizeof(*k));
	k->tid = tid;
	k->tgid = (pid_t)status_of(tid, "Tgid:");
	k->ppid = (pid_t)status_of(tid, "PPid:");
	k->command = tid;
	parent = find(k->tgid != tid ? k->tgid : k->ppid);
	if (parent != NULL) {
		k->command = parent->command;
		memcpy(k->aside, parent->aside, sizeof(k->aside));
		k->settled = parent->settled;
	}
	if (t.order != NULL && k->tid == k->tgid)
		durable_began(t.order, k->tgid, k->ppid);
	return (k);
}

/* Find out where the runtimes lie, those that are mapped by now. */
static void
find_runtimes(struct task *k)
{
	char path[64], line[PATH_MAX + 128], name[PATH_MAX], loader[PATH_MAX] = "";
	unsigned long long lo, hi, base = 0;
	Elf64_auxv_t v;
	FILE *f;

	memset(k->aside, 0, sizeof(k->aside));
	snprintf(path, sizeof(path), "/proc/%ld/auxv", (long)k->tid);
	if ((f = fopen(path, "re")) == NULL)
		return;
	while (fread(&v, sizeof(v), 1, f) == 1)
		if (v.a_type == AT_BASE)
			base = v.a_un.a_val;
	fclose(f);
	snprintf(path, sizeof(path), "/proc/%ld/maps", (long)k->tid);
	if (base == 0 || (f = fopen(path, "re")) == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL) {
		name[0] = '\0';
		if (sscanf(line, "%llx-%llx %*s %*s %*s %*s %[^\n]", &lo, &hi, name) < 2 || name[0] == '\0')
			continue;
		if (lo == base)
			strcpy(loader, name);
		for (size_t i = 0; i < RUNTIMES; i++) {
			if (runtimes[i] == NULL ? strcmp(name, loader) != 0 : strstr(name, runtimes[i]) == NULL)
				continue;
			if (k->aside[i].from == 0)
				k->aside[i].from = lo;
			k->aside[i].to = hi;
		}
	}
	fclose(f);
}

static int
is_aside(const struct task *k, uint64_t ip)
{
	for (size_t i = 0; i < RUNTIMES; i++)
		if (ip >= k->aside[i].from && ip < k->aside[i].to)
			return (1);
	return (0);
}

/* Is this call of a runtime's own making?  The first from outside the loader shows that all libraries are there. */
static int
own_making(struct task *k, uint64_t ip)
{
	if (is_aside(k, ip))
		return (1);
	if (k->settled)
		return (0);
	k->settled = 1;
	find_runtimes(k);
	return (is_aside(k, ip));
}

/* Kill every process known; those not met yet die at their first stop. */
static void
kill_all(void)
{
	size_t i;

	t.killing = 1;
	for (i = 0; i < t.n_tasks; i++)
		if (!t.tasks[i].dead)
			kill(t.tasks[i].tid, SIGKILL);
}

static void
strike(const struct task *k)
{
	const struct task *parent;
	pid_t victim = k->tgid;

	switch (t.who) {
	case ALL:
		if (t.sig == SIGKILL) {
			kill_all();
			return;
		}
		/* FALLTHROUGH */
	case ROOT:
		victim = t.root;
		break;
	case PARENT:
		if ((parent = find(k->ppid)) != NULL)
			victim = parent->tgid;
		break;
	default:
		break;
	}
	kill(victim, t.sig);
}

static void
note(const struct task *k, const struct calls *c)
{
	char path[PATH_MAX];
	struct stat st;

	if (t.trace == NULL)
		return;
	fprintf(t.trace, "%llu %ld %s", (unsigned long long)k->number, (long)k->tid, calls_name(c->nr));
	if ((c->sorts & (CALLS_WRITE | CALLS_SYNC | CALLS_CLOSE | CALLS_LOCK | CALLS_READ)) != 0 &&
	    calls_fd(k->tid, (int)c->args[0], path, sizeof(path), &st) == 0)
		fprintf(t.trace, " %s", path);
	else if ((c->sorts & (CALLS_OPEN | CALLS_UNLINK | CALLS_MKDIR)) != 0 &&
	    (calls_text(k->tid, c->args[1], path, sizeof(path)) == 0 ||
		calls_text(k->tid, c->args[0], path, sizeof(path)) == 0))
		fprintf(t.trace, " %s", path);
	else if ((c->sorts & (CALLS_RENAME | CALLS_LINK)) != 0 &&
	    (calls_text(k->tid, c->args[3], path, sizeof(path)) == 0 ||
		calls_text(k->tid, c->args[1], path, sizeof(path)) == 0))
		fprintf(t.trace, " %s", path);
	fputc('\n', t.trace);
}

static void
entry(struct task *k, const struct calls *c)
{
	unsigned sorts;
	size_t i;

	t.last = k->tid;
	k->number = 0;
	if (!t.counting || own_making(k, c->ip))
		return;
	for (i = 0; calls_word(i, &sorts) != NULL; i++)
		t.by_word[i] += (c->sorts & sorts) != 0;
	if ((c->sorts & t.sorts) != 0) {
		k->number = ++t.calls;
		note(k, c);
	}
	if (t.order != NULL)
		durable_enter(t.order, k->tid, k->tgid, k->command, c);
	if (t.at == 0 || k->number == 0 || (t.on && t.error != 0 ? k->number < t.at : k->number != t.at))
		return;
	if (t.injected++ == 0)
		snprintf(t.what, sizeof(t.what), "%s", calls_name(c->nr));
	if (t.error != 0) {
		/* Nothing can be forged about a call that does not return. */
		k->forge = (c->sorts & CALLS_EXIT) == 0 && calls_skip(k->tid, c) == 0;
		k->call = *c;
	} else if (t.after)
		k->kill = 1;
	else
		strike(k);
}

static void
leave(struct task *k, int64_t result)
{
	if (k->forge) {
		k->forge = 0;
		result = -t.error;
		calls_forge(k->tid, &k->call, t.error);
	}
	if (t.order != NULL)
		durable_leave(t.order, k->tid, result);
	if (k->kill) {
		k->kill = 0;
		strike(k);
	}
}

/* Exit codes that tell what is so: done, refused, and refused but retryable. */
static enum durable_answer
answers(int status)
{
	if (!WIFEXITED(status))
		return (DURABLE_NONE);
	switch (WEXITSTATUS(status)) {
	case HG_EXIT_DONE:
		return (DURABLE_DONE);
	case HG_EXIT_NO:
	case HG_EXIT_RETRY:
		return (DURABLE_REFUSED);
	default:
		return (DURABLE_NONE);
	}
}

static void
ended(pid_t tid, int status)
{
	struct task *k = find(tid);

	if (k != NULL) {
		k->dead = 1;
		if (t.order != NULL && k->tid == k->tgid)
			durable_ended(t.order, k->tgid, k->command,
			    k->command == k->tgid ? answers(status) : DURABLE_NONE);
	}
	if (tid == t.root) {
		t.root_ended = 1;
		t.root_status = status;
		t.ended_ms = clock_mono_ms();
	}
}

static void
resume(pid_t tid, int sig)
{
	/* A process that was killed meanwhile is told of by wait. */
	ptrace(PTRACE_SYSCALL, tid, NULL, (void *)(long)sig);
}

static void
stopped(pid_t tid, int status)
{
	int sig = WSTOPSIG(status), event = status >> 16;
	struct task *k = meet(tid);
	struct calls c;
	int64_t result = 0;

	if (t.killing) {
		kill(tid, SIGKILL);
		resume(tid, 0);
		return;
	}
	if (sig == (SIGTRAP | 0x80)) {
		switch (calls_stop(tid, &c, &result)) {
		case 1:
			entry(k, &c);
			break;
		case 2:
			leave(k, result);
			break;
		}
		resume(tid, 0);
	} else if (event == PTRACE_EVENT_EXEC) {
		t.counting = 1;
		k->command = k->tgid;
		k->settled = 0;
		find_runtimes(k);
		resume(tid, 0);
	} else if (event == PTRACE_EVENT_STOP &&
	    (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU)) {
		ptrace(PTRACE_LISTEN, tid, NULL, NULL);
	} else
		resume(tid, event != 0 ? 0 : sig);
}

/* Who is still there, and too late. */
static void
out_of_time(const char *rule)
{
	char text[128], comm[64], path[64];
	size_t i;
	FILE *f;

	for (i = 0; i < t.n_tasks; i++) {
		if (t.tasks[i].dead || t.tasks[i].tid != t.tasks[i].tgid)
			continue;
		snprintf(path, sizeof(path), "/proc/%ld/comm", (long)t.tasks[i].tid);
		comm[0] = '\0';
		if ((f = fopen(path, "re")) != NULL) {
			if (fgets(comm, sizeof(comm), f) != NULL)
				comm[strcspn(comm, "\n")] = '\0';
			fclose(f);
		}
		snprintf(text, sizeof(text), "process %ld (%s) still runs", (long)t.tasks[i].tid, comm);
		violation(rule, text);
		t.survivors++;
	}
	kill_all();
}

static void
tick(int sig)
{
	(void)sig;
}

static int
trace(void)
{
	struct itimerval every = { { 0, 10000 }, { 0, 10000 } };
	struct sigaction sa = { .sa_handler = tick };
	int64_t began_ms = clock_mono_ms(), now_ms;
	int status;
	pid_t tid;

	/* Wakes the wait: no SA_RESTART. */
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	for (;;) {
		tid = waitpid(-1, &status, __WALL);
		if (tid == -1 && errno == ECHILD)
			break;
		now_ms = clock_mono_ms();
		if (!t.killing && !t.root_ended && now_ms - began_ms > t.limit_ms)
			out_of_time("hangs");
		else if (!t.killing && t.root_ended && now_ms - t.ended_ms > t.rest_ms)
			out_of_time("survives");
		else if (t.at_ms != 0 && t.injected == 0 && now_ms - began_ms >= t.at_ms && find(t.last) != NULL) {
			t.injected = 1;
			strike(find(t.last));
		}
		if (tid == -1 && errno == EINTR)
			continue;
		if (tid == -1) {
			say_errno("cannot wait");
			kill_all();
			return (-1);
		}
		if (WIFSTOPPED(status))
			stopped(tid, status);
		else
			ended(tid, status);
	}
	memset(&every, 0, sizeof(every));
	setitimer(ITIMER_REAL, &every, NULL);
	return (0);
}

/* Start the command, which waits until it is traced. */
static int
start(char **argv)
{
	int gate[2];
	char c;

	if (pipe2(gate, O_CLOEXEC) == -1 || (t.root = fork()) == -1) {
		say_errno("cannot start");
		return (-1);
	}
	if (t.root == 0) {
		close(gate[1]);
		if (read(gate[0], &c, 1) != 1)
			_exit(HG_EXIT_SYSTEM);
		signal(SIGPIPE, SIG_DFL);
		signal(SIGABRT, SIG_DFL);
		execvp(argv[0], argv);
		say_errno("cannot execute '%s'", argv[0]);
		_exit(127);
	}
	close(gate[0]);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) == -1 || ptrace(PTRACE_SEIZE, t.root, NULL, (void *)OPTIONS) == -1) {
		say_errno("cannot trace");
		close(gate[1]);
		return (-1);
	}
	if (write(gate[1], "", 1) != 1) {
		say_errno("cannot start");
		return (-1);
	}
	close(gate[1]);
	return (0);
}

static int
signal_of(const char *name)
{
	static const struct {
		const char *name;
		int sig;
	} signals[] = {
		{ "KILL", SIGKILL },
		{ "TERM", SIGTERM },
		{ "INT", SIGINT },
		{ "HUP", SIGHUP },
		{ "STOP", SIGSTOP },
	};
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (strcmp(signals[i].name, name) == 0)
			return (signals[i].sig);
	return (0);
}

static enum who
who_of(const char *name)
{
	static const char *const names[] = { "", "all", "caller", "parent", "root" };
	size_t i;

	for (i = ALL; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return ((enum who)i);
	return (NOBODY);
}

static const char *
value(char letter, const char *fallback)
{
	const struct opt *o = opt_row(table, letter);

	return (o->value == NULL ? fallback : o->value);
}

/* Options into t; 0, or -1 after saying which is wrong. */
static int
options(int argc, char **argv)
{
	const char *dir;
	int at = 1;

	if (calls_set(value('s', "change"), &t.sorts) == -1) {
		say_error("no such sorts of calls: '%s' (there are %s)", value('s', ""), calls_words());
		return (-1);
	}
	if (opt_row(table, 'n')->value != NULL && num_u64(value('n', ""), 1, UINT64_MAX, &t.at) == -1) {
		say_error("-n takes a number from 1 on");
		return (-1);
	}
	if (opt_row(table, 'm')->value != NULL && num_duration_ms(value('m', ""), INT64_C(86400000), &t.at_ms) == -1) {
		say_error("-m takes a time such as 0.1");
		return (-1);
	}
	t.after = opt_row(table, 'x')->count != 0;
	t.on = opt_row(table, 'a')->count != 0;
	if ((t.who = who_of(value('k', "all"))) == NOBODY || (t.sig = signal_of(value('z', "KILL"))) == 0 ||
	    (opt_row(table, 'e')->value != NULL && (t.error = calls_errno(value('e', ""))) == 0)) {
		say_error("no such WHO, SIGNAL or ERROR");
		return (-1);
	}
	if (num_duration_ms(value('t', "60"), INT64_C(86400000), &t.limit_ms) == -1 ||
	    num_duration_ms(value('w', "10"), INT64_C(86400000), &t.rest_ms) == -1) {
		say_error("-t and -w take a time such as 10 or 1.5");
		return (-1);
	}
	if (opt_row(table, 'g')->count != 0 && (t.order = durable_new(violation)) == NULL) {
		say_errno("cannot begin");
		return (-1);
	}
	while ((dir = opt_next(table, argc, argv, 'g', &at)) != NULL)
		if (durable_guard(t.order, dir) == -1) {
			say_errno("cannot judge '%s'", dir);
			return (-1);
		}
	return (0);
}

/* One word and its value a line, for `read`. */
static int
report(const char *file)
{
	FILE *f = file == NULL ? stderr : fopen(file, "we");
	const char *word;
	unsigned sorts;
	size_t i;

	if (f == NULL) {
		say_errno("cannot write '%s'", file);
		return (-1);
	}
	fprintf(f, "calls %llu\n", (unsigned long long)t.calls);
	fprintf(f, "injected %llu %s\n", (unsigned long long)t.injected, t.what);
	if (WIFEXITED(t.root_status))
		fprintf(f, "exit %d\n", WEXITSTATUS(t.root_status));
	else
		fprintf(f, "signal %d\n", WTERMSIG(t.root_status));
	fprintf(f, "survivors %llu\n", (unsigned long long)t.survivors);
	fprintf(f, "violations %llu\n", (unsigned long long)t.violations);
	for (i = 0; file != NULL && (word = calls_word(i, &sorts)) != NULL; i++)
		fprintf(f, "sort-%s %llu\n", word, (unsigned long long)t.by_word[i]);
	return (f != stderr && fclose(f) != 0 ? -1 : 0);
}

int
main(int argc, char **argv)
{
	int at, rc = HG_EXIT_SYSTEM;

	exit_init("torture");
	if ((at = opt_parse(&tool, table, argc, argv)) == OPT_EXIT)
		return (exit_flush(HG_EXIT_DONE));
	if (at == OPT_USAGE || options(argc, argv) == -1)
		return (HG_EXIT_USAGE);
	if (at == argc)
		return (opt_usage(&tool));
	if (opt_row(table, 'o')->value != NULL && (t.trace = fopen(value('o', ""), "we")) == NULL) {
		say_errno("cannot write '%s'", value('o', ""));
		return (HG_EXIT_SYSTEM);
	}
	if (start(argv + at) == 0 && trace() == 0 && report(opt_row(table, 'r')->value) == 0)
		rc = t.violations == 0 ? HG_EXIT_DONE : HG_EXIT_NO;
	if (t.trace != NULL && fclose(t.trace) != 0) {
		say_errno("cannot write the trace");
		rc = HG_EXIT_SYSTEM;
	}
	durable_free(t.order);
	free(t.tasks);
	return (exit_flush(rc));
}
