/* The tables of lib/run: every cell. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "schema/contract.h"
#include "base/exit.h"
#include "base/proc.h"
#include "run/refusal.h"
#include "run/rundir.h"
#include "run/runlock.h"
#include "stage/stage.h"
#include "run/state.h"
#include "base/str.h"
#include "t/unit/tap.h"

/* The law in words, written apart from the table. */
static enum state
by_words(const struct state_facts *f)
{
	if (f->receipt && f->refusal)
		return (STATE_CORRUPT);
	if (f->receipt)
		return (STATE_CLOSED_OUT);
	if (f->refusal)
		return (STATE_REFUSED);
	if (f->held)
		return (f->text == RUNLOCK_GOOD && f->late ? STATE_OVERDUE : STATE_RUNNING);
	return (f->text == RUNLOCK_EMPTY ? STATE_ABSENT : STATE_ORPHANED);
}

static void
test_states(void)
{
	struct state_facts f;
	int cell, bad = 0;

	for (cell = 0; cell < 2 * 2 * 2 * 3 * 2; cell++) {
		f.receipt = cell & 1;
		f.refusal = cell >> 1 & 1;
		f.held = cell >> 2 & 1;
		f.late = cell >> 3 & 1;
		f.text = (enum runlock_text)(cell / 16);
		bad += state_of(&f) != by_words(&f);
	}
	tap_ok(bad == 0, "all 48 cells of the state table are what the words say");
}

static void
test_next(void)
{
	enum state st[STAGE_COUNT];
	struct state_next n;
	char word[STATE_WORD_SIZE];
	int i, s, bad = 0, started, corrupt, dead;

	/* All 7^4 combinations: the invariants that a driver and a person rely on. */
	for (i = 0; i < STATE_COUNT * STATE_COUNT * STATE_COUNT * STATE_COUNT; i++) {
		int k = i;

		started = corrupt = dead = 0;
		for (s = 0; s < STAGE_COUNT; s++, k /= STATE_COUNT) {
			st[s] = (enum state)(k % STATE_COUNT);
			started |= st[s] != STATE_ABSENT;
			corrupt |= st[s] == STATE_CORRUPT;
			dead |= st[s] == STATE_ORPHANED || st[s] == STATE_OVERDUE;
		}
		n = state_next(st, (1U << STAGE_COUNT) - 1);
		bad += (n.run == STATE_RUN_CORRUPT) != corrupt;
		bad += (n.run == STATE_RUN_NEW) != !started;
		if (!corrupt)
			bad += (n.run == STATE_RUN_DEAD) != dead;
		if (n.run == STATE_RUN_COMPLETE)
			bad += st[STAGE_SCORE] != STATE_CLOSED_OUT;
		if (n.what == STATE_DO_START)
			bad += st[n.stage] != STATE_ABSENT;
		if (n.what == STATE_DO_STOP)
			bad += st[n.stage] != STATE_REFUSED || n.stage == STAGE_PROMPT;
		if (n.what == STATE_DO_AWAIT)
			bad += st[n.stage] == STATE_CLOSED_OUT || st[n.stage] == STATE_REFUSED;
		if (n.what == STATE_DO_GO_ON)
			bad += strcmp(state_word(word, &n), "judge") != 0 || st[STAGE_SCORE] != STATE_CLOSED_OUT;
		else
			bad += n.stage >= STAGE_COUNT;
		/* A stage is never started before what it needs has closed out. */
		if (n.what == STATE_DO_START && rundir_stages[n.stage].needs != -1)
			bad += st[rundir_stages[n.stage].needs] != STATE_CLOSED_OUT;
	}
	tap_ok(bad == 0, "what is next keeps its invariants over all 2401 combinations of states (%d broken)", bad);
	for (s = 0; s < STAGE_COUNT; s++)
		st[s] = STATE_CLOSED_OUT;
	st[STAGE_PROMPT] = STATE_REFUSED;
	n = state_next(st, (1U << STAGE_COUNT) - 1);
	tap_ok(n.run == STATE_RUN_COMPLETE && n.what == STATE_DO_GO_ON, "a refused prompt stops nothing");
}

static void
test_lock_text(void)
{
	struct runlock lock, back;
	char text[RUNLOCK_SIZE + 1], name[] = "/tmp/run-unit.XXXXXX";
	int fd = mkstemp(name), i, bad = 0;

	memset(&lock, 0, sizeof(lock));
	proc_self(&lock.owner);
	lock.attempt = 3;
	lock.deadline_boot_ms = clock_boot_ms() + 1000;
	lock.started_ms = clock_wall_ms();
	tap_ok(runlock_read(fd, &back) == RUNLOCK_EMPTY, "an empty lock file is empty");
	tap_ok(runlock_write(fd, &lock) == 0 && runlock_read(fd, &back) == RUNLOCK_GOOD, "a lock's text is read back");
	tap_ok(back.owner.pid == lock.owner.pid && back.owner.start_time == lock.owner.start_time &&
		strcmp(back.owner.boot_id, lock.owner.boot_id) == 0 && strcmp(back.owner.host, lock.owner.host) == 0 &&
		back.attempt == 3 && back.deadline_boot_ms == lock.deadline_boot_ms &&
		back.started_ms == lock.started_ms && back.worker.pid == 0,
	    "with every value");
	tap_ok(runlock_late_ms(&back) < 0, "its deadline is still to come");
	strcpy(back.owner.boot_id, "00000000-0000-0000-0000-000000000000");
	back.deadline_boot_ms = 0;
	tap_ok(runlock_late_ms(&back) < 0, "deadlines of another boot go by the wall clock");
	if (pread(fd, text, RUNLOCK_SIZE, 0) != RUNLOCK_SIZE)
		bad++;
	/* Any cut and any wrong byte of a value: garbage or another value, never a crash; a cut is never good. */
	for (i = 1; i < RUNLOCK_SIZE; i++)
		bad += runlock_parse(text, (size_t)i, &back) != RUNLOCK_GARBAGE;
	for (i = 0; i < RUNLOCK_SIZE; i++) {
		char was = text[i];

		text[i] = '\0';
		bad += runlock_parse(text, RUNLOCK_SIZE, &back) != RUNLOCK_GARBAGE;
		text[i] = was;
	}
	tap_ok(bad == 0, "a cut text, and one with a zero byte, is garbage");
	tap_ok(runlock_clear(fd) == 0 && runlock_read(fd, &back) == RUNLOCK_EMPTY, "a cleared lock is empty");
	close(fd);
	unlink(name);
}

static void
test_refusals(void)
{
	const json_t *kinds = contract_at("refusal", "kind");
	int k, bad = 0;

	for (k = REFUSAL_NONE + 1; k < REFUSAL_COUNT; k++) {
		bad += refusal_by_name(refusal_name((enum refusal_kind)k)) != (enum refusal_kind)k;
		bad += *refusal_meaning((enum refusal_kind)k) == '\0' ||
		    strstr(refusal_template((enum refusal_kind)k), "RUN") == NULL;
		bad += (refusal_exit((enum refusal_kind)k) == HG_EXIT_RETRY) != refusal_retryable((enum refusal_kind)k);
	}
	tap_ok(bad == 0, "every kind has a name, a meaning, a next command and an exit code");
	tap_ok(json_array_size(json_object_get(kinds, "enum")) == REFUSAL_COUNT - 1,
	    "the contract has as many kinds as the list");
	for (k = 0; k < (int)json_array_size(json_object_get(kinds, "enum")); k++)
		bad += refusal_by_name(json_string_value(json_array_get(json_object_get(kinds, "enum"), (size_t)k))) !=
		    (enum refusal_kind)(k + 1);
	tap_ok(bad == 0, "and the same, in their order");
	tap_ok(refusal_by_name("none") == REFUSAL_NONE && refusal_by_name("") == REFUSAL_NONE,
	    "no other word is a kind");
	tap_ok(refusal_of_errno(ENOMEM) == REFUSAL_OUT_OF_MEMORY && refusal_of_errno(ENOSPC) == REFUSAL_DISK_FULL &&
		refusal_of_errno(EDQUOT) == REFUSAL_DISK_FULL && refusal_of_errno(EIO) == REFUSAL_IO_ERROR &&
		refusal_of_errno(EAGAIN) == REFUSAL_PROCESS_LIMIT && refusal_of_errno(EDOM) == REFUSAL_LOSS_DIVERGED,
	    "errno tells memory, disk, processes, numbers and the rest apart");
}

static void
test_endings(void)
{
	/* Wait statuses as Linux codes them: exit code << 8, or the signal. */
	tap_ok(stage_ending(STAGE_ASKED_NOTHING, 3 << 8, 0) == REFUSAL_WORKER_EXITED, "an exit is worker_exited");
	tap_ok(stage_ending(STAGE_ASKED_NOTHING, SIGSEGV, 0) == REFUSAL_WORKER_SIGNALLED,
	    "a signal is worker_signalled");
	tap_ok(stage_ending(STAGE_ASKED_NOTHING, SIGKILL, 0) == REFUSAL_WORKER_SIGNALLED, "so is SIGKILL");
	tap_ok(stage_ending(STAGE_ASKED_NOTHING, SIGKILL, 1) == REFUSAL_OUT_OF_MEMORY,
	    "SIGKILL while the kernel killed for memory is out_of_memory");
	tap_ok(stage_ending(STAGE_ASKED_NOTHING, SIGSEGV, 1) == REFUSAL_WORKER_SIGNALLED, "another signal then is not");
	tap_ok(stage_ending(STAGE_ASKED_DEADLINE, SIGKILL, 1) == REFUSAL_DEADLINE_EXCEEDED,
	    "what we ask for comes first");
	tap_ok(stage_ending(STAGE_ASKED_CANCEL, 1 << 8, 0) == REFUSAL_CANCELLED, "cancelling too");
	tap_ok(stage_ending(STAGE_ASKED_STALL, SIGKILL, 0) == REFUSAL_STALLED, "and a worker that stood still");
}

static void
test_stall(void)
{
	struct stage_stall s = { 0 };

	tap_ok(stage_still(&s, 7, 1000, 5000) == 0 && stage_still(&s, 7, 1400, 5000) == 400,
	    "time without progress counts from the first look on");
	tap_ok(stage_still(&s, 8, 1500, 5000) == 0 && stage_still(&s, 8, 3500, 5000) == 2000,
	    "and anew from each progress");
	tap_ok(stage_still(&s, 8, 3600 * 1000, 5000) == 7000, "an hour that nobody looked at counts for one look");
}

static void
test_rundir(void)
{
	char top[] = "/tmp/run-unit.XXXXXX", path[256];
	struct rundir r;
	int null;

	/* What is refused is said; this test keeps it from the eye. */
	null = open("/dev/null", O_WRONLY);
	dup2(null, STDERR_FILENO);
	if (mkdtemp(top) == NULL)
		return;
	snprintf(path, sizeof(path), "%s/a run's", top);
	tap_ok(rundir_open(&r, path) == -1 && errno == EINVAL, "a name with a blank is no run");
	tap_ok(rundir_open(&r, "..") == -1 && errno == EINVAL, "'..' is no run");
	tap_ok(rundir_open(&r, "runs/.hidden") == -1 && errno == EINVAL, "a name with a dot first is no run");
	tap_ok(rundir_open(&r, "") == -1 && errno == ENOENT, "nor is nothing");
	snprintf(path, sizeof(path), "%s/ok", top);
	mkdir(path, 0777);
	snprintf(path, sizeof(path), "%s/link", top);
	tap_ok(symlink("ok", path) == 0 && rundir_open(&r, path) == -1, "a symbolic link is not followed");
	strcat(path, "/");
	tap_ok(rundir_open(&r, path) == -1, "not even with a slash");
	unlink(path);
	snprintf(path, sizeof(path), "%s/ok///", top);
	tap_ok(rundir_open(&r, path) == 0 && strcmp(r.id, "ok") == 0, "slashes at the end are ignored");
	tap_ok(rundir_load(&r) == -1 && errno == ENOENT, "a directory without a spec is no run");
	tap_ok(rundir_attempt(&r, STAGE_TRAIN) == 1, "the first attempt is 1");
	snprintf(path, sizeof(path), "%s/ok/attempts", top);
	mkdir(path, 0777);
	strcat(path, "/train.12");
	mkdir(path, 0777);
	tap_ok(rundir_attempt(&r, STAGE_TRAIN) == 13 && rundir_attempt(&r, STAGE_EXPORT) == 1, "then it is one more");
	rmdir(path);
	snprintf(path, sizeof(path), "%s/ok/attempts", top);
	rmdir(path);
	rundir_close(&r);
	snprintf(path, sizeof(path), "%s/ok", top);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/link", top);
	unlink(path);
	rmdir(top);
}

/* All cells, for the comparison with the manual page. */
static void
print_table(void)
{
	static const char *const texts[] = { "empty", "good", "garbage" };
	struct state_facts f;
	int cell;

	for (cell = 0; cell < 2 * 2 * 2 * 3 * 2; cell++) {
		f.receipt = cell & 1;
		f.refusal = cell >> 1 & 1;
		f.held = cell >> 2 & 1;
		f.late = cell >> 3 & 1;
		f.text = (enum runlock_text)(cell / 16);
		printf("%s %s %s %s %s %s\n", f.receipt ? "yes" : "no", f.refusal ? "yes" : "no",
		    f.held ? "held" : "free", texts[f.text], f.late ? "past" : "before", state_name(state_of(&f)));
	}
}

int
main(int argc, char **argv)
{
	exit_init("unit/run");
	if (argc == 2 && strcmp(argv[1], "table") == 0) {
		print_table();
		return (exit_flush(HG_EXIT_DONE));
	}
	test_states();
	test_next();
	test_lock_text();
	test_refusals();
	test_endings();
	test_stall();
	test_rundir();
	return (tap_done());
}
