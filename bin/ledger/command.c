#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/file.h"
#include "base/num.h"
#include "base/out.h"
#include "base/say.h"
#include "base/utf8.h"
#include "bin/ledger/command.h"
#include "ledger/ledger.h"
#include "ledger/verify.h"

int
command_given(struct opt *options, char letter)
{
	return (opt_row(options, letter)->value != NULL);
}

int
command_look(struct opt *options, struct claimrow_look *look)
{
	size_t i, k, n;

	look->metric = NULL;
	look->higher = command_given(options, 'M');
	if (command_given(options, 'm') && command_given(options, 'M')) {
		say_error("-m and -M exclude each other: a column is better low or high");
		return (-1);
	}
	if (!command_given(options, 'm') && !command_given(options, 'M'))
		return (0);
	look->metric = opt_row(options, look->higher ? 'M' : 'm')->value;
	n = strlen(look->metric);
	for (i = 0; i < n && (k = utf8_read(look->metric + i, n - i, NULL)) != 0; i += k)
		;
	if (i == n && n > 0 && n <= CLAIM_TEXT)
		return (0);
	say_error("'%s' is no name of a column", look->metric);
	return (-1);
}

int
command_open_whole(struct ledger *l, const char *ledger, enum ledger_mode mode)
{
	struct verify found;
	int rows, code;

	/* There is nothing to plan in a ledger that this would have to make. */
	if ((rows = ledger_rows(ledger)) == -1)
		return (ledger_exit(errno));
	close(rows);
	if (ledger_open_whole(l, ledger, mode) == -1)
		return (ledger_exit(errno));
	if (mode != LEDGER_WRITE || (code = verify_ledger(ledger, NULL, 0, &found)) == HG_EXIT_DONE)
		return (HG_EXIT_DONE);
	say_error("nothing is planned by the ledger '%s', which does not verify", ledger);
	ledger_close(l);
	return (code);
}

int
command_seeds(struct opt *options, uint64_t most)
{
	uint64_t n = 0;
	const char *text = opt_row(options, 'n')->value;

	if (text != NULL && num_u64(text, 2, most, &n) == -1) {
		say_error("'%s' is no number of seeds from 2 to %llu", text, (unsigned long long)most);
		return (-1);
	}
	return ((int)n);
}

int
command_plan_code(enum plan how)
{
	return (how == PLAN_NO                            ? HG_EXIT_NO :
		how == PLAN_PENDING || how == PLAN_SECOND ? HG_EXIT_PENDING :
							    HG_EXIT_DONE);
}

void
command_print_verdict(const struct row *row)
{
	out_put("row %lld: %s: %s\n%s\n", (long long)row->number, verdict_class_name(row->verdict.is.klass),
	    verdict_reason_name(row->verdict.is.reason), row->verdict.text == NULL ? "" : row->verdict.text);
}
