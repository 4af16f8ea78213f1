#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit.h"
#include "base/jsonio.h"
#include "base/out.h"
#include "base/say.h"
#include "bin/ledger/command.h"
#include "bin/ledger/listing.h"
#include "judge/gain.h"
#include "judge/note.h"
#include "ledger/ledger.h"

/* What bars the artifact that was promoted of a group's incumbent: its fact, or NULL. */
static const struct standings_fact *
bar_of(const struct ledger *l, uint64_t group, uint64_t config)
{
	const struct standings_fact *f, *run;
	struct row row;
	size_t i;

	for (i = standings_count(&l->book); i-- > 0;) {
		f = standings_fact(&l->book, i);
		if (f->kind != STANDINGS_PROMOTION || f->group != group)
			continue;
		if (f->config != config || ledger_read(l, f, &row) == -1)
			return (NULL);
		run = standings_row(&l->book, standings_tag(row.promotion.run));
		row_free(&row);
		return (run == NULL ? NULL : gain_bar(l, run, i));
	}
	return (NULL);
}

static void
print_incumbent(const struct ledger *l, uint64_t group, const struct row_incumbent *i, int json)
{
	const struct standings_fact *bar = bar_of(l, group, standings_tag(i->config));
	struct str said = STR_INIT;
	json_t *v;
	char *line;

	if (bar != NULL)
		(void)note_tell(l, bar, &said);
	if (json && (v = row_write_incumbent(i)) != NULL) {
		if (said.p != NULL)
			json_object_set_new(v, "barred", json_string(said.p));
		if ((line = jsonio_line(v)) != NULL)
			out_json(line, strlen(line));
		free(line);
		json_decref(v);
	} else {
		out_put("%s  ", i->run_id == NULL ? "?" : i->run_id);
		listing_score(i->score, 0, 5);
		out_put("  (%lld run%s)  configuration %.12s  row %lld\n", (long long)i->runs, i->runs == 1 ? "" : "s",
		    i->config, (long long)i->row);
		if (said.p != NULL)
			out_put("its promotion does not stand: %s\n", said.p);
	}
	str_free(&said);
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
			print_incumbent(&l, f->group, &row.after, json);
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
	(void)arg;
	(void)n;
	return (of_groups(ledger, command_given(options, 'a'), command_given(options, 'j')));
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
