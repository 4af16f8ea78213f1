#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "judge/add.h"
#include "base/atomfile.h"
#include "schema/contract.h"
#include "base/exit.h"
#include "base/jsonio.h"
#include "judge/preview.h"
#include "run/rundir.h"
#include "base/out.h"
#include "base/say.h"

/* classification.json of a row, real or foreseen. */
static json_t *
classification(const struct ledger *l, const struct add *a)
{
	const struct run_record *run = &a->row.run;
	const struct verdict *v = &a->row.verdict.is;
	json_t *row = row_write(&a->row), *c;

	c = json_pack("{s:s, s:s, s:s, s:I, s:s, s:I, s:o, s:s, s:s, s:s, s:o, s:O}", "schema",
	    "homegolf.classification.v1", "run_id", run->run_id, "run_uid", run->run_uid, "attempt",
	    (json_int_t)run->attempt, "ledger_head_sha256", l->head, "ledger_rows",
	    (json_int_t)standings_count(&l->book), "recorded_row",
	    a->already == 0 ? json_null() : json_integer((json_int_t)a->already), "class", verdict_class_name(v->klass),
	    "reason", verdict_reason_name(v->reason), "text", a->row.verdict.text, "next", advice_json(&a->next),
	    "verdict", json_object_get(row, "verdict"));
	json_decref(row);
	if (c != NULL && a->already != 0 &&
	    (jsonio_put(c, "recorded_class", json_string(verdict_class_name(a->was_class))) == -1 ||
		jsonio_put(c, "recorded_reason", json_string(verdict_reason_name(a->was_reason))) == -1 ||
		(a->altered.n != 0 && jsonio_put(c, "altered", json_string(a->altered.p)) == -1))) {
		json_decref(c);
		return (NULL);
	}
	return (c);
}

static int
write_file(const char *path, const char *text, size_t n)
{
	int dir, rc;

	if ((dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 ||
	    (rc = atomfile_replace(dir, RUNDIR_CLASSIFICATION, text, n)) == -1) {
		say_errno("cannot write '%s/%s'", path, RUNDIR_CLASSIFICATION);
		rc = -1;
	}
	if (rc == 0)
		(void)atomfile_sweep(dir, RUNDIR_CLASSIFICATION);
	if (dir != -1)
		close(dir);
	return (rc);
}

static int
code_of(const struct add *a)
{
	const struct verdict *v = &a->row.verdict.is;

	if (a->already == 0 && a->how == RUNRECORD_RUNNING)
		return (HG_EXIT_NOT_YET);
	if (a->altered.n != 0)
		return (HG_EXIT_NO);
	if (v->reason == VERDICT_MISSING)
		return (HG_EXIT_PENDING);
	return (v->klass == VERDICT_BLOCKED || v->klass == VERDICT_INVALID ? HG_EXIT_NO : HG_EXIT_DONE);
}

int
preview_run(struct ledger *l, const char *path, int json)
{
	struct add a;
	char *text = NULL;
	json_t *c = NULL;
	size_t n;
	int code = HG_EXIT_SYSTEM;

	if (add_preview(l, path, &a) == -1)
		return (rundir_exit(errno));
	if ((c = classification(l, &a)) == NULL || (text = contract_pretty("classification", c, &n)) == NULL) {
		if (c == NULL)
			say_error("cannot judge '%s': its row is not whole", path);
		goto err0;
	}
	if (write_file(path, text, n) == -1)
		goto err0;
	code = code_of(&a);
	if (json)
		out_json(text, strlen(text));
	else {
		out_put("%s: %s", verdict_class_name(a.row.verdict.is.klass),
		    verdict_reason_name(a.row.verdict.is.reason));
		if (a.already != 0)
			out_put(" (row %llu", (unsigned long long)a.already);
		if (a.already != 0 && a.was_reason != a.row.verdict.is.reason)
			out_put(" said %s: %s", verdict_class_name(a.was_class), verdict_reason_name(a.was_reason));
		out_put("%s\n%s\n", a.already != 0 ? ")" : "", a.row.verdict.text);
		if (a.altered.n != 0)
			out_put("The run is not what its row says. Altered since: %s.\n", a.altered.p);
		if (a.next.command.p != NULL)
			out_put("next: %s\n      %s\n", a.next.command.p, a.next.why.p);
		else
			out_put("next: %s\n", a.next.why.p);
	}
err0:
	free(text);
	json_decref(c);
	add_free(&a);
	return (code);
}
