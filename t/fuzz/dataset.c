/*
 * A data directory: dataset.json as it is; and val_docs.tsv, if the first line holds what dataset.json would count:
 * "DOCUMENTS TOKENS BYTES".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"
#include "t/fuzz/fuzz.h"

static void
docs(const char *text, size_t n)
{
	unsigned documents, tokens, bytes;
	struct dataset d = { 0 };
	struct inputerror f;
	const char *rest = memchr(text, '\n', n);
	struct dataset_doc *rows;
	uint64_t i, sum = 0;
	char line[64];

	if (rest == NULL || (size_t)(rest - text) >= sizeof(line))
		return;
	memcpy(line, text, (size_t)(rest - text));
	line[rest - text] = '\0';
	if (sscanf(line, "%u %u %u", &documents, &tokens, &bytes) != 3 || documents > 1 << 16)
		return;
	d.val.documents = documents;
	d.val.tokens = tokens;
	d.val.bytes = bytes;
	d.docs_path = (char *)(uintptr_t)fuzz_file("val_docs.tsv", rest + 1, n - (size_t)(rest + 1 - text));
	if ((rows = dataset_docs(&d, &f)) == NULL)
		return;
	for (i = 0; i < documents; i++)
		sum += rows[i].tokens;
	fuzz_must(sum == tokens);
	free(rows);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dataset *d;
	struct inputerror f;

	docs((const char *)data, size);
	fuzz_file("dataset.json", data, size);
	if ((d = dataset_open(fuzz_dir(), &f)) == NULL)
		return (0);
	fuzz_must(d->train.count > 0 && d->val.count > 0 && d->bos_id < d->vocab_size);
	dataset_free(d);
	return (0);
}
