/* Other people's files: JSON as people write it, logs, tables, all the way to rows that keep their contract. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "import/claim.h"
#include "schema/contract.h"
#include "t/fuzz/fuzz.h"
#include "import/table.h"
#include "import/submission.h"

/* Whatever it was: the row keeps its contract, and a number is there only for a text that is one. */
static void
check(struct claim *c)
{
	static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
	struct str where = STR_INIT;
	json_t *row, *import;
	size_t i;

	if (c == NULL)
		return;
	for (i = 0; i < c->value_count; i++)
		if (!isnan(c->values[i].figure.number)) {
			fuzz_must(c->values[i].figure.flags == 0 && c->values[i].figure.unit > 0);
			fuzz_must(strlen(c->values[i].text) <= CLAIM_TEXT &&
			    strpbrk(c->values[i].text, "0123456789") != NULL);
		}
	import = claim_json(c);
	fuzz_must(import != NULL || c->broken);
	if (import != NULL) {
		row = json_pack("{s:s, s:s, s:i, s:s, s:s, s:o}", "schema", "homegolf.ledger_row.v1", "prev", zeros,
		    "row", 1, "added_at", "2026-11-22T00:00:00.000Z", "kind", "import", "import", import);
		fuzz_must(row != NULL && contract_check("ledger_row", row, &where) == 0);
		json_decref(row);
	}
	str_free(&where);
	claim_free(c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct table_want plain = { .metric = NULL }, named = { .metric = "score", .higher = 1 };
	struct logtext_file log = { "f/train_seed42.log", { .text = NULL } };
	struct textfile file, half;
	struct table s;
	size_t i;
	int loose;

	/* The whole as each kind of file; and cut in two, as a submission with its log. */
	if (textfile_take(&file, (const char *)data, size) == -1)
		return (0);
	check(submission_claim("f/submission.json", "f", &file, NULL, 0));
	check(submission_log_claim("f/train.log", "f", &file));
	fuzz_must(submission_is_log(&file) >= 0);
	for (loose = 0; loose < 2; loose++) {
		if (table_read(&s, "f/results.tsv", &file, loose ? &named : &plain, loose) == -1)
			continue;
		for (i = 0; i < s.count; i++) {
			check(s.claims[i]);
			s.claims[i] = NULL;
		}
		table_free(&s);
	}
	textfile_free(&file);
	if (textfile_take(&half, (const char *)data, size / 2) == -1)
		return (0);
	if (textfile_take(&log.file, (const char *)data + size / 2, size - size / 2) == 0)
		check(submission_claim("f/submission.json", "f", &half, &log, 1));
	textfile_free(&half);
	textfile_free(&log.file);
	return (0);
}
