#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/exit.h"
#include "base/out.h"
#include "base/say.h"
#include "bin/ledger/command.h"
#include "judge/note.h"
#include "ledger/ledger.h"

/* contracts/ledger_row.json says the same. */
enum { WORD_MAX = 32, TEXT_MAX = 4096 };

static int
is_word(const char *word)
{
	size_t n = strspn(word, "abcdefghijklmnopqrstuvwxyz_-");

	return (n > 0 && n <= WORD_MAX && word[n] == '\0' && islower((unsigned char)word[0]));
}

static int
answer(struct opt *options, const char *ledger, char **arg, int n)
{
	const struct standings_fact *run;
	struct ledger l;
	struct row row;
	int code = HG_EXIT_DONE;

	(void)options;
	if (!is_word(arg[1])) {
		say_error("'%s' is no word for a note: 1 to %d of a-z _ -, a letter first", arg[1], WORD_MAX);
		return (HG_EXIT_USAGE);
	}
	/* There is nothing to note in a ledger that this would have to make. */
	if (ledger_open(&l, ledger, LEDGER_READ) == -1)
		return (ledger_exit(errno));
	ledger_close(&l);
	if (ledger_open(&l, ledger, LEDGER_WRITE) == -1)
		return (ledger_exit(errno));
	if ((run = note_find(&l, arg[0])) == NULL) {
		code = errno == ENOENT ? HG_EXIT_NO : ledger_exit(errno);
		goto err0;
	}
	if (note_begin(&l, STANDINGS_NOTE, run, &row) == -1) {
		code = ledger_exit(errno);
		goto err0;
	}
	row.note.word = row_text(&row, arg[1]);
	row.note.text = n > 2 ? row_text(&row, arg[2]) : NULL;
	if (row.note.word == NULL || (n > 2 && row.note.text == NULL)) {
		say_error("the text of a note is UTF-8, of %d characters at most", TEXT_MAX);
		code = HG_EXIT_USAGE;
	} else if (ledger_append_row(&l, &row, NULL) == -1)
		code = errno == EBADMSG ? HG_EXIT_USAGE : ledger_exit(errno);
	else
		out_put("row %lld: %s: %s\n", (long long)row.number, row.note.run_id, row.note.word);
	row_free(&row);
err0:
	ledger_close(&l);
	return (code);
}

static struct opt options[] = { { .letter = '\0' } };

const struct command note_command = {
	.word = "note",
	.summary =
	    "Say something of a run: altered bars its promotion, cleared ends that, any other word is for people.",
	.synopsis = "hg-ledger note LEDGER RUN WORD [TEXT]",
	.options = options,
	.least = 2,
	.most = 3,
	.answer = answer,
};
