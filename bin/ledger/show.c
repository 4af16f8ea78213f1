#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/jsonio.h"
#include "base/num.h"
#include "base/out.h"
#include "base/say.h"
#include "bin/ledger/command.h"
#include "ledger/ledger.h"

struct search {
	char **want; /* row numbers, digests, runs by name or path; none: the last row */
	int n;
	int *found;
	json_t *last;
	uint64_t number;
};

static int
matches(const struct search *s, const char *want, const struct row *row, const char *digest)
{
	const char *base = strrchr(want, '/'), *name;
	uint64_t number;
	size_t n = strlen(want);

	if (num_u64(want, 1, UINT64_MAX, &number) == 0)
		return (number == s->number);
	if (n >= 8 && n <= 64 && strspn(want, "0123456789abcdef") == n && strncmp(want, digest, n) == 0)
		return (1);
	base = base == NULL ? want : base + 1;
	name = row->kind == STANDINGS_RUN                                    ? row->run.run_id :
	    row->kind == STANDINGS_REVOCATION || row->kind == STANDINGS_NOTE ? row->note.run_id :
									       NULL;
	return (name != NULL && strcmp(name, base) == 0);
}

static int
show_row(void *arg, const char *line, size_t n, uint64_t offset, const char *digest)
{
	struct search *s = arg;
	json_t *row;
	struct row r;
	char *text;
	int i, hit = 0;

	(void)offset;
	s->number++;
	if ((row = jsonio_parse(line, n, LEDGER_ROWS)) == NULL || row_read(&r, json_incref(row)) == -1) {
		json_decref(row);
		return (1);
	}
	for (i = 0; i < s->n; i++)
		if (matches(s, s->want[i], &r, digest)) {
			s->found[i] = 1;
			hit = 1;
		}
	row_free(&r);
	if (hit && (text = jsonio_pretty(row)) != NULL) {
		out_json(text, strlen(text));
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
answer(struct opt *options, const char *ledger, char **arg, int n)
{
	struct search s = { .want = arg, .n = n };
	char head[SHA256_HEX_SIZE], *text, *trim;
	uint64_t size, count;
	int rows, rc, i, code = HG_EXIT_DONE;

	(void)options;
	for (i = 0; i < n; i++)
		for (trim = arg[i] + strlen(arg[i]); trim > arg[i] + 1 && trim[-1] == '/';)
			*--trim = '\0';
	if ((s.found = calloc((size_t)n + 1, sizeof(*s.found))) == NULL)
		return (HG_EXIT_SYSTEM);
	if ((rows = ledger_rows(ledger)) == -1) {
		free(s.found);
		return (ledger_exit(errno));
	}
	rc = ledger_walk(rows, show_row, &s, &size, &count, head);
	if (rc == -1 || rc == 2)
		code = rc == -1 ? ledger_exit(errno) : HG_EXIT_CONTRACT;
	for (i = 0; i < n && code == HG_EXIT_DONE; i++)
		if (!s.found[i]) {
			say_error("no row of '%s' in '%s'", arg[i], ledger);
			code = HG_EXIT_NO;
		}
	if (s.last != NULL && (text = jsonio_pretty(s.last)) != NULL) {
		out_json(text, strlen(text));
		free(text);
	}
	json_decref(s.last);
	free(s.found);
	close(rows);
	return (code);
}

static struct opt options[] = { { .letter = '\0' } };

const struct command show_command = {
	.word = "show",
	.summary = "Print rows as JSON, the last one where none is named.",
	.synopsis = "hg-ledger show LEDGER [ROW | RUN]...",
	.options = options,
	.most = 1000,
	.answer = answer,
};
