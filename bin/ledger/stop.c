#include <errno.h>
#include <stdio.h>

#include "base/exit.h"
#include "base/out.h"
#include "base/say.h"
#include "bin/ledger/command.h"
#include "judge/advice.h"
#include "judge/plateau.h"
#include "ledger/ledger.h"

static int
answer(struct opt *options, const char *ledger, char **arg, int n)
{
	static const int codes[] = { HG_EXIT_DONE, HG_EXIT_NO, HG_EXIT_PENDING, HG_EXIT_PENDING };
	struct str why = STR_INIT;
	struct advice next = { .cost_ms = 0 };
	struct plateau_view v;
	struct ledger l;
	int code = HG_EXIT_SYSTEM;

	(void)options;
	(void)arg;
	(void)n;
	if (ledger_open(&l, ledger, LEDGER_READ) == -1)
		return (ledger_exit(errno));
	v = plateau_look(&l.book);
	if (plateau_tell(&v, &l.book, &why) == 0 && advice_ledger(&l, &next) == 0) {
		code = codes[v.what];
		out_put("%s: ", plateau_name(v.what));
		out_lines(why.p, why.n);
		if (next.command.p != NULL)
			out_put("next: %s\n", next.command.p);
	} else
		say_errno("cannot tell");
	str_free(&why);
	advice_free(&next);
	ledger_close(&l);
	return (code);
}

static struct opt options[] = { { .letter = '\0' } };

const struct command stop_command = {
	.word = "stop",
	.summary = "Say whether to stop, why, and what to do next.",
	.synopsis = "hg-ledger stop LEDGER",
	.options = options,
	.answer = answer,
};
