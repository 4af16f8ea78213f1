#include <string.h>

#include "judge/evidence.h"
#include "judge/runrecord.h"
#include "ledger/row.h"

static int
is_same(const char *a, const char *b)
{
	return (a == NULL || b == NULL ? a == b : strcmp(a, b) == 0);
}

/* What the receipts say of each other and of the files that they name, now. */
static int
stands_against(const struct run_record *run, struct str *where)
{
	const json_t *list = json_array_size(run->problems) != 0 ? run->problems : run->mismatches;

	if (json_array_size(list) == 0)
		return (0);
	(void)str_puts(where, json_string_value(json_array_get(list, 0)));
	return (1);
}

enum evidence
evidence_look(const struct ledger *l, const char *path, const struct run_record *then, struct str *found)
{
	enum evidence is = EVIDENCE_GONE;
	enum runrecord how;
	struct row row;
	struct str where = STR_INIT;

	if (runrecord_run(path, l->real, &how, &row) == -1) {
		(void)str_puts(found, "the run can't be read");
		return (is);
	}
	if (!is_same(row.run.run_uid, then->run_uid))
		(void)str_puts(found, "another run lies there");
	else if (row.run.attempt != then->attempt)
		(void)str_puts(found, "the run was retried since");
	else if (how != RUNRECORD_CLOSED)
		(void)str_puts(found, "files that receipts name are not there");
	else if (row_run_differs(then, &row.run, &where) || stands_against(&row.run, &where)) {
		is = EVIDENCE_DIFFERS;
		(void)str_printf(found, "the run is not what its row says: %s", where.p == NULL ? "?" : where.p);
	} else {
		is = EVIDENCE_SAME;
		(void)str_puts(found, "receipts and artifact are those of the row");
	}
	str_free(&where);
	row_free(&row);
	return (is);
}
