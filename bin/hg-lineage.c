/* hg-lineage: where a run, a file or a digest comes from, and what is deployable now. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "base/opt.h"
#include "base/out.h"
#include "base/say.h"
#include "ledger/ledger.h"
#include "run/rundir.h"
#include "trace/find.h"
#include "trace/lineage.h"

static const struct opt_tool tool = { "hg-lineage",
	"Where a run, a file or a digest comes from, link by link; what is deployable now.",
	"hg-lineage [-j] [-l LEDGER] RUN | FILE | DIGEST [RUN | DIR]...\n"
	"hg-lineage [-j] -d LEDGER" };
static struct opt table[] = { { .letter = 'j', .help = "one JSON object a run" },
	{ .letter = 'l', .arg = "LEDGER", .help = "the ledger to look into; else the one that a run remembers" },
	{ .letter = 'd', .arg = "LEDGER", .help = "what is promoted, not revoked, and there as it was" },
	{ .letter = '\0' } };

/* Digits of a digest that are shown, and taken. */
enum { SHOWN_DIGITS = 12 };

static void
print_links(const struct lineage *l)
{
	const json_t *v;
	size_t i;

	json_array_foreach(l->links, i, v)
		out_put("%-8s %-15s %.12s  %s%s%s\n", jsonio_text(v, "state", ""), jsonio_text(v, "link", ""),
		    jsonio_text(v, "sha256", "-           "), jsonio_text(v, "file", ""),
		    *jsonio_text(v, "file", "") == '\0' || *jsonio_text(v, "detail", "") == '\0' ? "" : ": ",
		    jsonio_text(v, "detail", ""));
}

/* One run's links; ${sha256} was looked for and is ${as}, or is NULL: then that is what it is if all is well. */
static int
print(const char *name, const char *sha256, const char *as, const struct lineage *l, int json)
{
	json_t *found, *v;
	char *line;

	/* Of what is asked for whole nothing may be gone. */
	const int code = sha256 == NULL && as != NULL && l->worst == LINEAGE_PRUNED ? HG_EXIT_PENDING :
										      lineage_exit(l->worst);

	if (!json) {
		if (sha256 != NULL)
			out_put("%s: %.12s is %s\n", name, sha256, as);
		else if (as != NULL)
			out_put("%s: %s%s\n", name, l->worst == LINEAGE_OK ? "" : "not ", as);
		else
			out_put("%s: %s\n", name, lineage_word(l->worst));
		print_links(l);
		return (code);
	}
	found = sha256 == NULL ? json_null() : json_pack("{s:s, s:s}", "sha256", sha256, "as", as);
	v = json_pack("{s:s, s:s, s:o, s:s, s:O?}", "schema", "homegolf.lineage.v1", "run", name, "found", found,
	    "state", lineage_word(l->worst), "links", l->links);
	if (v == NULL || (l->links == NULL && json_object_set_new(v, "links", json_array()) == -1) ||
	    (line = jsonio_line(v)) == NULL) {
		json_decref(v);
		errno = ENOMEM;
		say_errno("cannot print");
		return (HG_EXIT_SYSTEM);
	}
	out_json(line, strlen(line));
	free(line);
	json_decref(v);
	return (code);
}

static int
of_run(const char *path, const char *ledger, const char *sha256, const char *as, int json)
{
	struct lineage l = { .links = NULL };
	int code;

	if (lineage_run(path, ledger, &l) == -1)
		code = rundir_exit(errno);
	else
		code = print(path, sha256, as, &l, json);
	json_decref(l.links);
	return (code);
}

static int
of_match(const struct find_match *m, const char *ledger, int json)
{
	struct lineage l = { .links = NULL };
	int code;

	/* Of what many runs have in common each is named; its lineage is asked for by name. */
	if (m->shared)
		return (print(m->run, m->sha256, m->as, &l, json));
	if (m->run != NULL)
		return (of_run(m->run, ledger, m->sha256, m->as, json));
	code = lineage_row(ledger, &m->row, &l) == -1 ?
	    HG_EXIT_SYSTEM :
	    print(jsonio_text(m->row.json, "run.run_id", "?"), m->sha256, m->as, &l, json);
	json_decref(l.links);
	return (code);
}

/* A digest, or as much of it as is shown; in small letters in ${hex}. */
static int
is_digest(const char *text, char hex[SHA256_HEX_SIZE])
{
	const size_t n = strlen(text);
	size_t i;

	if (n < SHOWN_DIGITS || n >= SHA256_HEX_SIZE || strspn(text, "0123456789abcdefABCDEF") != n)
		return (0);
	for (i = 0; i <= n; i++)
		hex[i] = (char)tolower((unsigned char)text[i]);
	return (1);
}

static int
is_called(void *name, const struct rows_row *row)
{
	return (strcmp(jsonio_text(row->json, "kind", ""), "run") == 0 &&
	    strcmp(jsonio_text(row->json, "run.run_id", ""), name) == 0);
}

/* A run that is not there, by the last row of its name: the exit code, or -1 if there is none. */
static int
of_row(const char *path, const char *ledger, int json)
{
	const char *name = strrchr(path, '/') == NULL ? path : strrchr(path, '/') + 1;
	struct lineage l = { .links = NULL };
	struct rows rows;
	int code = -1;

	if (rows_read(ledger, is_called, (void *)(uintptr_t)name, &rows) == -1)
		return (ledger_exit(errno));
	if (rows.count > 0)
		code = lineage_row(ledger, &rows.list[rows.count - 1], &l) == -1 ? HG_EXIT_SYSTEM :
										   print(path, NULL, NULL, &l, json);
	json_decref(l.links);
	rows_free(&rows);
	return (code);
}

/* A file or a digest, by the runs that know it. */
static int
of_digest(const char *what, const char *ledger, char *const *runs, int n, int json)
{
	char sha256[SHA256_HEX_SIZE];
	struct find f;
	struct stat st;
	const int file = stat(what, &st) == 0 || !is_digest(what, sha256);
	int fd, rc, code = HG_EXIT_DONE;
	size_t i;

	if (file && ledger != NULL && stat(what, &st) == -1 && errno == ENOENT &&
	    (code = of_row(what, ledger, json)) != -1)
		return (code);
	code = HG_EXIT_DONE;
	if (file && stat(what, &st) == 0 && !S_ISREG(st.st_mode)) {
		say_error("'%s' is no file that could have been kept", what);
		return (HG_EXIT_USAGE);
	}
	if (file) {
		if ((fd = file_open_given(what)) == -1 || (rc = sha256_fd(fd, sha256, NULL)) == -1) {
			say_errno("cannot read '%s'", what);
			return (errno == ENOENT || errno == ENOTDIR ? HG_EXIT_USAGE : HG_EXIT_SYSTEM);
		}
		close(fd);
	}
	if (find_runs(sha256, file ? what : NULL, ledger, runs, n, &f) == -1)
		code = ledger_exit(errno);
	for (i = 0; i < f.count && code != HG_EXIT_SYSTEM; i++)
		code = exit_worse(code, of_match(&f.list[i], ledger, json));
	if (f.count == 0 && code == HG_EXIT_DONE) {
		say_error("no run that was looked at knows '%s'%s%s%s; name more of them, or a ledger by -l", what,
		    file ? " (" : "", file ? sha256 : "", file ? ")" : "");
		code = HG_EXIT_PENDING;
	}
	find_free(&f);
	return (code);
}

static int
any(void *arg, const struct rows_row *row)
{
	const char *kind = jsonio_text(row->json, "kind", "");

	(void)arg;
	return (strcmp(kind, "run") == 0 || strcmp(kind, "promotion") == 0 || strcmp(kind, "confirmation") == 0 ||
	    strcmp(kind, "calibration") == 0 || strcmp(kind, "revocation") == 0 || strcmp(kind, "note") == 0);
}

static int
deployable(const char *ledger, int json)
{
	struct rows rows;
	int code = HG_EXIT_DONE, count = 0;
	size_t i;

	if (rows_read(ledger, any, NULL, &rows) == -1)
		return (ledger_exit(errno));
	for (i = 0; i < rows.count; i++) {
		struct lineage l = { .links = NULL };

		if (strcmp(jsonio_text(rows.list[i].json, "kind", ""), "promotion") != 0 ||
		    !lineage_stands(&rows, &rows.list[i]))
			continue;
		count++;
		code = exit_worse(code,
		    lineage_promoted(ledger, &rows, &rows.list[i], &l) == -1 ?
			HG_EXIT_SYSTEM :
			print(jsonio_text(rows.list[i].json, "promotion.run_id", "?"), NULL, "deployable", &l, json));
		json_decref(l.links);
	}
	if (count == 0) {
		say_error("nothing is deployable: no promotion stands in '%s'", ledger);
		code = HG_EXIT_NO;
	}
	rows_free(&rows);
	return (code);
}

int
main(int argc, char **argv)
{
	const char *ledger, *all;
	struct stat st;
	int i, json;

	exit_init(tool.name);
	if ((i = opt_parse(&tool, table, argc, argv)) < 0)
		return (i == OPT_EXIT ? exit_flush(HG_EXIT_DONE) : HG_EXIT_USAGE);
	json = opt_row(table, 'j')->value != NULL;
	ledger = opt_row(table, 'l')->value;
	all = opt_row(table, 'd')->value;
	if (all != NULL)
		return (i != argc || ledger != NULL ? opt_usage(&tool) : exit_flush(deployable(all, json)));
	if (i == argc)
		return (opt_usage(&tool));
	if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
		return (argc - i != 1 ? opt_usage(&tool) : exit_flush(of_run(argv[i], ledger, NULL, NULL, json)));
	return (exit_flush(of_digest(argv[i], ledger, argv + i + 1, argc - i - 1, json)));
}
