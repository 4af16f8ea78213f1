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
#include "base/say.h"

/* classification.json of a row, real or foreseen. */
static json_t *
classification(const struct ledger *l, const struct add *a)
{
	json_t *c;

	c = json_pack("{s:s, s:O, s:O, s:O, s:s, s:I, s:o, s:O, s:O, s:O, s:o, s:O}", "schema",
	    "homegolf.classification.v1", "run_id", jsonio_get(a->row, "run.run_id"), "run_uid",
	    jsonio_get(a->row, "run.run_uid"), "attempt", jsonio_get(a->row, "run.attempt"), "ledger_head_sha256",
	    l->head, "ledger_rows", (json_int_t)standings_count(&l->book), "recorded_row",
	    a->already == 0 ? json_null() : json_integer((json_int_t)a->already), "class",
	    jsonio_get(a->row, "verdict.class"), "reason", jsonio_get(a->row, "verdict.reason"), "text",
	    jsonio_get(a->row, "verdict.text"), "next", advice_json(&a->next), "verdict",
	    json_object_get(a->row, "verdict"));
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
	const char *klass = jsonio_text(a->row, "verdict.class", ""),
		   *reason = jsonio_text(a->row, "verdict.reason", "");

	if (a->already == 0 && a->how == RUNRECORD_RUNNING)
		return (HG_EXIT_NOT_YET);
	if (strcmp(reason, "missing_evidence") == 0)
		return (HG_EXIT_PENDING);
	return (strcmp(klass, "blocked") == 0 || strcmp(klass, "invalid") == 0 ? HG_EXIT_NO : HG_EXIT_DONE);
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
		fputs(text, stdout);
	else {
		printf("%s: %s", jsonio_text(c, "class", "?"), jsonio_text(c, "reason", "?"));
		if (a.already != 0)
			printf(" (row %llu)", (unsigned long long)a.already);
		printf("\n%s\n", jsonio_text(c, "text", ""));
		if (a.next.command.p != NULL)
			printf("next: %s\n      %s\n", a.next.command.p, a.next.why.p);
		else
			printf("next: %s\n", a.next.why.p);
	}
err0:
	free(text);
	json_decref(c);
	add_free(&a);
	return (code);
}
