/*
 * Tokens against the parser, which is right by definition: a text that they are made of parses, to the same value; and
 * the fact of a row that follows from them follows from the parsed row, too.
 */
#include <string.h>

#include "base/jsonscan.h"
#include "ledger/row.h"
#include "t/fuzz/fuzz.h"

/* Members in their order, and reals to the bit: json_equal knows no -0. */
static int
same(json_t *a, json_t *b)
{
	void *i, *k;
	double x, y;
	size_t at;

	if (json_typeof(a) != json_typeof(b))
		return (0);
	switch (json_typeof(a)) {
	case JSON_OBJECT:
		for (i = json_object_iter(a), k = json_object_iter(b); i != NULL && k != NULL;
		     i = json_object_iter_next(a, i), k = json_object_iter_next(b, k))
			if (json_object_iter_key_len(i) != json_object_iter_key_len(k) ||
			    strcmp(json_object_iter_key(i), json_object_iter_key(k)) != 0 ||
			    !same(json_object_iter_value(i), json_object_iter_value(k)))
				return (0);
		return (i == NULL && k == NULL);
	case JSON_ARRAY:
		for (at = 0; at < json_array_size(a) && at < json_array_size(b); at++)
			if (!same(json_array_get(a, at), json_array_get(b, at)))
				return (0);
		return (json_array_size(a) == json_array_size(b));
	case JSON_REAL:
		x = json_real_value(a);
		y = json_real_value(b);
		return (memcmp(&x, &y, sizeof(x)) == 0);
	default:
		return (json_equal(a, b));
	}
}

static void
is_row(const struct jsonscan *s, json_t *theirs)
{
	struct standings_fact f, g;
	struct row ours, row;
	int rc;

	memset(&f, 0, sizeof(f));
	memset(&g, 0, sizeof(g));
	if (row_scan(&ours, s) == -1)
		return;
	fuzz_must(row_read(&row, json_incref(theirs)) == 0);
	rc = row_fact(&ours, &f);
	fuzz_must(ours.kind == row.kind && rc == row_fact(&row, &g) && memcmp(&f, &g, sizeof(f)) == 0);
	row_free(&row);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Kept from text to text, as its callers do: nothing may be left of the one before. */
	static struct jsonscan scan = JSONSCAN_INIT;
	json_t *theirs, *ours;

	if (jsonscan_text(&scan, (const char *)data, size) == -1)
		return (0);
	theirs = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	ours = jsonscan_tree(&scan);
	fuzz_must(theirs != NULL && ours != NULL && same(ours, theirs));
	is_row(&scan, theirs);
	json_decref(ours);
	json_decref(theirs);
	return (0);
}
