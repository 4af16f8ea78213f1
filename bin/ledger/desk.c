#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "judge/add.h"
#include "bin/ledger/desk.h"
#include "base/exit.h"
#include "base/jsonio.h"
#include "ledger/ledger.h"
#include "bin/ledger/listing.h"
#include "base/num.h"
#include "judge/plan.h"
#include "judge/plateau.h"
#include "judge/promote.h"
#include "ledger/row.h"
#include "run/rundir.h"
#include "base/say.h"
#include "law/explain.h"
#include "base/term.h"
#include "ledger/verify.h"

int
desk_given(const struct desk_request *q, char letter)
{
	return (opt_row(q->table, letter)->value != NULL);
}

static void
print_next(const struct advice *next)
{
	if (next->command.p != NULL)
		printf("next: %s\n      %s\n", next->command.p, next->why.p);
	else
		printf("next: %s\n", next->why.p);
}

static int
add_one(struct ledger *l, const char *path)
{
	struct add a;
	int code = HG_EXIT_DONE;

	if (add_run(l, path, &a) == -1)
		return (errno == EBADMSG ? HG_EXIT_CONTRACT : rundir_exit(errno));
	if (a.already != 0)
		printf("'%s' is in the ledger already: row %llu, %s: %s\n", path, (unsigned long long)a.already,
		    jsonio_text(a.row, "verdict.class", "?"), jsonio_text(a.row, "verdict.reason", "?"));
	else if (a.how == RUNRECORD_RUNNING) {
		say_error("'%s' is still at work; it is added once it has closed out", path);
		code = HG_EXIT_NOT_YET;
	} else if (a.how == RUNRECORD_PENDING) {
		say_error("'%s' has stages to go; hg-run goes on with it", path);
		code = HG_EXIT_PENDING;
	} else {
		printf("row %lld: %s: %s\n%s\n", (long long)jsonio_i64(a.row, "row", 0),
		    jsonio_text(a.row, "verdict.class", "?"), jsonio_text(a.row, "verdict.reason", "?"),
		    jsonio_text(a.row, "verdict.text", ""));
	}
	if (a.confirmation != NULL)
		printf("row %lld: %s: %s\n%s\n", (long long)jsonio_i64(a.confirmation, "row", 0),
		    jsonio_text(a.confirmation, "verdict.class", "?"),
		    jsonio_text(a.confirmation, "verdict.reason", "?"),
		    jsonio_text(a.confirmation, "verdict.text", ""));
	else if (a.next.why.p != NULL && a.already == 0)
		print_next(&a.next);
	add_free(&a);
	return (code);
}

static int
add(const struct desk_request *q)
{
	struct ledger l;
	int i, code, worst = HG_EXIT_DONE;

	if (ledger_open(&l, q->ledger, LEDGER_WRITE) == -1)
		return (ledger_exit(errno));
	for (i = 0; i < q->n; i++)
		if ((code = add_one(&l, q->arg[i])) > worst)
			worst = code;
	ledger_close(&l);
	return (worst);
}

/* The rows of a ledger, to be read without a lock; -1 after saying why. */
static int
open_rows(const char *path)
{
	int dir, rows = -1, error;

	if ((dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) != -1) {
		rows = openat(dir, LEDGER_ROWS, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		error = errno;
		close(dir);
		errno = error;
	}
	if (rows == -1)
		say_errno("cannot open the ledger '%s'", path);
	return (rows);
}

/* --- list ------------------------------------------------------------------ */

static int
list(const struct desk_request *q)
{
	struct listing how = { .all = desk_given(q, 'a'), .json = desk_given(q, 'j'), .drawn = desk_given(q, 's') };
	int rows, code;

	if (how.json && how.drawn) {
		say_error("list takes -j or -s, not both");
		return (HG_EXIT_USAGE);
	}
	if (isatty(STDOUT_FILENO) && !how.json)
		how.drawn = 1;
	how.columns = term_columns(STDOUT_FILENO);
	how.utf8 = term_utf8();
	if ((rows = open_rows(q->ledger)) == -1)
		return (ledger_exit(errno));
	code = listing_print(rows, &how);
	close(rows);
	return (code);
}

/* --- show ------------------------------------------------------------------ */

struct search {
	char **want; /* row numbers, digests, runs by name or path; none: the last row */
	int n;
	int *found;
	json_t *last;
	uint64_t number;
};

static int
matches(const struct search *s, const char *want, const json_t *row, const char *digest)
{
	const char *base = strrchr(want, '/');
	uint64_t number;
	size_t n = strlen(want);

	if (num_u64(want, 1, UINT64_MAX, &number) == 0)
		return (number == s->number);
	if (n >= 8 && n <= 64 && strspn(want, "0123456789abcdef") == n && strncmp(want, digest, n) == 0)
		return (1);
	base = base == NULL ? want : base + 1;
	return (
	    strcmp(jsonio_text(row, "kind", ""), "run") == 0 && strcmp(jsonio_text(row, "run.run_id", ""), base) == 0);
}

static int
show_row(void *arg, const char *line, size_t n, uint64_t offset, const char *digest)
{
	struct search *s = arg;
	json_t *row;
	char *text;
	int i, hit = 0;

	(void)offset;
	s->number++;
	if ((row = jsonio_parse(line, n, LEDGER_ROWS)) == NULL)
		return (1);
	for (i = 0; i < s->n; i++)
		if (matches(s, s->want[i], row, digest)) {
			s->found[i] = 1;
			hit = 1;
		}
	if (hit && (text = jsonio_pretty(row)) != NULL) {
		fputs(text, stdout);
		free(text);
	}
	if (s->n == 0) {
		json_decref(s->last);
		s->last = row;
	} else
		json_decref(row);
	return (0);
}

static int
show(const struct desk_request *q)
{
	struct search s = { .want = q->arg, .n = q->n };
	char head[SHA256_HEX_SIZE], *text, *trim;
	uint64_t size, count;
	int rows, rc, i, code = HG_EXIT_DONE;

	for (i = 0; i < q->n; i++)
		for (trim = q->arg[i] + strlen(q->arg[i]); trim > q->arg[i] + 1 && trim[-1] == '/';)
			*--trim = '\0';
	if ((s.found = calloc((size_t)q->n + 1, sizeof(*s.found))) == NULL)
		return (HG_EXIT_SYSTEM);
	if ((rows = open_rows(q->ledger)) == -1) {
		free(s.found);
		return (ledger_exit(errno));
	}
	rc = ledger_walk(rows, show_row, &s, &size, &count, head);
	if (rc == -1 || rc == 2)
		code = rc == -1 ? ledger_exit(errno) : HG_EXIT_CONTRACT;
	for (i = 0; i < q->n && code == HG_EXIT_DONE; i++)
		if (!s.found[i]) {
			say_error("no row of '%s' in '%s'", q->arg[i], q->ledger);
			code = HG_EXIT_NO;
		}
	if (s.last != NULL && (text = jsonio_pretty(s.last)) != NULL) {
		fputs(text, stdout);
		free(text);
	}
	json_decref(s.last);
	free(s.found);
	close(rows);
	return (code);
}

/* --- incumbent ------------------------------------------------------------- */

static void
print_incumbent(const json_t *row, int json)
{
	const json_t *i = json_object_get(row, "incumbent_after");
	char *line;

	if (json && (line = jsonio_line(i)) != NULL) {
		puts(line);
		free(line);
		return;
	}
	printf("%s  ", jsonio_text(i, "run_id", "?"));
	listing_score(json_object_get(i, "score"), 0, 5);
	printf("  (%lld run%s)  configuration %.12s  row %lld\n", (long long)jsonio_i64(i, "runs", 0),
	    jsonio_i64(i, "runs", 0) == 1 ? "" : "s", jsonio_text(i, "config_sha256", ""),
	    (long long)jsonio_i64(i, "row", 0));
}

/* Each group's last row that names its incumbent; from the end, so that the usual answer reads one row. */
static int
incumbent_of_groups(const struct desk_request *q)
{
	struct ledger l;
	const struct standings_fact *f;
	uint64_t *done = NULL;
	size_t i, k, n = 0, printed = 0;
	json_t *row;
	int code;

	if (ledger_open(&l, q->ledger, LEDGER_READ) == -1)
		return (ledger_exit(errno));
	if ((done = calloc(l.book.group_count + 1, sizeof(*done))) == NULL) {
		ledger_close(&l);
		return (HG_EXIT_SYSTEM);
	}
	for (i = standings_count(&l.book); i-- > 0 && n < l.book.group_count;) {
		f = standings_fact(&l.book, i);
		if (f->group == 0 || (f->kind != STANDINGS_RUN && f->kind != STANDINGS_VERDICT))
			continue;
		for (k = 0; k < n && done[k] != f->group; k++)
			;
		if (k < n || (row = ledger_row(&l, f)) == NULL)
			continue;
		if (json_is_object(json_object_get(row, "incumbent_after"))) {
			print_incumbent(row, desk_given(q, 'j'));
			done[n++] = f->group;
			printed++;
		}
		json_decref(row);
		if (!desk_given(q, 'a') && printed > 0)
			break;
	}
	code = printed > 0 ? HG_EXIT_DONE : HG_EXIT_NO;
	if (printed == 0)
		say_error("no run has scored yet");
	free(done);
	ledger_close(&l);
	return (code);
}

static int
incumbent(const struct desk_request *q)
{
	char digest[SHA256_HEX_SIZE], *line;
	json_t *row;
	size_t n;
	int dir, known = 0;

	if (desk_given(q, 'a'))
		return (incumbent_of_groups(q));
	if ((dir = open(q->ledger, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1) {
		say_errno("cannot open the ledger '%s'", q->ledger);
		return (ledger_exit(errno));
	}
	line = ledger_last(dir, &n, digest);
	close(dir);
	if (line != NULL && (row = json_loadb(line, n, 0, NULL)) != NULL) {
		if ((known = json_is_object(json_object_get(row, "incumbent_after"))))
			print_incumbent(row, desk_given(q, 'j'));
		json_decref(row);
	}
	free(line);
	return (known ? HG_EXIT_DONE : incumbent_of_groups(q));
}

static int
verify(const struct desk_request *q)
{
	struct verify v;
	int code = verify_ledger(q->ledger, q->arg, q->n, &v);

	if (code == HG_EXIT_DONE)
		printf("%llu rows, %llu of them runs; %zu witnesses agree; head %s\n", (unsigned long long)v.rows,
		    (unsigned long long)v.runs, v.witnesses, v.head);
	return (code);
}

/* --- plans ----------------------------------------------------------------- */

static int
plan_code(enum plan how)
{
	return (how == PLAN_NO ? HG_EXIT_NO : how == PLAN_PENDING ? HG_EXIT_PENDING : HG_EXIT_DONE);
}

/* The number of -n, or 0; -1 after saying what is wrong with it. */
static int
seeds_of(const struct desk_request *q, uint64_t most)
{
	uint64_t n = 0;
	const char *text = opt_row(q->table, 'n')->value;

	if (text != NULL && num_u64(text, 2, most, &n) == -1) {
		say_error("'%s' is no number of seeds from 2 to %llu", text, (unsigned long long)most);
		return (-1);
	}
	return ((int)n);
}

static void
print_plan(const json_t *row, int there)
{
	const json_t *p = json_object_get(row, "plan");
	struct str cost = STR_INIT;
	double sd = jsonio_f64(p, "lane_sd", 0), gain = jsonio_f64(p, "gain_sd", 0);
	int n = (int)jsonio_i64(p, "seeds_a_side", 0);

	(void)explain_time(&cost, jsonio_i64(p, "cost_ms", 0));
	printf("row %lld: %s '%s' against '%s', %d fresh seeds a side in turns, confirmation %lld of %lld in"
	       " campaign '%s'\n",
	    (long long)jsonio_i64(row, "row", 0),
	    there ? "open already:" : "plan:", jsonio_text(p, "challenger.run_id", "?"),
	    jsonio_text(p, "incumbent.run_id", "?"), n, (long long)jsonio_i64(p, "confirmation", 0),
	    (long long)jsonio_i64(p, "confirmations", 0), jsonio_text(p, "campaign", "?"));
	printf("At level %.2g a gain of %.1f lane deviations (%.5f) is confirmed with a chance of %.0f %%. Runs:"
	       " %d, about %s.\n",
	    jsonio_f64(p, "level", 0), gain, gain * sd, 100 * jsonio_f64(p, "power", 0), 2 * n,
	    cost.p == NULL ? "?" : cost.p);
	str_free(&cost);
}

static int
give_up(struct ledger *l)
{
	const struct standings_plan *p;
	json_t *row = NULL;
	unsigned slot;

	json_decref(plan_open(l, &p, &slot));
	if (standings_open_plan(&l->book, 0) == NULL) {
		say_error("no plan is open");
		return (HG_EXIT_NO);
	}
	if (add_confirmation(l, p, 1, &row) == -1)
		return (ledger_exit(errno));
	printf("row %lld: %s\n", (long long)jsonio_i64(row, "row", 0), jsonio_text(row, "verdict.text", ""));
	json_decref(row);
	return (HG_EXIT_DONE);
}

static int
plan(const struct desk_request *q)
{
	struct ledger l;
	enum plan how;
	json_t *row;
	int code, n = seeds_of(q, STANDINGS_SEEDS);

	if (n == -1 || (desk_given(q, 'x') ? q->n != 0 : q->n != 1)) {
		if (n != -1)
			say_error("plan takes a RUN, or -x and none");
		return (HG_EXIT_USAGE);
	}
	if (ledger_open(&l, q->ledger, LEDGER_WRITE) == -1)
		return (ledger_exit(errno));
	if (desk_given(q, 'x'))
		code = give_up(&l);
	else if (plan_confirmation(&l, q->arg[0], (unsigned)n, &how, &row) == -1)
		code = ledger_exit(errno);
	else {
		code = plan_code(how);
		if (row != NULL) {
			print_plan(row, how == PLAN_THERE);
			if (how == PLAN_MADE && jsonio_f64(row, "plan.power", 0) < l.book.policy.confirm.power)
				say_note("the policy wants a power of %.0f %%: hg-ledger plan -n takes more seeds a"
					 " side",
				    100 * l.book.policy.confirm.power);
		}
		json_decref(row);
	}
	ledger_close(&l);
	return (code);
}

static int
calibrate(const struct desk_request *q)
{
	struct ledger l;
	enum plan how;
	json_t *row;
	int code, n = seeds_of(q, 1000);

	if (n == -1)
		return (HG_EXIT_USAGE);
	if (ledger_open(&l, q->ledger, LEDGER_WRITE) == -1)
		return (ledger_exit(errno));
	if (plan_calibration(&l, q->arg[0], (unsigned)n, &how, &row) == -1)
		code = ledger_exit(errno);
	else {
		code = plan_code(how);
		if (how == PLAN_THERE)
			printf("calibrated already\n");
		else if (row != NULL)
			printf("row %lld: lane '%s' is calibrated: %zu seeds lie %.5f apart (standard deviation;"
			       " the true one is between"
			       " %.5f and %.5f with 95 %% confidence)\n",
			    (long long)jsonio_i64(row, "row", 0), jsonio_text(row, "calibration.lane", "?"),
			    json_array_size(jsonio_get(row, "calibration.runs")), jsonio_f64(row, "calibration.sd", 0),
			    jsonio_f64(row, "calibration.sd_lower", 0), jsonio_f64(row, "calibration.sd_upper", 0));
		json_decref(row);
	}
	ledger_close(&l);
	return (code);
}

/* For drivers: plan, number of the slot, side, seed, and where a run of that side lies; one line, tabs between. */
static int
next(const struct desk_request *q)
{
	const struct standings_plan *p;
	struct ledger l;
	char digest[SHA256_HEX_SIZE];
	json_t *row;
	unsigned slot;
	int code = HG_EXIT_NO;

	if (ledger_open(&l, q->ledger, LEDGER_READ) == -1)
		return (ledger_exit(errno));
	if ((row = plan_open(&l, &p, &slot)) == NULL)
		say_note("no plan is open");
	else if (slot < 2 * p->n && ledger_digest(&l, standings_row(&l.book, p->row), digest) == 0) {
		printf("%.8s\t%u\t%s\t%lld\t%s\n", digest, slot + 1,
		    p->slot[slot].challenger ? "challenger" : "incumbent", (long long)p->slot[slot].seed,
		    jsonio_text(row, p->slot[slot].challenger ? "plan.challenger.dir" : "plan.incumbent.dir", ""));
		code = HG_EXIT_DONE;
	}
	json_decref(row);
	ledger_close(&l);
	return (code);
}

static int
stop(const struct desk_request *q)
{
	static const int codes[] = { HG_EXIT_DONE, HG_EXIT_NO, HG_EXIT_PENDING, HG_EXIT_PENDING };
	struct str why = STR_INIT;
	struct advice next = { .cost_ms = 0 };
	struct plateau_view v;
	struct ledger l;
	int code = HG_EXIT_SYSTEM;

	if (ledger_open(&l, q->ledger, LEDGER_READ) == -1)
		return (ledger_exit(errno));
	v = plateau_look(&l.book);
	if (plateau_tell(&v, &l.book.policy, &why) == 0 && advice_ledger(&l, &next) == 0) {
		code = codes[v.what];
		printf("%s: %s\n", plateau_name(v.what), why.p);
		if (next.command.p != NULL)
			printf("next: %s\n", next.command.p);
	} else
		say_errno("cannot tell");
	str_free(&why);
	advice_free(&next);
	ledger_close(&l);
	return (code);
}

static int
promote(const struct desk_request *q)
{
	return (promote_run(q->ledger, q->arg[0], opt_row(q->table, 'H')->value));
}

/* --------------------------------------------------------------------------- */

static const struct desk_word desk[] = { { "add", add, "", 1, 100000 }, { "list", list, "ajs", 0, 0 },
	{ "show", show, "", 0, 1000 }, { "incumbent", incumbent, "aj", 0, 0 }, { "verify", verify, "", 0, 100000 },
	{ "calibrate", calibrate, "n", 1, 1 }, { "plan", plan, "nx", 0, 1 }, { "next", next, "", 0, 0 },
	{ "stop", stop, "", 0, 0 }, { "promote", promote, "H", 1, 1 }, { NULL, NULL, NULL, 0, 0 } };

static const struct desk_word *
find(const struct desk_word *words, const char *word)
{
	for (; words->word != NULL && strcmp(words->word, word) != 0; words++)
		;
	return (words->word == NULL ? NULL : words);
}

int
desk_serve(const struct opt_tool *tool, const char *word, struct opt *table, int argc, char **argv,
    const struct desk_word *more)
{
	struct desk_request q = { table, argc > 0 ? argv[0] : NULL, argv + 1, argc - 1 };
	const struct desk_word *w;
	const struct opt *o;

	if ((w = find(desk, word)) == NULL && (w = find(more, word)) == NULL) {
		say_error("unknown subcommand '%s'", word);
		return (opt_usage(tool));
	}
	for (o = table; o->letter != '\0'; o++)
		if (o->value != NULL && strchr(w->options, o->letter) == NULL) {
			say_error("%s takes no option -%c", word, o->letter);
			return (opt_usage(tool));
		}
	if (q.n < w->least || q.n > w->most)
		return (opt_usage(tool));
	return (w->serve(&q));
}
