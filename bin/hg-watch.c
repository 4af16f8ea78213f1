#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exit.h"
#include "base/jsonio.h"
#include "base/num.h"
#include "base/opt.h"
#include "base/out.h"
#include "base/proc.h"
#include "base/say.h"
#include "base/str.h"
#include "base/term.h"
#include "base/utf8.h"
#include "ledger/ledger.h"
#include "report/panel.h"
#include "report/target.h"
#include "report/watched.h"
#include "run/active.h"
#include "stage/lane.h"

/*
 * No mode of the terminal is set, and the cursor stays below the panel: there is nothing to put back, however the
 * watcher ends.
 */

/* How often is looked when nothing is heard, and at most. */
#define LOOK_MS 1000
#define SOONEST_MS 400

/* A run between two stages stays the one that is watched for so long, though another is complete. */
#define BETWEEN_MS 10000

/* What somebody may be about to mend (a directory that is swapped, a stage that is closed out) must last so long. */
#define SURE_MS 3000

#define MOST_WAIT_MS ((int64_t)366 * 24 * 3600 * 1000)

static const struct opt_tool tool = { "hg-watch", "Watch a run, or whichever run of a directory is active.",
	"hg-watch [-1 | -j] [-l LEDGER] [-t SECONDS] RUN|DIR" };
static struct opt table[] = {
	{ .letter = '1', .help = "look once" },
	{ .letter = 'j', .help = "one JSON object a line whenever something changes, for programs" },
	{ .letter = 'l', .arg = "LEDGER", .help = "compare with the incumbent of this ledger" },
	{ .letter = 't', .arg = "SECONDS", .help = "end after this time" },
	{ .letter = '\0' },
};

static volatile sig_atomic_t resized;

static void
on_resize(int sig)
{
	(void)sig;
	resized = 1;
}

struct watch {
	const char *operand, *ledger;
	int once, json, drawn;
	struct active active;
	char *run; /* that is watched, of a directory of runs; NULL: none */
	int64_t listed_ms, between_ms;
	int64_t until_ms; /* its lane is free at the latest */
	int directory;    /* the operand was one of runs when it was looked at last */
	int watch;        /* descriptor of file events, or -1 */
	char *heard;      /* the run that they are of */
	struct watched w;
	struct target target;
	/* What was shown last. */
	struct str shown;
	unsigned lines;
	int64_t word_ms; /* since when the word is what it is */
	char word[32];
	int quiet, kept_stderr;
};

/*
 * While a look goes on nothing is said: the panel has it, and once a second is too often for stderr.  A descriptor that
 * is only open for reading takes nothing.
 */
static void
hush(struct watch *x, int on)
{
	int fd;

	if (!x->quiet)
		return;
	if (!on) {
		if (x->kept_stderr != -1)
			(void)dup2(x->kept_stderr, STDERR_FILENO);
		return;
	}
	if (x->kept_stderr == -1 && (x->kept_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) == -1)
		return;
	if ((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) == -1)
		return;
	(void)dup2(fd, STDERR_FILENO);
	close(fd);
}

/* --- which run --------------------------------------------------------------- */

/* Is the operand a directory that is no run? 1 or 0; -1 with errno if it is not there. */
static int
is_directory_of_runs(const char *path)
{
	struct stat st;
	int fd, run;

	if ((fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (-1);
	run = fstatat(fd, RUNDIR_SPEC, &st, AT_SYMLINK_NOFOLLOW) == 0;
	close(fd);
	return (!run);
}

/* Is what is watched between two of its stages, so that it may go on at once? */
static int
is_between(struct watch *x, int64_t now)
{
	if (x->run == NULL || x->w.word == NULL || strcmp(x->w.word, "waiting") != 0) {
		x->between_ms = 0;
		return (0);
	}
	if (x->between_ms == 0)
		x->between_ms = now;
	return (now - x->between_ms < BETWEEN_MS);
}

/* Choose the run of a directory. 0, or -1 with errno, said. */
static int
choose(struct watch *x)
{
	const int64_t now = clock_mono_ms();
	const int between = is_between(x, now);
	const struct active_run *first;
	char *run;

	if (x->listed_ms != 0 && now - x->listed_ms < LOOK_MS)
		return (0);
	x->listed_ms = now;
	if (x->active.place_count == 0 && active_add(&x->active, x->operand) == -1)
		return (-1);
	if (active_look(&x->active) == -1)
		return (-1);
	first = active_first(&x->active);
	if (between && access(x->run, F_OK) == 0 && (first == NULL || first->state != STATE_RUN_RUNNING))
		return (0);
	if (first == NULL) {
		free(x->run);
		x->run = NULL;
	} else if (x->run == NULL || strcmp(x->run, first->path) != 0) {
		if ((run = strdup(first->path)) == NULL)
			return (-1);
		free(x->run);
		x->run = run;
	}
	return (0);
}

/* --- a look ------------------------------------------------------------------ */

/* Hear of what happens in the run's directory, and in that of the runs. */
static void
listen(struct watch *x)
{
	struct stat st;
	int fd;

	if (x->heard != NULL && x->w.path != NULL && strcmp(x->heard, x->w.path) == 0 && !x->w.replaced)
		return;
	if (x->watch != -1)
		close(x->watch);
	free(x->heard);
	x->heard = x->w.path == NULL ? NULL : strdup(x->w.path);
	if ((x->watch = proc_watch()) == -1)
		return;
	if (x->w.is_open && fstat(x->w.r.fd, &st) == 0)
		(void)proc_watch_add(x->watch, x->w.r.fd);
	if (x->directory && (fd = open(x->operand, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) != -1) {
		(void)proc_watch_add(x->watch, fd);
		close(fd);
	}
}

/* Who has the lane that the run waits for. */
static void
look_at_lane(struct watch *x)
{
	struct watched *w = &x->w;
	struct lane_holder holder;
	int64_t since, until;

	if (watched_spec(w) == NULL || jsonio_get(watched_stage(w, w->stage), "lane") == NULL ||
	    lane_look(jsonio_text(watched_spec(w), "system.lane", ""), &holder, &since) != 1)
		return;
	strcpy(w->lane_holder, holder.text);
	w->lane_since_ms = since;
	/* Two clocks, read one after the other, are no news. */
	until = holder.over_boot_ms > 0 ? clock_wall_ms() - clock_boot_ms() + holder.over_boot_ms : 0;
	if (until < x->until_ms - LOOK_MS || until > x->until_ms + LOOK_MS)
		x->until_ms = until;
	w->lane_until_ms = x->until_ms;
}

/* 0, or the exit code of what ends the watching at once, said. */
static int
look(struct watch *x)
{
	const char *path = x->operand;
	int rc, error;

	hush(x, 1);
	if ((rc = is_directory_of_runs(x->operand)) == 1 || (rc == -1 && x->directory)) {
		x->directory = 1;
		if ((rc = choose(x)) == -1 && errno != ENOENT && errno != ENOTDIR) {
			error = errno;
			hush(x, 0);
			say_error("%s", say_last());
			return (rundir_exit(error));
		}
		if (rc == -1) {
			free(x->run);
			x->run = NULL;
		} else
			path = x->run;
	}
	watched_look(&x->w, path);
	look_at_lane(x);
	if (x->ledger != NULL && watched_spec(&x->w) != NULL) {
		(void)target_look(&x->target, x->ledger, &x->w.r);
		x->w.target = &x->target;
	}
	hush(x, 0);
	listen(x);
	/* Of the look before, whose state is gone. */
	if (strcmp(x->word, x->w.word) != 0) {
		snprintf(x->word, sizeof(x->word), "%s", x->w.word);
		x->word_ms = clock_mono_ms();
	}
	return (0);
}

/* --- what is shown ------------------------------------------------------------- */

static struct panel_size
size_of_terminal(void)
{
	struct panel_size size = { .columns = term_columns(STDOUT_FILENO), .utf8 = term_utf8() };
	struct winsize ws;

	if (size.columns == 0)
		size.columns = 80;
	if (size.columns > PANEL_COLUMNS_MOST)
		size.columns = PANEL_COLUMNS_MOST;
	size.rows = ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_row > 1 ? ws.ws_row : 24;
	return (size);
}

/* The lines of a text, so many at most; how many. */
static unsigned
put_lines(const struct str *text, const struct panel_size *size, unsigned most)
{
	const char *p, *end;
	unsigned n = 0;

	for (p = text->p; n < most && (end = strchr(p, '\n')) != NULL; p = end + 1, n++)
		out_put(size->rows != 0 ? "%.*s\033[K\n" : "%.*s\n", (int)utf8_count(p, (size_t)(end - p)), p);
	return (n);
}

/* A frame over the one before. */
static int
redraw(struct watch *x)
{
	struct panel_size size = size_of_terminal();
	struct str text = STR_INIT;
	int anew = resized;

	resized = 0;
	if (panel_draw(&text, &x->w, x->operand, &size) == -1) {
		str_free(&text);
		say_errno("cannot draw");
		return (HG_EXIT_SYSTEM);
	}
	if (!anew && x->shown.n == text.n && memcmp(x->shown.p, text.p, text.n) == 0) {
		str_free(&text);
		return (HG_EXIT_DONE);
	}
	/* After a change of size nobody knows where the last frame's lines are. */
	if (anew)
		out_put("\033[H\033[2J");
	else if (x->lines != 0)
		out_put("\033[%uA\r", x->lines);
	str_free(&x->shown);
	x->shown = text;
	x->lines = put_lines(&x->shown, &size, size.rows - 1);
	out_put("\033[J");
	return (exit_flush(HG_EXIT_DONE));
}

/* The same panel where it is looked at once. */
static int
draw_once(struct watch *x)
{
	struct panel_size size = size_of_terminal();
	struct str text = STR_INIT;
	int rc;

	size.rows = 0;
	if ((rc = panel_draw(&text, &x->w, x->operand, &size)) == -1)
		say_errno("cannot draw");
	else
		put_lines(&text, &size, UINT_MAX);
	str_free(&text);
	return (exit_flush(rc == -1 ? HG_EXIT_SYSTEM : HG_EXIT_DONE));
}

/* A line, if there is something new to tell. */
static int
tell(struct watch *x)
{
	struct str key = STR_INIT, line = STR_INIT;
	int rc;

	if ((rc = panel_key(&key, &x->w)) == 0 && (x->shown.n != key.n || memcmp(x->shown.p, key.p, key.n) != 0)) {
		if (x->w.replaced)
			out_put("another run is '%s' now\n", x->w.path);
		if ((rc = panel_line(&line, &x->w, x->operand)) == 0)
			out_put("%s\n", line.p);
		str_free(&x->shown);
		x->shown = key;
		key = (struct str)STR_INIT;
	}
	str_free(&line);
	str_free(&key);
	if (rc == -1)
		say_errno("cannot tell of '%s'", x->operand);
	return (exit_flush(rc == -1 ? HG_EXIT_SYSTEM : HG_EXIT_DONE));
}

static int
tell_json(struct watch *x)
{
	json_t *v = watched_json(&x->w, x->operand), *at;
	char *text = NULL, *key = NULL;
	int code = HG_EXIT_SYSTEM;

	if (v != NULL && (text = jsonio_line(v)) != NULL) {
		/* The time alone is no change. */
		at = json_object_get(v, "at");
		json_string_set(at, "");
		json_object_del(v, "left_ms");
		key = jsonio_line(v);
	}
	if (key != NULL) {
		code = HG_EXIT_DONE;
		if (x->shown.p == NULL || strcmp(x->shown.p, key) != 0) {
			out_json(text, strlen(text));
			x->shown.n = 0;
			if (str_puts(&x->shown, key) == -1)
				code = HG_EXIT_SYSTEM;
		}
	}
	if (code != HG_EXIT_DONE)
		say_error("out of memory");
	free(text);
	free(key);
	json_decref(v);
	return (exit_flush(code));
}

/* --- on and on ------------------------------------------------------------------- */

/* Is it over? */
static int
is_over(const struct watch *x)
{
	const char *word = x->w.word;
	const int64_t lasted = clock_mono_ms() - x->word_ms;

	if (x->once)
		return (1);
	/* Of a directory of runs only its own end is one. */
	if (x->directory && (x->run != NULL || strcmp(word, "removed") != 0))
		return (0);
	if (strcmp(word, "complete") == 0 || strcmp(word, "refused") == 0)
		return (1);
	return ((strcmp(word, "removed") == 0 || strcmp(word, "corrupt") == 0 || strcmp(word, "dead") == 0) &&
	    lasted >= SURE_MS);
}

static void
rest(struct watch *x, int64_t looked, int64_t end)
{
	struct pollfd p = { .fd = x->watch, .events = POLLIN };
	int64_t now = clock_mono_ms(), until = looked + LOOK_MS;

	if (end < until)
		until = end;
	if (now < until && poll(&p, 1, (int)(until - now)) == 1) {
		now = clock_mono_ms();
		if (now < looked + SOONEST_MS)
			poll(NULL, 0, (int)(looked + SOONEST_MS - now));
		(void)proc_watch_drain(x->watch);
	}
}

static int
watch(struct watch *x, int64_t wait_ms)
{
	const int64_t end = clock_mono_ms() + wait_ms;
	int64_t looked;
	int code;

	for (;;) {
		looked = clock_mono_ms();
		if ((code = look(x)) != HG_EXIT_DONE)
			return (code);
		code = x->json ? tell_json(x) : x->drawn ? redraw(x) : x->once ? draw_once(x) : tell(x);
		/* A reader that has read enough wants no more. */
		if (code != HG_EXIT_DONE || ferror(stdout))
			return (code);
		if (is_over(x) || looked >= end)
			return (x->w.code);
		rest(x, looked, end);
	}
}

int
main(int argc, char **argv)
{
	struct watch x = { .watch = -1, .kept_stderr = -1 };
	struct sigaction sa = { .sa_handler = on_resize };
	int64_t wait_ms = MOST_WAIT_MS;
	struct ledger l;
	int i, code;

	exit_init(tool.name);
	if ((i = opt_parse(&tool, table, argc, argv)) < 0)
		return (i == OPT_EXIT ? exit_flush(HG_EXIT_DONE) : HG_EXIT_USAGE);
	x.once = opt_row(table, '1')->value != NULL;
	x.json = opt_row(table, 'j')->value != NULL;
	x.ledger = opt_row(table, 'l')->value;
	if (argc - i != 1 || (x.once && x.json))
		return (opt_usage(&tool));
	x.operand = argv[i];
	if (opt_row(table, 't')->value != NULL &&
	    num_duration_ms(opt_row(table, 't')->value, MOST_WAIT_MS, &wait_ms) == -1) {
		say_error("-t: '%s' is no number of seconds up to a year", opt_row(table, 't')->value);
		return (HG_EXIT_USAGE);
	}
	if (rundir_can_tell(x.operand) == -1)
		return (HG_EXIT_USAGE);
	if (is_directory_of_runs(x.operand) == -1) {
		say_errno("cannot open '%s'", x.operand);
		return (rundir_exit(errno));
	}
	if (x.ledger != NULL) {
		if (ledger_open(&l, x.ledger, LEDGER_READ) == -1)
			return (ledger_exit(errno));
		ledger_close(&l);
	}
	x.drawn = !x.once && !x.json && isatty(STDOUT_FILENO);
	x.quiet = !x.once;
	if (x.drawn) {
		sigaction(SIGWINCH, &sa, NULL);
		/* Whoever comes back to it from the shell finds other lines above it. */
		sigaction(SIGCONT, &sa, NULL);
	}
	code = watch(&x, wait_ms);
	if (x.watch != -1)
		close(x.watch);
	free(x.heard);
	free(x.run);
	active_free(&x.active);
	watched_free(&x.w);
	target_free(&x.target);
	str_free(&x.shown);
	return (exit_flush(code));
}
