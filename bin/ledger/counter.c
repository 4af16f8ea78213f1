#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "bin/ledger/counter.h"
#include "base/exit.h"
#include "import/discover.h"
#include "import/ingest.h"
#include "ledger/ledger.h"
#include "import/rejudge.h"
#include "judge/replay.h"
#include "base/say.h"
#include "import/verdicts.h"

/* The column to compare, or NULL for the usual one; 0, or -1 after saying what is wrong with the options. */
static int
metric_of(const struct desk_request *q, struct table_want *want)
{
	size_t i, k, n;

	want->metric = NULL;
	want->higher = desk_given(q, 'M');
	if (desk_given(q, 'm') && desk_given(q, 'M')) {
		say_error("-m and -M exclude each other: a column is better low or high");
		return (-1);
	}
	if (!desk_given(q, 'm') && !desk_given(q, 'M'))
		return (0);
	want->metric = opt_row(q->table, want->higher ? 'M' : 'm')->value;
	n = strlen(want->metric);
	for (i = 0; i < n && (k = utf8_read(want->metric + i, n - i, NULL)) != 0; i += k)
		;
	if (i == n && n > 0 && n <= CLAIM_TEXT)
		return (0);
	say_error("'%s' is no name of a column", want->metric);
	return (-1);
}

static int
import(const struct desk_request *q)
{
	struct ingest in;
	struct discover h = { .each = ingest_claims, .arg = &in };
	struct ledger l;
	size_t rows;
	int i, rc = 0, code = HG_EXIT_DONE;

	if (metric_of(q, &h.want) == -1)
		return (HG_EXIT_USAGE);
	if (ledger_open(&l, q->ledger, LEDGER_WRITE) == -1)
		return (ledger_exit(errno));
	if (ingest_begin(&in, &l, desk_given(q, 'j')) == -1) {
		code = ledger_exit(errno);
		goto out;
	}
	ledger_hold(&l);
	for (i = 0; i < q->n; i++) {
		if ((rc = discover_source(&h, q->arg[i])) == -1)
			break;
		if (rc == 1)
			code = HG_EXIT_CONTRACT;
	}
	if (rc == -1) {
		code = ledger_exit(errno);
		goto out;
	}
	if (ingest_end(&in) == -1) {
		code = HG_EXIT_SYSTEM;
		goto out;
	}
	rows = in.added[CLAIM_SUBMISSION] + in.added[CLAIM_LOG] + in.added[CLAIM_TABLE];
	if (!desk_given(q, 'j'))
		printf("%zu row%s added (%zu submissions, %zu logs, %zu lines of tables; %zu revise earlier ones),"
		       " %zu known"
		       " already; %zu findings; %zu files read, %zu unreadable\n",
		    rows, rows == 1 ? "" : "s", in.added[CLAIM_SUBMISSION], in.added[CLAIM_LOG], in.added[CLAIM_TABLE],
		    in.revised, in.known, in.findings, h.files - h.unreadable, h.unreadable);
out:
	ingest_free(&in);
	ledger_close(&l);
	return (code);
}

/* What was judged here is derived again; what was imported is judged as of now. */
static int
replay(const struct desk_request *q)
{
	struct replay_view view;
	struct rejudge r;
	struct ledger l;
	int code = HG_EXIT_DONE;

	if (!desk_given(q, 'j')) {
		if ((code = replay_ledger(q->ledger, &view)) != HG_EXIT_DONE && code != HG_EXIT_NO)
			return (code);
		printf("%llu rows, %u verdicts derived again, %u differ\n", (unsigned long long)view.rows, view.judged,
		    view.differ);
	}
	if (ledger_open(&l, q->ledger, LEDGER_READ) == -1)
		return (ledger_exit(errno));
	if (rejudge_ledger(&r, &l) == -1)
		code = ledger_exit(errno);
	else {
		if (desk_given(q, 'j'))
			code = verdicts_json(&r) == -1 ? HG_EXIT_SYSTEM : code;
		else
			verdicts_print(&r);
		rejudge_free(&r);
	}
	ledger_close(&l);
	return (code);
}

const struct desk_word counter_words[] = { { "import", import, "jmM", 1, 100000 }, { "replay", replay, "j", 0, 0 },
	{ NULL, NULL, NULL, 0, 0 } };
