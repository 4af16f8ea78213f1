/*
 * Ledgers: rows, each JSON, parted by empty lines.  Number and digest of the row before are put right where the row
 * is an object, so that the fuzzer gets behind the chain; everything else is left as it is.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/fuzz/fuzz.h"
#include "base/jsonio.h"
#include "ledger/ledger.h"
#include "base/sha256.h"
#include "base/str.h"

/* One row, chained to what is there; 0 or -1. */
static int
chain(struct str *out, const char *text, size_t n, int64_t row, char digest[SHA256_HEX_SIZE])
{
	json_t *v = jsonio_parse(text, n, "row");
	size_t from = out->n;
	char *line = NULL;
	int rc;

	if (json_is_object(v) && json_object_get(v, "prev") != NULL && json_object_get(v, "row") != NULL) {
		json_object_set_new(v, "prev", json_string(digest));
		json_object_set_new(v, "row", json_integer(row));
	}
	if (v != NULL)
		line = jsonio_line(v);
	rc = line != NULL ? str_puts(out, line) : str_add(out, text, n);
	if (rc == 0)
		rc = str_add(out, "\n", 1);
	if (rc == 0)
		rc = sha256_hex(out->p + from, out->n - from, digest);
	free(line);
	json_decref(v);
	return (rc);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char digest[SHA256_HEX_SIZE];
	const char *p = (const char *)data, *end = p + size, *next;
	struct str out = STR_INIT;
	struct ledger l;
	int64_t row = 1;
	char index[4096];

	memset(digest, '0', sizeof(digest) - 1);
	digest[sizeof(digest) - 1] = '\0';
	for (; p < end && row < 64; p = next, row++) {
		if ((next = memmem(p, (size_t)(end - p), "\n\n", 2)) == NULL)
			next = end;
		if (chain(&out, p, (size_t)(next - p), row, digest) == -1)
			break;
		next += next < end ? 2 : 0;
	}
	fuzz_file(LEDGER_ROWS, out.p == NULL ? "" : out.p, out.n);
	str_free(&out);
	/* An index of the file before would only hide this one. */
	snprintf(index, sizeof(index), "%s/" INDEX_FILE, fuzz_dir());
	unlink(index);
	if (ledger_open(&l, fuzz_dir(), LEDGER_READ) == 0)
		ledger_close(&l);
	return (0);
}
