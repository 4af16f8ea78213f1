#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/jsonio.h"
#include "base/out.h"
#include "base/say.h"
#include "bin/ledger/command.h"
#include "bin/ledger/listing.h"
#include "ledger/ledger.h"

static void
print_incumbent(const struct row_incumbent *i, int json)
{
	json_t *v;
	char *line;

	if (json && (v = row_write_incumbent(i)) != NULL) {
		if ((line = jsonio_line(v)) != NULL)
			out_json(line, strlen(line));
		free(line);
		json_decref(v);
		return;
	}
	out_put("%s  ", i->run_id == NULL ? "?" : i->run_id);
	listing_score(i->score, 0, 5);
	out_put("  (%lld run%s)  configuration %.12s  row %lld\n", (long long)i->runs, i->runs == 1 ? "" : "s",
	    i->config, (long long)i->row);
}

/* Each group's last row that names its incumbent; from the end, so that the usual answer reads one row. */
static int
of_groups(const char *ledger, int all, int json)
{
	struct ledger l;
	const struct standings_fact *f;
	uint64_t *done = NULL;
	size_t i, k, n = 0, printed = 0;
	struct row row;
	int code;

	if (ledger_open(&l, ledger, LEDGER_READ) == -1)
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
		if (k < n)
			continue;
		if (ledger_read(&l, f, &row) == -1) {
			code = ledger_exit(errno);
			goto err0;
		}
		if (row.after.config != NULL) {
			print_incumbent(&row.after, json);
			done[n++] = f->group;
			printed++;
		}
		row_free(&row);
		if (!all && printed > 0)
			break;
	}
	code = printed > 0 ? HG_EXIT_DONE : HG_EXIT_NO;
	if (printed == 0)
		say_error("no run has scored yet");
err0:
	free(done);
	ledger_close(&l);
	return (code);
}

static int
answer(struct opt *options, const char *ledger, char **arg, int n)
{
	char digest[SHA256_HEX_SIZE], *line;
	int dir, code, known = 0, all = command_given(options, 'a'), json = command_given(options, 'j');
	struct row row;
	json_t *v;
	size_t size;

	(void)arg;
	(void)n;
	if (all)
		return (of_groups(ledger, all, json));
	if ((dir = open(ledger, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1) {
		ledger_cannot_open(ledger);
		return (ledger_exit(errno));
	}
	if (ledger_settle(dir, ledger) == -1) {
		code = ledger_exit(errno);
		close(dir);
		return (code);
	}
	line = ledger_last(dir, &size, digest);
	close(dir);
	if (line != NULL && (v = json_loadb(line, size, 0, NULL)) != NULL && row_read(&row, v) == 0) {
		if ((known = row.after.config != NULL))
			print_incumbent(&row.after, json);
		row_free(&row);
	}
	free(line);
	return (known ? HG_EXIT_DONE : of_groups(ledger, all, json));
}

static struct opt options[] = { { .letter = 'a', .help = "of every group, the last first" },
	{ .letter = 'j', .help = "print JSON, one object a line" }, { .letter = '\0' } };

const struct command incumbent_command = {
	.word = "incumbent",
	.summary = "Say who is incumbent.",
	.synopsis = "hg-ledger incumbent [-a] [-j] LEDGER",
	.options = options,
	.answer = answer,
};
