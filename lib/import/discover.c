#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/utf8.h"
#include "base/shell.h"
#include "import/discover.h"
#include "import/grid.h"
#include "import/steplog.h"
#include "base/say.h"
#include "base/str.h"
#include "import/submission.h"

/* The logs below a submission's folder. */
struct shelf {
	struct logtext_file *logs;
	size_t count, bytes;
};

struct walk {
	struct discover *h;
	const char *root;
	size_t claims;
	int empty, asked;   /* a table without lines, one without a metric */
	struct grid *steps; /* logs of speed runs */
};

enum kind { NOTHING, SUBMISSION, LOG, TABLE };

static int
ends(const char *name, const char *with)
{
	size_t n = strlen(name), k = strlen(with);

	return (n >= k && strcasecmp(name + n - k, with) == 0);
}

/* Arrays of runs stand in files that are called so. */
static int
begins_as_runs(const char *name)
{
	static const char *const words[] = { "results", "experiments", "leaderboard", "runs", "history", "trials",
		NULL };
	size_t i;

	for (i = 0; words[i] != NULL && strncasecmp(name, words[i], strlen(words[i])) != 0; i++)
		;
	return (words[i] != NULL);
}

/* Hidden folders that loops keep their log in. */
static int
is_hidden_home(const char *name)
{
	static const char *const homes[] = { ".auto", ".autoresearch", ".research", ".experiments", ".pi", NULL };
	size_t i;

	for (i = 0; homes[i] != NULL && strcmp(homes[i], name) != 0; i++)
		;
	return (homes[i] != NULL);
}

static enum kind
kind_of(const char *name)
{
	if (ends(name, ".json"))
		return (strncasecmp(name, "submission", 10) == 0 ? SUBMISSION : begins_as_runs(name) ? TABLE : NOTHING);
	if (ends(name, ".log") || ends(name, ".txt"))
		return (LOG);
	if (ends(name, ".tsv") || ends(name, ".csv") || ends(name, ".jsonl") || ends(name, ".ndjson") ||
	    (ends(name, ".md") && strncasecmp(name, "results", 7) == 0))
		return (TABLE);
	return (NOTHING);
}

/* A name as text: what is no UTF-8 in it, or no letter, is shown. NULL with errno ENOMEM. */
static char *
legible(const char *prefix, const char *name)
{
	struct str s = STR_INIT;
	size_t n = strlen(name), i, k;

	if (str_puts(&s, prefix) == -1 || (prefix[0] != '\0' && str_puts(&s, "/") == -1))
		goto err0;
	for (i = 0; i < n; i += k) {
		k = (unsigned char)name[i] < 0x20 || name[i] == 0x7f ? 0 : utf8_read(name + i, n - i, NULL);
		if (k == 0 ? str_printf(&s, "\\x%02x", (unsigned char)name[i]) == -1 : str_add(&s, name + i, k) == -1)
			goto err0;
		if (k == 0)
			k = 1;
	}
	return (s.p);
err0:
	str_free(&s);
	return (NULL);
}

static int
hand_over(struct walk *w, struct claim *const *claims, size_t n)
{
	w->claims += n;
	return (n == 0 ? 0 : w->h->each(w->h->arg, claims, n));
}

static int
one(struct walk *w, struct claim *c)
{
	int rc;

	if (c == NULL) {
		say_errno("cannot read '%s'", w->root);
		return (-1);
	}
	rc = hand_over(w, &c, 1);
	claim_free(c);
	return (rc);
}

/* Read a file; 1 if it can't be read, said; -1 with errno, said. */
static int
read_one(struct walk *w, struct textfile *t, int dir, const char *name, const char *label, size_t max)
{
	w->h->files++;
	say_progress("%zu files", w->h->files);
	if (textfile_read(t, dir, name, max) == -1) {
		say_errno("cannot read '%s'", label);
		return (-1);
	}
	if ((t->flags & (DEFECT_BIT(DEFECT_UNREADABLE) | DEFECT_BIT(DEFECT_HUGE))) == 0)
		return (0);
	w->h->unreadable++;
	if ((t->flags & DEFECT_BIT(DEFECT_HUGE)) != 0)
		say_note("'%s' is larger than %zu bytes, and was left out", label, max);
	else
		say_note("'%s' was left out: %s", label,
		    t->error == EMEDIUMTYPE || t->error == EISDIR ? "no regular file" : strerror(t->error));
	return (1);
}

/* What a table's author decided by, what was left out of it, or what is missing before it can be taken. */
static void
say_table(struct walk *w, const struct table *s, const char *label, int named)
{
	if (s->said.p != NULL)
		say_note("'%s': %s", label, s->said.p);
	if (s->workspace)
		say_note("'%s': the line of the workspace is no run of its own, and was left out", label);
	if (s->empty && s->count == 0) {
		if (named)
			say_note("'%s' is a table without lines yet", label);
		w->empty = 1;
	}
	if (s->asked.p == NULL)
		return;
	w->asked = 1;
	if (named)
		say_error("'%s' was not taken: %s", label, s->asked.p);
	else
		say_note("'%s' was passed by: %s", label, s->asked.p);
	if (w->h->ledger == NULL)
		return;
	if (s->column.p != NULL && s->higher != -1 && named)
		shell_next(s->higher ? "hg-ledger import -M %s %s %s" : "hg-ledger import -m %s %s %s", s->column.p,
		    w->h->ledger, w->root);
	else if (named)
		shell_next("hg-ledger import -m NAME %s %s", w->h->ledger, w->root);
}

static int
take_table(struct walk *w, int dir, const char *name, const char *label, int loose)
{
	struct textfile t;
	struct table s;
	int rc;

	if ((rc = read_one(w, &t, dir, name, label, DISCOVER_TABLE_BYTES)) != 0)
		return (rc == -1 ? -1 : 0);
	if ((rc = table_read(&s, label, &t, &w->h->want, loose)) == -1)
		say_errno("cannot read '%s'", label);
	else {
		say_table(w, &s, label, loose);
		rc = hand_over(w, s.claims, s.count);
	}
	table_free(&s);
	textfile_free(&t);
	return (rc);
}

static int
take_log(struct walk *w, int dir, const char *name, const char *label, const char *folder, int loose)
{
	struct textfile t;
	int rc, is;

	if ((rc = read_one(w, &t, dir, name, label, DISCOVER_LOG_BYTES)) != 0)
		return (rc == -1 ? -1 : 0);
	if ((is = steplog_take(w->steps, label, &t)) == 1)
		rc = 0;
	else if (is == -1 || (is = submission_is_log(&t)) == -1) {
		say_errno("cannot read '%s'", label);
		rc = -1;
	} else if (is || loose)
		rc = one(w, submission_log_claim(label, folder, &t));
	textfile_free(&t);
	return (rc);
}

static void
clear(struct shelf *s)
{
	size_t i;

	for (i = 0; i < s->count; i++) {
		textfile_free(&s->logs[i].file);
		free((char *)(uintptr_t)s->logs[i].name);
	}
	free(s->logs);
	memset(s, 0, sizeof(*s));
}

/* A log for the submission above it; too much of them is as good as unread. */
static int
shelve(struct walk *w, struct shelf *s, int dir, const char *name, const char *label)
{
	struct logtext_file *grown;
	struct textfile t;
	char *copy;

	w->h->files++;
	say_progress("%zu files", w->h->files);
	if (textfile_read(&t, dir, name, s->bytes > DISCOVER_LOGS_BYTES ? 0 : DISCOVER_LOG_BYTES) == -1)
		goto err1;
	s->bytes += t.n;
	if ((grown = array_few(s->logs, s->count, sizeof(*grown))) == NULL)
		goto err0;
	s->logs = grown;
	if ((copy = strdup(label)) == NULL)
		goto err0;
	s->logs[s->count].name = copy;
	s->logs[s->count++].file = t;
	return (0);
err0:
	textfile_free(&t);
err1:
	say_errno("cannot read '%s'", label);
	return (-1);
}

static int
take_submission(struct walk *w, int dir, const char *name, const char *label, const char *folder, const struct shelf *s)
{
	struct textfile t;
	int rc;

	if ((rc = read_one(w, &t, dir, name, label, DISCOVER_JSON_BYTES)) != 0)
		return (rc == -1 ? -1 : 0);
	rc = one(w, submission_claim(label, folder, &t, s == NULL ? NULL : s->logs, s == NULL ? 0 : s->count));
	textfile_free(&t);
	return (rc);
}

/* --- folders --------------------------------------------------------------- */

struct names {
	char **name;
	size_t count;
};

static int
by_name(const void *a, const void *b)
{
	return (strcmp(*(char *const *)a, *(char *const *)b));
}

static void
free_names(struct names *n)
{
	size_t i;

	for (i = 0; i < n->count; i++)
		free(n->name[i]);
	free(n->name);
}

static int
list(int dir, struct names *n)
{
	struct dirent *e;
	char **grown;
	DIR *d;
	int fd, error;

	memset(n, 0, sizeof(*n));
	if ((fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (-1);
	if ((d = fdopendir(fd)) == NULL) {
		close(fd);
		return (-1);
	}
	while (errno = 0, (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' && !is_hidden_home(e->d_name))
			continue;
		if ((grown = array_few(n->name, n->count, sizeof(*grown))) == NULL)
			goto err0;
		n->name = grown;
		if ((n->name[n->count] = strdup(e->d_name)) == NULL)
			goto err0;
		n->count++;
	}
	if (errno != 0)
		goto err0;
	closedir(d);
	if (n->count > 1)
		qsort(n->name, n->count, sizeof(*n->name), by_name);
	return (0);
err0:
	error = errno == 0 ? ENOMEM : errno;
	closedir(d);
	free_names(n);
	errno = error;
	return (-1);
}

static int folder(struct walk *w, int parent, const char *name, const char *label, const char *called, int depth,
    struct shelf *above);

/* One name of a folder. */
static int
take(struct walk *w, int dir, const char *name, const char *label, const char *called, int depth, struct shelf *above,
    int pass, size_t submissions)
{
	enum kind kind = kind_of(name);
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1) {
		if (textfile_at_fault(errno))
			return (0);
		say_errno("cannot look at '%s'", label);
		return (-1);
	}
	if (S_ISLNK(st.st_mode))
		return (0);
	if (S_ISDIR(st.st_mode))
		return (pass == 0 ? folder(w, dir, name, label, name, depth + 1, above) : 0);
	switch (kind) {
	case SUBMISSION:
		return (pass == 1 ? take_submission(w, dir, name, label, called, submissions == 1 ? above : NULL) : 0);
	case LOG:
		if (pass != 0)
			return (0);
		return (above != NULL ? shelve(w, above, dir, name, label) : take_log(w, dir, name, label, called, 0));
	case TABLE:
		return (pass == 1 ? take_table(w, dir, name, label, 0) : 0);
	case NOTHING:
		break;
	}
	return (0);
}

/* Logs beside several submissions are nobody's: each is a claim of its own, and says so. */
static int
unassigned(struct walk *w, const struct shelf *s, const char *called)
{
	struct claim *c;
	size_t i;
	int is;

	for (i = 0; i < s->count; i++) {
		if ((is = submission_is_log(&s->logs[i].file)) == 0)
			continue;
		if (is == -1 || (c = submission_log_claim(s->logs[i].name, called, &s->logs[i].file)) == NULL) {
			say_errno("cannot read '%s'", s->logs[i].name);
			return (-1);
		}
		claim_note(c, DEFECT_LOGS_UNASSIGNED, s->logs[i].name, 0, "several submissions stand beside it");
		if (one(w, c) == -1)
			return (-1);
	}
	return (0);
}

/* First all logs, here and below, then the submissions that they belong to. */
static int
folder(struct walk *w, int parent, const char *name, const char *label, const char *called, int depth,
    struct shelf *above)
{
	struct shelf own = { NULL, 0, 0 };
	struct names names;
	size_t i, submissions = 0;
	char *path;
	int dir, error, pass, rc = 0;

	if (depth > DISCOVER_DEPTH) {
		say_note("'%s' is deeper than %d folders, and was left out", label, DISCOVER_DEPTH);
		return (0);
	}
	if ((dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (depth > 0 ? O_NOFOLLOW : 0))) == -1 ||
	    list(dir, &names) == -1) {
		error = errno;
		if (dir != -1)
			close(dir);
		if (!textfile_at_fault(error) || depth == 0) {
			errno = error;
			say_errno("cannot read '%s'", depth == 0 ? w->root : label);
			return (-1);
		}
		say_note("'%s' was left out: %s", label, strerror(error));
		w->h->unreadable++;
		return (0);
	}
	for (i = 0; i < names.count; i++)
		submissions += kind_of(names.name[i]) == SUBMISSION;
	if (submissions > 0)
		above = &own;
	for (pass = 0; pass < 2 && rc == 0; pass++) {
		for (i = 0; i < names.count && rc == 0; i++) {
			if ((path = legible(label, names.name[i])) == NULL) {
				say_errno("cannot read '%s'", w->root);
				rc = -1;
				break;
			}
			rc = take(w, dir, names.name[i], path, called, depth, above, pass, submissions);
			free(path);
		}
	}
	if (rc == 0 && submissions > 1)
		rc = unassigned(w, &own, called);
	clear(&own);
	free_names(&names);
	close(dir);
	return (rc);
}

/* The folder that a path lies in, or that it is, by its name. */
static char *
called(const char *path, int is_folder)
{
	char real[PATH_MAX], *end;

	if (realpath(path, real) == NULL)
		return (textfile_at_fault(errno) ? strdup("") : NULL);
	if (!is_folder && (end = strrchr(real, '/')) != NULL)
		*end = '\0';
	end = strrchr(real, '/');
	return (legible("", end == NULL ? real : end + 1));
}

/* Is a file that was named one of JSON objects, one a line or in an array? */
static int
is_rows(const char *path)
{
	struct textfile t;
	int is;

	if (textfile_read(&t, AT_FDCWD, path, DISCOVER_TABLE_BYTES) == -1)
		return (0);
	is = grid_is_json(&t, 2);
	textfile_free(&t);
	return (is);
}

/* Logs of speed runs are one table, in which each is a line. */
static int
take_steps(struct walk *w, const char *label)
{
	struct table s;
	int rc;

	if (w->steps->count == 0)
		return (0);
	if ((rc = table_grid(&s, label, w->steps, &w->h->want)) == -1)
		say_errno("cannot read '%s'", label);
	else {
		say_table(w, &s, label, 1);
		rc = hand_over(w, s.claims, s.count);
	}
	table_free(&s);
	return (rc);
}

int
discover_source(struct discover *h, const char *path)
{
	struct walk w = { .h = h, .root = path };
	struct stat st;
	const char *base;
	char *label = NULL, *name = NULL;
	size_t before = h->unreadable;
	int rc = -1;

	if (stat(path, &st) == -1) {
		say_errno("cannot read '%s'", path);
		return (textfile_at_fault(errno) ? 1 : -1);
	}
	base = strrchr(path, '/');
	base = base == NULL ? path : base + 1;
	if ((name = called(path, S_ISDIR(st.st_mode))) == NULL || (label = legible("", base)) == NULL) {
		say_errno("cannot read '%s'", path);
		goto err0;
	}
	if ((w.steps = grid_new(CSV_NONE)) == NULL || (w.steps->metric = strdup("val_loss")) == NULL) {
		say_errno("cannot read '%s'", path);
		goto err0;
	}
	w.steps->higher = 0;
	if (S_ISDIR(st.st_mode))
		rc = folder(&w, AT_FDCWD, path, "", name, 0, NULL);
	else if ((kind_of(base) == TABLE && !ends(base, ".json")) || ends(base, ".md") || is_rows(path))
		rc = take_table(&w, AT_FDCWD, path, label, 1);
	else if (ends(base, ".json"))
		rc = take_submission(&w, AT_FDCWD, path, label, name, NULL);
	else
		rc = take_log(&w, AT_FDCWD, path, label, name, 1);
	say_progress_end();
	if (rc == 0)
		rc = take_steps(&w, label);
	if (rc == 0 && w.claims == 0 && w.empty && !w.asked)
		goto err0;
	if (rc == 0 && w.claims == 0) {
		if (h->unreadable == before && !w.asked)
			say_error("nothing in '%s' is a submission, a log with scores or a table of runs", path);
		rc = 1;
	}
err0:
	grid_free(w.steps);
	free(label);
	free(name);
	return (rc);
}
